/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "frontend/op.h"
#include "tests/naive.h"

static void run_pool(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    bool average = node->op == &nt_op_avg_pool2d;
    const struct nt_shape *xs = naive_shape(run, node->input[0]);
    const int64_t *kernel = nt_attr_ints(node, "kernel"), *pad = nt_attr_ints(node, "padding");
    const int64_t *given = nt_attr_ints(node, "stride");
    for (int64_t e = 0; e < nt_shape_count(s); e++) {
        int64_t at[4], counted = 0;
        double best = -INFINITY, sum = 0;
        naive_unflat(s, e, at);
        for (int64_t r = 0; r < kernel[0]; r++)
            for (int64_t q = 0; q < kernel[1]; q++) {
                int64_t step[2] = {1, 1};
                for (int i = 0; !average && i < 2; i++)
                    step[i] = nt_attr_ints(node, "dilation")[i];
                int64_t h = at[2] * (given[0] ? given[0] : kernel[0]) - pad[0] + r * step[0];
                int64_t v = at[3] * (given[1] ? given[1] : kernel[1]) - pad[1] + q * step[1];
                bool bordered = h < xs->dim[2] + pad[0] && v < xs->dim[3] + pad[1];
                bool inside = h >= 0 && v >= 0 && h < xs->dim[2] && v < xs->dim[3];
                counted += average && (nt_attr_bool(node, "count_include_pad") ? bordered : inside);
                if (!inside)
                    continue;
                double x =
                    run->data[node->input[0]][naive_flat(xs, (int64_t[]){at[0], at[1], h, v})];
                sum += x;
                best = fmax(best, x);
            }
        y[e] = average ? sum / (double)(counted ? counted : 1) : best;
    }
}

const struct naive_op naive_pool[] = {
    {&nt_op_avg_pool2d, run_pool},
    {&nt_op_max_pool2d, run_pool},
    {0},
};
