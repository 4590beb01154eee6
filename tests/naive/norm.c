/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "frontend/op.h"
#include "tests/naive.h"

/* Which statistic an element of x takes part in: an index of x's shape. */
static int64_t statistic_of(const struct nt_node *node, const struct nt_shape *xs, int64_t e)
{
    int64_t at[NT_MAX_RANK], groups = nt_attr_int(node, "groups");
    const struct nt_attr *axes = &node->attr[nt_attr_index(node->op, "axes")];
    naive_unflat(xs, e, at);
    for (int i = 0; i < axes->count; i++)
        at[axes->ints[i]] = 0;
    if (groups > 0)
        at[1] -= at[1] % (xs->dim[1] / groups);
    return naive_flat(xs, at);
}

static void run_statistics(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    const struct nt_shape *xs = naive_shape(run, node->input[0]);
    const double *x = run->data[node->input[0]];
    double *rstd = run->data[node->output[1]], epsilon = nt_attr_float(node, "epsilon");
    int64_t count = nt_shape_count(xs);
    double *sum = calloc((size_t)count, sizeof *sum), *square = calloc((size_t)count, sizeof *sum);
    double *n = calloc((size_t)count, sizeof *n);
    for (int64_t e = 0; e < count; e++) {
        sum[statistic_of(node, xs, e)] += x[e];
        n[statistic_of(node, xs, e)]++;
    }
    for (int64_t e = 0; e < count; e++) {
        int64_t to = statistic_of(node, xs, e);
        square[to] += pow(x[e] - sum[to] / n[to], 2);
    }
    for (int64_t e = 0; e < count; e++) {
        int64_t at[NT_MAX_RANK], to = statistic_of(node, xs, e);
        naive_unflat(xs, e, at);
        for (int i = 0; i < s->rank; i++)
            at[i] = s->dim[i] == 1 ? 0 : at[i];
        int64_t place = naive_flat(s, at);
        y[place] = sum[to] / n[to];
        rstd[place] = 1 / sqrt(square[to] / n[to] + epsilon);
    }
    free(sum);
    free(square);
    free(n);
}

static void run_window(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    int64_t size = nt_attr_int(run->node, "size"), before = nt_attr_int(run->node, "before");
    for (int64_t e = 0; e < nt_shape_count(s); e++) {
        int64_t at[NT_MAX_RANK];
        naive_unflat(s, e, at);
        int64_t first = at[1] - before;
        for (int64_t c = first < 0 ? 0 : first; c < first + size && c < s->dim[1]; c++) {
            at[1] = c;
            y[e] += run->data[run->node->input[0]][naive_flat(s, at)];
        }
    }
}

const struct naive_op naive_norm[] = {
    {&nt_op_channel_window, run_window},
    {&nt_op_norm_statistics, run_statistics},
    {0},
};
