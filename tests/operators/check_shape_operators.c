/* SPDX-License-Identifier: MIT */
#include "tests/operators.h"

START_TEST(moves)
{
    say("local x = parameter('x', {3, 4, 5, 2}, {init = 'zeros'})\n"
        "local z = parameter('z', {3, 2, 5, 2}, {init = 'zeros'})\n"
        "local y = op.concat(x, z, x:relu())\n"
        "y = y:slice{axis = 1, first = 2, count = 6}:transpose{axes = {0, 2, 3, 1}}\n"
        "y = y:reshape{shape = {3, -1}} * 2 + y:flatten()\n");
    end_with_weighted_sum();
    check_definition(1, 0);
    say("local x = parameter('x', {3, 1, 5, 1}, {init = 'zeros'})\n"
        "local y = x:broadcast{shape = {2, 3, 4, 5, 2}}\n");
    end_with_weighted_sum();
    check_definition(1, 0);
    /* channels-last and row-major meet */
    say("local x = parameter('x', {2, 5, 6, 6}, {init = 'zeros'})\n"
        "local c = x:conv2d{name = 'conv', channels = 7, kernel = 3, padding = 1}:relu()\n"
        "local p = op.concat(c, x):max_pool2d{kernel = 2}\n"
        "local y = p:flatten():linear{name = 'fc', features = 3}\n"
        "y = y + p:transpose{axes = {0, 2, 3, 1}}:reshape{shape = {2, -1}}:slice{count = 3}\n");
    end_with_weighted_sum();
    check_definition(1, 0);
}
END_TEST

OPERATORS_MAIN("shape operators", moves)
