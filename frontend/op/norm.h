/* SPDX-License-Identifier: MIT
 *
 * What normalisations share: (x - mean) / sqrt(variance + epsilon) over some dimensions, with an
 * affine map after it, and its gradient through the statistics.
 *
 * Statistics have the shape of x with extent 1 in the reduced dimensions. With groups, dimension 1
 * is reduced within each of so many groups of neighbouring channels, and the statistics are
 * repeated for every channel of a group.
 */
#ifndef NT_FRONTEND_OP_NORM_H
#define NT_FRONTEND_OP_NORM_H

#include "frontend/op.h"

struct nt_norm {
    int axes, axis[NT_MAX_RANK]; /* reduced dimensions, without dimension 1 when there are groups */
    int64_t groups;              /* 0: none */
    double epsilon;
};

/* mean and 1 / sqrt(variance + epsilon), the variance divided by the count. */
struct nt_norm_statistics {
    int mean, rstd;
    int running_mean, running_var; /* their new values, when old ones were given */
};

/* running: values of the old running mean and variance (of one number per statistic) and of the
 * scalar weight of the new ones; NULL: none. The new running variance takes the unbiased one. */
enum nt_status nt_norm_statistics(struct nt_graph *graph, const struct nt_norm *norm, int x,
    const int running[3], struct nt_norm_statistics *out);

/* (x - mean) rstd weight + bias, with the gradient through the statistics of x. weight and bias
 * broadcast to x; -1: none (no bias without a weight). */
enum nt_status nt_norm_apply(struct nt_graph *graph, const struct nt_norm *norm, int x,
    const struct nt_norm_statistics *statistics, int weight, int bias, int *y);

/* Makes input[1] (weight, ones) and input[2] (bias, zeros) of the given shape unless they were
 * given. */
enum nt_status nt_norm_parameters(
    struct nt_graph *graph, struct nt_node *node, const struct nt_shape *shape, bool bias);

/* A value of one number per channel, reshaped so that it broadcasts to a tensor of the rank. */
int nt_norm_by_channel(struct nt_graph *graph, int value, int rank);

#endif
