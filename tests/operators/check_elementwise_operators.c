/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/model.h"
#include "frontend/op.h"
#include "frontend/safetensors.h"
#include "frontend/session.h"
#include "tests/operators.h"

/* Where operators want numbers in part of the line: from 0.5 to 1.5, scaled and moved. */
static const struct domain {
    const char *op, *text;
} domains[] = {
    {"acos", "* 0.6"},
    {"acosh", "+ 0.6"},
    {"asin", "* 0.6"},
    {"atanh", "* 0.6"},
    {"log", ""},
    {"log1p", ""},
    {"pow", ""},
    {"reciprocal", ""},
    {"rsqrt", ""},
    {"sqrt", ""},
};

static const char *domain_of(const struct nt_op *op)
{
    for (size_t i = 0; i < sizeof domains / sizeof *domains; i++)
        if (strcmp(domains[i].op, op->name) == 0)
            return domains[i].text;
    return NULL;
}

/* Several operators at a time, because a program's compilation is what takes the time. */
#define TOGETHER 12

/* Those of one kind: how many inputs, and whether they have a domain. */
static void check_kind(int inputs, bool bounded)
{
    int count = 0;
    for (int i = 0; i < nt_op_count; i++) {
        const struct nt_op *op = nt_ops[i];
        const char *domain = op->expression ? domain_of(op) : NULL;
        if (!op->expression || op == &nt_op_cast || nt_op_min_inputs(op) != inputs ||
            !domain == bounded)
            continue;
        if (count == 0)
            say("local x = parameter('%s', {2, 3, 5}, {init = 'zeros'})\n"
                "local z = parameter('positive_z', {3, 1}, {init = 'zeros'})\n"
                "local y = z * 0\n",
                bounded ? "positive" : "x");
        say("y = y + op.%s(x %s%s)\n", op->name, bounded ? domain : "* 2",
            inputs == 1   ? ""
            : inputs == 2 ? ", z"
                          : ", z, z * z");
        if (++count < TOGETHER)
            continue;
        end_with_weighted_sum();
        check_definition(1, 0);
        count = 0;
    }
    if (count == 0)
        return;
    end_with_weighted_sum();
    check_definition(1, 0);
}

START_TEST(elementwise)
{
    for (int inputs = 1; inputs <= 3; inputs++)
        for (int bounded = 0; bounded < 2; bounded++)
            check_kind(inputs, bounded);
}
END_TEST

/* Attributes, and arguments so large that exponentials overflow. */
START_TEST(activations_far_out)
{
    static const char *const calls[][6] = {
        {"hard_sigmoid{alpha = 0.2}", "hardtanh{max = 1.5}", "sigmoid()", "softsign()", "tanh()"},
        {"celu{alpha = 0.3}", "clamp{max = 2}", "elu{alpha = 0.7}", "gelu()",
            "gelu{approximate = 'tanh'}", "hard_swish()"},
        {"clamp{min = -3, max = 40}", "hardshrink{lambd = 2}", "leaky_relu{slope = 0.2}",
            "log_sigmoid()", "mish()", "selu{alpha = 1, gamma = 2}"},
        {"silu()", "softplus()", "softplus{beta = 0.5, threshold = 3}",
            "softplus{beta = 3, threshold = 1000}", "softshrink{lambd = 3}", "swish{beta = 1.7}"}};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        say("local x = parameter('x', {40}, {init = 'zeros'}) * 100\nlocal y = x * 0\n");
        for (int j = 0; j < 6 && calls[i][j]; j++)
            say("y = y + x:%s\n", calls[i][j]);
        end_with_weighted_sum();
        check_definition(1, 0);
    }
}
END_TEST

/* The last node's value and derivative at points, on the host, as PyTorch computes them. */
static void check_call(const char *call, int count, const double *points, const double *want)
{
    char folder[] = "/tmp/neutra_elementwise_XXXXXX", path[64];
    struct nt_model *model = NULL;
    struct nt_graph *graph = NULL;
    ck_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.lua", folder);
    FILE *file = fopen(path, "w");
    ck_assert(file);
    fprintf(file, "output('y', input('x', {1}):%s)\n", call);
    ck_assert_int_eq(fclose(file), 0);
    test_ok(nt_model_load(test_context(), path, 0, NULL, &model));
    test_ok(nt_model_build(model, 1, true, &graph));
    struct nt_node *node = graph->node[graph->node_count - 1];
    int derivative = nt_expr_derivative(node->expr, node->term, 0);
    for (int i = 0; i < count; i++) {
        double in[2] = {points[i]};
        if (node->inputs > 1)
            in[1] = graph->value[node->input[1]].constant;
        double y = nt_expr_evaluate(node->expr, node->term, in);
        double dy = nt_expr_evaluate(node->expr, derivative, in);
        ck_assert_msg(fabs(y - want[i]) <= 1e-12 * fmax(1, fabs(want[i])),
            "%s at %g: %.15g, PyTorch %.15g", call, points[i], y, want[i]);
        ck_assert_msg(fabs(dy - want[count + i]) <= 1e-12 * fmax(1, fabs(dy)),
            "derivative of %s at %g: %.15g, PyTorch %.15g", call, points[i], dy, want[count + i]);
    }
    nt_graph_destroy(graph);
    nt_model_destroy(model);
    unlink(path);
    rmdir(folder);
}

START_TEST(values_as_pytorch)
{
    struct nt_safetensors *file = NULL;
    test_ok(nt_safetensors_open(test_context(), "tests/reference/activations.safetensors", &file));
    double points[64], want[128];
    int at = nt_safetensors_find(file, "points");
    ck_assert_int_ge(at, 0);
    int count = (int)nt_safetensors_get(file, at)->shape.dim[0];
    ck_assert_int_le(count, 64);
    test_ok(nt_safetensors_read(file, at, points));
    for (int i = 0; i < nt_safetensors_count(file); i++) {
        if (i == at)
            continue;
        test_ok(nt_safetensors_read(file, i, want));
        check_call(nt_safetensors_get(file, i)->name, count, points, want);
    }
    nt_safetensors_close(file);
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

/* The output y of a definition with one input of 6 numbers, for 3 items. */
static void infer(const char *text, const float *x, float *y)
{
    struct nt_model *model = operators_load(text);
    struct nt_weights *weights;
    struct nt_session *session;
    struct nt_session_params params = {.batch = 3, .outputs_only = true};
    test_ok(nt_weights_create(test_device(), model, 1, 0, &weights));
    test_ok(nt_session_create(test_device(), model, weights, &params, &session));
    ck_assert_uint_eq(nt_session_output(session, 0).bytes, 3 * 6 * sizeof *y);
    test_ok(nt_session_write(session, 0, x));
    test_ok(nt_session_run(session, NULL));
    test_ok(nt_session_read(session, 0, y));
    nt_session_destroy(session);
    nt_weights_destroy(weights);
    nt_model_destroy(model);
}

/* By one operator that alone reads what gives the value: a product, or more operands than an
 * elementwise node has room for twice. */
START_TEST(a_value_is_read_twice)
{
    static const char *const values[] = {"x:linear{features = 6}", "chain(x)"};
    static const char *const squares[] = {"v:square()", "op.mul(v, v)"};
    float x[3 * 6], y[2][3 * 6];
    char text[600];
    for (int i = 0; i < 3 * 6; i++)
        x[i] = 2 * test_float() - 1;
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            snprintf(text, sizeof text,
                "local function chain(x)\n"
                "    for i = 1, 8 do x = (x + parameter('p' .. i, {6})):tanh() end\n"
                "    return x\n"
                "end\n"
                "local x = input('x', {6})\nlocal v = %s\noutput('y', %s)\n",
                values[i], squares[j]);
            infer(text, x, y[j]);
        }
        for (int k = 0; k < 3 * 6; k++)
            ck_assert_float_eq_tol(y[0][k], y[1][k], 1e-6f);
    }
}
END_TEST

/* Numbers beyond 2^24, which float would round; the rest of a division shows every bit. A divisor
 * may be 0. */
START_TEST(integers_stay_integers)
{
    static const char *const texts[] = {"op.mod(big, j)", "op.fmod(big, j)",
        "op.mod(big / j, 1009)", "op.where(op.lt(i, j), op.mod(big, 97), op.neg(j))",
        "op.maximum(i, j) - op.minimum(i, j) * 3", "(op.abs(big):mod(89)):clamp{min = 2, max = 50}",
        "op.sign(i - j) + op.logical_and(i, j) + op.logical_not(i) + op.logical_or(i, j)",
        "op.eq(i, j) + op.ne(i, j) * 2 + op.ge(i, j) * 4", "op.mod(op.square(big), 251):relu()",
        "op.trunc(i / 2) * 2 + op.floor(j / 3)"};
    for (int n = 0; n < rounds(6); n++) {
        int width = test_int(1, 70);
        say("local i = input('i', {%d}, {dtype = 'int32'}) - %d\n"
            "local j = input('j', {%d}, {dtype = 'int32'}) - %d\n"
            "local big = i * 1000003 + j * 1000033\nlocal y = i * 0\n",
            width, test_int(0, 900), width, test_int(0, 900));
        for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
            if (test_int(0, 1))
                say("y = y * 3 + %s\n", texts[t]);
        end_with_weighted_sum();
        check_definition(1, 900);
    }
}
END_TEST

/* What computes with floats and what with integers meet in one chain. */
START_TEST(types_are_cast)
{
    static const char *const types[] = {"float32", "int32", "uint8", "bool"};
    for (int n = 0; n < rounds(9); n++) {
        int first = test_int(0, 3), second = test_int(0, 3);
        say("local x = parameter('x', {3, %d}, {init = 'zeros'})\n"
            "local i = input('i', {1}, {dtype = 'int32'})\n"
            "local a = (x * 5 + 0.3):cast{dtype = '%s'}\n"
            "local b = (i * 7 + 1):cast{dtype = '%s'}\n"
            "local c = ((i:cast{dtype = 'float32'} + 0.5) / 2):cast{dtype = 'int32'} * 2\n"
            "local y = (a + b) * x + a:cast{dtype = '%s'} + (b / 2) * 3 + c\n",
            test_int(1, 40), types[n % 4], types[first], types[second]);
        end_with_weighted_sum();
        check_definition(1, 30);
    }
}
END_TEST

OPERATORS_MAIN("elementwise operators", elementwise, activations_far_out, values_as_pytorch,
    chains_with_signs, a_value_is_read_twice, integers_stay_integers, types_are_cast)
