/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "frontend/session.h"
#include "tests/fixture.h"
#include "tests/operators.h"

/* Indices are an int32 input: below `classes`, some of them -1. */

/* The batch is 1, so that parameters can have the results' shapes; the index gets its shape after.
 */
static void say_index(int rank, const int *extent)
{
    int count = 1;
    for (int d = 0; d < rank; d++)
        count *= extent[d];
    say("local index = input('index', {%d}, {dtype = 'int32'}):reshape{shape = {", count);
    for (int d = 0; d < rank; d++)
        say("%d, ", extent[d]);
    say("}}\n");
}

START_TEST(gathers)
{
    for (int i = 0; i < rounds(8); i++) {
        int rank = test_int(1, 4), axis = test_int(0, rank - 1), n = test_int(1, 7);
        int shape[3] = {test_int(1, 5), test_int(1, 5), test_int(1, 5)};
        say("local x = parameter('x', {");
        for (int d = 0; d < rank; d++)
            say("%d, ", d == axis ? n : test_int(1, 5));
        say("}, {init = 'zeros'})\n");
        say_index(test_int(1, rank == 4 ? 2 : 3), shape);
        say("local y = x:gather(index, {axis = %d})\n", test_int(0, 1) ? axis : axis - rank);
        end_with_weighted_sum();
        check_definition(1, n);
    }
}
END_TEST

START_TEST(elements_and_sums)
{
    for (int i = 0; i < rounds(8); i++) {
        int rank = test_int(1, 4), axis = test_int(0, rank - 1), n = test_int(1, 7), extent[4];
        say("local x = parameter('x', {");
        for (int d = 0; d < rank; d++)
            say("%d, ", extent[d] = d == axis ? n : test_int(1, 5));
        say("}, {init = 'zeros'})\n");
        for (int d = 0; d < rank; d++) /* fewer elements where it is not the axis */
            extent[d] = d == axis ? test_int(1, 9) : test_int(1, extent[d]);
        say_index(rank, extent);
        if (i % 2)
            say("local y = x:gather_elements(index, {axis = %d})\n",
                test_int(0, 1) ? axis : axis - rank);
        else
            say("local s = parameter('s', index:shape(), {init = 'zeros'})\n"
                "local y = x:scatter_add(index, s, {axis = %d})\n",
                test_int(0, 1) ? axis : axis - rank);
        end_with_weighted_sum();
        check_definition(1, n);
    }
}
END_TEST

START_TEST(embeddings)
{
    for (int i = 0; i < rounds(6); i++) {
        int words = test_int(1, 50), width = test_int(1, 40);
        int shape[2] = {test_int(1, 9), test_int(1, 9)};
        say_index(test_int(1, 2), shape);
        say("local y = index:embedding{name = 'words', num_embeddings = %d, embedding_dim = %d}\n"
            "assert(#y:shape() == #index:shape() + 1)\n",
            words, width);
        end_with_weighted_sum();
        check_definition(1, words);
    }
}
END_TEST

/* The row of padding_idx begins as zeros and gets no gradient. */
START_TEST(padding_is_not_trained)
{
    struct nt_model *model = NULL;
    struct nt_weights *weights = NULL;
    struct nt_session *session = NULL;
    static const char text[] =
        "local index = input('index', {4}, {dtype = 'int32'})\n"
        "local y = index:embedding{name = 'e', num_embeddings = 5, embedding_dim = 3, padding_idx "
        "= -2}\n"
        "output('y', y)\nloss((y + 1):square():sum())\n";
    const char *path = fixture_path("model.lua");
    fixture_write(path, text, sizeof text - 1);
    test_ok(nt_model_load(test_context(), path, 0, NULL, &model));
    test_ok(nt_weights_create(test_device(), model, 1, 0, &weights));
    struct nt_session_params params = {.batch = 2, .training = true, .gradients = true};
    test_ok(nt_session_create(test_device(), model, weights, &params, &session));
    float row[5][3], gradient[5][3];
    test_ok(nt_weights_read(weights, 0, &row[0][0]));
    for (int i = 0; i < 15; i++)
        ck_assert((row[i / 3][i % 3] == 0) == (i / 3 == 3));
    int32_t index[8] = {0, 3, 1, 3, 3, 2, 4, 3};
    test_ok(nt_session_write(session, 0, index));
    test_ok(nt_session_run(session, NULL));
    test_ok(nt_session_gradient(session, 0, &gradient[0][0]));
    for (int i = 0; i < 15; i++) {
        float want = i / 3 == 3 ? 0 : 2 * (row[i / 3][i % 3] + 1);
        ck_assert_msg(fabsf(gradient[i / 3][i % 3] - want) <= 1e-5f, "%d: %g, want %g", i,
            gradient[i / 3][i % 3], want);
    }
    nt_session_destroy(session);
    nt_weights_destroy(weights);
    nt_model_destroy(model);
}
END_TEST

START_TEST(one_hots)
{
    for (int i = 0; i < rounds(3); i++) {
        int classes = test_int(1, 9);
        say_index(2, (int[]){test_int(1, 4), test_int(1, 9)});
        say("local w = parameter('w', {%d}, {init = 'zeros'})\n"
            "local y = index:one_hot{num_classes = %d} * w\n",
            classes, classes);
        end_with_weighted_sum();
        check_definition(1, test_int(1, classes));
    }
}
END_TEST

START_TEST(orders)
{
    for (int i = 0; i < rounds(6); i++) {
        int rank = test_int(1, 4), axis = test_int(0, rank - 1), n = test_int(1, 9);
        say("local x = parameter('x', {");
        for (int d = 0; d < rank; d++)
            say("%d, ", d == axis ? n : test_int(1, 5));
        say("}, {init = 'zeros'})\n");
        axis -= test_int(0, 1) ? rank : 0;
        if (i % 2)
            say("local v, index = x:top_k{k = %d, axis = %d, largest = %s, sorted = %s}\n",
                test_int(1, n), axis, test_int(0, 1) ? "true" : "false",
                test_int(0, 1) ? "true" : "false");
        else
            say("local v = x:sort{axis = %d}\n"
                "local index = x:argsort{axis = %d, descending = true}\n",
                axis, axis);
        say("local y = v * index\n");
        end_with_weighted_sum();
        check_definition(1, n);
    }
    say("local v = input('x', {3}):top_k{k = 4}\n");
    check_refused("top_k: k 4: axis 1 has 3 elements");
}
END_TEST

OPERATORS_MAIN("index operators", gathers, elements_and_sums, embeddings, padding_is_not_trained,
    one_hots, orders)
