/* SPDX-License-Identifier: MIT */
#include "frontend/onnx/export_parts.h"

#include <stdio.h>
#include <string.h>

/* The graph is built for these batches: two tell how extents depend on the batch, the third that
 * they do so in proportion. */
enum { FIRST_BATCH = 2, SECOND_BATCH = 3, THIRD_BATCH = 7 };

/* ---- the graphs ---- */

static bool proportional(
    const struct nt_graph *a, const struct nt_graph *b, const struct nt_graph *c)
{
    for (int v = 0; v < a->value_count; v++)
        for (int i = 0; i < a->value[v].shape.rank; i++) {
            int64_t x = a->value[v].shape.dim[i], y = b->value[v].shape.dim[i];
            if (c->value[v].shape.dim[i] != x + (y - x) * (c->batch - a->batch))
                return false;
        }
    return true;
}

/* Whether the model can be written for every batch; then *a and *b are its graphs. */
static bool build_open(struct nt_model *model, struct nt_graph **a, struct nt_graph **b)
{
    struct nt_graph *c = NULL;
    *a = *b = NULL;
    bool open = nt_model_build(model, FIRST_BATCH, false, a) == NT_OK &&
                nt_model_build(model, SECOND_BATCH, false, b) == NT_OK &&
                nt_model_build(model, THIRD_BATCH, false, &c) == NT_OK &&
                nt_export_comparable(*a, *b) && nt_export_comparable(*a, c) &&
                proportional(*a, *b, c);
    nt_graph_destroy(c);
    if (!open) {
        nt_graph_destroy(*a);
        nt_graph_destroy(*b);
        *a = *b = NULL;
    }
    return open;
}

static enum nt_status allocate(struct nt_export *e)
{
    /* Folding adds a bias at most for each node. */
    size_t values = (size_t)(e->graph->value_count + e->graph->node_count + 1);
    size_t nodes = (size_t)e->graph->node_count + 1;
    e->name = nt_graph_alloc(e->graph, values * sizeof *e->name);
    e->uses = nt_graph_alloc(e->graph, values * sizeof *e->uses);
    e->folded = nt_graph_alloc(e->graph, values * sizeof *e->folded);
    e->away = nt_graph_alloc(e->graph, values * sizeof *e->away);
    e->live = nt_graph_alloc(e->graph, nodes * sizeof *e->live);
    e->file = nt_graph_alloc(e->graph, sizeof *e->file);
    e->names = nt_export_names_create(e->graph);
    if (!e->name || !e->uses || !e->folded || !e->away || !e->live || !e->file || !e->names)
        return nt_fail(e->ctx, NT_ERR_MEMORY, "export: host memory is exhausted");
    nt_onnx__graph_proto__init(e->file);
    return NT_OK;
}

/* ---- what is written ---- */

static bool is_carried_on(const struct nt_graph *graph, int value)
{
    return graph->value[value].kind == NT_VALUE_CARRIED && graph->value[value].update >= 0;
}

/* Nodes that the outputs are computed from, and the states that items carry on. */
static void mark_live(struct nt_export *e)
{
    struct nt_graph *graph = e->graph;
    for (int i = 0; i < graph->output_count; i++)
        e->uses[graph->output[i].value]++;
    for (int v = 0; v < graph->value_count; v++)
        if (is_carried_on(graph, v))
            e->uses[graph->value[v].update]++;
    for (int i = graph->node_count; i-- > 0;) {
        const struct nt_node *node = graph->node[i];
        for (int o = 0; o < node->outputs; o++)
            e->live[i] = e->live[i] || e->uses[node->output[o]] > 0;
        for (int j = 0; e->live[i] && j < node->inputs; j++)
            if (node->input[j] >= 0)
                e->uses[node->input[j]]++;
    }
}

/* What is written for a node: the operator that it is a part of, when that has a row. */
static const struct nt_node *unit_of(const struct nt_export *e, const struct nt_node *node)
{
    return node->whole && nt_export_takes(e, node->whole) ? node->whole : node;
}

static enum nt_status check_all(struct nt_export *e)
{
    char list[700] = "";
    int missing = 0;
    for (int i = 0; i < e->graph->node_count; i++) {
        const struct nt_node *node = e->graph->node[i], *unit = unit_of(e, node);
        char word[160];
        size_t used = strlen(list);
        if (!e->live[i] || nt_export_takes(e, unit))
            continue;
        if (node->whole)
            snprintf(word, sizeof word, " %s (its %s),", node->whole->op->name, node->op->name);
        else
            snprintf(word, sizeof word, " %s,", node->op->name);
        if (strstr(list, word) || used + strlen(word) >= sizeof list)
            continue;
        memcpy(list + used, word, strlen(word) + 1);
        missing++;
    }
    if (missing == 0)
        return NT_OK;
    list[strlen(list) - 1] = 0;
    return nt_fail(e->ctx, NT_ERR_UNSUPPORTED,
        "%s: operators that have no form in ONNX here (opset %d):%s", nt_model_path(e->model),
        NT_ONNX_EXPORT_OPSET, list);
}

/* ---- inputs and outputs ---- */

static enum nt_status add_inputs(struct nt_export *e)
{
    struct nt_graph *graph = e->graph;
    size_t room = (size_t)graph->value_count + 1;
    e->file->input = nt_graph_alloc(graph, room * sizeof *e->file->input);
    if (!e->file->input)
        return nt_fail(e->ctx, NT_ERR_MEMORY, "export: host memory is exhausted");
    for (int v = 0; v < graph->value_count; v++) {
        const struct nt_value *value = &graph->value[v];
        bool input = value->kind == NT_VALUE_INPUT || value->kind == NT_VALUE_CARRIED;
        if (!input || e->uses[v] == 0)
            continue;
        e->name[v] = nt_export_name(e, value->name);
        e->file->input[e->file->n_input++] = nt_export_info(e, e->name[v], v);
        if (!e->ordered && value->shape.rank > 0 && nt_export_extent(e, v, 0).by_batch == 1)
            e->ordered = e->name[v];
    }
    return NT_OK;
}

/* Takes the names that are given: those of outputs and weights. */
static void reserve_names(struct nt_export *e)
{
    const struct nt_graph *graph = e->graph;
    for (int i = 0; i < graph->output_count; i++)
        nt_export_name(e, graph->output[i].name);
    for (int v = 0; v < graph->value_count; v++)
        if (graph->value[v].kind == NT_VALUE_PARAMETER || graph->value[v].kind == NT_VALUE_STATE)
            nt_export_name(e, graph->value[v].name);
}

static void add_output(struct nt_export *e, const char *name, int value)
{
    const char *made = nt_export_value(e, value);
    if (strcmp(made, name) != 0)
        nt_export_simple(e, "Identity", name, 1, &made);
    e->file->output[e->file->n_output++] = nt_export_info(e, name, value);
}

static enum nt_status add_outputs(struct nt_export *e)
{
    struct nt_graph *graph = e->graph;
    size_t room = (size_t)(graph->output_count + graph->value_count);
    e->file->output = nt_graph_alloc(graph, room * sizeof *e->file->output);
    if (!e->file->output)
        return nt_fail(e->ctx, NT_ERR_MEMORY, "export: host memory is exhausted");
    for (int i = 0; i < graph->output_count; i++)
        add_output(e, graph->output[i].name, graph->output[i].value);
    for (int v = 0; v < graph->value_count; v++)
        if (is_carried_on(graph, v))
            add_output(e,
                nt_export_name(e, nt_graph_string(graph, "%s.next", graph->value[v].name)),
                graph->value[v].update);
    return NT_OK;
}

/* ---- all of it ---- */

static enum nt_status add_nodes(struct nt_export *e)
{
    const struct nt_node *done = NULL;
    enum nt_status status = NT_OK;
    for (int i = 0; status == NT_OK && i < e->graph->node_count; i++) {
        const struct nt_node *unit = unit_of(e, e->graph->node[i]);
        if (!e->live[i] || unit == done)
            continue;
        done = unit;
        status = nt_export_apply(e, unit);
    }
    return status;
}

static enum nt_status make(struct nt_export *e)
{
    enum nt_status status = allocate(e);
    if (status != NT_OK)
        return status;
    mark_live(e);
    status = check_all(e);
    if (status == NT_OK && e->params.fold_batch_norm)
        status = nt_export_fold(e);
    if (status != NT_OK)
        return status;
    e->file->name = (char *)nt_model_name(e->model);
    reserve_names(e);
    status = add_inputs(e);
    if (status == NT_OK)
        status = add_nodes(e);
    if (status == NT_OK)
        status = add_outputs(e);
    if (status == NT_OK && !e->failed)
        nt_export_prune(e);
    if (status == NT_OK && e->failed)
        status = nt_fail(e->ctx, NT_ERR_MEMORY, "export: host memory is exhausted");
    return status;
}

/* One attempt: with an open batch, or for one item. */
static enum nt_status attempt(
    struct nt_export *e, bool open, const char *path, struct nt_onnx_exported *out)
{
    struct nt_graph *graph = NULL, *other = NULL;
    enum nt_status status = NT_OK;
    if (open && !build_open(e->model, &graph, &other)) {
        e->fixed = true;
        return NT_OK;
    }
    if (!open)
        status = nt_model_build(e->model, 1, false, &graph);
    e->graph = graph;
    e->other = other;
    if (status == NT_OK)
        status = make(e);
    if (status == NT_OK && !e->fixed)
        status = nt_export_write(e, path, &out->bytes);
    if (status == NT_OK && !e->fixed) {
        out->batch_open = e->ordered != NULL;
        out->nodes = (int)e->file->n_node;
        out->initializers = (int)e->file->n_initializer;
        out->folded = e->folds;
    }
    nt_graph_destroy(graph);
    nt_graph_destroy(other);
    return status;
}

enum nt_status nt_onnx_export(struct nt_model *model, struct nt_weights *weights,
    const struct nt_onnx_export_params *params, const char *path, struct nt_onnx_exported *out)
{
    struct nt_onnx_exported unused;
    struct nt_export start = {.ctx = nt_model_context(model), .model = model, .weights = weights};
    if (params)
        start.params = *params;
    struct nt_export e = start;
    enum nt_status status = attempt(&e, true, path, out ? out : &unused);
    if (status == NT_OK && e.fixed) {
        e = start;
        status = attempt(&e, false, path, out ? out : &unused);
    }
    return status;
}
