/* SPDX-License-Identifier: MIT
 *
 * Optimizers: one expression each, run over the whole parameter arena in one launch. The numbers
 * of a step reach the device in a small buffer, so changing them compiles nothing.
 */
#ifndef NT_FRONTEND_OPTIMIZER_H
#define NT_FRONTEND_OPTIMIZER_H

#include "engine/primitives.h"
#include "frontend/session.h"

#define NT_OPTIMIZER_NUMBERS 9

/* Appends the update: tensor[0] the parameters, [1] the gradients, [2..] the state slots, all of
 * one shape; numbers a float32 buffer of NT_OPTIMIZER_NUMBERS. */
enum nt_status nt_optimizer_append(struct nt_tape *tape, enum nt_optimizer optimizer,
    const struct nt_tensor *tensor, int32_t numbers);

/* What the numbers buffer holds in one step. */
enum nt_status nt_optimizer_fill(struct nt_context *ctx, enum nt_optimizer optimizer,
    const struct nt_step_params *step, float numbers[NT_OPTIMIZER_NUMBERS]);

#endif
