/* SPDX-License-Identifier: MIT */
#include "frontend/op.h"
#include "tests/naive.h"

static void run_conv2d(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    const struct nt_shape *xs = naive_shape(run, node->input[0]),
                          *ws = naive_shape(run, node->input[1]);
    const double *x = run->data[node->input[0]], *w = run->data[node->input[1]];
    const double *b = node->inputs > 2 ? run->data[node->input[2]] : NULL;
    const int64_t *stride = nt_attr_ints(node, "stride"), *pad = nt_attr_ints(node, "padding");
    const int64_t *dilation = nt_attr_ints(node, "dilation");
    int64_t groups = nt_attr_int(node, "groups"), per_group = s->dim[1] / groups;
    int64_t left = node->attr[nt_attr_index(node->op, "padding")].count == 1 ? pad[0] : pad[1];
    for (int64_t e = 0; e < nt_shape_count(s); e++) {
        int64_t at[4];
        naive_unflat(s, e, at);
        double sum = b ? b[at[1]] : 0;
        for (int64_t c = 0; c < ws->dim[1]; c++)
            for (int64_t r = 0; r < ws->dim[2]; r++)
                for (int64_t q = 0; q < ws->dim[3]; q++) {
                    int64_t h = at[2] * stride[0] - pad[0] + r * dilation[0];
                    int64_t v = at[3] * stride[1] - left + q * dilation[1];
                    if (h < 0 || v < 0 || h >= xs->dim[2] || v >= xs->dim[3])
                        continue;
                    int64_t from[4] = {at[0], at[1] / per_group * ws->dim[1] + c, h, v};
                    int64_t tap[4] = {at[1], c, r, q};
                    sum += x[naive_flat(xs, from)] * w[naive_flat(ws, tap)];
                }
        y[e] = sum;
    }
}

const struct naive_op naive_conv[] = {
    {&nt_op_conv2d, run_conv2d},
    {0},
};
