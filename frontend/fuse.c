/* SPDX-License-Identifier: MIT
 *
 * Fewer launches, same numbers: dead nodes go, constants and chains of elementwise nodes become
 * one expression, and elementwise nodes move into the reduction after them or the epilogue of the
 * convolution or product before them.
 */
#include <stdlib.h>
#include <string.h>

#include "frontend/graph.h"
#include "frontend/op.h"

#define MAX_OPERANDS 12         /* inputs of a fused elementwise node */
#define MAX_EPILOGUE_OPERANDS 3 /* a fourth is kept for the bias */
#define MAX_REPEATED_COST 2     /* function calls worth repeating for each broadcast element */

struct pass {
    struct nt_graph *graph;
    int *uses; /* nodes that read the value; roots count as one more */
};

static bool is_map(const struct nt_node *node)
{
    return node->expr && node->epilogue_input < 0 && node->op->lower == NULL;
}

static bool is_reduction(const struct nt_node *node)
{
    return node->op == &nt_op_sum || node->op == &nt_op_mean || node->op == &nt_op_max ||
           node->op == &nt_op_min || node->op == &nt_op_prod;
}

/* The first of a node's inputs that is the same value. */
static int first_of(const struct nt_node *node, int input)
{
    int first = 0;
    while (node->input[first] != node->input[input])
        first++;
    return first;
}

/* Marks as dead what leads to no root, and counts uses. */
static void remove_dead(struct pass *pass, int count, const int *roots)
{
    struct nt_graph *graph = pass->graph;
    memset(pass->uses, 0, (size_t)graph->value_count * sizeof *pass->uses);
    for (int i = 0; i < count; i++)
        if (roots[i] >= 0)
            pass->uses[roots[i]]++;
    for (int i = graph->node_count - 1; i >= 0; i--) {
        struct nt_node *node = graph->node[i];
        bool live = false;
        for (int j = 0; j < node->outputs; j++)
            live |= pass->uses[node->output[j]] > 0;
        node->dead |= !live;
        for (int j = 0; !node->dead && j < node->inputs; j++)
            if (node->input[j] >= 0 && first_of(node, j) == j)
                pass->uses[node->input[j]]++;
    }
}

/* Replaces node's expression by one over a new input list. Each old input i becomes terms[i] of
 * the new expression. */
static enum nt_status rebuild(struct nt_graph *graph, struct nt_node *node, struct nt_expr *expr,
    int term, int inputs, const int *input)
{
    if (!nt_expr_ok(expr)) {
        nt_expr_destroy(expr);
        return nt_fail(graph->ctx, NT_ERR_MEMORY, "graph: host memory is exhausted");
    }
    nt_expr_destroy(node->expr);
    node->expr = expr;
    node->term = term;
    node->inputs = inputs;
    memcpy(node->input, input, (size_t)inputs * sizeof *input);
    return NT_OK;
}

static int add_input(int *input, int *count, int value)
{
    for (int i = 0; i < *count; i++)
        if (input[i] == value)
            return i;
    input[*count] = value;
    return (*count)++;
}

/* A reduction needs an operand of the shape that it reduces. */
static bool keeps_shape(
    const struct nt_graph *graph, const struct nt_node *from, const struct nt_shape *shape)
{
    for (int i = 0; i < from->inputs; i++)
        if (nt_shape_equal(&graph->value[from->input[i]].shape, shape))
            return true;
    return false;
}

/* Random numbers are made in elementwise nodes alone, and not again for every element that they are
 * broadcast to. */
static bool is_random(const struct nt_graph *graph, const struct nt_node *node)
{
    for (int i = 0; i < node->inputs; i++)
        if (graph->value[node->input[i]].kind == NT_VALUE_INDEX)
            return true;
    return false;
}

/* Whether a value passes from one expression to another as it is: what it computes with is what it
 * is stored as, and the other computes with the same. */
static bool same_arithmetic(
    const struct nt_value *value, const struct nt_node *from, const struct nt_node *to)
{
    bool integers = nt_expr_is_integers(from->expr);
    return value->dtype == (integers ? NT_I32 : NT_F32) &&
           integers == (to->expr && nt_expr_is_integers(to->expr));
}

/* Merges what can be merged into the node: constants, and elementwise producers that only this
 * node reads. No value is an input twice after that. */
static enum nt_status absorb_inputs(struct pass *pass, struct nt_node *node)
{
    struct nt_graph *graph = pass->graph;
    struct nt_expr *expr = nt_expr_create();
    int input[2 * NT_MAX_INPUTS], terms[NT_MAX_INPUTS], count = 0;
    if (!expr)
        return nt_fail(graph->ctx, NT_ERR_MEMORY, "graph: host memory is exhausted");
    if (node->expr && nt_expr_is_integers(node->expr))
        nt_expr_make_integers(expr, -1);
    const struct nt_shape *shape = is_reduction(node) ? &graph->value[node->input[0]].shape
                                                      : &graph->value[node->output[0]].shape;
    bool changed = false;
    for (int i = 0; i < node->inputs; i++) {
        if (first_of(node, i) < i) {
            terms[i] = terms[first_of(node, i)];
            changed = true;
            continue;
        }
        const struct nt_value *value = &graph->value[node->input[i]];
        struct nt_node *from = value->node >= 0 ? graph->node[value->node] : NULL;
        bool mergeable = from && is_map(from) && pass->uses[node->input[i]] == 1 &&
                         same_arithmetic(value, from, node) &&
                         count + from->inputs + (node->inputs - i - 1) <= MAX_OPERANDS &&
                         (!is_reduction(node) || keeps_shape(graph, from, shape)) &&
                         (nt_shape_equal(&value->shape, shape) ||
                             nt_expr_cost(from->expr, from->term) <= MAX_REPEATED_COST);
        if (mergeable && is_random(graph, from))
            mergeable = !is_reduction(node) && nt_shape_equal(&value->shape, shape);
        /* A node must keep at least one input that gives its shape. */
        if (value->kind == NT_VALUE_CONSTANT && node->inputs > 1 && !is_reduction(node)) {
            terms[i] = nt_expr_constant(expr, value->constant);
            changed = true;
        } else if (mergeable) {
            int inner[NT_MAX_INPUTS];
            for (int j = 0; j < from->inputs; j++)
                inner[j] = nt_expr_input(expr, add_input(input, &count, from->input[j]));
            terms[i] = nt_expr_compose(expr, from->expr, from->term, inner);
            from->dead = changed = true;
        } else {
            terms[i] = nt_expr_input(expr, add_input(input, &count, node->input[i]));
        }
    }
    if (!changed || count == 0) {
        nt_expr_destroy(expr);
        return NT_OK;
    }
    int term = node->expr ? nt_expr_compose(expr, node->expr, node->term, terms) : terms[0];
    return rebuild(graph, node, expr, term, count, input);
}

/* ---- epilogues ---- */

/* Whether an operand may stand in an epilogue of a result of this shape: one like it, a scalar, or
 * one that varies along the dimension `fast`, which lies fastest in memory. */
static bool fits(const struct nt_shape *operand, const struct nt_shape *result, int fast)
{
    if (nt_shape_equal(operand, result) || nt_shape_count(operand) == 1)
        return true;
    int lead = result->rank - operand->rank;
    for (int i = 0; i < operand->rank; i++)
        if (operand->dim[i] != (i + lead == fast ? result->dim[fast] : 1))
            return false;
    return lead <= fast;
}

/* Whether an elementwise node can be an epilogue of what gives its input `which`. */
static bool is_host(const struct pass *pass, const struct nt_node *node, int which)
{
    const struct nt_graph *graph = pass->graph;
    const struct nt_shape *shape = &graph->value[node->output[0]].shape;
    const struct nt_value *result = &graph->value[node->input[which]];
    const struct nt_node *from = result->node >= 0 ? graph->node[result->node] : NULL;
    if (!from || !from->op->epilogue || from->expr || from->dead ||
        graph->value[node->output[0]].dtype != NT_F32 || pass->uses[node->input[which]] != 1 ||
        !nt_shape_equal(&result->shape, shape))
        return false;
    int fast = nt_op_fast_dim(from->op, shape->rank);
    for (int i = 0; i < node->inputs; i++) {
        const struct nt_value *value = &graph->value[node->input[i]];
        if (!fits(&value->shape, shape, fast) || value->dtype != NT_F32 ||
            value->kind == NT_VALUE_NUMBER)
            return false;
    }
    return true;
}

/* The input of an elementwise node whose producer can take the node as its epilogue, or -1. */
static int epilogue_host(const struct pass *pass, const struct nt_node *node)
{
    int host = node->inputs - 1 > MAX_EPILOGUE_OPERANDS ? -1 : node->inputs - 1;
    while (host >= 0 && !is_host(pass, node, host))
        host--;
    return host;
}

/* Moves an elementwise node into its producer, which then stands where the node stood. */
static enum nt_status absorb_into_producer(struct pass *pass, int at)
{
    struct nt_graph *graph = pass->graph;
    struct nt_node *node = graph->node[at];
    int host = epilogue_host(pass, node);
    if (host < 0)
        return NT_OK;
    struct nt_expr *expr = nt_expr_create();
    if (!expr)
        return nt_fail(graph->ctx, NT_ERR_MEMORY, "graph: host memory is exhausted");
    int from_index = graph->value[node->input[host]].node;
    struct nt_node *from = graph->node[from_index];
    int terms[NT_MAX_INPUTS], operands = 0;
    from->epilogue_input = from->inputs;
    for (int i = 0; i < node->inputs; i++) {
        terms[i] = nt_expr_input(expr, i == host ? 0 : 1 + operands);
        if (i != host)
            from->input[from->inputs + operands++] = node->input[i];
    }
    from->inputs += operands;
    from->term = nt_expr_compose(expr, node->expr, node->term, terms);
    from->expr = expr;
    from->output[0] = node->output[0];
    graph->node[at] = from;
    graph->node[from_index] = node;
    node->dead = true;
    graph->value[from->output[0]].node = at;
    for (int i = 1; i < from->outputs; i++)
        graph->value[from->output[i]].node = at;
    return NT_OK;
}

static void compact(struct nt_graph *graph)
{
    int kept = 0;
    for (int i = 0; i < graph->node_count; i++) {
        struct nt_node *node = graph->node[i];
        if (node->dead) {
            nt_expr_destroy(node->expr);
            continue;
        }
        for (int j = 0; j < node->outputs; j++)
            graph->value[node->output[j]].node = kept;
        graph->node[kept++] = node;
    }
    graph->node_count = kept;
}

enum nt_status nt_fuse(struct nt_graph *graph, int count, const int *roots)
{
    struct pass pass = {graph, calloc((size_t)graph->value_count + 1, sizeof *pass.uses)};
    enum nt_status status = NT_OK;
    if (!pass.uses)
        return nt_fail(graph->ctx, NT_ERR_MEMORY, "graph: host memory is exhausted");
    remove_dead(&pass, count, roots);
    for (int i = 0; status == NT_OK && i < graph->node_count; i++) {
        struct nt_node *node = graph->node[i];
        if (!node->dead && (is_map(node) || (is_reduction(node) && !node->expr)))
            status = absorb_inputs(&pass, node);
    }
    remove_dead(&pass, count, roots);
    for (int i = 0; status == NT_OK && i < graph->node_count; i++)
        if (!graph->node[i]->dead && is_map(graph->node[i]))
            status = absorb_into_producer(&pass, i);
    remove_dead(&pass, count, roots);
    compact(graph);
    free(pass.uses);
    return status;
}
