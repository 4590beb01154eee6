/* SPDX-License-Identifier: MIT
 *
 * Operators that carry a state from one call to the next, which is an input and a result.
 */
#include <math.h>
#include <string.h>

#include "frontend/onnx/table.h"
#include "frontend/op/compose.h"

/* ---- CausalConvWithState ---- */

enum nt_status nt_onnx_causal_conv(struct nt_onnx_node *node)
{
    char text[128];
    struct nt_graph *graph = node->graph;
    int x = nt_onnx_in(node, 0), weight = x < 0 ? -1 : nt_onnx_in(node, 1), activation;
    int bias = weight >= 0 && nt_onnx_has(node, 2) ? nt_onnx_in(node, 2) : -1;
    enum nt_status status =
        nt_onnx_choice(node, "activation", "none", "none|silu|swish", &activation);
    if (weight < 0 || status != NT_OK)
        return graph->failure;
    struct nt_shape from = graph->value[x].shape, w = graph->value[weight].shape;
    if (from.rank != 3 || w.rank != 3 || w.dim[0] != from.dim[1] || w.dim[1] != 1)
        return nt_onnx_fail(
            node, NT_ERR_SHAPE, "input and weight: must be N by C by length, and C by 1 by k");
    struct nt_shape state = {3, {from.dim[0], from.dim[1], w.dim[2] - 1}};
    if (state.dim[2] > 0) {
        int past = nt_onnx_has(node, 3) ? nt_onnx_in(node, 3) : nt_graph_constant(graph, 0, &state);
        if (past >= 0 && !nt_shape_equal(&graph->value[past].shape, &state))
            return nt_onnx_fail(node, NT_ERR_SHAPE, "past_state: must be %s",
                nt_shape_text(&state, text, sizeof text));
        x = nt_compose_concat(graph, 2, (int[]){past, x}, 2);
    }
    struct nt_onnx_call call = nt_onnx_begin("conv1d");
    nt_onnx_numbers_of(&call, "kernel", 1, &w.dim[2]);
    nt_onnx_number(&call, "channels", (double)w.dim[0]);
    nt_onnx_number(&call, "groups", (double)w.dim[0]);
    nt_onnx_number(&call, "bias", bias >= 0);
    int y = nt_onnx_add(node, &call, bias >= 0 ? 3 : 2, (int[]){x, weight, bias});
    if (activation != 0)
        y = nt_onnx_formula(node, "a * sigmoid(a)", 1, &y);
    status = nt_onnx_out(node, 0, y);
    if (status != NT_OK || !nt_onnx_wants(node, 1))
        return status;
    if (state.dim[2] == 0)
        return nt_onnx_out_known(
            node, 1, nt_onnx_host_create(graph, nt_onnx_type(node, 0), &state));
    return nt_onnx_out(node, 1, nt_compose_slice(graph, x, 2, from.dim[2], state.dim[2], 1));
}

/* ---- LinearAttention ---- */

#define MAX_STEPS 4096

struct linear_attention {
    struct nt_onnx_node *node;
    int q, k, v, decay, beta, state; /* -1: none; state: batch, heads, key size, value size */
    int64_t batch, steps, heads, own_heads, key_size, value_size;
    bool gated, delta;
};

/* Step t of an operand, batch by steps by heads * size, as batch, heads, rows, columns. */
static int step_of(
    struct linear_attention *a, int value, int64_t t, int64_t heads, int64_t rows, int64_t columns)
{
    struct nt_graph *graph = a->node->graph;
    int step = nt_compose_slice(graph, value, 1, t, 1, 1);
    return nt_compose_reshape(graph, step, &(struct nt_shape){4, {a->batch, heads, rows, columns}});
}

static enum nt_status take_linear(struct linear_attention *a)
{
    struct nt_onnx_node *node = a->node;
    int *const places[] = {&a->q, &a->k, &a->v, &a->state, &a->decay, &a->beta};
    int rule;
    enum nt_status status =
        nt_onnx_choice(node, "update_rule", "gated_delta", "linear|gated|delta|gated_delta", &rule);
    a->gated = rule % 2 == 1;
    a->delta = rule >= 2;
    for (int i = 0; status == NT_OK && i < 6; i++) {
        bool needed = i < 3 || (i == 4 && a->gated) || (i == 5 && a->delta);
        *places[i] = needed || nt_onnx_has(node, i) ? nt_onnx_in(node, i) : -1;
        if (*places[i] < 0 && (needed || nt_onnx_has(node, i)))
            return node->graph->failure;
    }
    if (status != NT_OK)
        return status;
    struct nt_shape q = node->graph->value[a->q].shape, k = node->graph->value[a->k].shape;
    struct nt_shape v = node->graph->value[a->v].shape;
    a->heads = nt_onnx_int(node, "q_num_heads", 0);
    a->own_heads = nt_onnx_int(node, "kv_num_heads", 0);
    if (q.rank != 3 || k.rank != 3 || v.rank != 3 || a->heads < 1 || a->own_heads < 1 ||
        a->heads % a->own_heads != 0 || q.dim[2] % a->heads != 0 ||
        q.dim[2] / a->heads * a->own_heads != k.dim[2] || v.dim[2] % a->own_heads != 0 ||
        q.dim[1] != k.dim[1] || k.dim[1] != v.dim[1] || q.dim[1] > MAX_STEPS)
        return nt_onnx_fail(node, NT_ERR_SHAPE,
            "query, key, value: must be batch by steps (%d at most) by heads of one size",
            MAX_STEPS);
    a->batch = q.dim[0];
    a->steps = q.dim[1];
    a->key_size = q.dim[2] / a->heads;
    a->value_size = v.dim[2] / a->own_heads;
    if (a->state < 0)
        a->state = nt_graph_constant(node->graph, 0,
            &(struct nt_shape){4, {a->batch, a->own_heads, a->key_size, a->value_size}});
    return NT_OK;
}

/* The state after step t, and what the queries of the step read from it: 1 by step's width. */
static int advance(struct linear_attention *a, int64_t t)
{
    struct nt_onnx_node *node = a->node;
    struct nt_graph *graph = node->graph;
    int64_t group = a->heads / a->own_heads;
    int key = step_of(a, a->k, t, a->own_heads, a->key_size, 1);
    int value = step_of(a, a->v, t, a->own_heads, 1, a->value_size);
    int query = step_of(a, a->q, t, a->own_heads, group, a->key_size);
    if (a->gated) {
        int64_t each = graph->value[a->decay].shape.dim[2] / a->own_heads;
        int decay = step_of(a, a->decay, t, a->own_heads, each, 1);
        a->state = nt_onnx_formula(node, "exp(a) * b", 2, (int[]){decay, a->state});
    }
    if (a->delta) {
        int64_t heads = graph->value[a->beta].shape.dim[2];
        int beta = step_of(a, a->beta, t, heads, 1, 1);
        int read = nt_onnx_formula(node, "a * b", 2, (int[]){a->state, key});
        read = nt_compose_reduce(graph, &nt_op_sum, read, 1u << 2, true);
        value = nt_onnx_formula(node, "c * (a - b)", 3, (int[]){value, read, beta});
    }
    a->state = nt_onnx_formula(node, "a + b * c", 3, (int[]){a->state, key, value});
    int y = nt_onnx_simple(node, "matmul", 2, (int[]){query, a->state});
    return nt_compose_reshape(
        graph, y, &(struct nt_shape){3, {a->batch, 1, a->heads * a->value_size}});
}

/* The steps' results one after the other, joined as many at a time as concat takes. */
static int join(struct nt_graph *graph, int *part, int64_t count)
{
    while (count > 1) {
        int64_t next = 0;
        for (int64_t i = 0; i < count; i += 32) {
            int here = (int)(count - i < 32 ? count - i : 32);
            part[next++] = nt_compose_concat(graph, here, part + i, 1);
        }
        count = next;
    }
    return part[0];
}

enum nt_status nt_onnx_linear_attention(struct nt_onnx_node *node)
{
    struct linear_attention a = {.node = node};
    enum nt_status status = take_linear(&a);
    if (status != NT_OK)
        return status;
    int *part = nt_graph_alloc(node->graph, (size_t)a.steps * sizeof *part);
    if (!part)
        return nt_onnx_fail(node, NT_ERR_MEMORY, "host memory is exhausted");
    for (int64_t t = 0; t < a.steps; t++)
        if ((part[t] = advance(&a, t)) < 0)
            return node->graph->failure;
    double scale = nt_onnx_float(node, "scale", 0);
    int factor = nt_onnx_constant(node, scale != 0 ? scale : 1 / sqrt((double)a.key_size));
    int y = join(node->graph, part, a.steps);
    status = nt_onnx_out(node, 0, nt_onnx_formula(node, "a * b", 2, (int[]){y, factor}));
    return status == NT_OK ? nt_onnx_out(node, 1, a.state) : status;
}

/* ---- TensorScatter: the update's steps written into the cache from an index on ---- */

enum nt_status nt_onnx_tensor_scatter(struct nt_onnx_node *node)
{
    struct nt_graph *graph = node->graph;
    int cache = nt_onnx_in(node, 0), update = cache < 0 ? -1 : nt_onnx_in(node, 1), mode, axis;
    enum nt_status status = nt_onnx_choice(node, "mode", "linear", "linear|circular", &mode);
    if (update < 0 || status != NT_OK)
        return graph->failure;
    struct nt_shape to = graph->value[cache].shape, from = graph->value[update].shape;
    struct nt_shape places = {.rank = to.rank}, items = places, full = to;
    status = nt_onnx_axis(node, nt_onnx_int(node, "axis", -2), to.rank, &axis);
    for (int i = 0; status == NT_OK && i < to.rank; i++) {
        places.dim[i] = i == axis ? to.dim[i] : 1;
        items.dim[i] = i == 0 ? to.dim[i] : 1;
        if (axis == 0 || from.rank != to.rank ||
            (i == axis ? from.dim[i] > to.dim[i] : from.dim[i] != to.dim[i]))
            status = nt_onnx_fail(node, NT_ERR_SHAPE, "update: does not fit into past_cache");
    }
    if (status != NT_OK)
        return status;
    int first = nt_onnx_has(node, 2) ? nt_onnx_in(node, 2) : nt_graph_constant(graph, 0, &items);
    first = first < 0 ? -1 : nt_onnx_reshape(node, first, &items);
    /* How far a place is behind the first one written; the update's own where that is in it. */
    const int in[] = {nt_graph_index(graph, &places, 0), first,
        nt_onnx_constant(node, (double)to.dim[axis]),
        nt_onnx_constant(node, (double)from.dim[axis])};
    int behind = nt_onnx_formula(
        node, mode ? "fmod(number(a) - fmod(b, c) + c, c)" : "number(a) - b", 3, in);
    const int range[] = {behind, in[3]};
    int inside = nt_onnx_formula(node, "(a >= 0) * (a < b)", 2, range);
    int index = nt_onnx_as(node, nt_onnx_formula(node, "min(max(a, 0), b - 1)", 2, range), NT_I32);
    index = nt_compose_broadcast(graph, index, &full);
    struct nt_onnx_call call = nt_onnx_begin("gather_elements");
    nt_onnx_number(&call, "axis", axis);
    int taken = nt_onnx_add(node, &call, 2, (int[]){update, index});
    return nt_onnx_out(node, 0, nt_onnx_simple(node, "where", 3, (int[]){inside, taken, cache}));
}
