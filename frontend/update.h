/* SPDX-License-Identifier: MIT
 *
 * What a run of a session changes besides the weights: states become the values that the graph
 * says (nt_graph_update). New values are gathered in a buffer of their own and copied over the old
 * ones after everything else, so the run itself sees the old ones alone.
 */
#ifndef NT_FRONTEND_UPDATE_H
#define NT_FRONTEND_UPDATE_H

#include "frontend/op.h"

struct nt_update {
    int state, value;
    struct nt_tensor to, fresh; /* the state; its place in the buffer of new values */
    bool copy;                  /* the value lies elsewhere */
};

struct nt_updates {
    int count;
    struct nt_update *update; /* in the order in which the states lie in memory */
};

/* Before lowering, when states and everything else with a given place are bound. */
enum nt_status nt_updates_bind(struct nt_lowering *lowering, struct nt_updates *updates);

/* After the last reader of a state. */
enum nt_status nt_updates_append(struct nt_lowering *lowering, const struct nt_updates *updates);

void nt_updates_release(struct nt_updates *updates);

#endif
