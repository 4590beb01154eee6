/* SPDX-License-Identifier: MIT */
#include "engine/op/group.h"

#define PER_ITEM 4 /* rows and columns of a work-item */

size_t nt_group_items(const struct nt_device *dev, size_t most)
{
    while (most > 1 && most > nt_device_get_info(dev)->max_work_group)
        most /= 2;
    return most;
}

void nt_group_line(struct nt_launch *launch, int64_t count, size_t most)
{
    size_t items = nt_group_items(nt_tape_device(launch->tape), most);
    nt_launch_define(launch, "NT_LOCAL", "%zu", items);
    nt_launch_grid(launch, 1, (size_t[]){(size_t)count}, &items);
}

int nt_group_side(const struct nt_device *dev)
{
    size_t items = nt_group_items(dev, 256);
    return items >= 256 ? 16 : items >= 64 ? 8 : 4;
}

int nt_group_span(const struct nt_device *dev)
{
    return PER_ITEM * nt_group_side(dev);
}

void nt_group_grid(struct nt_launch *launch, int64_t rows, int64_t columns, int64_t depth)
{
    size_t n = (size_t)nt_group_side(nt_tape_device(launch->tape));
    size_t global[] = {((size_t)columns + PER_ITEM - 1) / PER_ITEM,
        ((size_t)rows + PER_ITEM - 1) / PER_ITEM, (size_t)depth};
    nt_launch_define(launch, "NT_SIDE", "%zu", n);
    nt_launch_grid(launch, 3, global, (size_t[]){n, n, 1});
}
