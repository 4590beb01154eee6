/* SPDX-License-Identifier: MIT
 *
 * What a session counts on the device while it runs, so that the host need not wait for each run.
 * Private to frontend/.
 */
#ifndef NT_FRONTEND_METRICS_H
#define NT_FRONTEND_METRICS_H

#include "frontend/op.h"

/* The int32 input that classifies the first output's items (N,C,... by N,...), or -1. */
int nt_metrics_target(const struct nt_graph *graph);

/* Appends launches that add to three kept numbers, *metrics: loss times items, items whose largest
 * score is the target's, items (those whose target is not -1). Without a loss (-1) nothing. */
enum nt_status nt_metrics_append(struct nt_lowering *lowering, int32_t loss, int32_t *metrics);

#endif
