/* SPDX-License-Identifier: MIT
 *
 * The device's rate of fused multiply-adds: 16 independent chains of NT_VW floats, rounds long.
 * Benchmarks compare with it. local size: any; out has one element per work-item.
 */
#include "prelude.clh"

#define V NT_VECTOR(float, NT_VW)

NT_KERNEL(peak)(__global float *out, int rounds, float scale, float shift)
{
    V chain[16];
    _Pragma("unroll") for (int i = 0; i < 16; i++) chain[i] = (V)(i * 0.01f + shift);
    V a = (V)(scale), b = (V)(shift);
    for (int round = 0; round < rounds; round++) {
        _Pragma("unroll") for (int i = 0; i < 16; i++) chain[i] = chain[i] * a + b;
    }
    V sum = chain[0];
    _Pragma("unroll") for (int i = 1; i < 16; i++) sum += chain[i];
    float lane[NT_VW], total = 0.0f;
    NT_VECTOR(vstore, NT_VW)(sum, 0, lane);
    for (int i = 0; i < NT_VW; i++)
        total += lane[i];
    out[get_global_id(0)] = total;
}
