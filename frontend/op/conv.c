/* SPDX-License-Identifier: MIT */
#include "frontend/op/convolution.h"

static struct nt_shape weight_shape(const struct nt_node *node, const struct nt_shape *x)
{
    struct nt_shape shape = {
        x->rank, {nt_attr_int(node, "channels"), x->dim[1] / nt_attr_int(node, "groups")}};
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
    int64_t out = weight.dim[0] / nt_attr_int(node, "groups");
    return nt_layer_parameters(graph, node, &weight, weight.dim[0],
        nt_convolution_fan(node, weight.dim[1]), nt_convolution_fan(node, out));
}

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape x = graph->value[node->input[0]].shape, y;
    struct nt_shape weight = weight_shape(node, &x), bias = {1, {weight.dim[0]}};
    enum nt_status status = nt_convolution_check_parameters(graph, node, &weight, &bias);
    if (status == NT_OK)
        status = nt_convolution_shape(graph, node, &x, &y);
    if (status == NT_OK)
        graph->value[node->output[0]].shape = y;
    return status;
}

static enum nt_status gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    int x = node->input[0], w = node->input[1];
    struct nt_conv conv = nt_convolution_geometry(node, graph->value[x].shape.dim + 2);
    enum nt_status status = NT_OK;
    if (want[1])
        status = nt_convolution_add_pass(graph, &nt_op_conv_backward_weight, &conv, NULL, x, dy[0],
            &graph->value[w].shape, &dx[1]);
    if (status == NT_OK)
        status = nt_convolution_bias_gradient(graph, node, dy, want, dx);
    if (status == NT_OK && want[0])
        status = nt_convolution_add_pass(graph, &nt_op_conv_backward_data, &conv, NULL, dy[0], w,
            &graph->value[x].shape, &dx[0]);
    return status;
}

static enum nt_status lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_conv conv = nt_convolution_geometry(node, x.shape.dim + 2);
    return nt_convolution_lower(lowering, node, &conv, nt_conv_forward);
}

static double macs(const struct nt_graph *graph, const struct nt_node *node)
{
    const struct nt_shape *w = &graph->value[node->input[1]].shape;
    return (double)nt_shape_count(w) / (double)w->dim[0] *
           (double)nt_shape_count(&graph->value[node->output[0]].shape);
}

#define CONV(dims, word, in, taps, out, from)                                                      \
    static const struct nt_attr_spec attrs##dims[] = {                                             \
        NT_CONVOLUTION_ATTRS(dims), NT_CONVOLUTION_GROUPS, NT_LAYER_ATTRS};                        \
    const struct nt_op nt_op_conv##dims##d = {                                                     \
        .name = "conv" #dims "d",                                                                  \
        .summary = word "-dimensional convolution (cross-correlation) with bias: "                 \
                        "y[n,k,o] = b[k] + sum x[n,c,o stride - padding + i dilation] w[k,c,i]",   \
        .shapes = "x N,C," in ", weight K,C/groups," taps ", bias K; result N,K," out,             \
        .source = from,                                                                            \
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

CONV(1, "one", "W", "S", "OW",
    "Waibel et al., Phoneme recognition using time-delay neural networks, 1989");
CONV(2, "two", "H,W", "R,S", "OH,OW",
    "LeCun et al., Backpropagation applied to handwritten zip code recognition, 1989");
CONV(3, "three", "D,H,W", "T,R,S", "OD,OH,OW",
    "Ji et al., 3D convolutional neural networks for human action recognition, 2013");

/* ---- gradients ---- */

static enum nt_status lower_backward_data(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_conv conv = nt_convolution_pass(node);
    return nt_convolution_lower(lowering, node, &conv, nt_conv_backward_data);
}

static enum nt_status lower_backward_weight(
    struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_conv conv = nt_convolution_pass(node);
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor dy = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor dw = nt_lower_tensor(lowering, node->output[0]);
    return nt_conv_backward_weight(lowering->tape, &conv, &x, &dy, &dw);
}

const struct nt_op nt_op_conv_backward_data = {
    .name = "conv_backward_data",
    .summary = "gradient of a convolution by x",
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

const struct nt_op nt_op_conv_backward_weight = {
    .name = "conv_backward_weight",
    .summary = "gradient of a convolution by its weight",
    .inputs = "x dy",
    .outputs = 1,
    .attrs = nt_convolution_pass_attrs,
    .attr_count = NT_CONVOLUTION_PASS_ATTRS,
    .internal = true,
    .layouts = "ll>r",
    .infer = nt_layer_infer_later,
    .lower = lower_backward_weight,
    .views = true,
};
