/* SPDX-License-Identifier: MIT
 *
 * What the kinds share whose items are pictures in files of their own.
 */
#ifndef NT_FRONTEND_DATASET_PHOTOGRAPH_H
#define NT_FRONTEND_DATASET_PHOTOGRAPH_H

#include "frontend/dataset/kind.h"

/* Sets info.item to what the model takes, {channels, height, width}, or where it does not say to
 * the fallback. NT_ERR_SHAPE unless that is a picture of 1 or 3 channels, 32768 pixels at most each
 * way. */
enum nt_status nt_photograph_set_item(
    struct nt_context *ctx, struct nt_dataset *dataset, int channels, int side);

/* nt_dataset_normalise by ImageNet's mean and deviation, for info.item's channels; the means of
 * the three where pictures are gray. */
enum nt_status nt_photograph_normalise(struct nt_context *ctx, struct nt_dataset *dataset);

/* Decodes a file to info.item's channels; to that multiple of its extents at least, where the
 * file has as many pixels. */
enum nt_status nt_photograph_load(struct nt_context *ctx, const struct nt_dataset *dataset,
    const char *path, double multiple, struct nt_picture *picture);

/* Resizes a box of the picture (NULL: all of it) to info.item, mirrors it if asked to, and
 * normalises it into x. Releases the picture, also after an error. */
enum nt_status nt_photograph_give(struct nt_context *ctx, const struct nt_dataset *dataset,
    struct nt_picture *picture, const struct nt_box *box, bool flip, enum nt_layout layout,
    float *x);

/* Whether an item drawn at random is to be mirrored. random NULL: no. */
bool nt_photograph_draw_flip(const struct nt_dataset *dataset, struct nt_random *random);

#endif
