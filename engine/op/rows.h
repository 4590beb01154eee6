/* SPDX-License-Identifier: MIT
 *
 * What the primitives on rows (softmax, row_loss, argmax) share. Private to engine/.
 */
#ifndef NT_ENGINE_OP_ROWS_H
#define NT_ENGINE_OP_ROWS_H

#include "engine/launch.h"

/* Fails unless x is float32 of rank 2 with at least one class. */
enum nt_status nt_rows_check(
    struct nt_tape *tape, const char *primitive, const struct nt_tensor *x);

/* Fails unless t has the dtype and, by row, the shape of x: all of it, or [R] for rank 1. */
enum nt_status nt_rows_check_like(struct nt_tape *tape, const char *primitive, const char *name,
    const struct nt_tensor *t, enum nt_dtype dtype, int rank, const struct nt_tensor *x);

/* The last kernel arguments (R, C, split) and the grid: a work-item takes `split` rows ("tile"),
 * or a row has 1 << split lanes ("group"). passes: how often a kernel reads or writes x's size.
 * Sets NT_TILE. */
void nt_rows_grid(
    struct nt_launch *launch, const struct nt_tensor *x, const char *variant, int passes);

#endif
