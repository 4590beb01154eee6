/* SPDX-License-Identifier: MIT */
#include "frontend/schedule.h"

#include <math.h>

#include "tests/testing.h"

#define close_to(got, want)                                                                        \
    ck_assert_msg(fabs((got) - (want)) <= 1e-12 * fmax(1, fabs((double)(want))),                   \
        "%s: got %.17g, want %.17g", #got, (double)(got), (double)(want))

START_TEST(constant)
{
    struct nt_schedule s = {.learning_rate = 0.3, .steps = 100};
    for (int i = 0; i < 200; i += test_int(1, 20))
        close_to(nt_schedule_rate(&s, i), 0.3);
}
END_TEST

START_TEST(step)
{
    struct nt_schedule s = {.kind = NT_SCHEDULE_STEP, .learning_rate = 1, .steps = 90};
    close_to(nt_schedule_rate(&s, 0), 1);
    close_to(nt_schedule_rate(&s, 29), 1);
    close_to(nt_schedule_rate(&s, 30), 0.1);
    close_to(nt_schedule_rate(&s, 89), 0.01);
    s.step_size = test_int(1, 50);
    s.gamma = 0.5;
    for (int i = 0; i < 90; i++)
        close_to(nt_schedule_rate(&s, i), pow(0.5, (double)(i / (int)s.step_size)));
}
END_TEST

START_TEST(cosine)
{
    struct nt_schedule s = {.kind = NT_SCHEDULE_COSINE, .learning_rate = 2, .steps = 100};
    close_to(nt_schedule_rate(&s, 0), 2);
    close_to(nt_schedule_rate(&s, 50), 1);
    close_to(nt_schedule_rate(&s, 25), 1 + cos(acos(-1) / 4));
    ck_assert(nt_schedule_rate(&s, 99) > 0);
    ck_assert(nt_schedule_rate(&s, 1000) < 1e-12);
    for (int i = 1; i < 100; i++)
        ck_assert(nt_schedule_rate(&s, i) < nt_schedule_rate(&s, i - 1));
}
END_TEST

START_TEST(poly)
{
    struct nt_schedule s = {.kind = NT_SCHEDULE_POLY, .learning_rate = 1, .steps = 10};
    close_to(nt_schedule_rate(&s, 4), 0.6);
    s.power = 2;
    close_to(nt_schedule_rate(&s, 4), 0.36);
    close_to(nt_schedule_rate(&s, 11), 0);
}
END_TEST

START_TEST(warmup)
{
    struct nt_schedule s = {
        .kind = NT_SCHEDULE_COSINE, .learning_rate = 1, .steps = 30, .warmup = 10};
    for (int i = 0; i < 10; i++)
        close_to(nt_schedule_rate(&s, i), (i + 1) / 10.0);
    close_to(nt_schedule_rate(&s, 10), 1);
    close_to(nt_schedule_rate(&s, 20), 0.5);
    s.warmup = 30; /* nothing but warm-up */
    close_to(nt_schedule_rate(&s, 29), 1);
    ck_assert(isfinite(nt_schedule_rate(&s, 30)));
}
END_TEST

START_TEST(names)
{
    for (int i = 0; i <= NT_SCHEDULE_POLY; i++) {
        enum nt_schedule_kind kind;
        ck_assert(nt_schedule_parse(nt_schedule_name((enum nt_schedule_kind)i), &kind));
        ck_assert_int_eq(kind, i);
    }
    enum nt_schedule_kind kind = NT_SCHEDULE_POLY;
    ck_assert(!nt_schedule_parse("cosinus", &kind));
    ck_assert_int_eq(kind, NT_SCHEDULE_POLY);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedule");
    TCase *tests = tcase_create("schedule");
    tcase_add_test(tests, constant);
    tcase_add_test(tests, step);
    tcase_add_test(tests, cosine);
    tcase_add_test(tests, poly);
    tcase_add_test(tests, warmup);
    tcase_add_test(tests, names);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
