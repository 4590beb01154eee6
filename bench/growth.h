/* SPDX-License-Identifier: MIT
 *
 * How the time of a step grows with the batch, and with the pixels of a picture: a constant, which
 * is what a step costs whatever its size, and a slope.
 */
#ifndef NT_BENCH_GROWTH_H
#define NT_BENCH_GROWTH_H

#include <jansson.h>

/* The lines of a measured device: a row for each network and pass that was measured at three
 * batches or more, or at three sizes of picture or more. A new reference. */
json_t *bench_growth(const json_t *device);

#endif
