/* SPDX-License-Identifier: MIT
 *
 * Extents that depend on the batch, told from the same graph for two batches.
 */
#include "frontend/onnx/export_parts.h"

#include <stdlib.h>
#include <string.h>

struct nt_export_extent nt_export_extent(const struct nt_export *e, int value, int dim)
{
    int64_t extent = e->graph->value[value].shape.dim[dim];
    if (!e->other || value >= e->other->value_count)
        return (struct nt_export_extent){extent, 0};
    int64_t more = e->other->value[value].shape.dim[dim] - extent;
    int64_t by = more / (e->other->batch - e->graph->batch);
    return (struct nt_export_extent){extent - by * e->graph->batch, by};
}

bool nt_export_is_constant(const struct nt_export *e, int value)
{
    for (int i = 0; i < e->graph->value[value].shape.rank; i++)
        if (nt_export_extent(e, value, i).by_batch != 0)
            return false;
    return true;
}

/* The batch as a list of one number. */
static const char *batch_of(struct nt_export *e)
{
    if (e->batch)
        return e->batch;
    NtOnnx__NodeProto *node = nt_export_begin(e, "Shape", 1, &e->ordered);
    nt_export_int(e, node, "start", 0);
    nt_export_int(e, node, "end", 1);
    return e->batch = nt_export_output(e, node, nt_export_name(e, "batch"));
}

static const char *extent_of(struct nt_export *e, struct nt_export_extent extent)
{
    const char *name = batch_of(e);
    if (extent.by_batch != 1)
        name = nt_export_simple(
            e, "Mul", NULL, 2, (const char *[]){name, nt_export_list(e, 1, &extent.by_batch)});
    if (extent.base != 0)
        name = nt_export_simple(
            e, "Add", NULL, 2, (const char *[]){name, nt_export_list(e, 1, &extent.base)});
    return name;
}

const char *nt_export_shape(struct nt_export *e, int value)
{
    const struct nt_shape shape = e->graph->value[value].shape;
    const char *part[NT_MAX_RANK];
    if (nt_export_is_constant(e, value))
        return nt_export_list(e, shape.rank, shape.dim);
    for (int i = 0; i < shape.rank; i++) {
        struct nt_export_extent extent = nt_export_extent(e, value, i);
        part[i] = extent.by_batch ? extent_of(e, extent) : nt_export_list(e, 1, &extent.base);
    }
    NtOnnx__NodeProto *node = nt_export_begin(e, "Concat", shape.rank, part);
    nt_export_int(e, node, "axis", 0);
    return nt_export_output(e, node, NULL);
}

const char *nt_export_target(struct nt_export *e, int value)
{
    int64_t list[NT_MAX_RANK];
    int rank = e->graph->value[value].shape.rank, open = 0;
    for (int i = 0; i < rank; i++) {
        struct nt_export_extent extent = nt_export_extent(e, value, i);
        list[i] = extent.by_batch ? -1 : extent.base;
        open += extent.by_batch != 0;
    }
    return open <= 1 ? nt_export_list(e, rank, list) : nt_export_shape(e, value);
}

const char *nt_export_reshape(struct nt_export *e, const char *input, int value, const char *name)
{
    return nt_export_simple(
        e, "Reshape", name, 2, (const char *[]){input, nt_export_target(e, value)});
}

/* ---- the same graph for two batches ---- */

static bool equal_attributes(const struct nt_node *a, const struct nt_node *b)
{
    const struct nt_export_rule *rule = nt_export_rule_find(a->op);
    if (rule && rule->shaped)
        return true;
    for (int i = 0; i < a->op->attr_count; i++)
        if (a->attr[i].set != b->attr[i].set || a->attr[i].count != b->attr[i].count ||
            memcmp(&a->attr[i].number, &b->attr[i].number, sizeof a->attr[i].number) ||
            memcmp(a->attr[i].ints, b->attr[i].ints, sizeof a->attr[i].ints) ||
            memcmp(a->attr[i].floats, b->attr[i].floats, sizeof a->attr[i].floats))
            return false;
    return true;
}

static bool equal_expressions(const struct nt_node *a, const struct nt_node *b)
{
    if (!a->expr || !b->expr)
        return !a->expr && !b->expr;
    char *x = nt_expr_text(a->expr, a->term), *y = nt_expr_text(b->expr, b->term);
    bool equal = x && y && strcmp(x, y) == 0;
    free(x);
    free(y);
    return equal;
}

static bool comparable_nodes(const struct nt_node *a, const struct nt_node *b)
{
    if (a->op != b->op || a->inputs != b->inputs || a->outputs != b->outputs ||
        !a->whole != !b->whole || (a->whole && a->whole->op != b->whole->op) ||
        memcmp(a->input, b->input, (size_t)a->inputs * sizeof *a->input) ||
        memcmp(a->output, b->output, (size_t)a->outputs * sizeof *a->output))
        return false;
    /* A whole stands for its parts, whose attributes are derived from its own. */
    return equal_attributes(a, b) && equal_expressions(a, b);
}

/* What is computed before the run must be the same for both. */
static bool equal_numbers(
    const struct nt_graph *graph, const struct nt_value *a, const struct nt_value *b)
{
    if (a->init.kind != NT_INIT_COMPUTED)
        return true;
    size_t bytes = nt_value_bytes(a);
    void *x = malloc(bytes + 1), *y = malloc(bytes + 1);
    bool equal = x && y && nt_shape_equal(&a->shape, &b->shape) &&
                 a->init.read(graph->ctx, a->init.source, x) == NT_OK &&
                 b->init.read(graph->ctx, b->init.source, y) == NT_OK && memcmp(x, y, bytes) == 0;
    free(x);
    free(y);
    return equal;
}

bool nt_export_comparable(const struct nt_graph *a, const struct nt_graph *b)
{
    if (a->value_count != b->value_count || a->node_count != b->node_count ||
        a->output_count != b->output_count)
        return false;
    for (int i = 0; i < a->value_count; i++) {
        const struct nt_value *x = &a->value[i], *y = &b->value[i];
        if (x->kind != y->kind || x->dtype != y->dtype || x->shape.rank != y->shape.rank ||
            x->init.kind != y->init.kind ||
            memcmp(&x->constant, &y->constant, sizeof x->constant) || !equal_numbers(a, x, y))
            return false;
    }
    for (int i = 0; i < a->node_count; i++)
        if (!comparable_nodes(a->node[i], b->node[i]))
            return false;
    return true;
}
