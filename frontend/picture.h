/* SPDX-License-Identifier: MIT
 *
 * Pictures as bytes: JPEG and PNG decoding, resizing, cropping, PNG writing. What a file is, is
 * told by its content, not by its name. Resizing gives the bytes that Pillow's bilinear resize
 * gives (boxes at fractions of a pixel: to 1 of 255), so preprocessing for torchvision's models
 * carries over.
 *
 * JPEG: baseline, progressive and arithmetic, 8 bits; gray, YCbCr, RGB, CMYK and YCCK. EXIF
 * orientation is applied. Colour profiles are not. A picture whose coded data are damaged or end
 * early is refused; libjpeg's other warnings (stray bytes between markers, a missing end marker)
 * leave the picture whole and are passed over.
 * PNG: every colour type and depth, interlaced too; transparent parts are laid over white.
 *
 * Thread-safety: any number of threads on different pictures.
 */
#ifndef NT_FRONTEND_PICTURE_H
#define NT_FRONTEND_PICTURE_H

#include <stdbool.h>

#include "engine/context.h"

#ifdef __cplusplus
extern "C" {
#endif

struct nt_picture {
    int width, height, channels; /* channels: 1 gray or 3 red, green, blue */
    uint8_t *pixels;             /* rows from the top, channels of a pixel side by side */
};

struct nt_picture_params {
    int channels; /* 1, 3, or 0: as the file */
    /* The decoder may shrink by its fast scales while width and height both stay at
     * least this. 0: full size. */
    int min_width, min_height;
    int64_t max_pixels; /* of the file; more is refused before any is decoded. 0: 100 million */
};

/* params may be NULL. The result is the caller's: nt_picture_finish. */
NT_API enum nt_status nt_picture_load(struct nt_context *ctx, const char *path,
    const struct nt_picture_params *params, struct nt_picture *out);
/* The same from memory; name stands for the path in messages. */
NT_API enum nt_status nt_picture_decode(struct nt_context *ctx, const char *name,
    const uint8_t *data, size_t size, const struct nt_picture_params *params,
    struct nt_picture *out);
NT_API enum nt_status nt_picture_create(
    struct nt_context *ctx, int width, int height, int channels, struct nt_picture *out);
NT_API void nt_picture_finish(struct nt_picture *picture);

struct nt_box {
    double x, y, width, height; /* pixels; inside the picture */
};

/* Resizes a box (NULL: all) of the picture to width x height: bilinear, averaging over
 * all pixels that fall together when it shrinks. */
NT_API enum nt_status nt_picture_resize(struct nt_context *ctx, const struct nt_picture *picture,
    const struct nt_box *box, int width, int height, struct nt_picture *out);
/* Copies a part. What lies outside the picture becomes black. */
NT_API enum nt_status nt_picture_crop(struct nt_context *ctx, const struct nt_picture *picture,
    int x, int y, int width, int height, struct nt_picture *out);
/* Mirrors left and right, in place. */
NT_API void nt_picture_flip(struct nt_picture *picture);
/* Turns and mirrors as an EXIF orientation (1 to 8) asks for. */
NT_API enum nt_status nt_picture_orient(
    struct nt_context *ctx, struct nt_picture *picture, int orientation);

NT_API enum nt_status nt_picture_write_png(
    struct nt_context *ctx, const struct nt_picture *picture, const char *path);

#ifdef __cplusplus
}
#endif
#endif
