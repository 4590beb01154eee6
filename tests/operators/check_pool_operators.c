/* SPDX-License-Identifier: MIT */
#include "tests/operators.h"

static const char *boolean(void)
{
    return test_int(0, 1) ? "true" : "false";
}

/* x, with `dims` spatial dimensions of low to high elements. */
static void say_x(int dims, int low, int high)
{
    static const int channels[] = {1, 3, 8, 17};
    say("local x = parameter('x', {%d, %d", test_int(1, 3), channels[test_int(0, 3)]);
    for (int i = 0; i < dims; i++)
        say(", %d", test_int(low, high));
    say("}, {init = 'zeros'})\n");
}

/* name = {...}, one number per dimension. */
static void say_list(const char *name, int count, int low, int high)
{
    say("%s = {", name);
    for (int i = 0; i < count; i++)
        say("%s%d", i ? ", " : "", test_int(low, high));
    say("}, ");
}

static void say_padding(int dims, int most)
{
    static const char *const words[] = {"valid", "same", "same_lower"};
    switch (test_int(0, 3)) {
    case 0:
        say("padding = '%s', ", words[test_int(0, 2)]);
        break;
    case 1:
        say("padding = %d, ", test_int(0, most));
        break;
    case 2:
        say_list("padding", dims, 0, most);
        break;
    default:
        say_list("padding", 2 * dims, 0, most);
    }
}

static void one_window(int dims, bool average)
{
    int kernel = test_int(1, dims == 3 ? 3 : 4); /* dilated by two it fits the least x */
    say_x(dims, dims == 3 ? 5 : 7, dims == 3 ? 7 : 11);
    say("local y = x:%s_pool%dd{kernel = %d, ", average ? "avg" : "max", dims, kernel);
    say_list("stride", dims, 0, 3);
    say_padding(dims, kernel - 1);
    say("ceil_mode = %s, dilation = %d", boolean(), test_int(1, 2));
    if (average)
        say(", count_include_pad = %s, divisor_override = %d", boolean(),
            test_int(0, 2) ? 0 : test_int(1, 9));
    say("}\n");
    end_with_weighted_sum();
    check_definition(1, 0);
}

START_TEST(windows)
{
    for (int i = 0; i < rounds(3); i++)
        for (int dims = 1; dims <= 3; dims++) {
            one_window(dims, false);
            one_window(dims, true);
        }
}
END_TEST

START_TEST(adaptive_windows)
{
    for (int i = 0; i < rounds(2); i++)
        for (int dims = 1; dims <= 3; dims++)
            for (int average = 0; average < 2; average++) {
                say_x(dims, 1, 9);
                say("local y = x:adaptive_%s_pool%dd{", average ? "avg" : "max", dims);
                say_list("output_size", dims, 0, 5);
                say("}\n");
                end_with_weighted_sum();
                check_definition(1, 0);
            }
}
END_TEST

OPERATORS_MAIN("pool operators", windows, adaptive_windows)
