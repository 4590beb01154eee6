/* SPDX-License-Identifier: MIT
 *
 * States that runs of a session change, and random numbers that are new in every step.
 */
#include <math.h>
#include <string.h>

#include "frontend/graph.h"
#include "frontend/session.h"
#include "tests/fixture.h"
#include "tests/testing.h"

enum { BATCH = 3, WIDTH = 5, RUNS = 4 };

static struct nt_model *model;
static struct nt_weights *weights;
static struct nt_session *session;

static const char states[] = "local x = input('input', {5})\n"
                             "local w = parameter('w', {5}, {init = 'ones'})\n"
                             "local mean = state('mean', {5}, {init = 0.5})\n"
                             "local runs = state('runs', {})\n"
                             "local a, b = state('a', {2, 3}, {init = 1}), state('b', {2, 3})\n"
                             "local kept = state('kept', {7}, {init = 7})\n"
                             "local h = state('h', {5}, {per_item = true, init = 2})\n"
                             "local last = state('last', {5})\n"
                             "update(mean, mean * 0.75 + x:mean{axes = {0}} * 0.25)\n"
                             "update(runs, runs + 1)\n"
                             "update(a, b)\n"
                             "update(b, a)\n"
                             "update(last, mean)\n"
                             "local new = h:tanh() + x\n"
                             "update(h, new)\n"
                             "output('old', h:sum{axes = {1}})\n"
                             "output('mean', mean)\n"
                             "output('new', new)\n"
                             "loss(((new + mean) * w):square():mean{})\n";

static void open_model(const char *text, bool training, bool gradients)
{
    struct nt_session_params params = {
        .batch = BATCH, .training = training, .gradients = gradients};
    const char *path = fixture_path("states.lua");
    fixture_write(path, text, strlen(text));
    test_ok(nt_model_load(test_context(), path, 0, NULL, &model));
    test_ok(nt_weights_create(test_device(), model, 1, 1, &weights));
    test_ok(nt_session_create(test_device(), model, weights, &params, &session));
}

static void close_model(void)
{
    nt_session_destroy(session);
    nt_weights_destroy(weights);
    nt_model_destroy(model);
}

static void run_step(int64_t step, uint64_t seed)
{
    struct nt_step_params params = {.step = step, .seed = seed};
    test_ok(nt_session_run(session, &params));
}

static void expect(const char *name, int count, const float *want)
{
    float got[BATCH * WIDTH] = {NAN};
    int index = nt_weights_find(weights, name);
    ck_assert_int_ge(index, 0);
    ck_assert(!nt_weights_get(weights, index)->trained);
    test_ok(nt_weights_read(weights, index, got));
    for (int i = 0; i < count; i++)
        ck_assert_msg(
            fabsf(got[i] - want[i]) <= 1e-5f, "%s[%d]: got %g, want %g", name, i, got[i], want[i]);
}

/* What the states are after some runs, and what one run reads. */
struct naive {
    float mean[WIDTH], last[WIDTH], h[BATCH * WIDTH], runs;
    bool swapped;
};

static void run_naive(struct naive *n, const float *x)
{
    for (int j = 0; j < WIDTH; j++) {
        float sum = 0;
        for (int i = 0; i < BATCH; i++) {
            sum += x[i * WIDTH + j];
            n->h[i * WIDTH + j] = tanhf(n->h[i * WIDTH + j]) + x[i * WIDTH + j];
        }
        n->last[j] = n->mean[j];
        n->mean[j] = 0.75f * n->mean[j] + 0.25f * sum / BATCH;
    }
    n->runs++;
    n->swapped = !n->swapped;
}

static void start_naive(struct naive *n)
{
    *n = (struct naive){.runs = 0};
    for (int j = 0; j < WIDTH; j++)
        n->mean[j] = 0.5f;
    for (int i = 0; i < BATCH * WIDTH; i++)
        n->h[i] = 2;
}

static void expect_all(const struct naive *n)
{
    float a[6], b[6], kept[7];
    for (int i = 0; i < 7; i++) {
        kept[i] = 7;
        a[i % 6] = !n->swapped;
        b[i % 6] = n->swapped;
    }
    expect("mean", WIDTH, n->mean);
    expect("last", n->runs > 0 ? WIDTH : 0, n->last);
    expect("runs", 1, &n->runs);
    expect("a", 6, a);
    expect("b", 6, b);
    expect("kept", 7, kept);
    ck_assert_int_lt(nt_weights_find(weights, "h"), 0);
}

/* The outputs of a run are those of the states before it. */
static void expect_outputs(const struct naive *before, const struct naive *after)
{
    float old[BATCH], mean[WIDTH], new[BATCH * WIDTH];
    double sum[BATCH] = {0}, want[WIDTH], fresh[BATCH * WIDTH];
    test_ok(nt_session_read(session, 0, old));
    test_ok(nt_session_read(session, 1, mean));
    test_ok(nt_session_read(session, 2, new));
    for (int i = 0; i < BATCH * WIDTH; i++) {
        sum[i / WIDTH] += before->h[i];
        fresh[i] = after->h[i];
        want[i % WIDTH] = before->mean[i % WIDTH];
    }
    test_close("h before", BATCH, old, sum, 1e-5);
    test_close("mean before", WIDTH, mean, want, 1e-5);
    test_close("h after", BATCH * WIDTH, new, fresh, 1e-5);
}

static void check_runs(bool training)
{
    float x[BATCH * WIDTH];
    struct naive now, before;
    start_naive(&now);
    for (int run = 1; run <= RUNS; run++) {
        test_fill(x, BATCH * WIDTH);
        before = now;
        run_naive(&now, x);
        test_ok(nt_session_write(session, 0, x));
        run_step(run, 0);
        expect_outputs(&before, &now);
        expect_all(&now);
        if (run == 2) {
            test_ok(nt_session_reset(session));
            for (int i = 0; i < BATCH * WIDTH; i++)
                now.h[i] = 2;
        }
    }
}

START_TEST(states_become_what_the_graph_says)
{
    open_model(states, _i == 1, false);
    check_runs(_i == 1);
    close_model();
}
END_TEST

START_TEST(gradient_checks_leave_states_alone)
{
    float x[BATCH * WIDTH], first, second;
    struct naive now;
    open_model(states, true, true);
    start_naive(&now);
    test_fill(x, BATCH * WIDTH);
    test_ok(nt_session_write(session, 0, x));
    run_step(1, 0);
    test_ok(nt_session_loss(session, &first));
    run_step(2, 0);
    test_ok(nt_session_loss(session, &second));
    ck_assert(first == second);
    expect_all(&now);
    close_model();
}
END_TEST

START_TEST(wrong_updates_are_refused)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"local x = input('x', {3})\nupdate(x, x)", "update: 'x': must be a state"},
        {"local x = input('x', {3})\nupdate(x + 1, x)", "update: a result: must be a state"},
        {"update(state('s', {3}), state('t', {4}))", "state 's' of shape 3: cannot become"},
        {"update(state('s', {}), 3)", "update: 3: must be a value"},
        {"local s = state('s', {})\nupdate(s, s)\nupdate(s, s)", "is updated already"},
        {"state('s', {2}, {init = 'x'})", "init 'x': must be a number"},
        {"state('s', {2}, {per_item = 1})", "per_item 1: must be true or false"},
        {"state('s', {2}, {inti = 1})", "unknown option 'inti'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = fixture_path("wrong.lua");
        fixture_write(path, cases[i].text, strlen(cases[i].text));
        enum nt_status status = nt_model_load(test_context(), path, 0, NULL, &model);
        ck_assert_int_ne(status, NT_OK);
        ck_assert_msg(strstr(nt_error_message(test_context()), cases[i].message) != NULL,
            "\"%s\" lacks \"%s\"", nt_error_message(test_context()), cases[i].message);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("update");
    TCase *tests = tcase_create("update");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, states_become_what_the_graph_says, 0, 2);
    tcase_add_test(tests, gradient_checks_leave_states_alone);
    tcase_add_test(tests, wrong_updates_are_refused);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
