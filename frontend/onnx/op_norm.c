/* SPDX-License-Identifier: MIT
 *
 * Normalisation.
 */
#include <string.h>

#include "frontend/onnx/table.h"
#include "frontend/op/compose.h"

/* Inputs 0 to count - 1, those from `needed` on may be left out. */
static enum nt_status take(struct nt_onnx_node *node, int needed, int count, int *in)
{
    for (int i = 0; i < count; i++) {
        in[i] = i < needed || nt_onnx_has(node, i) ? nt_onnx_in(node, i) : -1;
        if (in[i] < 0 && (i < needed || nt_onnx_has(node, i)))
            return node->graph->failure;
    }
    return NT_OK;
}

/* Statistics that come from the weights are states there, which training updates. */
static void mark_state(struct nt_onnx_node *node, int value)
{
    struct nt_value *v = &node->graph->value[value];
    if (v->kind == NT_VALUE_PARAMETER)
        v->kind = NT_VALUE_STATE;
    if (v->init.kind == NT_INIT_COMPUTED) /* then it is kept */
        v->init.kind = NT_INIT_FILE;
}

/* A vector by channel, for a tensor of rank `rank`. */
static int by_channel(struct nt_onnx_node *node, int value, int rank)
{
    struct nt_shape shape = {.rank = rank};
    for (int i = 0; i < rank; i++)
        shape.dim[i] = i == 1 ? nt_shape_count(&node->graph->value[value].shape) : 1;
    return nt_onnx_reshape(node, value, &shape);
}

/* With operands that are no weights of ours: the formula. */
static int normalise(struct nt_onnx_node *node, const int *in, double epsilon)
{
    int rank = node->graph->value[in[0]].shape.rank, v[6] = {in[0]};
    for (int i = 1; i < 5; i++)
        if ((v[i] = by_channel(node, in[i], rank)) < 0)
            return -1;
    v[5] = nt_onnx_constant(node, epsilon);
    return nt_onnx_formula(node, "(a - d) * rsqrt(e + f) * b + c", 6, v);
}

/* training_mode of the file: the statistics are the batch's own, and the running ones results. */
static enum nt_status normalise_batch(struct nt_onnx_node *node, int *in, double epsilon)
{
    struct nt_graph *graph = node->graph;
    struct nt_shape vector = graph->value[in[3]].shape;
    unsigned others = ((1u << graph->value[in[0]].shape.rank) - 1) & ~2u;
    int keep = nt_onnx_constant(node, nt_onnx_float(node, "momentum", 0.9));
    int mean = nt_compose_reduce(graph, &nt_op_mean, in[0], others, true);
    int square = nt_onnx_formula(node, "(a - b) * (a - b)", 2, (int[]){in[0], mean});
    int variance = nt_compose_reduce(graph, &nt_op_mean, square, others, true);
    int running[] = {in[3], in[4]}, own[] = {mean, variance};
    for (int i = 0; i < 2; i++) {
        own[i] = nt_onnx_reshape(node, own[i], &vector);
        running[i] =
            nt_onnx_formula(node, "c * a + (1 - c) * b", 3, (int[]){running[i], own[i], keep});
        in[3 + i] = own[i];
        if (running[i] < 0)
            return graph->failure;
    }
    enum nt_status status = nt_onnx_out(node, 0, normalise(node, in, epsilon));
    for (int i = 0; status == NT_OK && i < 2; i++)
        status = nt_onnx_out(node, 1 + i, running[i]);
    return status;
}

enum nt_status nt_onnx_batch_normalization(struct nt_onnx_node *node)
{
    int in[5];
    double epsilon = nt_onnx_float(node, "epsilon", 1e-5);
    enum nt_status status = take(node, 5, 5, in);
    if (status != NT_OK)
        return status;
    if (nt_onnx_int(node, "training_mode", 0) ||
        (node->opset < 7 && !nt_onnx_int(node, "is_test", 0)))
        return normalise_batch(node, in, epsilon);
    bool weights = node->graph->value[in[0]].shape.rank >= 2 && epsilon > 0;
    for (int i = 1; i < 5; i++) {
        const struct nt_value *value = &node->graph->value[in[i]];
        weights = weights && value->shape.rank == 1 &&
                  (value->kind == NT_VALUE_PARAMETER || value->kind == NT_VALUE_STATE);
    }
    if (!weights)
        return nt_onnx_out(node, 0, normalise(node, in, epsilon));
    mark_state(node, in[3]);
    mark_state(node, in[4]);
    struct nt_onnx_call call = nt_onnx_begin("batch_norm");
    nt_onnx_number(&call, "eps", epsilon);
    nt_onnx_number(&call, "momentum", 1 - nt_onnx_float(node, "momentum", 0.9));
    return nt_onnx_out(node, 0, nt_onnx_add(node, &call, 5, in));
}

enum nt_status nt_onnx_instance_normalization(struct nt_onnx_node *node)
{
    int in[3];
    enum nt_status status = take(node, 3, 3, in);
    if (status != NT_OK)
        return status;
    struct nt_onnx_call call = nt_onnx_begin("instance_norm");
    nt_onnx_number(&call, "eps", nt_onnx_float(node, "epsilon", 1e-5));
    nt_onnx_number(&call, "affine", 1);
    return nt_onnx_out(node, 0, nt_onnx_add(node, &call, 3, in));
}

/* Opset 18 has one scale for each group, 21 one for each channel. */
enum nt_status nt_onnx_group_normalization(struct nt_onnx_node *node)
{
    int in[3];
    int64_t groups = nt_onnx_int(node, "num_groups", 1);
    enum nt_status status = take(node, 3, 3, in);
    if (status != NT_OK)
        return status;
    struct nt_shape x = node->graph->value[in[0]].shape;
    for (int i = 1; i < 3 && node->opset < 21 && x.rank >= 2 && groups > 0; i++) {
        struct nt_shape column = {2, {groups, 1}}, grid = {2, {groups, x.dim[1] / groups}};
        struct nt_onnx_call call = nt_onnx_begin("broadcast");
        nt_onnx_numbers_of(&call, "shape", 2, grid.dim);
        in[i] = nt_onnx_reshape(node, in[i], &column);
        in[i] = nt_onnx_add(node, &call, 1, &in[i]);
        in[i] = nt_onnx_reshape(node, in[i], &(struct nt_shape){1, {x.dim[1]}});
        if (in[i] < 0)
            return node->graph->failure;
    }
    struct nt_onnx_call call = nt_onnx_begin("group_norm");
    nt_onnx_number(&call, "groups", (double)groups);
    nt_onnx_number(&call, "eps", nt_onnx_float(node, "epsilon", 1e-5));
    return nt_onnx_out(node, 0, nt_onnx_add(node, &call, 3, in));
}

static int mean_over(struct nt_onnx_node *node, int x, int axis, int rank)
{
    int64_t axes[NT_MAX_RANK];
    struct nt_onnx_call call = nt_onnx_begin("mean");
    for (int i = axis; i < rank; i++)
        axes[i - axis] = i;
    nt_onnx_numbers_of(&call, "axes", rank - axis, axes);
    nt_onnx_number(&call, "keepdims", 1);
    return nt_onnx_add(node, &call, 1, &x);
}

/* The formula: scale and bias may have any shape that broadcasts, and the statistics are results.
 */
enum nt_status nt_onnx_layer_normalization(struct nt_onnx_node *node)
{
    int in[3], axis;
    enum nt_status status = take(node, 2, 3, in);
    if (status != NT_OK)
        return status;
    int rank = node->graph->value[in[0]].shape.rank;
    status = nt_onnx_axis(node, nt_onnx_int(node, "axis", -1), rank, &axis);
    if (status != NT_OK)
        return status;
    double epsilon = nt_onnx_float(node, "epsilon", 1e-5);
    bool plain = in[2] >= 0 && !nt_onnx_wants(node, 1) && !nt_onnx_wants(node, 2) &&
                 rank - axis <= 4 && node->graph->value[in[1]].shape.rank == rank - axis &&
                 nt_shape_equal(&node->graph->value[in[1]].shape, &node->graph->value[in[2]].shape);
    for (int i = axis; plain && i < rank; i++)
        plain =
            node->graph->value[in[1]].shape.dim[i - axis] == node->graph->value[in[0]].shape.dim[i];
    if (plain) {
        struct nt_onnx_call call = nt_onnx_begin("layer_norm");
        nt_onnx_number(&call, "dims", rank - axis);
        nt_onnx_number(&call, "eps", epsilon);
        return nt_onnx_out(node, 0, nt_onnx_add(node, &call, 3, in));
    }
    int mean = mean_over(node, in[0], axis, rank);
    int centred = nt_onnx_formula(node, "a - b", 2, (int[]){in[0], mean});
    int square = nt_onnx_formula(node, "a * a", 1, &centred);
    int variance = square < 0 ? -1 : mean_over(node, square, axis, rank);
    int inverse = nt_onnx_formula(
        node, "rsqrt(a + b)", 2, (int[]){variance, nt_onnx_constant(node, epsilon)});
    int y = nt_onnx_formula(node, "a * b * c", 3, (int[]){centred, inverse, in[1]});
    if (in[2] >= 0)
        y = nt_onnx_formula(node, "a + b", 2, (int[]){y, in[2]});
    status = nt_onnx_out(node, 0, y);
    if (status == NT_OK)
        status = nt_onnx_out(node, 1, mean);
    return status == NT_OK ? nt_onnx_out(node, 2, inverse) : status;
}

enum nt_status nt_onnx_rms_normalization(struct nt_onnx_node *node)
{
    int in[2], axis;
    enum nt_status status = take(node, 2, 2, in);
    if (status != NT_OK)
        return status;
    int rank = node->graph->value[in[0]].shape.rank;
    status = nt_onnx_axis(node, nt_onnx_int(node, "axis", -1), rank, &axis);
    if (status != NT_OK)
        return status;
    int epsilon = nt_onnx_constant(node, nt_onnx_float(node, "epsilon", 1e-5));
    int square = nt_onnx_formula(node, "a * a", 1, in);
    int mean = square < 0 ? -1 : mean_over(node, square, axis, rank);
    return nt_onnx_out(node, 0,
        nt_onnx_formula(node, "a * rsqrt(b + c) * d", 4, (int[]){in[0], mean, epsilon, in[1]}));
}

enum nt_status nt_onnx_mean_variance_normalization(struct nt_onnx_node *node)
{
    int64_t axes[NT_MAX_INTS] = {0, 2, 3};
    int count = nt_onnx_ints(node, "axes", axes), x = nt_onnx_in(node, 0);
    struct nt_onnx_call call = nt_onnx_begin("mean");
    nt_onnx_numbers_of(&call, "axes", count < 0 ? 3 : count, axes);
    nt_onnx_number(&call, "keepdims", 1);
    int mean = x < 0 ? -1 : nt_onnx_add(node, &call, 1, &x);
    int centred = nt_onnx_formula(node, "a - b", 2, (int[]){x, mean});
    int square = nt_onnx_formula(node, "a * a", 1, &centred);
    int variance = square < 0 ? -1 : nt_onnx_add(node, &call, 1, &square);
    return nt_onnx_out(
        node, 0, nt_onnx_formula(node, "a / (sqrt(b) + 1e-9)", 2, (int[]){centred, variance}));
}

enum nt_status nt_onnx_lrn(struct nt_onnx_node *node)
{
    struct nt_onnx_call call = nt_onnx_begin("local_response_norm");
    int x = nt_onnx_in(node, 0);
    nt_onnx_number(&call, "size", (double)nt_onnx_int(node, "size", 0));
    nt_onnx_number(&call, "alpha", nt_onnx_float(node, "alpha", 1e-4));
    nt_onnx_number(&call, "beta", nt_onnx_float(node, "beta", 0.75));
    nt_onnx_number(&call, "k", nt_onnx_float(node, "bias", 1));
    return nt_onnx_out(node, 0, nt_onnx_add(node, &call, 1, &x));
}
