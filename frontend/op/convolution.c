/* SPDX-License-Identifier: MIT */
#include "frontend/op/convolution.h"

#include <string.h>

int nt_convolution_dims(const struct nt_op *op)
{
    return op->attrs[nt_attr_index(op, "kernel")].count;
}

static int64_t groups_of(const struct nt_node *node)
{
    return nt_attr_index(node->op, "groups") < 0 ? 1 : nt_attr_int(node, "groups");
}

enum nt_status nt_convolution_check_input(
    struct nt_graph *graph, const struct nt_node *node, struct nt_shape *x)
{
    int64_t channels = nt_attr_int(node, "channels"), groups = groups_of(node);
    enum nt_status status = nt_layer_rank(graph, node, 0, nt_convolution_dims(node->op) + 2, x);
    if (status == NT_OK && (x->dim[1] % groups || channels % groups))
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "%s: groups %lld: must divide the %lld input and the %lld output channels",
            node->op->name, (long long)groups, (long long)x->dim[1], (long long)channels);
    return status;
}

enum nt_status nt_convolution_check_parameters(struct nt_graph *graph, const struct nt_node *node,
    const struct nt_shape *weight, const struct nt_shape *bias)
{
    const struct nt_shape *const want[] = {NULL, weight, bias};
    char a[128], b[128];
    for (int i = 1; i < 3 && i < node->inputs; i++) {
        const struct nt_shape *shape = &graph->value[node->input[i]].shape;
        if (!nt_shape_equal(shape, want[i]))
            return nt_graph_fail(graph, NT_ERR_SHAPE, "%s: %s of shape %s: must be %s",
                node->op->name, i == 1 ? "weight" : "bias", nt_shape_text(shape, a, sizeof a),
                nt_shape_text(want[i], b, sizeof b));
    }
    return NT_OK;
}

void nt_convolution_reach(const struct nt_node *node, int64_t reach[3])
{
    const int64_t *kernel = nt_attr_ints(node, "kernel"),
                  *dilation = nt_attr_ints(node, "dilation");
    for (int i = 0; i < nt_convolution_dims(node->op); i++)
        reach[i] = dilation[i] * (kernel[i] - 1) + 1;
}

int64_t nt_convolution_fan(const struct nt_node *node, int64_t channels)
{
    const int64_t *kernel = nt_attr_ints(node, "kernel");
    for (int i = 0; i < nt_convolution_dims(node->op); i++)
        channels = channels > INT64_MAX / kernel[i] ? INT64_MAX : channels * kernel[i];
    return channels;
}

struct nt_conv nt_convolution_geometry(const struct nt_node *node, const int64_t *in)
{
    struct nt_conv conv = {.groups = groups_of(node)};
    int dims = nt_convolution_dims(node->op);
    int64_t reach[3];
    memcpy(conv.stride, nt_attr_ints(node, "stride"), (size_t)dims * sizeof *conv.stride);
    memcpy(conv.dilation, nt_attr_ints(node, "dilation"), (size_t)dims * sizeof *conv.dilation);
    nt_convolution_reach(node, reach);
    nt_window_get_padding(node, dims, in, reach, conv.stride, conv.pad_before, conv.pad_after);
    return conv;
}

enum nt_status nt_convolution_shape(struct nt_graph *graph, const struct nt_node *node,
    const struct nt_shape *x, struct nt_shape *y)
{
    static const char *const axis[] = {"depth", "height", "width"};
    int dims = nt_convolution_dims(node->op);
    const int64_t *kernel = nt_attr_ints(node, "kernel"), *stride = nt_attr_ints(node, "stride");
    int64_t reach[3], before[3], after[3];
    nt_convolution_reach(node, reach);
    enum nt_status status =
        nt_window_padding(graph, node, dims, x->dim + 2, reach, stride, before, after);
    if (status != NT_OK)
        return status;
    *y = *x;
    y->dim[1] = nt_attr_int(node, "channels");
    for (int i = 0; i < dims; i++) {
        int64_t padded = x->dim[2 + i] + before[i] + after[i];
        if (reach[i] > padded)
            return nt_graph_fail(graph, NT_ERR_SHAPE,
                "%s: kernel %lld with dilation %lld: must not exceed the padded %s %lld",
                node->op->name, (long long)kernel[i], (long long)nt_attr_ints(node, "dilation")[i],
                axis[3 - dims + i], (long long)padded);
        y->dim[2 + i] = (padded - reach[i]) / stride[i] + 1;
    }
    return NT_OK;
}

enum nt_status nt_convolution_bias_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    if (node->inputs < 3 || node->input[2] < 0 || !want[2])
        return NT_OK;
    dx[2] = nt_layer_bias_gradient(graph, dy[0], node->input[2]);
    return dx[2] < 0 ? NT_ERR_MEMORY : NT_OK;
}

/* ---- gradient nodes ---- */

const struct nt_attr_spec nt_convolution_pass_attrs[] = {
    {"stride", NT_ATTR_INTS, "step in pixels", .count = 8},
    {"dilation", NT_ATTR_INTS, "distance of kernel taps", .count = 8},
    {"before", NT_ATTR_INTS, "padding before each dimension", .count = 8},
    {"after", NT_ATTR_INTS, "padding after each dimension", .count = 8},
    {"tile", NT_ATTR_INTS, "kernels per direction of a tiled convolution", .count = 8},
    {"groups", NT_ATTR_INT, "channels are split into groups that do not mix"},
};

static struct nt_attr three(const int64_t *numbers)
{
    struct nt_attr attr = {.set = true, .count = 3};
    memcpy(attr.ints, numbers, 3 * sizeof *numbers);
    return attr;
}

enum nt_status nt_convolution_add_pass(struct nt_graph *graph, const struct nt_op *op,
    const struct nt_conv *conv, const int64_t *tile, int a, int b, const struct nt_shape *output,
    int *value)
{
    struct nt_shape shape = *output; /* a value's, and values move when one is added */
    const struct nt_attr attr[] = {three(conv->stride), three(conv->dilation),
        three(conv->pad_before), three(conv->pad_after),
        three(tile ? (int64_t[]){tile[0], tile[1], 1} : (int64_t[]){1, 1, 1}),
        {.set = true, .number = (double)conv->groups}};
    enum nt_status status =
        nt_graph_add(graph, op, NULL, b < 0 ? 1 : 2, (int[]){a, b}, attr, value);
    if (status == NT_OK)
        graph->value[*value].shape = shape;
    return status;
}

struct nt_conv nt_convolution_pass(const struct nt_node *node)
{
    struct nt_conv conv = {.groups = nt_attr_int(node, "groups")};
    size_t size = sizeof conv.stride;
    memcpy(conv.stride, nt_attr_ints(node, "stride"), size);
    memcpy(conv.dilation, nt_attr_ints(node, "dilation"), size);
    memcpy(conv.pad_before, nt_attr_ints(node, "before"), size);
    memcpy(conv.pad_after, nt_attr_ints(node, "after"), size);
    return conv;
}

/* ---- lowering ---- */

enum nt_status nt_convolution_lower(struct nt_lowering *lowering, const struct nt_node *node,
    const struct nt_conv *conv, nt_convolution_primitive *primitive)
{
    struct nt_tensor a = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor b = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor out = nt_lower_tensor(lowering, node->output[0]);
    struct nt_lower_epilogue epilogue;
    enum nt_status status = nt_lower_get_epilogue(lowering, node, nt_lower_bias(node), &epilogue);
    if (status == NT_OK)
        status = primitive(lowering->tape, conv, &a, &b, &out, &epilogue.epilogue);
    nt_lower_release(&epilogue);
    return status;
}
