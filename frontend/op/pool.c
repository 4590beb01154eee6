/* SPDX-License-Identifier: MIT
 *
 * Maximum and average over windows, in one to three dimensions.
 */
#include "frontend/op/pool.h"

#include "frontend/op/layer.h"
#include "frontend/op/window.h"

#define WINDOW_ATTRS(dims)                                                                         \
    {"kernel", NT_ATTR_INTS, "size of the window", .required = true, .min = 1, .max = 1 << 16,     \
        .count = dims},                                                                            \
        {"stride", NT_ATTR_INTS, "step in elements; 0: the kernel's size", .max = 1 << 16,         \
            .count = dims},                                                                        \
        NT_WINDOW_PADDING("border before and after, less than the window: one number, one per "    \
                          "dimension, before each and after each ({top, left, bottom, right}), "   \
                          "or a word"),                                                            \
        {"ceil_mode", NT_ATTR_BOOL, "round the output size up"},                                   \
    {                                                                                              \
        "dilation", NT_ATTR_INTS, "distance of the window's elements",                             \
            .fallback = 1, .min = 1, .max = 1 << 16, .count = dims                                 \
    }
#define AVERAGE_ATTRS(dims)                                                                        \
    WINDOW_ATTRS(dims),                                                                            \
        {"count_include_pad", NT_ATTR_BOOL, "count the border in the average", .fallback = 1},     \
    {                                                                                              \
        "divisor_override", NT_ATTR_INT,                                                           \
            "divides the sum of every window; 0: the number of its elements", .max = 1 << 30       \
    }

/* The window of a node over an input of shape x; padding is checked already. */
static struct nt_pool window(
    const struct nt_node *node, enum nt_pooling pooling, const struct nt_shape *x)
{
    struct nt_pool pool = {.pooling = pooling};
    int64_t reach[3];
    if (pooling == NT_POOL_AVERAGE) {
        pool.count_include_pad = nt_attr_bool(node, "count_include_pad");
        pool.divisor = nt_attr_int(node, "divisor_override");
    }
    for (int i = 0; i < x->rank - 2; i++) {
        int64_t stride = nt_attr_ints(node, "stride")[i];
        pool.kernel[i] = nt_attr_ints(node, "kernel")[i];
        pool.stride[i] = stride ? stride : pool.kernel[i];
        pool.dilation[i] = nt_attr_ints(node, "dilation")[i];
        reach[i] = pool.dilation[i] * (pool.kernel[i] - 1) + 1;
    }
    nt_window_get_padding(
        node, x->rank - 2, x->dim + 2, reach, pool.stride, pool.pad_before, pool.pad_after);
    return pool;
}

/* The number of windows along dimension i; *out is set when there is one. */
static enum nt_status count_windows(struct nt_graph *graph, const struct nt_node *node,
    const struct nt_pool *pool, int i, int64_t in, int64_t *out)
{
    const char *name = node->op->name;
    int64_t before = pool->pad_before[i], padded = in + before + pool->pad_after[i];
    int64_t reach = pool->dilation[i] * (pool->kernel[i] - 1) + 1, stride = pool->stride[i];
    int64_t most = before > pool->pad_after[i] ? before : pool->pad_after[i];
    if (most >= reach)
        return nt_graph_fail(graph, NT_ERR_ARGUMENT,
            "%s: padding %lld: must be less than the %lld elements that the window covers", name,
            (long long)most, (long long)reach);
    if (reach > padded)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "%s: kernel %lld with dilation %lld: must not exceed the padded extent %lld of "
            "dimension %d",
            name, (long long)pool->kernel[i], (long long)pool->dilation[i], (long long)padded,
            2 + i);
    bool up = nt_attr_bool(node, "ceil_mode");
    *out = (padded - reach + (up ? stride - 1 : 0)) / stride + 1;
    if (up && (*out - 1) * stride >= in + before)
        --*out; /* the last window must start inside x or the border before it */
    return NT_OK;
}

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node, enum nt_pooling pooling)
{
    struct nt_shape x, y;
    int64_t before[3], after[3], ones[3] = {1, 1, 1};
    int dims = node->op->attrs[0].count; /* of "kernel" */
    enum nt_status status = nt_layer_rank(graph, node, 0, 2 + dims, &x);
    if (status == NT_OK)
        status = nt_window_padding(graph, node, dims, x.dim + 2, ones, ones, before, after);
    if (status != NT_OK)
        return status;
    struct nt_pool pool = window(node, pooling, &x);
    y = x;
    for (int i = 0; status == NT_OK && i < dims; i++)
        status = count_windows(graph, node, &pool, i, x.dim[2 + i], &y.dim[2 + i]);
    for (int i = 0; status == NT_OK && i < node->outputs; i++)
        graph->value[node->output[i]].shape = y;
    if (node->outputs > 1)
        graph->value[node->output[1]].dtype = NT_I32;
    return status;
}

static enum nt_status max_infer(struct nt_graph *graph, struct nt_node *node)
{
    return infer(graph, node, NT_POOL_MAX);
}

static enum nt_status average_infer(struct nt_graph *graph, struct nt_node *node)
{
    return infer(graph, node, NT_POOL_AVERAGE);
}

static enum nt_status max_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    if (dy[0] < 0)
        return NT_OK;
    return nt_layer_add_like(graph, &nt_op_max_pool_backward, node, 2,
        (int[]){dy[0], node->output[1]}, &graph->value[node->input[0]].shape, &dx[0]);
}

static enum nt_status average_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    return nt_layer_add_like(
        graph, &nt_op_avg_pool_backward, node, 1, dy, &graph->value[node->input[0]].shape, &dx[0]);
}

static bool is_used(const struct nt_graph *graph, int value)
{
    for (int i = 0; i < graph->output_count; i++)
        if (graph->output[i].value == value)
            return true;
    for (int i = 0; i < graph->node_count; i++)
        for (int j = 0; !graph->node[i]->dead && j < graph->node[i]->inputs; j++)
            if (graph->node[i]->input[j] == value)
                return true;
    return false;
}

enum nt_status nt_op_pool_lower(
    struct nt_lowering *lowering, const struct nt_node *node, const struct nt_pool *pool)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    if (node->outputs < 2 || !is_used(lowering->graph, node->output[1]))
        return nt_pool_forward(lowering->tape, pool, &x, &y, NULL);
    struct nt_tensor index = nt_lower_tensor(lowering, node->output[1]);
    return nt_pool_forward(lowering->tape, pool, &x, &y, &index);
}

enum nt_status nt_op_pool_lower_backward(
    struct nt_lowering *lowering, const struct nt_node *node, const struct nt_pool *pool)
{
    struct nt_tensor dy = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor dx = nt_lower_tensor(lowering, node->output[0]);
    if (pool->pooling == NT_POOL_AVERAGE)
        return nt_pool_backward(lowering->tape, pool, &dy, NULL, &dx);
    struct nt_tensor index = nt_lower_tensor(lowering, node->input[1]);
    return nt_pool_backward(lowering->tape, pool, &dy, &index, &dx);
}

static struct nt_pool window_of(
    const struct nt_lowering *lowering, const struct nt_node *node, enum nt_pooling pooling, int x)
{
    return window(node, pooling, &lowering->graph->value[x].shape);
}

static enum nt_status max_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_pool pool = window_of(lowering, node, NT_POOL_MAX, node->input[0]);
    return nt_op_pool_lower(lowering, node, &pool);
}

static enum nt_status average_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_pool pool = window_of(lowering, node, NT_POOL_AVERAGE, node->input[0]);
    return nt_op_pool_lower(lowering, node, &pool);
}

static enum nt_status max_lower_backward(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_pool pool = window_of(lowering, node, NT_POOL_MAX, node->output[0]);
    return nt_op_pool_lower_backward(lowering, node, &pool);
}

static enum nt_status average_lower_backward(
    struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_pool pool = window_of(lowering, node, NT_POOL_AVERAGE, node->output[0]);
    return nt_op_pool_lower_backward(lowering, node, &pool);
}

#define POOLS(dims, text)                                                                          \
    static const struct nt_attr_spec max_attrs_##dims[] = {WINDOW_ATTRS(dims)};                    \
    static const struct nt_attr_spec average_attrs_##dims[] = {AVERAGE_ATTRS(dims)};               \
    const struct nt_op nt_op_max_pool##dims##d = {                                                 \
        .name = "max_pool" #dims "d",                                                              \
        .summary = "largest element of each window over " text                                     \
                   "; a second result is each one's index in its channel",                         \
        .shapes = "x N,C," text "; both results as many windows",                                  \
        .inputs = "x",                                                                             \
        .outputs = 2,                                                                              \
        .attrs = max_attrs_##dims,                                                                 \
        .attr_count = sizeof max_attrs_##dims / sizeof *max_attrs_##dims,                          \
        .layouts = "l>l",                                                                          \
        .maximum = true,                                                                           \
        .infer = max_infer,                                                                        \
        .gradient = max_gradient,                                                                  \
        .lower = max_lower,                                                                        \
        .views = true,                                                                             \
    };                                                                                             \
    const struct nt_op nt_op_avg_pool##dims##d = {                                                 \
        .name = "avg_pool" #dims "d",                                                              \
        .summary = "mean of each window over " text,                                               \
        .shapes = "x N,C," text "; result as many windows",                                        \
        .inputs = "x",                                                                             \
        .outputs = 1,                                                                              \
        .attrs = average_attrs_##dims,                                                             \
        .attr_count = sizeof average_attrs_##dims / sizeof *average_attrs_##dims,                  \
        .layouts = "l>l",                                                                          \
        .infer = average_infer,                                                                    \
        .gradient = average_gradient,                                                              \
        .lower = average_lower,                                                                    \
        .views = true,                                                                             \
    };

POOLS(1, "W")
POOLS(2, "H,W")
POOLS(3, "D,H,W")

/* The gradients take the attributes of any number of dimensions. */
static const struct nt_attr_spec max_attrs[] = {WINDOW_ATTRS(8)};
static const struct nt_attr_spec average_attrs[] = {AVERAGE_ATTRS(8)};

const struct nt_op nt_op_max_pool_backward = {
    .name = "max_pool_backward",
    .summary = "gradient of max_pool1d, 2d, 3d",
    .inputs = "dy index",
    .outputs = 1,
    .attrs = max_attrs,
    .attr_count = sizeof max_attrs / sizeof *max_attrs,
    .internal = true,
    .layouts = "ll>l",
    .infer = nt_layer_infer_later,
    .lower = max_lower_backward,
    .views = true,
};

const struct nt_op nt_op_avg_pool_backward = {
    .name = "avg_pool_backward",
    .summary = "gradient of avg_pool1d, 2d, 3d",
    .inputs = "dy",
    .outputs = 1,
    .attrs = average_attrs,
    .attr_count = sizeof average_attrs / sizeof *average_attrs,
    .internal = true,
    .layouts = "l>l",
    .infer = nt_layer_infer_later,
    .lower = average_lower_backward,
    .views = true,
};
