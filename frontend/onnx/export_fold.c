/* SPDX-License-Identifier: MIT
 *
 * Batch normalisation by running statistics is a scale and a shift of each channel, which the
 * weight and bias of the layer before it can take: w s and (b - mean) s + beta, with
 * s = gamma / sqrt(var + eps).
 */
#include "frontend/onnx/export_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_weight(const struct nt_export *e, int value)
{
    enum nt_value_kind kind = e->graph->value[value].kind;
    return kind == NT_VALUE_PARAMETER || kind == NT_VALUE_STATE;
}

static bool is_output(const struct nt_export *e, int value)
{
    for (int i = 0; i < e->graph->output_count; i++)
        if (e->graph->output[i].value == value)
            return true;
    return false;
}

static bool is_transposed(const struct nt_node *node)
{
    return strncmp(node->op->name, "conv_transpose", 14) == 0;
}

/* The layer whose result the norm alone reads; NULL: there is none that can take it. */
static struct nt_node *layer_before(const struct nt_export *e, const struct nt_node *norm)
{
    int x = norm->input[0], at = e->graph->value[x].node;
    struct nt_node *layer = at < 0 ? NULL : e->graph->node[at];
    if (!layer || layer->whole || e->uses[x] != 1 || is_output(e, x))
        return NULL;
    bool flat = layer->op == &nt_op_linear && e->graph->value[x].shape.rank == 2;
    bool conv = strncmp(layer->op->name, "conv", 4) == 0 &&
                strchr("123", layer->op->name[strlen(layer->op->name) - 2]) &&
                layer->op->name[strlen(layer->op->name) - 1] == 'd';
    if (!flat && !conv)
        return NULL;
    for (int i = 1; i < 3; i++) {
        int value = i < layer->inputs || i == 2 ? layer->input[i] : -1;
        if (value >= 0 && (!is_weight(e, value) || e->uses[value] != 1 || e->folded[value]))
            return NULL;
    }
    for (int i = 1; i < 5; i++)
        if (norm->input[i] >= 0 && !is_weight(e, norm->input[i]))
            return NULL;
    return layer;
}

/* A copy in the export's memory, of `count` numbers: the value's, or equal ones when it is -1. */
static float *numbers_of(struct nt_export *e, int value, size_t count, float otherwise)
{
    float *numbers = nt_graph_alloc(e->graph, count * sizeof *numbers);
    float *stored = value < 0 ? NULL : nt_export_numbers_of(e, value);
    if (!numbers || (value >= 0 && !stored)) {
        e->failed = true;
        free(stored);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        numbers[i] = stored ? stored[i] : otherwise;
    free(stored);
    return numbers;
}

/* The output channel of an element of the weight. */
static size_t channel_of(const struct nt_node *layer, const struct nt_shape *weight, size_t element)
{
    size_t first = element / (size_t)(nt_shape_count(weight) / weight->dim[0]);
    if (!is_transposed(layer))
        return first;
    size_t taps = 1;
    for (int i = 2; i < weight->rank; i++)
        taps *= (size_t)weight->dim[i];
    size_t inputs = (size_t)(weight->dim[0] / nt_attr_int(layer, "groups"));
    size_t second = element / taps % (size_t)weight->dim[1];
    return first / inputs * (size_t)weight->dim[1] + second;
}

/* The layer's bias, a new one of zeros when it has none. */
static enum nt_status bias_of(struct nt_export *e, struct nt_node *layer, size_t channels)
{
    if (layer->input[2] >= 0)
        return NT_OK;
    const char *weight = e->graph->value[layer->input[1]].name, *dot = strrchr(weight, '.');
    int length = dot ? (int)(dot - weight) : (int)strlen(weight), bias = -1;
    const char *name = nt_graph_string(e->graph, "%.*s.bias", length, weight);
    if (nt_graph_find(e->graph, name) >= 0)
        name = nt_graph_string(e->graph, "%.*s.folded_bias", length, weight);
    enum nt_status status = nt_graph_parameter(e->graph, name, NT_VALUE_PARAMETER,
        &(struct nt_shape){1, {(int64_t)channels}}, (struct nt_init){NT_INIT_CONSTANT, 0}, &bias);
    if (status == NT_OK) {
        layer->input[2] = bias;
        layer->inputs = layer->inputs < 3 ? 3 : layer->inputs;
        e->uses[bias] = 1;
        e->folded[bias] = nt_graph_alloc(e->graph, channels * sizeof(float));
    }
    return status;
}

static enum nt_status fold(struct nt_export *e, const struct nt_node *norm, struct nt_node *layer)
{
    const struct nt_shape weight = e->graph->value[layer->input[1]].shape;
    size_t count = (size_t)nt_shape_count(&weight);
    size_t channels = (size_t)e->graph->value[norm->input[0]].shape.dim[1];
    double eps = nt_attr_float(norm, "eps");
    enum nt_status status = bias_of(e, layer, channels);
    if (status != NT_OK)
        return status;
    float *w = numbers_of(e, layer->input[1], count, 0);
    float *b = numbers_of(e, layer->input[2], channels, 0);
    const float *gamma = numbers_of(e, norm->input[1], channels, 1);
    const float *beta = numbers_of(e, norm->input[2], channels, 0);
    const float *mean = numbers_of(e, norm->input[3], channels, 0);
    const float *var = numbers_of(e, norm->input[4], channels, 1);
    if (!w || !b || !gamma || !beta || !mean || !var)
        return nt_fail(e->ctx, NT_ERR_MEMORY, "export: host memory is exhausted");
    for (size_t i = 0; i < count; i++) {
        size_t c = channel_of(layer, &weight, i);
        w[i] = (float)(w[i] * (gamma[c] / sqrt(var[c] + eps)));
    }
    for (size_t c = 0; c < channels; c++)
        b[c] = (float)((b[c] - (double)mean[c]) * (gamma[c] / sqrt(var[c] + eps)) + beta[c]);
    e->folded[layer->input[1]] = w;
    e->folded[layer->input[2]] = b;
    return NT_OK;
}

enum nt_status nt_export_fold(struct nt_export *e)
{
    enum nt_status status = NT_OK;
    const struct nt_node *done = NULL;
    for (int i = 0; status == NT_OK && i < e->graph->node_count; i++) {
        const struct nt_node *norm = e->graph->node[i]->whole;
        if (!e->live[i] || !norm || norm == done || norm->op != &nt_op_batch_norm ||
            !nt_export_takes(e, norm))
            continue;
        done = norm;
        struct nt_node *layer = layer_before(e, norm);
        if (!layer)
            continue;
        status = fold(e, norm, layer);
        e->away[norm->output[0]] = true;
        e->folds++;
    }
    return status;
}
