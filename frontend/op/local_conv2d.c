/* SPDX-License-Identifier: MIT
 *
 * A convolution whose kernels are not shared: one set per output position. Each position is a
 * matrix product of its own, so all passes are a batch of them, between the patches of x, as
 * [position][image][C x R x S], and the weights.
 */
#include "frontend/op/convolution.h"

static enum nt_status shapes(struct nt_graph *graph, const struct nt_node *node,
    const struct nt_shape *x, struct nt_shape *weight, struct nt_shape *bias, struct nt_shape *y)
{
    const int64_t *kernel = nt_attr_ints(node, "kernel");
    enum nt_status status = nt_convolution_shape(graph, node, x, y);
    if (status != NT_OK)
        return status;
    *weight =
        (struct nt_shape){5, {y->dim[2] * y->dim[3], y->dim[1], x->dim[1], kernel[0], kernel[1]}};
    *bias = (struct nt_shape){3, {y->dim[1], y->dim[2], y->dim[3]}};
    return NT_OK;
}

static enum nt_status parameters(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape x, y, weight, bias;
    enum nt_status status = nt_convolution_check_input(graph, node, &x);
    if (status == NT_OK)
        status = shapes(graph, node, &x, &weight, &bias, &y);
    if (status != NT_OK)
        return status;
    return nt_layer_shaped_parameters(graph, node, &weight, &bias,
        nt_convolution_fan(node, x.dim[1]), nt_convolution_fan(node, y.dim[1]));
}

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape y, weight, bias, x = graph->value[node->input[0]].shape;
    enum nt_status status = shapes(graph, node, &x, &weight, &bias, &y);
    if (status == NT_OK)
        status = nt_convolution_check_parameters(graph, node, &weight, &bias);
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
        status = nt_convolution_add_pass(graph, &nt_op_local_conv2d_backward_weight, &conv, NULL, x,
            dy[0], &graph->value[w].shape, &dx[1]);
    if (status == NT_OK && node->inputs > 2 && want[2]) {
        dx[2] = nt_graph_sum_to(graph, dy[0], &graph->value[node->input[2]].shape);
        status = dx[2] < 0 ? NT_ERR_MEMORY : NT_OK;
    }
    if (status == NT_OK && want[0])
        status = nt_convolution_add_pass(graph, &nt_op_local_conv2d_backward_data, &conv, NULL,
            dy[0], w, &graph->value[x].shape, &dx[0]);
    return status;
}

/* ---- lowering ---- */

static struct nt_tensor transient(
    struct nt_tape *tape, const struct nt_shape *shape, enum nt_layout layout, const char *name)
{
    size_t bytes = (size_t)nt_shape_count(shape) * sizeof(float);
    return nt_tensor_make(
        nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, bytes, name), NT_F32, shape, layout);
}

static bool has_padding(const struct nt_conv *conv)
{
    return conv->pad_before[0] || conv->pad_before[1] || conv->pad_after[0] || conv->pad_after[1];
}

/* A picture that has room for the padding of x, and the part of it where x is. */
static struct nt_tensor padded_like(struct nt_tape *tape, const struct nt_conv *conv,
    const struct nt_tensor *x, struct nt_tensor *inner)
{
    struct nt_shape shape = x->shape;
    for (int i = 0; i < 2; i++)
        shape.dim[2 + i] += conv->pad_before[i] + conv->pad_after[i];
    struct nt_tensor padded = transient(tape, &shape, NT_CHANNELS_LAST, "padded");
    *inner = padded;
    inner->shape = x->shape;
    inner->offset +=
        conv->pad_before[0] * padded.stride[2] + conv->pad_before[1] * padded.stride[3];
    return padded;
}

/* A dimension of a view: extent, and step in elements. */
struct axis {
    int64_t extent, step;
};

static struct nt_tensor view(const struct nt_tensor *of, int rank, const struct axis *axes)
{
    struct nt_tensor tensor = *of;
    tensor.shape.rank = rank;
    for (int i = 0; i < rank; i++) {
        tensor.shape.dim[i] = axes[i].extent;
        tensor.stride[i] = axes[i].step;
    }
    return tensor;
}

/* The extents of a pass. */
struct local {
    int64_t n, c, k, h, w, r, s; /* h and w: of y */
    int64_t inner;               /* c r s */
};

static struct local extents(
    const struct nt_tensor *x, const struct nt_shape *w, const struct nt_tensor *y)
{
    struct local e = {x->shape.dim[0], x->shape.dim[1], y->shape.dim[1], y->shape.dim[2],
        y->shape.dim[3], w->dim[3], w->dim[4], w->dim[2] * w->dim[3] * w->dim[4]};
    return e;
}

/* [position][image][c r s] */
static struct nt_tensor make_patches(struct nt_tape *tape, const struct local *e)
{
    struct nt_shape shape = {3, {e->h * e->w, e->n, e->inner}};
    return transient(tape, &shape, NT_ROW_MAJOR, "patches");
}

static enum nt_status gather(struct nt_tape *tape, const struct nt_conv *conv,
    const struct nt_tensor *x, const struct local *e, struct nt_tensor *patches)
{
    struct nt_tensor inner, padded = *x;
    enum nt_status status = NT_OK;
    if (has_padding(conv)) {
        padded = padded_like(tape, conv, x, &inner);
        status = nt_fill(tape, 0, &padded);
        if (status == NT_OK)
            status = nt_move(tape, x, &inner);
    }
    *patches = make_patches(tape, e);
    int64_t row = padded.stride[2], column = padded.stride[3], taps = e->r * e->s;
    struct nt_tensor from = view(&padded, 6,
        (struct axis[]){{e->h, conv->stride[0] * row}, {e->w, conv->stride[1] * column},
            {e->n, padded.stride[0]}, {e->c, padded.stride[1]}, {e->r, conv->dilation[0] * row},
            {e->s, conv->dilation[1] * column}});
    struct nt_tensor to = view(patches, 6,
        (struct axis[]){{e->h, e->w * e->n * e->inner}, {e->w, e->n * e->inner}, {e->n, e->inner},
            {e->c, taps}, {e->r, e->s}, {e->s, 1}});
    return status == NT_OK ? nt_move(tape, &from, &to) : status;
}

static enum nt_status add(
    struct nt_tape *tape, const struct nt_tensor *a, const struct nt_tensor *b)
{
    struct nt_expr *expr = nt_expr_create();
    if (!expr)
        return nt_fail(nt_device_context(nt_tape_device(tape)), NT_ERR_MEMORY,
            "local_conv2d: host memory is exhausted");
    int sum = nt_expr_call(expr, NT_FN_add, nt_expr_input(expr, 0), nt_expr_input(expr, 1), -1);
    enum nt_status status = nt_map(tape, expr, 1, &sum, a, 2, (struct nt_tensor[]){*a, *b});
    nt_expr_destroy(expr);
    return status;
}

/* Adds each patch to where it was gathered, one tap at a time. */
static enum nt_status scatter(struct nt_tape *tape, const struct nt_conv *conv,
    const struct nt_tensor *patches, const struct local *e, const struct nt_tensor *dx)
{
    struct nt_tensor inner, padded = *dx;
    if (has_padding(conv))
        padded = padded_like(tape, conv, dx, &inner);
    enum nt_status status = nt_fill(tape, 0, &padded);
    int64_t row = padded.stride[2], column = padded.stride[3], taps = e->r * e->s;
    for (int64_t tap = 0; status == NT_OK && tap < taps; tap++) {
        struct nt_tensor to = view(&padded, 4,
            (struct axis[]){{e->n, padded.stride[0]}, {e->c, padded.stride[1]},
                {e->h, conv->stride[0] * row}, {e->w, conv->stride[1] * column}});
        struct nt_tensor from = view(patches, 4,
            (struct axis[]){{e->n, e->inner}, {e->c, taps}, {e->h, e->w * e->n * e->inner},
                {e->w, e->n * e->inner}});
        to.offset += tap / e->s * conv->dilation[0] * row + tap % e->s * conv->dilation[1] * column;
        from.offset += tap;
        status = add(tape, &to, &from);
    }
    if (status == NT_OK && has_padding(conv))
        status = nt_move(tape, &inner, dx);
    return status;
}

/* y as [position][image][k] and w as [position][k][c r s]. */
static struct nt_tensor by_position(const struct nt_tensor *y)
{
    return view(y, 3,
        (struct axis[]){{y->shape.dim[2] * y->shape.dim[3], y->stride[3]},
            {y->shape.dim[0], y->stride[0]}, {y->shape.dim[1], 1}});
}

static struct nt_tensor matrices(const struct nt_tensor *w, const struct local *e)
{
    return view(
        w, 3, (struct axis[]){{e->h * e->w, e->k * e->inner}, {e->k, e->inner}, {e->inner, 1}});
}

static struct nt_tensor transposed(const struct nt_tensor *t)
{
    return view(t, 3,
        (struct axis[]){{t->shape.dim[0], t->stride[0]}, {t->shape.dim[2], t->stride[2]},
            {t->shape.dim[1], t->stride[1]}});
}

static enum nt_status lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor w = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]), patches;
    struct nt_conv conv = nt_convolution_geometry(node, x.shape.dim + 2);
    struct local e = extents(&x, &w.shape, &y);
    enum nt_status status = gather(lowering->tape, &conv, &x, &e, &patches);
    if (status != NT_OK)
        return status;
    struct nt_tensor out = by_position(&y), kernels = matrices(&w, &e);
    kernels = transposed(&kernels);
    status = nt_gemm(lowering->tape, &patches, &kernels, &out, NULL);
    if (status == NT_OK && node->inputs > 2) {
        struct nt_tensor bias = nt_lower_tensor(lowering, node->input[2]);
        status = add(lowering->tape, &y, &bias);
    }
    return status;
}

static enum nt_status lower_backward_data(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_conv conv = nt_convolution_pass(node);
    struct nt_tensor dy = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor w = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor dx = nt_lower_tensor(lowering, node->output[0]);
    struct local e = extents(&dx, &w.shape, &dy);
    struct nt_tensor out = by_position(&dy), kernels = matrices(&w, &e);
    struct nt_tensor patches = make_patches(lowering->tape, &e);
    enum nt_status status = nt_gemm(lowering->tape, &out, &kernels, &patches, NULL);
    return status == NT_OK ? scatter(lowering->tape, &conv, &patches, &e, &dx) : status;
}

static enum nt_status lower_backward_weight(
    struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_conv conv = nt_convolution_pass(node);
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor dy = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor dw = nt_lower_tensor(lowering, node->output[0]), patches;
    struct local e = extents(&x, &dw.shape, &dy);
    enum nt_status status = gather(lowering->tape, &conv, &x, &e, &patches);
    struct nt_tensor out = by_position(&dy), kernels = matrices(&dw, &e);
    out = transposed(&out);
    return status == NT_OK ? nt_gemm(lowering->tape, &out, &patches, &kernels, NULL) : status;
}

static double macs(const struct nt_graph *graph, const struct nt_node *node)
{
    return (double)nt_shape_count(&graph->value[node->input[1]].shape) *
           (double)graph->value[node->input[0]].shape.dim[0];
}

static const struct nt_attr_spec attrs[] = {NT_CONVOLUTION_ATTRS(2), NT_LAYER_ATTRS};

const struct nt_op nt_op_local_conv2d = {
    .name = "local_conv2d",
    .summary = "locally connected layer, a convolution with kernels and biases of its own at each "
               "output position: y[n,k,o] = b[k,o] + sum x[n,c,o stride - padding + i dilation] "
               "w[o,k,c,i]",
    .shapes = "x N,C,H,W, weight OH*OW,K,C,R,S, bias K,OH,OW; result N,K,OH,OW",
    .source = "LeCun, Generalization and network design strategies, 1989; Goodfellow, Bengio & "
              "Courville, Deep Learning, section 9.5",
    .inputs = "x weight? bias?",
    .outputs = 1,
    .attrs = attrs,
    .attr_count = sizeof attrs / sizeof *attrs,
    .layouts = "lrr>l",
    .parameters = parameters,
    .infer = infer,
    .gradient = gradient,
    .lower = lower,
    .macs = macs,
};

const struct nt_op nt_op_local_conv2d_backward_data = {
    .name = "local_conv2d_backward_data",
    .summary = "gradient of local_conv2d by x",
    .inputs = "dy weight",
    .outputs = 1,
    .attrs = nt_convolution_pass_attrs,
    .attr_count = NT_CONVOLUTION_PASS_ATTRS,
    .internal = true,
    .layouts = "lr>l",
    .infer = nt_layer_infer_later,
    .lower = lower_backward_data,
};

const struct nt_op nt_op_local_conv2d_backward_weight = {
    .name = "local_conv2d_backward_weight",
    .summary = "gradient of local_conv2d by its weight",
    .inputs = "x dy",
    .outputs = 1,
    .attrs = nt_convolution_pass_attrs,
    .attr_count = NT_CONVOLUTION_PASS_ATTRS,
    .internal = true,
    .layouts = "ll>r",
    .infer = nt_layer_infer_later,
    .lower = lower_backward_weight,
};
