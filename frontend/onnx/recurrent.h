/* SPDX-License-Identifier: MIT
 *
 * Recurrent cells step by step, with everything that the format lets them be: for what the
 * operators of ours do not do at once.
 */
#ifndef NT_FRONTEND_ONNX_RECURRENT_H
#define NT_FRONTEND_ONNX_RECURRENT_H

#include "frontend/onnx/import.h"
#include "frontend/op/recurrent.h"

#define NT_ONNX_MAX_STEPS 1024

/* One of "Relu", "Tanh", ... with its numbers. */
struct nt_onnx_activation {
    const char *text; /* over a, the argument, and the numbers b and c */
    double alpha, beta;
};

struct nt_onnx_cell {
    struct nt_onnx_node *node;
    int gates; /* 4: LSTM, 3: GRU, 1: RNN */
    int64_t steps, batch, hidden;
    struct nt_onnx_activation activation[3];
    double clip; /* 0: none */
    bool reverse, coupled, linear_before_reset;
    int input;         /* steps, batch, gates * hidden, in the format's order of gates */
    int weight;        /* gates * hidden by hidden */
    int bias;          /* of the state, gates * hidden; -1 */
    int peep[3];       /* of input, output and forget gate, hidden each; -1 */
    int lengths, h, c; /* -1: all steps; zeros */
};

/* The activation of a node's list that stands at `index`, `word` when there is no list. */
enum nt_status nt_onnx_activation_take(
    struct nt_onnx_node *node, int index, const char *word, struct nt_onnx_activation *out);

/* Adds all steps. */
enum nt_status nt_onnx_cell_unroll(struct nt_onnx_cell *cell, struct nt_recurrent_outputs *out);

#endif
