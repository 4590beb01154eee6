/* SPDX-License-Identifier: MIT */
#include "engine/op/conv.h"
#include "engine/op/epilogue.h"
#include "engine/op/registers.h"
#include "engine/tuning_state.h"
#include "engine/variant.h"

#include <string.h>

const char *const nt_conv_forward_variants[] = {"tile", "group", "depthwise", "depthwise_group",
    "winograd", "winograd_group", "gemm", "images", "registers", NULL};
const char *const nt_conv_backward_data_variants[] = {"tile", "group", "depthwise",
    "depthwise_group", "winograd", "winograd_group", "gemm", "images", "registers", NULL};
const char *const nt_conv_backward_weight_variants[] = {
    "tile", "group", "depthwise", "depthwise_group", "winograd", "winograd_group", "gemm", NULL};

static const char *const axis[3] = {"depth", "height", "width"};

/* ---- checks ---- */

static enum nt_status check_attributes(
    struct nt_context *ctx, const char *primitive, const struct nt_conv *conv, int dims)
{
    for (int i = 0; i < dims; i++) {
        if (conv->stride[i] < 0)
            return nt_fail(ctx, NT_ERR_ARGUMENT, "%s: stride %lld along the %s: must be at least 1",
                primitive, (long long)conv->stride[i], axis[3 - dims + i]);
        if (conv->dilation[i] < 0)
            return nt_fail(ctx, NT_ERR_ARGUMENT,
                "%s: dilation %lld along the %s: must be at least 1", primitive,
                (long long)conv->dilation[i], axis[3 - dims + i]);
    }
    if (conv->groups < 0)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "%s: %lld groups: must be at least 1", primitive,
            (long long)conv->groups);
    return NT_OK;
}

static enum nt_status bad_shapes(struct nt_context *ctx, const char *primitive,
    const struct nt_conv_problem *p, const char *rule)
{
    char x[96], w[96], y[96];
    return nt_fail(ctx, NT_ERR_SHAPE, "%s: x %s, w %s, y %s, %lld groups: %s", primitive,
        nt_shape_text(&p->x.shape, x, sizeof x), nt_shape_text(&p->w.shape, w, sizeof w),
        nt_shape_text(&p->y.shape, y, sizeof y), (long long)p->groups, rule);
}

static enum nt_status check_layout(
    struct nt_context *ctx, const char *primitive, const struct nt_conv_problem *p)
{
    if (p->x.dtype != NT_F32 || p->w.dtype != NT_F32 || p->y.dtype != NT_F32)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "%s: x %s, w %s, y %s: must be float32", primitive,
            nt_dtype_name(p->x.dtype), nt_dtype_name(p->w.dtype), nt_dtype_name(p->y.dtype));
    if ((p->x.stride[1] != 1 && p->x.shape.dim[1] > 1) ||
        (p->y.stride[1] != 1 && p->y.shape.dim[1] > 1))
        return bad_shapes(ctx, primitive, p, "x and y must be channels-last");
    if (!nt_tensor_is(&p->w, NT_ROW_MAJOR))
        return bad_shapes(ctx, primitive, p, "w must be row-major");
    return NT_OK;
}

static enum nt_status check_channels(
    struct nt_context *ctx, const char *primitive, const struct nt_conv_problem *p)
{
    const struct nt_shape *x = &p->x.shape, *w = &p->w.shape, *y = &p->y.shape;
    if (x->rank < 3 || x->rank > 5 || w->rank != x->rank || y->rank != x->rank)
        return bad_shapes(ctx, primitive, p, "all must have the same rank, 3 to 5");
    if (x->dim[1] != w->dim[1] * p->groups)
        return bad_shapes(ctx, primitive, p, "w must be K x C/groups x R x S for x N x C x H x W");
    if (w->dim[0] % p->groups)
        return bad_shapes(ctx, primitive, p, "the groups must divide K, the first of w");
    if (y->dim[0] != x->dim[0] || y->dim[1] != w->dim[0])
        return bad_shapes(ctx, primitive, p, "y must be N x K x OH x OW");
    return NT_OK;
}

/* Sets and checks the extents of dimension i of `dims`. */
static enum nt_status take_extents(struct nt_context *ctx, const char *primitive,
    const struct nt_conv *conv, int i, int dims, struct nt_conv_problem *p)
{
    int j = 3 - dims + i;
    p->in[j] = p->x.shape.dim[2 + i];
    p->out[j] = p->y.shape.dim[2 + i];
    p->taps[j] = p->w.shape.dim[2 + i];
    p->stride[j] = conv->stride[i] ? conv->stride[i] : 1;
    p->dilation[j] = conv->dilation[i] ? conv->dilation[i] : 1;
    p->pad[j] = conv->pad_before[i];
    int64_t room =
        p->in[j] + p->pad[j] + conv->pad_after[i] - p->dilation[j] * (p->taps[j] - 1) - 1;
    int64_t extent = room < 0 ? 0 : room / p->stride[j] + 1;
    if (p->taps[j] < 1)
        return bad_shapes(ctx, primitive, p, "w must have at least one tap");
    if (extent != p->out[j])
        return nt_fail(ctx, NT_ERR_SHAPE,
            "%s: y has %s %lld: must be (%lld + %lld + %lld - %lld x (%lld - 1) - 1) / %lld + "
            "1 = %lld",
            primitive, axis[j], (long long)p->out[j], (long long)p->in[j], (long long)p->pad[j],
            (long long)conv->pad_after[i], (long long)p->dilation[j], (long long)p->taps[j],
            (long long)p->stride[j], (long long)extent);
    return NT_OK;
}

/* The tensor of rank 5: dimensions that `rank` has more come first, then those that 5 has more
 * come after the channels. All have extent 1. */
static struct nt_tensor widen(const struct nt_tensor *tensor, int rank)
{
    struct nt_tensor wide = *tensor;
    int lead = rank - tensor->shape.rank;
    wide.shape = (struct nt_shape){5, {1, 1, 1, 1, 1}};
    memset(wide.stride, 0, sizeof wide.stride);
    for (int i = lead; i < rank; i++) {
        int to = i < 2 ? i : i + 5 - rank;
        wide.shape.dim[to] = tensor->shape.dim[i - lead];
        wide.stride[to] = tensor->stride[i - lead];
    }
    return wide;
}

enum nt_status nt_conv_check(struct nt_tape *tape, const char *primitive,
    const struct nt_conv *conv, const struct nt_tensor *x, const struct nt_tensor *w,
    const struct nt_tensor *y, struct nt_conv_problem *out)
{
    struct nt_context *ctx = nt_device_context(nt_tape_device(tape));
    struct nt_conv_problem p = {.x = *x,
        .w = *w,
        .y = *y,
        .groups = conv->groups ? conv->groups : 1,
        .in = {1, 1, 1},
        .out = {1, 1, 1},
        .taps = {1, 1, 1},
        .stride = {1, 1, 1},
        .dilation = {1, 1, 1}};
    int rank = x->shape.rank, dims = rank - 2;
    enum nt_status status = check_channels(ctx, primitive, &p);
    if (status == NT_OK)
        status = check_attributes(ctx, primitive, conv, dims);
    for (int i = 0; status == NT_OK && i < dims; i++)
        status = take_extents(ctx, primitive, conv, i, dims, &p);
    if (status == NT_OK)
        status = check_layout(ctx, primitive, &p);
    if (status != NT_OK)
        return status;
    p.images = x->shape.dim[0];
    p.c = w->shape.dim[1];
    p.k = w->shape.dim[0] / p.groups;
    p.filter = nt_conv_product(p.taps);
    p.pixels = nt_conv_product(p.out);
    p.x = widen(x, rank);
    p.w = widen(w, rank);
    p.y = widen(y, rank);
    *out = p;
    return NT_OK;
}

/* The epilogue with operands of rank 5, in storage of the caller's; checked. */
static enum nt_status widen_epilogue(struct nt_tape *tape, const char *primitive,
    const struct nt_epilogue *epilogue, int rank, const struct nt_tensor *out,
    struct nt_tensor in[4], struct nt_epilogue *wide)
{
    *wide = (struct nt_epilogue){0};
    if (!epilogue || !epilogue->expr)
        return NT_OK;
    *wide = *epilogue;
    wide->in = in;
    for (int i = 0; i < epilogue->inputs && i < 4; i++)
        in[i] = epilogue->in[i].shape.rank > rank ? epilogue->in[i] : widen(&epilogue->in[i], rank);
    return nt_epilogue_check(tape, primitive, out, wide);
}

/* ---- passes ---- */

int64_t nt_conv_product(const int64_t extent[3])
{
    return extent[0] * extent[1] * extent[2];
}

void nt_conv_ints(struct nt_launch *launch, const int64_t values[3])
{
    for (int i = 0; i < 3; i++)
        nt_launch_int(launch, values[i]);
}

void nt_conv_picture_args(struct nt_launch *launch, const struct nt_conv_pass *pass)
{
    nt_launch_int(launch, pass->images);
    nt_conv_ints(launch, pass->in);
    nt_launch_int(launch, pass->c);
    nt_launch_int(launch, pass->groups);
    nt_launch_int(launch, pass->k);
    nt_conv_ints(launch, pass->out);
    nt_conv_ints(launch, pass->taps);
    nt_conv_ints(launch, pass->stride);
    nt_conv_ints(launch, pass->pad);
    nt_conv_ints(launch, pass->dilation);
    nt_launch_int(launch, pass->x_n);
    nt_conv_ints(launch, pass->x_step);
    nt_launch_int(launch, pass->y_start);
    nt_launch_int(launch, pass->y_n);
    nt_conv_ints(launch, pass->y_step);
}

void nt_conv_pass_args(struct nt_launch *launch, const struct nt_conv_pass *pass)
{
    nt_conv_picture_args(launch, pass);
    nt_launch_int(launch, pass->w_start);
    nt_launch_int(launch, pass->w_g);
    nt_launch_int(launch, pass->w_k);
    nt_launch_int(launch, pass->w_c);
    nt_conv_ints(launch, pass->w_step);
}

void nt_conv_pass_cost(struct nt_launch *launch, const struct nt_conv_pass *pass)
{
    launch->flops = pass->flops;
    launch->bytes =
        4.0 * (double)(nt_shape_count(&pass->x->shape) + nt_shape_count(&pass->w->shape) +
                       nt_shape_count(&pass->y->shape));
}

void nt_conv_problem_args(struct nt_launch *launch, const struct nt_conv_problem *p)
{
    nt_launch_int(launch, p->images);
    nt_conv_ints(launch, p->in);
    nt_launch_int(launch, p->c);
    nt_launch_int(launch, p->groups);
    nt_launch_int(launch, p->k);
    nt_conv_ints(launch, p->out);
    nt_conv_ints(launch, p->taps);
    nt_conv_ints(launch, p->stride);
    nt_conv_ints(launch, p->pad);
    nt_conv_ints(launch, p->dilation);
    nt_launch_int(launch, p->x.stride[0]);
    nt_conv_ints(launch, p->x.stride + 2);
    nt_launch_int(launch, p->y.stride[0]);
    nt_conv_ints(launch, p->y.stride + 2);
}

static double work(const struct nt_conv_problem *p)
{
    return 2.0 * (double)(p->images * p->groups * p->k * p->c) * (double)(p->pixels * p->filter);
}

/* What the problem breaks of a variant's rules, NULL: nothing. */
static const char *broken_rule(
    const struct nt_device *dev, const struct nt_conv_problem *p, const char *variant)
{
    if (strcmp(variant, "depthwise") == 0 && !nt_conv_is_depthwise(dev, p))
        return "must have one channel in and out of each group, or so few that a vector holds "
               "whole groups";
    if (strcmp(variant, "depthwise_group") == 0)
        return nt_conv_depthwise_group_rule(p);
    if (strcmp(variant, "winograd") == 0 || strcmp(variant, "winograd_group") == 0)
        return nt_conv_winograd_rule(p);
    return strcmp(variant, "gemm") == 0 ? nt_conv_gemm_rule(p) : NULL;
}

/* better: than tiles or the implicit product, or NULL. tuned: the variant measured to be the
 * fastest, or NULL. */
static enum nt_status choose(struct nt_tape *tape, const char *primitive,
    const char *const *variants, const struct nt_conv_problem *p, const char *better,
    const char *tuned, const char **variant, const char **reason)
{
    const struct nt_device *dev = nt_tape_device(tape);
    bool tiles = nt_prefers_tiles(dev);
    const char *depthwise = tiles && nt_conv_is_depthwise(dev, p)        ? "depthwise"
                            : !tiles && !nt_conv_depthwise_group_rule(p) ? "depthwise_group"
                                                                         : NULL;
    bool known = tuned && !broken_rule(dev, p, tuned);
    bool winograd = nt_conv_winograd_pays(dev, p, variants == nt_conv_backward_weight_variants);
    bool by_group = nt_conv_winograd_group_pays(nt_device_get_info(dev), p);
    const char *preferred = known       ? tuned
                            : depthwise ? depthwise
                            : winograd  ? "winograd"
                            : by_group  ? "winograd_group"
                                        : better;
    enum nt_status status = nt_choose(tape, primitive, variants, preferred, variant, reason);
    if (status != NT_OK)
        return status;
    if (known && !nt_tape_forced(tape, primitive))
        *reason = "measured";
    const char *rule = broken_rule(dev, p, *variant);
    if (rule)
        status = nt_choose_instead(tape, primitive, "group", rule, variant, reason);
    if (status == NT_OK)
        nt_tuning_tell(tape, primitive, *variant);
    return status;
}

/* What suits the device better than tiles, or on GPUs the implicit product, for the forward pass
 * or, backward, that by data. */
static const char *better_than_usual(
    struct nt_tape *tape, const struct nt_conv_problem *p, bool backward)
{
    if (nt_conv_images_pays(nt_tape_device(tape), p, backward))
        return "images";
    if (!nt_conv_gemm_rule(p))
        return "gemm";
    return nt_prefers_registers(nt_tape_device(tape)) ? "registers" : NULL;
}

/* What variants that read packed weights want before their passes. */
static enum nt_status prepare(struct nt_tape *tape, const struct nt_conv_problem *p,
    const char *variant, bool backward, int32_t *packed)
{
    if (strcmp(variant, "registers") == 0)
        return nt_conv_registers_pack(tape, p, backward, packed);
    if (strcmp(variant, "depthwise") == 0 || strcmp(variant, "depthwise_group") == 0)
        return nt_conv_depthwise_pack(tape, p, backward, packed);
    return NT_OK;
}

static enum nt_status launch(struct nt_tape *tape, const struct nt_conv_pass *pass, int32_t packed)
{
    if (strcmp(pass->variant, "depthwise") == 0)
        return nt_conv_depthwise(tape, pass, packed);
    if (strcmp(pass->variant, "depthwise_group") == 0)
        return nt_conv_depthwise_group(tape, pass, packed);
    if (strcmp(pass->variant, "winograd") == 0)
        return nt_conv_winograd(tape, pass);
    if (strcmp(pass->variant, "winograd_group") == 0)
        return nt_conv_winograd_group(tape, pass);
    if (strcmp(pass->variant, "gemm") == 0)
        return nt_conv_gemm(tape, pass);
    if (strcmp(pass->variant, "images") == 0)
        return nt_conv_images(tape, pass);
    if (strcmp(pass->variant, "registers") == 0)
        return nt_conv_registers(tape, pass, packed);
    return strcmp(pass->variant, "tile") == 0 ? nt_conv_tile(tape, pass)
                                              : nt_conv_group(tape, pass);
}

enum nt_status nt_conv_forward(struct nt_tape *tape, const struct nt_conv *conv,
    const struct nt_tensor *x, const struct nt_tensor *w, const struct nt_tensor *y,
    const struct nt_epilogue *epilogue)
{
    struct nt_conv_problem p;
    struct nt_tensor in[4];
    struct nt_epilogue wide;
    struct nt_conv_pass pass = {.x = &p.x, .w = &p.w, .y = &p.y, .epilogue = &wide};
    int32_t packed = -1;
    enum nt_status status = nt_conv_check(tape, "conv_forward", conv, x, w, y, &p);
    if (status == NT_OK)
        status = widen_epilogue(tape, "conv_forward", epilogue, x->shape.rank, &p.y, in, &wide);
    if (status == NT_OK)
        status = choose(tape, "conv_forward", nt_conv_forward_variants, &p,
            better_than_usual(tape, &p, false), nt_tuning_find(tape, "conv_forward", conv, x, w, y),
            &pass.variant, &pass.reason);
    if (status != NT_OK || nt_shape_count(&y->shape) == 0)
        return status;
    pass.images = p.images;
    pass.groups = p.groups;
    pass.c = p.c;
    pass.k = p.k;
    pass.x_n = p.x.stride[0];
    pass.y_n = p.y.stride[0];
    for (int i = 0; i < 3; i++) {
        pass.in[i] = p.in[i];
        pass.out[i] = p.out[i];
        pass.taps[i] = p.taps[i];
        pass.stride[i] = p.stride[i];
        pass.dilation[i] = p.dilation[i];
        pass.pad[i] = p.pad[i];
        pass.x_step[i] = p.x.stride[2 + i];
        pass.y_step[i] = p.y.stride[2 + i];
        pass.w_step[i] = i == 2 ? 1 : i == 1 ? p.taps[2] : p.taps[1] * p.taps[2];
    }
    pass.w_c = p.filter;
    pass.w_k = p.c * p.filter;
    pass.w_g = p.k * pass.w_k;
    pass.flops = work(&p);
    status = prepare(tape, &p, pass.variant, false, &packed);
    return status == NT_OK ? launch(tape, &pass, packed) : status;
}

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* An int of a kernel has room for more. */
#define PHASE_BITS 30

/* What the pixels phase, phase + stride, ... of dx receive along one dimension. */
static void set_phase(
    const struct nt_conv_problem *p, int i, int64_t phase, struct nt_conv_pass *pass)
{
    int64_t stride = p->stride[i], dilation = p->dilation[i];
    int64_t w_step = i == 2 ? 1 : i == 1 ? p->taps[2] : p->taps[1] * p->taps[2];
    int64_t divisor = common_divisor(stride, dilation), every = stride / divisor, tap = 0;
    while (tap < every && (phase + p->pad[i] - tap * dilation) % stride)
        tap++;
    bool any = tap < every && tap < p->taps[i];
    int64_t taps = any ? (p->taps[i] - tap + every - 1) / every : 0;
    pass->taps[i] = taps;
    pass->in[i] = p->out[i];
    pass->out[i] = (p->in[i] - phase + stride - 1) / stride;
    pass->stride[i] = 1;
    pass->dilation[i] = dilation / divisor;
    pass->pad[i] =
        any ? (taps - 1) * pass->dilation[i] - (phase + p->pad[i] - tap * dilation) / stride : 0;
    pass->w_step[i] = -every * w_step;
    pass->w_start += any ? (tap + (taps - 1) * every) * w_step : 0;
    pass->x_step[i] = p->y.stride[2 + i];
    pass->y_step[i] = stride * p->x.stride[2 + i];
    pass->y_start += phase * p->x.stride[2 + i];
}

static int64_t phases(const struct nt_conv_problem *p, int i)
{
    return p->stride[i] < p->in[i] ? p->stride[i] : p->in[i];
}

/* Bits of the phases that have taps along one dimension, all of its phases in `all`; 0: more than
 * there are bits. */
static int64_t phases_with_taps(const struct nt_conv_problem *p, int i, int64_t *all)
{
    int64_t bits = 0, count = phases(p, i);
    *all = count <= PHASE_BITS ? ((int64_t)1 << count) - 1 : 0;
    for (int64_t phase = 0; phase < count && *all; phase++) {
        struct nt_conv_pass pass = {0};
        set_phase(p, i, phase, &pass);
        bits |= pass.taps[i] > 0 ? (int64_t)1 << phase : 0;
    }
    return bits;
}

/* Whether a pass can write the phases without taps, of which there are some; told to `pass`. */
static bool fill_rest(
    const struct nt_conv_problem *p, const char *variant, struct nt_conv_pass *pass)
{
    bool possible = strcmp(variant, "tile") == 0, some = false;
    for (int i = 0; i < 3; i++) {
        int64_t all;
        pass->taken[i] = phases_with_taps(p, i, &all);
        pass->rest[i] = p->in[i];
        pass->rest_step[i] = p->x.stride[2 + i];
        pass->every[i] = p->stride[i];
        possible = possible && pass->taken[i] > 0;
        some = some || pass->taken[i] != all;
    }
    return possible && some;
}

static enum nt_status launch_phases(struct nt_tape *tape, const struct nt_conv_problem *p,
    const struct nt_epilogue *epilogue, const char *variant, const char *reason, int32_t packed)
{
    struct nt_conv_pass all = {.variant = variant,
        .reason = reason,
        .x = &p->y,
        .w = &p->w,
        .y = &p->x,
        .epilogue = epilogue,
        .images = p->images,
        .groups = p->groups,
        .c = p->k,
        .k = p->c,
        .x_n = p->y.stride[0],
        .y_n = p->x.stride[0],
        .w_c = p->c * p->filter,
        .w_k = p->filter,
        .w_g = p->k * p->c * p->filter};
    struct nt_conv_pass filling = all;
    bool fills = fill_rest(p, variant, &filling), first = true;
    int64_t high = phases(p, 1), wide = phases(p, 2), count = phases(p, 0) * high * wide;
    enum nt_status status = NT_OK;
    for (int64_t i = 0; status == NT_OK && i < count; i++) {
        struct nt_conv_pass pass = fills && first ? filling : all;
        set_phase(p, 0, i / wide / high, &pass);
        set_phase(p, 1, i / wide % high, &pass);
        set_phase(p, 2, i % wide, &pass);
        pass.flops = work(p) * (double)nt_conv_product(pass.taps) / (double)p->filter;
        if (fills && nt_conv_product(pass.taps) == 0)
            continue;
        first = false;
        status = launch(tape, &pass, packed);
    }
    return status;
}

enum nt_status nt_conv_backward_data(struct nt_tape *tape, const struct nt_conv *conv,
    const struct nt_tensor *dy, const struct nt_tensor *w, const struct nt_tensor *dx,
    const struct nt_epilogue *epilogue)
{
    struct nt_conv_problem p;
    struct nt_tensor in[4];
    struct nt_epilogue wide;
    const char *variant, *reason, *name = "conv_backward_data";
    enum nt_status status = nt_conv_check(tape, name, conv, dx, w, dy, &p);
    if (status == NT_OK)
        status = widen_epilogue(tape, name, epilogue, dx->shape.rank, &p.x, in, &wide);
    if (status == NT_OK)
        status = choose(tape, name, nt_conv_backward_data_variants, &p,
            better_than_usual(tape, &p, true), nt_tuning_find(tape, name, conv, dy, w, dx),
            &variant, &reason);
    if (status != NT_OK || nt_shape_count(&dx->shape) == 0)
        return status;
    int32_t packed = -1;
    status = prepare(tape, &p, variant, true, &packed);
    if (status == NT_OK && strcmp(variant, "depthwise") == 0 &&
        nt_conv_takes_depthwise_back(nt_tape_device(tape), &p))
        return nt_conv_depthwise_back(tape, &p, &wide, packed, work(&p), reason);
    return status == NT_OK ? launch_phases(tape, &p, &wide, variant, reason, packed) : status;
}

enum nt_status nt_conv_backward_weight(struct nt_tape *tape, const struct nt_conv *conv,
    const struct nt_tensor *x, const struct nt_tensor *dy, const struct nt_tensor *dw)
{
    struct nt_conv_problem p;
    const char *variant, *reason;
    enum nt_status status = nt_conv_check(tape, "conv_backward_weight", conv, x, dw, dy, &p);
    if (status == NT_OK)
        status = choose(tape, "conv_backward_weight", nt_conv_backward_weight_variants, &p,
            nt_conv_weight_gemm_pays(&p) ? "gemm" : NULL,
            nt_tuning_find(tape, "conv_backward_weight", conv, x, dy, dw), &variant, &reason);
    if (status != NT_OK || nt_shape_count(&dw->shape) == 0)
        return status;
    if (strcmp(variant, "depthwise") == 0)
        return nt_conv_weight_depthwise(tape, &p, work(&p), reason);
    if (strcmp(variant, "depthwise_group") == 0)
        return nt_conv_weight_depthwise_group(tape, &p, work(&p), reason);
    if (strcmp(variant, "winograd") == 0)
        return nt_conv_weight_winograd(tape, &p, work(&p), reason);
    if (strcmp(variant, "winograd_group") == 0)
        return nt_conv_weight_winograd_group(tape, &p, reason);
    if (strcmp(variant, "gemm") == 0)
        return nt_conv_weight_gemm(tape, &p);
    return strcmp(variant, "tile") == 0 ? nt_conv_weight_tile(tape, &p, work(&p), reason)
                                        : nt_conv_weight_group(tape, &p, work(&p), reason);
}
