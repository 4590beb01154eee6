/* SPDX-License-Identifier: MIT
 *
 * The reference for whole graphs: every forward operator as a plain loop in double precision, on
 * row-major arrays. Slow and obvious on purpose.
 */
#ifndef NT_TESTS_NAIVE_H
#define NT_TESTS_NAIVE_H

#include "frontend/graph.h"

/* data[v] holds value v; inputs, parameters and state are the caller's and filled in; results are
 * allocated here. Aborts the test on an operator that it does not know. */
void naive_run(const struct nt_graph *graph, double **data);

/* Runs, frees the results, and returns the loss. */
double naive_loss(const struct nt_graph *graph, double **data);

void naive_free(const struct nt_graph *graph, double **data);

/* The key of random numbers in runs that are no training steps. */
double naive_key(void);

/* ---- the operators, by family: tests/naive/<family>.c ---- */

struct naive_run {
    const struct nt_graph *graph;
    const struct nt_node *node;
    double **data;
};

/* Computes y, output 0 of run->node, of the given shape. All outputs' arrays are there, zeroed, in
 * run->data. */
struct naive_op {
    const struct nt_op *op;
    void (*run)(const struct naive_run *run, double *y, const struct nt_shape *shape);
};

/* Each ends with {0}. */
extern const struct naive_op naive_box[];
extern const struct naive_op naive_conv[];
extern const struct naive_op naive_dense[];
extern const struct naive_op naive_index[];
extern const struct naive_op naive_move[];
extern const struct naive_op naive_norm[];
extern const struct naive_op naive_pool[];
extern const struct naive_op naive_recurrent[];
extern const struct naive_op naive_reduce[];
extern const struct naive_op naive_resample[];
extern const struct naive_op naive_roi_ops[];
extern const struct naive_op naive_rows[];

const struct nt_shape *naive_shape(const struct naive_run *run, int value);

/* Index of an element of a row-major array, and back. */
int64_t naive_flat(const struct nt_shape *shape, const int64_t *at);
void naive_unflat(const struct nt_shape *shape, int64_t index, int64_t *at);

/* The element of a tensor that broadcasting puts at a place of a larger shape. */
double naive_broadcast_at(
    const struct naive_run *run, int value, const struct nt_shape *full, const int64_t *at);

#endif
