/* SPDX-License-Identifier: MIT */
#include "tests/op/indexed.h"

#include <math.h>

static void check_case(const struct indexed *t, const char *variant)
{
    const struct nt_shape *shape = &t->elements.tensor.shape;
    enum nt_dtype dtype = t->elements.tensor.dtype;
    int64_t at[NT_MAX_RANK] = {0}, place[NT_MAX_RANK];
    char text[64];
    test_tensor_check_gaps(&t->elements, variant);
    do {
        double got = test_tensor_after(&t->elements, shape, at), want = 0;
        if (indexed_place(t, at, place))
            want = test_tensor_before(&t->table, &t->table.tensor.shape, place);
        else if (dtype == NT_F32 || dtype == NT_F64)
            want = NAN;
        else if (dtype == NT_I32)
            want = INT32_MIN;
        else if (dtype == NT_I64)
            want = -0x1p63;
        ck_assert_msg(got == want || (isnan(got) && isnan(want)),
            "%s: %s %s along %d: at %d,%d,%d: got %g, want %g", variant, nt_dtype_name(dtype),
            nt_shape_text(shape, text, sizeof text), t->axis, (int)at[0], (int)at[1], (int)at[2],
            got, want);
    } while (test_next(shape, at));
}

START_TEST(random_gathers_are_right)
{
    const char *variants[8];
    int count = nt_variants(test_device(), "gather", 8, variants);
    ck_assert_int_ge(count, 2);
    for (int v = 0; v < count; v++) {
        enum { CASES = 24 };
        struct nt_tape *tape = indexed_open("gather", variants[v]);
        struct indexed t[CASES];
        struct test_tensor all[3 * CASES];
        int cases = test_small() ? 8 : CASES;
        for (int i = 0; i < cases; i++) {
            enum nt_dtype dtype =
                test_int(0, 1) ? NT_F32 : (enum nt_dtype)test_int(0, NT_DTYPE_COUNT - 1);
            t[i] = indexed_make(tape, dtype);
            test_tensor_poison(&t[i].elements);
            test_ok(nt_gather(
                tape, &t[i].table.tensor, t[i].axis, &t[i].index.tensor, &t[i].elements.tensor));
            memcpy(&all[3 * i], &t[i].table, 3 * sizeof *all);
        }
        test_tape_run(tape, 3 * cases, all);
        for (int i = 0; i < cases; i++) {
            check_case(&t[i], variants[v]);
            indexed_free(&t[i]);
        }
        nt_tape_destroy(tape);
    }
}
END_TEST

START_TEST(wrong_operands_are_refused)
{
    struct nt_tape *tape;
    test_ok(nt_tape_create(test_device(), &tape));
    struct nt_tensor x = {.dtype = NT_F32, .shape = {2, {5, 3}}, .stride = {3, 1}}, y = x,
                     index = x;
    test_fails(nt_gather(tape, &x, 0, &index, &y), NT_ERR_UNSUPPORTED, "index of float32");
    index.dtype = NT_I32;
    test_fails(nt_gather(tape, &x, 2, &index, &y), NT_ERR_ARGUMENT, "gather: axis 2");
    y.shape.dim[1] = 4;
    test_fails(nt_gather(tape, &x, 0, &index, &y), NT_ERR_SHAPE,
        "gather: 5x3 and 5x4: must agree in all dimensions but 0");
    y.shape.dim[1] = 3;
    y.shape.dim[0] = 7;
    test_fails(nt_gather(tape, &x, 0, &index, &y), NT_ERR_SHAPE, "index of 5x3: must broadcast");
    y.dtype = NT_I32;
    test_fails(nt_gather(tape, &x, 0, &index, &y), NT_ERR_ARGUMENT, "must be of one type");
    nt_tape_destroy(tape);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gather");
    TCase *tcase = tcase_create("gather");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, random_gathers_are_right);
    tcase_add_test(tcase, wrong_operands_are_refused);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
