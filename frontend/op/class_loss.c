/* SPDX-License-Identifier: MIT
 *
 * Losses of class scores x (N,C or N,C,...) as other operators: what the kernels of
 * frontend/op/softmax.c do not do themselves. Targets are int32 classes (N or N,...) or
 * probabilities of x's shape.
 */
#include "frontend/op/class_loss.h"

#include <stdio.h>
#include <string.h>

#include "frontend/op/loss.h"

/* The operands of one loss, ready for expressions. */
struct rows {
    struct nt_graph *graph;
    const struct nt_node *node;
    int x, target, weight; /* weight: -1 or C,1,... */
    int class;             /* the number of each class, C,1,... */
    int64_t classes;
    bool soft; /* the target is probabilities */
};

static enum nt_status wrong_target(
    struct nt_graph *graph, const struct nt_node *node, const struct nt_shape *classes)
{
    char a[128], b[128];
    const struct nt_value *target = &graph->value[node->input[1]];
    return nt_graph_fail(graph, NT_ERR_SHAPE,
        "%s: target is %s of shape %s: must be int32 of shape %s%s", node->op->name,
        nt_dtype_name(target->dtype), nt_shape_text(&target->shape, a, sizeof a),
        nt_shape_text(classes, b, sizeof b),
        node->op == &nt_op_cross_entropy ? ", or probabilities of the scores' shape" : "");
}

static enum nt_status open_rows(struct nt_graph *graph, const struct nt_node *node, struct rows *r)
{
    struct nt_shape x = graph->value[node->input[0]].shape, wide = x;
    char text[128];
    if (x.rank < 2)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "%s: shape %s: needs a batch and a class dimension", node->op->name,
            nt_shape_text(&x, text, sizeof text));
    struct nt_shape per_class = {.rank = x.rank - 1};
    struct nt_shape items = {.rank = x.rank - 1, .dim = {x.dim[0]}};
    memcpy(items.dim + 1, x.dim + 2, sizeof *x.dim * (size_t)(x.rank - 2));
    for (int i = 0; i < per_class.rank; i++)
        per_class.dim[i] = i == 0 ? x.dim[1] : 1;
    wide.dim[1] = 1;
    const struct nt_value *target = &graph->value[node->input[1]];
    *r = (struct rows){.graph = graph, .node = node, .x = node->input[0], .weight = -1};
    r->classes = x.dim[1];
    r->soft = target->dtype == NT_F32 && node->op == &nt_op_cross_entropy;
    if (!nt_shape_equal(&target->shape, r->soft ? &x : &items) ||
        (!r->soft && target->dtype != NT_I32))
        return wrong_target(graph, node, &items);
    r->target = r->soft ? node->input[1] : nt_compose_reshape(graph, node->input[1], &wide);
    r->class = nt_graph_index(graph, &per_class, 0);
    if (node->input[2] < 0)
        return NT_OK;
    const struct nt_shape *weight = &graph->value[node->input[2]].shape;
    if (weight->rank != 1 || weight->dim[0] != x.dim[1])
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "%s: weight of shape %s: must be %lld, one for each class", node->op->name,
            nt_shape_text(weight, text, sizeof text), (long long)x.dim[1]);
    r->weight = nt_compose_reshape(graph, node->input[2], &per_class);
    return NT_OK;
}

static int formula(const struct rows *r, const char *text, int other)
{
    static const char *const names[] = {"x", "t", "k", "w", "other"};
    if (r->target < 0 || r->class < 0)
        return -1;
    return nt_loss_formula(
        r->graph, r->node, text, 5, names, (int[]){r->x, r->target, r->class, r->weight, other});
}

/* Sum over the classes; without their dimension, or with extent 1 of it. */
static int over_classes(const struct rows *r, int value, bool keep)
{
    return value < 0 ? -1 : nt_compose_reduce(r->graph, &nt_op_sum, value, 2, keep);
}

/* 1 in the place of the target's class where it counts; NaN in every place of a row whose target is
 * no class, so that bad data show. */
#define HIT                                                                                        \
    "select((t != ignore_index) * ((t < 0) + (t >= classes)), nan, (number(k) == t) * (t != "      \
    "ignore_index))"

/* The formula with the number of classes, which is no attribute, put in. */
static int hit_formula(const struct rows *r, const char *before, const char *after, int other)
{
    char text[512], hit[160];
    const char *word = strstr(HIT, "classes");
    snprintf(hit, sizeof hit, "%.*s%lld%s", (int)(word - HIT), HIT, (long long)r->classes,
        word + strlen("classes"));
    snprintf(text, sizeof text, "%s%s%s", before, hit, after);
    return formula(r, text, other);
}

/* What a mean over the rows divides by: the weights of the targets that count. */
static int divisor(const struct rows *r)
{
    int shares = r->weight >= 0 ? hit_formula(r, "w * ", "", -1)
                                : nt_loss_formula(r->graph, r->node, "t != ignore_index", 1,
                                      (const char *const[]){"t"}, &r->target);
    if (shares < 0)
        return -1;
    unsigned all = (1u << r->graph->value[shares].shape.rank) - 1;
    int sum = nt_compose_reduce(r->graph, &nt_op_sum, shares, all, false);
    return sum < 0 ? -1 : nt_graph_formula(r->graph, "select(a == 0, 1, a)", 1, &sum);
}

static enum nt_status end(struct rows *r, struct nt_node *node, int losses, int by)
{
    enum nt_status status =
        nt_compose_end(r->graph, node, nt_loss_reduce(r->graph, node, losses, by));
    if (node->outputs > 1) {
        node->output[1] = by >= 0 ? by : divisor(r);
        status = status == NT_OK && node->output[1] < 0 ? NT_ERR_MEMORY : status;
    }
    return status;
}

/* From log-probabilities: r->x. */
static enum nt_status expand_likelihood(struct rows *r, struct nt_node *node)
{
    bool smooth = nt_attr_index(node->op, "label_smoothing") >= 0;
    int each;
    if (r->soft) {
        char text[160];
        snprintf(text, sizeof text, "-w * (t * (1 - label_smoothing) + label_smoothing / %lld) * x",
            (long long)r->classes);
        each = formula(r, text, -1);
        int losses = over_classes(r, each, false);
        int items = nt_graph_constant(r->graph,
            losses < 0 ? 1 : (double)nt_shape_count(&r->graph->value[losses].shape),
            &(struct nt_shape){0});
        return end(r, node, losses, items);
    }
    if (smooth && nt_attr_float(node, "label_smoothing") > 0) {
        char after[160];
        snprintf(after, sizeof after,
            " * (1 - label_smoothing) + (t != ignore_index) * (label_smoothing / %lld))",
            (long long)r->classes);
        each = hit_formula(r, "-w * x * (", after, -1);
    } else {
        /* a probability of 0 elsewhere is no NaN */
        each = hit_formula(r, "-w * select(number(k) == t, x, 0) * ", "", -1);
    }
    return end(r, node, over_classes(r, each, false), divisor(r));
}

/* The kernel takes rows of classes that lie channels-last, which is for up to 5 dimensions: of
 * more, those behind the classes are taken as one. */
static enum nt_status expand_plain(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape x = graph->value[node->input[0]].shape, view = {3, {x.dim[0], x.dim[1], 1}};
    struct nt_shape target = graph->value[node->input[1]].shape;
    bool fits = target.rank == x.rank - 1 && target.dim[0] == x.dim[0];
    if (x.rank <= 5)
        return NT_OK;
    for (int i = 2; i < x.rank; i++) {
        view.dim[2] *= x.dim[i];
        fits = fits && target.dim[i - 1] == x.dim[i];
    }
    struct nt_shape items = {2, {view.dim[0], view.dim[2]}};
    if (!fits)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "%s: target: must have the scores' dimensions, without that of the classes",
            node->op->name);
    const int in[] = {nt_compose_reshape(graph, node->input[0], &view),
        nt_compose_reshape(graph, node->input[1], &items)};
    return in[0] < 0 || in[1] < 0
               ? graph->failure
               : nt_graph_add(graph, node->op, NULL, 2, in, node->attr, node->output);
}

enum nt_status nt_class_loss_expand(struct nt_graph *graph, struct nt_node *node)
{
    bool plain = graph->value[node->input[1]].dtype == NT_I32 && node->input[2] < 0;
    if (plain && nt_attr_int(node, "reduction") == NT_LOSS_MEAN)
        return expand_plain(graph, node);
    struct rows r;
    enum nt_status status = open_rows(graph, node, &r);
    if (status != NT_OK)
        return status;
    if (nt_graph_add(graph, &nt_op_log_softmax, NULL, 1, &r.x, NULL, &r.x) != NT_OK)
        return graph->failure;
    return expand_likelihood(&r, node);
}

enum nt_status nt_class_loss_expand_nll(struct nt_graph *graph, struct nt_node *node)
{
    struct rows r;
    enum nt_status status = open_rows(graph, node, &r);
    return status == NT_OK ? expand_likelihood(&r, node) : status;
}

enum nt_status nt_class_loss_expand_margin(struct nt_graph *graph, struct nt_node *node)
{
    bool plain = node->input[2] < 0 && nt_attr_int(node, "p") == 1;
    if (plain && nt_attr_int(node, "reduction") == NT_LOSS_MEAN)
        return expand_plain(graph, node);
    struct rows r;
    enum nt_status status = open_rows(graph, node, &r);
    if (status != NT_OK)
        return status;
    int at_target = over_classes(&r, hit_formula(&r, "x * ", "", -1), true);
    char text[160];
    snprintf(text, sizeof text,
        "(t != ignore_index) * (number(k) != t) * pow(relu(margin + x - other), p) / %lld",
        (long long)r.classes);
    int losses = at_target < 0 ? -1 : over_classes(&r, formula(&r, text, at_target), false);
    if (losses >= 0 && r.weight >= 0) {
        int weight = over_classes(&r, hit_formula(&r, "w * ", "", -1), false);
        losses = weight < 0 ? -1 : nt_graph_formula(graph, "a * b", 2, (int[]){losses, weight});
        r.weight = -1; /* a mean is over the items, as PyTorch has it */
    }
    return end(&r, node, losses, divisor(&r));
}
