/* SPDX-License-Identifier: MIT */
#include "frontend/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/arena.h"

enum nt_status nt_graph_create(
    struct nt_context *ctx, int64_t batch, bool training, struct nt_graph **out)
{
    if (batch < 1)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "batch %lld: must be at least 1", (long long)batch);
    struct nt_graph *graph = calloc(1, sizeof *graph);
    struct nt_arena *arena = nt_arena_create();
    if (!graph || !arena) {
        free(graph);
        nt_arena_destroy(arena);
        return nt_fail(ctx, NT_ERR_MEMORY, "graph: host memory is exhausted");
    }
    *graph = (struct nt_graph){.ctx = ctx,
        .batch = batch,
        .training = training,
        .arena = arena,
        .where = "",
        .scope = "",
        .loss = -1,
        .key = -1};
    *out = graph;
    return NT_OK;
}

void nt_graph_destroy(struct nt_graph *graph)
{
    if (!graph)
        return;
    for (int i = 0; i < graph->node_count; i++)
        nt_expr_destroy(graph->node[i]->expr);
    free(graph->value);
    free(graph->node);
    nt_arena_destroy(graph->arena);
    free(graph);
}

void *nt_graph_alloc(struct nt_graph *graph, size_t bytes)
{
    return nt_arena_alloc(graph->arena, bytes);
}

const char *nt_graph_string(struct nt_graph *graph, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int length = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *text = length < 0 ? NULL : nt_graph_alloc(graph, (size_t)length + 1);
    if (!text)
        return "";
    va_start(ap, fmt);
    vsnprintf(text, (size_t)length + 1, fmt, ap);
    va_end(ap);
    return text;
}

enum nt_status nt_graph_fail(struct nt_graph *graph, enum nt_status status, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    graph->failure = status;
    return nt_fail(graph->ctx, status, "%s%s%s", graph->where, *graph->where ? ": " : "", text);
}

/* Makes room for one more element in an array that doubles. */
static bool grow(void **array, int count, size_t size)
{
    if (count & (count - 1) || (count != 0 && count < 16))
        return true;
    int room = count < 16 ? 16 : count * 2;
    void *moved = realloc(*array, (size_t)room * size);
    if (!moved)
        return false;
    *array = moved;
    return true;
}

int nt_graph_new_value(struct nt_graph *graph, struct nt_value value)
{
    if (!grow((void **)&graph->value, graph->value_count, sizeof *graph->value)) {
        nt_graph_fail(graph, NT_ERR_MEMORY, "graph: host memory is exhausted");
        return -1;
    }
    value.update = -1;
    graph->value[graph->value_count] = value;
    return graph->value_count++;
}

enum nt_status nt_graph_append(struct nt_graph *graph, struct nt_node *node)
{
    if (!grow((void **)&graph->node, graph->node_count, sizeof *graph->node))
        return nt_graph_fail(graph, NT_ERR_MEMORY, "graph: host memory is exhausted");
    for (int i = 0; i < node->outputs; i++)
        graph->value[node->output[i]].node = graph->node_count;
    node->whole = graph->whole;
    graph->node[graph->node_count++] = node;
    return NT_OK;
}

int nt_graph_find(const struct nt_graph *graph, const char *name)
{
    for (int i = 0; i < graph->value_count; i++) {
        enum nt_value_kind kind = graph->value[i].kind;
        if (kind <= NT_VALUE_CARRIED && strcmp(graph->value[i].name, name) == 0)
            return i;
    }
    return -1;
}

enum nt_status nt_graph_check_shape(
    struct nt_graph *graph, const char *name, const struct nt_shape *shape)
{
    char text[128];
    double count = 1;
    if (shape->rank > NT_MAX_RANK)
        return nt_graph_fail(
            graph, NT_ERR_SHAPE, "%s: rank %d: must be at most %d", name, shape->rank, NT_MAX_RANK);
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] < 1)
            return nt_graph_fail(graph, NT_ERR_SHAPE,
                "%s: shape %s: every extent must be at least 1", name,
                nt_shape_text(shape, text, sizeof text));
        count *= (double)shape->dim[i];
    }
    if (count > INT32_MAX)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "%s: shape %s: a tensor may have at most 2147483647 elements", name,
            nt_shape_text(shape, text, sizeof text));
    return NT_OK;
}

enum nt_status nt_graph_input(struct nt_graph *graph, const char *name, enum nt_dtype dtype,
    const struct nt_shape *item_shape, int *value)
{
    if (item_shape->rank > 4)
        return nt_graph_fail(
            graph, NT_ERR_SHAPE, "input '%s': rank %d: must be at most 4", name, item_shape->rank);
    struct nt_shape shape = {.rank = item_shape->rank + 1, .dim = {graph->batch}};
    memcpy(shape.dim + 1, item_shape->dim, (size_t)item_shape->rank * sizeof *shape.dim);
    return nt_graph_input_shaped(graph, name, dtype, &shape, true, value);
}

enum nt_status nt_graph_input_shaped(struct nt_graph *graph, const char *name, enum nt_dtype dtype,
    const struct nt_shape *shape, bool batched, int *value)
{
    if (nt_graph_find(graph, name) >= 0)
        return nt_graph_fail(graph, NT_ERR_ARGUMENT, "input '%s': the name is taken", name);
    enum nt_status status = nt_graph_check_shape(graph, name, shape);
    if (status != NT_OK)
        return status;
    int v = nt_graph_new_value(graph, (struct nt_value){.name = nt_graph_string(graph, "%s", name),
                                          .kind = NT_VALUE_INPUT,
                                          .dtype = dtype,
                                          .shape = *shape,
                                          .node = -1,
                                          .whole = !batched});
    if (v < 0)
        return NT_ERR_MEMORY;
    *value = v;
    return NT_OK;
}

enum nt_status nt_graph_parameter(struct nt_graph *graph, const char *name, enum nt_value_kind kind,
    const struct nt_shape *shape, struct nt_init init, int *value)
{
    int v = nt_graph_find(graph, name);
    if (v >= 0) {
        char a[128], b[128];
        if (graph->value[v].kind != kind || !nt_shape_equal(&graph->value[v].shape, shape))
            return nt_graph_fail(graph, NT_ERR_SHAPE,
                "parameter '%s': shape %s: the name is taken by one of shape %s", name,
                nt_shape_text(shape, a, sizeof a),
                nt_shape_text(&graph->value[v].shape, b, sizeof b));
        *value = v;
        return NT_OK;
    }
    enum nt_status status = nt_graph_check_shape(graph, name, shape);
    if (status != NT_OK)
        return status;
    v = nt_graph_new_value(graph, (struct nt_value){.name = nt_graph_string(graph, "%s", name),
                                      .kind = kind,
                                      .shape = *shape,
                                      .node = -1,
                                      .init = init});
    if (v < 0)
        return NT_ERR_MEMORY;
    *value = v;
    return NT_OK;
}

int nt_graph_number(struct nt_graph *graph, double number)
{
    return nt_graph_new_value(graph,
        (struct nt_value){.name = "", .kind = NT_VALUE_NUMBER, .node = -1, .constant = number});
}

enum nt_status nt_graph_carried(struct nt_graph *graph, const char *name,
    const struct nt_shape *item_shape, struct nt_init init, int *value)
{
    struct nt_shape shape = {.rank = item_shape->rank + 1, .dim = {graph->batch}};
    if (item_shape->rank > 4)
        return nt_graph_fail(
            graph, NT_ERR_SHAPE, "state '%s': rank %d: must be at most 4", name, item_shape->rank);
    if (init.kind != NT_INIT_CONSTANT)
        return nt_graph_fail(
            graph, NT_ERR_ARGUMENT, "state '%s': must start from a constant", name);
    memcpy(shape.dim + 1, item_shape->dim, (size_t)item_shape->rank * sizeof *shape.dim);
    return nt_graph_parameter(graph, name, NT_VALUE_CARRIED, &shape, init, value);
}

enum nt_status nt_graph_update(struct nt_graph *graph, int state, int value)
{
    char a[128], b[128];
    struct nt_value *to = &graph->value[state];
    const struct nt_value *from = &graph->value[value];
    if (to->kind != NT_VALUE_STATE && to->kind != NT_VALUE_CARRIED)
        return nt_graph_fail(graph, NT_ERR_ARGUMENT, "update: %s%s%s: must be a state",
            *to->name ? "'" : "", *to->name ? to->name : "a result", *to->name ? "'" : "");
    if (!nt_shape_equal(&to->shape, &from->shape) || from->dtype != NT_F32)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "update: state '%s' of shape %s: cannot become %s %s", to->name,
            nt_shape_text(&to->shape, a, sizeof a), nt_dtype_name(from->dtype),
            nt_shape_text(&from->shape, b, sizeof b));
    to->update = value;
    return NT_OK;
}

int nt_graph_index(struct nt_graph *graph, const struct nt_shape *shape, int64_t first)
{
    return nt_graph_new_value(graph, (struct nt_value){.name = "",
                                         .kind = NT_VALUE_INDEX,
                                         .dtype = NT_I32,
                                         .shape = *shape,
                                         .node = -1,
                                         .constant = (double)first});
}

int nt_graph_uniform(struct nt_graph *graph, const struct nt_shape *shape)
{
    if (graph->key < 0)
        graph->key = nt_graph_new_value(graph,
            (struct nt_value){.name = "", .kind = NT_VALUE_KEY, .dtype = NT_I64, .node = -1});
    int index = nt_graph_index(graph, shape, graph->random_count);
    if (graph->key < 0 || index < 0)
        return -1;
    graph->random_count = (graph->random_count + nt_shape_count(shape)) & INT32_MAX;
    return nt_graph_formula(graph, "uniform(a, b)", 2, (int[]){index, graph->key});
}

int nt_graph_constant(struct nt_graph *graph, double constant, const struct nt_shape *shape)
{
    return nt_graph_new_value(graph, (struct nt_value){.name = "",
                                         .kind = NT_VALUE_CONSTANT,
                                         .shape = *shape,
                                         .node = -1,
                                         .constant = constant});
}

enum nt_status nt_graph_output(struct nt_graph *graph, const char *name, int value)
{
    int room = (int)(sizeof graph->output / sizeof *graph->output);
    if (graph->output_count == room)
        return nt_graph_fail(graph, NT_ERR_ARGUMENT, "output '%s': at most %d outputs", name, room);
    for (int i = 0; i < graph->output_count; i++)
        if (strcmp(graph->output[i].name, name) == 0)
            return nt_graph_fail(graph, NT_ERR_ARGUMENT, "output '%s': the name is taken", name);
    graph->output[graph->output_count].name = nt_graph_string(graph, "%s", name);
    graph->output[graph->output_count++].value = value;
    return NT_OK;
}

enum nt_status nt_graph_loss(struct nt_graph *graph, int value)
{
    char text[128];
    if (graph->loss >= 0)
        return nt_graph_fail(graph, NT_ERR_ARGUMENT, "loss: is declared already");
    if (nt_shape_count(&graph->value[value].shape) != 1)
        return nt_graph_fail(graph, NT_ERR_SHAPE, "loss: shape %s: must be a scalar",
            nt_shape_text(&graph->value[value].shape, text, sizeof text));
    graph->loss = value;
    return NT_OK;
}
