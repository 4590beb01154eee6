/* SPDX-License-Identifier: MIT
 *
 * Products and convolutions.
 *
 *   gemm   n x c times c x k; a_columns, b_columns: operands stored transposed
 *   conv   n items of c channels, hw x hw; k filters of r x r
 */
#include <math.h>

#include "bench/layer.h"

struct sum {
    double value, squares;
};

static void add(struct sum *sum, double a, double b)
{
    sum->value += a * b;
    sum->squares += a * b * (a * b);
}

/* ---- products ---- */

static struct nt_tensor matrix(
    struct bench_layer *layer, bool written, int64_t rows, int64_t columns, bool transposed)
{
    struct nt_tensor t = bench_operand(layer, NT_F32, written, NT_ROW_MAJOR, 2,
        transposed ? (int64_t[]){columns, rows} : (int64_t[]){rows, columns});
    if (transposed) {
        t.shape = (struct nt_shape){2, {rows, columns}};
        t.stride[0] = 1;
        t.stride[1] = rows;
        layer->operand[layer->operands - 1].tensor = t;
    }
    return t;
}

static enum nt_status append_gemm(struct bench_layer *layer)
{
    const struct bench_case *p = layer->kind;
    struct nt_tensor a = matrix(layer, false, p->n, p->c, p->a_columns);
    struct nt_tensor b = matrix(layer, false, p->c, p->k, p->b_columns);
    struct nt_tensor c = matrix(layer, true, p->n, p->k, false);
    layer->flops = 2.0 * (double)p->n * (double)p->c * (double)p->k;
    return nt_gemm(layer->tape, &a, &b, &c, NULL);
}

static void gemm_reference(
    const struct bench_layer *layer, int operand, int64_t index, double *value, double *scale)
{
    const struct bench_case *p = layer->kind;
    struct sum sum = {0};
    int64_t i = index / p->k, j = index % p->k;
    for (int64_t l = 0; l < p->c; l++)
        add(&sum, bench_at(&layer->operand[0], (int64_t[]){i, l}),
            bench_at(&layer->operand[1], (int64_t[]){l, j}));
    *value = sum.value;
    *scale = sqrt(sum.squares);
}

const struct bench_family bench_gemm = {
    .name = "gemm", .append = append_gemm, .reference = gemm_reference};

/* ---- convolutions: operands x, w, y, one of them written ---- */

static enum nt_status append_conv(struct bench_layer *layer)
{
    const struct bench_case *p = layer->kind;
    int64_t groups = p->groups ? p->groups : 1, out = bench_windows(p);
    struct nt_conv conv = {.stride = {p->stride, p->stride},
        .pad_before = {p->pad, p->pad},
        .pad_after = {p->pad, p->pad},
        .dilation = {p->dilation, p->dilation},
        .groups = groups};
    struct nt_tensor x = bench_operand(layer, NT_F32, layer->pass == BENCH_BACKWARD,
        NT_CHANNELS_LAST, 4, (int64_t[]){p->n, p->c, p->hw, p->hw});
    struct nt_tensor w = bench_operand(layer, NT_F32, layer->pass == BENCH_WEIGHTS, NT_ROW_MAJOR, 4,
        (int64_t[]){p->k, p->c / groups, p->r, p->r});
    struct nt_tensor y = bench_operand(layer, NT_F32, layer->pass == BENCH_FORWARD,
        NT_CHANNELS_LAST, 4, (int64_t[]){p->n, p->k, out, out});
    layer->flops = 2.0 * (double)(p->n * p->k * out * out) * (double)(p->c / groups * p->r * p->r);
    if (layer->pass == BENCH_FORWARD)
        return nt_conv_forward(layer->tape, &conv, &x, &w, &y, NULL);
    if (layer->pass == BENCH_BACKWARD)
        return nt_conv_backward_data(layer->tape, &conv, &y, &w, &x, NULL);
    return nt_conv_backward_weight(layer->tape, &conv, &x, &y, &w);
}

static struct sum forward_sum(const struct bench_layer *layer, const int64_t *at)
{
    const struct bench_case *p = layer->kind;
    int64_t groups = p->groups ? p->groups : 1, each = p->c / groups;
    int64_t first = at[1] / (p->k / groups) * each;
    struct sum sum = {0};
    for (int64_t r = 0; r < p->r; r++)
        for (int64_t s = 0; s < p->r; s++) {
            int64_t h = bench_row_under(p, at[2], r), w = bench_row_under(p, at[3], s);
            for (int64_t c = 0; h >= 0 && w >= 0 && c < each; c++)
                add(&sum, bench_at(&layer->operand[0], (int64_t[]){at[0], first + c, h, w}),
                    bench_at(&layer->operand[1], (int64_t[]){at[1], c, r, s}));
        }
    return sum;
}

static struct sum data_sum(const struct bench_layer *layer, const int64_t *at)
{
    const struct bench_case *p = layer->kind;
    int64_t groups = p->groups ? p->groups : 1, each = p->k / groups;
    int64_t group = at[1] / (p->c / groups), channel = at[1] % (p->c / groups);
    struct sum sum = {0};
    for (int64_t r = 0; r < p->r; r++)
        for (int64_t s = 0; s < p->r; s++) {
            int64_t h = bench_window_over(p, at[2], r), w = bench_window_over(p, at[3], s);
            if (h < 0 || w < 0)
                continue;
            for (int64_t k = group * each; k < (group + 1) * each; k++)
                add(&sum, bench_at(&layer->operand[2], (int64_t[]){at[0], k, h, w}),
                    bench_at(&layer->operand[1], (int64_t[]){k, channel, r, s}));
        }
    return sum;
}

static struct sum weight_sum(const struct bench_layer *layer, const int64_t *at)
{
    const struct bench_case *p = layer->kind;
    int64_t groups = p->groups ? p->groups : 1, out = bench_windows(p);
    int64_t channel = at[0] / (p->k / groups) * (p->c / groups) + at[1];
    struct sum sum = {0};
    for (int64_t n = 0; n < p->n; n++)
        for (int64_t i = 0; i < out; i++)
            for (int64_t j = 0; j < out; j++) {
                int64_t h = bench_row_under(p, i, at[2]), w = bench_row_under(p, j, at[3]);
                if (h >= 0 && w >= 0)
                    add(&sum, bench_at(&layer->operand[0], (int64_t[]){n, channel, h, w}),
                        bench_at(&layer->operand[2], (int64_t[]){n, at[0], i, j}));
            }
    return sum;
}

static void conv_reference(
    const struct bench_layer *layer, int operand, int64_t index, double *value, double *scale)
{
    int64_t at[NT_MAX_RANK];
    bench_position(&layer->operand[operand].tensor, index, at);
    struct sum sum = layer->pass == BENCH_FORWARD    ? forward_sum(layer, at)
                     : layer->pass == BENCH_BACKWARD ? data_sum(layer, at)
                                                     : weight_sum(layer, at);
    *value = sum.value;
    *scale = sqrt(sum.squares);
}

const struct bench_family bench_conv = {
    .name = "conv", .append = append_conv, .reference = conv_reference};
