/* SPDX-License-Identifier: MIT
 *
 * A checked recurrent layer, as the variants receive it. Private to engine/op/.
 */
#ifndef NT_ENGINE_OP_RECURRENT_H
#define NT_ENGINE_OP_RECURRENT_H

#include "engine/launch.h"
#include "engine/primitives.h"

struct nt_recurrent_problem {
    const struct nt_recurrent *layer;
    int64_t steps, items, units, gates; /* T, N, H, G */
    const struct nt_tensor *a, *y;      /* forward; y may be NULL */
    const struct nt_tensor *dy, *da;    /* backward; dy may be NULL */
    const struct nt_tensor *dr;         /* the same as da where they do not differ */
    const struct nt_tensor *dh, *ds;    /* ds is NULL but for an LSTM */
    const char *reason;
};

enum nt_status nt_recurrent_tile_forward(
    struct nt_tape *tape, const struct nt_recurrent_problem *p);
enum nt_status nt_recurrent_tile_backward(
    struct nt_tape *tape, const struct nt_recurrent_problem *p);

/* The rule that a layer breaks, NULL when "group" can compute it. */
const char *nt_recurrent_group_rule(const struct nt_recurrent_problem *p);
enum nt_status nt_recurrent_group_forward(
    struct nt_tape *tape, const struct nt_recurrent_problem *p);
enum nt_status nt_recurrent_group_backward(
    struct nt_tape *tape, const struct nt_recurrent_problem *p);

enum nt_status nt_recurrent_steps_forward(
    struct nt_tape *tape, const struct nt_recurrent_problem *p);
enum nt_status nt_recurrent_steps_backward(
    struct nt_tape *tape, const struct nt_recurrent_problem *p);

/* An argument for a tensor that may be left out: then any other, which the kernel does not touch,
 * and 0 for whether there is one. */
void nt_recurrent_optional(struct nt_launch *launch, const struct nt_tensor *tensor,
    const struct nt_tensor *other, enum nt_access access);

/* The arguments of whole-layer kernels: (a packed bias gates h s y ...) and (gates packed h s dy
 * ...), see cl/recurrent_tile.cl. packed: the weight as the variant wants it. */
void nt_recurrent_forward_args(struct nt_launch *launch, const struct nt_recurrent_problem *p);
void nt_recurrent_backward_args(struct nt_launch *launch, const struct nt_recurrent_problem *p);

#endif
