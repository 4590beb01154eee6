/* SPDX-License-Identifier: MIT */
#include "bench/layer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/random.h"

/* Content repeats after so many numbers, a prime: no stride of a tensor is a multiple. */
#define NUMBERS 1000003
#define SAMPLES 64
/* Of the root of the sum of squares of n terms. One term forgotten of n is an error of about
 * 1/sqrt(n), above this for every case; sums in float stay below it by far. */
#define TOLERANCE 1e-4

static const struct {
    enum bench_pass pass;
    const char *name;
} passes[] = {{BENCH_FORWARD, "forward"}, {BENCH_BACKWARD, "backward-data"},
    {BENCH_WEIGHTS, "backward-weights"}, {BENCH_STEP, "forward+backward"}};
#define PASSES (int)(sizeof passes / sizeof *passes)

/* "conv 64-64 56 3x3 forward"; a family with one pass needs no word for it. */
static void row_name(const struct bench_case *kind, int pass, char *text, size_t size)
{
    bool alone = kind->passes == BENCH_FORWARD;
    snprintf(text, size, "%s%s%s", kind->name, alone ? "" : " ", alone ? "" : passes[pass].name);
}

static bool wanted(const struct bench_params *params, bool exact, int index, int pass)
{
    char name[96];
    const struct bench_case *kind = &bench_cases[index];
    row_name(kind, pass, name, sizeof name);
    return (kind->passes & passes[pass].pass) &&
           bench_wanted(params, exact, kind->quick & passes[pass].pass, name);
}

int bench_layer_rows(const struct bench_params *params, bool exact, bool print)
{
    char name[96];
    int count = 0;
    for (int i = 0; i < bench_case_count; i++)
        for (int pass = 0; pass < PASSES; pass++) {
            if (!wanted(params, exact, i, pass))
                continue;
            row_name(&bench_cases[i], pass, name, sizeof name);
            if (print)
                puts(name);
            count++;
        }
    return count;
}

bool bench_layer_is(const char *name)
{
    char text[96];
    for (int i = 0; i < bench_case_count; i++)
        for (int pass = 0; pass < PASSES; pass++) {
            row_name(&bench_cases[i], pass, text, sizeof text);
            if ((bench_cases[i].passes & passes[pass].pass) && !strcmp(text, name))
                return true;
        }
    return false;
}

/* ---- operands ---- */

struct nt_tensor bench_operand(struct bench_layer *layer, enum nt_dtype dtype, bool written,
    enum nt_layout layout, int rank, const int64_t *dims)
{
    struct bench_operand *operand = &layer->operand[layer->operands++];
    struct nt_shape shape = {.rank = rank};
    for (int i = 0; i < rank; i++)
        shape.dim[i] = dims[i];
    operand->count = (size_t)nt_shape_count(&shape);
    int32_t buffer =
        nt_tape_buffer(layer->tape, NT_BUFFER_KEPT, operand->count * nt_dtype_size(dtype), "bench");
    operand->tensor = nt_tensor_make(buffer, dtype, &shape, layout);
    operand->written = written;
    return operand->tensor;
}

void bench_position(const struct nt_tensor *tensor, int64_t index, int64_t *at)
{
    /* by falling stride, a dimension's part of what is left */
    bool taken[NT_MAX_RANK] = {false};
    for (int n = 0; n < tensor->shape.rank; n++) {
        int next = -1;
        for (int i = 0; i < tensor->shape.rank; i++)
            if (!taken[i] && (next < 0 || tensor->stride[i] > tensor->stride[next] ||
                                 (tensor->stride[i] == tensor->stride[next] &&
                                     tensor->shape.dim[i] > tensor->shape.dim[next])))
                next = i;
        taken[next] = true;
        at[next] = tensor->shape.dim[next] > 1 ? index / tensor->stride[next] : 0;
        index -= at[next] * tensor->stride[next];
    }
}

static int64_t dilation_of(const struct bench_case *kind)
{
    return kind->dilation ? kind->dilation : 1;
}

int64_t bench_windows(const struct bench_case *kind)
{
    int64_t reach = dilation_of(kind) * (kind->r - 1) + 1;
    return (kind->hw + 2 * kind->pad - reach) / kind->stride + 1;
}

int64_t bench_row_under(const struct bench_case *kind, int64_t window, int64_t tap)
{
    int64_t row = window * kind->stride + tap * dilation_of(kind) - kind->pad;
    return row >= 0 && row < kind->hw ? row : -1;
}

int64_t bench_window_over(const struct bench_case *kind, int64_t row, int64_t tap)
{
    int64_t steps = row + kind->pad - tap * dilation_of(kind);
    if (steps < 0 || steps % kind->stride || steps / kind->stride >= bench_windows(kind))
        return -1;
    return steps / kind->stride;
}

double bench_at(const struct bench_operand *operand, const int64_t *at)
{
    int64_t place = 0;
    for (int i = 0; i < operand->tensor.shape.rank; i++)
        place += at[i] * operand->tensor.stride[i];
    return operand->data[place];
}

static const float *numbers(void)
{
    static float table[NUMBERS];
    static bool made;
    struct nt_random random = {.key = 20261121};
    for (int i = 0; !made && i < NUMBERS; i++)
        table[i] = (float)(2 * nt_random_uniform(&random) - 1);
    made = true;
    return table;
}

static enum nt_status fill_operand(struct bench_layer *layer, int index)
{
    struct bench_operand *operand = &layer->operand[index];
    size_t bytes = operand->count * sizeof(float), from = (size_t)index * 123457;
    const float *source = numbers();
    if (!operand->data && !(operand->data = malloc(bytes + 1)))
        return nt_fail(layer->ctx, NT_ERR_MEMORY, "bench: no memory for %zu bytes", bytes);
    if (operand->written)
        memset(operand->data, 0xff, bytes);
    else if (operand->tensor.dtype == NT_F32)
        for (size_t i = 0; i < operand->count; i++)
            operand->data[i] = source[(from + i) % NUMBERS];
    return nt_tape_write(layer->tape, operand->tensor.buffer, 0, operand->data, bytes);
}

/* ---- checking ---- */

struct verdict {
    double error; /* the largest, in units of the scale; infinite for a number that is none */
    int samples;
};

static void check_sample(
    const struct bench_layer *layer, int index, int64_t place, struct verdict *verdict)
{
    double want, scale;
    layer->kind->family->reference(layer, index, place, &want, &scale);
    double error = fabs(layer->operand[index].data[place] - want) / fmax(scale, 1e-30);
    verdict->samples++;
    if (!(error <= verdict->error))
        verdict->error = isnan(error) ? INFINITY : error;
}

static enum nt_status check_results(struct bench_layer *layer, struct verdict *verdict)
{
    struct nt_random random = {.key = 7};
    enum nt_status status = NT_OK;
    for (int i = 0; status == NT_OK && i < layer->operands; i++) {
        struct bench_operand *operand = &layer->operand[i];
        if (operand->written)
            status = nt_tape_read(layer->tape, operand->tensor.buffer, 0, operand->data,
                operand->count * sizeof(float));
    }
    if (status == NT_OK && layer->kind->family->prepare)
        status = layer->kind->family->prepare(layer);
    for (int i = 0; status == NT_OK && i < layer->operands; i++) {
        struct bench_operand *operand = &layer->operand[i];
        bool real = operand->tensor.dtype == NT_F32;
        if (!operand->written || !real)
            continue;
        for (size_t j = 0; j < operand->count; j++)
            if (!isfinite(operand->data[j]))
                verdict->error = INFINITY;
        check_sample(layer, i, 0, verdict);
        check_sample(layer, i, (int64_t)operand->count - 1, verdict);
        for (int s = 0; s < SAMPLES; s++)
            check_sample(layer, i, (int64_t)nt_random_below(&random, operand->count), verdict);
    }
    return status;
}

/* ---- one row ---- */

static enum nt_status prepare(struct bench_layer *layer)
{
    enum nt_status status = nt_tape_create(layer->dev, &layer->tape);
    if (status == NT_OK)
        status = layer->kind->family->append(layer);
    if (status == NT_OK)
        status = nt_tape_plan(layer->tape, NULL);
    if (status == NT_OK)
        status = nt_tape_build(layer->tape);
    bool told = layer->bytes > 0;
    for (int i = 0; !told && i < layer->operands; i++)
        layer->bytes += (double)layer->operand[i].count * sizeof(float);
    for (int i = 0; status == NT_OK && i < layer->operands; i++)
        status = fill_operand(layer, i);
    return status;
}

static void finish(struct bench_layer *layer)
{
    if (layer->kind->family->finish)
        layer->kind->family->finish(layer);
    nt_tape_destroy(layer->tape);
    for (int i = 0; i < layer->operands; i++)
        free(layer->operand[i].data);
}

/* Kernels in order, equal ones once. */
static json_t *describe_kernels(const struct nt_tape *tape)
{
    json_t *list = json_array();
    for (int i = 0; i < nt_tape_launch_count(tape); i++) {
        struct nt_launch_info info = nt_tape_launch_info(tape, i);
        bool known = false;
        for (size_t j = 0; !known && j < json_array_size(list); j++) {
            json_t *entry = json_array_get(list, j);
            known = !strcmp(json_string_value(json_object_get(entry, "kernel")), info.kernel) &&
                    !strcmp(json_string_value(json_object_get(entry, "variant")), info.variant);
            if (known)
                json_object_set_new(entry, "launches",
                    json_integer(json_integer_value(json_object_get(entry, "launches")) + 1));
        }
        if (!known)
            json_array_append_new(list, json_pack("{ss ss ss si}", "kernel", info.kernel, "variant",
                                            info.variant, "reason", info.reason, "launches", 1));
    }
    return list;
}

void bench_set_times(json_t *row, const struct bench_times *times)
{
    json_object_set_new(row, "median_ms", json_real(1e3 * times->median));
    json_object_set_new(row, "least_ms", json_real(1e3 * times->least));
    json_object_set_new(row, "greatest_ms", json_real(1e3 * times->greatest));
    json_object_set_new(row, "rounds", json_integer(times->rounds));
    json_object_set_new(row, "repeats", json_integer(times->repeats));
}

/* The numbers of the case, for whoever repeats the work elsewhere. */
static json_t *describe_work(const struct bench_layer *layer, int pass)
{
    const struct bench_case *k = layer->kind;
    return json_pack("{ss sI sI sI sI sI sI sI sI sI sb sb ss ss}", "pass", passes[pass].name, "n",
        (json_int_t)k->n, "c", (json_int_t)k->c, "hw", (json_int_t)k->hw, "k", (json_int_t)k->k,
        "r", (json_int_t)k->r, "stride", (json_int_t)k->stride, "pad", (json_int_t)k->pad,
        "dilation", (json_int_t)dilation_of(k), "groups", (json_int_t)k->groups, "a_transposed",
        (int)k->a_columns, "b_transposed", (int)k->b_columns, "pooling",
        k->pooling == NT_POOL_MAX ? "max" : "average", "formula", k->text ? k->text : "");
}

static json_t *describe(const struct bench_layer *layer, const char *name, enum bench_bound bound,
    const struct bench_times *times, const struct verdict *verdict)
{
    bool fma = bound == BENCH_FMA;
    json_t *row = json_pack("{ss ss ss sf sf}", "name", name, "family", layer->kind->family->name,
        "bound", fma ? "multiply-add" : "copy", "flops", layer->flops, "bytes", layer->bytes);
    for (int i = 0; i < PASSES; i++)
        if (passes[i].pass == layer->pass)
            json_object_set_new(row, "work", describe_work(layer, i));
    bench_set_times(row, times);
    json_object_set_new(row, "gflops", json_real(1e-9 * layer->flops / times->median));
    json_object_set_new(row, "gbytes", json_real(1e-9 * layer->bytes / times->median));
    json_object_set_new(row, "limit", json_real(1e-9 * times->limit_rate));
    json_object_set_new(row, "share", json_real(times->share));
    json_object_set_new(row, "kernels", describe_kernels(layer->tape));
    json_object_set_new(row, "checked", json_integer(verdict->samples));
    json_object_set_new(
        row, "error", isfinite(verdict->error) ? json_real(verdict->error) : json_null());
    json_object_set_new(row, "right", json_boolean(verdict->error <= TOLERANCE));
    return row;
}

static enum nt_status measure(struct bench *bench, const struct bench_case *kind,
    enum bench_pass pass, const char *name, json_t *rows)
{
    struct bench_layer layer = {.kind = kind, .pass = pass, .dev = bench->dev, .ctx = bench->ctx};
    struct verdict verdict = {0};
    struct bench_times times;
    enum bench_bound bound;
    const struct bench_work *limit;
    enum nt_status status = prepare(&layer);
    if (status == NT_OK)
        status = nt_tape_run(layer.tape);
    if (status == NT_OK)
        status = check_results(&layer, &verdict);
    if (status == NT_OK)
        status = bench_bound(bench->limits, layer.flops, layer.bytes, &bound, &limit);
    if (status == NT_OK) {
        struct bench_work work = bench_tape_work(layer.tape, 0);
        bool quick = bench->params->quick;
        status = bench_measure(bench->dev, &work, quick ? 5 : 9, quick ? 5e-3 : 2e-2, limit,
            bound == BENCH_FMA ? layer.flops : layer.bytes, &times);
    }
    if (status == NT_OK)
        json_array_append_new(rows, describe(&layer, name, bound, &times, &verdict));
    else
        nt_fail_prefix(bench->ctx, status, "%s", name);
    finish(&layer);
    return status;
}

enum nt_status bench_layers(struct bench *bench, bool exact)
{
    enum nt_status status = NT_OK;
    json_t *rows = json_array();
    json_object_set_new(bench->out, "layers", rows);
    for (int i = 0; i < bench_case_count; i++)
        for (int pass = 0; status == NT_OK && pass < PASSES; pass++) {
            char name[96];
            if (!wanted(bench->params, exact, i, pass))
                continue;
            row_name(&bench_cases[i], pass, name, sizeof name);
            if ((status = bench_next(bench, name)) == NT_OK)
                status = measure(bench, &bench_cases[i], passes[pass].pass, name, rows);
        }
    return status;
}
