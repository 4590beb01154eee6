/* SPDX-License-Identifier: MIT
 *
 * Winograd's transform of weights, G w G', into panels of NT_NR output channels:
 *
 *   to[(i * 6 + j) * plane + k / NT_NR * row + channel * NT_NR + k % NT_NR]
 *
 * zeros beyond the last output channel. w[w_start + k w_k + channel w_c + r w_r + s w_s].
 * A work-item takes a range of the blocks of NT_VW output x NT_BLOCK input channels.
 *
 * NT_WINOGRAD_TAPS: 3 or 5, along each dimension.
 */
#include "prelude.clh"
#include "tile.clh"
#include "winograd.clh"

#define NT_BLOCK 16
#define NT_TAPS (NT_WINOGRAD_TAPS * NT_WINOGRAD_TAPS)
#define TAP(i) (*(NT_V *)(taps + ((i) * NT_WINOGRAD_TAPS + line) * NT_VW))
#define HALF(i) half_way[line * NT_WINOGRAD_TAPS + (i)]

/* taps: NT_TAPS vectors of an input channel. */
NT_OUTLINE void NT_NAME(weight_lanes)(const float *taps, __global float *to, int plane)
{
    NT_V half_way[6 * NT_WINOGRAD_TAPS], out[6];
    for (int line = 0; line < NT_WINOGRAD_TAPS; line++)
        NT_WINOGRAD(WEIGHT)(NT_V, half_way + line, NT_WINOGRAD_TAPS, TAP);
    for (int line = 0; line < 6; line++) {
        NT_WINOGRAD(WEIGHT)(NT_V, out, 1, HALF);
        for (int i = 0; i < 6; i++)
            NT_VSTORE(out[i], to + (size_t)(line * 6 + i) * plane);
    }
}

NT_KERNEL_SINGLE(winograd_weight)
(__global const float *w, int w_offset, __global float *to, int k, int c, int w_start, int w_k,
    int w_c, int w_r, int w_s, int row, int plane)
{
    float taps[NT_BLOCK * NT_TAPS * NT_VW] __attribute__((aligned(64)));
    int item = get_global_id(0), items = get_global_size(0);
    int deep = (c + NT_BLOCK - 1) / NT_BLOCK;
    int all = (k + NT_NR - 1) / NT_NR * NT_NV * deep;
    int end = (int)((long)all * (item + 1) / items);
    for (int block = (int)((long)all * item / items); block < end; block++) {
        int c0 = block % deep * NT_BLOCK, k0 = block / deep * NT_VW;
        int channels = min(NT_BLOCK, c - c0);
        for (int lane = 0; lane < NT_VW; lane++) {
            bool inside = k0 + lane < k;
            __global const float *from =
                w + w_offset + w_start + (inside ? k0 + lane : 0) * w_k + c0 * w_c;
            for (int i = 0; i < channels; i++)
                NT_UNROLL for (int j = 0; j < NT_TAPS; j++) taps[(i * NT_TAPS + j) * NT_VW + lane] =
                    inside ? from[i * w_c + j / NT_WINOGRAD_TAPS * w_r + j % NT_WINOGRAD_TAPS * w_s] : 0.0f;
        }
        for (int i = 0; i < channels; i++)
            NT_NAME(weight_lanes)(taps + i * NT_TAPS * NT_VW,
                to + (size_t)(k0 / NT_NR) * row + (c0 + i) * NT_NR + k0 % NT_NR, plane);
    }
}

#undef NT_BLOCK
#undef NT_TAPS
#undef TAP
#undef HALF
