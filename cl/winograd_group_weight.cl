/* SPDX-License-Identifier: MIT
 *
 * Winograd's transform of weights for GPUs, G w G':
 *
 *   to[(i * 6 + j) * c * k + channel * k + output channel]
 *
 * of w[w_start + output channel * w_k + channel * w_c + r * w_r + s * w_s]. A work-item takes the
 * taps of an output and an input channel. NT_WINOGRAD_TAPS: 3 or 5, along each dimension.
 */
#include "prelude.clh"
#include "winograd.clh"

#define NT_TAP(i) tap[i]
#define NT_HALF(i) half_way[line * NT_WINOGRAD_TAPS + (i)]

NT_KERNEL_LINE(winograd_group_weight)
(__global const float *w, int w_offset, __global float *to, int k, int c, int w_start, int w_k,
    int w_c, int w_r, int w_s)
{
    int item = get_global_id(0), plane = c * k;
    if (item >= plane)
        return;
    float tap[NT_WINOGRAD_TAPS], half_way[6 * NT_WINOGRAD_TAPS], out[6];
    w += w_offset + w_start + item % k * w_k + item / k * w_c;
    NT_UNROLL for (int line = 0; line < NT_WINOGRAD_TAPS; line++)
    {
        NT_UNROLL for (int i = 0; i < NT_WINOGRAD_TAPS; i++) tap[i] = w[i * w_r + line * w_s];
        NT_WINOGRAD(WEIGHT)(float, half_way + line, NT_WINOGRAD_TAPS, NT_TAP);
    }
    to += item;
    NT_UNROLL for (int line = 0; line < 6; line++)
    {
        NT_WINOGRAD(WEIGHT)(float, out, 1, NT_HALF);
        NT_UNROLL for (int i = 0; i < 6; i++) to[(line * 6 + i) * plane] = out[i];
    }
}
