/* SPDX-License-Identifier: MIT
 *
 * reshape and what else gives the same elements another shape. reshape is the operator to copy
 * from; CONTRIBUTING.md walks through this file.
 */
#include <string.h>

#include "frontend/op/compose.h"

static const struct nt_attr_spec attrs[] = {
    {"shape", NT_ATTR_INTS,
        "new shape with the batch; 0 keeps the input's extent, one -1 is computed",
        .required = true, .min = -1, .max = 1 << 30, .count = 8},
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
        if (y.dim[i] == 0 && i < x->rank)
            y.dim[i] = x->dim[i];
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
    .shapes = "the result has the attribute's shape and as many elements as x",
    .inputs = "x",
    .outputs = 1,
    .attrs = attrs,
    .attr_count = sizeof attrs / sizeof *attrs,
    .layouts = "r>r",
    .infer = infer,
    .gradient = gradient,
    .lower = lower,
};

/* ---- flatten ---- */

static const struct nt_attr_spec flatten_attrs[] = {
    {"start_dim", NT_ATTR_INT, "first dimension that is joined", .fallback = 1, .min = -8,
        .max = 7},
    {"end_dim", NT_ATTR_INT, "last one", .fallback = -1, .min = -8, .max = 7},
};

static enum nt_status flatten_infer(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_value *x = &graph->value[node->input[0]];
    struct nt_shape from = x->shape, y = {0};
    int start = 0, end = 0;
    if (from.rank == 0)
        return nt_graph_fail(graph, NT_ERR_SHAPE, "flatten: a scalar: must have a dimension");
    if (from.rank == 1 && !node->attr[0].set) { /* what is there is flat */
        graph->value[node->output[0]].dtype = x->dtype;
        graph->value[node->output[0]].shape = (struct nt_shape){2, {from.dim[0], 1}};
        return NT_OK;
    }
    enum nt_status status =
        nt_compose_axis(graph, node, nt_attr_int(node, "start_dim"), from.rank, &start);
    if (status == NT_OK)
        status = nt_compose_axis(graph, node, nt_attr_int(node, "end_dim"), from.rank, &end);
    if (status != NT_OK)
        return status;
    if (start > end)
        return nt_graph_fail(graph, NT_ERR_ARGUMENT,
            "flatten: from dimension %d to %d: must not end before it starts", start, end);
    for (int i = 0; i < from.rank; i++)
        if (i > start && i <= end)
            y.dim[y.rank - 1] *= from.dim[i];
        else
            y.dim[y.rank++] = from.dim[i];
    graph->value[node->output[0]].dtype = x->dtype;
    graph->value[node->output[0]].shape = y;
    return NT_OK;
}

const struct nt_op nt_op_flatten = {
    .name = "flatten",
    .summary = "dimensions joined to one: all but the batch",
    .shapes = "x N,...; result N,M with M the product of what follows N",
    .inputs = "x",
    .outputs = 1,
    .attrs = flatten_attrs,
    .attr_count = sizeof flatten_attrs / sizeof *flatten_attrs,
    .layouts = "r>r",
    .infer = flatten_infer,
    .gradient = gradient,
    .lower = lower,
};

/* ---- squeeze and unsqueeze ---- */

static const struct nt_attr_spec squeeze_attrs[] = {
    {"axes", NT_ATTR_INTS, "dimensions of extent 1 to remove; default: all of them", .min = -8,
        .max = 7, .count = 8},
};

static enum nt_status squeeze_expand(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape x = graph->value[node->input[0]].shape, y = {0};
    const struct nt_attr *axes = &node->attr[0];
    unsigned mask = ~0u;
    char text[128];
    if (axes->set) {
        enum nt_status status = nt_compose_axes(graph, node, axes, x.rank, &mask);
        if (status != NT_OK)
            return status;
    }
    for (int i = 0; i < x.rank; i++) {
        bool named = mask & 1u << i;
        if (axes->set && named && x.dim[i] != 1)
            return nt_graph_fail(graph, NT_ERR_SHAPE,
                "squeeze: dimension %d of %s: must have extent 1", i,
                nt_shape_text(&x, text, sizeof text));
        if (!named || x.dim[i] != 1)
            y.dim[y.rank++] = x.dim[i];
    }
    return nt_compose_end(graph, node, nt_compose_reshape(graph, node->input[0], &y));
}

const struct nt_op nt_op_squeeze = {
    .name = "squeeze",
    .summary = "without dimensions of extent 1",
    .shapes = "x without dimensions of extent 1",
    .inputs = "x",
    .outputs = 1,
    .attrs = squeeze_attrs,
    .attr_count = sizeof squeeze_attrs / sizeof *squeeze_attrs,
    .layouts = "r>r",
    .expand = squeeze_expand,
};

static const struct nt_attr_spec unsqueeze_attrs[] = {
    {"axes", NT_ATTR_INTS, "dimensions of the result that are new", .required = true, .min = -8,
        .max = 7, .count = 8},
};

static enum nt_status unsqueeze_expand(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape x = graph->value[node->input[0]].shape;
    struct nt_shape y = {.rank = x.rank + node->attr[0].count};
    unsigned mask = 0;
    if (y.rank > NT_MAX_RANK)
        return nt_graph_fail(
            graph, NT_ERR_SHAPE, "unsqueeze: to rank %d: must be at most %d", y.rank, NT_MAX_RANK);
    enum nt_status status = nt_compose_axes(graph, node, &node->attr[0], y.rank, &mask);
    if (status != NT_OK)
        return status;
    for (int i = 0, from = 0; i < y.rank; i++)
        y.dim[i] = mask & 1u << i ? 1 : x.dim[from++];
    return nt_compose_end(graph, node, nt_compose_reshape(graph, node->input[0], &y));
}

const struct nt_op nt_op_unsqueeze = {
    .name = "unsqueeze",
    .summary = "with new dimensions of extent 1",
    .shapes = "x with a dimension of extent 1 put in",
    .inputs = "x",
    .outputs = 1,
    .attrs = unsqueeze_attrs,
    .attr_count = sizeof unsqueeze_attrs / sizeof *unsqueeze_attrs,
    .layouts = "r>r",
    .expand = unsqueeze_expand,
};
