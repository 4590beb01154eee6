/* SPDX-License-Identifier: MIT
 *
 * Windows: convolution and pooling.
 */
#include <stdio.h>
#include <string.h>

#include "frontend/onnx/table.h"

/* The attributes that all windows have, for `rank` spatial dimensions. */
struct window {
    int rank;
    int64_t kernel[NT_MAX_INTS], stride[NT_MAX_INTS], dilation[NT_MAX_INTS], pads[NT_MAX_INTS];
    int auto_pad; /* NOTSET, SAME_UPPER, SAME_LOWER, VALID */
};

static enum nt_status take_list(
    struct nt_onnx_node *node, const char *name, int rank, int64_t fallback, int64_t *list)
{
    int count = nt_onnx_ints(node, name, list);
    if (count >= 0 && count != rank)
        return nt_onnx_fail(node, NT_ERR_FORMAT, "%s: %d numbers: must be %d", name, count, rank);
    for (int i = 0; i < rank; i++) {
        if (count < 0)
            list[i] = fallback;
        if (list[i] < 0 || list[i] > INT32_MAX)
            return nt_onnx_fail(node, NT_ERR_UNSUPPORTED, "%s %lld: must be from 0 to 2147483647",
                name, (long long)list[i]);
    }
    return NT_OK;
}

/* kernel: extents of the weight, NULL for pooling. */
static enum nt_status take_window(
    struct nt_onnx_node *node, const struct nt_shape *x, const int64_t *kernel, struct window *w)
{
    *w = (struct window){.rank = x->rank - 2};
    if (w->rank < 1 || w->rank > 3)
        return nt_onnx_fail(
            node, NT_ERR_UNSUPPORTED, "input of rank %d: must be 3, 4 or 5", x->rank);
    enum nt_status status = take_list(node, "kernel_shape", w->rank, 0, w->kernel);
    if (status == NT_OK)
        status = take_list(node, "strides", w->rank, 1, w->stride);
    if (status == NT_OK)
        status = take_list(node, "dilations", w->rank, 1, w->dilation);
    if (status == NT_OK)
        status = take_list(node, "pads", 2 * w->rank, 0, w->pads);
    if (status == NT_OK)
        status = nt_onnx_choice(
            node, "auto_pad", "NOTSET", "NOTSET|SAME_UPPER|SAME_LOWER|VALID", &w->auto_pad);
    for (int i = 0; status == NT_OK && kernel && i < w->rank; i++) {
        if (nt_onnx_attr(node, "kernel_shape") && w->kernel[i] != kernel[i])
            status = nt_onnx_fail(node, NT_ERR_SHAPE, "kernel_shape: is not the weight's");
        w->kernel[i] = kernel[i];
    }
    for (int i = 0; status == NT_OK && i < w->rank; i++)
        if (w->stride[i] < 1 || w->dilation[i] < 1 || w->kernel[i] < 1)
            status = nt_onnx_fail(
                node, NT_ERR_FORMAT, "kernel, strides and dilations: must be at least 1");
    return status;
}

/* SAME: as many windows as the stride leaves of the extent; an odd element goes to one end. */
static void same_padding(const struct nt_shape *x, struct window *w)
{
    for (int i = 0; i < w->rank; i++) {
        int64_t extent = x->dim[i + 2], outputs = (extent + w->stride[i] - 1) / w->stride[i];
        int64_t span = (w->kernel[i] - 1) * w->dilation[i] + 1;
        int64_t total = (outputs - 1) * w->stride[i] + span - extent;
        total = total > 0 ? total : 0;
        w->pads[i] = w->auto_pad == 1 ? total / 2 : total - total / 2;
        w->pads[w->rank + i] = total - w->pads[i];
    }
}

static struct nt_onnx_call begin(const char *family, const struct window *w)
{
    char name[32];
    snprintf(name, sizeof name, "%s%dd", family, w->rank);
    struct nt_onnx_call call = nt_onnx_begin(name);
    nt_onnx_numbers_of(&call, "kernel", w->rank, w->kernel);
    nt_onnx_numbers_of(&call, "stride", w->rank, w->stride);
    nt_onnx_numbers_of(&call, "padding", 2 * w->rank, w->pads);
    nt_onnx_numbers_of(&call, "dilation", w->rank, w->dilation);
    return call;
}

static enum nt_status operands(struct nt_onnx_node *node, int *in, struct window *w)
{
    in[2] = -1;
    for (int i = 0; i < 3; i++)
        if ((i < 2 || nt_onnx_has(node, i)) && (in[i] = nt_onnx_in(node, i)) < 0)
            return node->graph->failure;
    const struct nt_shape *x = &node->graph->value[in[0]].shape;
    const struct nt_shape *weight = &node->graph->value[in[1]].shape;
    if (weight->rank != x->rank)
        return nt_onnx_fail(node, NT_ERR_SHAPE, "weight of rank %d: must be that of the input, %d",
            weight->rank, x->rank);
    return take_window(node, x, weight->dim + 2, w);
}

enum nt_status nt_onnx_conv(struct nt_onnx_node *node)
{
    int in[3];
    struct window w;
    enum nt_status status = operands(node, in, &w);
    if (status != NT_OK)
        return status;
    if (w.auto_pad == 1 || w.auto_pad == 2)
        same_padding(&node->graph->value[in[0]].shape, &w);
    struct nt_onnx_call call = begin("conv", &w);
    nt_onnx_number(&call, "channels", (double)node->graph->value[in[1]].shape.dim[0]);
    nt_onnx_number(&call, "groups", (double)nt_onnx_int(node, "group", 1));
    nt_onnx_number(&call, "bias", in[2] >= 0);
    return nt_onnx_out(node, 0, nt_onnx_add(node, &call, in[2] >= 0 ? 3 : 2, in));
}

/* The padding that gives the shape wanted: of output_shape, or stride times the input. */
static enum nt_status transposed_padding(
    struct nt_onnx_node *node, const struct nt_shape *x, struct window *w, int64_t *more)
{
    int64_t wanted[NT_MAX_INTS];
    int count = nt_onnx_ints(node, "output_shape", wanted);
    if (count == w->rank + 2)
        memmove(wanted, wanted + 2, (size_t)w->rank * sizeof *wanted);
    else if (count >= 0 && count != w->rank)
        return nt_onnx_fail(node, NT_ERR_FORMAT, "output_shape: must have %d numbers", w->rank);
    for (int i = 0; i < w->rank; i++) {
        if (count < 0 && w->auto_pad != 1 && w->auto_pad != 2)
            continue;
        int64_t target = count >= 0 ? wanted[i] : x->dim[i + 2] * w->stride[i];
        int64_t total = w->stride[i] * (x->dim[i + 2] - 1) + more[i] +
                        (w->kernel[i] - 1) * w->dilation[i] + 1 - target;
        if (total < 0) { /* rows more after the output */
            more[i] -= total;
            total = 0;
        }
        int64_t small = total / 2;
        w->pads[i] = w->auto_pad == 1 ? small : total - small;
        w->pads[w->rank + i] = total - w->pads[i];
    }
    return NT_OK;
}

enum nt_status nt_onnx_conv_transpose(struct nt_onnx_node *node)
{
    int in[3];
    int64_t more[NT_MAX_INTS], groups = nt_onnx_int(node, "group", 1);
    struct window w;
    enum nt_status status = operands(node, in, &w);
    if (status == NT_OK)
        status = take_list(node, "output_padding", w.rank, 0, more);
    if (status == NT_OK)
        status = transposed_padding(node, &node->graph->value[in[0]].shape, &w, more);
    if (status != NT_OK)
        return status;
    struct nt_onnx_call call = begin("conv_transpose", &w);
    nt_onnx_number(&call, "channels", (double)(node->graph->value[in[1]].shape.dim[1] * groups));
    nt_onnx_number(&call, "groups", (double)groups);
    nt_onnx_number(&call, "bias", in[2] >= 0);
    nt_onnx_numbers_of(&call, "output_padding", w.rank, more);
    return nt_onnx_out(node, 0, nt_onnx_add(node, &call, in[2] >= 0 ? 3 : 2, in));
}

/* MaxPool, AveragePool, LpPool. */
enum nt_status nt_onnx_pool(struct nt_onnx_node *node)
{
    int x = nt_onnx_as(node, nt_onnx_in(node, 0), NT_F32), outputs[NT_MAX_OUTPUTS] = {-1, -1};
    bool columns = nt_onnx_wants(node, 1) && nt_onnx_int(node, "storage_order", 0) != 0;
    struct window w;
    if (x < 0)
        return node->graph->failure;
    struct nt_shape shape = node->graph->value[x].shape;
    enum nt_status status = take_window(node, &shape, NULL, &w);
    if (status != NT_OK)
        return status;
    if (w.auto_pad == 1 || w.auto_pad == 2)
        same_padding(&shape, &w);
    struct nt_onnx_call call = begin(node->rule->op, &w);
    nt_onnx_number(&call, "ceil_mode", nt_onnx_int(node, "ceil_mode", 0) != 0);
    if (nt_attr_index(call.op, "count_include_pad") >= 0)
        nt_onnx_number(&call, "count_include_pad", nt_onnx_int(node, "count_include_pad", 0) != 0);
    if (nt_attr_index(call.op, "norm_type") >= 0)
        nt_onnx_number(&call, "norm_type", (double)nt_onnx_int(node, "p", 2));
    if (columns && w.rank != 2)
        return nt_onnx_fail(
            node, NT_ERR_UNSUPPORTED, "storage_order 1: is offered in two dimensions");
    status = nt_onnx_add_many(node, &call, 1, &x, outputs);
    if (status == NT_OK)
        status = nt_onnx_out(node, 0, outputs[0]);
    if (status != NT_OK || !nt_onnx_wants(node, 1))
        return status;
    if (columns) { /* h W + w becomes w H + h */
        const int in[] = {outputs[1], nt_onnx_constant(node, (double)shape.dim[3]),
            nt_onnx_constant(node, (double)shape.dim[2])};
        outputs[1] = nt_graph_integer_formula(node->graph, "fmod(a, b) * c + a / b", 3, in);
    }
    /* Ours count within a channel, theirs in the whole tensor. */
    int64_t plane = nt_onnx_host_count(&(struct nt_shape){w.rank,
        {shape.dim[2], shape.rank > 3 ? shape.dim[3] : 1, shape.rank > 4 ? shape.dim[4] : 1}});
    struct nt_shape channels = {.rank = shape.rank};
    for (int i = 0; i < shape.rank; i++)
        channels.dim[i] = i < 2 ? shape.dim[i] : 1;
    int channel = nt_graph_index(node->graph, &channels, 0);
    int factor = nt_onnx_constant(node, (double)plane);
    return nt_onnx_out_type(node, 1,
        nt_onnx_formula(node, "a + number(b) * c", 3, (int[]){outputs[1], channel, factor}),
        NT_ONNX_INT64);
}

enum nt_status nt_onnx_global_pool(struct nt_onnx_node *node)
{
    int x = nt_onnx_in(node, 0);
    int64_t axes[NT_MAX_RANK];
    if (x < 0)
        return node->graph->failure;
    int rank = node->graph->value[x].shape.rank;
    if (rank < 3)
        return nt_onnx_fail(node, NT_ERR_SHAPE, "input of rank %d: must be at least 3", rank);
    if (nt_onnx_int(node, "p", 2) != 2)
        return nt_onnx_fail(node, NT_ERR_UNSUPPORTED, "p: must be 2");
    for (int i = 2; i < rank; i++)
        axes[i - 2] = i;
    struct nt_onnx_call call = nt_onnx_begin(node->rule->op);
    nt_onnx_numbers_of(&call, "axes", rank - 2, axes);
    nt_onnx_number(&call, "keepdims", 1);
    return nt_onnx_out(node, 0, nt_onnx_add(node, &call, 1, &x));
}
