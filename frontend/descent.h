/* SPDX-License-Identifier: MIT
 *
 * The end of a training step: gradients clipped, parameters updated, by groups of parameters.
 * A part of a session.
 */
#ifndef NT_FRONTEND_DESCENT_H
#define NT_FRONTEND_DESCENT_H

#include "frontend/graph.h"
#include "frontend/optimizer.h"

struct nt_descent {
    enum nt_optimizer optimizer;
    bool clips;         /* by the global norm */
    int32_t numbers;    /* tape buffers, -1: none */
    int32_t mask;       /* 1 where penalties apply */
    float *mask_values; /* until nt_descent_start */
    size_t elements;
};

/* Fails unless each alternative of the patterns (NULL: none) names a parameter of the graph. what:
 * the option's name. */
enum nt_status nt_descent_check_patterns(
    struct nt_graph *graph, const char *what, const char *patterns);

/* Marks the parameters that stay as they are: before nt_gradient. Fails when these are all. */
enum nt_status nt_descent_freeze(struct nt_graph *graph, const char *patterns);

/* Appends clipping and update. grads: the buffer of gradients, in the order of the weights. */
enum nt_status nt_descent_append(struct nt_descent *descent, struct nt_tape *tape,
    const struct nt_graph *graph, struct nt_weights *weights,
    const struct nt_session_params *params, int32_t grads);

/* Once the tape is built; and before each run. */
enum nt_status nt_descent_start(struct nt_descent *descent, struct nt_tape *tape);
enum nt_status nt_descent_write(
    struct nt_descent *descent, struct nt_tape *tape, const struct nt_step_params *step);

void nt_descent_finish(struct nt_descent *descent);

#endif
