/* SPDX-License-Identifier: MIT */
#include "tests/naive/roi.h"
#include "tests/op/trial.h"

#include <math.h>

struct shape {
    struct nt_roi roi;
    int n, c, h, w, k, ph, pw;
};

static struct shape random_shape(enum nt_roi_kind kind)
{
    struct shape s = {.n = test_int(1, 3),
        .c = test_int(0, 1) ? test_int(1, 20) : 3,
        .h = test_int(1, 9),
        .w = test_int(1, 9),
        .k = test_int(1, 6),
        .ph = test_int(1, 4),
        .pw = test_int(1, 4)};
    s.roi = (struct nt_roi){.kind = kind,
        .scale = test_int(0, 1) ? 1.0f : 0.25f,
        .sampling_ratio = test_int(0, 1) ? -1 : test_int(1, 3),
        .aligned = test_int(0, 1)};
    return s;
}

/* Regions that lie inside, reach out, lie outside, are turned around; images that are not there. */
static void fill_regions(const struct shape *s, float *regions)
{
    for (int k = 0; k < s->k; k++) {
        float *r = regions + 5 * k;
        r[0] = (float)(test_int(0, 5) ? test_int(0, s->n - 1) : test_int(-1, s->n));
        for (int i = 1; i < 5; i++)
            r[i] = (1.5f * test_float() + 1) * 6 / s->roi.scale;
    }
}

static struct nt_tensor view_make(enum nt_dtype dtype, int n, int c, int h, int w)
{
    struct nt_shape shape = {4, {n, c, h, w}};
    return nt_tensor_make(0, dtype, &shape, NT_CHANNELS_LAST);
}

/* N,C,H,W of a channels-last array. */
static double *row_major(const struct nt_tensor *t, const float *data)
{
    const int64_t *d = t->shape.dim;
    double *out = malloc(sizeof *out * (size_t)nt_shape_count(&t->shape)), *to = out;
    for (int64_t n = 0; n < d[0]; n++)
        for (int64_t c = 0; c < d[1]; c++)
            for (int64_t p = 0; p < d[2] * d[3]; p++)
                *to++ = data[(n * d[2] * d[3] + p) * d[1] + c];
    return out;
}

/* y and index of all regions. */
static void naive(
    const struct shape *s, const double *x, const float *regions, double *y, double *index)
{
    int item = s->c * s->ph * s->pw, image = s->c * s->h * s->w;
    for (int k = 0; k < s->k; k++) {
        double region[5];
        for (int i = 0; i < 5; i++)
            region[i] = regions[5 * k + i];
        for (int i = 0; i < item; i++) {
            y[k * item + i] = 0;
            index[k * item + i] = -1;
        }
        if (region[0] >= 0 && region[0] < s->n)
            naive_roi(&s->roi, x + (int)region[0] * image, s->c, s->h, s->w, region, s->ph, s->pw,
                y + k * item, index + k * item);
    }
}

/* What a change of x does: of 1 for a mean, which is linear; a small one for a maximum. */
static double slope(
    const struct shape *s, double *x, size_t at, const float *regions, const double *dy)
{
    size_t count = (size_t)(s->k * s->c * s->ph * s->pw);
    double *y = malloc(sizeof *y * count * 3), sum = 0, kept = x[at];
    double step = s->roi.kind == NT_ROI_ALIGN ? 1 : 1e-6;
    x[at] = kept + step;
    naive(s, x, regions, y, y + 2 * count);
    x[at] = kept;
    naive(s, x, regions, y + count, y + 2 * count);
    for (size_t i = 0; i < count; i++)
        sum += dy[i] * (y[i] - y[count + i]);
    free(y);
    return sum / step;
}

static void compare(const struct shape *s, const struct nt_tensor *xv, const struct nt_tensor *yv,
    const float *x, const float *regions, const float *y, const float *index, const float *dy,
    const float *dx)
{
    size_t xs = (size_t)nt_shape_count(&xv->shape), ys = (size_t)nt_shape_count(&yv->shape);
    double *xd = row_major(xv, x), *got_y = row_major(yv, y), *dyd = row_major(yv, dy);
    double *got_dx = row_major(xv, dx), *got_index = row_major(yv, index);
    double *want = malloc(sizeof *want * ys), *where = malloc(sizeof *where * ys);
    double *scattered = calloc(xs, sizeof *scattered);
    bool maximum = s->roi.kind == NT_ROI_POOL;
    naive(s, xd, regions, want, where);
    for (size_t i = 0; i < ys; i++) {
        ck_assert_msg(
            fabs(got_y[i] - want[i]) <= 1e-5, "y[%zu]: got %g, want %g", i, got_y[i], want[i]);
        if (!maximum)
            continue;
        ck_assert_msg(
            got_index[i] == where[i], "index[%zu]: got %g, want %g", i, got_index[i], where[i]);
        if (where[i] < 0)
            continue;
        size_t item = (size_t)(s->ph * s->pw), k = i / item / (size_t)s->c;
        size_t plane = (size_t)regions[5 * k] * (size_t)s->c + i / item % (size_t)s->c;
        scattered[plane * (size_t)(s->h * s->w) + (size_t)where[i]] += dyd[i];
    }
    for (size_t i = 0; i < (maximum ? xs : 8); i++) {
        size_t at = maximum ? i : (size_t)test_int(0, (int)xs - 1);
        double d = maximum ? scattered[at] : slope(s, xd, at, regions, dyd);
        ck_assert_msg(fabs(got_dx[at] - d) <= 2e-5 * fmax(1, fabs(d)), "dx[%zu]: got %g, want %g",
            at, got_dx[at], d);
    }
    free(xd), free(got_y), free(dyd), free(got_dx), free(got_index), free(want), free(where);
    free(scattered);
}

static void one_trial(const char *forced, enum nt_roi_kind kind)
{
    bool maximum = kind != NT_ROI_ALIGN;
    struct shape s = random_shape(kind);
    struct nt_tensor xv = view_make(NT_F32, s.n, s.c, s.h, s.w);
    struct nt_tensor yv = view_make(NT_F32, s.k, s.c, s.ph, s.pw), iv = yv;
    struct nt_shape rs = {2, {s.k, 5}};
    struct nt_tensor rv = nt_tensor_make(0, NT_F32, &rs, NT_ROW_MAJOR);
    size_t xn = (size_t)nt_shape_count(&xv.shape), yn = (size_t)nt_shape_count(&yv.shape);
    float *x = malloc(4 * xn), *dx = malloc(4 * xn), *y = malloc(4 * yn), *dy = malloc(4 * yn);
    float *regions = malloc(20 * (size_t)s.k), *index = calloc(yn, 4);
    iv.dtype = NT_I32;
    test_fill(x, xn);
    test_fill(dy, yn);
    fill_regions(&s, regions);
    struct nt_tensor it = {0};
    struct trial t;
    trial_open(&t, forced);
    struct nt_tensor xt = trial_in(&t, xv, x, xn), rt = trial_in(&t, rv, regions, 5 * (size_t)s.k);
    struct nt_tensor dyt = trial_in(&t, yv, dy, yn), yt = trial_out(&t, yv, y, yn);
    struct nt_tensor dxt = trial_out(&t, xv, dx, xn);
    if (maximum)
        it = trial_out(&t, iv, index, yn);
    test_ok(nt_roi_forward(t.tape, &s.roi, &xt, &rt, &yt, maximum ? &it : NULL));
    test_ok(nt_roi_backward(t.tape, &s.roi, &dyt, &rt, maximum ? &it : NULL, &dxt));
    trial_run(&t);
    for (size_t i = 0; i < yn; i++) {
        int32_t bits;
        memcpy(&bits, &index[i], sizeof bits);
        index[i] = (float)bits;
    }
    compare(&s, &xv, &yv, x, regions, y, index, dy, dx);
    free(x), free(dx), free(y), free(dy), free(regions), free(index);
}

static void check_random(const char *forced)
{
    for (int round = 0; round < (trial_small() ? 6 : 60); round++)
        one_trial(forced, (enum nt_roi_kind)(round % 3));
}

START_TEST(random_regions)
{
    trial_variants("roi", check_random);
}
END_TEST

START_TEST(wrong_operands_are_refused)
{
    struct nt_tensor x = view_make(NT_F32, 1, 2, 4, 4), y = view_make(NT_F32, 3, 2, 2, 2);
    struct nt_shape rs = {2, {3, 4}};
    struct nt_tensor regions = nt_tensor_make(0, NT_F32, &rs, NT_ROW_MAJOR);
    struct nt_roi roi = {.kind = NT_ROI_ALIGN, .scale = 1};
    struct trial t;
    trial_open(&t, NULL);
    x.buffer = y.buffer = regions.buffer = nt_tape_buffer(t.tape, NT_BUFFER_KEPT, 256, "x");
    test_fails(nt_roi_forward(t.tape, &roi, &x, &regions, &y, NULL), NT_ERR_SHAPE,
        "roi: regions of shape 3x4: must be 3x5");
    regions.shape.dim[1] = 5;
    roi.kind = NT_ROI_POOL;
    test_fails(nt_roi_backward(t.tape, &roi, &y, &regions, NULL, &x), NT_ERR_ARGUMENT, "no index");
    y.shape.dim[1] = 1;
    test_fails(nt_roi_forward(t.tape, &roi, &x, &regions, &y, NULL), NT_ERR_SHAPE,
        "must be N,C,H,W to K,C,PH,PW");
    nt_tape_destroy(t.tape);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("roi");
    TCase *tcase = tcase_create("roi");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, random_regions);
    tcase_add_test(tcase, wrong_operands_are_refused);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
