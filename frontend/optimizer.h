/* SPDX-License-Identifier: MIT
 *
 * Optimizers: one expression each, run over the whole parameter arena in one launch. The numbers
 * of a step reach the device in a small buffer, so changing them compiles nothing.
 */
#ifndef NT_FRONTEND_OPTIMIZER_H
#define NT_FRONTEND_OPTIMIZER_H

#include "engine/primitives.h"
#include "frontend/session.h"

#define NT_OPTIMIZER_NUMBERS 10
#define NT_OPTIMIZER_SLOTS 3 /* at most */

/* What an update works on; all of one shape, but factor. */
struct nt_optimizer_tensors {
    struct nt_tensor parameters, gradients, slot[NT_OPTIMIZER_SLOTS];
    struct nt_tensor mask;   /* 1 where weight decay and L1 apply, else 0; buffer -1: everywhere */
    struct nt_tensor factor; /* one element that multiplies the gradients; buffer -1: none */
};

/* Appends the update. numbers: a float32 buffer of NT_OPTIMIZER_NUMBERS. */
enum nt_status nt_optimizer_append(struct nt_tape *tape, enum nt_optimizer optimizer,
    const struct nt_optimizer_tensors *tensors, int32_t numbers);

/* Appends what computes the factor that limits the global norm of all gradients, clipped by value
 * before, as PyTorch's clip_grad_norm_: min(1, limit / (norm + 1e-6)). Sums in a fixed order. */
enum nt_status nt_optimizer_append_factor(struct nt_tape *tape, int count,
    const struct nt_tensor *gradients, int32_t numbers, const struct nt_tensor *factor);

/* What the numbers buffer holds in one step. */
enum nt_status nt_optimizer_fill(struct nt_context *ctx, enum nt_optimizer optimizer,
    const struct nt_step_params *step, float numbers[NT_OPTIMIZER_NUMBERS]);

/* PyTorch's name of a state slot: "momentum_buffer". */
const char *nt_optimizer_slot_name(enum nt_optimizer optimizer, int slot);

#endif
