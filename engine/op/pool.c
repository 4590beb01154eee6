/* SPDX-License-Identifier: MIT */
#include "engine/op/spatial.h"
#include "engine/primitives.h"
#include "engine/variant.h"

#include <string.h>

const char *const nt_pool_variants[] = {"tile", "group", NULL};

/* x and y (or dx and dy) and index with three spatial dimensions, the leading ones of extent 1
 * where a tensor has fewer, and the window along them. */
struct problem {
    struct nt_pool pool; /* stride and dilation at least 1 */
    struct nt_tensor x, y, index;
    bool indexed;
};

/* y's extent along a dimension lies between the window count rounded down and rounded up. */
static bool fits(const struct nt_pool *pool, int i, int64_t in, int64_t out)
{
    if (pool->adaptive)
        return out >= 1 && in * out <= INT32_MAX - in;
    int64_t stride = pool->stride[i];
    int64_t room = in + pool->pad_before[i] + pool->pad_after[i];
    int64_t slack = room - pool->dilation[i] * (pool->kernel[i] - 1) - 1;
    int64_t down = slack < 0 ? 0 : slack / stride + 1;
    int64_t up = slack <= -stride ? 0 : (slack + stride - 1) / stride + 1;
    return out >= down && out <= up;
}

/* "2x3" */
static const char *window_text(const struct nt_pool *pool, int dims, char *text, size_t size)
{
    struct nt_shape shape = {.rank = dims};
    memcpy(shape.dim, pool->kernel, sizeof *shape.dim * (size_t)dims);
    return pool->adaptive ? "adaptive" : nt_shape_text(&shape, text, size);
}

static enum nt_status check_window(
    struct nt_context *ctx, const char *name, const struct nt_pool *pool, int dims)
{
    char text[128];
    if (pool->pooling != NT_POOL_MAX && pool->pooling != NT_POOL_AVERAGE)
        return nt_fail(
            ctx, NT_ERR_ARGUMENT, "%s: pooling %d: there is none", name, (int)pool->pooling);
    if (pool->divisor < 0)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "%s: divisor %lld: must not be negative", name,
            (long long)pool->divisor);
    for (int i = 0; i < dims && !pool->adaptive; i++) {
        if (pool->kernel[i] < 1)
            return nt_fail(ctx, NT_ERR_ARGUMENT, "%s: kernel %s: must be at least 1", name,
                window_text(pool, dims, text, sizeof text));
        if (pool->stride[i] < 0 || pool->dilation[i] < 0 || pool->pad_before[i] < 0 ||
            pool->pad_after[i] < 0)
            return nt_fail(ctx, NT_ERR_ARGUMENT,
                "%s: stride, dilation or padding: must not be negative", name);
    }
    return NT_OK;
}

static enum nt_status check_tensors(struct nt_context *ctx, const char *name,
    const struct nt_tensor *x, const struct nt_tensor *y, const struct nt_tensor *index)
{
    char text[128], y_text[128];
    enum nt_status status = nt_spatial_check(ctx, name, "x", x, NT_F32);
    if (status == NT_OK)
        status = nt_spatial_check(ctx, name, "y", y, NT_F32);
    if (status == NT_OK && index)
        status = nt_spatial_check(ctx, name, "index", index, NT_I32);
    if (status == NT_OK && index && !nt_shape_equal(&index->shape, &y->shape))
        status = nt_fail(ctx, NT_ERR_SHAPE, "%s: index of shape %s: must be %s", name,
            nt_shape_text(&index->shape, text, sizeof text),
            nt_shape_text(&y->shape, y_text, sizeof y_text));
    return status;
}

/* Adaptive windows that are all alike are ordinary ones. */
static bool is_regular(const struct nt_tensor *x, const struct nt_tensor *y)
{
    for (int i = 2; i < x->shape.rank; i++)
        if (x->shape.dim[i] % y->shape.dim[i])
            return false;
    return true;
}

static struct nt_pool window_with_depth(
    const struct nt_pool *pool, const struct nt_tensor *x, const struct nt_tensor *y)
{
    struct nt_pool full = *pool;
    int lack = 5 - x->shape.rank;
    full.adaptive = pool->adaptive && !is_regular(x, y);
    for (int i = 2; i >= 0; i--) {
        int from = i - lack;
        full.kernel[i] = full.stride[i] = full.dilation[i] = 1;
        full.pad_before[i] = full.pad_after[i] = 0;
        if (from >= 0 && pool->adaptive) {
            full.kernel[i] = full.stride[i] = x->shape.dim[2 + from] / y->shape.dim[2 + from];
        } else if (from >= 0) {
            full.kernel[i] = pool->kernel[from];
            full.stride[i] = pool->stride[from] ? pool->stride[from] : 1;
            full.dilation[i] = pool->dilation[from] ? pool->dilation[from] : 1;
            full.pad_before[i] = pool->pad_before[from];
            full.pad_after[i] = pool->pad_after[from];
        }
    }
    return full;
}

static enum nt_status check(struct nt_tape *tape, const char *name, const struct nt_pool *pool,
    const struct nt_tensor *x, const struct nt_tensor *y, const struct nt_tensor *index,
    struct problem *problem)
{
    struct nt_context *ctx = nt_device_context(nt_tape_device(tape));
    int dims = x->shape.rank - 2;
    char x_text[128], y_text[128], window[128];
    enum nt_status status = check_tensors(ctx, name, x, y, index);
    if (status == NT_OK)
        status = check_window(ctx, name, pool, dims);
    if (status != NT_OK)
        return status;
    bool fit = x->shape.rank == y->shape.rank && x->shape.dim[0] == y->shape.dim[0] &&
               x->shape.dim[1] == y->shape.dim[1];
    for (int i = 0; fit && pool->adaptive && i < dims; i++)
        fit = y->shape.dim[2 + i] > 0;
    if (fit)
        *problem = (struct problem){.pool = window_with_depth(pool, x, y),
            .x = nt_spatial_view(x),
            .y = nt_spatial_view(y),
            .index = nt_spatial_view(index ? index : y),
            .indexed = index != NULL};
    for (int i = 0; fit && i < 3; i++)
        fit = fits(&problem->pool, i, problem->x.shape.dim[2 + i], problem->y.shape.dim[2 + i]);
    if (!fit)
        return nt_fail(ctx, NT_ERR_SHAPE,
            "%s: %s to %s by a %s window: must keep N and C and have the window's count", name,
            nt_shape_text(&x->shape, x_text, sizeof x_text),
            nt_shape_text(&y->shape, y_text, sizeof y_text),
            window_text(pool, dims, window, sizeof window));
    return NT_OK;
}

static void add_triple(struct nt_launch *launch, const int64_t *values)
{
    for (int i = 0; i < 3; i++)
        nt_launch_int(launch, values[i]);
}

static void add_window(struct nt_launch *launch, const struct problem *p)
{
    const struct nt_pool *pool = &p->pool;
    const int64_t *dim = p->x.shape.dim;
    int64_t edge[3];
    for (int i = 0; i < 3; i++)
        edge[i] = pool->count_include_pad ? dim[2 + i] + pool->pad_after[i] : 0;
    nt_launch_int(launch, dim[0]);
    nt_launch_int(launch, dim[1]);
    add_triple(launch, dim + 2);
    add_triple(launch, p->y.shape.dim + 2);
    add_triple(launch, pool->kernel);
    add_triple(launch, pool->stride);
    add_triple(launch, pool->dilation);
    add_triple(launch, pool->pad_before);
    add_triple(launch, edge);
    nt_launch_float(launch, pool->divisor ? 1.0f / (float)pool->divisor : 0);
}

/* Whether every window lies inside x. */
static bool all_inside(const struct problem *p)
{
    const struct nt_pool *pool = &p->pool;
    for (int i = 0; i < 3; i++) {
        int64_t last = (p->y.shape.dim[2 + i] - 1) * pool->stride[i];
        int64_t span = pool->dilation[i] * (pool->kernel[i] - 1) + 1;
        if (pool->pad_before[i] || pool->pad_after[i] || last + span > p->x.shape.dim[2 + i])
            return false;
    }
    return !pool->adaptive;
}

static bool has_depth(const struct problem *p)
{
    return p->x.shape.dim[2] > 1 || p->y.shape.dim[2] > 1 || p->pool.kernel[0] > 1 ||
           p->pool.pad_before[0] > 0;
}

/* Taps of a window, or pixels of a cell, up to this many are unrolled. */
#define MAX_UNROLLED 9

static bool is_small(const struct problem *p)
{
    return !p->pool.adaptive && p->pool.kernel[1] * p->pool.kernel[2] <= MAX_UNROLLED;
}

static bool is_cells(const struct problem *p)
{
    const int64_t *stride = p->pool.stride, *dilation = p->pool.dilation;
    return is_small(p) && !has_depth(p) && stride[1] * stride[2] <= MAX_UNROLLED &&
           dilation[1] == 1 && dilation[2] == 1;
}

/* Channels at once: vectors of 16 have masks, so that few channels take one, too. */
static int vector_width(struct nt_tape *tape, int64_t channels)
{
    return nt_device_get_info(nt_tape_device(tape))->vector_width >= 16
               ? 16
               : nt_spatial_width(tape, channels);
}

/* The defines; whether the gradient goes by cells. *width: channels at once. */
static bool add_defines(struct nt_launch *launch, const struct problem *p, bool tile, int *width)
{
    bool small = is_small(p), cells = tile && is_cells(p);
    *width = tile ? vector_width(launch->tape, p->x.shape.dim[1]) : 1;
    nt_launch_define(launch, "NT_MAX", "%d", p->pool.pooling == NT_POOL_MAX);
    nt_launch_define(launch, "NT_VEC", "%d", *width);
    nt_launch_define(launch, "NT_TILE", "%d", tile);
    nt_launch_define(launch, "NT_DEPTH", "%d", has_depth(p));
    nt_launch_define(launch, "NT_ADAPTIVE", "%d", p->pool.adaptive);
    nt_launch_define(launch, "NT_CLIPPED", "%d", !small || !all_inside(p));
    nt_launch_define(launch, "NT_KH", "%d", small ? (int)p->pool.kernel[1] : 0);
    nt_launch_define(launch, "NT_KW", "%d", small ? (int)p->pool.kernel[2] : 0);
    nt_launch_define(launch, "NT_SH", "%d", cells ? (int)p->pool.stride[1] : 0);
    nt_launch_define(launch, "NT_SW", "%d", cells ? (int)p->pool.stride[2] : 0);
    return cells;
}

/* The argument `chunk` and the grid over the pixels (or cells) of `result`. */
static void add_grid(struct nt_launch *launch, const struct nt_pool *pool,
    const struct nt_tensor *result, bool tile, bool cells, int width)
{
    const int64_t *dim = result->shape.dim, *kernel = pool->kernel;
    if (!tile) {
        nt_launch_int(launch, 0);
        nt_spatial_grid(launch, result);
        return;
    }
    const int64_t *stride = pool->stride, *pad = pool->pad_before;
    int64_t taps = kernel[0] * kernel[1] * kernel[2];
    int64_t rows = cells ? (dim[3] + pad[1] + stride[1] - 1) / stride[1] : dim[3];
    int64_t columns = cells ? (dim[4] + pad[2] + stride[2] - 1) / stride[2] : dim[4];
    int64_t vectors = (dim[1] + width - 1) / width;
    nt_spatial_chunks(launch, dim[0] * dim[2] * rows * columns, (taps + 2) * vectors * 4);
}

static double traffic(const struct problem *p)
{
    return 4.0 * ((double)nt_shape_count(&p->x.shape) +
                     (p->indexed ? 2.0 : 1.0) * (double)nt_shape_count(&p->y.shape));
}

enum nt_status nt_pool_forward(struct nt_tape *tape, const struct nt_pool *pool,
    const struct nt_tensor *x, const struct nt_tensor *y, const struct nt_tensor *index)
{
    const char *variant, *reason;
    struct problem p;
    enum nt_status status =
        check(tape, "pool", pool, x, y, pool->pooling == NT_POOL_MAX ? index : NULL, &p);
    if (status == NT_OK)
        status = nt_choose(tape, "pool", nt_pool_variants, NULL, &variant, &reason);
    if (status != NT_OK)
        return status;
    int width;
    struct nt_launch l;
    bool tile = strcmp(variant, "tile") == 0;
    nt_launch_init(
        &l, tape, "pool", tile ? "pool_forward_tile" : "pool_forward_group", variant, reason);
    nt_launch_tensor(&l, &p.x, NT_ACCESS_READ);
    nt_launch_tensor(&l, &p.y, NT_ACCESS_WRITE);
    /* y stands in for an index that is not wanted: the kernel leaves it alone. */
    nt_launch_tensor(&l, &p.index, NT_ACCESS_WRITE);
    nt_spatial_strides(&l, &p.y);
    nt_spatial_strides(&l, &p.index);
    nt_spatial_strides(&l, &p.x);
    add_window(&l, &p);
    add_defines(&l, &p, tile, &width);
    add_grid(&l, &p.pool, &p.y, tile, false, width);
    nt_launch_int(&l, p.indexed);
    l.bytes = traffic(&p);
    return nt_launch_append(&l);
}

enum nt_status nt_pool_backward(struct nt_tape *tape, const struct nt_pool *pool,
    const struct nt_tensor *dy, const struct nt_tensor *index, const struct nt_tensor *dx)
{
    const char *variant, *reason, *name = "pool_backward";
    struct problem p;
    enum nt_status status =
        check(tape, name, pool, dx, dy, pool->pooling == NT_POOL_MAX ? index : NULL, &p);
    if (status == NT_OK && pool->pooling == NT_POOL_MAX && !index)
        status = nt_fail(nt_device_context(nt_tape_device(tape)), NT_ERR_ARGUMENT,
            "%s: no index: the gradient of a maximum needs it", name);
    if (status == NT_OK)
        status = nt_choose(tape, "pool", nt_pool_variants, NULL, &variant, &reason);
    if (status != NT_OK)
        return status;
    int width;
    struct nt_launch l;
    bool tile = strcmp(variant, "tile") == 0;
    nt_launch_init(
        &l, tape, "pool", tile ? "pool_backward_tile" : "pool_backward_group", variant, reason);
    nt_launch_tensor(&l, &p.y, NT_ACCESS_READ);
    nt_launch_tensor(&l, &p.index, NT_ACCESS_READ);
    nt_launch_tensor(&l, &p.x, NT_ACCESS_WRITE);
    nt_spatial_strides(&l, &p.y);
    nt_spatial_strides(&l, &p.index);
    nt_spatial_strides(&l, &p.x);
    add_window(&l, &p);
    bool cells = add_defines(&l, &p, tile, &width);
    add_grid(&l, &p.pool, &p.x, tile, cells, width);
    l.bytes = traffic(&p);
    return nt_launch_append(&l);
}
