/* SPDX-License-Identifier: MIT
 *
 * Parts of pictures, and pictures from parts.
 */
#include <string.h>

#include "frontend/onnx/table.h"
#include "frontend/op/compose.h"

/* ---- MaxUnpool ---- */

/* The extents that the pooling's attributes give, and the wanted ones; the rest is zeros. */
static enum nt_status unpooled(struct nt_onnx_node *node, const struct nt_shape *x, int64_t *kernel,
    int64_t *extent, int64_t *wanted)
{
    int64_t stride[NT_MAX_INTS], pads[NT_MAX_INTS], list[NT_MAX_INTS];
    int dims = x->rank - 2, count, steps = nt_onnx_ints(node, "strides", stride);
    int borders = nt_onnx_ints(node, "pads", pads);
    if (dims < 1 || dims > 3 || nt_onnx_ints(node, "kernel_shape", kernel) != dims ||
        (steps >= 0 && steps != dims) || (borders >= 0 && borders != 2 * dims))
        return nt_onnx_fail(node, NT_ERR_SHAPE,
            "kernel_shape, strides, pads: must be one, one and two for each of 1 to 3 dimensions");
    enum nt_status status = nt_onnx_integers(node, 2, list, &count);
    if (status == NT_OK && count >= 0 && count != x->rank)
        status = nt_onnx_fail(node, NT_ERR_SHAPE, "output_shape: must have %d extents", x->rank);
    for (int i = 0; status == NT_OK && i < dims; i++) {
        bool large = kernel[i] > 1 << 16 || (steps >= 0 && (stride[i] < 1 || stride[i] > 1 << 16));
        for (int side = 0; borders >= 0 && side < 2; side++)
            large = large || pads[side * dims + i] < 0 || pads[side * dims + i] > 1 << 16;
        if (large)
            return nt_onnx_fail(
                node, NT_ERR_UNSUPPORTED, "kernel_shape, strides, pads: must be at most 65536");
        int64_t border = borders < 0 ? 0 : pads[i] + pads[dims + i];
        extent[i] = (x->dim[2 + i] - 1) * (steps < 0 ? 1 : stride[i]) + kernel[i] - border;
        wanted[i] = count < 0 ? extent[i] : list[2 + i];
        if (kernel[i] < 1 || extent[i] < 1 || wanted[i] < extent[i] || wanted[i] > 1 << 20)
            status =
                nt_onnx_fail(node, NT_ERR_SHAPE, "dimension %d of %lld: must be from %lld to 2^20",
                    2 + i, (long long)wanted[i], (long long)extent[i]);
    }
    return status;
}

enum nt_status nt_onnx_max_unpool(struct nt_onnx_node *node)
{
    static const char *const names[] = {"max_unpool1d", "max_unpool2d", "max_unpool3d"};
    int64_t kernel[NT_MAX_INTS], extent[NT_MAX_INTS], wanted[NT_MAX_INTS], plane = 1;
    int64_t none[3] = {0}, more[3] = {0}, axes[3] = {2, 3, 4};
    int x = nt_onnx_in(node, 0), index = x < 0 ? -1 : nt_onnx_in_int(node, 1);
    if (index < 0)
        return node->graph->failure;
    struct nt_shape shape = node->graph->value[x].shape;
    enum nt_status status = unpooled(node, &shape, kernel, extent, wanted);
    if (status != NT_OK)
        return status;
    int dims = shape.rank - 2;
    bool larger = false;
    for (int i = 0; i < dims; i++) {
        plane *= extent[i];
        more[i] = wanted[i] - extent[i];
        larger = larger || more[i] > 0;
    }
    /* Theirs count in the whole tensor, ours within a channel. */
    const int in[] = {index, nt_onnx_constant(node, (double)plane)};
    index = nt_graph_integer_formula(node->graph, "fmod(a, b)", 2, in);
    struct nt_onnx_call call = nt_onnx_begin(names[dims - 1]), pad = nt_onnx_begin("pad");
    nt_onnx_numbers_of(&call, "kernel", dims, kernel);
    nt_onnx_numbers_of(&call, "output_size", dims, extent);
    int y = nt_onnx_add(node, &call, 2, (int[]){x, index});
    nt_onnx_numbers_of(&pad, "before", dims, none);
    nt_onnx_numbers_of(&pad, "after", dims, more);
    nt_onnx_numbers_of(&pad, "axes", dims, axes);
    return nt_onnx_out(node, 0, larger ? nt_onnx_add(node, &pad, 1, &y) : y);
}

/* ---- regions ---- */

enum nt_status nt_onnx_roi_align(struct nt_onnx_node *node)
{
    int maximum, place = 1, in[3], out[NT_MAX_OUTPUTS];
    for (int i = 0; i < 3; i++)
        if ((in[i] = nt_onnx_in(node, i)) < 0)
            return node->graph->failure;
    enum nt_status status = nt_onnx_choice(node, "mode", "avg", "avg|max", &maximum);
    if (status == NT_OK && node->opset >= 16)
        status = nt_onnx_choice(node, "coordinate_transformation_mode", "half_pixel",
            "half_pixel|output_half_pixel", &place);
    if (status != NT_OK)
        return status;
    struct nt_shape regions = node->graph->value[in[1]].shape;
    if (regions.rank != 2 || regions.dim[1] != 4)
        return nt_onnx_fail(node, NT_ERR_SHAPE, "rois: must be K by 4");
    struct nt_shape column = {2, {regions.dim[0], 1}};
    int picture = nt_onnx_reshape(node, nt_onnx_as(node, in[2], NT_F32), &column);
    int boxes = nt_compose_concat(node->graph, 2, (int[]){picture, in[1]}, 1);
    struct nt_onnx_call call = nt_onnx_begin(maximum ? "roi_align_max" : "roi_align");
    const int64_t size[] = {
        nt_onnx_int(node, "output_height", 1), nt_onnx_int(node, "output_width", 1)};
    int64_t samples = nt_onnx_int(node, "sampling_ratio", 0);
    nt_onnx_numbers_of(&call, "output_size", 2, size);
    nt_onnx_number(&call, "spatial_scale", nt_onnx_float(node, "spatial_scale", 1));
    nt_onnx_number(&call, "sampling_ratio", samples > 0 ? (double)samples : -1);
    nt_onnx_number(&call, "aligned", place == 0);
    status = nt_onnx_add_many(node, &call, 2, (int[]){in[0], boxes}, out);
    return status == NT_OK ? nt_onnx_out(node, 0, out[0]) : status;
}

/* Rounded outwards, as Fast R-CNN: rois are K by 5, the picture first. */
enum nt_status nt_onnx_max_roi_pool(struct nt_onnx_node *node)
{
    int64_t size[NT_MAX_INTS];
    int x = nt_onnx_in(node, 0), boxes = x < 0 ? -1 : nt_onnx_in(node, 1);
    int outputs[NT_MAX_OUTPUTS];
    if (nt_onnx_ints(node, "pooled_shape", size) != 2)
        return nt_onnx_fail(node, NT_ERR_FORMAT, "pooled_shape: must be two numbers");
    struct nt_onnx_call call = nt_onnx_begin("roi_pool");
    nt_onnx_numbers_of(&call, "output_size", 2, size);
    nt_onnx_number(&call, "spatial_scale", nt_onnx_float(node, "spatial_scale", 1));
    enum nt_status status = nt_onnx_add_many(node, &call, 2, (int[]){x, boxes}, outputs);
    return status == NT_OK ? nt_onnx_out(node, 0, outputs[0]) : status;
}

/* ---- Col2Im: each column's elements added where they were taken from ---- */

struct blocks {
    int dims;
    int64_t picture[NT_MAX_INTS], block[NT_MAX_INTS], stride[NT_MAX_INTS];
    int64_t dilation[NT_MAX_INTS], pads[NT_MAX_INTS], steps[NT_MAX_RANK];
    int64_t taps, places; /* of a block; blocks */
};

static enum nt_status take_blocks(struct nt_onnx_node *node, struct blocks *b)
{
    int count;
    enum nt_status status = nt_onnx_integers(node, 1, b->picture, &b->dims);
    if (status == NT_OK)
        status = nt_onnx_integers(node, 2, b->block, &count);
    if (status != NT_OK)
        return status;
    int strides = nt_onnx_ints(node, "strides", b->stride);
    int dilations = nt_onnx_ints(node, "dilations", b->dilation);
    int pads = nt_onnx_ints(node, "pads", b->pads);
    if (b->dims < 1 || b->dims > NT_MAX_RANK - 2 || count != b->dims ||
        (strides >= 0 && strides != b->dims) || (dilations >= 0 && dilations != b->dims) ||
        (pads >= 0 && pads != 2 * b->dims))
        return nt_onnx_fail(node, NT_ERR_SHAPE,
            "image_shape, block_shape, strides, dilations, pads: must have as many dimensions");
    b->taps = b->places = 1;
    for (int i = 0; i < b->dims; i++) {
        b->stride[i] = strides < 0 ? 1 : b->stride[i];
        b->dilation[i] = dilations < 0 ? 1 : b->dilation[i];
        for (int side = 0; pads < 0 && side < 2; side++)
            b->pads[side * b->dims + i] = 0;
        int64_t room = b->picture[i] + b->pads[i] + b->pads[b->dims + i] -
                       b->dilation[i] * (b->block[i] - 1) - 1;
        if (b->picture[i] < 1 || b->block[i] < 1 || b->stride[i] < 1 || b->dilation[i] < 1 ||
            b->picture[i] > 1 << 24 || b->block[i] > 1 << 16 || room < 0)
            return nt_onnx_fail(node, NT_ERR_SHAPE, "dimension %d: no block fits in", i);
        b->steps[i] = room / b->stride[i] + 1;
        b->taps *= b->block[i];
        b->places *= b->steps[i];
        if ((double)b->taps * (double)b->places > NT_ONNX_HOST_MOST)
            return nt_onnx_fail(node, NT_ERR_UNSUPPORTED, "blocks: are too many");
    }
    return NT_OK;
}

/* Where tap `tap` of block `place` lies in the picture, -1: in the border. */
static int64_t place_of(const struct blocks *b, int64_t tap, int64_t place)
{
    int64_t index = 0, scale = 1;
    for (int i = b->dims - 1; i >= 0; i--) {
        int64_t at =
            place % b->steps[i] * b->stride[i] + tap % b->block[i] * b->dilation[i] - b->pads[i];
        if (at < 0 || at >= b->picture[i])
            return -1;
        index += at * scale;
        scale *= b->picture[i];
        place /= b->steps[i];
        tap /= b->block[i];
    }
    return index;
}

enum nt_status nt_onnx_col2im(struct nt_onnx_node *node)
{
    struct blocks b;
    int x = nt_onnx_in(node, 0);
    enum nt_status status = x < 0 ? node->graph->failure : take_blocks(node, &b);
    if (status != NT_OK)
        return status;
    struct nt_graph *graph = node->graph;
    struct nt_shape from = graph->value[x].shape;
    if (from.rank != 3 || from.dim[1] % b.taps != 0 || from.dim[2] != b.places)
        return nt_onnx_fail(node, NT_ERR_SHAPE, "input: must be N by a multiple of %lld by %lld",
            (long long)b.taps, (long long)b.places);
    int64_t channels = from.dim[1] / b.taps, plane = 1;
    struct nt_shape to = {.rank = b.dims + 2, .dim = {from.dim[0], channels}};
    for (int i = 0; i < b.dims; i++)
        plane *= to.dim[2 + i] = b.picture[i];
    struct nt_shape columns = {3, {from.dim[0], channels, b.taps * b.places}};
    struct nt_shape flat = {3, {from.dim[0], channels, plane + 1}};
    struct nt_onnx_host *index =
        nt_onnx_host_create(graph, NT_ONNX_INT64, &(struct nt_shape){3, {1, 1, b.taps * b.places}});
    for (size_t i = 0; index && i < index->count; i++) {
        int64_t at = place_of(&b, (int64_t)i / b.places, (int64_t)i % b.places);
        index->data[i] = (double)(at < 0 ? plane : at); /* the border's go to an element more */
    }
    int where = nt_onnx_constants(node, "index", index);
    where = where < 0 ? -1 : nt_compose_broadcast(graph, where, &columns);
    struct nt_onnx_call call = nt_onnx_begin("scatter_add");
    nt_onnx_number(&call, "axis", 2);
    const int in[] = {
        nt_graph_constant(graph, 0, &flat), where, nt_onnx_reshape(node, x, &columns)};
    int y = nt_onnx_add(node, &call, 3, in);
    y = nt_compose_slice(graph, y, 2, 0, plane, 1);
    return nt_onnx_out(node, 0, y < 0 ? -1 : nt_onnx_reshape(node, y, &to));
}

/* ---- CenterCropPad ---- */

enum nt_status nt_onnx_center_crop_pad(struct nt_onnx_node *node)
{
    int64_t list[NT_MAX_INTS], axes[NT_MAX_INTS], before[NT_MAX_RANK], after[NT_MAX_RANK];
    int64_t all[NT_MAX_RANK];
    int count, x = nt_onnx_in(node, 0), axis, named = nt_onnx_ints(node, "axes", axes);
    enum nt_status status = x < 0 ? node->graph->failure : nt_onnx_integers(node, 1, list, &count);
    if (status != NT_OK)
        return status;
    struct nt_shape shape = node->graph->value[x].shape;
    if (count != (named < 0 ? shape.rank : named))
        return nt_onnx_fail(node, NT_ERR_SHAPE, "shape: must have one extent for each axis");
    for (int i = 0; i < shape.rank; i++) {
        before[i] = after[i] = 0;
        all[i] = i;
    }
    for (int i = 0; i < count; i++) {
        status = nt_onnx_axis(node, named < 0 ? i : axes[i], shape.rank, &axis);
        if (status != NT_OK)
            return status;
        int64_t more = list[i] - shape.dim[axis];
        if (list[i] < 1 || list[i] > INT32_MAX)
            return nt_onnx_fail(
                node, NT_ERR_SHAPE, "extent %lld: must be at least 1", (long long)list[i]);
        before[axis] = more / 2; /* towards zero: cropped or padded one more behind */
        after[axis] = more - more / 2;
    }
    struct nt_onnx_call call = nt_onnx_begin("pad");
    nt_onnx_numbers_of(&call, "before", shape.rank, before);
    nt_onnx_numbers_of(&call, "after", shape.rank, after);
    nt_onnx_numbers_of(&call, "axes", shape.rank, all);
    return nt_onnx_out(node, 0, shape.rank ? nt_onnx_add(node, &call, 1, &x) : x);
}
