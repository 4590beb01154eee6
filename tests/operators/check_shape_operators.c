/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tests/operators.h"

/* The shape of the parameter x of a definition, and the configuration that `expected` reads. */
static int rank, extent[8];
static int axis, amount[4];
static const char *mode;

static void say_x(int least, int most)
{
    rank = test_int(least, most);
    say("local x = parameter('x', {");
    for (int i = 0; i < rank; i++)
        say("%d, ", extent[i] = test_int(0, 3) ? test_int(1, 6) : 1);
    say("}, {init = 'zeros'})\n");
}

/* An axis, written from either end. */
static int say_axis(const char *before)
{
    axis = test_int(0, rank - 1);
    say("%s%d", before, test_int(0, 1) ? axis : axis - rank);
    return axis;
}

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
        "local y = x:broadcast{shape = {2, 3, 4, -1, 2}}\n");
    end_with_weighted_sum();
    check_definition(1, 0);
    /* channels-last and row-major meet */
    say("local x = parameter('x', {2, 5, 6, 6}, {init = 'zeros'})\n"
        "local c = x:conv2d{name = 'conv', channels = 7, kernel = 3, padding = 1}:relu()\n"
        "local p = op.concat(c:flip{axes = {1, 3}}, x):max_pool2d{kernel = 2}\n"
        "local y = p:flatten():linear{name = 'fc', features = 3}\n"
        "y = y + p:transpose{axes = {0, 2, 3, 1}}:reshape{shape = {0, -1}}:slice{count = 3}\n");
    end_with_weighted_sum();
    check_definition(1, 0);
}
END_TEST

static double transposed(const int64_t *at)
{
    int64_t from[8];
    for (int i = 0; i < rank; i++)
        from[i] = at[rank - 1 - i];
    return expected_operand("x", from);
}

START_TEST(transposes)
{
    for (int i = 0; i < rounds(6); i++) {
        say_x(1, 5);
        say("local y = x:transpose{}\n");
        end_with_weighted_sum();
        check_definition_against(1, 0, transposed);
        say("local x = parameter('x', {2, 3, 5}, {init = 'zeros'})\n"
            "local y = x:transpose{axes = {-1, 0, -2}}\n");
        end_with_weighted_sum();
        check_definition(1, 0);
    }
}
END_TEST

static double flat(const int64_t *at)
{
    int64_t from[8];
    memcpy(from, at, sizeof from);
    int64_t rest = at[amount[0]];
    for (int i = amount[1]; i >= amount[0]; i--) {
        from[i] = rest % extent[i];
        rest /= extent[i];
    }
    for (int i = amount[1] + 1; i < rank; i++)
        from[i] = at[i - (amount[1] - amount[0])];
    return expected_operand("x", from);
}

static double same(const int64_t *at)
{
    return expected_operand("x", at);
}

START_TEST(views)
{
    for (int i = 0; i < rounds(6); i++) {
        say_x(1, 5);
        amount[0] = test_int(0, rank - 1);
        amount[1] = test_int(amount[0], rank - 1);
        say("local y = x:flatten{start_dim = %d, end_dim = %d}\n", amount[0], amount[1] - rank);
        end_with_weighted_sum();
        check_definition_against(1, 0, flat);
        say_x(1, 5);
        say("local y = x:unsqueeze{axes = {0, -1}}\n"
            "assert(#y:shape() == %d and y:dim(0) == 1 and y:dim(-1) == 1)\n"
            "y = y:squeeze{axes = {-1, 0}}\n",
            rank + 2);
        end_with_weighted_sum();
        check_definition_against(1, 0, same);
        say("local x = parameter('x', {1, 3, 1, 4, 1}, {init = 'zeros'})\n"
            "local y = x:squeeze()\nassert(#y:shape() == 2)\n"
            "y = y:reshape{shape = {1, 3, 1, -1, 1}}\n");
        end_with_weighted_sum();
        check_definition_against(1, 0, same);
    }
}
END_TEST

START_TEST(strided_slices)
{
    for (int i = 0; i < rounds(16); i++) {
        say_x(1, 5);
        char starts[64] = "", ends[64] = "", steps[64] = "", axes[64] = "",
             *names[4] = {starts, ends, steps, axes};
        for (int d = 0; d < rank; d++) {
            int n = extent[d], back = test_int(0, 1);
            if (test_int(0, 2) == 0)
                continue;
            int low = test_int(0, n - 1), high = test_int(low, n - 1), past = test_int(0, 3) == 0;
            int numbers[4] = {back ? high : low, back ? low - 1 : high + 1,
                back ? -test_int(1, 3) : test_int(1, 3), test_int(0, 1) ? d : d - rank};
            if (test_int(0, 1))
                numbers[0] -= n;
            if (numbers[1] < 0 || past)
                numbers[1] = back ? -n - 5 : n + 5;
            else if (numbers[1] < n && test_int(0, 1))
                numbers[1] -= n;
            for (int k = 0; k < 4; k++)
                snprintf(names[k] + strlen(names[k]), 64 - strlen(names[k]), "%d, ", numbers[k]);
        }
        if (!*starts)
            strcpy(starts, "0"), strcpy(ends, "1"), strcpy(steps, "1"), strcpy(axes, "0");
        say("local y = x:strided_slice{starts = {%s}, ends = {%s}, steps = {%s}, axes = {%s}}\n",
            starts, ends, steps, axes);
        end_with_weighted_sum();
        check_definition(1, 0);
    }
    say("local x = parameter('x', {7, 5}, {init = 'zeros'})\n"
        "local y = x:strided_slice{starts = {-2, 1}, steps = {-2, 3}}\n"
        "assert(y:dim(0) == 3 and y:dim(1) == 2)\n");
    end_with_weighted_sum();
    check_definition(1, 0);
}
END_TEST

static double sliced(const int64_t *at)
{
    int64_t from[8];
    memcpy(from, at, sizeof from);
    from[axis] += amount[0];
    return expected_operand("x", from);
}

static double flipped(const int64_t *at)
{
    int64_t from[8];
    memcpy(from, at, sizeof from);
    from[axis] = extent[axis] - 1 - at[axis];
    return expected_operand("x", from);
}

static double rolled(const int64_t *at)
{
    int64_t from[8];
    memcpy(from, at, sizeof from);
    from[axis] = ((at[axis] - amount[0]) % extent[axis] + extent[axis]) % extent[axis];
    return expected_operand("x", from);
}

static double rolled_flat(const int64_t *at)
{
    int64_t from[8], index = 0, count = 1;
    for (int i = 0; i < rank; i++) {
        index = index * extent[i] + at[i];
        count *= extent[i];
    }
    index = ((index - amount[0]) % count + count) % count;
    for (int i = rank - 1; i >= 0; i--) {
        from[i] = index % extent[i];
        index /= extent[i];
    }
    return expected_operand("x", from);
}

START_TEST(slices_flips_rolls)
{
    for (int i = 0; i < rounds(6); i++) {
        say_x(1, 5);
        say_axis("local y = x:slice{axis = ");
        amount[0] = test_int(0, extent[axis] - 1);
        say(", first = %d, count = %d}\n", test_int(0, 1) ? amount[0] : amount[0] - extent[axis],
            test_int(1, extent[axis] - amount[0]));
        end_with_weighted_sum();
        check_definition_against(1, 0, sliced);
        say_x(1, 5);
        say_axis("local y = x:flip{axes = ");
        say("}\n");
        end_with_weighted_sum();
        check_definition_against(1, 0, flipped);
        say_x(1, 5);
        say_axis("local y = x:roll{axes = ");
        say(", shifts = %d}\n", amount[0] = test_int(-9, 9));
        end_with_weighted_sum();
        check_definition_against(1, 0, rolled);
        say_x(1, 4);
        say("local y = x:roll{shifts = %d}\n", amount[0] = test_int(-30, 30));
        end_with_weighted_sum();
        check_definition_against(1, 0, rolled_flat);
    }
}
END_TEST

static double tiled(const int64_t *at)
{
    int64_t from[8];
    for (int i = 0; i < rank; i++)
        from[i] = at[i + amount[0]] % extent[i];
    return expected_operand("x", from);
}

static double stacked(const int64_t *at)
{
    int64_t from[8];
    for (int i = 0; i < rank; i++)
        from[i] = at[i + (i >= axis)];
    return at[axis] == 1 ? expected_operand("z", from) : expected_operand("x", from);
}

START_TEST(tiles_and_stacks)
{
    for (int i = 0; i < rounds(6); i++) {
        say_x(1, 3);
        amount[0] = test_int(0, 2);
        say("local y = x:tile{repeats = {");
        for (int d = 0; d < rank + amount[0]; d++)
            say("%d, ", test_int(1, 3));
        say("}}\n");
        end_with_weighted_sum();
        check_definition_against(1, 0, tiled);
        say_x(1, 4);
        axis = test_int(0, rank);
        say("local z = parameter('z', x:shape(), {init = 'zeros'})\n"
            "local y = op.stack(x, z, x, {axis = %d})\n",
            test_int(0, 1) ? axis : axis - rank - 1);
        end_with_weighted_sum();
        check_definition_against(1, 0, stacked);
    }
    say("local x = parameter('x', {3, 4}, {init = 'zeros'})\n"
        "local y = x:tile{repeats = 3}\nassert(y:dim(0) == 3 and y:dim(1) == 12)\n");
    end_with_weighted_sum();
    check_definition(1, 0);
}
END_TEST

/* split into parts and put together in another order, with a hole */
static double parts_swapped(const int64_t *at)
{
    int64_t from[8];
    memcpy(from, at, sizeof from);
    from[axis] = at[axis] < amount[1] ? at[axis] + amount[0] : at[axis] - amount[1];
    return expected_operand("x", from);
}

START_TEST(splits)
{
    for (int i = 0; i < rounds(6); i++) {
        rank = test_int(1, 4);
        int d = axis = test_int(0, rank - 1);
        for (int k = 0; k < rank; k++)
            extent[k] = k == d ? test_int(3, 9) : test_int(1, 5);
        amount[0] = test_int(1, extent[d] - 2);
        amount[1] = test_int(1, extent[d] - amount[0] - 1);
        say("local x = parameter('x', {");
        for (int k = 0; k < rank; k++)
            say("%d, ", extent[k]);
        say("}, {init = 'zeros'})\nlocal a, b, c = x:split{axis = %d, sizes = {%d, %d, %d}}\n"
            "local y = op.concat(b, a, {axis = %d})\n",
            test_int(0, 1) ? d : d - rank, amount[0], amount[1], extent[d] - amount[0] - amount[1],
            d);
        end_with_weighted_sum();
        check_definition_against(1, 0, parts_swapped);
    }
    say("local x = parameter('x', {2, 7}, {init = 'zeros'})\n"
        "local parts = {x:split{sizes = 3}}\n"
        "assert(#parts == 3 and parts[3]:dim(1) == 1)\n"
        "local halves = {x:chunk{chunks = 4, axis = -1}}\n"
        "assert(#halves == 4 and halves[4]:dim(1) == 1)\n"
        "local y = parts[1] * 2 + parts[2] * halves[2]:slice{count = 1}\n");
    end_with_weighted_sum();
    check_definition(1, 0);
}
END_TEST

static double padded(const int64_t *at)
{
    int64_t from[8], n = extent[axis];
    memcpy(from, at, sizeof from);
    int64_t i = at[axis] - amount[0];
    if (strcmp(mode, "constant") == 0 && (i < 0 || i >= n))
        return 2.5;
    if (strcmp(mode, "reflect") == 0)
        i = i < 0 ? -i : i >= n ? 2 * n - 2 - i : i;
    else if (strcmp(mode, "replicate") == 0)
        i = i < 0 ? 0 : i >= n ? n - 1 : i;
    else
        i = (i + n) % n;
    from[axis] = i;
    return expected_operand("x", from);
}

START_TEST(pads)
{
    static const char *const modes[] = {"constant", "reflect", "replicate", "circular"};
    for (int i = 0; i < rounds(5) * 4; i++) {
        mode = modes[i % 4];
        say_x(1, 5);
        axis = test_int(0, rank - 1);
        int n = extent[axis], most = i % 4 == 1 ? n - 1 : i % 4 == 3 ? n : 4;
        for (int side = 0; side < 2; side++) /* half an axis may go */
            amount[side] = test_int(0, 2) ? test_int(0, most) : -test_int(0, (n - 1) / 2);
        if (i % 4 && (amount[0] < 0 || amount[1] < 0))
            amount[0] = amount[1] = -((n - 1) / 2);
        say("local y = x:pad{mode = '%s', axes = %d, before = %d, after = {%d}, value = 2.5}\n",
            mode, test_int(0, 1) ? axis : axis - rank, amount[0], amount[1]);
        end_with_weighted_sum();
        check_definition_against(1, 0, padded);
    }
    /* several axes at once, the last ones */
    for (int i = 0; i < 4; i++) {
        say("local x = parameter('x', {2, 3, 5, 4}, {init = 'zeros'})\n"
            "local y = x:pad{mode = '%s', before = {2, 1}, after = {-1, 3}}\n"
            "assert(y:dim(2) == 6 and y:dim(3) == 8 and y:dim(1) == 3)\n",
            modes[i]);
        end_with_weighted_sum();
        check_definition(1, 0);
    }
}
END_TEST

START_TEST(choices)
{
    say("local a = parameter('a', {3, 4, 5}, {init = 'zeros'})\n"
        "local b = parameter('b', {4, 1}, {init = 'zeros'})\n"
        "local both = op.logical_and(a:gt(b), a:lt(0.7))\n"
        "local y = op.where(both, a * 2, b) + op.where(op.logical_xor(a:ge(0), b:le(0)), a, a * "
        "3)\n"
        "y = y + a:clamp{min = -0.3, max = 0.4} * b:clamp{max = 0} + a:detach() * 0\n"
        "y = y + op.logical_or(a:eq(b), a:ne(a)) + a:logical_not()\n");
    end_with_weighted_sum();
    check_definition(1, 0);
}
END_TEST

OPERATORS_MAIN("shape operators", moves, transposes, views, strided_slices, slices_flips_rolls,
    tiles_and_stacks, splits, pads, choices)
