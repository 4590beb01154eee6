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
    for (int i = 0; i < rounds(18); i++) {
        int rank = test_int(1, 4), axis = test_int(0, rank - 1), n = test_int(1, 7), extent[4];
        say("local x = parameter('x', {");
        for (int d = 0; d < rank; d++)
            say("%d, ", extent[d] = d == axis ? n : test_int(1, 5));
        say("}, {init = 'zeros'})\n");
        for (int d = 0; d < rank; d++) /* fewer elements where it is not the axis */
            extent[d] = d == axis ? test_int(1, 9) : test_int(1, extent[d]);
        say_index(rank, extent);
        static const char *const reductions[] = {"none", "add", "mul", "max", "min"};
        if (i % 3 == 2) {
            int how = i % 6 == 2 ? i / 6 % 2 : test_int(2, 4);
            say("local s = parameter('s', index:shape(), {init = 'zeros'})\n"
                "local y = x:scatter_elements(index, s, {axis = %d, reduction = '%s'})\n",
                axis, reductions[how]);
            if (how > 1) { /* without a gradient */
                say("output('y', y)\nloss(x:sum() + s:sum())\n");
                check_definition(1, n);
                continue;
            }
        } else if (i % 3)
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

/* The first coordinates of x, by columns of an index; what the loops know is the parts. */
static struct {
    int batch, named, rank, extent[4], how;
    bool scatters;
} nd;

static int64_t nd_row(const int64_t *at)
{
    int64_t row = 0;
    for (int i = 0; i < nd.named; i++) {
        int64_t place[2] = {0, at[0] * nd.named + i};
        double which = expected_operand("index", place);
        row = row * nd.extent[nd.batch + i] + (int64_t)which +
              (which < 0 ? nd.extent[nd.batch + i] : 0);
    }
    return row;
}

/* x has one dimension after those named, y is rows x that, as a matrix. */
static double nd_expected(const int64_t *at)
{
    int64_t from[4] = {0}, row;
    if (!nd.scatters) {
        row = nd_row(at);
        for (int i = nd.batch + nd.named - 1; i >= nd.batch; row /= nd.extent[i--])
            from[i] = row % nd.extent[i];
        if (nd.batch)
            from[0] = at[0] / (9 / nd.extent[0] + 1);
        from[nd.rank - 1] = at[1];
        return expected_operand("x", from);
    }
    for (int i = nd.named - 1, r = (int)at[0]; i >= 0; r /= nd.extent[i--])
        from[i] = r % nd.extent[i];
    from[nd.rank - 1] = at[1];
    double y = expected_operand("x", from);
    for (int64_t s = 0; s < 6; s++)
        if (nd_row(&s) == at[0]) {
            double value = expected_operand("s", (int64_t[]){s, at[1]});
            y = nd.how == 0   ? value
                : nd.how == 1 ? y + value
                : nd.how == 2 ? y * value
                : nd.how == 3 ? fmax(y, value)
                              : fmin(y, value);
        }
    return y;
}

START_TEST(coordinates)
{
    static const char *const reductions[] = {"none", "add", "mul", "max", "min"};
    for (int i = 0; i < rounds(15); i++) {
        int width = test_int(1, 5), least = test_int(2, 4), rows = 1;
        nd.scatters = i % 2;
        nd.how = nd.scatters ? i / 2 % 5 : 0;
        nd.batch = nd.scatters ? 0 : test_int(0, 1);
        nd.named = test_int(1, 3 - nd.batch);
        nd.rank = nd.batch + nd.named + 1;
        for (int d = 0; d < nd.rank; d++)
            nd.extent[d] = d == nd.rank - 1 ? width : least + test_int(0, 2);
        int items = nd.scatters ? 6 : nd.batch ? nd.extent[0] * (9 / nd.extent[0] + 1) : 7;
        for (int d = 0; d < nd.named; d++)
            rows *= nd.extent[nd.batch + d];
        say("local x = parameter('x', {");
        for (int d = 0; d < nd.rank; d++)
            say("%d, ", nd.extent[d]);
        say("}, {init = 'zeros'})\nlocal index = input('index', {%d}, {dtype = 'int32'})\n",
            items * nd.named);
        if (nd.scatters)
            say("local s = parameter('s', {6, %d}, {init = 'zeros'})\n"
                "local y = x:scatter_nd(index:reshape{shape = {6, %d}}, s, {reduction = "
                "'%s'}):reshape{shape = {%d, %d}}\n",
                width, nd.named, reductions[nd.how], rows, width);
        else
            say("local y = x:gather_nd(index:reshape{shape = {%d, -1, %d}}, {batch_dims = %d})"
                ":reshape{shape = {%d, %d}}\n",
                nd.batch ? nd.extent[0] : 1, nd.named, nd.batch, items, width);
        if (nd.how > 1)
            say("output('y', y)\nloss(x:sum() + s:sum())\n");
        else
            end_with_weighted_sum();
        check_definition_against(1, least, nd_expected);
    }
}
END_TEST

START_TEST(running_sums)
{
    for (int i = 0; i < rounds(6); i++) {
        int rank = test_int(1, 4);
        say("local x = parameter('x', {");
        for (int d = 0; d < rank; d++)
            say("%d, ", test_int(1, 7));
        say("}, {init = 'zeros'})\nlocal n = input('n', {9}, {dtype = 'int32'}):cumsum{axis = 1}\n"
            "local y = x:cumsum{axis = %d, exclusive = %s, reverse = %s}\n"
            "y = y + n:slice{axis = 1, first = 8, count = 1}:sum()\n",
            test_int(-rank, rank - 1), test_int(0, 1) ? "true" : "false",
            test_int(0, 1) ? "true" : "false");
        end_with_weighted_sum();
        check_definition(1, 9);
    }
}
END_TEST

static int diagonal;
static bool is_upper;

/* trilu times 4, eye_like, hardmax of x along its columns. */
static double matrix_expected(const int64_t *at)
{
    double x = expected_operand("x", at), best = 1, sum = 0;
    int64_t offset = at[2] - at[1];
    sum += (is_upper ? offset >= diagonal : offset <= diagonal) ? 4 * x : 0;
    sum += offset == diagonal;
    for (int64_t row = 0; row < 4; row++) {
        double other = expected_operand("x", (int64_t[]){at[0], row, at[2]});
        best = other > x || (other == x && row < at[1]) ? 0 : best;
    }
    return sum + best;
}

START_TEST(matrices)
{
    for (int i = 0; i < rounds(4); i++) {
        diagonal = test_int(-4, 4);
        is_upper = i % 2;
        say("local x = parameter('x', {%d, 4, %d}, {init = 'zeros'})\n"
            "local y = x:trilu{k = %d, upper = %s} * 4 + x:eye_like{k = %d} + x:hardmax{axis = "
            "%d}\n",
            test_int(1, 3), test_int(1, 7), diagonal, is_upper ? "true" : "false", diagonal,
            test_int(0, 1) ? 1 : -2);
        end_with_weighted_sum();
        check_definition_against(1, 0, matrix_expected);
    }
    say("local y = parameter('x', {3}, {init = 'zeros'}):trilu()\n");
    check_refused("trilu: x of shape 3: must have rank 2 at least");
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
    one_hots, orders, coordinates, running_sums, matrices)
