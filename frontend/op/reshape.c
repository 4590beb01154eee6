/* SPDX-License-Identifier: MIT
 *
 * reshape and flatten: the same elements under another shape. The smallest operators, and the ones
 * to copy from; CONTRIBUTING.md walks through this file.
 */
#include <string.h>

#include "frontend/op.h"

static const struct nt_attr_spec attrs[] = {
    {"shape", NT_ATTR_INTS, "new shape with the batch; one -1 is computed", .required = true,
        .min = -1, .max = 1 << 30, .count = 8},
};

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_attr *attr = &node->attr[0];
    const struct nt_shape *x = &graph->value[node->input[0]].shape;
    struct nt_shape y = {.rank = attr->count};
    int64_t known = 1, open = -1, count = nt_shape_count(x);
    char a[128], b[128];
    memcpy(y.dim, attr->ints, sizeof *y.dim * (size_t)y.rank);
    for (int i = 0; i < y.rank && known <= count; i++) {
        if (y.dim[i] == -1 && open >= 0)
            return nt_graph_fail(graph, NT_ERR_ARGUMENT, "reshape: shape: only one -1 is allowed");
        if (y.dim[i] == -1)
            open = i;
        else
            known *= y.dim[i];
    }
    if (open >= 0 && known > 0 && count % known == 0) {
        y.dim[open] = count / known;
        known = count;
    }
    if (known != count || (open >= 0 && y.dim[open] < 1))
        return nt_graph_fail(graph, NT_ERR_SHAPE, "reshape: %s to %s: must keep the %lld elements",
            nt_shape_text(x, a, sizeof a), nt_shape_text(&y, b, sizeof b), (long long)count);
    graph->value[node->output[0]].shape = y;
    graph->value[node->output[0]].dtype = graph->value[node->input[0]].dtype;
    return NT_OK;
}

static enum nt_status gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    const struct nt_shape *x = &graph->value[node->input[0]].shape;
    struct nt_attr to = {.set = true, .count = x->rank};
    memcpy(to.ints, x->dim, sizeof *x->dim * (size_t)x->rank);
    return nt_graph_add(graph, &nt_op_reshape, NULL, 1, dy, &to, dx);
}

/* No launch: the output is another view of the input's buffer. */
static enum nt_status lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    const struct nt_value *out = &lowering->graph->value[node->output[0]];
    struct nt_tensor y = nt_tensor_make(x.buffer, x.dtype, &out->shape, NT_ROW_MAJOR);
    y.offset = x.offset;
    nt_lower_bind(lowering, node->output[0], &y);
    return NT_OK;
}

const struct nt_op nt_op_reshape = {
    .name = "reshape",
    .summary = "the same elements, in row-major order, under another shape",
    .inputs = "x",
    .outputs = 1,
    .attrs = attrs,
    .attr_count = sizeof attrs / sizeof *attrs,
    .layouts = "r>r",
    .infer = infer,
    .gradient = gradient,
    .lower = lower,
};

static enum nt_status flatten_infer(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_value *x = &graph->value[node->input[0]];
    if (x->shape.rank == 0)
        return nt_graph_fail(graph, NT_ERR_SHAPE, "flatten: a scalar: must have a dimension");
    int64_t rows = x->shape.dim[0];
    struct nt_shape y = {2, {rows, nt_shape_count(&x->shape) / rows}};
    graph->value[node->output[0]].dtype = x->dtype;
    graph->value[node->output[0]].shape = y;
    return NT_OK;
}

const struct nt_op nt_op_flatten = {
    .name = "flatten",
    .summary = "all dimensions but the batch become one",
    .inputs = "x",
    .outputs = 1,
    .layouts = "r>r",
    .infer = flatten_infer,
    .gradient = gradient,
    .lower = lower,
};
