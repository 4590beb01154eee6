/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "tests/operators.h"

START_TEST(linear_and_matmul)
{
    for (int i = 0; i < rounds(8); i++) {
        say("local x = parameter('x', {%d, %d}, {init = 'zeros'})\n", test_int(1, 9),
            test_int(1, 40));
        say("local y = x:linear{name = 'fc', features = %d, bias = %s}\n", test_int(1, 40),
            test_int(0, 1) ? "true" : "false");
        end_with_weighted_sum();
        check_definition(1, 0);
        int ta = test_int(0, 1), tb = test_int(0, 1), m = test_int(1, 9), k = test_int(1, 9);
        int n = test_int(1, 9), batch = test_int(0, 3);
        char lead[16] = "";
        if (batch)
            snprintf(lead, sizeof lead, "%d, ", batch);
        say("local a = parameter('a', {%s%d, %d}, {init = 'zeros'})\n", lead, ta ? k : m,
            ta ? m : k);
        say("local b = parameter('b', {%s%d, %d}, {init = 'zeros'})\n", lead, tb ? n : k,
            tb ? k : n);
        say("local y = a:matmul(b, {transpose_a = %s, transpose_b = %s})\n", ta ? "true" : "false",
            tb ? "true" : "false");
        end_with_weighted_sum();
        check_definition(1, 0);
    }
}
END_TEST

OPERATORS_MAIN("dense operators", linear_and_matmul)
