/* SPDX-License-Identifier: MIT */
#include "frontend/onnx/recurrent.h"

#include <string.h>

#include "frontend/op/compose.h"

/* ---- activations ---- */

static const struct named {
    const char *name;
    struct nt_onnx_activation activation;
} activations[] = {
    {"Affine", {"b * a + c", 1, 0}},
    {"Elu", {"select(a > 0, a, b * expm1(a))", 1, 0}},
    {"HardSigmoid", {"min(max(b * a + c, 0), 1)", 0.2, 0.5}},
    {"LeakyRelu", {"select(a > 0, a, b * a)", 0.01, 0}},
    {"Relu", {"relu(a)", 0, 0}},
    {"ScaledTanh", {"b * tanh(c * a)", 1, 1}},
    {"Sigmoid", {"sigmoid(a)", 0, 0}},
    {"Softplus", {"softplus(a)", 0, 0}},
    {"Softsign", {"softsign(a)", 0, 0}},
    {"Tanh", {"tanh(a)", 0, 0}},
    {"ThresholdedRelu", {"select(a > b, a, 0)", 1, 0}},
};

enum nt_status nt_onnx_activation_take(
    struct nt_onnx_node *node, int index, const char *word, struct nt_onnx_activation *out)
{
    const NtOnnx__AttributeProto *list = nt_onnx_attr(node, "activations");
    const NtOnnx__AttributeProto *alpha = nt_onnx_attr(node, "activation_alpha");
    const NtOnnx__AttributeProto *beta = nt_onnx_attr(node, "activation_beta");
    size_t length = strlen(word), at = (size_t)index;
    if (list && at < list->n_strings) {
        word = (const char *)list->strings[at].data;
        length = list->strings[at].len;
    }
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        if (strlen(activations[i].name) != length ||
            strncmp(activations[i].name, word ? word : "", length) != 0)
            continue;
        *out = activations[i].activation;
        if (alpha && at < alpha->n_floats)
            out->alpha = (double)alpha->floats[at];
        if (beta && at < beta->n_floats)
            out->beta = (double)beta->floats[at];
        return NT_OK;
    }
    return nt_onnx_fail(node, NT_ERR_UNSUPPORTED, "activations: '%.*s' is none",
        length < 64 ? (int)length : 64, word ? word : "");
}

static int activate(struct nt_onnx_cell *cell, int which, int x)
{
    const struct nt_onnx_activation *f = &cell->activation[which];
    if (cell->clip > 0)
        x = nt_onnx_formula(cell->node, "min(max(a, -b), b)", 2,
            (int[]){x, nt_onnx_constant(cell->node, cell->clip)});
    const int in[] = {
        x, nt_onnx_constant(cell->node, f->alpha), nt_onnx_constant(cell->node, f->beta)};
    return nt_onnx_formula(cell->node, f->text, 3, in);
}

/* ---- one step ---- */

static int gate(struct nt_onnx_cell *cell, int value, int index)
{
    int last = cell->node->graph->value[value].shape.rank - 1;
    return nt_compose_slice(cell->node->graph, value, last, index * cell->hidden, cell->hidden, 1);
}

static int sum(struct nt_onnx_cell *cell, int a, int b)
{
    return a < 0 || b < 0 ? -1 : nt_onnx_formula(cell->node, "a + b", 2, (int[]){a, b});
}

/* A gate's argument with what it sees of the cell. */
static int peeped(struct nt_onnx_cell *cell, int x, int which)
{
    if (cell->peep[which] < 0)
        return x;
    const int in[] = {x, cell->peep[which], cell->c};
    return nt_onnx_formula(cell->node, "a + b * c", 3, in);
}

/* h times the rows of the weight of `count` gates from `first` on, with the state's bias. */
static int of_state(struct nt_onnx_cell *cell, int h, int first, int count)
{
    struct nt_graph *graph = cell->node->graph;
    struct nt_onnx_call call = nt_onnx_begin("matmul");
    nt_onnx_number(&call, "transpose_b", 1);
    int64_t from = first * cell->hidden, rows = count * cell->hidden;
    int weight = nt_compose_slice(graph, cell->weight, 0, from, rows, 1);
    int y = nt_onnx_add(cell->node, &call, 2, (int[]){h, weight});
    return cell->bias < 0 ? y : sum(cell, y, nt_compose_slice(graph, cell->bias, 0, from, rows, 1));
}

/* Gates in the order input, output, forget, cell. */
static int step_lstm(struct nt_onnx_cell *cell, int x)
{
    struct nt_onnx_node *node = cell->node;
    int all = sum(cell, x, of_state(cell, cell->h, 0, 4));
    if (all < 0)
        return -1;
    int in = activate(cell, 0, peeped(cell, gate(cell, all, 0), 0));
    int forget = cell->coupled ? nt_onnx_formula(node, "1 - a", 1, &in)
                               : activate(cell, 0, peeped(cell, gate(cell, all, 2), 2));
    const int parts[] = {forget, cell->c, in, activate(cell, 1, gate(cell, all, 3))};
    cell->c = nt_onnx_formula(node, "a * b + c * d", 4, parts);
    int out = cell->c < 0 ? -1 : activate(cell, 0, peeped(cell, gate(cell, all, 1), 1));
    return nt_onnx_formula(
        node, "a * b", 2, (int[]){out, out < 0 ? -1 : activate(cell, 2, cell->c)});
}

/* Gates in the order update, reset, hidden. */
static int step_gru(struct nt_onnx_cell *cell, int x)
{
    struct nt_onnx_node *node = cell->node;
    int both = of_state(cell, cell->h, 0, 2), own;
    int update = activate(cell, 0, sum(cell, gate(cell, x, 0), gate(cell, both, 0)));
    int reset = activate(cell, 0, sum(cell, gate(cell, x, 1), gate(cell, both, 1)));
    if (cell->linear_before_reset) {
        const int in[] = {reset, of_state(cell, cell->h, 2, 1)};
        own = nt_onnx_formula(node, "a * b", 2, in);
    } else {
        int h = nt_onnx_formula(node, "a * b", 2, (int[]){reset, cell->h});
        own = h < 0 ? -1 : of_state(cell, h, 2, 1);
    }
    own = sum(cell, gate(cell, x, 2), own);
    const int in[] = {update, own < 0 ? -1 : activate(cell, 1, own), cell->h};
    return nt_onnx_formula(node, "(1 - a) * b + a * c", 3, in);
}

static int step_rnn(struct nt_onnx_cell *cell, int x)
{
    int all = sum(cell, x, of_state(cell, cell->h, 0, 1));
    return all < 0 ? -1 : activate(cell, 0, all);
}

/* ---- all steps ---- */

/* The state of step t, and its result: 0 behind the end of a sequence, where the state stays. */
static int advance(struct nt_onnx_cell *cell, int64_t t)
{
    struct nt_onnx_node *node = cell->node;
    struct nt_shape item = {2, {cell->batch, cell->gates * cell->hidden}};
    int x = nt_compose_slice(node->graph, cell->input, 0, t, 1, 1), old = cell->c;
    x = nt_compose_reshape(node->graph, x, &item);
    if (x < 0)
        return -1;
    int h = cell->gates == 4   ? step_lstm(cell, x)
            : cell->gates == 3 ? step_gru(cell, x)
                               : step_rnn(cell, x);
    if (cell->lengths < 0 || h < 0) {
        cell->h = h;
        return h;
    }
    int step = nt_onnx_constant(node, (double)t);
    int y = nt_onnx_formula(node, "select(b < c, a, 0)", 3, (int[]){h, step, cell->lengths});
    const int state[] = {h, step, cell->lengths, cell->h};
    cell->h = nt_onnx_formula(node, "select(b < c, a, d)", 4, state);
    if (cell->c != old) {
        const int memory[] = {cell->c, step, cell->lengths, old};
        cell->c = nt_onnx_formula(node, "select(b < c, a, d)", 4, memory);
    }
    return y;
}

enum nt_status nt_onnx_cell_unroll(struct nt_onnx_cell *cell, struct nt_recurrent_outputs *out)
{
    struct nt_graph *graph = cell->node->graph;
    struct nt_shape state = {2, {cell->batch, cell->hidden}}, column = {2, {cell->batch, 1}};
    struct nt_shape step = {3, {1, cell->batch, cell->hidden}};
    if (cell->steps > NT_ONNX_MAX_STEPS)
        return nt_onnx_fail(cell->node, NT_ERR_UNSUPPORTED,
            "%lld steps in this form: must be at most %d", (long long)cell->steps,
            NT_ONNX_MAX_STEPS);
    int *part = nt_graph_alloc(graph, (size_t)cell->steps * sizeof *part);
    if (!part)
        return nt_onnx_fail(cell->node, NT_ERR_MEMORY, "host memory is exhausted");
    cell->h = cell->h < 0 ? nt_graph_constant(graph, 0, &state) : cell->h;
    cell->c = cell->c < 0 ? nt_graph_constant(graph, 0, &state) : cell->c;
    if (cell->lengths >= 0)
        cell->lengths = nt_compose_reshape(graph, cell->lengths, &column);
    for (int64_t i = 0; i < cell->steps; i++) {
        int64_t t = cell->reverse ? cell->steps - 1 - i : i;
        part[t] = nt_compose_reshape(graph, advance(cell, t), &step);
        if (part[t] < 0)
            return graph->failure != NT_OK ? graph->failure : NT_ERR_MEMORY;
    }
    for (int64_t count = cell->steps; count > 1;) { /* joined 32 at a time */
        int64_t next = 0;
        for (int64_t i = 0; i < count; i += 32)
            part[next++] =
                nt_compose_concat(graph, (int)(count - i < 32 ? count - i : 32), part + i, 0);
        count = next;
    }
    *out = (struct nt_recurrent_outputs){.y = part[0], .h_n = cell->h, .c_n = cell->c};
    return part[0] < 0 ? graph->failure : NT_OK;
}
