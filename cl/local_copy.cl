/* SPDX-License-Identifier: MIT
 *
 * The rate of local memory: each work-item of a group moves one vector `rounds` times from its
 * place in one half of a local array to its neighbour's in the other, with a barrier between.
 * Benchmarks ask it. local size: NT_GROUP; out has one element per work-item.
 */
#include "prelude.clh"

#define V NT_VECTOR(float, NT_VW)

NT_KERNEL(local_copy)(__global float *out, int rounds, float start)
{
    __local V half_of_it[2][NT_GROUP];
    int item = get_local_id(0), next = (item + 1) % NT_GROUP;
    half_of_it[0][item] = (V)(start + item);
    half_of_it[1][item] = (V)(0.0f);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int round = 0; round < rounds; round++) {
        half_of_it[(round + 1) & 1][next] = half_of_it[round & 1][item];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    float lane[NT_VW];
    NT_VECTOR(vstore, NT_VW)(half_of_it[rounds & 1][item], 0, lane);
    out[get_global_id(0)] = lane[0];
}

#undef V
