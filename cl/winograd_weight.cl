/* SPDX-License-Identifier: MIT
 *
 * Winograd's transform of weights, G w G', into panels of NT_NR output channels:
 *
 *   to[(i * 6 + j) * plane + k / NT_NR * row + channel * NT_NR + k % NT_NR]
 *
 * zeros beyond the last output channel. w[w_start + k w_k + channel w_c + r w_r + s w_s].
 * A work-item takes a range of blocks of a panel's output x NT_WINOGRAD_BLOCK input channels. It
 * transforms a block in its scratch slot: then memory is written in 36 runs, not in 36 places in
 * turn.
 */
#include "prelude.clh"
#include "tile.clh"
#include "winograd.clh"
#include "winograd_weight.clh"

NT_DEFINE_WINOGRAD_WEIGHT

#define NT_RUN (NT_WINOGRAD_BLOCK * NT_NR)

NT_KERNEL_SINGLE(winograd_weight)
(__global const float *w, int w_offset, __global float *to, __global float *scratch, int k, int c,
    int w_start, int w_k, int w_c, int w_r, int w_s, int row, int plane)
{
    int item = get_global_id(0), items = get_global_size(0);
    int deep = (c + NT_WINOGRAD_BLOCK - 1) / NT_WINOGRAD_BLOCK;
    int all = (k + NT_NR - 1) / NT_NR * deep;
    int end = (int)((long)all * (item + 1) / items);
    __global float *runs = scratch + (size_t)item * 36 * NT_RUN;
    for (int block = (int)((long)all * item / items); block < end; block++) {
        int c0 = block % deep * NT_WINOGRAD_BLOCK, channels = min(NT_WINOGRAD_BLOCK, c - c0);
        for (int j = 0; j < NT_NR; j += NT_VW) {
            int k0 = block / deep * NT_NR + j;
            NT_NAME(weight_block)(w + w_offset + w_start + (k0 < k ? k0 : 0) * w_k + c0 * w_c, w_k,
                w_c, w_r, w_s, k - k0, channels, runs + j, NT_RUN);
        }
        __global float *at = to + (size_t)(block / deep) * row + c0 * NT_NR;
        for (int p = 0; p < 36; p++, at += plane)
            for (int i = 0; i < channels * NT_NR; i += NT_VW)
                NT_VSTORE(NT_VLOAD(runs + p * NT_RUN + i), at + i);
    }
}
