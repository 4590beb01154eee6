/* SPDX-License-Identifier: MIT */
#include "tests/pytorch.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PYTHON "/usr/bin/python3"

const char pytorch_missing[] = "PyTorch is not installed (python3-torch, python3-torchvision)";

const char *pytorch_run(const char *program, const char *script, const char *argument)
{
    static char folder[512];
    char command[2000], seed[24];
    if (system(PYTHON " -c 'import torch, torchvision' >/dev/null 2>&1") != 0)
        return NULL;
    snprintf(seed, sizeof seed, "%lld", (long long)time(NULL));
    setenv("NT_SEED", seed, 0);
    snprintf(folder, sizeof folder, "%s_cases", program);
    snprintf(command, sizeof command,
        "rm -rf '%s' && mkdir '%s' && " PYTHON " -B tests/reference/%s '%s' %s %s", folder, folder,
        script, folder, getenv("NT_SEED"), argument);
    if (system(command) != 0) {
        fprintf(stderr, "failed: %s\n", command);
        exit(EXIT_FAILURE);
    }
    return folder;
}

double *pytorch_tensor(const struct nt_safetensors *file, const char *name, size_t count)
{
    int index = nt_safetensors_find(file, name);
    ck_assert_msg(index >= 0, "the reference has no %s", name);
    const struct nt_safetensors_entry *entry = nt_safetensors_get(file, index);
    ck_assert_msg((size_t)nt_shape_count(&entry->shape) == count,
        "%s: the reference has %lld elements, not %zu", name,
        (long long)nt_shape_count(&entry->shape), count);
    void *data = malloc(count * sizeof(double));
    double *values = malloc(count * sizeof *values);
    ck_assert(data && values);
    test_ok(nt_safetensors_read(file, index, data));
    for (size_t i = 0; i < count; i++)
        values[i] = entry->dtype == NT_I32 ? ((int32_t *)data)[i] : (double)((float *)data)[i];
    free(data);
    return values;
}

void pytorch_compare(const struct nt_safetensors *file, const char *name, size_t count,
    const float *got, double tolerance)
{
    double *want = pytorch_tensor(file, name, count);
    test_close(name, count, got, want, tolerance);
    free(want);
}

void pytorch_lay_out(const struct nt_port *port, const uint32_t *data, uint32_t *laid)
{
    const struct nt_shape *shape = &port->shape;
    size_t channels = 1, pixels = 1, items = port->bytes / sizeof *data;
    if (port->layout == NT_CHANNELS_LAST) {
        channels = (size_t)shape->dim[1];
        for (int i = 2; i < shape->rank; i++)
            pixels *= (size_t)shape->dim[i];
        items /= channels * pixels;
    }
    for (size_t n = 0; n < items; n++)
        for (size_t c = 0; c < channels; c++)
            for (size_t p = 0; p < pixels; p++)
                laid[(n * pixels + p) * channels + c] = data[(n * channels + c) * pixels + p];
}
