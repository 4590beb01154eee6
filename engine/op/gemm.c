/* SPDX-License-Identifier: MIT */
#include "engine/op/epilogue.h"
#include "engine/op/gemm.h"
#include "engine/op/group.h"
#include "engine/op/registers.h"
#include "engine/op/tile.h"
#include "engine/tuning_state.h"
#include "engine/variant.h"

#include <string.h>

const char *const nt_gemm_variants[] = {"tile", "packed", "few", "group", "registers",
#ifdef NT_HAVE_CLBLAST
    "clblast",
#endif
    NULL};

/* Steps of k that are packed together: long enough that loading and storing the tile of C for
 * each is little, short enough that a tile of A stays in the first-level cache. */
#define DEPTH 384
/* The same where A, of long rows, comes from memory and B has two panels at most: these stay in the
 * first-level cache then, and the next rows are fetched a few lines at a time. */
#define STREAM_DEPTH 64
#define STREAM_K 256
#define STREAM 262144
/* Floats of the packed panels of B of one work-item, 768 KiB: fewer packs A again and again. */
#define PACKED 196608

/* Work from which on fewer pieces, which pack less, matter more than balance. */
#define LARGE 2e8
/* Floats of A that a third-level cache holds beside much else. */
#define CACHED 1048576
/* Operations per byte of the operands from which on a GPU takes CLBlast, which copies operands to
 * lay them out for its kernel and has the epilogue come after: a GPU does about 20 operations in
 * the time that it moves a byte. */
#define DENSE 256
/* Work from which on a launch that packs B for all work-items costs less than it saves. */
#define SHARED 5e7

/* Operations that take a few microseconds. */
#define SMALL 3e5
/* Work up to which a transposed A is turned as it is packed: the kernel for columns of A would
 * take longer to compile than it saves in a thousand such products. */
#define TURNED 2e7

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

/* Floats from one k of a packed strip of a transposed A to the next. */
static int64_t strip_step(const struct nt_tile *tile)
{
    return nt_divide_up(tile->rows, 16) * 16;
}

struct blocking {
    int64_t depth, panels, rows, blocks, items;
};

/* As many steps of k and panels of B as the second-level cache holds. */
static struct blocking fill_cache(const struct nt_tile *tile, const struct nt_gemm_problem *g)
{
    int64_t nr = nt_tile_columns(tile), all = nt_divide_up(g->n, nr);
    struct blocking p = {.depth = nt_most(g->k, 1)};
    bool streams = all <= 2 && !g->a_columns && g->k >= STREAM_K && g->m * g->k > STREAM;
    int64_t most = streams ? STREAM_DEPTH : DEPTH;
    if (p.depth > most && !nt_epilogue_reads(g->epilogue, g->c))
        p.depth = nt_equal_piece(g->k, most);
    p.panels = nt_equal_piece(all, nt_most(PACKED / (p.depth * nr), 1));
    return p;
}

static int64_t blocks_across(
    const struct nt_tile *tile, const struct nt_gemm_problem *g, const struct blocking *p)
{
    return g->batch * nt_divide_up(nt_divide_up(g->n, nt_tile_columns(tile)), p->panels);
}

/* Rows of a block where `across` blocks are beside each other: there will be `pieces` or up to
 * twice as many. */
static int64_t shared_rows(const struct nt_device *dev, const struct nt_tile *tile, int64_t m,
    int64_t across, int64_t pieces)
{
    int64_t strips = nt_divide_up(m, tile->rows);
    int64_t most = nt_divide_up(strips, nt_divide_up(pieces, across));
    return nt_tile_even(dev, strips, across, most) * tile->rows;
}

/* Panels of a block that takes all rows, where all blocks can read A from a cache: then nothing is
 * packed twice, nor by a launch more. A transposed A is not packed for two panels. */
static int64_t own_panels(
    const struct nt_device *dev, const struct nt_tile *tile, const struct nt_gemm_problem *g)
{
    int64_t all = nt_divide_up(g->n, nt_tile_columns(tile)), pieces = nt_tile_pieces(dev);
    int64_t own = nt_divide_up(all, pieces);
    bool pays = all >= pieces && g->m * g->k <= CACHED && (!g->a_columns || own <= 2);
    return pays ? own : all;
}

/* Blocks of rows x panels, many enough for all compute units. Where each packs its own panels,
 * few rows per block cost packing B again, few panels cost packing A again. */
static struct blocking block(const struct nt_device *dev, const struct nt_tile *tile,
    const struct nt_gemm_problem *g, bool shared)
{
    int64_t least = 8 * tile->rows;
    int64_t pieces = nt_tile_pieces(dev);
    pieces = shared ? 2 * pieces : work(g) > LARGE ? pieces / 2 : pieces;
    struct blocking p = fill_cache(tile, g);
    p.rows = nt_divide_up(g->m, tile->rows) * tile->rows;
    if (shared)
        p.rows = shared_rows(dev, tile, g->m, blocks_across(tile, g, &p), pieces);
    else
        p.panels = nt_least(p.panels, own_panels(dev, tile, g));
    for (;;) {
        p.blocks = blocks_across(tile, g, &p) * nt_divide_up(g->m, p.rows);
        if (p.blocks >= pieces || shared)
            break;
        if (p.rows >= 2 * least || (p.panels == 1 && p.rows >= 2 * tile->rows))
            p.rows = nt_divide_up(p.rows, 2 * tile->rows) * tile->rows;
        else if (p.panels > 1)
            p.panels = nt_divide_up(p.panels, 2);
        else
            break;
    }
    p.items = nt_least(p.blocks, pieces);
    return p;
}

/* Whether one launch packs B for all work-items: where each would pack its own, most panels more
 * than twice, in a product that takes long enough for a launch more, or where the blocks of their
 * own would be unequally many for the compute units. What is packed for oneself is still in the
 * cache. A launch that does not run each time costs nothing. */
static bool packs_once(struct nt_tape *tape, const struct nt_gemm_problem *g)
{
    const struct nt_device *dev = nt_tape_device(tape);
    int64_t units = nt_device_get_info(dev)->compute_units;
    struct nt_tile tile = nt_tile_choose(dev, g->n);
    if (nt_tape_follows(tape, g->b->buffer))
        return g->k > 0 && g->m >= tile.rows;
    struct blocking p = fill_cache(&tile, g);
    if (g->k == 0 || g->m < 8 * tile.rows || work(g) <= SHARED ||
        blocks_across(&tile, g, &p) >= nt_tile_pieces(dev))
        return false;
    p = block(dev, &tile, g, false);
    return nt_divide_up(g->m, p.rows) > (g->a_columns ? 2 : 1) ||
           (p.blocks % units && p.blocks < 8 * units);
}

/* What gemm_pack packs: k x columns floats in panels of `take` columns, padded to the columns of
 * the tile. */
struct packing {
    const char *name;
    const struct nt_tensor *from;
    struct nt_tile tile;
    int64_t columns, take, k_stride, column_stride, batch_stride;
};

static enum nt_status launch_pack(struct nt_tape *tape, const struct nt_gemm_problem *g,
    const struct packing *what, int64_t depth, const char *reason, int32_t *packed)
{
    int64_t nr = nt_tile_columns(&what->tile), all = nt_divide_up(what->columns, what->take);
    int64_t deep = g->batch * nt_divide_up(g->k, depth);
    int64_t items = nt_tile_pieces(nt_tape_device(tape));
    int64_t group = nt_most(nt_least(all * deep / (2 * items), all), 1);
    int64_t pieces = nt_divide_up(all, group) * deep;
    *packed = nt_tape_buffer(
        tape, NT_BUFFER_TRANSIENT, (size_t)(deep * all * nr * depth) * sizeof(float), what->name);
    struct nt_launch l;
    nt_launch_init(&l, tape, "gemm_pack", "gemm_pack", "tile", reason);
    nt_tile_define(&l, &what->tile);
    nt_launch_tensor(&l, what->from, NT_ACCESS_READ);
    nt_launch_buffer(&l, *packed, NT_ACCESS_WRITE);
    const int64_t args[] = {what->columns, g->k, what->k_stride, what->column_stride,
        what->batch_stride, depth, what->take, group, pieces};
    nt_launch_ints(&l, sizeof args / sizeof *args, args);
    nt_launch_grid(&l, 1, (size_t[]){(size_t)nt_least(items, pieces)}, NULL);
    l.bytes = 8.0 * (double)(g->batch * g->k * what->columns);
    return nt_launch_append(&l);
}

/* Packs B, and a transposed A where several blocks would pack it, for launch_tile. */
static enum nt_status launch_packs(struct nt_tape *tape, const struct nt_gemm_problem *g,
    const struct nt_tile *tile, int64_t depth, bool both, const char *reason, int32_t *b,
    int32_t *a)
{
    struct packing what = {.name = "gemm B",
        .from = g->b,
        .tile = *tile,
        .columns = g->n,
        .take = nt_tile_columns(tile),
        .k_stride = g->b_columns ? 1 : g->b_step,
        .column_stride = g->b_columns ? g->b_step : 1,
        .batch_stride = g->b_batch};
    enum nt_status status = launch_pack(tape, g, &what, depth, reason, b);
    if (status != NT_OK || !both)
        return status;
    what = (struct packing){.name = "gemm A",
        .from = g->a,
        .tile = *tile,
        .columns = g->m,
        .take = tile->rows,
        .k_stride = g->a_step,
        .column_stride = 1,
        .batch_stride = g->a_batch};
    what.tile.vectors = (int)(strip_step(tile) / tile->width);
    return launch_pack(tape, g, &what, depth, reason, a);
}

static enum nt_status launch_tile(
    struct nt_tape *tape, const struct nt_gemm_problem *g, bool shared, const char *reason)
{
    struct nt_device *dev = nt_tape_device(tape);
    struct nt_tile tile = nt_tile_choose_for(dev, 0, g->n, work(g) < SMALL);
    struct blocking p = block(dev, &tile, g, shared);
    int64_t nr = nt_tile_columns(&tile);
    bool turned = g->a_columns && !shared && work(g) < TURNED, columns = g->a_columns && !turned;
    int64_t a_row = columns ? p.depth * strip_step(&tile) : (p.depth + 16) * tile.rows + tile.width;
    int64_t slot = nt_divide_up((shared ? 0 : p.panels * p.depth * nr) + a_row, 16) * 16;
    bool pack_a = columns ? p.panels > 2 : p.panels > 1 && nt_tile_rows_conflict(g->a_step);
    int32_t scratch = nt_tape_buffer(
        tape, NT_BUFFER_TRANSIENT, (size_t)(slot * p.items) * sizeof(float), "gemm panels");
    bool both = shared && columns && blocks_across(&tile, g, &p) > g->batch;
    int32_t packed = g->b->buffer, strips = packed; /* not read unless shared */
    if (shared) {
        enum nt_status status =
            launch_packs(tape, g, &tile, p.depth, both, reason, &packed, &strips);
        if (status != NT_OK)
            return status;
    }
    struct nt_launch l;
    nt_launch_init(&l, tape, "gemm_tile", "gemm_tile", "tile", reason);
    nt_tile_define(&l, &tile);
    nt_launch_define(&l, "NT_COLUMNS", "%d", columns);
    nt_epilogue_define(&l, g->c, g->epilogue, tile.width);
    nt_launch_tensor(&l, g->a, NT_ACCESS_READ);
    nt_launch_tensor(&l, g->b, NT_ACCESS_READ);
    nt_launch_tensor(&l, g->c, NT_ACCESS_WRITE); /* reads back nothing but its own sums */
    nt_launch_buffer(&l, scratch, NT_ACCESS_WRITE);
    nt_launch_buffer(&l, packed, NT_ACCESS_READ);
    nt_launch_buffer(&l, strips, NT_ACCESS_READ);
    const int64_t args[] = {g->m, g->n, g->k, g->a_step, g->b_columns ? 1 : g->b_step,
        g->b_columns ? g->b_step : 1, g->c_step, g->a_batch, g->b_batch, g->c_batch, p.depth,
        p.panels, p.rows, turned ? 2 : pack_a, shared + both, p.blocks, slot};
    nt_launch_ints(&l, sizeof args / sizeof *args, args);
    nt_epilogue_args(&l, g->epilogue);
    nt_launch_grid(&l, 1, (size_t[]){(size_t)p.items}, NULL);
    l.flops = work(g);
    l.bytes = traffic(g);
    return nt_launch_append(&l);
}

static enum nt_status launch_group(
    struct nt_tape *tape, const struct nt_gemm_problem *g, const char *reason)
{
    struct nt_group group =
        nt_group_choose(nt_tape_device(tape), g->m, g->n, g->batch, g->batch > 1 ? 0 : g->k);
    struct nt_shape parts = {3, {group.splits, g->m, g->n}};
    struct nt_tensor partial = *g->c;
    bool split = group.splits > 1;
    if (split)
        partial =
            nt_tensor_make(nt_tape_buffer(tape, NT_BUFFER_TRANSIENT,
                               (size_t)nt_shape_count(&parts) * sizeof(float), "partial products"),
                NT_F32, &parts, NT_ROW_MAJOR);
    const struct nt_epilogue *epilogue = split ? NULL : g->epilogue;
    int row = g->c->shape.rank - 2, column = row + 1;
    int wide = nt_group_wide_result(&partial, partial.shape.rank - 1, epilogue);
    struct nt_launch l;
    nt_launch_init(&l, tape, "gemm_group", "gemm_group", "group", reason);
    nt_launch_define(&l, "NT_A_COLUMNS", "%d", g->a_columns);
    nt_launch_define(&l, "NT_B_COLUMNS", "%d", g->b_columns);
    nt_launch_define(&l, "NT_A_WIDE", "%d", nt_group_wide(g->a, g->a_columns ? row : column));
    nt_launch_define(&l, "NT_B_WIDE", "%d", nt_group_wide(g->b, g->b_columns ? row : column));
    nt_launch_define(&l, "NT_Y_WIDE", "%d", wide);
    nt_epilogue_define(&l, &partial, epilogue, wide);
    nt_launch_tensor(&l, g->a, NT_ACCESS_READ);
    nt_launch_tensor(&l, g->b, NT_ACCESS_READ);
    nt_launch_tensor(&l, &partial, NT_ACCESS_WRITE);
    const int64_t args[] = {g->m, g->n, g->k, g->a_step, g->b_step, split ? g->n : g->c_step,
        g->a_batch, g->b_batch, split ? g->m * g->n : g->c_batch, group.splits};
    nt_launch_ints(&l, sizeof args / sizeof *args, args);
    nt_epilogue_args(&l, epilogue);
    nt_group_grid(&l, &group, g->m, g->n, g->batch * group.splits);
    l.flops = work(g);
    l.bytes = traffic(g);
    enum nt_status status = nt_launch_append(&l);
    return status == NT_OK && split ? nt_group_join(tape, &partial, g->c, g->epilogue) : status;
}

/* CLBlast's tuned kernels for large products on GPUs whose work-groups can have the 256 work-items
 * of some of them; others, also large ones of few rows or steps, are faster in one launch. */
static const char *preferred(struct nt_tape *tape, const struct nt_gemm_problem *g)
{
    const struct nt_device *dev = nt_tape_device(tape);
    const struct nt_device_info *info = nt_device_get_info(dev);
    if (nt_prefers_tiles(dev) && nt_gemm_few_pays(dev, g))
        return "few";
    if (nt_prefers_tiles(dev))
        return packs_once(tape, g) ? "packed" : NULL;
    if (nt_prefers_registers(dev))
        return "registers";
    bool gpu = info->type == NT_DEVICE_GPU_DISCRETE || info->type == NT_DEVICE_GPU_INTEGRATED;
    bool fits = info->max_work_group >= 256 && g->c->shape.rank == 2;
    bool dense = work(g) > LARGE && work(g) > DENSE * traffic(g);
    return gpu && fits && dense ? "clblast" : NULL;
}

static enum nt_status choose(struct nt_tape *tape, const struct nt_gemm_problem *g,
    const char **variant, const char **reason)
{
    const char *tuned = nt_tuning_find(tape, "gemm", NULL, g->a, g->b, g->c);
    /* As "packed" was measured it packs B at each run, which it need not here. */
    if (tuned && strcmp(tuned, "tile") == 0 && nt_tape_follows(tape, g->b->buffer))
        tuned = NULL;
    enum nt_status status = nt_choose(
        tape, "gemm", nt_gemm_variants, tuned ? tuned : preferred(tape, g), variant, reason);
    if (status == NT_OK && tuned && !nt_tape_forced(tape, "gemm"))
        *reason = "measured";
    if (status == NT_OK)
        nt_tuning_tell(tape, "gemm", *variant);
    return status;
}

enum nt_status nt_gemm(struct nt_tape *tape, const struct nt_tensor *a, const struct nt_tensor *b,
    const struct nt_tensor *c, const struct nt_epilogue *epilogue)
{
    struct nt_gemm_problem g = {.a = a, .b = b, .c = c, .epilogue = epilogue};
    const char *variant, *reason;
    enum nt_status status = check(tape, &g);
    if (status == NT_OK)
        status = choose(tape, &g, &variant, &reason);
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
        nt_tuning_tell(tape, "gemm", variant);
    }
#endif
    if (strcmp(variant, "group") == 0)
        return launch_group(tape, &g, reason);
    if (strcmp(variant, "registers") == 0)
        return nt_gemm_registers(tape, &g, reason);
    if (strcmp(variant, "few") == 0)
        return nt_gemm_few(tape, &g, reason);
    return launch_tile(tape, &g, strcmp(variant, "packed") == 0 && g.k > 0, reason);
}
