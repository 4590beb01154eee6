/* SPDX-License-Identifier: MIT
 *
 * Parts of pictures of one size: roi_align and roi_pool, by torchvision's rules, roi_align_max by
 * ONNX's. The regions get no gradient, as there.
 */
#include "frontend/op/layer.h"

#define SIZE_AND_SCALE                                                                             \
    {"output_size", NT_ATTR_INTS, "bins along H and W", .required = true, .min = 1,                \
        .max = 1 << 12, .count = 2},                                                               \
    {                                                                                              \
        "spatial_scale", NT_ATTR_FLOAT, "elements of x per unit of the boxes",                     \
            .fallback = 1, .min = 1e-9, .max = 1e9                                                 \
    }

static const struct nt_attr_spec align_attrs[] = {
    SIZE_AND_SCALE,
    {"sampling_ratio", NT_ATTR_INT,
        "points along each side of a bin; 0 and below: as many as it has elements, rounded up",
        .fallback = -1, .min = -1, .max = 1 << 12},
    {"aligned", NT_ATTR_BOOL, "boxes are moved by half an element, which is right"},
};
static const struct nt_attr_spec pool_attrs[] = {SIZE_AND_SCALE};

static struct nt_roi align_roi(const struct nt_node *node)
{
    bool mean = node->op == &nt_op_roi_align || node->op == &nt_op_roi_align_backward;
    return (struct nt_roi){.kind = mean ? NT_ROI_ALIGN : NT_ROI_ALIGN_MAXIMUM,
        .scale = (float)nt_attr_float(node, "spatial_scale"),
        .sampling_ratio = (int)nt_attr_int(node, "sampling_ratio"),
        .aligned = nt_attr_bool(node, "aligned")};
}

static struct nt_roi pool_roi(const struct nt_node *node)
{
    return (struct nt_roi){
        .kind = NT_ROI_POOL, .scale = (float)nt_attr_float(node, "spatial_scale")};
}

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape x;
    char text[128];
    enum nt_status status = nt_layer_rank(graph, node, 0, 4, &x);
    if (status != NT_OK)
        return status;
    const struct nt_value *boxes = &graph->value[node->input[1]];
    if (boxes->dtype != NT_F32 || boxes->shape.rank != 2 || boxes->shape.dim[1] != 5)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "%s: boxes are %s of shape %s: must be float32 of shape Kx5 (index in the batch, x1, "
            "y1, x2, y2)",
            node->op->name, nt_dtype_name(boxes->dtype),
            nt_shape_text(&boxes->shape, text, sizeof text));
    const int64_t *size = nt_attr_ints(node, "output_size");
    struct nt_shape y = {4, {boxes->shape.dim[0], x.dim[1], size[0], size[1]}};
    for (int i = 0; i < node->outputs; i++)
        graph->value[node->output[i]].shape = y;
    if (node->outputs > 1)
        graph->value[node->output[1]].dtype = NT_I32;
    return NT_OK;
}

static enum nt_status align_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    if (!want[0])
        return NT_OK;
    return nt_layer_add_like(graph, &nt_op_roi_align_backward, node, 2,
        (int[]){dy[0], node->input[1]}, &graph->value[node->input[0]].shape, &dx[0]);
}

/* Of a maximum, whose index is the second output. */
static enum nt_status indexed_gradient(struct nt_graph *graph, const struct nt_node *node,
    const struct nt_op *backward, const int *dy, const bool *want, int *dx)
{
    if (!want[0] || dy[0] < 0)
        return NT_OK;
    return nt_layer_add_like(graph, backward, node, 3,
        (int[]){dy[0], node->input[1], node->output[1]}, &graph->value[node->input[0]].shape,
        &dx[0]);
}

static enum nt_status pool_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    return indexed_gradient(graph, node, &nt_op_roi_pool_backward, dy, want, dx);
}

static enum nt_status align_max_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    return indexed_gradient(graph, node, &nt_op_roi_align_max_backward, dy, want, dx);
}

static enum nt_status forward(
    struct nt_lowering *lowering, const struct nt_node *node, const struct nt_roi *roi)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor boxes = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    if (node->outputs < 2)
        return nt_roi_forward(lowering->tape, roi, &x, &boxes, &y, NULL);
    struct nt_tensor index = nt_lower_tensor(lowering, node->output[1]);
    return nt_roi_forward(lowering->tape, roi, &x, &boxes, &y, &index);
}

static enum nt_status backward(
    struct nt_lowering *lowering, const struct nt_node *node, const struct nt_roi *roi)
{
    struct nt_tensor dy = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor boxes = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor dx = nt_lower_tensor(lowering, node->output[0]);
    if (node->inputs < 3)
        return nt_roi_backward(lowering->tape, roi, &dy, &boxes, NULL, &dx);
    struct nt_tensor index = nt_lower_tensor(lowering, node->input[2]);
    return nt_roi_backward(lowering->tape, roi, &dy, &boxes, &index, &dx);
}

static enum nt_status align_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_roi roi = align_roi(node);
    return forward(lowering, node, &roi);
}

static enum nt_status pool_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_roi roi = pool_roi(node);
    return forward(lowering, node, &roi);
}

static enum nt_status align_lower_backward(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_roi roi = align_roi(node);
    return backward(lowering, node, &roi);
}

static enum nt_status pool_lower_backward(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_roi roi = pool_roi(node);
    return backward(lowering, node, &roi);
}

const struct nt_op nt_op_roi_align = {
    .name = "roi_align",
    .summary = "each box (index in the batch, x1, y1, x2, y2) of x as output_size bins, each the "
               "mean of points taken bilinearly; zeros where the index is outside the batch",
    .shapes = "x N,C,H,W, boxes K,5; result K,C,output_size",
    .source = "He, Gkioxari, Dollar & Girshick, Mask R-CNN, ICCV 2017",
    .inputs = "x boxes",
    .outputs = 1,
    .attrs = align_attrs,
    .attr_count = sizeof align_attrs / sizeof *align_attrs,
    .layouts = "lr>l",
    .infer = infer,
    .gradient = align_gradient,
    .lower = align_lower,
};

const struct nt_op nt_op_roi_align_backward = {
    .name = "roi_align_backward",
    .summary = "gradient of roi_align by x",
    .inputs = "dy boxes",
    .outputs = 1,
    .attrs = align_attrs,
    .attr_count = sizeof align_attrs / sizeof *align_attrs,
    .internal = true,
    .layouts = "lr>l",
    .infer = nt_layer_infer_later,
    .lower = align_lower_backward,
};

const struct nt_op nt_op_roi_align_max = {
    .name = "roi_align_max",
    .summary = "each box (index in the batch, x1, y1, x2, y2) of x as output_size bins, each the "
               "largest of the elements beside roi_align's points, every one multiplied by its "
               "bilinear weight; zeros where the index is outside the batch",
    .shapes = "x N,C,H,W, boxes K,5; both results K,C,output_size",
    .source = "ONNX, RoiAlign, mode max",
    .inputs = "x boxes",
    .outputs = 2, /* the second tells which element each maximum is, for the gradient */
    .attrs = align_attrs,
    .attr_count = sizeof align_attrs / sizeof *align_attrs,
    .layouts = "lr>l",
    .infer = infer,
    .gradient = align_max_gradient,
    .lower = align_lower,
};

const struct nt_op nt_op_roi_align_max_backward = {
    .name = "roi_align_max_backward",
    .summary = "gradient of roi_align_max by x",
    .inputs = "dy boxes index",
    .outputs = 1,
    .attrs = align_attrs,
    .attr_count = sizeof align_attrs / sizeof *align_attrs,
    .internal = true,
    .layouts = "lrl>l",
    .infer = nt_layer_infer_later,
    .lower = align_lower_backward,
};

const struct nt_op nt_op_roi_pool = {
    .name = "roi_pool",
    .summary = "each box (index in the batch, x1, y1, x2, y2) of x as output_size bins, each its "
               "largest element; zeros where the index is outside the batch",
    .shapes = "x N,C,H,W, boxes K,5; both results K,C,output_size",
    .source = "Girshick, Fast R-CNN, ICCV 2015",
    .inputs = "x boxes",
    .outputs = 2, /* the second is the index of each maximum, for the gradient */
    .attrs = pool_attrs,
    .attr_count = sizeof pool_attrs / sizeof *pool_attrs,
    .layouts = "lr>l",
    .infer = infer,
    .gradient = pool_gradient,
    .lower = pool_lower,
};

const struct nt_op nt_op_roi_pool_backward = {
    .name = "roi_pool_backward",
    .summary = "gradient of roi_pool by x",
    .inputs = "dy boxes index",
    .outputs = 1,
    .attrs = pool_attrs,
    .attr_count = sizeof pool_attrs / sizeof *pool_attrs,
    .internal = true,
    .layouts = "lrl>l",
    .infer = nt_layer_infer_later,
    .lower = pool_lower_backward,
};
