/* SPDX-License-Identifier: MIT
 *
 * The class of each row's maximum: the first one on ties; NaN is larger than any number.
 * Rows _r elements apart, classes _c apart.
 *
 * Work-items: _tile: one per work-group, takes `split` rows in order. _group: 1 << split lanes
 * to a row; local memory 2 KiB.
 *
 * NT_TILE: 1 _tile, 0 _group.
 */
#include "prelude.clh"
#include "row.clh"

#ifndef NT_TILE
#define NT_TILE 0
#endif

/* Whether class i with value v comes before class j with value b. */
static inline int NT_NAME(beats)(float v, int i, float b, int j)
{
    const int v_nan = v != v, b_nan = b != b;
    if (v_nan != b_nan)
        return v_nan;
    return v_nan || v == b ? i < j : v > b;
}

#if NT_TILE

NT_OUTLINE int NT_NAME(row)(__global const float *row, int step, int C)
{
    const int16 lanes = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    float16 best = row_load(step == 1 && C >= 16, row, step, 0, C, -INFINITY);
    int16 at = lanes;
    for (int c = 16; c < C; c += 16) {
        const float16 v = row_load(step == 1 && c + 16 <= C, row, step, c, C, -INFINITY);
        const int16 take = (v > best) | ((v != v) & (best == best));
        best = select(best, v, take);
        at = select(at, c + lanes, take);
    }
    float value[16];
    int class[16], winner = 0;
    vstore16(best, 0, value);
    vstore16(at, 0, class);
    NT_SLOWLY for (int i = 1; i < 16; i++)
    {
        if (NT_NAME(beats)(value[i], class[i], value[winner], class[winner]))
            winner = i;
    }
    return class[winner];
}

NT_KERNEL_SINGLE(argmax_tile)
(__global const float *x, int x_offset, __global int *index, int index_offset, int x_r, int x_c,
    int index_r, int R, int C, int split)
{
    const int first = (int)get_group_id(0) * split, stop = min(first + split, R);
    for (int r = first; r < stop; r++)
        index[index_offset + r * index_r] = NT_NAME(row)(x + x_offset + r * x_r, x_c, C);
}

#else

NT_KERNEL_LINE(argmax_group)
(__global const float *x, int x_offset, __global int *index, int index_offset, int x_r, int x_c,
    int index_r, int R, int C, int split)
{
    __local float value[NT_LOCAL];
    __local int class[NT_LOCAL];
    const int lanes = 1 << split, item = (int)get_local_id(0), lane = item & (lanes - 1);
    const int r = (int)(get_global_id(0) >> split), n = r < R ? C : 0;
    __global const float *row = x + x_offset + r * x_r;
    float best = -INFINITY;
    int at = INT_MAX;
    for (int c = lane; c < n; c += lanes) {
        const float v = row[c * x_c];
        if (NT_NAME(beats)(v, c, best, at)) {
            best = v;
            at = c;
        }
    }
    value[item] = best;
    class[item] = at;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_way = lanes / 2; half_way > 0; half_way /= 2) {
        if (lane < half_way && NT_NAME(beats)(value[item + half_way], class[item + half_way],
                                   value[item], class[item])) {
            value[item] = value[item + half_way];
            class[item] = class[item + half_way];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (r < R && lane == 0)
        index[index_offset + r * index_r] = class[item];
}

#endif
