/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/dataset.h"
#include "tests/fixture.h"
#include "tests/testing.h"

static const char *write_table(const char *name, const char *text)
{
    static char spec[1200];
    char *path = fixture_path(name);
    fixture_write(path, text, strlen(text));
    snprintf(spec, sizeof spec, "csv:%s", path);
    return spec;
}

#define ROWS 40
#define COLUMNS 3

/* Fresh numbers with the class in the middle, named by a header, in one of three notations. */
START_TEST(rows_are_items)
{
    static const char *const names[] = {"setosa", "virginica", "a class, \"quoted\""};
    static const char separators[] = {',', ';', '\t'};
    for (int form = 0; form < 3; form++) {
        char text[ROWS * 100] = "";
        float x[ROWS][COLUMNS], got[COLUMNS];
        int class[ROWS], seen = 0;
        char s = separators[form];
        snprintf(text, sizeof text, "width%clength%ckind%cheight\r\n", s, s, s);
        for (int i = 0; i < ROWS; i++) {
            size_t n = strlen(text);
            class[i] = i < 2 ? 1 - i : test_int(0, 1);
            for (int j = 0; j < COLUMNS; j++)
                x[i][j] = 100 * test_float();
            snprintf(text + n, sizeof text - n, "%.9g%c \"%.9g\"%c%s%c %.9g \r\n\n", x[i][0], s,
                x[i][1], s, names[class[i]], s, x[i][2]);
        }
        char spec[1300];
        snprintf(spec, sizeof spec, "%s,kind", write_table("rows.csv", text));
        struct nt_dataset *d = fixture_dataset(spec, NULL);
        const struct nt_dataset_info *info = nt_dataset_get_info(d);
        ck_assert_str_eq(info->kind, "csv");
        ck_assert_int_eq(info->count, ROWS);
        ck_assert_int_eq(info->item.rank, 1);
        ck_assert_int_eq(info->item.dim[0], COLUMNS);
        ck_assert_int_eq(info->classes, 2);
        ck_assert_str_eq(info->class_names[0], "setosa"); /* by their letters */
        for (int i = 0; i < ROWS; i++) {
            int32_t y = -7;
            test_ok(nt_dataset_item(test_context(), d, i, NULL, NT_ROW_MAJOR, got, &y));
            ck_assert_int_eq(y, class[i]);
            seen |= 1 << y;
            for (int j = 0; j < COLUMNS; j++)
                ck_assert(got[j] == x[i][j]);
        }
        ck_assert_int_eq(seen, 3);
        nt_dataset_close(d);
    }
}
END_TEST

START_TEST(numbers_are_told)
{
    struct nt_dataset_params params = {.target = {1, {1}}, .mean = {2}, .deviation = {4}};
    struct nt_dataset *d = fixture_dataset(write_table("n.csv", "6,10,0.5\n-2,2,-7e3\n"), &params);
    const struct nt_dataset_info *info = nt_dataset_get_info(d);
    float x[2], y = NAN;
    ck_assert_int_eq(info->classes, 0);
    ck_assert_int_eq(info->target_dtype, NT_F32);
    ck_assert_int_eq(info->count, 2);
    test_ok(nt_dataset_item(test_context(), d, 1, NULL, NT_ROW_MAJOR, x, &y));
    ck_assert(x[0] == -1 && x[1] == 0 && y == -7000);
    nt_dataset_close(d);
}
END_TEST

/* Whole numbers as classes go by value: 2, 9, 10. With names from a training they keep theirs. */
START_TEST(classes_keep_their_numbers)
{
    const char *const trained[] = {"10", "absent", "2", "9"};
    struct nt_dataset_params params = {.class_count = 4, .class_names = trained};
    const char *spec = write_table("c.csv", "1,10\n2,9\n3,2\n4,10\n");
    struct nt_dataset *plain = fixture_dataset(spec, NULL), *again = fixture_dataset(spec, &params);
    const int32_t here[] = {2, 1, 0, 2}, there[] = {0, 3, 2, 0};
    ck_assert_int_eq(nt_dataset_get_info(plain)->classes, 3);
    ck_assert_int_eq(nt_dataset_get_info(again)->classes, 4);
    for (int i = 0; i < 4; i++) {
        float x;
        int32_t a = -7, b = -7;
        test_ok(nt_dataset_item(test_context(), plain, i, NULL, NT_ROW_MAJOR, &x, &a));
        test_ok(nt_dataset_item(test_context(), again, i, NULL, NT_ROW_MAJOR, &x, &b));
        ck_assert_int_eq(a, here[i]);
        ck_assert_int_eq(b, there[i]);
    }
    nt_dataset_close(plain);
    nt_dataset_close(again);
    params.class_count = 2;
    test_fails(nt_dataset_open(test_context(), spec, &params, &plain), NT_ERR_FORMAT,
        "row 2: '9' is none of the 2 classes");
    params.class_count = 4; /* of which two have no row here: '?' is neither */
    test_fails(
        nt_dataset_open(test_context(), write_table("c.csv", "1,10\n2,?\n3,2\n"), &params, &plain),
        NT_ERR_FORMAT, "row 2: '?' is none of the 4 classes");
}
END_TEST

/* Not all of them numbers: by letters, 10, 1a, 9. */
START_TEST(numbers_and_texts_are_classes)
{
    struct nt_dataset *d =
        fixture_dataset(write_table("m.csv", "1,9\n2,10\n3,1a\n4,9\n5,10\n"), NULL);
    const int32_t want[] = {2, 0, 1, 2, 0};
    ck_assert_int_eq(nt_dataset_get_info(d)->classes, 3);
    for (int i = 0; i < 5; i++) {
        float x;
        int32_t y = -7;
        test_ok(nt_dataset_item(test_context(), d, i, NULL, NT_ROW_MAJOR, &x, &y));
        ck_assert_int_eq(y, want[i]);
    }
    nt_dataset_close(d);
}
END_TEST

START_TEST(one_column_of_numbers_is_a_series)
{
    struct nt_dataset_params params = {
        .item = {1, {2}}, .target = {1, {1}}, .mean = {0}, .deviation = {1}};
    struct nt_dataset *d =
        fixture_dataset(write_table("s.csv", "day,value\nmo,1\ntu,2\nwe,3\nth,4\n"), &params);
    const struct nt_dataset_info *info = nt_dataset_get_info(d);
    float x[2], y = NAN;
    ck_assert(info->forecasts);
    ck_assert_str_eq(info->kind, "csv");
    ck_assert_int_eq(info->count, 2);
    test_ok(nt_dataset_item(test_context(), d, 1, NULL, NT_ROW_MAJOR, x, &y));
    ck_assert(x[0] == 2 && x[1] == 3 && y == 4);
    nt_dataset_close(d);
}
END_TEST

START_TEST(shares_are_set_aside)
{
    char text[2000] = "";
    for (int i = 0; i < 50; i++)
        snprintf(text + strlen(text), 40, "%d,%d\n", i, i % 2);
    const char *spec = write_table("share.csv", text);
    struct nt_dataset_params params = {.split = NT_SPLIT_TRAIN, .validation_share = 0.2, .seed = 3};
    bool seen[50] = {false};
    int64_t counts[2];
    for (int part = 0; part < 2; part++) {
        params.split = part ? NT_SPLIT_VALIDATION : NT_SPLIT_TRAIN;
        struct nt_dataset *d = fixture_dataset(spec, &params);
        counts[part] = nt_dataset_get_info(d)->count;
        for (int64_t i = 0; i < counts[part]; i++) {
            float x;
            int32_t y;
            test_ok(nt_dataset_item(test_context(), d, i, NULL, NT_ROW_MAJOR, &x, &y));
            ck_assert(!seen[(int)x]);
            ck_assert_int_eq(y, (int)x % 2);
            seen[(int)x] = true;
        }
        nt_dataset_close(d);
    }
    ck_assert_int_eq(counts[0], 40);
    ck_assert_int_eq(counts[1], 10);
}
END_TEST

START_TEST(faults_are_named)
{
    static const struct {
        const char *text, *message;
    } faults[] = {
        {"", "holds no line"},
        {"\n \n", "holds no line"},
        {"1,2,a\n1,b\n", ".csv:2: 2 fields: must be 3, as in the first line"},
        {"1,2,a\n\n1,2,a,4\n", ".csv:3: 4 fields"},
        {"1,2,a\n1,x,b\n", "row 2: column 2 is 'x': must be a number"},
        {"u,v,w\n1,2,a\n1,,b\n", "row 2: column 2 ('v') is '': must be a number"},
        {"1,nan,a\n", "row 1: column 2 is 'nan'"},
        {"a\nb\n", "one column of texts"},
        {"1,2,Fu\xdf\n", "class 'Fu\xdf': must be UTF-8"},
    };
    struct nt_dataset *d;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        test_fails(
            nt_dataset_open(test_context(), write_table("fault.csv", faults[i].text), NULL, &d),
            NT_ERR_FORMAT, faults[i].message);
    char spec[1300];
    snprintf(spec, sizeof spec, "%s,c", write_table("fault.csv", "a,b\n1,10\n"));
    test_fails(nt_dataset_open(test_context(), spec, NULL, &d), NT_ERR_FORMAT, "has no column c");
    snprintf(spec, sizeof spec, "%s,b", write_table("fault.csv", "a,b\n"));
    test_fails(nt_dataset_open(test_context(), spec, NULL, &d), NT_ERR_FORMAT, "no row of data");
    struct nt_dataset_params two = {.target = {1, {2}}}, told = {.target = {1, {1}}};
    test_fails(nt_dataset_open(test_context(), write_table("fault.csv", "1,2,3\n"), &two, &d),
        NT_ERR_SHAPE, "must be a class or one number");
    test_fails(nt_dataset_open(test_context(), write_table("fault.csv", "1,2,a\n"), &told, &d),
        NT_ERR_FORMAT, "row 1: column 3 is 'a': must be a number");
    fixture_write(fixture_path("zero.csv"), "1,2\n3\0,4\n", 10);
    snprintf(spec, sizeof spec, "csv:%s", fixture_path("zero.csv"));
    test_fails(nt_dataset_open(test_context(), spec, NULL, &d), NT_ERR_FORMAT, "a zero byte");
    test_fails(
        nt_dataset_open(test_context(), "csv:/no/such.csv", NULL, &d), NT_ERR_FILE, "/no/such.csv");
}
END_TEST

/* Any change of a table is a table or an error, never more. */
START_TEST(mutations_are_survived)
{
    char text[2000] = "a,b,kind\n", copy[2100];
    for (int i = 0; i < 20; i++)
        snprintf(
            text + strlen(text), 60, "%d,\"%g\",%c\n", test_int(0, 999), test_float(), 'a' + i % 3);
    for (int i = 0; i < 300; i++) {
        size_t size = strlen(text);
        memcpy(copy, text, size);
        size = fixture_mutate((uint8_t *)copy, size);
        char spec[1200], *path = fixture_path("mutated.csv");
        fixture_write(path, copy, size);
        snprintf(spec, sizeof spec, "csv:%s", path);
        struct nt_dataset_params params = {.target = {test_int(0, 1), {1}}};
        struct nt_dataset *d;
        if (nt_dataset_open(test_context(), spec, &params, &d) != NT_OK) {
            ck_assert(*nt_error_message(test_context()));
            continue;
        }
        const struct nt_dataset_info *info = nt_dataset_get_info(d);
        float *x = malloc((size_t)nt_shape_count(&info->item) * sizeof *x), y[64];
        for (int64_t at = 0; at < info->count; at++)
            test_ok(nt_dataset_item(test_context(), d, at, NULL, NT_ROW_MAJOR, x, y));
        free(x);
        nt_dataset_close(d);
    }
}
END_TEST

START_TEST(real_tables)
{
    static const struct {
        const char *path;
        int rows, columns, classes;
        const char *first;
    } tables[] = {
        {"datasets/tabular-timeseries/iris.csv", 150, 4, 3, "Iris-setosa"},
        {"datasets/tabular-timeseries/sonar.csv", 208, 60, 2, "M"},
        {"datasets/tabular-timeseries/pima-indians-diabetes.csv", 768, 8, 2, "0"},
    };
    for (int i = 0; i < 3; i++) {
        const char *path = test_data(tables[i].path);
        if (!path) {
            test_skip("../shared/data/datasets/tabular-timeseries is not there");
            return;
        }
        char spec[1200];
        snprintf(spec, sizeof spec, "csv:%s", path);
        struct nt_dataset *d = fixture_dataset(spec, NULL);
        const struct nt_dataset_info *info = nt_dataset_get_info(d);
        ck_assert_int_eq(info->count, tables[i].rows);
        ck_assert_int_eq(info->item.dim[0], tables[i].columns);
        ck_assert_int_eq(info->classes, tables[i].classes);
        ck_assert_str_eq(info->class_names[0], tables[i].first);
        nt_dataset_close(d);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("csv");
    TCase *tests = tcase_create("tables");
    tcase_add_test(tests, rows_are_items);
    tcase_add_test(tests, numbers_are_told);
    tcase_add_test(tests, classes_keep_their_numbers);
    tcase_add_test(tests, numbers_and_texts_are_classes);
    tcase_add_test(tests, one_column_of_numbers_is_a_series);
    tcase_add_test(tests, shares_are_set_aside);
    tcase_add_test(tests, faults_are_named);
    tcase_add_test(tests, mutations_are_survived);
    tcase_add_test(tests, real_tables);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
