/* SPDX-License-Identifier: MIT
 *
 * Padding of any dimensions. Numbers below 0 crop.
 */
#include <string.h>

#include "frontend/op/compose.h"

/* ---- constant_pad: before and after have a number for every dimension ---- */

#define SIDES                                                                                      \
    {"before", NT_ATTR_INTS, "elements put before each axis; negative: taken off",                 \
        .min = -(1 << 30), .max = 1 << 30, .count = 8},                                            \
    {                                                                                              \
        "after", NT_ATTR_INTS, "the same behind it", .min = -(1 << 30), .max = 1 << 30, .count = 8 \
    }

static const struct nt_attr_spec constant_attrs[] = {
    SIDES,
    {"value", NT_ATTR_FLOAT, "the elements put there", .fallback = 0},
};
enum { BEFORE, AFTER, VALUE };

static enum nt_status constant_infer(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_value *x = &graph->value[node->input[0]];
    struct nt_shape y = x->shape;
    for (int i = 0; i < y.rank; i++)
        y.dim[i] += node->attr[BEFORE].ints[i] + node->attr[AFTER].ints[i];
    graph->value[node->output[0]].dtype = x->dtype;
    graph->value[node->output[0]].shape = y;
    return NT_OK;
}

static enum nt_status constant_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    struct nt_attr attr[3] = {node->attr[BEFORE], node->attr[AFTER], {.set = true}};
    for (int side = BEFORE; side <= AFTER; side++)
        for (int i = 0; i < attr[side].count; i++)
            attr[side].ints[i] = -attr[side].ints[i];
    return nt_graph_add(graph, &nt_op_constant_pad, NULL, 1, dy, attr, &dx[0]);
}

static enum nt_status constant_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]), part = y;
    bool border = false;
    for (int i = 0; i < x.shape.rank; i++) {
        int64_t before = node->attr[BEFORE].ints[i], after = node->attr[AFTER].ints[i];
        x.offset += before < 0 ? -before * x.stride[i] : 0;
        part.offset += before > 0 ? before * y.stride[i] : 0;
        x.shape.dim[i] += (before < 0 ? before : 0) + (after < 0 ? after : 0);
        part.shape.dim[i] = x.shape.dim[i];
        border |= before > 0 || after > 0;
    }
    enum nt_status status =
        border ? nt_fill(lowering->tape, nt_attr_float(node, "value"), &y) : NT_OK;
    return status == NT_OK ? nt_move(lowering->tape, &x, &part) : status;
}

const struct nt_op nt_op_constant_pad = {
    .name = "constant_pad",
    .summary = "a number put around x",
    .inputs = "x",
    .outputs = 1,
    .attrs = constant_attrs,
    .attr_count = sizeof constant_attrs / sizeof *constant_attrs,
    .internal = true,
    .layouts = "a>s",
    .infer = constant_infer,
    .gradient = constant_gradient,
    .lower = constant_lower,
};

/* ---- pad ---- */

static const struct nt_attr_spec attrs[] = {
    SIDES,
    {"value", NT_ATTR_FLOAT, "the elements put there, of mode constant", .fallback = 0},
    {"mode", NT_ATTR_CHOICE,
        "reflect: mirrored at the edge, which is not repeated; replicate: the edge; circular: the "
        "other end",
        .choices = "constant|reflect|replicate|circular"},
    {"axes", NT_ATTR_INTS, "dimensions to pad; default: the last ones", .min = -8, .max = 7,
        .count = 8},
};
enum { MODE = VALUE + 1, AXES };
enum { CONSTANT, REFLECT, REPLICATE, CIRCULAR };

/* What stands before (or behind) an axis: size elements. */
static int border(struct nt_graph *graph, int value, int axis, int mode, bool behind, int64_t size)
{
    struct nt_shape shape = graph->value[value].shape;
    int64_t n = shape.dim[axis];
    if (mode == REFLECT)
        return nt_compose_slice(graph, value, axis, behind ? n - 2 : size, size, -1);
    if (mode == CIRCULAR)
        return nt_compose_slice(graph, value, axis, behind ? 0 : n - size, size, 1);
    shape.dim[axis] = size;
    return nt_compose_broadcast(
        graph, nt_compose_slice(graph, value, axis, behind ? n - 1 : 0, 1, 1), &shape);
}

/* One dimension, with before and after of at least 0. */
static int pad_axis(struct nt_graph *graph, const struct nt_node *node, int value, int axis,
    int64_t before, int64_t after)
{
    static const char *const rules[] = {"", "less than", "", "at most"};
    int mode = (int)node->attr[MODE].number, parts[3], count = 0;
    int64_t n = graph->value[value].shape.dim[axis], most = before > after ? before : after;
    if ((mode == REFLECT && most >= n) || (mode == CIRCULAR && most > n)) {
        nt_graph_fail(graph, NT_ERR_SHAPE, "pad: %lld elements at dimension %d: must be %s %lld",
            (long long)most, axis, rules[mode], (long long)n);
        return -1;
    }
    if (before > 0)
        parts[count++] = border(graph, value, axis, mode, false, before);
    parts[count++] = value;
    if (after > 0)
        parts[count++] = border(graph, value, axis, mode, true, after);
    return nt_compose_concat(graph, count, parts, axis);
}

/* Fills before and after, one number for every dimension, from the node's lists. */
static enum nt_status take_sides(
    struct nt_graph *graph, const struct nt_node *node, struct nt_attr *sides)
{
    struct nt_shape x = graph->value[node->input[0]].shape;
    const struct nt_attr *axes = &node->attr[AXES];
    int count = axes->set                ? axes->count
                : node->attr[BEFORE].set ? node->attr[BEFORE].count
                                         : node->attr[AFTER].count;
    for (int side = BEFORE; side <= AFTER; side++) {
        const struct nt_attr *given = &node->attr[side];
        sides[side] = (struct nt_attr){.set = true, .count = x.rank};
        if (given->set && given->count != count && given->count != 1)
            return nt_graph_fail(graph, NT_ERR_ARGUMENT, "pad: %s: %d numbers: must be %d",
                attrs[side].name, given->count, count);
        for (int i = 0; given->set && i < count; i++) {
            int axis = 0;
            enum nt_status status =
                nt_compose_axis(graph, node, axes->set ? axes->ints[i] : i - count, x.rank, &axis);
            if (status != NT_OK)
                return status;
            sides[side].ints[axis] = given->ints[given->count == 1 ? 0 : i];
        }
    }
    for (int i = 0; i < x.rank; i++) {
        int64_t cropped = 0;
        for (int side = BEFORE; side <= AFTER; side++)
            cropped -= sides[side].ints[i] < 0 ? sides[side].ints[i] : 0;
        if (cropped >= x.dim[i])
            return nt_graph_fail(graph, NT_ERR_SHAPE,
                "pad: dimension %d, of extent %lld: nothing is left of it", i, (long long)x.dim[i]);
    }
    return NT_OK;
}

static enum nt_status expand(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_attr sides[3];
    int y = node->input[0], rank = graph->value[y].shape.rank;
    enum nt_status status = take_sides(graph, node, sides);
    if (status != NT_OK)
        return status;
    if (node->attr[MODE].number == CONSTANT) {
        sides[VALUE] = node->attr[VALUE];
        status = nt_graph_add(graph, &nt_op_constant_pad, NULL, 1, &y, sides, &y);
        return status == NT_OK ? nt_compose_end(graph, node, y) : status;
    }
    for (int i = 0; i < rank && y >= 0; i++) {
        int64_t before = sides[BEFORE].ints[i], after = sides[AFTER].ints[i];
        int64_t off = before < 0 ? -before : 0, end = after < 0 ? -after : 0;
        y = nt_compose_slice(graph, y, i, off, graph->value[y].shape.dim[i] - off - end, 1);
        if (y >= 0 && (before > 0 || after > 0))
            y = pad_axis(graph, node, y, i, before > 0 ? before : 0, after > 0 ? after : 0);
    }
    return nt_compose_end(graph, node, y);
}

const struct nt_op nt_op_pad = {
    .name = "pad",
    .summary = "elements put around x, or taken off it",
    .inputs = "x",
    .outputs = 1,
    .attrs = attrs,
    .attr_count = sizeof attrs / sizeof *attrs,
    .layouts = "a>s",
    .expand = expand,
};
