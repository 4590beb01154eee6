/* SPDX-License-Identifier: MIT
 *
 * For operators that are made of others (nt_op.expand): the usual steps as functions from values
 * to a value. Each gives -1 after a failure, and when it is given -1.
 */
#ifndef NT_FRONTEND_OP_COMPOSE_H
#define NT_FRONTEND_OP_COMPOSE_H

#include "frontend/op.h"

/* Sets *out to an axis from 0 on, the node's axis counting from the end when negative. */
enum nt_status nt_compose_axis(
    struct nt_graph *graph, const struct nt_node *node, int64_t axis, int rank, int *out);

/* The same for a list: bit i of *mask is set for axis i. An axis named twice is an error. */
enum nt_status nt_compose_axes(struct nt_graph *graph, const struct nt_node *node,
    const struct nt_attr *axes, int rank, unsigned *mask);

/* The node's result; its name goes to the value when that has none. */
enum nt_status nt_compose_end(struct nt_graph *graph, struct nt_node *node, int value);

int nt_compose_reshape(struct nt_graph *graph, int value, const struct nt_shape *shape);
int nt_compose_broadcast(struct nt_graph *graph, int value, const struct nt_shape *shape);
int nt_compose_transpose(struct nt_graph *graph, int value, const int *axes);

/* count indices of an axis: first, first + step, ... The value itself when that is all of it. */
int nt_compose_slice(
    struct nt_graph *graph, int value, int axis, int64_t first, int64_t count, int64_t step);

/* The value itself when there is only one. */
int nt_compose_concat(struct nt_graph *graph, int count, const int *values, int axis);

/* A reduction over the axes of a mask. */
int nt_compose_reduce(
    struct nt_graph *graph, const struct nt_op *op, int value, unsigned mask, bool keepdims);

#endif
