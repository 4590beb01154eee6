/* SPDX-License-Identifier: MIT
 *
 * Boxes: those that do not overlap, and what lies in them.
 */
#include <math.h>

#include "frontend/onnx/export_parts.h"

/* A column of a table of rows, of rank 1. */
static const char *column(struct nt_export *e, const char *table, int64_t index)
{
    const char *in[2] = {table, nt_export_number(e, NT_ONNX_INT64, (double)index)};
    NtOnnx__NodeProto *gather = nt_export_begin(e, "Gather", 2, in);
    nt_export_int(e, gather, "axis", 1);
    return nt_export_output(e, gather, NULL);
}

static const char *unsqueeze(struct nt_export *e, const char *value, int64_t axis)
{
    return nt_export_simple(
        e, "Unsqueeze", NULL, 2, (const char *[]){value, nt_export_list(e, 1, &axis)});
}

/* How many elements before each are equal to it. */
static const char *place_among_equals(struct nt_export *e, const char *list)
{
    const char *pair[2] = {unsqueeze(e, list, 1), unsqueeze(e, list, 0)};
    const char *equal = nt_export_simple(e, "Equal", NULL, 2, pair);
    const char *in[2] = {
        nt_export_cast(e, equal, NT_ONNX_INT64, NULL), nt_export_number(e, NT_ONNX_INT64, -1)};
    NtOnnx__NodeProto *before = nt_export_begin(e, "Trilu", 2, in);
    nt_export_int(e, before, "upper", 0);
    in[0] = nt_export_output(e, before, NULL);
    in[1] = nt_export_list(e, 1, (int64_t[]){1});
    NtOnnx__NodeProto *sum = nt_export_begin(e, "ReduceSum", 2, in);
    nt_export_int(e, sum, "keepdims", 0);
    return nt_export_output(e, sum, NULL);
}

/* Theirs is a list of (picture, class, box) as long as there are boxes, pictures in order and each
 * one's boxes best first; ours has a row of fixed length for each picture, -1 where there is none.
 * Theirs keeps scores above the limit, ours those equal to it too. */
NT_EXPORT_FUNCTION(nms)
{
    double least = nt_attr_float(node, "least_score");
    const char *in[5] = {nt_export_value(e, node->input[0]),
        unsqueeze(e, nt_export_value(e, node->input[1]), 1),
        nt_export_number(e, NT_ONNX_INT64, (double)nt_attr_int(node, "count")),
        nt_export_number(e, NT_ONNX_FLOAT, nt_attr_float(node, "iou"))};
    if (isfinite(least))
        in[4] = nt_export_number(e, NT_ONNX_FLOAT, (double)nextafterf((float)least, -INFINITY));
    const char *found = nt_export_simple(e, "NonMaxSuppression", NULL, in[4] ? 5 : 4, in);
    const char *picture = column(e, found, 0);
    const char *place = unsqueeze(e, place_among_equals(e, picture), 1);
    NtOnnx__NodeProto *join =
        nt_export_begin(e, "Concat", 2, (const char *[]){unsqueeze(e, picture, 1), place});
    nt_export_int(e, join, "axis", 1);
    const char *none[2] = {
        nt_export_number(e, NT_ONNX_INT64, -1), nt_export_shape(e, node->output[0])};
    const char *out[3] = {nt_export_simple(e, "Expand", NULL, 2, none),
        nt_export_output(e, join, NULL), column(e, found, 2)};
    nt_export_simple(e, "ScatterND", nt_export_result(e, node->output[0]), 3, out);
    return NT_OK;
}

/* Ours gives zeros for a box whose picture is outside the batch; theirs must not meet one. */
NT_EXPORT_FUNCTION(roi_align)
{
    const int64_t *size = nt_attr_ints(node, "output_size"), shape[] = {-1, 1, 1, 1};
    int64_t samples = nt_attr_int(node, "sampling_ratio");
    const char *boxes = nt_export_value(e, node->input[1]);
    const char *part[4] = {boxes, nt_export_list(e, 1, (int64_t[]){1}),
        nt_export_list(e, 1, (int64_t[]){5}), nt_export_list(e, 1, (int64_t[]){1})};
    const char *corners = nt_export_simple(e, "Slice", NULL, 4, part);
    const char *picture = nt_export_cast(e, column(e, boxes, 0), NT_ONNX_INT64, NULL);
    const char *zero = nt_export_number(e, NT_ONNX_INT64, 0);
    const char *extent[2] = {nt_export_shape(e, node->input[0]), zero};
    const char *last[2] = {
        nt_export_simple(e, "Gather", NULL, 2, extent), nt_export_number(e, NT_ONNX_INT64, 1)};
    const char *limits[3] = {picture, zero, nt_export_simple(e, "Sub", NULL, 2, last)};
    const char *in[3] = {
        nt_export_value(e, node->input[0]), corners, nt_export_simple(e, "Clip", NULL, 3, limits)};
    NtOnnx__NodeProto *to = nt_export_begin(e, "RoiAlign", 3, in);
    nt_export_word(e, to, "mode", node->op == &nt_op_roi_align ? "avg" : "max");
    nt_export_word(e, to, "coordinate_transformation_mode",
        nt_attr_bool(node, "aligned") ? "half_pixel" : "output_half_pixel");
    nt_export_int(e, to, "output_height", size[0]);
    nt_export_int(e, to, "output_width", size[1]);
    nt_export_int(e, to, "sampling_ratio", samples > 0 ? samples : 0);
    nt_export_float(e, to, "spatial_scale", nt_attr_float(node, "spatial_scale"));
    const char *there[2] = {nt_export_simple(e, "Equal", NULL, 2, (const char *[]){picture, in[2]}),
        nt_export_list(e, 4, shape)};
    const char *choice[3] = {nt_export_simple(e, "Reshape", NULL, 2, there),
        nt_export_output(e, to, NULL), nt_export_number(e, NT_ONNX_FLOAT, 0)};
    nt_export_simple(e, "Where", nt_export_result(e, node->output[0]), 3, choice);
    return NT_OK;
}
