/* SPDX-License-Identifier: MIT */
#include "tests/op/trial.h"

#include <math.h>

/* A channels-last tensor that may be some channels of a larger one. */
struct image {
    struct nt_tensor view;
    void *data;
    size_t elements;
};

static struct image image_make(
    enum nt_dtype dtype, int64_t n, int64_t c, int64_t h, int64_t w, bool slice)
{
    int64_t before = slice ? test_int(0, 5) : 0, all = before + c + (slice ? test_int(0, 5) : 0);
    struct image m = {.view = {.dtype = dtype, .offset = before, .shape = {4, {n, c, h, w}}},
        .elements = (size_t)(n * h * w * all)};
    m.view.stride[0] = h * w * all;
    m.view.stride[1] = 1;
    m.view.stride[2] = w * all;
    m.view.stride[3] = all;
    m.data = malloc(4 * m.elements + 4);
    return m;
}

static size_t at(const struct image *m, int64_t n, int64_t c, int64_t h, int64_t w)
{
    const int64_t *s = m->view.stride;
    return (size_t)(m->view.offset + n * s[0] + c * s[1] + h * s[2] + w * s[3]);
}

static float *value(const struct image *m, int64_t n, int64_t c, int64_t h, int64_t w)
{
    return (float *)m->data + at(m, n, c, h, w);
}

struct shape {
    struct nt_pool pool;
    int n, c, in[2], out[2];
};

/* One window in double precision. With dx, adds d to the elements that the result depends on.
 * *index: of the maximum. */
static double window(const struct shape *s, const double *x, double *dx, double d, const int at[2],
    int step, int *index)
{
    const struct nt_pool *p = &s->pool;
    double best = -INFINITY, sum = 0;
    int count = 0;
    *index = -1;
    for (int i = 0; i < p->kernel[0]; i++)
        for (int j = 0; j < p->kernel[1]; j++) {
            int64_t h = at[0] * p->stride[0] - p->pad_before[0] + i * p->dilation[0];
            int64_t w = at[1] * p->stride[1] - p->pad_before[1] + j * p->dilation[1];
            bool inside = h >= 0 && h < s->in[0] && w >= 0 && w < s->in[1];
            count += inside || (p->count_include_pad && h < s->in[0] + p->pad_after[0] &&
                                   w < s->in[1] + p->pad_after[1]);
            if (!inside)
                continue;
            double v = x[(h * s->in[1] + w) * step];
            sum += v;
            if (*index < 0 || (!isnan(best) && (isnan(v) || v > best))) {
                best = v;
                *index = (int)(h * s->in[1] + w);
            }
        }
    if (dx && p->pooling == NT_POOL_MAX && *index >= 0)
        dx[*index * step] += d;
    if (dx && p->pooling == NT_POOL_AVERAGE)
        for (int i = 0; i < p->kernel[0]; i++)
            for (int j = 0; j < p->kernel[1]; j++) {
                int64_t h = at[0] * p->stride[0] - p->pad_before[0] + i * p->dilation[0];
                int64_t w = at[1] * p->stride[1] - p->pad_before[1] + j * p->dilation[1];
                if (h >= 0 && h < s->in[0] && w >= 0 && w < s->in[1])
                    dx[(h * s->in[1] + w) * step] += d / count;
            }
    return p->pooling == NT_POOL_MAX ? best : count ? sum / count : 0;
}

/* All windows, dense N,H,W,C arrays. dy, dx and index may be NULL. Returns sum(dy * y). */
static double naive(
    const struct shape *s, const double *x, double *y, int *index, const double *dy, double *dx)
{
    double sum = 0;
    int area = s->in[0] * s->in[1], where;
    for (int n = 0; n < s->n; n++)
        for (int h = 0; h < s->out[0]; h++)
            for (int w = 0; w < s->out[1]; w++)
                for (int c = 0; c < s->c; c++) {
                    int k = ((n * s->out[0] + h) * s->out[1] + w) * s->c + c;
                    int first = n * area * s->c + c;
                    double v = window(s, x + first, dx ? dx + first : NULL, dy ? dy[k] : 0,
                        (int[]){h, w}, s->c, &where);
                    if (y)
                        y[k] = v;
                    if (index)
                        index[k] = where;
                    sum += dy ? dy[k] * v : 0;
                }
    return sum;
}

static int extent(const struct nt_pool *p, int i, int in, bool up)
{
    int slack =
        (int)(in + p->pad_before[i] + p->pad_after[i] - p->dilation[i] * (p->kernel[i] - 1) - 1);
    int stride = (int)p->stride[i];
    return slack < 0 ? 0 : (slack + (up ? stride - 1 : 0)) / stride + 1;
}

static struct shape random_shape(void)
{
    static const int channels[] = {1, 3, 4, 6, 16, 17, 33, 64};
    struct shape s = {0};
    bool small = trial_small();
    do {
        s.pool.pooling = test_int(0, 1) ? NT_POOL_MAX : NT_POOL_AVERAGE;
        s.pool.count_include_pad = test_int(0, 1);
        s.n = test_int(0, 2) ? 1 : test_int(2, 5);
        s.c = channels[test_int(0, small ? 5 : 7)];
        for (int i = 0; i < 2; i++) {
            s.in[i] = test_int(1, small ? 6 : 17);
            s.pool.kernel[i] = test_int(1, 4);
            s.pool.stride[i] = test_int(1, 3);
            s.pool.dilation[i] = test_int(0, 2) ? 1 : test_int(2, 3);
            s.pool.pad_before[i] = test_int(0, 2);
            s.pool.pad_after[i] = test_int(0, 2);
            s.out[i] = extent(&s.pool, i, s.in[i], test_int(0, 1));
        }
    } while (s.out[0] < 1 || s.out[1] < 1);
    return s;
}

static double *dense(const struct image *m)
{
    const int64_t *d = m->view.shape.dim;
    double *out = malloc(sizeof *out * (size_t)nt_shape_count(&m->view.shape));
    size_t k = 0;
    for (int64_t n = 0; n < d[0]; n++)
        for (int64_t h = 0; h < d[2]; h++)
            for (int64_t w = 0; w < d[3]; w++)
                for (int64_t c = 0; c < d[1]; c++)
                    out[k++] = *value(m, n, c, h, w);
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
    p.x = image_make(NT_F32, s->n, s->c, s->in[0], s->in[1], slice);
    p.dx = image_make(NT_F32, s->n, s->c, s->in[0], s->in[1], slice);
    p.y = image_make(NT_F32, s->n, s->c, s->out[0], s->out[1], slice);
    p.dy = image_make(NT_F32, s->n, s->c, s->out[0], s->out[1], slice);
    p.index = image_make(NT_I32, s->n, s->c, s->out[0], s->out[1], slice);
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
    struct trial t;
    trial_open(&t, forced);
    struct nt_tensor x = trial_in(&t, p->x.view, p->x.data, p->x.elements);
    struct nt_tensor y = trial_out(&t, p->y.view, p->y.data, p->y.elements);
    if (indexed)
        index = trial_out(&t, p->index.view, p->index.data, p->index.elements);
    test_ok(nt_pool_forward(t.tape, &s->pool, &x, &y, used));
    if (backward) {
        struct nt_tensor dy = trial_in(&t, p->dy.view, p->dy.data, p->dy.elements);
        struct nt_tensor dx = trial_out(&t, p->dx.view, p->dx.data, p->dx.elements);
        test_ok(nt_pool_backward(t.tape, &s->pool, &dy, used, &dx));
    }
    trial_run(&t);
}

static void compare_forward(const struct shape *s, const struct pass *p, bool indexed)
{
    size_t count = (size_t)nt_shape_count(&p->y.view.shape), k = 0;
    double *x = dense(&p->x), *want = malloc(sizeof *want * count);
    int *index = malloc(sizeof *index * count);
    naive(s, x, want, index, NULL, NULL);
    for (int n = 0; n < s->n; n++)
        for (int h = 0; h < s->out[0]; h++)
            for (int w = 0; w < s->out[1]; w++)
                for (int c = 0; c < s->c; c++, k++) {
                    float got = *value(&p->y, n, c, h, w);
                    bool same = isnan(want[k]) ? isnan(got)
                                : isinf(want[k]) || s->pool.pooling == NT_POOL_MAX
                                    ? got == want[k]
                                    : fabs(got - want[k]) <= 1e-6;
                    ck_assert_msg(
                        same, "y[%d,%d,%d,%d]: got %g, want %g", n, c, h, w, (double)got, want[k]);
                    if (indexed)
                        ck_assert_int_eq(
                            ((int32_t *)p->index.data)[at(&p->index, n, c, h, w)], index[k]);
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
    for (int round = 0; round < (trial_small() ? 10 : 60); round++) {
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
    for (int round = 0; round < (trial_small() ? 5 : 20); round++) {
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
    struct shape shapes[] = {
        {{NT_POOL_MAX, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}, false}, n, 6, {28, 28}, {14, 14}},
        {{NT_POOL_MAX, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}, false}, n, 16, {10, 10}, {5, 5}},
        {{NT_POOL_MAX, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}, false}, n, 3, {9, 7}, {4, 3}},
        {{NT_POOL_MAX, {3, 2}, {3, 2}, {1, 1}, {0, 0}, {0, 0}, false}, 1, 1, {11, 5}, {3, 2}},
        {{NT_POOL_AVERAGE, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}, true}, n, 17, {5, 8}, {2, 4}},
        {{NT_POOL_MAX, {3, 3}, {2, 2}, {1, 1}, {0, 0}, {0, 0}, false}, n, 20, {9, 9}, {4, 4}},
        {{NT_POOL_MAX, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}, false}, n, 32, {16, 16}, {8, 8}},
        {{NT_POOL_AVERAGE, {7, 7}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, false}, n, 64, {7, 7}, {1, 1}},
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
    struct image x = image_make(NT_F32, 1, 3, 8, 8, false);
    struct image y = image_make(NT_F32, 1, 3, 4, 5, false);
    struct trial t;
    trial_open(&t, NULL);
    struct nt_tensor xt = trial_in(&t, x.view, x.data, x.elements);
    struct nt_tensor yt = trial_in(&t, y.view, y.data, y.elements);
    test_fails(nt_pool_forward(t.tape, &pool, &xt, &yt, NULL), NT_ERR_SHAPE,
        "pool: 1x3x8x8 to 1x3x4x5 by a 2x2 window");
    yt.shape.dim[3] = 4;
    test_fails(nt_pool_backward(t.tape, &pool, &yt, NULL, &xt), NT_ERR_ARGUMENT, "no index");
    pool.kernel[1] = 0;
    test_fails(nt_pool_forward(t.tape, &pool, &xt, &yt, NULL), NT_ERR_ARGUMENT, "kernel 2x0");
    pool.kernel[1] = 2;
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
