/* SPDX-License-Identifier: MIT */
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

OPERATORS_MAIN("reduce operators", reductions)
