/* SPDX-License-Identifier: MIT
 *
 * Training (domain ai.onnx.preview.training): gradients, and steps of optimizers: rate R and step
 * T, then for each tensor its value, its gradient and what the optimizer keeps of it.
 */
#include <string.h>

#include "frontend/onnx/table.h"

/* Inputs of an optimizer's formulas: a value, b gradient, c and d what is kept, e rate, f and g
 * attributes, h: 1 where T is above 0. */
struct tensors {
    struct nt_onnx_node *node;
    int count, rate, step, after; /* after: 1 where T > 0 */
};

static enum nt_status begin(struct nt_onnx_node *node, struct tensors *t, int kept)
{
    int rest = node->inputs - 2, each = 2 + kept;
    *t = (struct tensors){.node = node, .count = rest / each};
    t->rate = nt_onnx_in(node, 0);
    t->step = t->rate < 0 ? -1 : nt_onnx_in(node, 1);
    if (rest < each || rest % each != 0)
        return nt_onnx_fail(
            node, NT_ERR_FORMAT, "%d inputs: must be 2 and %d for each tensor", node->inputs, each);
    t->after = nt_onnx_formula(node, "0 < a", 1, &t->step);
    return t->after < 0 ? node->graph->failure : NT_OK;
}

/* Input `part` of tensor i. */
static int take(struct tensors *t, int part, int i)
{
    return nt_onnx_in(t->node, 2 + part * t->count + i);
}

/* The gradient with that of the squared norm. */
static int gradient(struct tensors *t, int i)
{
    int norm = nt_onnx_constant(t->node, nt_onnx_float(t->node, "norm_coefficient", 0));
    return nt_onnx_formula(t->node, "c * a + b", 3, (int[]){take(t, 0, i), take(t, 1, i), norm});
}

static enum nt_status give(struct tensors *t, int part, int i, int value)
{
    return nt_onnx_out_type(t->node, part * t->count + i, value, nt_onnx_type(t->node, 2 + i));
}

#define MAX_NODES 20000

/* ---- Gradient: of y, whose elements are added up, by the first inputs ---- */

static int find_target(struct nt_onnx_node *node)
{
    const NtOnnx__AttributeProto *attr = nt_onnx_attr(node, "y");
    const char *name = attr && attr->s.data ? nt_graph_string(node->graph, "%.*s", (int)attr->s.len,
                                                  (const char *)attr->s.data)
                                            : "";
    struct nt_onnx_value *y = name ? nt_onnx_values_get(node->import->values, name) : NULL;
    if (y && y->defined)
        return nt_onnx_value_graph(node->import, y);
    nt_onnx_fail(node, NT_ERR_FORMAT,
        "y '%s': must be an output of the graph or be needed for one, and be made before",
        name ? name : "");
    return -1;
}

enum nt_status nt_onnx_gradient(struct nt_onnx_node *node)
{
    const NtOnnx__AttributeProto *xs = nt_onnx_attr(node, "xs");
    struct nt_graph *graph = node->graph;
    int x[NT_ONNX_MAX_OPERANDS], count = xs ? (int)xs->n_strings : 0, loss = graph->loss;
    const int *by_value;
    if (count < 1 || count > node->inputs)
        return nt_onnx_fail(node, NT_ERR_FORMAT, "xs: must name the first inputs");
    for (int i = 0; i < count; i++)
        if ((x[i] = nt_onnx_in(node, i)) < 0)
            return graph->failure;
    int y = find_target(node);
    if (y < 0)
        return graph->failure;
    if (graph->node_count > MAX_NODES) /* gradients of gradients multiply */
        return nt_onnx_fail(node, NT_ERR_UNSUPPORTED, "a graph of %d nodes: must be at most %d",
            graph->node_count, MAX_NODES);
    graph->loss = y;
    enum nt_status status = nt_gradient(graph, count, x, &by_value);
    graph->loss = loss;
    for (int i = 0; status == NT_OK && i < count; i++) {
        struct nt_shape shape = graph->value[x[i]].shape;
        int dx = by_value[x[i]] >= 0 ? by_value[x[i]] : nt_graph_constant(graph, 0, &shape);
        status = nt_onnx_out_type(node, i, dx, nt_onnx_type(node, i));
    }
    return status;
}

/* ---- steps of optimizers ---- */

enum nt_status nt_onnx_adagrad(struct nt_onnx_node *node)
{
    struct tensors t;
    enum nt_status status = begin(node, &t, 1);
    int decay = nt_onnx_constant(node, nt_onnx_float(node, "decay_factor", 0));
    int epsilon = nt_onnx_constant(node, nt_onnx_float(node, "epsilon", 1e-6));
    for (int i = 0; status == NT_OK && i < t.count; i++) {
        int g = gradient(&t, i);
        int sum = nt_onnx_formula(node, "a + b * b", 2, (int[]){take(&t, 2, i), g});
        const int in[] = {take(&t, 0, i), g, sum, t.rate, t.step, decay, epsilon};
        status =
            give(&t, 0, i, nt_onnx_formula(node, "a - d / (1 + e * f) * b / (sqrt(c) + g)", 7, in));
        if (status == NT_OK)
            status = give(&t, 1, i, sum);
    }
    return status;
}

enum nt_status nt_onnx_momentum(struct nt_onnx_node *node)
{
    struct tensors t;
    int mode;
    enum nt_status status = begin(node, &t, 1);
    if (status == NT_OK)
        status = nt_onnx_choice(node, "mode", "standard", "standard|nesterov", &mode);
    int alpha = nt_onnx_constant(node, nt_onnx_float(node, "alpha", 0));
    int beta = nt_onnx_constant(node, nt_onnx_float(node, "beta", 0));
    for (int i = 0; status == NT_OK && i < t.count; i++) {
        int g = gradient(&t, i);
        const int kept[] = {take(&t, 2, i), g, alpha, beta, t.after};
        int v = nt_onnx_formula(node, "c * a + select(e, d, 1) * b", 5, kept);
        const int in[] = {take(&t, 0, i), g, v, t.rate, alpha};
        status = give(
            &t, 0, i, nt_onnx_formula(node, mode ? "a - d * (b + e * c)" : "a - d * c", 5, in));
        if (status == NT_OK)
            status = give(&t, 1, i, v);
    }
    return status;
}

enum nt_status nt_onnx_adam(struct nt_onnx_node *node)
{
    struct tensors t;
    enum nt_status status = begin(node, &t, 2);
    int alpha = nt_onnx_constant(node, nt_onnx_float(node, "alpha", 0.9));
    int beta = nt_onnx_constant(node, nt_onnx_float(node, "beta", 0.999));
    int epsilon = nt_onnx_constant(node, nt_onnx_float(node, "epsilon", 1e-6));
    int after = nt_onnx_constant(node, nt_onnx_float(node, "norm_coefficient_post", 0));
    const int rates[] = {t.rate, t.step, alpha, beta, t.after};
    int rate = status != NT_OK
                   ? -1
                   : nt_onnx_formula(
                         node, "a * select(e, sqrt(1 - pow(d, b)) / (1 - pow(c, b)), 1)", 5, rates);
    for (int i = 0; status == NT_OK && i < t.count; i++) {
        int g = gradient(&t, i);
        int v = nt_onnx_formula(node, "c * a + (1 - c) * b", 3, (int[]){take(&t, 2, i), g, alpha});
        int h =
            nt_onnx_formula(node, "c * a + (1 - c) * b * b", 3, (int[]){take(&t, 3, i), g, beta});
        const int in[] = {take(&t, 0, i), v, h, rate, epsilon, after};
        status =
            give(&t, 0, i, nt_onnx_formula(node, "(1 - f) * (a - d * b / (sqrt(c) + e))", 6, in));
        if (status == NT_OK)
            status = give(&t, 1, i, v);
        if (status == NT_OK)
            status = give(&t, 2, i, h);
    }
    return status;
}
