/* SPDX-License-Identifier: MIT
 *
 * Packs B for gemm_tile where several work-items read the same panels: blocks of `depth` steps of
 * k, in each all panels one after the other (panels.clh). A transposed A, whose rows are columns
 * of what lies in memory, is packed by the same kernel: `take` of them in panels of NT_NR. Work-
 * items take equal ranges of pieces, which are `group` panels of a block of a batch.
 */
#include "prelude.clh"
#include "tile.clh"
#include "panels.clh"

NT_DEFINE_PANELS

NT_OUTLINE void NT_NAME(pack_pieces)(int item, int items, __global const float *b, int b_offset,
    __global float *packed, int n, int k, int b_k, int b_n, int b_batch, int depth, int take,
    int group, int pieces)
{
    int all = (n + take - 1) / take, across = (all + group - 1) / group;
    int down = (k + depth - 1) / depth, end = (int)((long)pieces * (item + 1) / items);
    for (int piece = (int)((long)pieces * item / items); piece < end; piece++) {
        int panel = piece % across * group, block = piece / across % down;
        int batch = piece / across / down, k0 = block * depth, n0 = panel * take;
        __global const float *from =
            b + b_offset + (size_t)batch * b_batch + (size_t)k0 * b_k + (size_t)n0 * b_n;
        __global float *to =
            packed + ((size_t)(batch * down + block) * all + panel) * depth * NT_NR;
        int columns = min(n - n0, group * take), steps = min(depth, k - k0);
        if (b_n == 1)
            NT_NAME(pack_rows_of_panels)(from, b_k, columns, steps, take, to, depth * NT_NR);
        else
            NT_NAME(pack_panels)(from, b_k, b_n, columns, steps, to, depth * NT_NR);
    }
}

NT_KERNEL_SINGLE(gemm_pack)
(__global const float *b, int b_offset, __global float *packed, int n, int k, int b_k, int b_n,
    int b_batch, int depth, int take, int group, int pieces)
{
    NT_NAME(pack_pieces)(get_global_id(0), get_global_size(0), b, b_offset, packed, n, k, b_k, b_n,
        b_batch, depth, take, group, pieces);
}
