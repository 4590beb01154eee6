/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "frontend/op.h"
#include "tests/naive.h"

/* The window of one output, per spatial dimension. */
struct window {
    int64_t start[3], step[3], taps[3], end[3]; /* end: of the padded input */
};

/* Padding before and after dimension i of a node's input. */
static void padding(const struct naive_run *run, int i, int64_t reach, int64_t stride,
    int64_t *before, int64_t *after)
{
    const struct nt_node *node = run->node;
    const struct nt_attr *attr = &node->attr[nt_attr_index(node->op, "padding")];
    const struct nt_shape *x = naive_shape(run, node->input[0]);
    int dims = x->rank - 2;
    int64_t in = x->dim[2 + i], out = (int64_t)ceil((double)in / (double)stride);
    int64_t total = (out - 1) * stride + reach > in ? (out - 1) * stride + reach - in : 0;
    *before = attr->count == 1 ? attr->ints[0] : attr->ints[i];
    *after = attr->count == 2 * dims ? attr->ints[dims + i] : *before;
    if (attr->count == 0) {
        int word = (int)attr->number; /* valid, same, same_lower */
        *before = word == 0 ? 0 : word == 1 ? total / 2 : total - total / 2;
        *after = word == 0 ? 0 : total - *before;
    }
}

static struct window window_at(const struct naive_run *run, const struct nt_shape *y, int64_t *at)
{
    const struct nt_node *node = run->node;
    const struct nt_shape *x = naive_shape(run, node->input[0]);
    struct window w = {.taps = {1, 1, 1}};
    for (int i = 0; i < x->rank - 2; i++) {
        double in = (double)x->dim[2 + i], out = (double)y->dim[2 + i], o = (double)at[2 + i];
        w.end[i] = x->dim[2 + i];
        if (nt_attr_index(node->op, "output_size") >= 0) {
            w.start[i] = (int64_t)floor(o * in / out);
            w.step[i] = 1;
            w.taps[i] = (int64_t)ceil((o + 1) * in / out) - w.start[i];
            continue;
        }
        int64_t kernel = nt_attr_ints(node, "kernel")[i], before, after;
        int64_t stride = nt_attr_ints(node, "stride")[i];
        stride = stride ? stride : kernel;
        w.taps[i] = kernel;
        w.step[i] = nt_attr_ints(node, "dilation")[i];
        padding(run, i, w.step[i] * (kernel - 1) + 1, stride, &before, &after);
        w.start[i] = at[2 + i] * stride - before;
        w.end[i] += after;
    }
    return w;
}

struct sums {
    double best, sum, counted, bordered;
    int64_t index;
};

static void add_tap(const struct naive_run *run, const struct window *w, const int64_t *at,
    const int64_t *tap, struct sums *sums)
{
    const struct nt_shape *x = naive_shape(run, run->node->input[0]);
    int64_t from[NT_MAX_RANK] = {at[0], at[1]}, index = 0;
    bool inside = true, bordered = true;
    for (int i = 0; i < x->rank - 2; i++) {
        from[2 + i] = w->start[i] + tap[i] * w->step[i];
        inside &= from[2 + i] >= 0 && from[2 + i] < x->dim[2 + i];
        bordered &= from[2 + i] < w->end[i];
        index = index * x->dim[2 + i] + from[2 + i];
    }
    sums->bordered += bordered;
    sums->counted += inside;
    if (!inside)
        return;
    double value = run->data[run->node->input[0]][naive_flat(x, from)];
    sums->sum += value;
    if (value > sums->best) {
        sums->best = value;
        sums->index = index;
    }
}

static struct sums sum_window(const struct naive_run *run, const struct nt_shape *y, int64_t e)
{
    struct sums sums = {.best = -INFINITY, .index = -1};
    int64_t at[NT_MAX_RANK], tap[3];
    naive_unflat(y, e, at);
    struct window w = window_at(run, y, at);
    for (tap[0] = 0; tap[0] < w.taps[0]; tap[0]++)
        for (tap[1] = 0; tap[1] < w.taps[1]; tap[1]++)
            for (tap[2] = 0; tap[2] < w.taps[2]; tap[2]++)
                add_tap(run, &w, at, tap, &sums);
    return sums;
}

static void run_max(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    for (int64_t e = 0; e < nt_shape_count(s); e++) {
        struct sums sums = sum_window(run, s, e);
        y[e] = sums.best;
        run->data[run->node->output[1]][e] = (double)sums.index;
    }
}

static void run_average(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    bool border = false;
    int64_t divisor = 0;
    if (nt_attr_index(node->op, "count_include_pad") >= 0) {
        border = nt_attr_bool(node, "count_include_pad");
        divisor = nt_attr_int(node, "divisor_override");
    }
    for (int64_t e = 0; e < nt_shape_count(s); e++) {
        struct sums sums = sum_window(run, s, e);
        double count = border ? sums.bordered : sums.counted;
        count = divisor ? (double)divisor : count;
        y[e] = count > 0 ? sums.sum / count : 0;
    }
}

const struct naive_op naive_pool[] = {
    {&nt_op_adaptive_avg_pool1d, run_average},
    {&nt_op_adaptive_avg_pool2d, run_average},
    {&nt_op_adaptive_avg_pool3d, run_average},
    {&nt_op_adaptive_max_pool1d, run_max},
    {&nt_op_adaptive_max_pool2d, run_max},
    {&nt_op_adaptive_max_pool3d, run_max},
    {&nt_op_avg_pool1d, run_average},
    {&nt_op_avg_pool2d, run_average},
    {&nt_op_avg_pool3d, run_average},
    {&nt_op_max_pool1d, run_max},
    {&nt_op_max_pool2d, run_max},
    {&nt_op_max_pool3d, run_max},
    {0},
};
