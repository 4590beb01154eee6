/* SPDX-License-Identifier: MIT
 *
 * The columns of the K first elements of each row in order; ties: the lower column; NaN is larger
 * than any number. Rows x_r elements apart, columns x_c apart.
 *
 *   NT_INTEGERS     1: of int, 0: of float
 *   NT_DESCENDING   1: the largest first
 *   NT_TILE         1 sort_tile, 0 sort_group
 *
 * sort_tile: a work-group of one work-item sorts `split` rows of columns by merging, in 2 C ints of
 * its own in global memory. sort_group: a work-item does one element: it counts how many come
 * before it.
 */
#include "prelude.clh"

#if NT_INTEGERS
#define E int
#else
#define E float
#endif

/* A number that is the larger the earlier the element comes. */
static inline uint NT_NAME(key)(E v)
{
    const uint bits = as_uint(v == 0 ? (E)0 : v), sign = 0x80000000u;
#if NT_INTEGERS
    const uint key = bits ^ sign;
#else
    const uint key = v != v ? 0xffffffffu : bits & sign ? ~bits : bits | sign;
#endif
    return NT_DESCENDING ? key : ~key;
}

#if NT_TILE

/* Two runs of columns, each in order, as one. */
NT_OUTLINE void NT_NAME(merge)(__global const E *row, int x_c, __global const int *from,
    __global int *to, int low, int middle, int high)
{
    int i = low, j = middle;
    for (int k = low; k < high; k++) {
        const bool second = j < high && (i >= middle || NT_NAME(key)(row[from[j] * x_c]) >
                                                            NT_NAME(key)(row[from[i] * x_c]));
        to[k] = second ? from[j] : from[i];
        j += second;
        i += !second;
    }
}

NT_KERNEL_SINGLE(sort_tile)
(__global const E *x, int x_offset, __global int *index, int index_offset, __global int *scratch,
    int scratch_offset, int x_r, int x_c, int index_r, int index_k, int R, int C, int K, int split)
{
    const int first = (int)get_group_id(0) * split, stop = min(first + split, R);
    __global int *from = scratch + scratch_offset + (int)get_group_id(0) * 2 * C, *to = from + C;
    for (int r = first; r < stop; r++) {
        __global const E *row = x + x_offset + r * x_r;
        for (int c = 0; c < C; c++)
            from[c] = c;
        for (int width = 1; width < C; width *= 2) {
            for (int low = 0; low < C; low += 2 * width)
                NT_NAME(merge)(
                    row, x_c, from, to, low, min(low + width, C), min(low + 2 * width, C));
            __global int *const swap = from;
            from = to;
            to = swap;
        }
        for (int k = 0; k < K; k++)
            index[index_offset + r * index_r + k * index_k] = from[k];
    }
}

#else

NT_KERNEL_LINE(sort_group)
(__global const E *x, int x_offset, __global int *index, int index_offset, int x_r, int x_c,
    int index_r, int index_k, int R, int C, int K)
{
    const int id = (int)get_global_id(0), r = id / C, c = id - r * C;
    if (r >= R)
        return;
    __global const E *row = x + x_offset + r * x_r;
    const uint own = NT_NAME(key)(row[c * x_c]);
    int before = 0;
    for (int i = 0; i < c; i++)
        before += NT_NAME(key)(row[i * x_c]) >= own;
    for (int i = c + 1; i < C; i++)
        before += NT_NAME(key)(row[i * x_c]) > own;
    if (before < K)
        index[index_offset + r * index_r + before * index_k] = c;
}

#endif
