/* SPDX-License-Identifier: MIT
 *
 * Elements put where an index says: scatter_add, scatter_elements, scatter_nd; and gather_nd, which
 * reads by the same index. Indices are int32; negative ones count from the end, bad ones do
 * nothing.
 */
#include "frontend/op/compose.h"
#include "frontend/op/index.h"

#define AXIS                                                                                       \
    {                                                                                              \
        "axis", NT_ATTR_INT, "dimension of x that the index chooses from; negative: from the end", \
            .fallback = 0, .min = -8, .max = 7                                                     \
    }
#define REDUCTION                                                                                  \
    {                                                                                              \
        "reduction", NT_ATTR_CHOICE,                                                               \
            "how what comes to a place joins what is there; none: the last one replaces it",       \
            .choices = "none|add|mul|max|min"                                                      \
    }

static const struct nt_attr_spec add_attrs[] = {AXIS};
static const struct nt_attr_spec elements_attrs[] = {AXIS, REDUCTION};
static const struct nt_attr_spec nd_attrs[] = {REDUCTION};
static const struct nt_attr_spec gather_attrs[] = {
    {"batch_dims", NT_ATTR_INT, "leading dimensions that x and the index have in common", .min = 0,
        .max = 7},
};

static enum nt_scatter reduction_of(const struct nt_node *node)
{
    /* in the order of the attribute's words */
    static const enum nt_scatter how[] = {
        NT_SCATTER_REPLACE, NT_SCATTER_ADD, NT_SCATTER_MUL, NT_SCATTER_MAX, NT_SCATTER_MIN};
    return node->op == &nt_op_scatter_add ? NT_SCATTER_ADD : how[nt_attr_int(node, "reduction")];
}

static struct nt_attr number(double value)
{
    return (struct nt_attr){.set = true, .number = value};
}

/* ---- scatter_add, scatter_elements ---- */

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape index = graph->value[node->input[1]].shape;
    struct nt_shape source = graph->value[node->input[2]].shape;
    enum nt_dtype dtype = graph->value[node->input[0]].dtype;
    int axis = 0;
    char a[128], b[128];
    enum nt_status status = nt_index_check_elements(graph, node, 1, &axis);
    if (status != NT_OK)
        return status;
    if (!nt_shape_equal(&index, &source))
        return nt_graph_fail(graph, NT_ERR_SHAPE, "%s: index of %s: must be of %s, as source",
            node->op->name, nt_shape_text(&index, a, sizeof a),
            nt_shape_text(&source, b, sizeof b));
    if (dtype != graph->value[node->input[2]].dtype || (dtype != NT_F32 && dtype != NT_I32))
        return nt_graph_fail(graph, NT_ERR_UNSUPPORTED,
            "%s: x of %s, source of %s: must be of one type, float32 or int32", node->op->name,
            nt_dtype_name(dtype), nt_dtype_name(graph->value[node->input[2]].dtype));
    graph->value[node->output[0]].dtype = dtype;
    graph->value[node->output[0]].shape = graph->value[node->input[0]].shape;
    return NT_OK;
}

static int elements(struct nt_graph *graph, int x, int index, int source, int axis)
{
    struct nt_attr attr[2] = {number(axis), number(0)};
    int y;
    return x >= 0 && source >= 0 &&
                   nt_graph_add(graph, &nt_op_scatter_elements, NULL, 3, (int[]){x, index, source},
                       attr, &y) == NT_OK
               ? y
               : -1;
}

static int gather(struct nt_graph *graph, int x, int index, int axis)
{
    struct nt_attr attr = number(axis);
    int y;
    return x >= 0 && nt_graph_add(graph, &nt_op_gather_elements, NULL, 2, (int[]){x, index}, &attr,
                         &y) == NT_OK
               ? y
               : -1;
}

/* 1 for the elements of source that no later one replaces: each writes its number, and finds its
 * own where it wrote. */
static int stays(struct nt_graph *graph, int index, int axis, const struct nt_shape *x)
{
    struct nt_shape shape = graph->value[index].shape;
    int which = nt_graph_index(graph, &shape, 0), none = nt_graph_constant(graph, -1, x);
    int own = which < 0 ? -1 : nt_graph_formula(graph, "number(a)", 1, &which);
    int last = gather(graph, elements(graph, none, index, own, axis), index, axis);
    return last < 0 ? -1 : nt_graph_formula(graph, "a == b", 2, (int[]){own, last});
}

static enum nt_status gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    struct nt_shape x = graph->value[node->input[0]].shape;
    struct nt_shape shape = graph->value[node->input[1]].shape;
    int index = node->input[1], axis = nt_index_axis(node, x.rank);
    enum nt_scatter how = reduction_of(node);
    if (how != NT_SCATTER_ADD && how != NT_SCATTER_REPLACE)
        return nt_graph_fail(graph, NT_ERR_UNSUPPORTED,
            "%s: has a gradient for the reductions none and add alone", node->op->name);
    if (want[0])
        dx[0] = how == NT_SCATTER_ADD
                    ? dy[0]
                    : elements(graph, dy[0], index, nt_graph_constant(graph, 0, &shape), axis);
    if (want[0] && dx[0] < 0)
        return graph->failure;
    if (!want[2])
        return NT_OK;
    dx[2] = gather(graph, dy[0], index, axis);
    int mask = dx[2] < 0 || how == NT_SCATTER_ADD ? -1 : stays(graph, index, axis, &x);
    if (how == NT_SCATTER_REPLACE)
        dx[2] = mask < 0 ? -1 : nt_graph_formula(graph, "select(a, b, 0)", 2, (int[]){mask, dx[2]});
    return dx[2] < 0 ? graph->failure : NT_OK;
}

static enum nt_status lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor index = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor source = nt_lower_tensor(lowering, node->input[2]);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    int axis = nt_index_axis(node, y.shape.rank);
    enum nt_status status = nt_move(lowering->tape, &x, &y);
    y = nt_index_within(y, axis, &index.shape);
    return status == NT_OK
               ? nt_scatter(lowering->tape, reduction_of(node), &source, axis, &index, &y)
               : status;
}

const struct nt_op nt_op_scatter_add = {
    .name = "scatter_add",
    .summary = "x, with source[.., i, ..] added to [.., index[.., i, ..], ..] along an axis",
    .source = "PyTorch's scatter_add; ONNX operator ScatterElements with reduction add",
    .inputs = "x index source",
    .outputs = 1,
    .attrs = add_attrs,
    .attr_count = sizeof add_attrs / sizeof *add_attrs,
    .layouts = "arr>r",
    .infer = infer,
    .gradient = gradient,
    .lower = lower,
};

const struct nt_op nt_op_scatter_elements = {
    .name = "scatter_elements",
    .summary =
        "x, with source[.., i, ..] put at [.., index[.., i, ..], ..] along an axis; gradient "
        "for the reductions none and add",
    .source = "ONNX operator ScatterElements; PyTorch's scatter and scatter_reduce",
    .inputs = "x index source",
    .outputs = 1,
    .attrs = elements_attrs,
    .attr_count = sizeof elements_attrs / sizeof *elements_attrs,
    .layouts = "arr>r",
    .infer = infer,
    .gradient = gradient,
    .lower = lower,
};

/* ---- scatter_nd, gather_nd ---- */

/* An extent in formulas of integers: as an argument of the kernel where float holds it. */
static int extent(struct nt_graph *graph, int64_t count)
{
    return count <= 1 << 24 ? nt_graph_number(graph, (double)count)
                            : nt_graph_constant(graph, (double)count, &(struct nt_shape){0});
}

/* 0, 1, ... as int32, rows x 1. */
static int row_numbers(struct nt_graph *graph, int64_t rows)
{
    struct nt_attr type = number(1);
    int y, which = nt_graph_index(graph, &(struct nt_shape){2, {rows, 1}}, 0);
    y = which < 0 ? -1 : nt_graph_formula(graph, "number(a)", 1, &which);
    return y >= 0 && nt_graph_add(graph, &nt_op_cast, NULL, 1, &y, &type, &y) == NT_OK ? y : -1;
}

/* The rows that the last dimension of an index names in x, its dimensions first to last taken as
 * one: [batch, rows]. Bad ones are INT32_MIN. */
static int row_index(
    struct nt_graph *graph, int index, int64_t batch, int count, const int64_t *extents)
{
    struct nt_shape flat = {
        3, {batch, nt_shape_count(&graph->value[index].shape) / batch / count, count}};
    struct nt_shape part = {2, {flat.dim[0], flat.dim[1]}};
    int row = batch > 1 ? row_numbers(graph, batch) : -1, good = -1;
    index = nt_compose_reshape(graph, index, &flat);
    for (int i = 0; i < count && index >= 0; i++) {
        int n = extent(graph, extents[i]);
        int at = nt_compose_reshape(graph, nt_compose_slice(graph, index, 2, i, 1, 1), &part);
        at = at < 0 ? -1
                    : nt_graph_integer_formula(graph, "select(a < 0, a + b, a)", 2, (int[]){at, n});
        int fits =
            at < 0 ? -1 : nt_graph_integer_formula(graph, "(a >= 0) * (a < b)", 2, (int[]){at, n});
        if (fits < 0)
            return -1;
        good = good < 0 ? fits : nt_graph_integer_formula(graph, "a * b", 2, (int[]){good, fits});
        row = row < 0 ? at : nt_graph_integer_formula(graph, "a * b + c", 3, (int[]){row, n, at});
    }
    return good < 0 || row < 0
               ? -1
               : nt_graph_integer_formula(graph, "select(a, b, -inf)", 2, (int[]){good, row});
}

/* The shape of the result of reading x by the index: what scatter_nd's source must have. */
static enum nt_status read_shape(
    struct nt_graph *graph, const struct nt_node *node, int batch_dims, struct nt_shape *out)
{
    struct nt_shape x = graph->value[node->input[0]].shape;
    struct nt_shape index = graph->value[node->input[1]].shape;
    char a[128], b[128];
    enum nt_status status = nt_index_check(graph, node, 1);
    if (status != NT_OK)
        return status;
    int64_t named = index.rank > batch_dims ? index.dim[index.rank - 1] : NT_MAX_RANK + 1;
    bool fits = named >= 1 && batch_dims + named <= x.rank;
    for (int i = 0; fits && i < batch_dims; i++)
        fits = x.dim[i] == index.dim[i];
    if (!fits)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "%s: index of %s for x of %s: the last extent is the number of dimensions named",
            node->op->name, nt_shape_text(&index, a, sizeof a), nt_shape_text(&x, b, sizeof b));
    int rank = index.rank - 1 + x.rank - batch_dims - (int)named;
    if (rank > NT_MAX_RANK)
        return nt_graph_fail(graph, NT_ERR_SHAPE, "%s: rank %d: must be at most %d", node->op->name,
            rank, NT_MAX_RANK);
    *out = (struct nt_shape){0};
    for (int i = 0; i < index.rank - 1; i++)
        out->dim[out->rank++] = index.dim[i];
    for (int i = batch_dims + (int)named; i < x.rank; i++)
        out->dim[out->rank++] = x.dim[i];
    return NT_OK;
}

/* x as rows of what the index names. */
static int as_rows(struct nt_graph *graph, int x, int named)
{
    struct nt_shape shape = graph->value[x].shape, rows = {2, {1, 1}};
    for (int i = 0; i < shape.rank; i++)
        rows.dim[i >= named] *= shape.dim[i];
    return nt_compose_reshape(graph, x, &rows);
}

static enum nt_status gather_nd_expand(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape shape = graph->value[node->input[0]].shape, y, flat = {1, {1}};
    struct nt_shape by = graph->value[node->input[1]].shape;
    int batch_dims = (int)nt_attr_int(node, "batch_dims"), out;
    enum nt_status status = read_shape(graph, node, batch_dims, &y);
    if (status != NT_OK)
        return status;
    int named = (int)by.dim[by.rank - 1];
    int64_t batch = 1;
    for (int i = 0; i < batch_dims; i++)
        batch *= shape.dim[i];
    flat.dim[0] = nt_shape_count(&by) / named;
    int index = row_index(graph, node->input[1], batch, named, shape.dim + batch_dims);
    index = nt_compose_reshape(graph, index, &flat);
    int x = as_rows(graph, node->input[0], batch_dims + named);
    struct nt_attr axis = number(0);
    if (index < 0 || x < 0)
        return graph->failure;
    status = nt_graph_add(graph, &nt_op_gather, NULL, 2, (int[]){x, index}, &axis, &out);
    return status == NT_OK ? nt_compose_end(graph, node, nt_compose_reshape(graph, out, &y))
                           : status;
}

static enum nt_status scatter_nd_expand(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape shape = graph->value[node->input[0]].shape, want;
    struct nt_shape source = graph->value[node->input[2]].shape;
    struct nt_shape by = graph->value[node->input[1]].shape;
    char a[128], b[128];
    enum nt_status status = read_shape(graph, node, 0, &want);
    if (status == NT_OK && !nt_shape_equal(&source, &want))
        status = nt_graph_fail(graph, NT_ERR_SHAPE, "scatter_nd: source of %s: must be of %s",
            nt_shape_text(&source, a, sizeof a), nt_shape_text(&want, b, sizeof b));
    if (status != NT_OK)
        return status;
    int named = (int)by.dim[by.rank - 1], y;
    int64_t rows = nt_shape_count(&by) / named;
    struct nt_shape table = {2, {rows, nt_shape_count(&source) / rows}};
    int x = as_rows(graph, node->input[0], named);
    int from = nt_compose_reshape(graph, node->input[2], &table);
    int index = row_index(graph, node->input[1], 1, named, shape.dim);
    index = nt_compose_reshape(graph, index, &(struct nt_shape){2, {rows, 1}});
    index = nt_compose_broadcast(graph, index, &table);
    struct nt_attr attr[2] = {number(0), number((double)nt_attr_int(node, "reduction"))};
    if (x < 0 || from < 0 || index < 0)
        return graph->failure;
    status =
        nt_graph_add(graph, &nt_op_scatter_elements, NULL, 3, (int[]){x, index, from}, attr, &y);
    return status == NT_OK ? nt_compose_end(graph, node, nt_compose_reshape(graph, y, &shape))
                           : status;
}

const struct nt_op nt_op_gather_nd = {
    .name = "gather_nd",
    .summary = "the parts of x that the last dimension of the index names by as many coordinates",
    .source = "ONNX operator GatherND",
    .shapes = "x, index of any rank (int32), its last extent q; result: the index's other "
              "dimensions, then those of x after the batch's and q more",
    .inputs = "x index",
    .outputs = 1,
    .attrs = gather_attrs,
    .attr_count = sizeof gather_attrs / sizeof *gather_attrs,
    .layouts = "r>r",
    .expand = gather_nd_expand,
};

const struct nt_op nt_op_scatter_nd = {
    .name = "scatter_nd",
    .summary =
        "x, with the parts of source put where the last dimension of the index names them by "
        "coordinates; gradient for the reductions none and add",
    .source = "ONNX operator ScatterND",
    .shapes = "x, index as gather_nd's, source as gather_nd's result; result: of the shape of x",
    .inputs = "x index source",
    .outputs = 1,
    .attrs = nd_attrs,
    .attr_count = sizeof nd_attrs / sizeof *nd_attrs,
    .layouts = "r>r",
    .expand = scatter_nd_expand,
};
