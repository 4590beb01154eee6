/* SPDX-License-Identifier: MIT */
#include "frontend/dataset/pixels.h"

#include <stdlib.h>

enum nt_status nt_pixels_set(struct nt_context *ctx, struct nt_dataset *dataset,
    struct nt_pixels *pixels, int64_t count, int channels, int height, int width, int classes)
{
    dataset->state = pixels;
    dataset->info.item = (struct nt_shape){3, {channels, height, width}};
    dataset->info.count = count;
    dataset->info.classes = classes;
    dataset->info.target_dtype = NT_I32;
    for (int c = 0; c < channels; c++) {
        pixels->scale[c] = 1 / (255 * dataset->info.deviation[c]);
        pixels->offset[c] = -dataset->info.mean[c] / dataset->info.deviation[c];
    }
    for (int64_t i = 0; i < count; i++)
        if (pixels->labels[i] >= classes)
            return nt_fail(ctx, NT_ERR_FORMAT, "%s: label %d of item %lld: must be below %d",
                dataset->kind->name, pixels->labels[i], (long long)i, classes);
    return NT_OK;
}

struct view {
    int channels, height, width;
    int shift_x, shift_y;
    bool flip;
};

static void convert(const struct nt_pixels *pixels, const uint8_t *from, int channels, int64_t area,
    enum nt_layout layout, float *x)
{
    for (int c = 0; c < channels; c++) {
        float scale = pixels->scale[c], offset = pixels->offset[c];
        if (layout == NT_ROW_MAJOR || channels == 1)
            for (int64_t i = 0; i < area; i++)
                *x++ = (float)*from++ * scale + offset;
        else
            for (int64_t i = 0; i < area; i++)
                x[i * channels + c] = (float)*from++ * scale + offset;
    }
}

static void convert_moved(const struct nt_pixels *pixels, const uint8_t *from,
    const struct view *view, enum nt_layout layout, float *x)
{
    int width = view->width, height = view->height, channels = view->channels;
    bool last = layout == NT_CHANNELS_LAST;
    for (int c = 0; c < channels; c++, from += width * height)
        for (int row = 0; row < height; row++)
            for (int column = 0; column < width; column++) {
                int u = (view->flip ? width - 1 - column : column) + view->shift_x;
                int v = row + view->shift_y;
                bool inside = u >= 0 && u < width && v >= 0 && v < height;
                float byte = inside ? from[v * width + u] : 0;
                int64_t at = (int64_t)row * width + column;
                x[last ? at * channels + c : (int64_t)c * width * height + at] =
                    byte * pixels->scale[c] + pixels->offset[c];
            }
}

enum nt_status nt_pixels_item(struct nt_context *ctx, const struct nt_dataset *dataset,
    int64_t index, struct nt_random *random, enum nt_layout layout, void *x, void *y)
{
    const struct nt_pixels *pixels = dataset->state;
    const int64_t *dim = dataset->info.item.dim;
    const uint8_t *from = pixels->data + index * dim[0] * dim[1] * dim[2];
    *(int32_t *)y = pixels->labels[index];
    unsigned augment = random ? dataset->params.augment : 0;
    if (!(augment & (NT_AUGMENT_CROP | NT_AUGMENT_FLIP))) {
        convert(pixels, from, (int)dim[0], dim[1] * dim[2], layout, x);
        return NT_OK;
    }
    struct view view = {.channels = (int)dim[0], .height = (int)dim[1], .width = (int)dim[2]};
    if (augment & NT_AUGMENT_CROP) {
        int reach_x = view.width / 8, reach_y = view.height / 8;
        view.shift_x = (int)nt_random_below(random, (uint64_t)(2 * reach_x + 1)) - reach_x;
        view.shift_y = (int)nt_random_below(random, (uint64_t)(2 * reach_y + 1)) - reach_y;
    }
    if (augment & NT_AUGMENT_FLIP)
        view.flip = nt_random_below(random, 2);
    convert_moved(pixels, from, &view, layout, x);
    return NT_OK;
}

void nt_pixels_close(struct nt_dataset *dataset)
{
    struct nt_pixels *pixels = dataset->state;
    if (!pixels)
        return;
    free(pixels->owned[0]);
    free(pixels->owned[1]);
    free(pixels);
}

void nt_pixels_convert(const struct nt_picture *picture, const struct nt_dataset_info *info,
    enum nt_layout layout, float *x)
{
    int channels = picture->channels;
    size_t area = (size_t)picture->width * (size_t)picture->height;
    for (int c = 0; c < channels; c++) {
        float scale = 1 / (255 * info->deviation[c]), offset = -info->mean[c] / info->deviation[c];
        size_t step = layout == NT_CHANNELS_LAST ? (size_t)channels : 1;
        float *to = x + (layout == NT_CHANNELS_LAST ? (size_t)c : (size_t)c * area);
        for (size_t i = 0; i < area; i++)
            to[i * step] = picture->pixels[i * (size_t)channels + (size_t)c] * scale + offset;
    }
}
