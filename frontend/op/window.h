/* SPDX-License-Identifier: MIT
 *
 * What operators with windows over one to three spatial dimensions share: the padding attribute.
 */
#ifndef NT_FRONTEND_OP_WINDOW_H
#define NT_FRONTEND_OP_WINDOW_H

#include "frontend/op.h"

/* "valid": none. "same": so much that the output's extent is the input's over the stride, rounded
 * up, the odd one after; "same_lower": the odd one before. "full": all but one of the window. */
enum {
    NT_PADDING_VALID,
    NT_PADDING_SAME,
    NT_PADDING_SAME_LOWER,
    NT_PADDING_FULL,
};
#define NT_WINDOW_PADDINGS "valid|same|same_lower|full"

/* The row of an attribute "padding": a number, one per dimension, or one before and one after each
 * dimension ({top, left, bottom, right}); or a word. */
#define NT_WINDOW_PADDING(text)                                                                    \
    {                                                                                              \
        "padding", NT_ATTR_INTS, text, .max = 1 << 16, .choices = NT_WINDOW_PADDINGS, .count = 8   \
    }

/* Padding of each of `dims` dimensions. reach: the extent that a window covers, dilation
 * (kernel - 1) + 1; in: the input's extent. */
enum nt_status nt_window_padding(struct nt_graph *graph, const struct nt_node *node, int dims,
    const int64_t *in, const int64_t *reach, const int64_t *stride, int64_t *before,
    int64_t *after);

/* The same for a node whose attribute was checked. */
void nt_window_get_padding(const struct nt_node *node, int dims, const int64_t *in,
    const int64_t *reach, const int64_t *stride, int64_t *before, int64_t *after);

#endif
