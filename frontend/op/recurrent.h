/* SPDX-License-Identifier: MIT
 *
 * One direction of one recurrent layer as a node of the graph, its steps first: what the operators
 * rnn, lstm and gru are made of.
 */
#ifndef NT_FRONTEND_OP_RECURRENT_H
#define NT_FRONTEND_OP_RECURRENT_H

#include "frontend/op.h"

/* What a layer reads; -1: none. a: T,N,G*H, what the input adds to the gates. weight: G*H,H.
 * bias: G*H, added to the product of state and weight. h0, c0: N,H. lengths: int32 [N]. */
struct nt_recurrent_inputs {
    int a, weight, bias, h0, c0, lengths;
};

/* y: T,N,H. h_n and c_n: N,H; c_n means nothing but for an LSTM. */
struct nt_recurrent_outputs {
    int y, h_n, c_n;
};

enum nt_status nt_recurrent_add(struct nt_graph *graph, const char *name, enum nt_cell cell,
    bool reverse, const struct nt_recurrent_inputs *in, struct nt_recurrent_outputs *out);

#endif
