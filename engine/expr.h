/* SPDX-License-Identifier: MIT
 *
 * Scalar expressions of elementwise operators. An expression is a set of terms; equal
 * terms are stored once and have one index, so a term index is a common subexpression.
 * Arguments have lower indices than the terms that use them. Terms are simplified as they
 * are made (constants folded, x*1, x+0, ...; nothing that changes NaN or infinity results).
 *
 * The functions, their OpenCL C text and their derivatives are the one table
 * engine/expr_functions.inc. Comparisons give 1 or 0. Arithmetic is float, unless the expression is
 * made one of integers: then it is that of int32 (engine/expr_integers.inc).
 */
#ifndef NT_ENGINE_EXPR_H
#define NT_ENGINE_EXPR_H

#include "engine/context.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum nt_fn {
#define NT_FUNCTION(name, arity, source, value, da, db, dc) NT_FN_##name,
#include "engine/expr_functions.inc"
#undef NT_FUNCTION
    NT_FN_COUNT
};

/* Thread-safety: one thread at a time. Lifetime: independent of everything else.
 * Exhausted memory is remembered: nt_expr_ok turns false and every later index is -1;
 * -1 as an argument gives -1. */
struct nt_expr;
NT_API struct nt_expr *nt_expr_create(void); /* NULL when memory is exhausted */
NT_API void nt_expr_destroy(struct nt_expr *expr);
NT_API bool nt_expr_ok(const struct nt_expr *expr);

NT_API int nt_expr_input(struct nt_expr *expr, int index); /* the index-th input's element */
NT_API int nt_expr_constant(struct nt_expr *expr, double value);
NT_API int nt_expr_call(struct nt_expr *expr, enum nt_fn fn, int a, int b, int c);

/* Makes the arithmetic that of int32 when everything that the term needs has a meaning there:
 * functions by the table, constants that are whole or infinite (the ends of the range). term -1:
 * nothing is needed yet. Returns whether it is done. Derivatives are for float. */
NT_API bool nt_expr_make_integers(struct nt_expr *expr, int term);
NT_API bool nt_expr_is_integers(const struct nt_expr *expr);

/* Parses "select(x > 0, x, slope * x)": numbers, names, + - * / (unary -), comparisons
 * < <= > >= == !=, parentheses, and the functions of the table. names[i] stands for
 * terms[i]. Errors: NT_ERR_ARGUMENT with the text and the column. */
NT_API enum nt_status nt_expr_parse(struct nt_context *ctx, struct nt_expr *expr, const char *text,
    int count, const char *const *names, const int *terms, int *term);

/* d term / d input, as a term (the constant 0 when it does not depend on it). Uses the
 * rules of the table, most of them in terms of the function's own result. */
NT_API int nt_expr_derivative(struct nt_expr *expr, int term, int input);

/* Copies a term of another (or the same) expression, input i replaced by inputs[i]. */
NT_API int nt_expr_compose(
    struct nt_expr *expr, const struct nt_expr *from, int term, const int *inputs);

/* The term with every occurrence of the subterm `what` replaced by `with`. */
NT_API int nt_expr_replace(struct nt_expr *expr, int term, int what, int with);

/* Whether the value of a term needs an input / is a constant (its value in *value). */
NT_API bool nt_expr_uses(const struct nt_expr *expr, int term, int input);
NT_API bool nt_expr_is_constant(const struct nt_expr *expr, int term, double *value);
/* Whether a term is the input itself; its index in *index. */
NT_API bool nt_expr_is_input(const struct nt_expr *expr, int term, int *index);

/* What a term is: the function that is called, with its arguments (terms, -1 beyond the arity);
 * NT_FN_COUNT for a constant, and for an input, whose index is then arg[0]. */
NT_API enum nt_fn nt_expr_get(const struct nt_expr *expr, int term, int arg[3]);

/* Function calls in a term, counting each common subexpression once. */
NT_API int nt_expr_cost(const struct nt_expr *expr, int term);

/* The value in double precision on the host: the reference for every kernel. */
NT_API double nt_expr_evaluate(const struct nt_expr *expr, int term, const double *inputs);

/* Human-readable form, "max(x0, 0)"; freed with free(). */
NT_API char *nt_expr_text(const struct nt_expr *expr, int term);

/* OpenCL C statements that compute terms from variables in0, in1, ... into out0, out1, ...
 * (declared by the caller): "T t3 = fmax(in0, C(0.0f)); out0 = t3;" with T the value type and C()
 * the constant's cast, macros of the including kernel, so one text serves every vector width. In
 * the arithmetic of integers T is of int, and the macros of cl/map.cl for it are needed, too.
 * Deterministic: equal terms give equal text. Freed with free(). */
NT_API char *nt_expr_source(const struct nt_expr *expr, int count, const int *terms);

#ifdef __cplusplus
}
#endif
#endif
