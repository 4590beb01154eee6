/* SPDX-License-Identifier: MIT */
#include "tests/op/strided.h"
#include "tests/testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CASES 24
#define MAX_TENSORS 16

static const char *variants[8];
static int variant_count;
static struct nt_expr *expr;
static struct nt_tape *tape;

/* One nt_map and its tensors: outputs, then inputs. */
struct map_case {
    int outputs, inputs, terms[8];
    int out[8], in[16]; /* where in the list of tensors */
    char text[64];
};

static struct map_case cases[CASES];
static struct test_tensor tensors[CASES * MAX_TENSORS];
static int case_count, tensor_count;

static void setup(void)
{
    variant_count = nt_variants(test_device(), "map", 8, variants);
    ck_assert_int_ge(variant_count, 2);
}

static void open_tape(const char *variant)
{
    char force[32];
    tensor_count = case_count = 0;
    expr = nt_expr_create();
    test_ok(nt_tape_create(test_device(), &tape));
    snprintf(force, sizeof force, "map=%s", variant);
    test_ok(nt_tape_force(tape, force));
}

static int parse(const char *text)
{
    static const char *const names[] = {"x0", "x1", "x2", "x3", "x4", "x5"};
    int inputs[6], term = -1;
    for (int i = 0; i < 6; i++)
        inputs[i] = nt_expr_input(expr, i);
    test_ok(nt_expr_parse(test_context(), expr, text, 6, names, inputs, &term));
    return term;
}

static int add_tensor(enum nt_dtype dtype, const struct nt_shape *shape, enum test_lying lying)
{
    tensors[tensor_count] = test_tensor_make(tape, dtype, shape, lying);
    return tensor_count++;
}

static void append(const struct map_case *c)
{
    struct nt_tensor out[8], in[16];
    for (int i = 0; i < c->outputs; i++)
        out[i] = tensors[c->out[i]].tensor;
    for (int i = 0; i < c->inputs; i++)
        in[i] = tensors[c->in[i]].tensor;
    test_ok(nt_map(tape, expr, c->outputs, c->terms, out, c->inputs, in));
}

static bool agrees(enum nt_dtype dtype, double got, double want)
{
    double slack = 2e-6 * fmax(1, fabs(want));
    if (dtype == NT_F32)
        return isnan(want) ? isnan(got) : fabs(got - want) <= slack;
    if (dtype == NT_BOOL)
        return got == (want != 0) || fabs(want) < slack;
    if (dtype == NT_U8) {
        double low = fmax(0, fmin(255, want - slack)), high = fmax(0, fmin(255, want + slack));
        return got == trunc(low) || got == trunc(high);
    }
    return got == trunc(want - slack) || got == trunc(want + slack);
}

static void check_case(const char *variant, const struct map_case *c)
{
    const struct nt_shape *shape = &tensors[c->out[0]].tensor.shape;
    int64_t index[NT_MAX_RANK] = {0};
    char shape_text[64];
    nt_shape_text(shape, shape_text, sizeof shape_text);
    for (int i = 0; i < c->outputs; i++)
        test_tensor_check_gaps(&tensors[c->out[i]], variant);
    if (!nt_shape_count(shape))
        return;
    do {
        double in[16];
        for (int i = 0; i < c->inputs; i++)
            in[i] = test_tensor_before(&tensors[c->in[i]], shape, index);
        for (int i = 0; i < c->outputs; i++) {
            double want = nt_expr_evaluate(expr, c->terms[i], in);
            double got = test_tensor_after(&tensors[c->out[i]], shape, index);
            ck_assert_msg(agrees(tensors[c->out[i]].tensor.dtype, got, want),
                "%s: output %d of %s (%s, %s) at %d,%d,%d,..: got %.9g, want %.9g", variant, i,
                shape_text, nt_dtype_name(tensors[c->out[i]].tensor.dtype), c->text, (int)index[0],
                (int)index[1], (int)index[2], got, want);
        }
    } while (test_next(shape, index));
}

static void run_and_check(const char *variant)
{
    test_tape_run(tape, tensor_count, tensors);
    for (int i = 0; i < case_count; i++)
        check_case(variant, &cases[i]);
    for (int i = 0; i < tensor_count; i++)
        test_tensor_free(&tensors[i]);
    tensor_count = case_count = 0;
    nt_tape_destroy(tape);
    nt_expr_destroy(expr);
}

static void random_case(int number)
{
    static const char *const texts[] = {"x0 + x1", "x1 - x0 * x2", "relu(x0) * x1 + 0.5",
        "select(x0 > x1, x0, 0.1 * x2)", "sigmoid(x0 * 3) - tanh(x1)", "max(x0, x1) / (2 + x2)",
        "exp(x0) - log1p(x1 + 1.5)", "x2", "0.25", "10.3 * x0", "(x0 < x1) + (x0 == x1)",
        "round(x0 * 4) - floor(x1) + abs(x2)"};
    static const enum nt_dtype dtypes[] = {NT_F32, NT_F32, NT_F32, NT_F32, NT_I32, NT_U8, NT_BOOL};
    struct map_case *c = &cases[case_count++];
    *c = (struct map_case){.outputs = test_int(0, 3) ? 1 : 2, .inputs = 3};
    struct nt_shape shape = test_shape(number % 6, number % 6 < 3 ? 67 : 19);
    if (test_int(0, 19) == 0 && shape.rank)
        shape.dim[test_int(0, shape.rank - 1)] = 0;
    enum test_lying common = (enum test_lying)test_int(0, 2);
    for (int i = 0; i < c->outputs; i++) {
        const char *text = texts[test_int(0, sizeof texts / sizeof *texts - 1)];
        c->terms[i] = parse(text);
        snprintf(c->text + strlen(c->text), sizeof c->text - strlen(c->text), "%s; ", text);
        c->out[i] = add_tensor(dtypes[test_int(0, 6)], &shape, common);
        test_tensor_poison(&tensors[c->out[i]]);
    }
    for (int i = 0; i < c->inputs; i++) {
        struct nt_shape part = test_int(0, 1) ? shape : test_broadcast_shape(&shape);
        enum test_lying lying = test_int(0, 3) ? common : (enum test_lying)test_int(0, 2);
        c->in[i] = add_tensor(dtypes[test_int(0, 6)], &part, lying);
    }
    append(c);
}

START_TEST(random_maps_are_right)
{
    for (int v = 0; v < variant_count; v++) {
        open_tape(variants[v]);
        for (int i = 0; i < CASES; i++)
            random_case(i);
        run_and_check(variants[v]);
    }
}
END_TEST

static void bias_case(const struct nt_shape *shape, int dim, enum test_lying lying)
{
    struct map_case *c = &cases[case_count++];
    struct nt_shape bias = {.rank = shape->rank};
    for (int i = 0; i < shape->rank; i++)
        bias.dim[i] = i == dim ? shape->dim[i] : 1;
    *c = (struct map_case){.outputs = 1, .inputs = 2, .terms = {parse("relu(x0 + x1)")}};
    strcpy(c->text, "bias");
    c->out[0] = add_tensor(NT_F32, shape, lying);
    c->in[0] = add_tensor(NT_F32, shape, lying);
    c->in[1] = add_tensor(NT_F32, &bias, TEST_DENSE_ROWS);
    test_tensor_poison(&tensors[c->out[0]]);
    append(c);
}

START_TEST(biases_broadcast_in_both_layouts)
{
    for (int v = 0; v < variant_count; v++) {
        open_tape(variants[v]);
        for (int i = 0; i < 6; i++) {
            struct nt_shape image = {
                4, {test_int(1, 3), test_int(1, 40), test_int(1, 9), test_int(1, 9)}};
            struct nt_shape rows = {2, {test_int(1, 30), test_int(1, 300)}};
            bias_case(&image, 1, i % 2 ? TEST_DENSE_CHANNELS : TEST_DENSE_ROWS);
            bias_case(&rows, 1, TEST_DENSE_ROWS);
        }
        struct nt_shape large = {2, {test_small() ? 3 : 100, 4096}};
        bias_case(&large, 1, TEST_DENSE_ROWS);
        run_and_check(variants[v]);
    }
}
END_TEST

/* p, m and v in place, three numbers from one small buffer. */
static void adam_case(int64_t count)
{
    struct nt_shape shape = {1, {count}}, one = {1, {1}}, three = {1, {3}};
    struct map_case *c = &cases[case_count++];
    *c = (struct map_case){.outputs = 3, .inputs = 6};
    strcpy(c->text, "adam");
    int p = add_tensor(NT_F32, &shape, TEST_DENSE_ROWS);
    int g = add_tensor(NT_F32, &shape, TEST_DENSE_ROWS);
    int m = add_tensor(NT_F32, &shape, TEST_DENSE_ROWS);
    int v = add_tensor(NT_F32, &shape, TEST_DENSE_ROWS);
    int numbers = add_tensor(NT_F32, &three, TEST_DENSE_ROWS);
    c->in[0] = c->out[0] = p;
    c->in[1] = g;
    c->in[2] = c->out[1] = m;
    c->in[3] = c->out[2] = v;
    for (int i = 0; i < 2; i++) { /* views of the small buffer, made for the host side too */
        tensors[tensor_count] = tensors[numbers];
        tensors[tensor_count].tensor.shape = one;
        tensors[tensor_count].tensor.offset = i + 1;
        tensors[tensor_count].before =
            memcpy(malloc(tensors[numbers].bytes), tensors[numbers].before, tensors[numbers].bytes);
        tensors[tensor_count].after = malloc(tensors[numbers].bytes);
        c->in[4 + i] = tensor_count++;
    }
    int m_term = parse("0.9 * x2 + 0.1 * x1"), v_term = parse("0.999 * x3 + 0.001 * x1 * x1");
    c->terms[1] = m_term;
    c->terms[2] = v_term;
    int top = nt_expr_call(expr, NT_FN_mul, nt_expr_input(expr, 4), m_term, -1);
    int root =
        nt_expr_call(expr, NT_FN_sqrt, nt_expr_call(expr, NT_FN_abs, v_term, -1, -1), -1, -1);
    int low = nt_expr_call(expr, NT_FN_add, root, parse("abs(x5) + 0.1"), -1);
    int step = nt_expr_call(expr, NT_FN_div, top, low, -1);
    c->terms[0] = nt_expr_call(expr, NT_FN_sub, nt_expr_input(expr, 0), step, -1);
    append(c);
}

START_TEST(optimizers_update_in_place)
{
    for (int v = 0; v < variant_count; v++) {
        open_tape(variants[v]);
        adam_case(1);
        adam_case(test_int(2, 100));
        adam_case(test_int(101, 5000));
        adam_case(test_small() ? 3001 : 70001);
        run_and_check(variants[v]);
    }
}
END_TEST

START_TEST(transposed_operands_are_gathered)
{
    for (int v = 0; v < variant_count; v++) {
        open_tape(variants[v]);
        for (int i = 0; i < 4; i++) {
            struct nt_shape shape = {
                4, {test_int(1, 3), test_int(1, 20), test_int(1, 9), test_int(1, 9)}};
            struct map_case *c = &cases[case_count++];
            *c = (struct map_case){.outputs = 2, .inputs = 2};
            c->terms[0] = parse("x0 * x1");
            c->terms[1] = parse("x0 - x1");
            c->out[0] = add_tensor(NT_F32, &shape, TEST_DENSE_ROWS);
            c->out[1] = add_tensor(NT_F32, &shape, TEST_DENSE_CHANNELS);
            c->in[0] = add_tensor(NT_F32, &shape, TEST_DENSE_CHANNELS);
            c->in[1] = add_tensor(NT_U8, &shape, TEST_DENSE_ROWS);
            append(c);
        }
        run_and_check(variants[v]);
    }
}
END_TEST

/* Every function on special values: NaN and infinities as the host has them. */
START_TEST(special_values_are_kept)
{
    static const float special[] = {NAN, INFINITY, -INFINITY, 0, 1, -1, 100, -100, 1e30f, -1e30f};
    static const char *const texts[] = {"relu(x0)", "max(x0, x1)", "min(x0, x1)", "sigmoid(x0)",
        "tanh(x0)", "select(x0, x1, 2)", "x0 * x1 - x1", "abs(x0) + sign(x1)"};
    enum { COUNT = sizeof special / sizeof *special };
    struct nt_shape shape = {2, {COUNT, COUNT}}, row = {1, {COUNT}}, column = {2, {COUNT, 1}};
    for (int v = 0; v < variant_count; v++) {
        open_tape(variants[v]);
        int x = add_tensor(NT_F32, &row, TEST_DENSE_ROWS);
        int y = add_tensor(NT_F32, &column, TEST_DENSE_ROWS);
        memcpy(tensors[x].before, special, sizeof special);
        memcpy(tensors[y].before, special, sizeof special);
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            struct map_case c = {.outputs = 1, .inputs = 2, .terms = {parse(texts[i])}};
            c.in[0] = x;
            c.in[1] = y;
            c.out[0] = add_tensor(NT_F32, &shape, TEST_DENSE_ROWS);
            append(&c);
            strcpy(c.text, texts[i]);
            cases[case_count++] = c;
        }
        test_tape_run(tape, tensor_count, tensors);
        for (int i = 0; i < case_count; i++) {
            int64_t index[NT_MAX_RANK] = {0};
            do {
                double in[2] = {special[index[1]], special[index[0]]};
                float want = (float)nt_expr_evaluate(expr, cases[i].terms[0], in);
                float got = (float)test_tensor_after(&tensors[cases[i].out[0]], &shape, index);
                bool same = isnan(want) ? isnan(got)
                                        : got == want || fabsf(got - want) <= 1e-6f * fabsf(want) ||
                                              fabsf(got - want) < 1e-30f;
                ck_assert_msg(same, "%s: %s of %g, %g: got %g, want %g", variants[v], cases[i].text,
                    in[0], in[1], got, want);
            } while (test_next(&shape, index));
        }
        case_count = 0;
        run_and_check(variants[v]);
    }
}
END_TEST

/* Index operands of any shape that broadcasts, results of any layout, a key: the host's numbers. */
START_TEST(random_numbers_are_the_hosts)
{
    enum { TRIALS = 12 };
    struct nt_shape shape[TRIALS], part[TRIALS], two = {1, {2}};
    for (int v = 0; v < variant_count; v++) {
        int64_t first[TRIALS];
        uint64_t key = (uint64_t)test_int(0, 0xfffff) << 32 | (uint64_t)test_int(0, INT32_MAX);
        open_tape(variants[v]);
        int term = parse("select(uniform(x0, x1) < 0.5, x2, uniform(x0, x1))");
        int words = add_tensor(NT_I32, &two, TEST_DENSE_ROWS);
        memcpy(tensors[words].before, &key, sizeof key);
        int out[TRIALS], x[TRIALS];
        for (int i = 0; i < TRIALS; i++) {
            shape[i] = test_shape(i % 6, i % 6 < 3 ? 67 : 19);
            part[i] = test_int(0, 1) ? shape[i] : test_broadcast_shape(&shape[i]);
            first[i] = test_int(0, 1) ? INT32_MAX : test_int(0, 1000);
            enum test_lying lying = (enum test_lying)test_int(0, 2);
            out[i] = add_tensor(NT_F32, &shape[i], lying);
            x[i] = add_tensor(NT_F32, &shape[i], lying);
            test_tensor_poison(&tensors[out[i]]);
            struct nt_tensor in[3] = {nt_tensor_index(&part[i], first[i]),
                {.buffer = tensors[words].tensor.buffer, .dtype = NT_I64}, tensors[x[i]].tensor};
            test_ok(nt_map(tape, expr, 1, &term, &tensors[out[i]].tensor, 3, in));
        }
        test_tape_run(tape, tensor_count, tensors);
        for (int i = 0; i < TRIALS; i++) {
            int64_t index[NT_MAX_RANK] = {0};
            do {
                int64_t at = 0;
                for (int d = 0; d < part[i].rank; d++) {
                    int from = shape[i].rank - part[i].rank + d;
                    at = at * part[i].dim[d] + (part[i].dim[d] == 1 ? 0 : index[from]);
                }
                uint32_t block[4];
                nt_philox(key, (uint32_t)(at + first[i]), 0, block);
                float u = (float)(block[0] >> 8) * 0x1p-24f;
                float want =
                    u < 0.5f ? (float)test_tensor_before(&tensors[x[i]], &shape[i], index) : u;
                float got = (float)test_tensor_after(&tensors[out[i]], &shape[i], index);
                ck_assert_msg(
                    got == want, "%s: case %d: got %g, want %g", variants[v], i, got, want);
            } while (test_next(&shape[i], index));
        }
        run_and_check(variants[v]);
    }
}
END_TEST

/* Every bit counts; divisors may be 0 and -1. */
START_TEST(integers_are_exact)
{
    static const char *const texts[] = {"x0 * 65537 + x1", "x0 / x1", "fmod(x0, x1)",
        "max(x0, x1) - min(x0, 1000000007)", "select(x0 < x1, -x0, abs(x1))",
        "(x0 == x1) + sign(x0)"};
    static const enum nt_dtype dtypes[] = {NT_I32, NT_I32, NT_I32, NT_U8, NT_BOOL};
    for (int v = 0; v < variant_count; v++) {
        open_tape(variants[v]);
        for (int n = 0; n < CASES / 2; n++) {
            struct nt_shape shape = test_shape(n % 5, n % 5 < 3 ? 67 : 9);
            struct map_case *c = &cases[case_count++];
            *c = (struct map_case){.outputs = 1, .inputs = 2};
            strcpy(c->text, texts[n % 6]);
            c->terms[0] = parse(c->text);
            c->out[0] = add_tensor(dtypes[test_int(0, 4)], &shape, (enum test_lying)test_int(0, 2));
            test_tensor_poison(&tensors[c->out[0]]);
            for (int i = 0; i < 2; i++) {
                struct nt_shape part = test_int(0, 1) ? shape : test_broadcast_shape(&shape);
                c->in[i] =
                    add_tensor(dtypes[test_int(0, 4)], &part, (enum test_lying)test_int(0, 2));
                struct test_tensor *t = &tensors[c->in[i]];
                for (size_t k = 0; t->tensor.dtype == NT_I32 && k < t->bytes / 4; k++)
                    ((int32_t *)t->before)[k] = test_int(0, 9) == 0 ? INT32_MIN
                                                : test_int(0, 1) == 0
                                                    ? test_int(-2, 2)
                                                    : test_int(-INT32_MAX, INT32_MAX);
            }
            ck_assert(nt_expr_make_integers(expr, c->terms[0]));
            append(c);
        }
        test_tape_run(tape, tensor_count, tensors);
        for (int n = 0; n < case_count; n++) {
            const struct nt_shape *shape = &tensors[cases[n].out[0]].tensor.shape;
            enum nt_dtype dtype = tensors[cases[n].out[0]].tensor.dtype;
            int64_t index[NT_MAX_RANK] = {0};
            do {
                double in[2];
                for (int i = 0; i < 2; i++)
                    in[i] = test_tensor_before(&tensors[cases[n].in[i]], shape, index);
                int32_t want = (int32_t)nt_expr_evaluate(expr, cases[n].terms[0], in);
                want = dtype == NT_U8 ? (uint8_t)want : dtype == NT_BOOL ? want != 0 : want;
                double got = test_tensor_after(&tensors[cases[n].out[0]], shape, index);
                ck_assert_msg(got == want, "%s: %s of %.0f, %.0f as %s: got %.0f, want %d",
                    variants[v], cases[n].text, in[0], in[1], nt_dtype_name(dtype), got, (int)want);
            } while (test_next(shape, index));
        }
        case_count = 0;
        run_and_check(variants[v]);
    }
}
END_TEST

START_TEST(wrong_arguments_are_refused)
{
    struct nt_shape shape = {2, {3, 4}}, other = {2, {3, 5}};
    open_tape(variants[0]);
    int term = parse("x0 + x1");
    struct nt_tensor out = tensors[add_tensor(NT_F32, &shape, TEST_DENSE_ROWS)].tensor;
    struct nt_tensor in[2] = {out, tensors[add_tensor(NT_F32, &other, TEST_DENSE_ROWS)].tensor};
    test_fails(nt_map(tape, expr, 1, &term, &out, 2, in), NT_ERR_SHAPE,
        "map: input 1 is 3x5, the output 3x4");
    test_fails(nt_map(tape, expr, 1, &term, &out, 1, in), NT_ERR_ARGUMENT, "needs more than");
    in[1] = out;
    in[1].dtype = NT_F64;
    test_fails(nt_map(tape, expr, 1, &term, &out, 2, in), NT_ERR_UNSUPPORTED, "float64");
    in[1] = out;
    out.stride[0] = 0;
    test_fails(nt_map(tape, expr, 1, &term, &out, 2, in), NT_ERR_SHAPE, "repeats");
    test_fails(nt_map(tape, expr, 0, &term, &out, 2, in), NT_ERR_ARGUMENT, "0 outputs");
    term = -1;
    test_fails(nt_map(tape, expr, 1, &term, in, 2, in), NT_ERR_ARGUMENT, "incomplete");
    nt_tape_destroy(tape);
    test_ok(nt_tape_create(test_device(), &tape));
    test_ok(nt_tape_force(tape, "map=best"));
    term = parse("x0");
    in[0].buffer = nt_tape_buffer(tape, NT_BUFFER_KEPT, 48, "x");
    test_fails(nt_map(tape, expr, 1, &term, in, 1, in), NT_ERR_ARGUMENT, "tile, group");
    case_count = 0;
    for (int i = 0; i < tensor_count; i++)
        test_tensor_free(&tensors[i]);
    tensor_count = 0;
    nt_tape_destroy(tape);
    nt_expr_destroy(expr);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("map");
    TCase *tcase = tcase_create("map");
    tcase_set_timeout(tcase, 0);
    tcase_add_unchecked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, random_maps_are_right);
    tcase_add_test(tcase, biases_broadcast_in_both_layouts);
    tcase_add_test(tcase, optimizers_update_in_place);
    tcase_add_test(tcase, transposed_operands_are_gathered);
    tcase_add_test(tcase, special_values_are_kept);
    tcase_add_test(tcase, random_numbers_are_the_hosts);
    tcase_add_test(tcase, integers_are_exact);
    tcase_add_test(tcase, wrong_arguments_are_refused);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
