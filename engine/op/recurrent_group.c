/* SPDX-License-Identifier: MIT */
#include "engine/op/group.h"
#include "engine/op/recurrent.h"

#define ITEMS 4   /* of a work-group: each float of the weight that is read serves so many */
#define ROOM 4096 /* floats of local memory, 16 KiB */
#define MAX_LANES 256

const char *nt_recurrent_group_rule(const struct nt_recurrent_problem *p)
{
    return ITEMS * p->gates * p->units > ROOM ? "a step's gates must fit 16 KiB" : NULL;
}

static void start(struct nt_launch *l, struct nt_tape *tape, const struct nt_recurrent_problem *p,
    const char *entry, bool backward)
{
    nt_launch_init(l, tape, "recurrent_group", entry, "group", p->reason);
    nt_launch_define(l, "NT_CELL", "%d", (int)p->layer->cell);
    nt_launch_define(l, "NT_BACK", "%d", backward);
    nt_launch_define(l, "NT_ITEMS", "%d", ITEMS);
    nt_launch_define(l, "NT_ROOM", "%d", ROOM);
}

static void set_grid(struct nt_launch *l, const struct nt_recurrent_problem *p)
{
    size_t lanes = 32;
    while (lanes < (size_t)p->units && lanes < MAX_LANES)
        lanes *= 2;
    lanes = nt_group_items(nt_tape_device(l->tape), lanes);
    nt_group_line(l, (p->items + ITEMS - 1) / ITEMS * (int64_t)lanes, lanes);
}

enum nt_status nt_recurrent_group_forward(
    struct nt_tape *tape, const struct nt_recurrent_problem *p)
{
    int64_t wide = p->gates * p->units, units = p->units;
    struct nt_tensor across =
        nt_tensor_make(nt_tape_buffer(tape, NT_BUFFER_TRANSIENT,
                           (size_t)(wide * units) * sizeof(float), "recurrent weight"),
            NT_F32, &(struct nt_shape){2, {units, wide}}, NT_ROW_MAJOR);
    struct nt_tensor from = *p->layer->weight;
    from.shape = across.shape;
    from.stride[0] = 1;
    from.stride[1] = units;
    enum nt_status status = nt_move(tape, &from, &across);
    if (status != NT_OK)
        return status;
    struct nt_launch l;
    start(&l, tape, p, "recurrent_group_forward", false);
    nt_launch_tensor(&l, p->a, NT_ACCESS_READ);
    nt_launch_buffer(&l, across.buffer, NT_ACCESS_READ);
    nt_recurrent_forward_args(&l, p);
    set_grid(&l, p);
    return nt_launch_append(&l);
}

enum nt_status nt_recurrent_group_backward(
    struct nt_tape *tape, const struct nt_recurrent_problem *p)
{
    struct nt_launch l;
    start(&l, tape, p, "recurrent_group_backward", true);
    nt_launch_tensor(&l, p->layer->gates, NT_ACCESS_READ);
    nt_launch_tensor(&l, p->layer->weight, NT_ACCESS_READ);
    nt_recurrent_backward_args(&l, p);
    set_grid(&l, p);
    return nt_launch_append(&l);
}
