/* SPDX-License-Identifier: MIT */
#include "frontend/metrics.h"

#define IGNORED_TARGET -1 /* padding items of the last batch of an evaluation */

int nt_metrics_target(const struct nt_graph *graph)
{
    if (graph->output_count == 0)
        return -1;
    const struct nt_value *scores = &graph->value[graph->output[0].value];
    for (int i = graph->value_count - 1; i >= 0; i--) { /* tokens, which come first, may fit too */
        const struct nt_value *v = &graph->value[i];
        bool fits = v->kind == NT_VALUE_INPUT && v->dtype == NT_I32 &&
                    v->shape.rank == scores->shape.rank - 1 && scores->shape.rank >= 2 &&
                    scores->shape.dim[1] > 1 && scores->dtype == NT_F32 &&
                    v->shape.dim[0] == scores->shape.dim[0];
        for (int d = 1; fits && d < v->shape.rank; d++)
            fits = v->shape.dim[d] == scores->shape.dim[d + 1];
        if (fits)
            return i;
    }
    return -1;
}

/* Brings the classes of each place next to each other, where they are not. */
static enum nt_status side_by_side(struct nt_lowering *lowering, struct nt_tensor *scores)
{
    const struct nt_value *value = &lowering->graph->value[lowering->graph->output[0].value];
    if (value->shape.rank <= 2 || value->layout == NT_CHANNELS_LAST)
        return NT_OK;
    size_t bytes = (size_t)nt_shape_count(&value->shape) * sizeof(float);
    int32_t buffer = nt_tape_buffer(lowering->tape, NT_BUFFER_TRANSIENT, bytes, "scores by place");
    struct nt_tensor from = *scores;
    *scores = nt_tensor_make(buffer, NT_F32, &value->shape, NT_CHANNELS_LAST);
    return nt_move(lowering->tape, &from, scores);
}

/* counts[0] = items whose largest score is the target's, counts[1] = items that count. */
static enum nt_status append_counts(
    struct nt_lowering *lowering, int target, struct nt_expr *expr, const struct nt_tensor *counts)
{
    struct nt_tape *tape = lowering->tape;
    int output = lowering->graph->output[0].value;
    struct nt_tensor scores = nt_lower_tensor(lowering, output);
    struct nt_tensor wanted = nt_lower_tensor(lowering, target);
    enum nt_status status = side_by_side(lowering, &scores);
    int64_t classes = scores.shape.dim[1], rows = nt_shape_count(&scores.shape) / classes;
    struct nt_shape matrix = {2, {rows, classes}}, flat = {1, {rows}};
    struct nt_tensor view = nt_tensor_make(scores.buffer, NT_F32, &matrix, NT_ROW_MAJOR);
    int32_t index = nt_tape_buffer(
        tape, NT_BUFFER_TRANSIENT, (size_t)rows * sizeof(int32_t), "predicted class");
    struct nt_tensor in[3] = {nt_tensor_make(index, NT_I32, &flat, NT_ROW_MAJOR),
        nt_tensor_make(wanted.buffer, NT_I32, &flat, NT_ROW_MAJOR), nt_tensor_number(0)};
    view.offset = scores.offset;
    in[1].offset = wanted.offset;
    int a = nt_expr_input(expr, 0), b = nt_expr_input(expr, 1);
    int right = nt_expr_call(expr, NT_FN_eq, a, b, -1);
    int valid = nt_expr_call(expr, NT_FN_ne, b, nt_expr_constant(expr, IGNORED_TARGET), -1);
    /* A number tells which of the two is summed, so that one kernel is compiled for both. */
    int which = nt_expr_call(expr, NT_FN_select, nt_expr_input(expr, 2), valid, right);
    if (status == NT_OK)
        status = nt_argmax(tape, &view, &in[0]);
    for (int i = 0; status == NT_OK && i < 2; i++) {
        in[2] = nt_tensor_number(i);
        status = nt_reduce(tape, NT_REDUCE_SUM, expr, which, 3, in, 1, &counts[i]);
    }
    return status;
}

static struct nt_tensor element(int32_t buffer, int64_t offset)
{
    return (struct nt_tensor){
        .buffer = buffer, .dtype = NT_F32, .offset = offset, .shape = {1, {1}}, .stride = {1}};
}

enum nt_status nt_metrics_append(struct nt_lowering *lowering, int32_t loss, int32_t *metrics)
{
    struct nt_tape *tape = lowering->tape;
    if (loss < 0)
        return NT_OK;
    nt_tape_label(tape, "metrics");
    int target = nt_metrics_target(lowering->graph), inputs = 4, x[6];
    *metrics = nt_tape_buffer(tape, NT_BUFFER_KEPT, 3 * sizeof(float), "metrics");
    struct nt_tensor in[6] = {
        element(*metrics, 0), element(*metrics, 1), element(*metrics, 2), element(loss, 0)};
    struct nt_expr *expr = nt_expr_create();
    if (!expr)
        return nt_fail(lowering->graph->ctx, NT_ERR_MEMORY, "session: host memory is exhausted");
    for (int i = 0; i < 6; i++)
        x[i] = nt_expr_input(expr, i);
    int right = nt_expr_constant(expr, 0);
    int items = nt_expr_constant(expr, (double)lowering->graph->batch);
    enum nt_status status = NT_OK;
    if (target >= 0) {
        int32_t counts =
            nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, 2 * sizeof(float), "right items");
        in[4] = element(counts, 0);
        in[5] = element(counts, 1);
        inputs = 6;
        right = x[4];
        items = x[5];
        status = append_counts(lowering, target, expr, &in[4]);
    }
    int product = nt_expr_call(expr, NT_FN_mul, x[3], items, -1);
    int terms[3] = {nt_expr_call(expr, NT_FN_add, x[0], product, -1),
        nt_expr_call(expr, NT_FN_add, x[1], right, -1),
        nt_expr_call(expr, NT_FN_add, x[2], items, -1)};
    if (status == NT_OK)
        status = nt_map(tape, expr, 3, terms, in, inputs, in);
    nt_expr_destroy(expr);
    return status;
}
