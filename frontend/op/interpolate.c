/* SPDX-License-Identifier: MIT
 *
 * Resizing of the spatial dimensions, with PyTorch's words and those of ONNX's Resize.
 */
#include "frontend/op/layer.h"

#include <math.h>
#include <string.h>

enum { NEAREST, LINEAR, BILINEAR, TRILINEAR, CUBIC, BICUBIC, AREA, NEAREST_EXACT };

static const struct nt_attr_spec attrs[] = {
    {"size", NT_ATTR_INTS, "extents of the output", .min = 1, .max = 1 << 24, .count = 8},
    {"scale_factor", NT_ATTR_FLOATS, "extents of the output per extent of the input", .max = 1e6,
        .count = 8},
    {"mode", NT_ATTR_CHOICE,
        "how elements between those of the input are found; area: means of adaptive windows",
        .choices = "nearest|linear|bilinear|trilinear|cubic|bicubic|area|nearest-exact"},
    {"align_corners", NT_ATTR_BOOL, "the centers of corner elements stay corners"},
    {"recompute_scale_factor", NT_ATTR_BOOL,
        "the scale is the quotient of the extents, not scale_factor"},
    {"coordinates", NT_ATTR_CHOICE,
        "which place of the input is element o of the output: ONNX's "
        "coordinate_transformation_mode; default: as mode and align_corners say",
        .choices = "default|half_pixel|asymmetric|align_corners|pytorch_half_pixel|"
                   "half_pixel_symmetric|tf_half_pixel_for_nn"},
    {"nearest_mode", NT_ATTR_CHOICE, "rounding of mode nearest",
        .choices = "floor|ceil|round_prefer_floor|round_prefer_ceil"},
    {"cubic_coeff_a", NT_ATTR_FLOAT, "a of the cubic kernel", .fallback = -0.75},
    {"exclude_outside", NT_ATTR_BOOL, "what lies outside the input has no weight"},
    {"antialias", NT_ATTR_BOOL, "widen the filter where the output is smaller"},
};
enum { SIZE, SCALE_FACTOR };

static struct nt_resample resampling(const struct nt_node *node, int dims)
{
    static const enum nt_resample_coordinates coordinates[] = {NT_RESAMPLE_HALF_PIXEL,
        NT_RESAMPLE_HALF_PIXEL, NT_RESAMPLE_ASYMMETRIC, NT_RESAMPLE_ALIGN_CORNERS,
        NT_RESAMPLE_PYTORCH_HALF_PIXEL, NT_RESAMPLE_HALF_PIXEL_SYMMETRIC,
        NT_RESAMPLE_HALF_PIXEL_FOR_NN};
    int mode = (int)nt_attr_int(node, "mode"), given = (int)nt_attr_int(node, "coordinates");
    bool nearest = mode == NEAREST || mode == NEAREST_EXACT;
    bool cubic = mode == CUBIC || mode == BICUBIC;
    struct nt_resample how = {
        .filter = nearest ? NT_RESAMPLE_NEAREST
                  : cubic ? NT_RESAMPLE_CUBIC
                          : NT_RESAMPLE_LINEAR,
        .coordinates = coordinates[given],
        .rounding = (enum nt_resample_rounding)nt_attr_int(node, "nearest_mode"),
        .cubic_a = nt_attr_float(node, "cubic_coeff_a"),
        .exclude_outside = nt_attr_bool(node, "exclude_outside"),
        .antialias = nt_attr_bool(node, "antialias"),
    };
    if (given == 0 && mode == NEAREST)
        how.coordinates = NT_RESAMPLE_ASYMMETRIC;
    if (given == 0 && nt_attr_bool(node, "align_corners"))
        how.coordinates = NT_RESAMPLE_ALIGN_CORNERS;
    if (mode == NEAREST_EXACT)
        how.rounding = NT_RESAMPLE_ROUND_PREFER_CEIL;
    for (int i = 0; i < dims; i++) {
        const struct nt_attr *scale = &node->attr[SCALE_FACTOR];
        if (scale->set && !nt_attr_bool(node, "recompute_scale_factor"))
            how.scale[i] = scale->floats[scale->count == 1 ? 0 : i];
    }
    return how;
}

/* The output's extent along dimension i, 0 when neither size nor scale_factor says it. */
static int64_t extent(const struct nt_node *node, int i, int64_t in)
{
    const struct nt_attr *size = &node->attr[SIZE], *scale = &node->attr[SCALE_FACTOR];
    int64_t given = size->ints[size->count == 1 ? 0 : i];
    if (given > 0)
        return given;
    return scale->set ? (int64_t)floor((double)in * scale->floats[scale->count == 1 ? 0 : i]) : 0;
}

static enum nt_status check(struct nt_graph *graph, const struct nt_node *node, int rank)
{
    static const int ranks[] = {
        [BILINEAR] = 4, [TRILINEAR] = 5, [BICUBIC] = 4, [NEAREST_EXACT] = 0};
    const char *name = node->op->name;
    int mode = (int)nt_attr_int(node, "mode");
    bool nearest = mode == NEAREST || mode == NEAREST_EXACT || mode == AREA;
    if (rank < 3 || (ranks[mode] && ranks[mode] != rank))
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "%s: input of rank %d (with the batch): this mode needs rank %s", name, rank,
            ranks[mode] == 4   ? "4"
            : ranks[mode] == 5 ? "5"
                               : "3 to 5");
    if (nearest && (nt_attr_bool(node, "align_corners") || nt_attr_bool(node, "antialias")))
        return nt_graph_fail(graph, NT_ERR_ARGUMENT,
            "%s: align_corners and antialias: are for linear and cubic modes", name);
    for (int i = SIZE; i <= SCALE_FACTOR; i++)
        if (node->attr[i].set && node->attr[i].count != 1 && node->attr[i].count != rank - 2)
            return nt_graph_fail(graph, NT_ERR_ARGUMENT, "%s: %s: %d numbers: must be 1 or %d",
                name, attrs[i].name, node->attr[i].count, rank - 2);
    if (node->attr[SIZE].set == node->attr[SCALE_FACTOR].set)
        return nt_graph_fail(
            graph, NT_ERR_ARGUMENT, "%s: size, scale_factor: one of them must be given", name);
    return NT_OK;
}

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape y = graph->value[node->input[0]].shape;
    enum nt_status status = check(graph, node, y.rank);
    if (status != NT_OK)
        return status;
    for (int i = 0; i < y.rank - 2; i++) {
        y.dim[2 + i] = extent(node, i, y.dim[2 + i]);
        if (y.dim[2 + i] < 1)
            return nt_graph_fail(graph, NT_ERR_SHAPE,
                "%s: dimension %d of the output would be %lld: must be at least 1", node->op->name,
                2 + i, (long long)y.dim[2 + i]);
    }
    graph->value[node->output[0]].shape = y;
    return NT_OK;
}

static enum nt_status gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    struct nt_attr attr[sizeof attrs / sizeof *attrs];
    memcpy(attr, node->attr, sizeof attr);
    enum nt_status status =
        nt_graph_add(graph, &nt_op_interpolate_backward, NULL, 1, dy, attr, &dx[0]);
    if (status == NT_OK)
        graph->value[dx[0]].shape = graph->value[node->input[0]].shape;
    return status;
}

static const struct nt_pool area = {.pooling = NT_POOL_AVERAGE, .adaptive = true};

static enum nt_status lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    struct nt_resample how = resampling(node, x.shape.rank - 2);
    if (nt_attr_int(node, "mode") == AREA)
        return nt_pool_forward(lowering->tape, &area, &x, &y, NULL);
    return nt_resample(lowering->tape, &how, &x, &y);
}

static enum nt_status lower_backward(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor dy = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor dx = nt_lower_tensor(lowering, node->output[0]);
    struct nt_resample how = resampling(node, dx.shape.rank - 2);
    if (nt_attr_int(node, "mode") == AREA)
        return nt_pool_backward(lowering->tape, &area, &dy, NULL, &dx);
    return nt_resample_backward(lowering->tape, &how, &dy, &dx);
}

#define INTERPOLATE(stem)                                                                          \
    const struct nt_op nt_op_##stem = {                                                            \
        .name = #stem,                                                                             \
        .summary = "spatial dimensions resized to size, or by scale_factor",                       \
        .shapes = "x N,C and one to three spatial dimensions; result with those resized",          \
        .source = "cubic: Keys, Cubic convolution interpolation for digital image processing, "    \
                  "1981; coordinates: ONNX, operator Resize",                                      \
        .inputs = "x",                                                                             \
        .outputs = 1,                                                                              \
        .attrs = attrs,                                                                            \
        .attr_count = sizeof attrs / sizeof *attrs,                                                \
        .layouts = "l>l",                                                                          \
        .infer = infer,                                                                            \
        .gradient = gradient,                                                                      \
        .lower = lower,                                                                            \
    };

INTERPOLATE(interpolate)
INTERPOLATE(upsample)

const struct nt_op nt_op_interpolate_backward = {
    .name = "interpolate_backward",
    .summary = "gradient of interpolate",
    .inputs = "dy",
    .outputs = 1,
    .attrs = attrs,
    .attr_count = sizeof attrs / sizeof *attrs,
    .internal = true,
    .layouts = "l>l",
    .infer = nt_layer_infer_later,
    .lower = lower_backward,
};
