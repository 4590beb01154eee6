/* SPDX-License-Identifier: MIT
 *
 * Activations that are computed again instead of kept (Chen, Xu, Zhang, Guestrin, "Training deep
 * nets with sublinear memory cost", 2016). Random numbers are functions of an index and a key, and
 * states change after everything else, so the second computation gives the same bits.
 */
#include <stdlib.h>
#include <string.h>

#include "frontend/graph.h"
#include "frontend/op.h"

/* Values of less than this share of all activations (statistics, say) are kept. */
#define SMALL 1e-3

struct pass {
    struct nt_graph *graph;
    struct nt_node **node; /* as before the pass */
    int forward, nodes, values;
    bool *kept;     /* by value */
    int *again;     /* by value: what takes its place in the backward run, -1: nothing yet */
    double *before; /* by forward node: bytes the gradient needs of it and those before it */
    double *across; /* by forward node: bytes that live from it or before to after it */
};

static double bytes_of(const struct pass *pass, int value)
{
    return (double)nt_shape_count(&pass->graph->value[value].shape) * sizeof(float);
}

/* Whether a value is one of the forward run's results. */
static bool is_forward(const struct pass *pass, int value)
{
    return value >= 0 && value < pass->values &&
           pass->graph->value[value].kind == NT_VALUE_RESULT &&
           pass->graph->value[value].node < pass->forward;
}

/* The latest node of begin to end that reads each value, -1: none. */
static void find_readers(const struct pass *pass, int begin, int end, int *last)
{
    for (int v = 0; v < pass->values; v++)
        last[v] = -1;
    for (int i = begin; i < end; i++)
        for (int j = 0; j < pass->node[i]->inputs; j++)
            if (pass->node[i]->input[j] >= 0)
                last[pass->node[i]->input[j]] = i;
}

/* Fills before and across; last is room for a number per value. */
static void weigh(struct pass *pass, int *last)
{
    memset(pass->before, 0, (size_t)pass->forward * sizeof *pass->before);
    memset(pass->across, 0, (size_t)pass->forward * sizeof *pass->across);
    find_readers(pass, pass->forward, pass->nodes, last);
    for (int v = 0; v < pass->values; v++)
        if (is_forward(pass, v) && last[v] >= 0)
            pass->before[pass->graph->value[v].node] += bytes_of(pass, v);
    for (int i = 1; i < pass->forward; i++)
        pass->before[i] += pass->before[i - 1];
    find_readers(pass, 0, pass->forward, last);
    for (int v = 0; v < pass->values; v++)
        if (is_forward(pass, v))
            for (int i = pass->graph->value[v].node; i < last[v]; i++)
                pass->across[i] += bytes_of(pass, v);
}

/* The node after which least lives, of those with a share of activations before them that is
 * nearer to part / parts than to its neighbours; -1: none. */
static int find_cut(const struct pass *pass, int part, int parts)
{
    double all = pass->before[pass->forward - 1];
    double low = all * (part - 0.5) / parts, high = all * (part + 0.5) / parts;
    int best = -1;
    for (int i = 0; i + 1 < pass->forward; i++)
        if (pass->before[i] > low && pass->before[i] <= high &&
            (best < 0 || pass->across[i] < pass->across[best]))
            best = i;
    return best;
}

/* Decides what is kept; last holds the latest forward reader of each value. */
static void choose(struct pass *pass, int parts, const int *last)
{
    const struct nt_graph *graph = pass->graph;
    int end = -1;
    for (int v = 0; v < pass->values; v++)
        pass->kept[v] = !is_forward(pass, v) || graph->value[v].dtype != NT_F32 ||
                        bytes_of(pass, v) < SMALL * pass->before[pass->forward - 1];
    for (int part = 1; part < parts; part++) {
        int cut = find_cut(pass, part, parts);
        end = cut > end ? cut : end;
        for (int v = 0; cut >= 0 && v < pass->values; v++)
            if (is_forward(pass, v) && graph->value[v].node <= cut && last[v] > cut)
                pass->kept[v] = true;
    }
    /* The backward run begins with the last part, which is all there still. */
    for (int v = 0; v < pass->values; v++)
        if (is_forward(pass, v) && graph->value[v].node > end)
            pass->kept[v] = true;
    for (int i = 0; i < graph->output_count; i++)
        pass->kept[graph->output[i].value] = true;
    for (int v = 0; v < pass->values; v++)
        if (graph->value[v].update >= 0)
            pass->kept[graph->value[v].update] = true;
}

static enum nt_status read_again(struct pass *pass, int *value);

/* Appends the node a second time, reading what is kept or computed again itself. */
static enum nt_status repeat(struct pass *pass, const struct nt_node *node)
{
    struct nt_graph *graph = pass->graph;
    struct nt_node *copy = nt_graph_alloc(graph, sizeof *copy);
    int *input = nt_graph_alloc(graph, (NT_MAX_INPUTS + 8) * sizeof *input);
    if (!copy || !input)
        return nt_fail(graph->ctx, NT_ERR_MEMORY, "graph: host memory is exhausted");
    *copy = *node;
    copy->input = memcpy(input, node->input, (NT_MAX_INPUTS + 8) * sizeof *input);
    copy->expr = NULL;
    for (int i = 0; i < copy->inputs; i++) {
        enum nt_status status = read_again(pass, &copy->input[i]);
        if (status != NT_OK)
            return status;
    }
    for (int i = 0; i < copy->outputs; i++) {
        struct nt_value value = graph->value[node->output[i]];
        value.update = -1;
        copy->output[i] = nt_graph_new_value(graph, value);
        if (copy->output[i] < 0)
            return NT_ERR_MEMORY;
        pass->again[node->output[i]] = copy->output[i];
    }
    if (node->expr) {
        int terms[NT_MAX_INPUTS];
        copy->expr = nt_expr_create();
        for (int i = 0; copy->expr && i < node->inputs; i++)
            terms[i] = nt_expr_input(copy->expr, i);
        if (copy->expr)
            copy->term = nt_expr_compose(copy->expr, node->expr, node->term, terms);
        if (!copy->expr || copy->term < 0) {
            nt_expr_destroy(copy->expr);
            return nt_fail(graph->ctx, NT_ERR_MEMORY, "graph: host memory is exhausted");
        }
    }
    enum nt_status status = nt_graph_append(graph, copy);
    if (status != NT_OK)
        nt_expr_destroy(copy->expr);
    return status;
}

static enum nt_status read_again(struct pass *pass, int *value)
{
    if (*value < 0 || *value >= pass->values || pass->kept[*value])
        return NT_OK;
    if (pass->again[*value] < 0) {
        enum nt_status status = repeat(pass, pass->node[pass->graph->value[*value].node]);
        if (status != NT_OK)
            return status;
    }
    *value = pass->again[*value];
    return NT_OK;
}

/* Puts the list together again. Forward nodes keep their places. */
static enum nt_status rebuild(struct pass *pass)
{
    enum nt_status status = NT_OK;
    pass->graph->node_count = 0;
    for (int i = 0; i < pass->nodes; i++) {
        struct nt_node *node = pass->node[i];
        for (int j = 0; status == NT_OK && i >= pass->forward && j < node->inputs; j++)
            status = read_again(pass, &node->input[j]);
        /* After a failure the rest is only put back, so that it is freed. */
        enum nt_status put = nt_graph_append(pass->graph, node);
        status = status == NT_OK ? put : status;
        if (put != NT_OK)
            nt_expr_destroy(node->expr);
    }
    return status;
}

enum nt_status nt_recompute(struct nt_graph *graph, int forward, int parts)
{
    struct pass pass = {.graph = graph,
        .forward = forward,
        .nodes = graph->node_count,
        .values = graph->value_count};
    if (parts < 2 || forward < 2 || forward == graph->node_count)
        return NT_OK;
    size_t values = (size_t)pass.values, nodes = (size_t)pass.nodes;
    int *last = malloc(values * sizeof *last);
    pass.node = malloc(nodes * sizeof *pass.node);
    pass.kept = malloc(values * sizeof *pass.kept);
    pass.again = malloc(values * sizeof *pass.again);
    pass.before = malloc((size_t)forward * sizeof *pass.before);
    pass.across = malloc((size_t)forward * sizeof *pass.across);
    enum nt_status status = NT_OK;
    if (last && pass.node && pass.kept && pass.again && pass.before && pass.across) {
        memcpy(pass.node, graph->node, nodes * sizeof *pass.node);
        for (int v = 0; v < pass.values; v++)
            pass.again[v] = -1;
        weigh(&pass, last);
        choose(&pass, parts, last);
        status = rebuild(&pass);
    } else {
        status = nt_fail(graph->ctx, NT_ERR_MEMORY, "graph: host memory is exhausted");
    }
    free(last);
    free(pass.node);
    free(pass.kept);
    free(pass.again);
    free(pass.before);
    free(pass.across);
    return status;
}
