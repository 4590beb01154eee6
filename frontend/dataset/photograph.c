/* SPDX-License-Identifier: MIT */
#include "frontend/dataset/photograph.h"

#include <math.h>

#include "frontend/dataset/pixels.h"

enum nt_status nt_photograph_set_item(
    struct nt_context *ctx, struct nt_dataset *dataset, int channels, int side)
{
    struct nt_shape item = dataset->params.item;
    char text[128];
    if (item.rank == 0)
        item = (struct nt_shape){3, {channels, side, side}};
    if (item.rank != 3 || (item.dim[0] != 1 && item.dim[0] != 3) || item.dim[1] > 1 << 15 ||
        item.dim[2] > 1 << 15)
        return nt_fail(ctx, NT_ERR_SHAPE,
            "%s: the model takes items of shape %s: must be pictures of 1 or 3 channels",
            dataset->kind->name, nt_shape_text(&item, text, sizeof text));
    dataset->info.item = item;
    return NT_OK;
}

enum nt_status nt_photograph_normalise(struct nt_context *ctx, struct nt_dataset *dataset)
{
    static const float mean[] = {0.485f, 0.456f, 0.406f}, gray_mean = 0.449f;
    static const float deviation[] = {0.229f, 0.224f, 0.225f}, gray_deviation = 0.226f;
    return dataset->info.item.dim[0] == 3
               ? nt_dataset_normalise(ctx, dataset, 3, mean, deviation)
               : nt_dataset_normalise(ctx, dataset, 1, &gray_mean, &gray_deviation);
}

enum nt_status nt_photograph_load(struct nt_context *ctx, const struct nt_dataset *dataset,
    const char *path, double multiple, struct nt_picture *picture)
{
    const int64_t *item = dataset->info.item.dim;
    const struct nt_picture_params decoding = {.channels = (int)item[0],
        .min_width = (int)lround(multiple * (double)item[2]),
        .min_height = (int)lround(multiple * (double)item[1])};
    return nt_picture_load(ctx, path, &decoding, picture);
}

enum nt_status nt_photograph_give(struct nt_context *ctx, const struct nt_dataset *dataset,
    struct nt_picture *picture, const struct nt_box *box, bool flip, enum nt_layout layout,
    float *x)
{
    const int64_t *item = dataset->info.item.dim;
    struct nt_picture resized;
    enum nt_status status =
        nt_picture_resize(ctx, picture, box, (int)item[2], (int)item[1], &resized);
    nt_picture_finish(picture);
    if (status != NT_OK)
        return status;
    if (flip)
        nt_picture_flip(&resized);
    nt_pixels_convert(&resized, &dataset->info, layout, x);
    nt_picture_finish(&resized);
    return NT_OK;
}

bool nt_photograph_draw_flip(const struct nt_dataset *dataset, struct nt_random *random)
{
    return random && dataset->params.augment & NT_AUGMENT_FLIP && nt_random_below(random, 2);
}
