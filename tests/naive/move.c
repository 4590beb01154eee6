/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "frontend/op.h"
#include "tests/naive.h"

static int64_t from_end(int64_t index, int64_t extent)
{
    return index < 0 ? index + extent : index;
}

/* Where the element at[] of output `output` comes from: input *which at from[]; false: nowhere. */
static bool source(
    const struct naive_run *run, int output, const int64_t *at, int64_t *from, int *which)
{
    const struct nt_node *node = run->node;
    const struct nt_op *op = node->op;
    const struct nt_shape *x = naive_shape(run, node->input[0]);
    if (op == &nt_op_transpose)
        for (int i = 0; i < x->rank; i++)
            from[node->attr[0].set ? from_end(node->attr[0].ints[i], x->rank) : x->rank - 1 - i] =
                at[i];
    if (op == &nt_op_concat) {
        int64_t axis = from_end(nt_attr_int(node, "axis"), x->rank);
        for (; from[axis] >= naive_shape(run, node->input[*which])->dim[axis]; ++*which)
            from[axis] -= naive_shape(run, node->input[*which])->dim[axis];
    }
    if (op == &nt_op_split)
        for (int i = 0; i < output; i++)
            from[from_end(nt_attr_int(node, "axis"), x->rank)] += node->attr[0].ints[i];
    if (op == &nt_op_strided_slice)
        for (int i = 0; i < node->attr[0].count; i++) {
            int64_t axis = node->attr[2].set ? from_end(node->attr[2].ints[i], x->rank) : i;
            int64_t step = node->attr[3].set ? node->attr[3].ints[i] : 1, n = x->dim[axis];
            int64_t start = from_end(node->attr[0].ints[i], n);
            start = start < 0 ? 0 : start >= n ? n - (step < 0) : start;
            from[axis] = start + at[axis] * step;
        }
    if (op == &nt_op_constant_pad)
        for (int i = 0; i < x->rank; i++) {
            from[i] -= node->attr[0].ints[i];
            if (from[i] < 0 || from[i] >= x->dim[i])
                return false;
        }
    return true;
}

static void run_moves(const struct naive_run *run, double *y, const struct nt_shape *shape)
{
    const struct nt_node *node = run->node;
    for (int o = 0; o < node->outputs; o++) {
        const struct nt_shape *s = naive_shape(run, node->output[o]);
        for (int64_t e = 0; e < nt_shape_count(s); e++) {
            int64_t at[NT_MAX_RANK], from[NT_MAX_RANK];
            int which = 0;
            naive_unflat(s, e, at);
            memcpy(from, at, sizeof from);
            double *out = &run->data[node->output[o]][e];
            if (!source(run, o, at, from, &which)) {
                *out = nt_attr_float(node, "value");
                continue;
            }
            const struct nt_shape *x = naive_shape(run, node->input[which]);
            *out = run->data[node->input[which]][naive_flat(x, from)];
        }
    }
}

static void run_views(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    memcpy(y, run->data[run->node->input[0]], (size_t)nt_shape_count(s) * sizeof *y);
}

static void run_broadcast(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    for (int64_t e = 0; e < nt_shape_count(s); e++) {
        int64_t at[NT_MAX_RANK];
        naive_unflat(s, e, at);
        y[e] = naive_broadcast_at(run, run->node->input[0], s, at);
    }
}

const struct naive_op naive_move[] = {
    {&nt_op_broadcast, run_broadcast},
    {&nt_op_concat, run_moves},
    {&nt_op_constant_pad, run_moves},
    {&nt_op_flatten, run_views},
    {&nt_op_reshape, run_views},
    {&nt_op_split, run_moves},
    {&nt_op_strided_slice, run_moves},
    {&nt_op_transpose, run_moves},
    {0},
};
