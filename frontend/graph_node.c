/* SPDX-License-Identifier: MIT
 *
 * Adding a node: its attributes are checked, its outputs inferred; those made of others are
 * expanded.
 */
#include "frontend/graph.h"

#include <math.h>
#include <string.h>

#include "frontend/op.h"

static struct nt_node *new_node(
    struct nt_graph *graph, const struct nt_op *op, const char *name, int inputs, const int *input)
{
    struct nt_node *node = nt_graph_alloc(graph, sizeof *node);
    /* Room for parameters that are made later and for an epilogue's operands. */
    int *in = nt_graph_alloc(graph, (NT_MAX_INPUTS + 8) * sizeof *in);
    struct nt_attr *attr = nt_graph_alloc(graph, (size_t)(op->attr_count + 1) * sizeof *attr);
    if (!node || !in || !attr) {
        nt_graph_fail(graph, NT_ERR_MEMORY, "graph: host memory is exhausted");
        return NULL;
    }
    memcpy(in, input, (size_t)inputs * sizeof *in);
    *node = (struct nt_node){.op = op,
        .name = name && *name ? nt_graph_string(graph, "%s%s", graph->scope, name) : "",
        .where = nt_graph_string(graph, "%s", graph->where),
        .scope = graph->scope,
        .inputs = inputs,
        .outputs = op->outputs,
        .input = in,
        .attr = attr,
        .epilogue_input = -1};
    return node;
}

/* Appends the node and makes its output values. */
static enum nt_status append_node(struct nt_graph *graph, struct nt_node *node)
{
    for (int i = 0; i < node->outputs; i++) {
        node->output[i] = nt_graph_new_value(
            graph, (struct nt_value){.name = node->name, .kind = NT_VALUE_RESULT});
        if (node->output[i] < 0)
            return NT_ERR_MEMORY;
    }
    return nt_graph_append(graph, node);
}

static enum nt_status check_number(
    struct nt_graph *graph, const struct nt_op *op, const struct nt_attr_spec *spec, double number)
{
    if (spec->min == 0 && spec->max == 0)
        return NT_OK;
    bool integer = spec->type == NT_ATTR_INT || spec->type == NT_ATTR_INTS;
    int digits = integer ? 17 : 6;
    if (!(number >= spec->min))
        return nt_graph_fail(graph, NT_ERR_ARGUMENT, "%s: %s %.*g: must be at least %.*g", op->name,
            spec->name, digits, number, digits, spec->min);
    if (!(number <= spec->max))
        return nt_graph_fail(graph, NT_ERR_ARGUMENT, "%s: %s %.*g: must be at most %.*g", op->name,
            spec->name, digits, number, digits, spec->max);
    return NT_OK;
}

/* The numbers of a list: checked, and a single one repeated. */
static enum nt_status take_list(struct nt_graph *graph, const struct nt_op *op,
    const struct nt_attr_spec *spec, struct nt_attr *attr)
{
    bool floats = spec->type == NT_ATTR_FLOATS;
    if (attr->set && attr->count == 0 && spec->choices)
        return NT_OK;
    if (attr->set && attr->count != 1 && attr->count != spec->count && spec->count < 8)
        return nt_graph_fail(graph, NT_ERR_ARGUMENT, "%s: %s: %d numbers: must be 1 or %d",
            op->name, spec->name, attr->count, spec->count);
    for (int i = 0; attr->set && i < attr->count; i++) {
        double number = floats ? attr->floats[i] : (double)attr->ints[i];
        enum nt_status status = check_number(graph, op, spec, number);
        if (status != NT_OK)
            return status;
    }
    for (int i = 1; attr->count == 1 && spec->count < 8 && i < spec->count; i++) {
        attr->ints[i] = attr->ints[0];
        attr->floats[i] = attr->floats[0];
    }
    return NT_OK;
}

/* Copies one attribute, its default filled in, and checks it. */
static enum nt_status take_attr(struct nt_graph *graph, const struct nt_op *op,
    const struct nt_attr_spec *spec, const struct nt_attr *given, struct nt_attr *attr)
{
    if (given && given->set) {
        *attr = *given;
    } else {
        if (spec->required)
            return nt_graph_fail(
                graph, NT_ERR_ARGUMENT, "%s: %s: must be given", op->name, spec->name);
        attr->number = spec->fallback;
        attr->count = 1;
        attr->ints[0] = spec->type == NT_ATTR_INTS ? (int64_t)spec->fallback : 0;
        attr->floats[0] = spec->fallback;
    }
    if (spec->type == NT_ATTR_INTS || spec->type == NT_ATTR_FLOATS)
        return take_list(graph, op, spec, attr);
    return attr->set ? check_number(graph, op, spec, attr->number) : NT_OK;
}

/* An elementwise operator's text with its attributes as constants. */
static enum nt_status parse_expression(struct nt_graph *graph, struct nt_node *node)
{
    static const char *const inputs[] = {"a", "b", "c", "d"};
    const struct nt_op *op = node->op;
    const char *names[4 + 8];
    int terms[4 + 8], count = 0;
    node->expr = nt_expr_create();
    if (!node->expr)
        return nt_graph_fail(graph, NT_ERR_MEMORY, "graph: host memory is exhausted");
    for (int i = 0; i < node->inputs; i++, count++) {
        names[count] = inputs[i];
        terms[count] = nt_expr_input(node->expr, i);
    }
    for (int i = 0; i < op->attr_count; i++, count++) {
        names[count] = op->attrs[i].name;
        terms[count] = nt_expr_constant(node->expr, node->attr[i].number);
    }
    return nt_expr_parse(graph->ctx, node->expr, op->expression, count, names, terms, &node->term);
}

/* int32, uint8 and bool; a number that is not asked for its type is as the others are. */
static bool is_integer(const struct nt_value *value)
{
    return value->dtype == NT_I32 || value->dtype == NT_U8 || value->dtype == NT_BOOL;
}

static bool is_plain_number(const struct nt_value *value)
{
    return value->kind == NT_VALUE_CONSTANT && value->shape.rank == 0 &&
           value->constant == trunc(value->constant);
}

bool nt_graph_integers(struct nt_graph *graph, struct nt_node *node)
{
    bool any = false;
    for (int i = 0; i < node->inputs; i++) {
        const struct nt_value *value = &graph->value[node->input[i]];
        bool integer = is_integer(value) && value->kind != NT_VALUE_INDEX;
        if (!integer && !is_plain_number(value))
            return false;
        any |= integer;
    }
    return any && nt_expr_make_integers(node->expr, node->term);
}

/* The broadcast shape of an elementwise node's inputs. */
static enum nt_status infer_map(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape shape = {0};
    for (int i = 0; i < node->inputs; i++) {
        const struct nt_value *in = &graph->value[node->input[i]];
        char a[128], b[128];
        if (!nt_shape_broadcast(&shape, &in->shape, &shape))
            return nt_graph_fail(graph, NT_ERR_SHAPE, "%s: shapes %s and %s: do not broadcast",
                node->op->name, nt_shape_text(&shape, a, sizeof a),
                nt_shape_text(&in->shape, b, sizeof b));
    }
    graph->value[node->output[0]].shape = shape;
    if (node->op->expression && nt_graph_integers(graph, node))
        graph->value[node->output[0]].dtype = NT_I32;
    return NT_OK;
}

static enum nt_status check_inputs(
    struct nt_graph *graph, const struct nt_op *op, int inputs, const int *input)
{
    int min = nt_op_min_inputs(op), max = nt_op_max_inputs(op);
    if (inputs < min || inputs > max)
        return nt_graph_fail(graph, NT_ERR_ARGUMENT, "%s: %d inputs (%s): must be %s%d", op->name,
            inputs, op->inputs,
            min == max     ? ""
            : inputs < min ? "at least "
                           : "at most ",
            inputs < min ? min : max);
    for (int i = 0; i < inputs; i++)
        if (input[i] >= graph->value_count || (input[i] < 0 && i < min))
            return nt_graph_fail(
                graph, NT_ERR_ARGUMENT, "%s: input %d: is not a value", op->name, i + 1);
    return NT_OK;
}

enum nt_status nt_graph_add_many(struct nt_graph *graph, const struct nt_op *op, const char *name,
    int inputs, const int *input, const struct nt_attr *attr, int *outputs, int *count)
{
    enum nt_status status = check_inputs(graph, op, inputs, input);
    if (status != NT_OK)
        return status;
    struct nt_node *node = new_node(graph, op, name, inputs, input);
    if (!node)
        return NT_ERR_MEMORY;
    for (int i = 0; status == NT_OK && i < op->attr_count; i++)
        status = take_attr(graph, op, &op->attrs[i], attr ? &attr[i] : NULL, &node->attr[i]);
    for (int i = inputs; i < nt_op_max_inputs(op) && i < NT_MAX_INPUTS; i++)
        node->input[i] = -1;
    if (status == NT_OK && op->parameters)
        status = op->parameters(graph, node);
    node->output[0] = -1;
    if (status == NT_OK && op->expand) {
        const struct nt_node *outer = graph->whole;
        graph->whole = outer ? outer : node;
        status = op->expand(graph, node);
        graph->whole = outer;
    }
    if (!op->expand || (status == NT_OK && node->output[0] < 0)) {
        if (status == NT_OK && op->expression)
            status = parse_expression(graph, node);
        if (status == NT_OK)
            status = append_node(graph, node);
        else
            nt_expr_destroy(node->expr);
        if (status == NT_OK)
            status = op->infer ? op->infer(graph, node) : infer_map(graph, node);
        for (int i = 0; status == NT_OK && i < node->outputs; i++)
            status = nt_graph_check_shape(graph, op->name, &graph->value[node->output[i]].shape);
    }
    if (status == NT_OK) {
        memcpy(outputs, node->output, (size_t)node->outputs * sizeof *outputs);
        *count = node->outputs;
    }
    return status;
}

enum nt_status nt_graph_add(struct nt_graph *graph, const struct nt_op *op, const char *name,
    int inputs, const int *input, const struct nt_attr *attr, int *outputs)
{
    int count;
    return nt_graph_add_many(graph, op, name, inputs, input, attr, outputs, &count);
}

int nt_graph_map(
    struct nt_graph *graph, struct nt_expr *expr, int term, int inputs, const int *input)
{
    struct nt_node *node = new_node(graph, nt_op_find("map"), "", inputs, input);
    if (!node || !nt_expr_ok(expr)) {
        nt_expr_destroy(expr);
        nt_graph_fail(graph, NT_ERR_MEMORY, "graph: host memory is exhausted");
        return -1;
    }
    node->expr = expr;
    node->term = term;
    if (append_node(graph, node) != NT_OK || infer_map(graph, node) != NT_OK)
        return -1;
    return node->output[0];
}

static int add_formula(
    struct nt_graph *graph, const char *text, bool integers, int inputs, const int *input)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    int terms[8], term;
    struct nt_expr *expr = nt_expr_create();
    if (!expr) {
        nt_graph_fail(graph, NT_ERR_MEMORY, "graph: host memory is exhausted");
        return -1;
    }
    if (integers)
        nt_expr_make_integers(expr, -1);
    for (int i = 0; i < inputs; i++)
        terms[i] = nt_expr_input(expr, i);
    if (nt_expr_parse(graph->ctx, expr, text, inputs, names, terms, &term) != NT_OK) {
        nt_expr_destroy(expr);
        return -1;
    }
    int value = nt_graph_map(graph, expr, term, inputs, input);
    if (value >= 0 && integers)
        graph->value[value].dtype = NT_I32;
    return value;
}

int nt_graph_formula(struct nt_graph *graph, const char *text, int inputs, const int *input)
{
    return add_formula(graph, text, false, inputs, input);
}

int nt_graph_integer_formula(struct nt_graph *graph, const char *text, int inputs, const int *input)
{
    return add_formula(graph, text, true, inputs, input);
}

int nt_graph_sum_to(struct nt_graph *graph, int value, const struct nt_shape *shape)
{
    /* Copies: values move when nodes are added. */
    struct nt_shape from = graph->value[value].shape, to_shape = *shape;
    if (nt_shape_equal(&from, &to_shape))
        return value;
    struct nt_attr attr[2] = {{0}};
    int axes = nt_attr_index(&nt_op_sum, "axes"), keep = nt_attr_index(&nt_op_sum, "keepdims");
    attr[axes].set = attr[keep].set = true;
    attr[keep].number = 1;
    int lead = from.rank - to_shape.rank;
    for (int i = 0; i < from.rank; i++)
        if (i < lead || (to_shape.dim[i - lead] == 1 && from.dim[i] != 1))
            attr[axes].ints[attr[axes].count++] = i;
    int out;
    if (attr[axes].count > 0) {
        if (nt_graph_add(graph, &nt_op_sum, NULL, 1, &value, attr, &out) != NT_OK)
            return -1;
    } else {
        out = value;
    }
    if (nt_shape_equal(&graph->value[out].shape, &to_shape))
        return out;
    struct nt_attr to = {.set = true, .count = to_shape.rank};
    memcpy(to.ints, to_shape.dim, sizeof *to_shape.dim * (size_t)to_shape.rank);
    int view;
    if (nt_graph_add(graph, &nt_op_reshape, NULL, 1, &out, &to, &view) != NT_OK)
        return -1;
    return view;
}

double nt_node_macs(const struct nt_graph *graph, const struct nt_node *node)
{
    return node->op->macs ? node->op->macs(graph, node) / (double)graph->batch : 0;
}
