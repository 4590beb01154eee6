/* SPDX-License-Identifier: MIT
 *
 * Elementwise operators that are no row alone, and matrix products.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "frontend/onnx/table.h"

/* Before opset 7 operand b lies along `axis` of a, when broadcast is set: b's shape for that. */
static enum nt_status old_shape(
    struct nt_onnx_node *node, const struct nt_shape *x, struct nt_shape *y)
{
    int axis, rank = y->rank;
    if (!nt_onnx_int(node, "broadcast", 0) || rank >= x->rank || rank == 0)
        return NT_OK;
    int64_t from = nt_onnx_int(node, "axis", x->rank - rank);
    enum nt_status status = nt_onnx_axis(node, from, x->rank, &axis);
    if (status != NT_OK)
        return status;
    if (rank > x->rank - axis)
        return nt_onnx_fail(node, NT_ERR_SHAPE, "axis %d: input 1 of rank %d: must be at most %d",
            axis, rank, x->rank - axis);
    y->rank = x->rank - axis;
    for (int i = rank; i < y->rank; i++)
        y->dim[i] = 1;
    return NT_OK;
}

enum nt_status nt_onnx_elementwise_old(struct nt_onnx_node *node)
{
    int a = nt_onnx_in(node, 0), b = a < 0 ? -1 : nt_onnx_in(node, 1);
    if (b < 0)
        return node->graph->failure;
    struct nt_shape x = node->graph->value[a].shape, y = node->graph->value[b].shape;
    enum nt_status status = old_shape(node, &x, &y);
    if (status != NT_OK)
        return status;
    b = nt_onnx_reshape(node, b, &y);
    return nt_onnx_out(node, 0, nt_onnx_simple(node, node->rule->op, 2, (int[]){a, b}));
}

enum nt_status nt_onnx_fold_elementwise_old(struct nt_onnx_node *node)
{
    const struct nt_onnx_host *a = nt_onnx_numbers(node, 0), *b = nt_onnx_numbers(node, 1);
    if (!a || !b)
        return node->graph->failure;
    struct nt_onnx_host laid = *b;
    struct nt_onnx_value value = *node->input[1];
    enum nt_status status = old_shape(node, &a->shape, &laid.shape);
    if (status != NT_OK)
        return status;
    value.known = &laid;
    node->input[1] = &value;
    return nt_onnx_fold_elementwise(node);
}

/* Sum, Mean, Max, Min: any number of operands, two at a time. */
enum nt_status nt_onnx_variadic(struct nt_onnx_node *node)
{
    int value = nt_onnx_in(node, 0);
    for (int i = 1; value >= 0 && i < node->inputs; i++) {
        int next = nt_onnx_in(node, i);
        value = nt_onnx_simple(node, node->rule->op, 2, (int[]){value, next});
    }
    if (strcmp(node->rule->name, "Mean") == 0 && node->inputs > 1)
        value = nt_onnx_formula(
            node, "a * b", 2, (int[]){value, nt_onnx_constant(node, 1.0 / node->inputs)});
    return nt_onnx_out(node, 0, value);
}

enum nt_status nt_onnx_power(struct nt_onnx_node *node)
{
    int a = nt_onnx_in(node, 0), b = a < 0 ? -1 : nt_onnx_in(node, 1);
    bool integers = nt_onnx_type_is_integer(nt_onnx_type(node, 0));
    int y = nt_onnx_formula(
        node, integers ? "trunc(pow(a, b) + 0.001)" : "pow(a, b)", 2, (int[]){a, b});
    return nt_onnx_out(node, 0, integers ? nt_onnx_as(node, y, NT_I32) : y);
}

enum nt_status nt_onnx_mod(struct nt_onnx_node *node)
{
    int a = nt_onnx_in(node, 0), b = a < 0 ? -1 : nt_onnx_in(node, 1);
    const char *op = nt_onnx_int(node, "fmod", 0) ? "fmod" : "mod";
    return nt_onnx_out(node, 0, nt_onnx_simple(node, op, 2, (int[]){a, b}));
}

enum nt_status nt_onnx_where(struct nt_onnx_node *node)
{
    int in[3];
    for (int i = 0; i < 3; i++)
        if ((in[i] = nt_onnx_in(node, i)) < 0)
            return node->graph->failure;
    return nt_onnx_out_type(node, 0, nt_onnx_simple(node, "where", 3, in), nt_onnx_type(node, 1));
}

enum nt_status nt_onnx_cast_type(struct nt_onnx_node *node, int *type)
{
    *type = node->inputs > 1 ? nt_onnx_type(node, 1) : (int)nt_onnx_int(node, "to", 0);
    return nt_onnx_offers(node, "to", *type);
}

/* Between floats nothing changes: all are float32 here. */
enum nt_status nt_onnx_cast(struct nt_onnx_node *node)
{
    int type, x = nt_onnx_in(node, 0);
    if (x < 0)
        return node->graph->failure;
    enum nt_status status = nt_onnx_cast_type(node, &type);
    if (status != NT_OK)
        return status;
    if (type == NT_ONNX_BOOL && nt_onnx_type(node, 0) != NT_ONNX_BOOL)
        x = nt_onnx_formula(node, "a != 0", 1, &x);
    return nt_onnx_out_type(node, 0, nt_onnx_as(node, x, nt_onnx_type_dtype(type)), type);
}

static int bound(struct nt_onnx_node *node, const char *name, int input, double fallback)
{
    if (nt_onnx_has(node, input))
        return nt_onnx_in(node, input);
    return nt_onnx_constant(node, nt_onnx_float(node, name, fallback));
}

enum nt_status nt_onnx_clip(struct nt_onnx_node *node)
{
    int x = nt_onnx_in(node, 0);
    bool least = nt_onnx_has(node, 1) || nt_onnx_attr(node, "min");
    bool most = nt_onnx_has(node, 2) || nt_onnx_attr(node, "max");
    if (x >= 0 && least)
        x = nt_onnx_formula(node, "max(a, b)", 2, (int[]){x, bound(node, "min", 1, -FLT_MAX)});
    if (x >= 0 && most)
        x = nt_onnx_formula(node, "min(a, b)", 2, (int[]){x, bound(node, "max", 2, FLT_MAX)});
    return nt_onnx_out(node, 0, x);
}

enum nt_status nt_onnx_prelu(struct nt_onnx_node *node)
{
    int x = nt_onnx_in(node, 0), slope = x < 0 ? -1 : nt_onnx_in(node, 1);
    if (slope >= 0 && node->opset < 7) { /* one for each channel */
        struct nt_shape a = node->graph->value[x].shape, b = node->graph->value[slope].shape;
        struct nt_shape to = {.rank = a.rank - 1};
        for (int i = 0; i < to.rank; i++)
            to.dim[i] = i ? 1 : b.dim[0];
        if (b.rank == 1 && a.rank > 2)
            slope = nt_onnx_reshape(node, slope, &to);
    }
    return nt_onnx_out(
        node, 0, nt_onnx_formula(node, "select(a > 0, a, a * b)", 2, (int[]){x, slope}));
}

enum nt_status nt_onnx_gelu(struct nt_onnx_node *node)
{
    struct nt_onnx_call call = nt_onnx_begin("gelu");
    int x = nt_onnx_in(node, 0);
    if (nt_onnx_is(node, "approximate", "none", "tanh"))
        nt_onnx_word(&call, "approximate", "tanh");
    return nt_onnx_out(node, 0, nt_onnx_add(node, &call, 1, &x));
}

enum nt_status nt_onnx_swiglu(struct nt_onnx_node *node)
{
    int a = nt_onnx_in(node, 0), b = a < 0 ? -1 : nt_onnx_in(node, 1);
    const int in[] = {a, b, nt_onnx_constant(node, nt_onnx_float(node, "alpha", 1))};
    return nt_onnx_out(node, 0, nt_onnx_formula(node, "a * sigmoid(c * a) * b", 3, in));
}

enum nt_status nt_onnx_shrink(struct nt_onnx_node *node)
{
    int x = nt_onnx_in(node, 0);
    int bias = nt_onnx_constant(node, nt_onnx_float(node, "bias", 0));
    int lambd = nt_onnx_constant(node, nt_onnx_float(node, "lambd", 0.5));
    return nt_onnx_out(node, 0,
        nt_onnx_formula(
            node, "select(a > c, a - b, select(a < -c, a + b, 0))", 3, (int[]){x, bias, lambd}));
}

enum nt_status nt_onnx_is_nan(struct nt_onnx_node *node)
{
    int x = nt_onnx_in(node, 0);
    return nt_onnx_out(node, 0, nt_onnx_formula(node, "a != a", 1, &x));
}

enum nt_status nt_onnx_is_inf(struct nt_onnx_node *node)
{
    int x = nt_onnx_in(node, 0);
    int most = nt_onnx_constant(node, FLT_MAX);
    bool up = nt_onnx_int(node, "detect_positive", 1),
         down = nt_onnx_int(node, "detect_negative", 1);
    const char *text = up && down ? "abs(a) > b" : up ? "a > b" : down ? "a < -b" : "(a > b) * 0";
    return nt_onnx_out(node, 0, nt_onnx_formula(node, text, 2, (int[]){x, most}));
}

enum nt_status nt_onnx_dropout(struct nt_onnx_node *node)
{
    struct nt_onnx_call call = nt_onnx_begin("dropout");
    int x = nt_onnx_in(node, 0);
    double ratio = nt_onnx_float(node, "ratio", 0.5);
    if (x < 0)
        return node->graph->failure;
    for (int i = 1; i <= 2; i++) {
        if (!nt_onnx_has(node, i))
            continue;
        const struct nt_onnx_host *host = nt_onnx_numbers(node, i);
        if (!host || host->count != 1)
            return host ? nt_onnx_fail(node, NT_ERR_FORMAT, "input %d: must be one number", i)
                        : node->graph->failure;
        if (i == 1)
            ratio = host->data[0];
        else if (host->data[0] != 0 && ratio > 0 && !node->graph->training)
            return nt_onnx_fail(
                node, NT_ERR_UNSUPPORTED, "training_mode: is the run's choice, not the file's");
    }
    nt_onnx_number(&call, "p", ratio);
    struct nt_shape shape = node->graph->value[x].shape;
    int y = ratio > 0 && node->graph->training ? nt_onnx_add(node, &call, 1, &x) : x;
    enum nt_status status = nt_onnx_out(node, 0, y);
    if (status == NT_OK && nt_onnx_wants(node, 1))
        status = nt_onnx_out_type(node, 1, nt_graph_constant(node->graph, 1, &shape), NT_ONNX_BOOL);
    return status;
}

/* ---- products ---- */

enum nt_status nt_onnx_matmul(struct nt_onnx_node *node)
{
    int a = nt_onnx_in(node, 0), b = a < 0 ? -1 : nt_onnx_in(node, 1);
    return nt_onnx_out(node, 0, nt_onnx_simple(node, "matmul", 2, (int[]){a, b}));
}

static int scaled(struct nt_onnx_node *node, int value, double factor)
{
    if (factor == 1 || value < 0)
        return value;
    return nt_onnx_formula(node, "a * b", 2, (int[]){value, nt_onnx_constant(node, factor)});
}

enum nt_status nt_onnx_gemm(struct nt_onnx_node *node)
{
    int a = nt_onnx_in(node, 0), b = a < 0 ? -1 : nt_onnx_in(node, 1);
    int c = b < 0 || !nt_onnx_has(node, 2) ? -1 : nt_onnx_in(node, 2);
    double alpha = nt_onnx_float(node, "alpha", 1), beta = nt_onnx_float(node, "beta", 1);
    bool ta = nt_onnx_int(node, "transA", 0), tb = nt_onnx_int(node, "transB", 0);
    if (b < 0 || (c < 0 && nt_onnx_has(node, 2)))
        return node->graph->failure;
    struct nt_shape wa = node->graph->value[a].shape, wb = node->graph->value[b].shape;
    if (wa.rank != 2 || wb.rank != 2)
        return nt_onnx_fail(
            node, NT_ERR_SHAPE, "operands of rank %d and %d: must be of rank 2", wa.rank, wb.rank);
    struct nt_shape bias = c >= 0 ? node->graph->value[c].shape : (struct nt_shape){0};
    if (c >= 0 && tb && !ta && alpha == 1 && beta == 1 && bias.rank == 1 &&
        bias.dim[0] == wb.dim[0]) {
        struct nt_onnx_call call = nt_onnx_begin("linear");
        nt_onnx_number(&call, "features", (double)wb.dim[0]);
        return nt_onnx_out(node, 0, nt_onnx_add(node, &call, 3, (int[]){a, b, c}));
    }
    struct nt_onnx_call call = nt_onnx_begin("matmul");
    nt_onnx_number(&call, "transpose_a", ta);
    nt_onnx_number(&call, "transpose_b", tb);
    int y = scaled(node, nt_onnx_add(node, &call, 2, (int[]){a, b}), alpha);
    if (c >= 0 && y >= 0)
        y = nt_onnx_simple(node, "add", 2, (int[]){y, scaled(node, c, beta)});
    return nt_onnx_out(node, 0, y);
}
