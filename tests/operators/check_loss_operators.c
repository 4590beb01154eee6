/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

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

/* ---- more dimensions than channels-last has: N, C, 2, 1, 3, ... ---- */

enum { CLASSES = 4, MANY = 7 };
static const int64_t many[MANY] = {3, CLASSES, 2, 1, 3, 1, 2};
static int dimensions;
static bool logarithm;

/* Places of an item, those behind the classes as one. */
static int64_t places(void)
{
    int64_t count = 1;
    for (int i = 2; i < dimensions; i++)
        count *= many[i];
    return count;
}

static double score(int64_t item, int64_t class, int64_t place)
{
    const int64_t at[] = {item, class * places() + place}, shared[] = {0, at[1]};
    return expected_operand("x", at) + expected_operand("w", shared);
}

static double log_softmax(int64_t item, int64_t class, int64_t place)
{
    double top = -INFINITY, sum = 0;
    for (int64_t c = 0; c < CLASSES; c++)
        top = fmax(top, score(item, c, place));
    for (int64_t c = 0; c < CLASSES; c++)
        sum += exp(score(item, c, place) - top);
    return score(item, class, place) - top - log(sum);
}

static double softmax_expected(const int64_t *at)
{
    double y = log_softmax(at[0], at[1] / places(), at[1] % places());
    return logarithm ? y : exp(y);
}

/* The mean over all places that have a class. */
static double cross_entropy_expected(const int64_t *at)
{
    int64_t valid = 0;
    double sum = 0;
    (void)at;
    for (int64_t n = 0; n < many[0]; n++)
        for (int64_t p = 0; p < places(); p++) {
            int64_t class = (int64_t)expected_operand("t", (int64_t[]){n, p});
            valid += class >= 0;
            sum -= class < 0 ? 0 : log_softmax(n, class, p);
        }
    return sum / (valid ? (double)valid : 1);
}

static void say_scores(void)
{
    int row = (int)(CLASSES * places());
    say("local x = input('x', {%d}) + parameter('w', {1, %d}, {init = 'zeros'})\n", row, row);
    say("x = x:reshape{shape = {-1, ");
    for (int i = 1; i < dimensions; i++)
        say("%d, ", (int)many[i]);
    say("}}\n");
}

START_TEST(classes_of_many_dimensions)
{
    for (dimensions = 5; dimensions <= MANY; dimensions++) {
        logarithm = dimensions % 2;
        say_scores();
        say("local y = x:%s{axis = 1}:reshape{shape = {-1, %d}}\n",
            logarithm ? "log_softmax" : "softmax", (int)(CLASSES * places()));
        say("output('y', y)\nloss((y * parameter('mix', {1, %d}, {init = 'uniform', init_std = "
            "1})):sum())\n",
            (int)(CLASSES * places()));
        check_definition_against((int)many[0], 0, softmax_expected);
    }
    for (dimensions = 5; dimensions <= MANY; dimensions++) {
        say_scores();
        say("local t = target('t', {%d}):reshape{shape = {-1, ", (int)places());
        for (int i = 2; i < dimensions; i++)
            say("%d, ", (int)many[i]);
        say("}}\nlocal sum = x:cross_entropy(t)\noutput('y', sum)\nloss(sum)\n");
        check_definition_against((int)many[0], CLASSES, cross_entropy_expected);
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

OPERATORS_MAIN("loss operators", softmax_and_losses, classes_of_many_dimensions,
    losses_made_of_others, wrong_losses_are_refused)
