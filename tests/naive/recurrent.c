/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/op.h"
#include "tests/naive.h"

/* As frontend/op/recurrent_layer.c numbers them. */
enum { A, WEIGHT, BIAS, H0, C0, LENGTHS };
enum { TANH, RELU, LSTM, GRU, GRU_RESET_FIRST };

struct layer {
    const double *weight, *bias;
    int64_t units, gates, cell;
};

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double product(const struct layer *l, const double *state, int64_t gate, int64_t unit)
{
    int64_t row = gate * l->units + unit;
    double sum = l->bias ? l->bias[row] : 0;
    for (int64_t k = 0; k < l->units; k++)
        sum += l->weight[row * l->units + k] * state[k];
    return sum;
}

/* The new state of one item from what the input adds and the old state. */
static void step(const struct layer *l, const double *a, double *h, double *c)
{
    int64_t n = l->units;
    double *old = malloc((size_t)n * 2 * sizeof *old), *gated = old + n;
    memcpy(old, h, (size_t)n * sizeof *old);
    for (int64_t j = 0; j < n; j++)
        gated[j] = sigmoid(a[j] + product(l, old, 0, j)) * old[j];
    for (int64_t j = 0; j < n; j++) {
        double first = a[j] + product(l, old, 0, j);
        if (l->cell == TANH || l->cell == RELU) {
            h[j] = l->cell == TANH ? tanh(first) : fmax(first, 0);
            continue;
        }
        double second = sigmoid(a[n + j] + product(l, old, 1, j));
        if (l->cell == LSTM) {
            double g = tanh(a[2 * n + j] + product(l, old, 2, j));
            c[j] = second * c[j] + sigmoid(first) * g;
            h[j] = sigmoid(a[3 * n + j] + product(l, old, 3, j)) * tanh(c[j]);
            continue;
        }
        double third =
            l->cell == GRU ? sigmoid(first) * product(l, old, 2, j) : product(l, gated, 2, j);
        h[j] = (1 - second) * tanh(a[2 * n + j] + third) + second * old[j];
    }
    free(old);
}

static double *input_of(const struct naive_run *run, int input)
{
    int value = run->node->input[input];
    return value >= 0 ? run->data[value] : NULL;
}

static void run_layer(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    struct layer l = {
        input_of(run, WEIGHT), input_of(run, BIAS), s->dim[2], 0, nt_attr_int(node, "cell")};
    int64_t steps = s->dim[0], items = s->dim[1], wide = naive_shape(run, node->input[A])->dim[2];
    const double *h0 = input_of(run, H0), *c0 = input_of(run, C0),
                 *lengths = input_of(run, LENGTHS);
    size_t size = (size_t)(items * l.units) * sizeof *y;
    double *h = run->data[node->output[1]], *c = calloc(1, size);
    if (h0)
        memcpy(h, h0, size);
    if (c0 && l.cell == LSTM)
        memcpy(c, c0, size);
    for (int64_t k = 0; k < steps; k++) {
        int64_t t = nt_attr_bool(node, "reverse") ? steps - 1 - k : k;
        for (int64_t n = 0; n < items; n++) {
            if (lengths && (double)t >= lengths[n])
                continue; /* the state stands still, y is 0 */
            step(&l, input_of(run, A) + (t * items + n) * wide, h + n * l.units, c + n * l.units);
            memcpy(y + (t * items + n) * l.units, h + n * l.units, (size_t)l.units * sizeof *y);
        }
    }
    if (l.cell == LSTM)
        memcpy(run->data[node->output[2]], c, size);
    free(c);
}

static void run_detach(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    memcpy(y, input_of(run, 0), (size_t)nt_shape_count(s) * sizeof *y);
}

static void run_lengths(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    int64_t steps = naive_shape(run, run->node->input[0])->dim[1];
    for (int64_t i = 0; i < s->dim[0] * steps; i++)
        y[i / steps] += input_of(run, 0)[i] != nt_attr_float(run->node, "padding");
}

const struct naive_op naive_recurrent[] = {
    {&nt_op_recurrent_layer, run_layer},
    {&nt_op_detach, run_detach},
    {&nt_op_sequence_lengths, run_lengths},
    {0},
};
