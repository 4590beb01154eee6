/* SPDX-License-Identifier: MIT */
#include "engine/op/epilogue.h"
#include "engine/op/gemm.h"
#include "engine/op/group.h"
#include "engine/op/tile.h"
#include "engine/variant.h"

#include <string.h>

const char *const nt_gemm_variants[] = {"tile", "group",
#ifdef NT_HAVE_CLBLAST
    "clblast",
#endif
    NULL};

/* Steps of k that are packed together: long enough that loading and storing the tile of C for
 * each is little, short enough that a tile of A stays in the first-level cache. */
#define DEPTH 384
/* Floats of the packed panels of B of one work-item, 768 KiB: fewer packs A again and again. */
#define PACKED 196608

/* Work from which on fewer pieces, which pack less, matter more than balance. */
#define LARGE 2e8

/* Operations that take a few microseconds. */
#define SMALL 3e5

static enum nt_status bad_shapes(struct nt_tape *tape, const struct nt_tensor *a,
    const struct nt_tensor *b, const struct nt_tensor *c, const char *rule)
{
    char ta[96], tb[96], tc[96];
    return nt_fail(nt_device_context(nt_tape_device(tape)), NT_ERR_SHAPE,
        "gemm: A %s, B %s, C %s: %s", nt_shape_text(&a->shape, ta, sizeof ta),
        nt_shape_text(&b->shape, tb, sizeof tb), nt_shape_text(&c->shape, tc, sizeof tc), rule);
}

static enum nt_status check(struct nt_tape *tape, struct nt_gemm_problem *g)
{
    const struct nt_tensor *a = g->a, *b = g->b, *c = g->c;
    int rank = c->shape.rank;
    if (a->dtype != NT_F32 || b->dtype != NT_F32 || c->dtype != NT_F32)
        return nt_fail(nt_device_context(nt_tape_device(tape)), NT_ERR_ARGUMENT,
            "gemm: A %s, B %s, C %s: must be float32", nt_dtype_name(a->dtype),
            nt_dtype_name(b->dtype), nt_dtype_name(c->dtype));
    if (rank < 2 || rank > 3 || a->shape.rank != rank || b->shape.rank != rank)
        return bad_shapes(tape, a, b, c, "all must have rank 2, or rank 3 with a leading batch");
    int r = rank - 2, col = rank - 1;
    g->m = c->shape.dim[r];
    g->n = c->shape.dim[col];
    g->k = a->shape.dim[col];
    if (a->shape.dim[r] != g->m || b->shape.dim[r] != g->k || b->shape.dim[col] != g->n)
        return bad_shapes(tape, a, b, c, "must be m x k, k x n and m x n");
    g->batch = 1;
    if (rank == 3) {
        g->batch = c->shape.dim[0];
        if (a->shape.dim[0] != g->batch || b->shape.dim[0] != g->batch)
            return bad_shapes(tape, a, b, c, "the batches must be equal");
        g->a_batch = a->stride[0];
        g->b_batch = b->stride[0];
        g->c_batch = c->stride[0];
    }
    bool a_rows = a->stride[col] == 1 || g->k <= 1, b_rows = b->stride[col] == 1 || g->n <= 1;
    if (!a_rows && a->stride[r] != 1 && g->m > 1)
        return bad_shapes(tape, a, b, c, "A must have stride 1 in one of its last dimensions");
    if (!b_rows && b->stride[r] != 1 && g->k > 1)
        return bad_shapes(tape, a, b, c, "B must have stride 1 in one of its last dimensions");
    if (c->stride[col] != 1 && g->n > 1)
        return bad_shapes(tape, a, b, c, "C must have stride 1 in its last dimension");
    g->a_columns = !a_rows;
    g->a_step = a_rows ? a->stride[r] : a->stride[col];
    g->b_columns = !b_rows;
    g->b_step = b_rows ? b->stride[r] : b->stride[col];
    g->c_step = c->stride[r];
    return nt_epilogue_check(tape, "gemm", c, g->epilogue);
}

static double work(const struct nt_gemm_problem *g)
{
    return 2.0 * (double)g->batch * (double)g->m * (double)g->n * (double)g->k;
}

static double traffic(const struct nt_gemm_problem *g)
{
    return 4.0 * (double)g->batch * (double)(g->m * g->k + g->k * g->n + g->m * g->n);
}

struct blocking {
    int64_t depth, panels, rows, blocks, items;
};

/* Blocks of rows x panels, many enough for all compute units; few rows per block cost packing
 * B again, few panels cost packing A again. */
static struct blocking block(
    const struct nt_device *dev, const struct nt_tile *tile, const struct nt_gemm_problem *g)
{
    int64_t nr = nt_tile_columns(tile), all = nt_divide_up(g->n, nr);
    int64_t pieces = nt_tile_pieces(dev) / (work(g) > LARGE ? 2 : 1), least = 8 * tile->rows;
    struct blocking p = {.depth = g->k > 0 ? g->k : 1};
    if (p.depth > DEPTH && !nt_epilogue_reads(g->epilogue, g->c))
        p.depth = nt_divide_up(g->k, nt_divide_up(g->k, DEPTH));
    p.panels = PACKED / (p.depth * nr);
    p.panels = p.panels < 1 ? 1 : p.panels > all ? all : p.panels;
    p.rows = nt_divide_up(g->m, tile->rows) * tile->rows;
    for (;;) {
        int64_t across = nt_divide_up(all, p.panels), down = nt_divide_up(g->m, p.rows);
        p.blocks = across * down * g->batch;
        if (p.blocks >= pieces)
            break;
        if (p.rows >= 2 * least || (p.panels == 1 && p.rows >= 2 * tile->rows))
            p.rows = nt_divide_up(p.rows, 2 * tile->rows) * tile->rows;
        else if (p.panels > 1)
            p.panels = nt_divide_up(p.panels, 2);
        else
            break;
    }
    p.items = p.blocks < pieces ? p.blocks : pieces;
    return p;
}

static enum nt_status launch_tile(
    struct nt_tape *tape, const struct nt_gemm_problem *g, const char *reason)
{
    struct nt_device *dev = nt_tape_device(tape);
    struct nt_tile tile = nt_tile_choose_for(dev, 0, g->n, work(g) < SMALL);
    struct blocking p = block(dev, &tile, g);
    int64_t nr = nt_tile_columns(&tile);
    int64_t a_row = g->a_columns ? p.depth * ((tile.rows + 15) / 16 * 16)
                                 : (p.depth + 16) * tile.rows + tile.width;
    int64_t slot = nt_divide_up(p.panels * p.depth * nr + a_row, 16) * 16;
    bool pack_a = g->a_columns ? p.panels > 2 : p.panels > 1 && nt_tile_conflicts(g->a_step);
    int32_t scratch = nt_tape_buffer(
        tape, NT_BUFFER_TRANSIENT, (size_t)(slot * p.items) * sizeof(float), "gemm panels");
    struct nt_launch l;
    nt_launch_init(&l, tape, "gemm_tile", "gemm_tile", "tile", reason);
    nt_tile_define(&l, &tile);
    nt_launch_define(&l, "NT_COLUMNS", "%d", g->a_columns);
    nt_epilogue_define(&l, g->c, g->epilogue, tile.width);
    nt_launch_tensor(&l, g->a, NT_ACCESS_READ);
    nt_launch_tensor(&l, g->b, NT_ACCESS_READ);
    nt_launch_tensor(&l, g->c, NT_ACCESS_WRITE); /* reads back nothing but its own sums */
    nt_launch_buffer(&l, scratch, NT_ACCESS_WRITE);
    const int64_t args[] = {g->m, g->n, g->k, g->a_step, g->b_columns ? 1 : g->b_step,
        g->b_columns ? g->b_step : 1, g->c_step, g->a_batch, g->b_batch, g->c_batch, p.depth,
        p.panels, p.rows, pack_a, p.blocks, slot};
    for (size_t i = 0; i < sizeof args / sizeof *args; i++)
        nt_launch_int(&l, args[i]);
    nt_epilogue_args(&l, g->epilogue);
    nt_launch_grid(&l, 1, (size_t[]){(size_t)p.items}, NULL);
    l.flops = work(g);
    l.bytes = traffic(g);
    return nt_launch_append(&l);
}

static enum nt_status launch_group(
    struct nt_tape *tape, const struct nt_gemm_problem *g, const char *reason)
{
    struct nt_launch l;
    nt_launch_init(&l, tape, "gemm_group", "gemm_group", "group", reason);
    nt_epilogue_define(&l, g->c, g->epilogue, 1);
    nt_launch_tensor(&l, g->a, NT_ACCESS_READ);
    nt_launch_tensor(&l, g->b, NT_ACCESS_READ);
    nt_launch_tensor(&l, g->c, NT_ACCESS_WRITE);
    const int64_t args[] = {g->m, g->n, g->k, g->a_step, g->a_columns, g->b_step, g->b_columns,
        g->c_step, g->a_batch, g->b_batch, g->c_batch};
    for (size_t i = 0; i < sizeof args / sizeof *args; i++)
        nt_launch_int(&l, args[i]);
    nt_epilogue_args(&l, g->epilogue);
    nt_group_grid(&l, g->m, g->n, g->batch);
    l.flops = work(g);
    l.bytes = traffic(g);
    return nt_launch_append(&l);
}

/* CLBlast's tuned kernels for large products on GPUs; small ones are faster in one launch. */
static const char *preferred(struct nt_tape *tape, const struct nt_gemm_problem *g)
{
    enum nt_device_type type = nt_device_get_info(nt_tape_device(tape))->type;
    bool gpu = type == NT_DEVICE_GPU_DISCRETE || type == NT_DEVICE_GPU_INTEGRATED;
    return gpu && g->c->shape.rank == 2 && work(g) > LARGE ? "clblast" : NULL;
}

enum nt_status nt_gemm(struct nt_tape *tape, const struct nt_tensor *a, const struct nt_tensor *b,
    const struct nt_tensor *c, const struct nt_epilogue *epilogue)
{
    struct nt_gemm_problem g = {.a = a, .b = b, .c = c, .epilogue = epilogue};
    const char *variant, *reason;
    enum nt_status status = check(tape, &g);
    if (status == NT_OK)
        status = nt_choose(tape, "gemm", nt_gemm_variants, preferred(tape, &g), &variant, &reason);
    if (status != NT_OK || g.m == 0 || g.n == 0 || g.batch == 0)
        return status;
#ifdef NT_HAVE_CLBLAST
    if (strcmp(variant, "clblast") == 0) {
        const char *rule = nt_gemm_clblast_rule(&g);
        if (!rule)
            return nt_gemm_clblast(tape, &g, reason);
        status = nt_choose_instead(tape, "gemm", "group", rule, &variant, &reason);
        if (status != NT_OK)
            return status;
    }
#endif
    return strcmp(variant, "tile") == 0 ? launch_tile(tape, &g, reason)
                                        : launch_group(tape, &g, reason);
}
