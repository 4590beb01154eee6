/* SPDX-License-Identifier: MIT */
#include "frontend/progress.h"

#include <string.h>
#include <unistd.h>

#include "tests/testing.h"

static const char *const parts[] = {"loss 0.5123", "accuracy 81.2 %", "ETA 0:12"};

START_TEST(line_never_exceeds_the_window)
{
    char text[512];
    for (int width = 1; width < 120; width++) {
        nt_progress_line(text, sizeof text, width, "epoch 1/3", 0.4, 3, parts);
        ck_assert_msg(strlen(text) <= (size_t)width, "width %d: \"%s\"", width, text);
    }
}
END_TEST

START_TEST(line_leaves_off_what_matters_least)
{
    char text[512];
    nt_progress_line(text, sizeof text, 100, "epoch 1/3", 0.5, 3, parts);
    ck_assert_str_eq(
        text, "epoch 1/3  [##########----------]  loss 0.5123  accuracy 81.2 %  ETA 0:12");
    nt_progress_line(text, sizeof text, 60, "epoch 1/3", 0.5, 3, parts);
    ck_assert_str_eq(text, "epoch 1/3  loss 0.5123  accuracy 81.2 %  ETA 0:12");
    nt_progress_line(text, sizeof text, 25, "epoch 1/3", 0.5, 3, parts);
    ck_assert_str_eq(text, "epoch 1/3  loss 0.5123");
    nt_progress_line(text, sizeof text, 5, "epoch 1/3", 0.5, 3, parts);
    ck_assert_str_eq(text, "epoch");
    nt_progress_line(text, sizeof text, 0, "epoch 1/3", 0.5, 2, parts);
    ck_assert_str_eq(text, "epoch 1/3  loss 0.5123  accuracy 81.2 %");
    nt_progress_line(text, sizeof text, 0, "evaluating", 0.374, 0, NULL);
    ck_assert_str_eq(text, "evaluating  37 %");
    nt_progress_line(text, sizeof text, 0, "preparing", -1, 0, NULL);
    ck_assert_str_eq(text, "preparing");
}
END_TEST

START_TEST(line_keeps_to_its_buffer)
{
    char text[24];
    memset(text, 'x', sizeof text);
    nt_progress_line(text, 16, 0, "epoch 1/3", 1, 3, parts);
    ck_assert(memchr(text, 0, 16) != NULL);
    ck_assert_int_eq(text[16], 'x');
}
END_TEST

START_TEST(plain_output_is_whole_lines)
{
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    struct nt_progress_params params = {.file = file, .plain_interval = 1e-9};
    struct nt_progress *progress = nt_progress_create(&params);
    ck_assert(nt_progress_due(progress));
    nt_progress_show(progress, "epoch 1/3", 0.5, 1, parts);
    nt_progress_clear(progress);
    nt_progress_print(progress, "done");
    nt_progress_destroy(progress);
    char text[200] = "";
    rewind(file);
    ck_assert_uint_gt(fread(text, 1, sizeof text - 1, file), 0);
    ck_assert_str_eq(text, "epoch 1/3  loss 0.5123\ndone\n");
    fclose(file);
}
END_TEST

START_TEST(time_as_people_write_it)
{
    char text[32];
    ck_assert_str_eq(nt_progress_time(7.6, text, sizeof text), "8 s");
    ck_assert_str_eq(nt_progress_time(245, text, sizeof text), "4:05");
    ck_assert_str_eq(nt_progress_time(7389, text, sizeof text), "2:03:09");
    ck_assert_str_eq(nt_progress_time(1.0 / 0.0, text, sizeof text), "?");
}
END_TEST

START_TEST(null_is_silent)
{
    ck_assert(!nt_progress_due(NULL));
    nt_progress_show(NULL, "head", 0, 0, NULL);
    nt_progress_clear(NULL);
    nt_progress_print(NULL, "text");
    nt_progress_destroy(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("progress");
    TCase *tests = tcase_create("progress");
    tcase_add_test(tests, line_never_exceeds_the_window);
    tcase_add_test(tests, line_leaves_off_what_matters_least);
    tcase_add_test(tests, line_keeps_to_its_buffer);
    tcase_add_test(tests, plain_output_is_whole_lines);
    tcase_add_test(tests, time_as_people_write_it);
    tcase_add_test(tests, null_is_silent);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
