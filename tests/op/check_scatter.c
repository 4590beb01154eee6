/* SPDX-License-Identifier: MIT */
#include "tests/op/indexed.h"

#include <math.h>
#include <stdlib.h>

static int64_t flat(const struct nt_shape *shape, const int64_t *at)
{
    int64_t index = 0;
    for (int i = 0; i < shape->rank; i++)
        index = index * shape->dim[i] + at[i];
    return index;
}

static double combined(enum nt_scatter how, double a, double b)
{
    switch (how) {
    case NT_SCATTER_ADD:
        return a + b;
    case NT_SCATTER_MUL:
        return a * b;
    case NT_SCATTER_MAX:
        return fmax(a, b);
    case NT_SCATTER_MIN:
        return fmin(a, b);
    default:
        return b;
    }
}

static void check_case(const struct indexed *t, enum nt_scatter how, const char *variant)
{
    const struct nt_shape *from = &t->elements.tensor.shape, *into = &t->table.tensor.shape;
    int64_t at[NT_MAX_RANK] = {0}, place[NT_MAX_RANK];
    size_t count = (size_t)nt_shape_count(into);
    double *want = calloc(count, sizeof *want);
    float *got = calloc(count, sizeof *got);
    do
        want[flat(into, at)] = test_tensor_before(&t->table, into, at);
    while (test_next(into, at));
    do
        if (indexed_place(t, at, place)) {
            double *to = &want[flat(into, place)];
            *to = combined(how, *to, test_tensor_before(&t->elements, from, at));
        }
    while (test_next(from, at));
    do
        got[flat(into, at)] = (float)test_tensor_after(&t->table, into, at);
    while (test_next(into, at));
    test_close(variant, count, got, want, 1e-5);
    test_tensor_check_gaps(&t->table, variant);
    free(want);
    free(got);
}

START_TEST(random_scatters_are_right)
{
    const char *variants[8];
    int count = nt_variants(test_device(), "scatter", 8, variants);
    ck_assert_int_ge(count, 2);
    for (int v = 0; v < count; v++) {
        enum { CASES = 24 };
        struct nt_tape *tape = indexed_open("scatter", variants[v]);
        struct indexed t[CASES];
        struct test_tensor all[3 * CASES];
        enum nt_scatter how[CASES];
        int cases = test_small() ? 8 : CASES;
        for (int i = 0; i < cases; i++) {
            how[i] = (enum nt_scatter)(i % 5);
            t[i] = indexed_make(
                tape, how[i] != NT_SCATTER_MUL && test_int(0, 2) == 0 ? NT_I32 : NT_F32);
            test_ok(nt_scatter(tape, how[i], &t[i].elements.tensor, t[i].axis, &t[i].index.tensor,
                &t[i].table.tensor));
            memcpy(&all[3 * i], &t[i].table, 3 * sizeof *all);
        }
        test_tape_run(tape, 3 * cases, all);
        for (int i = 0; i < cases; i++) {
            check_case(&t[i], how[i], variants[v]);
            indexed_free(&t[i]);
        }
        nt_tape_destroy(tape);
    }
}
END_TEST

/* The gradient of an embedding: many tokens, a large vocabulary, sums in parts. */
START_TEST(tokens_are_added_to_their_rows)
{
    const char *variants[8];
    int count = nt_variants(test_device(), "scatter", 8, variants);
    for (int v = 0; v < count; v++) {
        struct nt_tape *tape = indexed_open("scatter", variants[v]);
        int words = test_small() ? 20 : 3001, tokens = test_small() ? 30 : 1500, width = 33;
        struct indexed t = {0};
        t.table = test_tensor_make(tape, NT_F32, &(struct nt_shape){2, {words, width}}, 0);
        t.index = test_tensor_make(tape, NT_I32, &(struct nt_shape){2, {tokens, 1}}, 0);
        t.elements = test_tensor_make(tape, NT_F32, &(struct nt_shape){2, {tokens, width}}, 0);
        for (int i = 0; i < tokens; i++) /* a common word, and others */
            ((int32_t *)t.index.before)[i] = i % 3 ? test_int(0, words - 1) : 7;
        test_ok(nt_scatter(
            tape, NT_SCATTER_ADD, &t.elements.tensor, 0, &t.index.tensor, &t.table.tensor));
        struct test_tensor all[3];
        memcpy(all, &t.table, sizeof all);
        test_tape_run(tape, 3, all);
        check_case(&t, NT_SCATTER_ADD, variants[v]);
        indexed_free(&t);
        nt_tape_destroy(tape);
    }
}
END_TEST

START_TEST(wrong_operands_are_refused)
{
    struct nt_tape *tape;
    test_ok(nt_tape_create(test_device(), &tape));
    struct nt_tensor x = {.dtype = NT_U8, .shape = {2, {5, 3}}, .stride = {3, 1}}, y = x, i = x;
    i.dtype = NT_I32;
    test_fails(nt_scatter(tape, NT_SCATTER_ADD, &x, 0, &i, &y), NT_ERR_UNSUPPORTED,
        "must be float32 or int32");
    y.shape.dim[1] = 4;
    test_fails(nt_scatter(tape, NT_SCATTER_ADD, &x, 0, &i, &y), NT_ERR_SHAPE,
        "scatter: 5x4 and 5x3: must agree in all dimensions but 0");
    nt_tape_destroy(tape);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scatter");
    TCase *tcase = tcase_create("scatter");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, random_scatters_are_right);
    tcase_add_test(tcase, tokens_are_added_to_their_rows);
    tcase_add_test(tcase, wrong_operands_are_refused);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
