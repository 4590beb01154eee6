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

#endif
