/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "frontend/op.h"
#include "tests/naive.h"

static double iou(const double *a, const double *b)
{
    double w = fmax(fmin(a[2], b[2]) - fmax(a[0], b[0]), 0);
    double h = fmax(fmin(a[3], b[3]) - fmax(a[1], b[1]), 0);
    double all = fmax(a[2] - a[0], 0) * fmax(a[3] - a[1], 0) +
                 fmax(b[2] - b[0], 0) * fmax(b[3] - b[1], 0) - w * h;
    return all > 0 ? w * h / all : 0;
}

static void run_nms(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    int64_t boxes = naive_shape(run, node->input[0])->dim[1], most = s->dim[1];
    for (int64_t n = 0; n < s->dim[0]; n++) {
        const double *box = &run->data[node->input[0]][n * boxes * 4];
        const double *score = &run->data[node->input[1]][n * boxes];
        for (int64_t k = 0; k < most; k++) {
            int64_t best = -1;
            for (int64_t i = 0; i < boxes; i++) {
                bool fits = score[i] >= nt_attr_float(node, "least_score");
                for (int64_t t = 0; fits && t < k && y[n * most + t] >= 0; t++) {
                    int64_t taken = (int64_t)y[n * most + t];
                    fits = taken != i &&
                           !(iou(&box[4 * taken], &box[4 * i]) > nt_attr_float(node, "iou"));
                }
                if (fits && (best < 0 || score[i] > score[best]))
                    best = i;
            }
            y[n * most + k] = (double)best;
        }
    }
}

const struct naive_op naive_box[] = {
    {&nt_op_nms, run_nms},
    {0},
};
