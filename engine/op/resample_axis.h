/* SPDX-License-Identifier: MIT
 *
 * Resampling along one dimension as a table of weights. Private to engine/.
 */
#ifndef NT_ENGINE_OP_RESAMPLE_AXIS_H
#define NT_ENGINE_OP_RESAMPLE_AXIS_H

#include "engine/primitives.h"

/* Element o of the result is the sum of weight[start[o] + k] times element first[o] + k of the
 * source, for k < start[o + 1] - start[o]. */
struct nt_resample_axis {
    int64_t in, out;
    int32_t *first, *start;
    double *weight;
};

/* The table for dimension i of how, and (transposed) that of its gradient, whose `in` is the
 * output's extent. False when host memory is exhausted. */
bool nt_resample_axis_make(
    struct nt_resample_axis *axis, const struct nt_resample *how, int i, int64_t in, int64_t out);
bool nt_resample_axis_transpose(
    struct nt_resample_axis *axis, const struct nt_resample_axis *forward);
void nt_resample_axis_free(struct nt_resample_axis *axis);

#endif
