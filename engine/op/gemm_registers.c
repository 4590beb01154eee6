/* SPDX-License-Identifier: MIT */
#include "engine/op/epilogue.h"
#include "engine/op/gemm.h"
#include "engine/op/registers.h"

/* Rows of C from which on columns of B are turned to rows first, which lanes read as neighbours. */
#define MANY_ROWS 32

/* B's columns become rows, in b, unless few rows of C read them. */
static enum nt_status turn(struct nt_tape *tape, struct nt_gemm_problem *g, struct nt_tensor *b)
{
    bool pays = g->m >= MANY_ROWS || nt_tape_follows(tape, g->b->buffer);
    if (!g->b_columns || !pays || g->k == 0)
        return NT_OK;
    int64_t batch = g->b_batch ? g->batch : 1;
    struct nt_shape shape = {3, {batch, g->k, g->n}};
    struct nt_tensor from = *g->b;
    int32_t buffer = nt_tape_buffer(
        tape, NT_BUFFER_TRANSIENT, (size_t)nt_shape_count(&shape) * sizeof(float), "turned B");
    *b = nt_tensor_make(buffer, NT_F32, &shape, NT_ROW_MAJOR);
    from.shape = shape;
    from.stride[0] = g->b_batch;
    from.stride[1] = 1;
    from.stride[2] = g->b_step;
    g->b = b;
    g->b_columns = false;
    g->b_step = g->n;
    g->b_batch = g->b_batch ? g->k * g->n : 0;
    return nt_move(tape, &from, b);
}

enum nt_status nt_gemm_registers(
    struct nt_tape *tape, const struct nt_gemm_problem *problem, const char *reason)
{
    struct nt_gemm_problem g = *problem;
    struct nt_tensor b;
    enum nt_status status = turn(tape, &g, &b);
    if (status != NT_OK)
        return status;
    struct nt_registers tile =
        nt_registers_choose(nt_tape_device(tape), g.m, g.n, g.batch, g.b_columns);
    struct nt_launch l;
    nt_launch_init(&l, tape, "gemm_registers", "gemm_registers", "registers", reason);
    nt_launch_define(&l, "NT_A_COLUMNS", "%d", g.a_columns);
    nt_launch_define(&l, "NT_B_COLUMNS", "%d", g.b_columns);
    nt_epilogue_define(&l, g.c, g.epilogue, 1);
    nt_launch_tensor(&l, g.a, NT_ACCESS_READ);
    nt_launch_tensor(&l, g.b, NT_ACCESS_READ);
    nt_launch_tensor(&l, g.c, NT_ACCESS_WRITE);
    const int64_t args[] = {
        g.m, g.n, g.k, g.a_step, g.b_step, g.c_step, g.a_batch, g.b_batch, g.c_batch};
    nt_launch_ints(&l, sizeof args / sizeof *args, args);
    nt_epilogue_args(&l, g.epilogue);
    nt_registers_grid(&l, &tile, g.m, g.n, g.batch, !g.a_columns);
    l.flops = 2.0 * (double)g.batch * (double)g.m * (double)g.n * (double)g.k;
    l.bytes = 4.0 * (double)g.batch * (double)(g.m * g.k + g.k * g.n + g.m * g.n);
    return nt_launch_append(&l);
}
