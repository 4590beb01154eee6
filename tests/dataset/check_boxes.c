/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "frontend/dataset.h"
#include "frontend/file.h"
#include "tests/fixture.h"
#include "tests/testing.h"

#define MOST 4

static void write_text(const char *name, const char *text)
{
    test_ok(nt_file_replace(test_context(), fixture_path(name), text, strlen(text)));
}

static void write_picture(const char *dir, const char *stem, int width, int height)
{
    struct nt_picture picture;
    char name[200];
    test_ok(nt_picture_create(test_context(), width, height, 3, &picture));
    for (int i = 0; i < 3 * width * height; i++)
        picture.pixels[i] = (uint8_t)test_int(0, 255);
    snprintf(name, sizeof name, "%s/JPEGImages/%s.png", dir, stem);
    test_ok(nt_picture_write_png(test_context(), &picture, fixture_path(name)));
    nt_picture_finish(&picture);
}

static void annotate(const char *dir, const char *stem, const char *objects)
{
    char name[200], text[4000];
    snprintf(name, sizeof name, "%s/Annotations/%s.xml", dir, stem);
    snprintf(text, sizeof text,
        "<annotation><filename>x</filename><size><width>40</width><height>20</height></size>%s"
        "</annotation>\n",
        objects);
    write_text(name, text);
}

#define OBJECT(name, x1, y1, x2, y2)                                                               \
    "<object><name>" name "</name><difficult>0</difficult><bndbox><xmin>" #x1 "</xmin><ymin>" #y1  \
    "</ymin><xmax>" #x2 "</xmax><ymax>" #y2 "</ymax></bndbox></object>"

/* Two training pictures, one for tests; "a" has a cat and a dog, "b" nothing. */
static void write_data(const char *dir)
{
    char name[200];
    write_picture(dir, "a", 40, 20);
    write_picture(dir, "b", 40, 20);
    write_picture(dir, "c", 40, 20);
    annotate(dir, "a", OBJECT("dog", 10, 5, 30, 15) OBJECT("cat", 0, 0, 8, 20));
    annotate(dir, "b", "");
    annotate(dir, "c", OBJECT("owl", 1, 1, 2, 2));
    snprintf(name, sizeof name, "%s/ImageSets/Main/train.txt", dir);
    write_text(name, "a\nb  1\r\n\n");
    snprintf(name, sizeof name, "%s/ImageSets/Main/test.txt", dir);
    write_text(name, "c\n");
}

static enum nt_status open_split(const char *dir, enum nt_split split, struct nt_dataset **out)
{
    char spec[1200], name[200];
    snprintf(name, sizeof name, "%s/.x", dir);
    char *path = fixture_path(name);
    *strrchr(path, '/') = 0;
    snprintf(spec, sizeof spec, "boxes:%s", path);
    struct nt_dataset_params params = {
        .split = split, .item = {3, {3, 10, 10}}, .target = {2, {MOST, 5}}};
    return nt_dataset_open(test_context(), spec, &params, out);
}

START_TEST(boxes_are_scaled_with_the_picture)
{
    struct nt_dataset *data;
    float x[300], y[MOST][5];
    write_data("good");
    test_ok(open_split("good", NT_SPLIT_TRAIN, &data));
    const struct nt_dataset_info *info = nt_dataset_get_info(data);
    ck_assert_int_eq(info->count, 2);
    ck_assert_int_eq(info->box_classes, 3);
    ck_assert_str_eq(info->class_names[0], "cat");
    ck_assert_str_eq(info->class_names[1], "dog");
    ck_assert_str_eq(info->class_names[2], "owl");
    ck_assert_int_eq(info->target_dtype, NT_F32);
    test_ok(nt_dataset_item(test_context(), data, 0, NULL, NT_ROW_MAJOR, x, y));
    const float want[MOST][5] = {
        {1, 2.5f, 2.5f, 7.5f, 7.5f}, {0, 0, 0, 2, 10}, {-1, 0, 0, 0, 0}, {-1, 0, 0, 0, 0}};
    for (int i = 0; i < MOST; i++)
        for (int k = 0; k < 5; k++)
            ck_assert_float_eq_tol(y[i][k], want[i][k], 1e-5f);
    test_ok(nt_dataset_item(test_context(), data, 1, NULL, NT_ROW_MAJOR, x, y));
    ck_assert_float_eq(y[0][0], -1);
    nt_dataset_close(data);
    test_ok(open_split("good", NT_SPLIT_TEST, &data));
    ck_assert_int_eq(nt_dataset_get_info(data)->count, 1);
    test_ok(nt_dataset_item(test_context(), data, 0, NULL, NT_ROW_MAJOR, x, y));
    ck_assert_float_eq(y[0][0], 2);
    nt_dataset_close(data);
}
END_TEST

START_TEST(flips_mirror_both)
{
    struct nt_dataset *data;
    float plain[300], x[300], y[MOST][5];
    write_data("flip");
    test_ok(open_split("flip", NT_SPLIT_TRAIN, &data));
    test_ok(nt_dataset_item(test_context(), data, 0, NULL, NT_ROW_MAJOR, plain, y));
    int flipped = 0;
    struct nt_random random = {.key = 3};
    for (int round = 0; round < 40; round++) {
        test_ok(nt_dataset_item(test_context(), data, 0, &random, NT_ROW_MAJOR, x, y));
        bool flip = y[1][1] > 5; /* the cat stands at the left side */
        flipped += flip;
        ck_assert_float_eq_tol(y[1][flip ? 3 : 1], flip ? 10 : 0, 1e-5f);
        ck_assert_float_eq_tol(y[1][flip ? 1 : 3], flip ? 8 : 2, 1e-5f);
        for (int i = 0; i < 300; i++)
            ck_assert_float_eq(x[i], plain[flip ? i / 10 * 10 + 9 - i % 10 : i]);
    }
    ck_assert(flipped > 5 && flipped < 35);
    nt_dataset_close(data);
}
END_TEST

#define REPEATED(word) word word word word word word word word word word

/* Names are told apart by their last letter. */
START_TEST(long_names)
{
    struct nt_dataset *data;
    const char *twice = OBJECT(REPEATED("a long name of a class, ") "x", 1, 1, 2, 2)
        OBJECT(REPEATED("a long name of a class, ") "y", 1, 1, 2, 2);
    write_data("long");
    annotate("long", "b", twice);
    test_ok(open_split("long", NT_SPLIT_TRAIN, &data));
    ck_assert_int_eq(nt_dataset_get_info(data)->box_classes, 5);
    nt_dataset_close(data);
}
END_TEST

static void fails_with(
    const char *dir, const char *objects, enum nt_status status, const char *message)
{
    struct nt_dataset *data;
    write_data(dir);
    annotate(dir, "b", objects);
    test_fails(open_split(dir, NT_SPLIT_TRAIN, &data), status, message);
}

START_TEST(broken_files_are_named)
{
    struct nt_dataset *data;
    fails_with("order", OBJECT("cat", 5, 5, 3, 9), NT_ERR_FORMAT, "object 1: box 5, 5 to 3, 9");
    fails_with(
        "corner", "<object><name>cat</name></object>", NT_ERR_FORMAT, "must have four corners");
    fails_with("empty", OBJECT("cat", , 1, 2, 2), NT_ERR_FORMAT, "must have four corners");
    fails_with("infinite", OBJECT("cat", 1, 1, 1e999, 2), NT_ERR_FORMAT, "must have four corners");
    fails_with("name", OBJECT("", 1, 1, 2, 2), NT_ERR_FORMAT, "object 1: has no name");
    fails_with("length", OBJECT(REPEATED("a name that is far too long, "), 1, 1, 2, 2),
        NT_ERR_FORMAT, "name 'a name that is far too long, a name that...': must be shorter");
    fails_with("xml", "<object>", NT_ERR_FORMAT, "b.xml:1: mismatched tag: must be XML");
    fails_with("many",
        OBJECT("cat", 1, 1, 2, 2) OBJECT("cat", 1, 1, 2, 2) OBJECT("cat", 1, 1, 2, 2)
            OBJECT("cat", 1, 1, 2, 2) OBJECT("cat", 1, 1, 2, 2),
        NT_ERR_SHAPE, "5 objects: the model's target has room for 4");
    write_data("folder");
    write_picture("folder", "inner/d", 40, 20);
    annotate("folder", "inner/d", OBJECT("bee", 1, 1, 2, 2));
    write_text("folder/ImageSets/Main/train.txt", "a\ninner/d\n");
    test_fails(open_split("folder", NT_SPLIT_TRAIN, &data), NT_ERR_FORMAT,
        "object 1: class 'bee': must be in a file of Annotations itself");
    write_data("absent");
    write_text("absent/ImageSets/Main/train.txt", "z\n");
    test_fails(
        open_split("absent", NT_SPLIT_TRAIN, &data), NT_ERR_FILE, "there is no such picture");
    test_fails(open_split("nowhere", NT_SPLIT_TRAIN, &data), NT_ERR_FILE,
        "must hold ImageSets/Main/train.txt");
}
END_TEST

START_TEST(blood_cells)
{
    struct nt_dataset *data;
    char spec[1024];
    const char *dir = test_data("datasets/bccd");
    if (!dir) {
        test_skip("../shared/data/datasets/bccd is not there");
        return;
    }
    snprintf(spec, sizeof spec, "boxes:%s", dir);
    struct nt_dataset_params params = {.item = {3, {3, 96, 128}}, .target = {2, {64, 5}}};
    test_ok(nt_dataset_open(test_context(), spec, &params, &data));
    const struct nt_dataset_info *info = nt_dataset_get_info(data);
    ck_assert_int_eq(info->count, 205);
    ck_assert_int_eq(info->box_classes, 3);
    ck_assert_str_eq(info->class_names[0], "Platelets");
    float *x = malloc(sizeof *x * 3 * 96 * 128), y[64][5];
    for (int i = 0; i < 5; i++) {
        test_ok(nt_dataset_item(test_context(), data, i, NULL, NT_CHANNELS_LAST, x, y));
        ck_assert_float_ge(y[0][0], 0);
        for (int b = 0; b < 64; b++)
            ck_assert(y[b][1] >= 0 && y[b][3] <= 128 && y[b][2] >= 0 && y[b][4] <= 96);
    }
    free(x);
    nt_dataset_close(data);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("boxes");
    TCase *tcase = tcase_create("boxes");
    tcase_add_test(tcase, boxes_are_scaled_with_the_picture);
    tcase_add_test(tcase, flips_mirror_both);
    tcase_add_test(tcase, long_names);
    tcase_add_test(tcase, broken_files_are_named);
    tcase_add_test(tcase, blood_cells);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
