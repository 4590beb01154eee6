/* SPDX-License-Identifier: MIT
 *
 * Winograd's transform of weights, G w G', into panels of NT_NR output channels:
 *
 *   to[(i * 6 + j) * plane + k / NT_NR * row + channel * NT_NR + k % NT_NR]
 *
 * zeros beyond the last output channel. w[w_start + k w_k + channel w_c + r w_r + s w_s].
 * A work-item takes a range of the blocks of NT_VW output x NT_WINOGRAD_BLOCK input channels.
 */
#include "prelude.clh"
#include "tile.clh"
#include "winograd.clh"
#include "winograd_weight.clh"

NT_DEFINE_WINOGRAD_WEIGHT

NT_KERNEL_SINGLE(winograd_weight)
(__global const float *w, int w_offset, __global float *to, int k, int c, int w_start, int w_k,
    int w_c, int w_r, int w_s, int row, int plane)
{
    int item = get_global_id(0), items = get_global_size(0);
    int deep = (c + NT_WINOGRAD_BLOCK - 1) / NT_WINOGRAD_BLOCK;
    int all = (k + NT_NR - 1) / NT_NR * NT_NV * deep;
    int end = (int)((long)all * (item + 1) / items);
    for (int block = (int)((long)all * item / items); block < end; block++) {
        int c0 = block % deep * NT_WINOGRAD_BLOCK, k0 = block / deep * NT_VW;
        NT_NAME(weight_block)(w + w_offset + w_start + (k0 < k ? k0 : 0) * w_k + c0 * w_c, w_k, w_c,
            w_r, w_s, k - k0, min(NT_WINOGRAD_BLOCK, c - c0),
            to + (size_t)(k0 / NT_NR) * row + c0 * NT_NR + k0 % NT_NR, plane);
    }
}
