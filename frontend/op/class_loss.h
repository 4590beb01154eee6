/* SPDX-License-Identifier: MIT
 *
 * How cross_entropy, nll_loss and multi_margin_loss are made of other operators: nt_op.expand.
 */
#ifndef NT_FRONTEND_OP_CLASS_LOSS_H
#define NT_FRONTEND_OP_CLASS_LOSS_H

#include "frontend/op.h"

/* Leaves plain means over int32 targets to the node itself. */
enum nt_status nt_class_loss_expand(struct nt_graph *graph, struct nt_node *node);
enum nt_status nt_class_loss_expand_margin(struct nt_graph *graph, struct nt_node *node);
enum nt_status nt_class_loss_expand_nll(struct nt_graph *graph, struct nt_node *node);

#endif
