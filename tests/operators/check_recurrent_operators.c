/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/graph.h"
#include "frontend/session.h"
#include "tests/fixture.h"
#include "tests/operators.h"

static const char *truth(bool is)
{
    return is ? "true" : "false";
}

/* The loss is a sum with fixed numbers for every element of an item; parameters cannot have the
 * batch in their shapes. */
static void end_with_items(void)
{
    say("output('y', y)\n"
        "loss((y * parameter('mix', {1, y:dim(1)}, {init = 'uniform', init_std = 1})):sum())\n");
}

static void one_layer(const char *op, const char *extra)
{
    int steps = test_int(1, 5), items = test_int(1, 4), features = test_int(1, 5);
    int hidden = test_int(1, 6), layers = test_int(1, 2), both = test_int(0, 1);
    bool first = test_int(0, 1), lstm = strcmp(op, "lstm") == 0;
    say("local x = input('x', {%d, %d}) + parameter('shift', {%d, %d})\n", steps, features, steps,
        features);
    say("local function state(name)\n"
        "    local all = {%d, x:dim(0), %d}\n"
        "    return parameter(name, {%d, 1, %d}):broadcast{shape = all}\n"
        "end\n"
        "local swap = {axes = {1, 0, 2}}\n",
        layers * (1 + both), hidden, layers * (1 + both), hidden);
    say("local y, h, c = x%s:%s{name = 'cell', hidden = %d, layers = %d, bidirectional = %s, "
        "batch_first = %s, bias = %s, %s",
        first ? "" : ":transpose(swap)", op, hidden, layers, truth(both), truth(first),
        truth(test_int(0, 1)), extra);
    if (test_int(0, 1))
        say(", h0 = state('h0')");
    if (lstm && test_int(0, 1))
        say(", c0 = state('c0')");
    if (test_int(0, 1))
        say(test_int(0, 1) ? ", lengths = target('lengths')"
                           : ", lengths = target('tokens', {%d}):sequence_lengths{padding = 1}",
            steps);
    say("}\n");
    if (!first)
        say("y = y:transpose(swap)\n");
    /* Only one of the results may be used. */
    int use = test_int(0, 3);
    if (use == 0)
        say("y = y:flatten()\n");
    else if (use == 1)
        say("y = h:transpose(swap):flatten()\n");
    else
        say("y = op.concat(y:flatten(), h:transpose(swap):flatten()%s)\n",
            lstm ? ", c:transpose(swap):flatten()" : "");
    end_with_items();
    check_definition(items, steps + 1);
}

START_TEST(rnn)
{
    for (int i = 0; i < rounds(2); i++) {
        one_layer("rnn", "dropout = 0");
        one_layer("rnn", "nonlinearity = 'relu'");
    }
}
END_TEST

START_TEST(lstm)
{
    for (int i = 0; i < rounds(4); i++)
        one_layer("lstm", "dropout = 0");
}
END_TEST

START_TEST(gru)
{
    for (int i = 0; i < rounds(2); i++) {
        one_layer("gru", "dropout = 0");
        one_layer("gru", "linear_before_reset = false");
    }
}
END_TEST

/* A convolution whose weight serves three steps (Liang & Hu, Recurrent convolutional neural
 * network for object recognition, CVPR 2015). */
static void say_recurrent_convolution(void)
{
    say("local x = parameter('x', {2, 2, 6, 6}, {init = 'zeros'})\n"
        "local w = parameter('w', {4, 4, 3, 3}, {init_std = 0.2})\n"
        "local b = parameter('b', {4, 1, 1}, {init = 'zeros'})\n"
        "local into = x:conv2d{name = 'into', channels = 4, kernel = 3, padding = 1}\n"
        "local y = into:tanh()\n"
        "for step = 1, 3 do\n"
        "    local again = {channels = 4, kernel = 3, padding = 1, weight = w, bias = false}\n"
        "    y = (into + y:conv2d(again) + b):tanh()\n"
        "end\n");
}

START_TEST(recurrent_convolution)
{
    say_recurrent_convolution();
    end_with_weighted_sum();
    check_definition(1, 0);
}
END_TEST

/* ---- sessions ---- */

static struct nt_model *model;
static struct nt_weights *weights;

static void load_model(const char *text)
{
    const char *path = fixture_path("recurrent.lua");
    fixture_write(path, text, strlen(text));
    test_ok(nt_model_load(test_context(), path, 0, NULL, &model));
    test_ok(nt_weights_create(test_device(), model, 1, 1, &weights));
}

static struct nt_session *open_session(int batch, bool training, bool gradients)
{
    struct nt_session *session;
    struct nt_session_params params = {
        .batch = batch, .training = training, .gradients = gradients};
    test_ok(nt_session_create(test_device(), model, weights, &params, &session));
    return session;
}

static void unload_model(void)
{
    nt_weights_destroy(weights);
    nt_model_destroy(model);
}

static const char convolution[] =
    "local x = input('x', {1, 8, 8})\n"
    "local w = parameter('w', {4, 4, 3, 3}, {init_std = 0.2})\n"
    "local into = x:conv2d{name = 'into', channels = 4, kernel = 3, padding = 1}\n"
    "local y = into:relu()\n"
    "for step = 1, 3 do\n"
    "    y = (into + y:conv2d{channels = 4, kernel = 3, padding = 1, weight = w, bias = false})\n"
    "    y = y:relu()\n"
    "end\n"
    "y = y:flatten():linear{name = 'fc', features = 2}\n"
    "output('logits', y)\n"
    "loss(y:cross_entropy(target('t')))\n";

START_TEST(recurrent_convolution_trains)
{
    float x[16 * 64], first, last;
    int32_t t[16];
    load_model(convolution);
    ck_assert_int_eq(nt_weights_count(weights), 5);
    struct nt_session *session = open_session(16, true, false);
    test_fill(x, 16 * 64);
    for (int i = 0; i < 16; i++) {
        t[i] = i % 2;
        for (int p = 0; p < 32; p++) /* the upper or the lower half is brighter */
            x[i * 64 + t[i] * 32 + p] += 0.5f;
    }
    for (int step = 1; step <= 40; step++) {
        test_ok(nt_session_write(session, 0, x));
        test_ok(nt_session_write(session, 1, t));
        test_ok(nt_session_run(session,
            &(struct nt_step_params){.learning_rate = 0.05, .momentum = 0.9, .step = step}));
        test_ok(nt_session_loss(session, step == 1 ? &first : &last));
    }
    ck_assert_msg(last < 0.2f * first, "loss %g after %g", last, first);
    nt_session_destroy(session);
    unload_model();
}
END_TEST

static const char *const cells[] = {"rnn", "lstm", "gru"};

/* Results of runs over parts of a sequence, one after the other. */
static void run_parts(struct nt_session *session, int parts, int steps, const float *x, float *y)
{
    float part[2 * 6 * 3], out[2 * 6 * 4];
    for (int i = 0; i < parts; i++) {
        for (int n = 0; n < 2; n++)
            memcpy(part + n * steps * 3, x + (n * parts + i) * steps * 3,
                (size_t)steps * 3 * sizeof *x);
        test_ok(nt_session_write(session, 0, part));
        test_ok(nt_session_run(session, &(struct nt_step_params){.step = i + 1}));
        test_ok(nt_session_read(session, 0, out));
        for (int n = 0; n < 2; n++)
            memcpy(y + (n * parts + i) * steps * 4, out + n * steps * 4,
                (size_t)steps * 4 * sizeof *y);
    }
}

/* Three runs of two steps give what one run of six gives; a new session starts anew. */
START_TEST(states_are_carried_from_run_to_run)
{
    for (int c = 0; c < 3; c++) {
        float x[36], whole[48], parts[48];
        char text[400];
        test_fill(x, 36);
        for (int round = 0; round < 3; round++) {
            snprintf(text, sizeof text,
                "local x = input('x', {%d, 3})\n"
                "local y = x:%s{name = 'cell', hidden = 4, layers = 2, stateful = %s}\n"
                "output('y', y)\nloss(y:sum())\n",
                round ? 2 : 6, cells[c], truth(round));
            load_model(text);
            struct nt_session *session = open_session(2, round != 2, false);
            run_parts(session, round ? 3 : 1, round ? 2 : 6, x, round ? parts : whole);
            for (int i = 0; round && i < 48; i++)
                ck_assert_msg(fabsf(parts[i] - whole[i]) <= 1e-5f, "%s: y[%d]: %g, want %g",
                    cells[c], i, parts[i], whole[i]);
            nt_session_destroy(session);
            unload_model();
        }
    }
}
END_TEST

START_TEST(detached_values_are_constants)
{
    float x[6], got[6];
    load_model("local x = parameter('x', {6}, {init_std = 1})\n"
               "local y = x:detach() * x + x:square():detach()\n"
               "output('same', x:detach())\n"
               "loss(y:sum())\n");
    struct nt_session *session = open_session(1, true, true);
    test_ok(nt_session_run(session, NULL));
    test_ok(nt_weights_read(weights, 0, x));
    test_ok(nt_session_gradient(session, 0, got));
    for (int i = 0; i < 6; i++)
        ck_assert_msg(fabsf(got[i] - x[i]) <= 1e-6f, "%g, want %g", got[i], x[i]);
    test_ok(nt_session_read(session, 0, got));
    ck_assert_mem_eq(got, x, sizeof x);
    nt_session_destroy(session);
    unload_model();
}
END_TEST

START_TEST(parameters_are_named_as_in_pytorch)
{
    static const char *const names[] = {"encoder.cell.weight_ih_l0", "encoder.cell.weight_hh_l0",
        "encoder.cell.bias_ih_l0", "encoder.cell.bias_hh_l0", "encoder.cell.weight_ih_l0_reverse",
        "encoder.cell.bias_hh_l0_reverse", "encoder.cell.weight_ih_l1",
        "encoder.cell.weight_hh_l1_reverse"};
    load_model("local x = input('x', {5, 3})\n"
               "local y = scope('encoder', function()\n"
               "    return x:lstm{name = 'cell', hidden = 4, layers = 2, bidirectional = true}\n"
               "end)\n"
               "output('y', y)\n");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ck_assert_msg(nt_weights_find(weights, names[i]) >= 0, "no %s", names[i]);
    ck_assert_int_eq(nt_weights_count(weights), 16);
    const struct nt_weight_info *info =
        nt_weights_get(weights, nt_weights_find(weights, "encoder.cell.weight_ih_l1_reverse"));
    ck_assert(nt_shape_equal(&info->shape, &(struct nt_shape){2, {16, 8}}));
    unload_model();
}
END_TEST

/* With all of it dropped, a second layer sees nothing; without training nothing is dropped. */
START_TEST(dropout_stands_between_layers)
{
    float x[2 * 2 * 3], y[3][2 * 2 * 4];
    test_fill(x, 12);
    load_model("local x = input('x', {2, 3})\n"
               "local p = setting('p', 1.0, 'dropout')\n"
               "local y = x:gru{name = 'cell', hidden = 4, layers = 2, dropout = p}\n"
               "output('y', y)\n"
               "loss(y:sum())\n");
    struct nt_session *session = open_session(2, true, true);
    for (int run = 0; run < 2; run++) { /* another input changes nothing */
        test_ok(nt_session_write(session, 0, x));
        test_ok(nt_session_run(session, NULL));
        test_ok(nt_session_read(session, 0, y[run]));
        x[0] += 1;
    }
    ck_assert_mem_eq(y[0], y[1], sizeof y[0]);
    nt_session_destroy(session);
    session = open_session(2, false, false);
    test_ok(nt_session_write(session, 0, x));
    test_ok(nt_session_run(session, NULL));
    test_ok(nt_session_read(session, 0, y[2]));
    ck_assert_mem_ne(y[0], y[2], sizeof y[0]);
    nt_session_destroy(session);
    unload_model();
}
END_TEST

static void refuse(const char *text, const char *message)
{
    struct nt_model *none;
    const char *path = fixture_path("wrong.lua");
    fixture_write(path, text, strlen(text));
    ck_assert_int_ne(nt_model_load(test_context(), path, 0, NULL, &none), NT_OK);
    ck_assert_msg(strstr(nt_error_message(test_context()), message), "\"%s\" lacks \"%s\"",
        nt_error_message(test_context()), message);
}

START_TEST(wrong_calls_are_refused)
{
    refuse("input('x', {5}):lstm{hidden = 4}", "lstm: input of shape 1x5 (with the batch): must be "
                                               "float32 of rank 3, batch, steps, features");
    refuse("input('x', {5, 3}):gru{}", "gru: hidden: must be given");
    refuse("input('x', {5, 3}):gru{hidden = 4, lengths = input('n', {})}",
        "gru: lengths: float32 of shape 1: must be int32, one for each of the 1 items");
    refuse("input('x', {5, 3}):rnn{hidden = 4, layers = 2, h0 = constant(0, {1, 1, 4})}",
        "rnn: h0 of shape 1x1x4: must be 2x1x4");
    refuse("input('x', {5, 3}):lstm{hidden = 4, stateful = true, h0 = constant(0, {1, 1, 4})}",
        "lstm: h0: is for layers that are not stateful");
    refuse("input('x', {5, 3}):lstm{hidden = 4, stateful = true, bidirectional = true}",
        "lstm: stateful");
}
END_TEST

OPERATORS_MAIN("recurrent operators", rnn, lstm, gru, recurrent_convolution,
    recurrent_convolution_trains, states_are_carried_from_run_to_run, detached_values_are_constants,
    parameters_are_named_as_in_pytorch, dropout_stands_between_layers, wrong_calls_are_refused)
