/* SPDX-License-Identifier: MIT
 *
 * Operators on random configurations: outputs against the naive loops in double precision,
 * gradients by every parameter against central differences of the naive loops. The definitions are
 * written as Lua text, as a user would.
 */
#ifndef NT_TESTS_OPERATORS_H
#define NT_TESTS_OPERATORS_H

#include "tests/testing.h"

/* Adds to the text of the definition. */
void say(const char *fmt, ...) NT_PRINTF(1, 2);

/* Ends it: y is the output, and the loss the sum of y times fixed numbers, so that every element
 * matters differently. */
void end_with_weighted_sum(void);

/* Runs the definition and forgets it. Parameters whose names begin with "positive" are; int32
 * inputs are classes below `classes`, some of them -1. */
void check_definition(int batch, int classes);

/* The same, and output 0 must be what `expected` gives for each of its indices: for operators that
 * are made of others, whose parts alone the naive loops know. It reads parameters and inputs by
 * expected_operand. */
void check_definition_against(int batch, int classes, double (*expected)(const int64_t *at));
double expected_operand(const char *name, const int64_t *at);

/* The model of a definition's text. */
struct nt_model;
struct nt_model *operators_load(const char *text);
/* The definition is wrong, and the message says so. */
void check_refused(const char *message);

/* How often each random configuration is drawn: a third of what would be thorough at one go, as
 * every run draws others; once with $NT_SMALL, for slow devices. */
int rounds(int normal);

int operators_main(const char *name, int count, const TTest *const *tests);

#define OPERATORS_MAIN(name, ...)                                                                  \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *tests[] = {__VA_ARGS__};                                                      \
        return operators_main(name, sizeof tests / sizeof *tests, tests);                          \
    }

#endif
