/* SPDX-License-Identifier: MIT */
#include "tests/op/strided.h"
#include "tests/testing.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CASES 20
#define INPUTS 3

static const char *variants[8];
static int variant_count;
static struct nt_expr *expr;
static struct nt_tape *tape;

struct reduce_case {
    enum nt_reduction operation;
    struct nt_shape shape;
    struct test_tensor out, in[INPUTS];
    int term, inputs;
    double scale;
    const char *text;
    bool second; /* of nt_reduce_two, with the inputs of the case before */
};

static struct reduce_case cases[CASES];
static int count;

static void setup(void)
{
    variant_count = nt_variants(test_device(), "reduce", 8, variants);
    ck_assert_int_ge(variant_count, 2);
}

static void open_tape(const char *variant)
{
    char force[32];
    count = 0;
    expr = nt_expr_create();
    test_ok(nt_tape_create(test_device(), &tape));
    snprintf(force, sizeof force, "reduce=%s", variant);
    test_ok(nt_tape_force(tape, force));
}

static int parse(const char *text)
{
    static const char *const names[] = {"x0", "x1", "x2"};
    int inputs[INPUTS], term = -1;
    for (int i = 0; i < INPUTS; i++)
        inputs[i] = nt_expr_input(expr, i);
    test_ok(nt_expr_parse(test_context(), expr, text, INPUTS, names, inputs, &term));
    return term;
}

static void append(struct reduce_case *c)
{
    struct nt_tensor in[INPUTS];
    for (int i = 0; i < c->inputs; i++)
        in[i] = c->in[i].tensor;
    test_tensor_poison(&c->out);
    c->term = parse(c->text);
    test_ok(nt_reduce(tape, c->operation, expr, c->term, c->inputs, in, c->scale, &c->out.tensor));
}

/* The last case of the list, and one more, of another term, as one reduction of two. */
static void append_two(const char *text, enum test_lying lying)
{
    struct reduce_case *c = &cases[count - 1], *d = &cases[count++];
    struct nt_tensor in[INPUTS], out[2];
    *d = *c;
    d->second = true;
    d->text = text;
    d->out = test_tensor_make(tape, NT_F32, &c->out.tensor.shape, lying);
    for (int i = 0; i < c->inputs; i++)
        in[i] = c->in[i].tensor;
    for (int i = 0; i < 2; i++) {
        test_tensor_poison(&c[i].out);
        c[i].term = parse(c[i].text);
        out[i] = c[i].out.tensor;
    }
    test_ok(nt_reduce_two(
        tape, c->operation, expr, (int[]){c->term, d->term}, c->inputs, in, c->scale, out));
}

static double join(enum nt_reduction operation, double a, double b)
{
    switch (operation) {
    case NT_REDUCE_SUM:
        return a + b;
    case NT_REDUCE_PROD:
        return a * b;
    case NT_REDUCE_MAX:
        return isnan(a) || a > b ? a : b;
    default:
        return isnan(a) || a < b ? a : b;
    }
}

static void check_case(const char *variant, const struct reduce_case *c)
{
    static const double neutral[] = {0, -INFINITY, INFINITY, 1};
    const struct nt_shape *shape = &c->shape, *small = &c->out.tensor.shape;
    size_t results = (size_t)nt_shape_count(small);
    double *want = malloc((results + 1) * sizeof *want), *sum = calloc(results + 1, sizeof *sum);
    int64_t index[NT_MAX_RANK] = {0};
    char a[64], b[64];
    for (size_t i = 0; i < results; i++)
        want[i] = neutral[c->operation];
    if (nt_shape_count(shape))
        do {
            double in[INPUTS] = {0};
            size_t at = 0;
            for (int i = 0; i < c->inputs; i++)
                in[i] = test_tensor_before(&c->in[i], shape, index);
            for (int d = 0; d < small->rank; d++)
                at = at * (size_t)small->dim[d] +
                     (size_t)(small->dim[d] == 1 ? 0 : index[d + shape->rank - small->rank]);
            double value = nt_expr_evaluate(expr, c->term, in);
            want[at] = join(c->operation, want[at], value);
            sum[at] += fabs(value) + 0.25; /* the terms have rounding errors of their own */
        } while (test_next(shape, index));
    test_tensor_check_gaps(&c->out, variant);
    memset(index, 0, sizeof index);
    size_t at = 0;
    if (results)
        do {
            bool summed = c->operation == NT_REDUCE_SUM;
            double expected = want[at] * (summed ? c->scale : 1);
            double got = test_tensor_after(&c->out, small, index);
            double scale = summed ? sum[at] * fabs(c->scale) : fmax(1, fabs(expected));
            bool same = got == expected || (isnan(got) && isnan(expected)) ||
                        fabs(got - expected) <= 2e-6 * scale + FLT_MIN;
            ck_assert_msg(same, "%s: %s of %s to %s, result %zu: got %.9g, want %.9g", variant,
                c->text, nt_shape_text(shape, a, sizeof a), nt_shape_text(small, b, sizeof b), at,
                got, expected);
            at++;
        } while (test_next(small, index));
    free(want);
    free(sum);
}

static void run_and_check(const char *variant)
{
    struct test_tensor all[CASES * (INPUTS + 1)];
    int tensors = 0;
    for (int i = 0; i < count; i++) {
        all[tensors++] = cases[i].out;
        for (int k = 0; k < cases[i].inputs && !cases[i].second; k++)
            all[tensors++] = cases[i].in[k];
    }
    test_tape_run(tape, tensors, all);
    for (int i = 0; i < count; i++)
        check_case(variant, &cases[i]);
    for (int i = 0; i < tensors; i++)
        test_tensor_free(&all[i]);
    nt_tape_destroy(tape);
    nt_expr_destroy(expr);
}

static struct nt_shape reduced_shape(const struct nt_shape *shape)
{
    struct nt_shape out = *shape;
    for (int i = 0; i < shape->rank; i++)
        if (test_int(0, 1))
            out.dim[i] = 1;
    int lead = 0;
    while (lead < out.rank && out.dim[lead] == 1 && test_int(0, 1))
        lead++;
    out.rank -= lead;
    memmove(out.dim, out.dim + lead, (size_t)out.rank * sizeof *out.dim);
    return out;
}

static const char *const texts[] = {
    "x0", "x0 * x1", "abs(x0 - x1) + x2", "x0 * x0", "0.5", "exp(x1) * x0", "x2 * 0.25"};

static const char *any_text(void)
{
    return texts[test_int(0, sizeof texts / sizeof *texts - 1)];
}

static void random_case(int number, bool two)
{
    struct reduce_case *c = &cases[count++];
    enum test_lying lying = (enum test_lying)test_int(0, 2);
    *c = (struct reduce_case){.operation = (enum nt_reduction)(number % 4), .inputs = INPUTS};
    c->shape = test_shape(number % 6, test_small() ? 9 : number % 6 < 3 ? 300 : 24);
    if (test_int(0, 14) == 0 && c->shape.rank)
        c->shape.dim[test_int(0, c->shape.rank - 1)] = 0;
    c->scale = test_int(0, 1) ? 1 : 0.125;
    c->text = any_text();
    struct nt_shape small = reduced_shape(&c->shape);
    enum test_lying into = (enum test_lying)test_int(0, 2);
    c->out = test_tensor_make(tape, NT_F32, &small, into);
    for (int i = 0; i < INPUTS; i++) {
        struct nt_shape part =
            i == 0 || test_int(0, 1) ? c->shape : test_broadcast_shape(&c->shape);
        enum nt_dtype dtype = test_int(0, 9) ? NT_F32 : test_int(0, 1) ? NT_I32 : NT_U8;
        c->in[i] = test_tensor_make(
            tape, dtype, &part, test_int(0, 3) ? lying : (enum test_lying)test_int(0, 2));
    }
    if (two)
        append_two(any_text(), into);
    else
        append(c);
}

START_TEST(random_reductions_are_right)
{
    for (int v = 0; v < variant_count; v++) {
        open_tape(variants[v]);
        for (int i = 0; i < CASES; i++)
            random_case(i, false);
        run_and_check(variants[v]);
        open_tape(variants[v]);
        for (int i = 0; i < CASES / 2; i++)
            random_case(i, true);
        run_and_check(variants[v]);
    }
}
END_TEST

static struct reduce_case *new_case(enum nt_reduction operation, const char *text,
    const struct nt_shape *shape, const struct nt_shape *small, enum test_lying lying)
{
    struct reduce_case *c = &cases[count++];
    *c = (struct reduce_case){
        .operation = operation, .shape = *shape, .inputs = 2, .scale = 1, .text = text};
    c->out = test_tensor_make(tape, NT_F32, small, TEST_DENSE_ROWS);
    for (int i = 0; i < 2; i++)
        c->in[i] = test_tensor_make(tape, NT_F32, shape, lying);
    return c;
}

static void plain_case(enum nt_reduction operation, const char *text, const struct nt_shape *shape,
    const struct nt_shape *small, enum test_lying lying)
{
    append(new_case(operation, text, shape, small, lying));
}

static void two_case(const char *text, const char *again, const struct nt_shape *shape,
    const struct nt_shape *small, enum test_lying lying)
{
    new_case(NT_REDUCE_SUM, text, shape, small, lying);
    append_two(again, TEST_DENSE_ROWS);
}

START_TEST(shapes_of_training_are_right)
{
    for (int v = 0; v < variant_count; v++) {
        open_tape(variants[v]);
        struct nt_shape one = {.rank = 0};
        for (int i = 0; i < 3; i++) {
            int channels = (const int[]){6, 37, 300}[i], most = test_small() ? 2 : 8;
            struct nt_shape image = {4, {test_int(1, most), channels, test_int(5, 14), 7}};
            struct nt_shape bias = {4, {1, channels, 1, 1}}, plane = {4, {1, 1, 14, 7}};
            struct nt_shape rows = {2, {test_int(1, 20 * most), channels}}, row = {1, {channels}};
            struct nt_shape column = {2, {rows.dim[0], 1}};
            plane.dim[2] = image.dim[2];
            plain_case(NT_REDUCE_SUM, "x0", &image, &bias, TEST_DENSE_CHANNELS);
            plain_case(NT_REDUCE_SUM, "x0 * x1", &image, &bias, TEST_DENSE_ROWS);
            plain_case(NT_REDUCE_MAX, "x0", &image, &plane, TEST_DENSE_CHANNELS);
            plain_case(NT_REDUCE_SUM, "x0 * (x1 > 0)", &rows, &row, TEST_DENSE_ROWS);
            plain_case(NT_REDUCE_SUM, "x0", &rows, &column, TEST_DENSE_ROWS);
            plain_case(NT_REDUCE_SUM, "x0 * x1", &rows, &one, TEST_DENSE_ROWS);
        }
        run_and_check(variants[v]);
        open_tape(variants[v]);
        for (int i = 0; i < 6; i++) {
            int channels = (const int[]){6, 16, 37, 64, 300, 520}[i], most = test_small() ? 2 : 30;
            struct nt_shape image = {4, {test_int(1, 8), channels, test_int(1, most), 7}};
            struct nt_shape bias = {4, {1, channels, 1, 1}};
            two_case("x0", "x0 * (x1 - 0.5)", &image, &bias,
                i < 4 ? TEST_DENSE_CHANNELS : TEST_DENSE_ROWS);
        }
        /* More than the sums that share a kernel; five vectors of 16, in two steps. */
        struct nt_shape large = {4, {8, 80, test_small() ? 1 : 30, 14}}, bias = {4, {1, 80, 1, 1}};
        two_case("x0", "x0 * (x1 - 0.5)", &large, &bias, TEST_DENSE_CHANNELS);
        run_and_check(variants[v]);
    }
}
END_TEST

/* Positive terms, so that the bound is relative to the sum itself. */
START_TEST(large_sums_are_accurate)
{
    struct nt_shape shapes[] = {
        {1, {1000003}}, {2, {40001, 25}}, {2, {7, 150001}}, {2, {20000, 64}}};
    if (test_small())
        shapes[0].dim[0] = 9001, shapes[1].dim[0] = 641, shapes[2].dim[1] = 1001,
        shapes[3].dim[0] = 100;
    struct nt_shape smalls[] = {{0, {0}}, {2, {1, 25}}, {2, {7, 1}}, {2, {1, 64}}};
    for (int v = 0; v < variant_count; v++) {
        open_tape(variants[v]);
        for (int i = 0; i < 4; i++)
            plain_case(NT_REDUCE_SUM, "abs(x0) + 0.1", &shapes[i], &smalls[i], TEST_DENSE_ROWS);
        test_ok(nt_tape_build(tape));
        float first[64], again[64];
        for (int i = 0; i < 4; i++) {
            struct reduce_case *c = &cases[i];
            size_t results = (size_t)nt_shape_count(&smalls[i]);
            double *want = calloc(results, sizeof *want);
            const float *x = c->in[0].before;
            size_t elements = (size_t)nt_shape_count(&shapes[i]);
            for (size_t e = 0; e < elements; e++)
                want[i == 0   ? 0
                     : i == 2 ? e / (size_t)shapes[2].dim[1]
                              : e % (size_t)shapes[i].dim[1]] += fabs(x[e]) + 0.1f;
            test_ok(nt_tape_write(tape, c->in[0].tensor.buffer, 0, x, elements * sizeof *x));
            test_ok(nt_tape_run(tape));
            int32_t out = c->out.tensor.buffer;
            test_ok(nt_tape_read(tape, out, 0, first, results * sizeof *first));
            test_close(variants[v], results, first, want, 1e-6);
            test_ok(nt_tape_run(tape));
            test_ok(nt_tape_read(tape, out, 0, again, results * sizeof *again));
            ck_assert_mem_eq(first, again, results * sizeof *first);
            free(want);
            test_tensor_free(&c->out);
            test_tensor_free(&c->in[0]);
            test_tensor_free(&c->in[1]);
        }
        nt_tape_destroy(tape);
        nt_expr_destroy(expr);
    }
}
END_TEST

START_TEST(nan_and_infinity_are_kept)
{
    struct nt_shape shape = {2, {3, 40}}, small = {2, {3, 1}};
    for (int v = 0; v < variant_count; v++) {
        open_tape(variants[v]);
        for (int operation = 0; operation < 4; operation++) {
            plain_case((enum nt_reduction)operation, "x0", &shape, &small, TEST_DENSE_ROWS);
            float *x = cases[operation].in[0].before;
            x[test_int(0, 39)] = NAN;
            x[40 + test_int(0, 39)] = INFINITY;
        }
        run_and_check(variants[v]);
    }
}
END_TEST

START_TEST(wrong_arguments_are_refused)
{
    struct nt_shape shape = {2, {3, 4}}, small = {2, {3, 2}}, large = {3, {1, 3, 4}};
    open_tape(variants[0]);
    int term = parse("x0 * x1");
    int32_t buffer = nt_tape_buffer(tape, NT_BUFFER_KEPT, 64, "b");
    struct nt_tensor x = nt_tensor_make(buffer, NT_F32, &shape, NT_ROW_MAJOR), in[2] = {x, x};
    struct nt_tensor y = nt_tensor_make(buffer, NT_F32, &small, NT_ROW_MAJOR);
    test_fails(nt_reduce(tape, NT_REDUCE_SUM, expr, term, 2, in, 1, &y), NT_ERR_SHAPE,
        "reduce: from 3x4 to 3x2");
    y.shape = large;
    test_fails(nt_reduce(tape, NT_REDUCE_SUM, expr, term, 2, in, 1, &y), NT_ERR_SHAPE, "to 1x3x4");
    y = x;
    test_fails(nt_reduce(tape, NT_REDUCE_SUM, expr, term, 1, in, 1, &y), NT_ERR_ARGUMENT,
        "needs more than the 1 inputs");
    y.dtype = NT_I32;
    test_fails(nt_reduce(tape, NT_REDUCE_SUM, expr, term, 2, in, 1, &y), NT_ERR_UNSUPPORTED,
        "int32: must be float32");
    in[1].shape = small;
    test_fails(
        nt_reduce(tape, NT_REDUCE_SUM, expr, term, 2, in, 1, &x), NT_ERR_SHAPE, "input 1 is 3x2");
    nt_tape_destroy(tape);
    nt_expr_destroy(expr);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reduce");
    TCase *tcase = tcase_create("reduce");
    tcase_set_timeout(tcase, 0);
    tcase_add_unchecked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, random_reductions_are_right);
    tcase_add_test(tcase, shapes_of_training_are_right);
    tcase_add_test(tcase, large_sums_are_accurate);
    tcase_add_test(tcase, nan_and_infinity_are_kept);
    tcase_add_test(tcase, wrong_arguments_are_refused);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
