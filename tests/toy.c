/* SPDX-License-Identifier: MIT */
#include "tests/toy.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/npy.h"
#include "tests/fixture.h"
#include "tests/testing.h"

static const char definition[] =
    "local classes = setting('classes', 4, 'number of classes', {min = 2})\n"
    "local units = setting('units', 6, 'channels of the convolution', {min = 1})\n"
    "local x = input('input', {1, 8, 8})\n"
    "local y = target('target')\n"
    "x = x:conv2d{name = 'conv', channels = units, kernel = 3, padding = 1}:relu()\n"
    "x = x:max_pool2d{kernel = 2, stride = 2}:flatten()\n"
    "x = x:linear{name = 'fc', features = classes}\n"
    "output('logits', x)\n"
    "loss(x:cross_entropy(y))\n";

const char *toy_data(const char *name, int count)
{
    struct nt_shape xs = {4, {count, 1, TOY_SIDE, TOY_SIDE}}, ys = {1, {count}};
    int area = TOY_SIDE * TOY_SIDE;
    float *x = malloc((size_t)(count * area) * sizeof *x);
    int32_t *y = malloc((size_t)count * sizeof *y);
    ck_assert(x && y);
    test_fill(x, (size_t)(count * area));
    for (int i = 0; i < count; i++) {
        y[i] = i < TOY_CLASSES ? i : test_int(0, TOY_CLASSES - 1);
        int top = y[i] / 2 * 4, left = y[i] % 2 * 4;
        for (int p = 0; p < 16; p++)
            x[i * area + (top + p / 4) * TOY_SIDE + left + p % 4] += 0.8f;
    }
    char file[256];
    static char spec[2100];
    snprintf(file, sizeof file, "%s-x.npy", name);
    const char *x_path = fixture_path(file);
    snprintf(file, sizeof file, "%s-y.npy", name);
    const char *y_path = fixture_path(file);
    test_ok(nt_npy_write(test_context(), x_path, NT_F32, &xs, x));
    test_ok(nt_npy_write(test_context(), y_path, NT_I32, &ys, y));
    free(x);
    free(y);
    snprintf(spec, sizeof spec, "npy:%s,%s", x_path, y_path);
    return spec;
}

const char *toy_definition(const char *name)
{
    char file[256];
    snprintf(file, sizeof file, "%s.lua", name);
    const char *path = fixture_path(file);
    fixture_write(path, definition, strlen(definition));
    return path;
}

struct nt_model *toy_model(const char *name)
{
    struct nt_model *model;
    test_ok(nt_model_load(test_context(), toy_definition(name), 0, NULL, &model));
    return model;
}

struct nt_dataset *toy_dataset(const char *spec)
{
    struct nt_dataset *dataset;
    test_ok(nt_dataset_open(test_context(), spec, NULL, &dataset));
    return dataset;
}

float *toy_snapshot(struct nt_weights *weights, size_t *count)
{
    float *all = NULL;
    *count = 0;
    for (int slot = -1; slot < nt_weights_state_slots(weights); slot++)
        for (int i = 0; i < nt_weights_count(weights); i++) {
            const struct nt_weight_info *info = nt_weights_get(weights, i);
            size_t size = (size_t)nt_shape_count(&info->shape);
            all = realloc(all, (*count + size) * sizeof *all);
            ck_assert_ptr_nonnull(all);
            if (slot < 0)
                test_ok(nt_weights_read(weights, i, all + *count));
            else
                test_ok(nt_weights_read_state(weights, i, slot, all + *count));
            *count += size;
        }
    return all;
}

float *toy_train(struct nt_model *model, struct nt_dataset *data,
    const struct nt_trainer_params *params, struct nt_training *result, size_t *count)
{
    struct nt_trainer *trainer;
    test_ok(nt_trainer_create(test_device(), model, data, params, &trainer));
    test_ok(nt_trainer_run(trainer, result));
    float *all = toy_snapshot(nt_trainer_weights(trainer), count);
    nt_trainer_destroy(trainer);
    return all;
}

void toy_same_bits(const float *a, const float *b, size_t count, bool same)
{
    ck_assert_msg((memcmp(a, b, count * sizeof *a) == 0) == same, "weights %s",
        same ? "differ" : "are the same");
}
