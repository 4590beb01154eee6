/* SPDX-License-Identifier: MIT
 *
 * Elements chosen by an index: gather, gather_elements, embedding, one_hot. Indices are int32;
 * negative ones count from the end. A bad index gives NaN (the smallest integer where x is int32),
 * and its element adds nothing to a sum.
 */
#include <string.h>

#include "frontend/op/index.h"

#include "frontend/op/compose.h"
#include "frontend/op/layer.h"

static const struct nt_attr_spec attrs[] = {
    {"axis", NT_ATTR_INT, "dimension of x that the index chooses from; negative: from the end",
        .fallback = 0, .min = -8, .max = 7},
};

int nt_index_axis(const struct nt_node *node, int rank)
{
    int axis = (int)nt_attr_int(node, "axis");
    return axis < 0 ? axis + rank : axis;
}

enum nt_status nt_index_check(struct nt_graph *graph, const struct nt_node *node, int input)
{
    enum nt_dtype dtype = graph->value[node->input[input]].dtype;
    return dtype == NT_I32 ? NT_OK
                           : nt_graph_fail(graph, NT_ERR_ARGUMENT, "%s: index of %s: must be int32",
                                 node->op->name, nt_dtype_name(dtype));
}

/* Zeros, and dy's elements added to where the index took them from. */
static enum nt_status scatter(struct nt_lowering *lowering, const struct nt_tensor *dy, int axis,
    const struct nt_tensor *index, const struct nt_tensor *dx)
{
    enum nt_status status = nt_fill(lowering->tape, 0, dx);
    return status == NT_OK ? nt_scatter(lowering->tape, NT_SCATTER_ADD, dy, axis, index, dx)
                           : status;
}

/* ---- gather ---- */

static enum nt_status gather_infer(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_value *x = &graph->value[node->input[0]];
    struct nt_shape index = graph->value[node->input[1]].shape, y = {0};
    int axis = 0;
    enum nt_status status = nt_index_check(graph, node, 1);
    if (status == NT_OK)
        status = nt_compose_axis(graph, node, nt_attr_int(node, "axis"), x->shape.rank, &axis);
    if (status != NT_OK)
        return status;
    if (x->shape.rank - 1 + index.rank > NT_MAX_RANK)
        return nt_graph_fail(graph, NT_ERR_SHAPE, "gather: result of rank %d: must be at most %d",
            x->shape.rank - 1 + index.rank, NT_MAX_RANK);
    for (int i = 0; i < x->shape.rank; i++) {
        for (int j = 0; i == axis && j < index.rank; j++)
            y.dim[y.rank++] = index.dim[j];
        if (i != axis)
            y.dim[y.rank++] = x->shape.dim[i];
    }
    graph->value[node->output[0]].dtype = x->dtype;
    graph->value[node->output[0]].shape = y;
    return NT_OK;
}

static enum nt_status add_backward(struct nt_graph *graph, const struct nt_op *op,
    const struct nt_node *node, const int *dy, int *dx)
{
    struct nt_shape shape = graph->value[node->input[0]].shape;
    return nt_layer_add_like(graph, op, node, 2, (int[]){dy[0], node->input[1]}, &shape, dx);
}

static enum nt_status gather_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    return want[0] ? add_backward(graph, &nt_op_gather_backward, node, dy, &dx[0]) : NT_OK;
}

/* A gather's result and index with the dimensions of the index as one, so that the result has x's
 * rank. */
static void fold_index(
    const struct nt_tensor *x, int axis, struct nt_tensor *index, struct nt_tensor *y)
{
    struct nt_tensor by = {.buffer = index->buffer, .dtype = index->dtype, .offset = index->offset};
    struct nt_shape shape = x->shape;
    shape.dim[axis] = nt_shape_count(&index->shape);
    struct nt_tensor flat = nt_tensor_make(y->buffer, y->dtype, &shape, NT_ROW_MAJOR);
    flat.offset = y->offset;
    *y = flat;
    by.shape.rank = shape.rank;
    for (int i = 0; i < shape.rank; i++)
        by.shape.dim[i] = i == axis ? shape.dim[axis] : 1;
    by.stride[axis] = 1;
    *index = by;
}

static enum nt_status gather_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor index = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    int axis = nt_index_axis(node, x.shape.rank);
    fold_index(&x, axis, &index, &y);
    return nt_gather(lowering->tape, &x, axis, &index, &y);
}

static enum nt_status gather_backward_lower(
    struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor dy = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor index = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor dx = nt_lower_tensor(lowering, node->output[0]);
    int axis = nt_index_axis(node, dx.shape.rank);
    fold_index(&dx, axis, &index, &dy);
    return scatter(lowering, &dy, axis, &index, &dx);
}

const struct nt_op nt_op_gather = {
    .name = "gather",
    .summary = "slices of x at the indices along an axis, which becomes the index's dimensions",
    .source = "ONNX operator Gather; PyTorch's index_select, with an index of any rank",
    .inputs = "x index",
    .outputs = 1,
    .attrs = attrs,
    .attr_count = sizeof attrs / sizeof *attrs,
    .layouts = "ar>r",
    .infer = gather_infer,
    .gradient = gather_gradient,
    .lower = gather_lower,
};

const struct nt_op nt_op_gather_backward = {
    .name = "gather_backward",
    .summary = "gradient of gather: each slice of dy added to where it came from",
    .inputs = "dy index",
    .outputs = 1,
    .attrs = attrs,
    .attr_count = sizeof attrs / sizeof *attrs,
    .internal = true,
    .layouts = "rr>r",
    .infer = nt_layer_infer_later,
    .lower = gather_backward_lower,
};

/* ---- gather_elements ---- */

enum nt_status nt_index_check_elements(
    struct nt_graph *graph, const struct nt_node *node, int index_input, int *axis)
{
    struct nt_shape x = graph->value[node->input[0]].shape;
    struct nt_shape index = graph->value[node->input[index_input]].shape;
    char a[128], b[128];
    enum nt_status status = nt_index_check(graph, node, index_input);
    if (status == NT_OK)
        status = nt_compose_axis(graph, node, nt_attr_int(node, "axis"), x.rank, axis);
    if (status != NT_OK)
        return status;
    bool fits = x.rank == index.rank;
    for (int i = 0; fits && i < x.rank; i++)
        fits = i == *axis || index.dim[i] <= x.dim[i];
    if (!fits)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "%s: index of shape %s: must lie within %s in all dimensions but %d", node->op->name,
            nt_shape_text(&index, a, sizeof a), nt_shape_text(&x, b, sizeof b), *axis);
    return NT_OK;
}

struct nt_tensor nt_index_within(struct nt_tensor table, int axis, const struct nt_shape *index)
{
    for (int i = 0; i < table.shape.rank; i++)
        if (i != axis)
            table.shape.dim[i] = index->dim[i];
    return table;
}

static enum nt_status elements_infer(struct nt_graph *graph, struct nt_node *node)
{
    int axis = 0;
    enum nt_status status = nt_index_check_elements(graph, node, 1, &axis);
    graph->value[node->output[0]].dtype = graph->value[node->input[0]].dtype;
    graph->value[node->output[0]].shape = graph->value[node->input[1]].shape;
    return status;
}

static enum nt_status elements_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    return want[0] ? add_backward(graph, &nt_op_gather_elements_backward, node, dy, &dx[0]) : NT_OK;
}

static enum nt_status elements_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor index = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    int axis = nt_index_axis(node, x.shape.rank);
    x = nt_index_within(x, axis, &index.shape);
    return nt_gather(lowering->tape, &x, axis, &index, &y);
}

static enum nt_status elements_backward_lower(
    struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor dy = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor index = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor dx = nt_lower_tensor(lowering, node->output[0]);
    int axis = nt_index_axis(node, dx.shape.rank);
    enum nt_status status = nt_fill(lowering->tape, 0, &dx);
    dx = nt_index_within(dx, axis, &index.shape);
    return status == NT_OK ? nt_scatter(lowering->tape, NT_SCATTER_ADD, &dy, axis, &index, &dx)
                           : status;
}

const struct nt_op nt_op_gather_elements = {
    .name = "gather_elements",
    .summary = "y[.., i, ..] = x[.., index[.., i, ..], ..] along an axis",
    .source = "ONNX operator GatherElements; PyTorch's gather",
    .inputs = "x index",
    .outputs = 1,
    .attrs = attrs,
    .attr_count = sizeof attrs / sizeof *attrs,
    .layouts = "ar>r",
    .infer = elements_infer,
    .gradient = elements_gradient,
    .lower = elements_lower,
};

const struct nt_op nt_op_gather_elements_backward = {
    .name = "gather_elements_backward",
    .summary = "gradient of gather_elements: each element of dy added to where it came from",
    .inputs = "dy index",
    .outputs = 1,
    .attrs = attrs,
    .attr_count = sizeof attrs / sizeof *attrs,
    .internal = true,
    .layouts = "rr>r",
    .infer = nt_layer_infer_later,
    .lower = elements_backward_lower,
};

/* ---- embedding ---- */

static const struct nt_attr_spec embedding_attrs[] = {
    {"num_embeddings", NT_ATTR_INT, "rows of the weight: how many different indices there are",
        .required = true, .min = 1, .max = 1 << 30},
    {"embedding_dim", NT_ATTR_INT, "elements of a row", .required = true, .min = 1, .max = 1 << 24},
    {"padding_idx", NT_ATTR_INT,
        "an index whose row begins as zeros and is not trained; negative: from the end; default: "
        "none",
        .min = -(1 << 30), .max = 1 << 30},
    {"init_std", NT_ATTR_FLOAT, "deviation of the initial weight", .fallback = 1, .min = 1e-12,
        .max = 1e6},
};
enum { ROWS, WIDTH, PADDING };

static enum nt_status embedding_parameters(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape weight = {
        2, {nt_attr_int(node, "num_embeddings"), nt_attr_int(node, "embedding_dim")}};
    struct nt_attr *padding = &node->attr[PADDING];
    double rows = (double)weight.dim[0];
    char a[128], b[128];
    if (padding->set && !(padding->number >= -rows && padding->number < rows))
        return nt_graph_fail(graph, NT_ERR_ARGUMENT,
            "embedding: padding_idx %g: must be from %g to %g", padding->number, -rows, rows - 1);
    padding->number += padding->set && padding->number < 0 ? rows : 0;
    enum nt_status status = nt_index_check(graph, node, 0);
    node->inputs = 2;
    if (status != NT_OK)
        return status;
    if (node->input[1] < 0) {
        struct nt_init init = {NT_INIT_NORMAL, nt_attr_float(node, "init_std")};
        init.zero_row = padding->set ? 1 + (int64_t)padding->number : 0;
        return nt_graph_parameter(graph,
            nt_graph_string(graph, "%s.weight", nt_layer_name(graph, node)), NT_VALUE_PARAMETER,
            &weight, init, &node->input[1]);
    }
    const struct nt_shape *given = &graph->value[node->input[1]].shape;
    if (!nt_shape_equal(given, &weight))
        return nt_graph_fail(graph, NT_ERR_SHAPE, "embedding: weight of shape %s: must be %s",
            nt_shape_text(given, a, sizeof a), nt_shape_text(&weight, b, sizeof b));
    return NT_OK;
}

static enum nt_status embedding_expand(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_attr *padding = &node->attr[PADDING];
    struct nt_attr axis = {.set = true};
    int index = node->input[0], y;
    enum nt_status status =
        nt_graph_add(graph, &nt_op_gather, NULL, 2, (int[]){node->input[1], index}, &axis, &y);
    if (status != NT_OK || !padding->set)
        return status == NT_OK ? nt_compose_end(graph, node, y) : status;
    struct nt_shape column = graph->value[index].shape;
    if (column.rank == NT_MAX_RANK)
        return nt_graph_fail(
            graph, NT_ERR_SHAPE, "embedding: index of rank %d: must be less", column.rank);
    column.dim[column.rank++] = 1;
    int rows = nt_compose_reshape(graph, index, &column);
    int which = nt_graph_constant(graph, padding->number, &(struct nt_shape){0});
    if (rows < 0 || which < 0)
        return graph->failure;
    y = nt_graph_formula(graph, "select(b == c, stop(a), a)", 3, (int[]){y, rows, which});
    return nt_compose_end(graph, node, y);
}

const struct nt_op nt_op_embedding = {
    .name = "embedding",
    .summary = "rows of a weight at the indices",
    .source = "Bengio, Ducharme, Vincent & Jauvin, A neural probabilistic language model, 2003",
    .shapes = "index of any shape (int32), weight K,D; result: the shape of index, then D",
    .inputs = "index weight?",
    .outputs = 1,
    .attrs = embedding_attrs,
    .attr_count = sizeof embedding_attrs / sizeof *embedding_attrs,
    .layouts = "rr>r",
    .parameters = embedding_parameters,
    .expand = embedding_expand,
};

/* ---- one_hot ---- */

static const struct nt_attr_spec one_hot_attrs[] = {
    {"num_classes", NT_ATTR_INT, "elements of the new last dimension", .required = true, .min = 1,
        .max = 1 << 30},
};

static enum nt_status one_hot_infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape y = graph->value[node->input[0]].shape;
    if (y.rank == NT_MAX_RANK)
        return nt_graph_fail(
            graph, NT_ERR_SHAPE, "one_hot: index of rank %d: must be less", y.rank);
    y.dim[y.rank++] = nt_attr_int(node, "num_classes");
    graph->value[node->output[0]].shape = y;
    return nt_index_check(graph, node, 0);
}

static enum nt_status one_hot_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor index = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    struct nt_shape scalar = {0};
    int32_t buffer = nt_tape_buffer(lowering->tape, NT_BUFFER_TRANSIENT, sizeof(float), "one");
    struct nt_tensor one = nt_tensor_make(buffer, NT_F32, &scalar, NT_ROW_MAJOR);
    int last = index.shape.rank;
    index.shape.rank++;
    index.shape.dim[last] = 1;
    index.stride[last] = 0;
    enum nt_status status = nt_fill(lowering->tape, 1, &one);
    one = nt_tensor_broadcast(&one, &index.shape);
    return status == NT_OK ? scatter(lowering, &one, last, &index, &y) : status;
}

const struct nt_op nt_op_one_hot = {
    .name = "one_hot",
    .summary = "1 at each index, 0 elsewhere, along a new last dimension",
    .shapes = "index of any shape (int32); result: the shape of index, then the classes",
    .inputs = "index",
    .outputs = 1,
    .attrs = one_hot_attrs,
    .attr_count = sizeof one_hot_attrs / sizeof *one_hot_attrs,
    .layouts = "r>r",
    .infer = one_hot_infer,
    .lower = one_hot_lower,
};
