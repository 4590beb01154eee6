/* SPDX-License-Identifier: MIT
 *
 * The numbers that a parameter starts with. Private to frontend/.
 */
#ifndef NT_FRONTEND_INIT_H
#define NT_FRONTEND_INIT_H

#include "frontend/graph.h"

/* Fills data[0..count) with a constant or with random numbers, in several threads where there are
 * many; the numbers depend on the seed and the stream alone. init is not of a file. */
void nt_init_fill(
    const struct nt_init *init, uint64_t seed, uint64_t stream, float *data, size_t count);

#endif
