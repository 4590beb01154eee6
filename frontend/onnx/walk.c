/* SPDX-License-Identifier: MIT
 *
 * The nodes of a graph: which are live, what the table lacks, adding them, folding them.
 */
#include <stdio.h>
#include <string.h>

#include "frontend/onnx/table.h"

#define MAX_DEPTH 200 /* of nodes folded because the next one asks for it */

static struct nt_onnx_value *get(struct nt_onnx_import *import, const char *name)
{
    return nt_onnx_values_get(import->values, name);
}

/* ---- the list ---- */

static bool is_standard(const char *domain)
{
    return !*domain || strcmp(domain, "ai.onnx") == 0;
}

/* The operator's name in the table: with its domain, unless that is the standard one. */
static const char *full_name(const NtOnnx__NodeProto *proto, char *text, size_t size)
{
    if (is_standard(proto->domain))
        return proto->op_type;
    snprintf(text, size, "%s.%s", proto->domain, proto->op_type);
    return text;
}

int nt_onnx_opset_of(const NtOnnx__ModelProto *model, const char *domain)
{
    for (size_t i = 0; i < model->n_opset_import; i++) {
        const NtOnnx__OperatorSetIdProto *set = model->opset_import[i];
        bool same =
            is_standard(domain) ? is_standard(set->domain) : strcmp(set->domain, domain) == 0;
        if (same && set->version >= 1 && set->version <= NT_ONNX_NEWEST_OPSET)
            return (int)set->version;
    }
    return 1; /* of files older than the list of operator sets */
}

static const struct nt_onnx_rule *find_rule(
    const struct nt_onnx_import *import, const NtOnnx__NodeProto *proto)
{
    char name[160];
    int opset =
        is_standard(proto->domain) ? import->opset : nt_onnx_opset_of(import->model, proto->domain);
    return nt_onnx_rule_find(full_name(proto, name, sizeof name), opset);
}

/* A graph inside a node, of an If: attribute i's, NULL: it is none. */
static const NtOnnx__GraphProto *inner(const NtOnnx__NodeProto *node, size_t i)
{
    return node->attribute[i]->g;
}

size_t nt_onnx_count_names(const struct nt_onnx_nodes *nodes)
{
    size_t names = 0;
    for (size_t i = 0; i < nodes->count; i++) {
        const NtOnnx__NodeProto *node = nodes->node[i];
        names += node->n_input + node->n_output;
        for (size_t a = 0; a < node->n_attribute; a++) {
            const NtOnnx__GraphProto *graph = inner(node, a);
            if (graph)
                names += graph->n_output +
                         nt_onnx_count_names(&(struct nt_onnx_nodes){graph->n_node, graph->node});
        }
    }
    return names;
}

/* What a graph inside a node may take from outside: all names that it uses. */
static void mark_inner(struct nt_onnx_import *import, const NtOnnx__NodeProto *node)
{
    for (size_t a = 0; a < node->n_attribute; a++) {
        const NtOnnx__GraphProto *graph = inner(node, a);
        for (size_t i = 0; graph && i < graph->n_output; i++)
            get(import, graph->output[i]->name)->live = true;
        for (size_t i = 0; graph && i < graph->n_node; i++) {
            for (size_t j = 0; j < graph->node[i]->n_input; j++)
                get(import, graph->node[i]->input[j])->live = true;
            mark_inner(import, graph->node[i]);
        }
    }
}

void nt_onnx_mark_live(struct nt_onnx_import *import, const struct nt_onnx_nodes *nodes)
{
    for (size_t i = nodes->count; i-- > 0;) {
        const NtOnnx__NodeProto *node = nodes->node[i];
        bool live = false;
        for (size_t o = 0; o < node->n_output; o++)
            live = live || (*node->output[o] && get(import, node->output[o])->live);
        for (size_t j = 0; live && j < node->n_input; j++)
            get(import, node->input[j])->live = true;
        if (live)
            mark_inner(import, node);
    }
}

static bool is_live(struct nt_onnx_import *import, const NtOnnx__NodeProto *node)
{
    for (size_t o = 0; o < node->n_output; o++)
        if (*node->output[o] && get(import, node->output[o])->live)
            return true;
    return false;
}

/* Fails with all operators of the live nodes that the table lacks. */
enum nt_status nt_onnx_check_operators(
    struct nt_onnx_import *import, const struct nt_onnx_nodes *nodes)
{
    char list[700] = "";
    int missing = 0, shown = 0;
    for (size_t i = 0; i < nodes->count; i++) {
        const NtOnnx__NodeProto *node = nodes->node[i];
        char name[160], word[164];
        size_t used = strlen(list);
        if (!is_live(import, node) || find_rule(import, node))
            continue;
        snprintf(word, sizeof word, " %s,", full_name(node, name, sizeof name));
        if (strstr(list, word))
            continue;
        missing++;
        if (used + strlen(word) < sizeof list) {
            memcpy(list + used, word, strlen(word) + 1);
            shown++;
        }
    }
    if (missing == 0)
        return NT_OK;
    list[strlen(list) - 1] = 0;
    if (missing > shown)
        return nt_graph_fail(import->graph, NT_ERR_UNSUPPORTED,
            "operators that are not offered (opset %d):%s and %d more", import->opset, list,
            missing - shown);
    return nt_graph_fail(import->graph, NT_ERR_UNSUPPORTED,
        "operators that are not offered (opset %d):%s", import->opset, list);
}

/* ---- one node ---- */

static enum nt_status collect_operands(struct nt_onnx_import *import, struct nt_onnx_node *node)
{
    const NtOnnx__NodeProto *proto = node->proto;
    if (proto->n_input > NT_ONNX_MAX_OPERANDS || proto->n_output > NT_ONNX_MAX_OPERANDS)
        return nt_onnx_fail(node, NT_ERR_UNSUPPORTED, "%zu inputs, %zu outputs: must be at most %d",
            proto->n_input, proto->n_output, NT_ONNX_MAX_OPERANDS);
    for (size_t i = 0; i < proto->n_input; i++) {
        node->input[i] = *proto->input[i] ? get(import, proto->input[i]) : NULL;
        if (!node->input[i])
            continue;
        node->inputs = (int)i + 1;
        if (!node->input[i]->defined)
            return nt_onnx_fail(
                node, NT_ERR_FORMAT, "input '%s': is not made before it is used", proto->input[i]);
    }
    for (size_t i = 0; i < proto->n_output; i++) {
        node->output[i] = *proto->output[i] ? get(import, proto->output[i]) : NULL;
        if (node->output[i])
            node->outputs = (int)i + 1;
    }
    return NT_OK;
}

static struct nt_onnx_node begin(struct nt_onnx_import *import, const NtOnnx__NodeProto *proto)
{
    return (struct nt_onnx_node){.import = import,
        .graph = import->graph,
        .proto = proto,
        .rule = find_rule(import, proto),
        .first = import->graph->node_count,
        .opset = import->opset};
}

const char *nt_onnx_node_name(const NtOnnx__NodeProto *proto)
{
    return *proto->name ? proto->name : proto->n_output > 0 ? proto->output[0] : "";
}

static const char *place(struct nt_onnx_import *import, const NtOnnx__NodeProto *proto)
{
    return nt_graph_string(
        import->graph, "%s: node '%s'", import->definition->path, nt_onnx_node_name(proto));
}

static enum nt_status add_node(struct nt_onnx_import *import, const NtOnnx__NodeProto *proto)
{
    struct nt_onnx_node node = begin(import, proto);
    import->graph->where = place(import, proto);
    enum nt_status status = collect_operands(import, &node);
    for (int i = 0; status == NT_OK && i < node.outputs; i++)
        if (node.output[i] && node.output[i]->defined)
            status = nt_onnx_fail(
                &node, NT_ERR_FORMAT, "output '%s': the name is taken", node.output[i]->name);
    if (status == NT_OK)
        status = nt_onnx_rule_apply(&node);
    for (int i = 0; status == NT_OK && i < node.outputs; i++) {
        struct nt_onnx_value *output = node.output[i];
        if (!output || output->defined) /* by a node of a branch */
            continue;
        bool made = output->graph >= 0 || output->known || output->tensor;
        if (!made && output->live)
            return nt_onnx_fail(&node, NT_ERR_UNSUPPORTED, "output %d: is not offered", i);
        output->defined = made;
        output->maker = made ? proto : NULL;
    }
    return status;
}

enum nt_status nt_onnx_add_nodes(struct nt_onnx_import *import, const struct nt_onnx_nodes *nodes)
{
    enum nt_status status = NT_OK;
    for (size_t i = 0; status == NT_OK && i < nodes->count; i++)
        if (is_live(import, nodes->node[i]))
            status = add_node(import, nodes->node[i]);
    return status;
}

/* ---- folding what is asked for ---- */

enum nt_status nt_onnx_fold_maker(struct nt_onnx_import *import, struct nt_onnx_value *value)
{
    const NtOnnx__NodeProto *proto = value->maker;
    if (!proto || value->asked || import->depth >= MAX_DEPTH)
        return NT_OK;
    struct nt_onnx_node node = begin(import, proto);
    const char *where = import->graph->where;
    value->asked = true;
    import->graph->where = place(import, proto);
    import->depth++;
    enum nt_status status = collect_operands(import, &node);
    if (status == NT_OK)
        status = nt_onnx_rule_fold(&node);
    import->depth--;
    import->graph->where = where;
    return status;
}
