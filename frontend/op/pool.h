/* SPDX-License-Identifier: MIT
 *
 * What the pooling operators share.
 */
#ifndef NT_FRONTEND_OP_POOL_H
#define NT_FRONTEND_OP_POOL_H

#include "frontend/op.h"

/* Input 0 to output 0; output 1, when the node has it and something reads it, is the index. */
enum nt_status nt_op_pool_lower(
    struct nt_lowering *lowering, const struct nt_node *node, const struct nt_pool *pool);

/* Inputs dy and, for maxima, index; the output is dx. */
enum nt_status nt_op_pool_lower_backward(
    struct nt_lowering *lowering, const struct nt_node *node, const struct nt_pool *pool);

#endif
