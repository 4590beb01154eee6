/* SPDX-License-Identifier: MIT */
#include "tests/naive.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/op.h"

struct run {
    const struct nt_graph *graph;
    const struct nt_node *node;
    double **data;
};

static const struct nt_shape *shape_of(const struct run *run, int value)
{
    return &run->graph->value[value].shape;
}

static int64_t flat(const struct nt_shape *shape, const int64_t *at)
{
    int64_t index = 0;
    for (int i = 0; i < shape->rank; i++)
        index = index * shape->dim[i] + at[i];
    return index;
}

static void unflat(const struct nt_shape *shape, int64_t index, int64_t *at)
{
    for (int i = shape->rank - 1; i >= 0; i--) {
        at[i] = index % shape->dim[i];
        index /= shape->dim[i];
    }
}

/* The element of a tensor that broadcasting puts at a place of a larger shape. */
static double broadcast_at(
    const struct run *run, int value, const struct nt_shape *full, const int64_t *at)
{
    const struct nt_shape *shape = shape_of(run, value);
    int64_t own[NT_MAX_RANK];
    for (int i = 0; i < shape->rank; i++)
        own[i] = shape->dim[i] == 1 ? 0 : at[i + full->rank - shape->rank];
    return run->data[value][flat(shape, own)];
}

static void run_map(const struct run *run, double *y, const struct nt_shape *shape)
{
    for (int64_t e = 0; e < nt_shape_count(shape); e++) {
        double in[NT_MAX_INPUTS];
        int64_t at[NT_MAX_RANK];
        unflat(shape, e, at);
        for (int i = 0; i < run->node->inputs; i++)
            in[i] = broadcast_at(run, run->node->input[i], shape, at);
        y[e] = nt_expr_evaluate(run->node->expr, run->node->term, in);
    }
}

static void run_conv2d(const struct run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    const struct nt_shape *xs = shape_of(run, node->input[0]), *ws = shape_of(run, node->input[1]);
    const double *x = run->data[node->input[0]], *w = run->data[node->input[1]];
    const double *b = node->inputs > 2 ? run->data[node->input[2]] : NULL;
    const int64_t *stride = nt_attr_ints(node, "stride"), *pad = nt_attr_ints(node, "padding");
    const int64_t *dilation = nt_attr_ints(node, "dilation");
    int64_t groups = nt_attr_int(node, "groups"), per_group = s->dim[1] / groups;
    int64_t left = node->attr[nt_attr_index(node->op, "padding")].count == 1 ? pad[0] : pad[1];
    for (int64_t e = 0; e < nt_shape_count(s); e++) {
        int64_t at[4];
        unflat(s, e, at);
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
                    sum += x[flat(xs, from)] * w[flat(ws, tap)];
                }
        y[e] = sum;
    }
}

static void run_linear(const struct run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    int64_t inner = shape_of(run, node->input[0])->dim[1];
    const double *x = run->data[node->input[0]], *w = run->data[node->input[1]];
    for (int64_t m = 0; m < s->dim[0]; m++)
        for (int64_t n = 0; n < s->dim[1]; n++) {
            double sum = node->inputs > 2 ? run->data[node->input[2]][n] : 0;
            for (int64_t k = 0; k < inner; k++)
                sum += x[m * inner + k] * w[n * inner + k];
            y[m * s->dim[1] + n] = sum;
        }
}

static void run_matmul(const struct run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    const struct nt_shape *as = shape_of(run, node->input[0]), *bs = shape_of(run, node->input[1]);
    bool ta = nt_attr_bool(node, "transpose_a"), tb = nt_attr_bool(node, "transpose_b");
    int r = s->rank;
    for (int64_t e = 0; e < nt_shape_count(s); e++) {
        int64_t at[3], a[3], b[3];
        unflat(s, e, at);
        a[0] = b[0] = at[0];
        y[e] = 0;
        for (int64_t k = 0; k < as->dim[r - (ta ? 2 : 1)]; k++) {
            a[r - 2] = ta ? k : at[r - 2];
            a[r - 1] = ta ? at[r - 2] : k;
            b[r - 2] = tb ? at[r - 1] : k;
            b[r - 1] = tb ? k : at[r - 1];
            y[e] += run->data[node->input[0]][flat(as, a)] * run->data[node->input[1]][flat(bs, b)];
        }
    }
}

static void run_pool(const struct run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    bool average = node->op == &nt_op_avg_pool2d;
    const struct nt_shape *xs = shape_of(run, node->input[0]);
    const int64_t *kernel = nt_attr_ints(node, "kernel"), *pad = nt_attr_ints(node, "padding");
    const int64_t *given = nt_attr_ints(node, "stride");
    for (int64_t e = 0; e < nt_shape_count(s); e++) {
        int64_t at[4], counted = 0;
        double best = -INFINITY, sum = 0;
        unflat(s, e, at);
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
                double x = run->data[node->input[0]][flat(xs, (int64_t[]){at[0], at[1], h, v})];
                sum += x;
                best = fmax(best, x);
            }
        y[e] = average ? sum / (double)(counted ? counted : 1) : best;
    }
}

static void run_reduction(const struct run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    const struct nt_shape *xs = shape_of(run, node->input[0]);
    const struct nt_attr *axes = &node->attr[0];
    bool keep = nt_attr_bool(node, "keepdims"),
         sums = node->op == &nt_op_sum || node->op == &nt_op_mean;
    int64_t count = nt_shape_count(s);
    for (int64_t e = 0; e < count; e++)
        y[e] = sums ? 0 : node->op == &nt_op_max ? -INFINITY : INFINITY;
    for (int64_t e = 0; e < nt_shape_count(xs); e++) {
        int64_t at[NT_MAX_RANK], to[NT_MAX_RANK];
        int rank = 0;
        unflat(xs, e, at);
        for (int i = 0; i < xs->rank; i++) {
            bool reduced = !axes->set;
            for (int j = 0; axes->set && j < axes->count; j++)
                reduced |= axes->ints[j] == i || axes->ints[j] + xs->rank == i;
            if (!reduced || keep)
                to[rank++] = reduced ? 0 : at[i];
        }
        double *out = &y[flat(s, to)], x = run->data[node->input[0]][e];
        *out = sums ? *out + x : node->op == &nt_op_max ? fmax(*out, x) : fmin(*out, x);
    }
    if (node->op == &nt_op_mean)
        for (int64_t e = 0; e < count; e++)
            y[e] *= (double)count / (double)nt_shape_count(xs);
}

static void run_moves(const struct run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    const struct nt_op *op = node->op;
    for (int64_t e = 0; e < nt_shape_count(s); e++) {
        int64_t at[NT_MAX_RANK], from[NT_MAX_RANK];
        int which = 0;
        unflat(s, e, at);
        memcpy(from, at, sizeof from);
        if (op == &nt_op_broadcast) {
            y[e] = broadcast_at(run, node->input[0], s, at);
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
                 from[axis] >= shape_of(run, node->input[which])->dim[axis]; which++)
                from[axis] -= shape_of(run, node->input[which])->dim[axis];
        y[e] = run->data[node->input[which]][flat(shape_of(run, node->input[which]), from)];
    }
}

/* Calls f for each row of class scores. */
static void run_rows(const struct run *run, double *y)
{
    const struct nt_node *node = run->node;
    const struct nt_shape *xs = shape_of(run, node->input[0]);
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

static void run_node(const struct run *run)
{
    const struct nt_op *op = run->node->op;
    const struct nt_shape *s = shape_of(run, run->node->output[0]);
    double *y = calloc((size_t)nt_shape_count(s), sizeof *y);
    run->data[run->node->output[0]] = y;
    if (run->node->expr)
        run_map(run, y, s);
    else if (op == &nt_op_conv2d)
        run_conv2d(run, y, s);
    else if (op == &nt_op_linear)
        run_linear(run, y, s);
    else if (op == &nt_op_matmul)
        run_matmul(run, y, s);
    else if (op == &nt_op_max_pool2d || op == &nt_op_avg_pool2d)
        run_pool(run, y, s);
    else if (op == &nt_op_sum || op == &nt_op_mean || op == &nt_op_max || op == &nt_op_min)
        run_reduction(run, y, s);
    else if (op == &nt_op_softmax || op == &nt_op_log_softmax || op == &nt_op_cross_entropy ||
             op == &nt_op_multi_margin_loss)
        run_rows(run, y);
    else if (op == &nt_op_broadcast || op == &nt_op_reshape || op == &nt_op_flatten ||
             op == &nt_op_transpose || op == &nt_op_slice || op == &nt_op_concat)
        run_moves(run, y, s);
    else
        ck_abort_msg("naive: no reference for %s", op->name);
}

void naive_run(const struct nt_graph *graph, double **data)
{
    for (int v = 0; v < graph->value_count; v++) {
        const struct nt_value *value = &graph->value[v];
        if (value->kind != NT_VALUE_CONSTANT)
            continue;
        int64_t count = nt_shape_count(&value->shape);
        data[v] = malloc((size_t)count * sizeof **data);
        for (int64_t i = 0; i < count; i++)
            data[v][i] = value->constant;
    }
    for (int i = 0; i < graph->node_count; i++)
        run_node(&(struct run){graph, graph->node[i], data});
}

void naive_free(const struct nt_graph *graph, double **data)
{
    for (int v = 0; v < graph->value_count; v++)
        if (graph->value[v].kind == NT_VALUE_RESULT || graph->value[v].kind == NT_VALUE_CONSTANT) {
            free(data[v]);
            data[v] = NULL;
        }
}

double naive_loss(const struct nt_graph *graph, double **data)
{
    naive_run(graph, data);
    double loss = data[graph->loss][0];
    naive_free(graph, data);
    return loss;
}
