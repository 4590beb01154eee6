/* SPDX-License-Identifier: MIT */
#include "frontend/cli/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/device.h"
#include "frontend/file.h"
#include "frontend/npy.h"
#include "frontend/near_miss.h"
#include "frontend/port.h"

#define MAX_INPUTS 16

struct arrays {
    struct cli_run *run;
    struct nt_npy array[MAX_INPUTS]; /* by input of the model */
    const char *path[MAX_INPUTS];    /* NULL: not given */
    int64_t batch;
    struct nt_session *session;
};

static int find_input(const struct nt_model *model, const char *name, size_t length)
{
    for (int i = 0; i < nt_model_input_count(model); i++) {
        struct nt_model_input input = nt_model_get_input(model, i);
        if (strlen(input.name) == length && !strncmp(input.name, name, length))
            return i;
    }
    return -1;
}

static enum nt_status unknown_input(struct arrays *a, const char *name, size_t length)
{
    const struct nt_model *model = a->run->model;
    const char *names[MAX_INPUTS];
    char word[64];
    int count = nt_model_input_count(model);
    count = count < MAX_INPUTS ? count : MAX_INPUTS;
    snprintf(word, sizeof word, "%.*s", (int)length, name);
    for (int i = 0; i < count; i++)
        names[i] = nt_model_get_input(model, i).name;
    const char *near = nt_near_miss(word, count, names);
    if (near)
        return nt_fail(a->run->cli->ctx, NT_ERR_ARGUMENT,
            "--input %s: the model has no such input; did you mean %s?", word, near);
    return nt_fail(a->run->cli->ctx, NT_ERR_ARGUMENT,
        "--input %s: the model has no such input; its first is %s", word,
        count > 0 ? names[0] : "none");
}

/* Which input an --input names: NAME=FILE, or the next one that was not given. */
static enum nt_status assign(struct arrays *a, const char *text)
{
    struct nt_context *ctx = a->run->cli->ctx;
    int count = nt_model_input_count(a->run->model), index = -1;
    const char *equal = strchr(text, '=');
    /* A path may hold '=' too: what stands before it is a name only without a slash. */
    if (equal && memchr(text, '/', (size_t)(equal - text)))
        equal = NULL;
    if (equal) {
        index = find_input(a->run->model, text, (size_t)(equal - text));
        if (index < 0)
            return unknown_input(a, text, (size_t)(equal - text));
    }
    for (int i = 0; i < count && i < MAX_INPUTS && index < 0; i++)
        if (!a->path[i])
            index = i;
    if (index < 0 || index >= MAX_INPUTS)
        return nt_fail(
            ctx, NT_ERR_ARGUMENT, "--input %s: the model has %d inputs only", text, count);
    if (a->path[index])
        return nt_fail(ctx, NT_ERR_ARGUMENT, "--input %s: this input was given before, as %s", text,
            a->path[index]);
    a->path[index] = equal ? equal + 1 : text;
    return nt_npy_read(ctx, a->path[index], &a->array[index]);
}

/* The batch is the array's first extent; the others are the input's. A whole input has no batch. */
static enum nt_status check_shape(struct arrays *a, int index)
{
    struct nt_context *ctx = a->run->cli->ctx;
    struct nt_model_input input = nt_model_get_input(a->run->model, index);
    const struct nt_shape *shape = &a->array[index].shape;
    char got[128], want[128];
    nt_shape_text(shape, got, sizeof got);
    if (input.whole)
        return nt_shape_equal(shape, &input.item_shape)
                   ? NT_OK
                   : nt_fail(ctx, NT_ERR_SHAPE, "%s: %s: input %s needs %s", a->path[index], got,
                         input.name, nt_shape_text(&input.item_shape, want, sizeof want));
    bool fits = shape->rank == input.item_shape.rank + 1;
    for (int i = 0; fits && i < input.item_shape.rank; i++)
        fits = shape->dim[i + 1] == input.item_shape.dim[i];
    if (!fits)
        return nt_fail(ctx, NT_ERR_SHAPE, "%s: %s: input %s needs %s%s (N: the batch)",
            a->path[index], got, input.name, input.item_shape.rank ? "Nx" : "N",
            input.item_shape.rank ? nt_shape_text(&input.item_shape, want, sizeof want) : "");
    if (shape->dim[0] < 1 || (a->batch && a->batch != shape->dim[0]))
        return nt_fail(ctx, NT_ERR_SHAPE, "%s: a batch of %lld: must be %s", a->path[index],
            (long long)shape->dim[0], a->batch ? "that of the first input" : "at least 1");
    a->batch = shape->dim[0];
    return NT_OK;
}

static double element(const struct nt_npy *array, size_t i)
{
    switch (array->dtype) {
    case NT_F32:
        return ((const float *)array->data)[i];
    case NT_F64:
        return ((const double *)array->data)[i];
    case NT_I32:
        return ((const int32_t *)array->data)[i];
    case NT_I64:
        return (double)((const int64_t *)array->data)[i];
    default:
        return ((const uint8_t *)array->data)[i];
    }
}

static enum nt_status convert(struct arrays *a, int index, const struct nt_port *port, void *values)
{
    const struct nt_npy *array = &a->array[index];
    size_t count = (size_t)nt_shape_count(&port->shape);
    if (port->dtype == array->dtype) {
        memcpy(values, array->data, port->bytes);
        return NT_OK;
    }
    for (size_t i = 0; i < count; i++) {
        double value = element(array, i);
        if (port->dtype == NT_F32) {
            ((float *)values)[i] = (float)value;
        } else if (port->dtype == NT_I32 && value == floor(value) && fabs(value) < 0x1p31) {
            ((int32_t *)values)[i] = (int32_t)value;
        } else {
            return nt_fail(a->run->cli->ctx, NT_ERR_FORMAT,
                "%s: element %zu is %g: input %s needs %s", a->path[index], i, value, port->name,
                nt_dtype_name(port->dtype));
        }
    }
    return NT_OK;
}

static enum nt_status write_input(struct arrays *a, int index)
{
    struct nt_port port = nt_session_input(a->session, index);
    void *values = calloc(1, port.bytes + 1), *packed = calloc(1, port.bytes + 1);
    enum nt_status status = NT_OK;
    if (!values || !packed)
        status = nt_fail(a->run->cli->ctx, NT_ERR_MEMORY, "no memory for input %s", port.name);
    if (status == NT_OK)
        status = convert(a, index, &port, values);
    if (status == NT_OK) {
        nt_port_pack(&port, values, packed);
        status = nt_session_write(a->session, index, packed);
    }
    free(values);
    free(packed);
    return status;
}

static enum nt_status write_output(struct arrays *a, int index, const char *dir, json_t *list)
{
    struct cli *cli = a->run->cli;
    struct nt_port port = nt_session_output(a->session, index);
    char name[256], path[4096], shape[128];
    snprintf(name, sizeof name, "%s.npy", port.name);
    for (char *at = name; *at; at++)
        if (*at == '/')
            *at = '_';
    void *values = malloc(port.bytes + 1);
    if (!values)
        return nt_fail(cli->ctx, NT_ERR_MEMORY, "no memory for output %s", port.name);
    enum nt_status status = nt_file_join(cli->ctx, path, sizeof path, dir, name);
    if (status == NT_OK)
        status = nt_session_read(a->session, index, values);
    enum nt_dtype dtype = port.exact ? NT_F64 : port.dtype;
    const void *numbers = port.exact ? (const void *)port.exact : values;
    if (status == NT_OK)
        status = nt_npy_write(cli->ctx, path, dtype, &port.shape, numbers);
    free(values);
    if (status != NT_OK)
        return status;
    nt_shape_text(&port.shape, shape, sizeof shape);
    if (!cli->json)
        printf("%s  %s  %s\n", path, nt_dtype_name(dtype), shape);
    json_t *extents = json_array();
    for (int i = 0; i < port.shape.rank; i++)
        json_array_append_new(extents, json_integer(port.shape.dim[i]));
    json_array_append_new(
        list, json_pack("{so so ss so}", "name", cli_json_text(port.name), "file",
                  cli_json_text(path), "dtype", nt_dtype_name(dtype), "shape", extents));
    return NT_OK;
}

static enum nt_status run_arrays(struct arrays *a, const struct cli_run_options *o, json_t *outputs)
{
    struct cli_run *run = a->run;
    struct nt_context *ctx = run->cli->ctx;
    const char *dir = o->output ? o->output : ".";
    int inputs = nt_model_input_count(run->model);
    enum nt_status status = NT_OK;
    for (int i = 0; i < o->inputs.count && status == NT_OK; i++)
        status = assign(a, o->inputs.items[i]);
    for (int i = 0; i < inputs && i < MAX_INPUTS && status == NT_OK; i++)
        if (a->path[i])
            status = check_shape(a, i);
    const struct nt_session_params params = {.batch = a->batch, .outputs_only = true};
    if (status == NT_OK)
        status = nt_file_make_folder(ctx, dir);
    if (status == NT_OK)
        status = nt_session_create(run->dev, run->model, run->weights, &params, &a->session);
    for (int i = 0; i < inputs && i < MAX_INPUTS && status == NT_OK; i++) {
        const char *name = nt_model_get_input(run->model, i).name;
        if (a->path[i])
            status = write_input(a, i);
        else if (nt_session_reads(a->session, i))
            status = nt_fail(ctx, NT_ERR_ARGUMENT,
                "input %s: no array was given: --input %s=FILE.npy", name, name);
    }
    if (status == NT_OK)
        status = nt_session_run(a->session, NULL);
    int count = status == NT_OK ? nt_session_output_count(a->session) : 0;
    for (int i = 0; i < count && status == NT_OK; i++)
        status = write_output(a, i, dir, outputs);
    return status;
}

int cli_run_arrays(struct cli_run *run, const struct cli_run_options *options)
{
    struct arrays a = {.run = run};
    json_t *outputs = json_array();
    enum nt_status status = run_arrays(&a, options, outputs);
    int code = status == NT_OK ? CLI_DONE : cli_fail(run->cli, status);
    if (status == NT_OK && run->cli->json)
        cli_print_json(run->cli, json_pack("{sO}", "outputs", outputs));
    json_decref(outputs);
    nt_session_destroy(a.session);
    for (int i = 0; i < MAX_INPUTS; i++)
        if (a.array[i].data)
            nt_npy_finish(&a.array[i]);
    return code;
}
