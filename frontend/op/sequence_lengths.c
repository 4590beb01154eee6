/* SPDX-License-Identifier: MIT */
#include "frontend/op.h"

static const struct nt_attr_spec attrs[] = {
    {"padding", NT_ATTR_INT, "the token that fills an item up", .min = INT32_MIN, .max = INT32_MAX},
};

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_value *x = &graph->value[node->input[0]];
    char text[128];
    if (x->dtype != NT_I32 || x->shape.rank != 2)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "sequence_lengths: %s of shape %s: must be int32, batch and steps",
            nt_dtype_name(x->dtype), nt_shape_text(&x->shape, text, sizeof text));
    graph->value[node->output[0]].dtype = NT_I32;
    graph->value[node->output[0]].shape = (struct nt_shape){1, {x->shape.dim[0]}};
    return NT_OK;
}

/* A count in floats is exact up to 2^24; then the same numbers as int32. */
static enum nt_status lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tape *tape = lowering->tape;
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    size_t bytes = (size_t)x.shape.dim[0] * sizeof(float);
    struct nt_tensor count =
        nt_tensor_make(nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, bytes, "lengths"), NT_F32,
            &(struct nt_shape){2, {x.shape.dim[0], 1}}, NT_ROW_MAJOR);
    struct nt_expr *expr = nt_expr_create();
    if (!expr)
        return nt_fail(lowering->graph->ctx, NT_ERR_MEMORY, "graph: host memory is exhausted");
    int token = nt_expr_input(expr, 0);
    int kept = nt_expr_call(
        expr, NT_FN_ne, token, nt_expr_constant(expr, nt_attr_float(node, "padding")), -1);
    enum nt_status status = nt_reduce(tape, NT_REDUCE_SUM, expr, kept, 1, &x, 1, &count);
    count.shape = y.shape;
    if (status == NT_OK)
        status = nt_map(tape, expr, 1, &token, &y, 1, &count);
    nt_expr_destroy(expr);
    return status;
}

const struct nt_op nt_op_sequence_lengths = {
    .name = "sequence_lengths",
    .summary = "how many tokens of each item are not padding: lengths for recurrent layers",
    .shapes = "tokens N,T (int32); result N (int32)",
    .inputs = "tokens",
    .outputs = 1,
    .attrs = attrs,
    .attr_count = sizeof attrs / sizeof *attrs,
    .layouts = "r>r",
    .infer = infer,
    .lower = lower,
};
