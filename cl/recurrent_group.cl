/* SPDX-License-Identifier: MIT
 *
 * All steps of a recurrent layer in one launch, for GPUs: items of a batch never meet, so a
 * work-group takes NT_ITEMS of them through all steps with barriers of its own. Tensors as in
 * cl/recurrent_tile.cl; the weight is transposed forward, [H][G*H], and as it is backward,
 * [G*H][H], so that neighbouring work-items read neighbouring floats.
 *
 * Work-items: each takes units j, j + the group's size, ... of all the group's items. Local
 * memory: NT_ROOM floats, the state (forward) or the gates' gradients (backward) of one step.
 *
 * NT_CELL: see cl/cell.clh.
 */
#include "cell.clh"

#ifndef NT_CELL
#define NT_CELL 2
#endif
#ifndef NT_BACK
#define NT_BACK 0
#endif
#ifndef NT_ITEMS
#define NT_ITEMS 4
#endif
#ifndef NT_ROOM
#define NT_ROOM 4096
#endif

#define NT_CELL_V float
#define NT_EXP exp

#if !NT_BACK

NT_KERNEL_LINE(recurrent_group_forward)
(__global const float *a, int a_offset, __global const float *across, __global const float *bias,
    int bias_offset, int biased, __global float *gates, int gates_offset, __global float *h,
    int h_offset, __global float *s, int s_offset, __global float *y, int y_offset, int has_y,
    __global const int *lengths, int lengths_offset, int masked, int reverse, int T, int N, int H)
{
    __local float state[NT_ROOM];
    const int lane = (int)get_local_id(0), lanes = NT_LOCAL, size = N * H;
    const int first = NT_GROUP_PLACE(NT_LOCAL) * NT_ITEMS, count = min(NT_ITEMS, N - first);
    const int wide = NT_GATES * H;
    for (int k = 0; k < T; k++) {
        const int t = reverse ? T - 1 - k : k;
        const int old_at = (t + reverse) * size, new_at = (t + 1 - reverse) * size;
        for (int i = lane; i < NT_ITEMS * H; i += lanes)
            state[i] = i < count * H ? h[h_offset + old_at + first * H + i] : 0.0f;
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int j = lane; j < H; j += lanes) {
            float sum[NT_ITEMS][NT_GATES];
            for (int i = 0; i < NT_ITEMS; i++)
                for (int g = 0; g < NT_GATES; g++)
                    sum[i][g] = biased ? bias[bias_offset + g * H + j] : 0.0f;
            for (int q = 0; q < H; q++)
                for (int g = 0; g < NT_GATES; g++) {
                    const float w = across[q * wide + g * H + j];
                    for (int i = 0; i < NT_ITEMS; i++)
                        sum[i][g] += state[i * H + q] * w;
                }
            for (int i = 0; i < count; i++) {
                const int n = first + i, at = n * H + j, row = (t * N + n) * wide + j;
                const bool ended = masked && t >= lengths[lengths_offset + n];
                float x[NT_GATES], gate[NT_GATES], unit = state[i * H + j];
                float cell = NT_CELL == 2 ? s[s_offset + old_at + at] : 0.0f;
                for (int g = 0; g < NT_GATES; g++) {
                    x[g] = a[a_offset + row + g * H];
                    gate[g] = 0.0f;
                }
                if (!ended)
                    NT_CELL_FORWARD(x, sum[i], gate, unit, cell);
                for (int g = 0; g < NT_GATES; g++)
                    gates[gates_offset + row + g * H] = gate[g];
                h[h_offset + new_at + at] = unit;
                if (NT_CELL >= 2)
                    s[s_offset + (NT_CELL == 2 ? new_at : t * size) + at] = cell;
                if (has_y)
                    y[y_offset + t * size + at] = ended ? 0.0f : unit;
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    }
}

#else

NT_KERNEL_LINE(recurrent_group_backward)
(__global const float *gates, int gates_offset, __global const float *weight, int weight_offset,
    __global const float *h, int h_offset, __global const float *s, int s_offset,
    __global const float *dy, int dy_offset, int has_dy, __global float *da, int da_offset,
    __global float *dr, int dr_offset, __global float *dh, int dh_offset, __global float *ds,
    int ds_offset, __global const int *lengths, int lengths_offset, int masked, int reverse, int T,
    int N, int H)
{
    __local float slopes[NT_ROOM];
    const int lane = (int)get_local_id(0), lanes = NT_LOCAL, size = N * H;
    const int first = NT_GROUP_PLACE(NT_LOCAL) * NT_ITEMS, count = min(NT_ITEMS, N - first);
    const int wide = NT_GATES * H;
    for (int i = lane; i < NT_ITEMS * wide; i += lanes)
        slopes[i] = 0.0f;
    for (int k = T - 1; k >= 0; k--) {
        const int t = reverse ? T - 1 - k : k, old_at = (t + reverse) * size;
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int j = lane; j < H; j += lanes)
            for (int i = 0; i < count; i++) {
                const int n = first + i, at = n * H + j, row = (t * N + n) * wide + j;
                float gate[NT_GATES], d[NT_GATES], last = 0.0f, unit = h[h_offset + old_at + at];
                float slope = dh[dh_offset + at];
                float cell = NT_CELL == 2   ? s[s_offset + old_at + at]
                             : NT_CELL == 3 ? s[s_offset + t * size + at]
                                            : 0.0f;
                float cell_slope = NT_CELL == 2 ? ds[ds_offset + at] : 0.0f;
                for (int g = 0; g < NT_GATES; g++) {
                    gate[g] = gates[gates_offset + row + g * H];
                    d[g] = 0.0f;
                }
                if (!(masked && t >= lengths[lengths_offset + n])) {
                    if (has_dy)
                        slope += dy[dy_offset + t * size + at];
                    NT_CELL_BACKWARD(gate, unit, cell, d, last, slope, cell_slope);
                }
                for (int g = 0; g < NT_GATES; g++) {
                    const float to_state = g == NT_GATES - 1 ? last : d[g];
                    da[da_offset + row + g * H] = d[g];
                    slopes[i * wide + g * H + j] = to_state;
                    if (NT_CELL == 3)
                        dr[dr_offset + row + g * H] = to_state;
                }
                dh[dh_offset + at] = slope;
                if (NT_CELL == 2)
                    ds[ds_offset + at] = cell_slope;
            }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int j = lane; j < H; j += lanes) {
            float sum[NT_ITEMS];
            for (int i = 0; i < NT_ITEMS; i++)
                sum[i] = 0.0f;
            for (int q = 0; q < wide; q++) {
                const float w = weight[weight_offset + q * H + j];
                for (int i = 0; i < NT_ITEMS; i++)
                    sum[i] += slopes[i * wide + q] * w;
            }
            for (int i = 0; i < count; i++)
                dh[dh_offset + (first + i) * H + j] += sum[i];
        }
    }
}

#endif
