/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "frontend/session.h"
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

/* Networks whose parts are written where they are joined, and read where they were cut. */
static const char *const joined[] = {
    "local a = x:conv2d{name = 'a', channels = 5, kernel = 1}:relu()\n"
    "local b = x:conv2d{name = 'b', channels = 4, kernel = 3, padding = 1}:tanh()\n"
    "local p = x:max_pool2d{kernel = 3, stride = 1, padding = 1}\n"
    "local y = op.concat(a, b, p, a):conv2d{name = 'd', channels = 3, kernel = 3, bias = false}\n",
    "local c = x:conv2d{name = 'a', channels = 4, kernel = 3, padding = 1}\n"
    "local j = op.concat(x:relu(), c)\n"
    "local k = op.concat(j, j:tanh():conv2d{name = 'b', channels = 6, kernel = 1})\n"
    "local y = op.concat(k, k:sigmoid()):avg_pool2d{kernel = 2}\n",
    "local c = x:conv2d{name = 'a', channels = 6, kernel = 3, padding = 1}:relu()\n"
    "local u = c:max_pool2d{kernel = 2}:conv_transpose2d{name = 'b', channels = 4, kernel = 2, "
    "stride = 2}\n"
    "local y = op.concat(c, u, c * 2):conv2d{name = 'd', channels = 4, kernel = 1} + "
    "c:slice{axis = 1, first = 1, count = 4}\n",
    "local c = x:conv2d{name = 'a', channels = 6, kernel = 3, padding = 1}\n"
    "local g, h = c:chunk{chunks = 2}\n"
    "local y = (g * h:sigmoid()):conv2d{name = 'b', channels = 2, kernel = 3, stride = 2}\n"
    "y = y:flatten():linear{name = 'f', features = 3}\n"
    "y = op.concat(y, h:flatten():slice{first = 3, count = 4}:tanh(), y:relu())\n",
    "local y = op.concat(x:tanh(), x:neg(), {axis = 2}):slice{axis = 2, first = 3, count = 7}\n"
    "y = op.concat(y:relu(), y:transpose{axes = {0, 1, 3, 2}}:transpose{axes = {0, 1, 3, 2}}, "
    "{axis = 3}):softmax{}\n",
    "local c = x:slice{axis = 1, first = 1, count = 2}:conv2d{name = 'a', channels = 5, kernel = "
    "3}\n"
    "local r = c:relu()\n"
    "local y = op.concat(r, r:conv2d{name = 'b', channels = 5, kernel = 1} + r, {axis = 0})\n",
};

START_TEST(parts_of_larger_tensors)
{
    int count = sizeof joined / sizeof *joined;
    for (int i = 0; i < rounds(3) * count; i++) {
        say("local x = parameter('x', {2, %d, %d, %d}, {init = 'zeros'})\n%s", test_int(3, 5),
            2 * test_int(3, 5), 2 * test_int(3, 5), joined[i % count]);
        end_with_weighted_sum();
        check_definition(1, 0);
    }
}
END_TEST

/* Launches of a session that copy what is joined or taken apart: others spread the loss's gradient,
 * or turn weights. */
static int copies(const char *text, bool training)
{
    struct nt_model *net = operators_load(text);
    struct nt_session_params params = {
        .training = training, .outputs_only = !training, .dry = true};
    struct nt_session *session;
    int found = 0;
    test_ok(nt_session_create(test_device(), net, NULL, &params, &session));
    struct nt_tape *tape = nt_session_tape(session);
    for (int i = 0; i < nt_tape_launch_count(tape); i++) {
        struct nt_launch_info info = nt_tape_launch_info(tape, i);
        bool part = strcmp(info.label, "concat") == 0 || strcmp(info.label, "slice") == 0;
        found += strncmp(info.kernel, "copy", 4) == 0 && part;
    }
    nt_session_destroy(session);
    nt_model_destroy(net);
    return found;
}

START_TEST(parts_are_not_copied)
{
    static const char text[] =
        "local x = input('input', {8, 9, 9}):conv2d{name = 'c', channels = 8, kernel = 3}:relu()\n"
        "local a = x:conv2d{name = 'a', channels = 8, kernel = 1}:relu()\n"
        "local b = x:conv2d{name = 'b', channels = 9, kernel = 3, padding = 1}:relu()\n"
        "local y = op.concat(a, b):conv2d{name = 'd', channels = 4, kernel = 1}\n"
        "output('y', y)\nloss((y * y):mean())\n";
    ck_assert_int_eq(copies(text, false), 0);
    ck_assert_int_eq(copies(text, true), 0);
    /* but where something else reads them */
    static const char other[] =
        "local x = input('input', {8, 9, 9}):conv2d{name = 'c', channels = 8, kernel = 3}:relu()\n"
        "output('y', op.concat(x, x:softmax{}))\n";
    ck_assert_int_gt(copies(other, false), 0);
}
END_TEST

/* Scores that are also a part of something larger: the accuracy is that of the scores. */
START_TEST(scores_that_are_joined)
{
    enum { CLASSES = 3, PLACES = 7 * 5, COUNT = 2 * PLACES };
    struct nt_model *net =
        operators_load("local x = input('input', {2, 7, 5})\n"
                       "local c = x:conv2d{name = 'c', channels = 3, kernel = 3, padding = 1}\n"
                       "output('scores', c)\n"
                       "loss(op.concat(c, x):cross_entropy(target('target', {7, 5})))\n");
    struct nt_session_params params = {.batch = 2};
    struct nt_weights *weights;
    struct nt_session *session;
    struct nt_metrics metrics;
    float x[2 * 2 * PLACES], scores[COUNT * CLASSES];
    int32_t target[COUNT];
    int right = 0;
    test_ok(nt_weights_create(test_device(), net, 1, 0, &weights));
    test_ok(nt_session_create(test_device(), net, weights, &params, &session));
    test_fill(x, sizeof x / sizeof *x);
    for (int i = 0; i < COUNT; i++)
        target[i] = test_int(0, CLASSES - 1);
    test_ok(nt_session_write(session, 0, x));
    test_ok(nt_session_write(session, 1, target));
    test_ok(nt_session_run(session, NULL));
    test_ok(nt_session_read(session, 0, scores));
    test_ok(nt_session_metrics(session, &metrics));
    for (int i = 0; i < COUNT; i++) {
        const float *s = scores + i / PLACES * CLASSES * PLACES + i % PLACES;
        int best = s[PLACES] > s[0];
        best = s[2 * PLACES] > s[best * PLACES] ? 2 : best;
        right += best == target[i];
    }
    ck_assert_double_eq(metrics.items, COUNT);
    ck_assert_double_eq(metrics.correct, right);
    nt_session_destroy(session);
    nt_weights_destroy(weights);
    nt_model_destroy(net);
}
END_TEST

OPERATORS_MAIN("shape operators", moves, transposes, views, strided_slices, slices_flips_rolls,
    tiles_and_stacks, splits, pads, choices, parts_of_larger_tensors, parts_are_not_copied,
    scores_that_are_joined)
