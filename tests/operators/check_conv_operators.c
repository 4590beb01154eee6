/* SPDX-License-Identifier: MIT */
#include "tests/operators.h"

static void one_conv2d(void)
{
    int groups = test_int(0, 2) ? 1 : test_int(2, 3), in = groups * test_int(1, 4);
    int kernel[2] = {test_int(1, 4), test_int(1, 4)}, out = groups * test_int(1, 9);
    say("local x = parameter('x', {%d, %d, %d, %d}, {init = 'zeros'})\n", test_int(1, 3), in,
        test_int(7, 11), test_int(7, 11));
    say("local y = x:conv2d{name = 'conv', channels = %d, kernel = {%d, %d}, groups = %d, ", out,
        kernel[0], kernel[1], groups);
    say("stride = {%d, %d}, dilation = {%d, %d}, padding = {%d, %d, %d, %d}, bias = %s}\n",
        test_int(1, 3), test_int(1, 3), test_int(1, 2), test_int(1, 2), test_int(0, 2),
        test_int(0, 2), test_int(0, 2), test_int(0, 2), test_int(0, 1) ? "true" : "false");
    if (test_int(0, 1))
        say("y = y:tanh()\n");
    end_with_weighted_sum();
    check_definition(1, 0);
}

START_TEST(conv2d)
{
    for (int i = 0; i < rounds(20); i++)
        one_conv2d();
}
END_TEST

START_TEST(residuals_and_shared_weights)
{
    say("local x = parameter('x', {2, 6, 5, 5}, {init = 'zeros'})\n"
        "local w = parameter('w', {6, 6, 3, 3}, {init = 'zeros'})\n"
        "local a = x:conv2d{channels = 6, kernel = 3, padding = 1, weight = w, bias = "
        "false}:relu()\n"
        "local b = a:conv2d{channels = 6, kernel = 3, padding = 1, weight = w, bias = false}\n"
        "local y = (b + x):relu() + a\n");
    end_with_weighted_sum();
    check_definition(1, 0);
}
END_TEST

OPERATORS_MAIN("conv operators", conv2d, residuals_and_shared_weights)
