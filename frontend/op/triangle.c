/* SPDX-License-Identifier: MIT
 *
 * Parts of matrices by the distance from the diagonal: trilu, eye_like. The last two dimensions are
 * the matrices; row and column are indices without memory.
 */
#include "frontend/op/compose.h"

static const struct nt_attr_spec trilu_attrs[] = {
    {"upper", NT_ATTR_BOOL, "keep what is above the diagonal, else what is below", .fallback = 1},
    {"k", NT_ATTR_INT, "which diagonal: columns to the right of the main one", .min = -(1 << 30),
        .max = 1 << 30},
};
static const struct nt_attr_spec eye_attrs[] = {
    {"k", NT_ATTR_INT, "which diagonal: columns to the right of the main one", .min = -(1 << 30),
        .max = 1 << 30},
};

/* A formula of the number k as a, the indices of columns and rows as b and c, and x as d, if it is
 * among its inputs. */
static enum nt_status by_place(
    struct nt_graph *graph, struct nt_node *node, const char *text, int inputs)
{
    int x = node->input[0];
    struct nt_shape shape = graph->value[x].shape;
    char name[128];
    if (shape.rank < 2)
        return nt_graph_fail(graph, NT_ERR_SHAPE, "%s: x of shape %s: must have rank 2 at least",
            node->op->name, nt_shape_text(&shape, name, sizeof name));
    struct nt_shape columns = {1, {shape.dim[shape.rank - 1]}};
    struct nt_shape rows = {2, {shape.dim[shape.rank - 2], 1}};
    int in[4] = {nt_graph_number(graph, (double)nt_attr_int(node, "k")),
        nt_graph_index(graph, &columns, 0), nt_graph_index(graph, &rows, 0), x};
    if (in[0] < 0 || in[1] < 0 || in[2] < 0)
        return NT_ERR_MEMORY;
    int y = nt_graph_formula(graph, text, inputs, in);
    return nt_compose_end(graph, node, nt_compose_broadcast(graph, y, &shape));
}

static enum nt_status trilu_expand(struct nt_graph *graph, struct nt_node *node)
{
    return by_place(graph, node,
        nt_attr_bool(node, "upper") ? "select(number(b) - number(c) >= a, d, 0)"
                                    : "select(number(b) - number(c) <= a, d, 0)",
        4);
}

static enum nt_status eye_expand(struct nt_graph *graph, struct nt_node *node)
{
    return by_place(graph, node, "number(b) - number(c) == a", 3);
}

const struct nt_op nt_op_trilu = {
    .name = "trilu",
    .summary = "the upper or lower triangle of matrices, zeros elsewhere",
    .source = "ONNX operator Trilu; PyTorch's triu and tril",
    .shapes = "x of rank 2 or more; result: of the shape of x",
    .inputs = "x",
    .outputs = 1,
    .attrs = trilu_attrs,
    .attr_count = sizeof trilu_attrs / sizeof *trilu_attrs,
    .layouts = "a>a",
    .expand = trilu_expand,
};

const struct nt_op nt_op_eye_like = {
    .name = "eye_like",
    .summary = "matrices with 1 on a diagonal and 0 elsewhere",
    .source = "ONNX operator EyeLike; PyTorch's eye",
    .shapes = "x of rank 2 or more; result: of the shape of x",
    .inputs = "x",
    .outputs = 1,
    .attrs = eye_attrs,
    .attr_count = sizeof eye_attrs / sizeof *eye_attrs,
    .layouts = "a>a",
    .expand = eye_expand,
};
