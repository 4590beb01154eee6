/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/dataset.h"
#include "tests/fixture.h"
#include "tests/testing.h"

#define COUNT 100
#define WINDOW 7
#define HORIZON 3

static double value[COUNT];

static const char *write_table(const char *name, const char *text)
{
    static char spec[1200];
    char *path = fixture_path(name);
    fixture_write(path, text, strlen(text));
    snprintf(spec, sizeof spec, "series:%s", path);
    return spec;
}

/* Fresh values, as a table with a date, the value and a word. */
static const char *write_values(const char *name)
{
    char text[COUNT * 60] = "\"Date\",\"Value\",\"Note\"\r\n";
    for (int i = 0; i < COUNT; i++) {
        value[i] = 500 + 100 * test_float();
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, "\"1990-%02d, a day\", %.9g,fine\r\n", i, value[i]);
    }
    return write_table(name, text);
}

static struct nt_dataset_params params_of(enum nt_split split, double share)
{
    return (struct nt_dataset_params){.split = split,
        .validation_share = share,
        .item = {2, {WINDOW, 1}},
        .target = {1, {HORIZON}}};
}

/* Item i must be the values from `first` + i on. */
static void check_items(const struct nt_dataset *d, int first)
{
    const struct nt_dataset_info *info = nt_dataset_get_info(d);
    for (int64_t i = 0; i < info->count; i++) {
        float x[WINDOW + HORIZON];
        test_ok(nt_dataset_item(test_context(), d, i, NULL, NT_ROW_MAJOR, x, x + WINDOW));
        for (int j = 0; j < WINDOW + HORIZON; j++)
            ck_assert_double_eq_tol(
                x[j] * info->deviation[0] + info->mean[0], value[first + i + j], 1e-3);
    }
}

START_TEST(windows_and_their_future)
{
    const char *spec = write_values("values.csv");
    struct nt_dataset_params params = params_of(NT_SPLIT_TRAIN, 0.2);
    struct nt_dataset *d;
    test_ok(nt_dataset_open(test_context(), spec, &params, &d));
    const struct nt_dataset_info *info = nt_dataset_get_info(d);
    double sum = 0, squares = 0;
    for (int i = 0; i < 80; i++)
        sum += value[i] / 80;
    for (int i = 0; i < 80; i++)
        squares += (value[i] - sum) * (value[i] - sum) / 80;
    ck_assert_double_eq_tol(info->mean[0], sum, 1e-3);
    ck_assert_double_eq_tol(info->deviation[0], sqrt(squares), 1e-3);
    ck_assert_int_eq(info->count, 80 - WINDOW - HORIZON + 1);
    ck_assert_int_eq(info->classes, 0);
    ck_assert_int_eq(info->target_dtype, NT_F32);
    ck_assert_int_eq(info->target.dim[0], HORIZON);
    check_items(d, 0);
    nt_dataset_close(d);
    params.split = NT_SPLIT_VALIDATION; /* the targets are held out, not what comes before */
    test_ok(nt_dataset_open(test_context(), spec, &params, &d));
    info = nt_dataset_get_info(d);
    ck_assert_int_eq(info->count, 20 - HORIZON + 1);
    ck_assert_double_eq_tol(info->mean[0], sum, 1e-3);
    check_items(d, 80 - WINDOW);
    nt_dataset_close(d);
    params = params_of(NT_SPLIT_TEST, 0);
    params.mean[0] = 3;
    params.deviation[0] = 50;
    test_ok(nt_dataset_open(test_context(), spec, &params, &d));
    ck_assert_int_eq(nt_dataset_get_info(d)->count, COUNT - WINDOW - HORIZON + 1);
    ck_assert(nt_dataset_get_info(d)->deviation[0] == 50);
    check_items(d, 0);
    nt_dataset_close(d);
}
END_TEST

static float first_value(const char *spec)
{
    struct nt_dataset *d = NULL;
    struct nt_dataset_params params = {
        .item = {1, {2}}, .mean = {0}, .deviation = {1}, .target = {1, {1}}};
    test_ok(nt_dataset_open(test_context(), spec, &params, &d));
    float x[2], y;
    test_ok(nt_dataset_item(test_context(), d, 0, NULL, NT_ROW_MAJOR, x, &y));
    nt_dataset_close(d);
    return x[0];
}

START_TEST(tables_of_many_forms)
{
    char spec[1300];
    ck_assert(first_value(write_table("bare.csv", "1.5\n2\n3\n4")) == 1.5f);
    ck_assert(first_value(write_table("last.csv", "a,b\n1,10\n2,20\n3,30\n\n4,40\n")) == 10);
    ck_assert(first_value(write_table("semi.csv", "a;b\n1;10\n2;20\n3;30\n")) == 10);
    ck_assert(first_value(write_table("tab.csv", "1\t-7e1\n1\t2\n1\t3\n")) == -70);
    snprintf(spec, sizeof spec, "%s,a", write_table("name.csv", "a,b\n1,10\n2,20\n3,30\n"));
    ck_assert(first_value(spec) == 1);
    snprintf(spec, sizeof spec, "%s,a, b",
        write_table("comma, in.csv", "x,\"a, b\"\n1,10\n2,20\n3,30\n"));
    struct nt_dataset *d;
    test_fails(nt_dataset_open(test_context(), spec, NULL, &d), NT_ERR_FILE, "comma, in.csv,a");
}
END_TEST

START_TEST(faults_are_named)
{
    struct nt_dataset *d;
    struct nt_dataset_params params = {.item = {1, {2}}};
    const struct {
        const char *text, *message;
        enum nt_status status;
    } faults[] = {
        {"", "0 values in this part", NT_ERR_ARGUMENT},
        {"a,b\n", "0 values in this part", NT_ERR_ARGUMENT},
        {"a,b\n1,2\n", "1 values in this part: too few for a window of 2 and 1", NT_ERR_ARGUMENT},
        {"a,b\nx,y\n", "has no column of numbers", NT_ERR_FORMAT},
        {"a,b\n1,2\n3,\n", ".csv:3: column 2 is '': must be a number", NT_ERR_FORMAT},
        {"a,b\n1,2\n3\n", ".csv:3: column 2 is ''", NT_ERR_FORMAT},
        {"a,b\n1,2\n3,nan\n", ".csv:3: column 2 is 'nan'", NT_ERR_FORMAT},
        {"1\n2\n3 4\n", ".csv:3: column 1 is '3 4'", NT_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        test_fails(
            nt_dataset_open(test_context(), write_table("fault.csv", faults[i].text), &params, &d),
            faults[i].status, faults[i].message);
    char spec[1300];
    snprintf(spec, sizeof spec, "%s,c", write_table("name.csv", "a,b\n1,10\n2,20\n3,30\n"));
    test_fails(
        nt_dataset_open(test_context(), spec, &params, &d), NT_ERR_FORMAT, "has no column c");
    params.augment = NT_AUGMENT_CROP;
    test_fails(nt_dataset_open(test_context(), spec, &params, &d), NT_ERR_ARGUMENT, "not cropped");
}
END_TEST

/* Any change of a table is a series or an error, never more. */
START_TEST(mutations_are_survived)
{
    static char text[COUNT * 60 + 100], copy[COUNT * 60 + 100];
    snprintf(text, sizeof text, "\"Month\",\"Passengers\"\n");
    for (int i = 0; i < 20; i++)
        snprintf(text + strlen(text), 60, "\"1949-%02d\",%d\n", i, test_int(0, 999));
    for (int i = 0; i < 300; i++) {
        size_t size = strlen(text);
        memcpy(copy, text, size);
        size = fixture_mutate((uint8_t *)copy, size);
        char spec[1200], *path = fixture_path("mutated.csv");
        fixture_write(path, copy, size);
        snprintf(spec, sizeof spec, "series:%s", path);
        struct nt_dataset_params params = {.item = {1, {4}}};
        struct nt_dataset *d;
        if (nt_dataset_open(test_context(), spec, &params, &d) != NT_OK) {
            ck_assert(*nt_error_message(test_context()));
            continue;
        }
        for (int64_t at = 0; at < nt_dataset_get_info(d)->count; at++) {
            float x[4], y = NAN;
            test_ok(nt_dataset_item(test_context(), d, at, NULL, NT_ROW_MAJOR, x, &y));
            ck_assert(isfinite(x[0]) && isfinite(y));
        }
        nt_dataset_close(d);
    }
}
END_TEST

START_TEST(airline_passengers)
{
    const char *path = test_data("datasets/tabular-timeseries/airline-passengers.csv");
    if (!path) {
        test_skip("../shared/data/datasets/tabular-timeseries is not there");
        return;
    }
    char spec[1200];
    snprintf(spec, sizeof spec, "series:%s", path);
    struct nt_dataset *d;
    test_ok(nt_dataset_open(test_context(), spec, NULL, &d));
    ck_assert_int_eq(nt_dataset_get_info(d)->count, 144 - 24);
    ck_assert(fabs(nt_dataset_get_info(d)->mean[0] - 280.2986f) < 0.01);
    nt_dataset_close(d);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("series");
    TCase *tcase = tcase_create("series");
    tcase_set_timeout(tcase, 100);
    tcase_add_test(tcase, windows_and_their_future);
    tcase_add_test(tcase, tables_of_many_forms);
    tcase_add_test(tcase, faults_are_named);
    tcase_add_test(tcase, mutations_are_survived);
    tcase_add_test(tcase, airline_passengers);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
