/* SPDX-License-Identifier: MIT */
#include "frontend/op/layer.h"

#define UNPOOL_ATTRS(dims)                                                                         \
    {"kernel", NT_ATTR_INTS, "the pooling's window", .required = true, .min = 1, .max = 1 << 16,   \
        .count = dims},                                                                            \
        {"stride", NT_ATTR_INTS, "the pooling's step; 0: the kernel's size", .max = 1 << 16,       \
            .count = dims},                                                                        \
        {"padding", NT_ATTR_INTS, "the pooling's border", .max = 1 << 16, .count = dims},          \
    {                                                                                              \
        "output_size", NT_ATTR_INTS,                                                               \
            "extents of the output; 0: (extent - 1) stride - 2 padding + kernel", .max = 1 << 24,  \
                                                                                  .count = dims    \
    }

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape x, y;
    int dims = node->op->attrs[0].count;
    char a[128], b[128];
    enum nt_status status = nt_layer_rank(graph, node, 0, 2 + dims, &x);
    if (status != NT_OK)
        return status;
    const struct nt_value *index = &graph->value[node->input[1]];
    if (index->dtype != NT_I32 || !nt_shape_equal(&index->shape, &x))
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "%s: index is %s of shape %s: must be int32 of shape %s", node->op->name,
            nt_dtype_name(index->dtype), nt_shape_text(&index->shape, a, sizeof a),
            nt_shape_text(&x, b, sizeof b));
    y = x;
    for (int i = 0; i < dims; i++) {
        int64_t kernel = nt_attr_ints(node, "kernel")[i], stride = nt_attr_ints(node, "stride")[i];
        int64_t size = nt_attr_ints(node, "output_size")[i];
        if (!size)
            size = (x.dim[2 + i] - 1) * (stride ? stride : kernel) -
                   2 * nt_attr_ints(node, "padding")[i] + kernel;
        if (size < 1)
            return nt_graph_fail(graph, NT_ERR_SHAPE,
                "%s: dimension %d of the output would be %lld: must be at least 1", node->op->name,
                2 + i, (long long)size);
        y.dim[2 + i] = size;
    }
    graph->value[node->output[0]].shape = y;
    return NT_OK;
}

static enum nt_status gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    int index = node->input[1];
    enum nt_status status = nt_graph_add(
        graph, &nt_op_max_unpool_backward, NULL, 2, (int[]){dy[0], index}, NULL, &dx[0]);
    if (status == NT_OK)
        graph->value[dx[0]].shape = graph->value[index].shape;
    return status;
}

static enum nt_status lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor index = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    return nt_unpool_forward(lowering->tape, &x, &index, &y);
}

static enum nt_status lower_backward(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor dy = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor index = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor dx = nt_lower_tensor(lowering, node->output[0]);
    return nt_unpool_backward(lowering->tape, &dy, &index, &dx);
}

#define UNPOOL(dims, text)                                                                         \
    static const struct nt_attr_spec attrs_##dims[] = {UNPOOL_ATTRS(dims)};                        \
    const struct nt_op nt_op_max_unpool##dims##d = {                                               \
        .name = "max_unpool" #dims "d",                                                            \
        .summary = "zeros, and each element where max_pool" #dims "d found it: y[index[i]] = "     \
                   "x[i] in each channel; elements of one index add up",                           \
        .shapes = "x and index (int32) N,C," text "; result N,C,output_size",                      \
        .source = "Zeiler, Taylor & Fergus, Adaptive deconvolutional networks for mid and high "   \
                  "level feature learning, ICCV 2011",                                             \
        .inputs = "x index",                                                                       \
        .outputs = 1,                                                                              \
        .attrs = attrs_##dims,                                                                     \
        .attr_count = sizeof attrs_##dims / sizeof *attrs_##dims,                                  \
        .layouts = "ll>l",                                                                         \
        .infer = infer,                                                                            \
        .gradient = gradient,                                                                      \
        .lower = lower,                                                                            \
    };

UNPOOL(1, "W")
UNPOOL(2, "H,W")
UNPOOL(3, "D,H,W")

const struct nt_op nt_op_max_unpool_backward = {
    .name = "max_unpool_backward",
    .summary = "gradient of max_unpool1d, 2d, 3d",
    .inputs = "dy index",
    .outputs = 1,
    .internal = true,
    .layouts = "ll>l",
    .infer = nt_layer_infer_later,
    .lower = lower_backward,
};
