/* SPDX-License-Identifier: MIT
 *
 * Contact sheets: pictures in a grid, each with its true class, or a sentence about it, and what a
 * model takes it for, as a PNG file.
 */
#ifndef NT_FRONTEND_SHEET_H
#define NT_FRONTEND_SHEET_H

#include "frontend/picture.h"

struct nt_sheet_item {
    const struct nt_picture *picture;
    const char *truth; /* NULL: unknown */
    const char *predicted;
    double probability; /* of the prediction, [0, 1] */
    bool right;         /* written in green, else in red; without truth in black */
};

struct nt_sheet_params {
    int columns;      /* 0: 8 */
    int picture_size; /* the longer side of each, in pixels; 0: 112 */
    bool sentences;   /* truth and prediction take the lines that they need, without probability */
};

/* params may be NULL. Captions are plain ASCII: other characters become '?'. */
enum nt_status nt_sheet_write(struct nt_context *ctx, const char *path,
    const struct nt_sheet_item *items, int count, const struct nt_sheet_params *params);

#endif
