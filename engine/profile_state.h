/* SPDX-License-Identifier: MIT
 *
 * How launches reach the profile. Private to engine/.
 */
#ifndef NT_ENGINE_PROFILE_STATE_H
#define NT_ENGINE_PROFILE_STATE_H

#include "engine/opencl.h"

/* The row of a kernel, made when it is new; -1 without a profile (NULL) or memory. */
int nt_profile_row(
    struct nt_profile *profile, const char *kernel, const char *variant, const char *label);

/* Remembers one call; keeps its own reference of the event. Does nothing for row -1. */
void nt_profile_record(
    struct nt_profile *profile, int row, cl_event event, double flops, double bytes);

void nt_profile_destroy(struct nt_profile *profile);

#endif
