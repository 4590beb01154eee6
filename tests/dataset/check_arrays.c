/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "frontend/dataset.h"
#include "frontend/npy.h"
#include "tests/fixture.h"
#include "tests/testing.h"

static char *write_npy(
    const char *name, enum nt_dtype dtype, const struct nt_shape *shape, const void *data)
{
    char *path = fixture_path(name);
    test_ok(nt_npy_write(test_context(), path, dtype, shape, data));
    return path;
}

static enum nt_status open_npy(const char *x, const char *y, struct nt_dataset **d)
{
    char text[2400];
    snprintf(text, sizeof text, "npy:%s,%s", x, y);
    return nt_dataset_open(test_context(), text, NULL, d);
}

START_TEST(npy_arrays_in_every_form)
{
    float x[2 * 3 * 4], y[2][2] = {{1, 2}, {3, -4}}, got[12], target[2];
    int64_t classes[2] = {5, 0};
    uint8_t bytes[4] = {0, 51, 102, 255};
    test_fill(x, 24);
    const struct nt_shape cube = {3, {2, 3, 4}}, flat = {2, {2, 2}}, line = {1, {2}};
    char *cube_path = write_npy("cube.npy", NT_F32, &cube, x);
    char *class_path = write_npy("classes.npy", NT_I64, &line, classes);
    char *target_path = write_npy("target.npy", NT_F32, &flat, y);
    char *byte_path = write_npy("bytes.npy", NT_U8, &flat, bytes);
    struct nt_dataset *d;
    test_ok(open_npy(cube_path, class_path, &d));
    ck_assert_int_eq(nt_dataset_get_info(d)->classes, 6);
    ck_assert_int_eq(nt_dataset_get_info(d)->item.rank, 2);
    int32_t class = -1;
    test_ok(nt_dataset_item(test_context(), d, 0, NULL, NT_CHANNELS_LAST, got, &class));
    ck_assert_int_eq(class, 5);
    for (int i = 0; i < 12; i++)
        ck_assert(got[i] == x[i % 3 * 4 + i / 3]);
    test_ok(nt_dataset_item(test_context(), d, 1, NULL, NT_ROW_MAJOR, got, &class));
    ck_assert_mem_eq(got, x + 12, sizeof got);
    nt_dataset_close(d);
    test_ok(open_npy(byte_path, target_path, &d));
    ck_assert_int_eq(nt_dataset_get_info(d)->classes, 0);
    ck_assert_int_eq(nt_dataset_get_info(d)->target_dtype, NT_F32);
    ck_assert_int_eq(nt_dataset_get_info(d)->target.dim[0], 2);
    test_ok(nt_dataset_item(test_context(), d, 1, NULL, NT_ROW_MAJOR, got, target));
    ck_assert_float_eq_tol(got[0], 0.4f, 1e-6f);
    ck_assert_float_eq_tol(got[1], 1, 1e-6f);
    ck_assert(target[0] == 3 && target[1] == -4);
    nt_dataset_close(d);
}
END_TEST

START_TEST(npy_tokens_and_classes_by_place)
{
    const struct nt_shape shape = {2, {3, 2}};
    const int64_t tokens[] = {7, 0, 1, 1, 300, 2};
    const int32_t places[] = {0, 1, 2, 2, 1, 0};
    char text[2400];
    snprintf(text, sizeof text, "npy:%s,%s", write_npy("tokens.npy", NT_I64, &shape, tokens),
        write_npy("places.npy", NT_I32, &shape, places));
    struct nt_dataset_params params = {.item_dtype = NT_I32};
    struct nt_dataset *d = fixture_dataset(text, &params);
    ck_assert_int_eq(nt_dataset_get_info(d)->item_dtype, NT_I32);
    ck_assert_int_eq(nt_dataset_get_info(d)->classes, 3);
    ck_assert_int_eq(nt_dataset_get_info(d)->target.rank, 1);
    for (int i = 0; i < 3; i++) {
        int32_t x[2], y[2];
        test_ok(nt_dataset_item(test_context(), d, i, NULL, NT_ROW_MAJOR, x, y));
        for (int j = 0; j < 2; j++) {
            ck_assert_int_eq(x[j], tokens[2 * i + j]);
            ck_assert_int_eq(y[j], places[2 * i + j]);
        }
    }
    nt_dataset_close(d);
    d = fixture_dataset(text, NULL); /* without the wish whole numbers are numbers */
    float x[2];
    int32_t y[2];
    test_ok(nt_dataset_item(test_context(), d, 2, NULL, NT_ROW_MAJOR, x, y));
    ck_assert(x[0] == 300 && x[1] == 2);
    nt_dataset_close(d);
}
END_TEST

/* Weights keep the mean 0 and the deviation 1 of arrays, whatever the items are. */
START_TEST(npy_items_of_many_numbers_are_taken_as_they_are)
{
    float x[10];
    const int32_t classes[2] = {0, 1};
    test_fill(x, 10);
    const struct nt_shape rows = {2, {2, 5}}, line = {1, {2}};
    char text[2400];
    snprintf(text, sizeof text, "npy:%s,%s", write_npy("rows.npy", NT_F32, &rows, x),
        write_npy("kinds.npy", NT_I32, &line, classes));
    struct nt_dataset_params params = {.deviation = {1, 1, 1}};
    struct nt_dataset *d = fixture_dataset(text, &params);
    float got[5];
    int32_t class;
    test_ok(nt_dataset_item(test_context(), d, 1, NULL, NT_ROW_MAJOR, got, &class));
    ck_assert_mem_eq(got, x + 5, sizeof got);
    nt_dataset_close(d);
    params.deviation[1] = 2;
    test_fails(nt_dataset_open(test_context(), text, &params, &d), NT_ERR_ARGUMENT,
        "rows.npy: shape 2x5: mean and deviation are for items of 1 to 3 channels");
}
END_TEST

START_TEST(npy_faults_are_named)
{
    float x[24];
    int32_t classes[3] = {0, -1, 2}, pairs[2][2] = {{0, -1}};
    test_fill(x, 24);
    const struct nt_shape cube = {3, {2, 3, 4}}, line = {1, {2}}, three = {1, {3}},
                          two = {2, {2, 2}};
    char *good = write_npy("good.npy", NT_F32, &cube, x);
    char *y = write_npy("y.npy", NT_F32, &line, x);
    struct nt_dataset *d;
    test_fails(open_npy("/no.npy", y, &d), NT_ERR_FILE, "/no.npy");
    test_fails(open_npy(good, "/no.npy", &d), NT_ERR_FILE, "/no.npy");
    test_fails(open_npy(y, y, &d), NT_ERR_SHAPE, "shape 2: must have items first");
    test_fails(open_npy(good, write_npy("three.npy", NT_I32, &three, classes), &d), NT_ERR_SHAPE,
        "shape 3: must have the 2 items");
    const struct nt_shape none = {2, {2, 0}};
    test_fails(open_npy(good, write_npy("none.npy", NT_I32, &none, pairs), &d), NT_ERR_SHAPE,
        "shape 2x0: no dimension may be 0");
    test_fails(open_npy(good, write_npy("two.npy", NT_I32, &two, pairs), &d), NT_ERR_FORMAT,
        "class -1 at [0,1]");
    test_fails(open_npy(good, write_npy("neg.npy", NT_I32, &line, classes), &d), NT_ERR_FORMAT,
        "class -1 at [1]");
    x[17] = NAN;
    test_fails(open_npy(write_npy("nan.npy", NT_F32, &cube, x), y, &d), NT_ERR_NUMERIC,
        "nan.npy: NaN at [1,1,1]");
    test_fails(open_npy(good, write_npy("nany.npy", NT_F32, &line, x + 16), &d), NT_ERR_NUMERIC,
        "nany.npy: NaN at [1]");
    double wide[24] = {[3] = 1e300};
    test_fails(open_npy(write_npy("inf.npy", NT_F64, &cube, wide), y, &d), NT_ERR_NUMERIC,
        "infinity at [0,0,3]");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arrays");
    TCase *tcase = tcase_create("arrays");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, npy_arrays_in_every_form);
    tcase_add_test(tcase, npy_tokens_and_classes_by_place);
    tcase_add_test(tcase, npy_items_of_many_numbers_are_taken_as_they_are);
    tcase_add_test(tcase, npy_faults_are_named);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
