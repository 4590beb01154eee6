/* SPDX-License-Identifier: MIT
 *
 * Reductions that are made of sum, prod, max and min, and where the largest element stands.
 */
#include <math.h>
#include <string.h>

#include "frontend/op/compose.h"

static const struct nt_attr_spec attrs[] = {
    {"axes", NT_ATTR_INTS, "dimensions to reduce, 0 is the batch; default: all", .min = -8,
        .max = 7, .count = 8},
    {"keepdims", NT_ATTR_BOOL, "keep reduced dimensions with extent 1"},
};
enum { AXES, KEEPDIMS };

static enum nt_status take_axes(struct nt_graph *graph, const struct nt_node *node, unsigned *mask)
{
    int rank = graph->value[node->input[0]].shape.rank;
    *mask = (1u << rank) - 1;
    return node->attr[AXES].set ? nt_compose_axes(graph, node, &node->attr[AXES], rank, mask)
                                : NT_OK;
}

static int formula(struct nt_graph *graph, const char *text, int a, int b)
{
    return a < 0 || b < 0 ? -1 : nt_graph_formula(graph, text, 2, (int[]){a, b});
}

static int formula1(struct nt_graph *graph, const char *text, int a)
{
    return a < 0 ? -1 : nt_graph_formula(graph, text, 1, &a);
}

/* after(reduction(before(x))), texts over `a`. */
static enum nt_status around(struct nt_graph *graph, struct nt_node *node, const char *before,
    const struct nt_op *reduction, const char *after)
{
    unsigned mask = 0;
    enum nt_status status = take_axes(graph, node, &mask);
    if (status != NT_OK)
        return status;
    int y = before ? formula1(graph, before, node->input[0]) : node->input[0];
    y = nt_compose_reduce(graph, reduction, y, mask, nt_attr_bool(node, "keepdims"));
    return nt_compose_end(graph, node, after ? formula1(graph, after, y) : y);
}

/* The square root, whose derivative at 0 is taken as 0. */
#define ROOT "select(a > 0, sqrt(select(a > 0, a, 1)), a)"

static enum nt_status l1_expand(struct nt_graph *graph, struct nt_node *node)
{
    return around(graph, node, "abs(a)", &nt_op_sum, NULL);
}

static enum nt_status l2_expand(struct nt_graph *graph, struct nt_node *node)
{
    return around(graph, node, "a * a", &nt_op_sum, ROOT);
}

static enum nt_status any_expand(struct nt_graph *graph, struct nt_node *node)
{
    return around(graph, node, "a != 0", &nt_op_max, NULL);
}

static enum nt_status all_expand(struct nt_graph *graph, struct nt_node *node)
{
    return around(graph, node, "a != 0", &nt_op_min, NULL);
}

/* The largest element is taken off before exp, and added after log: its gradient cancels out. */
static enum nt_status log_sum_exp_expand(struct nt_graph *graph, struct nt_node *node)
{
    unsigned mask = 0;
    int x = node->input[0];
    bool keep = nt_attr_bool(node, "keepdims");
    enum nt_status status = take_axes(graph, node, &mask);
    if (status != NT_OK)
        return status;
    int top = nt_compose_reduce(graph, &nt_op_max, x, mask, true);
    top = formula1(graph, "stop(select(abs(a) < inf, a, 0))", top);
    int sum =
        nt_compose_reduce(graph, &nt_op_sum, formula(graph, "exp(a - b)", x, top), mask, keep);
    if (sum < 0)
        return graph->failure;
    struct nt_shape shape = graph->value[sum].shape;
    top = nt_compose_reshape(graph, top, &shape);
    return nt_compose_end(graph, node, formula(graph, "log(a) + b", sum, top));
}

/* ---- var, std ---- */

static const struct nt_attr_spec var_attrs[] = {
    {"axes", NT_ATTR_INTS, "dimensions to reduce, 0 is the batch; default: all", .min = -8,
        .max = 7, .count = 8},
    {"keepdims", NT_ATTR_BOOL, "keep reduced dimensions with extent 1"},
    {"correction", NT_ATTR_FLOAT, "taken off the number of elements that the sum is divided by",
        .fallback = 1, .max = 1e9},
};

static enum nt_status deviation(struct nt_graph *graph, struct nt_node *node, const char *after)
{
    unsigned mask = 0;
    int x = node->input[0];
    struct nt_shape shape = graph->value[x].shape;
    double count = 1, correction = nt_attr_float(node, "correction");
    enum nt_status status = take_axes(graph, node, &mask);
    if (status != NT_OK)
        return status;
    for (int i = 0; i < shape.rank; i++)
        count *= mask & 1u << i ? (double)shape.dim[i] : 1;
    if (!(count > correction))
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "%s: over %g elements: must be more than the correction %g", node->op->name, count,
            correction);
    int mean = nt_compose_reduce(graph, &nt_op_mean, x, mask, true);
    int sum = nt_compose_reduce(graph, &nt_op_sum, formula(graph, "(a - b) * (a - b)", x, mean),
        mask, nt_attr_bool(node, "keepdims"));
    int by = nt_graph_constant(graph, 1 / (count - correction), &(struct nt_shape){0});
    int y = formula(graph, "a * b", sum, by);
    return nt_compose_end(graph, node, after ? formula1(graph, after, y) : y);
}

static enum nt_status var_expand(struct nt_graph *graph, struct nt_node *node)
{
    return deviation(graph, node, NULL);
}

static enum nt_status std_expand(struct nt_graph *graph, struct nt_node *node)
{
    return deviation(graph, node, ROOT);
}

#define REDUCTION(stem, its_attrs, text)                                                           \
    const struct nt_op nt_op_##stem = {                                                            \
        .name = #stem,                                                                             \
        .summary = text,                                                                           \
        .inputs = "x",                                                                             \
        .outputs = 1,                                                                              \
        .attrs = its_attrs,                                                                        \
        .attr_count = sizeof its_attrs / sizeof *its_attrs,                                        \
        .layouts = "a>r",                                                                          \
        .expand = stem##_expand,                                                                   \
    };

REDUCTION(all, attrs, "1 where no element over axes is 0, else 0")
REDUCTION(any, attrs, "1 where an element over axes is not 0, else 0")
REDUCTION(l1, attrs, "sum of absolute values over axes")
REDUCTION(l2, attrs, "square root of the sum of squares over axes; at 0 its gradient is 0")
REDUCTION(log_sum_exp, attrs, "logarithm of the sum of e to the power x over axes")
REDUCTION(std, var_attrs, "standard deviation over axes; at 0 its gradient is 0")
REDUCTION(var, var_attrs, "variance over axes: sum((x - mean)^2) / (count - correction)")

/* ---- argmax, argmin ---- */

static const struct nt_attr_spec arg_attrs[] = {
    {"axis", NT_ATTR_INT, "dimension to search; negative: from the end; default: the last",
        .fallback = -1, .min = -8, .max = 7},
    {"keepdims", NT_ATTR_BOOL, "keep the dimension with extent 1"},
};

static enum nt_status arg_expand(struct nt_graph *graph, struct nt_node *node)
{
    int x = node->input[0], axis = 0, order[NT_MAX_RANK], n = 0;
    struct nt_shape shape = graph->value[x].shape, y = {0};
    enum nt_status status =
        nt_compose_axis(graph, node, nt_attr_int(node, "axis"), shape.rank, &axis);
    if (status != NT_OK)
        return status;
    for (int i = 0; i < shape.rank; i++) {
        if (i != axis)
            order[n++] = i;
        if (i != axis || nt_attr_bool(node, "keepdims"))
            y.dim[y.rank++] = i == axis ? 1 : shape.dim[i];
    }
    order[n] = axis;
    int64_t extent = shape.dim[axis];
    struct nt_shape rows = {2, {nt_shape_count(&shape) / extent, extent}};
    if (node->op == &nt_op_argmin)
        x = formula1(graph, "-a", x);
    x = nt_compose_reshape(graph, nt_compose_transpose(graph, x, order), &rows);
    int found = -1;
    if (x >= 0 && nt_graph_add(graph, &nt_op_argmax_rows, NULL, 1, &x, NULL, &found) != NT_OK)
        found = -1;
    return nt_compose_end(graph, node, nt_compose_reshape(graph, found, &y));
}

/* 1 where argmax is, along a last dimension that goes back to its place. */
static enum nt_status hardmax_expand(struct nt_graph *graph, struct nt_node *node)
{
    int x = node->input[0], axis = 0, order[NT_MAX_RANK], index, y;
    struct nt_shape shape = graph->value[x].shape;
    enum nt_status status =
        nt_compose_axis(graph, node, nt_attr_int(node, "axis"), shape.rank, &axis);
    if (status != NT_OK)
        return status;
    struct nt_attr search[2] = {{.set = true, .number = axis}, {.set = true}};
    struct nt_attr classes = {.set = true, .number = (double)shape.dim[axis]};
    status = nt_graph_add(graph, &nt_op_argmax, NULL, 1, &x, search, &index);
    if (status == NT_OK)
        status = nt_graph_add(graph, &nt_op_one_hot, NULL, 1, &index, &classes, &y);
    for (int i = 0; i < shape.rank; i++)
        order[i] = i < axis ? i : i == axis ? shape.rank - 1 : i - 1;
    return status == NT_OK ? nt_compose_end(graph, node, nt_compose_transpose(graph, y, order))
                           : status;
}

static const struct nt_attr_spec hardmax_attrs[] = {
    {"axis", NT_ATTR_INT, "dimension to search; negative: from the end; default: the last",
        .fallback = -1, .min = -8, .max = 7},
};

const struct nt_op nt_op_hardmax = {
    .name = "hardmax",
    .summary = "1 at the largest element along an axis, the first one, and 0 elsewhere",
    .source = "ONNX operator Hardmax",
    .inputs = "x",
    .outputs = 1,
    .attrs = hardmax_attrs,
    .attr_count = sizeof hardmax_attrs / sizeof *hardmax_attrs,
    .layouts = "r>r",
    .expand = hardmax_expand,
};

static enum nt_status rows_infer(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_value *x = &graph->value[node->input[0]];
    struct nt_value *y = &graph->value[node->output[0]];
    if (x->dtype != NT_F32)
        return nt_graph_fail(
            graph, NT_ERR_UNSUPPORTED, "argmax: %s: must be float32", nt_dtype_name(x->dtype));
    y->dtype = NT_I32;
    y->shape = (struct nt_shape){1, {x->shape.dim[0]}};
    return NT_OK;
}

static enum nt_status rows_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    return nt_argmax(lowering->tape, &x, &y);
}

#define ARG(stem, text)                                                                            \
    const struct nt_op nt_op_##stem = {                                                            \
        .name = #stem,                                                                             \
        .summary = text,                                                                           \
        .inputs = "x",                                                                             \
        .outputs = 1,                                                                              \
        .attrs = arg_attrs,                                                                        \
        .attr_count = sizeof arg_attrs / sizeof *arg_attrs,                                        \
        .layouts = "r>r",                                                                          \
        .expand = arg_expand,                                                                      \
    };

ARG(argmax, "index (int32) of the largest element along an axis; the first one, NaN is largest")
ARG(argmin, "index (int32) of the smallest element along an axis; the first one, NaN is smallest")

const struct nt_op nt_op_argmax_rows = {
    .name = "argmax_rows",
    .summary = "index of each row's largest element",
    .inputs = "x",
    .outputs = 1,
    .internal = true,
    .layouts = "r>r",
    .infer = rows_infer,
    .lower = rows_lower,
};
