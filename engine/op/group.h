/* SPDX-License-Identifier: MIT
 *
 * Work-groups of a device's GPU kernels, their tile (cl/group.clh), and sums that several of them
 * share. Private to engine/.
 */
#ifndef NT_ENGINE_OP_GROUP_H
#define NT_ENGINE_OP_GROUP_H

#include "engine/launch.h"
#include "engine/primitives.h"

/* Work-items of a work-group: `most`, a power of two, or half as often as the device allows. */
size_t nt_group_items(const struct nt_device *dev, size_t most);

/* A line of `count` work-items, in groups of `most` or half as often as need be, NT_LOCAL. */
void nt_group_line(struct nt_launch *launch, int64_t count, size_t most);

/* Work-items along a side of a square of them: 16, 8 or 4. */
int nt_group_side(const struct nt_device *dev);

/* For rows x columns x depth results, each a sum of so many steps: work-items along a side of a
 * work-group, results along a side of a work-item, and parts of the sums. */
struct nt_group {
    int side, mine;
    int64_t splits;
};

struct nt_group nt_group_choose(
    const struct nt_device *dev, int64_t rows, int64_t columns, int64_t depth, int64_t steps);

/* Floats of an operand or a result that a kernel may read or write at once along a dimension of
 * stride 1: 4 where all fours of neighbours lie at multiples of 16 bytes, else 1. */
int nt_group_wide(const struct nt_tensor *tensor, int dimension);
/* The same of a result whose epilogue, which may be NULL, reads its operands alike. */
int nt_group_wide_result(
    const struct nt_tensor *out, int dimension, const struct nt_epilogue *epilogue);

/* Defines the tile and sets the grid for rows x columns x depth results, depth with the splits. */
void nt_group_grid(struct nt_launch *launch, const struct nt_group *group, int64_t rows,
    int64_t columns, int64_t depth);

/* out = epilogue(the sum of partial, of one rank more, over its first dimension). */
enum nt_status nt_group_join(struct nt_tape *tape, const struct nt_tensor *partial,
    const struct nt_tensor *out, const struct nt_epilogue *epilogue);

#endif
