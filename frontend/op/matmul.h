/* SPDX-License-Identifier: MIT
 *
 * Matrix products, for the operators that are made of them.
 */
#ifndef NT_FRONTEND_OP_MATMUL_H
#define NT_FRONTEND_OP_MATMUL_H

#include "frontend/op.h"

/* Adds a product; -1 after a failure, and when it is given -1. */
int nt_matmul_add(struct nt_graph *graph, int a, int b, bool transpose_a, bool transpose_b);

/* The view with its last two dimensions exchanged. */
struct nt_tensor nt_matmul_transposed(struct nt_tensor t);

#endif
