/* SPDX-License-Identifier: MIT
 *
 * Training within a limit of memory: the same bits as without, in less.
 */
#include "tests/fixture.h"
#include "tests/testing.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/session.h"

#define BATCH 4
#define SIDE 24
#define CLASSES 5
#define STEPS 3
#define STATE 32768 /* floats of all weights, at most */

/* Batch normalisation with its statistics, random numbers, branches that join, a view, integers
 * from pooling, and an attribute inside an expression. */
static const char definition[] = "local x = input('input', {3, 24, 24})\n"
                                 "local y = target('target')\n"
                                 "for i = 1, 6 do\n"
                                 "  local before = x\n"
                                 "  x = x:conv2d{name = 'conv' .. i, channels = 12, kernel = 3, "
                                 "padding = 1, bias = i % 2 == 0}\n"
                                 "  x = x:batch_norm{name = 'bn' .. i}\n"
                                 "  if i > 1 then x = x + before end\n"
                                 "  x = x:leaky_relu{slope = 0.1}\n"
                                 "  if i == 3 then x = x:dropout{p = 0.3} end\n"
                                 "end\n"
                                 "x = x:max_pool2d{kernel = 2, stride = 2}:flatten():tanh()\n"
                                 "x = x:linear{name = 'fc', features = 5}\n"
                                 "output('scores', x)\n"
                                 "loss(x:cross_entropy(y))\n";

static struct nt_model *model;
static struct nt_weights *weights;
static float input[BATCH * 3 * SIDE * SIDE];
static int32_t target[BATCH];

static void set_up(void)
{
    char *path = fixture_path("net.lua");
    fixture_write(path, definition, sizeof definition - 1);
    test_ok(nt_model_load(test_context(), path, 0, NULL, &model));
    test_fill(input, sizeof input / sizeof *input);
    for (int i = 0; i < BATCH; i++)
        target[i] = test_int(0, CLASSES - 1);
}

static void tear_down(void)
{
    nt_weights_destroy(weights);
    nt_model_destroy(model);
    weights = NULL;
    model = NULL;
}

static struct nt_session *open_session(struct nt_session_params params, size_t limit)
{
    struct nt_session *session;
    params.batch = BATCH;
    params.memory_limit = limit;
    test_ok(nt_session_create(test_device(), model, weights, &params, &session));
    for (int i = 0; i < nt_session_input_count(session); i++)
        test_ok(nt_session_write(session, i, i ? (const void *)target : input));
    return session;
}

/* Runs and returns the loss; the gradients of all weights and of the input go to all. */
static float gradients_of(struct nt_session *session, float *all)
{
    float loss;
    test_ok(nt_session_run(session, NULL));
    test_ok(nt_session_loss(session, &loss));
    for (int w = 0; w < nt_weights_count(weights); w++)
        if (nt_weights_get(weights, w)->trained) {
            test_ok(nt_session_gradient(session, w, all));
            all += nt_shape_count(&nt_weights_get(weights, w)->shape);
        }
    test_ok(nt_session_input_gradient(session, 0, all));
    return loss;
}

START_TEST(gradients_are_the_same)
{
    test_ok(nt_weights_create(test_device(), model, 3, 0, &weights));
    size_t count = nt_weights_trained_elements(weights) + sizeof input / sizeof *input;
    float *wanted = malloc(count * sizeof *wanted), *got = malloc(count * sizeof *got);
    ck_assert(wanted && got);
    struct nt_session_params params = {.training = true, .gradients = true};
    struct nt_session *session = open_session(params, 0);
    size_t unlimited = nt_session_bytes(session);
    int launches = nt_session_plan(session)->launches;
    float loss = gradients_of(session, wanted);
    nt_session_destroy(session);
    for (int share = 95; share >= 75; share -= 20) {
        size_t limit = unlimited * (size_t)share / 100;
        session = open_session(params, limit);
        ck_assert_uint_le(nt_session_bytes(session), limit);
        ck_assert_int_gt(nt_session_plan(session)->launches, launches);
        memset(got, 0xff, count * sizeof *got);
        ck_assert_float_eq(gradients_of(session, got), loss);
        ck_assert_mem_eq(got, wanted, count * sizeof *got);
        nt_session_destroy(session);
    }
    free(wanted);
    free(got);
}
END_TEST

/* Weights, statistics and momentum after some steps. */
static size_t train(size_t limit, float *state)
{
    test_ok(
        nt_weights_create(test_device(), model, 5, nt_optimizer_slots(NT_OPTIMIZER_SGD), &weights));
    struct nt_session *session = open_session((struct nt_session_params){.training = true}, limit);
    for (int step = 1; step <= STEPS; step++)
        test_ok(nt_session_run(session,
            &(struct nt_step_params){.learning_rate = 0.1, .momentum = 0.9, .step = step}));
    struct nt_memory *memory = nt_weights_memory(weights, -1);
    ck_assert_uint_le(nt_memory_size(memory), sizeof(float) * STATE);
    test_ok(nt_memory_read(memory, 0, state, nt_memory_size(memory)));
    size_t bytes = nt_session_bytes(session);
    nt_session_destroy(session);
    nt_weights_destroy(weights);
    weights = NULL;
    return bytes;
}

START_TEST(steps_are_the_same)
{
    static float wanted[STATE], got[STATE];
    size_t bytes = train(0, wanted);
    ck_assert_uint_lt(train(bytes * 4 / 5, got), bytes);
    ck_assert_mem_eq(got, wanted, sizeof got);
}
END_TEST

START_TEST(the_least_is_named)
{
    struct nt_session *session;
    test_ok(nt_weights_create(test_device(), model, 3, 1, &weights));
    struct nt_session_params params = {.batch = BATCH, .training = true, .memory_limit = 1000};
    const char *rule = "memory limit 1000 bytes: with batch 4 a training step needs at least ";
    test_fails(
        nt_session_create(test_device(), model, weights, &params, &session), NT_ERR_MEMORY, rule);
    params.memory_limit =
        strtoul(strstr(nt_error_message(test_context()), rule) + strlen(rule), NULL, 10);
    test_ok(nt_session_create(test_device(), model, weights, &params, &session));
    ck_assert_uint_eq(nt_session_bytes(session), params.memory_limit);
    nt_session_destroy(session);
    params.memory_limit--;
    test_fails(nt_session_create(test_device(), model, weights, &params, &session), NT_ERR_MEMORY,
        "needs at least");
}
END_TEST

/* Told before anything is allocated: the sum of the parts, which each may well fit. */
START_TEST(more_than_the_device_has_is_refused)
{
    const struct nt_device_info *info = nt_device_get_info(test_device());
    struct nt_session_params params = {.batch = 1000, .training = true, .dry = true};
    struct nt_session *session;
    test_ok(nt_session_create(test_device(), model, NULL, &params, &session));
    double item = (double)nt_session_bytes(session) / 1000;
    nt_session_destroy(session);
    params.batch = (int64_t)(1.3 * (double)info->global_memory / item);
    params.dry = false;
    double elements = 12.0 * SIDE * SIDE * (double)params.batch; /* of the largest tensor */
    if (elements > INT32_MAX || 4 * elements > (double)info->max_allocation) {
        test_skip("the device has more memory than a tensor may take");
        return;
    }
    test_ok(nt_weights_create(test_device(), model, 3, 1, &weights));
    char rule[80];
    snprintf(rule, sizeof rule, "memory: with batch %lld a training step needs ",
        (long long)params.batch);
    test_fails(
        nt_session_create(test_device(), model, weights, &params, &session), NT_ERR_MEMORY, rule);
    ck_assert(strstr(nt_error_message(test_context()), "GiB: a smaller batch or a memory limit"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("recompute");
    TCase *tcase = tcase_create("recompute");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, gradients_are_the_same);
    tcase_add_test(tcase, steps_are_the_same);
    tcase_add_test(tcase, the_least_is_named);
    tcase_add_test(tcase, more_than_the_device_has_is_refused);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
