/* SPDX-License-Identifier: MIT
 *
 * Several tensors and one: concat, stack, split, chunk.
 */
#include <string.h>

#include "frontend/op/compose.h"

/* ---- concat ---- */

static const struct nt_attr_spec concat_attrs[] = {
    {"axis", NT_ATTR_INT, "dimension to join along; negative: from the end", .fallback = 1,
        .min = -8, .max = 7},
};

/* The node's attribute "axis" from 0 on, checked before. */
static int axis_of(const struct nt_node *node, int rank)
{
    int axis = (int)nt_attr_int(node, "axis");
    return axis < 0 ? axis + rank : axis;
}

static enum nt_status concat_infer(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_value *x = &graph->value[node->input[0]];
    struct nt_shape y = x->shape;
    char a[128], b[128];
    int axis = 0;
    enum nt_status status = nt_compose_axis(graph, node, nt_attr_int(node, "axis"), y.rank, &axis);
    if (status != NT_OK)
        return status;
    for (int i = 1; i < node->inputs; i++) {
        const struct nt_value *other = &graph->value[node->input[i]];
        struct nt_shape same = other->shape;
        if (same.rank == y.rank)
            same.dim[axis] = y.dim[axis];
        if (!nt_shape_equal(&same, &y))
            return nt_graph_fail(graph, NT_ERR_SHAPE,
                "concat: %s and %s: must agree in all dimensions but %d",
                nt_shape_text(&y, a, sizeof a), nt_shape_text(&other->shape, b, sizeof b), axis);
        if (other->dtype != x->dtype)
            return nt_graph_fail(graph, NT_ERR_ARGUMENT, "concat: %s and %s: must be of one type",
                nt_dtype_name(x->dtype), nt_dtype_name(other->dtype));
        y.dim[axis] += other->shape.dim[axis];
    }
    graph->value[node->output[0]].dtype = x->dtype;
    graph->value[node->output[0]].shape = y;
    return NT_OK;
}

static enum nt_status concat_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    int axis = axis_of(node, graph->value[node->output[0]].shape.rank);
    int64_t first = 0;
    for (int i = 0; i < node->inputs; i++) {
        int64_t count = graph->value[node->input[i]].shape.dim[axis];
        if (want[i]) {
            dx[i] = nt_compose_slice(graph, dy[0], axis, first, count, 1);
            if (dx[i] < 0)
                return graph->failure;
        }
        first += count;
    }
    return NT_OK;
}

/* The part of the result that input i fills. */
static struct nt_tensor part_of(
    struct nt_lowering *lowering, const struct nt_node *node, struct nt_tensor y, int i)
{
    int axis = axis_of(node, y.shape.rank);
    for (int j = 0; j < i; j++)
        y.offset += lowering->graph->value[node->input[j]].shape.dim[axis] * y.stride[axis];
    y.shape = lowering->graph->value[node->input[i]].shape;
    return y;
}

void nt_concat_place(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    for (int i = 0; i < node->inputs; i++) {
        struct nt_tensor part = part_of(lowering, node, y, i);
        if (nt_lower_may_place(lowering, node->input[i], node->output[0]))
            nt_lower_bind(lowering, node->input[i], &part);
    }
}

static bool same_place(const struct nt_tensor *a, const struct nt_tensor *b)
{
    return a->buffer == b->buffer && a->offset == b->offset;
}

static enum nt_status concat_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    enum nt_status status = NT_OK;
    for (int i = 0; status == NT_OK && i < node->inputs; i++) {
        struct nt_tensor x = nt_lower_tensor(lowering, node->input[i]);
        struct nt_tensor part = part_of(lowering, node, y, i);
        if (!same_place(&x, &part))
            status = nt_move(lowering->tape, &x, &part);
    }
    return status;
}

const struct nt_op nt_op_concat = {
    .name = "concat",
    .summary = "inputs joined along one dimension",
    .shapes = "inputs equal in all dimensions but the axis; the result has the sum of their "
              "extents there",
    .inputs = "x...",
    .outputs = 1,
    .attrs = concat_attrs,
    .attr_count = 1,
    .layouts = "a>s",
    .infer = concat_infer,
    .gradient = concat_gradient,
    .lower = concat_lower,
    .views = true,
};

/* ---- stack ---- */

static const struct nt_attr_spec stack_attrs[] = {
    {"axis", NT_ATTR_INT, "dimension of the result that counts the inputs; negative: from the end",
        .fallback = 1, .min = -8, .max = 7},
};

static enum nt_status stack_expand(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape x = graph->value[node->input[0]].shape, y = {.rank = x.rank + 1};
    int parts[NT_MAX_INPUTS], axis = 0;
    char a[128], b[128];
    if (y.rank > NT_MAX_RANK)
        return nt_graph_fail(
            graph, NT_ERR_SHAPE, "stack: to rank %d: must be at most %d", y.rank, NT_MAX_RANK);
    enum nt_status status = nt_compose_axis(graph, node, nt_attr_int(node, "axis"), y.rank, &axis);
    if (status != NT_OK)
        return status;
    for (int i = 0; i < y.rank; i++)
        y.dim[i] = i == axis ? 1 : x.dim[i - (i > axis)];
    for (int i = 0; i < node->inputs; i++) {
        struct nt_shape other = graph->value[node->input[i]].shape;
        if (!nt_shape_equal(&x, &other))
            return nt_graph_fail(graph, NT_ERR_SHAPE, "stack: %s and %s: must be equal",
                nt_shape_text(&x, a, sizeof a), nt_shape_text(&other, b, sizeof b));
        parts[i] = nt_compose_reshape(graph, node->input[i], &y);
    }
    return nt_compose_end(graph, node, nt_compose_concat(graph, node->inputs, parts, axis));
}

const struct nt_op nt_op_stack = {
    .name = "stack",
    .summary = "inputs joined along a new dimension",
    .shapes = "equal shapes; the result has a new dimension with an extent of their number",
    .inputs = "x...",
    .outputs = 1,
    .attrs = stack_attrs,
    .attr_count = 1,
    .layouts = "r>r",
    .expand = stack_expand,
};

/* ---- split ---- */

static const struct nt_attr_spec split_attrs[] = {
    {"sizes", NT_ATTR_INTS, "extent of every part, the last may be less; or a list of extents",
        .required = true, .min = 1, .max = 1 << 30, .count = NT_MAX_INTS},
    {"axis", NT_ATTR_INT, "dimension to cut; negative: from the end", .fallback = 1, .min = -8,
        .max = 7},
};

/* Says how many outputs there are, and makes the list of their extents complete. */
static enum nt_status split_parameters(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_shape *x = &graph->value[node->input[0]].shape;
    struct nt_attr *sizes = &node->attr[0];
    int64_t sum = 0;
    int axis = 0;
    enum nt_status status = nt_compose_axis(graph, node, nt_attr_int(node, "axis"), x->rank, &axis);
    if (status != NT_OK)
        return status;
    int64_t extent = x->dim[axis];
    if (sizes->count == 1) {
        int64_t size = sizes->ints[0], count = (extent + size - 1) / size;
        if (count > NT_MAX_OUTPUTS)
            return nt_graph_fail(graph, NT_ERR_ARGUMENT, "split: %lld parts: must be at most %d",
                (long long)count, NT_MAX_OUTPUTS);
        sizes->count = (int)count;
        for (int i = 0; i < count; i++)
            sizes->ints[i] = i < count - 1 ? size : extent - size * i;
    }
    for (int i = 0; i < sizes->count; i++)
        sum += sizes->ints[i];
    if (sum != extent)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "split: sizes: their sum %lld: must be the extent %lld of dimension %d", (long long)sum,
            (long long)extent, axis);
    node->outputs = sizes->count;
    return NT_OK;
}

static enum nt_status split_infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_value x = graph->value[node->input[0]];
    for (int i = 0; i < node->outputs; i++) {
        struct nt_value *y = &graph->value[node->output[i]];
        y->dtype = x.dtype;
        y->shape = x.shape;
        y->shape.dim[axis_of(node, x.shape.rank)] = node->attr[0].ints[i];
    }
    return NT_OK;
}

static enum nt_status split_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    int parts[NT_MAX_OUTPUTS];
    for (int i = 0; i < node->outputs; i++) {
        struct nt_shape shape = graph->value[node->output[i]].shape;
        parts[i] = dy[i] >= 0 ? dy[i] : nt_graph_constant(graph, 0, &shape);
    }
    int axis = axis_of(node, graph->value[node->input[0]].shape.rank);
    dx[0] = nt_compose_concat(graph, node->outputs, parts, axis);
    return dx[0] < 0 ? graph->failure : NT_OK;
}

static enum nt_status split_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    int axis = axis_of(node, x.shape.rank);
    enum nt_status status = NT_OK;
    for (int i = 0; status == NT_OK && i < node->outputs; i++) {
        struct nt_tensor y = nt_lower_tensor(lowering, node->output[i]), part = x;
        part.shape = y.shape;
        status = nt_move(lowering->tape, &part, &y);
        x.offset += y.shape.dim[axis] * x.stride[axis];
    }
    return status;
}

const struct nt_op nt_op_split = {
    .name = "split",
    .summary = "parts along one dimension, one output each",
    .inputs = "x",
    .outputs = 0,
    .attrs = split_attrs,
    .attr_count = sizeof split_attrs / sizeof *split_attrs,
    .layouts = "a>s",
    .parameters = split_parameters,
    .infer = split_infer,
    .gradient = split_gradient,
    .lower = split_lower,
};

static const struct nt_attr_spec chunk_attrs[] = {
    {"chunks", NT_ATTR_INT, "how many parts; fewer when they do not come out equal",
        .required = true, .min = 1, .max = NT_MAX_OUTPUTS},
    {"axis", NT_ATTR_INT, "dimension to cut; negative: from the end", .fallback = 1, .min = -8,
        .max = 7},
};

static enum nt_status chunk_expand(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_shape *x = &graph->value[node->input[0]].shape;
    int64_t chunks = nt_attr_int(node, "chunks");
    int axis = 0;
    enum nt_status status = nt_compose_axis(graph, node, nt_attr_int(node, "axis"), x->rank, &axis);
    if (status != NT_OK)
        return status;
    struct nt_attr attr[2] = {
        {.set = true, .count = 1, .ints = {(x->dim[axis] + chunks - 1) / chunks}},
        {.set = true, .number = axis}};
    return nt_graph_add_many(
        graph, &nt_op_split, NULL, 1, node->input, attr, node->output, &node->outputs);
}

const struct nt_op nt_op_chunk = {
    .name = "chunk",
    .summary = "a number of equal parts along one dimension, one output each; the last may be less",
    .inputs = "x",
    .outputs = 0,
    .attrs = chunk_attrs,
    .attr_count = sizeof chunk_attrs / sizeof *chunk_attrs,
    .layouts = "a>s",
    .expand = chunk_expand,
};
