/* SPDX-License-Identifier: MIT
 *
 * Whether the device computes with 16-bit floats: fails to build where it does not. out[i] becomes
 * 1.5 x rounds + 0.25, exact in half up to 1024 rounds / 1.5. Benchmarks try it. local size: any.
 */
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#include "prelude.clh"

NT_KERNEL(half_peak)(__global float *out, int rounds)
{
    half sum = (half)0.25f, step = (half)1.5f, one = (half)1.0f;
    for (int round = 0; round < rounds; round++)
        sum = fma(step, one, sum);
    out[get_global_id(0)] = (float)sum;
}
