/* SPDX-License-Identifier: MIT
 *
 * Bits of whole numbers, by the arithmetic of int32: a bit is what a power of two leaves.
 */
#include <string.h>

#include "frontend/onnx/table.h"

#define BITS 31 /* and the sign */

struct bits {
    struct nt_expr *expr;
    int zero, one, two;
};

static int call(struct bits *b, enum nt_fn fn, int x, int y)
{
    return nt_expr_call(b->expr, fn, x, y, -1);
}

/* A number without its sign bit: that of a negative one with all bits changed. */
static int unsigned_of(struct bits *b, int x)
{
    int negative = call(b, NT_FN_lt, x, b->zero);
    int changed = call(b, NT_FN_sub, call(b, NT_FN_neg, x, -1), b->one);
    return nt_expr_call(b->expr, NT_FN_select, negative, changed, x);
}

/* 1 or 0: bit i of x, whose unsigned form is given. */
static int bit(struct bits *b, int x, int positive, int i)
{
    int rest = call(b, NT_FN_div, positive, nt_expr_constant(b->expr, (double)(1u << i)));
    int low = call(b, NT_FN_fmod, rest, b->two);
    int negative = call(b, NT_FN_lt, x, b->zero);
    return call(b, NT_FN_ne, low, negative);
}

/* Both: the sum of the bits that x and y have; the sign counts -2^31. */
static int both(struct bits *b, int x, int y)
{
    int u = unsigned_of(b, x), v = unsigned_of(b, y);
    int sign = call(b, NT_FN_mul, call(b, NT_FN_lt, x, b->zero), call(b, NT_FN_lt, y, b->zero));
    int sum = call(b, NT_FN_mul, sign, nt_expr_constant(b->expr, -2147483647.0));
    sum = call(b, NT_FN_sub, sum, sign);
    for (int i = 0; i < BITS; i++) {
        int shared = call(b, NT_FN_mul, bit(b, x, u, i), bit(b, y, v, i));
        int weight = nt_expr_constant(b->expr, (double)(1u << i));
        sum = call(b, NT_FN_add, sum, call(b, NT_FN_mul, shared, weight));
    }
    return sum;
}

/* 2 to the power of y, wrapped; 0 where y is none of 0 to 31. */
static int power(struct bits *b, int y)
{
    int product = b->one;
    for (int i = 0; i < 5; i++) {
        int rest = call(b, NT_FN_div, y, nt_expr_constant(b->expr, (double)(1 << i)));
        int factor = nt_expr_constant(b->expr, i == 4 ? 65536 : (double)(1 << (1 << i)));
        int set = call(b, NT_FN_fmod, rest, b->two);
        product =
            call(b, NT_FN_mul, product, nt_expr_call(b->expr, NT_FN_select, set, factor, b->one));
    }
    int small = call(b, NT_FN_le, y, nt_expr_constant(b->expr, BITS));
    small = call(b, NT_FN_mul, small, call(b, NT_FN_le, b->zero, y));
    return nt_expr_call(b->expr, NT_FN_select, small, product, b->zero);
}

/* The low bits, as many as the type has, with its sign. */
static int wrapped(struct bits *b, int x, int type)
{
    bool bytes = type == NT_ONNX_UINT8 || type == NT_ONNX_INT8;
    if (!bytes && type != NT_ONNX_UINT16 && type != NT_ONNX_INT16)
        return x;
    int range = nt_expr_constant(b->expr, bytes ? 256 : 65536);
    int half = nt_expr_constant(b->expr, bytes ? 128 : 32768);
    int low = call(b, NT_FN_add, call(b, NT_FN_fmod, x, range), range);
    low = call(b, NT_FN_fmod, low, range);
    if (type == NT_ONNX_UINT8 || type == NT_ONNX_UINT16)
        return low;
    int large = call(b, NT_FN_le, half, low);
    return nt_expr_call(b->expr, NT_FN_select, large, call(b, NT_FN_sub, low, range), low);
}

/* Towards minus infinity: a negative number keeps its sign. */
static int right(struct bits *b, int x, int y)
{
    int quotient = call(b, NT_FN_div, unsigned_of(b, x), power(b, y));
    int changed = call(b, NT_FN_sub, call(b, NT_FN_neg, quotient, -1), b->one);
    int negative = call(b, NT_FN_lt, x, b->zero);
    return nt_expr_call(b->expr, NT_FN_select, negative, changed, quotient);
}

static int operation(struct nt_onnx_node *node, struct bits *b, int x, int y)
{
    const char *name = node->rule->name;
    int type = nt_onnx_type(node, 0);
    if (strcmp(name, "BitwiseNot") == 0) {
        double most = type == NT_ONNX_UINT8 ? 255 : type == NT_ONNX_UINT16 ? 65535 : -1;
        return call(b, NT_FN_sub, nt_expr_constant(b->expr, most), x);
    }
    if (strcmp(name, "BitShift") == 0) {
        bool left = nt_onnx_is(node, "direction", "", "LEFT");
        return left ? wrapped(b, call(b, NT_FN_mul, x, power(b, y)), type) : right(b, x, y);
    }
    int shared = both(b, x, y), sum = call(b, NT_FN_add, x, y);
    if (strcmp(name, "BitwiseAnd") == 0)
        return shared;
    sum = call(b, NT_FN_sub, sum, shared);
    return strcmp(name, "BitwiseOr") == 0 ? sum : call(b, NT_FN_sub, sum, shared);
}

enum nt_status nt_onnx_bits(struct nt_onnx_node *node)
{
    int count = strcmp(node->rule->name, "BitwiseNot") == 0 ? 1 : 2, in[2], term[2];
    for (int i = 0; i < count; i++)
        if ((in[i] = nt_onnx_in_int(node, i)) < 0)
            return node->graph->failure;
    struct bits b = {.expr = nt_expr_create()};
    if (!b.expr)
        return nt_onnx_fail(node, NT_ERR_MEMORY, "host memory is exhausted");
    nt_expr_make_integers(b.expr, -1);
    b.zero = nt_expr_constant(b.expr, 0);
    b.one = nt_expr_constant(b.expr, 1);
    b.two = nt_expr_constant(b.expr, 2);
    for (int i = 0; i < count; i++)
        term[i] = nt_expr_input(b.expr, i);
    int result = operation(node, &b, term[0], term[count - 1]);
    int y = nt_graph_map(node->graph, b.expr, result, count, in);
    if (y < 0)
        return node->graph->failure;
    node->graph->value[y].dtype = NT_I32;
    return nt_onnx_out(node, 0, y);
}
