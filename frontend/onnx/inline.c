/* SPDX-License-Identifier: MIT
 *
 * Nodes that stand for graphs: calls of the file's functions, and the branch that an If takes. The
 * nodes of such a graph take their place: the graph's inputs and outputs get the caller's names,
 * what else it makes is called "CALLER/NAME" after the caller's first output (ONNX, Intermediate
 * Representation Specification: Functions, Graphs).
 */
#include <stdio.h>
#include <string.h>

#include "frontend/onnx/table.h"

#define MAX_DEPTH 32                   /* of functions that call each other, of branches */
#define MOST_BYTES ((size_t)128 << 20) /* of what is made here for a file */
#define DEFAULTS_FIELD 11              /* of functions; newer than Debian 12's messages */

/* How names of a graph become names of the file. */
struct scope {
    struct nt_onnx_import *import;
    const NtOnnx__NodeProto *call;
    const NtOnnx__FunctionProto *function; /* NULL: a branch */
    const NtOnnx__GraphProto *branch;
    struct nt_onnx_values *locals; /* of a branch: what it makes is defined */
    bool failed;
};

static void *take(struct scope *s, size_t size)
{
    struct nt_onnx_import *import = s->import;
    import->inlined += size;
    void *memory = import->inlined <= MOST_BYTES ? nt_graph_alloc(import->graph, size) : NULL;
    if (memory || s->failed)
        return s->failed ? NULL : memory;
    s->failed = true;
    if (import->inlined > MOST_BYTES)
        nt_graph_fail(import->graph, NT_ERR_UNSUPPORTED,
            "functions and branches unfold to more than %zu MB", MOST_BYTES >> 20);
    else
        nt_graph_fail(import->graph, NT_ERR_MEMORY, "host memory is exhausted");
    return NULL;
}

static void *copy_of(struct scope *s, const void *from, size_t size)
{
    void *copy = take(s, size);
    return copy ? memcpy(copy, from, size) : NULL;
}

/* ---- names ---- */

static int find(size_t count, char *const *list, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], name) == 0)
            return (int)i;
    return -1;
}

static int find_output(const NtOnnx__GraphProto *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_output; i++)
        if (strcmp(graph->output[i]->name, name) == 0)
            return (int)i;
    return -1;
}

static bool is_local(const struct scope *s, const char *name)
{
    const struct nt_onnx_value *value = nt_onnx_values_get(s->locals, name);
    return value && value->defined;
}

static char *own_name(struct scope *s, const char *name)
{
    const char *caller = s->call->op_type;
    for (size_t i = s->call->n_output; i-- > 0;)
        caller = *s->call->output[i] ? s->call->output[i] : caller;
    size_t size = strlen(caller) + strlen(name) + 2;
    char *own = take(s, size);
    if (own)
        snprintf(own, size, "%s/%s", caller, name);
    return own ? own : (char *)"";
}

static char *rename_one(struct scope *s, char *name)
{
    const NtOnnx__NodeProto *call = s->call;
    int input = s->function ? find(s->function->n_input, s->function->input, name) : -1;
    int output = s->function ? find(s->function->n_output, s->function->output, name)
                             : find_output(s->branch, name);
    if (!*name || (!s->function && !is_local(s, name)))
        return name;
    if (input >= 0)
        return (size_t)input < call->n_input ? call->input[input] : (char *)"";
    if (output >= 0 && (size_t)output < call->n_output && *call->output[output])
        return call->output[output];
    return own_name(s, name);
}

static char **rename_all(struct scope *s, size_t count, char *const *names)
{
    char **list = take(s, (count + 1) * sizeof *list);
    for (size_t i = 0; list && i < count; i++)
        list[i] = rename_one(s, names[i]);
    return list;
}

/* ---- copies ---- */

static NtOnnx__NodeProto *copy_node(struct scope *s, const NtOnnx__NodeProto *node);

static NtOnnx__TensorProto **copy_tensors(
    struct scope *s, size_t count, NtOnnx__TensorProto *const *from)
{
    NtOnnx__TensorProto **list = take(s, (count + 1) * sizeof *list);
    for (size_t i = 0; list && !s->failed && i < count; i++)
        if ((list[i] = copy_of(s, from[i], sizeof *from[i])))
            list[i]->name = rename_one(s, from[i]->name);
    return list;
}

static NtOnnx__GraphProto *copy_graph(struct scope *s, const NtOnnx__GraphProto *graph)
{
    NtOnnx__GraphProto *copy = copy_of(s, graph, sizeof *graph);
    NtOnnx__NodeProto **nodes = take(s, (graph->n_node + 1) * sizeof *nodes);
    NtOnnx__ValueInfoProto **outputs = take(s, (graph->n_output + 1) * sizeof *outputs);
    if (s->failed)
        return NULL;
    for (size_t i = 0; !s->failed && i < graph->n_node; i++)
        nodes[i] = copy_node(s, graph->node[i]);
    for (size_t i = 0; !s->failed && i < graph->n_output; i++)
        if ((outputs[i] = copy_of(s, graph->output[i], sizeof *graph->output[i])))
            outputs[i]->name = rename_one(s, graph->output[i]->name);
    copy->node = nodes;
    copy->output = outputs;
    copy->initializer = copy_tensors(s, graph->n_initializer, graph->initializer);
    return copy;
}

static bool has_defaults(const NtOnnx__FunctionProto *function)
{
    for (size_t i = 0; i < function->base.n_unknown_fields; i++)
        if (function->base.unknown_fields[i].tag == DEFAULTS_FIELD)
            return true;
    return false;
}

/* The caller's attribute that one of a function's stands for; NULL: the caller has none. */
static const NtOnnx__AttributeProto *caller_attribute(struct scope *s, const char *name)
{
    for (size_t i = 0; i < s->call->n_attribute; i++)
        if (strcmp(s->call->attribute[i]->name, name) == 0)
            return s->call->attribute[i];
    if (has_defaults(s->function) && !s->failed) {
        s->failed = true;
        nt_graph_fail(s->import->graph, NT_ERR_UNSUPPORTED,
            "function '%s': attribute '%s': must be given: defaults are not offered",
            s->function->name, name);
    }
    return NULL;
}

static void copy_attributes(struct scope *s, NtOnnx__NodeProto *node)
{
    NtOnnx__AttributeProto **list = take(s, (node->n_attribute + 1) * sizeof *list);
    size_t count = 0;
    for (size_t i = 0; list && !s->failed && i < node->n_attribute; i++) {
        const NtOnnx__AttributeProto *from = node->attribute[i];
        bool stands = s->function && *from->ref_attr_name;
        const NtOnnx__AttributeProto *source =
            stands ? caller_attribute(s, from->ref_attr_name) : from;
        if (source && (list[count] = copy_of(s, source, sizeof *source))) {
            list[count]->name = from->name;
            if (source->g && !stands)
                list[count]->g = copy_graph(s, source->g);
            count++;
        }
    }
    node->attribute = list;
    node->n_attribute = count;
}

static NtOnnx__NodeProto *copy_node(struct scope *s, const NtOnnx__NodeProto *node)
{
    NtOnnx__NodeProto *copy = copy_of(s, node, sizeof *node);
    if (!copy)
        return NULL;
    copy->input = rename_all(s, node->n_input, node->input);
    copy->output = rename_all(s, node->n_output, node->output);
    if (*node->name)
        copy->name = own_name(s, node->name);
    copy_attributes(s, copy);
    return s->failed ? NULL : copy;
}

/* ---- lists of nodes ---- */

static enum nt_status push(struct scope *s, struct nt_onnx_nodes *nodes, NtOnnx__NodeProto *node)
{
    if ((nodes->count & (nodes->count - 1)) == 0) { /* full */
        size_t room = nodes->count ? 2 * nodes->count : 1;
        NtOnnx__NodeProto **list = take(s, room * sizeof *list);
        if (list && nodes->count)
            memcpy(list, nodes->node, nodes->count * sizeof *list);
        nodes->node = list;
    }
    if (!s->failed && node)
        nodes->node[nodes->count++] = node;
    return s->failed ? s->import->graph->failure : NT_OK;
}

/* An output that the graph does not make itself: what it is the same as, handed on. */
static enum nt_status push_identity(
    struct scope *s, struct nt_onnx_nodes *nodes, char *from, char *to)
{
    NtOnnx__NodeProto *node = take(s, sizeof *node);
    char **names = take(s, 2 * sizeof *names);
    if (s->failed)
        return s->import->graph->failure;
    nt_onnx__node_proto__init(node);
    names[0] = from;
    names[1] = to;
    node->op_type = (char *)"Identity";
    node->domain = node->name = (char *)"";
    node->n_input = node->n_output = 1;
    node->input = names;
    node->output = names + 1;
    return push(s, nodes, node);
}

static const NtOnnx__FunctionProto *find_function(
    const struct nt_onnx_import *import, const NtOnnx__NodeProto *node)
{
    for (size_t i = 0; i < import->model->n_functions; i++) {
        const NtOnnx__FunctionProto *function = import->model->functions[i];
        if (strcmp(function->name, node->op_type) == 0 &&
            strcmp(function->domain, node->domain) == 0)
            return function;
    }
    return NULL;
}

static enum nt_status append(struct scope *s, size_t count, NtOnnx__NodeProto *const *from,
    struct nt_onnx_nodes *nodes, int depth);

static enum nt_status append_call(struct nt_onnx_import *import, const NtOnnx__NodeProto *call,
    const NtOnnx__FunctionProto *function, struct nt_onnx_nodes *nodes, int depth)
{
    struct scope s = {.import = import, .call = call, .function = function};
    if (depth > MAX_DEPTH)
        return nt_graph_fail(import->graph, NT_ERR_UNSUPPORTED,
            "function '%s': functions call each other deeper than %d", function->name, MAX_DEPTH);
    if (call->n_input > function->n_input || call->n_output > function->n_output)
        return nt_graph_fail(import->graph, NT_ERR_FORMAT,
            "function '%s': has %zu inputs and %zu outputs, a call of it %zu and %zu",
            function->name, function->n_input, function->n_output, call->n_input, call->n_output);
    enum nt_status status = append(&s, function->n_node, function->node, nodes, depth);
    for (size_t i = 0; status == NT_OK && i < call->n_output; i++) {
        int same = find(function->n_input, function->input, function->output[i]);
        if (same >= 0 && (size_t)same < call->n_input)
            status = push_identity(&s, nodes, call->input[same], call->output[i]);
    }
    return status;
}

static enum nt_status append(struct scope *s, size_t count, NtOnnx__NodeProto *const *from,
    struct nt_onnx_nodes *nodes, int depth)
{
    enum nt_status status = NT_OK;
    for (size_t i = 0; status == NT_OK && i < count; i++) {
        NtOnnx__NodeProto *node = s->call ? copy_node(s, from[i]) : from[i];
        const NtOnnx__FunctionProto *function = node ? find_function(s->import, node) : NULL;
        status = function ? append_call(s->import, node, function, nodes, depth + 1)
                          : push(s, nodes, node);
    }
    return status;
}

enum nt_status nt_onnx_inline_functions(struct nt_onnx_import *import, struct nt_onnx_nodes *nodes)
{
    const NtOnnx__GraphProto *graph = import->model->graph;
    struct scope s = {.import = import};
    *nodes = (struct nt_onnx_nodes){graph->n_node, graph->node};
    if (import->model->n_functions == 0)
        return NT_OK;
    *nodes = (struct nt_onnx_nodes){0};
    return append(&s, graph->n_node, graph->node, nodes, 0);
}

/* ---- branches ---- */

static bool find_locals(struct scope *s)
{
    const NtOnnx__GraphProto *branch = s->branch;
    size_t names = branch->n_initializer;
    for (size_t i = 0; i < branch->n_node; i++)
        names += branch->node[i]->n_output;
    if (!(s->locals = nt_onnx_values_create(names)))
        return false;
    for (size_t i = 0; i < branch->n_initializer; i++)
        nt_onnx_values_get(s->locals, branch->initializer[i]->name)->defined = true;
    for (size_t i = 0; i < branch->n_node; i++)
        for (size_t o = 0; o < branch->node[i]->n_output; o++)
            nt_onnx_values_get(s->locals, branch->node[i]->output[o])->defined = true;
    return true;
}

/* The branch's nodes and constants, named as those of the file. */
static enum nt_status append_branch(
    struct scope *s, struct nt_onnx_nodes *nodes, NtOnnx__TensorProto ***initializers)
{
    const NtOnnx__GraphProto *branch = s->branch;
    enum nt_status status = append(s, branch->n_node, branch->node, nodes, 0);
    *initializers = copy_tensors(s, branch->n_initializer, branch->initializer);
    for (size_t i = 0; status == NT_OK && !s->failed && i < branch->n_output; i++) {
        char *from = rename_one(s, branch->output[i]->name), *to = s->call->output[i];
        if (*to && strcmp(from, to) != 0)
            status = push_identity(s, nodes, from, to);
    }
    return s->failed ? s->import->graph->failure : status;
}

static enum nt_status add_branch(struct nt_onnx_node *node, const NtOnnx__GraphProto *branch)
{
    struct nt_onnx_import *import = node->import;
    struct scope s = {.import = import, .call = node->proto, .branch = branch};
    struct nt_onnx_nodes nodes = {0};
    NtOnnx__TensorProto **initializers = NULL;
    if (import->branches == MAX_DEPTH)
        return nt_onnx_fail(
            node, NT_ERR_UNSUPPORTED, "branches are nested deeper than %d", MAX_DEPTH);
    if (!find_locals(&s))
        return nt_onnx_fail(node, NT_ERR_MEMORY, "host memory is exhausted");
    enum nt_status status = append_branch(&s, &nodes, &initializers);
    nt_onnx_values_destroy(s.locals);
    size_t names = branch->n_initializer + nt_onnx_count_names(&nodes);
    if (status == NT_OK && !nt_onnx_values_reserve(import->values, names))
        return nt_onnx_fail(node, NT_ERR_MEMORY, "host memory is exhausted");
    import->branches++;
    if (status == NT_OK)
        status = nt_onnx_add_initializers(import, branch->n_initializer, initializers);
    if (status == NT_OK) {
        nt_onnx_mark_live(import, &nodes);
        status = nt_onnx_check_operators(import, &nodes);
    }
    if (status == NT_OK)
        status = nt_onnx_add_nodes(import, &nodes);
    import->branches--;
    return status;
}

enum nt_status nt_onnx_if_node(struct nt_onnx_node *node)
{
    double taken = 0;
    if (!nt_onnx_has(node, 0))
        return nt_onnx_fail(node, NT_ERR_FORMAT, "input 0: must be given");
    enum nt_status status = nt_onnx_take_number(node, 0, &taken);
    if (status != NT_OK)
        return status;
    const char *name = taken != 0 ? "then_branch" : "else_branch";
    const NtOnnx__AttributeProto *attr = nt_onnx_attr(node, name);
    if (!attr || !attr->g || attr->g->n_output != node->proto->n_output)
        return nt_onnx_fail(node, NT_ERR_FORMAT, "%s: must be a graph with %zu outputs", name,
            node->proto->n_output);
    return add_branch(node, attr->g);
}
