/* SPDX-License-Identifier: MIT */
#include "tests/op/rows.h"

#include <math.h>

static void naive(bool logarithm, const double *x, double *y, int r, int c)
{
    for (int i = 0; i < r; i++, x += c, y += c) {
        double top = -INFINITY, sum = 0;
        for (int j = 0; j < c; j++)
            top = fmax(top, x[j]);
        for (int j = 0; j < c; j++)
            sum += exp(x[j] - top);
        for (int j = 0; j < c; j++)
            y[j] = logarithm ? x[j] - top - log(sum) : exp(x[j] - top) / sum;
    }
}

static struct rows forward(const char *forced, bool logarithm, const struct rows *x)
{
    struct rows y = rows_random(x->view.shape.dim[0], x->view.shape.dim[1]);
    struct trial t;
    trial_open(&t, forced);
    struct nt_tensor xt = trial_in(&t, x->view, x->data, x->elements);
    struct nt_tensor yt = trial_out(&t, y.view, y.data, y.elements);
    test_ok(nt_softmax(t.tape, logarithm, &xt, &yt));
    trial_run(&t);
    return y;
}

static struct rows backward(
    const char *forced, bool logarithm, const struct rows *y, const struct rows *dy)
{
    struct rows dx = rows_random(y->view.shape.dim[0], y->view.shape.dim[1]);
    struct trial t;
    trial_open(&t, forced);
    struct nt_tensor yt = trial_in(&t, y->view, y->data, y->elements);
    struct nt_tensor dyt = trial_in(&t, dy->view, dy->data, dy->elements);
    struct nt_tensor dxt = trial_out(&t, dx.view, dx.data, dx.elements);
    test_ok(nt_softmax_backward(t.tape, logarithm, &yt, &dyt, &dxt));
    trial_run(&t);
    return dx;
}

/* d sum(dy * softmax(x)) / dx[at] by central differences. */
static double slope(bool logarithm, double *x, const double *dy, int c, int at)
{
    double *y = malloc(sizeof *y * (size_t)c), kept = x[at], sum = 0, h = 1e-5;
    for (int sign = -1; sign <= 1; sign += 2) {
        x[at] = kept + sign * h;
        naive(logarithm, x, y, 1, c);
        for (int j = 0; j < c; j++)
            sum += sign * dy[j] * y[j];
    }
    x[at] = kept;
    free(y);
    return sum / (2 * h);
}

static void check_random(const char *forced)
{
    for (int round = 0; round < (trial_small() ? 6 : 30); round++) {
        int r, c, logarithm = test_int(0, 1);
        rows_shape(&r, &c);
        struct rows x = rows_random(r, c), dy = rows_random(r, c);
        for (size_t i = 0; i < x.elements; i++)
            x.data[i] *= 6;
        struct rows y = forward(forced, logarithm, &x);
        struct rows dx = backward(forced, logarithm, &y, &dy);
        size_t n = (size_t)r * (size_t)c;
        double *xd = rows_doubles(&x), *dyd = rows_doubles(&dy), *want = malloc(n * sizeof *want);
        float *got = rows_floats(&y), *gradient = rows_floats(&dx);
        naive(logarithm, xd, want, r, c);
        test_close("softmax", n, got, want, 1e-6);
        for (int i = 0; i < r; i++)
            for (int j = 0; j < c; j++)
                want[i * c + j] = c < 40 || j % 29 == 0
                                      ? slope(logarithm, xd + i * c, dyd + i * c, c, j)
                                      : (double)gradient[i * c + j];
        test_close("softmax gradient", n, gradient, want, 2e-5);
        free(x.data), free(dy.data), free(y.data), free(dx.data);
        free(xd), free(dyd), free(want), free(got), free(gradient);
    }
}

/* Far logits neither overflow nor lose the row's sum; NaN stays in its row. */
static void check_extremes(const char *forced)
{
    for (int logarithm = 0; logarithm < 2; logarithm++) {
        struct rows x = rows_make(4, 19, 0);
        for (int j = 0; j < 19; j++) {
            *rows_at(&x, 0, j) = j % 2 ? 1e4f : -1e4f;
            *rows_at(&x, 1, j) = -1e4f + (float)j;
            *rows_at(&x, 3, j) = j == 7 ? 1e4f : -INFINITY;
        }
        *rows_at(&x, 2, 18) = NAN;
        struct rows y = forward(forced, logarithm, &x);
        double *xd = rows_doubles(&x), want[4 * 19];
        float *got = rows_floats(&y);
        naive(logarithm, xd, want, 4, 19);
        test_close("row 0", 19, got, want, 1e-6);
        test_close("row 1", 19, got + 19, want + 19, 1e-6);
        for (int j = 0; j < 19; j++) {
            ck_assert(isnan(got[2 * 19 + j]));
            ck_assert_double_eq(got[3 * 19 + j], want[3 * 19 + j]);
        }
        free(x.data), free(y.data), free(xd), free(got);
    }
}

static void check_in_place(const char *forced)
{
    for (int logarithm = 0; logarithm < 2; logarithm++) {
        struct rows x = rows_make(7, 37, 0);
        float y[7 * 37];
        double *xd = rows_doubles(&x), want[7 * 37];
        struct nt_plan_info info;
        struct trial t;
        trial_open(&t, forced);
        struct nt_tensor xt = trial_in(&t, x.view, x.data, x.elements);
        test_ok(nt_softmax(t.tape, logarithm, &xt, &xt));
        test_ok(nt_tape_plan(t.tape, &info));
        test_ok(nt_tape_build(t.tape));
        test_ok(nt_tape_write(t.tape, xt.buffer, 0, x.data, sizeof y));
        test_ok(nt_tape_run(t.tape));
        test_ok(nt_tape_read(t.tape, xt.buffer, 0, y, sizeof y));
        naive(logarithm, xd, want, 7, 37);
        test_close("in place", 7 * 37, y, want, 1e-6);
        nt_tape_destroy(t.tape);
        free(x.data), free(xd);
    }
}

START_TEST(rows_match_a_naive_loop)
{
    trial_variants("softmax", check_random);
}
END_TEST

START_TEST(extreme_logits)
{
    trial_variants("softmax", check_extremes);
}
END_TEST

START_TEST(in_place)
{
    trial_variants("softmax", check_in_place);
}
END_TEST

START_TEST(wrong_shapes_are_refused)
{
    struct trial t;
    trial_open(&t, NULL);
    struct rows x = rows_make(3, 4, 0), y = rows_make(4, 3, 0);
    struct nt_tensor xt = trial_in(&t, x.view, x.data, x.elements);
    struct nt_tensor yt = trial_in(&t, y.view, y.data, y.elements);
    test_fails(nt_softmax(t.tape, false, &xt, &yt), NT_ERR_SHAPE, "softmax: y of shape 4x3");
    xt.shape.rank = 1;
    test_fails(nt_softmax(t.tape, false, &xt, &yt), NT_ERR_SHAPE, "rows x classes");
    nt_tape_destroy(t.tape);
    free(x.data), free(y.data);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("softmax");
    TCase *tcase = tcase_create("softmax");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, rows_match_a_naive_loop);
    tcase_add_test(tcase, extreme_logits);
    tcase_add_test(tcase, in_place);
    tcase_add_test(tcase, wrong_shapes_are_refused);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
