/* SPDX-License-Identifier: MIT */
#include "frontend/op/compose.h"
#include "frontend/op/layer.h"

static const struct nt_attr_spec attrs[] = {
    {"axis", NT_ATTR_INT, "dimension along which sums run; negative: from the end",
        .required = true, .min = -8, .max = 7},
    {"exclusive", NT_ATTR_BOOL, "without the element itself"},
    {"reverse", NT_ATTR_BOOL, "from the end"},
};
enum { AXIS, EXCLUSIVE, REVERSE };

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_value *x = &graph->value[node->input[0]];
    struct nt_value *y = &graph->value[node->output[0]];
    int axis = 0;
    if (x->dtype != NT_F32 && x->dtype != NT_I32)
        return nt_graph_fail(graph, NT_ERR_UNSUPPORTED, "cumsum: %s: must be float32 or int32",
            nt_dtype_name(x->dtype));
    y->dtype = x->dtype;
    y->shape = x->shape;
    return nt_compose_axis(graph, node, nt_attr_int(node, "axis"), x->shape.rank, &axis);
}

/* Each element is part of the sums that come after it: the same, the other way round. */
static enum nt_status gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    struct nt_attr attr[3] = {node->attr[AXIS], node->attr[EXCLUSIVE], node->attr[REVERSE]};
    attr[AXIS].set = attr[EXCLUSIVE].set = attr[REVERSE].set = true;
    attr[REVERSE].number = !nt_attr_bool(node, "reverse");
    return want[0] ? nt_graph_add(graph, &nt_op_cumsum, NULL, 1, dy, attr, dx) : NT_OK;
}

static enum nt_status lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    int axis = (int)nt_attr_int(node, "axis");
    return nt_scan(lowering->tape, NT_REDUCE_SUM, nt_attr_bool(node, "exclusive"),
        nt_attr_bool(node, "reverse"), axis < 0 ? axis + x.shape.rank : axis, &x, &y);
}

const struct nt_op nt_op_cumsum = {
    .name = "cumsum",
    .summary = "y[.., i, ..] = the sum of x[.., j, ..] for j up to i along an axis",
    .source = "ONNX operator CumSum; PyTorch's cumsum",
    .shapes = "x of any shape (float32 or int32); result: of the shape of x",
    .inputs = "x",
    .outputs = 1,
    .attrs = attrs,
    .attr_count = sizeof attrs / sizeof *attrs,
    .layouts = "r>r",
    .infer = infer,
    .gradient = gradient,
    .lower = lower,
};
