/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "tests/operators.h"

START_TEST(reductions)
{
    static const char *const axes[] = {"0", "1", "{0, 2, 3}", "{2, 3}", "-1", "{0, 1, 2, 3}"};
    static const char *const names[] = {"sum", "mean", "max", "min"};
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < rounds(6); j++) {
            say("local x = parameter('x', {%d, %d, %d, %d}, {init = 'zeros'})\n", test_int(1, 4),
                test_int(1, 7), test_int(1, 7), test_int(1, 7));
            say("local y = op.%s(x:tanh(), {axes = %s, keepdims = %s})\n", names[i], axes[j],
                test_int(0, 1) ? "true" : "false");
            end_with_weighted_sum();
            check_definition(1, 0);
        }
}
END_TEST

/* Over dimensions 1 and 2 of three. */
static const char *which;
static int extent[3];

static double statistic(const int64_t *at)
{
    int64_t count = extent[1] * extent[2];
    double sum = 0, squares = 0, size = 0, exps = 0, any = 0, all = 1, product = 1;
    for (int64_t i = 0; i < count; i++) {
        double x = expected_operand("x", (int64_t[]){at[0], i / extent[2], i % extent[2]});
        sum += x;
        squares += x * x;
        size += fabs(x);
        exps += exp(x);
        product *= x;
        any = fmax(any, x != 0);
        all = fmin(all, x != 0);
    }
    double var = (squares - sum * sum / (double)count) / ((double)count - 1);
    return !strcmp(which, "l1")            ? size
           : !strcmp(which, "l2")          ? sqrt(squares)
           : !strcmp(which, "log_sum_exp") ? log(exps)
           : !strcmp(which, "prod")        ? product
           : !strcmp(which, "any")         ? any
           : !strcmp(which, "all")         ? all
           : !strcmp(which, "var")         ? var
                                           : sqrt(var);
}

START_TEST(statistics)
{
    static const char *const names[] = {
        "l1", "l2", "log_sum_exp", "prod", "any", "all", "var", "std"};
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < rounds(1); j++) {
            which = names[i];
            say("local x = parameter('x', {");
            for (int d = 0; d < 3; d++)
                say("%d, ", extent[d] = test_int(d == 2 ? 2 : 1, 4));
            say("}, {init = 'zeros'})\nlocal y = x:%s{axes = {-1, 1}, keepdims = %s}\n", which,
                test_int(0, 1) ? "true" : "false");
            end_with_weighted_sum();
            check_definition_against(1, 0, statistic);
        }
    say("local x = parameter('x', {2, 5}, {init = 'zeros'})\n" /* zeros in products */
        "local z = x * op.gt(x, -0.2)\n"
        "local y = z:prod{axes = 1} + z:l2{axes = 0}:mean()\n");
    end_with_weighted_sum();
    check_definition(1, 0);
}
END_TEST

static bool smallest;

static double found(const int64_t *at)
{
    int best = 0;
    for (int i = 1; i < extent[1]; i++) {
        double x = expected_operand("x", (int64_t[]){at[0], i, at[1]});
        double b = expected_operand("x", (int64_t[]){at[0], best, at[1]});
        if (smallest ? x < b : x > b)
            best = i;
    }
    return best * expected_operand("w", (int64_t[]){0});
}

START_TEST(arguments)
{
    for (int i = 0; i < rounds(2) * 2; i++) {
        smallest = i % 2;
        say("local x = parameter('x', {");
        for (int d = 0; d < 3; d++)
            say("%d, ", extent[d] = test_int(1, 7));
        say("}, {init = 'zeros'})\nlocal w = parameter('w', {1}, {init = 'zeros'})\n"
            "local y = x:%s{axis = %d} * w\n"
            "assert(#x:argmax{keepdims = true}:shape() == 3)\n",
            smallest ? "argmin" : "argmax", test_int(0, 1) ? 1 : -2);
        end_with_weighted_sum();
        check_definition_against(1, 0, found);
    }
}
END_TEST

OPERATORS_MAIN("reduce operators", reductions, statistics, arguments)
