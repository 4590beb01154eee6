/* SPDX-License-Identifier: MIT
 *
 * Whether the matrix units of an NVIDIA GPU can be reached (PTX ISA, "mma.sync.aligned.m16n8k8",
 * tf32): fails to build where they cannot. A 16 x 8 of `a` times B 8 x 8 of `b`: every element of
 * the product is 8 a b. Benchmarks try it. One work-group of 32; out has 4 elements per work-item.
 */
#include "prelude.clh"

NT_KERNEL(matrix_ptx)(__global float *out, float a, float b)
{
    uint x = as_uint(a), y = as_uint(b);
    float4 d = (float4)(0.0f);
    __asm__ volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
                     "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                     : "+f"(d.x), "+f"(d.y), "+f"(d.z), "+f"(d.w)
                     : "r"(x), "r"(x), "r"(x), "r"(x), "r"(y), "r"(y));
    vstore4(d, get_global_id(0), out);
}
