/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "frontend/op.h"
#include "tests/naive.h"

/* Calls f for each row of class scores. */
static void run_rows(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    const struct nt_shape *xs = naive_shape(run, node->input[0]);
    const double *x = run->data[node->input[0]];
    int64_t n = xs->dim[0], c = xs->dim[1], inner = nt_shape_count(xs) / n / c;
    bool softmax = node->op == &nt_op_softmax || node->op == &nt_op_log_softmax;
    double total = 0, items = 0;
    for (int64_t row = 0; row < n * inner; row++) {
        const double *p = x + row / inner * c * inner + row % inner;
        double *out = y + row / inner * c * inner + row % inner, top = -INFINITY, sum = 0;
        for (int64_t j = 0; j < c; j++)
            top = fmax(top, p[j * inner]);
        for (int64_t j = 0; j < c; j++)
            sum += exp(p[j * inner] - top);
        double lse = top + log(sum);
        for (int64_t j = 0; softmax && j < c; j++)
            out[j * inner] =
                node->op == &nt_op_softmax ? exp(p[j * inner] - lse) : p[j * inner] - lse;
        if (softmax)
            continue;
        int64_t target = (int64_t)run->data[node->input[1]][row];
        if (target == nt_attr_int(node, "ignore_index"))
            continue;
        items++;
        if (node->op == &nt_op_cross_entropy) {
            double smooth = nt_attr_float(node, "label_smoothing");
            total += (1 - smooth) * (lse - p[target * inner]);
            for (int64_t j = 0; j < c; j++)
                total += smooth / (double)c * (lse - p[j * inner]);
        } else {
            for (int64_t j = 0; j < c; j++)
                if (j != target)
                    total +=
                        fmax(0, nt_attr_float(node, "margin") + p[j * inner] - p[target * inner]) /
                        (double)c;
        }
    }
    if (!softmax)
        *y = total / fmax(items, 1);
}

const struct naive_op naive_rows[] = {
    {&nt_op_cross_entropy, run_rows},
    {&nt_op_log_softmax, run_rows},
    {&nt_op_multi_margin_loss, run_rows},
    {&nt_op_softmax, run_rows},
    {0},
};
