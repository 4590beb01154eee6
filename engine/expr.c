/* SPDX-License-Identifier: MIT */
#include "engine/expr.h"

#include "engine/expr_terms.h"

#include "engine/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Evaluation of expressions up to this size needs no allocation. */
#define SMALL_EXPRESSION 128

const struct nt_function nt_functions[NT_FN_COUNT] = {
#define NT_FUNCTION(name, arity, source, value, da, db, dc)                                        \
    [NT_FN_##name] = {#name, arity, source, {da, db, dc}},
#include "engine/expr_functions.inc"
#undef NT_FUNCTION
};

const char *const nt_integer_sources[NT_FN_COUNT] = {
#define NT_INTEGER(name, source, value) [NT_FN_##name] = source,
#include "engine/expr_integers.inc"
#undef NT_INTEGER
};

enum nt_fn nt_function_find(const char *name, size_t length)
{
    for (int i = 0; i < NT_FN_COUNT; i++)
        if (strlen(nt_functions[i].name) == length && !memcmp(nt_functions[i].name, name, length))
            return (enum nt_fn)i;
    return NT_FN_COUNT;
}

static double apply_float(enum nt_fn fn, double a, double b, double c)
{
    switch (fn) {
#define NT_FUNCTION(name, arity, source, value, da, db, dc)                                        \
    case NT_FN_##name:                                                                             \
        return value;
#include "engine/expr_functions.inc"
#undef NT_FUNCTION
    case NT_FN_COUNT:
        break;
    }
    return NAN;
}

static double apply_integers(enum nt_fn fn, int32_t a, int32_t b, int32_t c)
{
    switch (fn) {
#define NT_INTEGER(name, source, value)                                                            \
    case NT_FN_##name:                                                                             \
        return value;
#include "engine/expr_integers.inc"
#undef NT_INTEGER
    default:
        return NAN;
    }
}

/* Toward zero, into the range. */
static int32_t to_integer(double value)
{
    return value >= INT32_MAX ? INT32_MAX : value > INT32_MIN ? (int32_t)value : INT32_MIN;
}

static double apply(const struct nt_expr *expr, enum nt_fn fn, double a, double b, double c)
{
    return expr->integers ? apply_integers(fn, to_integer(a), to_integer(b), to_integer(c))
                          : apply_float(fn, a, b, c);
}

struct nt_expr *nt_expr_create(void)
{
    return calloc(1, sizeof(struct nt_expr));
}

void nt_expr_destroy(struct nt_expr *expr)
{
    if (!expr)
        return;
    free(expr->terms);
    free(expr->slots);
    free(expr);
}

bool nt_expr_ok(const struct nt_expr *expr)
{
    return !expr->failed;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
    return hash ^ (hash >> 29);
}

static uint64_t term_hash(const struct nt_expr *expr, const struct nt_term *term)
{
    uint64_t bits, hash = mix(0x243F6A8885A308D3u, (uint64_t)(term->fn + 2));
    memcpy(&bits, &term->value, sizeof bits);
    if (term->fn == NT_TERM_CONSTANT)
        return mix(hash, bits);
    if (term->fn == NT_TERM_INPUT)
        return mix(hash, (uint64_t)term->arg[0]);
    for (int i = 0; i < nt_functions[term->fn].arity; i++)
        hash = mix(hash, expr->terms[term->arg[i]].hash);
    return hash;
}

static bool term_equal(const struct nt_term *x, const struct nt_term *y)
{
    return x->hash == y->hash && x->fn == y->fn && !memcmp(x->arg, y->arg, sizeof x->arg) &&
           !memcmp(&x->value, &y->value, sizeof x->value);
}

static void insert_slot(struct nt_expr *expr, int term)
{
    size_t mask = (size_t)expr->slot_count - 1, at = expr->terms[term].hash & mask;
    while (expr->slots[at] >= 0)
        at = (at + 1) & mask;
    expr->slots[at] = term;
}

/* Makes room for one more term; the table of slots stays at most half full. */
static bool grow(struct nt_expr *expr)
{
    if (expr->count < expr->capacity)
        return true;
    int capacity = expr->capacity ? 2 * expr->capacity : 32;
    struct nt_term *terms = realloc(expr->terms, (size_t)capacity * sizeof *terms);
    if (terms)
        expr->terms = terms;
    int *slots = realloc(expr->slots, 2 * (size_t)capacity * sizeof *slots);
    if (slots)
        expr->slots = slots;
    if (!terms || !slots) {
        expr->failed = true;
        return false;
    }
    expr->capacity = capacity;
    expr->slot_count = 2 * capacity;
    for (int i = 0; i < expr->slot_count; i++)
        slots[i] = -1;
    for (int i = 0; i < expr->count; i++)
        insert_slot(expr, i);
    return true;
}

/* The index of a term with this content, made when there is none. */
static int intern(struct nt_expr *expr, struct nt_term term)
{
    if (expr->failed)
        return -1;
    term.hash = term_hash(expr, &term);
    if (expr->slot_count) {
        size_t mask = (size_t)expr->slot_count - 1;
        for (size_t at = term.hash & mask; expr->slots[at] >= 0; at = (at + 1) & mask)
            if (term_equal(&expr->terms[expr->slots[at]], &term))
                return expr->slots[at];
    }
    if (!grow(expr))
        return -1;
    expr->terms[expr->count] = term;
    insert_slot(expr, expr->count);
    return expr->count++;
}

int nt_expr_input(struct nt_expr *expr, int index)
{
    if (index < 0)
        return -1;
    return intern(expr, (struct nt_term){.fn = NT_TERM_INPUT, .arg = {index, -1, -1}});
}

int nt_expr_constant(struct nt_expr *expr, double value)
{
    struct nt_term term = {.fn = NT_TERM_CONSTANT, .arg = {-1, -1, -1}, .value = value};
    if (isnan(value))
        term.value = NAN; /* one NaN, so that equal terms are one */
    return intern(expr, term);
}

static bool is_value(const struct nt_expr *expr, int term, double value)
{
    return expr->terms[term].fn == NT_TERM_CONSTANT && expr->terms[term].value == value;
}

static bool is_call(const struct nt_expr *expr, int term, enum nt_fn fn)
{
    return expr->terms[term].fn == (int)fn;
}

static bool is_comparison(const struct nt_expr *expr, int term)
{
    int fn = expr->terms[term].fn;
    return fn == NT_FN_lt || fn == NT_FN_le || fn == NT_FN_eq || fn == NT_FN_ne;
}

/* Whether x comes before y as operands of a commutative function: inputs, calls, constants.
 * It looks at the content only, so that the order does not depend on the order of making. */
static bool comes_before(const struct nt_term *x, const struct nt_term *y)
{
    static const int rank[] = {2, 0, 1};
    int rx = rank[x->fn + 2 < 2 ? x->fn + 2 : 2], ry = rank[y->fn + 2 < 2 ? y->fn + 2 : 2];
    if (rx != ry)
        return rx < ry;
    return rx == 0 ? x->arg[0] < y->arg[0] : x->hash < y->hash;
}

/* The first argument of a call: neg(x) gives x. */
static int inner(const struct nt_expr *expr, int term)
{
    return expr->terms[term].arg[0];
}

static int simplify_sum(struct nt_expr *expr, enum nt_fn fn, int a, int b)
{
    if (is_value(expr, b, 0))
        return a;
    if (fn == NT_FN_sub && is_value(expr, a, 0))
        return nt_expr_call(expr, NT_FN_neg, b, -1, -1);
    if (is_call(expr, b, NT_FN_neg))
        return nt_expr_call(expr, fn == NT_FN_add ? NT_FN_sub : NT_FN_add, a, inner(expr, b), -1);
    if (fn == NT_FN_add && is_call(expr, a, NT_FN_neg))
        return nt_expr_call(expr, NT_FN_sub, b, inner(expr, a), -1);
    return -1;
}

static int simplify_product(struct nt_expr *expr, enum nt_fn fn, int a, int b)
{
    double value;
    if (is_value(expr, b, 1))
        return a;
    if (is_value(expr, b, -1))
        return nt_expr_call(expr, NT_FN_neg, a, -1, -1);
    if (!is_call(expr, a, NT_FN_neg))
        return -1;
    if (is_call(expr, b, NT_FN_neg))
        return nt_expr_call(expr, fn, inner(expr, a), inner(expr, b), -1);
    if (nt_expr_is_constant(expr, b, &value))
        return nt_expr_call(expr, fn, inner(expr, a), nt_expr_constant(expr, -value), -1);
    return -1;
}

/* Only exponents where the product is the power for every a, NaN and infinities included. */
static int simplify_power(struct nt_expr *expr, int a, int b)
{
    if (is_value(expr, b, 0))
        return nt_expr_constant(expr, 1);
    if (is_value(expr, b, 1))
        return a;
    if (is_value(expr, b, -1))
        return nt_expr_call(expr, NT_FN_div, nt_expr_constant(expr, 1), a, -1);
    if (is_value(expr, b, 2))
        return nt_expr_call(expr, NT_FN_mul, a, a, -1);
    if (is_value(expr, b, 3))
        return nt_expr_call(expr, NT_FN_mul, nt_expr_call(expr, NT_FN_mul, a, a, -1), a, -1);
    return -1;
}

static int simplify_unary(struct nt_expr *expr, enum nt_fn fn, int a)
{
    if (fn == NT_FN_neg && is_call(expr, a, NT_FN_neg))
        return inner(expr, a);
    if (fn == NT_FN_neg && is_call(expr, a, NT_FN_sub))
        return nt_expr_call(expr, NT_FN_sub, expr->terms[a].arg[1], inner(expr, a), -1);
    if (fn == NT_FN_abs && is_call(expr, a, NT_FN_neg))
        return nt_expr_call(expr, NT_FN_abs, inner(expr, a), -1, -1);
    if ((fn == NT_FN_abs || fn == NT_FN_relu) &&
        (is_call(expr, a, NT_FN_abs) || is_call(expr, a, NT_FN_relu)))
        return a;
    return -1;
}

static int simplify_select(struct nt_expr *expr, int a, int b, int c)
{
    double value;
    if (b == c)
        return b;
    if (nt_expr_is_constant(expr, a, &value))
        return value != 0 ? b : c;
    if (is_comparison(expr, a) && is_value(expr, b, 1) && is_value(expr, c, 0))
        return a;
    if (is_call(expr, a, NT_FN_ne) && is_value(expr, expr->terms[a].arg[1], 0))
        return nt_expr_call(expr, NT_FN_select, inner(expr, a), b, c);
    return -1;
}

/* A simpler term for the call, or -1. */
static int simplify(struct nt_expr *expr, enum nt_fn fn, const int arg[3])
{
    switch (fn) {
    case NT_FN_add:
    case NT_FN_sub:
        return simplify_sum(expr, fn, arg[0], arg[1]);
    case NT_FN_mul:
    case NT_FN_div:
        return simplify_product(expr, fn, arg[0], arg[1]);
    case NT_FN_pow:
        return simplify_power(expr, arg[0], arg[1]);
    case NT_FN_max:
    case NT_FN_min:
        return arg[0] == arg[1] ? arg[0] : -1;
    case NT_FN_ne:
        return is_comparison(expr, arg[0]) && is_value(expr, arg[1], 0) ? arg[0] : -1;
    case NT_FN_select:
        return simplify_select(expr, arg[0], arg[1], arg[2]);
    default:
        return simplify_unary(expr, fn, arg[0]);
    }
}

int nt_expr_call(struct nt_expr *expr, enum nt_fn fn, int a, int b, int c)
{
    int arg[3] = {a, b, c}, arity = nt_functions[fn].arity, constants = 0;
    double value[3] = {0};
    if (expr->failed)
        return -1;
    for (int i = 0; i < 3; i++) {
        if (i >= arity)
            arg[i] = -1;
        else if (arg[i] < 0 || arg[i] >= expr->count)
            return -1;
        else
            constants += nt_expr_is_constant(expr, arg[i], &value[i]);
    }
    if (constants == arity)
        return nt_expr_constant(expr, apply(expr, fn, value[0], value[1], value[2]));
    bool commutes = fn == NT_FN_add || fn == NT_FN_mul || fn == NT_FN_eq || fn == NT_FN_ne;
    if (commutes && comes_before(&expr->terms[arg[1]], &expr->terms[arg[0]])) {
        arg[0] = b;
        arg[1] = a;
    }
    int simpler = simplify(expr, fn, arg);
    if (simpler >= 0 || expr->failed)
        return simpler;
    return intern(expr, (struct nt_term){.fn = (int)fn, .arg = {arg[0], arg[1], arg[2]}});
}

void nt_expr_mark(const struct nt_expr *expr, int term, bool *needed)
{
    needed[term] = true;
    for (int i = term; i >= 0; i--) {
        const struct nt_term *t = &expr->terms[i];
        if (!needed[i] || t->fn < 0)
            continue;
        for (int j = 0; j < nt_functions[t->fn].arity; j++)
            needed[t->arg[j]] = true;
    }
}

static bool is_term(const struct nt_expr *expr, int term)
{
    return !expr->failed && term >= 0 && term < expr->count;
}

/* The needed flags of a term and an array of as many ints, in one allocation. */
static int *allocate_walk(struct nt_expr *expr, const struct nt_expr *from, int term, bool **needed)
{
    size_t count = (size_t)term + 1;
    int *result = calloc(count, sizeof(int) + sizeof(bool));
    if (!result) {
        expr->failed = true;
        return NULL;
    }
    *needed = (bool *)(result + count);
    nt_expr_mark(from, term, *needed);
    return result;
}

/* d term / d x when d arg / d x is known for its arguments. */
static int chain_rule(struct nt_expr *expr, int term, const int *d)
{
    struct nt_term t = expr->terms[term];
    static const char *const names[] = {"a", "b", "c", "r"};
    const int values[] = {t.arg[0], t.arg[1], t.arg[2], term};
    if (t.fn == NT_FN_select) /* a product would take NaN from the branch not chosen */
        return nt_expr_call(expr, NT_FN_select, t.arg[0], d[t.arg[1]], d[t.arg[2]]);
    int sum = nt_expr_constant(expr, 0);
    for (int i = 0; i < nt_functions[t.fn].arity && !expr->failed; i++) {
        if (d[t.arg[i]] >= 0 && is_value(expr, d[t.arg[i]], 0))
            continue;
        struct nt_parse_error error;
        int partial =
            nt_expr_parse_text(expr, nt_functions[t.fn].derivative[i], 4, names, values, &error);
        if (partial >= 0 && is_value(expr, partial, 0))
            continue;
        int product = nt_expr_call(expr, NT_FN_mul, d[t.arg[i]], partial, -1);
        sum = nt_expr_call(expr, NT_FN_add, sum, product, -1);
    }
    return sum;
}

static bool is_whole(const struct nt_term *t)
{
    if (t->fn == NT_TERM_CONSTANT)
        return isinf(t->value) || (t->value == trunc(t->value) && fabs(t->value) <= INT32_MAX);
    return t->fn == NT_TERM_INPUT || nt_integer_sources[t->fn];
}

bool nt_expr_make_integers(struct nt_expr *expr, int term)
{
    bool *needed = calloc((size_t)expr->count + 1, sizeof *needed), whole = needed != NULL;
    if (whole && is_term(expr, term))
        nt_expr_mark(expr, term, needed);
    for (int i = 0; whole && i < expr->count; i++)
        whole = !needed[i] || is_whole(&expr->terms[i]);
    free(needed);
    expr->failed |= !needed;
    expr->integers = whole;
    return whole;
}

bool nt_expr_is_integers(const struct nt_expr *expr)
{
    return expr->integers;
}

int nt_expr_derivative(struct nt_expr *expr, int term, int input)
{
    bool *needed;
    if (!is_term(expr, term))
        return -1;
    int *d = allocate_walk(expr, expr, term, &needed);
    if (!d)
        return -1;
    for (int i = 0; i <= term; i++) {
        const struct nt_term *t = &expr->terms[i];
        if (!needed[i])
            continue;
        if (t->fn >= 0)
            d[i] = chain_rule(expr, i, d);
        else
            d[i] = nt_expr_constant(expr, t->fn == NT_TERM_INPUT && t->arg[0] == input);
    }
    int result = d[term];
    free(d);
    return result;
}

int nt_expr_compose(struct nt_expr *expr, const struct nt_expr *from, int term, const int *inputs)
{
    bool *needed;
    if (!is_term(from, term) || expr->failed)
        return -1;
    int *copy = allocate_walk(expr, from, term, &needed);
    if (!copy)
        return -1;
    for (int i = 0; i <= term; i++) {
        struct nt_term t = from->terms[i];
        if (!needed[i])
            continue;
        if (t.fn == NT_TERM_INPUT)
            copy[i] = is_term(expr, inputs[t.arg[0]]) ? inputs[t.arg[0]] : -1;
        else if (t.fn == NT_TERM_CONSTANT)
            copy[i] = nt_expr_constant(expr, t.value);
        else
            copy[i] = nt_expr_call(expr, (enum nt_fn)t.fn, copy[t.arg[0]],
                t.arg[1] < 0 ? -1 : copy[t.arg[1]], t.arg[2] < 0 ? -1 : copy[t.arg[2]]);
    }
    int result = copy[term];
    free(copy);
    return result;
}

int nt_expr_replace(struct nt_expr *expr, int term, int what, int with)
{
    bool *needed;
    if (!is_term(expr, term) || !is_term(expr, what) || !is_term(expr, with))
        return -1;
    int *copy = allocate_walk(expr, expr, term, &needed);
    if (!copy)
        return -1;
    for (int i = 0; i <= term; i++) {
        struct nt_term t = expr->terms[i];
        if (!needed[i])
            continue;
        if (i == what)
            copy[i] = with;
        else if (t.fn < 0)
            copy[i] = i;
        else
            copy[i] = nt_expr_call(expr, (enum nt_fn)t.fn, copy[t.arg[0]],
                t.arg[1] < 0 ? -1 : copy[t.arg[1]], t.arg[2] < 0 ? -1 : copy[t.arg[2]]);
    }
    int result = copy[term];
    free(copy);
    return result;
}

bool nt_expr_uses(const struct nt_expr *expr, int term, int input)
{
    if (!is_term(expr, term))
        return false;
    bool *needed = calloc((size_t)term + 1, sizeof *needed), found = false;
    if (!needed)
        return true; /* the answer that is safe to act on */
    nt_expr_mark(expr, term, needed);
    for (int i = 0; i <= term; i++)
        found |= needed[i] && expr->terms[i].fn == NT_TERM_INPUT && expr->terms[i].arg[0] == input;
    free(needed);
    return found;
}

bool nt_expr_is_constant(const struct nt_expr *expr, int term, double *value)
{
    if (!is_term(expr, term) || expr->terms[term].fn != NT_TERM_CONSTANT)
        return false;
    *value = expr->terms[term].value;
    return true;
}

bool nt_expr_is_input(const struct nt_expr *expr, int term, int *index)
{
    if (!is_term(expr, term) || expr->terms[term].fn != NT_TERM_INPUT)
        return false;
    *index = expr->terms[term].arg[0];
    return true;
}

enum nt_fn nt_expr_get(const struct nt_expr *expr, int term, int arg[3])
{
    arg[0] = arg[1] = arg[2] = -1;
    if (!is_term(expr, term))
        return NT_FN_COUNT;
    const struct nt_term *t = &expr->terms[term];
    if (t->fn != NT_TERM_CONSTANT)
        memcpy(arg, t->arg, sizeof t->arg);
    return t->fn < 0 ? NT_FN_COUNT : (enum nt_fn)t->fn;
}

int nt_expr_cost(const struct nt_expr *expr, int term)
{
    if (!is_term(expr, term))
        return 0;
    bool *needed = calloc((size_t)term + 1, sizeof *needed);
    int cost = 0;
    if (!needed)
        return term + 1;
    nt_expr_mark(expr, term, needed);
    for (int i = 0; i <= term; i++)
        cost += needed[i] && expr->terms[i].fn >= 0;
    free(needed);
    return cost;
}

double nt_expr_evaluate(const struct nt_expr *expr, int term, const double *inputs)
{
    if (!is_term(expr, term))
        return NAN;
    double small[SMALL_EXPRESSION], *value = small, result = NAN;
    bool small_needed[SMALL_EXPRESSION] = {false}, *needed = small_needed;
    if (term >= SMALL_EXPRESSION) {
        value = malloc(((size_t)term + 1) * sizeof *value);
        needed = calloc((size_t)term + 1, sizeof *needed);
    }
    if (value && needed) {
        nt_expr_mark(expr, term, needed);
        for (int i = 0; i <= term; i++) {
            const struct nt_term *t = &expr->terms[i];
            if (!needed[i])
                continue;
            if (t->fn == NT_TERM_INPUT)
                value[i] = inputs[t->arg[0]];
            else if (t->fn == NT_TERM_CONSTANT)
                value[i] = t->value;
            else
                value[i] = apply(expr, (enum nt_fn)t->fn, value[t->arg[0]],
                    t->arg[1] < 0 ? 0 : value[t->arg[1]], t->arg[2] < 0 ? 0 : value[t->arg[2]]);
        }
        result = value[term];
    }
    if (value != small)
        free(value);
    if (needed != small_needed)
        free(needed);
    return result;
}
