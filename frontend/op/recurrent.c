/* SPDX-License-Identifier: MIT
 *
 * rnn, lstm and gru as PyTorch defines them: layers and directions of recurrent_layer nodes, each
 * after one product of all steps with its input weight.
 */
#include "frontend/op/recurrent.h"

#include <math.h>
#include <stdio.h>

#define SIZES                                                                                      \
    {"hidden", NT_ATTR_INT, "units of the state", .required = true, .min = 1, .max = 1 << 20},     \
    {                                                                                              \
        "layers", NT_ATTR_INT, "layers, each on the results of the one before",                    \
            .fallback = 1, .min = 1, .max = 1024                                                   \
    }
#define WAYS                                                                                       \
    {"bidirectional", NT_ATTR_BOOL,                                                                \
        "a second direction from the last step on; results side by side"},                         \
        {"dropout", NT_ATTR_FLOAT, "share of each layer's results but the last's that is dropped", \
            .min = 0, .max = 1},                                                                   \
        {"batch_first", NT_ATTR_BOOL, "x and y are N,T,features, else T,N,features",               \
            .fallback = 1},                                                                        \
        {"bias", NT_ATTR_BOOL, "add biases", .fallback = 1},                                       \
    {                                                                                              \
        "stateful", NT_ATTR_BOOL,                                                                  \
            "start from where the run before ended, item by item: truncated back-propagation"      \
    }

/* What is known of a call while its nodes are added. */
struct call {
    struct nt_graph *graph;
    struct nt_node *node;
    const char *base; /* "encoder.lstm" */
    enum nt_cell cell;
    int64_t hidden, layers, directions, steps, items;
    bool biased, stateful;
    int lengths, h0, c0;
    int *h_n, *c_n; /* by layer and direction */
};

/* ---- names and parameters ---- */

/* The node's name, or the operator and a number that is free. */
static const char *base_name(struct nt_graph *graph, const struct nt_node *node)
{
    if (*node->name)
        return node->name;
    for (int i = 1;; i++) {
        const char *base = nt_graph_string(graph, "%s%s_%d", graph->scope, node->op->name, i);
        if (!*base || nt_graph_find(graph, nt_graph_string(graph, "%s.weight_ih_l0", base)) < 0)
            return base;
    }
}

static const char *part_name(const struct call *call, const char *part, int layer, int direction)
{
    return nt_graph_string(
        call->graph, "%s.%s_l%d%s", call->base, part, layer, direction ? "_reverse" : "");
}

static enum nt_status add_parameter(const struct call *call, const char *part, int layer,
    int direction, const struct nt_shape *shape, int *value)
{
    struct nt_init init = {NT_INIT_UNIFORM, 1 / sqrt((double)call->hidden)};
    return nt_graph_parameter(call->graph, part_name(call, part, layer, direction),
        NT_VALUE_PARAMETER, shape, init, value);
}

/* ---- pieces ---- */

static enum nt_status reshape(
    struct nt_graph *graph, int value, const struct nt_shape *shape, int *out)
{
    struct nt_attr to = {.set = true, .count = shape->rank};
    for (int i = 0; i < shape->rank; i++)
        to.ints[i] = shape->dim[i];
    return nt_graph_add(graph, &nt_op_reshape, NULL, 1, &value, &to, out);
}

static enum nt_status swap_first_two(struct nt_graph *graph, int value, int *out)
{
    struct nt_attr axes = {.set = true, .count = 3, .ints = {1, 0, 2}};
    return nt_graph_add(graph, &nt_op_transpose, NULL, 1, &value, &axes, out);
}

static enum nt_status join(struct nt_graph *graph, int axis, int count, const int *value, int *out)
{
    struct nt_attr attr = {.set = true, .number = axis};
    if (count > NT_MAX_INPUTS) { /* in pieces, the first of which is the join of the others */
        enum nt_status status = join(graph, axis, count - 1, value, out);
        return status == NT_OK ? join(graph, axis, 2, (int[]){*out, value[count - 1]}, out)
                               : status;
    }
    *out = value[0];
    return count == 1 ? NT_OK : nt_graph_add(graph, &nt_op_concat, NULL, count, value, &attr, out);
}

/* Row `index` of a layers*directions,N,H input as N,H. */
static enum nt_status initial_state(const struct call *call, int value, int index, int *out)
{
    struct nt_shape state = {2, {call->items, call->hidden}};
    int row = value;
    if (call->layers * call->directions > 1) {
        struct nt_attr attr[16] = {{0}};
        attr[nt_attr_index(&nt_op_slice, "axis")] = (struct nt_attr){.set = true};
        attr[nt_attr_index(&nt_op_slice, "first")] = (struct nt_attr){.set = true, .number = index};
        attr[nt_attr_index(&nt_op_slice, "count")] = (struct nt_attr){.set = true, .number = 1};
        enum nt_status status =
            nt_graph_add(call->graph, &nt_op_slice, NULL, 1, &value, attr, &row);
        if (status != NT_OK)
            return status;
    }
    return reshape(call->graph, row, &state, out);
}

/* x kept with probability 1 - p and then divided by it. */
static int drop(struct nt_graph *graph, int x, double p)
{
    char text[96];
    struct nt_shape shape = graph->value[x].shape;
    int uniform = nt_graph_uniform(graph, &shape);
    if (uniform < 0)
        return -1;
    snprintf(text, sizeof text, "select(b < %.9g, 0, a * %.9g)", p, p < 1 ? 1 / (1 - p) : 0);
    return nt_graph_formula(graph, text, 2, (int[]){x, uniform});
}

/* ---- layers ---- */

/* What the input adds to the gates, T,N,G*H: one product for all steps. The recurrent bias is
 * added here too, where the cell has it outside of everything. */
static enum nt_status input_product(
    const struct call *call, int x, int layer, int direction, int *recurrent_bias, int *a)
{
    struct nt_graph *graph = call->graph;
    int64_t features = graph->value[x].shape.dim[2];
    int64_t wide = nt_cell_gates(call->cell) * call->hidden;
    int in[3] = {-1, -1, -1}, bias = -1;
    struct nt_shape matrix = {2, {wide, features}}, vector = {1, {wide}};
    struct nt_shape flat = {2, {call->steps * call->items, features}};
    struct nt_shape gates = {3, {call->steps, call->items, wide}};
    enum nt_status status = add_parameter(call, "weight_ih", layer, direction, &matrix, &in[1]);
    if (status == NT_OK && call->biased)
        status = add_parameter(call, "bias_ih", layer, direction, &vector, &in[2]);
    if (status == NT_OK && call->biased)
        status = add_parameter(call, "bias_hh", layer, direction, &vector, &bias);
    if (status == NT_OK && call->biased && call->cell != NT_CELL_GRU) {
        in[2] = nt_graph_formula(graph, "a + b", 2, (int[]){in[2], bias});
        status = in[2] < 0 ? NT_ERR_MEMORY : NT_OK;
        bias = -1;
    }
    *recurrent_bias = bias;
    if (status == NT_OK)
        status = reshape(graph, x, &flat, &in[0]);
    struct nt_attr attr[16] = {{0}};
    attr[nt_attr_index(&nt_op_linear, "features")] =
        (struct nt_attr){.set = true, .number = (double)wide};
    attr[nt_attr_index(&nt_op_linear, "bias")] =
        (struct nt_attr){.set = true, .number = call->biased};
    if (status == NT_OK)
        status = nt_graph_add(graph, &nt_op_linear, part_name(call, "input", layer, direction),
            call->biased ? 3 : 2, in, attr, a);
    return status == NT_OK ? reshape(graph, *a, &gates, a) : status;
}

/* The state that a run finds and leaves behind. */
static enum nt_status carried_state(
    const struct call *call, const char *part, int layer, int *value)
{
    return nt_graph_carried(call->graph, part_name(call, part, layer, 0),
        &(struct nt_shape){1, {call->hidden}}, (struct nt_init){NT_INIT_CONSTANT, 0}, value);
}

static enum nt_status initial_states(
    const struct call *call, int layer, int direction, struct nt_recurrent_inputs *in)
{
    int index = layer * (int)call->directions + direction;
    bool lstm = call->cell == NT_CELL_LSTM;
    enum nt_status status = NT_OK;
    in->h0 = in->c0 = -1;
    if (call->stateful) {
        status = carried_state(call, "h", layer, &in->h0);
        return status == NT_OK && lstm ? carried_state(call, "c", layer, &in->c0) : status;
    }
    if (call->h0 >= 0)
        status = initial_state(call, call->h0, index, &in->h0);
    if (status == NT_OK && call->c0 >= 0)
        status = initial_state(call, call->c0, index, &in->c0);
    return status;
}

static enum nt_status add_direction(
    const struct call *call, int x, int layer, int direction, int *y)
{
    struct nt_graph *graph = call->graph;
    int64_t wide = nt_cell_gates(call->cell) * call->hidden;
    struct nt_recurrent_inputs in = {.lengths = call->lengths};
    struct nt_recurrent_outputs out;
    int index = layer * (int)call->directions + direction;
    enum nt_status status = add_parameter(call, "weight_hh", layer, direction,
        &(struct nt_shape){2, {wide, call->hidden}}, &in.weight);
    if (status == NT_OK)
        status = input_product(call, x, layer, direction, &in.bias, &in.a);
    if (status == NT_OK)
        status = initial_states(call, layer, direction, &in);
    if (status == NT_OK)
        status = nt_recurrent_add(graph, part_name(call, "steps", layer, direction), call->cell,
            direction == 1, &in, &out);
    if (status == NT_OK && call->stateful)
        status = nt_graph_update(graph, in.h0, out.h_n);
    if (status == NT_OK && call->stateful && call->cell == NT_CELL_LSTM)
        status = nt_graph_update(graph, in.c0, out.c_n);
    if (status != NT_OK)
        return status;
    call->h_n[index] = out.h_n;
    call->c_n[index] = out.c_n;
    *y = out.y;
    return NT_OK;
}

/* N,H of every layer and direction as layers*directions,N,H. */
static enum nt_status stack_states(const struct call *call, int *state, int *out)
{
    struct nt_shape one = {3, {1, call->items, call->hidden}};
    int count = (int)(call->layers * call->directions);
    enum nt_status status = NT_OK;
    for (int i = 0; status == NT_OK && i < count; i++)
        status = reshape(call->graph, state[i], &one, &state[i]);
    return status == NT_OK ? join(call->graph, 0, count, state, out) : status;
}

static enum nt_status add_layers(const struct call *call, int x)
{
    struct nt_graph *graph = call->graph;
    struct nt_node *node = call->node;
    double p = nt_attr_float(node, "dropout");
    bool batch_first = nt_attr_bool(node, "batch_first");
    enum nt_status status = batch_first ? swap_first_two(graph, x, &x) : NT_OK;
    for (int layer = 0; status == NT_OK && layer < call->layers; layer++) {
        int y[2];
        for (int d = 0; status == NT_OK && d < call->directions; d++)
            status = add_direction(call, x, layer, d, &y[d]);
        if (status == NT_OK)
            status = join(graph, 2, (int)call->directions, y, &x);
        if (status == NT_OK && p > 0 && graph->training && layer + 1 < call->layers)
            status = (x = drop(graph, x, p)) < 0 ? NT_ERR_MEMORY : NT_OK;
    }
    node->output[0] = x;
    if (status == NT_OK && batch_first)
        status = swap_first_two(graph, x, &node->output[0]);
    if (status == NT_OK)
        status = stack_states(call, call->h_n, &node->output[1]);
    if (status == NT_OK && call->cell == NT_CELL_LSTM)
        status = stack_states(call, call->c_n, &node->output[2]);
    return status;
}

/* ---- checks ---- */

static enum nt_status check_state(const struct call *call, const char *name, int value)
{
    struct nt_shape want = {3, {call->layers * call->directions, call->items, call->hidden}};
    char got_text[128], want_text[128];
    if (value < 0)
        return NT_OK;
    if (call->stateful)
        return nt_graph_fail(call->graph, NT_ERR_ARGUMENT,
            "%s: %s: is for layers that are not stateful", call->node->op->name, name);
    if (!nt_shape_equal(&call->graph->value[value].shape, &want))
        return nt_graph_fail(call->graph, NT_ERR_SHAPE,
            "%s: %s of shape %s: must be %s (layers and directions, batch, hidden)",
            call->node->op->name, name,
            nt_shape_text(&call->graph->value[value].shape, got_text, sizeof got_text),
            nt_shape_text(&want, want_text, sizeof want_text));
    return NT_OK;
}

static enum nt_status check(const struct call *call)
{
    struct nt_graph *graph = call->graph;
    const char *op = call->node->op->name;
    char text[128];
    if (call->lengths >= 0) {
        const struct nt_value *lengths = &graph->value[call->lengths];
        if (lengths->dtype != NT_I32 || lengths->shape.rank != 1 ||
            lengths->shape.dim[0] != call->items)
            return nt_graph_fail(graph, NT_ERR_SHAPE,
                "%s: lengths: %s of shape %s: must be int32, one for each of the %lld items", op,
                nt_dtype_name(lengths->dtype), nt_shape_text(&lengths->shape, text, sizeof text),
                (long long)call->items);
    }
    if (call->stateful && call->directions == 2)
        return nt_graph_fail(graph, NT_ERR_ARGUMENT,
            "%s: stateful: the reverse direction of a bidirectional layer starts at the end", op);
    if (call->stateful && call->items != graph->batch)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "%s: stateful: %lld items: must be those of the batch", op, (long long)call->items);
    enum nt_status status = check_state(call, "h0", call->h0);
    return status == NT_OK ? check_state(call, "c0", call->c0) : status;
}

static enum nt_status expand(struct nt_graph *graph, struct nt_node *node, enum nt_cell cell)
{
    char text[128];
    struct nt_shape x = graph->value[node->input[0]].shape;
    bool lstm = cell == NT_CELL_LSTM, batch_first = nt_attr_bool(node, "batch_first");
    if (x.rank != 3 || graph->value[node->input[0]].dtype != NT_F32)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "%s: input of shape %s (with the batch): must be float32 of rank 3, %s", node->op->name,
            nt_shape_text(&x, text, sizeof text),
            batch_first ? "batch, steps, features" : "steps, batch, features");
    struct call call = {.graph = graph,
        .node = node,
        .cell = cell,
        .hidden = nt_attr_int(node, "hidden"),
        .layers = nt_attr_int(node, "layers"),
        .directions = nt_attr_bool(node, "bidirectional") ? 2 : 1,
        .steps = x.dim[batch_first],
        .items = x.dim[!batch_first],
        .biased = nt_attr_bool(node, "bias"),
        .stateful = nt_attr_bool(node, "stateful"),
        .h0 = node->input[1],
        .c0 = lstm ? node->input[2] : -1,
        .lengths = node->input[lstm ? 3 : 2]};
    size_t states = (size_t)(call.layers * call.directions);
    enum nt_status status = check(&call);
    call.base = base_name(graph, node);
    call.h_n = nt_graph_alloc(graph, 2 * states * sizeof *call.h_n);
    call.c_n = call.h_n + states;
    if (status == NT_OK && !call.h_n)
        status = nt_graph_fail(graph, NT_ERR_MEMORY, "graph: host memory is exhausted");
    const char *scope = graph->scope; /* the base name has it already */
    graph->scope = "";
    if (status == NT_OK)
        status = add_layers(&call, node->input[0]);
    graph->scope = scope;
    return status;
}

/* ---- rnn ---- */

static const struct nt_attr_spec rnn_attrs[] = {
    SIZES,
    {"nonlinearity", NT_ATTR_CHOICE, "the cell's function", .choices = "tanh|relu"},
    WAYS,
};

static enum nt_status rnn_expand(struct nt_graph *graph, struct nt_node *node)
{
    bool relu = nt_attr_int(node, "nonlinearity") == 1;
    return expand(graph, node, relu ? NT_CELL_RELU : NT_CELL_TANH);
}

#define SHAPES                                                                                     \
    "x N,T,I (T,N,I without batch_first), h0 layers * D,N,hidden (D = 2 with bidirectional, "      \
    "else 1), lengths N (int32); y N,T,D * hidden, 0 behind an item's length, h_n as h0"

const struct nt_op nt_op_rnn = {
    .name = "rnn",
    .summary = "h = tanh(W_ih x + b_ih + W_hh h + b_hh) from step to step: y all h, h_n the last",
    .source = "Elman, Finding structure in time, Cognitive Science 14, 1990",
    .shapes = SHAPES,
    .inputs = "x h0? lengths?",
    .outputs = 2,
    .attrs = rnn_attrs,
    .attr_count = sizeof rnn_attrs / sizeof *rnn_attrs,
    .expand = rnn_expand,
};

/* ---- lstm ---- */

static const struct nt_attr_spec lstm_attrs[] = {SIZES, WAYS};

static enum nt_status lstm_expand(struct nt_graph *graph, struct nt_node *node)
{
    return expand(graph, node, NT_CELL_LSTM);
}

const struct nt_op nt_op_lstm = {
    .name = "lstm",
    .summary = "i, f, g, o = W_ih x + b_ih + W_hh h + b_hh; c = sigmoid(f) c + sigmoid(i) tanh(g); "
               "h = sigmoid(o) tanh(c): y all h, h_n and c_n the last",
    .source =
        "Hochreiter & Schmidhuber, Long short-term memory, Neural Computation 9, 1997; forget "
        "gate of Gers, Schmidhuber & Cummins, 2000",
    .shapes = SHAPES "; c0 and c_n as h0",
    .inputs = "x h0? c0? lengths?",
    .outputs = 3,
    .attrs = lstm_attrs,
    .attr_count = sizeof lstm_attrs / sizeof *lstm_attrs,
    .expand = lstm_expand,
};

/* ---- gru ---- */

static const struct nt_attr_spec gru_attrs[] = {
    SIZES,
    {"linear_before_reset", NT_ATTR_BOOL,
        "the reset gate scales W h + b, as in PyTorch; else h, as in the paper", .fallback = 1},
    WAYS,
};

static enum nt_status gru_expand(struct nt_graph *graph, struct nt_node *node)
{
    bool after = nt_attr_bool(node, "linear_before_reset");
    return expand(graph, node, after ? NT_CELL_GRU : NT_CELL_GRU_RESET_FIRST);
}

const struct nt_op nt_op_gru = {
    .name = "gru",
    .summary =
        "r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh); n = tanh(W_in x + b_in + r (W_hn h + "
        "b_hn)); h = (1 - z) n + z h: y all h, h_n the last",
    .source =
        "Cho et al., Learning phrase representations using RNN encoder-decoder for statistical "
        "machine translation, EMNLP 2014",
    .shapes = SHAPES,
    .inputs = "x h0? lengths?",
    .outputs = 2,
    .attrs = gru_attrs,
    .attr_count = sizeof gru_attrs / sizeof *gru_attrs,
    .expand = gru_expand,
};
