/* SPDX-License-Identifier: MIT */
#include "frontend/half.h"

#include <math.h>
#include <string.h>

float nt_half_to_float(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float value = exponent == 0   ? ldexpf((float)fraction, -24)
                  : exponent < 31 ? ldexpf((float)(fraction + 1024), exponent - 25)
                  : fraction      ? NAN
                                  : INFINITY;
    return bits & 0x8000 ? -value : value;
}

float nt_half_bfloat16_to_float(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}
