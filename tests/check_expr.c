/* SPDX-License-Identifier: MIT */
#include "engine/expr.h"
#include "engine/expr_terms.h"
#include "tests/testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct nt_expr *expr;

static void setup(void)
{
    expr = nt_expr_create();
    ck_assert_ptr_nonnull(expr);
}

static void teardown(void)
{
    nt_expr_destroy(expr);
}

static int parse(const char *text)
{
    static const char *const names[] = {"x", "y", "z", "slope_1"};
    int terms[4], term = -1;
    for (int i = 0; i < 4; i++)
        terms[i] = nt_expr_input(expr, i);
    test_ok(nt_expr_parse(test_context(), expr, text, 4, names, terms, &term));
    return term;
}

static void check_text(const char *text, const char *expected)
{
    char *got = nt_expr_text(expr, parse(text));
    ck_assert_str_eq(got, expected);
    free(got);
}

static double value_of(const char *text, double x, double y, double z)
{
    double inputs[4] = {x, y, z, 0.25};
    return nt_expr_evaluate(expr, parse(text), inputs);
}

START_TEST(equal_terms_are_one)
{
    ck_assert_int_eq(parse("exp(x * y) + 1"), parse("1 + exp(y * x)"));
    ck_assert_int_ne(parse("x - y"), parse("y - x"));
    ck_assert_int_ne(parse("max(x, y)"), parse("max(y, x)"));
    ck_assert_int_eq(parse("x > y"), parse("y < x"));
}
END_TEST

START_TEST(terms_are_simplified)
{
    check_text("x * 1 + 0", "x0");
    check_text("0 + 1 * x / 1", "x0");
    check_text("0 - x", "-x0");
    check_text("--x", "x0");
    check_text("x + -y", "x0 - x1");
    check_text("-x + y", "x1 - x0");
    check_text("x * -1", "-x0");
    check_text("-x * -y", "x0 * x1");
    check_text("2 * 3 + x", "x0 + 6");
    check_text("exp(0) * x", "x0");
    check_text("pow(x, 2)", "x0 * x0");
    check_text("pow(x, 1)", "x0");
    check_text("pow(x, 0)", "1");
    check_text("pow(x, 0.5)", "pow(x0, 0.5)");
    check_text("select(1, x, y)", "x0");
    check_text("select(x > y, z, z)", "x2");
    check_text("select(x > 0, 1, 0)", "0 < x0");
    check_text("select(x != 0, y, z)", "select(x0, x1, x2)");
    check_text("relu(relu(x))", "relu(x0)");
    check_text("max(x, x)", "x0");
    check_text("-(x - y)", "x1 - x0");
    /* These would change NaN or infinity. */
    check_text("x * 0", "x0 * 0");
    check_text("x - x", "x0 - x0");
    check_text("x / x", "x0 / x0");
    check_text("x == x", "x0 == x0");
}
END_TEST

START_TEST(text_has_the_parentheses_it_needs)
{
    check_text("(x + y) * z", "x2 * (x0 + x1)");
    check_text("x - (y - z)", "x0 - (x1 - x2)");
    check_text("x / (y / z)", "x0 / (x1 / x2)");
    check_text("x / y / z", "x0 / x1 / x2");
    check_text("-(x * y)", "-(x0 * x1)");
    check_text("(x < y) < z", "x0 < x1 < x2");
    check_text("x < (y < z)", "x0 < (x1 < x2)");
    check_text("pow(2, x) - -1.5", "pow(2, x0) - -1.5");
    check_text("0.1 * slope_1 / 1e-30", "x3 * 0.1 / 1e-30");
}
END_TEST

START_TEST(values_follow_ieee)
{
    ck_assert_double_eq(value_of("select(x > 0, x, slope_1 * x)", -2, 0, 0), -0.5);
    ck_assert_double_eq(value_of("x - y - z", 1, 2, 3), -4);
    ck_assert_double_eq(value_of("-x * y + 2 * (z - 1) / 4", 2, 3, 5), -4);
    ck_assert_double_eq(value_of("(x >= y) + (x <= y) + (x == y) + (x != y)", 1, 2, 0), 2);
    ck_assert(isnan(value_of("relu(x)", NAN, 0, 0)));
    ck_assert(isnan(value_of("max(x, y)", NAN, 0, 0)));
    ck_assert(isnan(value_of("max(x, y)", 0, NAN, 0)));
    ck_assert(isnan(value_of("min(x, y)", NAN, 0, 0)));
    ck_assert(isnan(value_of("min(x, y)", 0, NAN, 0)));
    ck_assert_double_eq(value_of("sigmoid(x)", -1e4, 0, 0), 0);
    ck_assert_double_eq(value_of("sigmoid(x)", 1e4, 0, 0), 1);
    ck_assert_double_eq(value_of("softplus(x)", 1e4, 0, 0), 1e4);
    ck_assert(value_of("softplus(x)", -700, 0, 0) > 0);
    ck_assert(isnan(value_of("softplus(x)", NAN, 0, 0)));
    ck_assert_double_eq(value_of("fmod(x, y)", -7, 3, 0), -1);
    ck_assert(isinf(value_of("x + inf", 0, 0, 0)) && isnan(value_of("x * nan", 0, 0, 0)));
}
END_TEST

/* A point where the function and its neighbourhood are defined, smooth and not steep. */
static void sample(enum nt_fn fn, double point[3])
{
    for (int i = 0; i < 3; i++)
        do
            point[i] = 3 * test_float();
        while (fabs(point[i] - rint(2 * point[i]) / 2) < 0.01);
    bool positive = fn == NT_FN_log || fn == NT_FN_log1p || fn == NT_FN_sqrt || fn == NT_FN_rsqrt ||
                    fn == NT_FN_pow;
    bool within_one = fn == NT_FN_tan || fn == NT_FN_asin || fn == NT_FN_acos || fn == NT_FN_atanh;
    if (positive)
        point[0] = fabs(point[0]) + 0.1;
    if (within_one)
        point[0] *= 0.3;
    if (fn == NT_FN_acosh)
        point[0] = fabs(point[0]) + 1.1;
    if (fn == NT_FN_fmod) /* between its jumps */
        point[0] = fabs(point[1]) * (trunc(point[0]) + 0.1 + 0.8 * fabs(test_float()));
    if (fabs(point[0] - point[1]) < 0.01)
        point[1] += 0.02;
}

START_TEST(derivatives_are_those_of_the_table)
{
    for (int fn = 0; fn < NT_FN_COUNT; fn++) {
        if (fn == NT_FN_stop || fn == NT_FN_number) /* have none on purpose */
            continue;
        int arg[3] = {nt_expr_input(expr, 0), nt_expr_input(expr, 1), nt_expr_input(expr, 2)};
        int term = nt_expr_call(expr, (enum nt_fn)fn, arg[0], arg[1], arg[2]);
        for (int input = 0; input < nt_functions[fn].arity; input++) {
            int derivative = nt_expr_derivative(expr, term, input);
            ck_assert_int_ge(derivative, 0);
            for (int repeat = 0; repeat < 20; repeat++) {
                double point[3], lower[3], upper[3], h = 1e-5;
                sample((enum nt_fn)fn, point);
                memcpy(lower, point, sizeof point);
                memcpy(upper, point, sizeof point);
                lower[input] -= h;
                upper[input] += h;
                double low = nt_expr_evaluate(expr, term, lower);
                double numeric = (nt_expr_evaluate(expr, term, upper) - low) / (2 * h);
                double got = nt_expr_evaluate(expr, derivative, point);
                ck_assert_msg(fabs(got - numeric) <= 1e-5 * fmax(1, fabs(numeric)),
                    "%s by %d at %g, %g, %g: %.12g, numerically %.12g", nt_functions[fn].name,
                    input, point[0], point[1], point[2], got, numeric);
            }
        }
    }
}
END_TEST

START_TEST(derivatives_follow_the_chain)
{
    static const char *const texts[] = {"x * sigmoid(x)", "exp(-(x - y) * (x - y) / 2) * x",
        "tanh(x * y + z) / (1 + exp(z))", "pow(x * x + 1, y)", "log1p(exp(x)) * y",
        "0.5 * x * (1 + erf(x / 1.41421356))", "select(x * y > 0.1, sin(x * z), y * y * x)"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int term = parse(texts[i]);
        for (int input = 0; input < 3; input++) {
            int derivative = nt_expr_derivative(expr, term, input);
            double point[4] = {test_float(), test_float(), test_float(), 0}, h = 1e-5;
            while (fabs(point[0] * point[1] - 0.1) < 0.001)
                point[0] = test_float();
            double got = nt_expr_evaluate(expr, derivative, point);
            point[input] += h;
            double high = nt_expr_evaluate(expr, term, point);
            point[input] -= 2 * h;
            double numeric = (high - nt_expr_evaluate(expr, term, point)) / (2 * h);
            ck_assert_msg(fabs(got - numeric) <= 1e-5 * fmax(1, fabs(numeric)),
                "%s by x%d: %.12g, numerically %.12g", texts[i], input, got, numeric);
        }
    }
    char *text = nt_expr_text(expr, nt_expr_derivative(expr, parse("relu(x)"), 0));
    ck_assert_str_eq(text, "0 < relu(x0)");
    free(text);
    text = nt_expr_text(expr, nt_expr_derivative(expr, parse("pow(x, 2) + y"), 0));
    ck_assert_str_eq(text, "x0 + x0");
    free(text);
    double zero;
    ck_assert(nt_expr_is_constant(expr, nt_expr_derivative(expr, parse("exp(y)"), 0), &zero));
    ck_assert_double_eq(zero, 0);
    /* The branch not taken has no say, not even by 0 * NaN. */
    double at[1] = {-1};
    int derivative = nt_expr_derivative(expr, parse("select(x > 0, sqrt(x), x)"), 0);
    ck_assert_double_eq(nt_expr_evaluate(expr, derivative, at), 1);
}
END_TEST

static int random_term(int depth)
{
    if (depth == 0 || test_int(0, 9) == 0)
        return test_int(0, 2) ? nt_expr_input(expr, test_int(0, 2))
                              : nt_expr_constant(expr, 4 * test_float());
    enum nt_fn fn = (enum nt_fn)test_int(0, NT_FN_COUNT - 1);
    int a = random_term(depth - 1), b = random_term(depth - 1), c = random_term(depth - 1);
    return nt_expr_call(expr, fn, a, b, c);
}

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

START_TEST(text_reads_back)
{
    static const char *const names[] = {"x0", "x1", "x2"};
    for (int repeat = 0; repeat < 300; repeat++) {
        int term = random_term(4), inputs[3], again = -1;
        for (int i = 0; i < 3; i++)
            inputs[i] = nt_expr_input(expr, i);
        char *text = nt_expr_text(expr, term);
        test_ok(nt_expr_parse(test_context(), expr, text, 3, names, inputs, &again));
        double point[3] = {test_float(), test_float(), test_float()};
        double want = nt_expr_evaluate(expr, term, point);
        ck_assert_msg(same(want, nt_expr_evaluate(expr, again, point)), "%s", text);
        struct nt_expr *other = nt_expr_create();
        int moved[3] = {nt_expr_input(other, 2), nt_expr_input(other, 0), nt_expr_input(other, 1)};
        double moved_point[3] = {point[1], point[2], point[0]};
        int copy = nt_expr_compose(other, expr, term, moved);
        ck_assert_msg(same(want, nt_expr_evaluate(other, copy, moved_point)), "%s", text);
        nt_expr_destroy(other);
        free(text);
    }
}
END_TEST

START_TEST(errors_name_the_column)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "column 1: ends where a value is expected"},
        {"x +", "column 4: ends where a value is expected"},
        {"x + $", "column 5: a value expected, not '$'"},
        {"(x + y", "column 7: ends where ')' is expected"},
        {"x y", "column 3: an operator expected, not 'y'"},
        {"2 * w", "column 5: unknown name 'w'"},
        {"foo(x)", "column 1: unknown function 'foo'"},
        {"max(x)", "column 6: too few arguments of 'max'"},
        {"exp(x, y)", "column 7: too many arguments of 'exp'"},
        {"x + 1.2.3", "column 5: malformed number"},
        {"x + 1e", "column 6: exponent without digits"},
        {"slope_", "column 1: unknown name 'slope_'"},
        {".", "column 1: malformed number"},
    };
    static const char *const names[] = {"x", "y", "slope_1"};
    int inputs[3] = {nt_expr_input(expr, 0), nt_expr_input(expr, 1), nt_expr_input(expr, 2)}, term;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        test_fails(nt_expr_parse(test_context(), expr, cases[i].text, 3, names, inputs, &term),
            NT_ERR_ARGUMENT, cases[i].message);
    char deep[20001];
    memset(deep, '(', 20000);
    deep[20000] = '\0';
    test_fails(nt_expr_parse(test_context(), expr, deep, 3, names, inputs, &term), NT_ERR_ARGUMENT,
        "nested too deeply");
    memset(deep, '-', 20000);
    test_fails(nt_expr_parse(test_context(), expr, deep, 3, names, inputs, &term), NT_ERR_ARGUMENT,
        "nested too deeply");
}
END_TEST

START_TEST(terms_are_replaced_and_asked)
{
    int term = parse("exp(x * y) + x * y"), product = parse("x * y"), index;
    char *text = nt_expr_text(expr, nt_expr_replace(expr, term, product, parse("z")));
    ck_assert_str_eq(text, "x2 + exp(x2)");
    free(text);
    ck_assert(nt_expr_uses(expr, term, 1) && !nt_expr_uses(expr, term, 2));
    ck_assert_int_eq(nt_expr_cost(expr, term), 3);
    ck_assert(nt_expr_is_input(expr, parse("z"), &index) && index == 2);
    ck_assert_int_eq(nt_expr_call(expr, NT_FN_add, -1, term, -1), -1);
    ck_assert_int_eq(nt_expr_call(expr, NT_FN_add, term, 1 << 20, -1), -1);
    ck_assert_int_eq(nt_expr_derivative(expr, -1, 0), -1);
    ck_assert(nt_expr_ok(expr));
}
END_TEST

START_TEST(source_is_opencl_and_does_not_depend_on_history)
{
    int terms[2] = {parse("relu(x * y) + 0.5"), parse("1 + exp(y * x)")};
    char *source = nt_expr_source(expr, 2, terms);
    ck_assert_str_eq(source, "T t0 = in0 * in1;\n"
                             "T t1 = select(t0, C(0.0f), t0 < C(0.0f));\n"
                             "T t2 = t1 + C(0.5f);\n"
                             "T t3 = exp(t0);\n"
                             "T t4 = t3 + C(1.0f);\n"
                             "out0 = t2;\n"
                             "out1 = t4;\n");
    struct nt_expr *first = expr;
    setup();
    parse("sin(z) / exp(x)");
    int again[2];
    again[1] = parse("exp(y * x) + 1");
    again[0] = parse("0.5 + relu(y * x)");
    char *other = nt_expr_source(expr, 2, again);
    ck_assert_str_eq(source, other);
    nt_expr_destroy(first);
    free(source);
    free(other);
    int constant = nt_expr_constant(expr, -1e300);
    source = nt_expr_source(expr, 1, &constant);
    ck_assert_str_eq(source, "out0 = C(-INFINITY);\n");
    free(source);
}
END_TEST

START_TEST(integers_have_their_own_arithmetic)
{
    int a = nt_expr_input(expr, 0), b = nt_expr_input(expr, 1);
    int quotient = nt_expr_call(expr, NT_FN_div, a, b, -1);
    int rest = nt_expr_call(expr, NT_FN_fmod, a, b, -1);
    int half = nt_expr_call(expr, NT_FN_mul, a, nt_expr_constant(expr, 0.5), -1);
    int root = nt_expr_call(expr, NT_FN_sqrt, a, -1, -1);
    int low = nt_expr_call(expr, NT_FN_max, a, nt_expr_constant(expr, -INFINITY), -1);
    ck_assert(!nt_expr_make_integers(expr, half) && !nt_expr_make_integers(expr, root));
    ck_assert(!nt_expr_is_integers(expr));
    ck_assert(nt_expr_evaluate(expr, quotient, (double[]){-7, 2}) == -3.5);
    ck_assert(nt_expr_make_integers(expr, quotient) && nt_expr_is_integers(expr));
    static const double cases[][4] = {{-7, 2, -3, -1}, {7, -2, -3, 1}, {7, 0, 0, 0},
        {INT32_MIN, -1, INT32_MIN, 0}, {2147483647, 2, 1073741823, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert(nt_expr_evaluate(expr, quotient, cases[i]) == cases[i][2]);
        ck_assert(nt_expr_evaluate(expr, rest, cases[i]) == cases[i][3]);
        ck_assert(nt_expr_evaluate(expr, low, cases[i]) == cases[i][0]);
    }
    ck_assert(nt_expr_evaluate(expr, nt_expr_call(expr, NT_FN_add, a, b, -1),
                  (double[]){2147483647, 1}) == INT32_MIN);
    int folded =
        nt_expr_call(expr, NT_FN_div, nt_expr_constant(expr, 7), nt_expr_constant(expr, 2), -1);
    double value;
    ck_assert(nt_expr_is_constant(expr, folded, &value) && value == 3);
}
END_TEST

START_TEST(large_expressions_work)
{
    int term = nt_expr_input(expr, 0), x = term;
    for (int i = 0; i < 50000; i++)
        term = nt_expr_call(expr, NT_FN_sin, nt_expr_call(expr, NT_FN_add, term, x, -1), -1, -1);
    double at[1] = {0.3};
    ck_assert(isfinite(nt_expr_evaluate(expr, term, at)));
    char *text = nt_expr_text(expr, term), *source = nt_expr_source(expr, 1, &term);
    ck_assert_uint_lt(strlen(text), 30000);
    ck_assert_uint_gt(strlen(source), 500000);
    free(text);
    free(source);
    for (int i = 0; i < 60; i++)
        term = nt_expr_call(expr, NT_FN_mul, term, term, -1);
    text = nt_expr_text(expr, term);
    ck_assert_uint_lt(strlen(text), 30000);
    free(text);
    ck_assert_int_ge(nt_expr_derivative(expr, term, 0), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("expr");
    TCase *tcase = tcase_create("expr");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, equal_terms_are_one);
    tcase_add_test(tcase, terms_are_simplified);
    tcase_add_test(tcase, text_has_the_parentheses_it_needs);
    tcase_add_test(tcase, values_follow_ieee);
    tcase_add_test(tcase, derivatives_are_those_of_the_table);
    tcase_add_test(tcase, derivatives_follow_the_chain);
    tcase_add_test(tcase, text_reads_back);
    tcase_add_test(tcase, errors_name_the_column);
    tcase_add_test(tcase, terms_are_replaced_and_asked);
    tcase_add_test(tcase, source_is_opencl_and_does_not_depend_on_history);
    tcase_add_test(tcase, integers_have_their_own_arithmetic);
    tcase_add_test(tcase, large_expressions_work);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
