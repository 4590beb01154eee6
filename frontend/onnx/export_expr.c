/* SPDX-License-Identifier: MIT
 *
 * Elementwise expressions: a node of the file for each function. Comparisons give truth values
 * there; they become numbers where a number is asked for, and numbers truth values where a choice
 * depends on them.
 */
#include "frontend/onnx/export_parts.h"

#include <math.h>
#include <string.h>

/* Functions that ONNX has as operators; for integers those marked so. */
static const struct function {
    const char *op;
    bool integers;
} functions[NT_FN_COUNT] = {
    [NT_FN_add] = {"Add", true},
    [NT_FN_sub] = {"Sub", true},
    [NT_FN_mul] = {"Mul", true},
    [NT_FN_div] = {"Div", true},
    [NT_FN_neg] = {"Neg", true},
    [NT_FN_abs] = {"Abs", true},
    [NT_FN_exp] = {"Exp"},
    [NT_FN_log] = {"Log"},
    [NT_FN_sqrt] = {"Sqrt"},
    [NT_FN_tanh] = {"Tanh"},
    [NT_FN_sigmoid] = {"Sigmoid"},
    [NT_FN_relu] = {"Relu"},
    [NT_FN_erf] = {"Erf"},
    [NT_FN_sin] = {"Sin"},
    [NT_FN_cos] = {"Cos"},
    [NT_FN_sign] = {"Sign", true},
    [NT_FN_floor] = {"Floor"},
    [NT_FN_ceil] = {"Ceil"},
    [NT_FN_round] = {"Round"},
    [NT_FN_tan] = {"Tan"},
    [NT_FN_asin] = {"Asin"},
    [NT_FN_acos] = {"Acos"},
    [NT_FN_atan] = {"Atan"},
    [NT_FN_sinh] = {"Sinh"},
    [NT_FN_cosh] = {"Cosh"},
    [NT_FN_asinh] = {"Asinh"},
    [NT_FN_acosh] = {"Acosh"},
    [NT_FN_atanh] = {"Atanh"},
    [NT_FN_softplus] = {"Softplus"},
    [NT_FN_softsign] = {"Softsign"},
    [NT_FN_pow] = {"Pow"},
    [NT_FN_max] = {"Max", true},
    [NT_FN_min] = {"Min", true},
};

struct translation {
    struct nt_export *e;
    const struct nt_node *node;
    const struct nt_expr *expr;
    int type;                     /* of numbers */
    const char **number, **truth; /* by term, NULL: not made yet */
    const char *result;           /* the name of the last node, where that is the term itself */
};

static const char *number_of(struct translation *t, int term);
static const char *truth_of(struct translation *t, int term);

static const char *one(
    struct translation *t, const char *op, const char *name, const char *a, const char *b)
{
    return nt_export_simple(t->e, op, name, b ? 2 : 1, (const char *[]){a, b});
}

static const char *constant(struct translation *t, double number)
{
    if (t->type == NT_ONNX_INT64 && isinf(number))
        number = number > 0 ? INT32_MAX : INT32_MIN;
    return nt_export_number(t->e, t->type, number);
}

static const char *input_of(struct translation *t, int input)
{
    int value = t->node->input[input];
    bool whole = t->e->graph->value[value].dtype == NT_I32;
    const char *name;
    /* Plain numbers stand beside integers without a type of their own. */
    if (t->type == NT_ONNX_INT64 && !whole)
        return constant(t, t->e->graph->value[value].constant);
    name = nt_export_value(t->e, value);
    return whole && t->type == NT_ONNX_FLOAT ? nt_export_cast(t->e, name, NT_ONNX_FLOAT, NULL)
                                             : name;
}

/* Truth values of comparisons; NULL for other functions. */
static const char *compare(struct translation *t, enum nt_fn fn, const int *arg)
{
    const char *op = fn == NT_FN_lt                     ? "Less"
                     : fn == NT_FN_le                   ? "LessOrEqual"
                     : fn == NT_FN_eq || fn == NT_FN_ne ? "Equal"
                                                        : NULL;
    if (!op)
        return NULL;
    const char *a = number_of(t, arg[0]), *b = number_of(t, arg[1]);
    const char *made = one(t, op, NULL, a, b);
    return fn == NT_FN_ne ? one(t, "Not", NULL, made, NULL) : made;
}

static const char *truth_of(struct translation *t, int term)
{
    int arg[3];
    enum nt_fn fn = nt_expr_get(t->expr, term, arg);
    if (t->truth[term])
        return t->truth[term];
    const char *made = fn == NT_FN_COUNT ? NULL : compare(t, fn, arg);
    if (!made)
        made = nt_export_cast(t->e, number_of(t, term), NT_ONNX_BOOL, NULL);
    return t->truth[term] = made;
}

/* What takes more than one node. */
static const char *compose(struct translation *t, enum nt_fn fn, const int *arg, const char *name)
{
    const char *a = number_of(t, arg[0]), *b;
    switch (fn) {
    case NT_FN_log1p:
        return one(t, "Log", name, one(t, "Add", NULL, a, constant(t, 1)), NULL);
    case NT_FN_expm1:
        return one(t, "Sub", name, one(t, "Exp", NULL, a, NULL), constant(t, 1));
    case NT_FN_rsqrt:
        return one(t, "Reciprocal", name, one(t, "Sqrt", NULL, a, NULL), NULL);
    case NT_FN_trunc:
        b = one(t, "Floor", NULL, one(t, "Abs", NULL, a, NULL), NULL);
        return one(t, "Mul", name, one(t, "Sign", NULL, a, NULL), b);
    case NT_FN_relu: /* of integers */
        return one(t, "Max", name, a, constant(t, 0));
    case NT_FN_clip:
        b = one(t, "Max", NULL, a, number_of(t, arg[1]));
        return one(t, "Min", name, b, number_of(t, arg[2]));
    case NT_FN_fmod: {
        NtOnnx__NodeProto *node =
            nt_export_begin(t->e, "Mod", 2, (const char *[]){a, number_of(t, arg[1])});
        nt_export_int(t->e, node, "fmod", 1);
        return nt_export_output(t->e, node, name);
    }
    default: /* stop, number; of integers all roundings */
        return a;
    }
}

static const char *call(struct translation *t, int term, enum nt_fn fn, const int *arg)
{
    const char *name = term == t->node->term ? t->result : NULL;
    const char *truth = t->truth[term] ? t->truth[term] : compare(t, fn, arg);
    if (truth)
        return nt_export_cast(t->e, t->truth[term] = truth, t->type, name);
    if (fn == NT_FN_select) {
        const char *in[3] = {truth_of(t, arg[0]), number_of(t, arg[1]), number_of(t, arg[2])};
        return nt_export_simple(t->e, "Where", name, 3, in);
    }
    if (!functions[fn].op || (t->type == NT_ONNX_INT64 && !functions[fn].integers))
        return compose(t, fn, arg, name);
    const char *a = number_of(t, arg[0]), *b = arg[1] < 0 ? NULL : number_of(t, arg[1]);
    return one(t, functions[fn].op, name, a, b);
}

static const char *number_of(struct translation *t, int term)
{
    int arg[3];
    double value;
    if (t->number[term])
        return t->number[term];
    enum nt_fn fn = nt_expr_get(t->expr, term, arg);
    if (nt_expr_is_constant(t->expr, term, &value))
        return t->number[term] = constant(t, value);
    if (fn == NT_FN_COUNT)
        return t->number[term] = input_of(t, arg[0]);
    const char *made = call(t, term, fn, arg);
    return t->number[term] = made;
}

/* The broadcast of the inputs that the term depends on is not the result's shape. */
static bool is_smaller(const struct translation *t)
{
    const struct nt_graph *graph = t->e->graph;
    struct nt_shape shape = {0};
    for (int i = 0; i < t->node->inputs; i++)
        if (nt_expr_uses(t->expr, t->node->term, i))
            nt_shape_broadcast(&shape, &graph->value[t->node->input[i]].shape, &shape);
    return !nt_shape_equal(&shape, &graph->value[t->node->output[0]].shape);
}

bool nt_export_has_expression(const struct nt_export *e, const struct nt_node *node)
{
    if (!node->expr || node->term < 0)
        return false;
    for (int i = 0; i < node->inputs; i++) {
        const struct nt_value *value = &e->graph->value[node->input[i]];
        if (value->kind == NT_VALUE_KEY || (value->dtype != NT_F32 && value->dtype != NT_I32))
            return false;
    }
    return true;
}

enum nt_status nt_export_expression(struct nt_export *e, const struct nt_node *node)
{
    size_t terms = (size_t)node->term + 1;
    int out = node->output[0], index;
    double value;
    struct translation t = {.e = e,
        .node = node,
        .expr = node->expr,
        .type = nt_expr_is_integers(node->expr) ? NT_ONNX_INT64 : NT_ONNX_FLOAT,
        .number = nt_graph_alloc(e->graph, terms * sizeof *t.number),
        .truth = nt_graph_alloc(e->graph, terms * sizeof *t.truth)};
    if (!t.number || !t.truth)
        return nt_fail(e->ctx, NT_ERR_MEMORY, "export: host memory is exhausted");
    bool plain = nt_expr_is_input(node->expr, node->term, &index) ||
                 nt_expr_is_constant(node->expr, node->term, &value);
    bool whole = e->graph->value[out].dtype == NT_I32, cast = whole != (t.type == NT_ONNX_INT64);
    bool expand = is_smaller(&t);
    if (!plain && !cast && !expand)
        t.result = nt_export_result(e, out);
    const char *made = number_of(&t, node->term);
    if (cast)
        made = nt_export_cast(e, made, whole ? NT_ONNX_INT64 : NT_ONNX_FLOAT, NULL);
    if (expand)
        made =
            nt_export_simple(e, "Expand", NULL, 2, (const char *[]){made, nt_export_shape(e, out)});
    nt_export_bind(e, out, made);
    return NT_OK;
}
