/* SPDX-License-Identifier: MIT */
#include "tests/operators.h"

START_TEST(pooling)
{
    for (int i = 0; i < rounds(12); i++) {
        bool average = i % 2;
        int kernel = test_int(1, 4);
        say("local x = parameter('x', {%d, %d, %d, %d}, {init = 'zeros'})\n", test_int(1, 3),
            test_int(1, 18), test_int(7, 11), test_int(7, 11));
        say("local y = x:%s{kernel = {%d, %d}, stride = {%d, %d}, padding = %d, ceil_mode = %s, "
            "%s}\n",
            average ? "avg_pool2d" : "max_pool2d", kernel, test_int(kernel, 4), test_int(0, 3),
            test_int(0, 3), test_int(0, kernel / 2), test_int(0, 1) ? "true" : "false",
            average ? (test_int(0, 1) ? "count_include_pad = true" : "count_include_pad = false")
                    : (test_int(0, 1) ? "dilation = 2" : "dilation = 1"));
        end_with_weighted_sum();
        check_definition(1, 0);
    }
}
END_TEST

OPERATORS_MAIN("pool operators", pooling)
