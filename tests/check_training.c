/* SPDX-License-Identifier: MIT
 *
 * Training steps against PyTorch's (tests/reference), and against themselves: the same bits twice.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/safetensors.h"
#include "frontend/session.h"
#include "tests/testing.h"

enum { STEPS = 20, BATCH = 8, PIXELS = 784 };
#define SEED 20240229

struct reference {
    const char *model, *start, *expected;
    enum nt_optimizer optimizer;
    struct nt_step_params params;
    const char *no_decay, *freeze;
    const char *name; /* one of the trainings of UPDATES, which keeps losses and products alone */
};

static const struct reference references[] = {
    {"zoo/lenet.lua", "tests/reference/lenet_start.safetensors",
        "tests/reference/lenet_sgd.safetensors", NT_OPTIMIZER_SGD,
        {.learning_rate = 0.05, .momentum = 0.9, .weight_decay = 5e-4}},
    {"zoo/lenet.lua", "tests/reference/lenet_start.safetensors",
        "tests/reference/lenet_nesterov.safetensors", NT_OPTIMIZER_SGD,
        {.learning_rate = 0.05, .momentum = 0.9, .nesterov = true, .weight_decay = 5e-4}},
    {"zoo/lenet.lua", "tests/reference/lenet_start.safetensors",
        "tests/reference/lenet_adam.safetensors", NT_OPTIMIZER_ADAM,
        {.learning_rate = 0.001, .weight_decay = 5e-4}},
    {"zoo/mlp.lua", "tests/reference/mlp_start.safetensors", "tests/reference/mlp_sgd.safetensors",
        NT_OPTIMIZER_SGD, {.learning_rate = 0.05, .momentum = 0.9, .weight_decay = 5e-4}},
};

#define START "tests/reference/lenet_start.safetensors"
#define UPDATES "tests/reference/lenet_updates.safetensors"
#define UPDATE(text, kind, ...)                                                                    \
    {                                                                                              \
        .model = "zoo/lenet.lua", .start = START, .expected = UPDATES, .name = text,               \
        .optimizer = NT_OPTIMIZER_##kind, __VA_ARGS__                                              \
    }

static const struct reference updates[] = {
    UPDATE("plain", SGD, .params = {.learning_rate = 0.05}),
    UPDATE("adamw", ADAMW, .params = {.learning_rate = 0.001, .weight_decay = 0.1}),
    UPDATE("adagrad", ADAGRAD, .params = {.learning_rate = 0.01, .weight_decay = 5e-4}),
    UPDATE("rmsprop", RMSPROP, .params = {.learning_rate = 0.0005, .weight_decay = 5e-4}),
    UPDATE("rmsprop_momentum", RMSPROP,
        .params = {.learning_rate = 0.0002, .alpha = 0.9, .epsilon = 1e-5, .momentum = 0.5}),
    UPDATE("rmsprop_centered", RMSPROP_CENTERED,
        .params = {.learning_rate = 0.0002, .epsilon = 1e-5, .momentum = 0.5}),
    UPDATE("clip_norm", SGD, .params = {.learning_rate = 0.05, .momentum = 0.9, .clip_norm = 0.5}),
    UPDATE(
        "clip_value", SGD, .params = {.learning_rate = 0.05, .momentum = 0.9, .clip_value = 0.01}),
    UPDATE("clip_both", ADAM,
        .params = {.learning_rate = 0.001, .clip_value = 0.01, .clip_norm = 0.1}),
    UPDATE("l1", SGD, .params = {.learning_rate = 0.05, .l1 = 1e-4}),
    UPDATE("no_decay", ADAMW, .params = {.learning_rate = 0.001, .weight_decay = 0.1},
        .no_decay = "*.bias"),
    UPDATE("freeze", SGD,
        .params = {.learning_rate = 0.05, .momentum = 0.9, .weight_decay = 5e-4, .clip_norm = 1},
        .freeze = "conv2.weight,*.bias"),
};

/* One of the reference's pictures, as tests/reference/README.md defines them. */
static void make_batch(int step, float *x, int32_t *target)
{
    struct nt_random classes = {.key = SEED, .stream = 2, .position = (uint64_t)step * BATCH};
    struct nt_random noise = {
        .key = SEED, .stream = 1, .position = (uint64_t)step * BATCH * PIXELS};
    for (int i = 0; i < BATCH; i++) {
        target[i] = (int32_t)(nt_random_u32(&classes) % 10);
        for (int p = 0; p < PIXELS; p++) {
            int row = p / 28, bright = row >= 2 * target[i] + 4 && row <= 2 * target[i] + 7;
            int byte = (int)(nt_random_u32(&noise) >> 25) + 127 * bright;
            x[i * PIXELS + p] = (float)byte / 255;
        }
    }
}

static void read_tensor(const struct nt_safetensors *file, const char *name, void *data)
{
    int index = nt_safetensors_find(file, name);
    ck_assert_msg(index >= 0, "the reference has no %s", name);
    test_ok(nt_safetensors_read(file, index, data));
}

/* A final weight's product with a fixed vector. */
static void check_product(
    const struct nt_safetensors *file, const char *name, size_t count, const float *got)
{
    struct nt_random random = {.key = SEED, .stream = 3};
    double dot = 0, expected;
    for (size_t i = 0; i < count; i++)
        dot += ((double)nt_random_u32(&random) * 0x1p-31 - 1) * got[i];
    read_tensor(file, name, &expected);
    ck_assert_msg(fabs(dot - expected) <= 1e-4 * sqrt((double)count),
        "%s: product with the fixed vector %g, want %g", name, dot, expected);
}

/* A final weight against the reference: whole or every fourth row, and its product. */
static void check_weight(struct nt_weights *weights, int w, const struct nt_safetensors *file)
{
    const struct nt_weight_info *info = nt_weights_get(weights, w);
    size_t count = (size_t)nt_shape_count(&info->shape), row = count / (size_t)info->shape.dim[0];
    float *got = malloc(count * sizeof *got), *want = malloc(count * sizeof *want);
    char name[64];
    snprintf(name, sizeof name, "final.%s", info->name);
    int index = nt_safetensors_find(file, name);
    ck_assert_int_ge(index, 0);
    const struct nt_safetensors_entry *entry = nt_safetensors_get(file, index);
    size_t every = (size_t)(info->shape.dim[0] / entry->shape.dim[0]);
    test_ok(nt_safetensors_read(file, index, want));
    test_ok(nt_weights_read(weights, w, got));
    for (size_t i = 0; i < count / every; i++) {
        size_t from = i / row * every * row + i % row;
        ck_assert_msg(fabsf(got[from] - want[i]) <= 1e-4f, "%s[%zu]: got %g, want %g", info->name,
            from, got[from], want[i]);
    }
    snprintf(name, sizeof name, "dot.%s", info->name);
    check_product(file, name, count, got);
    free(got);
    free(want);
}

struct run {
    struct nt_model *model;
    struct nt_weights *weights;
    struct nt_session *session;
};

static struct run open_run(const struct reference *r, const char *variants)
{
    struct run run = {0};
    struct nt_session_params params = {.batch = BATCH,
        .training = true,
        .optimizer = r->optimizer,
        .clip_norm = r->params.clip_norm > 0,
        .no_decay = r->no_decay,
        .freeze = r->freeze};
    if (variants)
        setenv("NEUTRA_VARIANT", variants, 1);
    test_ok(nt_model_load(test_context(), r->model, 0, NULL, &run.model));
    test_ok(nt_weights_create(
        test_device(), run.model, 1, nt_optimizer_slots(r->optimizer), &run.weights));
    test_ok(nt_weights_load(run.weights, r->start));
    test_ok(nt_session_create(test_device(), run.model, run.weights, &params, &run.session));
    unsetenv("NEUTRA_VARIANT");
    return run;
}

static void close_run(struct run *run)
{
    nt_session_destroy(run->session);
    nt_weights_destroy(run->weights);
    nt_model_destroy(run->model);
}

static void one_step(struct run *run, const struct reference *r, int step, float *loss)
{
    float x[BATCH * PIXELS];
    int32_t target[BATCH];
    struct nt_step_params params = r->params;
    params.step = step + 1;
    make_batch(step, x, target);
    test_ok(nt_session_write(run->session, 0, x));
    test_ok(nt_session_write(run->session, 1, target));
    test_ok(nt_session_run(run->session, &params));
    test_ok(nt_session_loss(run->session, loss));
}

static void check_reference(const struct reference *r, const char *variants, int steps)
{
    struct nt_safetensors *file = NULL;
    test_ok(nt_safetensors_open(test_context(), r->expected, &file));
    float losses[STEPS];
    int32_t targets[STEPS * BATCH], target[BATCH];
    float x[BATCH * PIXELS];
    read_tensor(file, "losses", losses);
    read_tensor(file, "targets", targets);
    make_batch(STEPS - 1, x, target);
    ck_assert_mem_eq(target, targets + (STEPS - 1) * BATCH, sizeof target);
    struct run run = open_run(r, variants);
    for (int step = 0; step < steps; step++) {
        float loss = NAN;
        one_step(&run, r, step, &loss);
        ck_assert_msg(fabsf(loss - losses[step]) <= 1e-4f * fabsf(losses[step]),
            "%s, step %d: loss %.8g, PyTorch's %.8g", r->expected, step, loss, losses[step]);
    }
    for (int w = 0; steps == STEPS && w < nt_weights_count(run.weights); w++)
        check_weight(run.weights, w, file);
    close_run(&run);
    nt_safetensors_close(file);
}

START_TEST(twenty_steps_as_pytorch)
{
    check_reference(&references[_i], NULL, STEPS);
}
END_TEST

/* Each weight after 20 steps by its product alone, more strictly: 1e-5 of a typical element. */
static void check_update(const struct reference *r)
{
    struct nt_safetensors *file = NULL;
    char name[64];
    float losses[STEPS];
    test_ok(nt_safetensors_open(test_context(), r->expected, &file));
    snprintf(name, sizeof name, "%s.losses", r->name);
    read_tensor(file, name, losses);
    struct run run = open_run(r, NULL);
    for (int step = 0; step < STEPS; step++) {
        float loss = NAN;
        one_step(&run, r, step, &loss);
        ck_assert_msg(fabsf(loss - losses[step]) <= 1e-5f * fabsf(losses[step]),
            "%s, step %d: loss %.8g, PyTorch's %.8g", r->name, step, loss, losses[step]);
    }
    for (int w = 0; w < nt_weights_count(run.weights); w++) {
        const struct nt_weight_info *info = nt_weights_get(run.weights, w);
        size_t count = (size_t)nt_shape_count(&info->shape);
        float *got = malloc(count * sizeof *got);
        test_ok(nt_weights_read(run.weights, w, got));
        snprintf(name, sizeof name, "%s.dot.%s", r->name, info->name);
        check_product(file, name, count, got);
        free(got);
    }
    close_run(&run);
    nt_safetensors_close(file);
}

START_TEST(every_update_as_pytorch)
{
    check_update(&updates[_i]);
}
END_TEST

START_TEST(patterns_that_match_nothing_are_refused)
{
    struct nt_model *model = NULL;
    struct nt_session *session = NULL;
    test_ok(nt_model_load(test_context(), "zoo/lenet.lua", 0, NULL, &model));
    struct nt_session_params params = {
        .training = true, .dry = true, .freeze = "conv1.*,con2.bias"};
    test_fails(nt_session_create(test_device(), model, NULL, &params, &session), NT_ERR_ARGUMENT,
        "freeze 'con2.bias': no parameter has such a name, did you mean 'conv2.bias'?");
    params.freeze = NULL;
    params.no_decay = "bias";
    test_fails(nt_session_create(test_device(), model, NULL, &params, &session), NT_ERR_ARGUMENT,
        "no_decay 'bias': no parameter has such a name");
    params.no_decay = NULL;
    params.freeze = "conv*,fc*";
    test_fails(nt_session_create(test_device(), model, NULL, &params, &session), NT_ERR_ARGUMENT,
        "freeze 'conv*,fc*': leaves no parameter to be trained");
    nt_model_destroy(model);
}
END_TEST

START_TEST(steps_out_of_range_are_refused)
{
    struct reference r = updates[0];
    struct run run = open_run(&r, NULL);
    const struct {
        struct nt_step_params params;
        const char *message;
    } cases[] = {
        {{.learning_rate = -1}, "learning rate -1: must be finite and not negative"},
        {{.weight_decay = NAN}, "weight decay nan"},
        {{.l1 = -1}, "l1 -1"},
        {{.clip_value = -1}, "clip_value -1"},
        {{.clip_norm = 1}, "made without clip_norm"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        test_fails(
            nt_session_run(run.session, &cases[i].params), NT_ERR_ARGUMENT, cases[i].message);
    test_fails(nt_session_run(run.session, NULL), NT_ERR_ARGUMENT, "needs its step");
    close_run(&run);
}
END_TEST

START_TEST(wrong_use_is_told)
{
    struct run run = open_run(&references[0], NULL);
    struct nt_session *session;
    float data[1];
    test_fails(nt_session_submit(run.session), NT_ERR_ARGUMENT, "submit without acquire");
    test_fails(nt_session_write(run.session, 2, data), NT_ERR_ARGUMENT, "input 2: there are 2");
    test_fails(nt_session_read(run.session, 1, data), NT_ERR_ARGUMENT, "output 1: there are 1");
    test_fails(nt_session_read(run.session, -1, data), NT_ERR_ARGUMENT, "output -1: there are 1");
    test_fails(
        nt_session_input_gradient(run.session, 9, data), NT_ERR_ARGUMENT, "input 9: there are 2");
    test_fails(
        nt_session_gradient(run.session, 10, data), NT_ERR_ARGUMENT, "tensor 10: there are 10");
    test_fails(nt_weights_read(run.weights, 10, data), NT_ERR_ARGUMENT, "tensor 10: there are 10");
    test_fails(nt_weights_write(run.weights, -1, data), NT_ERR_ARGUMENT, "tensor -1: there are 10");
    test_fails(nt_weights_read_state(run.weights, 10, 0, data), NT_ERR_ARGUMENT, "tensor 10");
    test_fails(nt_weights_write_state(run.weights, 10, 0, data), NT_ERR_ARGUMENT, "tensor 10");
    test_fails(nt_session_create(test_device(), run.model, run.weights,
                   &(struct nt_session_params){.batch = -3}, &session),
        NT_ERR_ARGUMENT, "batch -3: must not be negative");
    close_run(&run);
}
END_TEST

START_TEST(gpu_kernels_train_the_same)
{
    check_reference(&references[0],
        "argmax=group,conv_backward_data=group,conv_backward_weight=group,conv_forward=group,"
        "gemm=group,map=group,move=group,pool=group,reduce=group,row_loss=group,softmax=group",
        getenv("NT_SMALL") ? 2 : STEPS);
}
END_TEST

/* The bytes of all weights after some steps. */
static float *train(const struct reference *r, size_t *count)
{
    struct run run = open_run(r, NULL);
    float loss;
    for (int step = 0; step < STEPS; step++)
        one_step(&run, r, step, &loss);
    *count = nt_weights_trained_elements(run.weights);
    float *all = malloc(*count * sizeof *all);
    test_ok(nt_memory_read(nt_weights_memory(run.weights, -1), 0, all, *count * sizeof *all));
    close_run(&run);
    return all;
}

START_TEST(training_repeats_bit_by_bit)
{
    size_t count, again;
    float *first = train(&references[0], &count), *second = train(&references[0], &again);
    ck_assert_uint_eq(count, again);
    ck_assert_mem_eq(first, second, count * sizeof *first);
    free(first);
    free(second);
}
END_TEST

START_TEST(outputs_without_the_loss_are_the_same)
{
    struct run run = open_run(&references[0], NULL);
    struct nt_session_params params = {.batch = BATCH};
    struct nt_session *session[2] = {NULL};
    float x[BATCH * PIXELS], loss, got[2][BATCH * 10];
    struct nt_metrics metrics;
    int32_t target[BATCH];
    make_batch(0, x, target);
    for (int i = 0; i < 2; i++) {
        params.outputs_only = i;
        test_ok(nt_session_create(test_device(), run.model, run.weights, &params, &session[i]));
        test_ok(nt_session_write(session[i], 0, x));
        test_ok(nt_session_write(session[i], 1, target));
        test_ok(nt_session_run(session[i], NULL));
        memset(got[i], 0xff, sizeof got[i]);
        ck_assert_uint_eq(nt_session_output(session[i], 0).bytes, sizeof got[i]);
        test_ok(nt_session_read(session[i], 0, got[i]));
    }
    ck_assert(isfinite(got[0][0]));
    ck_assert_mem_eq(got[0], got[1], sizeof got[0]);
    ck_assert_int_lt(nt_session_plan(session[1])->launches, nt_session_plan(session[0])->launches);
    test_ok(nt_session_loss(session[0], &loss));
    test_fails(
        nt_session_loss(session[1], &loss), NT_ERR_ARGUMENT, "the session runs outputs only");
    test_fails(
        nt_session_metrics(session[1], &metrics), NT_ERR_ARGUMENT, "the session runs outputs only");
    params.training = true;
    struct nt_session *none = NULL;
    test_fails(nt_session_create(test_device(), run.model, run.weights, &params, &none),
        NT_ERR_ARGUMENT, "outputs_only: training and gradients need the loss");
    nt_session_destroy(session[0]);
    nt_session_destroy(session[1]);
    close_run(&run);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("training");
    TCase *tcase = tcase_create("training");
    tcase_set_timeout(tcase, 0);
    tcase_add_loop_test(tcase, twenty_steps_as_pytorch, 0, sizeof references / sizeof *references);
    tcase_add_loop_test(tcase, every_update_as_pytorch, 0, sizeof updates / sizeof *updates);
    tcase_add_test(tcase, patterns_that_match_nothing_are_refused);
    tcase_add_test(tcase, steps_out_of_range_are_refused);
    tcase_add_test(tcase, wrong_use_is_told);
    tcase_add_test(tcase, gpu_kernels_train_the_same);
    tcase_add_test(tcase, training_repeats_bit_by_bit);
    tcase_add_test(tcase, outputs_without_the_loss_are_the_same);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
