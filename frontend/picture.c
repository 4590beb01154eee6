/* SPDX-License-Identifier: MIT */
#include "frontend/picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/file.h"
#include "frontend/jpeg.h"
#include "frontend/png.h"

#define DEFAULT_MAX_PIXELS 100000000
#define MAX_FILE ((size_t)1 << 30)

/* Filter weights are fixed-point numbers with the precision Pillow uses: 32 bits less 8 of a pixel
 * less 2 for sums. */
#define WEIGHT_BITS 22

enum nt_status nt_picture_create(
    struct nt_context *ctx, int width, int height, int channels, struct nt_picture *out)
{
    if (width < 1 || height < 1 || (channels != 1 && channels != 3))
        return nt_fail(ctx, NT_ERR_ARGUMENT,
            "picture %dx%d with %d channels: sides must be at least 1, channels 1 or 3", width,
            height, channels);
    uint8_t *pixels = calloc((size_t)width * (size_t)height, (size_t)channels);
    if (!pixels)
        return nt_fail(ctx, NT_ERR_MEMORY, "no memory for a picture of %dx%d", width, height);
    *out = (struct nt_picture){width, height, channels, pixels};
    return NT_OK;
}

void nt_picture_finish(struct nt_picture *picture)
{
    free(picture->pixels);
    picture->pixels = NULL;
}

static enum nt_status set_channels(struct nt_context *ctx, struct nt_picture *picture, int channels)
{
    if (!channels || channels == picture->channels)
        return NT_OK;
    struct nt_picture to;
    enum nt_status status = nt_picture_create(ctx, picture->width, picture->height, channels, &to);
    if (status != NT_OK)
        return status;
    size_t count = (size_t)picture->width * (size_t)picture->height;
    const uint8_t *from = picture->pixels;
    for (size_t i = 0; i < count; i++)
        if (channels == 3)
            memset(to.pixels + i * 3, from[i], 3);
        else /* ITU-R BT.601 */
            to.pixels[i] = (uint8_t)((from[i * 3] * 19595u + from[i * 3 + 1] * 38470u +
                                         from[i * 3 + 2] * 7471u + 0x8000) >>
                                     16);
    nt_picture_finish(picture);
    *picture = to;
    return NT_OK;
}

enum nt_status nt_picture_decode(struct nt_context *ctx, const char *name, const uint8_t *data,
    size_t size, const struct nt_picture_params *params, struct nt_picture *out)
{
    struct nt_picture_params p = params ? *params : (struct nt_picture_params){0};
    if (!p.max_pixels)
        p.max_pixels = DEFAULT_MAX_PIXELS;
    if (p.channels != 0 && p.channels != 1 && p.channels != 3)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "picture channels: %d: must be 1 or 3", p.channels);
    if (size == 0)
        return nt_fail(ctx, NT_ERR_FORMAT, "%s: the file is empty", name);
    struct nt_picture picture;
    enum nt_status status;
    if (size >= 3 && memcmp(data, "\xff\xd8\xff", 3) == 0)
        status = nt_jpeg_decode(ctx, name, data, size, &p, &picture);
    else if (size >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0)
        status = nt_png_decode(ctx, name, data, size, &p, &picture);
    else
        status = nt_fail(ctx, NT_ERR_FORMAT, "%s: neither a JPEG nor a PNG picture", name);
    if (status != NT_OK)
        return status;
    status = set_channels(ctx, &picture, p.channels);
    if (status != NT_OK) {
        nt_picture_finish(&picture);
        return status;
    }
    *out = picture;
    return NT_OK;
}

enum nt_status nt_picture_load(struct nt_context *ctx, const char *path,
    const struct nt_picture_params *params, struct nt_picture *out)
{
    uint8_t *data;
    size_t size;
    enum nt_status status = nt_file_read(ctx, path, MAX_FILE, &data, &size);
    if (status != NT_OK)
        return status;
    status = nt_picture_decode(ctx, path, data, size, params, out);
    free(data);
    return status;
}

/* For each target pixel: the first source pixel, how many, and their weights. */
struct filter {
    int reach; /* weights per target pixel */
    int *first, *count;
    int32_t *weight;
};

static void finish_filter(struct filter *filter)
{
    free(filter->first);
    free(filter->count);
    free(filter->weight);
}

/* The triangle filter, widened by the scale when shrinking, as Pillow's precompute_coeffs. False:
 * no memory; there may be parts of it. */
static bool make_filter(int source, double start, double length, int target, struct filter *filter)
{
    double scale = length / target, widened = scale < 1 ? 1 : scale;
    int reach = (int)ceil(widened) * 2 + 1;
    double *k = malloc((size_t)reach * sizeof *k);
    *filter = (struct filter){.reach = reach,
        .first = malloc((size_t)target * sizeof(int)),
        .count = malloc((size_t)target * sizeof(int)),
        .weight = calloc((size_t)target * (size_t)reach, sizeof(int32_t))};
    if (!k || !filter->first || !filter->count || !filter->weight) {
        free(k);
        return false;
    }
    for (int i = 0; i < target; i++) {
        double center = start + (i + 0.5) * scale, sum = 0;
        int first = (int)(center - widened + 0.5), last = (int)(center + widened + 0.5);
        first = first < 0 ? 0 : first;
        last = last > source ? source : last;
        int n = last - first;
        for (int j = 0; j < n; j++) {
            double distance = fabs((first + j - center + 0.5) / widened);
            k[j] = distance < 1 ? 1 - distance : 0;
            sum += k[j];
        }
        for (int j = 0; j < n; j++)
            filter->weight[(size_t)i * reach + j] =
                (int32_t)(0.5 + k[j] / (sum != 0 ? sum : 1) * (1 << WEIGHT_BITS));
        filter->first[i] = first;
        filter->count[i] = n;
    }
    free(k);
    return true;
}

static uint8_t to_byte(int32_t sum)
{
    int32_t value = sum >> WEIGHT_BITS;
    return (uint8_t)(value > 255 ? 255 : value);
}

static void weigh_one(const uint8_t *from, const int32_t *weight, int count, uint8_t *to)
{
    int32_t sum = 1 << (WEIGHT_BITS - 1);
    for (int i = 0; i < count; i++)
        sum += from[i] * weight[i];
    *to = to_byte(sum);
}

static void weigh_three(const uint8_t *from, const int32_t *weight, int count, uint8_t *to)
{
    int32_t a = 1 << (WEIGHT_BITS - 1), b = a, c = a;
    for (int i = 0; i < count; i++, from += 3) {
        a += from[0] * weight[i];
        b += from[1] * weight[i];
        c += from[2] * weight[i];
    }
    to[0] = to_byte(a);
    to[1] = to_byte(b);
    to[2] = to_byte(c);
}

/* Rows first_row.. of the source, narrowed to the filter's targets. */
static void resize_rows(const struct nt_picture *from, int first_row, const struct filter *filter,
    struct nt_picture *to)
{
    size_t pixel = (size_t)from->channels;
    for (int y = 0; y < to->height; y++) {
        const uint8_t *row = from->pixels + (size_t)(first_row + y) * (size_t)from->width * pixel;
        uint8_t *out = to->pixels + (size_t)y * (size_t)to->width * pixel;
        for (int x = 0; x < to->width; x++, out += pixel)
            (pixel == 1 ? weigh_one : weigh_three)(row + (size_t)filter->first[x] * pixel,
                filter->weight + (size_t)x * (size_t)filter->reach, filter->count[x], out);
    }
}

/* Columns of the source, whose row 0 is the picture's row first_row. */
static bool resize_columns(const struct nt_picture *from, int first_row,
    const struct filter *filter, struct nt_picture *to)
{
    size_t row = (size_t)to->width * (size_t)to->channels;
    int32_t *sum = malloc(row * sizeof *sum);
    if (!sum)
        return false;
    for (int y = 0; y < to->height; y++) {
        const int32_t *w = filter->weight + (size_t)y * filter->reach;
        for (size_t i = 0; i < row; i++)
            sum[i] = 1 << (WEIGHT_BITS - 1);
        for (int j = 0; j < filter->count[y]; j++) {
            const uint8_t *p = from->pixels + (size_t)(filter->first[y] - first_row + j) * row;
            for (size_t i = 0; i < row; i++)
                sum[i] += p[i] * w[j];
        }
        uint8_t *out = to->pixels + (size_t)y * row;
        for (size_t i = 0; i < row; i++)
            out[i] = to_byte(sum[i]);
    }
    free(sum);
    return true;
}

static enum nt_status resize_with(struct nt_context *ctx, const struct nt_picture *picture,
    const struct filter *across, const struct filter *down, struct nt_picture *to)
{
    int first_row = down->first[0];
    int last_row = down->first[to->height - 1] + down->count[to->height - 1];
    struct nt_picture narrow = {0};
    enum nt_status status =
        nt_picture_create(ctx, to->width, last_row - first_row, picture->channels, &narrow);
    if (status != NT_OK)
        return status;
    resize_rows(picture, first_row, across, &narrow);
    if (!resize_columns(&narrow, first_row, down, to))
        status = nt_fail(ctx, NT_ERR_MEMORY, "no memory to resize a picture");
    nt_picture_finish(&narrow);
    return status;
}

enum nt_status nt_picture_resize(struct nt_context *ctx, const struct nt_picture *picture,
    const struct nt_box *box, int width, int height, struct nt_picture *out)
{
    struct nt_box all = {0, 0, picture->width, picture->height};
    if (!box)
        box = &all;
    if (!(box->x >= 0 && box->y >= 0 && box->width > 0 && box->height > 0 &&
            box->x + box->width <= picture->width && box->y + box->height <= picture->height))
        return nt_fail(ctx, NT_ERR_ARGUMENT, "resize: box %gx%g+%g+%g: must lie inside %dx%d",
            box->width, box->height, box->x, box->y, picture->width, picture->height);
    struct nt_picture to;
    enum nt_status status = nt_picture_create(ctx, width, height, picture->channels, &to);
    if (status != NT_OK)
        return status;
    struct filter across = {0}, down = {0};
    if (!make_filter(picture->width, box->x, box->width, width, &across))
        status = nt_fail(ctx, NT_ERR_MEMORY, "no memory to resize a picture");
    else if (!make_filter(picture->height, box->y, box->height, height, &down))
        status = nt_fail(ctx, NT_ERR_MEMORY, "no memory to resize a picture");
    else
        status = resize_with(ctx, picture, &across, &down, &to);
    finish_filter(&across);
    finish_filter(&down);
    if (status != NT_OK) {
        nt_picture_finish(&to);
        return status;
    }
    *out = to;
    return NT_OK;
}

enum nt_status nt_picture_crop(struct nt_context *ctx, const struct nt_picture *picture, int x,
    int y, int width, int height, struct nt_picture *out)
{
    struct nt_picture part;
    enum nt_status status = nt_picture_create(ctx, width, height, picture->channels, &part);
    if (status != NT_OK)
        return status;
    int left = x < 0 ? -x : 0, right = picture->width - x < width ? picture->width - x : width;
    size_t pixel = (size_t)picture->channels;
    for (int row = 0; row < height; row++) {
        if (y + row < 0 || y + row >= picture->height || right <= left)
            continue;
        size_t from = (size_t)(y + row) * (size_t)picture->width + (size_t)(x + left);
        size_t to = (size_t)row * (size_t)width + (size_t)left;
        memcpy(part.pixels + to * pixel, picture->pixels + from * pixel,
            (size_t)(right - left) * pixel);
    }
    *out = part;
    return NT_OK;
}

void nt_picture_flip(struct nt_picture *picture)
{
    size_t pixel = (size_t)picture->channels, row = (size_t)picture->width * pixel;
    for (int y = 0; y < picture->height; y++) {
        uint8_t *a = picture->pixels + (size_t)y * row, *b = a + row - pixel;
        for (; a < b; a += pixel, b -= pixel)
            for (size_t c = 0; c < pixel; c++) {
                uint8_t t = a[c];
                a[c] = b[c];
                b[c] = t;
            }
    }
}

enum nt_status nt_picture_orient(
    struct nt_context *ctx, struct nt_picture *picture, int orientation)
{
    if (orientation <= 1 || orientation > 8)
        return NT_OK;
    /* Of each orientation: whether rows become columns, and then which sides are swapped. */
    static const struct {
        bool transpose, mirror, upside_down;
    } ways[9] = {[2] = {0, 1, 0},
        [3] = {0, 1, 1},
        [4] = {0, 0, 1},
        [5] = {1, 0, 0},
        [6] = {1, 1, 0},
        [7] = {1, 1, 1},
        [8] = {1, 0, 1}};
    bool transpose = ways[orientation].transpose;
    int width = transpose ? picture->height : picture->width;
    int height = transpose ? picture->width : picture->height;
    struct nt_picture turned;
    enum nt_status status = nt_picture_create(ctx, width, height, picture->channels, &turned);
    if (status != NT_OK)
        return status;
    size_t pixel = (size_t)picture->channels;
    uint8_t *to = turned.pixels;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++, to += pixel) {
            int u = ways[orientation].mirror ? width - 1 - x : x;
            int v = ways[orientation].upside_down ? height - 1 - y : y;
            size_t from = transpose ? (size_t)u * (size_t)picture->width + (size_t)v
                                    : (size_t)v * (size_t)picture->width + (size_t)u;
            memcpy(to, picture->pixels + from * pixel, pixel);
        }
    nt_picture_finish(picture);
    *picture = turned;
    return NT_OK;
}

enum nt_status nt_picture_write_png(
    struct nt_context *ctx, const struct nt_picture *picture, const char *path)
{
    return nt_png_write(ctx, picture, path);
}
