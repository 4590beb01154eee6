/* SPDX-License-Identifier: MIT */
#include "tests/operators.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/op.h"
#include "frontend/session.h"
#include "tests/naive.h"
#include "tests/testing.h"

static char definition[8192];

void say(const char *fmt, ...)
{
    size_t used = strlen(definition);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(definition + used, sizeof definition - used, fmt, ap);
    va_end(ap);
}

/* A failed test leaves its definition behind. */
static void forget(void)
{
    definition[0] = 0;
}

void end_with_weighted_sum(void)
{
    say("output('y', y)\n"
        "loss((y * parameter('mix', y:shape(), {init = 'uniform', init_std = 1})):sum())\n");
}

/* NULL after a failure. */
static struct nt_model *try_load(const char *text)
{
    char folder[] = "/tmp/neutra_operators_XXXXXX", path[64];
    ck_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.lua", folder);
    FILE *file = fopen(path, "w");
    ck_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
    struct nt_model *model = NULL;
    if (nt_model_load(test_context(), path, 0, NULL, &model) != NT_OK)
        model = NULL;
    unlink(path);
    rmdir(folder);
    return model;
}

struct nt_model *operators_load(const char *text)
{
    struct nt_model *model = try_load(text);
    ck_assert_msg(model, "%s\n%s", nt_error_message(test_context()), text);
    return model;
}

void check_refused(const char *message)
{
    ck_assert_msg(!try_load(definition), "not refused: %s", definition);
    const char *got = nt_error_message(test_context());
    ck_assert_msg(strstr(got, message), "%s\ngot \"%s\", want \"%s\"", definition, got, message);
    definition[0] = 0;
}

struct setup {
    struct nt_model *model;
    struct nt_weights *weights;
    struct nt_session *session;
    struct nt_graph *graph; /* forward alone, for the reference */
    double **data;
};

static void fill_weights(struct setup *s)
{
    for (int w = 0; w < nt_weights_count(s->weights); w++) {
        const struct nt_weight_info *info = nt_weights_get(s->weights, w);
        size_t count = (size_t)nt_shape_count(&info->shape);
        float *data = malloc(count * sizeof *data);
        int v = nt_graph_find(s->graph, info->name);
        s->data[v] = malloc(count * sizeof **s->data);
        test_fill(data, count);
        for (size_t i = 0; i < count; i++) {
            /* away from the kinks of relu and abs, and positive for log and sqrt by name */
            data[i] += data[i] < 0 ? -0.05f : 0.05f;
            if (strncmp(info->name, "positive", 8) == 0)
                data[i] = 0.5f + fabsf(data[i]);
            s->data[v][i] = data[i];
        }
        test_ok(nt_weights_write(s->weights, w, data));
        free(data);
    }
}

static void fill_inputs(struct setup *s, int classes)
{
    for (int i = 0; i < nt_session_input_count(s->session); i++) {
        struct nt_port port = nt_session_input(s->session, i);
        int v = nt_graph_find(s->graph, port.name);
        size_t count = (size_t)nt_shape_count(&port.shape);
        s->data[v] = malloc(count * sizeof **s->data);
        union {
            float f;
            int32_t i;
        } *data = malloc(count * sizeof *data);
        for (size_t j = 0; j < count; j++)
            if (port.dtype == NT_I32)
                s->data[v][j] = data[j].i = j % 7 == 3 ? -1 : test_int(0, classes - 1);
            else
                s->data[v][j] = data[j].f = test_float();
        ck_assert_int_eq(port.layout, NT_ROW_MAJOR);
        test_ok(nt_session_write(s->session, i, data));
        free(data);
    }
}

/* The setup that an expected function reads. */
static const struct setup *reading;

double expected_operand(const char *name, const int64_t *at)
{
    int v = nt_graph_find(reading->graph, name);
    const struct nt_shape *shape = &reading->graph->value[v].shape;
    for (int i = 0; i < shape->rank; i++)
        ck_assert(at[i] >= 0 && at[i] < shape->dim[i]);
    return reading->data[v][naive_flat(shape, at)];
}

/* The naive loops' result must be the expected one; the device is compared with the loops. */
static void check_expected(const struct setup *s, double (*expected)(const int64_t *at))
{
    int v = s->graph->output[0].value;
    struct nt_shape shape = s->graph->value[v].shape;
    reading = s;
    for (int64_t e = 0; e < nt_shape_count(&shape); e++) {
        int64_t at[NT_MAX_RANK];
        naive_unflat(&shape, e, at);
        double want = expected(at);
        ck_assert_msg(fabs(s->data[v][e] - want) <= 1e-9 * fmax(1, fabs(want)),
            "%s: element %d: %g, want %g", definition, (int)e, s->data[v][e], want);
    }
}

static void check_outputs(struct setup *s, double (*expected)(const int64_t *at))
{
    naive_run(s->graph, s->data);
    if (expected)
        check_expected(s, expected);
    for (int o = 0; o < nt_session_output_count(s->session); o++) {
        struct nt_port port = nt_session_output(s->session, o);
        float *got = malloc(port.bytes);
        memset(got, 0xff, port.bytes);
        test_ok(nt_session_read(s->session, o, got));
        for (size_t i = 0; port.dtype == NT_I32 && i < port.bytes / sizeof *got; i++) {
            int32_t whole;
            memcpy(&whole, &got[i], sizeof whole);
            got[i] = (float)whole;
        }
        test_close(
            definition, port.bytes / sizeof *got, got, s->data[s->graph->output[o].value], 2e-5);
        free(got);
    }
    float loss = NAN;
    test_ok(nt_session_loss(s->session, &loss));
    double want = s->data[s->graph->loss][0], size = 0;
    const struct nt_value *y = &s->graph->value[s->graph->output[0].value];
    for (int64_t i = 0; i < nt_shape_count(&y->shape); i++)
        size += fabs(s->data[s->graph->output[0].value][i]);
    ck_assert_msg(
        fabs(loss - want) <= 2e-5 * fmax(size, 1), "%s: loss %g, want %g", definition, loss, want);
    naive_free(s->graph, s->data);
}

/* The derivative of the naive loss by x[i]. False when the loss has a kink within the step, which
 * shows in the two one-sided differences: they differ by more than the tolerance. Where it bends,
 * as next to its extremes, they do so with the larger step alone. */
static bool central_difference(
    struct setup *s, double *x, size_t i, double tolerance, double *derivative)
{
    double old = x[i], middle = naive_loss(s->graph, s->data);
    bool smooth = false;
    for (double step = 1e-5; !smooth && step > 5e-7; step /= 10) {
        x[i] = old + step;
        double high = naive_loss(s->graph, s->data);
        x[i] = old - step;
        double low = naive_loss(s->graph, s->data);
        *derivative = (high - low) / (2 * step);
        smooth = fabs((high - middle) - (middle - low)) <= tolerance * step;
    }
    x[i] = old;
    return smooth;
}

/* A few elements of every parameter's gradient. */
static void check_gradients(struct setup *s)
{
    for (int w = 0; w < nt_weights_count(s->weights); w++) {
        const struct nt_weight_info *info = nt_weights_get(s->weights, w);
        size_t count = (size_t)nt_shape_count(&info->shape);
        if (!info->trained)
            continue;
        float *got = malloc(count * sizeof *got);
        double *x = s->data[nt_graph_find(s->graph, info->name)], scale = 1e-3;
        test_ok(nt_session_gradient(s->session, w, got));
        for (size_t i = 0; i < count; i++) {
            ck_assert_msg(isfinite(got[i]), "%s: gradient of %s[%zu] is %g", definition, info->name,
                i, got[i]);
            scale = fmax(scale, fabsf(got[i]));
        }
        int compared = 0;
        for (int n = 0; n < 12; n++) {
            size_t i = (size_t)test_int(0, (int)count - 1);
            double want;
            if (!central_difference(s, x, i, 1e-4 * scale, &want))
                continue;
            compared++;
            ck_assert_msg(fabs(got[i] - want) <= 1e-4 * scale,
                "%s: gradient of %s[%zu]: got %.7g, want %.7g", definition, info->name, i, got[i],
                want);
        }
        ck_assert_msg(compared > 0, "%s: every gradient of %s looked at lies at a kink", definition,
            info->name);
        free(got);
    }
}

void check_definition(int batch, int classes)
{
    check_definition_against(batch, classes, NULL);
}

void check_definition_against(int batch, int classes, double (*expected)(const int64_t *at))
{
    struct setup s = {.model = operators_load(definition)};
    test_ok(nt_weights_create(test_device(), s.model, 1, 0, &s.weights));
    struct nt_session_params params = {.batch = batch, .training = true, .gradients = true};
    enum nt_status status =
        nt_session_create(test_device(), s.model, s.weights, &params, &s.session);
    ck_assert_msg(status == NT_OK, "%s\n%s", nt_error_message(test_context()), definition);
    test_ok(nt_model_build(s.model, batch, true, &s.graph));
    s.data = calloc((size_t)s.graph->value_count, sizeof *s.data);
    fill_weights(&s);
    fill_inputs(&s, classes);
    test_ok(nt_session_run(s.session, NULL));
    check_outputs(&s, expected);
    check_gradients(&s);
    nt_session_destroy(s.session);
    nt_weights_destroy(s.weights);
    nt_model_destroy(s.model);
    for (int v = 0; v < s.graph->value_count; v++)
        free(s.data[v]);
    free(s.data);
    nt_graph_destroy(s.graph);
    definition[0] = 0;
}

int rounds(int normal)
{
    return getenv("NT_SMALL") ? 1 : (normal + 2) / 3;
}

int operators_main(const char *name, int count, const TTest *const *tests)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 0);
    tcase_add_checked_fixture(tcase, forget, NULL);
    for (int i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
