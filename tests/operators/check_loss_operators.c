/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "tests/operators.h"

START_TEST(softmax_and_losses)
{
    for (int i = 0; i < rounds(6); i++) {
        int classes = test_int(2, 20), pixels = test_int(0, 1);
        char inner[32] = "", target[64] = "";
        if (pixels) {
            snprintf(inner, sizeof inner, ", %d, 3", test_int(1, 4));
            snprintf(target, sizeof target, ", {%s}", inner + 2);
        }
        for (int log = 0; log < 2; log++) {
            say("local x = parameter('x', {5, %d%s}, {init = 'zeros'})\n", classes, inner);
            say("local y = (x * 4):%s()\n", log ? "log_softmax" : "softmax");
            end_with_weighted_sum();
            check_definition(1, 0);
        }
        for (int margin = 0; margin < 2; margin++) {
            say("local x = input('x', {%d%s})\n", classes, inner);
            say("x = (x + parameter('w', {1, %d%s}, {init = 'zeros'})) * 4\n", classes, inner);
            say("x = x:tanh():reshape{shape = {-1, %d%s}} * 2\noutput('x', x)\n", classes, inner);
            say(margin ? "loss(3 * x:multi_margin_loss(target('t'%s), {margin = %s}))\n"
                       : "loss(x:cross_entropy(target('t'%s), {label_smoothing = %s}))\n",
                target,
                test_int(0, 1) ? "0.2"
                : margin       ? "1"
                               : "0");
            check_definition(5, classes);
        }
    }
}
END_TEST

OPERATORS_MAIN("loss operators", softmax_and_losses)
