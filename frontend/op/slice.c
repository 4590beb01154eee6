/* SPDX-License-Identifier: MIT
 *
 * Parts of a tensor: slices with steps, and what is made of them.
 */
#include <string.h>

#include "frontend/op/compose.h"
#include "frontend/op/layer.h"

/* ---- strided_slice ---- */

#define ANY_INDEX .min = INT32_MIN, .max = INT32_MAX

static const struct nt_attr_spec strided_attrs[] = {
    {"starts", NT_ATTR_INTS, "first index of each axis; negative: from the end", .required = true,
        ANY_INDEX, .count = 8},
    {"ends", NT_ATTR_INTS,
        "index before which each stops; negative: from the end; beyond it: clamped; default: all",
        ANY_INDEX, .count = 8},
    {"axes", NT_ATTR_INTS, "dimensions to cut; default: the first ones", .min = -8, .max = 7,
        .count = 8},
    {"steps", NT_ATTR_INTS, "every so many; negative: backwards; default 1", ANY_INDEX, .count = 8},
};
enum { STARTS, ENDS, AXES, STEPS };

/* The indices first, first + step, ... of each dimension. */
struct cut {
    int64_t first[NT_MAX_RANK], count[NT_MAX_RANK], step[NT_MAX_RANK];
};

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* As ONNX's Slice: negative numbers count from the end, then both are clamped. */
static void cut_axis(struct cut *cut, int axis, int64_t extent, int64_t start, int64_t end,
    bool to_the_end, int64_t step)
{
    int64_t back = step < 0;
    start = clamp(start < 0 ? start + extent : start, 0, extent - back);
    if (to_the_end)
        end = back ? -1 : extent;
    else
        end = clamp(end < 0 ? end + extent : end, -back, extent - back);
    int64_t reach = back ? start - end : end - start, by = back ? -step : step;
    cut->first[axis] = start;
    cut->step[axis] = step;
    cut->count[axis] = reach > 0 ? (reach + by - 1) / by : 0;
}

static enum nt_status take_cut(
    struct nt_graph *graph, const struct nt_node *node, const struct nt_shape *x, struct cut *cut)
{
    const struct nt_attr *attr = node->attr;
    int count = attr[STARTS].count;
    unsigned mask = 0;
    struct nt_attr axes = attr[AXES];
    for (int i = 0; !axes.set && i < count; i++)
        axes.ints[i] = i;
    if (!axes.set)
        axes.count = count;
    for (int i = ENDS; i <= STEPS; i++)
        if (attr[i].set && attr[i].count != count)
            return nt_graph_fail(graph, NT_ERR_ARGUMENT, "%s: %s: %d numbers: must be %d, as %s",
                node->op->name, strided_attrs[i].name, attr[i].count, count,
                strided_attrs[STARTS].name);
    enum nt_status status = nt_compose_axes(graph, node, &axes, x->rank, &mask);
    if (status != NT_OK)
        return status;
    for (int i = 0; i < x->rank; i++)
        cut_axis(cut, i, x->dim[i], 0, 0, true, 1);
    for (int i = 0; i < count; i++) {
        int axis = (int)(axes.ints[i] < 0 ? axes.ints[i] + x->rank : axes.ints[i]);
        int64_t step = attr[STEPS].set ? attr[STEPS].ints[i] : 1;
        if (step == 0)
            return nt_graph_fail(
                graph, NT_ERR_ARGUMENT, "%s: steps: must not be 0", node->op->name);
        cut_axis(cut, axis, x->dim[axis], attr[STARTS].ints[i], attr[ENDS].ints[i], !attr[ENDS].set,
            step);
        if (cut->count[axis] < 1)
            return nt_graph_fail(graph, NT_ERR_SHAPE,
                "%s: dimension %d, of extent %lld: nothing is left of it", node->op->name, axis,
                (long long)x->dim[axis]);
    }
    return NT_OK;
}

static enum nt_status strided_infer(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_value *x = &graph->value[node->input[0]];
    struct nt_value *y = &graph->value[node->output[0]];
    struct cut cut;
    enum nt_status status = take_cut(graph, node, &x->shape, &cut);
    if (status != NT_OK)
        return status;
    y->dtype = x->dtype;
    y->shape.rank = x->shape.rank;
    memcpy(y->shape.dim, cut.count, sizeof cut.count);
    return NT_OK;
}

static enum nt_status strided_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    struct nt_attr attr[4];
    struct nt_shape shape = graph->value[node->input[0]].shape;
    memcpy(attr, node->attr, sizeof attr);
    enum nt_status status =
        nt_graph_add(graph, &nt_op_strided_slice_backward, NULL, 1, dy, attr, &dx[0]);
    if (status == NT_OK)
        graph->value[dx[0]].shape = shape;
    return status;
}

/* The view of a tensor that the node names. */
static enum nt_status cut_tensor(
    struct nt_graph *graph, const struct nt_node *node, struct nt_tensor *t)
{
    struct cut cut;
    enum nt_status status = take_cut(graph, node, &t->shape, &cut);
    for (int i = 0; status == NT_OK && i < t->shape.rank; i++) {
        t->offset += cut.first[i] * t->stride[i];
        t->stride[i] *= cut.step[i];
        t->shape.dim[i] = cut.count[i];
    }
    return status;
}

static bool steps_are_one(const struct nt_node *node)
{
    const struct nt_attr *steps = &node->attr[STEPS];
    for (int i = 0; steps->set && i < steps->count; i++)
        if (steps->ints[i] != 1)
            return false;
    return true;
}

static enum nt_status strided_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    enum nt_status status = cut_tensor(lowering->graph, node, &x);
    if (status != NT_OK)
        return status;
    if (x.buffer >= 0 && steps_are_one(node) &&
        nt_lower_may_view(lowering, node->input[0], node->output[0])) {
        nt_lower_bind(lowering, node->output[0], &x);
        return NT_OK;
    }
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    return nt_move(lowering->tape, &x, &y);
}

static enum nt_status strided_backward_lower(
    struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor dy = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor dx = nt_lower_tensor(lowering, node->output[0]), part = dx;
    enum nt_status status = cut_tensor(lowering->graph, node, &part);
    if (status == NT_OK)
        status = nt_fill(lowering->tape, 0, &dx);
    return status == NT_OK ? nt_move(lowering->tape, &dy, &part) : status;
}

const struct nt_op nt_op_strided_slice = {
    .name = "strided_slice",
    .summary = "indices start, start + step, ... before end of several dimensions",
    .source = "ONNX operator Slice; NumPy's x[start:end:step]",
    .inputs = "x",
    .outputs = 1,
    .attrs = strided_attrs,
    .attr_count = sizeof strided_attrs / sizeof *strided_attrs,
    .layouts = "a>s",
    .infer = strided_infer,
    .gradient = strided_gradient,
    .lower = strided_lower,
    .views = true,
};

const struct nt_op nt_op_strided_slice_backward = {
    .name = "strided_slice_backward",
    .summary = "gradient of strided_slice: zeros around dy",
    .inputs = "dy",
    .outputs = 1,
    .attrs = strided_attrs,
    .attr_count = sizeof strided_attrs / sizeof *strided_attrs,
    .internal = true,
    .layouts = "a>s",
    .infer = nt_layer_infer_later,
    .lower = strided_backward_lower,
};

/* ---- slice ---- */

static const struct nt_attr_spec slice_attrs[] = {
    {"axis", NT_ATTR_INT, "dimension to cut; negative: from the end", .fallback = 1, .min = -8,
        .max = 7},
    {"first", NT_ATTR_INT, "first index kept; negative: from the end", .min = INT32_MIN,
        .max = 1 << 30},
    {"count", NT_ATTR_INT, "indices kept", .required = true, .min = 1, .max = 1 << 30},
};

static enum nt_status slice_expand(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_shape *x = &graph->value[node->input[0]].shape;
    int64_t first = nt_attr_int(node, "first"), count = nt_attr_int(node, "count");
    int axis = 0;
    enum nt_status status = nt_compose_axis(graph, node, nt_attr_int(node, "axis"), x->rank, &axis);
    if (status != NT_OK)
        return status;
    int64_t from = first < 0 ? first + x->dim[axis] : first;
    if (from < 0 || from + count > x->dim[axis])
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "slice: %lld elements from %lld: must lie inside the extent %lld", (long long)count,
            (long long)first, (long long)x->dim[axis]);
    return nt_compose_end(
        graph, node, nt_compose_slice(graph, node->input[0], axis, from, count, 1));
}

const struct nt_op nt_op_slice = {
    .name = "slice",
    .summary = "a range of indices of one dimension",
    .shapes = "x with a shorter axis",
    .inputs = "x",
    .outputs = 1,
    .attrs = slice_attrs,
    .attr_count = sizeof slice_attrs / sizeof *slice_attrs,
    .layouts = "a>s",
    .expand = slice_expand,
};

/* ---- flip ---- */

static const struct nt_attr_spec flip_attrs[] = {
    {"axes", NT_ATTR_INTS, "dimensions to reverse", .required = true, .min = -8, .max = 7,
        .count = 8},
};

static enum nt_status flip_expand(struct nt_graph *graph, struct nt_node *node)
{
    int x = node->input[0], rank = graph->value[x].shape.rank;
    unsigned mask = 0;
    enum nt_status status = nt_compose_axes(graph, node, &node->attr[0], rank, &mask);
    if (status != NT_OK)
        return status;
    struct nt_attr attr[4] = {{.set = true}, {0}, {.set = true}, {.set = true}};
    for (int i = 0; i < rank; i++)
        if (mask & 1u << i) {
            attr[STARTS].ints[attr[STARTS].count++] = -1;
            attr[AXES].ints[attr[AXES].count++] = i;
            attr[STEPS].ints[attr[STEPS].count++] = -1;
        }
    int y;
    status = nt_graph_add(graph, &nt_op_strided_slice, NULL, 1, &x, attr, &y);
    return status == NT_OK ? nt_compose_end(graph, node, y) : status;
}

const struct nt_op nt_op_flip = {
    .name = "flip",
    .summary = "dimensions reversed",
    .shapes = "result as x",
    .inputs = "x",
    .outputs = 1,
    .attrs = flip_attrs,
    .attr_count = sizeof flip_attrs / sizeof *flip_attrs,
    .layouts = "a>s",
    .expand = flip_expand,
};

/* ---- roll ---- */

static const struct nt_attr_spec roll_attrs[] = {
    {"shifts", NT_ATTR_INTS, "by how many indices each axis moves to higher ones", .required = true,
        ANY_INDEX, .count = 8},
    {"axes", NT_ATTR_INTS, "dimensions to move; default: the flattened tensor", .min = -8, .max = 7,
        .count = 8},
};

static int roll_axis(struct nt_graph *graph, int value, int axis, int64_t shift)
{
    if (value < 0)
        return -1;
    int64_t extent = graph->value[value].shape.dim[axis];
    shift = (shift % extent + extent) % extent;
    if (shift == 0)
        return value;
    int parts[2] = {nt_compose_slice(graph, value, axis, extent - shift, shift, 1),
        nt_compose_slice(graph, value, axis, 0, extent - shift, 1)};
    return nt_compose_concat(graph, 2, parts, axis);
}

static enum nt_status roll_expand(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_attr *shifts = &node->attr[0], *axes = &node->attr[1];
    int y = node->input[0];
    struct nt_shape shape = graph->value[y].shape, flat = {1, {nt_shape_count(&shape)}};
    if (shifts->count != (axes->set ? axes->count : 1))
        return nt_graph_fail(graph, NT_ERR_ARGUMENT, "roll: shifts: %d numbers: must be %d",
            shifts->count, axes->set ? axes->count : 1);
    if (!axes->set) {
        y = roll_axis(graph, nt_compose_reshape(graph, y, &flat), 0, shifts->ints[0]);
        return nt_compose_end(graph, node, nt_compose_reshape(graph, y, &shape));
    }
    for (int i = 0; i < axes->count; i++) {
        int axis = 0;
        enum nt_status status = nt_compose_axis(graph, node, axes->ints[i], shape.rank, &axis);
        if (status != NT_OK)
            return status;
        y = roll_axis(graph, y, axis, shifts->ints[i]);
    }
    return nt_compose_end(graph, node, y);
}

const struct nt_op nt_op_roll = {
    .name = "roll",
    .summary = "indices moved along dimensions; what leaves at one end comes in at the other",
    .shapes = "result as x",
    .inputs = "x",
    .outputs = 1,
    .attrs = roll_attrs,
    .attr_count = sizeof roll_attrs / sizeof *roll_attrs,
    .layouts = "a>s",
    .expand = roll_expand,
};
