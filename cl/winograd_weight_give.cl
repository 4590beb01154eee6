/* SPDX-License-Identifier: MIT
 *
 * Winograd's transform back to weights: dw[k][channel] = G' m G for
 * m[i][j] = sum over parts of from[(part * 36 + i * 6 + j) * plane + k * row + channel]. dw is
 * row-major. A work-item takes a range of the output channels.
 */
#include "prelude.clh"
#include "tile.clh"
#include "winograd.clh"
#include "winograd_weight.clh"

NT_DEFINE_WINOGRAD_WEIGHT_BACK

NT_KERNEL_SINGLE(winograd_weight_give)
(__global const float *from, __global float *dw, int dw_offset, int k, int c, int row, int plane,
    int parts)
{
    int item = get_global_id(0), items = get_global_size(0);
    int end = (int)((long)k * (item + 1) / items);
    for (int i = (int)((long)k * item / items); i < end; i++)
        NT_NAME(give_row)(from + (size_t)i * row, plane, parts,
            dw + dw_offset + (size_t)i * c * NT_WINOGRAD_AREA, c);
}
