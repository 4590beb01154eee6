/* SPDX-License-Identifier: MIT */
#include "frontend/op/compose.h"

#include <string.h>

enum nt_status nt_compose_axis(
    struct nt_graph *graph, const struct nt_node *node, int64_t axis, int rank, int *out)
{
    if (axis < -rank || axis >= rank)
        return nt_graph_fail(graph, NT_ERR_ARGUMENT, "%s: axis %lld: the input has rank %d",
            node->op->name, (long long)axis, rank);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return NT_OK;
}

enum nt_status nt_compose_axes(struct nt_graph *graph, const struct nt_node *node,
    const struct nt_attr *axes, int rank, unsigned *mask)
{
    *mask = 0;
    for (int i = 0; i < axes->count; i++) {
        int axis = 0;
        enum nt_status status = nt_compose_axis(graph, node, axes->ints[i], rank, &axis);
        if (status != NT_OK)
            return status;
        if (*mask & 1u << axis)
            return nt_graph_fail(graph, NT_ERR_ARGUMENT, "%s: axis %lld: is named twice",
                node->op->name, (long long)axes->ints[i]);
        *mask |= 1u << axis;
    }
    return NT_OK;
}

enum nt_status nt_compose_end(struct nt_graph *graph, struct nt_node *node, int value)
{
    if (value < 0)
        return graph->failure != NT_OK ? graph->failure : NT_ERR_MEMORY;
    struct nt_value *result = &graph->value[value];
    if (*node->name && result->kind == NT_VALUE_RESULT && !*result->name)
        graph->node[result->node]->name = result->name = node->name;
    node->output[0] = value;
    return NT_OK;
}

static struct nt_attr shape_attr(const struct nt_shape *shape)
{
    struct nt_attr attr = {.set = true, .count = shape->rank};
    memcpy(attr.ints, shape->dim, sizeof *shape->dim * (size_t)shape->rank);
    return attr;
}

static struct nt_attr number(double value)
{
    return (struct nt_attr){.set = true, .number = value};
}

static int add(struct nt_graph *graph, const struct nt_op *op, int inputs, const int *input,
    const struct nt_attr *attr)
{
    int out;
    for (int i = 0; i < inputs; i++)
        if (input[i] < 0)
            return -1;
    return nt_graph_add(graph, op, NULL, inputs, input, attr, &out) == NT_OK ? out : -1;
}

int nt_compose_reshape(struct nt_graph *graph, int value, const struct nt_shape *shape)
{
    if (value < 0 || nt_shape_equal(&graph->value[value].shape, shape))
        return value;
    struct nt_attr to = shape_attr(shape);
    return add(graph, &nt_op_reshape, 1, &value, &to);
}

int nt_compose_broadcast(struct nt_graph *graph, int value, const struct nt_shape *shape)
{
    if (value < 0 || nt_shape_equal(&graph->value[value].shape, shape))
        return value;
    struct nt_attr to = shape_attr(shape);
    return add(graph, &nt_op_broadcast, 1, &value, &to);
}

int nt_compose_transpose(struct nt_graph *graph, int value, const int *axes)
{
    if (value < 0)
        return -1;
    struct nt_attr order = {.set = true, .count = graph->value[value].shape.rank};
    bool same = true;
    for (int i = 0; i < order.count; i++) {
        order.ints[i] = axes[i];
        same &= axes[i] == i;
    }
    return same ? value : add(graph, &nt_op_transpose, 1, &value, &order);
}

int nt_compose_slice(
    struct nt_graph *graph, int value, int axis, int64_t first, int64_t count, int64_t step)
{
    if (value < 0)
        return -1;
    if (first == 0 && step == 1 && count == graph->value[value].shape.dim[axis])
        return value;
    /* Towards lower indices the end is one before the last, and -1 would mean the last element. */
    int64_t end = first + count * step;
    struct nt_attr attr[4] = {{.set = true, .count = 1, .ints = {first}},
        {.set = true, .count = 1, .ints = {end < 0 ? INT32_MIN : end}},
        {.set = true, .count = 1, .ints = {axis}}, {.set = true, .count = 1, .ints = {step}}};
    return add(graph, &nt_op_strided_slice, 1, &value, attr);
}

int nt_compose_concat(struct nt_graph *graph, int count, const int *values, int axis)
{
    struct nt_attr attr = number(axis);
    return count == 1 ? values[0] : add(graph, &nt_op_concat, count, values, &attr);
}

int nt_compose_reduce(
    struct nt_graph *graph, const struct nt_op *op, int value, unsigned mask, bool keepdims)
{
    struct nt_attr attr[2] = {{.set = true}, number(keepdims)};
    for (int i = 0; i < NT_MAX_RANK; i++)
        if (mask & 1u << i)
            attr[0].ints[attr[0].count++] = i;
    return add(graph, op, 1, &value, attr);
}
