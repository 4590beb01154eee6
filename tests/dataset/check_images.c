/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "frontend/dataset.h"
#include "tests/fixture.h"
#include "tests/testing.h"

/* A spec of a path in the test's folder; valid until the next call. */
static const char *spec(const char *kind, const char *path)
{
    static char text[1200];
    snprintf(text, sizeof text, "%s:%s", kind, path);
    return text;
}

/* Two classes: dark and bright pictures of odd sizes. */
static char *write_images(const char *root, const char *part, int each)
{
    char name[256], *path = NULL;
    for (int class = 0; class < 2; class ++)
        for (int i = 0; i < each; i++) {
            bool png = i % 2;
            snprintf(name, sizeof name, "%s/%s%s/%d.%s", root, part, class ? "bright" : "a dark", i,
                png ? "PNG" : "jpeg");
            path = fixture_path(name);
            struct nt_picture picture;
            int width = test_int(20, 90), height = test_int(20, 90);
            test_ok(nt_picture_create(test_context(), width, height, i % 3 ? 3 : 1, &picture));
            memset(picture.pixels, class ? 220 : 30,
                (size_t)width * (size_t)height * (size_t)picture.channels);
            if (png)
                test_ok(nt_picture_write_png(test_context(), &picture, path));
            else
                fixture_write_jpeg(path, &picture, 90);
            nt_picture_finish(&picture);
        }
    snprintf(name, sizeof name, "%s/x", root);
    path = fixture_path(name);
    *strrchr(path, '/') = 0;
    return path;
}

START_TEST(images_by_folder)
{
    char *dir = write_images("flat", "", 10);
    struct nt_dataset_params params = {.image_size = 16, .channels = 1, .split = NT_SPLIT_TEST};
    struct nt_dataset *d = fixture_dataset(spec("images", dir), &params);
    const struct nt_dataset_info *info = nt_dataset_get_info(d);
    ck_assert_int_eq(info->count, 20);
    ck_assert_int_eq(info->classes, 2);
    ck_assert_str_eq(info->class_names[0], "a dark");
    for (int64_t i = 0; i < 20; i++) {
        struct nt_random random = {.key = 5, .stream = (uint64_t)i};
        for (int augmented = 0; augmented < 2; augmented++) {
            float x[256];
            int32_t y = -1;
            test_ok(nt_dataset_item(
                test_context(), d, i, augmented ? &random : NULL, NT_ROW_MAJOR, x, &y));
            ck_assert_int_eq(y, i / 10);
            for (int j = 0; j < 256; j++)
                ck_assert_float_eq_tol(
                    x[j], ((y ? 220 : 30) / 255.0f - 0.449f) / 0.226f, 3 / 255.0f / 0.226f);
        }
        char name[256];
        nt_dataset_item_name(d, i, name, sizeof name);
        ck_assert_ptr_nonnull(strstr(name, i < 10 ? "/a dark/" : "/bright/"));
    }
    nt_dataset_close(d);
    params.split = NT_SPLIT_VALIDATION;
    test_fails(nt_dataset_open(test_context(), spec("images", dir), &params, &d), NT_ERR_ARGUMENT,
        "has no validation part: give a validation share");
    params = (struct nt_dataset_params){.image_size = 9000};
    test_fails(nt_dataset_open(test_context(), spec("images", dir), &params, &d), NT_ERR_ARGUMENT,
        "1 to 8192");
}
END_TEST

static void count_line(void *user, enum nt_log_level level, const char *text)
{
    *(int *)user += level == NT_LOG_WARNING && strstr(text, "/empty: no JPEG or PNG picture");
}

/* Once, though a training opens the folder twice: for the items, and for those set aside. */
START_TEST(empty_class_is_told_once)
{
    int lines = 0;
    char *dir = write_images("hole", "", 10);
    struct nt_context *ctx;
    struct nt_context_params params = {.log = count_line, .log_user = &lines};
    test_ok(nt_context_create(&params, &ctx));
    fixture_path("hole/empty/x"); /* makes the folder */
    for (enum nt_split split = NT_SPLIT_TRAIN; split <= NT_SPLIT_VALIDATION; split++) {
        struct nt_dataset_params part = {.image_size = 16, .split = split, .validation_share = 0.3};
        struct nt_dataset *d;
        test_ok(nt_dataset_open(ctx, spec("images", dir), &part, &d));
        ck_assert_int_eq(nt_dataset_get_info(d)->classes, 3);
        nt_dataset_close(d);
    }
    ck_assert_int_eq(lines, 1);
    nt_context_destroy(ctx);
}
END_TEST

/* The middle of a picture, blue first: the same picture when it is looked at. */
START_TEST(images_cut_out_and_blue_first)
{
    char *path = fixture_path("order/class/p.png"), *other = fixture_path("order/x/q.png");
    char dir[1100];
    snprintf(dir, sizeof dir, "%.*s", (int)(strstr(path, "/class") - path), path);
    struct nt_picture picture = fixture_picture(64, 48, 3), a, b;
    test_ok(nt_picture_write_png(test_context(), &picture, path));
    test_ok(nt_picture_write_png(test_context(), &picture, other));
    float rgb[3 * 256], bgr[3 * 256];
    int32_t y;
    for (int layout = 0; layout < 2; layout++) {
        struct nt_dataset_params params = {.image_size = 16, .resize = 24};
        const enum nt_layout order = layout ? NT_CHANNELS_LAST : NT_ROW_MAJOR;
        struct nt_dataset *d = fixture_dataset(spec("images", dir), &params);
        ck_assert_double_eq_tol(nt_dataset_get_info(d)->crop, 16 / 24.0, 1e-12);
        test_ok(nt_dataset_item(test_context(), d, 0, NULL, order, rgb, &y));
        test_ok(nt_dataset_picture(test_context(), d, 0, &a));
        nt_dataset_close(d);
        params.bgr = true;
        d = fixture_dataset(spec("images", dir), &params);
        test_ok(nt_dataset_item(test_context(), d, 0, NULL, order, bgr, &y));
        test_ok(nt_dataset_picture(test_context(), d, 0, &b));
        nt_dataset_close(d);
        for (int i = 0; i < 256; i++)
            for (int c = 0; c < 3; c++)
                ck_assert(rgb[layout ? 3 * i + c : 256 * c + i] ==
                          bgr[layout ? 3 * i + 2 - c : 256 * (2 - c) + i]);
        ck_assert(memcmp(a.pixels, b.pixels, sizeof rgb / sizeof *rgb) == 0);
        /* The middle two thirds of the height. */
        struct nt_box box = {16, 8, 32, 32};
        struct nt_picture middle;
        test_ok(nt_picture_resize(test_context(), &picture, &box, 16, 16, &middle));
        for (int i = 0; i < 3 * 256; i++)
            ck_assert_int_le(abs(a.pixels[i] - middle.pixels[i]), 1);
        nt_picture_finish(&middle);
        nt_picture_finish(&a);
        nt_picture_finish(&b);
    }
    nt_picture_finish(&picture);
    struct nt_dataset *d;
    struct nt_dataset_params wrong = {.image_size = 16, .resize = 12};
    test_fails(nt_dataset_open(test_context(), spec("images", dir), &wrong, &d), NT_ERR_ARGUMENT,
        "images: resized to 12: must be at least 16");
    wrong = (struct nt_dataset_params){.image_size = 16, .channels = 1, .bgr = true};
    test_fails(nt_dataset_open(test_context(), spec("images", dir), &wrong, &d), NT_ERR_ARGUMENT,
        "channels bgr: its items have no three colours");
}
END_TEST

START_TEST(images_in_parts)
{
    char *dir = write_images("parts", "train/", 6);
    write_images("parts", "val/", 3);
    struct nt_dataset_params params = {.image_size = 16};
    const int counts[] = {12, 6, 6}; /* the test part is val when there is no other */
    struct nt_dataset *d;
    for (int split = 0; split < 3; split++) {
        params.split = split;
        d = fixture_dataset(spec("images", dir), &params);
        ck_assert_int_eq(nt_dataset_get_info(d)->count, counts[split]);
        ck_assert_int_eq(nt_dataset_get_info(d)->item.dim[0], 3);
        nt_dataset_close(d);
    }
    fixture_path("parts/val/stranger/x");
    test_fails(nt_dataset_open(test_context(), spec("images", dir), &params, &d), NT_ERR_FORMAT,
        "val/stranger: there is no class of this name");
    char *empty = fixture_path("empty/x");
    *strrchr(empty, '/') = 0;
    test_fails(nt_dataset_open(test_context(), spec("images", empty), &params, &d), NT_ERR_FILE,
        "one folder of pictures per class");
    fixture_path("empty/class/x");
    test_fails(nt_dataset_open(test_context(), spec("images", empty), &params, &d), NT_ERR_FILE,
        "no JPEG or PNG picture");
}
END_TEST

START_TEST(augmentation_is_repeatable)
{
    char *path = fixture_path("augment/class/p.png"), *dir = fixture_path("augment/x");
    *strrchr(dir, '/') = 0;
    struct nt_picture picture = fixture_picture(80, 60, 3);
    test_ok(nt_picture_write_png(test_context(), &picture, path));
    nt_picture_finish(&picture);
    struct nt_dataset_params params = {.image_size = 24};
    struct nt_dataset *d = fixture_dataset(spec("images", dir), &params);
    enum { COUNT = 3 * 24 * 24 };
    float x[3][COUNT];
    int32_t y;
    for (int i = 0; i < 3; i++) {
        struct nt_random random = {.key = 1, .stream = (uint64_t)(i / 2)};
        test_ok(nt_dataset_item(test_context(), d, 0, &random, NT_ROW_MAJOR, x[i], &y));
    }
    ck_assert_mem_eq(x[0], x[1], sizeof x[0]);
    ck_assert(memcmp(x[0], x[2], sizeof x[0]) != 0);
    nt_dataset_close(d);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("images");
    TCase *tcase = tcase_create("images");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, images_by_folder);
    tcase_add_test(tcase, empty_class_is_told_once);
    tcase_add_test(tcase, images_cut_out_and_blue_first);
    tcase_add_test(tcase, images_in_parts);
    tcase_add_test(tcase, augmentation_is_repeatable);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
