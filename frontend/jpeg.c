/* SPDX-License-Identifier: MIT */
#include "frontend/jpeg.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#define MARKER_SOF0 0xC0
#define MARKER_SOS 0xDA
#define MARKER_EOI 0xD9
#define MARKER_APP1 0xE1
#define MARKER_APP14 0xEE

#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT 3

/* The next marker segment before the picture's data: its marker, content and length.
 * at starts at 2, after the start marker. */
static bool next_segment(const uint8_t *data, size_t size, size_t *at, int *marker,
    const uint8_t **content, size_t *length)
{
    size_t i = *at;
    while (i < size && data[i] != 0xFF) /* stray bytes: libjpeg skips them too */
        i++;
    while (i < size && data[i] == 0xFF)
        i++;
    if (size - i < 3 || i >= size)
        return false;
    *marker = data[i++];
    size_t n = (size_t)data[i] << 8 | data[i + 1];
    if (*marker == MARKER_SOS || *marker == MARKER_EOI || n < 2 || n > size - i)
        return false;
    *content = data + i + 2;
    *length = n - 2;
    *at = i + n;
    return true;
}

static unsigned get(const uint8_t *p, int bytes, bool big)
{
    unsigned value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (unsigned)p[i] << 8 * (big ? bytes - 1 - i : i);
    return value;
}

/* tiff: the EXIF content after "Exif\0\0". */
static int find_orientation(const uint8_t *tiff, size_t size)
{
    if (size < 14 || (memcmp(tiff, "II*\0", 4) != 0 && memcmp(tiff, "MM\0*", 4) != 0))
        return 1;
    bool big = tiff[0] == 'M';
    size_t at = get(tiff + 4, 4, big);
    if (at > size - 2)
        return 1;
    unsigned entries = get(tiff + at, 2, big);
    at += 2;
    for (unsigned i = 0; i < entries && size - at >= 12; i++, at += 12)
        if (get(tiff + at, 2, big) == TAG_ORIENTATION && get(tiff + at + 2, 2, big) == TYPE_SHORT) {
            unsigned value = get(tiff + at + 8, 2, big);
            return value >= 1 && value <= 8 ? (int)value : 1;
        }
    return 1;
}

int nt_jpeg_orientation(const uint8_t *data, size_t size)
{
    const uint8_t *content;
    size_t at = 2, length;
    int marker;
    while (next_segment(data, size, &at, &marker, &content, &length))
        if (marker == MARKER_APP1 && length > 6 && memcmp(content, "Exif\0", 5) == 0)
            return find_orientation(content + 6, length - 6);
    return 1;
}

/* Whether TurboJPEG's latest complaint leaves the pixels whole. Its error code does not tell: a
 * fatal error after a warning counts as a warning. */
static bool is_harmless(tjhandle decoder)
{
    static const char *const texts[] = {
        "extraneous bytes before marker", "unknown JFIF revision", "Unknown Adobe color transform"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strstr(tjGetErrorStr2(decoder), texts[i]))
            return true;
    return false;
}

/* Decodes to pixels. A file without end marker is tried again with one: only when coded data are
 * missing, too, libjpeg complains then. */
static bool decompress(tjhandle decoder, const uint8_t *data, size_t size, uint8_t *pixels,
    int width, int height, int format)
{
    const int flags = TJFLAG_LIMITSCANS;
    if (tjDecompress2(decoder, data, size, pixels, width, 0, height, format, flags) == 0)
        return true;
    if (!strstr(tjGetErrorStr2(decoder), "Premature end of JPEG file"))
        return is_harmless(decoder);
    uint8_t *ended = malloc(size + 2);
    if (!ended)
        return false;
    memcpy(ended, data, size);
    ended[size] = 0xFF;
    ended[size + 1] = MARKER_EOI;
    int failed = tjDecompress2(decoder, ended, size + 2, pixels, width, 0, height, format, flags);
    free(ended);
    return !failed || is_harmless(decoder);
}

/* Photoshop and all others that write the Adobe marker store 255 for no ink; so do, in
 * practice, the files without it. */
static void ink_to_rgb(const uint8_t *cmyk, size_t count, uint8_t *rgb)
{
    for (size_t i = 0; i < count; i++, cmyk += 4, rgb += 3)
        for (int c = 0; c < 3; c++) {
            unsigned product = (unsigned)cmyk[c] * cmyk[3] + 128;
            rgb[c] = (uint8_t)((product + (product >> 8)) >> 8); /* product / 255, rounded */
        }
}

/* The smallest size the decoder can make with both sides long enough. */
static void choose_scale(
    const struct nt_picture_params *params, bool turned, int *width, int *height)
{
    int min_width = turned ? params->min_height : params->min_width;
    int min_height = turned ? params->min_width : params->min_height;
    if (min_width <= 0 || min_height <= 0)
        return;
    int count, full_width = *width, full_height = *height;
    const tjscalingfactor *factors = tjGetScalingFactors(&count);
    for (int i = 0; factors && i < count; i++) {
        int w = TJSCALED(full_width, factors[i]), h = TJSCALED(full_height, factors[i]);
        if (w >= min_width && h >= min_height && w < *width) {
            *width = w;
            *height = h;
        }
    }
}

static enum nt_status decode_pixels(struct nt_context *ctx, const char *name, tjhandle decoder,
    const uint8_t *data, size_t size, bool ink, struct nt_picture *picture)
{
    size_t count = (size_t)picture->width * (size_t)picture->height;
    uint8_t *pixels = ink ? malloc(count * 4) : picture->pixels;
    if (!pixels)
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for its pixels", name);
    int format = ink ? TJPF_CMYK : picture->channels == 1 ? TJPF_GRAY : TJPF_RGB;
    enum nt_status status = NT_OK;
    if (!decompress(decoder, data, size, pixels, picture->width, picture->height, format))
        status = nt_fail(ctx, NT_ERR_FORMAT, "%s: broken JPEG: %s", name, tjGetErrorStr2(decoder));
    if (ink) {
        ink_to_rgb(pixels, count, picture->pixels);
        free(pixels);
    }
    return status;
}

static enum nt_status decode(struct nt_context *ctx, const char *name, tjhandle decoder,
    const uint8_t *data, size_t size, const struct nt_picture_params *params,
    struct nt_picture *out)
{
    int width = 0, height = 0, subsampling, color_space = -1;
    int failed =
        tjDecompressHeader3(decoder, data, size, &width, &height, &subsampling, &color_space);
    /* A subsampling that TurboJPEG has no name for can be decoded all the same. */
    if (width < 1 || height < 1 || color_space < 0)
        return nt_fail(ctx, NT_ERR_FORMAT, "%s: broken JPEG: %s", name,
            failed ? tjGetErrorStr2(decoder) : "there is no picture in it");
    int64_t most = params->max_pixels;
    if ((int64_t)width * height > most)
        return nt_fail(ctx, NT_ERR_UNSUPPORTED, "%s: %dx%d: more than %lld pixels", name, width,
            height, (long long)most);
    int orientation = nt_jpeg_orientation(data, size);
    choose_scale(params, orientation >= 5, &width, &height);
    bool ink = color_space == TJCS_CMYK || color_space == TJCS_YCCK;
    bool gray = color_space == TJCS_GRAY || (color_space == TJCS_YCbCr && params->channels == 1);
    struct nt_picture picture;
    enum nt_status status = nt_picture_create(ctx, width, height, gray ? 1 : 3, &picture);
    if (status != NT_OK)
        return status;
    status = decode_pixels(ctx, name, decoder, data, size, ink, &picture);
    if (status == NT_OK)
        status = nt_picture_orient(ctx, &picture, orientation);
    if (status != NT_OK) {
        nt_picture_finish(&picture);
        return status;
    }
    *out = picture;
    return NT_OK;
}

enum nt_status nt_jpeg_decode(struct nt_context *ctx, const char *name, const uint8_t *data,
    size_t size, const struct nt_picture_params *params, struct nt_picture *out)
{
    tjhandle decoder = tjInitDecompress();
    if (!decoder)
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for a JPEG decoder", name);
    enum nt_status status = decode(ctx, name, decoder, data, size, params, out);
    tjDestroy(decoder);
    return status;
}
