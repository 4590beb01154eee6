/* SPDX-License-Identifier: MIT */
#include "tests/op/trial.h"

#include <math.h>

/* A channels-last tensor N,C,D,H,W that may be some channels of a larger one. */
struct image {
    struct nt_tensor view;
    void *data;
    size_t elements;
};

static struct image image_make(
    enum nt_dtype dtype, int64_t n, int64_t c, const int extent[3], bool slice)
{
    int64_t before = slice ? test_int(0, 5) : 0, all = before + c + (slice ? test_int(0, 5) : 0);
    int64_t d = extent[0], h = extent[1], w = extent[2];
    struct image m = {.view = {.dtype = dtype, .offset = before, .shape = {5, {n, c, d, h, w}}},
        .elements = (size_t)(n * d * h * w * all)};
    const int64_t stride[] = {d * h * w * all, 1, h * w * all, w * all, all};
    memcpy(m.view.stride, stride, sizeof stride);
    m.data = malloc(4 * m.elements + 4);
    return m;
}

/* The view with the last `dims` spatial dimensions alone; the others have extent 1. */
static struct nt_tensor seen(struct nt_tensor view, int dims)
{
    for (int i = 0; i < dims; i++) {
        view.shape.dim[2 + i] = view.shape.dim[5 - dims + i];
        view.stride[2 + i] = view.stride[5 - dims + i];
    }
    view.shape.rank = 2 + dims;
    return view;
}

struct shape {
    struct nt_pool pool;
    int n, c, in[3], out[3];
    int dims; /* those that the primitive is shown, the last ones */
};

/* The window as the primitive is told of it. */
static struct nt_pool told(const struct shape *s)
{
    struct nt_pool p = s->pool;
    for (int i = 0; i < s->dims; i++) {
        int from = 3 - s->dims + i;
        p.kernel[i] = p.kernel[from];
        p.stride[i] = p.stride[from];
        p.dilation[i] = p.dilation[from];
        p.pad_before[i] = p.pad_before[from];
        p.pad_after[i] = p.pad_after[from];
    }
    return p;
}

/* Whether tap t of the window at `at` lies inside x, its offset in pixels, and whether an average
 * counts it. */
static bool tap(const struct shape *s, const int at[3], const int t[3], int *offset, bool *counts)
{
    const struct nt_pool *p = &s->pool;
    bool inside = true;
    *counts = true;
    *offset = 0;
    for (int i = 0; i < 3; i++) {
        int64_t k = at[i] * p->stride[i] - p->pad_before[i] + t[i] * p->dilation[i];
        if (p->adaptive)
            k = at[i] * s->in[i] / s->out[i] + t[i];
        inside &= k >= 0 && k < s->in[i];
        *counts &= k < s->in[i] + p->pad_after[i];
        *offset = *offset * s->in[i] + (int)k;
    }
    *counts = inside || (p->count_include_pad && *counts && !p->adaptive);
    return inside;
}

static int taps(const struct shape *s, int i, int at)
{
    if (!s->pool.adaptive)
        return (int)s->pool.kernel[i];
    return (int)ceil((at + 1.0) * s->in[i] / s->out[i]) - at * s->in[i] / s->out[i];
}

/* One window in double precision. With dx, adds d to the elements that the result depends on.
 * *index: of the maximum. */
static double window(const struct shape *s, const double *x, double *dx, double d, const int at[3],
    int step, int *index)
{
    double best = -INFINITY, sum = 0, divisor = 0;
    int end[3], t[3], k;
    bool counts;
    *index = -1;
    for (int i = 0; i < 3; i++)
        end[i] = taps(s, i, at[i]);
    for (t[0] = 0; t[0] < end[0]; t[0]++)
        for (t[1] = 0; t[1] < end[1]; t[1]++)
            for (t[2] = 0; t[2] < end[2]; t[2]++) {
                bool inside = tap(s, at, t, &k, &counts);
                divisor += counts;
                if (!inside)
                    continue;
                double v = x[k * step];
                sum += v;
                if (*index < 0 || (!isnan(best) && (isnan(v) || v > best))) {
                    best = v;
                    *index = k;
                }
            }
    if (s->pool.divisor)
        divisor = (double)s->pool.divisor;
    if (s->pool.pooling == NT_POOL_MAX) {
        if (dx && *index >= 0)
            dx[*index * step] += d;
        return best;
    }
    for (t[0] = 0; dx && t[0] < end[0]; t[0]++)
        for (t[1] = 0; t[1] < end[1]; t[1]++)
            for (t[2] = 0; t[2] < end[2]; t[2]++)
                if (tap(s, at, t, &k, &counts))
                    dx[k * step] += d / divisor;
    return divisor > 0 ? sum / divisor : 0;
}

/* Steps through the windows of all images and channels; false after the last one. */
static bool next(const struct shape *s, int at[5])
{
    const int end[] = {s->n, s->out[0], s->out[1], s->out[2], s->c};
    for (int i = 4; i >= 0; i--) {
        if (++at[i] < end[i])
            return true;
        at[i] = 0;
    }
    return false;
}

/* All windows, dense N,D,H,W,C arrays. dy, dx and index may be NULL. Returns sum(dy * y). */
static double naive(
    const struct shape *s, const double *x, double *y, int *index, const double *dy, double *dx)
{
    double sum = 0;
    int area = s->in[0] * s->in[1] * s->in[2], where, at[5] = {0}, k = 0;
    do {
        int first = at[0] * area * s->c + at[4];
        double v =
            window(s, x + first, dx ? dx + first : NULL, dy ? dy[k] : 0, at + 1, s->c, &where);
        if (y)
            y[k] = v;
        if (index)
            index[k] = where;
        sum += dy ? dy[k] * v : 0;
        k++;
    } while (next(s, at));
    return sum;
}

static int extent(const struct nt_pool *p, int i, int in, bool up)
{
    int slack =
        (int)(in + p->pad_before[i] + p->pad_after[i] - p->dilation[i] * (p->kernel[i] - 1) - 1);
    int stride = (int)p->stride[i];
    return slack < 0 ? 0 : (slack + (up ? stride - 1 : 0)) / stride + 1;
}

static bool random_window(struct shape *s)
{
    int limit = trial_small() ? 6 : s->dims == 3 ? 9 : 17;
    for (int i = 0; i < 3; i++) {
        bool there = i >= 3 - s->dims;
        s->in[i] = there ? test_int(1, limit) : 1;
        s->pool.kernel[i] = there ? test_int(1, 4) : 1;
        s->pool.stride[i] = there ? test_int(1, 3) : 1;
        s->pool.dilation[i] = !there || test_int(0, 2) ? 1 : test_int(2, 3);
        s->pool.pad_before[i] = there ? test_int(0, 2) : 0;
        s->pool.pad_after[i] = there ? test_int(0, 2) : 0;
        s->out[i] = extent(&s->pool, i, s->in[i], test_int(0, 1));
        if (s->pool.adaptive)
            s->out[i] = there ? test_int(1, 7) : 1;
    }
    return s->out[0] > 0 && s->out[1] > 0 && s->out[2] > 0;
}

static struct shape random_shape(void)
{
    static const int channels[] = {1, 3, 4, 6, 16, 17, 33, 64};
    struct shape s = {.n = test_int(0, 2) ? 1 : test_int(2, 5),
        .c = channels[test_int(0, trial_small() ? 5 : 7)],
        .dims = test_int(0, 1) ? 2 : test_int(1, 3)};
    s.pool.pooling = test_int(0, 1) ? NT_POOL_MAX : NT_POOL_AVERAGE;
    s.pool.count_include_pad = test_int(0, 1);
    s.pool.adaptive = test_int(0, 3) == 0;
    s.pool.divisor = test_int(0, 3) ? 0 : test_int(1, 9);
    while (!random_window(&s))
        ;
    return s;
}

/* Where element k in the order N,D,H,W,C lies. */
static size_t place(const struct image *m, size_t k)
{
    static const int order[] = {1, 4, 3, 2, 0};
    int64_t at = m->view.offset, rest = (int64_t)k;
    for (int i = 0; i < 5; i++) {
        int64_t size = m->view.shape.dim[order[i]];
        at += rest % size * m->view.stride[order[i]];
        rest /= size;
    }
    return (size_t)at;
}

static double *dense(const struct image *m)
{
    size_t count = (size_t)nt_shape_count(&m->view.shape);
    double *out = malloc(sizeof *out * count);
    for (size_t k = 0; k < count; k++)
        out[k] = ((const float *)m->data)[place(m, k)];
    return out;
}

static float *dense_floats(const struct image *m)
{
    double *d = dense(m);
    size_t count = (size_t)nt_shape_count(&m->view.shape);
    float *out = malloc(sizeof *out * count);
    for (size_t i = 0; i < count; i++)
        out[i] = (float)d[i];
    free(d);
    return out;
}

struct pass {
    struct image x, y, index, dy, dx;
};

static struct pass pass_make(const struct shape *s)
{
    bool slice = test_int(0, 1);
    struct pass p;
    p.x = image_make(NT_F32, s->n, s->c, s->in, slice);
    p.dx = image_make(NT_F32, s->n, s->c, s->in, slice);
    p.y = image_make(NT_F32, s->n, s->c, s->out, slice);
    p.dy = image_make(NT_F32, s->n, s->c, s->out, slice);
    p.index = image_make(NT_I32, s->n, s->c, s->out, slice);
    test_fill(p.x.data, p.x.elements);
    test_fill(p.dy.data, p.dy.elements);
    return p;
}

static void pass_free(struct pass *p)
{
    free(p->x.data), free(p->dx.data), free(p->y.data), free(p->dy.data), free(p->index.data);
}

static void pass_run(const char *forced, const struct shape *s, struct pass *p, bool backward)
{
    bool indexed = s->pool.pooling == NT_POOL_MAX && (backward || test_int(0, 1));
    struct nt_tensor index = {0}, *used = indexed ? &index : NULL;
    struct nt_pool pool = told(s);
    struct trial t;
    trial_open(&t, forced);
    struct nt_tensor x = trial_in(&t, seen(p->x.view, s->dims), p->x.data, p->x.elements);
    struct nt_tensor y = trial_out(&t, seen(p->y.view, s->dims), p->y.data, p->y.elements);
    if (indexed)
        index = trial_out(&t, seen(p->index.view, s->dims), p->index.data, p->index.elements);
    test_ok(nt_pool_forward(t.tape, &pool, &x, &y, used));
    if (backward) {
        struct nt_tensor dy = trial_in(&t, seen(p->dy.view, s->dims), p->dy.data, p->dy.elements);
        struct nt_tensor dx = trial_out(&t, seen(p->dx.view, s->dims), p->dx.data, p->dx.elements);
        test_ok(nt_pool_backward(t.tape, &pool, &dy, used, &dx));
    }
    trial_run(&t);
}

static void compare_forward(const struct shape *s, const struct pass *p, bool indexed)
{
    size_t count = (size_t)nt_shape_count(&p->y.view.shape);
    double *x = dense(&p->x), *want = malloc(sizeof *want * count);
    int *index = malloc(sizeof *index * count);
    naive(s, x, want, index, NULL, NULL);
    for (size_t k = 0; k < count; k++) {
        float got = ((const float *)p->y.data)[place(&p->y, k)];
        bool exact = isinf(want[k]) || s->pool.pooling == NT_POOL_MAX;
        bool same = isnan(want[k]) ? isnan(got)
                    : exact        ? got == want[k]
                                   : fabs(got - want[k]) <= 1e-6 * fmax(1, fabs(want[k]));
        ck_assert_msg(same, "y[%zu]: got %g, want %g", k, (double)got, want[k]);
        if (indexed)
            ck_assert_int_eq(((int32_t *)p->index.data)[place(&p->index, k)], index[k]);
    }
    free(x), free(want), free(index);
}

/* The kernel's gradient against the naive one, and that against differences of the forward. */
static void compare_backward(const struct shape *s, const struct pass *p)
{
    size_t count = (size_t)nt_shape_count(&p->x.view.shape);
    double *x = dense(&p->x), *dy = dense(&p->dy), *want = calloc(count, sizeof *want);
    float *got = dense_floats(&p->dx);
    naive(s, x, NULL, NULL, dy, want);
    for (int i = 0; i < 8; i++) {
        size_t k = (size_t)test_int(0, (int)count - 1);
        double kept = x[k], h = 1e-9, up, down;
        x[k] = kept + h, up = naive(s, x, NULL, NULL, dy, NULL);
        x[k] = kept - h, down = naive(s, x, NULL, NULL, dy, NULL);
        x[k] = kept;
        if (isfinite(up))
            ck_assert_double_eq_tol((up - down) / (2 * h), want[k], 2e-3);
    }
    test_close("pool gradient", count, got, want, 2e-6);
    free(x), free(dy), free(want), free(got);
}

static void check_random(const char *forced)
{
    for (int round = 0; round < (trial_small() ? 8 : 24); round++) {
        struct shape s = random_shape();
        struct pass p = pass_make(&s);
        pass_run(forced, &s, &p, true);
        compare_forward(&s, &p, s.pool.pooling == NT_POOL_MAX);
        compare_backward(&s, &p);
        pass_free(&p);
    }
}

/* Few distinct values, NaN and infinity among them: the first of equals and NaN win. */
static void check_ties(const char *forced)
{
    static const float values[] = {0, 1, -1, 1, NAN, INFINITY, -INFINITY, -INFINITY};
    for (int round = 0; round < (trial_small() ? 4 : 8); round++) {
        struct shape s = random_shape();
        s.pool.pooling = NT_POOL_MAX;
        struct pass p = pass_make(&s);
        for (size_t i = 0; i < p.x.elements; i++)
            ((float *)p.x.data)[i] = values[test_int(0, round % 2 ? 3 : 7)];
        pass_run(forced, &s, &p, true);
        compare_forward(&s, &p, true);
        pass_free(&p);
    }
}

static void check_without_index(const char *forced)
{
    for (int round = 0; round < 6; round++) {
        struct shape s = random_shape();
        struct pass p = pass_make(&s);
        pass_run(forced, &s, &p, false);
        compare_forward(&s, &p, false);
        pass_free(&p);
    }
}

/* The shapes networks are made of: 2x2 stride 2, with and without a rest, 3x3 stride 2 with and
 * without padding, global average. */
static void check_networks(const char *forced)
{
    int n = trial_small() ? 1 : 8;
#define WINDOW(pooling, kernel, stride, pad, include)                                              \
    {                                                                                              \
        pooling, {1, kernel, kernel}, {1, stride, stride}, {1, 1, 1}, {0, pad, pad},               \
            {0, pad, pad}, include                                                                 \
    }
    struct shape shapes[] = {
        {WINDOW(NT_POOL_MAX, 2, 2, 0, false), n, 6, {1, 28, 28}, {1, 14, 14}, 2},
        {WINDOW(NT_POOL_MAX, 2, 2, 0, false), n, 16, {1, 10, 10}, {1, 5, 5}, 2},
        {WINDOW(NT_POOL_MAX, 2, 2, 0, false), n, 3, {1, 9, 7}, {1, 4, 3}, 2},
        {WINDOW(NT_POOL_MAX, 3, 3, 0, false), 1, 1, {1, 11, 5}, {1, 3, 1}, 2},
        {WINDOW(NT_POOL_AVERAGE, 2, 2, 0, true), n, 17, {1, 5, 8}, {1, 2, 4}, 2},
        {WINDOW(NT_POOL_MAX, 3, 2, 0, false), n, 20, {1, 9, 9}, {1, 4, 4}, 2},
        {WINDOW(NT_POOL_MAX, 3, 2, 1, false), n, 32, {1, 16, 16}, {1, 8, 8}, 2},
        {WINDOW(NT_POOL_AVERAGE, 7, 1, 0, false), n, 64, {1, 7, 7}, {1, 1, 1}, 2},
        {{.pooling = NT_POOL_AVERAGE, .adaptive = true}, n, 64, {1, 13, 13}, {1, 6, 6}, 2},
        {{NT_POOL_MAX, {2, 2, 2}, {2, 2, 2}, {1, 1, 1}}, n, 17, {4, 8, 8}, {2, 4, 4}, 3},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct pass p = pass_make(&shapes[i]);
        pass_run(forced, &shapes[i], &p, true);
        compare_forward(&shapes[i], &p, shapes[i].pool.pooling == NT_POOL_MAX);
        compare_backward(&shapes[i], &p);
        pass_free(&p);
    }
}

START_TEST(windows_match_a_naive_loop)
{
    trial_variants("pool", check_random);
}
END_TEST

START_TEST(ties_and_nan)
{
    trial_variants("pool", check_ties);
}
END_TEST

START_TEST(without_index)
{
    trial_variants("pool", check_without_index);
}
END_TEST

START_TEST(windows_of_networks)
{
    trial_variants("pool", check_networks);
}
END_TEST

START_TEST(wrong_operands_are_refused)
{
    struct nt_pool pool = {.kernel = {2, 2}, .stride = {2, 2}};
    struct image x = image_make(NT_F32, 1, 3, (int[]){1, 8, 8}, false);
    struct image y = image_make(NT_F32, 1, 3, (int[]){1, 4, 5}, false);
    struct trial t;
    trial_open(&t, NULL);
    struct nt_tensor xt = trial_in(&t, seen(x.view, 2), x.data, x.elements);
    struct nt_tensor yt = trial_in(&t, seen(y.view, 2), y.data, y.elements);
    test_fails(nt_pool_forward(t.tape, &pool, &xt, &yt, NULL), NT_ERR_SHAPE,
        "pool: 1x3x8x8 to 1x3x4x5 by a 2x2 window");
    yt.shape.dim[3] = 4;
    test_fails(nt_pool_backward(t.tape, &pool, &yt, NULL, &xt), NT_ERR_ARGUMENT, "no index");
    pool.kernel[1] = 0;
    test_fails(nt_pool_forward(t.tape, &pool, &xt, &yt, NULL), NT_ERR_ARGUMENT, "kernel 2x0");
    pool.kernel[1] = 2;
    pool.divisor = -1;
    test_fails(nt_pool_forward(t.tape, &pool, &xt, &yt, NULL), NT_ERR_ARGUMENT, "divisor -1");
    pool.divisor = 0;
    xt.shape.rank = yt.shape.rank = 2;
    test_fails(nt_pool_forward(t.tape, &pool, &xt, &yt, NULL), NT_ERR_SHAPE, "rank 3 to 5");
    xt.shape.rank = yt.shape.rank = 4;
    xt.stride[1] = 64;
    xt.stride[3] = 1;
    test_fails(nt_pool_forward(t.tape, &pool, &xt, &yt, NULL), NT_ERR_UNSUPPORTED, "channels-last");
    nt_tape_destroy(t.tape);
    free(x.data), free(y.data);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pool");
    TCase *tcase = tcase_create("pool");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, windows_match_a_naive_loop);
    tcase_add_test(tcase, ties_and_nan);
    tcase_add_test(tcase, without_index);
    tcase_add_test(tcase, windows_of_networks);
    tcase_add_test(tcase, wrong_operands_are_refused);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
