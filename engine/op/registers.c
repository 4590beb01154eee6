/* SPDX-License-Identifier: MIT */
#include "engine/op/registers.h"
#include "engine/op/tile.h"

#include <string.h>

#define LANES 16 /* as in cl/registers.clh */

/* Work-groups per compute unit that hide latencies. */
#define GROUPS_PER_UNIT 4

bool nt_prefers_registers(const struct nt_device *dev)
{
    const struct nt_device_info *info = nt_device_get_info(dev);
    bool gpu = info->type == NT_DEVICE_GPU_DISCRETE || info->type == NT_DEVICE_GPU_INTEGRATED;
    return gpu && (!info->local_memory_real || strstr(info->vendor, "Intel"));
}

static int64_t groups(const struct nt_registers *tile, int64_t rows, int64_t columns)
{
    return nt_divide_up(rows, tile->rows) * nt_divide_up(columns, LANES * tile->width);
}

struct nt_registers nt_registers_choose(
    const struct nt_device *dev, int64_t rows, int64_t columns, int64_t depth, bool one)
{
    const struct nt_device_info *info = nt_device_get_info(dev);
    int64_t enough = nt_divide_up(GROUPS_PER_UNIT * (int64_t)info->compute_units, depth);
    /* GPUs that emulate local memory have few registers too. */
    int most = nt_prefers_registers(dev) && !info->local_memory_real ? 4 : 8;
    struct nt_registers tile = {.rows = rows >= most ? most : rows >= 4 ? 4 : 1, .width = 4};
    /* A third of the lanes may idle. */
    if (one || 3 * columns < 2 * nt_divide_up(columns, 4 * LANES) * 4 * LANES ||
        groups(&tile, rows, columns) < enough)
        tile.width = 1;
    if (tile.rows == 8 && groups(&tile, rows, columns) < enough)
        tile.rows = 4;
    return tile;
}

void nt_registers_grid(struct nt_launch *launch, const struct nt_registers *tile, int64_t rows,
    int64_t columns, int64_t depth, bool shuffle)
{
    bool sub_groups = nt_device_get_info(nt_tape_device(launch->tape))->sub_groups;
    nt_launch_define(launch, "NT_MR", "%d", tile->rows);
    nt_launch_define(launch, "NT_VW", "%d", tile->width);
    nt_launch_define(launch, "NT_SUB_GROUPS", "%d", sub_groups && shuffle);
    nt_launch_grid(launch, 3,
        (size_t[]){(size_t)nt_divide_up(columns, tile->width),
            (size_t)nt_divide_up(rows, tile->rows), (size_t)depth},
        (size_t[]){LANES, 1, 1});
}
