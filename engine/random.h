/* SPDX-License-Identifier: MIT
 *
 * Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3", SC11). The n-th number of a stream needs no state, so work may
 * be split, repeated and resumed with the same result. Thread-safety: pure functions.
 */
#ifndef NT_ENGINE_RANDOM_H
#define NT_ENGINE_RANDOM_H

#include "engine/context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* out[0..3] for a 64-bit key (the seed) and a 128-bit counter (lo, hi). */
NT_API void nt_philox(uint64_t key, uint64_t lo, uint64_t hi, uint32_t out[4]);

/* A number in [0, 1) of 24 bits that belongs to a counter (below 2^32) and a key (below 2^53): what
 * the function uniform of expressions computes on a device. */
NT_API double nt_uniform(double counter, double key);

/* A stream: key and high counter half name it, position counts 32-bit numbers. */
struct nt_random {
    uint64_t key, stream, position;
};
NT_API uint32_t nt_random_u32(struct nt_random *random);
NT_API double nt_random_uniform(struct nt_random *random); /* [0, 1), 53 bits */
NT_API double nt_random_normal(struct nt_random *random);  /* mean 0, deviation 1 (Box-Muller) */
/* out[0..count): what so many calls of nt_random_normal give, times scale; or 2 u - 1 of those of
 * nt_random_uniform, times scale. The stream's position is a multiple of 4. The same bits, several
 * times as fast, and a part of a stream may be filled by itself: a normal number takes 4 of the
 * position, a uniform one 2. */
NT_API void nt_random_fill_normal(struct nt_random random, double scale, float *out, size_t count);
NT_API void nt_random_fill_uniform(struct nt_random random, double scale, float *out, size_t count);
NT_API uint64_t nt_random_below(struct nt_random *random, uint64_t bound); /* unbiased; bound > 0 */

/* Fills order[0..count) with a random permutation of 0..count-1 (Fisher-Yates). */
NT_API void nt_random_permutation(struct nt_random *random, uint32_t *order, uint32_t count);

#ifdef __cplusplus
}
#endif
#endif
