/* SPDX-License-Identifier: MIT
 *
 * Normalisations and dropout as users meet them: results against plain loops in both modes, running
 * statistics over steps, and training that goes on after an interruption with the same bits.
 */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "engine/random.h"
#include "frontend/graph.h"
#include "frontend/session.h"
#include "frontend/trainer.h"
#include "tests/fixture.h"
#include "tests/testing.h"
#include "tests/toy.h"

enum { MOST = 4000 };

static struct nt_model *model;
static struct nt_weights *weights;

static void open_model(const char *fmt, ...) NT_PRINTF(1, 2);
static void open_model(const char *fmt, ...)
{
    char text[1000];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const char *path = fixture_path("norm.lua");
    fixture_write(path, text, strlen(text));
    test_ok(nt_model_load(test_context(), path, 0, NULL, &model));
    test_ok(nt_weights_create(test_device(), model, 1, 2, &weights));
}

static void close_model(void)
{
    nt_weights_destroy(weights);
    nt_model_destroy(model);
}

static struct nt_session *open_session(int64_t batch, bool training)
{
    struct nt_session *session;
    struct nt_session_params params = {.batch = batch, .training = training};
    test_ok(nt_session_create(test_device(), model, weights, &params, &session));
    return session;
}

/* One run with step and seed; y receives output 0. */
static void run(struct nt_session *session, const float *x, int64_t step, uint64_t seed, float *y)
{
    struct nt_step_params params = {.step = step, .seed = seed};
    test_ok(nt_session_write(session, 0, x));
    test_ok(nt_session_run(session, &params));
    test_ok(nt_session_read(session, 0, y));
}

static void set(const char *name, size_t count, float *data, float low, float high)
{
    int index = nt_weights_find(weights, name);
    ck_assert_msg(index >= 0, "no weight %s", name);
    for (size_t i = 0; i < count; i++)
        data[i] = low + (high - low) * (test_float() + 1) / 2;
    test_ok(nt_weights_write(weights, index, data));
}

static void get(const char *name, float *data)
{
    int index = nt_weights_find(weights, name);
    ck_assert_msg(index >= 0, "no weight %s", name);
    test_ok(nt_weights_read(weights, index, data));
}

/* ---- results against loops ---- */

/* N,C,L items: which elements share statistics and which a weight. */
enum kind { BATCH, GROUP, INSTANCE, LAYER, RMS, LENGTH, KINDS };

struct shape {
    int n, c, l, groups;
};

static int statistic_of(enum kind kind, const struct shape *s, int n, int c)
{
    switch (kind) {
    case BATCH:
        return c;
    case GROUP:
        return n * s->groups + c / (s->c / s->groups);
    case INSTANCE:
        return n * s->c + c;
    default: /* over C and L */
        return n;
    }
}

static void naive_norm(enum kind kind, const struct shape *s, double eps, const float *x,
    const float *w, const float *b, double *y)
{
    double sum[MOST] = {0}, square[MOST] = {0}, count[MOST] = {0};
    for (int e = 0; e < s->n * s->c * s->l; e++) {
        int at = statistic_of(kind, s, e / s->l / s->c, e / s->l % s->c);
        sum[at] += kind < RMS ? x[e] : 0;
        count[at]++;
    }
    for (int e = 0; e < s->n * s->c * s->l; e++) {
        int at = statistic_of(kind, s, e / s->l / s->c, e / s->l % s->c);
        square[at] += pow(x[e] - sum[at] / count[at], 2);
    }
    for (int e = 0; e < s->n * s->c * s->l; e++) {
        int at = statistic_of(kind, s, e / s->l / s->c, e / s->l % s->c);
        int weight = kind >= LAYER ? e % (s->c * s->l) : e / s->l % s->c;
        y[e] = (x[e] - sum[at] / count[at]) / sqrt(square[at] / count[at] + eps) * w[weight];
        y[e] += kind < RMS ? b[weight] : 0;
    }
}

START_TEST(norms_are_those_of_their_formulas)
{
    static const char *const names[] = {"batch_norm{", "group_norm{groups = %d, ",
        "instance_norm{affine = true, ", "layer_norm{dims = 2, ", "rms_norm{dims = 2, "};
    static float x[MOST], y[MOST], w[MOST], b[MOST];
    static double want[MOST];
    enum kind kind = _i % LENGTH;
    bool last = _i >= LENGTH; /* channels */
    struct shape s = {.n = test_int(2, 6), .groups = test_int(1, 4), .l = test_int(2, 9)};
    s.c = s.groups * test_int(1, 4);
    char call[128];
    snprintf(call, sizeof call, names[kind], s.groups);
    /* pooling single elements leaves them, channels-last */
    open_model("local x = input('input', {%d, %d})%s\n"
               "output('y', x:%sname = 'n', eps = 0.01})\nloss(x:sum())\n",
        s.c, s.l, last ? ":neg():max_pool1d{kernel = 1}:neg()" : "", call);
    int count = s.n * s.c * s.l, per_weight = kind >= LAYER ? s.c * s.l : s.c;
    set("n.weight", (size_t)per_weight, w, -2, 2);
    if (kind != RMS)
        set("n.bias", (size_t)per_weight, b, -2, 2);
    /* far from zero: a sum of squares alone would lose the variance; or the first elements of
     * channels far from the others */
    float shift = last || test_int(0, 1) ? 300 : 0;
    bool all = test_int(0, 1);
    for (int e = 0; e < count; e++)
        x[e] = test_float() + (all || e % s.l == 0 ? shift : 0);
    struct nt_session *session = open_session(s.n, true);
    run(session, x, 1, 0, y);
    naive_norm(kind, &s, 0.01, x, w, b, want);
    test_close(names[kind], (size_t)count, y, want, shift > 0 ? 1e-4 : 2e-6);
    nt_session_destroy(session);
    close_model();
}
END_TEST

START_TEST(neighbours_and_lengths)
{
    static float x[MOST], y[MOST];
    static double want[MOST];
    int n = test_int(1, 3), c = test_int(1, 40), l = test_int(1, 9), size = test_int(1, 9);
    open_model("local x = input('input', {%d, %d})\n"
               "output('y', x:%s{%s = %d})\nloss(x:sum())\n",
        c, l, _i ? "local_response_norm" : "l2_normalize", _i ? "alpha = 0.5, size" : "axis",
        _i ? size : 1);
    test_fill(x, (size_t)(n * c * l));
    for (int e = 0; e < n * c * l; e++) {
        int channel = e / l % c, first = _i ? channel - size / 2 : 0, last = _i ? first + size : c;
        double sum = 0;
        for (int k = first; k < last; k++)
            if (k >= 0 && k < c)
                sum += pow(x[e + (k - channel) * l], 2);
        want[e] = _i ? x[e] / pow(1 + 0.5 / size * sum, 0.75) : x[e] / fmax(sqrt(sum), 1e-12);
    }
    struct nt_session *session = open_session(n, false);
    run(session, x, 1, 0, y);
    test_close(_i ? "local_response_norm" : "l2_normalize", (size_t)(n * c * l), y, want, 2e-6);
    nt_session_destroy(session);
    close_model();
}
END_TEST

/* ---- running statistics ---- */

enum { RUNS = 5, CHANNELS = 3, AREA = 4, ITEMS = 5 };

/* The recurrence in double precision, from torch.nn.BatchNorm's documentation. */
static void naive_running(
    const float *x, double momentum, double mean[CHANNELS], double var[CHANNELS])
{
    for (int c = 0; c < CHANNELS; c++) {
        double sum = 0, square = 0, n = ITEMS * AREA;
        for (int i = 0; i < ITEMS * AREA; i++)
            sum += x[(i / AREA * CHANNELS + c) * AREA + i % AREA];
        for (int i = 0; i < ITEMS * AREA; i++)
            square += pow(x[(i / AREA * CHANNELS + c) * AREA + i % AREA] - sum / n, 2);
        mean[c] = (1 - momentum) * mean[c] + momentum * sum / n;
        var[c] = (1 - momentum) * var[c] + momentum * square / (n - 1);
    }
}

START_TEST(running_statistics)
{
    bool cumulative = _i & 1, shared = _i & 2;
    double momentum = 0.3, mean[CHANNELS] = {0}, var[CHANNELS] = {1, 1, 1};
    float x[ITEMS * CHANNELS * AREA], y[ITEMS * CHANNELS * AREA], got[CHANNELS], batches;
    open_model("local x = input('input', {3, 2, 2})\n"
               "local function bn(x) return x:batch_norm{name = 'bn', %s} end\n"
               "local y = bn(x)\n%s output('y', y)\nloss((y * x):mean())\n",
        cumulative ? "cumulative = true" : "momentum = 0.3", shared ? "y = y + bn(x * 3)\n" : "");
    struct nt_session *session = open_session(ITEMS, true);
    for (int step = 1, n = 0; step <= RUNS; step++) {
        float scaled[ITEMS * CHANNELS * AREA];
        for (int i = 0; i < ITEMS * CHANNELS * AREA; i++) {
            x[i] = test_float() * 2 + 1;
            scaled[i] = 3 * x[i];
        }
        run(session, x, step, 0, y);
        naive_running(x, cumulative ? 1.0 / ++n : momentum, mean, var);
        if (shared)
            naive_running(scaled, cumulative ? 1.0 / ++n : momentum, mean, var);
        get("bn.running_mean", got);
        test_close("running_mean", CHANNELS, got, mean, 1e-5);
        get("bn.running_var", got);
        test_close("running_var", CHANNELS, got, var, 1e-5);
        get("bn.num_batches_tracked", &batches);
        ck_assert(batches == (float)(shared ? 2 * step : step));
    }
    nt_session_destroy(session);
    close_model();
}
END_TEST

START_TEST(evaluation_takes_the_running_statistics)
{
    static float x[MOST], y[MOST], w[32], b[32], mean[32], var[32];
    static double want[MOST];
    int c = test_int(1, 20), n = test_int(1, 4), area = 9;
    bool affine = _i == 0;
    open_model("local x = input('input', {%d, 3, 3})\n"
               "output('y', x:batch_norm{name = 'bn', eps = 0.5, affine = %s}:relu())\n",
        c, affine ? "true" : "false");
    for (int i = 0; i < 32; i++) {
        w[i] = 1;
        b[i] = 0;
    }
    if (affine) {
        set("bn.weight", (size_t)c, w, -2, 2);
        set("bn.bias", (size_t)c, b, -2, 2);
    }
    set("bn.running_mean", (size_t)c, mean, -1, 1);
    set("bn.running_var", (size_t)c, var, 0, 3);
    test_fill(x, (size_t)(n * c * area));
    struct nt_session *session = open_session(n, false);
    run(session, x, 1, 0, y);
    for (int e = 0; e < n * c * area; e++) {
        int k = e / area % c;
        want[e] = fmax(0, ((double)x[e] - mean[k]) / sqrt(var[k] + 0.5) * w[k] + b[k]);
    }
    test_close("batch_norm", (size_t)(n * c * area), y, want, 2e-6);
    nt_session_destroy(session);
    close_model();
}
END_TEST

/* ---- random operators ---- */

static double key_of(uint64_t seed, uint64_t step)
{
    uint32_t words[4];
    nt_philox(seed, step, 0x6b657973, words);
    return (double)((uint64_t)(words[1] & 0xfffffu) << 32 | words[0]);
}

START_TEST(masks_are_the_hosts)
{
    static const struct {
        const char *name;
        int share; /* neighbours in row-major order that share a number */
    } kinds[] = {{"dropout", 1}, {"dropout2d", 6}, {"drop_path", 24}};
    float x[5 * 24], y[5 * 24];
    double p = 0.1 * test_int(1, 9);
    open_model("local x = input('input', {4, 2, 3})\n"
               "local y = x:dropout{p = 0.5} + x\n" /* takes the numbers 0 to 119 */
               "output('y', x:%s{p = %g})\noutput('first', y)\nloss(x:sum())\n",
        kinds[_i].name, p);
    struct nt_session *session = open_session(5, true);
    for (uint64_t step = 1; step <= 3; step++) {
        uint64_t seed = (uint64_t)test_int(0, 1000000) << 20;
        test_fill(x, 120);
        run(session, x, (int64_t)step, seed, y);
        for (int e = 0; e < 120; e++) {
            bool dropped = nt_uniform(120 + e / kinds[_i].share, key_of(seed, step)) < (float)p;
            double want = dropped ? 0 : x[e] / (1 - p);
            ck_assert_msg(fabs(y[e] - want) <= 1e-6 * fabs(want), "%s[%d] of step %d: %g, want %g",
                kinds[_i].name, e, (int)step, y[e], want);
        }
    }
    nt_session_destroy(session);
    session = open_session(5, false);
    run(session, x, 4, 0, y);
    ck_assert(memcmp(x, y, sizeof x) == 0);
    nt_session_destroy(session);
    close_model();
}
END_TEST

START_TEST(alpha_dropout_keeps_mean_and_variance)
{
    static float x[MOST], y[MOST];
    double sum = 0, square = 0;
    open_model("local x = input('input', {%d})\noutput('y', x:alpha_dropout{p = 0.4})\n"
               "loss(x:sum())\n",
        MOST);
    for (int i = 0; i < MOST; i++)
        x[i] = (float)(sqrt(3) * test_float()); /* mean 0, variance 1 */
    struct nt_session *session = open_session(1, true);
    run(session, x, 1, 7, y);
    for (int i = 0; i < MOST; i++) {
        sum += y[i];
        square += (double)y[i] * y[i];
    }
    ck_assert_msg(fabs(sum / MOST) < 0.1, "mean %g", sum / MOST);
    ck_assert_msg(fabs(square / MOST - 1) < 0.15, "variance %g", square / MOST);
    nt_session_destroy(session);
    close_model();
}
END_TEST

/* ---- a training that is interrupted ---- */

static const char network[] =
    "local x, y = input('input', {1, 8, 8}), target('target')\n"
    "x = x:conv2d{name = 'conv', channels = 5, kernel = 3, bias = false}\n"
    "x = x:batch_norm{name = 'bn'}:relu():dropout2d{p = 0.2}\n"
    "x = x:flatten():dropout{p = 0.5}:linear{name = 'fc', features = 4}\n"
    "output('logits', x)\nloss(x:cross_entropy(y))\n";

static volatile sig_atomic_t stop;
static int64_t stop_at;

static void stop_there(void *user, const struct nt_training *training)
{
    stop = training->step >= stop_at;
}

static float *train(
    struct nt_trainer_params params, struct nt_dataset *data, bool interrupted, size_t *count)
{
    struct nt_trainer *trainer;
    struct nt_training result;
    float *all = NULL;
    *count = 0;
    test_ok(nt_trainer_create(test_device(), model, data, &params, &trainer));
    enum nt_status status = nt_trainer_run(trainer, &result);
    ck_assert_int_eq(status, interrupted ? NT_ERR_INTERRUPTED : NT_OK);
    weights = nt_trainer_weights(trainer);
    for (int i = 0; i < nt_weights_count(weights); i++) {
        size_t size = (size_t)nt_shape_count(&nt_weights_get(weights, i)->shape);
        all = realloc(all, (*count + size) * sizeof *all);
        ck_assert_ptr_nonnull(all);
        test_ok(nt_weights_read(weights, i, all + *count));
        *count += size;
    }
    nt_trainer_destroy(trainer);
    return all;
}

START_TEST(resume_gives_the_same_bits)
{
    struct nt_trainer_params params = {.batch = 8,
        .steps = 12,
        .optimizer = NT_OPTIMIZER_SGD,
        .learning_rate = 0.05,
        .momentum = 0.9,
        .log_every = 1,
        .seed = (uint64_t)test_int(1, 1000)};
    const char *path = fixture_path("norm.lua");
    fixture_write(path, network, strlen(network));
    test_ok(nt_model_load(test_context(), path, 0, NULL, &model));
    struct nt_dataset *data = toy_dataset(toy_data("norms", 50));
    size_t count, again;
    params.out = fixture_path("whole");
    float *whole = train(params, data, false, &count);
    params.out = fixture_path("parts");
    params.stop = &stop;
    params.report = stop_there;
    stop_at = test_int(1, 11);
    free(train(params, data, true, &again));
    params.stop = NULL;
    params.report = NULL;
    params.resume = true;
    float *parts = train(params, data, false, &again);
    ck_assert_uint_eq(count, again);
    ck_assert_msg(memcmp(whole, parts, count * sizeof *whole) == 0, "the weights differ");
    free(whole);
    free(parts);
    nt_dataset_close(data);
    nt_model_destroy(model);
}
END_TEST

/* A network of what is derived from weights: packed products, Winograd's and depthwise weights,
 * scales. */
static const char *const derived = "local x = input('input', {32, 32, 32})\n"
                                   "x = x:conv2d{channels = 32, kernel = 3, padding = 1, name = "
                                   "'c1'}:batch_norm{name = 'n1'}:relu()\n"
                                   "x = x:conv2d{channels = 32, kernel = 3, padding = 1, groups = "
                                   "32, name = 'c2'}:batch_norm{name = 'n2'}\n"
                                   "x = x:conv2d{channels = 48, kernel = 1, name = "
                                   "'c3'}:flatten():linear{features = 7, name = 'l'}\n"
                                   "output('y', x)\nloss((x * x):mean())\n";

/* What a session computes of the weights as they are now, and what a fresh one does. */
static void check_fresh(struct nt_session *session, const float *x, const char *what)
{
    struct nt_session_params params = {.batch = 1, .lean = true};
    struct nt_session *fresh;
    float y[7], z[7];
    double want[7];
    test_ok(nt_session_create(test_device(), model, weights, &params, &fresh));
    run(fresh, x, 0, 0, z);
    run(session, x, 0, 0, y);
    nt_session_destroy(fresh);
    for (int i = 0; i < 7; i++)
        want[i] = z[i];
    test_close(what, 7, y, want, 1e-5);
}

START_TEST(inference_follows_the_weights)
{
    static float x[2 * 32 * 32 * 32], some[32];
    float y[2 * 7];
    open_model("%s", derived);
    struct nt_session *session = open_session(1, false), *training = open_session(2, true);
    test_fill(x, sizeof x / sizeof *x);
    ck_assert_int_gt(nt_session_plan(session)->derivations, 3);
    ck_assert_int_eq(nt_session_plan(training)->derivations, 0);
    const char *file = fixture_path("first.safetensors");
    test_ok(nt_weights_save(weights, file));
    check_fresh(session, x, "at first");
    check_fresh(session, x, "again");
    set("n1.running_mean", 32, some, 1, 2);
    check_fresh(session, x, "after weights were written");
    struct nt_step_params step = {.learning_rate = 0.005, .step = 1};
    for (; step.step < 4; step.step++) {
        test_ok(nt_session_write(training, 0, x));
        test_ok(nt_session_run(training, &step));
        test_ok(nt_session_read(training, 0, y));
        check_fresh(session, x, "after a step");
    }
    test_ok(nt_weights_load(weights, file));
    check_fresh(session, x, "after a file was loaded");
    nt_session_destroy(session);
    nt_session_destroy(training);
    close_model();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("norm");
    TCase *tests = tcase_create("norm");
    tcase_set_timeout(tests, 0);
    tcase_add_loop_test(tests, norms_are_those_of_their_formulas, 0, 2 * LENGTH);
    tcase_add_loop_test(tests, neighbours_and_lengths, 0, 2);
    tcase_add_loop_test(tests, running_statistics, 0, 4);
    tcase_add_loop_test(tests, evaluation_takes_the_running_statistics, 0, 2);
    tcase_add_loop_test(tests, masks_are_the_hosts, 0, 3);
    tcase_add_test(tests, alpha_dropout_keeps_mean_and_variance);
    tcase_add_test(tests, resume_gives_the_same_bits);
    tcase_add_test(tests, inference_follows_the_weights);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
