/* SPDX-License-Identifier: MIT */
#include "frontend/evaluate.h"

#include <math.h>
#include <stdlib.h>

#include "tests/testing.h"
#include "tests/toy.h"

struct seen {
    double loss;
    int correct, items;
    int64_t next;
};

static void count(void *user, const struct nt_prediction *p)
{
    struct seen *seen = user;
    double probability[TOY_CLASSES], sum = 0;
    ck_assert_int_eq(p->count, TOY_CLASSES);
    ck_assert_int_eq(p->index, seen->next++);
    nt_softmax_scores(p->count, p->scores, probability);
    int best = 0;
    for (int i = 0; i < p->count; i++) {
        sum += probability[i];
        best = probability[i] > probability[best] ? i : best;
    }
    ck_assert_double_eq_tol(sum, 1, 1e-12);
    seen->loss -= log(probability[p->target]);
    seen->correct += best == p->target;
    seen->items++;
}

/* Whole batches, a rest, a batch larger than the data: the same figures as counted by hand. */
START_TEST(sums_of_every_item)
{
    const int items = 61, batches[] = {1, 7, 20, 61, 100};
    struct nt_model *model = toy_model("evaluate");
    struct nt_dataset *data = toy_dataset(toy_data("evaluate", items));
    struct nt_weights *weights;
    test_ok(nt_weights_create(test_device(), model, (uint64_t)test_int(1, 9999), 0, &weights));
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        struct seen seen = {0};
        struct nt_evaluator_params params = {.batch = batches[i], .each = count, .user = &seen};
        struct nt_evaluator *evaluator;
        struct nt_evaluation result;
        test_ok(nt_evaluator_create(test_device(), model, weights, data, &params, &evaluator));
        for (int repeat = 0; repeat < 2; repeat++) {
            seen = (struct seen){0};
            test_ok(nt_evaluate(evaluator, &result));
            ck_assert_int_eq(result.items, items);
            ck_assert_int_eq(seen.items, items);
            ck_assert_double_eq_tol(result.loss, seen.loss / items, 1e-5);
            ck_assert_double_eq_tol(result.accuracy, (double)seen.correct / items, 1e-12);
        }
        nt_evaluator_destroy(evaluator);
    }
    nt_weights_destroy(weights);
    nt_dataset_close(data);
    nt_model_destroy(model);
}
END_TEST

START_TEST(stops_on_request)
{
    volatile sig_atomic_t stop = 1;
    struct nt_model *model = toy_model("evaluate");
    struct nt_dataset *data = toy_dataset(toy_data("evaluate", 30));
    struct nt_weights *weights;
    test_ok(nt_weights_create(test_device(), model, 1, 0, &weights));
    struct nt_evaluator_params params = {.batch = 10, .stop = &stop};
    struct nt_evaluator *evaluator;
    struct nt_evaluation result;
    test_ok(nt_evaluator_create(test_device(), model, weights, data, &params, &evaluator));
    test_fails(nt_evaluate(evaluator, &result), NT_ERR_INTERRUPTED, "10 of 30");
    stop = 0;
    test_ok(nt_evaluate(evaluator, &result));
    ck_assert_int_eq(result.items, 30);
    nt_evaluator_destroy(evaluator);
    nt_weights_destroy(weights);
    nt_dataset_close(data);
    nt_model_destroy(model);
}
END_TEST

START_TEST(softmax_of_large_scores)
{
    const float scores[] = {1000, 999, -1000};
    double probability[3];
    nt_softmax_scores(3, scores, probability);
    ck_assert_double_eq_tol(probability[0], 1 / (1 + exp(-1)), 1e-12);
    ck_assert_double_eq_tol(probability[2], 0, 1e-12);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("evaluate");
    TCase *tests = tcase_create("evaluate");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, sums_of_every_item);
    tcase_add_test(tests, stops_on_request);
    tcase_add_test(tests, softmax_of_large_scores);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
