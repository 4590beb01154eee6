/* SPDX-License-Identifier: MIT
 *
 * The JPEG side of nt_picture_decode, through TurboJPEG. The result has 1 or 3 channels, as is
 * fastest; params->channels is a hint.
 */
#ifndef NT_FRONTEND_JPEG_H
#define NT_FRONTEND_JPEG_H

#include "frontend/picture.h"

enum nt_status nt_jpeg_decode(struct nt_context *ctx, const char *name, const uint8_t *data,
    size_t size, const struct nt_picture_params *params, struct nt_picture *out);

/* The EXIF orientation, 1 to 8; 1 when there is none or it is broken. */
int nt_jpeg_orientation(const uint8_t *data, size_t size);

#endif
