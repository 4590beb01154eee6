/* SPDX-License-Identifier: MIT */
#include "frontend/session.h"
#include "tests/operators.h"

#include <math.h>
#include <stdlib.h>

/* Boxes of some extent: two parameters, corners and sides. */
static void boxes(const char *name, const char *shape)
{
    say("local %s = parameter('%s_at', {%s, 2}, {init = 'zeros'})\n", name, name, shape);
    say("%s = op.concat(%s, %s + parameter('positive_%s', {%s, 2}, {init = 'zeros'}) * 2, "
        "{axis = -1})\n",
        name, name, name, name, shape);
}

START_TEST(differentiable)
{
    for (int i = 0; i < rounds(2); i++) {
        char lead[16] = "", a[32], b[32];
        if (i % 2)
            snprintf(lead, sizeof lead, "%d, ", test_int(1, 3));
        snprintf(a, sizeof a, "%s%d", lead, test_int(1, 7));
        snprintf(b, sizeof b, "%s%d", lead, test_int(1, 7));
        boxes("a", a);
        boxes("b", b);
        say("local y = op.box_iou(a, b)\n");
        end_with_weighted_sum();
        check_definition(1, 0);
        boxes("a", a);
        boxes("b", a);
        say("local y = op.box_encode(a, b, {weights = {10, 10, 5, 5}})\n"
            "y = y + op.box_decode(y:tanh(), a, {weights = 3})\n");
        end_with_weighted_sum();
        check_definition(1, 0);
    }
}
END_TEST

START_TEST(suppression)
{
    for (int i = 0; i < rounds(2); i++) {
        char shape[32];
        snprintf(shape, sizeof shape, "%d, %d", test_int(1, 3), test_int(1, 30));
        boxes("a", shape);
        say("local s = parameter('s', {%s}, {init = 'zeros'})\n", shape);
        say("local y = op.nms(a, s, {count = %d, iou = 0.3, least_score = -0.5})\n",
            test_int(1, 12));
        say("output('y', y)\nloss(s:sum())\n");
        check_definition(1, 0);
    }
}
END_TEST

/* Runs the definition said, without inputs, and gives its output. */
static void run(const char *definition, size_t count, float *got)
{
    struct nt_model *model = operators_load(definition);
    struct nt_weights *weights;
    struct nt_session *session;
    test_ok(nt_weights_create(test_device(), model, 1, 0, &weights));
    test_ok(nt_session_create(test_device(), model, weights, NULL, &session));
    ck_assert_uint_eq(nt_session_output(session, 0).bytes, count * sizeof *got);
    test_ok(nt_session_run(session, NULL));
    test_ok(nt_session_read(session, 0, got));
    nt_session_destroy(session);
    nt_weights_destroy(weights);
    nt_model_destroy(model);
}

START_TEST(grids)
{
    /* torchvision.models.detection.anchor_utils.AnchorGenerator(((32,64),), ((0.5,1,2),)) */
    static const float base[6][4] = {{-23, -11, 23, 11}, {-45, -23, 45, 23}, {-16, -16, 16, 16},
        {-32, -32, 32, 32}, {-11, -23, 11, 23}, {-23, -45, 23, 45}};
    float got[2 * 3 * 6 * 4], numbers[5];
    run("output('y', op.anchors{height = 2, width = 3, stride = 8, sizes = {32, 64}, "
        "ratios = {0.5, 1, 2}})\n",
        144, got);
    for (int i = 0; i < 144; i++) {
        int place = i / 24, along = i % 2 ? place / 3 : place % 3;
        ck_assert_msg(got[i] == base[i / 4 % 6][i % 4] + 8 * (float)along, "coordinate %d: %g", i,
            (double)got[i]);
    }
    run("output('y', op.arange{count = 5, first = 2.5, step = -0.5})\n", 5, numbers);
    for (int i = 0; i < 5; i++)
        ck_assert_float_eq(numbers[i], 2.5f - 0.5f * (float)i);
}
END_TEST

START_TEST(decoding_undoes_encoding)
{
    float got[4 * 9 * 4];
    run("local a = op.anchors{height = 3, width = 3, stride = 8, sizes = {16, 20}, ratios = {1, "
        "2}}\n"
        "local b = a * 1.25 + op.anchors{height = 3, width = 3, stride = 3, sizes = {5, 7}, "
        "ratios = {1, 3}}\n"
        "local code = op.box_encode(b, a, {weights = {10, 10, 5, 5}})\n"
        "output('y', op.box_decode(code, a, {weights = {10, 10, 5, 5}}) - b)\n",
        144, got);
    for (int i = 0; i < 144; i++)
        ck_assert_msg(fabsf(got[i]) < 1e-4f, "coordinate %d: off by %g", i, (double)got[i]);
}
END_TEST

OPERATORS_MAIN("box operators", differentiable, suppression, grids, decoding_undoes_encoding)
