/* SPDX-License-Identifier: MIT
 *
 * sum, mean, prod, max and min over axes.
 */
#include <string.h>

#include "frontend/op.h"

static const struct nt_attr_spec attrs[] = {
    {"axes", NT_ATTR_INTS, "dimensions to reduce, 0 is the batch; default: all", .min = -8,
        .max = 7, .count = 8},
    {"keepdims", NT_ATTR_BOOL, "keep reduced dimensions with extent 1"},
};
enum { AXES, KEEPDIMS };

/* The output's shape with reduced dimensions kept as 1. */
static enum nt_status kept_shape(
    struct nt_graph *graph, const struct nt_node *node, struct nt_shape *kept)
{
    const struct nt_attr *axes = &node->attr[AXES];
    *kept = graph->value[node->input[0]].shape;
    for (int i = 0; i < kept->rank && !axes->set; i++)
        kept->dim[i] = 1;
    for (int i = 0; axes->set && i < axes->count; i++) {
        int64_t axis = axes->ints[i] < 0 ? axes->ints[i] + kept->rank : axes->ints[i];
        if (axis < 0 || axis >= kept->rank)
            return nt_graph_fail(graph, NT_ERR_ARGUMENT, "%s: axis %lld: the input has rank %d",
                node->op->name, (long long)axes->ints[i], kept->rank);
        kept->dim[axis] = 1;
    }
    return NT_OK;
}

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape kept;
    enum nt_status status = kept_shape(graph, node, &kept);
    if (status != NT_OK)
        return status;
    if (nt_attr_bool(node, "keepdims")) {
        graph->value[node->output[0]].shape = kept;
        return NT_OK;
    }
    struct nt_shape y = {0};
    const struct nt_attr *axes = &node->attr[AXES];
    for (int i = 0; i < kept.rank; i++) {
        bool reduced = !axes->set;
        for (int j = 0; axes->set && j < axes->count; j++)
            reduced |= axes->ints[j] == i || axes->ints[j] + kept.rank == i;
        if (!reduced)
            y.dim[y.rank++] = kept.dim[i];
    }
    graph->value[node->output[0]].shape = y;
    return NT_OK;
}

static int reshape_to(struct nt_graph *graph, int value, const struct nt_shape *shape)
{
    struct nt_attr to = {.set = true, .count = shape->rank};
    memcpy(to.ints, shape->dim, sizeof *shape->dim * (size_t)shape->rank);
    int out;
    return nt_graph_add(graph, &nt_op_reshape, NULL, 1, &value, &to, &out) == NT_OK ? out : -1;
}

static double reduced_count(const struct nt_graph *graph, const struct nt_node *node)
{
    return (double)nt_shape_count(&graph->value[node->input[0]].shape) /
           (double)nt_shape_count(&graph->value[node->output[0]].shape);
}

/* g times the product of the others: y / x where no element is 0; where one is, it alone has a
 * gradient, the product of those that are not. */
static int prod_gradient(struct nt_graph *graph, int x, int y, int g, const struct nt_shape *kept)
{
    int whole = nt_graph_formula(graph, "select(a == 0, 1, a)", 1, &x);
    int zero = nt_graph_formula(graph, "a == 0", 1, &x), zeros, rest;
    struct nt_attr attr[2] = {{.set = true}, {.set = true, .number = 1}};
    struct nt_shape shape = graph->value[x].shape;
    for (int i = 0; i < shape.rank; i++)
        if (kept->dim[i] != shape.dim[i])
            attr[AXES].ints[attr[AXES].count++] = i;
    if (y < 0 || whole < 0 || zero < 0)
        return -1;
    if (attr[AXES].count == 0) /* nothing but extents of 1: the gradient itself */
        return nt_graph_formula(graph, "b + 0 * a", 2, (int[]){x, g});
    if (nt_graph_add(graph, &nt_op_prod, NULL, 1, &whole, attr, &rest) != NT_OK ||
        nt_graph_add(graph, &nt_op_sum, NULL, 1, &zero, attr, &zeros) != NT_OK)
        return -1;
    int others = nt_graph_formula(
        graph, "select(a == 0, b == 1, b == 0) / c * d", 4, (int[]){x, zeros, whole, rest});
    return others < 0 ? -1 : nt_graph_formula(graph, "a * b", 2, (int[]){others, g});
}

static enum nt_status gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    struct nt_shape kept;
    enum nt_status status = kept_shape(graph, node, &kept);
    int x = node->input[0], g = status == NT_OK ? reshape_to(graph, dy[0], &kept) : -1;
    if (g < 0)
        return status == NT_OK ? NT_ERR_MEMORY : status;
    if (node->op == &nt_op_max || node->op == &nt_op_min) {
        /* Ties share the gradient. */
        int y = reshape_to(graph, node->output[0], &kept);
        int hit = y < 0 ? -1 : nt_graph_formula(graph, "a == b", 2, (int[]){x, y});
        int ties = hit < 0 ? -1 : nt_graph_sum_to(graph, hit, &kept);
        dx[0] = ties < 0 ? -1 : nt_graph_formula(graph, "a * b / c", 3, (int[]){hit, g, ties});
        return dx[0] < 0 ? NT_ERR_MEMORY : NT_OK;
    }
    if (node->op == &nt_op_prod) {
        dx[0] = prod_gradient(graph, x, reshape_to(graph, node->output[0], &kept), g, &kept);
        return dx[0] < 0 ? NT_ERR_MEMORY : NT_OK;
    }
    if (node->op == &nt_op_mean) {
        struct nt_shape scalar = {0};
        int scale = nt_graph_constant(graph, 1 / reduced_count(graph, node), &scalar);
        g = nt_graph_formula(graph, "a * b", 2, (int[]){g, scale});
        if (g < 0)
            return NT_ERR_MEMORY;
    }
    const struct nt_shape *shape = &graph->value[x].shape;
    struct nt_attr to = {.set = true, .count = shape->rank};
    memcpy(to.ints, shape->dim, sizeof *shape->dim * (size_t)shape->rank);
    return nt_graph_add(graph, &nt_op_broadcast, NULL, 1, &g, &to, dx);
}

static enum nt_status lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    const struct nt_graph *graph = lowering->graph;
    struct nt_tensor in[NT_MAX_INPUTS];
    for (int i = 0; i < node->inputs; i++)
        in[i] = nt_lower_tensor(lowering, node->input[i]);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]), out = y;
    /* The engine wants equal ranks: put the reduced dimensions back with extent 1. */
    struct nt_shape full = in[0].shape;
    for (int i = 1; i < node->inputs; i++)
        nt_shape_broadcast(&full, &in[i].shape, &full);
    for (int i = 0; i < node->inputs; i++)
        in[i] = nt_tensor_broadcast(&in[i], &full);
    out.shape = full;
    const struct nt_attr *axes = &node->attr[AXES];
    bool keep = nt_attr_bool(node, "keepdims");
    double count = 1;
    for (int i = 0, at = 0; i < full.rank; i++) {
        bool reduced = !axes->set;
        for (int j = 0; axes->set && j < axes->count; j++)
            reduced |= axes->ints[j] == i || axes->ints[j] + full.rank == i;
        if (reduced) {
            count *= (double)full.dim[i];
            out.shape.dim[i] = 1;
            out.stride[i] = 0;
            at += keep;
        } else {
            out.stride[i] = y.stride[at++];
        }
    }
    struct nt_expr *identity = NULL;
    const struct nt_expr *expr = node->expr;
    int term = node->term;
    if (!expr) {
        identity = nt_expr_create();
        if (!identity)
            return nt_fail(graph->ctx, NT_ERR_MEMORY, "reduce: host memory is exhausted");
        term = nt_expr_input(identity, 0);
        expr = identity;
    }
    enum nt_reduction kind = node->op == &nt_op_max    ? NT_REDUCE_MAX
                             : node->op == &nt_op_min  ? NT_REDUCE_MIN
                             : node->op == &nt_op_prod ? NT_REDUCE_PROD
                                                       : NT_REDUCE_SUM;
    enum nt_status status = nt_reduce(lowering->tape, kind, expr, term, node->inputs, in,
        node->op == &nt_op_mean ? 1 / count : 1, &out);
    nt_expr_destroy(identity);
    return status;
}

#define REDUCTION(stem, text)                                                                      \
    const struct nt_op nt_op_##stem = {                                                            \
        .name = #stem,                                                                             \
        .summary = text,                                                                           \
        .inputs = "x",                                                                             \
        .outputs = 1,                                                                              \
        .attrs = attrs,                                                                            \
        .attr_count = sizeof attrs / sizeof *attrs,                                                \
        .layouts = "a>r",                                                                          \
        .infer = infer,                                                                            \
        .gradient = gradient,                                                                      \
        .lower = lower,                                                                            \
    };

REDUCTION(sum, "sum over axes")
REDUCTION(mean, "mean over axes")
REDUCTION(prod, "product over axes")
REDUCTION(max, "largest element over axes; ties share the gradient")
REDUCTION(min, "smallest element over axes; ties share the gradient")
