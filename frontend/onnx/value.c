/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "frontend/onnx/import.h"

struct nt_onnx_values {
    size_t mask, room;
    struct nt_onnx_value **slot;
    struct block { /* values do not move */
        struct block *next;
        size_t room, used;
        struct nt_onnx_value value[];
    } * block;
};

static struct nt_onnx_value **find_slot(struct nt_onnx_values *values, const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (const char *c = name; *c; c++)
        hash = (hash ^ (uint8_t)*c) * 0x100000001b3u;
    size_t i = (size_t)(hash ^ hash >> 32) & values->mask;
    while (values->slot[i] && strcmp(values->slot[i]->name, name) != 0)
        i = (i + 1) & values->mask;
    return &values->slot[i];
}

bool nt_onnx_values_reserve(struct nt_onnx_values *values, size_t names)
{
    size_t slots = 16;
    while (slots < 2 * (values->room + names))
        slots *= 2;
    struct block *block = calloc(1, sizeof *block + names * sizeof *block->value);
    struct nt_onnx_value **slot = calloc(slots, sizeof *slot);
    if (!block || !slot) {
        free(block);
        free(slot);
        return false;
    }
    block->room = names;
    block->next = values->block;
    free(values->slot);
    values->slot = slot;
    values->mask = slots - 1;
    values->room += names;
    for (struct block *old = values->block; old; old = old->next)
        for (size_t i = 0; i < old->used; i++)
            *find_slot(values, old->value[i].name) = &old->value[i];
    values->block = block;
    return true;
}

struct nt_onnx_values *nt_onnx_values_create(size_t names)
{
    struct nt_onnx_values *values = calloc(1, sizeof *values);
    if (!values || nt_onnx_values_reserve(values, names))
        return values;
    free(values);
    return NULL;
}

void nt_onnx_values_destroy(struct nt_onnx_values *values)
{
    if (!values)
        return;
    for (struct block *next, *block = values->block; block; block = next) {
        next = block->next;
        free(block);
    }
    free(values->slot);
    free(values);
}

struct nt_onnx_value *nt_onnx_values_get(struct nt_onnx_values *values, const char *name)
{
    struct nt_onnx_value **slot = find_slot(values, name);
    struct block *block = values->block;
    while (!*slot && block && block->used == block->room)
        block = block->next;
    if (!*slot && block) {
        *slot = &block->value[block->used++];
        **slot = (struct nt_onnx_value){.name = name, .graph = -1};
    }
    return *slot;
}

/* ---- what weights start from ---- */

struct source {
    struct nt_onnx_tensor tensor;
    enum nt_dtype dtype;
};

static enum nt_status read_tensor(struct nt_context *ctx, const void *source, void *data)
{
    const struct source *from = source;
    return nt_onnx_tensor_read(ctx, &from->tensor, from->dtype, data);
}

static enum nt_status read_host(struct nt_context *ctx, const void *source, void *data)
{
    const struct nt_onnx_host *host = source;
    (void)ctx;
    bool integers = nt_onnx_type_dtype(host->type) == NT_I32;
    for (size_t i = 0; i < host->count; i++) {
        if (integers)
            ((int32_t *)data)[i] = (int32_t)nt_onnx_host_integer(host->data[i]);
        else
            ((float *)data)[i] = (float)host->data[i];
    }
    return NT_OK;
}

static int make_weight(struct nt_onnx_import *import, const struct nt_onnx_value *value,
    const struct nt_shape *shape, struct nt_init init)
{
    int graph;
    enum nt_dtype dtype = nt_onnx_type_dtype(value->type);
    enum nt_value_kind kind =
        value->weight && dtype == NT_F32 ? NT_VALUE_PARAMETER : NT_VALUE_STATE;
    if (nt_graph_parameter(import->graph, value->name, kind, shape, init, &graph) != NT_OK)
        return -1;
    import->graph->value[graph].dtype = dtype;
    return graph;
}

static int graph_of_tensor(struct nt_onnx_import *import, const struct nt_onnx_value *value)
{
    struct source *source = nt_graph_alloc(import->graph, sizeof *source);
    if (!source) {
        nt_graph_fail(import->graph, NT_ERR_MEMORY, "host memory is exhausted");
        return -1;
    }
    *source = (struct source){*value->tensor, nt_onnx_type_dtype(value->type)};
    return make_weight(import, value, &value->tensor->shape,
        (struct nt_init){.kind = NT_INIT_FILE, .source = source, .read = read_tensor});
}

/* Numbers that are all the same take no memory. */
static int graph_of_host(struct nt_onnx_import *import, const struct nt_onnx_value *value)
{
    const struct nt_onnx_host *host = value->known;
    bool integers = nt_onnx_type_dtype(host->type) == NT_I32, equal = true;
    for (size_t i = 0; i < host->count; i++) {
        equal = equal && host->data[i] == host->data[0];
        if (integers && (host->data[i] < INT32_MIN || host->data[i] > INT32_MAX)) {
            nt_graph_fail(import->graph, NT_ERR_UNSUPPORTED,
                "value '%s': element %zu is %.0f: must fit in 32 bits", value->name, i,
                host->data[i]);
            return -1;
        }
    }
    if (!equal)
        return make_weight(import, value, &host->shape,
            (struct nt_init){.kind = value->tensor ? NT_INIT_FILE : NT_INIT_COMPUTED,
                .source = host,
                .read = read_host});
    int graph = nt_graph_constant(import->graph, host->data[0], &host->shape); /* 0: empty */
    if (graph >= 0 && integers)
        import->graph->value[graph].dtype = NT_I32;
    return graph;
}

int nt_onnx_host_graph(
    struct nt_onnx_import *import, const char *name, const struct nt_onnx_host *host)
{
    const struct nt_onnx_value value = {.name = name, .type = host->type, .known = host};
    return graph_of_host(import, &value);
}

int nt_onnx_value_graph(struct nt_onnx_import *import, struct nt_onnx_value *value)
{
    if (value->graph >= 0)
        return value->graph;
    enum nt_status status = NT_OK;
    bool scalar = value->tensor && value->tensor->count == 1;
    if (value->tensor && !value->known && scalar && (!value->weight || !value->tensor->shape.rank))
        nt_onnx_value_known(import, value, &status);
    if (status != NT_OK) {
        import->graph->failure = status;
        return -1;
    }
    value->graph = value->known ? graph_of_host(import, value) : graph_of_tensor(import, value);
    return value->graph;
}

/* ---- known numbers ---- */

static double feed_number(const struct nt_model_feed *feed, size_t i)
{
    switch (feed->dtype) {
    case NT_F32:
        return ((const float *)feed->data)[i];
    case NT_F64:
        return ((const double *)feed->data)[i];
    case NT_I32:
        return ((const int32_t *)feed->data)[i];
    case NT_I64:
        return (double)((const int64_t *)feed->data)[i];
    default:
        return ((const uint8_t *)feed->data)[i];
    }
}

const struct nt_onnx_host *nt_onnx_value_known(
    struct nt_onnx_import *import, struct nt_onnx_value *value, enum nt_status *status)
{
    const struct nt_shape *shape = value->tensor ? &value->tensor->shape
                                   : value->feed ? &value->feed->shape
                                                 : NULL;
    if (!value->known && !shape)
        *status = nt_onnx_fold_maker(import, value);
    if (value->known || !shape)
        return value->known;
    if (nt_onnx_host_count(shape) > NT_ONNX_HOST_ELEMENTS)
        return NULL;
    struct nt_onnx_host *host = nt_onnx_host_create(import->graph, value->type, shape);
    if (!host)
        *status = nt_graph_fail(import->graph, NT_ERR_MEMORY, "host memory is exhausted");
    else if (value->tensor)
        *status = nt_onnx_tensor_read(import->ctx, value->tensor, NT_F64, host->data);
    for (size_t i = 0; host && !value->tensor && i < host->count; i++)
        host->data[i] = feed_number(value->feed, i);
    if (*status == NT_OK) {
        value->known = host;
        value->fed = !value->tensor;
    }
    return value->known;
}
