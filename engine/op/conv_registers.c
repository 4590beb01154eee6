/* SPDX-License-Identifier: MIT */
#include "engine/op/conv.h"
#include "engine/op/epilogue.h"
#include "engine/op/registers.h"

enum nt_status nt_conv_registers_pack(
    struct nt_tape *tape, const struct nt_conv_problem *p, bool backward, int32_t *packed)
{
    int64_t c = backward ? p->k : p->c, k = backward ? p->c : p->k;
    struct nt_shape shape = {4, {p->groups, p->filter, c, k}};
    *packed = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT,
        (size_t)nt_shape_count(&shape) * sizeof(float), "packed weights");
    struct nt_tensor to = nt_tensor_make(*packed, NT_F32, &shape, NT_ROW_MAJOR), from = to;
    from.buffer = p->w.buffer;
    from.offset = p->w.offset;
    from.stride[0] = p->k * p->c * p->filter;
    from.stride[1] = 1;
    from.stride[2] = p->filter * (backward ? p->c : 1);
    from.stride[3] = p->filter * (backward ? 1 : p->c);
    return nt_move(tape, &from, &to);
}

enum nt_status nt_conv_registers(
    struct nt_tape *tape, const struct nt_conv_pass *pass, int32_t packed)
{
    int64_t pixels = pass->images * nt_conv_product(pass->out);
    struct nt_registers tile =
        nt_registers_choose(nt_tape_device(tape), pixels, pass->k, pass->groups, false);
    struct nt_launch l;
    nt_launch_init(&l, tape, "conv_registers", "conv_registers", "registers", pass->reason);
    nt_epilogue_define(&l, pass->y, pass->epilogue, 1);
    nt_launch_tensor(&l, pass->x, NT_ACCESS_READ);
    nt_launch_buffer(&l, packed, NT_ACCESS_READ);
    nt_launch_tensor(&l, pass->y, NT_ACCESS_WRITE);
    nt_conv_pass_args(&l, pass);
    nt_launch_int(&l, nt_conv_product(pass->w->shape.dim + 2));
    nt_epilogue_args(&l, pass->epilogue);
    nt_registers_grid(&l, &tile, pixels, pass->k, pass->groups, true);
    nt_conv_pass_cost(&l, pass);
    return nt_launch_append(&l);
}
