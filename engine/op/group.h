/* SPDX-License-Identifier: MIT
 *
 * The work-group tile of a device's GPU kernels (cl/group.clh). Private to engine/.
 */
#ifndef NT_ENGINE_OP_GROUP_H
#define NT_ENGINE_OP_GROUP_H

#include "engine/launch.h"

/* Rows and columns of a tile. */
int nt_group_span(const struct nt_device *dev);

/* Defines the tile and sets the grid for rows x columns x depth results. */
void nt_group_grid(struct nt_launch *launch, int64_t rows, int64_t columns, int64_t depth);

#endif
