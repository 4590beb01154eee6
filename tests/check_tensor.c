/* SPDX-License-Identifier: MIT */
#include "engine/tensor.h"
#include "tests/testing.h"

#include <string.h>

START_TEST(layouts_have_their_strides)
{
    struct nt_shape shape = {4, {2, 3, 5, 7}};
    struct nt_tensor row = nt_tensor_make(1, NT_F32, &shape, NT_ROW_MAJOR);
    struct nt_tensor last = nt_tensor_make(1, NT_F32, &shape, NT_CHANNELS_LAST);
    ck_assert_int_eq(row.stride[0], 105);
    ck_assert_int_eq(row.stride[1], 35);
    ck_assert_int_eq(row.stride[3], 1);
    ck_assert_int_eq(last.stride[0], 105);
    ck_assert_int_eq(last.stride[1], 1);
    ck_assert_int_eq(last.stride[2], 21);
    ck_assert_int_eq(last.stride[3], 3);
    ck_assert(nt_tensor_is(&row, NT_ROW_MAJOR) && !nt_tensor_is(&row, NT_CHANNELS_LAST));
    ck_assert(nt_tensor_is(&last, NT_CHANNELS_LAST) && !nt_tensor_is(&last, NT_ROW_MAJOR));
}
END_TEST

START_TEST(one_channel_is_both_layouts)
{
    struct nt_shape shape = {4, {2, 1, 5, 7}};
    struct nt_tensor t = nt_tensor_make(0, NT_F32, &shape, NT_ROW_MAJOR);
    ck_assert(nt_tensor_is(&t, NT_CHANNELS_LAST));
}
END_TEST

START_TEST(shapes_broadcast_as_numpy)
{
    struct nt_shape a = {3, {4, 1, 6}}, b = {2, {5, 1}}, out = {0}, bad = {1, {7}};
    char text[64];
    ck_assert(nt_shape_broadcast(&a, &b, &out));
    ck_assert_str_eq(nt_shape_text(&out, text, sizeof text), "4x5x6");
    ck_assert(!nt_shape_broadcast(&a, &bad, &out));
    struct nt_tensor t = nt_tensor_make(0, NT_F32, &b, NT_ROW_MAJOR);
    t = nt_tensor_broadcast(&t, &out);
    ck_assert_int_eq(t.stride[0], 0);
    ck_assert_int_eq(t.stride[1], 1);
    ck_assert_int_eq(t.stride[2], 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tensor");
    TCase *tcase = tcase_create("tensor");
    tcase_add_test(tcase, layouts_have_their_strides);
    tcase_add_test(tcase, one_channel_is_both_layouts);
    tcase_add_test(tcase, shapes_broadcast_as_numpy);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
