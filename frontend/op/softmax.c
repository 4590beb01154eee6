/* SPDX-License-Identifier: MIT
 *
 * softmax, and the losses that look at one row of class scores at a time. Scores have shape
 * N,C or N,C,... with the classes in dimension 1; channels-last they are rows of C.
 */
#include <string.h>

#include "frontend/op/class_loss.h"
#include "frontend/op/loss.h"

/* A dense channels-last tensor as rows of classes. */
static struct nt_tensor rows_of(const struct nt_tensor *t)
{
    int64_t classes = t->shape.dim[1], rows = nt_shape_count(&t->shape) / classes;
    struct nt_tensor view =
        nt_tensor_make(t->buffer, t->dtype, &(struct nt_shape){2, {rows, classes}}, NT_ROW_MAJOR);
    view.offset = t->offset;
    return view;
}

static enum nt_status check_scores(
    struct nt_graph *graph, const struct nt_node *node, struct nt_shape *shape)
{
    char text[128];
    *shape = graph->value[node->input[0]].shape;
    if (shape->rank >= 2)
        return NT_OK;
    return nt_graph_fail(graph, NT_ERR_SHAPE, "%s: shape %s: needs a batch and a class dimension",
        node->op->name, nt_shape_text(shape, text, sizeof text));
}

static enum nt_status softmax_infer(struct nt_graph *graph, struct nt_node *node)
{
    return check_scores(graph, node, &graph->value[node->output[0]].shape);
}

/* Along another axis than 1, or with more dimensions than channels-last has, it is the same of a
 * view in which that axis is dimension 1. */
static enum nt_status softmax_expand(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape shape = graph->value[node->input[0]].shape,
                    view = {.rank = 2, .dim = {1, 1, 1}};
    int axis, y;
    enum nt_status status =
        nt_compose_axis(graph, node, nt_attr_int(node, "axis"), shape.rank, &axis);
    if (status != NT_OK || (axis == 1 && shape.rank <= 5))
        return status;
    for (int i = 0; i < shape.rank; i++)
        view.dim[i < axis ? 0 : i == axis ? 1 : 2] *= shape.dim[i];
    if (view.dim[2] > 1)
        view.rank = 3;
    int x = nt_compose_reshape(graph, node->input[0], &view);
    if (x < 0 || nt_graph_add(graph, node->op, NULL, 1, &x, NULL, &y) != NT_OK)
        return graph->failure;
    return nt_compose_end(graph, node, nt_compose_reshape(graph, y, &shape));
}

static enum nt_status softmax_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    struct nt_attr logarithm = {.set = true, .number = node->op == &nt_op_log_softmax};
    return nt_graph_add(
        graph, &nt_op_softmax_backward, NULL, 2, (int[]){node->output[0], dy[0]}, &logarithm, dx);
}

static enum nt_status softmax_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    x = rows_of(&x);
    y = rows_of(&y);
    return nt_softmax(lowering->tape, node->op == &nt_op_log_softmax, &x, &y);
}

static enum nt_status softmax_backward_lower(
    struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor y = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor dy = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor dx = nt_lower_tensor(lowering, node->output[0]);
    y = rows_of(&y);
    dy = rows_of(&dy);
    dx = rows_of(&dx);
    return nt_softmax_backward(lowering->tape, nt_attr_bool(node, "logarithm"), &y, &dy, &dx);
}

static const struct nt_attr_spec softmax_attrs[] = {
    {"axis", NT_ATTR_INT, "along which the results sum to 1; negative: from the end", .fallback = 1,
        .min = -8, .max = 7},
};

const struct nt_op nt_op_softmax = {
    .name = "softmax",
    .summary = "exp(x) / sum exp(x) along an axis",
    .shapes = "x of any shape; result as x",
    .inputs = "x",
    .outputs = 1,
    .attrs = softmax_attrs,
    .attr_count = 1,
    .layouts = "l>l",
    .expand = softmax_expand,
    .infer = softmax_infer,
    .gradient = softmax_gradient,
    .lower = softmax_lower,
};

const struct nt_op nt_op_log_softmax = {
    .name = "log_softmax",
    .summary = "x - log sum exp(x) along an axis",
    .shapes = "x of any shape; result as x",
    .inputs = "x",
    .outputs = 1,
    .attrs = softmax_attrs,
    .attr_count = 1,
    .layouts = "l>l",
    .expand = softmax_expand,
    .infer = softmax_infer,
    .gradient = softmax_gradient,
    .lower = softmax_lower,
};

static const struct nt_attr_spec softmax_backward_attrs[] = {
    {"logarithm", NT_ATTR_BOOL, "of log_softmax"},
};

const struct nt_op nt_op_softmax_backward = {
    .name = "softmax_backward",
    .summary = "gradient of softmax or log_softmax, from its result",
    .inputs = "y dy",
    .outputs = 1,
    .attrs = softmax_backward_attrs,
    .attr_count = 1,
    .internal = true,
    .layouts = "ll>l",
    .infer = softmax_infer,
    .lower = softmax_backward_lower,
};

/* ---- losses by row ---- */

#define IGNORE_ATTR                                                                                \
    {                                                                                              \
        "ignore_index", NT_ATTR_INT, "items with this target do not count",                        \
            .fallback = -1, .min = -(1 << 30), .max = 1 << 30                                      \
    }
static const struct nt_attr_spec cross_entropy_attrs[] = {
    NT_LOSS_REDUCTION,
    IGNORE_ATTR,
    {"label_smoothing", NT_ATTR_FLOAT, "share of the target spread over all classes", .max = 1},
};
static const struct nt_attr_spec nll_attrs[] = {NT_LOSS_REDUCTION, IGNORE_ATTR};
static const struct nt_attr_spec margin_attrs[] = {
    NT_LOSS_REDUCTION,
    IGNORE_ATTR,
    {"p", NT_ATTR_INT, "exponent of each distance missing", .fallback = 1, .min = 1, .max = 2},
    {"margin", NT_ATTR_FLOAT, "wanted distance to the target's score", .fallback = 1, .min = 1e-6,
        .max = 1e6},
};
static const struct nt_attr_spec backward_attrs[] = {
    IGNORE_ATTR,
    {"label_smoothing", NT_ATTR_FLOAT, "of cross_entropy", .max = 1},
    {"margin", NT_ATTR_FLOAT, "of multi_margin_loss; 0: cross-entropy"},
};

static struct nt_row_loss_params row_params(const struct nt_node *node)
{
    struct nt_row_loss_params params = {.ignore_index = (int32_t)nt_attr_int(node, "ignore_index")};
    if (nt_attr_index(node->op, "label_smoothing") >= 0)
        params.label_smoothing = (float)nt_attr_float(node, "label_smoothing");
    if (nt_attr_index(node->op, "margin") >= 0)
        params.margin = (float)nt_attr_float(node, "margin");
    params.loss = params.margin > 0 ? NT_LOSS_MULTI_MARGIN : NT_LOSS_CROSS_ENTROPY;
    return params;
}

static enum nt_status loss_infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape x, want;
    enum nt_status status = check_scores(graph, node, &x);
    if (status != NT_OK)
        return status;
    const struct nt_value *target = &graph->value[node->input[1]];
    char a[128], b[128];
    want = (struct nt_shape){.rank = x.rank - 1, .dim = {x.dim[0]}};
    memcpy(want.dim + 1, x.dim + 2, sizeof *x.dim * (size_t)(x.rank - 2));
    if (target->dtype != NT_I32 || !nt_shape_equal(&target->shape, &want))
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "%s: target is %s of shape %s: must be int32 of shape %s", node->op->name,
            nt_dtype_name(target->dtype), nt_shape_text(&target->shape, a, sizeof a),
            nt_shape_text(&want, b, sizeof b));
    for (int i = 0; i < node->outputs; i++)
        graph->value[node->output[i]].shape = (struct nt_shape){0};
    return NT_OK;
}

static enum nt_status loss_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    struct nt_row_loss_params params = row_params(node);
    struct nt_attr attr[3] = {{.set = true, .number = params.ignore_index},
        {.set = true, .number = params.label_smoothing}, {.set = true, .number = params.margin}};
    return nt_graph_add(graph, &nt_op_row_loss_backward, NULL, 4,
        (int[]){node->input[0], node->input[1], dy[0], node->output[1]}, attr, &dx[0]);
}

/* The mean over the items that count: loss = sum of rows / max(1, number of them). */
static enum nt_status loss_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tape *tape = lowering->tape;
    struct nt_row_loss_params params = row_params(node);
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor target = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor loss = nt_lower_tensor(lowering, node->output[0]);
    struct nt_tensor count = nt_lower_tensor(lowering, node->output[1]);
    x = rows_of(&x);
    struct nt_shape rows = {1, {x.shape.dim[0]}}, one = {1, {1}};
    size_t bytes = (size_t)rows.dim[0] * sizeof(float);
    struct nt_tensor flat = nt_tensor_make(target.buffer, NT_I32, &rows, NT_ROW_MAJOR);
    flat.offset = target.offset;
    struct nt_tensor each =
        nt_tensor_make(nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, bytes, "loss of each item"),
            NT_F32, &rows, NT_ROW_MAJOR);
    struct nt_tensor valid =
        nt_tensor_make(nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, bytes, "items that count"), NT_F32,
            &rows, NT_ROW_MAJOR);
    loss = nt_tensor_broadcast(&loss, &one);
    count = nt_tensor_broadcast(&count, &one);
    struct nt_expr *expr = nt_expr_create();
    if (!expr)
        return nt_fail(lowering->graph->ctx, NT_ERR_MEMORY, "loss: host memory is exhausted");
    int a = nt_expr_input(expr, 0), b = nt_expr_input(expr, 1);
    int at_least_one = nt_expr_call(expr, NT_FN_max, b, nt_expr_constant(expr, 1), -1);
    int terms[2] = {nt_expr_call(expr, NT_FN_div, a, at_least_one, -1), at_least_one};
    enum nt_status status = nt_row_loss(tape, &params, &x, &flat, &each, &valid);
    if (status == NT_OK)
        status = nt_reduce(tape, NT_REDUCE_SUM, expr, a, 1, &each, 1, &loss);
    if (status == NT_OK)
        status = nt_reduce(tape, NT_REDUCE_SUM, expr, a, 1, &valid, 1, &count);
    struct nt_tensor both[2] = {loss, count};
    if (status == NT_OK)
        status = nt_map(tape, expr, 2, terms, both, 2, both);
    nt_expr_destroy(expr);
    return status;
}

static enum nt_status row_loss_backward_infer(struct nt_graph *graph, struct nt_node *node)
{
    graph->value[node->output[0]].shape = graph->value[node->input[0]].shape;
    return NT_OK;
}

static enum nt_status row_loss_backward_lower(
    struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_row_loss_params params = row_params(node);
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor target = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor scale = nt_lower_tensor(lowering, node->input[2]);
    struct nt_tensor count = nt_lower_tensor(lowering, node->input[3]);
    struct nt_tensor dx = nt_lower_tensor(lowering, node->output[0]);
    x = rows_of(&x);
    dx = rows_of(&dx);
    struct nt_shape rows = {1, {x.shape.dim[0]}}, one = {1, {1}};
    struct nt_tensor flat = nt_tensor_make(target.buffer, NT_I32, &rows, NT_ROW_MAJOR);
    flat.offset = target.offset;
    scale = nt_tensor_broadcast(&scale, &one);
    count = nt_tensor_broadcast(&count, &one);
    return nt_row_loss_backward(lowering->tape, &params, &x, &flat, &scale, &count, &dx);
}

const struct nt_op nt_op_cross_entropy = {
    .name = "cross_entropy",
    .summary =
        "-weight[target] log softmax(x)[target]; target: int32 classes, or probabilities q of "
        "x's shape: -sum weight q log softmax(x)",
    .source =
        "label smoothing: Szegedy et al., Rethinking the Inception architecture, CVPR 2016, sec. 7",
    .shapes = "x N,C or N,C,..., target N or N,... (int32) or as x (float32), weight C; results: a "
              "scalar or as target, and how many count",
    .inputs = "x target weight?",
    .outputs = 2, /* the second is the number of items that count, at least 1 */
    .attrs = cross_entropy_attrs,
    .attr_count = sizeof cross_entropy_attrs / sizeof *cross_entropy_attrs,
    .layouts = "lr>r",
    .expand = nt_class_loss_expand,
    .infer = loss_infer,
    .gradient = loss_gradient,
    .lower = loss_lower,
};

const struct nt_op nt_op_nll_loss = {
    .name = "nll_loss",
    .summary = "negative log-likelihood -weight[target] x[target]; x: logarithms of probabilities",
    .shapes = "x N,C or N,C,..., target N or N,... (int32), weight C; results: a scalar or as "
              "target, and how many count",
    .inputs = "x target weight?",
    .outputs = 2,
    .attrs = nll_attrs,
    .attr_count = sizeof nll_attrs / sizeof *nll_attrs,
    .layouts = "lr>r",
    .expand = nt_class_loss_expand_nll,
};

const struct nt_op nt_op_multi_margin_loss = {
    .name = "multi_margin_loss",
    .summary =
        "multiclass hinge (SVM): weight[target] / C times the sum over j != target of max(0, "
        "margin + x[j] - x[target])^p",
    .source = "Weston & Watkins, Multi-class support vector machines, 1998",
    .shapes = "x N,C or N,C,..., target N or N,... (int32), weight C; results: a scalar or as "
              "target, and how many count",
    .inputs = "x target weight?",
    .outputs = 2,
    .attrs = margin_attrs,
    .attr_count = sizeof margin_attrs / sizeof *margin_attrs,
    .layouts = "lr>r",
    .expand = nt_class_loss_expand_margin,
    .infer = loss_infer,
    .gradient = loss_gradient,
    .lower = loss_lower,
};

const struct nt_op nt_op_row_loss_backward = {
    .name = "row_loss_backward",
    .summary = "gradient of cross_entropy and multi_margin_loss by x, times scale / count",
    .inputs = "x target scale count",
    .outputs = 1,
    .attrs = backward_attrs,
    .attr_count = sizeof backward_attrs / sizeof *backward_attrs,
    .internal = true,
    .layouts = "lrrr>l",
    .infer = row_loss_backward_infer,
    .lower = row_loss_backward_lower,
};
