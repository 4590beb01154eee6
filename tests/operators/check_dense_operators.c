/* SPDX-License-Identifier: MIT */
#include "tests/operators.h"

static const char *word(bool yes)
{
    return yes ? "true" : "false";
}

/* An epilogue, perhaps: a bias along the last dimension, a whole operand, a function. */
static void say_epilogue(void)
{
    int kind = test_int(0, 3);
    if (kind == 1)
        say("y = (y + parameter('p', {#y:shape() > 0 and y:dim(-1) or 1}, "
            "{init = 'zeros'})):tanh()\n");
    if (kind == 2)
        say("y = y:tanh() * parameter('p', y:shape(), {init = 'zeros'})\n");
    if (kind == 3)
        say("if #y:shape() > 2 then\n"
            "  y = (y * parameter('p', {y:dim(-2), 1}, {init = 'zeros'})):tanh()\nend\n");
}

START_TEST(linear)
{
    for (int i = 0; i < rounds(6); i++) {
        say("local x = parameter('x', {");
        for (int rank = test_int(1, 4); rank > 1; rank--)
            say("%d, ", test_int(1, 5));
        say("%d}, {init = 'zeros'})\n", test_int(1, 40));
        say("local y = x:linear{name = 'fc', features = %d, bias = %s}\n", test_int(1, 40),
            word(test_int(0, 1)));
        say_epilogue();
        end_with_weighted_sum();
        check_definition(1, 0);
    }
}
END_TEST

static void say_operand(const char *name, int rank, const int *batch, int rows, int columns)
{
    say("local %s = parameter('%s', {", name, name);
    for (int i = 4 - rank; i < 2 && rank > 2; i++)
        say("%d, ", test_int(0, 2) ? batch[i] : 1);
    if (rank > 1)
        say("%d, ", rows);
    say("%d}, {init = 'zeros'})\n", columns);
}

START_TEST(matmul)
{
    for (int i = 0; i < rounds(12); i++) {
        bool ta = test_int(0, 1), tb = test_int(0, 1);
        int m = test_int(1, 9), k = test_int(1, 9), n = test_int(1, 9);
        int batch[2] = {test_int(1, 3), test_int(1, 3)};
        int rank_a = test_int(1, 4), rank_b = test_int(1, 4);
        bool rows = rank_a == 1 || !ta;
        say_operand("a", rank_a, batch, ta ? k : m, rows ? k : m);
        say_operand("b", rank_b, batch, tb ? n : k, rank_b == 1 || tb ? k : n);
        say("local y = a:matmul(b, {transpose_a = %s, transpose_b = %s})\n", word(ta), word(tb));
        say_epilogue();
        end_with_weighted_sum();
        check_definition(1, 0);
    }
}
END_TEST

OPERATORS_MAIN("dense operators", linear, matmul)
