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
