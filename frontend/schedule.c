/* SPDX-License-Identifier: MIT */
#include "frontend/schedule.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {"constant", "step", "cosine", "poly"};
#define KINDS (sizeof names / sizeof *names)

const char *nt_schedule_name(enum nt_schedule_kind kind)
{
    return (size_t)kind < KINDS ? names[kind] : "unknown";
}

bool nt_schedule_parse(const char *name, enum nt_schedule_kind *kind)
{
    for (size_t i = 0; i < KINDS; i++)
        if (!strcmp(name, names[i])) {
            *kind = (enum nt_schedule_kind)i;
            return true;
        }
    return false;
}

static double factor_by_step(const struct nt_schedule *s, int64_t step)
{
    int64_t size = s->step_size > 0 ? s->step_size : (s->steps + 2) / 3;
    if (size < 1)
        size = 1;
    return pow(s->gamma != 0 ? s->gamma : 0.1, (double)(step / size));
}

double nt_schedule_rate(const struct nt_schedule *s, int64_t step)
{
    if (step < s->warmup)
        return s->learning_rate * (double)(step + 1) / (double)s->warmup;
    double length = (double)(s->steps - s->warmup);
    double t = length > 0 ? fmin((double)(step - s->warmup) / length, 1) : 1;
    switch (s->kind) {
    case NT_SCHEDULE_STEP:
        return s->learning_rate * factor_by_step(s, step);
    case NT_SCHEDULE_COSINE:
        return s->learning_rate * 0.5 * (1 + cos(3.14159265358979323846 * t));
    case NT_SCHEDULE_POLY:
        return s->learning_rate * pow(1 - t, s->power != 0 ? s->power : 1);
    case NT_SCHEDULE_CONSTANT:
        break;
    }
    return s->learning_rate;
}
