/* SPDX-License-Identifier: MIT
 *
 * Winograd's minimal filtering (cl/winograd.clh) for GPUs: launches that transform pictures and
 * weights to and from memory, and between them 36 matrix products in one, by whatever variant of
 * gemm suits the device. Tiles go in chunks, so that their transforms take bounded memory.
 */
#include "engine/op/conv.h"
#include "engine/op/epilogue.h"
#include "engine/op/group.h"
#include "engine/op/tile.h"

#define SIDE 6 /* inputs of a tile along a dimension; its outputs are SIDE + 1 - taps */
#define PRODUCTS (SIDE * SIDE)
#define GROUP_SIZE 128
/* Floats of both transforms of a chunk: 64 MiB, which the caches of large GPUs hold, and products
 * of two thousand work-groups. The transformed weights, if they are more. */
#define CHUNK (16 << 20)
/* Of a weight gradient: work-groups that fill a GPU, results of one along a dimension, tiles of a
 * split worth its sum, and floats of all sums. */
#define GROUPS 512
#define GROUP_SPAN 64
#define LEAST_SPLIT 256
#define MOST_SUMS (16 << 20)
/* Operations of products in the time that memory takes for a byte: 10 to 25 on GPUs with memory of
 * their own, where products reach half of the peak. */
#define FLOPS_PER_BYTE 16
#define LEAST_TILES 128 /* rows of the products: fewer leave work-groups empty */

/* How pictures are cut into tiles, and these into chunks. */
struct tiling {
    int64_t side, down, across, all, chunk;
};

static struct tiling cut(int64_t taps, int64_t images, const int64_t out[3], int64_t c, int64_t k)
{
    struct tiling t = {.side = SIDE + 1 - taps};
    t.down = nt_divide_up(out[1], t.side);
    t.across = nt_divide_up(out[2], t.side);
    t.all = images * t.down * t.across;
    int64_t most = nt_most(CHUNK, PRODUCTS * c * k) / (PRODUCTS * (c + k));
    t.chunk = nt_equal_piece(t.all, nt_most(most, 1));
    return t;
}

static int32_t transforms(struct nt_tape *tape, int64_t count, const char *name)
{
    return nt_tape_buffer(
        tape, NT_BUFFER_TRANSIENT, (size_t)(PRODUCTS * count) * sizeof(float), name);
}

/* The picture of one transform: its extents and distances, and the pixels before its first one. */
struct picture {
    const struct nt_tensor *t;
    int64_t channels, height, width, pad_h, pad_w, n, h, w;
};

/* side: of the pixels of a tile: SIDE for B' x B, t->side for A x A'. */
static enum nt_status take(struct nt_tape *tape, const char *reason, int64_t side,
    const struct picture *x, const struct tiling *t, int64_t tile0, int64_t count, int32_t to)
{
    struct nt_launch l;
    nt_launch_init(
        &l, tape, "winograd_group_take", "winograd_group_take", "winograd_group", reason);
    nt_launch_define(&l, "NT_WINOGRAD_SIDE", "%d", (int)side);
    nt_launch_tensor(&l, x->t, NT_ACCESS_READ);
    nt_launch_buffer(&l, to, NT_ACCESS_WRITE);
    nt_launch_ints(&l, 14,
        (int64_t[]){tile0, count, t->all, t->side, t->down, t->across, x->height, x->width,
            x->channels, x->pad_h, x->pad_w, x->n, x->h, x->w});
    nt_group_line(&l, count * x->channels, GROUP_SIZE);
    l.bytes = 4.0 * (double)(count * x->channels) * (double)(PRODUCTS + t->side * t->side);
    return nt_launch_append(&l);
}

static enum nt_status transform_weights(
    struct nt_tape *tape, const struct nt_conv_pass *pass, int32_t to)
{
    struct nt_launch l;
    nt_launch_init(
        &l, tape, "winograd_group_weight", "winograd_group_weight", "winograd_group", pass->reason);
    nt_launch_define(&l, "NT_WINOGRAD_TAPS", "%d", (int)pass->taps[1]);
    nt_launch_tensor(&l, pass->w, NT_ACCESS_READ);
    nt_launch_buffer(&l, to, NT_ACCESS_WRITE);
    nt_launch_ints(&l, 7,
        (int64_t[]){pass->k, pass->c, pass->w_start, pass->w_k, pass->w_c, pass->w_step[1],
            pass->w_step[2]});
    nt_group_line(&l, pass->c * pass->k, GROUP_SIZE);
    l.bytes = 4.0 * (double)(pass->c * pass->k) * (double)(PRODUCTS + nt_conv_product(pass->taps));
    return nt_launch_append(&l);
}

/* `count` dense matrices one after the other. */
static struct nt_tensor matrices(int32_t buffer, int64_t count, int64_t rows, int64_t columns)
{
    struct nt_shape shape = {3, {count, rows, columns}};
    return nt_tensor_make(buffer, NT_F32, &shape, NT_ROW_MAJOR);
}

static enum nt_status give(struct nt_tape *tape, const struct nt_conv_pass *pass,
    const struct tiling *t, int64_t tile0, int64_t count, int32_t from)
{
    struct nt_launch l;
    nt_launch_init(
        &l, tape, "winograd_group_give", "winograd_group_give", "winograd_group", pass->reason);
    nt_launch_define(&l, "NT_WINOGRAD_TAPS", "%d", (int)pass->taps[1]);
    nt_epilogue_define(&l, pass->y, pass->epilogue, 1);
    nt_launch_buffer(&l, from, NT_ACCESS_READ);
    nt_launch_tensor(&l, pass->y, NT_ACCESS_WRITE);
    nt_launch_ints(&l, 11,
        (int64_t[]){tile0, count, t->down, t->across, pass->out[1], pass->out[2], pass->k,
            pass->y_start, pass->y_n, pass->y_step[1], pass->y_step[2]});
    nt_epilogue_args(&l, pass->epilogue);
    nt_group_line(&l, count * pass->k, GROUP_SIZE);
    l.bytes = 4.0 * (double)(count * pass->k) * (double)(PRODUCTS + t->side * t->side);
    return nt_launch_append(&l);
}

enum nt_status nt_conv_winograd_group(struct nt_tape *tape, const struct nt_conv_pass *pass)
{
    struct tiling t = cut(pass->taps[1], pass->images, pass->out, pass->c, pass->k);
    struct picture x = {pass->x, pass->c, pass->in[1], pass->in[2], pass->pad[1], pass->pad[2],
        pass->x_n, pass->x_step[1], pass->x_step[2]};
    int32_t w = transforms(tape, pass->c * pass->k, "transformed weights");
    int32_t in = transforms(tape, t.chunk * pass->c, "transformed inputs");
    int32_t out = transforms(tape, t.chunk * pass->k, "transformed outputs");
    enum nt_status status = transform_weights(tape, pass, w);
    for (int64_t tile = 0; status == NT_OK && tile < t.all; tile += t.chunk) {
        int64_t count = nt_least(t.chunk, t.all - tile);
        struct nt_tensor a = matrices(in, PRODUCTS, count, pass->c);
        struct nt_tensor b = matrices(w, PRODUCTS, pass->c, pass->k);
        struct nt_tensor c = matrices(out, PRODUCTS, count, pass->k);
        status = take(tape, pass->reason, SIDE, &x, &t, tile, count, in);
        if (status == NT_OK)
            status = nt_gemm(tape, &a, &b, &c, NULL);
        if (status == NT_OK)
            status = give(tape, pass, &t, tile, count, out);
    }
    return status;
}

bool nt_conv_winograd_group_pays(const struct nt_device_info *info, const struct nt_conv_problem *p)
{
    bool gpu = info->type == NT_DEVICE_GPU_DISCRETE || info->type == NT_DEVICE_GPU_INTEGRATED;
    if (!gpu || nt_conv_winograd_rule(p) || p->taps[1] != 3)
        return false;
    struct tiling t = cut(3, p->images, p->out, p->c, p->k);
    double tiles = (double)t.all, weights = (double)(p->c * p->k);
    /* What products of pixels have more than those of tiles, and what goes through memory: all
     * transforms are written and read. */
    double saved = 2 * weights * ((double)(p->images * p->pixels * 9) - PRODUCTS * tiles);
    double pictures = tiles * (double)(p->c + p->k) * (double)(2 * PRODUCTS + t.side * t.side);
    double moved = 4 * (pictures + weights * (2 * PRODUCTS + 9));
    bool fits = 4 * sizeof(float) * PRODUCTS * weights <= (double)info->max_allocation;
    return t.all >= LEAST_TILES && fits && FLOPS_PER_BYTE * moved <= saved;
}

/* ---- weights ---- */

/* c = a b, added to what c has but for the first chunk. */
static enum nt_status add_products(struct nt_tape *tape, bool first, const struct nt_tensor *a,
    const struct nt_tensor *b, const struct nt_tensor *c)
{
    if (first)
        return nt_gemm(tape, a, b, c, NULL);
    struct nt_expr *expr = nt_expr_create();
    if (!expr)
        return nt_fail(nt_device_context(nt_tape_device(tape)), NT_ERR_MEMORY,
            "conv_backward_weight: host memory is exhausted");
    int term = nt_expr_call(expr, NT_FN_add, nt_expr_input(expr, 0), nt_expr_input(expr, 1), -1);
    struct nt_epilogue epilogue = {.expr = expr, .term = term, .inputs = 1, .in = c};
    enum nt_status status = nt_gemm(tape, a, b, c, &epilogue);
    nt_expr_destroy(expr);
    return status;
}

/* Splits of a chunk, so that a GPU has enough work-groups; as many on each device. */
static int64_t choose_splits(const struct nt_conv_problem *p, int64_t chunk)
{
    int64_t groups = PRODUCTS * nt_divide_up(p->k, GROUP_SPAN) * nt_divide_up(p->c, GROUP_SPAN);
    int64_t splits = nt_least(nt_divide_up(GROUPS, groups), nt_divide_up(chunk, LEAST_SPLIT));
    return nt_most(nt_least(splits, MOST_SUMS / (PRODUCTS * p->k * p->c)), 1);
}

static enum nt_status give_weights(struct nt_tape *tape, const struct nt_conv_problem *p,
    int64_t splits, int32_t sums, const char *reason)
{
    struct nt_launch l;
    nt_launch_init(&l, tape, "winograd_group_weight_give", "winograd_group_weight_give",
        "winograd_group", reason);
    nt_launch_define(&l, "NT_WINOGRAD_TAPS", "%d", (int)p->taps[1]);
    nt_launch_buffer(&l, sums, NT_ACCESS_READ);
    nt_launch_tensor(&l, &p->w, NT_ACCESS_WRITE);
    nt_launch_ints(&l, 2, (int64_t[]){p->k * p->c, splits});
    nt_group_line(&l, p->k * p->c, GROUP_SIZE);
    l.bytes = 4.0 * (double)(p->k * p->c) * (double)(splits * PRODUCTS + p->filter);
    return nt_launch_append(&l);
}

enum nt_status nt_conv_weight_winograd_group(
    struct nt_tape *tape, const struct nt_conv_problem *p, const char *reason)
{
    struct tiling t = cut(p->taps[1], p->images, p->out, p->c, p->k);
    struct picture x = {&p->x, p->c, p->in[1], p->in[2], p->pad[1], p->pad[2], p->x.stride[0],
        p->x.stride[3], p->x.stride[4]};
    struct picture dy = {
        &p->y, p->k, p->out[1], p->out[2], 0, 0, p->y.stride[0], p->y.stride[3], p->y.stride[4]};
    int64_t splits = choose_splits(p, t.chunk);
    /* All splits of all chunks are equal: tiles beyond the last one are zeros. */
    int64_t piece = nt_divide_up(t.chunk, splits), chunk = piece * splits;
    int32_t in = transforms(tape, chunk * p->c, "transformed inputs");
    int32_t out = transforms(tape, chunk * p->k, "transformed gradients");
    int32_t sums = transforms(tape, splits * p->k * p->c, "transformed weights");
    struct nt_tensor a = matrices(out, PRODUCTS * splits, p->k, piece);
    struct nt_tensor b = matrices(in, PRODUCTS * splits, piece, p->c);
    struct nt_tensor c = matrices(sums, PRODUCTS * splits, p->k, p->c);
    a.stride[1] = 1; /* lies as piece x k */
    a.stride[2] = p->k;
    enum nt_status status = NT_OK;
    for (int64_t tile = 0; status == NT_OK && tile < t.all; tile += chunk) {
        status = take(tape, reason, SIDE, &x, &t, tile, chunk, in);
        if (status == NT_OK)
            status = take(tape, reason, t.side, &dy, &t, tile, chunk, out);
        if (status == NT_OK)
            status = add_products(tape, tile == 0, &a, &b, &c);
    }
    return status == NT_OK ? give_weights(tape, p, splits, sums, reason) : status;
}
