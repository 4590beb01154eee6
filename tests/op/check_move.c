/* SPDX-License-Identifier: MIT */
#include "tests/op/strided.h"
#include "tests/testing.h"

#include <stdlib.h>
#include <string.h>

#define CASES 40

static const char *variants[8];
static int variant_count;
static struct nt_tape *tape;
static struct test_tensor from[CASES], into[CASES];
static double values[CASES];
static int count;

static void setup(void)
{
    variant_count = nt_variants(test_device(), "move", 8, variants);
    ck_assert_int_ge(variant_count, 2);
}

static void open_tape(const char *variant)
{
    char force[32];
    count = 0;
    test_ok(nt_tape_create(test_device(), &tape));
    snprintf(force, sizeof force, "move=%s", variant);
    test_ok(nt_tape_force(tape, force));
}

static void add_move(enum nt_dtype dtype, const struct nt_shape *shape,
    const struct nt_shape *source, enum test_lying from_lying, enum test_lying into_lying)
{
    from[count] = test_tensor_make(tape, dtype, source, from_lying);
    into[count] = test_tensor_make(tape, dtype, shape, into_lying);
    test_tensor_poison(&into[count]);
    struct nt_tensor view = nt_tensor_broadcast(&from[count].tensor, shape);
    test_ok(nt_move(tape, &view, &into[count].tensor));
    count++;
}

/* fills: the value of a case is values[i], not an element of from[i]. */
static void run_and_check(const char *variant, bool fills)
{
    struct test_tensor all[2 * CASES];
    memcpy(all, into, (size_t)count * sizeof *all);
    memcpy(all + count, from, (size_t)count * sizeof *all);
    test_tape_run(tape, fills ? count : 2 * count, all);
    for (int i = 0; i < count; i++) {
        const struct nt_shape *shape = &into[i].tensor.shape;
        int64_t index[NT_MAX_RANK] = {0};
        char text[64];
        test_tensor_check_gaps(&into[i], variant);
        if (nt_shape_count(shape))
            do {
                double want = fills ? values[i] : test_tensor_before(&from[i], shape, index);
                double got = test_tensor_after(&into[i], shape, index);
                ck_assert_msg(got == want, "%s: %s %s at %d,%d,%d,..: got %g, want %g", variant,
                    nt_dtype_name(into[i].tensor.dtype), nt_shape_text(shape, text, sizeof text),
                    (int)index[0], (int)index[1], (int)index[2], got, want);
            } while (test_next(shape, index));
        test_tensor_free(&into[i]);
        if (!fills)
            test_tensor_free(&from[i]);
    }
    nt_tape_destroy(tape);
}

START_TEST(random_moves_are_right)
{
    for (int v = 0; v < variant_count; v++) {
        open_tape(variants[v]);
        for (int i = 0; i < CASES; i++) {
            struct nt_shape shape = test_shape(i % 6, i % 6 < 3 ? 67 : 19);
            if (test_int(0, 19) == 0 && shape.rank)
                shape.dim[test_int(0, shape.rank - 1)] = 0;
            struct nt_shape source = test_int(0, 2) ? shape : test_broadcast_shape(&shape);
            add_move((enum nt_dtype)test_int(0, NT_DTYPE_COUNT - 1), &shape, &source,
                (enum test_lying)test_int(0, 2), (enum test_lying)test_int(0, 2));
        }
        run_and_check(variants[v], false);
    }
}
END_TEST

START_TEST(layouts_are_changed)
{
    for (int v = 0; v < variant_count; v++) {
        open_tape(variants[v]);
        for (int i = 0; i < 12; i++) {
            struct nt_shape shape = {
                4, {test_int(1, 3), test_int(1, 40), test_int(1, 20), test_int(1, 20)}};
            bool last = i % 2;
            add_move(i % 3 ? NT_F32 : NT_U8, &shape, &shape,
                last ? TEST_DENSE_ROWS : TEST_DENSE_CHANNELS,
                last ? TEST_DENSE_CHANNELS : TEST_DENSE_ROWS);
        }
        int side = test_small() ? 20 : 100;
        struct nt_shape large = {4, {2, 3, side, side + 10}};
        add_move(NT_F32, &large, &large, TEST_DENSE_ROWS, TEST_DENSE_CHANNELS);
        struct nt_shape long_one = {1, {test_small() ? 1003 : 100003}};
        add_move(NT_F32, &long_one, &long_one, TEST_DENSE_ROWS, TEST_DENSE_ROWS);
        run_and_check(variants[v], false);
    }
}
END_TEST

START_TEST(slices_are_joined)
{
    for (int v = 0; v < variant_count; v++) {
        open_tape(variants[v]);
        struct nt_shape whole = {3, {2, 9, 5}}, left = {3, {2, 4, 5}}, right = {3, {2, 5, 5}};
        struct test_tensor t[3] = {test_tensor_make(tape, NT_F32, &whole, TEST_DENSE_CHANNELS),
            test_tensor_make(tape, NT_F32, &left, TEST_DENSE_CHANNELS),
            test_tensor_make(tape, NT_F32, &right, TEST_DENSE_ROWS)};
        test_tensor_poison(&t[0]);
        struct nt_tensor slice = t[0].tensor;
        slice.shape = left;
        test_ok(nt_move(tape, &t[1].tensor, &slice));
        slice.shape = right;
        slice.offset = 4 * slice.stride[1];
        test_ok(nt_move(tape, &t[2].tensor, &slice));
        test_tape_run(tape, 3, t);
        int64_t index[NT_MAX_RANK] = {0};
        do {
            int part = index[1] < 4 ? 1 : 2;
            int64_t inside[3] = {index[0], index[1] - (part == 2 ? 4 : 0), index[2]};
            ck_assert_double_eq(test_tensor_after(&t[0], &whole, index),
                test_tensor_before(&t[part], &t[part].tensor.shape, inside));
        } while (test_next(&whole, index));
        for (int i = 0; i < 3; i++)
            test_tensor_free(&t[i]);
        nt_tape_destroy(tape);
    }
}
END_TEST

START_TEST(fills_set_every_element)
{
    for (int v = 0; v < variant_count; v++) {
        open_tape(variants[v]);
        for (; count < 24; count++) {
            struct nt_shape shape = test_shape(count % 4, 40);
            enum nt_dtype dtype = (enum nt_dtype)(count % NT_DTYPE_COUNT);
            bool real = dtype == NT_F32 || dtype == NT_F64;
            values[count] = dtype == NT_BOOL  ? 1
                            : real            ? -0.25 * test_int(0, 9)
                            : dtype == NT_I64 ? -123456789012.0
                            : dtype == NT_I32 ? -7
                                              : 200;
            into[count] = test_tensor_make(tape, dtype, &shape, (enum test_lying)test_int(0, 2));
            test_tensor_poison(&into[count]);
            test_ok(nt_fill(tape, values[count], &into[count].tensor));
        }
        run_and_check(variants[v], true);
    }
}
END_TEST

START_TEST(wrong_arguments_are_refused)
{
    struct nt_shape shape = {2, {3, 4}}, other = {2, {4, 3}};
    open_tape(variants[0]);
    int32_t buffer = nt_tape_buffer(tape, NT_BUFFER_KEPT, 100, "b");
    struct nt_tensor a = nt_tensor_make(buffer, NT_F32, &shape, NT_ROW_MAJOR), b = a;
    b.shape = other;
    test_fails(nt_move(tape, &a, &b), NT_ERR_SHAPE, "move: from 3x4 to 4x3");
    b = a;
    b.dtype = NT_I32;
    test_fails(nt_move(tape, &a, &b), NT_ERR_ARGUMENT, "from float32 to int32");
    b = a;
    b.stride[1] = 0;
    test_fails(nt_move(tape, &a, &b), NT_ERR_SHAPE, "repeats along dimension 1");
    b.dtype = NT_U8;
    test_fails(nt_fill(tape, 256, &b), NT_ERR_ARGUMENT, "fill: 256 does not fit uint8");
    b = a;
    b.offset = 20;
    test_fails(nt_move(tape, &a, &b), NT_ERR_SHAPE, "exceeds");
    nt_tape_destroy(tape);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("move");
    TCase *tcase = tcase_create("move");
    tcase_set_timeout(tcase, 0);
    tcase_add_unchecked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, random_moves_are_right);
    tcase_add_test(tcase, layouts_are_changed);
    tcase_add_test(tcase, slices_are_joined);
    tcase_add_test(tcase, fills_set_every_element);
    tcase_add_test(tcase, wrong_arguments_are_refused);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
