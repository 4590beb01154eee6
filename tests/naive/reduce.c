/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "frontend/op.h"
#include "tests/naive.h"

static void run_reduction(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    const struct nt_shape *xs = naive_shape(run, node->input[0]);
    const struct nt_attr *axes = &node->attr[0];
    bool keep = nt_attr_bool(node, "keepdims"),
         sums = node->op == &nt_op_sum || node->op == &nt_op_mean;
    int64_t count = nt_shape_count(s);
    for (int64_t e = 0; e < count; e++)
        y[e] = sums                      ? 0
               : node->op == &nt_op_prod ? 1
               : node->op == &nt_op_max  ? -INFINITY
                                         : INFINITY;
    for (int64_t e = 0; e < nt_shape_count(xs); e++) {
        int64_t at[NT_MAX_RANK], to[NT_MAX_RANK];
        int rank = 0;
        naive_unflat(xs, e, at);
        for (int i = 0; i < xs->rank; i++) {
            bool reduced = !axes->set;
            for (int j = 0; axes->set && j < axes->count; j++)
                reduced |= axes->ints[j] == i || axes->ints[j] + xs->rank == i;
            if (!reduced || keep)
                to[rank++] = reduced ? 0 : at[i];
        }
        double *out = &y[naive_flat(s, to)], x = run->data[node->input[0]][e];
        *out = sums                      ? *out + x
               : node->op == &nt_op_prod ? *out * x
               : node->op == &nt_op_max  ? fmax(*out, x)
                                         : fmin(*out, x);
    }
    if (node->op == &nt_op_mean)
        for (int64_t e = 0; e < count; e++)
            y[e] *= (double)count / (double)nt_shape_count(xs);
}

static void run_argmax(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_shape *xs = naive_shape(run, run->node->input[0]);
    for (int64_t r = 0; r < xs->dim[0]; r++) {
        const double *x = run->data[run->node->input[0]] + r * xs->dim[1];
        for (int64_t c = 1; c < xs->dim[1]; c++)
            if (x[c] > x[(int64_t)y[r]])
                y[r] = (double)c;
    }
}

const struct naive_op naive_reduce[] = {
    {&nt_op_argmax_rows, run_argmax},
    {&nt_op_max, run_reduction},
    {&nt_op_mean, run_reduction},
    {&nt_op_min, run_reduction},
    {&nt_op_prod, run_reduction},
    {&nt_op_sum, run_reduction},
    {0},
};
