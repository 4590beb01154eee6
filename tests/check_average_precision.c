/* SPDX-License-Identifier: MIT */
#include "frontend/average_precision.h"
#include "tests/testing.h"

#include <math.h>
#include <stdlib.h>

static struct nt_average_precision *open_ap(int classes)
{
    struct nt_average_precision *ap;
    test_ok(nt_average_precision_create(test_context(), classes, 0.5, &ap));
    return ap;
}

START_TEST(a_case_by_hand)
{
    /* Four objects of class 0. In order of score: right, wrong, right, wrong (found before), right.
     * Precisions at the right ones: 1, 2/3, 3/5; the fourth is never found. */
    struct nt_average_precision *ap = open_ap(2);
    struct nt_truth truth[] = {
        {0, 0, 0, 10, 10}, {0, 20, 0, 30, 10}, {0, 40, 0, 50, 10}, {0, 60, 0, 70, 10}};
    struct nt_detection found[] = {{0, 0.5f, 40, 0, 50, 9}, {0, 0.9f, 0, 0, 10, 10},
        {0, 0.8f, 100, 0, 110, 10}, {0, 0.7f, 20, 1, 30, 10}, {0, 0.6f, 1, 0, 10, 10}};
    test_ok(nt_average_precision_add(ap, 4, truth, 5, found));
    double want = (1 + 2.0 / 3 + 3.0 / 5) / 4;
    ck_assert_double_eq_tol(nt_average_precision_of(ap, 0), want, 1e-12);
    ck_assert(isnan(nt_average_precision_of(ap, 1)));
    ck_assert_double_eq_tol(nt_average_precision_mean(ap), want, 1e-12);
    nt_average_precision_destroy(ap);
}
END_TEST

START_TEST(the_envelope_counts)
{
    /* wrong, right, right: precision 1/2 then 2/3; the envelope makes both 2/3 */
    struct nt_average_precision *ap = open_ap(1);
    struct nt_truth truth[] = {{0, 0, 0, 10, 10}, {0, 20, 0, 30, 10}};
    struct nt_detection found[] = {
        {0, 0.9f, 50, 50, 60, 60}, {0, 0.8f, 0, 0, 10, 10}, {0, 0.7f, 20, 0, 30, 10}};
    test_ok(nt_average_precision_add(ap, 2, truth, 3, found));
    ck_assert_double_eq_tol(nt_average_precision_mean(ap), 2.0 / 3, 1e-12);
    nt_average_precision_destroy(ap);
}
END_TEST

START_TEST(pictures_and_classes_stay_apart)
{
    struct nt_average_precision *ap = open_ap(3);
    struct nt_truth truth = {1, 0, 0, 10, 10}, none = {-1, 0, 0, 10, 10};
    struct nt_detection right = {1, 0.9f, 0, 0, 10, 10}, other = {2, 0.9f, 0, 0, 10, 10};
    struct nt_detection unknown[] = {{7, 0.9f, 0, 0, 10, 10}, {1, NAN, 0, 0, 10, 10}};
    test_ok(nt_average_precision_add(ap, 1, &truth, 1, &right));
    ck_assert_double_eq(nt_average_precision_of(ap, 1), 1);
    test_ok(nt_average_precision_add(ap, 1, &truth, 1, &other)); /* not found there */
    ck_assert_double_eq(nt_average_precision_of(ap, 1), 0.5);
    test_ok(nt_average_precision_add(ap, 1, &none, 1, &right)); /* the same box elsewhere */
    test_ok(nt_average_precision_add(ap, 0, NULL, 2, unknown));
    ck_assert_double_eq(nt_average_precision_of(ap, 1), 0.5);
    ck_assert_double_eq(nt_average_precision_mean(ap), 0.5);
    nt_average_precision_destroy(ap);
}
END_TEST

START_TEST(perfect_and_useless)
{
    struct nt_average_precision *ap = open_ap(1), *useless = open_ap(1);
    for (int picture = 0; picture < 20; picture++) {
        struct nt_truth truth[5];
        struct nt_detection found[5], far[5];
        for (int i = 0; i < 5; i++) {
            float x = (float)(20 * i), y = (float)test_int(0, 100);
            truth[i] = (struct nt_truth){0, x, y, x + 10, y + 10};
            found[i] = (struct nt_detection){0, (float)test_int(0, 9), x, y, x + 10, y + 10};
            far[i] = (struct nt_detection){0, (float)test_int(0, 9), x + 6, y, x + 16, y + 10};
        }
        test_ok(nt_average_precision_add(ap, 5, truth, 5, found));
        test_ok(nt_average_precision_add(useless, 5, truth, 5, far));
    }
    ck_assert_double_eq_tol(nt_average_precision_mean(ap), 1, 1e-12);
    ck_assert_double_eq(nt_average_precision_mean(useless), 0);
    nt_average_precision_destroy(ap);
    nt_average_precision_destroy(useless);
}
END_TEST

START_TEST(bad_numbers_are_refused)
{
    struct nt_average_precision *ap;
    test_fails(nt_average_precision_create(test_context(), 0, 0.5, &ap), NT_ERR_ARGUMENT,
        "average precision: 0 classes");
    test_fails(
        nt_average_precision_create(test_context(), 2, 1.5, &ap), NT_ERR_ARGUMENT, "overlap 1.5");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("average_precision");
    TCase *tcase = tcase_create("average_precision");
    tcase_add_test(tcase, a_case_by_hand);
    tcase_add_test(tcase, the_envelope_counts);
    tcase_add_test(tcase, pictures_and_classes_stay_apart);
    tcase_add_test(tcase, perfect_and_useless);
    tcase_add_test(tcase, bad_numbers_are_refused);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
