/* SPDX-License-Identifier: MIT
 *
 * A transposed convolution is the gradient by x of the convolution whose output has its input's
 * shape; "the convolution" below.
 */
#include <string.h>

#include "frontend/op/convolution.h"

static struct nt_shape weight_shape(const struct nt_node *node, const struct nt_shape *x)
{
    struct nt_shape shape = {
        x->rank, {x->dim[1], nt_attr_int(node, "channels") / nt_attr_int(node, "groups")}};
    for (int i = 2; i < x->rank; i++)
        shape.dim[i] = nt_attr_ints(node, "kernel")[i - 2];
    return shape;
}

static enum nt_status parameters(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape x;
    enum nt_status status = nt_convolution_check_input(graph, node, &x);
    if (status != NT_OK)
        return status;
    struct nt_shape weight = weight_shape(node, &x);
    int64_t in = x.dim[1] / nt_attr_int(node, "groups");
    /* PyTorch takes dimension 1 of a weight for the inputs, here too. */
    return nt_layer_parameters(graph, node, &weight, nt_attr_int(node, "channels"),
        nt_convolution_fan(node, weight.dim[1]), nt_convolution_fan(node, in));
}

/* The geometry of the convolution. "same" makes the output stride times the input's extent: where
 * the kernel is shorter than the stride, there is room after. */
static struct nt_conv geometry(const struct nt_node *node, const int64_t *in)
{
    struct nt_conv conv = {.groups = nt_attr_int(node, "groups")};
    int dims = nt_convolution_dims(node->op);
    const struct nt_attr *padding = &node->attr[nt_attr_index(node->op, "padding")];
    const int64_t *extra = nt_attr_ints(node, "output_padding");
    int64_t reach[3];
    memcpy(conv.stride, nt_attr_ints(node, "stride"), (size_t)dims * sizeof *conv.stride);
    memcpy(conv.dilation, nt_attr_ints(node, "dilation"), (size_t)dims * sizeof *conv.dilation);
    nt_convolution_reach(node, reach);
    nt_window_get_padding(node, dims, in, reach, conv.stride, conv.pad_before, conv.pad_after);
    for (int i = 0; i < dims; i++) {
        bool same = padding->count == 0 && (padding->number == NT_PADDING_SAME ||
                                               padding->number == NT_PADDING_SAME_LOWER);
        if (same) {
            int64_t total = reach[i] - conv.stride[i] + extra[i], both = total < 0 ? 0 : total;
            conv.pad_before[i] = (both + (padding->number == NT_PADDING_SAME_LOWER)) / 2;
            conv.pad_after[i] = total - conv.pad_before[i];
        }
        conv.pad_after[i] -= extra[i];
    }
    return conv;
}

static enum nt_status infer_extents(struct nt_graph *graph, const struct nt_node *node,
    const struct nt_shape *x, struct nt_shape *y)
{
    static const char *const axis[] = {"depth", "height", "width"};
    int dims = nt_convolution_dims(node->op);
    const int64_t *stride = nt_attr_ints(node, "stride"), *in = x->dim + 2;
    const int64_t *extra = nt_attr_ints(node, "output_padding");
    const int64_t *dilation = nt_attr_ints(node, "dilation");
    int64_t reach[3], before[3], after[3];
    nt_convolution_reach(node, reach);
    enum nt_status status = nt_window_padding(graph, node, dims, in, reach, stride, before, after);
    if (status != NT_OK)
        return status;
    struct nt_conv conv = geometry(node, in);
    for (int i = 0; i < dims; i++) {
        int64_t full = (in[i] - 1) * stride[i] + reach[i];
        if (extra[i] >= stride[i] && extra[i] >= dilation[i])
            return nt_graph_fail(graph, NT_ERR_ARGUMENT,
                "%s: output_padding %lld: must be less than the stride %lld or the dilation %lld",
                node->op->name, (long long)extra[i], (long long)stride[i], (long long)dilation[i]);
        y->dim[2 + i] = full - conv.pad_before[i] - conv.pad_after[i];
        if (y->dim[2 + i] < 1)
            return nt_graph_fail(graph, NT_ERR_SHAPE,
                "%s: padding %lld: leaves nothing of the %s %lld", node->op->name,
                (long long)(before[i] + after[i]), axis[3 - dims + i],
                (long long)(full + extra[i]));
    }
    return NT_OK;
}

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape x = graph->value[node->input[0]].shape, y = x;
    struct nt_shape weight = weight_shape(node, &x), bias = {1, {nt_attr_int(node, "channels")}};
    enum nt_status status = nt_convolution_check_parameters(graph, node, &weight, &bias);
    y.dim[1] = bias.dim[0];
    if (status == NT_OK)
        status = infer_extents(graph, node, &x, &y);
    if (status == NT_OK)
        graph->value[node->output[0]].shape = y;
    return status;
}

static enum nt_status gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    int x = node->input[0], w = node->input[1];
    struct nt_conv conv = geometry(node, graph->value[x].shape.dim + 2);
    enum nt_status status = NT_OK;
    if (want[1])
        status = nt_convolution_add_pass(graph, &nt_op_conv_backward_weight, &conv, NULL, dy[0], x,
            &graph->value[w].shape, &dx[1]);
    if (status == NT_OK)
        status = nt_convolution_bias_gradient(graph, node, dy, want, dx);
    if (status == NT_OK && want[0])
        status = nt_convolution_add_pass(graph, &nt_op_conv_transpose_backward_data, &conv, NULL,
            dy[0], w, &graph->value[x].shape, &dx[0]);
    return status;
}

static enum nt_status lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_conv conv = geometry(node, x.shape.dim + 2);
    return nt_convolution_lower(lowering, node, &conv, nt_conv_backward_data);
}

static enum nt_status lower_backward_data(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_conv conv = nt_convolution_pass(node);
    return nt_convolution_lower(lowering, node, &conv, nt_conv_forward);
}

static double macs(const struct nt_graph *graph, const struct nt_node *node)
{
    const struct nt_shape *w = &graph->value[node->input[1]].shape;
    return (double)nt_shape_count(w) / (double)w->dim[0] *
           (double)nt_shape_count(&graph->value[node->input[0]].shape);
}

#define CONV_TRANSPOSE(dims, word, in, taps, out)                                                  \
    static const struct nt_attr_spec attrs##dims[] = {NT_CONVOLUTION_ATTRS(dims),                  \
        {"output_padding", NT_ATTR_INTS, "rows more after the output", .max = 1 << 16,             \
            .count = (dims)},                                                                      \
        NT_CONVOLUTION_GROUPS, NT_LAYER_ATTRS};                                                    \
    const struct nt_op nt_op_conv_transpose##dims##d = {                                           \
        .name = "conv_transpose" #dims "d",                                                        \
        .summary = word "-dimensional transposed convolution with bias: x[n,c,i] w[c,k,t] is "     \
                        "added to y[n,k,i stride - padding + t dilation]",                         \
        .shapes = "x N,C," in ", weight C,K/groups," taps ", bias K; result N,K," out,             \
        .source = "Zeiler et al., Deconvolutional networks, CVPR 2010",                            \
        .inputs = "x weight? bias?",                                                               \
        .outputs = 1,                                                                              \
        .attrs = attrs##dims,                                                                      \
        .attr_count = sizeof attrs##dims / sizeof *attrs##dims,                                    \
        .layouts = "lra>l",                                                                        \
        .parameters = parameters,                                                                  \
        .infer = infer,                                                                            \
        .gradient = gradient,                                                                      \
        .lower = lower,                                                                            \
        .epilogue = true,                                                                          \
        .views = true,                                                                             \
        .macs = macs,                                                                              \
    }

CONV_TRANSPOSE(1, "one", "W", "S", "OW");
CONV_TRANSPOSE(2, "two", "H,W", "R,S", "OH,OW");
CONV_TRANSPOSE(3, "three", "D,H,W", "T,R,S", "OD,OH,OW");

const struct nt_op nt_op_conv_transpose_backward_data = {
    .name = "conv_transpose_backward_data",
    .summary = "gradient of a transposed convolution by x",
    .inputs = "dy weight",
    .outputs = 1,
    .attrs = nt_convolution_pass_attrs,
    .attr_count = NT_CONVOLUTION_PASS_ATTRS,
    .internal = true,
    .layouts = "lra>l",
    .infer = nt_layer_infer_later,
    .lower = lower_backward_data,
    .epilogue = true,
    .views = true,
};
