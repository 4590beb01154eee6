/* SPDX-License-Identifier: MIT
 *
 * Reductions of expressions over strided operands. There are kept dimensions (index a), reduced
 * dimensions (index b), and one vector dimension of n elements, the one along which most is
 * dense: "rows" kernels reduce along it, "columns" kernels keep it. The host defines
 *
 *   NT_VEC, NT_PARTS, NT_INPUTS(X), NT_EXPRESSION   as for map.cl
 *   NT_KEPT, NT_REDUCED   numbers of the other kept and reduced dimensions
 *   NT_OPERATION          SUM, MAX, MIN or PROD
 *   NT_TERMS              reductions of the same inputs at once: 1, or 2 (columns_tile)
 *   NT_INTO               how the result is walked along the vector dimension (columns): D or G
 *   NT_COLUMNS            vectors of a column chunk (columns_tile)
 *   NT_LOCAL, NT_LANES    work-items of a work-group, and those that share a result (group)
 *
 * The work may be cut into parts along the reduced dimensions; the result of part p goes y0_g * p
 * elements further. Sums have two levels in tile kernels: `flush` vectors are added up before
 * they are added to the total, so the error grows with the root of the number of elements.
 */
#include "prelude.clh"
#include "strided.clh"
#include "tile.clh"

#define NT_SCALAR float
#define T NT_VECTOR(NT_SCALAR, NT_VEC)
#define C(x) ((T)(x))
#define NT_STEPS(k) NT_CAT(NT_STRIDES, NT_KEPT)(k, a) NT_CAT(NT_STRIDES, NT_REDUCED)(k, b)
#define NT_AT(k) NT_CAT(NT_AT, NT_KEPT)(k, a) NT_CAT(NT_AT, NT_REDUCED)(k, b)
#define NT_INT const int
#define EXTENTS NT_CAT(NT_EXTENTS, NT_KEPT)(a) NT_CAT(NT_EXTENTS, NT_REDUCED)(b)

#define NEUTRAL_SUM 0.0f
#define NEUTRAL_PROD 1.0f
#define NEUTRAL_MAX -INFINITY
#define NEUTRAL_MIN INFINITY
#define NEUTRAL NT_CAT(NEUTRAL_, NT_OPERATION)
#define JOIN_SUM(p, q) ((p) + (q))
#define JOIN_PROD(p, q) ((p) * (q))
#define JOIN_MAX(p, q) select(q, p, ((p) >= (q)) | ((p) != (p)))
#define JOIN_MIN(p, q) select(q, p, ((p) <= (q)) | ((p) != (p)))
#define JOIN(p, q) NT_CAT(JOIN_, NT_OPERATION)(p, q)

/* What there is once more for a second term. */
#if NT_TERMS == 2
#define AGAIN(...) __VA_ARGS__
#else
#define AGAIN(...)
#endif

#define RESULT                                                                                     \
    , __global float *y0, const int y0_o AGAIN(, __global float *y1, const int y1_o),              \
        const int y0_g NT_CAT(NT_STRIDES, NT_KEPT)(y0, a)
#define RESULT_ARGUMENTS , y0, y0_o AGAIN(, y1, y1_o), y0_g NT_CAT(NT_STRIDES, NT_KEPT)(y0, a)
#define RESULT_AT(part) (part) * y0_g NT_CAT(NT_AT, NT_KEPT)(y0, a)

/* T out0 = the term at elements i, ... of the current row, of which m are left. */
#ifdef NT_PARTS
#define TERM                                                                                       \
    const int m = end - i;                                                                         \
    NT_INPUTS(NT_IN_DECLARE)                                                                       \
    if (m < NT_VEC) {                                                                              \
        NT_INPUTS(NT_IN_LANES)                                                                     \
        NT_SLOWLY for (int j = 0; j < m; j++) { NT_INPUTS(NT_IN_LANE) }                            \
        NT_INPUTS(NT_IN_JOIN)                                                                      \
    } else {                                                                                       \
        NT_INPUTS(NT_IN_LOAD)                                                                      \
    }                                                                                              \
    T out0 AGAIN(, out1);                                                                          \
    NT_EXPRESSION
#else
#define TERM                                                                                       \
    NT_INPUTS(NT_IN_DECLARE)                                                                       \
    NT_INPUTS(NT_IN_LOAD)                                                                          \
    T out0 AGAIN(, out1);                                                                          \
    NT_EXPRESSION
#endif

#ifdef NT_ROWS_TILE
NT_OUTLINE void NT_NAME(reduce_rows)(const int begin, const int end,
    const int first, const int last, const int from, const int to, const int part,
    const int flush, const float scale
    EXTENTS RESULT NT_INPUTS(NT_IN_PARAMETERS))
{
    for (int result = from; result < to; result++) {
        NT_CAT(NT_SPLIT, NT_KEPT)(a, result)
        T total = C(NEUTRAL), some = C(NEUTRAL);
        int left = flush;
        for (int row = first; row < last; row++) {
            NT_CAT(NT_SPLIT, NT_REDUCED)(b, row)
            NT_INPUTS(NT_IN_ROW)
            for (int i = begin; i < end; i += NT_VEC) {
                TERM
#ifdef NT_PARTS
                if (m < NT_VEC) {
                    float rest[NT_VEC];
                    NT_VECTOR(vstore, NT_VEC)(out0, 0, rest);
                    NT_SLOWLY for (int j = m; j < NT_VEC; j++) rest[j] = NEUTRAL;
                    out0 = NT_VECTOR(vload, NT_VEC)(0, rest);
                }
#endif
                some = JOIN(some, out0);
                if (--left == 0) {
                    total = JOIN(total, some);
                    some = C(NEUTRAL);
                    left = flush;
                }
            }
        }
        total = JOIN(total, some);
        float lanes[NT_VEC];
        NT_VECTOR(vstore, NT_VEC)(total, 0, lanes);
        for (int step = NT_VEC / 2; step > 0; step /= 2)
            NT_SLOWLY for (int j = 0; j < step; j++) lanes[j] = JOIN(lanes[j], lanes[j + step]);
        y0[y0_o + RESULT_AT(part)] = scale * lanes[0];
    }
}

/* Grid: chunks of the vector dimension, blocks of reduced rows, blocks of results. */
NT_KERNEL_SINGLE(reduce_rows_tile)(const int n, const int chunk, const int rows, const int block,
    const int results, const int results_block, const int flush, const float scale
    EXTENTS RESULT NT_INPUTS(NT_IN_PARAMETERS))
{
    const int begin = (int)get_group_id(0) * chunk, end = min(n, begin + chunk);
    const int first = (int)get_group_id(1) * block, last = min(rows, first + block);
    const int from = (int)get_group_id(2) * results_block, to = min(results, from + results_block);
    const int part = (int)get_group_id(1) * (int)get_num_groups(0) + (int)get_group_id(0);
#undef NT_INT
#define NT_INT
    NT_NAME(reduce_rows)(begin, end, first, last, from, to, part, flush, scale
        EXTENTS RESULT_ARGUMENTS NT_INPUTS(NT_IN_ARGUMENTS));
#undef NT_INT
#define NT_INT const int
}
#endif

#ifdef NT_COLUMNS_TILE
/* Rows of a block, of which some vectors at once are added up in registers, then the next ones. */
#define BLOCK 8
#define VECTORS 4

/* Fetches so many vectors of what follows a block, where rows lie one after the other: a block is
 * not read in the order of memory. */
#if NT_REDUCED == 1 && !defined(NT_PARTS)
#define FETCH(count)                                                                               \
    do {                                                                                           \
        const int fetched = count;                                                                 \
        NT_INPUTS(FETCH_INPUT)                                                                     \
        after += fetched * NT_VEC;                                                                 \
    } while (0)
#define BEFORE_BLOCK                                                                               \
    int after = 0;                                                                                 \
    NT_CAT(NT_SPLIT, NT_REDUCED)(b, stop)                                                          \
    NT_INPUTS(NEXT_INPUT)
#else
#define FETCH(count)
#define BEFORE_BLOCK
#endif
#define NEXT_INPUT(n, kind, type) NEXT_##kind(n, type)
#define NEXT_D(n, type)                                                                            \
    __global const NT_E_##type *const x##n##_next = x##n + (x##n##_o NT_AT(x##n)) + begin;
#define NEXT_G(n, type)
#define NEXT_S(n, type)
#define NEXT_V(n, type)
#define FETCH_INPUT(n, kind, type) FETCH_##kind(n)
#define FETCH_D(n)                                                                                 \
    if (x##n##_b0 == end - begin)                                                                  \
        NT_UNROLL for (int k = 0; k < fetched; k++)                                                \
            NT_PREFETCH(x##n##_next + after + k * NT_VEC);
#define FETCH_G(n)
#define FETCH_S(n)
#define FETCH_V(n)

NT_OUTLINE void NT_NAME(reduce_columns)(const int begin, const int end,
    const int first, const int last, const int from, const int to, const int part,
    const int flush, const float scale
    EXTENTS RESULT NT_CAT(NT_STEP_, NT_INTO)(y0) NT_INPUTS(NT_IN_PARAMETERS))
{
    const int vectors = (end - begin + NT_VEC - 1) / NT_VEC;
    T total[NT_TERMS * NT_COLUMNS], some[NT_TERMS * NT_COLUMNS];
    for (int result = from; result < to; result++) {
        NT_CAT(NT_SPLIT, NT_KEPT)(a, result)
        for (int v = 0; v < vectors; v++) {
            total[v] = some[v] = C(NEUTRAL);
            AGAIN(total[NT_COLUMNS + v] = some[NT_COLUMNS + v] = C(NEUTRAL);)
        }
        int left = flush;
        for (int row = first, stop; row < last; row = stop) {
            stop = min(row + min(BLOCK, left), last);
            int i = begin, v = 0;
            BEFORE_BLOCK
#ifndef NT_PARTS
            for (; i + VECTORS * NT_VEC <= end; i += VECTORS * NT_VEC, v += VECTORS) {
                T sum[VECTORS] AGAIN(, other[VECTORS]);
                NT_UNROLL for (int j = 0; j < VECTORS; j++)
                {
                    sum[j] = some[v + j];
                    AGAIN(other[j] = some[NT_COLUMNS + v + j];)
                }
                const int at = i;
                for (int r = row; r < stop; r++) {
                    NT_CAT(NT_SPLIT, NT_REDUCED)(b, r)
                    NT_INPUTS(NT_IN_ROW)
                    FETCH(VECTORS);
                    NT_UNROLL for (int j = 0; j < VECTORS; j++)
                    {
                        const int i = at + j * NT_VEC;
                        TERM
                        sum[j] = JOIN(sum[j], out0);
                        AGAIN(other[j] = JOIN(other[j], out1);)
                    }
                }
                NT_UNROLL for (int j = 0; j < VECTORS; j++)
                {
                    some[v + j] = sum[j];
                    AGAIN(some[NT_COLUMNS + v + j] = other[j];)
                }
            }
#endif
            for (; i < end; i += NT_VEC, v++) {
                T sum = some[v] AGAIN(, other = some[NT_COLUMNS + v]);
                for (int r = row; r < stop; r++) {
                    NT_CAT(NT_SPLIT, NT_REDUCED)(b, r)
                    NT_INPUTS(NT_IN_ROW)
                    FETCH(1);
                    TERM
                    sum = JOIN(sum, out0);
                    AGAIN(other = JOIN(other, out1);)
                }
                some[v] = sum;
                AGAIN(some[NT_COLUMNS + v] = other;)
            }
            left -= stop - row;
            if (left == 0 || stop == last) {
                for (int v = 0; v < vectors; v++) {
                    total[v] = JOIN(total[v], some[v]);
                    some[v] = C(NEUTRAL);
                    AGAIN(total[NT_COLUMNS + v] =
                              JOIN(total[NT_COLUMNS + v], some[NT_COLUMNS + v]);)
                    AGAIN(some[NT_COLUMNS + v] = C(NEUTRAL);)
                }
                left = flush;
            }
        }
        for (int term = 0; term < NT_TERMS; term++) {
            __global float *y0_p = y0 + y0_o + (RESULT_AT(part));
            AGAIN(if (term == 1) y0_p = y1 + y1_o + (RESULT_AT(part));)
            for (int i = begin, v = term * NT_COLUMNS; i < end; i += NT_VEC, v++) {
                const int m = min(NT_VEC, end - i);
                const T out0 = C(scale) * total[v];
                NT_OUT_LANES(0, NT_INTO, f32)
                NT_SLOWLY for (int j = 0; j < m; j++)
                    y0_p[NT_CAT(NT_OUT_AT_, NT_INTO)(0)] = out0_lanes[j];
            }
        }
    }
}

/* Grid: chunks of columns, blocks of reduced rows, blocks of the other kept dimensions. */
NT_KERNEL_SINGLE(reduce_columns_tile)(const int n, const int chunk, const int rows,
    const int block, const int results, const int results_block, const int flush,
    const float scale EXTENTS RESULT NT_CAT(NT_STEP_, NT_INTO)(y0) NT_INPUTS(NT_IN_PARAMETERS))
{
    const int begin = (int)get_group_id(0) * chunk, end = min(n, begin + chunk);
    const int first = (int)get_group_id(1) * block, last = min(rows, first + block);
    const int from = (int)get_group_id(2) * results_block, to = min(results, from + results_block);
    const int part = (int)get_group_id(1);
#undef NT_INT
#define NT_INT
    NT_NAME(reduce_columns)(begin, end, first, last, from, to, part, flush, scale
        EXTENTS RESULT_ARGUMENTS NT_CAT(NT_STEP_, NT_INTO)(y0) NT_INPUTS(NT_IN_ARGUMENTS));
#undef NT_INT
#define NT_INT const int
}
#endif

/* NT_LANES neighbours of `stride` in local memory become one, pairwise. */
#define TREE(lane, stride)                                                                         \
    for (int step = NT_LANES / 2; step > 0; step /= 2) {                                           \
        barrier(CLK_LOCAL_MEM_FENCE);                                                              \
        if (lane < step) {                                                                         \
            const float p = sums[id], q = sums[id + step * (stride)];                              \
            sums[id] = JOIN(p, q);                                                                 \
        }                                                                                          \
    }

#ifdef NT_ROWS_GROUP
/* NT_LANES work-items side by side share a result; count = rows * n. */
NT_KERNEL_LINE(reduce_rows_group)(const int n, const int count, const int chunk,
    const int parts, const int results, const float scale EXTENTS RESULT
    NT_INPUTS(NT_IN_PARAMETERS))
{
    __local float sums[NT_LOCAL];
    const int id = (int)get_local_id(0), lane = id % NT_LANES;
    const int group = NT_GROUP_PLACE(NT_LOCAL), part = group % parts;
    const int result = group / parts * (NT_LOCAL / NT_LANES) + id / NT_LANES;
    const int begin = part * chunk, end = result < results ? min(count, begin + chunk) : begin;
    NT_CAT(NT_SPLIT, NT_KEPT)(a, result)
    float sum = NEUTRAL;
    for (int at = begin + lane; at < end; at += NT_LANES) {
        const int row = at / n, i = at - row * n;
        NT_CAT(NT_SPLIT, NT_REDUCED)(b, row)
        NT_INPUTS(NT_IN_ROW)
        NT_INPUTS(NT_IN_DECLARE)
        NT_INPUTS(NT_IN_LOAD)
        T out0;
        NT_EXPRESSION
        sum = JOIN(sum, out0);
    }
    sums[id] = sum;
    TREE(lane, 1)
    if (lane == 0 && result < results)
        y0[y0_o + RESULT_AT(part)] = scale * sums[id];
}
#endif

#ifdef NT_COLUMNS_GROUP
/* Neighbours do neighbouring columns; NT_LANES of them, far apart, share one. */
NT_KERNEL_LINE(reduce_columns_group)(const int n, const int chunks, const int rows,
    const int block, const int parts, const float scale EXTENTS RESULT
    NT_CAT(NT_STEP_, NT_INTO)(y0) NT_INPUTS(NT_IN_PARAMETERS))
{
    __local float sums[NT_LOCAL];
    const int width = NT_LOCAL / NT_LANES;
    const int id = (int)get_local_id(0), lane = id / width;
    const int group = NT_GROUP_PLACE(NT_LOCAL), part = group % parts, rest = group / parts;
    const int result = rest / chunks, i = (rest - result * chunks) * width + id % width;
    const int first = part * block, last = i < n ? min(rows, first + block) : first;
    NT_CAT(NT_SPLIT, NT_KEPT)(a, result)
    float sum = NEUTRAL;
    for (int row = first + lane; row < last; row += NT_LANES) {
        NT_CAT(NT_SPLIT, NT_REDUCED)(b, row)
        NT_INPUTS(NT_IN_ROW)
        NT_INPUTS(NT_IN_DECLARE)
        NT_INPUTS(NT_IN_LOAD)
        T out0;
        NT_EXPRESSION
        sum = JOIN(sum, out0);
    }
    sums[id] = sum;
    TREE(lane, width)
    if (lane == 0 && i < n) {
        __global float *const y0_p = y0 + y0_o + (RESULT_AT(part));
        const int j = 0;
        y0_p[NT_CAT(NT_OUT_AT_, NT_INTO)(0)] = scale * sums[id];
    }
}
#endif
