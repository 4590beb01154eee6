/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "frontend/dataset.h"
#include "tests/testing.h"

static struct nt_dataset *open_part(const char *spec, enum nt_split split)
{
    struct nt_dataset *dataset = NULL;
    test_ok(nt_dataset_open(
        test_context(), spec, &(struct nt_dataset_params){.split = split}, &dataset));
    return dataset;
}

static int class_of(const struct nt_dataset *d, int64_t i, float x[2])
{
    int32_t y = -5;
    test_ok(nt_dataset_item(test_context(), d, i, NULL, NT_CHANNELS_LAST, x, &y));
    return y;
}

START_TEST(points_lie_where_their_class_says)
{
    for (int split = NT_SPLIT_TRAIN; split <= NT_SPLIT_TEST; split += 2) {
        struct nt_dataset * xor = open_part("toy:xor", split), *ring = open_part("toy:ring", split);
        for (int64_t i = 0; i < nt_dataset_get_info(xor)->count; i++) {
            float x[2];
            int class = class_of(xor, i, x);
            ck_assert_int_eq(class, x[0] * x[1] < 0);
            class = class_of(ring, i, x);
            ck_assert_int_eq(class, hypotf(x[0], x[1]) > 0.575f);
            ck_assert(hypotf(x[0], x[1]) <= 1.0001f);
        }
        nt_dataset_close(xor);
        nt_dataset_close(ring);
    }
}
END_TEST

/* What a straight line can do at best: directions and offsets are tried. */
static double best_line(const struct nt_dataset *d)
{
    int64_t count = nt_dataset_get_info(d)->count, best = 0;
    for (int angle = 0; angle < 72; angle++)
        for (int offset = -20; offset <= 20; offset++) {
            int64_t right = 0;
            for (int64_t i = 0; i < count; i++) {
                float x[2];
                int class = class_of(d, i, x);
                double a = angle * 3.14159265 / 36;
                right += (x[0] * cos(a) + x[1] * sin(a) > offset / 20.0) == (class > 0);
            }
            best = right > best ? right : best;
        }
    return (double)best / (double)count;
}

START_TEST(no_line_parts_the_classes)
{
    static const char *const specs[] = {"toy:xor", "toy:ring", "toy:modes"};
    for (int i = 0; i < 3; i++) {
        struct nt_dataset *d = open_part(specs[i], NT_SPLIT_TEST);
        ck_assert_int_eq(nt_dataset_get_info(d)->classes, 2);
        double share = best_line(d);
        ck_assert_msg(share > 0.5 && share < 0.8, "%s: a line is right for %g", specs[i], share);
        nt_dataset_close(d);
    }
}
END_TEST

START_TEST(parts_differ_and_repeat)
{
    struct nt_dataset *a = open_part("toy:spiral", NT_SPLIT_TRAIN);
    struct nt_dataset *b = open_part("toy:spiral", NT_SPLIT_TRAIN);
    struct nt_dataset *c = open_part("toy:spiral", NT_SPLIT_TEST);
    ck_assert_int_eq(nt_dataset_get_info(a)->classes, 3);
    ck_assert_int_eq(nt_dataset_get_info(a)->count, 2000);
    ck_assert_int_eq(nt_dataset_get_info(c)->count, 1000);
    for (int64_t i = 0; i < 1000; i++) {
        float x[2], y[2], z[2];
        ck_assert_int_eq(class_of(a, i, x), class_of(b, i, y));
        ck_assert_int_eq(class_of(c, i, z), i % 3);
        ck_assert(!memcmp(x, y, sizeof x));
        ck_assert(memcmp(x, z, sizeof x) != 0);
        ck_assert(isfinite(x[0]) && hypotf(x[0], x[1]) < 1.001f);
    }
    nt_dataset_close(a);
    nt_dataset_close(b);
    nt_dataset_close(c);
}
END_TEST

START_TEST(what_is_no_problem)
{
    struct nt_dataset *d;
    test_fails(nt_dataset_open(test_context(), "toy:moons", NULL, &d), NT_ERR_ARGUMENT,
        "known are xor, ring, modes and spiral");
    test_fails(nt_dataset_open(test_context(), "toy", NULL, &d), NT_ERR_ARGUMENT, "toy:NAME");
    struct nt_dataset_params params = {.augment = NT_AUGMENT_FLIP};
    test_fails(nt_dataset_open(test_context(), "toy:xor", &params, &d), NT_ERR_ARGUMENT,
        "not cropped or flipped");
    params = (struct nt_dataset_params){.split = NT_SPLIT_VALIDATION};
    test_fails(nt_dataset_open(test_context(), "toy:xor", &params, &d), NT_ERR_ARGUMENT,
        "toy:xor: has no validation part");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("toy");
    TCase *tcase = tcase_create("toy");
    tcase_set_timeout(tcase, 100);
    tcase_add_test(tcase, points_lie_where_their_class_says);
    tcase_add_test(tcase, no_line_parts_the_classes);
    tcase_add_test(tcase, parts_differ_and_repeat);
    tcase_add_test(tcase, what_is_no_problem);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
