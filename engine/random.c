/* SPDX-License-Identifier: MIT */
#include "engine/random.h"

#include <stdbool.h>

#include "engine/random_normal.h"

void nt_philox(uint64_t key, uint64_t lo, uint64_t hi, uint32_t out[4])
{
    uint32_t c0 = (uint32_t)lo, c1 = (uint32_t)(lo >> 32);
    uint32_t c2 = (uint32_t)hi, c3 = (uint32_t)(hi >> 32);
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

double nt_uniform(double counter, double key)
{
    uint32_t words[4];
    bool sound = counter >= 0 && counter < 0x1p32 && key >= 0 && key < 0x1p53;
    nt_philox(sound ? (uint64_t)key : 0, sound ? (uint64_t)counter : 0, 0, words);
    return (double)(words[0] >> 8) * 0x1p-24;
}

uint32_t nt_random_u32(struct nt_random *random)
{
    uint32_t block[4];
    nt_philox(random->key, random->position / 4, random->stream, block);
    return block[random->position++ % 4];
}

double nt_random_uniform(struct nt_random *random)
{
    uint32_t first = nt_random_u32(random), second = nt_random_u32(random);
    return nt_unit_of(first, second);
}

double nt_random_normal(struct nt_random *random)
{
    uint32_t block[4];
    if (random->position % 4 == 0) { /* all four words of one block */
        nt_philox(random->key, random->position / 4, random->stream, block);
        random->position += 4;
    } else {
        for (int i = 0; i < 4; i++)
            block[i] = nt_random_u32(random);
    }
    return nt_normal_of(block[0], block[1], block[2], block[3]);
}

uint64_t nt_random_below(struct nt_random *random, uint64_t bound)
{
    uint64_t low = -bound % bound, value; /* 2^64 mod bound: values below it would be biased */
    do {
        value = (uint64_t)nt_random_u32(random) << 32;
        value |= nt_random_u32(random);
    } while (value < low);
    return value % bound;
}

void nt_random_permutation(struct nt_random *random, uint32_t *order, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint32_t i = count; i > 1; i--) {
        uint32_t j = (uint32_t)nt_random_below(random, i), t = order[i - 1];
        order[i - 1] = order[j];
        order[j] = t;
    }
}
