/* SPDX-License-Identifier: MIT */
#include "engine/op/rows.h"
#include "engine/primitives.h"
#include "engine/variant.h"

#include <string.h>

const char *const nt_row_loss_variants[] = {"tile", "group", NULL};

static enum nt_status check(struct nt_tape *tape, const char *name,
    const struct nt_row_loss_params *params, const struct nt_tensor *x,
    const struct nt_tensor *target)
{
    struct nt_context *ctx = nt_device_context(nt_tape_device(tape));
    enum nt_status status = nt_rows_check(tape, name, x);
    if (status == NT_OK)
        status = nt_rows_check_like(tape, name, "target", target, NT_I32, 1, x);
    if (status != NT_OK)
        return status;
    if (params->loss != NT_LOSS_CROSS_ENTROPY && params->loss != NT_LOSS_MULTI_MARGIN)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "%s: loss %d: there is none", name, (int)params->loss);
    if (!(params->label_smoothing >= 0 && params->label_smoothing <= 1))
        return nt_fail(ctx, NT_ERR_ARGUMENT, "%s: label smoothing %g: must be 0 to 1", name,
            (double)params->label_smoothing);
    return NT_OK;
}

static enum nt_status check_number(
    struct nt_tape *tape, const char *name, const char *what, const struct nt_tensor *number)
{
    if (number->dtype == NT_F32 && nt_shape_count(&number->shape) == 1)
        return NT_OK;
    return nt_fail(nt_device_context(nt_tape_device(tape)), NT_ERR_SHAPE,
        "%s: %s: must be one float32", name, what);
}

static void add_params(struct nt_launch *launch, const struct nt_row_loss_params *params)
{
    nt_launch_define(launch, "NT_MARGIN", "%d", params->loss == NT_LOSS_MULTI_MARGIN);
    nt_launch_int(launch, params->ignore_index);
    nt_launch_float(launch, params->label_smoothing);
    nt_launch_float(launch, params->margin != 0 ? params->margin : 1);
}

enum nt_status nt_row_loss(struct nt_tape *tape, const struct nt_row_loss_params *params,
    const struct nt_tensor *x, const struct nt_tensor *target, const struct nt_tensor *loss,
    const struct nt_tensor *valid)
{
    const char *variant, *reason, *name = "row_loss";
    enum nt_status status = check(tape, name, params, x, target);
    if (status == NT_OK)
        status = nt_rows_check_like(tape, name, "loss", loss, NT_F32, 1, x);
    if (status == NT_OK)
        status = nt_rows_check_like(tape, name, "valid", valid, NT_F32, 1, x);
    if (status == NT_OK)
        status = nt_choose(tape, name, nt_row_loss_variants, NULL, &variant, &reason);
    if (status != NT_OK)
        return status;
    struct nt_launch l;
    bool tile = strcmp(variant, "tile") == 0;
    nt_launch_init(&l, tape, name, tile ? "row_loss_tile" : "row_loss_group", variant, reason);
    nt_launch_tensor(&l, x, NT_ACCESS_READ);
    nt_launch_tensor(&l, target, NT_ACCESS_READ);
    nt_launch_tensor(&l, loss, NT_ACCESS_WRITE);
    nt_launch_tensor(&l, valid, NT_ACCESS_WRITE);
    nt_launch_int(&l, x->stride[0]);
    nt_launch_int(&l, x->stride[1]);
    nt_launch_int(&l, target->stride[0]);
    nt_launch_int(&l, loss->stride[0]);
    nt_launch_int(&l, valid->stride[0]);
    add_params(&l, params);
    nt_rows_grid(&l, x, variant, 1);
    return nt_launch_append(&l);
}

enum nt_status nt_row_loss_backward(struct nt_tape *tape, const struct nt_row_loss_params *params,
    const struct nt_tensor *x, const struct nt_tensor *target, const struct nt_tensor *scale,
    const struct nt_tensor *count, const struct nt_tensor *dx)
{
    const char *variant, *reason, *name = "row_loss_backward";
    enum nt_status status = check(tape, name, params, x, target);
    if (status == NT_OK)
        status = nt_rows_check_like(tape, name, "dx", dx, NT_F32, 2, x);
    if (status == NT_OK)
        status = check_number(tape, name, "scale", scale);
    if (status == NT_OK)
        status = check_number(tape, name, "count", count);
    if (status == NT_OK)
        status = nt_choose(tape, "row_loss", nt_row_loss_variants, NULL, &variant, &reason);
    if (status != NT_OK)
        return status;
    struct nt_launch l;
    bool tile = strcmp(variant, "tile") == 0;
    nt_launch_init(&l, tape, "row_loss",
        tile ? "row_loss_backward_tile" : "row_loss_backward_group", variant, reason);
    nt_launch_tensor(&l, x, NT_ACCESS_READ);
    nt_launch_tensor(&l, target, NT_ACCESS_READ);
    nt_launch_tensor(&l, scale, NT_ACCESS_READ);
    nt_launch_tensor(&l, count, NT_ACCESS_READ);
    nt_launch_tensor(&l, dx, NT_ACCESS_WRITE);
    nt_launch_int(&l, x->stride[0]);
    nt_launch_int(&l, x->stride[1]);
    nt_launch_int(&l, target->stride[0]);
    nt_launch_int(&l, dx->stride[0]);
    nt_launch_int(&l, dx->stride[1]);
    add_params(&l, params);
    nt_rows_grid(&l, x, variant, 2);
    return nt_launch_append(&l);
}
