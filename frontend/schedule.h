/* SPDX-License-Identifier: MIT
 *
 * Learning-rate schedules: the rate as a pure function of the step.
 */
#ifndef NT_FRONTEND_SCHEDULE_H
#define NT_FRONTEND_SCHEDULE_H

#include <stdbool.h>

#include "engine/context.h"

#ifdef __cplusplus
extern "C" {
#endif

enum nt_schedule_kind {
    NT_SCHEDULE_CONSTANT,
    NT_SCHEDULE_STEP,   /* rate * gamma^floor(step / step_size) */
    NT_SCHEDULE_COSINE, /* rate * (1 + cos(pi t)) / 2, Loshchilov & Hutter 2017 without restarts */
    NT_SCHEDULE_POLY    /* rate * (1 - t)^power */
};

/* t goes from 0 at the end of the warm-up to 1 at the end of the training. */
struct nt_schedule {
    enum nt_schedule_kind kind;
    double learning_rate; /* the highest rate */
    int64_t steps;        /* of the whole training */
    int64_t warmup;       /* first steps, in which the rate rises linearly: (step + 1) / warmup */
    int64_t step_size;    /* STEP: steps between drops; 0 means a third of the training */
    double gamma;         /* STEP: 0 means 0.1 */
    double power;         /* POLY: 0 means 1 */
};

/* step counts from 0. Thread-safety: a pure function. */
NT_API double nt_schedule_rate(const struct nt_schedule *schedule, int64_t step);

NT_API const char *nt_schedule_name(enum nt_schedule_kind kind); /* "cosine" */
NT_API bool nt_schedule_parse(const char *name, enum nt_schedule_kind *kind);

#ifdef __cplusplus
}
#endif
#endif
