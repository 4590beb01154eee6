/* SPDX-License-Identifier: MIT
 *
 * The device's rate of copying: `count` vectors of NT_VW floats, `block` consecutive ones for each
 * work-item (CPU devices), or one by one in turn over all work-items (NT_INTERLEAVE: GPUs).
 * Benchmarks compare with it. local size: any.
 */
#include "prelude.clh"

#define V NT_VECTOR(float, NT_VW)

NT_KERNEL(copy)(__global const V *from, __global V *to, int count, int block)
{
#ifdef NT_INTERLEAVE
    for (int i = get_global_id(0); i < count; i += get_global_size(0))
        to[i] = from[i];
#else
    int first = get_global_id(0) * block, last = min(first + block, count);
    for (int i = first; i < last; i++)
        to[i] = from[i];
#endif
}

#undef V
