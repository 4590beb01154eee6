/* SPDX-License-Identifier: MIT
 *
 * Matrix products with few rows, which are as fast as the memory gives B (cl/gemm_few.cl).
 */
#include "engine/op/epilogue.h"
#include "engine/op/gemm.h"
#include "engine/op/tile.h"

/* Floats of sums, and of packed A, that a work-item keeps beside what it reads of B: 32 KiB each,
 * in the first two levels of cache. Fewer are shorter runs of B. */
#define KEPT 8192
/* Steps of k of which a packed row of A is made. */
#define STEPS 64
/* Floats that an edge of B takes. */
#define EDGE 256

/* Bytes of B that take so long to pack that a kernel which does not is worth compiling: it saves
 * as much in a few thousand products. */
#define LARGE_B 1048576
/* Bytes of B that come from memory, not from a cache. */
#define HUGE_B 16777216
/* Each element of C is loaded and stored for every few hundred floats of B, or its sum comes of a
 * vector's lanes: with lines of B this many times as long as C has rows, that is little. */
#define LONG_LINES 16

bool nt_gemm_few_pays(const struct nt_device *dev, const struct nt_gemm_problem *g)
{
    int64_t strip = nt_tile_choose(dev, g->n).rows, line = g->b_columns ? g->k : g->n;
    double bytes = 4.0 * (double)g->batch * (double)g->k * (double)g->n;
    /* The register tile takes less time for a row, but first packs B: as long as half a strip of
     * rows takes where B comes from a cache, two where it comes from memory. */
    int64_t most = bytes < HUGE_B ? strip * 3 / 2 : strip * 3;
    return g->m <= most && line >= LONG_LINES * g->m && bytes >= LARGE_B;
}

struct blocking {
    int64_t depth, range, blocks, items, slot;
};

/* Columns of C in equal ranges. Long ones: what a work-item reads of B lies in one piece. */
static struct blocking block(
    const struct nt_device *dev, const struct nt_gemm_problem *g, int64_t width)
{
    int64_t vectors = nt_divide_up(g->n, width), pieces = nt_tile_pieces(dev) / 2;
    int64_t most = nt_least(nt_divide_up(g->batch * vectors, pieces), KEPT / (g->m * width));
    most = nt_least(nt_most(most, 1), vectors);
    struct blocking p = {.range = nt_tile_even(dev, vectors, g->batch, most) * width};
    p.depth = nt_divide_up(nt_equal_piece(g->k, nt_most(KEPT / g->m, STEPS)), STEPS) * STEPS;
    p.blocks = g->batch * nt_divide_up(g->n, p.range);
    p.items = nt_least(p.blocks, pieces);
    int64_t row = g->b_columns ? p.range + 4 * width + p.depth : p.range + 8;
    p.slot = nt_divide_up(EDGE + g->m * row, 16) * 16;
    return p;
}

enum nt_status nt_gemm_few(
    struct nt_tape *tape, const struct nt_gemm_problem *g, const char *reason)
{
    struct nt_device *dev = nt_tape_device(tape);
    int64_t width = nt_tile_choose(dev, 1).width;
    struct blocking p = block(dev, g, width);
    int32_t scratch = nt_tape_buffer(
        tape, NT_BUFFER_TRANSIENT, (size_t)(p.slot * p.items) * sizeof(float), "gemm sums");
    struct nt_launch l;
    nt_launch_init(&l, tape, "gemm_few", "gemm_few", "few", reason);
    nt_launch_define(&l, "NT_VW", "%d", (int)width);
    nt_launch_define(&l, "NT_COLUMNS", "%d", g->b_columns);
    nt_launch_define(&l, "NT_FETCH", "%d", g->b_columns && g->m > 2);
    nt_epilogue_define(&l, g->c, g->epilogue, (int)width);
    nt_launch_tensor(&l, g->a, NT_ACCESS_READ);
    nt_launch_tensor(&l, g->b, NT_ACCESS_READ);
    nt_launch_tensor(&l, g->c, NT_ACCESS_WRITE);
    nt_launch_buffer(&l, scratch, NT_ACCESS_WRITE);
    const int64_t args[] = {g->m, g->n, g->k, g->a_columns ? 1 : g->a_step,
        g->a_columns ? g->a_step : 1, g->b_step, g->c_step, g->a_batch, g->b_batch, g->c_batch,
        p.depth, p.range, p.blocks, p.slot};
    nt_launch_ints(&l, sizeof args / sizeof *args, args);
    nt_epilogue_args(&l, g->epilogue);
    nt_launch_grid(&l, 1, (size_t[]){(size_t)p.items}, NULL);
    l.flops = 2.0 * (double)g->batch * (double)g->m * (double)g->n * (double)g->k;
    l.bytes = 4.0 * (double)g->batch * (double)(g->m * g->k + g->k * g->n + g->m * g->n);
    return nt_launch_append(&l);
}
