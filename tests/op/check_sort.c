/* SPDX-License-Identifier: MIT */
#include "tests/op/rows.h"

#include <math.h>

/* Whether v at column i comes before w at column j. */
static bool before(bool descending, double v, int i, double w, int j)
{
    if (isnan(v) || isnan(w))
        return isnan(v) && isnan(w) ? i < j : (bool)isnan(v) == descending;
    return v == w ? i < j : descending ? v > w : v < w;
}

static void check_rows(const char *forced, bool integers, const struct rows *x)
{
    int r = (int)x->view.shape.dim[0], c = (int)x->view.shape.dim[1];
    int k = test_int(0, 2) ? test_int(1, c) : c, step = test_int(1, 2), gap = test_int(0, 3);
    bool descending = test_int(0, 1);
    size_t n = (size_t)(r * (k * step + gap) + 3);
    int32_t *index = malloc(4 * n);
    struct nt_tensor view = {
        .dtype = NT_I32, .offset = 3, .shape = {2, {r, k}}, .stride = {k * step + gap, step}};
    struct trial t;
    trial_open(&t, forced);
    struct nt_tensor xt = trial_in(&t, x->view, x->data, x->elements);
    xt.dtype = integers ? NT_I32 : NT_F32;
    struct nt_tensor it = trial_out(&t, view, index, n);
    test_ok(nt_sort(t.tape, descending, &xt, &it));
    trial_run(&t);
    for (int row = 0; row < r; row++) {
        double *v = malloc(sizeof *v * (size_t)c);
        for (int i = 0; i < c; i++) {
            int32_t whole;
            memcpy(&whole, rows_at(x, row, i), sizeof whole);
            v[i] = integers ? whole : *rows_at(x, row, i);
        }
        for (int i = 0; i < c; i++) {
            int place = 0;
            for (int j = 0; j < c; j++)
                place += before(descending, v[j], j, v[i], i);
            if (place < k)
                ck_assert_int_eq(index[3 + row * (k * step + gap) + place * step], i);
        }
        free(v);
    }
    free(index);
}

static void check_random(const char *forced)
{
    static const float special[] = {NAN, INFINITY, -INFINITY, 0.0f, -0.0f};
    for (int round = 0; round < (trial_small() ? 6 : 12); round++) {
        int r, c, kind = round % 3;
        rows_shape(&r, &c);
        struct rows x = rows_random(test_int(1, r), c);
        for (size_t i = 0; kind && i < x.elements; i++) {
            int32_t whole = test_int(0, 9) ? test_int(-3, 3) : test_int(-INT32_MAX, INT32_MAX);
            if (kind == 1) /* many ties */
                x.data[i] = test_int(0, 5) ? (float)test_int(-3, 3) : special[test_int(0, 4)];
            else
                memcpy(&x.data[i], &whole, sizeof whole);
        }
        check_rows(forced, kind == 2, &x);
        free(x.data);
    }
}

START_TEST(rows_are_in_order)
{
    trial_variants("sort", check_random);
}
END_TEST

START_TEST(wrong_operands_are_refused)
{
    struct trial t;
    trial_open(&t, NULL);
    struct rows x = rows_make(3, 4, 0);
    struct nt_tensor xt = trial_in(&t, x.view, x.data, x.elements), it = xt;
    test_fails(nt_sort(t.tape, true, &xt, &it), NT_ERR_UNSUPPORTED, "index of float32");
    it.dtype = NT_I32;
    it.shape.dim[1] = 5;
    test_fails(nt_sort(t.tape, true, &xt, &it), NT_ERR_SHAPE, "sort: rows 3x4, index 3x5");
    nt_tape_destroy(t.tape);
    free(x.data);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sort");
    TCase *tcase = tcase_create("sort");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, rows_are_in_order);
    tcase_add_test(tcase, wrong_operands_are_refused);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
