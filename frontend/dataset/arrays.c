/* SPDX-License-Identifier: MIT
 *
 * npy:X.npy,Y.npy: arrays in memory.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/dataset/kind.h"
#include "frontend/npy.h"

struct arrays {
    struct nt_npy x, y; /* x: float32 or uint8; y: int32 or float32 */
    char *x_path, *y_path;
};

/* "3,0,12": where an element lies. */
static const char *position(const struct nt_shape *shape, int64_t at, char *text, size_t size)
{
    int64_t index[NT_MAX_RANK];
    for (int i = shape->rank - 1; i >= 0; i--) {
        index[i] = at % shape->dim[i];
        at /= shape->dim[i];
    }
    size_t n = 0;
    for (int i = 0; i < shape->rank && n < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%s%" PRId64, i ? "," : "", index[i]);
    return text;
}

static enum nt_status check_finite(
    struct nt_context *ctx, const char *path, const struct nt_npy *npy)
{
    const float *data = npy->data;
    int64_t count = nt_shape_count(&npy->shape);
    char text[160];
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(data[i]))
            return nt_fail(ctx, NT_ERR_NUMERIC, "%s: %s at [%s]: data must be finite", path,
                isnan(data[i]) ? "NaN" : "infinity", position(&npy->shape, i, text, sizeof text));
    return NT_OK;
}

static double element(const struct nt_npy *npy, int64_t i)
{
    switch (npy->dtype) {
    case NT_F32:
        return ((const float *)npy->data)[i];
    case NT_F64:
        return ((const double *)npy->data)[i];
    case NT_I32:
        return ((const int32_t *)npy->data)[i];
    case NT_I64:
        return (double)((const int64_t *)npy->data)[i];
    default:
        return ((const uint8_t *)npy->data)[i];
    }
}

static enum nt_status to_float(struct nt_context *ctx, const char *path, struct nt_npy *npy)
{
    int64_t count = nt_shape_count(&npy->shape);
    if (npy->dtype != NT_F32) {
        float *data = malloc((size_t)count * sizeof *data + 1);
        if (!data)
            return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory to convert it", path);
        for (int64_t i = 0; i < count; i++)
            data[i] = (float)element(npy, i);
        free(npy->data);
        npy->data = data;
        npy->dtype = NT_F32;
    }
    return check_finite(ctx, path, npy);
}

static enum nt_status to_classes(
    struct nt_context *ctx, const char *path, struct nt_npy *npy, int *classes)
{
    int64_t count = nt_shape_count(&npy->shape);
    int32_t *data = malloc((size_t)count * sizeof *data + 1);
    if (!data)
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory to convert it", path);
    *classes = 0;
    for (int64_t i = 0; i < count; i++) {
        double value = element(npy, i);
        char text[160];
        if (!(value >= 0 && value < 1000000)) {
            free(data);
            return nt_fail(ctx, NT_ERR_FORMAT, "%s: class %.0f at [%s]: must be 0 to 999999", path,
                value, position(&npy->shape, i, text, sizeof text));
        }
        data[i] = (int32_t)value;
        *classes = data[i] >= *classes ? data[i] + 1 : *classes;
    }
    free(npy->data);
    npy->data = data;
    npy->dtype = NT_I32;
    return NT_OK;
}

static enum nt_status load_x(
    struct nt_context *ctx, struct nt_dataset *dataset, struct arrays *arrays)
{
    struct nt_npy *x = &arrays->x;
    enum nt_status status = nt_npy_read(ctx, arrays->x_path, x);
    if (status != NT_OK)
        return status;
    char text[128];
    int64_t count = nt_shape_count(&x->shape);
    nt_shape_text(&x->shape, text, sizeof text);
    if (x->shape.rank < 2 || count == 0)
        return nt_fail(ctx, NT_ERR_SHAPE,
            "%s: shape %s: must have items first, then at least one dimension, none of them 0",
            arrays->x_path, text);
    struct nt_shape *item = &dataset->info.item;
    item->rank = x->shape.rank - 1;
    memcpy(item->dim, x->shape.dim + 1, (size_t)item->rank * sizeof *item->dim);
    dataset->info.count = x->shape.dim[0];
    static const float zeros[3] = {0}, ones[3] = {1, 1, 1};
    status =
        nt_dataset_normalise(ctx, dataset, item->dim[0] < 3 ? (int)item->dim[0] : 3, zeros, ones);
    for (int c = 0; status == NT_OK && item->dim[0] > 3 && c < 3; c++)
        if (dataset->info.mean[c] != 0 || dataset->info.deviation[c] != 1)
            status = nt_fail(ctx, NT_ERR_ARGUMENT,
                "%s: shape %s: mean and deviation are for items of 1 to 3 channels", arrays->x_path,
                text);
    if (status != NT_OK || x->dtype == NT_U8)
        return status;
    bool whole = x->dtype == NT_I32 || x->dtype == NT_I64;
    if (dataset->params.item_dtype != NT_I32 || !whole)
        return to_float(ctx, arrays->x_path, x);
    int tokens;
    dataset->info.item_dtype = NT_I32;
    return to_classes(ctx, arrays->x_path, x, &tokens);
}

static enum nt_status load_y(
    struct nt_context *ctx, struct nt_dataset *dataset, struct arrays *arrays)
{
    struct nt_npy *y = &arrays->y;
    enum nt_status status = nt_npy_read(ctx, arrays->y_path, y);
    if (status != NT_OK)
        return status;
    char text[128];
    nt_shape_text(&y->shape, text, sizeof text);
    if (y->shape.rank < 1 || y->shape.dim[0] != dataset->info.count)
        return nt_fail(ctx, NT_ERR_SHAPE, "%s: shape %s: must have the %lld items of %s first",
            arrays->y_path, text, (long long)dataset->info.count, arrays->x_path);
    struct nt_shape target = {.rank = y->shape.rank - 1};
    memcpy(target.dim, y->shape.dim + 1, (size_t)target.rank * sizeof *target.dim);
    if (y->dtype == NT_F32 || y->dtype == NT_F64) {
        if (nt_shape_count(&target) == 0)
            return nt_fail(
                ctx, NT_ERR_SHAPE, "%s: shape %s: no dimension may be 0", arrays->y_path, text);
        dataset->info.target_dtype = NT_F32;
        dataset->info.target = target;
        return to_float(ctx, arrays->y_path, y);
    }
    if (nt_shape_count(&target) == 0)
        return nt_fail(
            ctx, NT_ERR_SHAPE, "%s: shape %s: no dimension may be 0", arrays->y_path, text);
    dataset->info.target_dtype = NT_I32;
    if (nt_shape_count(&target) > 1)
        dataset->info.target = target;
    return to_classes(ctx, arrays->y_path, y, &dataset->info.classes);
}

static enum nt_status open_arrays(
    struct nt_context *ctx, struct nt_dataset *dataset, enum nt_part part, const char *argument)
{
    const char *comma = strchr(argument, ',');
    if (!comma || comma == argument || !comma[1])
        return nt_fail(
            ctx, NT_ERR_ARGUMENT, "npy:%s: must be npy:X.npy,Y.npy, data and targets", argument);
    struct arrays *arrays = calloc(1, sizeof *arrays);
    dataset->state = arrays;
    if (arrays) {
        arrays->x_path = strdup(argument);
        arrays->y_path = strdup(comma + 1);
    }
    if (!arrays || !arrays->x_path || !arrays->y_path)
        return nt_fail(ctx, NT_ERR_MEMORY, "npy: no memory");
    arrays->x_path[comma - argument] = 0;
    enum nt_status status = load_x(ctx, dataset, arrays);
    return status == NT_OK ? load_y(ctx, dataset, arrays) : status;
}

static enum nt_status item(struct nt_context *ctx, const struct nt_dataset *dataset, int64_t index,
    struct nt_random *random, enum nt_layout layout, void *x, void *y)
{
    const struct arrays *arrays = dataset->state;
    const struct nt_dataset_info *info = &dataset->info;
    int64_t count = nt_shape_count(&info->item), first = info->item.dim[0], area = count / first;
    bool bytes = arrays->x.dtype == NT_U8;
    size_t size = (size_t)nt_shape_count(&info->target) * 4; /* int32 or float32 */
    memcpy(y, (const char *)arrays->y.data + (size_t)index * size, size);
    if (info->item_dtype == NT_I32) {
        memcpy(x, (const int32_t *)arrays->x.data + index * count, (size_t)count * 4);
        return NT_OK;
    }
    bool last = layout == NT_CHANNELS_LAST && info->item.rank >= 2;
    for (int64_t c = 0; c < first; c++) {
        int known = c < 3 ? (int)c : 2; /* more channels are never normalised: 0 and 1 */
        float scale = (bytes ? 1.0f / 255 : 1) / info->deviation[known];
        float offset = -info->mean[known] / info->deviation[known];
        int64_t step = last ? first : 1, start = index * count + c * area;
        float *to = (float *)x + (last ? c : c * area);
        if (bytes)
            for (int64_t i = 0; i < area; i++)
                to[i * step] = ((const uint8_t *)arrays->x.data)[start + i] * scale + offset;
        else
            for (int64_t i = 0; i < area; i++)
                to[i * step] = ((const float *)arrays->x.data)[start + i] * scale + offset;
    }
    return NT_OK;
}

static void close_arrays(struct nt_dataset *dataset)
{
    struct arrays *arrays = dataset->state;
    if (!arrays)
        return;
    nt_npy_finish(&arrays->x);
    nt_npy_finish(&arrays->y);
    free(arrays->x_path);
    free(arrays->y_path);
    free(arrays);
}

const struct nt_dataset_kind nt_dataset_npy = {.name = "npy",
    .argument = "X.npy,Y.npy",
    .parts = nt_dataset_no_parts,
    .open = open_arrays,
    .item = item,
    .close = close_arrays};
