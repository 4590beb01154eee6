/* SPDX-License-Identifier: MIT
 *
 * Winograd's transform back to weights for GPUs: dw[e] = G' m G for every pair e of an output and
 * an input channel, of `count` pairs in the order in which dw has them, where
 *
 *   m[i][j] = sum over splits of from[((i * 6 + j) * splits + split) * count + e]
 *
 * A work-item takes a pair. NT_WINOGRAD_TAPS: 3 or 5, along each dimension.
 */
#include "prelude.clh"
#include "winograd.clh"

#define NT_SUM(i) sum[(i) * 6 + line]
#define NT_HALF(i) half_way[line * 6 + (i)]

NT_KERNEL_LINE(winograd_group_weight_give)
(__global const float *from, __global float *dw, int dw_offset, int count, int splits)
{
    int item = get_global_id(0);
    if (item >= count)
        return;
    float sum[36], half_way[6 * NT_WINOGRAD_TAPS], out[NT_WINOGRAD_TAPS];
    from += item;
    NT_UNROLL for (int p = 0; p < 36; p++) sum[p] = from[p * splits * count];
    for (int split = 1; split < splits; split++) {
        from += count;
        NT_UNROLL for (int p = 0; p < 36; p++) sum[p] += from[p * splits * count];
    }
    NT_UNROLL for (int line = 0; line < 6; line++)
        NT_WINOGRAD(WEIGHT_BACK)(float, half_way + line, 6, NT_SUM);
    dw += dw_offset + item * (NT_WINOGRAD_TAPS * NT_WINOGRAD_TAPS);
    NT_UNROLL for (int line = 0; line < NT_WINOGRAD_TAPS; line++)
    {
        NT_WINOGRAD(WEIGHT_BACK)(float, out, 1, NT_HALF);
        NT_UNROLL for (int i = 0; i < NT_WINOGRAD_TAPS; i++)
            dw[line * NT_WINOGRAD_TAPS + i] = out[i];
    }
}
