/* SPDX-License-Identifier: MIT
 *
 * Channels-last tensors of one to three spatial dimensions, as kernels that go pixel by pixel take
 * them: N,C,D,H,W, strides of all but C. Private to engine/.
 */
#ifndef NT_ENGINE_OP_SPATIAL_H
#define NT_ENGINE_OP_SPATIAL_H

#include "engine/launch.h"

/* Fails unless a tensor has the type, rank 3 to 5, and channels that lie side by side. */
enum nt_status nt_spatial_check(struct nt_context *ctx, const char *name, const char *what,
    const struct nt_tensor *tensor, enum nt_dtype dtype);

/* The tensor with rank 5: the leading spatial dimensions that it lacks have extent 1. */
struct nt_tensor nt_spatial_view(const struct nt_tensor *tensor);

/* Kernel arguments: the strides of N, D, H, W of a tensor of rank 5. */
void nt_spatial_strides(struct nt_launch *launch, const struct nt_tensor *tensor);

/* Channels that "tile" kernels take at once: 1, 4, or the device's vector. */
int nt_spatial_width(struct nt_tape *tape, int64_t channels);

/* "tile" kernels: the argument `chunk`, and a grid over as many items. work: loads and stores of
 * one item. */
void nt_spatial_chunks(struct nt_launch *launch, int64_t items, int64_t work);

/* "group" kernels: the grid W*C, H, N*D of a result of rank 5; kernels loop over the last two. */
void nt_spatial_grid(struct nt_launch *launch, const struct nt_tensor *result);

#endif
