/* SPDX-License-Identifier: MIT */
#include "frontend/gradcheck.h"
#include "frontend/graph.h"
#include "frontend/op.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fixture.h"
#include "tests/testing.h"
#include "tests/toy.h"

static void check_all(
    const struct nt_gradcheck_params *params, struct nt_model *model, const char *wrong)
{
    struct nt_gradcheck_result *results;
    int count, found = 0;
    test_ok(nt_gradcheck(test_device(), model, params, &results, &count));
    ck_assert_int_gt(count, 0);
    for (int i = 0; i < count; i++) {
        bool expected = wrong && !strcmp(results[i].name, wrong);
        enum nt_gradcheck_verdict want = expected ? NT_GRADCHECK_WRONG : NT_GRADCHECK_OK;
        found += expected;
        ck_assert_msg(results[i].verdict == want,
            "%s: %s (error %g, %d directions, %d passed over), not %s", results[i].name,
            nt_gradcheck_word(results[i].verdict), results[i].error, results[i].checked,
            results[i].passed_over, nt_gradcheck_word(want));
    }
    ck_assert_int_eq(found, wrong != NULL);
    free(results);
}

START_TEST(zoo_models_agree)
{
    static const char *const paths[] = {"zoo/linear.lua", "zoo/mlp.lua", "zoo/lenet.lua"};
    struct nt_model *model;
    struct nt_gradcheck_params params = {.seed = (uint64_t)test_int(1, 100000)};
    printf("seed %llu\n", (unsigned long long)params.seed);
    test_ok(nt_model_load(test_context(), paths[_i], 0, NULL, &model));
    check_all(&params, model, NULL);
    nt_model_destroy(model);
}
END_TEST

/* How a gradient rule may be wrong. */
static const char *victim;

static void scale(void *user, const char *name, size_t count, float *gradient)
{
    for (size_t i = 0; i < count && !strcmp(name, victim); i++)
        gradient[i] *= 1.05f;
}

static void forget(void *user, const char *name, size_t count, float *gradient)
{
    if (!strcmp(name, victim))
        memset(gradient, 0, count * sizeof *gradient);
}

static void forget_part(void *user, const char *name, size_t count, float *gradient)
{
    if (!strcmp(name, victim))
        memset(gradient + count / 2, 0, (count - count / 2) * sizeof *gradient);
}

static void turn(void *user, const char *name, size_t count, float *gradient)
{
    for (size_t i = 0; i + 1 < count && !strcmp(name, victim); i += 2) {
        float kept = gradient[i];
        gradient[i] = gradient[i + 1];
        gradient[i + 1] = kept;
    }
}

START_TEST(wrong_gradients_are_found)
{
    static void (*const faults[])(void *, const char *, size_t, float *) = {
        scale, forget, forget_part, turn};
    static const char *const names[] = {
        "conv.weight", "conv.bias", "fc.weight", "fc.bias", "input"};
    struct nt_model *model = toy_model("gradcheck");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct nt_gradcheck_params params = {
            .seed = (uint64_t)test_int(1, 100000), .distort = faults[_i]};
        victim = names[i];
        check_all(&params, model, victim);
    }
    nt_model_destroy(model);
}
END_TEST

#define KEPT 4096

static float kept[2][KEPT];
static size_t kept_count[2];

static void keep(void *user, const char *name, size_t count, float *gradient)
{
    int which = *(int *)user;
    ck_assert_uint_le(kept_count[which] + count, KEPT);
    memcpy(kept[which] + kept_count[which], gradient, count * sizeof *gradient);
    kept_count[which] += count;
}

/* A ReLU's gradient is masked behind a maximum that alone reads it, which a clamp's is not. */
START_TEST(maxima_of_relu_agree_with_those_of_a_clamp)
{
    static const char *const functions[] = {"relu()", "clamp{min = 0}"};
    uint64_t seed = (uint64_t)test_int(1, 100000);
    kept_count[0] = kept_count[1] = 0;
    for (int which = 0; which < 2; which++) {
        char text[512], file[32];
        struct nt_model *model;
        snprintf(text, sizeof text,
            "local classes = setting('classes', 4, 'number of classes', {min = 2})\n"
            "local x, y = input('input', {3, 9, 7}), target('target')\n"
            "x = x:conv2d{name = 'conv', channels = 5, kernel = 3, padding = 1}:%s\n"
            "x = x:max_pool2d{kernel = 3, stride = %d, padding = 1}\n"
            "x = x:flatten():linear{name = 'fc', features = classes}\n"
            "output('logits', x)\n"
            "loss(x:cross_entropy(y))\n",
            functions[which], 1 + _i);
        snprintf(file, sizeof file, "maxima-%d.lua", which);
        const char *path = fixture_path(file);
        fixture_write(path, text, strlen(text));
        test_ok(nt_model_load(test_context(), path, 0, NULL, &model));
        struct nt_gradcheck_params params = {.seed = seed, .distort = keep, .user = &which};
        check_all(&params, model, NULL);
        nt_model_destroy(model);
    }
    ck_assert_uint_gt(kept_count[0], 0);
    ck_assert_uint_eq(kept_count[0], kept_count[1]);
    for (size_t i = 0; i < kept_count[0]; i++)
        ck_assert_float_eq(kept[0][i], kept[1][i]);
}
END_TEST

/* Their derivative follows from the result: what they are of need not be kept, and they are
 * computed with it. */
START_TEST(gradients_of_limits_need_no_input)
{
    static const char *const functions[] = {"relu", "relu6", "hardtanh", "tanh", "sigmoid"};
    for (size_t which = 0; which < sizeof functions / sizeof *functions; which++) {
        char text[320], file[32];
        struct nt_model *model;
        struct nt_graph *graph;
        const int *grads;
        snprintf(text, sizeof text,
            "local x, y = input('input', {3, 9, 7}), target('target')\n"
            "x = x:conv2d{name = 'conv', channels = 5, kernel = 3}:%s():flatten()\n"
            "x = x:linear{name = 'fc', features = 3}\n"
            "output('logits', x)\n"
            "loss(x:cross_entropy(y))\n",
            functions[which]);
        snprintf(file, sizeof file, "limit-%zu.lua", which);
        const char *path = fixture_path(file);
        fixture_write(path, text, strlen(text));
        test_ok(nt_model_load(test_context(), path, 0, NULL, &model));
        test_ok(nt_model_build(model, 2, true, &graph));
        int x = -1, forward = graph->node_count, readers = 0;
        for (int i = 0; i < forward; i++)
            if (graph->node[i]->op == nt_op_find(functions[which]))
                x = graph->node[i]->input[0];
        ck_assert_int_ge(x, 0);
        test_ok(nt_gradient(graph, 0, NULL, &grads));
        ck_assert_int_gt(graph->node_count, forward);
        for (int i = forward; i < graph->node_count; i++)
            for (int j = 0; j < graph->node[i]->inputs; j++)
                readers += graph->node[i]->input[j] == x;
        ck_assert_msg(readers == 0, "%s: its gradient reads its input", functions[which]);
        nt_graph_destroy(graph);
        nt_model_destroy(model);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gradcheck");
    TCase *tests = tcase_create("gradcheck");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, zoo_models_agree, 0, 3);
    tcase_add_loop_test(tests, wrong_gradients_are_found, 0, 4);
    tcase_add_loop_test(tests, maxima_of_relu_agree_with_those_of_a_clamp, 0, 3);
    tcase_add_test(tests, gradients_of_limits_need_no_input);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
