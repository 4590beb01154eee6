/* SPDX-License-Identifier: MIT
 *
 * Copies of strided elements as raw bits. The host defines
 *
 *   NT_SIZE     bytes of an element: 1, 4 or 8
 *   NT_VEC      elements at once (copy)
 *   NT_PARTS    when rows may end with less than NT_VEC (copy_tile)
 *   NT_OUTER    number of outer dimensions
 *   NT_FROM, NT_INTO   how the innermost dimension is walked: D dense, G with a stride; the
 *               source also S, the same element, or V, a value instead of memory (fill)
 *   NT_LOCAL    work-items of a work-group (group variants)
 *
 * copy_tile and copy_group divide the work as map_tile and map_group do. The transposes turn
 * rows of m elements that are dense in the source, n of them, into n dense elements, m times:
 * y[i * y_step + j] = x[j * x_step + i], for each index of the outer dimensions.
 */
#include "prelude.clh"
#include "strided.clh"

#define E NT_CAT(NT_BITS, NT_SIZE)
#define NT_STEPS(k) NT_CAT(NT_STRIDES, NT_OUTER)(k, a)
#define NT_AT(k) NT_CAT(NT_AT, NT_OUTER)(k, a)
#define NT_INT const int
#define WIDE NT_VECTOR(E, NT_VEC)

/* Not NT_CAT, which would not be expanded again inside its own result. */
#define KIND_(a, b) a##b
#define KIND(a, b) KIND_(a, b)
#define FROM_PARAMETERS KIND(FROM_PARAMETERS_, NT_FROM)
#define FROM_PARAMETERS_D , __global const E *x, const int x_o NT_STEPS(x)
#define FROM_PARAMETERS_S FROM_PARAMETERS_D
#define FROM_PARAMETERS_G FROM_PARAMETERS_D, const int x_s
#define FROM_PARAMETERS_V , const uint low, const uint high
#define FROM_ROW KIND(FROM_ROW_, NT_FROM)
#define FROM_ROW_D __global const E *const from = x + (x_o NT_AT(x));
#define FROM_ROW_G FROM_ROW_D
#define FROM_ROW_S FROM_ROW_D const E value = from[0];
#define FROM_ROW_V const E value = (E)(low | (ulong)high << 32);
#define FROM_LOAD KIND(FROM_LOAD_, NT_FROM)
#define FROM_LOAD_D NT_GET(E, NT_VEC, from + i)
#define FROM_LOAD_S (WIDE)(value)
#define FROM_LOAD_V (WIDE)(value)
#define FROM_ALIGNED_D *(__global const WIDE *)(from + i)
#define FROM_ALIGNED_S (WIDE)(value)
#define FROM_ALIGNED_V (WIDE)(value)
#define FROM_AT(i) KIND(FROM_AT_, NT_FROM)(i)
#define FROM_AT_D(i) from[i]
#define FROM_AT_G(i) from[(i) * x_s]
#define FROM_AT_S(i) value
#define FROM_AT_V(i) value
#define INTO_PARAMETERS , __global E *y, const int y_o NT_STEPS(y) NT_CAT(NT_STEP_, NT_INTO)(y)
#define INTO_ROW __global E *const into = y + (y_o NT_AT(y));
#define INTO_AT(i) KIND(INTO_AT_, NT_INTO)(i)
#define INTO_AT_D(i) into[i]
#define INTO_AT_G(i) into[(i) * y_s]

#ifdef NT_COPY_TILE
NT_KERNEL_SINGLE(copy_tile)(const int n, const int chunk, const int rows, const int block
    NT_CAT(NT_EXTENTS, NT_OUTER)(a) INTO_PARAMETERS FROM_PARAMETERS)
{
    const int begin = (int)get_group_id(0) * chunk, end = min(n, begin + chunk);
    const int first = (int)get_group_id(1) * block, last = min(rows, first + block);
    for (int row = first; row < last; row++) {
        NT_CAT(NT_SPLIT, NT_OUTER)(a, row)
        INTO_ROW
        FROM_ROW
        int i = begin;
#ifdef NT_VECTORS
        for (; i + NT_VEC <= end; i += NT_VEC)
            NT_PUT(FROM_LOAD, E, NT_VEC, into + i);
#endif
#if !defined(NT_VECTORS) || defined(NT_PARTS)
        NT_SLOWLY for (; i < end; i++) INTO_AT(i) = FROM_AT(i);
#endif
    }
}
#endif

#ifdef NT_COPY_GROUP
NT_KERNEL_LINE(copy_group)(const int n, const int count
    NT_CAT(NT_EXTENTS, NT_OUTER)(a) INTO_PARAMETERS FROM_PARAMETERS)
{
    const int id = (int)get_global_id(0);
    if (id >= count)
        return;
    const int row = id / n, i = (id - row * n) * NT_VEC;
    NT_CAT(NT_SPLIT, NT_OUTER)(a, row)
    INTO_ROW
    FROM_ROW
#ifdef NT_VECTORS
    *(__global WIDE *)(into + i) = KIND(FROM_ALIGNED_, NT_FROM);
#else
    INTO_AT(i) = FROM_AT(i);
#endif
}
#endif

#ifdef NT_TRANSPOSE_TILE
/* A work-group does all n of `chunk` of the m, in squares that stay in the first-level cache. */
NT_KERNEL_SINGLE(transpose_tile)(const int m, const int n, const int chunk, const int x_step,
    const int y_step NT_CAT(NT_EXTENTS, NT_OUTER)(a) INTO_PARAMETERS FROM_PARAMETERS)
{
    const int begin = (int)get_group_id(0) * chunk, end = min(m, begin + chunk);
    const int row = (int)get_group_id(1);
    NT_CAT(NT_SPLIT, NT_OUTER)(a, row)
    INTO_ROW
    FROM_ROW
    for (int i0 = begin; i0 < end; i0 += NT_SIDE) {
        const int i1 = min(end, i0 + NT_SIDE);
        for (int j0 = 0; j0 < n; j0 += NT_SIDE) {
            const int j1 = min(n, j0 + NT_SIDE);
            for (int i = i0; i < i1; i++)
                NT_SLOWLY for (int j = j0; j < j1; j++) into[i * y_step + j] = from[j * x_step + i];
        }
    }
}
#endif

#ifdef NT_TRANSPOSE_GROUP
/* A work-group does a square, NT_SIDE wide, through local memory: reads and writes are both
 * coalesced. */
NT_KERNEL_LINE(transpose_group)(const int m, const int n, const int squares_m,
    const int squares_n, const int x_step, const int y_step
    NT_CAT(NT_EXTENTS, NT_OUTER)(a) INTO_PARAMETERS FROM_PARAMETERS)
{
    __local E square[NT_SIDE][NT_SIDE + 1];
    const int fast = (int)get_local_id(0) % NT_SIDE, slow = (int)get_local_id(0) / NT_SIDE;
    const int group = NT_GROUP_PLACE(NT_LOCAL);
    const int rest = group / squares_m, row = rest / squares_n;
    const int i0 = (group - rest * squares_m) * NT_SIDE, j0 = (rest - row * squares_n) * NT_SIDE;
    NT_CAT(NT_SPLIT, NT_OUTER)(a, row)
    INTO_ROW
    FROM_ROW
    if (i0 + fast < m && j0 + slow < n)
        square[slow][fast] = from[(j0 + slow) * x_step + i0 + fast];
    barrier(CLK_LOCAL_MEM_FENCE);
    if (i0 + slow < m && j0 + fast < n)
        into[(i0 + slow) * y_step + j0 + fast] = square[fast][slow];
}
#endif
