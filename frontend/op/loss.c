/* SPDX-License-Identifier: MIT
 *
 * Losses that compare a prediction with a target of the same shape, element by element.
 */
#include "frontend/op/loss.h"

#include <string.h>

int nt_loss_formula(struct nt_graph *graph, const struct nt_node *node, const char *text, int count,
    const char *const *names, const int *values)
{
    const char *name[16];
    int term[16], input[8], inputs = 0, result;
    struct nt_expr *expr = nt_expr_create();
    if (!expr)
        return -1;
    for (int i = 0; i < count; i++) {
        name[i] = names[i];
        term[i] = nt_expr_constant(expr, 1);
        if (values[i] < 0)
            continue;
        term[i] = nt_expr_input(expr, inputs);
        input[inputs++] = values[i];
    }
    for (int i = 0; i < node->op->attr_count; i++, count++) {
        name[count] = node->op->attrs[i].name;
        term[count] = nt_expr_constant(expr, node->attr[i].number);
    }
    if (nt_expr_parse(graph->ctx, expr, text, count, name, term, &result) != NT_OK) {
        nt_expr_destroy(expr);
        return -1;
    }
    return nt_graph_map(graph, expr, result, inputs, input);
}

int nt_loss_reduce(struct nt_graph *graph, const struct nt_node *node, int losses, int divisor)
{
    if (losses < 0)
        return -1;
    const struct nt_shape *shape = &graph->value[losses].shape;
    unsigned all = (1u << shape->rank) - 1;
    int64_t reduction = nt_attr_int(node, "reduction");
    if (reduction == NT_LOSS_NONE)
        return losses;
    if (reduction == NT_LOSS_MEAN && divisor < 0)
        return all ? nt_compose_reduce(graph, &nt_op_mean, losses, all, false) : losses;
    if (reduction == NT_LOSS_BATCHMEAN)
        divisor = nt_graph_constant(graph, (double)shape->dim[0], &(struct nt_shape){0});
    int sum = all ? nt_compose_reduce(graph, &nt_op_sum, losses, all, false) : losses;
    if (reduction == NT_LOSS_SUM || sum < 0)
        return sum;
    return divisor < 0 ? -1 : nt_graph_formula(graph, "a / b", 2, (int[]){sum, divisor});
}

/* The extents that are not 1. */
static struct nt_shape squeezed(const struct nt_shape *shape)
{
    struct nt_shape result = {0};
    for (int i = 0; i < shape->rank; i++)
        if (shape->dim[i] != 1)
            result.dim[result.rank++] = shape->dim[i];
    return result;
}

enum nt_status nt_loss_fit(struct nt_graph *graph, const struct nt_node *node, int input,
    const struct nt_shape *shape, int *out)
{
    struct nt_shape own = graph->value[node->input[input]].shape, want = *shape;
    struct nt_shape a = squeezed(&own), b = squeezed(&want);
    char got_text[128], want_text[128];
    if (!nt_shape_equal(&a, &b))
        return nt_graph_fail(graph, NT_ERR_SHAPE, "%s: target of shape %s: must be %s",
            node->op->name, nt_shape_text(&own, got_text, sizeof got_text),
            nt_shape_text(&want, want_text, sizeof want_text));
    *out = nt_compose_reshape(graph, node->input[input], &want);
    return *out < 0 ? NT_ERR_MEMORY : NT_OK;
}

/* ---- element by element ---- */

/* Logarithms of BCE stop at -100, as PyTorch's do; there the gradient is 0. */
#define SAFE_LOG(x) "select(abs(" x ") < 1.1754944e-38, -100, log(" x "))"

static const struct formula {
    const struct nt_op *op;
    const char *text;
} formulas[] = {
    {&nt_op_mse_loss, "(x - target) * (x - target)"},
    {&nt_op_l1_loss, "abs(x - target)"},
    {&nt_op_smooth_l1_loss,
        "select(abs(x - target) < beta, (x - target) * (x - target) * (0.5 / beta), "
        "abs(x - target) - 0.5 * beta)"},
    {&nt_op_huber_loss, "select(abs(x - target) < delta, 0.5 * (x - target) * (x - target), "
                        "delta * (abs(x - target) - 0.5 * delta))"},
    {&nt_op_binary_cross_entropy_with_logits,
        "(1 - target) * x + (1 + (pos_weight - 1) * target) * softplus(-x)"},
    {&nt_op_binary_cross_entropy,
        "-(target * " SAFE_LOG("x") " + (1 - target) * " SAFE_LOG("(1 - x)") ")"},
    {&nt_op_kl_div, "select(log_target, exp(target) * (target - x), "
                    "select(target == 0, 0 * x, target * (log(target) - x)))"},
    {&nt_op_hinge_loss, "relu(margin - target * x)"},
    {&nt_op_soft_margin_loss, "softplus(-target * x)"},
};

static const char *text_of(const struct nt_op *op)
{
    for (size_t i = 0; i < sizeof formulas / sizeof *formulas; i++)
        if (formulas[i].op == op)
            return formulas[i].text;
    return NULL;
}

static enum nt_status expand(struct nt_graph *graph, struct nt_node *node)
{
    static const char *const names[] = {"x", "target", "weight", "pos_weight"};
    int values[4] = {node->input[0], -1, -1, -1};
    struct nt_shape shape = graph->value[node->input[0]].shape;
    enum nt_status status = nt_loss_fit(graph, node, 1, &shape, &values[1]);
    if (status != NT_OK)
        return status;
    for (int i = 2; i < nt_op_max_inputs(node->op); i++)
        values[i] = node->input[i];
    int losses = nt_loss_formula(graph, node, text_of(node->op), 4, names, values);
    if (losses >= 0 && values[2] >= 0)
        losses = nt_graph_formula(graph, "a * b", 2, (int[]){losses, values[2]});
    char a[128], b[128];
    if (losses >= 0 && !nt_shape_equal(&graph->value[losses].shape, &shape))
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "%s: weights make %s of predictions of shape %s: must broadcast to them",
            node->op->name, nt_shape_text(&graph->value[losses].shape, a, sizeof a),
            nt_shape_text(&shape, b, sizeof b));
    return nt_compose_end(graph, node, nt_loss_reduce(graph, node, losses, -1));
}

#define LOSS(stem, names, doc, from, ...)                                                          \
    static const struct nt_attr_spec stem##_attrs[] = {__VA_ARGS__};                               \
    const struct nt_op nt_op_##stem = {                                                            \
        .name = #stem,                                                                             \
        .summary = doc,                                                                            \
        .source = from,                                                                            \
        .shapes = "all of one shape, weights broadcast; result: a scalar, or of that shape",       \
        .inputs = names,                                                                           \
        .outputs = 1,                                                                              \
        .attrs = stem##_attrs,                                                                     \
        .attr_count = sizeof stem##_attrs / sizeof *stem##_attrs,                                  \
        .layouts = "a>r",                                                                          \
        .expand = expand,                                                                          \
    };

LOSS(mse_loss, "x target weight?", "squared error (x - target)^2", NULL, NT_LOSS_REDUCTION)
LOSS(l1_loss, "x target weight?", "absolute error |x - target|", NULL, NT_LOSS_REDUCTION)
LOSS(smooth_l1_loss, "x target weight?",
    "(x - target)^2 / (2 beta) within beta, |x - target| - beta / 2 beyond",
    "Girshick, Fast R-CNN, ICCV 2015", NT_LOSS_REDUCTION,
    {"beta", NT_ATTR_FLOAT, "where the square ends", .fallback = 1, .min = 0, .max = 1e30})
LOSS(huber_loss, "x target weight?",
    "(x - target)^2 / 2 within delta, delta (|x - target| - delta / 2) beyond",
    "Huber, Robust estimation of a location parameter, 1964", NT_LOSS_REDUCTION,
    {"delta", NT_ATTR_FLOAT, "where the square ends", .fallback = 1, .min = 1e-30, .max = 1e30})
LOSS(binary_cross_entropy_with_logits, "x target weight? pos_weight?",
    "-(pos_weight target log sigmoid(x) + (1 - target) log(1 - sigmoid(x)))", NULL,
    NT_LOSS_REDUCTION)
LOSS(binary_cross_entropy, "x target weight?",
    "-(target log x + (1 - target) log(1 - x)) of probabilities x, logarithms at least -100", NULL,
    NT_LOSS_REDUCTION)
LOSS(kl_div, "x target",
    "Kullback-Leibler divergence target (log target - x); x: logarithms of probabilities",
    "Kullback & Leibler, On information and sufficiency, 1951",
    {"reduction", NT_ATTR_CHOICE, "of the elements to the result; batchmean: sum / batch",
        .choices = "mean|sum|none|batchmean"},
    {"log_target", NT_ATTR_BOOL, "target holds logarithms too"})
LOSS(hinge_loss, "x target weight?", "max(0, margin - target x); target: -1 or 1",
    "Cortes & Vapnik, Support-vector networks, 1995", NT_LOSS_REDUCTION,
    {"margin", NT_ATTR_FLOAT, "wanted distance", .fallback = 1})
LOSS(soft_margin_loss, "x target weight?", "log(1 + exp(-target x)); target: -1 or 1", NULL,
    NT_LOSS_REDUCTION)
