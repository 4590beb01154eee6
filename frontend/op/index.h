/* SPDX-License-Identifier: MIT
 *
 * What operators with an index tensor share.
 */
#ifndef NT_FRONTEND_OP_INDEX_H
#define NT_FRONTEND_OP_INDEX_H

#include "frontend/op.h"

/* The attribute "axis", from 0 on. */
int nt_index_axis(const struct nt_node *node, int rank);

/* Fails unless the input is int32. */
enum nt_status nt_index_check(struct nt_graph *graph, const struct nt_node *node, int input);

/* Fails unless the index lies within the shape of input 0 but for the axis, which is set. */
enum nt_status nt_index_check_elements(
    struct nt_graph *graph, const struct nt_node *node, int index_input, int *axis);

/* The part of a table that an index of this shape can reach. */
struct nt_tensor nt_index_within(struct nt_tensor table, int axis, const struct nt_shape *index);

#endif
