/* SPDX-License-Identifier: MIT
 *
 * What a checkpoint remembers of the data it was trained on, as JSON under "neutra.data": enough to
 * prepare a new picture in the same way and to name its class.
 */
#ifndef NT_FRONTEND_DATA_INFO_H
#define NT_FRONTEND_DATA_INFO_H

#include "frontend/dataset.h"

#ifdef __cplusplus
extern "C" {
#endif

struct nt_data_info {
    char kind[32]; /* "images" */
    int class_count;
    char **class_names;          /* NULL: unknown */
    float mean[3], deviation[3]; /* value = (byte / 255 - mean) / deviation; of red, green, blue */
    bool bgr;                    /* the model takes blue first */
    double crop; /* side of the middle square that is used, as a share of the shorter side */
};

/* The caller's (free); NULL when memory is exhausted. */
char *nt_data_info_write(const struct nt_dataset_info *info);

/* Reads them from a checkpoint. *found tells whether it has any; without, out is set to no
 * classes, mean 0, deviation 1 and the whole picture. The caller calls finish. */
NT_API enum nt_status nt_data_info_read(
    struct nt_context *ctx, const char *path, struct nt_data_info *out, bool *found);
NT_API void nt_data_info_finish(struct nt_data_info *info);

#ifdef __cplusplus
}
#endif
#endif
