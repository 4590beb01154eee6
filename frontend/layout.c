/* SPDX-License-Identifier: MIT
 *
 * Decides how each value lies in memory, from what operators ask for, and inserts conversions.
 */
#include <stdlib.h>
#include <string.h>

#include "frontend/graph.h"
#include "frontend/op.h"

static char input_letter(const struct nt_graph *graph, const struct nt_node *node, int input)
{
    if (node->epilogue_input < 0 || input < node->epilogue_input)
        return nt_op_input_layout(node->op, input);
    /* An epilogue's full operand lies as the result does. */
    bool full = nt_shape_equal(
        &graph->value[node->input[input]].shape, &graph->value[node->output[0]].shape);
    return full ? nt_op_output_layout(node->op, 0) : 'a';
}

static bool has_layouts(const struct nt_value *value)
{
    return value->shape.rank >= 3 && value->shape.rank <= 5;
}

/* An input takes the layout that its readers ask for, when they agree. */
static void choose_input_layouts(struct nt_graph *graph)
{
    for (int v = 0; v < graph->value_count; v++) {
        if (graph->value[v].kind != NT_VALUE_INPUT || !has_layouts(&graph->value[v]))
            continue;
        bool last = false, row = false;
        for (int i = 0; i < graph->node_count; i++)
            for (int j = 0; j < graph->node[i]->inputs; j++)
                if (graph->node[i]->input[j] == v) {
                    last |= input_letter(graph, graph->node[i], j) == 'l';
                    row |= input_letter(graph, graph->node[i], j) == 'r';
                }
        graph->value[v].layout = last && !row ? NT_CHANNELS_LAST : NT_ROW_MAJOR;
    }
}

static enum nt_layout output_layout(
    const struct nt_graph *graph, const struct nt_node *node, int output)
{
    const struct nt_value *value = &graph->value[node->output[output]];
    char want = nt_op_output_layout(node->op, output);
    if (!has_layouts(value) || want == 'r')
        return NT_ROW_MAJOR;
    if (want == 'l')
        return NT_CHANNELS_LAST;
    if (want == 's')
        return graph->value[node->input[0]].layout;
    for (int i = 0; i < node->inputs; i++) {
        const struct nt_value *in = &graph->value[node->input[i]];
        if (nt_shape_equal(&in->shape, &value->shape) && in->layout == NT_CHANNELS_LAST)
            return NT_CHANNELS_LAST;
    }
    return NT_ROW_MAJOR;
}

/* The value in the other layout: one conversion serves all readers. */
static enum nt_status convert(
    struct nt_graph *graph, int *converted, int value, enum nt_layout layout, int *out)
{
    if (converted[value] < 0) {
        enum nt_status status =
            nt_graph_add(graph, &nt_op_convert_layout, NULL, 1, &value, NULL, &converted[value]);
        if (status != NT_OK)
            return status;
        graph->value[converted[value]].layout = layout;
    }
    *out = converted[value];
    return NT_OK;
}

enum nt_status nt_assign_layouts(struct nt_graph *graph)
{
    int nodes = graph->node_count, values = graph->value_count;
    struct nt_node **node = malloc((size_t)(nodes + 1) * sizeof *node);
    int *converted = malloc((size_t)(values + 1) * sizeof *converted);
    enum nt_status status = NT_OK;
    if (!node || !converted)
        status = nt_fail(graph->ctx, NT_ERR_MEMORY, "graph: host memory is exhausted");
    for (int v = 0; status == NT_OK && v < values; v++)
        converted[v] = -1;
    if (status == NT_OK) {
        if (nodes)
            memcpy(node, graph->node, (size_t)nodes * sizeof *node);
        choose_input_layouts(graph);
        graph->node_count = 0;
    }
    for (int i = 0; i < nodes && node && converted; i++) {
        for (int j = 0; status == NT_OK && j < node[i]->inputs; j++) {
            int v = node[i]->input[j];
            if (v < 0 || !has_layouts(&graph->value[v]))
                continue;
            char want = input_letter(graph, node[i], j);
            enum nt_layout layout = want == 'l' ? NT_CHANNELS_LAST : NT_ROW_MAJOR;
            if (want != 'a' && graph->value[v].layout != layout)
                status = convert(graph, converted, v, layout, &node[i]->input[j]);
        }
        for (int j = 0; j < node[i]->outputs; j++)
            graph->value[node[i]->output[j]].layout = output_layout(graph, node[i], j);
        /* After a failure the rest is only put back, so that it is freed. */
        enum nt_status put = nt_graph_append(graph, node[i]);
        status = status == NT_OK ? put : status;
        if (put != NT_OK)
            nt_expr_destroy(node[i]->expr);
    }
    free(node);
    free(converted);
    return status;
}
