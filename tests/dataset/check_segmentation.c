/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "frontend/dataset.h"
#include "tests/fixture.h"
#include "tests/testing.h"

#define SIDE 8

/* What a mask holds. */
enum form { CLASSES, BLACK_AND_WHITE, IGNORING };

/* A picture whose red says the column, green the row and blue the class of a pixel. */
static void write_pair(const char *dir, const char *pictures, const char *masks, int number,
    int width, int height, enum form form)
{
    struct nt_picture picture, mask;
    char name[300];
    test_ok(nt_picture_create(test_context(), width, height, 3, &picture));
    test_ok(nt_picture_create(test_context(), width, height, 1, &mask));
    for (int i = 0; i < width * height; i++) {
        int class = form == BLACK_AND_WHITE ? test_int(0, 1) : i < 4 ? i : test_int(0, 3);
        picture.pixels[3 * i] = (uint8_t)(i % width);
        picture.pixels[3 * i + 1] = (uint8_t)(i / width);
        picture.pixels[3 * i + 2] = (uint8_t) class;
        mask.pixels[i] =
            (uint8_t)(form == CLASSES           ? class
                      : form == BLACK_AND_WHITE ? (class ? test_int(128, 255) : test_int(0, 127))
                      : class == 3              ? 255
                                                : class);
    }
    snprintf(name, sizeof name, "%s/%s/%d.png", dir, pictures, number);
    test_ok(nt_picture_write_png(test_context(), &picture, fixture_path(name)));
    snprintf(name, sizeof name, "%s/%s/%d.png", dir, masks, number);
    test_ok(nt_picture_write_png(test_context(), &mask, fixture_path(name)));
    nt_picture_finish(&picture);
    nt_picture_finish(&mask);
}

static const char *spec_of(const char *dir)
{
    static char spec[1200];
    char name[300];
    snprintf(name, sizeof name, "%s/.x", dir);
    char *path = fixture_path(name);
    *strrchr(path, '/') = 0;
    snprintf(spec, sizeof spec, "segmentation:%s", path);
    return spec;
}

static struct nt_dataset_params params_of(enum nt_split split)
{
    /* values are bytes then */
    return (struct nt_dataset_params){
        .split = split, .item = {3, {3, SIDE, SIDE}}, .mean = {0}, .deviation = {1.0f / 255}};
}

/* Every pixel's class must be the one that its blue tells; returns whether the columns fall. */
static bool check_item(const struct nt_dataset *d, int64_t index, struct nt_random *random,
    enum nt_layout layout, bool *seen, int width)
{
    float x[3 * SIDE * SIDE];
    int32_t y[SIDE * SIDE];
    test_ok(nt_dataset_item(test_context(), d, index, random, layout, x, y));
    int step = layout == NT_CHANNELS_LAST ? 1 : SIDE * SIDE;
    int pixel = layout == NT_CHANNELS_LAST ? 3 : 1;
    for (int i = 0; i < SIDE * SIDE; i++) {
        const float *at = x + i * pixel;
        int column = (int)(at[0] + 0.5f), row = (int)(at[step] + 0.5f);
        int class = (int)(at[2 * step] + 0.5f);
        ck_assert_int_eq(y[i], class);
        ck_assert_int_eq(row, (int)(x[step] + 0.5f) + i / SIDE);
        if (seen)
            seen[row * width + column] = true;
    }
    return x[pixel] < x[0];
}

START_TEST(windows_cover_each_picture)
{
    write_pair("cover", "train/image", "train/label", 0, 20, 13, CLASSES);
    write_pair("cover", "train/image", "train/label", 1, SIDE, SIDE, CLASSES);
    struct nt_dataset_params params = params_of(NT_SPLIT_TRAIN);
    struct nt_dataset *d = fixture_dataset(spec_of("cover"), &params);
    const struct nt_dataset_info *info = nt_dataset_get_info(d);
    ck_assert_int_eq(info->count, 3 * 2 + 1);
    ck_assert_int_eq(info->classes, 4);
    ck_assert_int_eq(info->target.rank, 2);
    ck_assert_int_eq(info->target.dim[1], SIDE);
    for (int layout = 0; layout < 2; layout++) {
        bool seen[20 * 13] = {false};
        for (int64_t i = 0; i < 6; i++)
            ck_assert(!check_item(d, i, NULL, (enum nt_layout)layout, seen, 20));
        for (int i = 0; i < 20 * 13; i++)
            ck_assert(seen[i]);
    }
    char name[1300];
    ck_assert(strstr(nt_dataset_item_name(d, 6, name, sizeof name), "train/image/1.png"));
    nt_dataset_close(d);
}
END_TEST

START_TEST(picture_and_mask_change_alike)
{
    write_pair("alike", "images", "masks", 0, 30, 21, CLASSES);
    struct nt_dataset_params params = params_of(NT_SPLIT_TRAIN);
    struct nt_dataset *d = fixture_dataset(spec_of("alike"), &params);
    bool seen[30 * 21] = {false};
    int flipped = 0, places = 0;
    for (uint64_t i = 0; i < 2000; i++) {
        struct nt_random random = {.key = 5, .stream = i}, same = random;
        flipped += check_item(d, 0, &random, NT_CHANNELS_LAST, seen, 30);
        float x[2][3 * SIDE * SIDE];
        int32_t y[2][SIDE * SIDE];
        random = same;
        for (int j = 0; j < 2; j++, random = same)
            test_ok(nt_dataset_item(test_context(), d, 0, &random, NT_ROW_MAJOR, x[j], y[j]));
        ck_assert(!memcmp(x[0], x[1], sizeof *x) && !memcmp(y[0], y[1], sizeof *y));
    }
    for (int i = 0; i < 30 * 21; i++)
        places += seen[i];
    ck_assert_int_eq(places, 30 * 21);
    ck_assert(flipped > 900 && flipped < 1100);
    nt_dataset_close(d);
    params.augment = NT_AUGMENT_NONE;
    d = fixture_dataset(spec_of("alike"), &params);
    struct nt_random random = {.key = 5};
    bool first[30 * 21] = {false};
    check_item(d, 0, &random, NT_ROW_MAJOR, first, 30);
    ck_assert(first[0] && !first[30 * 21 - 1]);
    nt_dataset_close(d);
}
END_TEST

START_TEST(masks_of_every_form)
{
    struct nt_dataset_params params = params_of(NT_SPLIT_TRAIN);
    for (int form = BLACK_AND_WHITE; form <= IGNORING; form++) {
        char dir[32];
        snprintf(dir, sizeof dir, "form%d", form);
        write_pair(dir, "image", "label", 0, SIDE, SIDE, (enum form)form);
        struct nt_dataset *d = fixture_dataset(spec_of(dir), &params);
        ck_assert_int_eq(nt_dataset_get_info(d)->classes, form == IGNORING ? 3 : 2);
        float x[3 * SIDE * SIDE];
        int32_t y[SIDE * SIDE];
        test_ok(nt_dataset_item(test_context(), d, 0, NULL, NT_ROW_MAJOR, x, y));
        for (int i = 0; i < SIDE * SIDE; i++) {
            int class = (int)(x[2 * SIDE * SIDE + i] + 0.5f);
            ck_assert_int_eq(y[i], form == IGNORING && class == 3 ? -1 : class);
        }
        nt_dataset_close(d);
    }
}
END_TEST

START_TEST(small_pictures_are_padded)
{
    write_pair("small", "image", "label", 0, 5, 3, CLASSES);
    struct nt_dataset_params params = params_of(NT_SPLIT_TRAIN);
    struct nt_dataset *d = fixture_dataset(spec_of("small"), &params);
    for (int round = 0; round < 20; round++) {
        struct nt_random random = {.stream = (uint64_t)round};
        float x[3 * SIDE * SIDE];
        int32_t y[SIDE * SIDE], counted = 0;
        test_ok(nt_dataset_item(test_context(), d, 0, round ? &random : NULL, NT_ROW_MAJOR, x, y));
        for (int i = 0; i < SIDE * SIDE; i++) {
            counted += y[i] >= 0;
            ck_assert(y[i] >= 0 || (x[i] == 0 && x[SIDE * SIDE + i] == 0));
        }
        ck_assert_int_eq(counted, 15);
    }
    nt_dataset_close(d);
}
END_TEST

/* Pictures, not windows, are set aside. */
START_TEST(parts_and_shares)
{
    for (int i = 0; i < 10; i++)
        write_pair("parts", "train/image", "train/label", i, 2 * SIDE, SIDE, CLASSES);
    struct nt_dataset_params params = params_of(NT_SPLIT_TRAIN);
    params.validation_share = 0.3;
    bool train[10] = {false}, aside[10] = {false};
    for (int split = 0; split < 2; split++) {
        params.split = (enum nt_split)split;
        struct nt_dataset *d = fixture_dataset(spec_of("parts"), &params);
        ck_assert_int_eq(nt_dataset_get_info(d)->count, split ? 6 : 14);
        for (int64_t i = 0; i < nt_dataset_get_info(d)->count; i++) {
            char name[1300];
            nt_dataset_item_name(d, i, name, sizeof name);
            int number = atoi(strrchr(name, '/') + 1);
            ck_assert(number >= 0 && number < 10);
            if (split)
                aside[number] = true;
            else
                train[number] = true;
        }
        nt_dataset_close(d);
    }
    for (int i = 0; i < 10; i++)
        ck_assert(train[i] != aside[i]);
    const char *spec = spec_of("parts");
    ck_assert(!nt_dataset_find_parts(spec).test && !nt_dataset_find_parts(spec).validation);
    fixture_path("parts/test/image/x"); /* pictures without masks are no test part */
    ck_assert(!nt_dataset_find_parts(spec).test);
    write_pair("parts", "val/image", "val/label", 0, SIDE, SIDE, CLASSES);
    ck_assert(nt_dataset_find_parts(spec).test && nt_dataset_find_parts(spec).validation);
    params = params_of(NT_SPLIT_TEST);
    struct nt_dataset *d = fixture_dataset(spec, &params);
    ck_assert_int_eq(nt_dataset_get_info(d)->count, 1);
    nt_dataset_close(d);
}
END_TEST

START_TEST(faults_are_named)
{
    struct nt_dataset *d;
    struct nt_dataset_params params = params_of(NT_SPLIT_TRAIN);
    test_fails(nt_dataset_open(test_context(), "segmentation:/none", &params, &d), NT_ERR_FILE,
        "no such folder");
    fixture_path("empty/image/x");
    test_fails(nt_dataset_open(test_context(), spec_of("empty"), &params, &d), NT_ERR_FILE,
        "must hold the folders image and label");
    fixture_path("empty/label/x");
    test_fails(nt_dataset_open(test_context(), spec_of("empty"), &params, &d), NT_ERR_FILE,
        "no JPEG or PNG picture");
    write_pair("fault", "image", "label", 0, SIDE, SIDE, CLASSES);
    write_pair("fault", "image", "other", 1, SIDE, SIDE, CLASSES);
    test_fails(nt_dataset_open(test_context(), spec_of("fault"), &params, &d), NT_ERR_FILE,
        "1.png: has no mask in");
    write_pair("fault", "other", "label", 1, SIDE + 1, SIDE, CLASSES);
    params.augment = NT_AUGMENT_NONE;
    d = fixture_dataset(spec_of("fault"), &params);
    float x[3 * SIDE * SIDE];
    int32_t y[SIDE * SIDE];
    test_fails(nt_dataset_item(test_context(), d, 1, NULL, NT_ROW_MAJOR, x, y), NT_ERR_FORMAT,
        "1.png: 8x8 pixels, its mask 9x8: must be equal");
    nt_dataset_close(d);
    fixture_write(fixture_path("fault/label/1.png"), "no picture", 10);
    test_fails(nt_dataset_open(test_context(), spec_of("fault"), &params, &d), NT_ERR_FORMAT,
        "label/1.png");
    params.item = (struct nt_shape){1, {10}};
    write_pair("shape", "image", "label", 0, SIDE, SIDE, CLASSES);
    test_fails(nt_dataset_open(test_context(), spec_of("shape"), &params, &d), NT_ERR_SHAPE,
        "items of shape 10: must be pictures");
}
END_TEST

START_TEST(membranes)
{
    const char *path = test_data("datasets/membrane");
    if (!path) {
        test_skip("../shared/data/datasets/membrane is not there");
        return;
    }
    char spec[1200];
    snprintf(spec, sizeof spec, "segmentation:%s", path);
    struct nt_dataset_params params = {.validation_share = 0.2};
    struct nt_dataset *d = fixture_dataset(spec, &params);
    const struct nt_dataset_info *info = nt_dataset_get_info(d);
    ck_assert_int_eq(info->count, 24 * 4);
    ck_assert_int_eq(info->classes, 2);
    float *x = malloc(256 * 256 * sizeof *x);
    int32_t *y = malloc(256 * 256 * sizeof *y), bright = 0;
    test_ok(nt_dataset_item(test_context(), d, 3, NULL, NT_ROW_MAJOR, x, y));
    for (int i = 0; i < 256 * 256; i++)
        bright += y[i];
    ck_assert(bright > 256 * 256 / 2 && bright < 256 * 256 * 19 / 20); /* membranes are dark */
    free(x);
    free(y);
    nt_dataset_close(d);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("segmentation");
    TCase *tcase = tcase_create("segmentation");
    tcase_set_timeout(tcase, 100);
    tcase_add_test(tcase, windows_cover_each_picture);
    tcase_add_test(tcase, picture_and_mask_change_alike);
    tcase_add_test(tcase, masks_of_every_form);
    tcase_add_test(tcase, small_pictures_are_padded);
    tcase_add_test(tcase, parts_and_shares);
    tcase_add_test(tcase, faults_are_named);
    tcase_add_test(tcase, membranes);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
