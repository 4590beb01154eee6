/* SPDX-License-Identifier: MIT
 *
 * Small pictures held in memory as bytes, with a class each: what idx and cifar10 share.
 */
#ifndef NT_FRONTEND_DATASET_PIXELS_H
#define NT_FRONTEND_DATASET_PIXELS_H

#include "frontend/dataset/kind.h"

struct nt_pixels {
    uint8_t *data;   /* N,C,H,W */
    uint8_t *labels; /* N */
    /* Blocks that data and labels point into. */
    void *owned[2];
    float scale[3], offset[3]; /* value = byte * scale + offset */
};

/* Fills the dataset's info for count pictures of channels x height x width. Takes pixels. */
enum nt_status nt_pixels_set(struct nt_context *ctx, struct nt_dataset *dataset,
    struct nt_pixels *pixels, int64_t count, int channels, int height, int width, int classes);

enum nt_status nt_pixels_item(struct nt_context *ctx, const struct nt_dataset *dataset,
    int64_t index, struct nt_random *random, enum nt_layout layout, void *x, void *y);
/* A picture's bytes as normalised numbers. */
void nt_pixels_convert(const struct nt_picture *picture, const struct nt_dataset_info *info,
    enum nt_layout layout, float *x);
void nt_pixels_close(struct nt_dataset *dataset);

#endif
