/* SPDX-License-Identifier: MIT */
#include "frontend/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/graph.h"
#include "frontend/init.h"
#include "frontend/op.h"
#include "frontend/safetensors.h"

#define MAX_STATE_SLOTS 3

struct nt_weights {
    struct nt_context *ctx;
    int count, slots;
    struct nt_weight_info *info; /* trained ones first */
    size_t trained, elements;
    struct nt_memory *memory, *state[MAX_STATE_SLOTS];
};

static enum nt_status add_info(struct nt_weights *weights, const struct nt_value *value)
{
    struct nt_weight_info *info = &weights->info[weights->count];
    size_t length = strlen(value->name) + 1;
    char *name = malloc(length);
    if (!name)
        return nt_fail(weights->ctx, NT_ERR_MEMORY, "weights: host memory is exhausted");
    memcpy(name, value->name, length);
    info->name = name;
    info->shape = value->shape;
    info->dtype = value->dtype;
    info->offset = weights->elements;
    info->trained = value->kind == NT_VALUE_PARAMETER;
    weights->elements += (size_t)nt_shape_count(&value->shape);
    weights->count++;
    return NT_OK;
}

static enum nt_status collect(struct nt_weights *weights, const struct nt_graph *graph)
{
    weights->info = calloc((size_t)graph->value_count + 1, sizeof *weights->info);
    if (!weights->info)
        return nt_fail(weights->ctx, NT_ERR_MEMORY, "weights: host memory is exhausted");
    enum nt_value_kind kinds[2] = {NT_VALUE_PARAMETER, NT_VALUE_STATE};
    for (int k = 0; k < 2; k++) {
        for (int v = 0; v < graph->value_count; v++)
            if (graph->value[v].kind == kinds[k] && graph->value[v].init.kind != NT_INIT_COMPUTED) {
                enum nt_status status = add_info(weights, &graph->value[v]);
                if (status != NT_OK)
                    return status;
            }
        if (k == 0)
            weights->trained = weights->elements;
    }
    return NT_OK;
}

/* What the memory of the weights starts with. */
struct start {
    const struct nt_weights *weights;
    const struct nt_graph *graph;
    struct nt_init_job *jobs; /* one for each; of what files hold, no number */
    uint64_t seed;
};

static enum nt_status fill(void *memory, void *user)
{
    const struct start *start = user;
    const struct nt_weights *weights = start->weights;
    float *data = memory;
    for (int i = 0; i < weights->count; i++) {
        const struct nt_weight_info *info = &weights->info[i];
        const struct nt_init *init =
            &start->graph->value[nt_graph_find(start->graph, info->name)].init;
        size_t count = (size_t)nt_shape_count(&info->shape);
        start->jobs[i] = (struct nt_init_job){init, (uint64_t)i, data + info->offset, count};
        if (init->kind == NT_INIT_FILE) {
            enum nt_status status = init->read(weights->ctx, init->source, data + info->offset);
            if (status != NT_OK)
                return status;
            start->jobs[i].count = 0;
        }
    }
    nt_init_fill(start->jobs, weights->count, start->seed);
    for (int i = 0; i < weights->count; i++) {
        const struct nt_shape *shape = &weights->info[i].shape;
        int64_t zeros = start->jobs[i].init->zero_row;
        size_t row = zeros ? (size_t)(nt_shape_count(shape) / shape->dim[0]) : 0;
        if (row)
            memset(start->jobs[i].data + row * (size_t)(zeros - 1), 0, row * sizeof *data);
    }
    data[weights->elements] = 0;
    return NT_OK;
}

/* The optimizer's state is zeroed by the device, while the host goes on. */
static enum nt_status create_memory(
    struct nt_weights *weights, struct nt_device *dev, const struct nt_graph *graph, uint64_t seed)
{
    struct nt_init_job *jobs = calloc((size_t)weights->count + 1, sizeof *jobs);
    if (!jobs)
        return nt_fail(weights->ctx, NT_ERR_MEMORY, "weights: host memory is exhausted");
    enum nt_status status = nt_memory_create_filled(dev, (weights->elements + 1) * sizeof(float),
        "weights", fill, &(struct start){weights, graph, jobs, seed}, &weights->memory);
    free(jobs);
    for (int i = 0; status == NT_OK && i < weights->slots; i++)
        status = nt_memory_create(
            dev, (weights->trained + 1) * sizeof(float), "optimizer state", &weights->state[i]);
    return status;
}

enum nt_status nt_weights_create(struct nt_device *dev, struct nt_model *model, uint64_t seed,
    int state_slots, struct nt_weights **out)
{
    struct nt_context *ctx = nt_device_context(dev);
    struct nt_graph *graph = NULL;
    if (state_slots < 0 || state_slots > MAX_STATE_SLOTS)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "weights: %d state slots: must be 0 to %d",
            state_slots, MAX_STATE_SLOTS);
    enum nt_status status = nt_model_build(model, 1, true, &graph);
    if (status != NT_OK)
        return status;
    struct nt_weights *weights = calloc(1, sizeof *weights);
    if (weights) {
        weights->ctx = ctx;
        weights->slots = state_slots;
        status = collect(weights, graph);
        if (status == NT_OK)
            status = create_memory(weights, dev, graph, seed);
    } else {
        status = nt_fail(ctx, NT_ERR_MEMORY, "weights: host memory is exhausted");
    }
    nt_graph_destroy(graph);
    if (status != NT_OK) {
        nt_weights_destroy(weights);
        return status;
    }
    *out = weights;
    return NT_OK;
}

void nt_weights_destroy(struct nt_weights *weights)
{
    if (!weights)
        return;
    for (int i = 0; i < weights->count; i++)
        free((char *)weights->info[i].name);
    for (int i = 0; i < MAX_STATE_SLOTS; i++)
        nt_memory_destroy(weights->state[i]);
    nt_memory_destroy(weights->memory);
    free(weights->info);
    free(weights);
}

int nt_weights_count(const struct nt_weights *weights)
{
    return weights->count;
}

const struct nt_weight_info *nt_weights_get(const struct nt_weights *weights, int index)
{
    return &weights->info[index];
}

int nt_weights_find(const struct nt_weights *weights, const char *name)
{
    for (int i = 0; i < weights->count; i++)
        if (strcmp(weights->info[i].name, name) == 0)
            return i;
    return -1;
}

size_t nt_weights_trained_elements(const struct nt_weights *weights)
{
    return weights->trained;
}

int nt_weights_state_slots(const struct nt_weights *weights)
{
    return weights->slots;
}

struct nt_memory *nt_weights_memory(struct nt_weights *weights, int slot)
{
    return slot < 0 ? weights->memory : weights->state[slot];
}

static size_t bytes_of(const struct nt_weight_info *info)
{
    return (size_t)nt_shape_count(&info->shape) * sizeof(float);
}

static enum nt_status check_index(struct nt_weights *weights, int index)
{
    if (index >= 0 && index < weights->count)
        return NT_OK;
    return nt_fail(
        weights->ctx, NT_ERR_ARGUMENT, "weights: tensor %d: there are %d", index, weights->count);
}

enum nt_status nt_weights_read(struct nt_weights *weights, int index, float *data)
{
    const struct nt_weight_info *info = &weights->info[index];
    enum nt_status status = check_index(weights, index);
    return status != NT_OK
               ? status
               : nt_memory_read(weights->memory, info->offset * sizeof *data, data, bytes_of(info));
}

enum nt_status nt_weights_write(struct nt_weights *weights, int index, const float *data)
{
    const struct nt_weight_info *info = &weights->info[index];
    enum nt_status status = check_index(weights, index);
    return status != NT_OK ? status
                           : nt_memory_write(weights->memory, info->offset * sizeof *data, data,
                                 bytes_of(info));
}

static enum nt_status check_state(struct nt_weights *weights, int index, int slot)
{
    enum nt_status status = check_index(weights, index);
    if (status != NT_OK)
        return status;
    if (slot < 0 || slot >= weights->slots)
        return nt_fail(weights->ctx, NT_ERR_ARGUMENT, "weights: state slot %d: there are %d", slot,
            weights->slots);
    if (!weights->info[index].trained)
        return nt_fail(weights->ctx, NT_ERR_ARGUMENT,
            "weights: %s is not trained: it has no optimizer state", weights->info[index].name);
    return NT_OK;
}

enum nt_status nt_weights_read_state(struct nt_weights *weights, int index, int slot, float *data)
{
    const struct nt_weight_info *info = &weights->info[index];
    enum nt_status status = check_state(weights, index, slot);
    return status != NT_OK ? status
                           : nt_memory_read(weights->state[slot], info->offset * sizeof *data, data,
                                 bytes_of(info));
}

enum nt_status nt_weights_write_state(
    struct nt_weights *weights, int index, int slot, const float *data)
{
    const struct nt_weight_info *info = &weights->info[index];
    enum nt_status status = check_state(weights, index, slot);
    return status != NT_OK ? status
                           : nt_memory_write(weights->state[slot], info->offset * sizeof *data,
                                 data, bytes_of(info));
}

/* ---- files ---- */

static enum nt_status missing(struct nt_weights *weights, const struct nt_safetensors *file,
    const char *path, const char *name)
{
    int count = nt_safetensors_count(file);
    const char **names = malloc(((size_t)count + 1) * sizeof *names);
    for (int i = 0; names && i < count; i++)
        names[i] = nt_safetensors_get(file, i)->name;
    const char *near = names ? nt_near_miss(name, count, names) : NULL;
    enum nt_status status = nt_fail(weights->ctx, NT_ERR_FORMAT, "%s: has no tensor '%s'%s%s%s",
        path, name, near ? ", the nearest name is '" : "", near ? near : "", near ? "'" : "");
    free(names);
    return status;
}

static enum nt_status load_counts(struct nt_weights *weights, const struct nt_safetensors *file,
    int index, const struct nt_safetensors_entry *entry, float *data)
{
    int64_t count = nt_shape_count(&entry->shape);
    int64_t *numbers = malloc((size_t)count * sizeof *numbers);
    if (!numbers)
        return nt_fail(weights->ctx, NT_ERR_MEMORY, "weights: host memory is exhausted");
    enum nt_status status = nt_safetensors_read(file, index, numbers);
    for (int64_t i = 0; status == NT_OK && i < count; i++)
        data[i] = (float)numbers[i];
    free(numbers);
    return status;
}

/* Finds one weight in the file and reads it to data. */
static enum nt_status load_one(struct nt_weights *weights, const struct nt_safetensors *file,
    const char *path, const struct nt_weight_info *info, float *data)
{
    char a[128], b[128];
    int index = nt_safetensors_find(file, info->name);
    if (index < 0)
        return missing(weights, file, path, info->name);
    const struct nt_safetensors_entry *entry = nt_safetensors_get(file, index);
    if (!nt_shape_equal(&entry->shape, &info->shape))
        return nt_fail(weights->ctx, NT_ERR_FORMAT,
            "%s: tensor '%s' has shape %s: the model's has %s", path, info->name,
            nt_shape_text(&entry->shape, a, sizeof a), nt_shape_text(&info->shape, b, sizeof b));
    if (info->dtype != NT_F32 && entry->dtype != info->dtype)
        return nt_fail(weights->ctx, NT_ERR_FORMAT, "%s: tensor '%s' is %s: must be %s", path,
            info->name, nt_dtype_name(entry->dtype), nt_dtype_name(info->dtype));
    if (info->dtype != NT_F32)
        return nt_safetensors_read(file, index, data);
    if (entry->dtype == NT_I64) /* a count, as PyTorch keeps num_batches_tracked */
        return load_counts(weights, file, index, entry, data);
    if (entry->dtype != NT_F32)
        return nt_fail(weights->ctx, NT_ERR_FORMAT,
            "%s: tensor '%s' is %s: must be a float type of at most 32 bits", path, info->name,
            nt_dtype_name(entry->dtype));
    return nt_safetensors_read(file, index, data);
}

enum nt_status nt_weights_load(struct nt_weights *weights, const char *path)
{
    struct nt_safetensors *file = NULL;
    enum nt_status status = nt_safetensors_open(weights->ctx, path, &file);
    if (status != NT_OK)
        return status;
    float *data = malloc((weights->elements + 1) * sizeof *data);
    if (!data)
        status = nt_fail(weights->ctx, NT_ERR_MEMORY, "%s: host memory is exhausted", path);
    for (int i = 0; status == NT_OK && i < weights->count; i++)
        status = load_one(weights, file, path, &weights->info[i], data + weights->info[i].offset);
    if (status == NT_OK)
        status = nt_memory_write(weights->memory, 0, data, weights->elements * sizeof *data);
    free(data);
    nt_safetensors_close(file);
    return status;
}

enum nt_status nt_weights_save(struct nt_weights *weights, const char *path)
{
    struct nt_safetensors_writer *writer = NULL;
    enum nt_status status = NT_OK;
    struct nt_safetensors_entry *entries = calloc((size_t)weights->count + 1, sizeof *entries);
    float *data = malloc((weights->elements + 1) * sizeof *data);
    if (!entries || !data)
        status = nt_fail(weights->ctx, NT_ERR_MEMORY, "%s: host memory is exhausted", path);
    for (int i = 0; status == NT_OK && i < weights->count; i++)
        entries[i] = (struct nt_safetensors_entry){.name = weights->info[i].name,
            .dtype = weights->info[i].dtype,
            .shape = weights->info[i].shape};
    if (status == NT_OK)
        status = nt_memory_read(weights->memory, 0, data, weights->elements * sizeof *data);
    if (status == NT_OK)
        status =
            nt_safetensors_create(weights->ctx, path, entries, weights->count, NULL, 0, &writer);
    for (int i = 0; status == NT_OK && i < weights->count; i++)
        status = nt_safetensors_put(writer, i, data + weights->info[i].offset);
    if (status == NT_OK)
        status = nt_safetensors_commit(writer);
    else
        nt_safetensors_discard(writer);
    free(entries);
    free(data);
    return status;
}
