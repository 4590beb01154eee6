/* SPDX-License-Identifier: MIT
 *
 * Reverse-mode differentiation over the graph: each node's rule emits ordinary nodes.
 */
#include <string.h>

#include "frontend/graph.h"
#include "frontend/op.h"

struct pass {
    struct nt_graph *graph;
    int values;   /* those that existed before the pass */
    bool *needed; /* a wanted gradient flows through the value */
    bool *masked; /* the value's gradient is zero already where the value is not positive */
    int *grad;    /* -1: none yet */
    const struct nt_op *relu;
};

/* Rebuilds an expression over the inputs that a term really uses, and adds its node. */
static int add_used(
    struct nt_graph *graph, struct nt_expr *expr, int term, int inputs, const int *input)
{
    int terms[NT_MAX_INPUTS + 2], used[NT_MAX_INPUTS + 2], count = 0;
    struct nt_expr *own = nt_expr_create();
    if (!own) {
        nt_expr_destroy(expr);
        nt_fail(graph->ctx, NT_ERR_MEMORY, "graph: host memory is exhausted");
        return -1;
    }
    for (int i = 0; i < inputs; i++) {
        terms[i] = -1;
        if (!nt_expr_uses(expr, term, i))
            continue;
        terms[i] = nt_expr_input(own, count);
        used[count++] = input[i];
    }
    int result = nt_expr_compose(own, expr, term, terms);
    nt_expr_destroy(expr);
    return nt_graph_map(graph, own, result, count, used);
}

/* The gradient of an elementwise node by one input: dy times the derivative of its expression,
 * summed down to the input's shape. *dx stays -1 when the result does not change with the input. */
static enum nt_status map_gradient(
    struct nt_graph *graph, const struct nt_node *node, int which, int dy, int *dx)
{
    struct nt_expr *expr = nt_expr_create();
    int terms[NT_MAX_INPUTS], input[NT_MAX_INPUTS + 2], n = node->inputs, index;
    double constant;
    if (!expr) {
        return nt_fail(graph->ctx, NT_ERR_MEMORY, "graph: host memory is exhausted");
    }
    memcpy(input, node->input, (size_t)n * sizeof *input);
    input[n] = node->output[0];
    input[n + 1] = dy;
    for (int i = 0; i < n; i++)
        terms[i] = nt_expr_input(expr, i);
    int y = nt_expr_compose(expr, node->expr, node->term, terms);
    int derivative = nt_expr_derivative(expr, y, which);
    /* The result itself is at hand: no need to compute it again. */
    if (!nt_expr_is_input(expr, y, &index) && !nt_expr_is_constant(expr, y, &constant))
        derivative = nt_expr_replace(expr, derivative, y, nt_expr_input(expr, n));
    struct nt_shape shape = graph->value[node->input[which]].shape;
    int value;
    if (nt_expr_is_constant(expr, derivative, &constant) && (constant == 0 || constant == 1)) {
        nt_expr_destroy(expr);
        if (constant == 0)
            return NT_OK;
        value = dy;
    } else {
        int product = nt_expr_call(expr, NT_FN_mul, nt_expr_input(expr, n + 1), derivative, -1);
        value = add_used(graph, expr, product, n + 2, input);
    }
    *dx = value < 0 ? -1 : nt_graph_sum_to(graph, value, &shape);
    return *dx < 0 ? NT_ERR_MEMORY : NT_OK;
}

static enum nt_status accumulate(struct pass *pass, int value, int dx)
{
    if (dx < 0 || !pass->needed[value])
        return NT_OK;
    if (pass->grad[value] >= 0)
        dx = nt_graph_formula(pass->graph, "a + b", 2, (int[]){pass->grad[value], dx});
    pass->grad[value] = dx;
    return dx < 0 ? NT_ERR_MEMORY : NT_OK;
}

/* Whether a value is a ReLU's that nothing but one node reads. */
static bool is_relu_for_one(const struct pass *pass, int value)
{
    const struct nt_graph *graph = pass->graph;
    int readers = 0;
    bool relu = false;
    for (int i = 0; i < graph->node_count; i++) {
        const struct nt_node *node = graph->node[i];
        relu |= node->op == pass->relu && node->output[0] == value;
        for (int j = 0; j < node->inputs; j++)
            readers += node->input[j] == value;
    }
    return relu && readers == 1;
}

/* Where a window's maximum of a ReLU is not positive, no gradient passes the ReLU, and where it is,
 * all does: so the smaller tensor is masked before the windows instead of the larger after them. */
static enum nt_status mask_maximum(struct pass *pass, const struct nt_node *node, int *dy)
{
    int x = node->input[0];
    if (!node->op->maximum || *dy < 0 || !is_relu_for_one(pass, x))
        return NT_OK;
    *dy = nt_graph_formula(pass->graph, "a * (b > 0)", 2, (int[]){*dy, node->output[0]});
    pass->masked[x] = true;
    return *dy < 0 ? NT_ERR_MEMORY : NT_OK;
}

static enum nt_status node_gradient(struct pass *pass, const struct nt_node *node)
{
    struct nt_graph *graph = pass->graph;
    int dy[NT_MAX_OUTPUTS], dx[NT_MAX_INPUTS];
    bool want[NT_MAX_INPUTS] = {0}, flows = false, wanted = false;
    for (int i = 0; i < node->outputs; i++) {
        dy[i] = pass->grad[node->output[i]];
        flows |= dy[i] >= 0;
    }
    for (int i = 0; i < node->inputs; i++) {
        want[i] = node->input[i] >= 0 && pass->needed[node->input[i]];
        wanted |= want[i];
        dx[i] = -1;
    }
    if (!flows || !wanted)
        return NT_OK;
    graph->where = node->where;
    enum nt_status status = mask_maximum(pass, node, &dy[0]);
    if (status != NT_OK)
        return status;
    if (pass->masked[node->output[0]]) {
        dx[0] = dy[0];
    } else if (node->expr && !node->op->gradient) {
        for (int i = 0; status == NT_OK && i < node->inputs; i++)
            if (want[i])
                status = map_gradient(graph, node, i, dy[0], &dx[i]);
    } else if (node->op->gradient) {
        status = node->op->gradient(graph, node, dy, want, dx);
    } else {
        return nt_graph_fail(graph, NT_ERR_UNSUPPORTED,
            "%s: has no gradient, so nothing before it can be trained", node->op->name);
    }
    for (int i = 0; status == NT_OK && i < node->inputs; i++)
        if (want[i])
            status = accumulate(pass, node->input[i], dx[i]);
    return status;
}

static void mark_needed(struct pass *pass, int count, const int *inputs)
{
    const struct nt_graph *graph = pass->graph;
    for (int v = 0; v < pass->values; v++)
        pass->needed[v] = graph->value[v].kind == NT_VALUE_PARAMETER && !graph->value[v].frozen;
    for (int i = 0; i < count; i++)
        pass->needed[inputs[i]] = true;
    for (int i = 0; i < graph->node_count; i++) {
        const struct nt_node *node = graph->node[i];
        bool any = false;
        for (int j = 0; j < node->inputs; j++)
            any |= node->input[j] >= 0 && pass->needed[node->input[j]];
        for (int j = 0; j < node->outputs; j++)
            pass->needed[node->output[j]] = any && graph->value[node->output[j]].dtype == NT_F32;
    }
}

enum nt_status nt_gradient(struct nt_graph *graph, int count, const int *inputs, const int **grads)
{
    struct pass pass = {.graph = graph, .values = graph->value_count, .relu = nt_op_find("relu")};
    int nodes = graph->node_count;
    if (graph->loss < 0)
        return nt_fail(graph->ctx, NT_ERR_ARGUMENT, "gradient: the model declares no loss");
    pass.needed = nt_graph_alloc(graph, (size_t)pass.values * sizeof *pass.needed);
    pass.masked = nt_graph_alloc(graph, (size_t)pass.values * sizeof *pass.masked);
    pass.grad = nt_graph_alloc(graph, (size_t)pass.values * sizeof *pass.grad);
    if (!pass.needed || !pass.masked || !pass.grad)
        return nt_fail(graph->ctx, NT_ERR_MEMORY, "graph: host memory is exhausted");
    mark_needed(&pass, count, inputs);
    for (int v = 0; v < pass.values; v++)
        pass.grad[v] = -1;
    pass.grad[graph->loss] = nt_graph_constant(graph, 1, &(struct nt_shape){0});
    if (pass.grad[graph->loss] < 0)
        return NT_ERR_MEMORY;
    if (graph->value[graph->loss].shape.rank > 0)
        graph->value[pass.grad[graph->loss]].shape = graph->value[graph->loss].shape;
    const char *where = graph->where;
    enum nt_status status = NT_OK;
    for (int i = nodes - 1; status == NT_OK && i >= 0; i--)
        status = node_gradient(&pass, graph->node[i]);
    graph->where = where;
    if (status == NT_OK)
        *grads = pass.grad;
    return status;
}
