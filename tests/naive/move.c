/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "frontend/op.h"
#include "tests/naive.h"

static void run_moves(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    const struct nt_op *op = node->op;
    for (int64_t e = 0; e < nt_shape_count(s); e++) {
        int64_t at[NT_MAX_RANK], from[NT_MAX_RANK];
        int which = 0;
        naive_unflat(s, e, at);
        memcpy(from, at, sizeof from);
        if (op == &nt_op_broadcast) {
            y[e] = naive_broadcast_at(run, node->input[0], s, at);
            continue;
        }
        if (op == &nt_op_reshape || op == &nt_op_flatten) {
            y[e] = run->data[node->input[0]][e];
            continue;
        }
        if (op == &nt_op_transpose)
            for (int i = 0; i < s->rank; i++)
                from[node->attr[0].ints[i]] = at[i];
        if (op == &nt_op_slice)
            from[nt_attr_int(node, "axis")] += nt_attr_int(node, "first");
        if (op == &nt_op_concat)
            for (int64_t axis = nt_attr_int(node, "axis");
                 from[axis] >= naive_shape(run, node->input[which])->dim[axis]; which++)
                from[axis] -= naive_shape(run, node->input[which])->dim[axis];
        y[e] =
            run->data[node->input[which]][naive_flat(naive_shape(run, node->input[which]), from)];
    }
}

const struct naive_op naive_move[] = {
    {&nt_op_broadcast, run_moves},
    {&nt_op_concat, run_moves},
    {&nt_op_flatten, run_moves},
    {&nt_op_reshape, run_moves},
    {&nt_op_slice, run_moves},
    {&nt_op_transpose, run_moves},
    {0},
};
