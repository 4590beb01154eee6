/* SPDX-License-Identifier: MIT
 *
 * A convolution whose kernels cycle over the output positions. The positions that share a kernel
 * are a convolution of their own, with the stride times the tile, into every tile-th row and
 * column of y.
 */
#include "frontend/op/convolution.h"

static struct nt_shape weight_shape(const struct nt_node *node, const struct nt_shape *x)
{
    const int64_t *kernel = nt_attr_ints(node, "kernel"), *tile = nt_attr_ints(node, "tile");
    return (struct nt_shape){5, {tile[0] * tile[1], nt_attr_int(node, "channels"),
                                    x->dim[1] / nt_attr_int(node, "groups"), kernel[0], kernel[1]}};
}

static enum nt_status parameters(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape x;
    enum nt_status status = nt_convolution_check_input(graph, node, &x);
    if (status != NT_OK)
        return status;
    struct nt_shape weight = weight_shape(node, &x), bias = {2, {weight.dim[0], weight.dim[1]}};
    int64_t out = weight.dim[1] / nt_attr_int(node, "groups");
    return nt_layer_shaped_parameters(graph, node, &weight, &bias,
        nt_convolution_fan(node, weight.dim[2]), nt_convolution_fan(node, out));
}

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape x = graph->value[node->input[0]].shape, y;
    struct nt_shape weight = weight_shape(node, &x), bias = {2, {weight.dim[0], weight.dim[1]}};
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
    const int64_t *tile = nt_attr_ints(node, "tile");
    struct nt_conv conv = nt_convolution_geometry(node, graph->value[x].shape.dim + 2);
    enum nt_status status = NT_OK;
    if (want[1])
        status = nt_convolution_add_pass(graph, &nt_op_tiled_conv2d_backward_weight, &conv, tile, x,
            dy[0], &graph->value[w].shape, &dx[1]);
    if (status == NT_OK && node->inputs > 2 && want[2])
        status = nt_convolution_add_pass(graph, &nt_op_tiled_conv2d_backward_bias, &conv, tile,
            dy[0], -1, &graph->value[node->input[2]].shape, &dx[2]);
    if (status == NT_OK && want[0])
        status = nt_convolution_add_pass(graph, &nt_op_tiled_conv2d_backward_data, &conv, tile,
            dy[0], w, &graph->value[x].shape, &dx[0]);
    return status;
}

/* ---- lowering ---- */

/* The positions that share kernel `index`: their convolution, and views of what is y, w and bias.
 */
struct share {
    int64_t place[2]; /* of the first position */
    int64_t extent[2];
    struct nt_conv conv;
};

/* False when the picture has no such position. in: extents of x; reach: of the kernel. */
static bool take_share(const struct nt_conv *conv, const int64_t *tile, int64_t index,
    const int64_t *in, const int64_t *taps, const int64_t *out, struct share *share)
{
    *share = (struct share){{index / tile[1], index % tile[1]}, {0}, *conv};
    for (int i = 0; i < 2; i++) {
        int64_t step = conv->stride[i] * tile[i], reach = conv->dilation[i] * (taps[i] - 1) + 1;
        int64_t place = share->place[i];
        if (place >= out[i])
            return false;
        share->extent[i] = (out[i] - place - 1) / tile[i] + 1;
        share->conv.stride[i] = step;
        share->conv.pad_before[i] -= place * conv->stride[i];
        share->conv.pad_after[i] =
            (share->extent[i] - 1) * step + reach - in[i] - share->conv.pad_before[i];
    }
    return true;
}

/* The share's part of y, or of an operand that lies as y does. */
static struct nt_tensor part(
    const struct nt_tensor *y, const struct share *share, const int64_t *tile)
{
    struct nt_tensor part = *y;
    for (int i = 0; i < 2; i++) {
        part.offset += share->place[i] * y->stride[2 + i];
        part.shape.dim[2 + i] = share->extent[i];
        part.stride[2 + i] *= tile[i];
    }
    return part;
}

/* Kernel `index` of w. */
static struct nt_tensor kernel(const struct nt_tensor *w, int64_t index)
{
    const int64_t *dim = w->shape.dim;
    struct nt_shape shape = {4, {dim[1], dim[2], dim[3], dim[4]}};
    struct nt_tensor kernel = nt_tensor_make(w->buffer, NT_F32, &shape, NT_ROW_MAJOR);
    kernel.offset = w->offset + index * nt_shape_count(&shape);
    return kernel;
}

static enum nt_status lower_share(struct nt_lowering *lowering, const struct nt_node *node,
    const struct nt_lower_epilogue *whole, int64_t index)
{
    const int64_t *tile = nt_attr_ints(node, "tile");
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor w = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]), in[4];
    struct nt_conv conv = nt_convolution_geometry(node, x.shape.dim + 2);
    struct nt_epilogue epilogue = whole->epilogue;
    struct share share;
    if (!take_share(&conv, tile, index, x.shape.dim + 2, w.shape.dim + 3, y.shape.dim + 2, &share))
        return NT_OK;
    for (int i = 0; i < epilogue.inputs; i++) {
        in[i] = whole->in[i];
        if (nt_shape_equal(&in[i].shape, &y.shape))
            in[i] = part(&in[i], &share, tile);
    }
    if (nt_lower_bias(node) >= 0) { /* the last; it holds the channels of every kernel */
        struct nt_tensor *bias = &in[epilogue.inputs - 1];
        bias->shape.dim[1] = y.shape.dim[1];
        bias->offset += index * y.shape.dim[1];
    }
    epilogue.in = in;
    struct nt_tensor own = kernel(&w, index), out = part(&y, &share, tile);
    return nt_conv_forward(lowering->tape, &share.conv, &x, &own, &out, &epilogue);
}

static enum nt_status lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    const int64_t *tile = nt_attr_ints(node, "tile");
    struct nt_lower_epilogue epilogue;
    enum nt_status status = nt_lower_get_epilogue(lowering, node, nt_lower_bias(node), &epilogue);
    for (int64_t i = 0; status == NT_OK && i < tile[0] * tile[1]; i++)
        status = lower_share(lowering, node, &epilogue, i);
    nt_lower_release(&epilogue);
    return status;
}

/* The first share writes dx, the others add to it. */
static enum nt_status lower_backward_data(struct nt_lowering *lowering, const struct nt_node *node)
{
    const int64_t *tile = nt_attr_ints(node, "tile");
    struct nt_conv conv = nt_convolution_pass(node);
    struct nt_tensor dy = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor w = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor dx = nt_lower_tensor(lowering, node->output[0]);
    struct nt_expr *expr = nt_expr_create();
    enum nt_status status = NT_OK;
    if (!expr)
        return nt_fail(lowering->graph->ctx, NT_ERR_MEMORY, "graph: host memory is exhausted");
    struct nt_epilogue more = {expr, 0, 1, &dx};
    more.term = nt_expr_call(expr, NT_FN_add, nt_expr_input(expr, 0), nt_expr_input(expr, 1), -1);
    for (int64_t i = 0; status == NT_OK && i < tile[0] * tile[1]; i++) {
        struct share share;
        if (!take_share(
                &conv, tile, i, dx.shape.dim + 2, w.shape.dim + 3, dy.shape.dim + 2, &share))
            continue;
        struct nt_tensor own = kernel(&w, i), from = part(&dy, &share, tile);
        status = nt_conv_backward_data(
            lowering->tape, &share.conv, &from, &own, &dx, i > 0 ? &more : NULL);
    }
    nt_expr_destroy(expr);
    return status;
}

static enum nt_status lower_backward_weight(
    struct nt_lowering *lowering, const struct nt_node *node)
{
    const int64_t *tile = nt_attr_ints(node, "tile");
    struct nt_conv conv = nt_convolution_pass(node);
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor dy = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor dw = nt_lower_tensor(lowering, node->output[0]);
    enum nt_status status = NT_OK;
    for (int64_t i = 0; status == NT_OK && i < tile[0] * tile[1]; i++) {
        struct share share;
        struct nt_tensor own = kernel(&dw, i);
        if (!take_share(
                &conv, tile, i, x.shape.dim + 2, dw.shape.dim + 3, dy.shape.dim + 2, &share)) {
            status = nt_fill(lowering->tape, 0, &own);
            continue;
        }
        struct nt_tensor from = part(&dy, &share, tile);
        status = nt_conv_backward_weight(lowering->tape, &share.conv, &x, &from, &own);
    }
    return status;
}

static enum nt_status lower_backward_bias(struct nt_lowering *lowering, const struct nt_node *node)
{
    const int64_t *tile = nt_attr_ints(node, "tile"), any[2] = {1, 1};
    struct nt_conv conv = nt_convolution_pass(node);
    struct nt_tensor dy = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor db = nt_lower_tensor(lowering, node->output[0]);
    int64_t channels = dy.shape.dim[1];
    struct nt_expr *expr = nt_expr_create();
    enum nt_status status = NT_OK;
    if (!expr)
        return nt_fail(lowering->graph->ctx, NT_ERR_MEMORY, "graph: host memory is exhausted");
    int term = nt_expr_input(expr, 0);
    for (int64_t i = 0; status == NT_OK && i < tile[0] * tile[1]; i++) {
        struct share share;
        struct nt_shape shape = {4, {1, channels, 1, 1}};
        struct nt_tensor own = nt_tensor_make(db.buffer, NT_F32, &shape, NT_ROW_MAJOR);
        own.offset = db.offset + i * channels;
        if (!take_share(&conv, tile, i, any, any, dy.shape.dim + 2, &share)) {
            status = nt_fill(lowering->tape, 0, &own);
            continue;
        }
        struct nt_tensor from = part(&dy, &share, tile);
        status = nt_reduce(lowering->tape, NT_REDUCE_SUM, expr, term, 1, &from, 1, &own);
    }
    nt_expr_destroy(expr);
    return status;
}

static double macs(const struct nt_graph *graph, const struct nt_node *node)
{
    const struct nt_shape *w = &graph->value[node->input[1]].shape;
    return (double)(w->dim[2] * w->dim[3] * w->dim[4]) *
           (double)nt_shape_count(&graph->value[node->output[0]].shape);
}

static const struct nt_attr_spec attrs[] = {
    NT_CONVOLUTION_ATTRS(2),
    {"tile", NT_ATTR_INTS, "kernels along the height and the width, which take turns",
        .required = true, .min = 1, .max = 64, .count = 2},
    NT_CONVOLUTION_GROUPS,
    NT_LAYER_ATTRS,
};

const struct nt_op nt_op_tiled_conv2d = {
    .name = "tiled_conv2d",
    .summary = "tiled convolution: output position (i, j) has kernel and bias number "
               "(i mod t0) t1 + j mod t1 of t0 x t1",
    .shapes = "x N,C,H,W, weight t0*t1,K,C/groups,R,S, bias t0*t1,K; result N,K,OH,OW",
    .source = "Le et al., Tiled convolutional neural networks, NIPS 2010; Goodfellow, Bengio & "
              "Courville, Deep Learning, section 9.5",
    .inputs = "x weight? bias?",
    .outputs = 1,
    .attrs = attrs,
    .attr_count = sizeof attrs / sizeof *attrs,
    .layouts = "lra>l",
    .parameters = parameters,
    .infer = infer,
    .gradient = gradient,
    .lower = lower,
    .epilogue = true,
    .macs = macs,
};

const struct nt_op nt_op_tiled_conv2d_backward_data = {
    .name = "tiled_conv2d_backward_data",
    .summary = "gradient of tiled_conv2d by x",
    .inputs = "dy weight",
    .outputs = 1,
    .attrs = nt_convolution_pass_attrs,
    .attr_count = NT_CONVOLUTION_PASS_ATTRS,
    .internal = true,
    .layouts = "lr>l",
    .infer = nt_layer_infer_later,
    .lower = lower_backward_data,
};

const struct nt_op nt_op_tiled_conv2d_backward_weight = {
    .name = "tiled_conv2d_backward_weight",
    .summary = "gradient of tiled_conv2d by its weight",
    .inputs = "x dy",
    .outputs = 1,
    .attrs = nt_convolution_pass_attrs,
    .attr_count = NT_CONVOLUTION_PASS_ATTRS,
    .internal = true,
    .layouts = "ll>r",
    .infer = nt_layer_infer_later,
    .lower = lower_backward_weight,
};

const struct nt_op nt_op_tiled_conv2d_backward_bias = {
    .name = "tiled_conv2d_backward_bias",
    .summary = "gradient of tiled_conv2d by its bias",
    .inputs = "dy",
    .outputs = 1,
    .attrs = nt_convolution_pass_attrs,
    .attr_count = NT_CONVOLUTION_PASS_ATTRS,
    .internal = true,
    .layouts = "l>r",
    .infer = nt_layer_infer_later,
    .lower = lower_backward_bias,
};
