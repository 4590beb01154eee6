/* SPDX-License-Identifier: MIT
 *
 * The PNG side of nt_picture_decode and nt_picture_write_png, through libpng.
 * The result has 1 or 3 channels, as the file has colour or not.
 */
#ifndef NT_FRONTEND_PNG_H
#define NT_FRONTEND_PNG_H

#include "frontend/picture.h"

enum nt_status nt_png_decode(struct nt_context *ctx, const char *name, const uint8_t *data,
    size_t size, const struct nt_picture_params *params, struct nt_picture *out);
enum nt_status nt_png_write(
    struct nt_context *ctx, const struct nt_picture *picture, const char *path);

#endif
