/* SPDX-License-Identifier: MIT
 *
 * Losses of classes: the log-probability of the target at every place, weighted by its class.
 */
#include "frontend/onnx/table.h"
#include "frontend/op/compose.h"

/* Places whose target is ignored have weight 0 and look at class 0. */
struct places {
    int index, valid; /* int32 N,1,...; float N,..., or -1: all count */
    struct nt_shape shape;
};

static enum nt_status take_places(
    struct nt_onnx_node *node, const struct nt_shape *x, struct places *places)
{
    int target = nt_onnx_in_int(node, 1);
    if (target < 0)
        return node->graph->failure;
    places->shape = node->graph->value[target].shape;
    if (x->rank < 2 || places->shape.rank != x->rank - 1)
        return nt_onnx_fail(node, NT_ERR_SHAPE, "target of rank %d: must be of rank %d",
            places->shape.rank, x->rank - 1);
    struct nt_shape column = *x;
    column.dim[1] = 1;
    places->valid = -1;
    if (nt_onnx_attr(node, "ignore_index")) {
        int ignored = nt_onnx_constant(node, (double)nt_onnx_int(node, "ignore_index", 0));
        int valid = nt_onnx_simple(node, "ne", 2, (int[]){target, ignored});
        int zero = nt_onnx_constant(node, 0);
        target = nt_onnx_as(
            node, nt_onnx_simple(node, "where", 3, (int[]){valid, target, zero}), NT_I32);
        places->valid = nt_onnx_as(node, valid, NT_F32);
        if (target < 0 || places->valid < 0)
            return node->graph->failure;
    }
    places->index = nt_onnx_reshape(node, target, &column);
    return places->index < 0 ? node->graph->failure : NT_OK;
}

/* The weight of every place, -1 without any failure: 1. */
static enum nt_status place_weights(
    struct nt_onnx_node *node, const struct places *places, int *weight)
{
    *weight = places->valid;
    if (!nt_onnx_has(node, 2))
        return NT_OK;
    struct nt_onnx_call call = nt_onnx_begin("gather");
    int by_class = nt_onnx_in(node, 2);
    int index = nt_onnx_reshape(node, places->index, &places->shape);
    int own = nt_onnx_add(node, &call, 2, (int[]){by_class, index});
    *weight =
        places->valid < 0 ? own : nt_onnx_formula(node, "a * b", 2, (int[]){own, places->valid});
    return *weight < 0 ? node->graph->failure : NT_OK;
}

static enum nt_status reduce(
    struct nt_onnx_node *node, const struct places *places, int loss, int weight)
{
    int reduction;
    enum nt_status status = nt_onnx_choice(node, "reduction", "mean", "none|sum|mean", &reduction);
    if (status != NT_OK || reduction == 0)
        return status != NT_OK ? status : nt_onnx_out(node, 0, loss);
    unsigned all = (1u << places->shape.rank) - 1;
    const struct nt_op *op = reduction == 2 && weight < 0 ? &nt_op_mean : &nt_op_sum;
    int sum = nt_compose_reduce(node->graph, op, loss, all, false);
    if (reduction == 2 && weight >= 0) {
        int total = nt_compose_reduce(node->graph, &nt_op_sum, weight, all, false);
        sum = nt_onnx_formula(node, "a / b", 2, (int[]){sum, total});
    }
    return nt_onnx_out(node, 0, sum);
}

static enum nt_status add_loss(struct nt_onnx_node *node, int logs)
{
    struct nt_shape x = node->graph->value[logs].shape;
    struct places places;
    int weight;
    enum nt_status status = take_places(node, &x, &places);
    if (status == NT_OK)
        status = place_weights(node, &places, &weight);
    if (status != NT_OK)
        return status;
    struct nt_onnx_call call = nt_onnx_begin("gather_elements");
    nt_onnx_number(&call, "axis", 1);
    int loss = nt_onnx_add(node, &call, 2, (int[]){logs, places.index});
    loss = nt_onnx_reshape(node, loss, &places.shape);
    loss = weight < 0 ? nt_onnx_formula(node, "-a", 1, &loss)
                      : nt_onnx_formula(node, "-a * b", 2, (int[]){loss, weight});
    return loss < 0 ? node->graph->failure : reduce(node, &places, loss, weight);
}

enum nt_status nt_onnx_nll_loss(struct nt_onnx_node *node)
{
    int logs = nt_onnx_in(node, 0);
    return logs < 0 ? node->graph->failure : add_loss(node, logs);
}

enum nt_status nt_onnx_softmax_loss(struct nt_onnx_node *node)
{
    struct nt_onnx_call call = nt_onnx_begin("log_softmax");
    int scores = nt_onnx_in(node, 0);
    nt_onnx_number(&call, "axis", 1);
    int logs = nt_onnx_add(node, &call, 1, &scores);
    if (logs < 0)
        return node->graph->failure;
    enum nt_status status = add_loss(node, logs);
    return status == NT_OK ? nt_onnx_out(node, 1, logs) : status;
}
