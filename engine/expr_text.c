/* SPDX-License-Identifier: MIT
 *
 * Expressions as text: for people, and as OpenCL C.
 */
#include "engine/expr_terms.h"

#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Human-readable text is cut with "..." where it goes deeper or gets longer than this: common
 * subexpressions are written out, so its length may be exponential in the number of terms. */
#define MAX_TEXT_DEPTH 100
#define MAX_TEXT_LENGTH 20000

struct text {
    char *chars;
    size_t length, capacity;
    bool failed;
};

NT_PRINTF(2, 3) static void print(struct text *text, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (text->failed || length < 0)
        return;
    size_t needed = text->length + (size_t)length + 1;
    if (needed > text->capacity) {
        size_t capacity = 2 * needed;
        char *chars = realloc(text->chars, capacity);
        if (!chars) {
            text->failed = true;
            return;
        }
        text->chars = chars;
        text->capacity = capacity;
    }
    va_start(args, fmt);
    vsnprintf(text->chars + text->length, (size_t)length + 1, fmt, args);
    va_end(args);
    text->length += (size_t)length;
}

static char *finish(struct text *text)
{
    print(text, "%s", "");
    if (text->failed) {
        free(text->chars);
        return NULL;
    }
    return text->chars;
}

/* Infix operators by binding strength; 9 for everything that needs no parentheses. */
static int precedence(const struct nt_term *term)
{
    switch (term->fn) {
    case NT_FN_lt:
    case NT_FN_le:
    case NT_FN_eq:
    case NT_FN_ne:
        return 1;
    case NT_FN_add:
    case NT_FN_sub:
        return 2;
    case NT_FN_mul:
    case NT_FN_div:
        return 3;
    case NT_FN_neg:
        return 4;
    case NT_TERM_CONSTANT:
        return signbit(term->value) ? 4 : 9;
    default:
        return 9;
    }
}

/* "%.*g" with a "." whatever the program's locale says. */
static void format_number(char number[40], int digits, double value)
{
    snprintf(number, 40, "%.*g", digits, value);
    char *point = strchr(number, localeconv()->decimal_point[0]);
    if (point)
        *point = '.';
}

/* The shortest of three precisions that reads back as the same number. */
static void print_constant(struct text *text, double value)
{
    char number[40];
    for (int digits = 6;; digits = digits == 6 ? 9 : 17) {
        snprintf(number, sizeof number, "%.*g", digits, value);
        if (digits == 17 || strtod(number, NULL) == value) {
            format_number(number, digits, value);
            break;
        }
    }
    print(text, "%s", isnan(value) ? "nan" : number);
}

static void print_term(
    struct text *text, const struct nt_expr *expr, int index, int outer, int depth)
{
    static const char *const symbols[NT_FN_COUNT] = {[NT_FN_add] = "+",
        [NT_FN_sub] = "-",
        [NT_FN_mul] = "*",
        [NT_FN_div] = "/",
        [NT_FN_lt] = "<",
        [NT_FN_le] = "<=",
        [NT_FN_eq] = "==",
        [NT_FN_ne] = "!="};
    const struct nt_term *t = &expr->terms[index];
    int own = precedence(t);
    if (depth > MAX_TEXT_DEPTH || text->length > MAX_TEXT_LENGTH) {
        print(text, "...");
        return;
    }
    if (own < outer)
        print(text, "(");
    if (t->fn == NT_TERM_INPUT) {
        print(text, "x%d", t->arg[0]);
    } else if (t->fn == NT_TERM_CONSTANT) {
        print_constant(text, t->value);
    } else if (symbols[t->fn]) {
        print_term(text, expr, t->arg[0], own, depth + 1);
        print(text, " %s ", symbols[t->fn]);
        print_term(text, expr, t->arg[1], own + 1, depth + 1);
    } else if (t->fn == NT_FN_neg) {
        print(text, "-");
        print_term(text, expr, t->arg[0], own, depth + 1);
    } else {
        for (int i = 0; i < nt_functions[t->fn].arity; i++) {
            print(text, i ? ", " : "%s(", nt_functions[t->fn].name);
            print_term(text, expr, t->arg[i], 0, depth + 1);
        }
        print(text, ")");
    }
    if (own < outer)
        print(text, ")");
}

char *nt_expr_text(const struct nt_expr *expr, int term)
{
    struct text text = {0};
    if (term < 0 || term >= expr->count)
        print(&text, "?");
    else
        print_term(&text, expr, term, 0, 0);
    return finish(&text);
}

static void print_operand(
    struct text *text, const struct nt_expr *expr, int index, const int *names)
{
    const struct nt_term *t = &expr->terms[index];
    if (t->fn == NT_TERM_INPUT) {
        print(text, "in%d", t->arg[0]);
    } else if (t->fn >= 0) {
        print(text, "t%d", names[index] - 1);
    } else if (expr->integers) {
        double value = fmin(fmax(t->value, -2147483648.0), 2147483647.0);
        if (value < -2147483647.0)
            print(text, "C(-2147483647 - 1)");
        else
            print(text, "C(%.0f)", value);
    } else if (isnan(t->value)) {
        print(text, "C(NAN)");
    } else if (fabs(t->value) > 3.4028235677973366e38) { /* rounds to infinity as a float */
        print(text, "C(%sINFINITY)", t->value < 0 ? "-" : "");
    } else {
        char number[40];
        format_number(number, 9, t->value);
        print(text, "C(%s%sf)", number, strpbrk(number, ".e") ? "" : ".0");
    }
}

/* The table's source text with its operands A, B and C put in. */
static void print_call(struct text *text, const struct nt_expr *expr, int index, const int *names)
{
    const struct nt_term *t = &expr->terms[index];
    const char *source = expr->integers ? nt_integer_sources[t->fn] : nt_functions[t->fn].source;
    print(text, "T t%d = ", names[index] - 1);
    for (const char *s = source; *s; s++) {
        bool inside = isalnum((unsigned char)s[1]) || s[1] == '_' || s[1] == '(' ||
                      (s > source && (isalnum((unsigned char)s[-1]) || s[-1] == '_'));
        if (*s >= 'A' && *s <= 'C' && !inside)
            print_operand(text, expr, t->arg[*s - 'A'], names);
        else
            print(text, "%c", *s);
    }
    print(text, ";\n");
}

/* Prints the calls that a term needs and that have no name yet, arguments first. stack has room
 * for every term. The order is the term's own, whatever else the expression holds. */
static void print_calls(
    struct text *text, const struct nt_expr *expr, int term, int *names, int *next, int *stack)
{
    int top = 0;
    stack[top++] = term;
    while (top) {
        int index = stack[top - 1], pending = -1;
        const struct nt_term *t = &expr->terms[index];
        if (t->fn >= 0 && !names[index])
            for (int i = nt_functions[t->fn].arity - 1; i >= 0; i--)
                if (expr->terms[t->arg[i]].fn >= 0 && !names[t->arg[i]])
                    pending = t->arg[i];
        if (pending >= 0) {
            stack[top++] = pending;
            continue;
        }
        if (t->fn >= 0 && !names[index]) {
            names[index] = ++*next;
            print_call(text, expr, index, names);
        }
        top--;
    }
}

char *nt_expr_source(const struct nt_expr *expr, int count, const int *terms)
{
    struct text text = {0};
    int *names = calloc(2 * (size_t)expr->count + 2, sizeof *names), next = 0;
    if (!names)
        return NULL;
    for (int i = 0; i < count; i++)
        if (terms[i] >= 0 && terms[i] < expr->count)
            print_calls(&text, expr, terms[i], names, &next, names + expr->count + 1);
    for (int i = 0; i < count; i++) {
        if (terms[i] < 0 || terms[i] >= expr->count)
            continue;
        print(&text, "out%d = ", i);
        print_operand(&text, expr, terms[i], names);
        print(&text, ";\n");
    }
    free(names);
    return finish(&text);
}
