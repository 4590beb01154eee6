/* SPDX-License-Identifier: MIT
 *
 * Training steps of recurrent classifiers against PyTorch's: tests/reference/recurrent_steps.py.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/safetensors.h"
#include "frontend/session.h"
#include "tests/fixture.h"
#include "tests/testing.h"

enum { STEPS = 20, BATCH = 8, LENGTH = 10, FEATURES = 6, CLASSES = 3 };
#define SEED 20240229

static const char definition[] =
    "local cell = setting('cell', 'lstm', 'recurrent cell')\n"
    "local lengths = input('lengths', {}, {dtype = 'int32'})\n"
    "local x = input('input', {10, 6})\n"
    "local target = target('target')\n"
    "local _, h = op[cell](x, {name = 'cell', hidden = 12, layers = 2, bidirectional = true,\n"
    "    lengths = lengths})\n"
    "h = h:slice{axis = 0, first = 2, count = 2}:transpose{axes = {1, 0, 2}}:flatten()\n"
    "local y = h:linear{name = 'fc', features = 3}\n"
    "output('logits', y)\n"
    "loss(y:cross_entropy(target))\n";

static void make_batch(int step, float *x, int32_t *lengths, int32_t *target)
{
    uint64_t first = (uint64_t)step * BATCH;
    struct nt_random values = {.key = SEED, .stream = 11, .position = first * LENGTH * FEATURES};
    struct nt_random classes = {.key = SEED, .stream = 12, .position = first};
    struct nt_random steps = {.key = SEED, .stream = 13, .position = first};
    for (int i = 0; i < BATCH; i++) {
        target[i] = (int32_t)(nt_random_u32(&classes) % CLASSES);
        lengths[i] = (int32_t)(nt_random_u32(&steps) % LENGTH) + 1;
        for (int k = 0; k < LENGTH * FEATURES; k++) {
            float noise = (float)((double)nt_random_u32(&values) * 0x1p-31 - 1);
            x[i * LENGTH * FEATURES + k] = noise + (k % FEATURES == target[i] ? 1.0f : 0.0f);
        }
    }
}

static void read_tensor(const struct nt_safetensors *file, const char *name, void *data)
{
    int index = nt_safetensors_find(file, name);
    ck_assert_msg(index >= 0, "the reference has no %s", name);
    test_ok(nt_safetensors_read(file, index, data));
}

static void check_weights(struct nt_weights *weights, const struct nt_safetensors *file)
{
    for (int w = 0; w < nt_weights_count(weights); w++) {
        const struct nt_weight_info *info = nt_weights_get(weights, w);
        size_t count = (size_t)nt_shape_count(&info->shape);
        float *got = malloc(count * sizeof *got), *want = malloc(count * sizeof *want);
        char name[96];
        snprintf(name, sizeof name, "final.%s", info->name);
        read_tensor(file, name, want);
        test_ok(nt_weights_read(weights, w, got));
        for (size_t i = 0; i < count; i++)
            ck_assert_msg(fabsf(got[i] - want[i]) <= 1e-3f, "%s[%zu]: got %g, want %g", info->name,
                i, got[i], want[i]);
        free(got);
        free(want);
    }
}

static void check_cell(const char *cell, const char *variants)
{
    char setting[32], path[96];
    float losses[STEPS], x[BATCH * LENGTH * FEATURES], loss = NAN;
    int32_t lengths[BATCH], target[BATCH];
    struct nt_safetensors *file;
    struct nt_model *model;
    struct nt_weights *weights;
    struct nt_session *session;
    struct nt_session_params params = {
        .batch = BATCH, .training = true, .optimizer = NT_OPTIMIZER_ADAM};
    const char *settings[] = {setting}, *lua = fixture_path("classifier.lua");
    snprintf(path, sizeof path, "tests/reference/%s_steps.safetensors", cell);
    test_ok(nt_safetensors_open(test_context(), path, &file));
    read_tensor(file, "losses", losses);
    snprintf(setting, sizeof setting, "cell=%s", cell);
    snprintf(path, sizeof path, "tests/reference/%s_start.safetensors", cell);
    fixture_write(lua, definition, strlen(definition));
    if (variants)
        setenv("NEUTRA_VARIANT", variants, 1);
    test_ok(nt_model_load(test_context(), lua, 1, settings, &model));
    test_ok(
        nt_weights_create(test_device(), model, 1, nt_optimizer_slots(params.optimizer), &weights));
    test_ok(nt_weights_load(weights, path));
    test_ok(nt_session_create(test_device(), model, weights, &params, &session));
    unsetenv("NEUTRA_VARIANT");
    for (int step = 0; step < STEPS; step++) {
        make_batch(step, x, lengths, target);
        test_ok(nt_session_write(session, 0, lengths));
        test_ok(nt_session_write(session, 1, x));
        test_ok(nt_session_write(session, 2, target));
        test_ok(nt_session_run(
            session, &(struct nt_step_params){.learning_rate = 0.02, .step = step + 1}));
        test_ok(nt_session_loss(session, &loss));
        ck_assert_msg(fabsf(loss - losses[step]) <= 2e-4f * fmaxf(losses[step], 0.1f),
            "%s, step %d: loss %.8g, PyTorch's %.8g", cell, step, loss, losses[step]);
    }
    check_weights(weights, file);
    nt_session_destroy(session);
    nt_weights_destroy(weights);
    nt_model_destroy(model);
    nt_safetensors_close(file);
}

static const char *const cells[] = {"lstm", "gru"};
static const char *const variants[] = {NULL, "recurrent=group", "recurrent=steps"};

START_TEST(twenty_steps_as_pytorch)
{
    check_cell(cells[_i / 3], variants[_i % 3]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("recurrent training");
    TCase *tcase = tcase_create("recurrent training");
    tcase_set_timeout(tcase, 0);
    tcase_add_loop_test(tcase, twenty_steps_as_pytorch, 0, 6);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
