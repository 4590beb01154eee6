/* SPDX-License-Identifier: MIT
 *
 * The register tile of cl/registers.clh, for GPUs that are better off without local memory.
 * Private to engine/op/.
 */
#ifndef NT_ENGINE_OP_REGISTERS_H
#define NT_ENGINE_OP_REGISTERS_H

#include "engine/launch.h"

/* Whether the device is such a GPU. */
bool nt_prefers_registers(const struct nt_device *dev);

struct nt_registers {
    int rows, width; /* of a work-item: rows and columns */
};

/* For `depth` matrices of rows x columns. one: a work-item must have one column. */
struct nt_registers nt_registers_choose(
    const struct nt_device *dev, int64_t rows, int64_t columns, int64_t depth, bool one);

/* Defines the tile and sets the grid. shuffle: whether lanes may load A for each other. */
void nt_registers_grid(struct nt_launch *launch, const struct nt_registers *tile, int64_t rows,
    int64_t columns, int64_t depth, bool shuffle);

#endif
