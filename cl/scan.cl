/* SPDX-License-Identifier: MIT
 *
 * Running sums or products along an axis of n elements. A line is all elements along the axis at
 * one place of the other dimensions; the host gives it from its end for a reversed scan.
 *
 *   NT_OUTER       number of other dimensions
 *   NT_TYPE        float or int
 *   NT_PRODUCT     1: products, 0: sums
 *   NT_EXCLUSIVE   1: without the element itself
 *   NT_LOCAL       work-items of a work-group (scan_group)
 *
 * scan_tile: a work-group of one work-item does a block of lines. scan_group: a work-item does one.
 */
#include "prelude.clh"
#include "strided.clh"

#define NT_STEPS(k) NT_CAT(NT_STRIDES, NT_OUTER)(k, a)
#define NT_AT(k) NT_CAT(NT_AT, NT_OUTER)(k, a)
#define NT_INT const int
#define OPERANDS                                                                                   \
    __global NT_TYPE *y, const int y_o NT_STEPS(y), __global const NT_TYPE *x,                     \
        const int x_o NT_STEPS(x), const int n, const int y_axis,                                  \
        const int x_axis NT_CAT(NT_EXTENTS, NT_OUTER)(a)

static inline void NT_NAME(line)(
    __global const NT_TYPE *from, __global NT_TYPE *to, int n, int y_axis, int x_axis)
{
    NT_TYPE total = NT_PRODUCT;
    for (int i = 0; i < n; i++) {
        const NT_TYPE before = total, v = from[i * x_axis];
        total = NT_PRODUCT ? before * v : before + v;
        to[i * y_axis] = NT_EXCLUSIVE ? before : total;
    }
}

#ifdef NT_TILE
NT_KERNEL_SINGLE(scan_tile)(const int lines, const int block, OPERANDS)
{
    const int first = (int)get_group_id(0) * block, last = min(lines, first + block);
    for (int line = first; line < last; line++) {
        NT_CAT(NT_SPLIT, NT_OUTER)(a, line)
        NT_NAME(line)(x + (x_o NT_AT(x)), y + (y_o NT_AT(y)), n, y_axis, x_axis);
    }
}
#else
NT_KERNEL_LINE(scan_group)(const int lines, OPERANDS)
{
    const int line = (int)get_global_id(0);
    if (line >= lines)
        return;
    NT_CAT(NT_SPLIT, NT_OUTER)(a, line)
    NT_NAME(line)(x + (x_o NT_AT(x)), y + (y_o NT_AT(y)), n, y_axis, x_axis);
}
#endif
