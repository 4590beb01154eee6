/* SPDX-License-Identifier: MIT
 *
 * Adds the partial sums of a weight gradient in the order of the splits, and puts them where
 * weights lie: dw[row][c][tap] = sum of partial[split][row][tap][c].
 * Global size: c in vectors of NT_VW, rows.
 */
#include "prelude.clh"
#include "tile.clh"

NT_OUTLINE void NT_NAME(conv_weight_vector)(int item, int row, __global const float *partial,
    __global float *dw, int splits, int rows, int c, int taps)
{
    int c0 = item * NT_VW, left = min(NT_VW, c - c0);
    if (left <= 0 || row >= rows)
        return;
    size_t size = (size_t)rows * taps * c;
    partial += (size_t)row * taps * c + c0;
    dw += ((size_t)row * c + c0) * taps;
    for (int tap = 0; tap < taps; tap++) {
        __global const float *from = partial + (size_t)tap * c;
        NT_V sum = NT_READ_PART(from, left);
        for (int split = 1; split < splits; split++)
            sum += NT_READ_PART(from + split * size, left);
        if (taps == 1) {
            NT_WRITE_PART(sum, dw, left);
            continue;
        }
        union {
            NT_V v;
            float f[NT_VW];
        } lanes;
        lanes.v = sum;
        if (left == NT_VW) {
            NT_UNROLL for (int i = 0; i < NT_VW; i++) dw[i * taps + tap] = lanes.f[i];
        } else {
            NT_SLOWLY for (int i = 0; i < left; i++) dw[i * taps + tap] = lanes.f[i];
        }
    }
}

NT_KERNEL(conv_weight_sum)
(__global const float *partial, __global float *dw, int dw_offset, int splits, int rows, int c,
    int taps)
{
    NT_NAME(conv_weight_vector)(get_global_id(0), get_global_id(1), partial, dw + dw_offset, splits,
        rows, c, taps);
}
