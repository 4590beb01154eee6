/* SPDX-License-Identifier: MIT */
#include "frontend/onnx/case.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/file.h"
#include "frontend/onnx/onnx.h"
#include "frontend/port.h"
#include "frontend/session.h"

#define MAX_TENSORS 16
#define MAX_PATH 4096

struct run {
    struct nt_context *ctx;
    struct nt_device *dev;
    struct nt_onnx_tolerance tolerance;
    struct nt_onnx_result *result;
    struct nt_onnx_inputs names;
    int inputs, outputs;
    struct nt_onnx_array input[MAX_TENSORS], output[MAX_TENSORS];
    struct nt_model_feed feed[MAX_TENSORS];
    struct nt_model *model;
    struct nt_weights *weights;
    struct nt_session *session;
};

static bool ends_in(const char *name, const char *ending)
{
    size_t length = strlen(name), cut = strlen(ending);
    return length > cut && strcmp(name + length - cut, ending) == 0;
}

/* The model's file in a folder: model.onnx, else the first by name. */
static bool find_model(const char *folder, char *path, size_t size)
{
    struct dirent **list;
    int count = scandir(folder, &list, NULL, alphasort);
    bool found = false;
    for (int i = 0; i < count; i++) {
        bool exact = strcmp(list[i]->d_name, "model.onnx") == 0;
        if (exact || (!found && ends_in(list[i]->d_name, ".onnx"))) {
            snprintf(path, size, "%s/%s", folder, list[i]->d_name);
            found = true;
        }
        free(list[i]);
    }
    if (count >= 0)
        free(list);
    return found;
}

static bool is_set(const char *folder, const char *name, char *path, size_t size)
{
    if (!strstr(name, "data_set"))
        return false;
    snprintf(path, size, "%s/%s", folder, name);
    return nt_file_is_folder(path);
}

bool nt_onnx_case_is(const char *folder)
{
    char path[MAX_PATH];
    struct dirent **list;
    if (!find_model(folder, path, sizeof path))
        return false;
    int count = scandir(folder, &list, NULL, alphasort);
    bool found = false;
    for (int i = 0; i < count; i++) {
        found = found || is_set(folder, list[i]->d_name, path, sizeof path);
        free(list[i]);
    }
    if (count >= 0)
        free(list);
    return found;
}

/* ---- one set of tensors ---- */

static enum nt_status read_all(
    struct run *run, const char *set, const char *stem, struct nt_onnx_array *array, int *count)
{
    enum nt_status status = NT_OK;
    for (*count = 0; status == NT_OK && *count < MAX_TENSORS; ++*count) {
        char path[MAX_PATH];
        int length = snprintf(path, sizeof path, "%s/%s_%d.pb", set, stem, *count);
        if (length < 0 || (size_t)length >= sizeof path)
            return nt_fail(run->ctx, NT_ERR_FILE, "%.64s...: the path is too long", set);
        FILE *file = fopen(path, "rb");
        if (!file)
            return NT_OK;
        fclose(file);
        status = nt_onnx_array_read(run->ctx, path, &array[*count]);
        if (status != NT_OK)
            return status;
    }
    return status;
}

static double element(const struct nt_onnx_array *array, size_t i)
{
    switch (array->dtype) {
    case NT_F32:
        return ((const float *)array->data)[i];
    case NT_F64:
        return ((const double *)array->data)[i];
    case NT_I64:
        return (double)((const int64_t *)array->data)[i];
    default:
        return ((const uint8_t *)array->data)[i];
    }
}

static enum nt_status write_input(struct run *run, int index)
{
    struct nt_port port = nt_session_input(run->session, index);
    const struct nt_onnx_array *array = NULL;
    for (int i = 0; i < run->inputs && !array; i++)
        if (strcmp(run->feed[i].name, port.name) == 0)
            array = &run->input[i];
    if (!array)
        return nt_fail(run->ctx, NT_ERR_ARGUMENT, "input '%s': the set has no tensor", port.name);
    if (!nt_shape_equal(&array->shape, &port.shape))
        return nt_fail(
            run->ctx, NT_ERR_SHAPE, "input '%s': the set's tensor has another shape", port.name);
    size_t count = (size_t)nt_shape_count(&port.shape);
    void *plain = malloc(port.bytes + 1), *packed = malloc(port.bytes + 1);
    enum nt_status status = NT_OK;
    if (!plain || !packed)
        status = nt_fail(run->ctx, NT_ERR_MEMORY, "host memory is exhausted");
    for (size_t i = 0; status == NT_OK && i < count; i++) {
        double number = element(array, i);
        if (port.dtype == NT_F32)
            ((float *)plain)[i] = (float)number;
        else if (number < INT32_MIN || number > INT32_MAX)
            status = nt_fail(run->ctx, NT_ERR_UNSUPPORTED,
                "input '%s': element %zu is %.0f: must fit in 32 bits", port.name, i, number);
        else
            ((int32_t *)plain)[i] = (int32_t)number;
    }
    if (status == NT_OK) {
        nt_port_pack(&port, plain, packed);
        status = nt_session_write(run->session, index, packed);
    }
    free(plain);
    free(packed);
    return status;
}

/* How many float32 numbers lie between two. */
static double ulp_distance(float a, float b)
{
    int32_t i, j;
    memcpy(&i, &a, sizeof i);
    memcpy(&j, &b, sizeof j);
    int64_t x = i < 0 ? (int64_t)INT32_MIN - i : i, y = j < 0 ? (int64_t)INT32_MIN - j : j;
    return (double)(x > y ? x - y : y - x);
}

static double result_number(const struct nt_port *port, const void *data, size_t i)
{
    if (port->exact)
        return port->exact[i];
    return port->dtype == NT_F32 ? (double)((const float *)data)[i]
                                 : (double)((const int32_t *)data)[i];
}

static enum nt_status compare(
    struct run *run, const struct nt_port *port, const struct nt_onnx_array *want, const void *data)
{
    struct nt_onnx_result *result = run->result;
    bool floats = nt_onnx_type_is_float(want->type);
    char a[128], b[128];
    if (!nt_shape_equal(&port->shape, &want->shape))
        return nt_fail(run->ctx, NT_ERR_SHAPE, "output '%s': shape %s: must be %s", port->name,
            nt_shape_text(&port->shape, a, sizeof a), nt_shape_text(&want->shape, b, sizeof b));
    size_t count = (size_t)nt_shape_count(&port->shape), wrong = 0, first = 0;
    for (size_t i = 0; i < count; i++) {
        double y = result_number(port, data, i), right = element(want, i), error = fabs(y - right);
        bool same = y == right || (isnan(y) && isnan(right));
        double ulp = same ? 0 : floats ? ulp_distance((float)y, (float)right) : error;
        result->ulp = ulp > result->ulp ? ulp : result->ulp;
        result->error = !same && !(error <= result->error) ? error : result->error;
        double bound = run->tolerance.absolute + run->tolerance.relative * fabs(right);
        if (same || (floats && error <= bound))
            continue;
        if (wrong++ == 0)
            first = i;
    }
    if (wrong == 0)
        return NT_OK;
    return nt_fail(run->ctx, NT_ERR_NUMERIC,
        "output '%s': %zu of %zu elements differ: element %zu is %.9g: must be %.9g", port->name,
        wrong, count, first, result_number(port, data, first), element(want, first));
}

static enum nt_status compare_all(struct run *run)
{
    enum nt_status status = NT_OK;
    int count = nt_session_output_count(run->session);
    if (count < run->outputs)
        return nt_fail(run->ctx, NT_ERR_FORMAT, "%d outputs: the set has %d", count, run->outputs);
    for (int i = 0; status == NT_OK && i < run->outputs; i++) {
        struct nt_port port = nt_session_output(run->session, i);
        void *data = malloc(port.bytes + 1);
        if (!data)
            return nt_fail(run->ctx, NT_ERR_MEMORY, "host memory is exhausted");
        memset(data, 0xff, port.bytes); /* NaN: nothing passes by having been left alone */
        status = nt_session_read(run->session, i, data);
        if (status == NT_OK)
            status = compare(run, &port, &run->output[i], data);
        free(data);
    }
    return status;
}

/* The batch is what the first input that has one says. */
static int64_t batch_of(const struct run *run)
{
    for (int i = 0; i < nt_model_input_count(run->model); i++) {
        struct nt_model_input input = nt_model_get_input(run->model, i);
        for (int j = 0; !input.whole && j < run->inputs; j++)
            if (strcmp(run->feed[j].name, input.name) == 0 && run->input[j].shape.rank > 0)
                return run->input[j].shape.dim[0];
    }
    return 1;
}

static enum nt_status execute(struct run *run, const char *model)
{
    if (run->inputs > run->names.count)
        return nt_fail(
            run->ctx, NT_ERR_FORMAT, "%d inputs: the set has %d", run->names.count, run->inputs);
    for (int i = 0; i < run->inputs; i++)
        run->feed[i] = (struct nt_model_feed){
            run->names.name[i], run->input[i].dtype, run->input[i].shape, run->input[i].data};
    enum nt_status status =
        nt_model_load_fed(run->ctx, model, 0, NULL, run->inputs, run->feed, &run->model);
    if (status == NT_OK)
        status = nt_weights_create(run->dev, run->model, 1, 0, &run->weights);
    if (status != NT_OK)
        return status;
    const struct nt_session_params params = {.batch = batch_of(run), .outputs_only = true};
    status = nt_session_create(run->dev, run->model, run->weights, &params, &run->session);
    int count = status == NT_OK ? nt_session_input_count(run->session) : 0;
    for (int i = 0; status == NT_OK && i < count; i++)
        status = write_input(run, i);
    if (status == NT_OK)
        status = nt_session_run(run->session, NULL);
    return status == NT_OK ? compare_all(run) : status;
}

/* Executes it with the tensors that were read, unless reading failed, and lets go of them. */
static enum nt_status execute_and_finish(struct run *run, const char *model, enum nt_status status)
{
    if (status == NT_OK)
        status = execute(run, model);
    nt_session_destroy(run->session);
    nt_weights_destroy(run->weights);
    nt_model_destroy(run->model);
    for (int i = 0; i < MAX_TENSORS; i++) {
        nt_onnx_array_finish(&run->input[i]);
        nt_onnx_array_finish(&run->output[i]);
    }
    run->session = NULL;
    run->weights = NULL;
    run->model = NULL;
    return status;
}

static enum nt_status run_set(struct run *run, const char *model, const char *set)
{
    enum nt_status status = read_all(run, set, "input", run->input, &run->inputs);
    if (status == NT_OK)
        status = read_all(run, set, "output", run->output, &run->outputs);
    return execute_and_finish(run, model, status);
}

static void begin(struct run *run, struct nt_onnx_tolerance tolerance)
{
    bool upstream = tolerance.relative == 0 && tolerance.absolute == 0;
    *run->result = (struct nt_onnx_result){0};
    run->tolerance = upstream ? (struct nt_onnx_tolerance){1e-3, 1e-7} : tolerance;
}

static enum nt_status conclude(struct run *run, enum nt_status status)
{
    struct nt_onnx_result *result = run->result;
    nt_onnx_inputs_finish(&run->names);
    if (status != NT_OK)
        snprintf(result->reason, sizeof result->reason, "%s", nt_error_message(run->ctx));
    result->verdict = status == NT_OK                ? NT_ONNX_PASS
                      : status == NT_ERR_UNSUPPORTED ? NT_ONNX_SKIP
                                                     : NT_ONNX_FAIL;
    return status == NT_ERR_MEMORY ? status : NT_OK;
}

enum nt_status nt_onnx_case_run(struct nt_device *dev, const char *folder,
    struct nt_onnx_tolerance tolerance, struct nt_onnx_result *result)
{
    struct run run = {.ctx = nt_device_context(dev), .dev = dev, .result = result};
    char model[MAX_PATH], path[MAX_PATH];
    struct dirent **list;
    enum nt_status status = NT_OK;
    begin(&run, tolerance);
    if (!find_model(folder, model, sizeof model))
        status = nt_fail(run.ctx, NT_ERR_FILE, "%s: has no .onnx file", folder);
    if (status == NT_OK)
        status = nt_onnx_check(run.ctx, model, &run.names); /* a set may hold what is no tensor */
    int count = scandir(folder, &list, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (status == NT_OK && is_set(folder, list[i]->d_name, path, sizeof path)) {
            status = run_set(&run, model, path);
            result->sets++;
        }
        free(list[i]);
    }
    if (count >= 0)
        free(list);
    if (status == NT_OK && result->sets == 0)
        status = nt_fail(run.ctx, NT_ERR_FILE, "%s: has no folder of tensors", folder);
    return conclude(&run, status);
}

/* ---- files with their outputs beside them ---- */

/* "FOLDER/NAME.onnx" as FOLDER and NAME_output. */
static bool split_path(const char *path, char *folder, char *stem, size_t size)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(name), most = size - sizeof "_output";
    if (!ends_in(name, ".onnx") || length > most || (size_t)(name - path) > most)
        return false;
    snprintf(folder, size, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    snprintf(stem, size, "%.*s_output", (int)(length - strlen(".onnx")), name);
    return true;
}

bool nt_onnx_case_is_file(const char *path)
{
    char folder[MAX_PATH], stem[MAX_PATH], output[2 * MAX_PATH + 8];
    if (!split_path(path, folder, stem, sizeof stem))
        return false;
    snprintf(output, sizeof output, "%s/%s_0.pb", folder, stem);
    FILE *file = fopen(output, "rb");
    if (file)
        fclose(file);
    return file != NULL;
}

/* The only input, of the file's shape: 0, 1, 2, ... over their number. */
static enum nt_status count_up(struct run *run, const char *path)
{
    struct nt_model *model;
    enum nt_status status = nt_model_load(run->ctx, path, 0, NULL, &model);
    if (status != NT_OK)
        return status;
    struct nt_model_input input = {0};
    if (nt_model_input_count(model) == 1)
        input = nt_model_get_input(model, 0);
    struct nt_onnx_array *array = &run->input[0];
    array->shape = input.item_shape;
    if (input.name && !input.whole) {
        memmove(array->shape.dim + 1, array->shape.dim,
            (size_t)array->shape.rank++ * sizeof *array->shape.dim);
        array->shape.dim[0] = 1;
    }
    size_t count = (size_t)nt_shape_count(&array->shape);
    float *data = input.name && input.dtype == NT_F32 ? malloc((count + 1) * sizeof *data) : NULL;
    nt_model_destroy(model);
    if (!data)
        return nt_fail(run->ctx, NT_ERR_FORMAT, "%s: must have one input of float32", path);
    for (size_t i = 0; i < count; i++)
        data[i] = (float)((double)i / (double)count);
    array->type = NT_ONNX_FLOAT;
    array->dtype = NT_F32;
    array->data = data;
    run->inputs = 1;
    return NT_OK;
}

enum nt_status nt_onnx_case_run_file(struct nt_device *dev, const char *path,
    struct nt_onnx_tolerance tolerance, struct nt_onnx_result *result)
{
    struct run run = {.ctx = nt_device_context(dev), .dev = dev, .result = result};
    char folder[MAX_PATH], stem[MAX_PATH];
    enum nt_status status = NT_OK;
    begin(&run, tolerance);
    if (!split_path(path, folder, stem, sizeof stem))
        status = nt_fail(run.ctx, NT_ERR_FILE, "%s: is no .onnx file, or its path too long", path);
    if (status == NT_OK)
        status = nt_onnx_check(run.ctx, path, &run.names);
    if (status == NT_OK)
        status = count_up(&run, path);
    if (status == NT_OK)
        status = read_all(&run, folder, stem, run.output, &run.outputs);
    status = execute_and_finish(&run, path, status);
    result->sets = 1;
    return conclude(&run, status);
}
