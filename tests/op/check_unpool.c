/* SPDX-License-Identifier: MIT */
#include "tests/op/trial.h"

/* A channels-last view of rank 3 to 5. */
static struct nt_tensor view_make(enum nt_dtype dtype, int rank, int n, int c, const int *extent)
{
    struct nt_shape shape = {rank, {n, c}};
    for (int i = 2; i < rank; i++)
        shape.dim[i] = extent[i - 2];
    return nt_tensor_make(0, dtype, &shape, NT_CHANNELS_LAST);
}

static void one_trial(const char *forced)
{
    int rank = test_int(3, 5), n = test_int(1, 3), c = test_int(0, 1) ? test_int(1, 40) : 3;
    int in[3] = {test_int(1, 5), test_int(1, 5), test_int(1, 3)};
    int out[3] = {test_int(1, 7), test_int(1, 7), test_int(1, 4)};
    struct nt_tensor xv = view_make(NT_F32, rank, n, c, in), iv = xv;
    struct nt_tensor yv = view_make(NT_F32, rank, n, c, out);
    iv.dtype = NT_I32;
    size_t xs = (size_t)nt_shape_count(&xv.shape), ys = (size_t)nt_shape_count(&yv.shape);
    int p = (int)xs / (n * c), q = (int)ys / (n * c);
    float *x = malloc(4 * xs), *dx = malloc(4 * xs), *y = malloc(4 * ys), *dy = malloc(4 * ys);
    int32_t *index = malloc(4 * xs);
    double *want_y = calloc(ys, sizeof *want_y), *want_dx = calloc(xs, sizeof *want_dx);
    test_fill(x, xs);
    test_fill(dy, ys);
    for (size_t k = 0; k < xs; k++) {
        /* often twice the same, sometimes outside */
        index[k] = test_int(-1, q);
        int image = (int)k / (p * c), channel = (int)k % c;
        if (index[k] < 0 || index[k] >= q)
            continue;
        want_y[(image * q + index[k]) * c + channel] += x[k];
        want_dx[k] = dy[(image * q + index[k]) * c + channel];
    }
    struct trial t;
    trial_open(&t, forced);
    struct nt_tensor xt = trial_in(&t, xv, x, xs), it = trial_in(&t, iv, index, xs);
    struct nt_tensor yt = trial_out(&t, yv, y, ys), dyt = trial_in(&t, yv, dy, ys);
    struct nt_tensor dxt = trial_out(&t, xv, dx, xs);
    test_ok(nt_unpool_forward(t.tape, &xt, &it, &yt));
    test_ok(nt_unpool_backward(t.tape, &dyt, &it, &dxt));
    trial_run(&t);
    test_close("unpool", ys, y, want_y, 1e-6);
    test_close("unpool gradient", xs, dx, want_dx, 0);
    free(x), free(dx), free(y), free(dy), free(index), free(want_y), free(want_dx);
}

static void check_random(const char *forced)
{
    for (int round = 0; round < (trial_small() ? 5 : 20); round++)
        one_trial(forced);
}

START_TEST(any_index)
{
    trial_variants("unpool", check_random);
}
END_TEST

START_TEST(wrong_operands_are_refused)
{
    struct nt_tensor x = view_make(NT_F32, 4, 1, 2, (int[]){2, 2}), index = x;
    struct nt_tensor y = view_make(NT_F32, 4, 1, 2, (int[]){4, 4});
    struct trial t;
    trial_open(&t, NULL);
    x.buffer = index.buffer = y.buffer = nt_tape_buffer(t.tape, NT_BUFFER_KEPT, 128, "x");
    test_fails(nt_unpool_forward(t.tape, &x, &index, &y), NT_ERR_UNSUPPORTED, "must be int32");
    index.dtype = NT_I32;
    index.shape.dim[3] = 1;
    test_fails(nt_unpool_forward(t.tape, &x, &index, &y), NT_ERR_SHAPE,
        "unpool: index of shape 1x2x2x1: must be 1x2x2x2");
    index.shape.dim[3] = 2;
    y.shape.dim[1] = 1;
    test_fails(nt_unpool_backward(t.tape, &y, &index, &x), NT_ERR_SHAPE, "must keep N and C");
    nt_tape_destroy(t.tape);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("unpool");
    TCase *tcase = tcase_create("unpool");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, any_index);
    tcase_add_test(tcase, wrong_operands_are_refused);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
