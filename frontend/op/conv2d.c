/* SPDX-License-Identifier: MIT */
#include "frontend/op/layer.h"

static const struct nt_attr_spec attrs[] = {
    {"channels", NT_ATTR_INT, "output channels", .required = true, .min = 1, .max = 1 << 20},
    {"kernel", NT_ATTR_INTS, "height and width of the kernel", .required = true, .min = 1,
        .max = 1 << 16, .count = 2},
    {"stride", NT_ATTR_INTS, "step in pixels", .fallback = 1, .min = 1, .max = 1 << 16, .count = 2},
    {"padding", NT_ATTR_INTS,
        "zeros before and after: one number, {height, width}, "
        "or {top, left, bottom, right}",
        .max = 1 << 16, .count = 8},
    {"dilation", NT_ATTR_INTS, "distance of kernel taps", .fallback = 1, .min = 1, .max = 1 << 16,
        .count = 2},
    {"groups", NT_ATTR_INT, "channels are split into groups that do not mix", .fallback = 1,
        .min = 1, .max = 1 << 20},
    NT_LAYER_ATTRS,
};
enum { ATTR_COUNT = sizeof attrs / sizeof *attrs };

/* {top, left, bottom, right} from one, two or four numbers. */
static void padding(const struct nt_attr *attr, int64_t before[2], int64_t after[2])
{
    const int64_t *p = attr->ints;
    for (int i = 0; i < 2; i++) {
        before[i] = attr->count == 1 ? p[0] : p[i];
        after[i] = attr->count == 4 ? p[2 + i] : before[i];
    }
}

static struct nt_conv geometry(const struct nt_node *node)
{
    struct nt_conv conv = {.groups = nt_attr_int(node, "groups")};
    const int64_t *stride = nt_attr_ints(node, "stride"),
                  *dilation = nt_attr_ints(node, "dilation");
    for (int i = 0; i < 2; i++) {
        conv.stride[i] = stride[i];
        conv.dilation[i] = dilation[i];
    }
    padding(&node->attr[nt_attr_index(node->op, "padding")], conv.pad_before, conv.pad_after);
    return conv;
}

static enum nt_status parameters(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape x;
    enum nt_status status = nt_layer_rank(graph, node, 0, 4, &x);
    if (status != NT_OK)
        return status;
    int64_t channels = nt_attr_int(node, "channels"), groups = nt_attr_int(node, "groups");
    const int64_t *kernel = nt_attr_ints(node, "kernel");
    if (x.dim[1] % groups || channels % groups)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "conv2d: groups %lld: must divide the %lld input and the %lld output channels",
            (long long)groups, (long long)x.dim[1], (long long)channels);
    struct nt_shape weight = {4, {channels, x.dim[1] / groups, kernel[0], kernel[1]}};
    int64_t taps = kernel[0] * kernel[1];
    return nt_layer_parameters(
        graph, node, &weight, channels, x.dim[1] / groups * taps, channels / groups * taps);
}

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape x = graph->value[node->input[0]].shape, y = x;
    struct nt_conv conv = geometry(node);
    const int64_t *kernel = nt_attr_ints(node, "kernel");
    const struct nt_attr *pad = &node->attr[nt_attr_index(node->op, "padding")];
    if (pad->count != 1 && pad->count != 2 && pad->count != 4)
        return nt_graph_fail(
            graph, NT_ERR_ARGUMENT, "conv2d: padding: %d numbers: must be 1, 2 or 4", pad->count);
    struct nt_shape want = {
        4, {nt_attr_int(node, "channels"), x.dim[1] / conv.groups, kernel[0], kernel[1]}};
    if (!nt_shape_equal(&graph->value[node->input[1]].shape, &want)) {
        char a[128], b[128];
        return nt_graph_fail(graph, NT_ERR_SHAPE, "conv2d: weight of shape %s: must be %s",
            nt_shape_text(&graph->value[node->input[1]].shape, a, sizeof a),
            nt_shape_text(&want, b, sizeof b));
    }
    y.dim[1] = want.dim[0];
    for (int i = 0; i < 2; i++) {
        int64_t padded = x.dim[2 + i] + conv.pad_before[i] + conv.pad_after[i];
        int64_t reach = conv.dilation[i] * (kernel[i] - 1) + 1;
        if (reach > padded)
            return nt_graph_fail(graph, NT_ERR_SHAPE,
                "conv2d: kernel %lld with dilation %lld: must not exceed the padded %s %lld",
                (long long)kernel[i], (long long)conv.dilation[i], i ? "width" : "height",
                (long long)padded);
        y.dim[2 + i] = (padded - reach) / conv.stride[i] + 1;
    }
    graph->value[node->output[0]].shape = y;
    return NT_OK;
}

static enum nt_status gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    int x = node->input[0], w = node->input[1];
    enum nt_status status = NT_OK;
    if (want[1])
        status = nt_layer_add_like(graph, &nt_op_conv2d_backward_weight, node, 2, (int[]){x, dy[0]},
            &graph->value[w].shape, &dx[1]);
    if (status == NT_OK && node->inputs > 2 && node->input[2] >= 0 && want[2]) {
        dx[2] = nt_layer_bias_gradient(graph, dy[0], node->input[2]);
        status = dx[2] < 0 ? NT_ERR_MEMORY : NT_OK;
    }
    if (status == NT_OK && want[0])
        status = nt_layer_add_like(graph, &nt_op_conv2d_backward_data, node, 2, (int[]){dy[0], w},
            &graph->value[x].shape, &dx[0]);
    return status;
}

static enum nt_status lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_conv conv = geometry(node);
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor w = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    struct nt_lower_epilogue epilogue;
    enum nt_status status = nt_lower_get_epilogue(lowering, node, nt_lower_bias(node), &epilogue);
    if (status == NT_OK)
        status = nt_conv_forward(lowering->tape, &conv, &x, &w, &y, &epilogue.epilogue);
    nt_lower_release(&epilogue);
    return status;
}

static enum nt_status lower_backward_data(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_conv conv = geometry(node);
    struct nt_tensor dy = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor w = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor dx = nt_lower_tensor(lowering, node->output[0]);
    struct nt_lower_epilogue epilogue;
    enum nt_status status = nt_lower_get_epilogue(lowering, node, -1, &epilogue);
    if (status == NT_OK)
        status = nt_conv_backward_data(lowering->tape, &conv, &dy, &w, &dx, &epilogue.epilogue);
    nt_lower_release(&epilogue);
    return status;
}

static enum nt_status lower_backward_weight(
    struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_conv conv = geometry(node);
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor dy = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor dw = nt_lower_tensor(lowering, node->output[0]);
    return nt_conv_backward_weight(lowering->tape, &conv, &x, &dy, &dw);
}

static double macs(const struct nt_graph *graph, const struct nt_node *node)
{
    const struct nt_shape *w = &graph->value[node->input[1]].shape;
    double taps = (double)(w->dim[1] * w->dim[2] * w->dim[3]);
    return taps * (double)nt_shape_count(&graph->value[node->output[0]].shape);
}

const struct nt_op nt_op_conv2d = {
    .name = "conv2d",
    .summary = "two-dimensional convolution (cross-correlation) with bias",
    .source = "LeCun et al., Backpropagation applied to handwritten zip code recognition, 1989",
    .inputs = "x weight? bias?",
    .outputs = 1,
    .attrs = attrs,
    .attr_count = ATTR_COUNT,
    .layouts = "lra>l",
    .parameters = parameters,
    .infer = infer,
    .gradient = gradient,
    .lower = lower,
    .epilogue = true,
    .macs = macs,
};

const struct nt_op nt_op_conv2d_backward_data = {
    .name = "conv2d_backward_data",
    .summary = "gradient of conv2d by x",
    .inputs = "dy weight",
    .outputs = 1,
    .attrs = attrs,
    .attr_count = ATTR_COUNT,
    .internal = true,
    .layouts = "lra>l",
    .infer = nt_layer_infer_later,
    .lower = lower_backward_data,
    .epilogue = true,
};

const struct nt_op nt_op_conv2d_backward_weight = {
    .name = "conv2d_backward_weight",
    .summary = "gradient of conv2d by its weight",
    .inputs = "x dy",
    .outputs = 1,
    .attrs = attrs,
    .attr_count = ATTR_COUNT,
    .internal = true,
    .layouts = "ll>r",
    .infer = nt_layer_infer_later,
    .lower = lower_backward_weight,
};
