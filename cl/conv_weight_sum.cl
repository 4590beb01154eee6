/* SPDX-License-Identifier: MIT
 *
 * Adds the partial sums of a weight gradient in the order of the splits and their parts, and puts
 * them where weights lie:
 *
 *   dw[row][c][tap] = sum over splits and parts of
 *       partial[split * parts * rows * row_step + part * part_step + row * row_step +
 *           (tap / s * wide + tap % s) * columns + c]
 *
 * Global size: c in vectors of NT_VW, rows. NT_TURNED: where there are 2 to 16 taps.
 */
#include "prelude.clh"
#include "tile.clh"
#include "panels.clh"

#if defined(NT_TURNED) && defined(NT_MASKED) && NT_VW == 16
#define NT_EXCHANGED
#endif

NT_OUTLINE void NT_NAME(conv_weight_vector)(int item, int row, __global const float *partial,
    __global float *dw, int splits, int parts, int rows, int columns, int taps, int s, int wide,
    int row_step, int part_step)
{
    int c0 = item * NT_VW, left = min(NT_VW, columns - c0);
    if (left <= 0 || row >= rows)
        return;
    size_t size = (size_t)parts * rows * row_step;
    partial += (size_t)row * row_step + c0;
    dw += ((size_t)row * columns + c0) * taps;
#ifdef NT_EXCHANGED
    NT_V sums[16];
#endif
    for (int tap = 0; tap < taps; tap++) {
        __global const float *from = partial + (size_t)(tap / s * wide + tap % s) * columns;
        NT_V sum = (NT_V)(0.0f);
        for (int split = 0; split < splits; split++, from += size)
            for (int part = 0; part < parts; part++) {
                sum += NT_READ_PART(from + (size_t)part * part_step, left);
                NT_PREFETCH(from + (size_t)part * part_step + 4 * NT_VW);
            }
        if (taps == 1) {
            NT_WRITE_PART(sum, dw, left);
            continue;
        }
#ifdef NT_EXCHANGED
        sums[tap] = sum;
#else
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
#endif
    }
#ifdef NT_EXCHANGED
    NT_V lines[16];
    NT_UNROLL for (int i = 0; i < 16; i++) lines[i] = i < taps ? sums[i] : (NT_V)(0.0f);
    NT_TURN16_(lines);
    NT_UNROLL for (int i = 0; i < 16; i++) NT_WRITE_PART(
        lines[i], dw + i * taps, i < left ? taps : 0);
#endif
}

NT_KERNEL(conv_weight_sum)
(__global const float *partial, __global float *dw, int dw_offset, int splits, int parts, int rows,
    int columns, int taps, int s, int wide, int row_step, int part_step)
{
    NT_NAME(conv_weight_vector)(get_global_id(0), get_global_id(1), partial, dw + dw_offset, splits,
        parts, rows, columns, taps, s, wide, row_step, part_step);
}
#undef NT_EXCHANGED
