/* SPDX-License-Identifier: MIT */
#include "engine/op/conv.h"
#include "engine/op/epilogue.h"
#include "engine/variant.h"

#include <string.h>

const char *const nt_conv_forward_variants[] = {"tile", "group", NULL};
const char *const nt_conv_backward_data_variants[] = {"tile", "group", NULL};
const char *const nt_conv_backward_weight_variants[] = {"tile", "group", NULL};

static const char *const axis[2] = {"height", "width"};

static enum nt_status check_attributes(
    struct nt_context *ctx, const char *primitive, const struct nt_conv *conv)
{
    for (int i = 0; i < 2; i++) {
        if (conv->stride[i] < 0)
            return nt_fail(ctx, NT_ERR_ARGUMENT, "%s: stride %lld along the %s: must be at least 1",
                primitive, (long long)conv->stride[i], axis[i]);
        if (conv->dilation[i] < 0)
            return nt_fail(ctx, NT_ERR_ARGUMENT,
                "%s: dilation %lld along the %s: must be at least 1", primitive,
                (long long)conv->dilation[i], axis[i]);
        if (conv->pad_before[i] < 0 || conv->pad_after[i] < 0)
            return nt_fail(ctx, NT_ERR_ARGUMENT,
                "%s: padding %lld,%lld along the %s: must not be negative", primitive,
                (long long)conv->pad_before[i], (long long)conv->pad_after[i], axis[i]);
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
        nt_shape_text(&p->x->shape, x, sizeof x), nt_shape_text(&p->w->shape, w, sizeof w),
        nt_shape_text(&p->y->shape, y, sizeof y), (long long)p->groups, rule);
}

static enum nt_status check_layout(
    struct nt_context *ctx, const char *primitive, const struct nt_conv_problem *p)
{
    if (p->x->dtype != NT_F32 || p->w->dtype != NT_F32 || p->y->dtype != NT_F32)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "%s: x %s, w %s, y %s: must be float32", primitive,
            nt_dtype_name(p->x->dtype), nt_dtype_name(p->w->dtype), nt_dtype_name(p->y->dtype));
    if ((p->x->stride[1] != 1 && p->x->shape.dim[1] > 1) ||
        (p->y->stride[1] != 1 && p->y->shape.dim[1] > 1))
        return bad_shapes(ctx, primitive, p, "x and y must be channels-last");
    if (!nt_tensor_is(p->w, NT_ROW_MAJOR))
        return bad_shapes(ctx, primitive, p, "w must be row-major");
    return NT_OK;
}

enum nt_status nt_conv_check(struct nt_tape *tape, const char *primitive,
    const struct nt_conv *conv, const struct nt_tensor *x, const struct nt_tensor *w,
    const struct nt_tensor *y, struct nt_conv_problem *out)
{
    struct nt_context *ctx = nt_device_context(nt_tape_device(tape));
    struct nt_conv_problem p = {.x = x, .w = w, .y = y, .groups = conv->groups ? conv->groups : 1};
    enum nt_status status = check_attributes(ctx, primitive, conv);
    if (status != NT_OK)
        return status;
    if (x->shape.rank != 4 || w->shape.rank != 4 || y->shape.rank != 4)
        return bad_shapes(ctx, primitive, &p, "all must have rank 4");
    if (x->shape.dim[1] != w->shape.dim[1] * p.groups)
        return bad_shapes(ctx, primitive, &p, "w must be K x C/groups x R x S for x N x C x H x W");
    if (w->shape.dim[0] % p.groups)
        return bad_shapes(ctx, primitive, &p, "the groups must divide K, the first of w");
    if (y->shape.dim[0] != x->shape.dim[0] || y->shape.dim[1] != w->shape.dim[0])
        return bad_shapes(ctx, primitive, &p, "y must be N x K x OH x OW");
    p.images = x->shape.dim[0];
    p.c = w->shape.dim[1];
    p.k = w->shape.dim[0] / p.groups;
    for (int i = 0; i < 2; i++) {
        p.in[i] = x->shape.dim[2 + i];
        p.out[i] = y->shape.dim[2 + i];
        p.taps[i] = w->shape.dim[2 + i];
        p.stride[i] = conv->stride[i] ? conv->stride[i] : 1;
        p.dilation[i] = conv->dilation[i] ? conv->dilation[i] : 1;
        p.pad[i] = conv->pad_before[i];
        int64_t room =
            p.in[i] + p.pad[i] + conv->pad_after[i] - p.dilation[i] * (p.taps[i] - 1) - 1;
        int64_t extent = room < 0 ? 0 : room / p.stride[i] + 1;
        if (p.taps[i] < 1)
            return bad_shapes(ctx, primitive, &p, "w must have at least one tap");
        if (extent != p.out[i])
            return nt_fail(ctx, NT_ERR_SHAPE,
                "%s: y has %s %lld: must be (%lld + %lld + %lld - %lld x (%lld - 1) - 1) / %lld + "
                "1 = %lld",
                primitive, axis[i], (long long)p.out[i], (long long)p.in[i], (long long)p.pad[i],
                (long long)conv->pad_after[i], (long long)p.dilation[i], (long long)p.taps[i],
                (long long)p.stride[i], (long long)extent);
    }
    status = check_layout(ctx, primitive, &p);
    if (status == NT_OK)
        *out = p;
    return status;
}

static double work(const struct nt_conv_problem *p)
{
    return 2.0 * (double)(p->images * p->groups * p->k * p->c) *
           (double)(p->out[0] * p->out[1] * p->taps[0] * p->taps[1]);
}

static enum nt_status launch(struct nt_tape *tape, const struct nt_conv_pass *pass)
{
    return strcmp(pass->variant, "tile") == 0 ? nt_conv_tile(tape, pass)
                                              : nt_conv_group(tape, pass);
}

enum nt_status nt_conv_forward(struct nt_tape *tape, const struct nt_conv *conv,
    const struct nt_tensor *x, const struct nt_tensor *w, const struct nt_tensor *y,
    const struct nt_epilogue *epilogue)
{
    struct nt_conv_problem p;
    struct nt_conv_pass pass = {.x = x, .w = w, .y = y, .epilogue = epilogue};
    enum nt_status status = nt_conv_check(tape, "conv_forward", conv, x, w, y, &p);
    if (status == NT_OK)
        status = nt_epilogue_check(tape, "conv_forward", y, epilogue);
    if (status == NT_OK)
        status = nt_choose(
            tape, "conv_forward", nt_conv_forward_variants, NULL, &pass.variant, &pass.reason);
    if (status != NT_OK || nt_shape_count(&y->shape) == 0)
        return status;
    int64_t filter = p.taps[0] * p.taps[1];
    pass.images = p.images;
    pass.groups = p.groups;
    pass.c = p.c;
    pass.k = p.k;
    pass.x_n = x->stride[0];
    pass.y_n = y->stride[0];
    for (int i = 0; i < 2; i++) {
        pass.in[i] = p.in[i];
        pass.out[i] = p.out[i];
        pass.taps[i] = p.taps[i];
        pass.stride[i] = p.stride[i];
        pass.dilation[i] = p.dilation[i];
        pass.pad[i] = p.pad[i];
        pass.x_step[i] = x->stride[2 + i];
        pass.y_step[i] = y->stride[2 + i];
    }
    pass.w_c = filter;
    pass.w_k = p.c * filter;
    pass.w_g = p.k * pass.w_k;
    pass.w_step[0] = p.taps[1];
    pass.w_step[1] = 1;
    pass.flops = work(&p);
    return launch(tape, &pass);
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

/* What the pixels phase, phase + stride, ... of dx receive along one dimension. */
static void set_phase(
    const struct nt_conv_problem *p, int i, int64_t phase, struct nt_conv_pass *pass)
{
    int64_t stride = p->stride[i], dilation = p->dilation[i], w_step = i ? 1 : p->taps[1];
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
    pass->x_step[i] = p->y->stride[2 + i];
    pass->y_step[i] = stride * p->x->stride[2 + i];
    pass->y_start += phase * p->x->stride[2 + i];
}

enum nt_status nt_conv_backward_data(struct nt_tape *tape, const struct nt_conv *conv,
    const struct nt_tensor *dy, const struct nt_tensor *w, const struct nt_tensor *dx,
    const struct nt_epilogue *epilogue)
{
    struct nt_conv_problem p;
    const char *variant, *reason;
    enum nt_status status = nt_conv_check(tape, "conv_backward_data", conv, dx, w, dy, &p);
    if (status == NT_OK)
        status = nt_epilogue_check(tape, "conv_backward_data", dx, epilogue);
    if (status == NT_OK)
        status = nt_choose(
            tape, "conv_backward_data", nt_conv_backward_data_variants, NULL, &variant, &reason);
    int64_t filter = p.taps[0] * p.taps[1];
    for (int64_t v = 0; status == NT_OK && v < p.stride[0] && v < p.in[0]; v++)
        for (int64_t u = 0; status == NT_OK && u < p.stride[1] && u < p.in[1]; u++) {
            struct nt_conv_pass pass = {.variant = variant,
                .reason = reason,
                .x = dy,
                .w = w,
                .y = dx,
                .epilogue = epilogue,
                .images = p.images,
                .groups = p.groups,
                .c = p.k,
                .k = p.c,
                .x_n = dy->stride[0],
                .y_n = dx->stride[0],
                .w_c = p.c * filter,
                .w_k = filter,
                .w_g = p.k * p.c * filter};
            set_phase(&p, 0, v, &pass);
            set_phase(&p, 1, u, &pass);
            pass.flops = work(&p) * (double)(pass.taps[0] * pass.taps[1]) / (double)filter;
            if (p.images > 0 && p.c > 0)
                status = launch(tape, &pass);
        }
    return status;
}

enum nt_status nt_conv_backward_weight(struct nt_tape *tape, const struct nt_conv *conv,
    const struct nt_tensor *x, const struct nt_tensor *dy, const struct nt_tensor *dw)
{
    struct nt_conv_problem p;
    const char *variant, *reason;
    enum nt_status status = nt_conv_check(tape, "conv_backward_weight", conv, x, dw, dy, &p);
    if (status == NT_OK)
        status = nt_choose(tape, "conv_backward_weight", nt_conv_backward_weight_variants, NULL,
            &variant, &reason);
    if (status != NT_OK || nt_shape_count(&dw->shape) == 0)
        return status;
    return strcmp(variant, "tile") == 0 ? nt_conv_weight_tile(tape, &p, work(&p), reason)
                                        : nt_conv_weight_group(tape, &p, work(&p), reason);
}
