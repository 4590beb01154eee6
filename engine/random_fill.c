/* SPDX-License-Identifier: MIT
 *
 * Many random numbers at once. The loops run over lanes without branches, and are compiled for
 * several vector widths. All of them, and the single numbers of random.c, give the same bits:
 * there are additions, multiplications and divisions alone, none contracted.
 */
#include <string.h>

#include "engine/random.h"
#include "engine/random_normal.h"

#define LANES 64

#if defined(__x86_64__) && defined(__GNUC__)
#define BY_WIDTH
#ifdef __clang__
#define WIDEST ""
#else
#define WIDEST ",prefer-vector-width=512"
#endif
#endif

struct lanes {
    uint32_t word[4][LANES];
};

/* The blocks first, first + 1, ... of a stream: nt_philox for each. */
static inline __attribute__((always_inline)) void philox(
    const struct nt_random *random, uint64_t first, struct lanes *out)
{
    uint32_t k0 = (uint32_t)random->key, k1 = (uint32_t)(random->key >> 32);
    uint32_t *c0 = out->word[0], *c1 = out->word[1], *c2 = out->word[2], *c3 = out->word[3];
    for (int i = 0; i < LANES; i++) {
        c0[i] = (uint32_t)(first + (uint64_t)i);
        c1[i] = (uint32_t)((first + (uint64_t)i) >> 32);
        c2[i] = (uint32_t)random->stream;
        c3[i] = (uint32_t)(random->stream >> 32);
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < LANES; i++) {
            uint64_t p0 = (uint64_t)0xD2511F53u * c0[i], p1 = (uint64_t)0xCD9E8D57u * c2[i];
            uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
            uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
            c1[i] = (uint32_t)p1;
            c3[i] = (uint32_t)p0;
            c0[i] = n0;
            c2[i] = n2;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

/* LANES normal or 2 LANES uniform numbers, those of LANES blocks. */
static inline __attribute__((always_inline)) void normal_lanes(
    const struct nt_random *random, uint64_t block, double scale, float *out)
{
    struct lanes lanes;
    philox(random, block, &lanes);
    for (int i = 0; i < LANES; i++)
        out[i] = (float)(scale * nt_normal_of(lanes.word[0][i], lanes.word[1][i], lanes.word[2][i],
                                     lanes.word[3][i]));
}

static inline __attribute__((always_inline)) void uniform_lanes(
    const struct nt_random *random, uint64_t block, double scale, float *out)
{
    struct lanes lanes;
    philox(random, block, &lanes);
    for (int i = 0; i < LANES; i++) {
        out[2 * i] = (float)(scale * (2 * nt_unit_of(lanes.word[0][i], lanes.word[1][i]) - 1));
        out[2 * i + 1] = (float)(scale * (2 * nt_unit_of(lanes.word[2][i], lanes.word[3][i]) - 1));
    }
}

typedef void fill(const struct nt_random *random, uint64_t block, double scale, float *out);

#define FILLS(suffix, width)                                                                       \
    width static void normal_##suffix(                                                             \
        const struct nt_random *random, uint64_t block, double scale, float *out)                  \
    {                                                                                              \
        normal_lanes(random, block, scale, out);                                                   \
    }                                                                                              \
    width static void uniform_##suffix(                                                            \
        const struct nt_random *random, uint64_t block, double scale, float *out)                  \
    {                                                                                              \
        uniform_lanes(random, block, scale, out);                                                  \
    }

FILLS(plain, )
#ifdef BY_WIDTH
FILLS(avx2, __attribute__((target("avx2"))))
FILLS(avx512, __attribute__((target("avx512f,avx512dq" WIDEST))))
#endif

#ifdef BY_WIDTH
#define CHOOSE(kind)                                                                               \
    (__builtin_cpu_supports("avx512dq")  ? kind##_avx512                                           \
        : __builtin_cpu_supports("avx2") ? kind##_avx2                                             \
                                         : kind##_plain)
#else
#define CHOOSE(kind) kind##_plain
#endif

static void run(
    fill *lanes, struct nt_random random, double scale, size_t step, float *out, size_t count)
{
    float rest[2 * LANES];
    uint64_t block = random.position / 4;
    for (; count >= step; count -= step, out += step, block += LANES)
        lanes(&random, block, scale, out);
    if (count) {
        lanes(&random, block, scale, rest);
        memcpy(out, rest, count * sizeof *out);
    }
}

void nt_random_fill_normal(struct nt_random random, double scale, float *out, size_t count)
{
    run(CHOOSE(normal), random, scale, LANES, out, count);
}

void nt_random_fill_uniform(struct nt_random random, double scale, float *out, size_t count)
{
    run(CHOOSE(uniform), random, scale, 2 * LANES, out, count);
}
