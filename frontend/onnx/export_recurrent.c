/* SPDX-License-Identifier: MIT
 *
 * A direction of a recurrent layer: RNN, GRU, LSTM. Ours has the product with the input before it;
 * theirs has its weight. Weights keep their names and order, nodes before the layer put the gates
 * in the order of ONNX.
 */
#include "frontend/onnx/export_parts.h"

enum { IN_A, IN_WEIGHT, IN_BIAS, IN_H0, IN_C0, IN_LENGTHS };
enum { OUT_Y, OUT_H_N, OUT_C_N };

static const struct family {
    const char *op_type;
    int gates;
    int order[4]; /* which of ours is each of theirs */
} families[] = {
    [NT_CELL_TANH] = {"RNN", 1, {0}},
    [NT_CELL_RELU] = {"RNN", 1, {0}},
    [NT_CELL_LSTM] = {"LSTM", 4, {0, 3, 1, 2}},
    [NT_CELL_GRU] = {"GRU", 3, {1, 0, 2}},
    [NT_CELL_GRU_RESET_FIRST] = {"GRU", 3, {1, 0, 2}},
};

/* The linear layer that gives the gates, between two changes of shape; NULL when they come from
 * somewhere else. *x: the input of all steps, T,N,F. */
static const struct nt_node *input_product(
    const struct nt_export *e, const struct nt_node *node, int *x)
{
    const struct nt_graph *graph = e->graph;
    const struct nt_node *link[3];
    int value = node->input[IN_A];
    for (int i = 0; i < 3; i++) {
        const struct nt_op *want = i == 1 ? &nt_op_linear : &nt_op_reshape;
        int at = graph->value[value].node;
        link[i] = at < 0 ? NULL : graph->node[at];
        if (!link[i] || link[i]->op != want)
            return NULL;
        value = link[i]->input[0];
    }
    const struct nt_shape *shape = &graph->value[value].shape;
    const struct nt_shape *gates = &graph->value[node->input[IN_A]].shape;
    if (shape->rank != 3 || shape->dim[0] != gates->dim[0] || shape->dim[1] != gates->dim[1])
        return NULL;
    *x = value;
    return link[1];
}

NT_EXPORT_TEST(recurrent_layer)
{
    int x;
    for (int i = OUT_C_N + 1; i < node->outputs; i++)
        if (e->uses[node->output[i]] > 0)
            return false;
    return input_product(e, node, &x) != NULL;
}

/* The gates of a weight or bias in their order. */
static const char *in_order(
    struct nt_export *e, const struct family *family, const char *name, int64_t units)
{
    const char *part[4], *ordered[4];
    int64_t sizes[4] = {units, units, units, units};
    if (family->gates == 1)
        return name;
    const char *in[2] = {name, nt_export_list(e, family->gates, sizes)};
    NtOnnx__NodeProto *split = nt_export_begin(e, "Split", 2, in);
    nt_export_int(e, split, "axis", 0);
    for (int i = 0; i < family->gates; i++)
        part[i] = nt_export_output(e, split, NULL);
    for (int i = 0; i < family->gates; i++)
        ordered[i] = part[family->order[i]];
    NtOnnx__NodeProto *to = nt_export_begin(e, "Concat", family->gates, ordered);
    nt_export_int(e, to, "axis", 0);
    return nt_export_output(e, to, NULL);
}

/* With a first dimension for the directions, of which there is one. */
static const char *as_direction(struct nt_export *e, const char *name)
{
    return nt_export_simple(
        e, "Unsqueeze", NULL, 2, (const char *[]){name, nt_export_list(e, 1, (int64_t[]){0})});
}

static const char *zeros(struct nt_export *e, int64_t count)
{
    const char *in[2] = {nt_export_number(e, NT_ONNX_FLOAT, 0), nt_export_list(e, 1, &count)};
    return nt_export_simple(e, "Expand", NULL, 2, in);
}

/* Biases of the input and of the state behind one another, "" when there is none. */
static const char *both_biases(struct nt_export *e, const struct nt_node *node,
    const struct nt_node *product, const struct family *family, int64_t units)
{
    int bias[2] = {product->input[2], node->input[IN_BIAS]};
    const char *part[2];
    if (bias[0] < 0 && bias[1] < 0)
        return "";
    for (int i = 0; i < 2; i++)
        part[i] = bias[i] < 0 ? zeros(e, family->gates * units)
                              : in_order(e, family, nt_export_value(e, bias[i]), units);
    NtOnnx__NodeProto *to = nt_export_begin(e, "Concat", 2, part);
    nt_export_int(e, to, "axis", 0);
    return as_direction(e, nt_export_output(e, to, NULL));
}

static const char *state(struct nt_export *e, int value)
{
    return value < 0 ? "" : as_direction(e, nt_export_value(e, value));
}

/* Outputs without the dimension of the directions. */
static void put_outputs(struct nt_export *e, const struct nt_node *node, NtOnnx__NodeProto *to)
{
    static const int64_t axes[] = {[OUT_Y] = 1, [OUT_H_N] = 0, [OUT_C_N] = 0};
    const char *made[3];
    int count = nt_attr_int(node, "cell") == NT_CELL_LSTM ? 3 : 2;
    for (int i = 0; i < count; i++)
        made[i] = nt_export_output(e, to, NULL);
    for (int i = 0; i < count; i++) {
        const char *in[2] = {made[i], nt_export_list(e, 1, &axes[i])};
        if (e->uses[node->output[i]] > 0)
            nt_export_simple(e, "Squeeze", nt_export_result(e, node->output[i]), 2, in);
    }
}

NT_EXPORT_FUNCTION(recurrent_layer)
{
    int x;
    const struct nt_node *product = input_product(e, node, &x);
    enum nt_cell cell = (enum nt_cell)nt_attr_int(node, "cell");
    const struct family *family = &families[cell];
    int64_t units = e->graph->value[node->input[IN_WEIGHT]].shape.dim[1];
    bool reverse = nt_attr_bool(node, "reverse");
    const char *in[7] = {nt_export_value(e, x)};
    in[1] = as_direction(e, in_order(e, family, nt_export_value(e, product->input[1]), units));
    in[2] = as_direction(e, in_order(e, family, nt_export_value(e, node->input[IN_WEIGHT]), units));
    in[3] = both_biases(e, node, product, family, units);
    in[4] =
        node->input[IN_LENGTHS] < 0
            ? ""
            : nt_export_cast(e, nt_export_value(e, node->input[IN_LENGTHS]), NT_ONNX_INT32, NULL);
    in[5] = state(e, node->input[IN_H0]);
    in[6] = cell == NT_CELL_LSTM ? state(e, node->input[IN_C0]) : "";
    NtOnnx__NodeProto *to = nt_export_begin(e, family->op_type, 7, in);
    nt_export_int(e, to, "hidden_size", units);
    nt_export_word(e, to, "direction", reverse ? "reverse" : "forward");
    if (cell == NT_CELL_GRU)
        nt_export_int(e, to, "linear_before_reset", 1);
    if (cell == NT_CELL_RELU)
        nt_export_words(e, to, "activations", 1, (const char *[]){"Relu"});
    put_outputs(e, node, to);
    return NT_OK;
}

NT_EXPORT_FUNCTION(sequence_lengths)
{
    const char *in[2] = {nt_export_value(e, node->input[0]),
        nt_export_number(e, NT_ONNX_INT64, (double)nt_attr_int(node, "padding"))};
    const char *equal = nt_export_simple(e, "Equal", NULL, 2, in);
    const char *kept = nt_export_simple(e, "Not", NULL, 1, &equal);
    in[0] = nt_export_cast(e, kept, NT_ONNX_INT64, NULL);
    in[1] = nt_export_list(e, 1, (int64_t[]){1});
    NtOnnx__NodeProto *to = nt_export_begin(e, "ReduceSum", 2, in);
    nt_export_int(e, to, "keepdims", 0);
    nt_export_output(e, to, nt_export_result(e, node->output[0]));
    return NT_OK;
}
