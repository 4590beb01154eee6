/* SPDX-License-Identifier: MIT
 *
 * Every operator on random configurations: outputs against the naive loops in double precision,
 * gradients by every parameter against central differences of the naive loops. The definitions are
 * written as Lua text, as a user would.
 */
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

static void say(const char *fmt, ...) NT_PRINTF(1, 2);

static void say(const char *fmt, ...)
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

/* The loss is the sum of the output times fixed numbers, so every element matters differently. */
static void end_with_weighted_sum(void)
{
    say("output('y', y)\n"
        "loss((y * parameter('mix', y:shape(), {init = 'uniform', init_std = 1})):sum())\n");
}

static struct nt_model *load(void)
{
    char folder[] = "/tmp/neutra_operators_XXXXXX", path[64];
    ck_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.lua", folder);
    FILE *file = fopen(path, "w");
    ck_assert(file && fputs(definition, file) >= 0 && fclose(file) == 0);
    struct nt_model *model = NULL;
    enum nt_status status = nt_model_load(test_context(), path, 0, NULL, &model);
    unlink(path);
    rmdir(folder);
    ck_assert_msg(status == NT_OK, "%s\n%s", nt_error_message(test_context()), definition);
    return model;
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

static void check_outputs(struct setup *s)
{
    naive_run(s->graph, s->data);
    for (int o = 0; o < nt_session_output_count(s->session); o++) {
        struct nt_port port = nt_session_output(s->session, o);
        float *got = malloc(port.bytes);
        memset(got, 0xff, port.bytes);
        test_ok(nt_session_read(s->session, o, got));
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

/* A few elements of every parameter's gradient. */
static void check_gradients(struct setup *s)
{
    for (int w = 0; w < nt_weights_count(s->weights); w++) {
        const struct nt_weight_info *info = nt_weights_get(s->weights, w);
        size_t count = (size_t)nt_shape_count(&info->shape);
        float *got = malloc(count * sizeof *got);
        double *x = s->data[nt_graph_find(s->graph, info->name)], scale = 1e-3;
        test_ok(nt_session_gradient(s->session, w, got));
        for (size_t i = 0; i < count; i++) {
            ck_assert_msg(isfinite(got[i]), "%s: gradient of %s[%zu] is %g", definition, info->name,
                i, got[i]);
            scale = fmax(scale, fabsf(got[i]));
        }
        for (int n = 0; n < 12; n++) {
            size_t i = (size_t)test_int(0, (int)count - 1);
            double old = x[i], step = 1e-5;
            x[i] = old + step;
            double high = naive_loss(s->graph, s->data);
            x[i] = old - step;
            double low = naive_loss(s->graph, s->data);
            x[i] = old;
            double want = (high - low) / (2 * step);
            ck_assert_msg(fabs(got[i] - want) <= 1e-4 * scale,
                "%s: gradient of %s[%zu]: got %.7g, want %.7g", definition, info->name, i, got[i],
                want);
        }
        free(got);
    }
}

static void check_definition(int batch, int classes)
{
    struct setup s = {.model = load()};
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
    check_outputs(&s);
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

/* How often each random configuration is drawn; $NT_SMALL for slow devices. */
static int rounds(int normal)
{
    return getenv("NT_SMALL") ? 1 : normal;
}

START_TEST(elementwise)
{
    for (int i = 0; i < nt_op_count; i++) {
        const struct nt_op *op = nt_ops[i];
        if (!op->expression)
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

static void one_conv2d(void)
{
    int groups = test_int(0, 2) ? 1 : test_int(2, 3), in = groups * test_int(1, 4);
    int kernel[2] = {test_int(1, 4), test_int(1, 4)}, out = groups * test_int(1, 9);
    say("local x = parameter('x', {%d, %d, %d, %d}, {init = 'zeros'})\n", test_int(1, 3), in,
        test_int(7, 11), test_int(7, 11));
    say("local y = x:conv2d{name = 'conv', channels = %d, kernel = {%d, %d}, groups = %d, ", out,
        kernel[0], kernel[1], groups);
    say("stride = {%d, %d}, dilation = {%d, %d}, padding = {%d, %d, %d, %d}, bias = %s}\n",
        test_int(1, 3), test_int(1, 3), test_int(1, 2), test_int(1, 2), test_int(0, 2),
        test_int(0, 2), test_int(0, 2), test_int(0, 2), test_int(0, 1) ? "true" : "false");
    if (test_int(0, 1))
        say("y = y:tanh()\n");
    end_with_weighted_sum();
    check_definition(1, 0);
}

START_TEST(conv2d)
{
    for (int i = 0; i < rounds(20); i++)
        one_conv2d();
}
END_TEST

START_TEST(linear_and_matmul)
{
    for (int i = 0; i < rounds(8); i++) {
        say("local x = parameter('x', {%d, %d}, {init = 'zeros'})\n", test_int(1, 9),
            test_int(1, 40));
        say("local y = x:linear{name = 'fc', features = %d, bias = %s}\n", test_int(1, 40),
            test_int(0, 1) ? "true" : "false");
        end_with_weighted_sum();
        check_definition(1, 0);
        int ta = test_int(0, 1), tb = test_int(0, 1), m = test_int(1, 9), k = test_int(1, 9);
        int n = test_int(1, 9), batch = test_int(0, 3);
        char lead[16] = "";
        if (batch)
            snprintf(lead, sizeof lead, "%d, ", batch);
        say("local a = parameter('a', {%s%d, %d}, {init = 'zeros'})\n", lead, ta ? k : m,
            ta ? m : k);
        say("local b = parameter('b', {%s%d, %d}, {init = 'zeros'})\n", lead, tb ? n : k,
            tb ? k : n);
        say("local y = a:matmul(b, {transpose_a = %s, transpose_b = %s})\n", ta ? "true" : "false",
            tb ? "true" : "false");
        end_with_weighted_sum();
        check_definition(1, 0);
    }
}
END_TEST

START_TEST(pooling)
{
    for (int i = 0; i < rounds(12); i++) {
        bool average = i % 2;
        int kernel = test_int(1, 4);
        say("local x = parameter('x', {%d, %d, %d, %d}, {init = 'zeros'})\n", test_int(1, 3),
            test_int(1, 18), test_int(7, 11), test_int(7, 11));
        say("local y = x:%s{kernel = {%d, %d}, stride = {%d, %d}, padding = %d, ceil_mode = %s, "
            "%s}\n",
            average ? "avg_pool2d" : "max_pool2d", kernel, test_int(kernel, 4), test_int(0, 3),
            test_int(0, 3), test_int(0, kernel / 2), test_int(0, 1) ? "true" : "false",
            average ? (test_int(0, 1) ? "count_include_pad = true" : "count_include_pad = false")
                    : (test_int(0, 1) ? "dilation = 2" : "dilation = 1"));
        end_with_weighted_sum();
        check_definition(1, 0);
    }
}
END_TEST

START_TEST(reductions)
{
    static const char *const axes[] = {"0", "1", "{0, 2, 3}", "{2, 3}", "-1", "{0, 1, 2, 3}"};
    static const char *const names[] = {"sum", "mean", "max", "min"};
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < rounds(6); j++) {
            say("local x = parameter('x', {%d, %d, %d, %d}, {init = 'zeros'})\n", test_int(1, 4),
                test_int(1, 7), test_int(1, 7), test_int(1, 7));
            say("local y = op.%s(x:tanh(), {axes = %s, keepdims = %s})\n", names[i], axes[j],
                test_int(0, 1) ? "true" : "false");
            end_with_weighted_sum();
            check_definition(1, 0);
        }
}
END_TEST

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
        "local y = x:broadcast{shape = {2, 3, 4, 5, 2}}\n");
    end_with_weighted_sum();
    check_definition(1, 0);
    /* channels-last and row-major meet */
    say("local x = parameter('x', {2, 5, 6, 6}, {init = 'zeros'})\n"
        "local c = x:conv2d{name = 'conv', channels = 7, kernel = 3, padding = 1}:relu()\n"
        "local p = op.concat(c, x):max_pool2d{kernel = 2}\n"
        "local y = p:flatten():linear{name = 'fc', features = 3}\n"
        "y = y + p:transpose{axes = {0, 2, 3, 1}}:reshape{shape = {2, -1}}:slice{count = 3}\n");
    end_with_weighted_sum();
    check_definition(1, 0);
}
END_TEST

START_TEST(softmax_and_losses)
{
    for (int i = 0; i < rounds(6); i++) {
        int classes = test_int(2, 20), pixels = test_int(0, 1);
        char inner[32] = "", target[64] = "";
        if (pixels) {
            snprintf(inner, sizeof inner, ", %d, 3", test_int(1, 4));
            snprintf(target, sizeof target, ", {%s}", inner + 2);
        }
        for (int log = 0; log < 2; log++) {
            say("local x = parameter('x', {5, %d%s}, {init = 'zeros'})\n", classes, inner);
            say("local y = (x * 4):%s()\n", log ? "log_softmax" : "softmax");
            end_with_weighted_sum();
            check_definition(1, 0);
        }
        for (int margin = 0; margin < 2; margin++) {
            say("local x = input('x', {%d%s})\n", classes, inner);
            say("x = (x + parameter('w', {1, %d%s}, {init = 'zeros'})) * 4\n", classes, inner);
            say("x = x:tanh():reshape{shape = {-1, %d%s}} * 2\noutput('x', x)\n", classes, inner);
            say(margin ? "loss(3 * x:multi_margin_loss(target('t'%s), {margin = %s}))\n"
                       : "loss(x:cross_entropy(target('t'%s), {label_smoothing = %s}))\n",
                target,
                test_int(0, 1) ? "0.2"
                : margin       ? "1"
                               : "0");
            check_definition(5, classes);
        }
    }
}
END_TEST

START_TEST(residuals_and_shared_weights)
{
    say("local x = parameter('x', {2, 6, 5, 5}, {init = 'zeros'})\n"
        "local w = parameter('w', {6, 6, 3, 3}, {init = 'zeros'})\n"
        "local a = x:conv2d{channels = 6, kernel = 3, padding = 1, weight = w, bias = "
        "false}:relu()\n"
        "local b = a:conv2d{channels = 6, kernel = 3, padding = 1, weight = w, bias = false}\n"
        "local y = (b + x):relu() + a\n");
    end_with_weighted_sum();
    check_definition(1, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("operators");
    TCase *tcase = tcase_create("operators");
    tcase_set_timeout(tcase, 0);
    tcase_add_checked_fixture(tcase, forget, NULL);
    tcase_add_test(tcase, elementwise);
    tcase_add_test(tcase, chains_with_signs);
    tcase_add_test(tcase, conv2d);
    tcase_add_test(tcase, linear_and_matmul);
    tcase_add_test(tcase, pooling);
    tcase_add_test(tcase, reductions);
    tcase_add_test(tcase, moves);
    tcase_add_test(tcase, softmax_and_losses);
    tcase_add_test(tcase, residuals_and_shared_weights);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
