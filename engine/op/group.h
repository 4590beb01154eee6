/* SPDX-License-Identifier: MIT
 *
 * Work-groups of a device's GPU kernels, and their tile (cl/group.clh). Private to engine/.
 */
#ifndef NT_ENGINE_OP_GROUP_H
#define NT_ENGINE_OP_GROUP_H

#include "engine/launch.h"

/* Work-items of a work-group: `most`, a power of two, or half as often as the device allows. */
size_t nt_group_items(const struct nt_device *dev, size_t most);

/* A line of `count` work-items, in groups of `most` or half as often as need be, NT_LOCAL. */
void nt_group_line(struct nt_launch *launch, int64_t count, size_t most);

/* Work-items along a side of a square of them: 16, 8 or 4. */
int nt_group_side(const struct nt_device *dev);

/* Rows and columns of a tile. */
int nt_group_span(const struct nt_device *dev);

/* Defines the tile and sets the grid for rows x columns x depth results. */
void nt_group_grid(struct nt_launch *launch, int64_t rows, int64_t columns, int64_t depth);

#endif
