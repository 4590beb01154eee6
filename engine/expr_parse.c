/* SPDX-License-Identifier: MIT
 *
 * The parser of expression text:
 *
 *   comparison = sum { ("<" | "<=" | ">" | ">=" | "==" | "!=") sum }
 *   sum        = product { ("+" | "-") product }
 *   product    = unary { ("*" | "/") unary }
 *   unary      = "-" unary | primary
 *   primary    = number | name | "inf" | "nan" | function "(" comparison, ... ")" | "(" comparison
 * ")"
 */
#include "engine/expr_terms.h"

#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Parentheses and signs inside each other; bounds the C stack. */
#define MAX_DEPTH 200

/* Bytes of the text that a message repeats. */
#define EXCERPT 200

struct parser {
    struct nt_expr *expr;
    const char *text, *at;
    int count;
    const char *const *names;
    const int *terms;
    int depth;
    bool wrong;
    struct nt_parse_error *error;
};

static int parse_comparison(struct parser *p);

static int wrong(struct parser *p, const char *at, const char *reason, const char *what, int length)
{
    if (!p->wrong) {
        p->wrong = true;
        snprintf(p->error->reason, sizeof p->error->reason, reason, length, what);
        p->error->column = (int)(at - p->text) + 1;
    }
    return -1;
}

static void skip_space(struct parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
}

static bool accept(struct parser *p, const char *symbol)
{
    skip_space(p);
    if (strncmp(p->at, symbol, strlen(symbol)))
        return false;
    p->at += strlen(symbol);
    return true;
}

static void expect(struct parser *p, const char *symbol)
{
    if (!accept(p, symbol))
        wrong(p, p->at, *p->at ? "'%.*s' expected" : "ends where '%.*s' is expected", symbol, 1);
}

/* Digits with "." and an exponent. strtod alone would take names and hexadecimals, and wants the
 * decimal point of the program's locale. */
static int parse_number(struct parser *p)
{
    const char *start = p->at;
    int digits = 0, exponent = 0;
    char number[64];
    while (isdigit((unsigned char)*p->at) || *p->at == '.')
        digits += *p->at++ != '.';
    if (digits && (*p->at == 'e' || *p->at == 'E')) {
        const char *mark = p->at++;
        p->at += *p->at == '+' || *p->at == '-';
        while (isdigit((unsigned char)*p->at))
            p->at++, exponent++;
        if (!exponent)
            return wrong(p, mark, "exponent without digits", "", 0);
    }
    size_t length = (size_t)(p->at - start);
    if (!digits || length >= sizeof number)
        return wrong(p, start, "malformed number", "", 0);
    memcpy(number, start, length);
    number[length] = '\0';
    char *end, *point = strchr(number, '.');
    if (point)
        *point = localeconv()->decimal_point[0];
    double value = strtod(number, &end);
    if (*end)
        return wrong(p, start, "malformed number", "", 0);
    return nt_expr_constant(p->expr, value);
}

static int parse_call(struct parser *p, const char *name, int length)
{
    enum nt_fn fn = nt_function_find(name, (size_t)length);
    if (fn == NT_FN_COUNT)
        return wrong(p, name, "unknown function '%.*s'", name, length);
    int arg[3] = {-1, -1, -1}, count = 0;
    do {
        if (count == nt_functions[fn].arity)
            return wrong(p, p->at, "too many arguments of '%.*s'", name, length);
        arg[count++] = parse_comparison(p);
    } while (!p->wrong && accept(p, ","));
    if (!p->wrong && count < nt_functions[fn].arity)
        return wrong(p, p->at, "too few arguments of '%.*s'", name, length);
    expect(p, ")");
    return p->wrong ? -1 : nt_expr_call(p->expr, fn, arg[0], arg[1], arg[2]);
}

static int parse_name(struct parser *p)
{
    const char *start = p->at;
    while (isalnum((unsigned char)*p->at) || *p->at == '_')
        p->at++;
    int length = (int)(p->at - start);
    if (accept(p, "("))
        return parse_call(p, start, length);
    for (int i = 0; i < p->count; i++)
        if (!strncmp(p->names[i], start, (size_t)length) && !p->names[i][length])
            return p->terms[i];
    if (length == 3 && !memcmp(start, "inf", 3))
        return nt_expr_constant(p->expr, INFINITY);
    if (length == 3 && !memcmp(start, "nan", 3))
        return nt_expr_constant(p->expr, NAN);
    return wrong(p, start, "unknown name '%.*s'", start, length < 40 ? length : 40);
}

static int parse_primary(struct parser *p)
{
    skip_space(p);
    unsigned char c = (unsigned char)*p->at;
    if (isdigit(c) || c == '.')
        return parse_number(p);
    if (isalpha(c) || c == '_')
        return parse_name(p);
    if (accept(p, "(")) {
        int term = parse_comparison(p);
        expect(p, ")");
        return term;
    }
    if (!c)
        return wrong(p, p->at, "ends where a value is expected", "", 0);
    return wrong(p, p->at, "a value expected, not '%.*s'", p->at, 1);
}

static int parse_unary(struct parser *p)
{
    if (p->depth == MAX_DEPTH)
        return wrong(p, p->at, "nested too deeply", "", 0);
    p->depth++;
    int term = accept(p, "-") ? nt_expr_call(p->expr, NT_FN_neg, parse_unary(p), -1, -1)
                              : parse_primary(p);
    p->depth--;
    return term;
}

static int parse_product(struct parser *p)
{
    int term = parse_unary(p);
    while (!p->wrong) {
        if (accept(p, "*"))
            term = nt_expr_call(p->expr, NT_FN_mul, term, parse_unary(p), -1);
        else if (accept(p, "/"))
            term = nt_expr_call(p->expr, NT_FN_div, term, parse_unary(p), -1);
        else
            break;
    }
    return term;
}

static int parse_sum(struct parser *p)
{
    int term = parse_product(p);
    while (!p->wrong) {
        if (accept(p, "+"))
            term = nt_expr_call(p->expr, NT_FN_add, term, parse_product(p), -1);
        else if (accept(p, "-"))
            term = nt_expr_call(p->expr, NT_FN_sub, term, parse_product(p), -1);
        else
            break;
    }
    return term;
}

static int parse_comparison(struct parser *p)
{
    /* "<=" before "<": the first match is taken. "a > b" is "b < a". */
    static const struct {
        const char *symbol;
        enum nt_fn fn;
        bool swap;
    } operators[] = {{"<=", NT_FN_le, false}, {">=", NT_FN_le, true}, {"==", NT_FN_eq, false},
        {"!=", NT_FN_ne, false}, {"<", NT_FN_lt, false}, {">", NT_FN_lt, true}};
    int term = parse_sum(p);
    for (int i = 0; i < 6 && !p->wrong; i++) {
        if (!accept(p, operators[i].symbol))
            continue;
        int right = parse_sum(p);
        term = nt_expr_call(p->expr, operators[i].fn, operators[i].swap ? right : term,
            operators[i].swap ? term : right, -1);
        i = -1;
    }
    return term;
}

int nt_expr_parse_text(struct nt_expr *expr, const char *text, int count, const char *const *names,
    const int *terms, struct nt_parse_error *error)
{
    struct parser p = {.expr = expr,
        .text = text,
        .at = text,
        .count = count,
        .names = names,
        .terms = terms,
        .error = error};
    error->column = 0;
    int term = parse_comparison(&p);
    skip_space(&p);
    if (!p.wrong && *p.at)
        wrong(&p, p.at, "an operator expected, not '%.*s'", p.at, 1);
    return p.wrong ? -1 : term;
}

enum nt_status nt_expr_parse(struct nt_context *ctx, struct nt_expr *expr, const char *text,
    int count, const char *const *names, const int *terms, int *term)
{
    struct nt_parse_error error;
    int result = nt_expr_parse_text(expr, text, count, names, terms, &error);
    if (error.column)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "expression \"%.*s%s\": column %d: %s", EXCERPT, text,
            strlen(text) > EXCERPT ? "..." : "", error.column, error.reason);
    if (!nt_expr_ok(expr))
        return nt_fail(ctx, NT_ERR_MEMORY, "expression \"%s\": host memory is exhausted", text);
    if (result < 0)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "expression \"%s\": a name stands for no term", text);
    *term = result;
    return NT_OK;
}
