/* SPDX-License-Identifier: MIT */
#include "frontend/op/layer.h"
#include "frontend/op/recurrent.h"

static const struct nt_attr_spec attrs[] = {
    {"cell", NT_ATTR_CHOICE, "what a step computes",
        .choices = "rnn_tanh|rnn_relu|lstm|gru|gru_reset_first"},
    {"reverse", NT_ATTR_BOOL, "take the last step first"},
};

enum { IN_A, IN_WEIGHT, IN_BIAS, IN_H0, IN_C0, IN_LENGTHS, INPUTS };
enum { OUT_Y, OUT_H_N, OUT_C_N, OUT_H, OUT_S, OUT_GATES };
enum { BACK_GATES, BACK_WEIGHT, BACK_H, BACK_S, BACK_LENGTHS, BACK_DY, BACK_DH, BACK_DC, BACKS };
enum { GIVES_DA, GIVES_DR, GIVES_DW, GIVES_DH0, GIVES_DC0, GIVES };

static enum nt_cell cell_of(const struct nt_node *node)
{
    return (enum nt_cell)nt_attr_int(node, "cell");
}

enum nt_status nt_recurrent_add(struct nt_graph *graph, const char *name, enum nt_cell cell,
    bool reverse, const struct nt_recurrent_inputs *in, struct nt_recurrent_outputs *out)
{
    int input[INPUTS] = {in->a, in->weight, in->bias, in->h0, in->c0, in->lengths};
    int output[NT_MAX_OUTPUTS];
    struct nt_attr attr[] = {{.set = true, .number = cell}, {.set = true, .number = reverse}};
    enum nt_status status =
        nt_graph_add(graph, &nt_op_recurrent_layer, name, INPUTS, input, attr, output);
    if (status == NT_OK)
        *out = (struct nt_recurrent_outputs){output[OUT_Y], output[OUT_H_N], output[OUT_C_N]};
    return status;
}

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape a = graph->value[node->input[IN_A]].shape;
    int64_t units = graph->value[node->input[IN_WEIGHT]].shape.dim[1];
    enum nt_cell cell = cell_of(node);
    struct nt_shape steps = {3, {a.dim[0], a.dim[1], units}}, slots = steps, none = {1, {1}};
    struct nt_shape state = {2, {a.dim[1], units}};
    slots.dim[0]++;
    const struct nt_shape shapes[] = {[OUT_Y] = steps,
        [OUT_H_N] = state,
        [OUT_C_N] = cell == NT_CELL_LSTM ? state : none,
        [OUT_H] = slots,
        [OUT_S] = cell == NT_CELL_LSTM  ? slots
                  : cell >= NT_CELL_GRU ? steps
                                        : none,
        [OUT_GATES] = a};
    for (int i = 0; i < node->outputs; i++)
        graph->value[node->output[i]].shape = shapes[i];
    return NT_OK;
}

static enum nt_status gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    int input[BACKS] = {[BACK_GATES] = node->output[OUT_GATES],
        [BACK_WEIGHT] = node->input[IN_WEIGHT],
        [BACK_H] = node->output[OUT_H],
        [BACK_S] = cell_of(node) >= NT_CELL_LSTM ? node->output[OUT_S] : -1,
        [BACK_LENGTHS] = node->input[IN_LENGTHS],
        [BACK_DY] = dy[OUT_Y],
        [BACK_DH] = dy[OUT_H_N],
        [BACK_DC] = dy[OUT_C_N]};
    int out[NT_MAX_OUTPUTS];
    struct nt_attr attr[] = {node->attr[0], node->attr[1]};
    attr[0].set = attr[1].set = true;
    enum nt_status status =
        nt_graph_add(graph, &nt_op_recurrent_layer_backward, NULL, BACKS, input, attr, out);
    if (status != NT_OK)
        return status;
    dx[IN_A] = out[GIVES_DA];
    dx[IN_WEIGHT] = out[GIVES_DW];
    dx[IN_H0] = out[GIVES_DH0];
    dx[IN_C0] = cell_of(node) == NT_CELL_LSTM ? out[GIVES_DC0] : -1;
    if (want[IN_BIAS]) {
        int dr = cell_of(node) == NT_CELL_GRU ? out[GIVES_DR] : out[GIVES_DA];
        dx[IN_BIAS] = nt_graph_sum_to(graph, dr, &graph->value[node->input[IN_BIAS]].shape);
        status = dx[IN_BIAS] < 0 ? NT_ERR_MEMORY : NT_OK;
    }
    return status;
}

/* ---- lowering ---- */

/* A slot of a tensor of slots: one step's matrix. */
static struct nt_tensor slot_of(const struct nt_tensor *slots, int64_t step)
{
    struct nt_tensor slot = {.buffer = slots->buffer,
        .dtype = NT_F32,
        .offset = slots->offset + step * slots->stride[0],
        .shape = {2, {slots->shape.dim[1], slots->shape.dim[2]}},
        .stride = {slots->stride[1], slots->stride[2]}};
    return slot;
}

/* `count` slots from `first` on. */
static struct nt_tensor slots_from(const struct nt_tensor *slots, int64_t first, int64_t count)
{
    struct nt_tensor part = *slots;
    part.offset += first * slots->stride[0];
    part.shape.dim[0] = count;
    return part;
}

/* The value's elements where they are wanted, or zeros without a value. */
static enum nt_status start_from(
    struct nt_lowering *lowering, int value, const struct nt_tensor *to)
{
    if (value < 0)
        return nt_fill(lowering->tape, 0, to);
    struct nt_tensor from = nt_lower_tensor(lowering, value);
    return nt_move(lowering->tape, &from, to);
}

/* Gives a value that is part of another tensor: as a view, or copied where it has its place. */
static enum nt_status give(struct nt_lowering *lowering, int value, const struct nt_tensor *part)
{
    if (lowering->tensor[value].buffer >= 0)
        return nt_move(lowering->tape, part, &lowering->tensor[value]);
    nt_lower_bind(lowering, value, part);
    return NT_OK;
}

static enum nt_status lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    const int *input = node->input, *output = node->output;
    struct nt_recurrent layer = {.cell = cell_of(node), .reverse = nt_attr_bool(node, "reverse")};
    struct nt_tensor a = nt_lower_tensor(lowering, input[IN_A]), bias, lengths, s, y;
    struct nt_tensor weight = nt_lower_tensor(lowering, input[IN_WEIGHT]);
    struct nt_tensor h = nt_lower_tensor(lowering, output[OUT_H]);
    struct nt_tensor gates = nt_lower_tensor(lowering, output[OUT_GATES]);
    int64_t steps = a.shape.dim[0], first = layer.reverse ? steps : 0, last = steps - first;
    layer.weight = &weight;
    layer.h = &h;
    layer.gates = &gates;
    if (input[IN_BIAS] >= 0) {
        bias = nt_lower_tensor(lowering, input[IN_BIAS]);
        layer.bias = &bias;
    }
    if (input[IN_LENGTHS] >= 0) {
        lengths = nt_lower_tensor(lowering, input[IN_LENGTHS]);
        layer.lengths = &lengths;
    }
    if (layer.cell >= NT_CELL_LSTM) {
        s = nt_lower_tensor(lowering, output[OUT_S]);
        layer.s = &s;
    }
    struct nt_tensor initial = slot_of(&h, first);
    enum nt_status status = start_from(lowering, input[IN_H0], &initial);
    if (status == NT_OK && layer.cell == NT_CELL_LSTM) {
        initial = slot_of(&s, first);
        status = start_from(lowering, input[IN_C0], &initial);
    }
    /* Without lengths y is the states after the initial one. */
    bool own = layer.lengths || lowering->tensor[output[OUT_Y]].buffer >= 0;
    struct nt_tensor states = slots_from(&h, layer.reverse ? 0 : 1, steps);
    if (own)
        y = nt_lower_tensor(lowering, output[OUT_Y]);
    else
        nt_lower_bind(lowering, output[OUT_Y], &states);
    if (status == NT_OK)
        status = nt_recurrent_forward(lowering->tape, &layer, &a, own ? &y : NULL);
    struct nt_tensor final = slot_of(&h, last);
    if (status == NT_OK)
        status = give(lowering, output[OUT_H_N], &final);
    if (status == NT_OK && layer.cell == NT_CELL_LSTM) {
        final = slot_of(&s, last);
        status = give(lowering, output[OUT_C_N], &final);
    }
    return status;
}

static double macs(const struct nt_graph *graph, const struct nt_node *node)
{
    return (double)nt_shape_count(&graph->value[node->output[OUT_GATES]].shape) *
           (double)graph->value[node->output[OUT_Y]].shape.dim[2];
}

const struct nt_op nt_op_recurrent_layer = {
    .name = "recurrent_layer",
    .summary = "all steps of one direction of a recurrent layer",
    .inputs = "a weight bias? h0? c0? lengths?",
    .outputs = 6,
    .attrs = attrs,
    .attr_count = sizeof attrs / sizeof *attrs,
    .internal = true,
    .layouts = "r>r",
    .infer = infer,
    .gradient = gradient,
    .lower = lower,
    .macs = macs,
};

/* ---- gradient ---- */

static enum nt_status backward_infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape gates = graph->value[node->input[BACK_GATES]].shape, none = {1, {1}};
    struct nt_shape weight = graph->value[node->input[BACK_WEIGHT]].shape;
    struct nt_shape state = {2, {gates.dim[1], weight.dim[1]}};
    const struct nt_shape shapes[GIVES] = {[GIVES_DA] = gates,
        [GIVES_DR] = cell_of(node) == NT_CELL_GRU ? gates : none,
        [GIVES_DW] = weight,
        [GIVES_DH0] = state,
        [GIVES_DC0] = cell_of(node) == NT_CELL_LSTM ? state : none};
    for (int i = 0; i < node->outputs; i++)
        graph->value[node->output[i]].shape = shapes[i];
    return NT_OK;
}

/* rows first .. first + count - 1 of the weight's gradient: one product over all steps. */
static enum nt_status weight_gradient(struct nt_tape *tape, const struct nt_tensor *dr,
    const struct nt_tensor *states, int64_t first, int64_t count, const struct nt_tensor *dw)
{
    int64_t rows = dr->shape.dim[0] * dr->shape.dim[1], units = states->shape.dim[2];
    struct nt_tensor a = {.buffer = dr->buffer,
        .dtype = NT_F32,
        .offset = dr->offset + first,
        .shape = {2, {count, rows}},
        .stride = {1, dr->shape.dim[2]}};
    struct nt_tensor b =
        nt_tensor_make(states->buffer, NT_F32, &(struct nt_shape){2, {rows, units}}, NT_ROW_MAJOR);
    struct nt_tensor c = *dw;
    b.offset = states->offset;
    c.offset += first * dw->stride[0];
    c.shape.dim[0] = count;
    return nt_gemm(tape, &a, &b, &c, NULL);
}

static enum nt_status backward_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    const int *input = node->input, *output = node->output;
    struct nt_recurrent layer = {.cell = cell_of(node), .reverse = nt_attr_bool(node, "reverse")};
    bool lstm = layer.cell == NT_CELL_LSTM, own = layer.cell == NT_CELL_GRU;
    struct nt_tensor gates = nt_lower_tensor(lowering, input[BACK_GATES]), lengths, s, dy, dr, dc;
    struct nt_tensor weight = nt_lower_tensor(lowering, input[BACK_WEIGHT]);
    struct nt_tensor h = nt_lower_tensor(lowering, input[BACK_H]);
    struct nt_tensor da = nt_lower_tensor(lowering, output[GIVES_DA]);
    struct nt_tensor dh = nt_lower_tensor(lowering, output[GIVES_DH0]);
    int64_t steps = gates.shape.dim[0], units = weight.shape.dim[1], wide = weight.shape.dim[0];
    layer.weight = &weight;
    layer.h = &h;
    layer.gates = &gates;
    if (input[BACK_S] >= 0) {
        s = nt_lower_tensor(lowering, input[BACK_S]);
        layer.s = &s;
    }
    if (input[BACK_LENGTHS] >= 0) {
        lengths = nt_lower_tensor(lowering, input[BACK_LENGTHS]);
        layer.lengths = &lengths;
    }
    if (input[BACK_DY] >= 0)
        dy = nt_lower_tensor(lowering, input[BACK_DY]);
    dr = own ? nt_lower_tensor(lowering, output[GIVES_DR]) : da;
    enum nt_status status = start_from(lowering, input[BACK_DH], &dh);
    if (status == NT_OK && lstm) {
        dc = nt_lower_tensor(lowering, output[GIVES_DC0]);
        status = start_from(lowering, input[BACK_DC], &dc);
    }
    if (status == NT_OK)
        status = nt_recurrent_backward(lowering->tape, &layer, input[BACK_DY] >= 0 ? &dy : NULL,
            &da, own ? &dr : NULL, &dh, lstm ? &dc : NULL);
    /* The candidate of a GRU with the reset gate first sees r h, not h. */
    bool gated = layer.cell == NT_CELL_GRU_RESET_FIRST;
    struct nt_tensor before = slots_from(&h, layer.reverse ? 1 : 0, steps);
    struct nt_tensor dw = nt_lower_tensor(lowering, output[GIVES_DW]);
    if (status == NT_OK)
        status = weight_gradient(lowering->tape, &dr, &before, 0, gated ? wide - units : wide, &dw);
    if (status == NT_OK && gated)
        status = weight_gradient(lowering->tape, &dr, &s, wide - units, units, &dw);
    return status;
}

const struct nt_op nt_op_recurrent_layer_backward = {
    .name = "recurrent_layer_backward",
    .summary = "gradients of a recurrent layer, back through time",
    .inputs = "gates weight h s? lengths? dy? dh? dc?",
    .outputs = GIVES,
    .attrs = attrs,
    .attr_count = sizeof attrs / sizeof *attrs,
    .internal = true,
    .layouts = "r>r",
    .infer = backward_infer,
    .lower = backward_lower,
};
