/* SPDX-License-Identifier: MIT */
#include "frontend/op/layer.h"

#define WINDOW_ATTRS                                                                               \
    {"kernel", NT_ATTR_INTS, "height and width of the window", .required = true, .min = 1,         \
        .max = 1 << 16, .count = 2},                                                               \
        {"stride", NT_ATTR_INTS, "step in pixels; 0: the kernel's size", .max = 1 << 16,           \
            .count = 2},                                                                           \
        {"padding", NT_ATTR_INTS, "border before and after, at most half the kernel",              \
            .max = 1 << 16, .count = 2},                                                           \
    {                                                                                              \
        "ceil_mode", NT_ATTR_BOOL, "round the output size up"                                      \
    }

static const struct nt_attr_spec max_attrs[] = {
    WINDOW_ATTRS,
    {"dilation", NT_ATTR_INTS, "distance of window taps", .fallback = 1, .min = 1, .max = 1 << 16,
        .count = 2},
};
static const struct nt_attr_spec average_attrs[] = {
    WINDOW_ATTRS,
    {"count_include_pad", NT_ATTR_BOOL, "count the border in the average", .fallback = 1},
};

static struct nt_pool geometry(const struct nt_node *node)
{
    bool average = nt_attr_index(node->op, "count_include_pad") >= 0;
    struct nt_pool pool = {.pooling = average ? NT_POOL_AVERAGE : NT_POOL_MAX,
        .count_include_pad = average && nt_attr_bool(node, "count_include_pad")};
    for (int i = 0; i < 2; i++) {
        int64_t stride = nt_attr_ints(node, "stride")[i];
        pool.kernel[i] = nt_attr_ints(node, "kernel")[i];
        pool.stride[i] = stride ? stride : pool.kernel[i];
        pool.pad_before[i] = pool.pad_after[i] = nt_attr_ints(node, "padding")[i];
        pool.dilation[i] = average ? 1 : nt_attr_ints(node, "dilation")[i];
    }
    return pool;
}

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape y;
    enum nt_status status = nt_layer_rank(graph, node, 0, 4, &y);
    if (status != NT_OK)
        return status;
    struct nt_pool pool = geometry(node);
    for (int i = 0; i < 2; i++) {
        int64_t pad = pool.pad_before[i], padded = y.dim[2 + i] + 2 * pad;
        int64_t reach = pool.dilation[i] * (pool.kernel[i] - 1) + 1;
        if (pad * 2 > pool.kernel[i])
            return nt_graph_fail(graph, NT_ERR_ARGUMENT,
                "%s: padding %lld: must be at most half the kernel %lld", node->op->name,
                (long long)pad, (long long)pool.kernel[i]);
        if (reach > padded)
            return nt_graph_fail(graph, NT_ERR_SHAPE,
                "%s: kernel %lld: must not exceed the padded %s %lld", node->op->name,
                (long long)pool.kernel[i], i ? "width" : "height", (long long)padded);
        bool up = nt_attr_bool(node, "ceil_mode");
        int64_t room = padded - reach,
                size = (room + (up ? pool.stride[i] - 1 : 0)) / pool.stride[i] + 1;
        if (up && (size - 1) * pool.stride[i] >= y.dim[2 + i] + pad)
            size--; /* the last window must start inside the picture or its left border */
        y.dim[2 + i] = size;
    }
    graph->value[node->output[0]].shape = y;
    if (node->outputs > 1) {
        graph->value[node->output[1]].shape = y;
        graph->value[node->output[1]].dtype = NT_I32;
    }
    return NT_OK;
}

static enum nt_status max_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    return nt_layer_add_like(graph, &nt_op_max_pool2d_backward, node, 2,
        (int[]){dy[0], node->output[1]}, &graph->value[node->input[0]].shape, &dx[0]);
}

static enum nt_status average_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    return nt_layer_add_like(graph, &nt_op_avg_pool2d_backward, node, 1, dy,
        &graph->value[node->input[0]].shape, &dx[0]);
}

static bool is_used(const struct nt_graph *graph, int value)
{
    for (int i = 0; i < graph->node_count; i++)
        for (int j = 0; !graph->node[i]->dead && j < graph->node[i]->inputs; j++)
            if (graph->node[i]->input[j] == value)
                return true;
    return false;
}

static enum nt_status lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_pool pool = geometry(node);
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    if (node->outputs < 2 || !is_used(lowering->graph, node->output[1]))
        return nt_pool_forward(lowering->tape, &pool, &x, &y, NULL);
    struct nt_tensor index = nt_lower_tensor(lowering, node->output[1]);
    return nt_pool_forward(lowering->tape, &pool, &x, &y, &index);
}

static enum nt_status lower_backward(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_pool pool = geometry(node);
    struct nt_tensor dy = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor dx = nt_lower_tensor(lowering, node->output[0]);
    if (pool.pooling == NT_POOL_AVERAGE)
        return nt_pool_backward(lowering->tape, &pool, &dy, NULL, &dx);
    struct nt_tensor index = nt_lower_tensor(lowering, node->input[1]);
    return nt_pool_backward(lowering->tape, &pool, &dy, &index, &dx);
}

const struct nt_op nt_op_max_pool2d = {
    .name = "max_pool2d",
    .summary = "largest element of each window",
    .inputs = "x",
    .outputs = 2, /* the second is the index of each maximum, for the gradient */
    .attrs = max_attrs,
    .attr_count = sizeof max_attrs / sizeof *max_attrs,
    .layouts = "l>l",
    .infer = infer,
    .gradient = max_gradient,
    .lower = lower,
};

const struct nt_op nt_op_max_pool2d_backward = {
    .name = "max_pool2d_backward",
    .summary = "gradient of max_pool2d",
    .inputs = "dy index",
    .outputs = 1,
    .attrs = max_attrs,
    .attr_count = sizeof max_attrs / sizeof *max_attrs,
    .internal = true,
    .layouts = "ll>l",
    .infer = nt_layer_infer_later,
    .lower = lower_backward,
};

const struct nt_op nt_op_avg_pool2d = {
    .name = "avg_pool2d",
    .summary = "mean of each window",
    .inputs = "x",
    .outputs = 1,
    .attrs = average_attrs,
    .attr_count = sizeof average_attrs / sizeof *average_attrs,
    .layouts = "l>l",
    .infer = infer,
    .gradient = average_gradient,
    .lower = lower,
};

const struct nt_op nt_op_avg_pool2d_backward = {
    .name = "avg_pool2d_backward",
    .summary = "gradient of avg_pool2d",
    .inputs = "dy",
    .outputs = 1,
    .attrs = average_attrs,
    .attr_count = sizeof average_attrs / sizeof *average_attrs,
    .internal = true,
    .layouts = "l>l",
    .infer = nt_layer_infer_later,
    .lower = lower_backward,
};
