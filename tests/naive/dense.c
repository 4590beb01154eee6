/* SPDX-License-Identifier: MIT */
#include "frontend/op.h"
#include "tests/naive.h"

static void run_linear(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    const struct nt_shape *xs = naive_shape(run, node->input[0]);
    int64_t inner = xs->dim[xs->rank - 1], features = s->dim[s->rank - 1];
    const double *x = run->data[node->input[0]], *w = run->data[node->input[1]];
    for (int64_t e = 0; e < nt_shape_count(s); e++) {
        int64_t m = e / features, n = e % features;
        y[e] = node->inputs > 2 ? run->data[node->input[2]][n] : 0;
        for (int64_t k = 0; k < inner; k++)
            y[e] += x[m * inner + k] * w[n * inner + k];
    }
}

/* Element row, column of an operand's matrix, in the batch that lead says. */
static double element(const struct naive_run *run, int operand, const int64_t *lead, int leads,
    int64_t row, int64_t column)
{
    const struct nt_node *node = run->node;
    const struct nt_shape *s = naive_shape(run, node->input[operand]);
    bool transpose = nt_attr_bool(node, operand ? "transpose_b" : "transpose_a");
    int64_t at[NT_MAX_RANK];
    if (s->rank == 1)
        return run->data[node->input[operand]][operand ? row : column];
    for (int i = 0; i < s->rank - 2; i++)
        at[i] = s->dim[i] == 1 ? 0 : lead[i + leads - (s->rank - 2)];
    at[s->rank - 2] = transpose ? column : row;
    at[s->rank - 1] = transpose ? row : column;
    return run->data[node->input[operand]][naive_flat(s, at)];
}

static void run_matmul(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    const struct nt_shape *as = naive_shape(run, node->input[0]);
    const struct nt_shape *bs = naive_shape(run, node->input[1]);
    int rows = as->rank > 1, columns = bs->rank > 1, leads = s->rank - rows - columns;
    bool transpose = rows && nt_attr_bool(node, "transpose_a");
    int64_t inner = as->dim[as->rank - (transpose ? 2 : 1)];
    for (int64_t e = 0; e < nt_shape_count(s); e++) {
        int64_t at[NT_MAX_RANK];
        naive_unflat(s, e, at);
        int64_t m = rows ? at[leads] : 0, n = columns ? at[s->rank - 1] : 0;
        y[e] = 0;
        for (int64_t k = 0; k < inner; k++)
            y[e] += element(run, 0, at, leads, m, k) * element(run, 1, at, leads, k, n);
    }
}

const struct naive_op naive_dense[] = {
    {&nt_op_linear, run_linear},
    {&nt_op_matmul, run_matmul},
    {0},
};
