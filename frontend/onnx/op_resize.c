/* SPDX-License-Identifier: MIT
 *
 * Resizing. Ours resizes what follows N,C; theirs any dimension: others are moved to the front.
 */
#include <math.h>
#include <string.h>

#include "frontend/onnx/resize.h"
#include "frontend/onnx/table.h"

static enum nt_status from_scales(struct nt_onnx_node *node, struct nt_onnx_resize *r, int count,
    const double *scales, const int *axes)
{
    for (int i = 0; i < count; i++) {
        double scale = scales[i], extent;
        int axis = axes[i];
        if (!(scale > 0) || !(scale <= 1e6))
            return nt_onnx_fail(node, NT_ERR_FORMAT, "scale %g: must be above 0", scale);
        extent = floor((double)r->from.dim[axis] * scale);
        if (!(extent >= 1 && extent <= NT_ONNX_MAX_ELEMENTS))
            return nt_onnx_fail(
                node, NT_ERR_SHAPE, "dimension %d of the output would be %g", axis, extent);
        r->to.dim[axis] = (int64_t)extent;
        r->scale[axis] = scale;
    }
    return NT_OK;
}

/* Sizes; a policy keeps the proportions instead and takes the smallest or largest scale. */
static enum nt_status from_sizes(struct nt_onnx_node *node, struct nt_onnx_resize *r, int count,
    const double *sizes, const int *axes)
{
    int policy;
    double scale = 0;
    enum nt_status status = nt_onnx_choice(
        node, "keep_aspect_ratio_policy", "stretch", "stretch|not_larger|not_smaller", &policy);
    for (int i = 0; status == NT_OK && i < count; i++) {
        if (!(sizes[i] >= 1 && sizes[i] <= NT_ONNX_MAX_ELEMENTS))
            return nt_onnx_fail(node, NT_ERR_SHAPE, "size %g: must be at least 1", sizes[i]);
        double own = sizes[i] / (double)r->from.dim[axes[i]];
        scale = i == 0 ? own : policy == 1 ? fmin(scale, own) : fmax(scale, own);
        r->to.dim[axes[i]] = (int64_t)sizes[i];
    }
    for (int i = 0; status == NT_OK && policy && i < count; i++) {
        r->to.dim[axes[i]] = (int64_t)floor((double)r->from.dim[axes[i]] * scale + 0.5);
        r->scale[axes[i]] = scale;
    }
    return status;
}

static enum nt_status take_axes(struct nt_onnx_node *node, int rank, int *count, int *axes)
{
    int64_t list[NT_MAX_INTS];
    *count = nt_onnx_ints(node, "axes", list);
    for (int i = 0; i < (*count < 0 ? rank : *count) && i < NT_MAX_RANK; i++) {
        enum nt_status status = nt_onnx_axis(node, *count < 0 ? i : list[i], rank, &axes[i]);
        if (status != NT_OK)
            return status;
    }
    *count = *count < 0 ? rank : *count;
    return NT_OK;
}

static enum nt_status take_target(
    struct nt_onnx_node *node, struct nt_onnx_resize *r, int scales, int sizes)
{
    int count, axes[NT_MAX_RANK];
    bool by_size = false;
    enum nt_status status = take_axes(node, r->from.rank, &count, axes);
    const struct nt_onnx_host *host = NULL;
    if (status == NT_OK && nt_onnx_has(node, scales)) {
        host = nt_onnx_numbers(node, scales);
        if (!host)
            return node->graph->failure;
    }
    if (status == NT_OK && (!host || host->count == 0) && nt_onnx_has(node, sizes)) {
        host = nt_onnx_numbers(node, sizes);
        by_size = true;
        if (!host)
            return node->graph->failure;
    }
    if (status != NT_OK)
        return status;
    if (!host || host->count != (size_t)count)
        return nt_onnx_fail(
            node, NT_ERR_FORMAT, "scales or sizes: must be given, %d of them", count);
    return by_size ? from_sizes(node, r, count, host->data, axes)
                   : from_scales(node, r, count, host->data, axes);
}

/* Adds the operator for dimensions 2 and up of a value. */
static int interpolate(struct nt_onnx_node *node, struct nt_onnx_call call, int x, int dims,
    const int64_t *size, const double *scale)
{
    bool scaled = true;
    const struct nt_shape *from = &node->graph->value[x].shape;
    struct nt_attr *factor = &call.attr[nt_attr_index(call.op, "scale_factor")];
    for (int i = 0; i < dims; i++)
        scaled = scaled && (scale[i] > 0 || size[i] == from->dim[2 + i]) &&
                 (scale[i] == 0 || floor((double)from->dim[2 + i] * scale[i]) == (double)size[i]);
    if (!scaled) {
        nt_onnx_numbers_of(&call, "size", dims, size);
        return nt_onnx_add(node, &call, 1, &x);
    }
    factor->set = true;
    factor->count = dims;
    for (int i = 0; i < dims; i++)
        factor->floats[i] = scale[i] > 0 ? scale[i] : 1;
    return nt_onnx_add(node, &call, 1, &x);
}

/* The dimensions that change, last; the others as channels. */
static int resize_any(struct nt_onnx_node *node, const struct nt_onnx_call *call, int x,
    const struct nt_onnx_resize *r)
{
    int64_t order[NT_MAX_RANK], back[NT_MAX_RANK], size[NT_MAX_RANK];
    double scale[NT_MAX_RANK];
    int rank = r->from.rank, kept = 0, moved = 0;
    struct nt_shape flat = {2, {1, 1}}, full = {.rank = rank};
    for (int i = 0; i < rank; i++)
        if (r->from.dim[i] == r->to.dim[i]) {
            flat.dim[1] *= r->from.dim[i];
            full.dim[kept] = r->from.dim[i];
            order[kept++] = i;
        }
    for (int i = 0; i < rank; i++)
        if (r->from.dim[i] != r->to.dim[i]) {
            flat.dim[flat.rank++] = r->from.dim[i];
            full.dim[kept + moved] = size[moved] = r->to.dim[i];
            scale[moved] = r->scale[i];
            order[kept + moved++] = i;
        }
    for (int i = 0; i < rank; i++)
        back[order[i]] = i;
    if (moved == 0)
        return x;
    if (moved > 3) {
        nt_onnx_fail(node, NT_ERR_UNSUPPORTED, "resizes %d dimensions: must be at most 3", moved);
        return -1;
    }
    struct nt_onnx_call transpose = nt_onnx_begin("transpose");
    nt_onnx_numbers_of(&transpose, "axes", rank, order);
    int y = rank > 1 ? nt_onnx_add(node, &transpose, 1, &x) : x;
    y = nt_onnx_reshape(node, y, &flat);
    y = y < 0 ? -1 : interpolate(node, *call, y, moved, size, scale);
    y = nt_onnx_reshape(node, y, &full);
    nt_onnx_numbers_of(&transpose, "axes", rank, back);
    return rank > 1 ? nt_onnx_add(node, &transpose, 1, &y) : y;
}

static int resize_value(struct nt_onnx_node *node, const struct nt_onnx_call *call, int x,
    const struct nt_onnx_resize *r)
{
    int rank = r->from.rank;
    bool plain =
        rank >= 3 && rank <= 5 && r->from.dim[0] == r->to.dim[0] && r->from.dim[1] == r->to.dim[1];
    if (nt_shape_equal(&r->from, &r->to))
        return x;
    return plain ? interpolate(node, *call, x, rank - 2, r->to.dim + 2, r->scale + 2)
                 : resize_any(node, call, x, r);
}

/* Whether the operator interpolate has the form. */
static bool is_plain(const struct nt_onnx_resize *r)
{
    int changed = 0;
    bool whole = true;
    for (int i = 0; i < r->from.rank; i++) {
        double exact = r->scale[i] * (double)r->from.dim[i];
        changed += r->from.dim[i] != r->to.dim[i];
        whole = whole && (r->scale[i] == 0 || exact == (double)r->to.dim[i]);
    }
    return !r->antialias && r->place != NT_ONNX_TF_CROP_AND_RESIZE && changed <= 3 &&
           (whole || r->place != NT_ONNX_ALIGN_CORNERS);
}

/* The region of tf_crop_and_resize: starts, then ends, of the axes. */
static enum nt_status take_region(struct nt_onnx_node *node, struct nt_onnx_resize *r)
{
    int count, axes[NT_MAX_RANK];
    enum nt_status status = take_axes(node, r->from.rank, &count, axes);
    const struct nt_onnx_host *roi = status == NT_OK ? nt_onnx_numbers(node, 1) : NULL;
    for (int i = 0; i < NT_MAX_RANK; i++) {
        r->start[i] = 0;
        r->end[i] = 1;
    }
    if (!roi)
        return node->graph->failure;
    if (roi->count != 2 * (size_t)count)
        return nt_onnx_fail(
            node, NT_ERR_FORMAT, "roi of %zu numbers: must be %d", roi->count, 2 * count);
    for (int i = 0; i < count; i++) {
        r->start[axes[i]] = roi->data[i];
        r->end[axes[i]] = roi->data[count + i];
    }
    return NT_OK;
}

static enum nt_status take_words(struct nt_onnx_node *node, struct nt_onnx_resize *r)
{
    int mode, place = NT_ONNX_ASYMMETRIC, round = NT_ONNX_ROUND_FLOOR;
    bool newer = node->opset > 10;
    enum nt_status status = nt_onnx_choice(node, "mode", "nearest", "nearest|linear|cubic", &mode);
    if (status == NT_OK && newer)
        status = nt_onnx_choice(node, "coordinate_transformation_mode", "half_pixel",
            "half_pixel|asymmetric|align_corners|pytorch_half_pixel|half_pixel_symmetric|"
            "tf_half_pixel_for_nn|tf_crop_and_resize",
            &place);
    if (status == NT_OK && newer)
        status = nt_onnx_choice(node, "nearest_mode", "round_prefer_floor",
            "round_prefer_floor|round_prefer_ceil|floor|ceil", &round);
    if (status == NT_OK)
        status = take_target(node, r, newer ? 2 : 1, newer ? 3 : NT_ONNX_MAX_OPERANDS);
    if (status == NT_OK && place == NT_ONNX_TF_CROP_AND_RESIZE)
        status = take_region(node, r);
    if (status != NT_OK)
        return status;
    for (int i = 0; i < r->from.rank;
         i++) /* as opset 10 was understood: to the next when smaller */
        if (!newer && r->to.dim[i] < r->from.dim[i])
            round = NT_ONNX_ROUND_CEIL;
    r->mode = (enum nt_onnx_resize_mode)mode;
    r->place = (enum nt_onnx_resize_place)place;
    r->round = (enum nt_onnx_resize_round)round;
    r->cubic = nt_onnx_float(node, "cubic_coeff_a", -0.75);
    r->outside = nt_onnx_float(node, "extrapolation_value", 0);
    r->exclude_outside = nt_onnx_int(node, "exclude_outside", 0) != 0;
    r->antialias = nt_onnx_int(node, "antialias", 0) != 0 && mode != NT_ONNX_NEAREST;
    return NT_OK;
}

enum nt_status nt_onnx_resize(struct nt_onnx_node *node)
{
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    static const char *const places[] = {"half_pixel", "asymmetric", "align_corners",
        "pytorch_half_pixel", "half_pixel_symmetric", "tf_half_pixel_for_nn"};
    static const char *const rounds[] = {
        "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
    int x = nt_onnx_in(node, 0);
    struct nt_onnx_resize r = {0};
    if (x < 0)
        return node->graph->failure;
    r.from = r.to = node->graph->value[x].shape;
    enum nt_status status = take_words(node, &r);
    if (status != NT_OK)
        return status;
    if (!is_plain(&r))
        return nt_onnx_out(node, 0, nt_onnx_resize_by_matrices(node, &r, x));
    struct nt_onnx_call call = nt_onnx_begin("interpolate");
    nt_onnx_word(&call, "mode", modes[r.mode]);
    nt_onnx_word(&call, "coordinates", places[r.place]);
    nt_onnx_word(&call, "nearest_mode", rounds[r.round]);
    nt_onnx_number(&call, "cubic_coeff_a", r.cubic);
    nt_onnx_number(&call, "exclude_outside", r.exclude_outside);
    return nt_onnx_out(node, 0, resize_value(node, &call, x, &r));
}

/* Before Resize: scales alone, from the corner. */
enum nt_status nt_onnx_upsample(struct nt_onnx_node *node)
{
    int mode, x = nt_onnx_in(node, 0), axes[NT_MAX_RANK];
    const NtOnnx__AttributeProto *attr = nt_onnx_attr(node, "scales");
    struct nt_onnx_resize r = {0};
    if (x < 0)
        return node->graph->failure;
    r.from = r.to = node->graph->value[x].shape;
    enum nt_status status =
        nt_onnx_choice(node, "mode", "nearest", "nearest|linear|bilinear", &mode);
    if (status == NT_OK && node->opset < 7 && !attr && r.from.rank == 4) {
        const double scales[] = {
            nt_onnx_float(node, "height_scale", 1), nt_onnx_float(node, "width_scale", 1)};
        status = from_scales(node, &r, 2, scales, (int[]){2, 3});
    } else if (status == NT_OK && attr) {
        double scales[NT_MAX_RANK];
        if (attr->n_floats != (size_t)r.from.rank)
            return nt_onnx_fail(node, NT_ERR_FORMAT, "scales: %zu numbers: must be %d",
                attr->n_floats, r.from.rank);
        for (int i = 0; i < r.from.rank; i++) {
            scales[i] = attr->floats[i];
            axes[i] = i;
        }
        status = from_scales(node, &r, r.from.rank, scales, axes);
    } else if (status == NT_OK) {
        status = take_target(node, &r, 1, NT_ONNX_MAX_OPERANDS);
    }
    if (status != NT_OK)
        return status;
    struct nt_onnx_call call = nt_onnx_begin("interpolate");
    nt_onnx_word(&call, "mode", mode ? "linear" : "nearest");
    nt_onnx_word(&call, "coordinates", "asymmetric");
    return nt_onnx_out(node, 0, resize_value(node, &call, x, &r));
}
