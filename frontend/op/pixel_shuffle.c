/* SPDX-License-Identifier: MIT
 *
 * Channels become pixels and back. Row-major, N and C as one dimension, so that five dimensions
 * hold everything: pixel_shuffle takes N*C, r, r, H, W to N*C, H, r, W, r.
 */
#include "frontend/op.h"

#include <string.h>

static const struct nt_attr_spec shuffle_attrs[] = {
    {"upscale_factor", NT_ATTR_INT, "r", .required = true, .min = 1, .max = 1 << 12},
    {"mode", NT_ATTR_CHOICE,
        "which channel goes to (i, j): crd: c r r + i r + j; dcr: (i r + j) C + c, with C channels "
        "of the output (ONNX's DepthToSpace)",
        .choices = "crd|dcr"},
};
static const struct nt_attr_spec unshuffle_attrs[] = {
    {"downscale_factor", NT_ATTR_INT, "r", .required = true, .min = 1, .max = 1 << 12},
    {"mode", NT_ATTR_CHOICE, "as pixel_shuffle's; dcr: ONNX's SpaceToDepth", .choices = "crd|dcr"},
};

static enum nt_status reshape(struct nt_graph *graph, int *value, int rank, const int64_t *dim)
{
    struct nt_attr to = {.set = true, .count = rank};
    memcpy(to.ints, dim, sizeof *dim * (size_t)rank);
    return nt_graph_add(graph, &nt_op_reshape, NULL, 1, (int[]){*value}, &to, value);
}

static enum nt_status transpose(struct nt_graph *graph, int *value, int rank, const int64_t *axes)
{
    struct nt_attr to = {.set = true, .count = rank};
    memcpy(to.ints, axes, sizeof *axes * (size_t)rank);
    return nt_graph_add(graph, &nt_op_transpose, NULL, 1, (int[]){*value}, &to, value);
}

/* Swaps the two factors a, b of the channels of N, a*b, pixels. */
static enum nt_status swap_channels(
    struct nt_graph *graph, int *value, int64_t n, int64_t a, int64_t b, int64_t pixels)
{
    enum nt_status status = reshape(graph, value, 4, (int64_t[]){n, a, b, pixels});
    return status == NT_OK ? transpose(graph, value, 4, (int64_t[]){0, 2, 1, 3}) : status;
}

static enum nt_status check(struct nt_graph *graph, struct nt_node *node, struct nt_shape *x)
{
    char text[128];
    *x = graph->value[node->input[0]].shape;
    if (x->rank == 4)
        return NT_OK;
    return nt_graph_fail(graph, NT_ERR_SHAPE,
        "%s: input of shape %s (with the batch): must have rank 4", node->op->name,
        nt_shape_text(x, text, sizeof text));
}

static enum nt_status expand_shuffle(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape x;
    int64_t r = nt_attr_int(node, "upscale_factor");
    int value = node->input[0];
    enum nt_status status = check(graph, node, &x);
    if (status != NT_OK)
        return status;
    int64_t n = x.dim[0], c = x.dim[1] / (r * r), h = x.dim[2], w = x.dim[3];
    if (x.dim[1] % (r * r))
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "pixel_shuffle: %lld channels: must be a multiple of upscale_factor squared, %lld",
            (long long)x.dim[1], (long long)(r * r));
    if (nt_attr_int(node, "mode") == 1)
        status = swap_channels(graph, &value, n, r * r, c, h * w);
    if (status == NT_OK)
        status = reshape(graph, &value, 5, (int64_t[]){n * c, r, r, h, w});
    if (status == NT_OK)
        status = transpose(graph, &value, 5, (int64_t[]){0, 3, 1, 4, 2});
    if (status == NT_OK)
        status = reshape(graph, &value, 4, (int64_t[]){n, c, h * r, w * r});
    node->output[0] = value;
    return status;
}

static enum nt_status expand_unshuffle(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape x;
    int64_t r = nt_attr_int(node, "downscale_factor");
    int value = node->input[0];
    enum nt_status status = check(graph, node, &x);
    if (status != NT_OK)
        return status;
    int64_t n = x.dim[0], c = x.dim[1], h = x.dim[2] / r, w = x.dim[3] / r;
    if (x.dim[2] % r || x.dim[3] % r)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "pixel_unshuffle: %lldx%lld pixels: must be multiples of downscale_factor %lld",
            (long long)x.dim[2], (long long)x.dim[3], (long long)r);
    status = reshape(graph, &value, 5, (int64_t[]){n * c, h, r, w, r});
    if (status == NT_OK)
        status = transpose(graph, &value, 5, (int64_t[]){0, 2, 4, 1, 3});
    if (status == NT_OK && nt_attr_int(node, "mode") == 1)
        status = swap_channels(graph, &value, n, c, r * r, h * w);
    if (status == NT_OK)
        status = reshape(graph, &value, 4, (int64_t[]){n, c * r * r, h, w});
    node->output[0] = value;
    return status;
}

const struct nt_op nt_op_pixel_shuffle = {
    .name = "pixel_shuffle",
    .summary = "N, C r r, H, W to N, C, H r, W r: channels become pixels",
    .source = "Shi et al., Real-time single image and video super-resolution using an efficient "
              "sub-pixel convolutional neural network, CVPR 2016",
    .shapes = "x N,C r r,H,W; result N,C,H r,W r",
    .inputs = "x",
    .outputs = 1,
    .attrs = shuffle_attrs,
    .attr_count = sizeof shuffle_attrs / sizeof *shuffle_attrs,
    .layouts = "r>r",
    .expand = expand_shuffle,
};

const struct nt_op nt_op_pixel_unshuffle = {
    .name = "pixel_unshuffle",
    .summary = "N, C, H r, W r to N, C r r, H, W: pixels become channels",
    .shapes = "x N,C,H r,W r; result N,C r r,H,W",
    .inputs = "x",
    .outputs = 1,
    .attrs = unshuffle_attrs,
    .attr_count = sizeof unshuffle_attrs / sizeof *unshuffle_attrs,
    .layouts = "r>r",
    .expand = expand_unshuffle,
};
