/* SPDX-License-Identifier: MIT
 *
 * What memory bounds: pooling, softmax, elementwise maps.
 *
 *   pool      n items of c channels, hw x hw; windows of r x r
 *   softmax   n rows of c
 *   map       the formula `text` of k inputs, n items of c channels, hw x hw
 */
#include <math.h>
#include <stdlib.h>

#include "bench/layer.h"
#include "engine/expr.h"

/* ---- pooling: x, y, and the index of each maximum ---- */

/* The place of the largest element of a window of x, as the forward pass writes it. */
static int64_t largest(const struct bench_layer *layer, const int64_t *at)
{
    const struct bench_case *p = layer->kind;
    double best = -INFINITY;
    int64_t place = -1;
    for (int64_t r = 0; r < p->r; r++)
        for (int64_t s = 0; s < p->r; s++) {
            int64_t h = bench_row_under(p, at[2], r), w = bench_row_under(p, at[3], s);
            if (h < 0 || w < 0)
                continue;
            double value = bench_at(&layer->operand[0], (int64_t[]){at[0], at[1], h, w});
            if (value > best) {
                best = value;
                place = h * p->hw + w;
            }
        }
    return place;
}

/* For the backward pass: maxima as if x had been the gradient's row of numbers; any will do that
 * lie in their windows. */
static enum nt_status make_index(struct bench_layer *layer)
{
    const struct bench_case *p = layer->kind;
    struct bench_operand *index = &layer->operand[2];
    int32_t *place = malloc(index->count * sizeof *place);
    if (!place)
        return nt_fail(layer->ctx, NT_ERR_MEMORY, "bench: host memory is exhausted");
    for (size_t i = 0; i < index->count; i++) {
        int64_t at[NT_MAX_RANK], tap = (int64_t)(i * 2654435761u >> 7) % (p->r * p->r);
        bench_position(&index->tensor, (int64_t)i, at);
        int64_t h = at[2] * p->stride + tap / p->r - p->pad;
        int64_t w = at[3] * p->stride + tap % p->r - p->pad;
        h = h < 0 ? 0 : h >= p->hw ? p->hw - 1 : h;
        w = w < 0 ? 0 : w >= p->hw ? p->hw - 1 : w;
        place[i] = (int32_t)(h * p->hw + w);
    }
    index->data = (float *)place;
    return NT_OK;
}

static enum nt_status append_pool(struct bench_layer *layer)
{
    const struct bench_case *p = layer->kind;
    bool forward = layer->pass == BENCH_FORWARD, max = p->pooling == NT_POOL_MAX;
    int64_t out = bench_windows(p), dims[4] = {p->n, p->c, out, out};
    struct nt_pool pool = {.pooling = p->pooling,
        .kernel = {p->r, p->r},
        .stride = {p->stride, p->stride},
        .pad_before = {p->pad, p->pad},
        .pad_after = {p->pad, p->pad},
        .count_include_pad = true};
    struct nt_tensor index, x = bench_operand(layer, NT_F32, !forward, NT_CHANNELS_LAST, 4,
                                (int64_t[]){p->n, p->c, p->hw, p->hw});
    struct nt_tensor y = bench_operand(layer, NT_F32, forward, NT_CHANNELS_LAST, 4, dims);
    if (max)
        index = bench_operand(layer, NT_I32, forward, NT_CHANNELS_LAST, 4, dims);
    if (forward)
        return nt_pool_forward(layer->tape, &pool, &x, &y, max ? &index : NULL);
    enum nt_status status = max ? make_index(layer) : NT_OK;
    return status == NT_OK ? nt_pool_backward(layer->tape, &pool, &y, max ? &index : NULL, &x)
                           : status;
}

static double window_mean(const struct bench_layer *layer, const int64_t *at)
{
    const struct bench_case *p = layer->kind;
    double sum = 0;
    for (int64_t r = 0; r < p->r; r++)
        for (int64_t s = 0; s < p->r; s++) {
            int64_t h = bench_row_under(p, at[2], r), w = bench_row_under(p, at[3], s);
            if (h >= 0 && w >= 0)
                sum += bench_at(&layer->operand[0], (int64_t[]){at[0], at[1], h, w});
        }
    return sum / (double)(p->r * p->r);
}

static double gradient_at(const struct bench_layer *layer, const int64_t *at)
{
    const struct bench_case *p = layer->kind;
    double sum = 0;
    for (int64_t r = 0; r < p->r; r++)
        for (int64_t s = 0; s < p->r; s++) {
            int64_t h = bench_window_over(p, at[2], r), w = bench_window_over(p, at[3], s);
            if (h < 0 || w < 0)
                continue;
            int64_t from[4] = {at[0], at[1], h, w};
            if (p->pooling == NT_POOL_AVERAGE) {
                sum += bench_at(&layer->operand[1], from) / (double)(p->r * p->r);
                continue;
            }
            const struct bench_operand *index = &layer->operand[2];
            const int32_t *place = (const int32_t *)index->data;
            int64_t element = 0;
            for (int i = 0; i < 4; i++)
                element += from[i] * index->tensor.stride[i];
            if (place[element] == at[2] * p->hw + at[3])
                sum += bench_at(&layer->operand[1], from);
        }
    return sum;
}

static void pool_reference(
    const struct bench_layer *layer, int operand, int64_t index, double *value, double *scale)
{
    const struct bench_case *p = layer->kind;
    int64_t at[NT_MAX_RANK];
    bench_position(&layer->operand[operand].tensor, index, at);
    *scale = 1;
    if (layer->pass == BENCH_BACKWARD) {
        *value = gradient_at(layer, at);
    } else if (p->pooling == NT_POOL_AVERAGE) {
        *value = window_mean(layer, at);
    } else {
        int64_t place = largest(layer, at);
        *value =
            bench_at(&layer->operand[0], (int64_t[]){at[0], at[1], place / p->hw, place % p->hw});
        if (((const int32_t *)layer->operand[2].data)[index] != place)
            *value = INFINITY; /* the forward pass named another element */
    }
}

const struct bench_family bench_pool = {
    .name = "pool", .append = append_pool, .reference = pool_reference};

/* ---- softmax: x, y; backward y, dy, dx ---- */

static enum nt_status append_softmax(struct bench_layer *layer)
{
    int64_t dims[2] = {layer->kind->n, layer->kind->c};
    bool forward = layer->pass == BENCH_FORWARD;
    struct nt_tensor a = bench_operand(layer, NT_F32, false, NT_ROW_MAJOR, 2, dims);
    struct nt_tensor b = bench_operand(layer, NT_F32, forward, NT_ROW_MAJOR, 2, dims);
    if (forward)
        return nt_softmax(layer->tape, false, &a, &b);
    struct nt_tensor dx = bench_operand(layer, NT_F32, true, NT_ROW_MAJOR, 2, dims);
    return nt_softmax_backward(layer->tape, false, &a, &b, &dx);
}

static void softmax_reference(
    const struct bench_layer *layer, int operand, int64_t index, double *value, double *scale)
{
    int64_t c = layer->kind->c;
    const float *a = layer->operand[0].data + index / c * c;
    const float *b = layer->operand[1].data + index / c * c;
    double sum = 0, squares = 0;
    if (layer->pass == BENCH_FORWARD) {
        for (int64_t i = 0; i < c; i++)
            sum += exp(a[i]);
        *scale = *value = exp(a[index % c]) / sum;
        return;
    }
    for (int64_t i = 0; i < c; i++) {
        sum += (double)a[i] * b[i];
        squares += pow((double)a[i] * b[i], 2);
    }
    *value = a[index % c] * (b[index % c] - sum);
    *scale = fabs(a[index % c]) * sqrt(pow(b[index % c], 2) + squares);
}

const struct bench_family bench_softmax = {
    .name = "softmax", .append = append_softmax, .reference = softmax_reference};

/* ---- maps: inputs, then the result ---- */

struct formula {
    struct nt_expr *expr;
    int term;
};

static enum nt_status append_map(struct bench_layer *layer)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    const struct bench_case *p = layer->kind;
    int64_t dims[4] = {p->n, p->c, p->hw, p->hw};
    struct formula *formula = calloc(1, sizeof *formula);
    struct nt_tensor in[4];
    int inputs = (int)p->k, terms[4];
    layer->own = formula;
    if (!formula || !(formula->expr = nt_expr_create()))
        return nt_fail(layer->ctx, NT_ERR_MEMORY, "bench: host memory is exhausted");
    for (int i = 0; i < inputs; i++) {
        in[i] = bench_operand(layer, NT_F32, false, NT_CHANNELS_LAST, 4, dims);
        terms[i] = nt_expr_input(formula->expr, i);
    }
    struct nt_tensor out = bench_operand(layer, NT_F32, true, NT_CHANNELS_LAST, 4, dims);
    enum nt_status status =
        nt_expr_parse(layer->ctx, formula->expr, p->text, inputs, names, terms, &formula->term);
    if (status != NT_OK)
        return status;
    return nt_map(layer->tape, formula->expr, 1, &formula->term, &out, inputs, in);
}

static void map_reference(
    const struct bench_layer *layer, int operand, int64_t index, double *value, double *scale)
{
    const struct formula *formula = layer->own;
    double in[4] = {0};
    for (int i = 0; i < operand; i++)
        in[i] = layer->operand[i].data[index];
    *value = nt_expr_evaluate(formula->expr, formula->term, in);
    *scale = 1;
}

static void finish_map(struct bench_layer *layer)
{
    struct formula *formula = layer->own;
    if (formula)
        nt_expr_destroy(formula->expr);
    free(formula);
}

const struct bench_family bench_map = {
    .name = "map", .append = append_map, .reference = map_reference, .finish = finish_map};
