/* SPDX-License-Identifier: MIT
 *
 * From random words to numbers, without branches and without the system's mathematics, whose last
 * bits differ from one to the next. Private to engine/random*.c.
 */
#ifndef NT_ENGINE_RANDOM_NORMAL_H
#define NT_ENGINE_RANDOM_NORMAL_H

#include <stdint.h>
#include <string.h>

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

/* 53 bits in [0, 1). */
static inline double nt_unit_of(uint32_t first, uint32_t second)
{
    return ((int32_t)(first >> 5) * 0x1p26 + (int32_t)(second >> 6)) * 0x1p-53;
}

/* log(u) for a normal number u > 0: u = 2^e m with m in [1/sqrt 2, sqrt 2), and
 * log m = 2 (s + s^3/3 + s^5/5 + ...) with s = (m - 1) / (m + 1), |s| < 0.172. */
static inline double nt_log_of(double u)
{
    uint64_t bits;
    memcpy(&bits, &u, sizeof bits);
    /* Adding the difference of 1 and sqrt 1/2 carries into the exponent where m is large. */
    bits += 0x3ff0000000000000u - 0x3fe6a09e667f3bcdu;
    uint64_t power = (bits >> 52) | 0x4330000000000000u; /* as a number: 2^52 + e + 1023 */
    uint64_t rest = (bits & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu;
    double e, m;
    memcpy(&e, &power, sizeof e);
    memcpy(&m, &rest, sizeof m);
    e -= 0x1p52 + 1023;
    double s = (m - 1) / (m + 1), z = s * s, sum = 1.0 / 19;
    sum = sum * z + 1.0 / 17;
    sum = sum * z + 1.0 / 15;
    sum = sum * z + 1.0 / 13;
    sum = sum * z + 1.0 / 11;
    sum = sum * z + 1.0 / 9;
    sum = sum * z + 1.0 / 7;
    sum = sum * z + 1.0 / 5;
    sum = sum * z + 1.0 / 3;
    return e * 0.6931471805599453 + 2 * (s + s * z * sum);
}

/* cos(2 pi v) for v in [0, 1): by quarters of the circle and the series of sine and cosine. */
static inline double nt_cos_turns(double v)
{
    int32_t quarter = (int32_t)(4 * v + 0.5);
    double a = (v - 0.25 * quarter) * 6.283185307179586, z = a * a;
    double s = -1.0 / 1307674368000, c = 1.0 / 20922789888000;
    s = s * z + 1.0 / 6227020800;
    s = s * z - 1.0 / 39916800;
    s = s * z + 1.0 / 362880;
    s = s * z - 1.0 / 5040;
    s = s * z + 1.0 / 120;
    s = s * z - 1.0 / 6;
    s = a + a * z * s;
    c = c * z - 1.0 / 87178291200;
    c = c * z + 1.0 / 479001600;
    c = c * z - 1.0 / 3628800;
    c = c * z + 1.0 / 40320;
    c = c * z - 1.0 / 720;
    c = c * z + 1.0 / 24;
    c = c * z - 0.5;
    c = 1 + c * z;
    double odd = quarter & 1, sign = 1 - ((quarter + 1) & 2);
    return sign * (odd * s + (1 - odd) * c);
}

/* The root of x in [0, 100], of very small ones about 0: Newton's method for 1 / sqrt x, begun with
 * half the exponent. */
static inline double nt_root_of(double x)
{
    x += 1e-300; /* its square's root is a number still */
    uint64_t bits;
    double y, half = 0.5 * x;
    memcpy(&bits, &x, sizeof bits);
    bits = 0x5fe6eb50c7b537a9u - (bits >> 1);
    memcpy(&y, &bits, sizeof y);
    for (int i = 0; i < 4; i++)
        y = y * (1.5 - half * y * y);
    return x * y;
}

/* Box & Muller, A note on the generation of random normal deviates, 1958. */
static inline double nt_normal_of(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    return nt_root_of(-2 * nt_log_of(1 - nt_unit_of(a, b))) * nt_cos_turns(nt_unit_of(c, d));
}

#endif
