/* SPDX-License-Identifier: MIT
 *
 * Elements combined by an index along one axis, without atomics:
 *
 *   y[at with index[at] along the axis] = COMBINE(itself, x[at])     for each place `at` of x
 *
 * Rows are the dimensions of x other than the axis and the innermost one, of n elements; `length`
 * is x's extent along the axis. Each result belongs to one work-item: it has a range of the
 * result's axis, looks at all indices in order, and takes what falls into its range, so the order
 * is that of x. An index from -count to -1 counts from the end; any other outside 0..count-1 does
 * nothing.
 *
 *   NT_OUTER   number of outer dimensions
 *   NT_WHOLE   when the index is the same in a whole row
 *   NT_HOW     replace, sum, product, largest or smallest: NaN wins in both
 *   NT_TYPE    float or int
 *   NT_LOCAL   work-items of a work-group (scatter_group)
 *
 * scatter_tile: a work-group of one work-item does a range of the axis (first grid dimension)
 * of a block of rows (second), all n elements. scatter_group: a work-item does one element of
 * the n of a row, for one range.
 */
#include "prelude.clh"
#include "strided.clh"

#define COMBINE_replace(a, b) (b)
#define COMBINE_sum(a, b) ((a) + (b))
#define COMBINE_product(a, b) ((a) * (b))
#define COMBINE_largest(a, b) ((b) > (a) || (b) != (b) ? (b) : (a))
#define COMBINE_smallest(a, b) ((b) < (a) || (b) != (b) ? (b) : (a))
#define INTO(place, value) (place) = NT_CAT(COMBINE_, NT_HOW)((place), (value))

#define NT_STEPS(k) NT_CAT(NT_STRIDES, NT_OUTER)(k, a)
#define NT_AT(k) NT_CAT(NT_AT, NT_OUTER)(k, a)
#define NT_INT const int
#define OPERANDS                                                                                   \
    __global NT_TYPE *y, const int y_o, const int y_s NT_STEPS(y), __global const NT_TYPE *x,      \
        const int x_o, const int x_s NT_STEPS(x), __global const int *index, const int index_o,    \
        const int index_s NT_STEPS(index), const int y_axis, const int x_axis,                     \
        const int index_axis, const int length, const int count NT_CAT(NT_EXTENTS, NT_OUTER)(a)

#ifdef NT_TILE
NT_KERNEL_SINGLE(scatter_tile)(
    const int n, const int range, const int rows, const int block, OPERANDS)
{
    const int low = (int)get_group_id(0) * range, high = min(count, low + range);
    const int first = (int)get_group_id(1) * block, last = min(rows, first + block);
    for (int row = first; row < last; row++) {
        NT_CAT(NT_SPLIT, NT_OUTER)(a, row)
        __global NT_TYPE *const into = y + (y_o NT_AT(y));
        for (int l = 0; l < length; l++) {
            __global const NT_TYPE *const from = x + (x_o NT_AT(x) + l * x_axis);
            __global const int *const by = index + (index_o NT_AT(index) + l * index_axis);
#ifdef NT_WHOLE
            int at = by[0];
            at += at < 0 ? count : 0;
            if (at < low || at >= high)
                continue;
            __global NT_TYPE *const part = into + at * y_axis;
            if (y_s == 1 && x_s == 1)
                for (int i = 0; i < n; i++)
                    INTO(part[i], from[i]);
            else
                for (int i = 0; i < n; i++)
                    INTO(part[i * y_s], from[i * x_s]);
#else
            NT_SLOWLY for (int i = 0; i < n; i++) {
                int at = by[i * index_s];
                at += at < 0 ? count : 0;
                if (at >= low && at < high)
                    INTO(into[i * y_s + at * y_axis], from[i * x_s]);
            }
#endif
        }
    }
}
#else
NT_KERNEL_LINE(scatter_group)(const int n, const int range, const int places,
    const int items, OPERANDS)
{
    const int id = (int)get_global_id(0);
    if (id >= items)
        return;
    const int part = id / places, place = id - part * places, row = place / n, i = place - row * n;
    const int low = part * range, high = min(count, low + range);
    NT_CAT(NT_SPLIT, NT_OUTER)(a, row)
    __global NT_TYPE *const into = y + (y_o NT_AT(y) + i * y_s);
    __global const NT_TYPE *const from = x + (x_o NT_AT(x) + i * x_s);
    __global const int *const by = index + (index_o NT_AT(index) + i * index_s);
    for (int l = 0; l < length; l++) {
        int at = by[l * index_axis];
        at += at < 0 ? count : 0;
        if (at >= low && at < high)
            INTO(into[at * y_axis], from[l * x_axis]);
    }
}
#endif
