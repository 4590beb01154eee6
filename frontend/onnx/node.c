/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/onnx/table.h"

enum nt_status nt_onnx_fail(struct nt_onnx_node *node, enum nt_status status, const char *fmt, ...)
{
    char text[768];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return nt_graph_fail(node->graph, status, "%s: %s", node->proto->op_type, text);
}

bool nt_onnx_has(const struct nt_onnx_node *node, int input)
{
    return input < node->inputs && node->input[input];
}

bool nt_onnx_wants(const struct nt_onnx_node *node, int output)
{
    return output < node->outputs && node->output[output];
}

int nt_onnx_type(const struct nt_onnx_node *node, int input)
{
    return nt_onnx_has(node, input) ? node->input[input]->type : NT_ONNX_NONE;
}

static enum nt_status missing(struct nt_onnx_node *node, int input)
{
    return nt_onnx_fail(node, NT_ERR_FORMAT, "input %d: must be given", input);
}

int nt_onnx_in(struct nt_onnx_node *node, int input)
{
    if (!nt_onnx_has(node, input))
        missing(node, input);
    else if (nt_onnx_is_empty(node, input))
        nt_onnx_fail(node, NT_ERR_UNSUPPORTED, "input '%s': has no elements: is not offered here",
            node->input[input]->name);
    else
        return nt_onnx_value_graph(node->import, node->input[input]);
    return -1;
}

bool nt_onnx_is_empty(const struct nt_onnx_node *node, int input)
{
    const struct nt_onnx_value *value = nt_onnx_has(node, input) ? node->input[input] : NULL;
    return value && value->known && value->known->count == 0;
}

enum nt_status nt_onnx_shape(struct nt_onnx_node *node, int input, struct nt_shape *shape)
{
    if (!nt_onnx_has(node, input))
        return missing(node, input);
    const struct nt_onnx_value *value = node->input[input];
    if (value->known)
        *shape = value->known->shape;
    else if (value->tensor)
        *shape = value->tensor->shape;
    else
        *shape = node->graph->value[value->graph].shape;
    return NT_OK;
}

/* The name of an input that a value follows from and that may be given as a setting: one integer;
 * NULL: there is none. */
static const char *setting_behind(
    struct nt_onnx_import *import, const struct nt_onnx_value *value, int *budget)
{
    if (!value || --*budget < 0)
        return NULL;
    const NtOnnx__NodeProto *maker = value->maker;
    const char *name = NULL;
    for (size_t i = 0; maker && !name && i < maker->n_input; i++)
        name = setting_behind(import, nt_onnx_values_get(import->values, maker->input[i]), budget);
    if (maker || value->graph < 0 || !nt_onnx_type_is_integer(value->type))
        return name;
    const struct nt_value *input = &import->graph->value[value->graph];
    bool one = input->kind == NT_VALUE_INPUT && nt_shape_count(&input->shape) == 1;
    return one ? value->name : NULL;
}

static void unknown(struct nt_onnx_node *node, const struct nt_onnx_value *value)
{
    int budget = 10000;
    const char *setting = setting_behind(node->import, value, &budget);
    nt_onnx_fail(node, NT_ERR_UNSUPPORTED,
        "input '%s': must be known before the run: a constant, or computed from shapes%s%s%s",
        value->name, setting ? " or from setting '" : "", setting ? setting : "",
        setting ? "', an integer" : "");
}

const struct nt_onnx_host *nt_onnx_numbers(struct nt_onnx_node *node, int input)
{
    enum nt_status status = NT_OK;
    if (!nt_onnx_has(node, input)) {
        missing(node, input);
        return NULL;
    }
    const struct nt_onnx_host *host =
        nt_onnx_value_known(node->import, node->input[input], &status);
    if (status != NT_OK)
        node->graph->failure = status;
    else if (!host)
        unknown(node, node->input[input]);
    else
        node->fed |= node->input[input]->fed;
    return host;
}

enum nt_status nt_onnx_take_number(struct nt_onnx_node *node, int input, double *number)
{
    if (!nt_onnx_has(node, input))
        return NT_OK;
    const struct nt_onnx_host *host = nt_onnx_numbers(node, input);
    if (!host || host->count != 1)
        return host ? nt_onnx_fail(node, NT_ERR_FORMAT, "input %d: must be one number", input)
                    : node->graph->failure;
    *number = host->data[0];
    return NT_OK;
}

enum nt_status nt_onnx_integers(struct nt_onnx_node *node, int input, int64_t *list, int *count)
{
    *count = -1;
    if (!nt_onnx_has(node, input))
        return NT_OK;
    const struct nt_onnx_host *host = nt_onnx_numbers(node, input);
    if (!host)
        return node->graph->failure;
    if (host->shape.rank > 1 || host->count > NT_MAX_INTS)
        return nt_onnx_fail(node, NT_ERR_FORMAT, "input '%s': must be a list of at most %d numbers",
            node->input[input]->name, NT_MAX_INTS);
    for (size_t i = 0; i < host->count; i++)
        list[i] = nt_onnx_host_integer(host->data[i]);
    *count = (int)host->count;
    return NT_OK;
}

/* ---- attributes ---- */

#define KIND(name) NT_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__##name

const NtOnnx__AttributeProto *nt_onnx_attr(const struct nt_onnx_node *node, const char *name)
{
    for (size_t i = 0; i < node->proto->n_attribute; i++)
        if (strcmp(node->proto->attribute[i]->name, name) == 0)
            return node->proto->attribute[i];
    return NULL;
}

/* One whose kind, where the file tells it, is the right one; another is the node's failure, which
 * nt_onnx_rule_apply gives. */
static const NtOnnx__AttributeProto *attr_of_kind(
    const struct nt_onnx_node *node, const char *name, int kind, const char *word)
{
    const NtOnnx__AttributeProto *attr = nt_onnx_attr(node, name);
    if (!attr || !attr->has_type || attr->type == KIND(UNDEFINED) || (int)attr->type == kind)
        return attr;
    nt_graph_fail(node->graph, NT_ERR_FORMAT, "%s: attribute '%s': must be %s",
        node->proto->op_type, name, word);
    return NULL;
}

int64_t nt_onnx_int(const struct nt_onnx_node *node, const char *name, int64_t fallback)
{
    const NtOnnx__AttributeProto *attr = attr_of_kind(node, name, KIND(INT), "an integer");
    return attr ? attr->i : fallback;
}

double nt_onnx_float(const struct nt_onnx_node *node, const char *name, double fallback)
{
    const NtOnnx__AttributeProto *attr = attr_of_kind(node, name, KIND(FLOAT), "a float");
    return attr ? attr->f : fallback;
}

static bool is_word(
    const NtOnnx__AttributeProto *attr, const char *fallback, const char *word, size_t length)
{
    if (!attr)
        return strlen(fallback) == length && strncmp(fallback, word, length) == 0;
    return attr->s.len == length && memcmp(attr->s.data, word, length) == 0;
}

bool nt_onnx_is(
    const struct nt_onnx_node *node, const char *name, const char *fallback, const char *word)
{
    return is_word(
        attr_of_kind(node, name, KIND(STRING), "a string"), fallback, word, strlen(word));
}

enum nt_status nt_onnx_choice(struct nt_onnx_node *node, const char *name, const char *fallback,
    const char *choices, int *index)
{
    const NtOnnx__AttributeProto *attr = attr_of_kind(node, name, KIND(STRING), "a string");
    if (!attr && nt_onnx_attr(node, name))
        return node->graph->failure;
    int i = 0;
    for (const char *word = choices; *word; i++) {
        size_t length = strcspn(word, "|");
        if (is_word(attr, fallback, word, length)) {
            *index = i;
            return NT_OK;
        }
        word += length + (word[length] == '|');
    }
    return nt_onnx_fail(node, NT_ERR_UNSUPPORTED, "%s '%.*s': must be one of %s", name,
        attr ? (int)(attr->s.len < 64 ? attr->s.len : 64) : 0,
        attr ? (const char *)attr->s.data : "", choices);
}

int nt_onnx_ints(const struct nt_onnx_node *node, const char *name, int64_t *list)
{
    const NtOnnx__AttributeProto *attr = attr_of_kind(node, name, KIND(INTS), "integers");
    if (!attr)
        return -1;
    size_t count = attr->n_ints < NT_MAX_INTS ? attr->n_ints : NT_MAX_INTS;
    if (count > 0)
        memcpy(list, attr->ints, count * sizeof *list);
    return (int)count;
}

enum nt_status nt_onnx_list(
    struct nt_onnx_node *node, const char *name, int input, int64_t *list, int *count)
{
    *count = nt_onnx_ints(node, name, list);
    return *count >= 0 || input < 0 ? NT_OK : nt_onnx_integers(node, input, list, count);
}

enum nt_status nt_onnx_axis(struct nt_onnx_node *node, int64_t axis, int rank, int *out)
{
    if (axis < -rank || axis >= rank)
        return nt_onnx_fail(node, NT_ERR_SHAPE, "axis %lld: must be from %d to %d", (long long)axis,
            -rank, rank - 1);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return NT_OK;
}

enum nt_status nt_onnx_offers(struct nt_onnx_node *node, const char *name, int type)
{
    return nt_onnx_type_is_offered(type)
               ? NT_OK
               : nt_onnx_fail(node, NT_ERR_UNSUPPORTED, "%s %s: is not offered", name,
                     nt_onnx_type_name(type));
}

/* ---- adding to our graph ---- */

struct nt_onnx_call nt_onnx_begin(const char *op)
{
    return (struct nt_onnx_call){.op = nt_op_find(op)};
}

static struct nt_attr *attr_of(struct nt_onnx_call *call, const char *name)
{
    int index = nt_attr_index(call->op, name);
    if (index < 0)
        abort(); /* the table asks for what the descriptor lacks */
    call->attr[index].set = true;
    return &call->attr[index];
}

void nt_onnx_number(struct nt_onnx_call *call, const char *name, double number)
{
    attr_of(call, name)->number = number;
}

void nt_onnx_word(struct nt_onnx_call *call, const char *name, const char *word)
{
    struct nt_attr *attr = attr_of(call, name);
    const char *choice = call->op->attrs[attr - call->attr].choices;
    for (int i = 0; *choice; i++) {
        size_t length = strcspn(choice, "|");
        if (strlen(word) == length && strncmp(choice, word, length) == 0) {
            attr->number = i;
            return;
        }
        choice += length + (choice[length] == '|');
    }
    abort();
}

void nt_onnx_numbers_of(struct nt_onnx_call *call, const char *name, int count, const int64_t *list)
{
    struct nt_attr *attr = attr_of(call, name);
    attr->count = count;
    memcpy(attr->ints, list, (size_t)count * sizeof *list);
}

enum nt_status nt_onnx_add_many(struct nt_onnx_node *node, const struct nt_onnx_call *call,
    int inputs, const int *input, int *outputs)
{
    int count;
    for (int i = 0; i < inputs; i++)
        if (input[i] < 0 && i < nt_op_min_inputs(call->op))
            return node->graph->failure != NT_OK ? node->graph->failure : NT_ERR_MEMORY;
    /* Layers that may make weights need a name for these: else they take one of their own. */
    const char *name = call->op->parameters ? nt_onnx_node_name(node->proto) : "";
    return nt_graph_add_many(
        node->graph, call->op, name, inputs, input, call->attr, outputs, &count);
}

int nt_onnx_add(
    struct nt_onnx_node *node, const struct nt_onnx_call *call, int inputs, const int *input)
{
    int outputs[NT_MAX_OUTPUTS];
    return nt_onnx_add_many(node, call, inputs, input, outputs) == NT_OK ? outputs[0] : -1;
}

int nt_onnx_simple(struct nt_onnx_node *node, const char *op, int inputs, const int *input)
{
    struct nt_onnx_call call = nt_onnx_begin(op);
    return nt_onnx_add(node, &call, inputs, input);
}

int nt_onnx_formula(struct nt_onnx_node *node, const char *text, int inputs, const int *input)
{
    for (int i = 0; i < inputs; i++)
        if (input[i] < 0)
            return -1;
    return nt_graph_formula(node->graph, text, inputs, input);
}

int nt_onnx_constant(struct nt_onnx_node *node, double number)
{
    return nt_graph_constant(node->graph, number, &(struct nt_shape){0});
}

int nt_onnx_constants(struct nt_onnx_node *node, const char *what, const struct nt_onnx_host *host)
{
    if (!host) {
        nt_onnx_fail(node, NT_ERR_MEMORY, "host memory is exhausted");
        return -1;
    }
    const char *own = node->proto->n_output > 0 ? node->proto->output[0] : "";
    const char *name = nt_graph_string(node->graph, "%s.%s", own, what);
    return name ? nt_onnx_host_graph(node->import, name, host) : -1;
}

int nt_onnx_reshape(struct nt_onnx_node *node, int value, const struct nt_shape *shape)
{
    if (value >= 0 && nt_shape_equal(&node->graph->value[value].shape, shape))
        return value;
    struct nt_onnx_call call = nt_onnx_begin("reshape");
    nt_onnx_numbers_of(&call, "shape", shape->rank, shape->dim);
    return nt_onnx_add(node, &call, 1, &value);
}

int nt_onnx_as(struct nt_onnx_node *node, int value, enum nt_dtype dtype)
{
    if (value < 0 || node->graph->value[value].dtype == dtype)
        return value;
    struct nt_onnx_call call = nt_onnx_begin("cast");
    nt_onnx_word(&call, "dtype", nt_dtype_name(dtype));
    return nt_onnx_add(node, &call, 1, &value);
}

int nt_onnx_in_int(struct nt_onnx_node *node, int input)
{
    return nt_onnx_as(node, nt_onnx_in(node, input), NT_I32);
}

enum nt_status nt_onnx_out_type(struct nt_onnx_node *node, int output, int value, int type)
{
    if (value < 0)
        return node->graph->failure != NT_OK ? node->graph->failure : NT_ERR_MEMORY;
    if (!nt_onnx_wants(node, output))
        return NT_OK;
    if (nt_onnx_type_is_integer(type) && (value = nt_onnx_as(node, value, NT_I32)) < 0)
        return node->graph->failure;
    struct nt_onnx_value *out = node->output[output];
    out->graph = value;
    out->type = type;
    struct nt_value *result = &node->graph->value[value];
    bool own = result->kind == NT_VALUE_RESULT && result->node >= node->first;
    if (output == 0 && own) {
        const char *name = nt_graph_string(node->graph, "%s", nt_onnx_node_name(node->proto));
        node->graph->node[result->node]->name = result->name = name;
    }
    return NT_OK;
}

enum nt_status nt_onnx_out(struct nt_onnx_node *node, int output, int value)
{
    int type = node->rule->type ? node->rule->type : nt_onnx_type(node, 0);
    return nt_onnx_out_type(node, output, value, type);
}

enum nt_status nt_onnx_out_known(
    struct nt_onnx_node *node, int output, const struct nt_onnx_host *host)
{
    if (!host)
        return nt_onnx_fail(node, NT_ERR_MEMORY, "host memory is exhausted");
    if (nt_onnx_wants(node, output)) {
        node->output[output]->known = host;
        node->output[output]->type = host->type;
        node->output[output]->fed = node->fed;
    }
    return NT_OK;
}
