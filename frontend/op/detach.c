/* SPDX-License-Identifier: MIT */
#include "frontend/op.h"

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node)
{
    graph->value[node->output[0]].dtype = graph->value[node->input[0]].dtype;
    graph->value[node->output[0]].shape = graph->value[node->input[0]].shape;
    return NT_OK;
}

/* Nothing flows back: dx stays -1. */
static enum nt_status gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    return NT_OK;
}

static enum nt_status lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    nt_lower_bind(lowering, node->output[0], &x);
    return NT_OK;
}

const struct nt_op nt_op_detach = {
    .name = "detach",
    .summary = "x, as a constant for the gradient",
    .inputs = "x",
    .outputs = 1,
    .layouts = "r>r",
    .infer = infer,
    .gradient = gradient,
    .lower = lower,
};
