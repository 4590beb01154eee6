/* SPDX-License-Identifier: MIT
 *
 * top_k, sort, argsort: the order of elements along an axis as indices, and the elements by them,
 * so that gradients go the way of gather_elements.
 */
#include "frontend/op/compose.h"

#define AXIS                                                                                       \
    {                                                                                              \
        "axis", NT_ATTR_INT, "dimension to order; negative: from the end", .fallback = -1,         \
                                                                           .min = -8, .max = 7     \
    }

static const struct nt_attr_spec top_k_attrs[] = {
    {"k", NT_ATTR_INT, "how many", .required = true, .min = 1, .max = 1 << 30},
    AXIS,
    {"largest", NT_ATTR_BOOL, "the largest ones, else the smallest", .fallback = 1},
    {"sorted", NT_ATTR_BOOL, "in order; they are in any case", .fallback = 1},
};
static const struct nt_attr_spec sort_attrs[] = {
    AXIS,
    {"descending", NT_ATTR_BOOL, "the largest first"},
};
static const struct nt_attr_spec rows_attrs[] = {
    {"count", NT_ATTR_INT, "columns kept", .required = true, .min = 1, .max = 1 << 30},
    {"descending", NT_ATTR_BOOL, "the largest first"},
};

/* The indices of the first `count` elements along the axis. */
static int order(struct nt_graph *graph, int x, int axis, int64_t count, bool descending)
{
    struct nt_shape shape = graph->value[x].shape, ordered = {.rank = shape.rank};
    int axes[NT_MAX_RANK], back[NT_MAX_RANK], n = 0;
    for (int i = 0; i < shape.rank; i++)
        if (i != axis)
            axes[n++] = i;
    axes[n] = axis;
    for (int i = 0; i < shape.rank; i++) {
        back[axes[i]] = i;
        ordered.dim[i] = i == n ? count : shape.dim[axes[i]];
    }
    struct nt_shape rows = {2, {nt_shape_count(&shape) / shape.dim[axis], shape.dim[axis]}};
    struct nt_attr attr[2] = {
        {.set = true, .number = (double)count}, {.set = true, .number = descending}};
    int y;
    x = nt_compose_reshape(graph, nt_compose_transpose(graph, x, axes), &rows);
    if (x < 0 || nt_graph_add(graph, &nt_op_sort_rows, NULL, 1, &x, attr, &y) != NT_OK)
        return -1;
    return nt_compose_transpose(graph, nt_compose_reshape(graph, y, &ordered), back);
}

/* Values and indices, or the indices alone. */
static enum nt_status expand(
    struct nt_graph *graph, struct nt_node *node, int64_t count, bool descending)
{
    int x = node->input[0], axis = 0, y;
    struct nt_shape shape = graph->value[x].shape;
    enum nt_status status =
        nt_compose_axis(graph, node, nt_attr_int(node, "axis"), shape.rank, &axis);
    if (status != NT_OK)
        return status;
    if (count > shape.dim[axis])
        return nt_graph_fail(graph, NT_ERR_SHAPE, "%s: k %lld: axis %d has %lld elements",
            node->op->name, (long long)count, axis, (long long)shape.dim[axis]);
    int index = order(graph, x, axis, count ? count : shape.dim[axis], descending);
    if (index < 0 || node->outputs == 1)
        return nt_compose_end(graph, node, index);
    struct nt_attr attr = {.set = true, .number = axis};
    status = nt_graph_add(graph, &nt_op_gather_elements, NULL, 2, (int[]){x, index}, &attr, &y);
    node->output[1] = index;
    return status == NT_OK ? nt_compose_end(graph, node, y) : status;
}

static enum nt_status top_k_expand(struct nt_graph *graph, struct nt_node *node)
{
    return expand(graph, node, nt_attr_int(node, "k"), nt_attr_bool(node, "largest"));
}

static enum nt_status sort_expand(struct nt_graph *graph, struct nt_node *node)
{
    return expand(graph, node, 0, nt_attr_bool(node, "descending"));
}

#define SHAPES "x of any shape (float32 or int32); results: x's shape, "

const struct nt_op nt_op_top_k = {
    .name = "top_k",
    .summary = "the k largest or smallest elements along an axis, in order, and their indices "
               "(int32); ties: the lower index first; NaN is largest",
    .source = "ONNX operator TopK; PyTorch's topk",
    .shapes = SHAPES "k along the axis",
    .inputs = "x",
    .outputs = 2,
    .attrs = top_k_attrs,
    .attr_count = sizeof top_k_attrs / sizeof *top_k_attrs,
    .layouts = "r>r",
    .expand = top_k_expand,
};

const struct nt_op nt_op_sort = {
    .name = "sort",
    .summary = "elements along an axis in order, and their indices (int32); equal ones stay in "
               "order; NaN is largest",
    .source = "PyTorch's sort",
    .shapes = SHAPES "both",
    .inputs = "x",
    .outputs = 2,
    .attrs = sort_attrs,
    .attr_count = sizeof sort_attrs / sizeof *sort_attrs,
    .layouts = "r>r",
    .expand = sort_expand,
};

const struct nt_op nt_op_argsort = {
    .name = "argsort",
    .summary = "the indices (int32) that order the elements along an axis; equal ones stay in "
               "order; NaN is largest",
    .source = "PyTorch's argsort",
    .shapes = "x of any shape (float32 or int32); result: of the shape of x",
    .inputs = "x",
    .outputs = 1,
    .attrs = sort_attrs,
    .attr_count = sizeof sort_attrs / sizeof *sort_attrs,
    .layouts = "r>r",
    .expand = sort_expand,
};

static enum nt_status rows_infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_value *y = &graph->value[node->output[0]];
    const struct nt_value *x = &graph->value[node->input[0]];
    if (x->dtype != NT_F32 && x->dtype != NT_I32)
        return nt_graph_fail(graph, NT_ERR_UNSUPPORTED, "sort: %s: must be float32 or int32",
            nt_dtype_name(x->dtype));
    y->dtype = NT_I32;
    y->shape = (struct nt_shape){2, {x->shape.dim[0], nt_attr_int(node, "count")}};
    return NT_OK;
}

static enum nt_status rows_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    return nt_sort(lowering->tape, nt_attr_bool(node, "descending"), &x, &y);
}

const struct nt_op nt_op_sort_rows = {
    .name = "sort_rows",
    .summary = "the columns of each row's first elements in order",
    .inputs = "x",
    .outputs = 1,
    .attrs = rows_attrs,
    .attr_count = sizeof rows_attrs / sizeof *rows_attrs,
    .internal = true,
    .layouts = "r>r",
    .infer = rows_infer,
    .lower = rows_lower,
};
