/* SPDX-License-Identifier: MIT */
#include "frontend/op.h"
#include "tests/naive.h"

static void run_linear(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    int64_t inner = naive_shape(run, node->input[0])->dim[1];
    const double *x = run->data[node->input[0]], *w = run->data[node->input[1]];
    for (int64_t m = 0; m < s->dim[0]; m++)
        for (int64_t n = 0; n < s->dim[1]; n++) {
            double sum = node->inputs > 2 ? run->data[node->input[2]][n] : 0;
            for (int64_t k = 0; k < inner; k++)
                sum += x[m * inner + k] * w[n * inner + k];
            y[m * s->dim[1] + n] = sum;
        }
}

static void run_matmul(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    const struct nt_shape *as = naive_shape(run, node->input[0]),
                          *bs = naive_shape(run, node->input[1]);
    bool ta = nt_attr_bool(node, "transpose_a"), tb = nt_attr_bool(node, "transpose_b");
    int r = s->rank;
    for (int64_t e = 0; e < nt_shape_count(s); e++) {
        int64_t at[3], a[3], b[3];
        naive_unflat(s, e, at);
        a[0] = b[0] = at[0];
        y[e] = 0;
        for (int64_t k = 0; k < as->dim[r - (ta ? 2 : 1)]; k++) {
            a[r - 2] = ta ? k : at[r - 2];
            a[r - 1] = ta ? at[r - 2] : k;
            b[r - 2] = tb ? at[r - 1] : k;
            b[r - 1] = tb ? k : at[r - 1];
            y[e] += run->data[node->input[0]][naive_flat(as, a)] *
                    run->data[node->input[1]][naive_flat(bs, b)];
        }
    }
}

const struct naive_op naive_dense[] = {
    {&nt_op_linear, run_linear},
    {&nt_op_matmul, run_matmul},
    {0},
};
