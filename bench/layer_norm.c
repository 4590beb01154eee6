/* SPDX-License-Identifier: MIT
 *
 * Batch normalisation in training, as graphs make it: n items of c channels, hw x hw. Operands
 * x, dy; y; and for the step, which also differentiates, dx, the weight's and the bias's gradient.
 */
#include <math.h>
#include <stdlib.h>

#include "bench/layer.h"
#include "frontend/graph.h"
#include "frontend/op.h"

#define EPSILON 1e-5

enum { X, DY, Y, DX, DW, DB };

struct norm {
    struct nt_graph *graph;
    int value[BENCH_OPERANDS]; /* of the graph, by operand */
    int parameter[2];          /* weight, bias */
    float *channel[2];         /* their content */
};

static enum nt_status exhausted(struct bench_layer *layer)
{
    return nt_fail(layer->ctx, NT_ERR_MEMORY, "bench: host memory is exhausted");
}

/* Whoever reads the gradient of y reads dy instead: making it of a loss is not what is measured. */
static void give_gradient(struct nt_graph *graph, int gradient, int dy)
{
    for (int n = 0; n < graph->node_count; n++)
        for (int i = 0; i < graph->node[n]->inputs; i++)
            if (graph->node[n]->input[i] == gradient)
                graph->node[n]->input[i] = dy;
}

static enum nt_status build_graph(struct bench_layer *layer, struct norm *norm)
{
    const struct bench_case *p = layer->kind;
    struct nt_shape item = {3, {p->c, p->hw, p->hw}};
    struct nt_graph *graph;
    const int *grads;
    enum nt_status status = nt_graph_create(layer->ctx, p->n, true, &graph);
    if (status != NT_OK)
        return status;
    norm->graph = graph;
    status = nt_graph_input(graph, "x", NT_F32, &item, &norm->value[X]);
    if (status == NT_OK)
        status = nt_graph_input(graph, "dy", NT_F32, &item, &norm->value[DY]);
    if (status == NT_OK)
        status = nt_graph_add(
            graph, nt_op_find("batch_norm"), "norm", 1, &norm->value[X], NULL, &norm->value[Y]);
    if (status != NT_OK)
        return status;
    norm->parameter[0] = nt_graph_find(graph, "norm.weight");
    norm->parameter[1] = nt_graph_find(graph, "norm.bias");
    if (layer->pass == BENCH_FORWARD)
        return NT_OK;
    int product = nt_graph_formula(graph, "a * b", 2, (int[]){norm->value[Y], norm->value[DY]});
    int loss = -1;
    if (product < 0)
        return exhausted(layer);
    status = nt_graph_add(graph, nt_op_find("sum"), "", 1, &product, NULL, &loss);
    if (status == NT_OK)
        status = nt_graph_loss(graph, loss);
    if (status == NT_OK)
        status = nt_gradient(graph, 1, &norm->value[X], &grads);
    if (status != NT_OK)
        return status;
    norm->value[DX] = grads[norm->value[X]];
    give_gradient(graph, grads[norm->value[Y]], norm->value[DY]);
    norm->value[DW] = grads[norm->parameter[0]];
    norm->value[DB] = grads[norm->parameter[1]];
    return NT_OK;
}

static enum nt_status rewrite(const struct bench_layer *layer, struct norm *norm)
{
    struct nt_graph *graph = norm->graph;
    int roots[32], count = 0;
    for (int i = Y; i <= (layer->pass == BENCH_FORWARD ? Y : DB); i++)
        roots[count++] = norm->value[i];
    for (int v = 0; v < graph->value_count && count < 32; v++)
        if (graph->value[v].kind == NT_VALUE_STATE && graph->value[v].update >= 0)
            roots[count++] = graph->value[v].update;
    enum nt_status status = nt_fuse(graph, count, roots);
    if (status == NT_OK)
        status = nt_assign_layouts(graph);
    /* As between convolutions; nothing here asks for another layout. */
    for (int v = 0; v < graph->value_count; v++)
        if (graph->value[v].shape.rank == 4)
            graph->value[v].layout = NT_CHANNELS_LAST;
    return status;
}

/* Gives memory to what the host fills and reads, and to parameters and states. */
static enum nt_status bind(
    struct bench_layer *layer, struct norm *norm, struct nt_lowering *lowering)
{
    struct nt_graph *graph = norm->graph;
    for (int i = X; i <= (layer->pass == BENCH_FORWARD ? Y : DB); i++) {
        const struct nt_value *value = &graph->value[norm->value[i]];
        struct nt_tensor tensor = bench_operand(
            layer, NT_F32, i >= Y, value->layout, value->shape.rank, value->shape.dim);
        nt_lower_bind(lowering, norm->value[i], &tensor);
    }
    for (int v = 0; v < graph->value_count; v++) {
        const struct nt_value *value = &graph->value[v];
        if (value->kind != NT_VALUE_PARAMETER && value->kind != NT_VALUE_STATE)
            continue;
        size_t count = (size_t)nt_shape_count(&value->shape);
        float *data = calloc(count, sizeof *data);
        if (!data)
            return exhausted(layer);
        for (size_t i = 0; i < count; i++)
            data[i] = v == norm->parameter[0] ? 0.5f + 0.01f * (float)i : 0.25f;
        int32_t buffer = nt_tape_constant(layer->tape, data, count * sizeof *data, value->name);
        struct nt_tensor tensor = nt_tensor_make(buffer, value->dtype, &value->shape, NT_ROW_MAJOR);
        nt_lower_bind(lowering, v, &tensor);
        if (v == norm->parameter[0] || v == norm->parameter[1])
            norm->channel[v == norm->parameter[1]] = data;
        else
            free(data);
    }
    return NT_OK;
}

static enum nt_status append(struct bench_layer *layer)
{
    const struct bench_case *p = layer->kind;
    struct norm *norm = calloc(1, sizeof *norm);
    layer->own = norm;
    if (!norm)
        return exhausted(layer);
    enum nt_status status = build_graph(layer, norm);
    if (status == NT_OK)
        status = rewrite(layer, norm);
    if (status != NT_OK)
        return status;
    struct nt_graph *graph = norm->graph;
    struct nt_lowering lowering = {.graph = graph, .tape = layer->tape};
    lowering.tensor = calloc((size_t)graph->value_count, sizeof *lowering.tensor);
    if (!lowering.tensor)
        return exhausted(layer);
    for (int v = 0; v < graph->value_count; v++)
        lowering.tensor[v].buffer = -1;
    status = bind(layer, norm, &lowering);
    if (status == NT_OK)
        status = nt_lower(&lowering);
    free(lowering.tensor);
    /* read twice, written once; backward x and dy twice each, dx */
    layer->bytes = (layer->pass == BENCH_FORWARD ? 3.0 : 8.0) * sizeof(float) *
                   (double)(p->n * p->c * p->hw * p->hw);
    return status;
}

struct channel {
    double mean, deviation, count, dy, dy_squares, dy_x, dy_x_squares;
};

/* Sums over a channel; z is x normalised. */
static struct channel statistics(const struct bench_layer *layer, int64_t c)
{
    const struct bench_case *p = layer->kind;
    const struct bench_operand *x = &layer->operand[X], *dy = &layer->operand[DY];
    struct channel s = {.count = (double)(p->n * p->hw * p->hw)};
    for (int step = 0; step < 3; step++) {
        double variance = 0;
        for (int64_t n = 0; n < p->n; n++)
            for (int64_t i = 0; i < p->hw * p->hw; i++) {
                int64_t at[4] = {n, c, i / p->hw, i % p->hw};
                double value = bench_at(x, at), gradient = bench_at(dy, at);
                if (step == 0) {
                    s.mean += value / s.count;
                } else if (step == 1) {
                    variance += (value - s.mean) * (value - s.mean) / s.count;
                } else {
                    double z = (value - s.mean) / s.deviation;
                    s.dy += gradient;
                    s.dy_squares += gradient * gradient;
                    s.dy_x += gradient * z;
                    s.dy_x_squares += gradient * z * (gradient * z);
                }
            }
        if (step == 1)
            s.deviation = sqrt(variance + EPSILON);
    }
    return s;
}

static void reference(
    const struct bench_layer *layer, int operand, int64_t index, double *value, double *scale)
{
    const struct norm *norm = layer->own;
    int64_t at[NT_MAX_RANK];
    bench_position(&layer->operand[operand].tensor, index, at);
    int64_t c = operand <= DX ? at[1] : at[0];
    struct channel s = statistics(layer, c);
    double weight = norm->channel[0][c];
    *scale = 1;
    if (operand == DW) {
        *value = s.dy_x;
        *scale = sqrt(s.dy_x_squares);
    } else if (operand == DB) {
        *value = s.dy;
        *scale = sqrt(s.dy_squares);
    } else {
        double z = (bench_at(&layer->operand[X], at) - s.mean) / s.deviation;
        double dy = bench_at(&layer->operand[DY], at);
        *value = operand == Y ? z * weight + norm->channel[1][c]
                              : weight / s.deviation * (dy - s.dy / s.count - z * s.dy_x / s.count);
    }
}

static void finish(struct bench_layer *layer)
{
    struct norm *norm = layer->own;
    if (!norm)
        return;
    if (norm->graph)
        nt_graph_destroy(norm->graph);
    free(norm->channel[0]);
    free(norm->channel[1]);
    free(norm);
}

const struct bench_family bench_norm = {
    .name = "norm", .append = append, .reference = reference, .finish = finish};
