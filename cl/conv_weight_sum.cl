/* SPDX-License-Identifier: MIT
 *
 * Adds the partial sums of a weight gradient in the order of the splits, and puts them where
 * weights lie: dw[group][k][c][tap] = sum of partial[split][group][tap][c][k].
 * Global size: groups * (k in vectors of NT_VW), input channels.
 */
#include "prelude.clh"
#include "tile.clh"

NT_OUTLINE void NT_NAME(conv_weight_vector)(int item, int channel, __global const float *partial,
    __global float *dw, int splits, int groups, int k, int c, int taps)
{
    int vectors = (k + NT_VW - 1) / NT_VW, group = item / vectors, k0 = item % vectors * NT_VW;
    if (group >= groups || channel >= c)
        return;
    int left = min(NT_VW, k - k0);
    size_t size = (size_t)groups * taps * c * k;
    partial += ((size_t)group * taps * c + channel) * k + k0;
    dw += ((size_t)(group * k + k0) * c + channel) * taps;
    for (int tap = 0; tap < taps; tap++) {
        __global const float *from = partial + (size_t)tap * c * k;
        NT_V sum = NT_READ_PART(from, left);
        for (int split = 1; split < splits; split++)
            sum += NT_READ_PART(from + split * size, left);
        union {
            NT_V v;
            float f[NT_VW];
        } lanes;
        lanes.v = sum;
        NT_SLOWLY for (int i = 0; i < left; i++) dw[(size_t)i * c * taps + tap] = lanes.f[i];
    }
}

NT_KERNEL(conv_weight_sum)
(__global const float *partial, __global float *dw, int dw_offset, int splits, int groups, int k,
    int c, int taps)
{
    NT_NAME(conv_weight_vector)(get_global_id(0), get_global_id(1), partial, dw + dw_offset, splits,
        groups, k, c, taps);
}
