/* SPDX-License-Identifier: MIT */
#include "tests/naive/resample.h"
#include "tests/op/trial.h"

#include <math.h>

struct shape {
    struct nt_resample how;
    int n, c, dims, in[3], out[3]; /* the first `dims` of in and out */
};

static struct shape random_shape(void)
{
    static const int channels[] = {1, 3, 4, 6, 16, 17, 33};
    int limit = trial_small() ? 5 : 12;
    struct shape s = {
        .n = test_int(1, 3), .c = channels[test_int(0, trial_small() ? 4 : 6)], .dims = 2};
    if (test_int(0, 1))
        s.dims = test_int(1, 3);
    s.how.filter = (enum nt_resample_filter)test_int(0, 2);
    s.how.coordinates = (enum nt_resample_coordinates)test_int(0, 5);
    s.how.rounding = (enum nt_resample_rounding)test_int(0, 3);
    s.how.cubic_a = test_int(0, 1) ? 0 : -0.5;
    s.how.exclude_outside = test_int(0, 3) == 0;
    s.how.antialias = s.how.filter != NT_RESAMPLE_NEAREST && test_int(0, 3) == 0;
    for (int i = 0; i < s.dims; i++) {
        s.in[i] = test_int(1, s.dims == 3 ? 6 : limit);
        s.out[i] = test_int(1, s.dims == 3 ? 6 : limit + 5);
        if (test_int(0, 2) == 0) {
            s.how.scale[i] = test_int(3, 12) / 4.0;
            s.out[i] = (int)fmax(1, floor(s.in[i] * s.how.scale[i]));
        }
    }
    return s;
}

/* The tensor's view, channels-last, perhaps some channels of a larger one. */
static struct nt_tensor view_make(
    const struct shape *s, const int *extent, bool slice, size_t *size)
{
    int64_t before = slice ? test_int(0, 3) : 0, all = before + s->c + (slice ? test_int(0, 3) : 0);
    struct nt_tensor t = {.offset = before, .shape = {2 + s->dims, {s->n, s->c}}};
    t.stride[1] = 1;
    for (int i = s->dims - 1; i >= 0; i--) {
        t.shape.dim[2 + i] = extent[i];
        t.stride[2 + i] = all;
        all *= extent[i];
    }
    t.stride[0] = all;
    *size = (size_t)(all * s->n);
    return t;
}

/* Where element k, row-major, lies. */
static size_t place(const struct nt_tensor *t, int64_t k)
{
    int64_t place = t->offset;
    for (int i = t->shape.rank - 1; i >= 0; i--) {
        place += k % t->shape.dim[i] * t->stride[i];
        k /= t->shape.dim[i];
    }
    return (size_t)place;
}

/* The matrices, or their transposes, applied to all of a tensor. */
static double *apply(
    const struct shape *s, bool transposed, const struct nt_tensor *from, const float *source)
{
    int64_t outer = s->n * s->c, inner = nt_shape_count(&from->shape) / outer;
    double *data = malloc(sizeof *data * (size_t)(outer * inner));
    for (int64_t k = 0; k < outer * inner; k++)
        data[k] = source[place(from, k)];
    for (int i = 0; i < s->dims; i++) {
        int in = transposed ? s->out[i] : s->in[i], out = transposed ? s->in[i] : s->out[i];
        double *matrix = malloc(sizeof *matrix * (size_t)(in * out));
        naive_resample_matrix(&s->how, s->how.scale[i], s->in[i], s->out[i], matrix);
        inner /= in;
        naive_resample_along(&data, outer, in, out, inner, matrix, transposed);
        outer *= out;
        free(matrix);
    }
    return data;
}

static void compare(const struct shape *s, bool transposed, const struct nt_tensor *from,
    const float *source, const struct nt_tensor *to, const float *result)
{
    size_t count = (size_t)nt_shape_count(&to->shape);
    double *want = apply(s, transposed, from, source);
    float *got = malloc(count * sizeof *got);
    for (size_t e = 0; e < count; e++)
        got[e] = result[place(to, (int64_t)e)];
    test_close(transposed ? "gradient" : "resample", count, got, want, 3e-6);
    free(want), free(got);
}

static void one_trial(const char *forced, const struct shape *s)
{
    bool slice = test_int(0, 1);
    size_t x_size, y_size;
    struct nt_tensor xv = view_make(s, s->in, slice, &x_size);
    struct nt_tensor yv = view_make(s, s->out, slice, &y_size);
    float *x = malloc(4 * x_size), *dx = malloc(4 * x_size);
    float *y = malloc(4 * y_size), *dy = malloc(4 * y_size);
    test_fill(x, x_size);
    test_fill(dy, y_size);
    struct trial t;
    trial_open(&t, forced);
    struct nt_tensor xt = trial_in(&t, xv, x, x_size), dyt = trial_in(&t, yv, dy, y_size);
    struct nt_tensor yt = trial_out(&t, yv, y, y_size), dxt = trial_out(&t, xv, dx, x_size);
    test_ok(nt_resample(t.tape, &s->how, &xt, &yt));
    test_ok(nt_resample_backward(t.tape, &s->how, &dyt, &dxt));
    trial_run(&t);
    compare(s, false, &xv, x, &yv, y);
    compare(s, true, &yv, dy, &xv, dx);
    free(x), free(dx), free(y), free(dy);
}

static void check_random(const char *forced)
{
    for (int round = 0; round < (trial_small() ? 8 : 60); round++) {
        struct shape s = random_shape();
        one_trial(forced, &s);
    }
}

START_TEST(random_shapes)
{
    trial_variants("resample", check_random);
}
END_TEST

START_TEST(wrong_operands_are_refused)
{
    struct shape s = {.n = 1, .c = 2, .dims = 2, .in = {3, 3}, .out = {6, 6}};
    size_t size;
    struct trial t;
    trial_open(&t, NULL);
    struct nt_tensor x = view_make(&s, s.in, false, &size), y = view_make(&s, s.out, false, &size);
    x.buffer = y.buffer = nt_tape_buffer(t.tape, NT_BUFFER_KEPT, 4 * size, "x");
    y.shape.dim[1] = 1;
    test_fails(nt_resample(t.tape, &s.how, &x, &y), NT_ERR_SHAPE,
        "resample: 1x2x3x3 to 1x1x6x6: must keep N and C");
    y.shape.dim[1] = 2;
    s.how.scale[0] = -1;
    test_fails(nt_resample(t.tape, &s.how, &x, &y), NT_ERR_ARGUMENT, "scale -1");
    s.how.scale[0] = 0;
    y.dtype = NT_I32;
    test_fails(nt_resample_backward(t.tape, &s.how, &y, &x), NT_ERR_UNSUPPORTED, "must be float32");
    nt_tape_destroy(t.tape);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resample");
    TCase *tcase = tcase_create("resample");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, random_shapes);
    tcase_add_test(tcase, wrong_operands_are_refused);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
