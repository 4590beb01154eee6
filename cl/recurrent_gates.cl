/* SPDX-License-Identifier: MIT
 *
 * What follows or precedes the product with the recurrent weight in one step of a recurrent layer,
 * for N items of H units. Tensors are dense: gates and sums N,G*H; states N,H.
 *
 * Work-items: one to a unit of an item. An item whose length is `step` or less keeps its state.
 *
 * NT_CELL: the cell (cl/cell.clh), or 4: a GRU whose reset gate comes before the product (ONNX
 * linear_before_reset = 0), which needs a launch for each of its two products. NT_PHASE: which.
 */
#include "cell.clh"

#ifndef NT_CELL
#define NT_CELL 2
#endif
#ifndef NT_PHASE
#define NT_PHASE 0
#endif

#define NT_CELL_V float
#define NT_EXP exp

#define NT_GATES_PARAMS                                                                            \
    int N, int H, int step, __global const int *lengths, int lengths_offset, int masked

#define NT_GATES_PLACE                                                                             \
    const int at = (int)get_global_id(0), n = at / H, j = at % H;                                  \
    if (at >= N * H)                                                                               \
        return;                                                                                    \
    const bool ended = masked && step >= lengths[lengths_offset + n];

#if NT_CELL < 4

NT_KERNEL_LINE(recurrent_gates_forward)
(__global const float *a, int a_offset, __global const float *sum, int sum_offset,
    __global float *gates, int gates_offset, __global float *h, int old_h, int new_h,
    __global float *s, int old_s, int new_s, __global float *y, int y_offset, int has_y,
    NT_GATES_PARAMS)
{
    NT_GATES_PLACE
    const int row = n * (NT_GATES * H) + j;
    float x[NT_GATES], r[NT_GATES], gate[NT_GATES], unit = h[old_h + at];
    float state = NT_CELL == 2 ? s[old_s + at] : 0.0f;
    for (int g = 0; g < NT_GATES; g++) {
        x[g] = a[a_offset + row + g * H];
        r[g] = sum[sum_offset + row + g * H];
        gate[g] = 0.0f;
    }
    if (!ended)
        NT_CELL_FORWARD(x, r, gate, unit, state);
    for (int g = 0; g < NT_GATES; g++)
        gates[gates_offset + row + g * H] = gate[g];
    h[new_h + at] = unit;
    if (NT_CELL >= 2)
        s[new_s + at] = state;
    if (has_y)
        y[y_offset + at] = ended ? 0.0f : unit;
}

NT_KERNEL_LINE(recurrent_gates_backward)
(__global const float *gates, int gates_offset, __global const float *h, int old_h,
    __global const float *s, int old_s, __global const float *dy, int dy_offset, int has_dy,
    __global float *da, int da_offset, __global float *dr, int dr_offset, __global float *dh,
    int dh_offset, __global float *ds, int ds_offset, NT_GATES_PARAMS)
{
    NT_GATES_PLACE
    const int row = n * (NT_GATES * H) + j;
    float gate[NT_GATES], d[NT_GATES], last = 0.0f;
    float unit = h[old_h + at], slope = dh[dh_offset + at];
    float state = NT_CELL >= 2 ? s[old_s + at] : 0.0f;
    float state_slope = NT_CELL == 2 ? ds[ds_offset + at] : 0.0f;
    for (int g = 0; g < NT_GATES; g++) {
        gate[g] = gates[gates_offset + row + g * H];
        d[g] = 0.0f;
    }
    if (!ended) {
        if (has_dy)
            slope += dy[dy_offset + at];
        NT_CELL_BACKWARD(gate, unit, state, d, last, slope, state_slope);
    }
    for (int g = 0; g < NT_GATES; g++)
        da[da_offset + row + g * H] = d[g];
    if (NT_CELL == 3)
        for (int g = 0; g < NT_GATES; g++)
            dr[dr_offset + row + g * H] = g == NT_GATES - 1 ? last : d[g];
    dh[dh_offset + at] = slope;
    if (NT_CELL == 2)
        ds[ds_offset + at] = state_slope;
}

#else

/* Phase 0: r, z and s = r h. Phase 1: the candidate and the new state. */
NT_KERNEL_LINE(recurrent_gates_forward)
(__global const float *a, int a_offset, __global const float *sum, int sum_offset,
    __global float *gates, int gates_offset, __global float *h, int old_h, int new_h,
    __global float *s, int old_s, int new_s, __global float *y, int y_offset, int has_y,
    NT_GATES_PARAMS)
{
    NT_GATES_PLACE
    const int row = n * (3 * H) + j;
    const float unit = h[old_h + at];
#if NT_PHASE == 0
    float gate[2];
    for (int g = 0; g < 2; g++) {
        gate[g] = NT_SIGMOID(a[a_offset + row + g * H] + sum[sum_offset + row + g * H]);
        gates[gates_offset + row + g * H] = ended ? 0.0f : gate[g];
    }
    s[new_s + at] = ended ? 0.0f : gate[0] * unit;
#else
    const float candidate = NT_TANH(a[a_offset + row + 2 * H] + sum[sum_offset + row + 2 * H]);
    const float next = candidate + gates[gates_offset + row + H] * (unit - candidate);
    gates[gates_offset + row + 2 * H] = ended ? 0.0f : candidate;
    h[new_h + at] = ended ? unit : next;
    if (has_y)
        y[y_offset + at] = ended ? 0.0f : next;
#endif
}

/* Phase 0: the sums of z and the candidate. Between the two ds becomes the gradient of s.
 * Phase 1: that of r. */
NT_KERNEL_LINE(recurrent_gates_backward)
(__global const float *gates, int gates_offset, __global const float *h, int old_h,
    __global const float *s, int old_s, __global const float *dy, int dy_offset, int has_dy,
    __global float *da, int da_offset, __global float *dr, int dr_offset, __global float *dh,
    int dh_offset, __global float *ds, int ds_offset, NT_GATES_PARAMS)
{
    NT_GATES_PLACE
    const int row = n * (3 * H) + j;
    const float unit = h[old_h + at], slope = dh[dh_offset + at];
#if NT_PHASE == 0
    const float z = gates[gates_offset + row + H], c = gates[gates_offset + row + 2 * H];
    const float full = has_dy && !ended ? slope + dy[dy_offset + at] : slope;
    da[da_offset + row + H] = ended ? 0.0f : full * (unit - c) * NT_SLOPE(z);
    da[da_offset + row + 2 * H] = ended ? 0.0f : full * (1.0f - z) * (1.0f - c * c);
    dh[dh_offset + at] = ended ? full : full * z;
#else
    const float r = gates[gates_offset + row], through = ds[ds_offset + at];
    da[da_offset + row] = ended ? 0.0f : through * unit * NT_SLOPE(r);
    dh[dh_offset + at] = ended ? slope : slope + through * r;
#endif
}

#endif
