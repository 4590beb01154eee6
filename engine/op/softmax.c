/* SPDX-License-Identifier: MIT */
#include "engine/op/rows.h"
#include "engine/primitives.h"
#include "engine/variant.h"

#include <string.h>

const char *const nt_softmax_variants[] = {"tile", "group", NULL};

static void add_strides(struct nt_launch *launch, const struct nt_tensor *t)
{
    nt_launch_int(launch, t->stride[0]);
    nt_launch_int(launch, t->stride[1]);
}

enum nt_status nt_softmax(
    struct nt_tape *tape, bool logarithm, const struct nt_tensor *x, const struct nt_tensor *y)
{
    const char *variant, *reason;
    enum nt_status status = nt_rows_check(tape, "softmax", x);
    if (status == NT_OK)
        status = nt_rows_check_like(tape, "softmax", "y", y, NT_F32, 2, x);
    if (status == NT_OK)
        status = nt_choose(tape, "softmax", nt_softmax_variants, NULL, &variant, &reason);
    if (status != NT_OK)
        return status;
    struct nt_launch l;
    bool tile = strcmp(variant, "tile") == 0;
    nt_launch_init(&l, tape, "softmax", tile ? "softmax_tile" : "softmax_group", variant, reason);
    nt_launch_define(&l, "NT_LOG", "%d", logarithm);
    nt_launch_tensor(&l, x, NT_ACCESS_READ);
    nt_launch_tensor(&l, y, NT_ACCESS_WRITE);
    add_strides(&l, x);
    add_strides(&l, y);
    nt_rows_grid(&l, x, variant, 2);
    return nt_launch_append(&l);
}

enum nt_status nt_softmax_backward(struct nt_tape *tape, bool logarithm, const struct nt_tensor *y,
    const struct nt_tensor *dy, const struct nt_tensor *dx)
{
    const char *variant, *reason, *name = "softmax_backward";
    enum nt_status status = nt_rows_check(tape, name, y);
    if (status == NT_OK)
        status = nt_rows_check_like(tape, name, "dy", dy, NT_F32, 2, y);
    if (status == NT_OK)
        status = nt_rows_check_like(tape, name, "dx", dx, NT_F32, 2, y);
    if (status == NT_OK)
        status = nt_choose(tape, "softmax", nt_softmax_variants, NULL, &variant, &reason);
    if (status != NT_OK)
        return status;
    struct nt_launch l;
    bool tile = strcmp(variant, "tile") == 0;
    nt_launch_init(&l, tape, "softmax", tile ? "softmax_backward_tile" : "softmax_backward_group",
        variant, reason);
    nt_launch_define(&l, "NT_LOG", "%d", logarithm);
    nt_launch_tensor(&l, y, NT_ACCESS_READ);
    nt_launch_tensor(&l, dy, NT_ACCESS_READ);
    nt_launch_tensor(&l, dx, NT_ACCESS_WRITE);
    add_strides(&l, y);
    add_strides(&l, dy);
    add_strides(&l, dx);
    nt_rows_grid(&l, y, variant, 3);
    return nt_launch_append(&l);
}
