/* SPDX-License-Identifier: MIT */
#include "engine/profile.h"
#include "engine/store.h"
#include "tests/kernels.h"
#include "tests/testing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT 4096

static struct nt_device *device;
static struct nt_tape *tape;

static void start(void)
{
    test_ok(nt_device_open(test_context(), NULL, &device));
    test_ok(nt_profile_enable(device));
    test_ok(nt_profile_enable(device));
    test_ok(nt_tape_create(device, &tape));
    int32_t in = nt_tape_buffer(tape, NT_BUFFER_KEPT, COUNT * sizeof(float), "in");
    int32_t out = nt_tape_buffer(tape, NT_BUFFER_KEPT, COUNT * sizeof(float), "out");
    nt_tape_label(tape, "first \"layer\"");
    test_ok(test_affine(tape, 2, "1.0f", in, out, COUNT));
    nt_tape_label(tape, "second");
    test_ok(test_affine(tape, 2, "1.0f", in, out, COUNT));
    test_ok(test_affine(tape, 2, "1.0f", in, out, COUNT));
    test_ok(nt_tape_build(tape));
}

static void finish(void)
{
    nt_tape_destroy(tape);
    nt_device_close(device);
}

START_TEST(rows_count_calls_and_work)
{
    struct nt_profile_row *rows;
    int count;
    start();
    ck_assert(nt_profile_enabled(device));
    for (int i = 0; i < 500; i++) /* more calls than may be pending */
        test_ok(nt_tape_run(tape));
    test_ok(nt_profile_rows(device, false, &rows, &count));
    ck_assert_int_eq(count, 1);
    ck_assert_str_eq(rows[0].kernel, "affine");
    ck_assert_str_eq(rows[0].variant, "test");
    ck_assert_str_eq(rows[0].label, "");
    ck_assert_int_eq(rows[0].calls, 1500);
    ck_assert_double_eq(rows[0].flops, 1500.0 * 2 * COUNT);
    ck_assert(rows[0].seconds > 0 && rows[0].flops_per_second > 0);
    ck_assert_double_eq(rows[0].share, 1);
    free(rows);

    test_ok(nt_profile_rows(device, true, &rows, &count));
    ck_assert_int_eq(count, 2);
    ck_assert(rows[0].seconds >= rows[1].seconds);
    int second = strcmp(rows[1].label, "second") == 0;
    ck_assert_str_eq(rows[second].label, "second");
    ck_assert_int_eq(rows[second].calls, 1000);
    ck_assert_double_eq_tol(rows[0].share + rows[1].share, 1, 1e-9);
    free(rows);

    test_ok(nt_profile_reset(device));
    test_ok(nt_profile_rows(device, true, &rows, &count));
    ck_assert_int_eq(count, 0);
    free(rows);
    finish();
}
END_TEST

static int occurrences(const char *text, const char *part)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, part)); p++)
        n++;
    return n;
}

START_TEST(traces_hold_every_call)
{
    char path[128], *text;
    size_t bytes;
    start();
    for (int i = 0; i < 7; i++)
        test_ok(nt_tape_run(tape));
    snprintf(path, sizeof path, "%s/trace.json", test_folder());
    test_ok(nt_profile_trace(device, path));
    ck_assert_int_eq(nt_store_read(path, 1 << 20, &text, &bytes), 0);
    ck_assert_int_eq(occurrences(text, "\"ph\":\"X\""), 21);
    ck_assert_int_eq(occurrences(text, "\"label\":\"first \\\"layer\\\"\""), 7);
    ck_assert_int_eq(occurrences(text, "{"), occurrences(text, "}"));
    free(text);
    snprintf(path, sizeof path, "%s/no/such/folder.json", test_folder());
    test_fails(nt_profile_trace(device, path), NT_ERR_FILE, "no/such/folder.json: No such file");
    /* What is no regular file is written to, not replaced. */
    struct stat info;
    snprintf(path, sizeof path, "%s/full", test_folder());
    ck_assert_int_eq(symlink("/dev/full", path), 0);
    test_fails(nt_profile_trace(device, path), NT_ERR_FILE, "full: No space left on device");
    ck_assert(stat(path, &info) == 0 && S_ISCHR(info.st_mode));
    snprintf(path, sizeof path, "%s/link.json", test_folder());
    ck_assert_int_eq(symlink("trace.json", path), 0);
    test_ok(nt_profile_trace(device, path));
    ck_assert(lstat(path, &info) == 0 && S_ISLNK(info.st_mode));
    finish();
}
END_TEST

START_TEST(off_means_off)
{
    struct nt_profile_row *rows;
    int count = -1;
    test_ok(nt_device_open(test_context(), NULL, &device));
    ck_assert(!nt_profile_enabled(device));
    test_ok(nt_profile_rows(device, false, &rows, &count));
    ck_assert_int_eq(count, 0);
    free(rows);
    test_ok(nt_profile_reset(device));
    test_fails(nt_profile_trace(device, "/tmp/none.json"), NT_ERR_ARGUMENT, "profiling is off");
    nt_device_close(device);
    setenv("NEUTRA_PROFILE", "1", 1);
    test_ok(nt_device_open(test_context(), NULL, &device));
    ck_assert(nt_profile_enabled(device));
    nt_device_close(device);
    unsetenv("NEUTRA_PROFILE");
}
END_TEST

int main(void)
{
    unsetenv("NEUTRA_PROFILE");
    test_kernels();
    Suite *suite = suite_create("profile");
    TCase *tcase = tcase_create("profile");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, rows_count_calls_and_work);
    tcase_add_test(tcase, traces_hold_every_call);
    tcase_add_test(tcase, off_means_off);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
