/* SPDX-License-Identifier: MIT */
#include "tests/op/rows.h"

#include <math.h>

static int naive(const struct rows *x, int r)
{
    int best = 0;
    for (int c = 1; c < x->view.shape.dim[1]; c++) {
        float v = *rows_at(x, r, c), b = *rows_at(x, r, best);
        if (!isnan(b) && (isnan(v) || v > b))
            best = c;
    }
    return best;
}

static void check_rows(const char *forced, const struct rows *x)
{
    int r = (int)x->view.shape.dim[0], step = test_int(1, 3), offset = test_int(0, 3);
    size_t n = (size_t)(offset + r * step);
    int32_t *index = malloc(4 * n);
    struct nt_tensor view = {
        .dtype = NT_I32, .offset = offset, .shape = {1, {r}}, .stride = {step}};
    struct trial t;
    trial_open(&t, forced);
    struct nt_tensor xt = trial_in(&t, x->view, x->data, x->elements);
    struct nt_tensor it = trial_out(&t, view, index, n);
    test_ok(nt_argmax(t.tape, &xt, &it));
    trial_run(&t);
    for (int i = 0; i < r; i++)
        ck_assert_int_eq(index[offset + i * step], naive(x, i));
    free(index);
}

static void check_random(const char *forced)
{
    for (int round = 0; round < (trial_small() ? 8 : 40); round++) {
        int r, c;
        rows_shape(&r, &c);
        struct rows x = rows_random(r, c);
        if (round % 2) /* many ties, some NaN and infinity */
            for (size_t i = 0; i < x.elements; i++) {
                int kind = test_int(0, 40);
                x.data[i] = kind == 0   ? NAN
                            : kind == 1 ? INFINITY
                            : kind == 2 ? -INFINITY
                                        : (float)test_int(0, 3);
            }
        check_rows(forced, &x);
        free(x.data);
    }
}

static void check_corners(const char *forced)
{
    struct rows x = rows_make(4, 45, 0);
    for (int c = 0; c < 45; c++) {
        *rows_at(&x, 0, c) = -INFINITY;
        *rows_at(&x, 1, c) = NAN;
        *rows_at(&x, 2, c) = c < 20 ? -INFINITY : c == 33 || c == 40 ? NAN : INFINITY;
    }
    check_rows(forced, &x);
    free(x.data);
}

START_TEST(rows_match_a_naive_loop)
{
    trial_variants("argmax", check_random);
}
END_TEST

START_TEST(ties_infinities_and_nan)
{
    trial_variants("argmax", check_corners);
}
END_TEST

START_TEST(wrong_operands_are_refused)
{
    struct trial t;
    trial_open(&t, NULL);
    struct rows x = rows_make(3, 4, 0);
    struct nt_tensor xt = trial_in(&t, x.view, x.data, x.elements), it = xt;
    test_fails(nt_argmax(t.tape, &xt, &it), NT_ERR_UNSUPPORTED, "index of float32");
    it.dtype = NT_I32;
    test_fails(nt_argmax(t.tape, &xt, &it), NT_ERR_SHAPE, "argmax: index of shape 3x4: must be 3");
    nt_tape_destroy(t.tape);
    free(x.data);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("argmax");
    TCase *tcase = tcase_create("argmax");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, rows_match_a_naive_loop);
    tcase_add_test(tcase, ties_infinities_and_nan);
    tcase_add_test(tcase, wrong_operands_are_refused);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
