/* SPDX-License-Identifier: MIT
 *
 * The terms inside an expression, for the files expr*.c. Private to engine/.
 */
#ifndef NT_ENGINE_EXPR_TERMS_H
#define NT_ENGINE_EXPR_TERMS_H

#include "engine/expr.h"

/* In place of a function. */
#define NT_TERM_INPUT (-1)
#define NT_TERM_CONSTANT (-2)

struct nt_term {
    int fn;
    int arg[3];    /* terms, -1 beyond the arity; the index of an input */
    double value;  /* of a constant */
    uint64_t hash; /* of the content: the same in every expression */
};

struct nt_expr {
    struct nt_term *terms;
    int count, capacity;
    int *slots; /* open hash table of term indices, -1: free; a power of two long */
    int slot_count;
    bool failed, integers;
};

struct nt_function {
    const char *name;
    int arity;
    const char *source;
    const char *derivative[3];
};
extern const struct nt_function nt_functions[NT_FN_COUNT];
extern const char *const nt_integer_sources[NT_FN_COUNT]; /* NULL: no meaning for integers */

/* NT_FN_COUNT when there is no function of that name. */
enum nt_fn nt_function_find(const char *name, size_t length);

/* needed[i] for i <= term becomes whether the value of a term needs term i. Only raises flags,
 * so several terms may be marked. */
void nt_expr_mark(const struct nt_expr *expr, int term, bool *needed);

/* nt_expr_parse without a message: -1 and the reason and column (from 1) on an error. */
struct nt_parse_error {
    char reason[96];
    int column;
};
int nt_expr_parse_text(struct nt_expr *expr, const char *text, int count, const char *const *names,
    const int *terms, struct nt_parse_error *error);

#endif
