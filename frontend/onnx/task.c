/* SPDX-License-Identifier: MIT
 *
 * What training adds to a file: a loss with its targets, and another last layer. Both are settings
 * of the model, so that a checkpoint remembers them.
 */
#include "frontend/onnx/task.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_CLASSES (1 << 24)

/* Losses of an output and targets. */
static const struct loss {
    const char *op;
    bool classes; /* targets are int32, without the output's dimension 1 */
} losses[] = {
    {"binary_cross_entropy"},
    {"binary_cross_entropy_with_logits"},
    {"cross_entropy", true},
    {"dice_loss"},
    {"huber_loss"},
    {"l1_loss"},
    {"mse_loss"},
    {"multi_margin_loss", true},
    {"nll_loss", true},
    {"smooth_l1_loss"},
};
#define LOSS_WORDS                                                                                 \
    "binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy, dice_loss, "           \
    "huber_loss, l1_loss, mse_loss, multi_margin_loss, nll_loss, smooth_l1_loss"

static const struct loss *find_loss(const char *word)
{
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++)
        if (strcmp(losses[i].op, word) == 0)
            return &losses[i];
    return NULL;
}

enum nt_status nt_onnx_task_take(struct nt_onnx_import *import, struct nt_onnx_task *task)
{
    const char *loss = nt_definition_given(import->definition, "loss");
    const char *head = nt_definition_given(import->definition, "head");
    *task = (struct nt_onnx_task){0};
    if (loss && strcmp(loss, "none") != 0 && !find_loss(loss))
        return nt_fail(import->ctx, NT_ERR_ARGUMENT,
            "setting 'loss': '%s': must be none or one of " LOSS_WORDS, loss);
    if (loss && find_loss(loss))
        task->loss = find_loss(loss)->op;
    if (head) {
        char *end;
        errno = 0;
        task->head = strtoll(head, &end, 10);
        if (end == head || *end || errno || task->head < 0 || task->head > MOST_CLASSES)
            return nt_fail(import->ctx, NT_ERR_ARGUMENT,
                "setting 'head': '%s': must be a number of classes from 1 to %d; 0: the file's own",
                head, MOST_CLASSES);
    }
    enum nt_status status = nt_definition_declare(import->definition, "loss",
        "what training minimises: none, cross_entropy, mse_loss, ...", loss ? loss : "none");
    if (status == NT_OK)
        status = nt_definition_declare(import->definition, "head",
            "classes of a new last layer; 0: the file's own layer", head ? head : "0");
    return status;
}

/* ---- the last layer ---- */

static struct nt_onnx_value *weight_of(
    struct nt_onnx_import *import, const NtOnnx__NodeProto *node, size_t input)
{
    if (input >= node->n_input || !*node->input[input])
        return NULL;
    struct nt_onnx_value *value = nt_onnx_values_get(import->values, node->input[input]);
    return value->tensor && value->weight ? value : NULL;
}

static bool is_layer(const NtOnnx__NodeProto *node)
{
    return strcmp(node->op_type, "Conv") == 0 || strcmp(node->op_type, "Gemm") == 0 ||
           strcmp(node->op_type, "MatMul") == 0;
}

static bool reads(const NtOnnx__NodeProto *node, const char *name)
{
    for (size_t i = 0; i < node->n_input; i++)
        if (strcmp(node->input[i], name) == 0)
            return true;
    return false;
}

/* The last layer that the first output is computed from: its place among the nodes, -1: none. */
static int find_layer(struct nt_onnx_import *import)
{
    const struct nt_onnx_nodes *nodes = &import->nodes;
    const char *output = import->model->graph->output[0]->name;
    bool *leads = calloc(nodes->count + 1, sizeof *leads);
    int found = -1;
    for (int i = (int)nodes->count - 1; leads && found < 0 && i >= 0; i--) {
        const NtOnnx__NodeProto *node = nodes->node[i];
        for (size_t o = 0; o < node->n_output && !leads[i]; o++) {
            leads[i] = strcmp(node->output[o], output) == 0;
            for (size_t j = (size_t)i + 1; j < nodes->count && !leads[i]; j++)
                leads[i] = leads[j] && *node->output[o] && reads(nodes->node[j], node->output[o]);
        }
        if (leads[i] && is_layer(node))
            found = i;
    }
    free(leads);
    return found;
}

/* Starts anew, with another extent of the dimension that counts the classes. */
static enum nt_status renew(struct nt_onnx_import *import, struct nt_onnx_value *value, int axis,
    int64_t classes, double bound)
{
    struct nt_shape shape = value->tensor->shape;
    const struct nt_init init = {.kind = NT_INIT_UNIFORM, .a = bound};
    shape.dim[axis] = classes;
    value->tensor = NULL;
    value->known = NULL;
    return nt_graph_parameter(
        import->graph, value->name, NT_VALUE_PARAMETER, &shape, init, &value->graph);
}

/* The bias of a layer: its own, or that of the Add behind a MatMul. */
static struct nt_onnx_value *bias_of(struct nt_onnx_import *import, int layer)
{
    const struct nt_onnx_nodes *nodes = &import->nodes;
    const NtOnnx__NodeProto *node = nodes->node[layer];
    if (strcmp(node->op_type, "MatMul") != 0)
        return weight_of(import, node, 2);
    for (size_t i = (size_t)layer + 1; i < nodes->count; i++) {
        const NtOnnx__NodeProto *add = nodes->node[i];
        if (strcmp(add->op_type, "Add") == 0 && add->n_input == 2 && reads(add, node->output[0]))
            return weight_of(import, add, strcmp(add->input[0], node->output[0]) == 0);
    }
    return NULL;
}

static int64_t int_of(const NtOnnx__NodeProto *node, const char *name, int64_t fallback)
{
    for (size_t i = 0; i < node->n_attribute; i++)
        if (strcmp(node->attribute[i]->name, name) == 0)
            return node->attribute[i]->i;
    return fallback;
}

enum nt_status nt_onnx_task_head(struct nt_onnx_import *import, const struct nt_onnx_task *task)
{
    if (task->head == 0)
        return NT_OK;
    int layer = find_layer(import);
    const NtOnnx__NodeProto *node = layer < 0 ? NULL : import->nodes.node[layer];
    struct nt_onnx_value *weight = node ? weight_of(import, node, 1) : NULL;
    if (!weight || weight->tensor->shape.rank < 2)
        return nt_graph_fail(import->graph, NT_ERR_UNSUPPORTED, "setting 'head': %s%s%s",
            node ? "the last layer '" : "there is no layer to replace", node ? node->output[0] : "",
            node ? "' has no weight of its own" : "");
    bool rows = strcmp(node->op_type, "Conv") == 0 || int_of(node, "transB", 0) != 0;
    const struct nt_shape old = weight->tensor->shape;
    int axis = rows ? 0 : old.rank - 1;
    double fan = (double)nt_shape_count(&old) / (double)old.dim[axis], bound = 1 / sqrt(fan);
    if (int_of(node, "group", 1) != 1)
        return nt_graph_fail(import->graph, NT_ERR_UNSUPPORTED,
            "setting 'head': the last layer '%s' has groups", node->output[0]);
    struct nt_onnx_value *bias = bias_of(import, layer);
    enum nt_status status = renew(import, weight, axis, task->head, bound);
    if (status == NT_OK && bias && bias->tensor->shape.rank > 0) {
        int last = bias->tensor->shape.rank - 1;
        if (bias->tensor->shape.dim[last] == old.dim[axis])
            status = renew(import, bias, last, task->head, bound);
    }
    return status;
}

/* ---- the loss ---- */

/* Logits, where the file ends in their softmax: cross_entropy has one itself. */
static int scores_of(const struct nt_graph *graph, const struct nt_onnx_task *task)
{
    int scores = graph->output[0].value, at = graph->value[scores].node;
    bool entropy = strcmp(task->loss, "cross_entropy") == 0;
    if (!entropy || at < 0 || graph->node[at]->op != &nt_op_softmax)
        return scores;
    return graph->node[at]->input[0];
}

enum nt_status nt_onnx_task_loss(struct nt_onnx_import *import, const struct nt_onnx_task *task)
{
    struct nt_graph *graph = import->graph;
    if (!task->loss)
        return NT_OK;
    const struct loss *loss = find_loss(task->loss);
    int in[2] = {scores_of(graph, task)}, outputs[NT_MAX_OUTPUTS];
    const struct nt_shape scores = graph->value[in[0]].shape;
    struct nt_shape item = {0};
    char text[128];
    if (scores.rank < 1 + loss->classes || scores.dim[0] != graph->batch)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "setting 'loss': output '%s' of shape %s: must have the batch as dimension 0%s",
            graph->output[0].name, nt_shape_text(&scores, text, sizeof text),
            loss->classes ? " and classes as dimension 1" : "");
    for (int i = 1 + loss->classes; i < scores.rank; i++)
        item.dim[item.rank++] = scores.dim[i];
    enum nt_status status =
        nt_graph_input(graph, "target", loss->classes ? NT_I32 : NT_F32, &item, &in[1]);
    if (status == NT_OK)
        status = nt_graph_add(graph, nt_op_find(loss->op), NULL, 2, in, NULL, outputs);
    return status == NT_OK ? nt_graph_loss(graph, outputs[0]) : status;
}
