/* SPDX-License-Identifier: MIT
 *
 * All steps of a recurrent layer in one launch, for CPU devices: items of a batch never meet, so a
 * work-item takes some items through all steps and nobody waits. Tensors are dense: a, gates, da
 * and dr T,N,G*H; h, and s of an LSTM, T+1,N,H with the initial state in the first step's slot
 * (the last when `reverse`); y, dy and s of a GRU T,N,H; dh and ds N,H.
 *
 * The weight comes packed: forward, blocks of NT_VW units, each [H][G][NT_VW], so that the sums of
 * all gates of a unit meet in the same lane; backward, blocks of NT_VW * NT_NV units, each
 * [G*H][NT_VW * NT_NV].
 *
 * Work-items: one per work-group; each has at least NT_MR items, so the last block of its items
 * starts early and leaves out what is done. An item of length `step` or less keeps its state.
 *
 * NT_CELL: see cl/cell.clh. NT_MR, NT_NV, NT_VW: the register tile; forward, NT_NV is G.
 */
#include "cell.clh"
#include "tile.clh"

#ifndef NT_CELL
#define NT_CELL 2
#endif
#ifndef NT_VW
#define NT_VW 8
#endif
#ifndef NT_MR
#define NT_MR 2
#endif
#ifndef NT_NV
#define NT_NV 4
#endif
#ifndef NT_BACK
#define NT_BACK 0
#endif

#define NT_CELL_V NT_V
#define NT_EXP NT_NAME(cell_exp)

NT_OUTLINE NT_V NT_NAME(cell_exp)(NT_V v)
{
    return exp(v);
}

#if !NT_BACK

/* One step of up to NT_VW units of one item. */
NT_OUTLINE void NT_NAME(cell_step)(const NT_V *sum, __global const float *a,
    __global const float *bias, int biased, __global float *gates, __global const float *old_h,
    __global float *new_h, __global const float *old_s, __global float *new_s, __global float *y,
    int has_y, int ended, int H, int left)
{
    NT_V x[NT_GATES], r[NT_GATES], gate[NT_GATES], h = NT_READ_PART(old_h, left);
    NT_V s = NT_CELL == 2 ? NT_READ_PART(old_s, left) : (NT_V)(0.0f);
    for (int g = 0; g < NT_GATES; g++) {
        x[g] = NT_READ_PART(a + g * H, left);
        r[g] = biased ? sum[g] + NT_READ_PART(bias + g * H, left) : sum[g];
        gate[g] = (NT_V)(0.0f);
    }
    if (!ended)
        NT_CELL_FORWARD(x, r, gate, h, s);
    for (int g = 0; g < NT_GATES; g++)
        NT_WRITE_PART(gate[g], gates + g * H, left);
    NT_WRITE_PART(h, new_h, left);
    if (NT_CELL >= 2)
        NT_WRITE_PART(s, new_s, left);
    if (has_y)
        NT_WRITE_PART(ended ? (NT_V)(0.0f) : h, y, left);
}

NT_OUTLINE void NT_NAME(cell_steps)(int first, int stop, __global const float *a,
    __global const float *packed, __global const float *bias, int biased, __global float *gates,
    __global float *h, __global float *s, __global float *y, int has_y, __global const int *lengths,
    int masked, int reverse, int T, int N, int H)
{
    NT_V tile[NT_MR * NT_NV];
    const int size = N * H;
    for (int k = 0; k < T; k++) {
        const int t = reverse ? T - 1 - k : k, old_at = (t + reverse) * size;
        const int new_at = (t + 1 - reverse) * size;
        for (int j = 0; j < H; j += NT_VW) {
            __global const float *panel = packed + (size_t)j * (H * NT_GATES);
            for (int block = first; block < stop; block += NT_MR) {
                const int row = min(block, stop - NT_MR);
                NT_V acc[NT_MR][NT_NV];
                NT_TILE_ZERO(acc);
                NT_TILE_ROWS(acc, h + old_at + row * H, H, panel, NT_NR, H);
                NT_TILE_STORE(acc, tile);
                for (int i = block - row; i < NT_MR; i++) {
                    const int n = row + i, at = n * H + j, wide = (t * N + n) * (NT_GATES * H) + j;
                    NT_NAME(cell_step)(tile + i * NT_NV, a + wide, bias + (biased ? j : 0), biased,
                        gates + wide, h + old_at + at, h + new_at + at,
                        s + (NT_CELL == 2 ? old_at + at : 0),
                        s + (NT_CELL == 2 ? new_at + at : NT_CELL == 3 ? t * size + at : 0),
                        y + (has_y ? t * size + at : 0), has_y, masked && t >= lengths[n], H,
                        H - j);
                }
            }
        }
    }
}

NT_KERNEL_SINGLE(recurrent_tile_forward)
(__global const float *a, int a_offset, __global const float *packed, __global const float *bias,
    int bias_offset, int biased, __global float *gates, int gates_offset, __global float *h,
    int h_offset, __global float *s, int s_offset, __global float *y, int y_offset, int has_y,
    __global const int *lengths, int lengths_offset, int masked, int reverse, int T, int N, int H)
{
    const int item = (int)get_global_id(0), items = (int)get_global_size(0);
    NT_NAME(cell_steps)((int)((long)N * item / items), (int)((long)N * (item + 1) / items),
        a + a_offset, packed, bias + bias_offset, biased, gates + gates_offset, h + h_offset,
        s + s_offset, y + y_offset, has_y, lengths + lengths_offset, masked, reverse, T, N, H);
}

#else

/* The gates of one step of up to NT_VW units of one item. */
NT_OUTLINE void NT_NAME(cell_slope)(__global const float *gates, __global const float *old_h,
    __global const float *old_s, __global const float *dy, int has_dy, __global float *da,
    __global float *dr, __global float *dh, __global float *ds, int ended, int H, int left)
{
    NT_V gate[NT_GATES], d[NT_GATES], last = (NT_V)(0.0f), h = NT_READ_PART(old_h, left);
    NT_V s = NT_CELL >= 2 ? NT_READ_PART(old_s, left) : (NT_V)(0.0f);
    NT_V slope = NT_READ_PART(dh, left);
    NT_V state_slope = NT_CELL == 2 ? NT_READ_PART(ds, left) : (NT_V)(0.0f);
    for (int g = 0; g < NT_GATES; g++) {
        gate[g] = NT_READ_PART(gates + g * H, left);
        d[g] = (NT_V)(0.0f);
    }
    if (!ended) {
        if (has_dy)
            slope += NT_READ_PART(dy, left);
        NT_CELL_BACKWARD(gate, h, s, d, last, slope, state_slope);
    }
    for (int g = 0; g < NT_GATES; g++) {
        NT_WRITE_PART(d[g], da + g * H, left);
        if (NT_CELL == 3)
            NT_WRITE_PART(g == NT_GATES - 1 ? last : d[g], dr + g * H, left);
    }
    NT_WRITE_PART(slope, dh, left);
    if (NT_CELL == 2)
        NT_WRITE_PART(state_slope, ds, left);
}

/* dh += dr W for one step's items. */
NT_OUTLINE void NT_NAME(cell_return)(int first, int stop, __global const float *dr,
    __global const float *packed, __global float *dh, int H)
{
    NT_V tile[NT_MR * NT_NV];
    const int K = NT_GATES * H;
    for (int j = 0; j < H; j += NT_NR) {
        for (int block = first; block < stop; block += NT_MR) {
            const int row = min(block, stop - NT_MR);
            NT_V acc[NT_MR][NT_NV];
            NT_TILE_ZERO(acc);
            NT_TILE_ROWS(acc, dr + row * K, K, packed + (size_t)j * K, NT_NR, K);
            NT_TILE_STORE(acc, tile);
            for (int i = block - row; i < NT_MR; i++)
                for (int v = 0; v < NT_NV && j + v * NT_VW < H; v++) {
                    __global float *to = dh + (row + i) * H + j + v * NT_VW;
                    const int left = H - j - v * NT_VW;
                    NT_WRITE_PART(tile[i * NT_NV + v] + NT_READ_PART(to, left), to, left);
                }
        }
    }
}

NT_KERNEL_SINGLE(recurrent_tile_backward)
(__global const float *gates, int gates_offset, __global const float *packed,
    __global const float *h, int h_offset, __global const float *s, int s_offset,
    __global const float *dy, int dy_offset, int has_dy, __global float *da, int da_offset,
    __global float *dr, int dr_offset, __global float *dh, int dh_offset, __global float *ds,
    int ds_offset, __global const int *lengths, int lengths_offset, int masked, int reverse, int T,
    int N, int H)
{
    const int item = (int)get_global_id(0), items = (int)get_global_size(0), size = N * H;
    const int first = (int)((long)N * item / items), stop = (int)((long)N * (item + 1) / items);
    const int wide = NT_GATES * H;
    for (int k = T - 1; k >= 0; k--) {
        const int t = reverse ? T - 1 - k : k, old_at = (t + reverse) * size;
        for (int n = first; n < stop; n++)
            for (int j = 0; j < H; j += NT_VW) {
                const int at = n * H + j, row = (t * N + n) * wide + j;
                NT_NAME(cell_slope)(gates + gates_offset + row, h + h_offset + old_at + at,
                    s + s_offset + (NT_CELL == 2 ? old_at + at : NT_CELL == 3 ? t * size + at : 0),
                    dy + dy_offset + (has_dy ? t * size + at : 0), has_dy, da + da_offset + row,
                    dr + dr_offset + row, dh + dh_offset + at,
                    ds + ds_offset + (NT_CELL == 2 ? at : 0),
                    masked && t >= lengths[lengths_offset + n], H, H - j);
            }
        NT_NAME(cell_return)(
            first, stop, dr + dr_offset + t * N * wide, packed, dh + dh_offset, H);
    }
}

#endif
