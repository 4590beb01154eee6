/* SPDX-License-Identifier: MIT
 *
 * The numbers that parameters start with. Private to frontend/.
 */
#ifndef NT_FRONTEND_INIT_H
#define NT_FRONTEND_INIT_H

#include "frontend/graph.h"

/* A parameter of `count` numbers; init is not of a file, unless they are none. */
struct nt_init_job {
    const struct nt_init *init;
    uint64_t stream; /* of random numbers */
    float *data;
    size_t count;
};

/* Fills all with constants or with random numbers, in a thread per processor where there are many;
 * the numbers depend on the seed and the streams alone. */
void nt_init_fill(const struct nt_init_job *jobs, int count, uint64_t seed);

#endif
