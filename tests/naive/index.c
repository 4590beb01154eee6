/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "frontend/op.h"
#include "tests/naive.h"

static int64_t from_end(double index, int64_t extent)
{
    return (int64_t)(index < 0 ? index + (double)extent : index);
}

static void run_gather(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    const struct nt_shape *x = naive_shape(run, node->input[0]);
    const struct nt_shape *index = naive_shape(run, node->input[1]);
    int64_t axis = from_end(nt_attr_float(node, "axis"), x->rank);
    for (int64_t e = 0; e < nt_shape_count(s); e++) {
        int64_t at[NT_MAX_RANK], from[NT_MAX_RANK];
        naive_unflat(s, e, at);
        memcpy(from, at, sizeof from);
        for (int64_t i = axis + 1; i < x->rank; i++)
            from[i] = at[i + index->rank - 1];
        double which = run->data[node->input[1]][naive_flat(index, at + axis)];
        from[axis] = from_end(which, x->dim[axis]);
        bool good = from[axis] >= 0 && from[axis] < x->dim[axis];
        y[e] = good ? run->data[node->input[0]][naive_flat(x, from)] : NAN;
    }
}

/* By the words of the attribute: none, add, mul, max, min. */
static void combine(int how, double *to, double value)
{
    *to = how == 0   ? value
          : how == 1 ? *to + value
          : how == 2 ? *to * value
          : how == 3 ? fmax(*to, value)
                     : fmin(*to, value);
}

static void run_cumsum(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    int64_t axis = from_end(nt_attr_float(run->node, "axis"), s->rank), n = s->dim[axis], step = 1;
    bool exclusive = nt_attr_bool(run->node, "exclusive");
    for (int64_t i = axis + 1; i < s->rank; i++)
        step *= s->dim[i];
    for (int64_t e = 0; e < nt_shape_count(s); e++) {
        int64_t at = e / step % n;
        for (int64_t j = 0; j < n; j++)
            if (nt_attr_bool(run->node, "reverse") ? j >= at + exclusive : j <= at - exclusive)
                y[e] += run->data[run->node->input[0]][e + (j - at) * step];
    }
}

static void run_elements(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    bool reads = node->op == &nt_op_gather_elements;
    int how = node->op == &nt_op_scatter_elements ? (int)nt_attr_int(node, "reduction") : 1;
    const struct nt_shape *x = naive_shape(run, node->input[0]);
    const struct nt_shape *index = naive_shape(run, node->input[1]);
    int64_t axis = from_end(nt_attr_float(node, "axis"), x->rank);
    if (!reads)
        memcpy(y, run->data[node->input[0]], (size_t)nt_shape_count(s) * sizeof *y);
    for (int64_t e = 0; e < nt_shape_count(index); e++) {
        int64_t at[NT_MAX_RANK];
        naive_unflat(index, e, at);
        at[axis] = from_end(run->data[node->input[1]][e], x->dim[axis]);
        bool good = at[axis] >= 0 && at[axis] < x->dim[axis];
        if (!reads && good)
            combine(how, &y[naive_flat(x, at)], run->data[node->input[2]][e]);
        else if (reads)
            y[e] = good ? run->data[node->input[0]][naive_flat(x, at)] : NAN;
    }
}

static void run_one_hot(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    int64_t classes = s->dim[s->rank - 1];
    for (int64_t e = 0; e < nt_shape_count(s) / classes; e++) {
        int64_t which = from_end(run->data[run->node->input[0]][e], classes);
        if (which >= 0 && which < classes)
            y[e * classes + which] = 1;
    }
}

static void run_sort(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_shape *x = naive_shape(run, run->node->input[0]);
    int64_t rows = x->dim[0], columns = x->dim[1], count = s->dim[1];
    double sign = nt_attr_bool(run->node, "descending") ? -1 : 1;
    for (int64_t r = 0; r < rows; r++) {
        const double *row = run->data[run->node->input[0]] + r * columns;
        for (int64_t i = 0; i < columns; i++) {
            int64_t place = 0;
            for (int64_t j = 0; j < columns; j++)
                place += sign * row[j] < sign * row[i] || (row[j] == row[i] && j < i);
            if (place < count)
                y[r * count + place] = (double)i;
        }
    }
}

const struct naive_op naive_index[] = {
    {&nt_op_cumsum, run_cumsum},
    {&nt_op_gather, run_gather},
    {&nt_op_gather_elements, run_elements},
    {&nt_op_one_hot, run_one_hot},
    {&nt_op_scatter_add, run_elements},
    {&nt_op_scatter_elements, run_elements},
    {&nt_op_sort_rows, run_sort},
    {0},
};
