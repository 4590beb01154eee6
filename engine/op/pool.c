/* SPDX-License-Identifier: MIT */
#include "engine/op/chunk.h"
#include "engine/primitives.h"
#include "engine/variant.h"

#include <string.h>

const char *const nt_pool_variants[] = {"tile", "group", NULL};

/* Work-groups of the second and third grid dimension: what every GPU allows. */
#define MAX_GROUPS 65535

static int64_t at_least_1(int64_t value)
{
    return value == 0 ? 1 : value;
}

/* y's extent along a dimension lies between the window count rounded down and rounded up. */
static bool fits(const struct nt_pool *pool, int i, int64_t in, int64_t out)
{
    int64_t stride = at_least_1(pool->stride[i]), dilation = at_least_1(pool->dilation[i]);
    int64_t room = in + pool->pad_before[i] + pool->pad_after[i];
    int64_t slack = room - dilation * (pool->kernel[i] - 1) - 1;
    int64_t down = slack < 0 ? 0 : slack / stride + 1;
    int64_t up = slack <= -stride ? 0 : (slack + stride - 1) / stride + 1;
    return out >= down && out <= up;
}

static enum nt_status check_window(
    struct nt_context *ctx, const char *name, const struct nt_pool *pool)
{
    if (pool->pooling != NT_POOL_MAX && pool->pooling != NT_POOL_AVERAGE)
        return nt_fail(
            ctx, NT_ERR_ARGUMENT, "%s: pooling %d: there is none", name, (int)pool->pooling);
    for (int i = 0; i < 2; i++) {
        if (pool->kernel[i] < 1)
            return nt_fail(ctx, NT_ERR_ARGUMENT, "%s: kernel %lldx%lld: must be at least 1", name,
                (long long)pool->kernel[0], (long long)pool->kernel[1]);
        if (pool->stride[i] < 0 || pool->dilation[i] < 0 || pool->pad_before[i] < 0 ||
            pool->pad_after[i] < 0)
            return nt_fail(ctx, NT_ERR_ARGUMENT,
                "%s: stride, dilation or padding: must not be negative", name);
    }
    return NT_OK;
}

/* Channels must lie side by side; the kernels take any other strides. */
static enum nt_status check_tensor(struct nt_context *ctx, const char *name, const char *what,
    const struct nt_tensor *t, enum nt_dtype dtype)
{
    char text[128];
    if (t->dtype != dtype)
        return nt_fail(ctx, NT_ERR_UNSUPPORTED, "%s: %s of %s: must be %s", name, what,
            nt_dtype_name(t->dtype), nt_dtype_name(dtype));
    if (t->shape.rank != 4)
        return nt_fail(ctx, NT_ERR_SHAPE, "%s: %s of shape %s: must have rank 4", name, what,
            nt_shape_text(&t->shape, text, sizeof text));
    if (t->shape.dim[1] > 1 && t->stride[1] != 1)
        return nt_fail(ctx, NT_ERR_UNSUPPORTED, "%s: %s: must lie channels-last", name, what);
    return NT_OK;
}

static enum nt_status check(struct nt_tape *tape, const char *name, const struct nt_pool *pool,
    const struct nt_tensor *x, const struct nt_tensor *y, const struct nt_tensor *index)
{
    struct nt_context *ctx = nt_device_context(nt_tape_device(tape));
    const int64_t *in = x->shape.dim, *out = y->shape.dim;
    char x_text[128], y_text[128];
    enum nt_status status = check_window(ctx, name, pool);
    if (status == NT_OK)
        status = check_tensor(ctx, name, "x", x, NT_F32);
    if (status == NT_OK)
        status = check_tensor(ctx, name, "y", y, NT_F32);
    if (status == NT_OK && index)
        status = check_tensor(ctx, name, "index", index, NT_I32);
    if (status != NT_OK)
        return status;
    nt_shape_text(&x->shape, x_text, sizeof x_text);
    nt_shape_text(&y->shape, y_text, sizeof y_text);
    if (in[0] != out[0] || in[1] != out[1] || !fits(pool, 0, in[2], out[2]) ||
        !fits(pool, 1, in[3], out[3]))
        return nt_fail(ctx, NT_ERR_SHAPE,
            "%s: %s to %s by a %lldx%lld window: must keep N and C and have the window's count",
            name, x_text, y_text, (long long)pool->kernel[0], (long long)pool->kernel[1]);
    if (index && !nt_shape_equal(&index->shape, &y->shape))
        return nt_fail(ctx, NT_ERR_SHAPE, "%s: index of shape %s: must be %s", name,
            nt_shape_text(&index->shape, x_text, sizeof x_text), y_text);
    return NT_OK;
}

static void add_strides(struct nt_launch *launch, const struct nt_tensor *t)
{
    nt_launch_int(launch, t->stride[0]);
    nt_launch_int(launch, t->stride[2]);
    nt_launch_int(launch, t->stride[3]);
}

static void add_window(struct nt_launch *launch, const struct nt_pool *pool,
    const struct nt_tensor *x, const struct nt_tensor *y)
{
    const int64_t *dim = x->shape.dim;
    const int64_t shape[] = {dim[0], dim[2], dim[3], dim[1], y->shape.dim[2], y->shape.dim[3]};
    for (int i = 0; i < 6; i++)
        nt_launch_int(launch, shape[i]);
    for (int i = 0; i < 2; i++)
        nt_launch_int(launch, pool->kernel[i]);
    for (int i = 0; i < 2; i++)
        nt_launch_int(launch, at_least_1(pool->stride[i]));
    for (int i = 0; i < 2; i++)
        nt_launch_int(launch, at_least_1(pool->dilation[i]));
    for (int i = 0; i < 2; i++)
        nt_launch_int(launch, pool->pad_before[i]);
    for (int i = 0; i < 2; i++)
        nt_launch_int(launch, pool->count_include_pad ? dim[2 + i] + pool->pad_after[i] : 0);
}

/* Whether every window lies inside x. */
static bool all_inside(
    const struct nt_pool *pool, const struct nt_tensor *x, const struct nt_tensor *y)
{
    for (int i = 0; i < 2; i++) {
        int64_t last = (y->shape.dim[2 + i] - 1) * at_least_1(pool->stride[i]);
        int64_t span = at_least_1(pool->dilation[i]) * (pool->kernel[i] - 1) + 1;
        if (pool->pad_before[i] || pool->pad_after[i] || last + span > x->shape.dim[2 + i])
            return false;
    }
    return true;
}

static bool is_cells(const struct nt_pool *pool)
{
    for (int i = 0; i < 2; i++)
        if (pool->kernel[i] != at_least_1(pool->stride[i]) || at_least_1(pool->dilation[i]) != 1)
            return false;
    return true;
}

/* Windows up to this many taps are unrolled where none is clipped. */
#define MAX_UNROLLED 9

/* The defines; whether the gradient goes by cells. *width: channels at once. */
static bool add_defines(struct nt_launch *launch, const struct nt_pool *pool,
    const struct nt_tensor *x, const struct nt_tensor *y, bool tile, int *width)
{
    unsigned native = nt_device_get_info(nt_tape_device(launch->tape))->vector_width;
    int64_t channels = x->shape.dim[1];
    bool unrolled = pool->kernel[0] * pool->kernel[1] <= MAX_UNROLLED && all_inside(pool, x, y);
    bool cells = tile && unrolled && is_cells(pool);
    *width = native >= 16 ? 16 : native >= 8 ? 8 : 4;
    /* Two widths at most, so that few kernels serve all layers of a network. */
    if (!tile || channels < 4)
        *width = 1;
    else if (channels < 2 * *width)
        *width = 4;
    nt_launch_define(launch, "NT_MAX", "%d", pool->pooling == NT_POOL_MAX);
    nt_launch_define(launch, "NT_VEC", "%d", *width);
    nt_launch_define(launch, "NT_TILE", "%d", tile);
    nt_launch_define(launch, "NT_KH", "%d", unrolled ? (int)pool->kernel[0] : 0);
    nt_launch_define(launch, "NT_KW", "%d", unrolled ? (int)pool->kernel[1] : 0);
    nt_launch_define(launch, "NT_CELLS", "%d", cells);
    return cells;
}

/* The argument `chunk` and the grid over the pixels (or cells) of `result`. */
static void add_grid(struct nt_launch *launch, const struct nt_pool *pool,
    const struct nt_tensor *result, bool tile, bool cells, int width)
{
    const int64_t *dim = result->shape.dim;
    if (tile) {
        int64_t taps = pool->kernel[0] * pool->kernel[1];
        int64_t rows = cells ? (dim[2] + pool->kernel[0] - 1) / pool->kernel[0] : dim[2];
        int64_t columns = cells ? (dim[3] + pool->kernel[1] - 1) / pool->kernel[1] : dim[3];
        int64_t items = dim[0] * rows * columns;
        int64_t chunk =
            nt_chunk(launch->tape, items, (taps + 2) * ((dim[1] + width - 1) / width) * 4);
        nt_launch_int(launch, chunk);
        nt_launch_grid(launch, 1, (size_t[]){(size_t)((items + chunk - 1) / chunk)}, NULL);
        return;
    }
    int64_t rows = dim[2] < MAX_GROUPS ? dim[2] : MAX_GROUPS;
    int64_t images = dim[0] < MAX_GROUPS ? dim[0] : MAX_GROUPS;
    size_t most = nt_device_get_info(nt_tape_device(launch->tape))->max_work_group;
    nt_launch_int(launch, 0);
    nt_launch_grid(launch, 3, (size_t[]){(size_t)(dim[3] * dim[1]), (size_t)rows, (size_t)images},
        (size_t[]){most < 64 ? 1 : 64, 1, 1});
}

static double traffic(
    const struct nt_tensor *x, const struct nt_tensor *y, const struct nt_tensor *index)
{
    return 4.0 * ((double)nt_shape_count(&x->shape) +
                     (index ? 2.0 : 1.0) * (double)nt_shape_count(&y->shape));
}

enum nt_status nt_pool_forward(struct nt_tape *tape, const struct nt_pool *pool,
    const struct nt_tensor *x, const struct nt_tensor *y, const struct nt_tensor *index)
{
    const char *variant, *reason;
    const struct nt_tensor *wanted = pool->pooling == NT_POOL_MAX ? index : NULL;
    enum nt_status status = check(tape, "pool", pool, x, y, wanted);
    if (status == NT_OK)
        status = nt_choose(tape, "pool", nt_pool_variants, NULL, &variant, &reason);
    if (status != NT_OK)
        return status;
    int width;
    struct nt_launch l;
    bool tile = strcmp(variant, "tile") == 0;
    nt_launch_init(
        &l, tape, "pool", tile ? "pool_forward_tile" : "pool_forward_group", variant, reason);
    nt_launch_tensor(&l, x, NT_ACCESS_READ);
    nt_launch_tensor(&l, y, NT_ACCESS_WRITE);
    /* y stands in for an index that is not wanted: the kernel leaves it alone. */
    nt_launch_tensor(&l, wanted ? wanted : y, NT_ACCESS_WRITE);
    add_strides(&l, y);
    add_strides(&l, wanted ? wanted : y);
    add_strides(&l, x);
    add_window(&l, pool, x, y);
    add_defines(&l, pool, x, y, tile, &width);
    add_grid(&l, pool, y, tile, false, width);
    nt_launch_int(&l, wanted != NULL);
    l.bytes = traffic(x, y, wanted);
    return nt_launch_append(&l);
}

enum nt_status nt_pool_backward(struct nt_tape *tape, const struct nt_pool *pool,
    const struct nt_tensor *dy, const struct nt_tensor *index, const struct nt_tensor *dx)
{
    const char *variant, *reason, *name = "pool_backward";
    const struct nt_tensor *used = pool->pooling == NT_POOL_MAX ? index : NULL;
    enum nt_status status = check(tape, name, pool, dx, dy, used);
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
    nt_launch_tensor(&l, dy, NT_ACCESS_READ);
    nt_launch_tensor(&l, used ? used : dy, NT_ACCESS_READ);
    nt_launch_tensor(&l, dx, NT_ACCESS_WRITE);
    add_strides(&l, dy);
    add_strides(&l, used ? used : dy);
    add_strides(&l, dx);
    add_window(&l, pool, dx, dy);
    bool cells = add_defines(&l, pool, dx, dy, tile, &width);
    add_grid(&l, pool, dx, tile, cells, width);
    l.bytes = traffic(dx, dy, used);
    return nt_launch_append(&l);
}
