/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "frontend/op.h"
#include "tests/operators.h"

START_TEST(elementwise)
{
    for (int i = 0; i < nt_op_count; i++) {
        const struct nt_op *op = nt_ops[i];
        if (!op->expression || strcmp(op->name, "detach") == 0)
            continue;
        say("local y = op.%s(", op->name);
        for (int j = 0; j < nt_op_min_inputs(op); j++) {
            /* the second operand broadcasts */
            say("%sparameter('positive_%d', {%s}, {init = 'zeros'})", j ? ", " : "", j,
                j ? "3, 1" : "2, 3, 5");
        }
        say(")\n");
        end_with_weighted_sum();
        check_definition(1, 0);
    }
}
END_TEST

START_TEST(chains_with_signs)
{
    say("local x = parameter('x', {4, 6, 3, 3}, {init = 'zeros'})\n"
        "local b = parameter('b', {6, 1, 1}, {init = 'zeros'})\n"
        "local h = ((x + b):relu() * 2 - x:sigmoid()):tanh()\n"
        "local y = (h * h + x:leaky_relu{slope = 0.2}:abs()) / (b * b + 1) + h:relu()\n");
    end_with_weighted_sum();
    check_definition(1, 0);
}
END_TEST

OPERATORS_MAIN("elementwise operators", elementwise, chains_with_signs)
