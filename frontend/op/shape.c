/* SPDX-License-Identifier: MIT
 *
 * Operators that move all elements: broadcast, tile, transpose, and the change of layout.
 */
#include <string.h>

#include "frontend/op/compose.h"

/* ---- broadcast ---- */

static const struct nt_attr_spec broadcast_attrs[] = {
    {"shape", NT_ATTR_INTS, "shape to repeat to, with the batch; -1 keeps the input's extent",
        .required = true, .min = -1, .max = 1 << 30, .count = 8},
};

static enum nt_status broadcast_infer(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_attr *to = &node->attr[0];
    const struct nt_shape *x = &graph->value[node->input[0]].shape;
    struct nt_shape y = {.rank = to->count}, both;
    char a[128], b[128];
    memcpy(y.dim, to->ints, sizeof *y.dim * (size_t)y.rank);
    for (int i = 0, lead = y.rank - x->rank; i < y.rank; i++)
        if (y.dim[i] == -1 && i >= lead)
            y.dim[i] = x->dim[i - lead];
    if (!nt_shape_broadcast(x, &y, &both) || !nt_shape_equal(&both, &y))
        return nt_graph_fail(graph, NT_ERR_SHAPE, "broadcast: %s to %s: does not broadcast",
            nt_shape_text(x, a, sizeof a), nt_shape_text(&y, b, sizeof b));
    graph->value[node->output[0]].dtype = graph->value[node->input[0]].dtype;
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
    .shapes = "x to a shape that it broadcasts to",
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
    {"axes", NT_ATTR_INTS,
        "the input's dimension that becomes each of the output's; negative: from the end; "
        "default: the order reversed",
        .min = -8, .max = 7, .count = 8},
};

/* The input's dimension that becomes the output's i-th. */
static int from_axis(const struct nt_node *node, int rank, int i)
{
    int axis = node->attr[0].set ? (int)node->attr[0].ints[i] : rank - 1 - i;
    return axis < 0 ? axis + rank : axis;
}

static enum nt_status transpose_infer(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_attr *axes = &node->attr[0];
    const struct nt_value *x = &graph->value[node->input[0]];
    struct nt_shape y = x->shape;
    unsigned seen = 0;
    for (int i = 0; axes->set && i < axes->count && i < y.rank; i++)
        if (from_axis(node, y.rank, i) >= 0)
            seen |= 1u << from_axis(node, y.rank, i);
    if (axes->set && (axes->count != y.rank || seen != (1u << y.rank) - 1))
        return nt_graph_fail(graph, NT_ERR_ARGUMENT,
            "transpose: axes: must name each of the %d dimensions once", y.rank);
    for (int i = 0; i < y.rank; i++)
        y.dim[i] = x->shape.dim[from_axis(node, y.rank, i)];
    graph->value[node->output[0]].dtype = x->dtype;
    graph->value[node->output[0]].shape = y;
    return NT_OK;
}

static enum nt_status transpose_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    int rank = graph->value[node->input[0]].shape.rank, back[NT_MAX_RANK];
    for (int i = 0; i < rank; i++)
        back[from_axis(node, rank, i)] = i;
    dx[0] = nt_compose_transpose(graph, dy[0], back);
    return dx[0] < 0 ? graph->failure : NT_OK;
}

static enum nt_status transpose_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]), view = x;
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    for (int i = 0; i < y.shape.rank; i++) {
        view.shape.dim[i] = x.shape.dim[from_axis(node, y.shape.rank, i)];
        view.stride[i] = x.stride[from_axis(node, y.shape.rank, i)];
    }
    return nt_move(lowering->tape, &view, &y);
}

const struct nt_op nt_op_transpose = {
    .name = "transpose",
    .summary = "dimensions in another order",
    .shapes = "the dimensions of x in the order of the axes",
    .inputs = "x",
    .outputs = 1,
    .attrs = transpose_attrs,
    .attr_count = 1,
    .layouts = "a>r",
    .infer = transpose_infer,
    .gradient = transpose_gradient,
    .lower = transpose_lower,
};

/* ---- tile ---- */

static const struct nt_attr_spec tile_attrs[] = {
    {"repeats", NT_ATTR_INTS, "how often each dimension is repeated; the last ones when fewer",
        .required = true, .min = 1, .max = 1 << 30, .count = 8},
};

/* One dimension repeated: outer x 1 x inner becomes outer x times x inner. */
static int tile_axis(struct nt_graph *graph, int value, int axis, int64_t times)
{
    if (value < 0 || times == 1)
        return value;
    struct nt_shape x = graph->value[value].shape, y = x, rows = {3, {1, 1, 1}};
    for (int i = 0; i < x.rank; i++)
        rows.dim[i < axis ? 0 : 2] *= x.dim[i];
    y.dim[axis] *= times;
    value = nt_compose_reshape(graph, value, &rows);
    rows.dim[1] = times;
    return nt_compose_reshape(graph, nt_compose_broadcast(graph, value, &rows), &y);
}

static enum nt_status tile_expand(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_attr *repeats = &node->attr[0];
    int y = node->input[0];
    struct nt_shape x = graph->value[y].shape, full = x;
    int lead = repeats->count - x.rank;
    for (int i = 0; lead > 0 && i < repeats->count; i++)
        full.dim[i] = i < lead ? 1 : x.dim[i - lead];
    full.rank = lead > 0 ? repeats->count : x.rank;
    y = nt_compose_reshape(graph, y, &full);
    for (int i = 0; i < repeats->count; i++)
        y = tile_axis(graph, y, full.rank - repeats->count + i, repeats->ints[i]);
    return nt_compose_end(graph, node, y);
}

const struct nt_op nt_op_tile = {
    .name = "tile",
    .summary = "x repeated along its dimensions, as NumPy's tile",
    .inputs = "x",
    .outputs = 1,
    .attrs = tile_attrs,
    .attr_count = sizeof tile_attrs / sizeof *tile_attrs,
    .layouts = "r>r",
    .expand = tile_expand,
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
