/* SPDX-License-Identifier: MIT */
#include "tests/naive.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "engine/random.h"
#include "frontend/op.h"

static const struct naive_op *const families[] = {
    naive_box,
    naive_conv,
    naive_dense,
    naive_index,
    naive_move,
    naive_norm,
    naive_pool,
    naive_recurrent,
    naive_reduce,
    naive_resample,
    naive_roi_ops,
    naive_rows,
};

const struct nt_shape *naive_shape(const struct naive_run *run, int value)
{
    return &run->graph->value[value].shape;
}

int64_t naive_flat(const struct nt_shape *shape, const int64_t *at)
{
    int64_t index = 0;
    for (int i = 0; i < shape->rank; i++)
        index = index * shape->dim[i] + at[i];
    return index;
}

void naive_unflat(const struct nt_shape *shape, int64_t index, int64_t *at)
{
    for (int i = shape->rank - 1; i >= 0; i--) {
        at[i] = index % shape->dim[i];
        index /= shape->dim[i];
    }
}

double naive_broadcast_at(
    const struct naive_run *run, int value, const struct nt_shape *full, const int64_t *at)
{
    const struct nt_shape *shape = naive_shape(run, value);
    int64_t own[NT_MAX_RANK];
    for (int i = 0; i < shape->rank; i++)
        own[i] = shape->dim[i] == 1 ? 0 : at[i + full->rank - shape->rank];
    return run->data[value][naive_flat(shape, own)];
}

/* As a result of the type is stored. */
static double stored(enum nt_dtype dtype, bool integers, double value)
{
    switch (dtype) {
    case NT_I32:
        return trunc(value);
    case NT_U8:
        return integers ? (uint8_t)(int32_t)value : trunc(fmax(0, fmin(255, value)));
    case NT_BOOL:
        return value != 0;
    default:
        return value;
    }
}

static void run_map(const struct naive_run *run, double *y, const struct nt_shape *shape)
{
    for (int64_t e = 0; e < nt_shape_count(shape); e++) {
        double in[NT_MAX_INPUTS];
        int64_t at[NT_MAX_RANK];
        naive_unflat(shape, e, at);
        for (int i = 0; i < run->node->inputs; i++)
            in[i] = naive_broadcast_at(run, run->node->input[i], shape, at);
        y[e] = stored(run->graph->value[run->node->output[0]].dtype,
            nt_expr_is_integers(run->node->expr),
            nt_expr_evaluate(run->node->expr, run->node->term, in));
    }
}

static void run_node(const struct naive_run *run)
{
    const struct nt_node *node = run->node;
    const struct nt_shape *shape = naive_shape(run, node->output[0]);
    for (int o = 0; o < node->outputs; o++)
        run->data[node->output[o]] =
            calloc((size_t)nt_shape_count(naive_shape(run, node->output[o])), sizeof(double));
    if (node->expr) {
        run_map(run, run->data[node->output[0]], shape);
        return;
    }
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const struct naive_op *op = families[f]; op->op; op++)
            if (op->op == node->op) {
                op->run(run, run->data[node->output[0]], shape);
                return;
            }
    ck_abort_msg("naive: no reference for %s", node->op->name);
}

double naive_key(void)
{
    uint32_t words[4];
    nt_philox(0, 0, 0x6b657973, words);
    return (double)(words[1] & 0xfffffu) * 0x1p32 + words[0];
}

/* Neither an input nor a weight. */
static bool is_made_here(const struct nt_value *value)
{
    return value->kind > NT_VALUE_CARRIED;
}

void naive_run(const struct nt_graph *graph, double **data)
{
    for (int v = 0; v < graph->value_count; v++) {
        const struct nt_value *value = &graph->value[v];
        if (!is_made_here(value) || value->kind == NT_VALUE_RESULT)
            continue;
        int64_t count = nt_shape_count(&value->shape);
        data[v] = malloc((size_t)count * sizeof **data);
        for (int64_t i = 0; i < count; i++)
            data[v][i] = value->kind == NT_VALUE_KEY     ? naive_key()
                         : value->kind == NT_VALUE_INDEX ? value->constant + (double)i
                                                         : value->constant;
    }
    for (int i = 0; i < graph->node_count; i++)
        run_node(&(struct naive_run){graph, graph->node[i], data});
}

void naive_free(const struct nt_graph *graph, double **data)
{
    for (int v = 0; v < graph->value_count; v++)
        if (is_made_here(&graph->value[v])) {
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
