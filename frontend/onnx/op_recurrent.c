/* SPDX-License-Identifier: MIT
 *
 * RNN, GRU, LSTM: directions of recurrent layers. Theirs name the gates in another order than ours,
 * which is PyTorch's; one weight holds all directions, one bias those of input and state.
 */
#include "frontend/op/recurrent.h"

#include <string.h>

#include "frontend/onnx/recurrent.h"
#include "frontend/onnx/table.h"
#include "frontend/op/compose.h"

static const struct family {
    const char *name;
    int gates;
    int order[4]; /* which of theirs is each of ours */
    const char *activations[3];
    enum nt_cell cell;
} families[] = {
    {"GRU", 3, {1, 0, 2}, {"Sigmoid", "Tanh"}, NT_CELL_GRU_RESET_FIRST},
    {"LSTM", 4, {0, 2, 3, 1}, {"Sigmoid", "Tanh", "Tanh"}, NT_CELL_LSTM},
    {"RNN", 1, {0}, {"Tanh"}, NT_CELL_TANH},
};

struct layer {
    struct nt_onnx_node *node;
    const struct family *family;
    enum nt_cell cell;
    int directions;
    bool reverse, batch_first;
    bool unrolled; /* one step after the other: what the cells of ours lack */
    int64_t hidden;
    int x, weight, state, bias, lengths, h0, c0; /* values, -1: none */
};

/* ---- what is offered ---- */

static bool equal_word(const ProtobufCBinaryData *word, const char *text)
{
    return word->len == strlen(text) && strncmp((const char *)word->data, text, word->len) == 0;
}

/* Whether the cells of ours have the node's activations; sets the one of RNN. */
static bool has_activations(struct layer *layer)
{
    const NtOnnx__AttributeProto *attr = nt_onnx_attr(layer->node, "activations");
    for (size_t i = 0, each = 0; attr && i < attr->n_strings; i++, each++) {
        if (each == 3 || !layer->family->activations[each])
            each = 0;
        const ProtobufCBinaryData *word = &attr->strings[i];
        if (layer->family->cell == NT_CELL_TANH && equal_word(word, "Relu") &&
            (i == 0 || layer->cell == NT_CELL_RELU))
            layer->cell = NT_CELL_RELU;
        else if (layer->cell == NT_CELL_RELU || !equal_word(word, layer->family->activations[each]))
            return false;
    }
    return true;
}

static enum nt_status check_options(struct layer *layer)
{
    struct nt_onnx_node *node = layer->node;
    int direction;
    enum nt_status status =
        nt_onnx_choice(node, "direction", "forward", "forward|reverse|bidirectional", &direction);
    if (status != NT_OK)
        return status;
    layer->directions = direction == 2 ? 2 : 1;
    layer->reverse = direction == 1;
    layer->batch_first = nt_onnx_int(node, "layout", 0) != 0;
    if (layer->cell == NT_CELL_GRU_RESET_FIRST && nt_onnx_int(node, "linear_before_reset", 0))
        layer->cell = NT_CELL_GRU;
    layer->unrolled = !has_activations(layer) || nt_onnx_attr(node, "clip") ||
                      nt_onnx_int(node, "input_forget", 0) ||
                      (layer->cell == NT_CELL_LSTM && nt_onnx_has(node, 7));
    return NT_OK;
}

static enum nt_status take_operands(struct layer *layer)
{
    struct nt_onnx_node *node = layer->node;
    int *const places[] = {&layer->x, &layer->weight, &layer->state, &layer->bias, &layer->lengths,
        &layer->h0, &layer->c0};
    for (int i = 0; i < 7; i++) {
        bool there = nt_onnx_has(node, i) && (i < 6 || layer->cell == NT_CELL_LSTM);
        *places[i] = !there ? -1 : i == 4 ? nt_onnx_in_int(node, i) : nt_onnx_in(node, i);
        if (*places[i] < 0 && (there || i < 3))
            return i < 3 && !there ? nt_onnx_fail(node, NT_ERR_FORMAT, "input %d: must be given", i)
                                   : node->graph->failure;
    }
    const struct nt_value *value = node->graph->value;
    const struct nt_shape *x = &value[layer->x].shape, *w = &value[layer->weight].shape;
    const struct nt_shape *r = &value[layer->state].shape;
    int gates = layer->family->gates;
    layer->hidden = r->rank == 3 ? r->dim[2] : 0;
    if (x->rank != 3 || w->rank != 3 || r->rank != 3 || w->dim[0] != layer->directions ||
        r->dim[0] != layer->directions || w->dim[1] != gates * layer->hidden ||
        r->dim[1] != w->dim[1] || w->dim[2] != x->dim[2])
        return nt_onnx_fail(node, NT_ERR_SHAPE, "X, W, R: do not fit together");
    const struct nt_shape biases = {2, {layer->directions, 2 * w->dim[1]}};
    if (layer->bias >= 0 && !nt_shape_equal(&value[layer->bias].shape, &biases))
        return nt_onnx_fail(node, NT_ERR_SHAPE, "B: must be %d by %lld", layer->directions,
            (long long)(2 * w->dim[1]));
    return NT_OK;
}

/* ---- nodes ---- */

static int row(struct nt_graph *graph, int value, int index)
{
    struct nt_shape shape = {0};
    if (value < 0)
        return -1;
    for (int i = 1; i < graph->value[value].shape.rank; i++)
        shape.dim[shape.rank++] = graph->value[value].shape.dim[i];
    return nt_compose_reshape(graph, nt_compose_slice(graph, value, 0, index, 1, 1), &shape);
}

/* Gates in our order, or as they are for single steps: rows `first` and up of a weight or bias. */
static int in_order(const struct layer *layer, int value, int64_t first)
{
    struct nt_graph *graph = layer->node->graph;
    int part[4];
    if (layer->unrolled)
        return nt_compose_slice(graph, value, 0, first, layer->family->gates * layer->hidden, 1);
    for (int i = 0; i < layer->family->gates; i++)
        part[i] = nt_compose_slice(
            graph, value, 0, first + layer->family->order[i] * layer->hidden, layer->hidden, 1);
    return nt_compose_concat(graph, layer->family->gates, part, 0);
}

/* What the input adds to the gates of all steps. */
static int gates_of_input(const struct layer *layer, int x, int direction)
{
    struct nt_onnx_node *node = layer->node;
    struct nt_shape shape = node->graph->value[x].shape;
    int64_t wide = layer->family->gates * layer->hidden;
    struct nt_shape rows = {2, {shape.dim[0] * shape.dim[1], shape.dim[2]}};
    struct nt_shape result = {3, {shape.dim[0], shape.dim[1], wide}};
    int weight = in_order(layer, row(node->graph, layer->weight, direction), 0), bias = -1;
    if (layer->bias >= 0)
        bias = in_order(layer, row(node->graph, layer->bias, direction), 0);
    struct nt_onnx_call call = nt_onnx_begin("linear");
    nt_onnx_number(&call, "features", (double)wide);
    nt_onnx_number(&call, "bias", bias >= 0);
    int flat = nt_onnx_reshape(node, x, &rows);
    int y = nt_onnx_add(node, &call, bias >= 0 ? 3 : 2, (int[]){flat, weight, bias});
    return nt_onnx_reshape(node, y, &result);
}

/* The same one step after the other. */
static enum nt_status unroll(struct layer *layer, bool reverse, int direction,
    const struct nt_recurrent_inputs *in, struct nt_recurrent_outputs *out)
{
    struct nt_onnx_node *node = layer->node;
    struct nt_graph *graph = node->graph;
    const struct nt_shape *x = &graph->value[in->a].shape;
    struct nt_onnx_cell cell = {.node = node,
        .gates = layer->family->gates,
        .steps = x->dim[0],
        .batch = x->dim[1],
        .hidden = layer->hidden,
        .clip = nt_onnx_float(node, "clip", 0),
        .reverse = reverse,
        .coupled = nt_onnx_int(node, "input_forget", 0) != 0,
        .linear_before_reset = layer->cell == NT_CELL_GRU,
        .input = in->a,
        .weight = in->weight,
        .bias = in->bias,
        .peep = {-1, -1, -1},
        .lengths = in->lengths,
        .h = in->h0,
        .c = in->c0};
    int count = 0;
    enum nt_status status = NT_OK;
    while (count < 3 && layer->family->activations[count])
        count++;
    for (int i = 0; status == NT_OK && i < count; i++)
        status = nt_onnx_activation_take(
            node, direction * count + i, layer->family->activations[i], &cell.activation[i]);
    if (status == NT_OK && layer->cell == NT_CELL_LSTM && nt_onnx_has(node, 7)) {
        int peepholes = row(graph, nt_onnx_in(node, 7), direction);
        for (int i = 0; i < 3; i++)
            if ((cell.peep[i] = nt_compose_slice(
                     graph, peepholes, 0, i * layer->hidden, layer->hidden, 1)) < 0)
                return graph->failure;
    }
    return status == NT_OK ? nt_onnx_cell_unroll(&cell, out) : status;
}

static enum nt_status add_direction(
    struct layer *layer, int x, int direction, struct nt_recurrent_outputs *out)
{
    struct nt_graph *graph = layer->node->graph;
    int64_t wide = layer->family->gates * layer->hidden;
    struct nt_recurrent_inputs in = {.bias = -1, .lengths = layer->lengths};
    in.a = gates_of_input(layer, x, direction);
    in.weight = in_order(layer, row(graph, layer->state, direction), 0);
    if (layer->bias >= 0)
        in.bias = in_order(layer, row(graph, layer->bias, direction), wide);
    in.h0 = row(graph, layer->h0, direction);
    in.c0 = row(graph, layer->c0, direction);
    if (in.a < 0 || in.weight < 0)
        return graph->failure != NT_OK ? graph->failure : NT_ERR_MEMORY;
    bool reverse = layer->reverse || direction == 1;
    if (layer->unrolled)
        return unroll(layer, reverse, direction, &in, out);
    return nt_recurrent_add(graph, "", layer->cell, reverse, &in, out);
}

/* The directions' values with a dimension for them put in at `axis`. */
static int stack(const struct layer *layer, const int *value, int axis)
{
    struct nt_graph *graph = layer->node->graph;
    int part[2];
    for (int d = 0; d < layer->directions; d++) {
        struct nt_shape from = graph->value[value[d]].shape, to = {.rank = from.rank + 1};
        for (int i = 0; i < to.rank; i++)
            to.dim[i] = i == axis ? 1 : from.dim[i - (i > axis)];
        part[d] = nt_compose_reshape(graph, value[d], &to);
    }
    return nt_compose_concat(graph, layer->directions, part, axis);
}

static enum nt_status give(const struct layer *layer, const struct nt_recurrent_outputs *out)
{
    struct nt_onnx_node *node = layer->node;
    int y[2], h[2], c[2];
    for (int d = 0; d < layer->directions; d++) {
        y[d] = out[d].y;
        h[d] = out[d].h_n;
        c[d] = out[d].c_n;
    }
    int all = stack(layer, y, 1); /* T, directions, N, H */
    if (layer->batch_first)
        all = nt_compose_transpose(node->graph, all, (int[]){2, 0, 1, 3});
    enum nt_status status = nt_onnx_out(node, 0, all);
    int axis = layer->batch_first ? 1 : 0;
    if (status == NT_OK && nt_onnx_wants(node, 1))
        status = nt_onnx_out(node, 1, stack(layer, h, axis));
    if (status == NT_OK && nt_onnx_wants(node, 2))
        status = nt_onnx_out(node, 2, stack(layer, c, axis));
    return status;
}

static int batch_second(const struct layer *layer, int value)
{
    return layer->batch_first && value >= 0
               ? nt_compose_transpose(layer->node->graph, value, (int[]){1, 0, 2})
               : value;
}

enum nt_status nt_onnx_recurrent(struct nt_onnx_node *node)
{
    struct layer layer = {.node = node};
    struct nt_recurrent_outputs out[2] = {{0}};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strcmp(families[i].name, node->rule->name) == 0)
            layer.family = &families[i];
    layer.cell = layer.family->cell;
    enum nt_status status = check_options(&layer);
    if (status == NT_OK)
        status = take_operands(&layer);
    if (status != NT_OK)
        return status;
    int x = batch_second(&layer, layer.x);
    layer.h0 = batch_second(&layer, layer.h0);
    layer.c0 = batch_second(&layer, layer.c0);
    for (int d = 0; status == NT_OK && d < layer.directions; d++)
        status = add_direction(&layer, x, d, &out[d]);
    return status == NT_OK ? give(&layer, out) : status;
}
