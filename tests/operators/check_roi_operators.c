/* SPDX-License-Identifier: MIT */
#include "tests/operators.h"

/* Some boxes of two pictures; some reach out. */
static void say_boxes(void)
{
    int k = test_int(1, 4);
    say("local x = parameter('x', {2, %d, %d, %d}, {init = 'zeros'})\n", test_int(1, 9),
        test_int(3, 8), test_int(3, 8));
    say("local r = input('boxes', {%d}):reshape{shape = {%d, 5}}\n", 5 * k, k);
    say("local boxes = op.concat(r:slice{first = 0, count = 1}:abs() * 2,\n"
        "    r:slice{first = 1, count = 4} * 6 + 3)\n");
}

START_TEST(regions)
{
    for (int i = 0; i < 3 * rounds(2); i++) {
        say_boxes();
        if (i % 3 == 1)
            say("local y = x:roi_pool(boxes, {output_size = {%d, %d}, ", test_int(1, 4),
                test_int(1, 4));
        else
            say("local y = x:roi_align%s(boxes, {output_size = {%d, %d}, sampling_ratio = %d, "
                "aligned = %s, ",
                i % 3 ? "_max" : "", test_int(1, 4), test_int(1, 4), test_int(-1, 3),
                test_int(0, 1) ? "true" : "false");
        say("spatial_scale = %s})\n", test_int(0, 1) ? "1" : "0.5");
        end_with_weighted_sum();
        check_definition(1, 0);
    }
}
END_TEST

OPERATORS_MAIN("region operators", regions)
