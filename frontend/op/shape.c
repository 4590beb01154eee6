/* SPDX-License-Identifier: MIT
 *
 * Operators that move elements: broadcast, transpose, slice, concat, and the change of layout.
 */
#include <string.h>

#include "frontend/op/layer.h"

/* ---- broadcast ---- */

static const struct nt_attr_spec broadcast_attrs[] = {
    {"shape", NT_ATTR_INTS, "shape to repeat to, with the batch", .required = true, .min = 1,
        .max = 1 << 30, .count = 8},
};

static enum nt_status broadcast_infer(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_attr *to = &node->attr[0];
    const struct nt_shape *x = &graph->value[node->input[0]].shape;
    struct nt_shape y = {.rank = to->count}, both;
    char a[128], b[128];
    memcpy(y.dim, to->ints, sizeof *y.dim * (size_t)y.rank);
    if (!nt_shape_broadcast(x, &y, &both) || !nt_shape_equal(&both, &y))
        return nt_graph_fail(graph, NT_ERR_SHAPE, "broadcast: %s to %s: does not broadcast",
            nt_shape_text(x, a, sizeof a), nt_shape_text(&y, b, sizeof b));
    graph->value[node->output[0]].shape = y;
    return NT_OK;
}

static enum nt_status broadcast_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    dx[0] = nt_graph_sum_to(graph, dy[0], &graph->value[node->input[0]].shape);
    return dx[0] < 0 ? NT_ERR_MEMORY : NT_OK;
}

static enum nt_status broadcast_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    x = nt_tensor_broadcast(&x, &y.shape);
    return nt_move(lowering->tape, &x, &y);
}

const struct nt_op nt_op_broadcast = {
    .name = "broadcast",
    .summary = "x repeated to a larger shape",
    .inputs = "x",
    .outputs = 1,
    .attrs = broadcast_attrs,
    .attr_count = 1,
    .layouts = "a>r",
    .infer = broadcast_infer,
    .gradient = broadcast_gradient,
    .lower = broadcast_lower,
};

/* ---- transpose ---- */

static const struct nt_attr_spec transpose_attrs[] = {
    {"axes", NT_ATTR_INTS, "the input's dimension that becomes each of the output's",
        .required = true, .max = 4, .count = 8},
};

static enum nt_status transpose_infer(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_attr *axes = &node->attr[0];
    const struct nt_value *x = &graph->value[node->input[0]];
    struct nt_shape y = x->shape;
    unsigned seen = 0;
    for (int i = 0; i < axes->count && i < y.rank; i++)
        seen |= 1u << axes->ints[i];
    if (axes->count != y.rank || seen != (1u << y.rank) - 1)
        return nt_graph_fail(graph, NT_ERR_ARGUMENT,
            "transpose: axes: must name each of the %d dimensions once", y.rank);
    for (int i = 0; i < y.rank; i++)
        y.dim[i] = x->shape.dim[axes->ints[i]];
    graph->value[node->output[0]].dtype = x->dtype;
    graph->value[node->output[0]].shape = y;
    return NT_OK;
}

static enum nt_status transpose_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    struct nt_attr back = {.set = true, .count = node->attr[0].count};
    for (int i = 0; i < back.count; i++)
        back.ints[node->attr[0].ints[i]] = i;
    return nt_graph_add(graph, &nt_op_transpose, NULL, 1, dy, &back, dx);
}

static enum nt_status transpose_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]), view = x;
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    for (int i = 0; i < y.shape.rank; i++) {
        view.shape.dim[i] = x.shape.dim[node->attr[0].ints[i]];
        view.stride[i] = x.stride[node->attr[0].ints[i]];
    }
    return nt_move(lowering->tape, &view, &y);
}

const struct nt_op nt_op_transpose = {
    .name = "transpose",
    .summary = "dimensions in another order",
    .inputs = "x",
    .outputs = 1,
    .attrs = transpose_attrs,
    .attr_count = 1,
    .layouts = "a>r",
    .infer = transpose_infer,
    .gradient = transpose_gradient,
    .lower = transpose_lower,
};

/* ---- slice ---- */

static const struct nt_attr_spec slice_attrs[] = {
    {"axis", NT_ATTR_INT, "dimension to cut", .fallback = 1, .max = 4},
    {"first", NT_ATTR_INT, "first index kept", .max = 1 << 30},
    {"count", NT_ATTR_INT, "indices kept", .required = true, .min = 1, .max = 1 << 30},
};

static enum nt_status slice_infer(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_value *x = &graph->value[node->input[0]];
    int64_t axis = nt_attr_int(node, "axis"), first = nt_attr_int(node, "first");
    int64_t count = nt_attr_int(node, "count");
    struct nt_shape y = x->shape;
    if (axis >= y.rank)
        return nt_graph_fail(graph, NT_ERR_ARGUMENT, "slice: axis %lld: the input has rank %d",
            (long long)axis, y.rank);
    if (first + count > y.dim[axis])
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "slice: %lld elements from %lld: must lie inside the extent %lld", (long long)count,
            (long long)first, (long long)y.dim[axis]);
    y.dim[axis] = count;
    graph->value[node->output[0]].dtype = x->dtype;
    graph->value[node->output[0]].shape = y;
    return NT_OK;
}

static enum nt_status slice_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    struct nt_attr attr[3];
    memcpy(attr, node->attr, sizeof attr);
    attr[0].set = attr[1].set = attr[2].set = true;
    enum nt_status status = nt_graph_add(graph, &nt_op_slice_backward, NULL, 1, dy, attr, &dx[0]);
    if (status == NT_OK)
        graph->value[dx[0]].shape = graph->value[node->input[0]].shape;
    return status;
}

/* The part of a tensor that a slice node names. */
static struct nt_tensor cut(struct nt_tensor t, const struct nt_node *node)
{
    int64_t axis = nt_attr_int(node, "axis");
    t.offset += nt_attr_int(node, "first") * t.stride[axis];
    t.shape.dim[axis] = nt_attr_int(node, "count");
    return t;
}

static enum nt_status slice_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = cut(nt_lower_tensor(lowering, node->input[0]), node);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    return nt_move(lowering->tape, &x, &y);
}

static enum nt_status slice_backward_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor dy = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor dx = nt_lower_tensor(lowering, node->output[0]), part = cut(dx, node);
    enum nt_status status = nt_fill(lowering->tape, 0, &dx);
    return status == NT_OK ? nt_move(lowering->tape, &dy, &part) : status;
}

const struct nt_op nt_op_slice = {
    .name = "slice",
    .summary = "a range of indices of one dimension",
    .inputs = "x",
    .outputs = 1,
    .attrs = slice_attrs,
    .attr_count = sizeof slice_attrs / sizeof *slice_attrs,
    .layouts = "a>s",
    .infer = slice_infer,
    .gradient = slice_gradient,
    .lower = slice_lower,
};

const struct nt_op nt_op_slice_backward = {
    .name = "slice_backward",
    .summary = "gradient of slice: zeros around dy",
    .inputs = "dy",
    .outputs = 1,
    .attrs = slice_attrs,
    .attr_count = sizeof slice_attrs / sizeof *slice_attrs,
    .internal = true,
    .layouts = "a>s",
    .infer = nt_layer_infer_later,
    .lower = slice_backward_lower,
};

/* ---- concat ---- */

static const struct nt_attr_spec concat_attrs[] = {
    {"axis", NT_ATTR_INT, "dimension to join along", .fallback = 1, .max = 4},
};

static enum nt_status concat_infer(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_value *x = &graph->value[node->input[0]];
    struct nt_shape y = x->shape;
    int64_t axis = nt_attr_int(node, "axis");
    char a[128], b[128];
    if (axis >= y.rank)
        return nt_graph_fail(graph, NT_ERR_ARGUMENT, "concat: axis %lld: the input has rank %d",
            (long long)axis, y.rank);
    for (int i = 1; i < node->inputs; i++) {
        struct nt_shape other = graph->value[node->input[i]].shape, same = other;
        if (other.rank == y.rank)
            same.dim[axis] = y.dim[axis];
        if (!nt_shape_equal(&same, &y))
            return nt_graph_fail(graph, NT_ERR_SHAPE,
                "concat: %s and %s: must agree in all dimensions but %lld",
                nt_shape_text(&y, a, sizeof a), nt_shape_text(&other, b, sizeof b),
                (long long)axis);
        y.dim[axis] += other.dim[axis];
    }
    graph->value[node->output[0]].dtype = x->dtype;
    graph->value[node->output[0]].shape = y;
    return NT_OK;
}

static enum nt_status concat_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    int64_t axis = nt_attr_int(node, "axis"), first = 0;
    enum nt_status status = NT_OK;
    for (int i = 0; status == NT_OK && i < node->inputs; i++) {
        int64_t count = graph->value[node->input[i]].shape.dim[axis];
        struct nt_attr attr[3] = {{.set = true, .number = (double)axis},
            {.set = true, .number = (double)first}, {.set = true, .number = (double)count}};
        if (want[i])
            status = nt_graph_add(graph, &nt_op_slice, NULL, 1, dy, attr, &dx[i]);
        first += count;
    }
    return status;
}

static enum nt_status concat_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    int64_t axis = nt_attr_int(node, "axis");
    enum nt_status status = NT_OK;
    for (int i = 0; status == NT_OK && i < node->inputs; i++) {
        struct nt_tensor x = nt_lower_tensor(lowering, node->input[i]), part = y;
        part.shape = x.shape;
        status = nt_move(lowering->tape, &x, &part);
        y.offset += x.shape.dim[axis] * y.stride[axis];
    }
    return status;
}

const struct nt_op nt_op_concat = {
    .name = "concat",
    .summary = "inputs joined along one dimension",
    .inputs = "x...",
    .outputs = 1,
    .attrs = concat_attrs,
    .attr_count = 1,
    .layouts = "a>s",
    .infer = concat_infer,
    .gradient = concat_gradient,
    .lower = concat_lower,
};

/* ---- convert_layout ---- */

static enum nt_status convert_infer(struct nt_graph *graph, struct nt_node *node)
{
    graph->value[node->output[0]].dtype = graph->value[node->input[0]].dtype;
    graph->value[node->output[0]].shape = graph->value[node->input[0]].shape;
    return NT_OK;
}

static enum nt_status convert_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    enum nt_layout layout = lowering->graph->value[node->output[0]].layout;
    if (nt_tensor_is(&x, layout)) { /* one channel or one pixel: both layouts are the same */
        struct nt_tensor view = nt_tensor_make(x.buffer, x.dtype, &x.shape, layout);
        view.offset = x.offset;
        nt_lower_bind(lowering, node->output[0], &view);
        return NT_OK;
    }
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    return nt_move(lowering->tape, &x, &y);
}

/* Inserted by nt_assign_layouts, which sets the layouts. */
const struct nt_op nt_op_convert_layout = {
    .name = "convert_layout",
    .summary = "the same value in another memory layout",
    .inputs = "x",
    .outputs = 1,
    .internal = true,
    .layouts = "a>a",
    .infer = convert_infer,
    .lower = convert_lower,
};
