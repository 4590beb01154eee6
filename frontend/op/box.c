/* SPDX-License-Identifier: MIT
 *
 * Boxes for detection: x1, y1, x2, y2 (left, top, right, bottom) along the last dimension.
 */
#include <math.h>
#include <string.h>

#include "frontend/op/compose.h"

enum { X1, Y1, X2, Y2 };

/* ---- arange ---- */

static const struct nt_attr_spec arange_attrs[] = {
    {"count", NT_ATTR_INT, "how many numbers", .required = true, .min = 1, .max = 1 << 24},
    {"first", NT_ATTR_FLOAT, "the first one"},
    {"step", NT_ATTR_FLOAT, "from one to the next", .fallback = 1},
};

static enum nt_status arange_expand(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape shape = {1, {nt_attr_int(node, "count")}};
    struct nt_expr *expr = nt_expr_create();
    int index = nt_graph_index(graph, &shape, 0);
    if (!expr || index < 0) {
        nt_expr_destroy(expr);
        return nt_graph_fail(graph, NT_ERR_MEMORY, "arange: host memory is exhausted");
    }
    int number = nt_expr_call(expr, NT_FN_number, nt_expr_input(expr, 0), -1, -1);
    int step = nt_expr_constant(expr, nt_attr_float(node, "step"));
    int first = nt_expr_constant(expr, nt_attr_float(node, "first"));
    int scaled = nt_expr_call(expr, NT_FN_mul, number, step, -1);
    int term = nt_expr_call(expr, NT_FN_add, scaled, first, -1);
    return nt_compose_end(graph, node, nt_graph_map(graph, expr, term, 1, &index));
}

const struct nt_op nt_op_arange = {
    .name = "arange",
    .summary = "first, first + step, ...: numbers that are computed where they are used",
    .inputs = "",
    .outputs = 1,
    .attrs = arange_attrs,
    .attr_count = sizeof arange_attrs / sizeof *arange_attrs,
    .expand = arange_expand,
};

/* ---- anchors ---- */

static const struct nt_attr_spec anchors_attrs[] = {
    {"height", NT_ATTR_INT, "rows of the grid", .required = true, .min = 1, .max = 1 << 14},
    {"width", NT_ATTR_INT, "columns of the grid", .required = true, .min = 1, .max = 1 << 14},
    {"stride", NT_ATTR_FLOAT, "pixels from a place of the grid to the next", .required = true,
        .min = 1e-3, .max = 1e6},
    {"sizes", NT_ATTR_FLOATS, "square root of a box's area", .required = true, .min = 1e-3,
        .max = 1e6, .count = 8},
    {"ratios", NT_ATTR_FLOATS, "height over width; each with each size", .fallback = 1, .min = 1e-3,
        .max = 1e3, .count = 8},
    {"offset", NT_ATTR_FLOAT, "where the first boxes are centred, in strides"},
    {"round", NT_ATTR_BOOL, "half the sides to whole pixels, as torchvision does", .fallback = 1},
};

/* Half the height (odd coordinates) and half the width of each kind of box, by its number. */
static int half_sides(struct nt_graph *graph, const struct nt_node *node, int *kinds)
{
    const struct nt_attr *sizes = &node->attr[nt_attr_index(node->op, "sizes")];
    const struct nt_attr *ratios = &node->attr[nt_attr_index(node->op, "ratios")];
    int ratio_count = ratios->set ? ratios->count : 1;
    *kinds = ratio_count * sizes->count;
    struct nt_shape shape = {2, {*kinds, 4}};
    struct nt_expr *expr = nt_expr_create();
    int index = nt_graph_index(graph, &shape, 0);
    if (!expr || index < 0) {
        nt_expr_destroy(expr);
        nt_graph_fail(graph, NT_ERR_MEMORY, "anchors: host memory is exhausted");
        return -1;
    }
    int number = nt_expr_call(expr, NT_FN_number, nt_expr_input(expr, 0), -1, -1);
    int term = nt_expr_constant(expr, 0);
    for (int k = 0; k < *kinds; k++) {
        double size = sizes->floats[k % sizes->count];
        double ratio = ratios->set ? ratios->floats[k / sizes->count] : 1;
        double half[2] = {size / sqrt(ratio) / 2, size * sqrt(ratio) / 2};
        for (int c = 0; c < 4; c++) {
            double side = (c < X2 ? -1 : 1) * half[c % 2];
            if (nt_attr_bool(node, "round"))
                side = rint(side);
            int here = nt_expr_call(expr, NT_FN_eq, number, nt_expr_constant(expr, 4 * k + c), -1);
            term = nt_expr_call(expr, NT_FN_select, here, nt_expr_constant(expr, side), term);
        }
    }
    return nt_graph_map(graph, expr, term, 1, &index);
}

/* The centre of each place: an expression over its row (odd coordinates) or column. */
static int centres(
    struct nt_graph *graph, const struct nt_node *node, int64_t height, int64_t width)
{
    struct nt_shape rows = {4, {height, 1, 1, 1}}, columns = {4, {1, width, 1, 1}};
    struct nt_shape corners = {1, {4}};
    struct nt_expr *expr = nt_expr_create();
    int in[3] = {nt_graph_index(graph, &rows, 0), nt_graph_index(graph, &columns, 0),
        nt_graph_index(graph, &corners, 0)};
    if (!expr || in[0] < 0 || in[1] < 0 || in[2] < 0) {
        nt_expr_destroy(expr);
        nt_graph_fail(graph, NT_ERR_MEMORY, "anchors: host memory is exhausted");
        return -1;
    }
    int number[3];
    for (int i = 0; i < 3; i++)
        number[i] = nt_expr_call(expr, NT_FN_number, nt_expr_input(expr, i), -1, -1);
    int y1 = nt_expr_call(expr, NT_FN_eq, number[2], nt_expr_constant(expr, Y1), -1);
    int y2 = nt_expr_call(expr, NT_FN_eq, number[2], nt_expr_constant(expr, Y2), -1);
    int vertical = nt_expr_call(expr, NT_FN_add, y1, y2, -1);
    int place = nt_expr_call(expr, NT_FN_select, vertical, number[0], number[1]);
    int offset = nt_expr_constant(expr, nt_attr_float(node, "offset"));
    int stride = nt_expr_constant(expr, nt_attr_float(node, "stride"));
    int moved = nt_expr_call(expr, NT_FN_add, place, offset, -1);
    return nt_graph_map(graph, expr, nt_expr_call(expr, NT_FN_mul, moved, stride, -1), 3, in);
}

static enum nt_status anchors_expand(struct nt_graph *graph, struct nt_node *node)
{
    int64_t height = nt_attr_int(node, "height"), width = nt_attr_int(node, "width");
    int kinds, sides = half_sides(graph, node, &kinds);
    int centre = sides < 0 ? -1 : centres(graph, node, height, width);
    if (centre < 0)
        return NT_ERR_MEMORY;
    int boxes = nt_graph_formula(graph, "a + b", 2, (int[]){centre, sides});
    struct nt_shape flat = {2, {height * width * kinds, 4}};
    return nt_compose_end(graph, node, nt_compose_reshape(graph, boxes, &flat));
}

const struct nt_op nt_op_anchors = {
    .name = "anchors",
    .summary = "boxes of every size and ratio around every place of a grid, [height width sizes "
               "ratios, 4]: rows, then columns, then ratios, then sizes",
    .source = "Ren et al., Faster R-CNN, NIPS 2015, sec. 3.1.1",
    .inputs = "",
    .outputs = 1,
    .attrs = anchors_attrs,
    .attr_count = sizeof anchors_attrs / sizeof *anchors_attrs,
    .expand = anchors_expand,
};

/* ---- box_iou, box_encode, box_decode ---- */

static enum nt_status check_boxes(
    struct nt_graph *graph, const struct nt_node *node, int input, const char *name)
{
    const struct nt_shape *shape = &graph->value[node->input[input]].shape;
    char text[128];
    if (shape->rank >= 2 && shape->dim[shape->rank - 1] == 4)
        return NT_OK;
    return nt_graph_fail(graph, NT_ERR_SHAPE, "%s: %s of shape %s: the last dimension must be 4",
        node->op->name, name, nt_shape_text(shape, text, sizeof text));
}

static int coordinate(struct nt_graph *graph, int boxes, int which)
{
    return boxes < 0
               ? -1
               : nt_compose_slice(graph, boxes, graph->value[boxes].shape.rank - 1, which, 1, 1);
}

/* ... x P x 1 to ... x 1 x P: boxes along the last dimension. */
static int across(struct nt_graph *graph, int value)
{
    if (value < 0)
        return -1;
    struct nt_shape shape = graph->value[value].shape;
    int64_t boxes = shape.dim[shape.rank - 2];
    shape.dim[shape.rank - 2] = 1;
    shape.dim[shape.rank - 1] = boxes;
    return nt_compose_reshape(graph, value, &shape);
}

static int formula(struct nt_graph *graph, const char *text, int count, const int *in)
{
    for (int i = 0; i < count; i++)
        if (in[i] < 0)
            return -1;
    return nt_graph_formula(graph, text, count, in);
}

static int area(struct nt_graph *graph, const int corner[4])
{
    return formula(graph, "relu(a - b) * relu(c - d)", 4,
        (int[]){corner[X2], corner[X1], corner[Y2], corner[Y1]});
}

static enum nt_status iou_expand(struct nt_graph *graph, struct nt_node *node)
{
    enum nt_status status = check_boxes(graph, node, 0, "a");
    if (status == NT_OK)
        status = check_boxes(graph, node, 1, "b");
    if (status != NT_OK)
        return status;
    int a[4], b[4], side[2];
    for (int c = 0; c < 4; c++) {
        a[c] = coordinate(graph, node->input[0], c);
        b[c] = across(graph, coordinate(graph, node->input[1], c));
    }
    for (int i = 0; i < 2; i++)
        side[i] = formula(graph, "relu(min(a, b) - max(c, d))", 4,
            (int[]){a[X2 + i], b[X2 + i], a[X1 + i], b[X1 + i]});
    int both = formula(graph, "a * b", 2, side);
    int iou = formula(graph, "a / max(b + c - a, 0.000000000001)", 3,
        (int[]){both, area(graph, a), area(graph, b)});
    return nt_compose_end(graph, node, iou);
}

const struct nt_op nt_op_box_iou = {
    .name = "box_iou",
    .summary = "intersection over union of each box of a [..., P, 4] with each of b [..., M, 4]: "
               "[..., P, M]; 0 for two boxes without area",
    .inputs = "a b",
    .outputs = 1,
    .expand = iou_expand,
};

static const struct nt_attr_spec code_attrs[] = {
    {"weights", NT_ATTR_FLOATS, "factors of dx, dy, dw and dh", .fallback = 1, .min = 1e-6,
        .max = 1e6, .count = 4},
};

static double code_weight(const struct nt_node *node, int which)
{
    const struct nt_attr *weights = &node->attr[0];
    return !weights->set ? 1 : weights->floats[weights->count == 4 ? which : 0];
}

static int scaled(struct nt_graph *graph, int value, double factor)
{
    struct nt_shape scalar = {0};
    int constant = nt_graph_constant(graph, factor, &scalar);
    return formula(graph, "a * b", 2, (int[]){value, constant});
}

/* Centre and extent of boxes along x (0) or y (1). */
static void middle(struct nt_graph *graph, int boxes, int along, int *centre, int *extent)
{
    int ends[2] = {coordinate(graph, boxes, X1 + along), coordinate(graph, boxes, X2 + along)};
    *centre = formula(graph, "(a + b) * 0.5", 2, ends);
    *extent = formula(graph, "b - a", 2, ends);
}

static enum nt_status check_pair(
    struct nt_graph *graph, const struct nt_node *node, const char *first)
{
    enum nt_status status = check_boxes(graph, node, 0, first);
    return status == NT_OK ? check_boxes(graph, node, 1, "anchors") : status;
}

static enum nt_status encode_expand(struct nt_graph *graph, struct nt_node *node)
{
    enum nt_status status = check_pair(graph, node, "boxes");
    if (status != NT_OK)
        return status;
    int part[4];
    for (int i = 0; i < 2; i++) {
        int box[2], anchor[2];
        middle(graph, node->input[0], i, &box[0], &box[1]);
        middle(graph, node->input[1], i, &anchor[0], &anchor[1]);
        int shift = formula(graph, "(a - b) / c", 3, (int[]){box[0], anchor[0], anchor[1]});
        int growth = formula(
            graph, "log(max(a, 0.000001) / max(b, 0.000001))", 2, (int[]){box[1], anchor[1]});
        part[i] = scaled(graph, shift, code_weight(node, i));
        part[2 + i] = scaled(graph, growth, code_weight(node, 2 + i));
    }
    int last = part[0] < 0 ? 0 : graph->value[part[0]].shape.rank - 1;
    return nt_compose_end(graph, node, nt_compose_concat(graph, 4, part, last));
}

const struct nt_op nt_op_box_encode = {
    .name = "box_encode",
    .summary = "boxes relative to anchors: shifts of the centre by the anchor's sides, logarithms "
               "of the sides' ratios",
    .source = "Girshick et al., Rich feature hierarchies, CVPR 2014, appendix C",
    .inputs = "boxes anchors",
    .outputs = 1,
    .attrs = code_attrs,
    .attr_count = 1,
    .expand = encode_expand,
};

static enum nt_status decode_expand(struct nt_graph *graph, struct nt_node *node)
{
    enum nt_status status = check_pair(graph, node, "deltas");
    if (status != NT_OK)
        return status;
    int part[4];
    for (int i = 0; i < 2; i++) {
        int anchor[2];
        middle(graph, node->input[1], i, &anchor[0], &anchor[1]);
        int shift = scaled(graph, coordinate(graph, node->input[0], i), 1 / code_weight(node, i));
        int growth =
            scaled(graph, coordinate(graph, node->input[0], 2 + i), 1 / code_weight(node, 2 + i));
        int centre = formula(graph, "a * c + b", 3, (int[]){shift, anchor[0], anchor[1]});
        /* log(1000 / 16): no box grows beyond what is seen in practice */
        int extent =
            formula(graph, "exp(min(a, 4.135166556742356)) * b", 2, (int[]){growth, anchor[1]});
        part[X1 + i] = formula(graph, "a - 0.5 * b", 2, (int[]){centre, extent});
        part[X2 + i] = formula(graph, "a + 0.5 * b", 2, (int[]){centre, extent});
    }
    int last = part[0] < 0 ? 0 : graph->value[part[0]].shape.rank - 1;
    return nt_compose_end(graph, node, nt_compose_concat(graph, 4, part, last));
}

const struct nt_op nt_op_box_decode = {
    .name = "box_decode",
    .summary = "the boxes that box_encode gave as deltas; they grow at most 62.5 times",
    .source = "Girshick et al., Rich feature hierarchies, CVPR 2014, appendix C",
    .inputs = "deltas anchors",
    .outputs = 1,
    .attrs = code_attrs,
    .attr_count = 1,
    .expand = decode_expand,
};

/* ---- nms ---- */

static const struct nt_attr_spec nms_attrs[] = {
    {"count", NT_ATTR_INT, "boxes kept at most", .required = true, .min = 1, .max = 1 << 16},
    {"iou", NT_ATTR_FLOAT, "boxes that overlap a better one by more are dropped", .fallback = 0.5,
        .min = 0, .max = 1},
    {"least_score", NT_ATTR_FLOAT, "boxes of lower scores are passed over", .fallback = -INFINITY},
};

static enum nt_status nms_infer(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_shape *boxes = &graph->value[node->input[0]].shape;
    const struct nt_shape *scores = &graph->value[node->input[1]].shape;
    char b[128], s[128];
    if (boxes->rank != 3 || scores->rank != 2 || boxes->dim[2] != 4 ||
        boxes->dim[0] != scores->dim[0] || boxes->dim[1] != scores->dim[1])
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "nms: boxes %s and scores %s: must be N x P x 4 and N x P",
            nt_shape_text(boxes, b, sizeof b), nt_shape_text(scores, s, sizeof s));
    struct nt_shape index = {2, {boxes->dim[0], nt_attr_int(node, "count")}};
    graph->value[node->output[0]].shape = index;
    graph->value[node->output[0]].dtype = NT_I32;
    return NT_OK;
}

static enum nt_status nms_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor boxes = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor scores = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor index = nt_lower_tensor(lowering, node->output[0]);
    struct nt_nms nms = {
        (float)nt_attr_float(node, "iou"), (float)nt_attr_float(node, "least_score")};
    return nt_nms(lowering->tape, &nms, &boxes, &scores, &index);
}

const struct nt_op nt_op_nms = {
    .name = "nms",
    .summary = "greedy non-maximum suppression: for boxes [N, P, 4] and scores [N, P] the indices "
               "[N, count] of the best boxes that do not overlap better ones, best first, then -1",
    .source = "Felzenszwalb et al., Object detection with discriminatively trained part-based "
              "models, PAMI 2010, sec. 7.2",
    .inputs = "boxes scores",
    .outputs = 1,
    .attrs = nms_attrs,
    .attr_count = sizeof nms_attrs / sizeof *nms_attrs,
    .layouts = "rr>r",
    .infer = nms_infer,
    .lower = nms_lower,
};
