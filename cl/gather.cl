/* SPDX-License-Identifier: MIT
 *
 * Elements chosen by an index along one axis. The rows are the outer dimensions of the result,
 * n elements each; x has stride 0 along the axis there, which the index adds.
 *
 *   y[at] = x[at without the axis + index[at] * step]
 *
 * An index from -count to -1 counts from the end; any other outside 0..count-1 gives `bad`.
 *
 *   NT_SIZE     bytes of an element: 1, 4 or 8
 *   NT_OUTER    number of outer dimensions
 *   NT_WHOLE    when the index is the same in a whole row
 *   NT_LOCAL    work-items of a work-group (gather_group)
 *
 * gather_tile: a work-group of one work-item does a block of rows and a chunk of their elements.
 * gather_group: a work-item does one element.
 */
#include "prelude.clh"
#include "strided.clh"

#define E NT_CAT(NT_BITS, NT_SIZE)
#define NT_STEPS(k) NT_CAT(NT_STRIDES, NT_OUTER)(k, a)
#define NT_AT(k) NT_CAT(NT_AT, NT_OUTER)(k, a)
#define NT_INT const int
#define OPERANDS                                                                                   \
    __global E *y, const int y_o, const int y_s NT_STEPS(y), __global const E *x, const int x_o,   \
        const int x_s NT_STEPS(x), __global const int *index, const int index_o,                   \
        const int index_s NT_STEPS(index), const int step, const int count, const uint low,        \
        const uint high NT_CAT(NT_EXTENTS, NT_OUTER)(a)

/* The offset of an index, or -1. */
static inline int NT_NAME(place)(int index, int step, int count)
{
    index += index < 0 ? count : 0;
    return index >= 0 && index < count ? index : -1;
}

#ifdef NT_TILE
NT_KERNEL_SINGLE(gather_tile)(const int n, const int chunk, const int rows, const int block,
    OPERANDS)
{
    const int begin = (int)get_group_id(0) * chunk, end = min(n, begin + chunk);
    const int first = (int)get_group_id(1) * block, last = min(rows, first + block);
    const E bad = (E)(low | (ulong)high << 32);
    for (int row = first; row < last; row++) {
        NT_CAT(NT_SPLIT, NT_OUTER)(a, row)
        __global E *const into = y + (y_o NT_AT(y));
        __global const E *const from = x + (x_o NT_AT(x));
        __global const int *const by = index + (index_o NT_AT(index));
#ifdef NT_WHOLE
        const int at = NT_NAME(place)(by[0], step, count);
        __global const E *const part = from + max(at, 0) * step;
        if (at < 0)
            for (int i = begin; i < end; i++)
                into[i * y_s] = bad;
        else if (y_s == 1 && x_s == 1)
            for (int i = begin; i < end; i++)
                into[i] = part[i];
        else
            for (int i = begin; i < end; i++)
                into[i * y_s] = part[i * x_s];
#else
        for (int i = begin; i < end; i++) {
            const int at = NT_NAME(place)(by[i * index_s], step, count);
            into[i * y_s] = at < 0 ? bad : from[i * x_s + at * step];
        }
#endif
    }
}
#else
NT_KERNEL_LINE(gather_group)(const int n, const int elements, OPERANDS)
{
    const int id = (int)get_global_id(0);
    if (id >= elements)
        return;
    const int row = id / n, i = id - row * n;
    NT_CAT(NT_SPLIT, NT_OUTER)(a, row)
    const int at = NT_NAME(place)(index[index_o NT_AT(index) + i * index_s], step, count);
    const E bad = (E)(low | (ulong)high << 32);
    y[y_o NT_AT(y) + i * y_s] = at < 0 ? bad : x[x_o NT_AT(x) + i * x_s + max(at, 0) * step];
}
#endif
