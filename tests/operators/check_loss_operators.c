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

START_TEST(losses_made_of_others)
{
    static const char *const calls[] = {
        "cross_entropy(t, {weight = w, label_smoothing = 0.1})",
        "cross_entropy(t, {weight = w, reduction = 'sum'})",
        "log_softmax():nll_loss(t, {weight = w})",
        "multi_margin_loss(t, {weight = w, p = 2})",
        "cross_entropy(t, {reduction = 'sum'})",
        "multi_margin_loss(t, {reduction = 'sum', margin = 0.5})",
        "cross_entropy(x:softmax{axis = -1}, {weight = w})",
        "sigmoid():dice_loss(t, {batch = true})",
    };
    say("local x = (input('x', {5, 3}) + parameter('b', {5, 3}, {init = 'zeros'})) * 4\n"
        "local w = parameter('positive_w', {5}, {init = 'zeros'})\n"
        "local t = target('t', {3})\nlocal sum = w:sum() * 0\n");
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        say("sum = sum + %d * x:%s\n", (int)i + 1, calls[i]);
    say("output('y', sum)\nloss(sum)\n");
    check_definition(4, 5);
}
END_TEST

START_TEST(wrong_losses_are_refused)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"x:cross_entropy(t, {weight = constant(1, {4})})", "must be 5, one for each class"},
        {"x:nll_loss(x)", "nll_loss: target is float32 of shape 1x5: must be int32 of shape 1"},
        {"x:mse_loss(t)", "mse_loss: target of shape 1: must be 1x5"},
        {"x:mse_loss(x, {weight = constant(1, {2, 4, 5})})", "must broadcast to them"},
        {"x:softmax{axis = 2}", "axis 2: the input has rank 2"},
        {"x:maxout{pieces = 2}", "maxout: 5 channels in pieces of 2: must divide evenly"},
        {"x:prelu(constant(1, {4}))", "prelu: slopes of shape 4"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        say("local x = input('x', {5})\nlocal t = target('t')\n%s\n", cases[i].text);
        check_refused(cases[i].message);
    }
}
END_TEST

OPERATORS_MAIN(
    "loss operators", softmax_and_losses, losses_made_of_others, wrong_losses_are_refused)
