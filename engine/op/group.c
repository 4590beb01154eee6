/* SPDX-License-Identifier: MIT */
#include "engine/op/group.h"

#define PER_ITEM 4 /* rows and columns of a work-item */

/* Work-items along a side: 256 of them where the device allows, else 64. */
static int side(const struct nt_device *dev)
{
    return nt_device_get_info(dev)->max_work_group >= 256 ? 16 : 8;
}

int nt_group_span(const struct nt_device *dev)
{
    return PER_ITEM * side(dev);
}

void nt_group_grid(struct nt_launch *launch, int64_t rows, int64_t columns, int64_t depth)
{
    size_t n = (size_t)side(nt_tape_device(launch->tape));
    size_t global[] = {((size_t)columns + PER_ITEM - 1) / PER_ITEM,
        ((size_t)rows + PER_ITEM - 1) / PER_ITEM, (size_t)depth};
    nt_launch_define(launch, "NT_SIDE", "%zu", n);
    nt_launch_grid(launch, 3, global, (size_t[]){n, n, 1});
}
