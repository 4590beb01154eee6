/* SPDX-License-Identifier: MIT
 *
 * What a session holds; shared by session.c and session_build.c.
 */
#ifndef NT_FRONTEND_SESSION_STATE_H
#define NT_FRONTEND_SESSION_STATE_H

#include "frontend/descent.h"
#include "frontend/graph.h"
#include "frontend/session.h"

#define NT_SESSION_MAX_INPUTS 16

struct nt_session {
    struct nt_context *ctx;
    struct nt_graph *graph;
    struct nt_weights *weights;
    struct nt_tape *tape;
    struct nt_feed *feed;
    struct nt_plan_info plan;
    struct nt_descent descent;
    bool training, gradients;
    int inputs, input[NT_SESSION_MAX_INPUTS];      /* graph values */
    int32_t input_buffer[NT_SESSION_MAX_INPUTS];   /* their tape buffers */
    int32_t output_buffer[NT_SESSION_MAX_INPUTS];  /* row-major copies of graph->output */
    int32_t input_gradient[NT_SESSION_MAX_INPUTS]; /* row-major, -1: none */
    int32_t loss, metrics, grads, key;             /* tape buffers, -1: none */
    int carried;                                   /* states that live here */
    struct nt_session_carried {
        int value;
        int32_t buffer;
    } * carry;
    const int *grad; /* gradient values by value */
};

/* Makes the graph, its gradient and its tape, and plans the tape's memory; nothing is on the device
 * yet. Of `parts` parts of the forward pass all but one are computed again. */
enum nt_status nt_session_build(struct nt_session *session, struct nt_device *dev,
    struct nt_model *model, const struct nt_session_params *params, int parts);

#endif
