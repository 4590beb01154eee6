/* SPDX-License-Identifier: MIT */
#include "engine/op/rows.h"
#include "engine/primitives.h"
#include "engine/variant.h"

#include <string.h>

const char *const nt_argmax_variants[] = {"tile", "group", NULL};

enum nt_status nt_argmax(
    struct nt_tape *tape, const struct nt_tensor *x, const struct nt_tensor *index)
{
    const char *variant, *reason;
    enum nt_status status = nt_rows_check(tape, "argmax", x);
    if (status == NT_OK)
        status = nt_rows_check_like(tape, "argmax", "index", index, NT_I32, 1, x);
    if (status == NT_OK)
        status = nt_choose(tape, "argmax", nt_argmax_variants, NULL, &variant, &reason);
    if (status != NT_OK)
        return status;
    struct nt_launch l;
    bool tile = strcmp(variant, "tile") == 0;
    nt_launch_init(&l, tape, "argmax", tile ? "argmax_tile" : "argmax_group", variant, reason);
    nt_launch_tensor(&l, x, NT_ACCESS_READ);
    nt_launch_tensor(&l, index, NT_ACCESS_WRITE);
    nt_launch_int(&l, x->stride[0]);
    nt_launch_int(&l, x->stride[1]);
    nt_launch_int(&l, index->stride[0]);
    nt_rows_grid(&l, x, variant, 1);
    return nt_launch_append(&l);
}
