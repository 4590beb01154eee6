/* SPDX-License-Identifier: MIT */
#include "engine/op/group.h"
#include "engine/op/epilogue.h"
#include "engine/op/tile.h"

#include <math.h>

/* More results per work-item read less from local memory; they must not leave many work-items
 * without results or compute units without work-groups. */
#define FEW 4
#define MANY 8
#define MANY_LOCAL (24 << 10) /* bytes that its tiles take, and a little */
#define MOST_PADDING 1.25

/* Work-groups per compute unit that hide latencies, and steps of a part that are worth its sum. */
#define GROUPS_PER_UNIT 2
#define LEAST_STEPS 256

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

static int64_t groups_of(int64_t span, int64_t rows, int64_t columns, int64_t depth)
{
    return nt_divide_up(rows, span) * nt_divide_up(columns, span) * depth;
}

struct nt_group nt_group_choose(
    const struct nt_device *dev, int64_t rows, int64_t columns, int64_t depth, int64_t steps)
{
    const struct nt_device_info *info = nt_device_get_info(dev);
    struct nt_group group = {nt_group_side(dev), FEW, 1};
    int64_t units = (int64_t)info->compute_units, small = FEW * group.side,
            large = MANY * group.side;
    int64_t few = groups_of(small, rows, columns, depth);
    int64_t many = groups_of(large, rows, columns, depth);
    bool fits = (double)(many * large * large) <= MOST_PADDING * (double)(few * small * small);
    if (many >= units && fits && group.side >= 8 && info->local_memory >= MANY_LOCAL)
        group.mine = MANY;
    int64_t wanted =
        nt_divide_up(GROUPS_PER_UNIT * units, nt_most(group.mine == MANY ? many : few, 1));
    group.splits = nt_most(nt_least(wanted, steps / LEAST_STEPS), 1);
    return group;
}

int nt_group_wide(const struct nt_tensor *tensor, int dimension)
{
    bool fours = tensor->offset % 4 == 0 && tensor->shape.dim[dimension] % 4 == 0;
    for (int i = 0; i < tensor->shape.rank; i++)
        if (i == dimension)
            fours = fours && tensor->stride[i] == 1;
        else if (tensor->shape.dim[i] > 1)
            fours = fours && tensor->stride[i] % 4 == 0;
    return fours ? 4 : 1;
}

int nt_group_wide_result(
    const struct nt_tensor *out, int dimension, const struct nt_epilogue *epilogue)
{
    for (int i = 0; epilogue && epilogue->expr && i < epilogue->inputs; i++)
        if (epilogue->in[i].offset % 4)
            return 1;
    return nt_group_wide(out, dimension);
}

void nt_group_grid(struct nt_launch *launch, const struct nt_group *group, int64_t rows,
    int64_t columns, int64_t depth)
{
    size_t n = (size_t)group->side;
    size_t global[] = {(size_t)nt_divide_up(columns, group->mine),
        (size_t)nt_divide_up(rows, group->mine), (size_t)depth};
    nt_launch_define(launch, "NT_SIDE", "%d", group->side);
    nt_launch_define(launch, "NT_MINE", "%d", group->mine);
    nt_launch_grid(launch, 3, global, (size_t[]){n, n, 1});
}

enum nt_status nt_group_join(struct nt_tape *tape, const struct nt_tensor *partial,
    const struct nt_tensor *out, const struct nt_epilogue *epilogue)
{
    struct nt_context *ctx = nt_device_context(nt_tape_device(tape));
    struct nt_tensor sum = *out;
    if (nt_epilogue_reads(epilogue, out))
        sum =
            nt_tensor_make(nt_tape_buffer(tape, NT_BUFFER_TRANSIENT,
                               (size_t)nt_shape_count(&out->shape) * sizeof(float), "joined sums"),
                NT_F32, &out->shape, NT_ROW_MAJOR);
    struct nt_expr *expr = nt_expr_create();
    if (!expr)
        return nt_fail(ctx, NT_ERR_MEMORY, "group: host memory is exhausted");
    enum nt_status status =
        nt_reduce(tape, NT_REDUCE_SUM, expr, nt_expr_input(expr, 0), 1, partial, 1, &sum);
    nt_expr_destroy(expr);
    if (status == NT_OK && epilogue && epilogue->expr)
        status = nt_epilogue_after(tape, epilogue, &sum, out);
    return status;
}
