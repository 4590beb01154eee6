/* SPDX-License-Identifier: MIT
 *
 * Pooling to a given size: window o of O over an extent I is [o I / O, (o + 1) I / O), rounded
 * outwards, as in PyTorch.
 */
#include "frontend/op/layer.h"
#include "frontend/op/pool.h"

#define SIZE_ATTR(dims)                                                                            \
    {                                                                                              \
        "output_size", NT_ATTR_INTS, "extents of the output; 0: the input's",                      \
            .required = true, .max = 1 << 16, .count = dims                                        \
    }

static const struct nt_pool max_pool = {.pooling = NT_POOL_MAX, .adaptive = true};
static const struct nt_pool average_pool = {.pooling = NT_POOL_AVERAGE, .adaptive = true};

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape y;
    int dims = node->op->attrs[0].count;
    const int64_t *size = nt_attr_ints(node, "output_size");
    enum nt_status status = nt_layer_rank(graph, node, 0, 2 + dims, &y);
    for (int i = 0; status == NT_OK && i < dims; i++)
        y.dim[2 + i] = size[i] ? size[i] : y.dim[2 + i];
    for (int i = 0; status == NT_OK && i < node->outputs; i++)
        graph->value[node->output[i]].shape = y;
    if (node->outputs > 1)
        graph->value[node->output[1]].dtype = NT_I32;
    return status;
}

static enum nt_status max_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    if (dy[0] < 0)
        return NT_OK;
    return nt_layer_add_like(graph, &nt_op_adaptive_max_pool_backward, node, 2,
        (int[]){dy[0], node->output[1]}, &graph->value[node->input[0]].shape, &dx[0]);
}

static enum nt_status average_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    return nt_layer_add_like(graph, &nt_op_adaptive_avg_pool_backward, node, 1, dy,
        &graph->value[node->input[0]].shape, &dx[0]);
}

static enum nt_status max_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    return nt_op_pool_lower(lowering, node, &max_pool);
}

static enum nt_status average_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    return nt_op_pool_lower(lowering, node, &average_pool);
}

static enum nt_status max_lower_backward(struct nt_lowering *lowering, const struct nt_node *node)
{
    return nt_op_pool_lower_backward(lowering, node, &max_pool);
}

static enum nt_status average_lower_backward(
    struct nt_lowering *lowering, const struct nt_node *node)
{
    return nt_op_pool_lower_backward(lowering, node, &average_pool);
}

#define ADAPTIVE_POOLS(dims, text)                                                                 \
    static const struct nt_attr_spec attrs_##dims[] = {SIZE_ATTR(dims)};                           \
    const struct nt_op nt_op_adaptive_max_pool##dims##d = {                                        \
        .name = "adaptive_max_pool" #dims "d",                                                     \
        .summary = "largest element of each of output_size windows; window o of O over I "         \
                   "elements is [o I / O, (o + 1) I / O), rounded outwards; a second result is "   \
                   "each one's index in its channel",                                              \
        .shapes = "x N,C," text "; both results N,C,output_size",                                  \
        .inputs = "x",                                                                             \
        .outputs = 2,                                                                              \
        .attrs = attrs_##dims,                                                                     \
        .attr_count = 1,                                                                           \
        .layouts = "l>l",                                                                          \
        .infer = infer,                                                                            \
        .gradient = max_gradient,                                                                  \
        .lower = max_lower,                                                                        \
    };                                                                                             \
    const struct nt_op nt_op_adaptive_avg_pool##dims##d = {                                        \
        .name = "adaptive_avg_pool" #dims "d",                                                     \
        .summary = "mean of each of output_size windows; window o of O over I elements is "        \
                   "[o I / O, (o + 1) I / O), rounded outwards",                                   \
        .shapes = "x N,C," text "; result N,C,output_size",                                        \
        .inputs = "x",                                                                             \
        .outputs = 1,                                                                              \
        .attrs = attrs_##dims,                                                                     \
        .attr_count = 1,                                                                           \
        .layouts = "l>l",                                                                          \
        .infer = infer,                                                                            \
        .gradient = average_gradient,                                                              \
        .lower = average_lower,                                                                    \
    };

ADAPTIVE_POOLS(1, "W")
ADAPTIVE_POOLS(2, "H,W")
ADAPTIVE_POOLS(3, "D,H,W")

const struct nt_op nt_op_adaptive_max_pool_backward = {
    .name = "adaptive_max_pool_backward",
    .summary = "gradient of adaptive_max_pool1d, 2d, 3d",
    .inputs = "dy index",
    .outputs = 1,
    .internal = true,
    .layouts = "ll>l",
    .infer = nt_layer_infer_later,
    .lower = max_lower_backward,
};

const struct nt_op nt_op_adaptive_avg_pool_backward = {
    .name = "adaptive_avg_pool_backward",
    .summary = "gradient of adaptive_avg_pool1d, 2d, 3d",
    .inputs = "dy",
    .outputs = 1,
    .internal = true,
    .layouts = "l>l",
    .infer = nt_layer_infer_later,
    .lower = average_lower_backward,
};
