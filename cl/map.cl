/* SPDX-License-Identifier: MIT
 *
 * Elementwise expressions over strided operands: rows (the outer dimensions as one index) of n
 * elements. The host defines
 *
 *   NT_VEC                     elements at once
 *   NT_PARTS                   when rows may end with less than NT_VEC (map_tile)
 *   NT_LOCAL                   work-items of a work-group (map_group)
 *   NT_OUTER                   number of outer dimensions
 *   NT_INPUTS(X), NT_OUTPUTS(X)  X(number, kind, type) for each operand, see strided.clh
 *   NT_EXPRESSION              statements that compute out0, ... from in0, ...
 *   NT_RANDOM                  when they need random numbers
 *   NT_INTEGERS                when they compute with integers
 *
 * map_tile: a work-group of one work-item does a block of rows (second grid dimension) and a
 * chunk of their elements (first). map_group: a work-item does one vector; needs whole, aligned
 * vectors. An output may be an input's own tensor: nothing is `restrict`, and every element is
 * loaded before it is stored.
 */
#include "prelude.clh"
#include "random.clh"
#include "strided.clh"

#ifdef NT_INTEGERS
#define NT_SCALAR int
#else
#define NT_SCALAR float
#endif

#define T NT_VECTOR(NT_SCALAR, NT_VEC)
#define C(x) ((T)(x))
#define NT_STEPS(k) NT_CAT(NT_STRIDES, NT_OUTER)(k, a)
#define NT_AT(k) NT_CAT(NT_AT, NT_OUTER)(k, a)
#define NT_INT const int
/* An index as numbers. */
#define NT_NUMBER(x) NT_VECTOR(convert_float, NT_VEC)(x)
#ifdef NT_INTEGERS
/* Signed numbers that overflow are nobody's promise. */
#define NT_WRAP(a, op, b)                                                                          \
    NT_VECTOR(as_int, NT_VEC)(NT_VECTOR(as_uint, NT_VEC)(a) op NT_VECTOR(as_uint, NT_VEC)(b))
/* Processors stop at a division by zero and at that of the least integer by -1. */
#define NT_DIVISOR(b) select(b, C(1), (b == C(0)) | (b == C(-1)))
#define NT_QUOTIENT(a, b)                                                                          \
    select(select(a / NT_DIVISOR(b), NT_WRAP(C(0), -, a), b == C(-1)), C(0), b == C(0))
#define NT_REST(a, b) select(a % NT_DIVISOR(b), C(0), (b == C(0)) | (b == C(-1)))
#endif
#ifdef NT_RANDOM
NT_DEFINE_UNIFORM
#endif

#ifdef NT_TILE
NT_OUTLINE void NT_NAME(map_block)(const int begin, const int end, const int first, const int last
    NT_CAT(NT_EXTENTS, NT_OUTER)(a) NT_OUTPUTS(NT_OUT_PARAMETERS) NT_INPUTS(NT_IN_PARAMETERS))
{
    for (int row = first; row < last; row++) {
        NT_CAT(NT_SPLIT, NT_OUTER)(a, row)
        NT_OUTPUTS(NT_OUT_ROW)
        NT_INPUTS(NT_IN_ROW)
        for (int i = begin; i < end; i += NT_VEC) {
            NT_OUTPUTS(NT_OUT_DECLARE)
            NT_INPUTS(NT_IN_DECLARE)
#ifdef NT_PARTS
            const int m = end - i;
            if (m < NT_VEC) {
                NT_INPUTS(NT_IN_LANES)
                NT_SLOWLY for (int j = 0; j < m; j++) { NT_INPUTS(NT_IN_LANE) }
                NT_INPUTS(NT_IN_JOIN)
            } else
#endif
            {
                NT_INPUTS(NT_IN_LOAD)
            }
            NT_EXPRESSION
#ifdef NT_PARTS
            if (m < NT_VEC) {
                NT_OUTPUTS(NT_OUT_LANES)
                NT_SLOWLY for (int j = 0; j < m; j++) { NT_OUTPUTS(NT_OUT_LANE) }
            } else
#endif
            {
                NT_OUTPUTS(NT_OUT_STORE)
            }
        }
    }
}

NT_KERNEL_SINGLE(map_tile)(const int n, const int chunk, const int rows, const int block
    NT_CAT(NT_EXTENTS, NT_OUTER)(a) NT_OUTPUTS(NT_OUT_PARAMETERS) NT_INPUTS(NT_IN_PARAMETERS))
{
    const int begin = (int)get_group_id(0) * chunk, end = min(n, begin + chunk);
    const int first = (int)get_group_id(1) * block, last = min(rows, first + block);
#undef NT_INT
#define NT_INT
    NT_NAME(map_block)(begin, end, first, last
        NT_CAT(NT_EXTENTS, NT_OUTER)(a) NT_OUTPUTS(NT_OUT_ARGUMENTS) NT_INPUTS(NT_IN_ARGUMENTS));
}
#else
NT_KERNEL_LINE(map_group)(const int vectors, const int count
    NT_CAT(NT_EXTENTS, NT_OUTER)(a) NT_OUTPUTS(NT_OUT_PARAMETERS) NT_INPUTS(NT_IN_PARAMETERS))
{
    const int id = (int)get_global_id(0);
    if (id >= count)
        return;
    const int row = id / vectors, i = (id - row * vectors) * NT_VEC;
    NT_CAT(NT_SPLIT, NT_OUTER)(a, row)
    NT_OUTPUTS(NT_OUT_ROW)
    NT_INPUTS(NT_IN_ROW)
    NT_OUTPUTS(NT_OUT_DECLARE)
    NT_INPUTS(NT_IN_DECLARE)
    NT_INPUTS(NT_IN_ALIGNED)
    NT_EXPRESSION
    NT_OUTPUTS(NT_OUT_ALIGNED)
}
#endif
