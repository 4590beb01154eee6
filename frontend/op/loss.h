/* SPDX-License-Identifier: MIT
 *
 * What losses share: how elements become one number, and targets that leave extents of 1 out.
 */
#ifndef NT_FRONTEND_OP_LOSS_H
#define NT_FRONTEND_OP_LOSS_H

#include "frontend/op/compose.h"

enum { NT_LOSS_MEAN, NT_LOSS_SUM, NT_LOSS_NONE, NT_LOSS_BATCHMEAN };

#define NT_LOSS_REDUCTION                                                                          \
    {                                                                                              \
        "reduction", NT_ATTR_CHOICE, "of the elements to the result", .choices = "mean|sum|none"   \
    }

/* The losses of each element or item as the attribute "reduction" says. divisor: a value by which
 * the sum is divided in a mean; -1: the number of elements. */
int nt_loss_reduce(struct nt_graph *graph, const struct nt_node *node, int losses, int divisor);

/* An input with the shape of another one, whose extents of 1 it may leave out. */
enum nt_status nt_loss_fit(struct nt_graph *graph, const struct nt_node *node, int input,
    const struct nt_shape *shape, int *out);

/* An expression over values by name and numbers by the node's attributes. A value of -1 stands for
 * 1. */
int nt_loss_formula(struct nt_graph *graph, const struct nt_node *node, const char *text, int count,
    const char *const *names, const int *values);

#endif
