/* SPDX-License-Identifier: MIT */
#include "frontend/op.h"

static const struct nt_attr_spec attrs[] = {
    {"dtype", NT_ATTR_CHOICE, "of the result", .required = true,
        .choices = "float32|int32|uint8|bool"},
};

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node)
{
    static const enum nt_dtype dtypes[] = {NT_F32, NT_I32, NT_U8, NT_BOOL};
    struct nt_value *y = &graph->value[node->output[0]];
    y->shape = graph->value[node->input[0]].shape;
    y->dtype = dtypes[nt_attr_int(node, "dtype")];
    if (y->dtype != NT_F32)
        nt_graph_integers(graph, node);
    return NT_OK;
}

const struct nt_op nt_op_cast = {
    .name = "cast",
    .summary = "the same numbers in another type: float32 to integers toward zero, bool 1 where x "
               "is not 0; int32 to uint8 keeps the low byte",
    .source = "ONNX operator Cast; PyTorch's Tensor.to",
    .shapes = "x of any shape and type; result: of the shape of x",
    .inputs = "x",
    .outputs = 1,
    .attrs = attrs,
    .attr_count = sizeof attrs / sizeof *attrs,
    .layouts = "a>a",
    .expression = "a",
    .infer = infer,
};
