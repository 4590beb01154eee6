/* SPDX-License-Identifier: MIT */
#include "frontend/dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/npy.h"
#include "tests/fixture.h"
#include "tests/testing.h"

#define HEIGHT 7
#define WIDTH 5

/* A spec of a path in the test's folder; valid until the next call. */
static const char *spec(const char *kind, const char *path)
{
    static char text[1200];
    snprintf(text, sizeof text, "%s:%s", kind, path);
    return text;
}

static void put_u32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* The four idx files; a picture's bytes are its number plus the place, its label number % 3. */
static void write_idx(const char *dir, int train, int test, bool packed)
{
    for (int part = 0; part < 2; part++) {
        uint32_t count = (uint32_t)(part ? test : train);
        size_t size = count * HEIGHT * WIDTH;
        uint8_t *pictures = malloc(16 + size), *labels = malloc(8 + count);
        put_u32(pictures, 0x803);
        put_u32(pictures + 4, count);
        put_u32(pictures + 8, HEIGHT);
        put_u32(pictures + 12, WIDTH);
        put_u32(labels, 0x801);
        put_u32(labels + 4, count);
        for (uint32_t i = 0; i < count; i++) {
            labels[8 + i] = (uint8_t)(i % 3);
            for (int j = 0; j < HEIGHT * WIDTH; j++)
                pictures[16 + i * HEIGHT * WIDTH + j] = (uint8_t)(i + 3 * j);
        }
        for (int what = 0; what < 2; what++) {
            char path[1300];
            snprintf(path, sizeof path, "%s/%s-%s-ubyte%s", dir, part ? "t10k" : "train",
                what ? "labels-idx1" : "images-idx3", packed ? ".gz" : "");
            (packed ? fixture_write_gz : fixture_write)(
                path, what ? labels : pictures, what ? 8 + count : 16 + size);
        }
        free(pictures);
        free(labels);
    }
}

static struct nt_dataset *open_with(const char *text, const struct nt_dataset_params *params)
{
    struct nt_dataset *dataset = NULL;
    test_ok(nt_dataset_open(test_context(), text, params, &dataset));
    return dataset;
}

START_TEST(specs_are_checked)
{
    struct nt_dataset *d;
    test_fails(nt_dataset_open(test_context(), "cifar", NULL, &d), NT_ERR_ARGUMENT,
        "unknown data kind 'cifar': known are fashion-mnist, mnist, idx:DIR, cifar10:DIR");
    test_fails(nt_dataset_open(test_context(), "fasion-mnist", NULL, &d), NT_ERR_ARGUMENT,
        "did you mean 'fashion-mnist'?");
    test_fails(nt_dataset_open(test_context(), "/tmp", NULL, &d), NT_ERR_ARGUMENT, "images:/tmp");
    test_fails(nt_dataset_open(test_context(), "idx", NULL, &d), NT_ERR_ARGUMENT, "idx:DIR");
    test_fails(nt_dataset_open(test_context(), "idx:", NULL, &d), NT_ERR_ARGUMENT, "idx:DIR");
    test_fails(nt_dataset_open(test_context(), "mnist:/x", NULL, &d), NT_ERR_ARGUMENT, "idx:/x");
    test_fails(nt_dataset_open(test_context(), "", NULL, &d), NT_ERR_ARGUMENT, "unknown data kind");
    test_fails(nt_dataset_open(test_context(), "npy:X.npy", NULL, &d), NT_ERR_ARGUMENT, "Y.npy");
    test_fails(nt_dataset_open(test_context(), "idx:/none", NULL, &d), NT_ERR_FILE, "no such");
    test_fails(nt_dataset_open(test_context(), "cifar10:/none", NULL, &d), NT_ERR_FILE, "no such");
    test_fails(nt_dataset_open(test_context(), "images:/none", NULL, &d), NT_ERR_FILE, "no such");
    struct nt_dataset_params params = {.data_dir = "/none"};
    test_fails(nt_dataset_open(test_context(), "fashion-mnist", &params, &d), NT_ERR_FILE,
        "train-images-idx3-ubyte");
    params = (struct nt_dataset_params){.validation_share = 1};
    test_fails(nt_dataset_open(test_context(), "mnist", &params, &d), NT_ERR_ARGUMENT, "below 1");
}
END_TEST

START_TEST(idx_gives_what_is_there)
{
    char *dir = fixture_path("idx/x");
    *strrchr(dir, '/') = 0;
    for (int packed = 0; packed < 2; packed++) {
        write_idx(dir, 20, 9, packed);
        struct nt_dataset_params params = {
            .split = NT_SPLIT_TEST, .mean = {0.25f}, .deviation = {0.5f}};
        struct nt_dataset *d = open_with(spec("idx", dir), &params);
        const struct nt_dataset_info *info = nt_dataset_get_info(d);
        ck_assert_int_eq(info->count, 9);
        ck_assert_int_eq(info->classes, 3);
        ck_assert_int_eq(info->item.rank, 3);
        ck_assert_int_eq(info->item.dim[1], HEIGHT);
        ck_assert_int_eq(info->item.dim[2], WIDTH);
        for (int64_t i = 0; i < 9; i++) {
            float x[HEIGHT * WIDTH];
            int32_t y = -5;
            test_ok(nt_dataset_item(test_context(), d, i, NULL, NT_CHANNELS_LAST, x, &y));
            ck_assert_int_eq(y, i % 3);
            for (int j = 0; j < HEIGHT * WIDTH; j++)
                ck_assert_float_eq_tol(
                    x[j], (((float)i + 3 * (float)j) / 255 - 0.25f) / 0.5f, 1e-6f);
        }
        float x;
        int32_t y;
        test_fails(nt_dataset_item(test_context(), d, 9, NULL, NT_ROW_MAJOR, &x, &y),
            NT_ERR_ARGUMENT, "0 to 8");
        struct nt_picture picture;
        test_ok(nt_dataset_picture(test_context(), d, 4, &picture));
        ck_assert_int_eq(picture.width, WIDTH);
        ck_assert_int_eq(picture.pixels[6], 4 + 18);
        nt_picture_finish(&picture);
        nt_dataset_close(d);
    }
}
END_TEST

START_TEST(idx_faults_are_named)
{
    struct nt_dataset *d;
    uint8_t bytes[4096] = {0};
    char path[1300];
    const struct {
        const char *file;
        uint32_t magic, count;
        size_t size;
        const char *text;
    } faults[] = {
        {"train-images-idx3", 0x801, 2, 16 + 70, "magic number 0x00000801"},
        {"train-images-idx3", 0x803, 2, 16 + 69, "85 bytes, but its header says 2 items"},
        {"train-images-idx3", 0x803, 0xffffffffu, 16 + 70, "but its header says 4294967295"},
        {"train-images-idx3", 0x803, 2, 10, "too short"},
        {"train-images-idx3", 0x803, 3, 16 + 105, "3 pictures but 20 labels"},
        {"train-labels-idx1", 0x803, 20, 28, "magic number 0x00000803"},
        {"train-labels-idx1", 0x801, 20, 27, "27 bytes"},
        {"train-labels-idx1", 0x801, 19, 27, "20 pictures but 19 labels"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        char name[32];
        snprintf(name, sizeof name, "fault%zu/x", i);
        char *dir = fixture_path(name);
        *strrchr(dir, '/') = 0;
        write_idx(dir, 20, 9, false);
        put_u32(bytes, faults[i].magic);
        put_u32(bytes + 4, faults[i].count);
        put_u32(bytes + 8, HEIGHT);
        put_u32(bytes + 12, WIDTH);
        if (strstr(faults[i].file, "labels"))
            memset(bytes + 8, 0, 8);
        snprintf(path, sizeof path, "%s/%s-ubyte", dir, faults[i].file);
        fixture_write(path, bytes, faults[i].size);
        test_fails(nt_dataset_open(test_context(), spec("idx", dir), NULL, &d), NT_ERR_FORMAT,
            faults[i].text);
        remove(path);
        test_fails(nt_dataset_open(test_context(), spec("idx", dir), NULL, &d), NT_ERR_FILE,
            faults[i].file);
    }
}
END_TEST

START_TEST(splits_are_disjoint_and_repeatable)
{
    char *dir = fixture_path("split/x");
    *strrchr(dir, '/') = 0;
    write_idx(dir, 100, 10, false);
    struct nt_dataset_params params = {
        .validation_share = 0.23, .seed = (uint64_t)test_int(0, 999)};
    int seen[100] = {0}, first[100];
    for (int round = 0; round < 2; round++)
        for (int split = NT_SPLIT_TRAIN; split <= NT_SPLIT_VALIDATION; split++) {
            params.split = split;
            struct nt_dataset *d = open_with(spec("idx", dir), &params);
            int64_t count = nt_dataset_get_info(d)->count;
            ck_assert_int_eq(count, split == NT_SPLIT_TRAIN ? 77 : 23);
            for (int64_t i = 0; i < count; i++) {
                struct nt_picture picture;
                test_ok(nt_dataset_picture(test_context(), d, i, &picture));
                int number = picture.pixels[0];
                if (round == 0)
                    seen[number]++, first[number] = split;
                else
                    ck_assert_int_eq(first[number], split);
                nt_picture_finish(&picture);
            }
            nt_dataset_close(d);
        }
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(seen[i], 1);
    params.split = NT_SPLIT_TEST;
    struct nt_dataset *d = open_with(spec("idx", dir), &params);
    ck_assert_int_eq(nt_dataset_get_info(d)->count, 10);
    nt_dataset_close(d);
    params = (struct nt_dataset_params){.split = NT_SPLIT_VALIDATION};
    test_fails(nt_dataset_open(test_context(), spec("idx", dir), &params, &d), NT_ERR_ARGUMENT,
        "give a validation share");
    params = (struct nt_dataset_params){.validation_share = 0.001};
    test_fails(nt_dataset_open(test_context(), spec("idx", dir), &params, &d), NT_ERR_ARGUMENT,
        "leaves one of the two sides empty");
    params = (struct nt_dataset_params){.image_size = 32};
    test_fails(nt_dataset_open(test_context(), spec("idx", dir), &params, &d), NT_ERR_ARGUMENT,
        "only for images:DIR");
}
END_TEST

START_TEST(cifar10_reads_its_batches)
{
    char *dir = fixture_path("cifar/x");
    *strrchr(dir, '/') = 0;
    enum { RECORD = 3073 };
    uint8_t *bytes = malloc(5 * RECORD);
    struct nt_dataset *d;
    char path[1300];
    test_fails(nt_dataset_open(test_context(), spec("cifar10", dir), NULL, &d), NT_ERR_FILE,
        "data_batch_*.bin");
    for (int batch = 2; batch >= 1; batch--) {
        for (int i = 0; i < 5 * RECORD; i++)
            bytes[i] = (uint8_t)(i % RECORD ? i / RECORD * 50 + i % RECORD / 1025 + batch : batch);
        snprintf(path, sizeof path, "%s/data_batch_%d.bin", dir, batch);
        fixture_write(path, bytes, (size_t)(batch * 2 + 1) * RECORD);
    }
    d = open_with(spec("cifar10", dir), NULL);
    const struct nt_dataset_info *info = nt_dataset_get_info(d);
    ck_assert_int_eq(info->count, 8);
    ck_assert_int_eq(info->item.dim[0], 3);
    ck_assert_str_eq(info->class_names[2], "bird");
    float rows[3072], last[3072];
    int32_t y;
    test_ok(nt_dataset_item(test_context(), d, 4, NULL, NT_ROW_MAJOR, rows, &y));
    test_ok(nt_dataset_item(test_context(), d, 4, NULL, NT_CHANNELS_LAST, last, &y));
    ck_assert_int_eq(y, 2); /* the second record of the second batch */
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 1024; i++)
            ck_assert(rows[c * 1024 + i] == last[i * 3 + c]);
    ck_assert_float_eq_tol(rows[1500], (53.0f / 255 - 0.4822f) / 0.2435f, 1e-5f);
    nt_dataset_close(d);
    fixture_write(path, bytes, 2 * RECORD - 1);
    test_fails(nt_dataset_open(test_context(), spec("cifar10", dir), NULL, &d), NT_ERR_FORMAT,
        "records of 3073");
    bytes[RECORD] = 10;
    fixture_write(path, bytes, 2 * RECORD);
    test_fails(
        nt_dataset_open(test_context(), spec("cifar10", dir), NULL, &d), NT_ERR_FORMAT, "label 10");
    free(bytes);
}
END_TEST

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
    struct nt_dataset *d = open_with(text, &params);
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
    d = open_with(text, NULL); /* without the wish whole numbers are numbers */
    float x[2];
    int32_t y[2];
    test_ok(nt_dataset_item(test_context(), d, 2, NULL, NT_ROW_MAJOR, x, y));
    ck_assert(x[0] == 300 && x[1] == 2);
    nt_dataset_close(d);
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
    struct nt_dataset *d = open_with(spec("images", dir), &params);
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
        struct nt_dataset *d = open_with(spec("images", dir), &params);
        ck_assert_double_eq_tol(nt_dataset_get_info(d)->crop, 16 / 24.0, 1e-12);
        test_ok(nt_dataset_item(test_context(), d, 0, NULL, order, rgb, &y));
        test_ok(nt_dataset_picture(test_context(), d, 0, &a));
        nt_dataset_close(d);
        params.bgr = true;
        d = open_with(spec("images", dir), &params);
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
        d = open_with(spec("images", dir), &params);
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
    struct nt_dataset *d = open_with(spec("images", dir), &params);
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

START_TEST(fashion_mnist_is_found)
{
    struct nt_dataset_params params = {.split = NT_SPLIT_TEST};
    struct nt_dataset *d;
    enum nt_status status = nt_dataset_open(test_context(), "fashion-mnist", &params, &d);
    if (status == NT_ERR_FILE) {
        ck_assert_ptr_nonnull(strstr(nt_error_message(test_context()), "dataset-fashion-mnist"));
        test_skip("Fashion-MNIST is not installed");
        return;
    }
    test_ok(status);
    const struct nt_dataset_info *info = nt_dataset_get_info(d);
    ck_assert_int_eq(info->count, 10000);
    ck_assert_str_eq(info->class_names[9], "ankle boot");
    double sum = 0, squares = 0;
    int classes[10] = {0};
    for (int64_t i = 0; i < info->count; i++) {
        float x[784];
        int32_t y;
        test_ok(nt_dataset_item(test_context(), d, i, NULL, NT_ROW_MAJOR, x, &y));
        classes[y]++;
        for (int j = 0; j < 784; j++)
            sum += x[j], squares += x[j] * x[j];
    }
    ck_assert_double_eq_tol(sum / 7.84e6, 0, 0.01);
    ck_assert_double_eq_tol(squares / 7.84e6, 1, 0.02);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(classes[i], 1000);
    nt_dataset_close(d);
}
END_TEST

START_TEST(shared_sets_are_read)
{
    const char *path = test_data("datasets/cifar10-bin");
    if (!path) {
        test_skip("no data sets in ../shared");
        return;
    }
    struct nt_dataset *d = open_with(spec("cifar10", path), NULL);
    ck_assert_int_eq(nt_dataset_get_info(d)->count, 4000);
    nt_dataset_close(d);
    struct nt_dataset_params params = {.data_dir = test_data("datasets/mnist-idx")};
    if (!params.data_dir)
        return;
    d = open_with("mnist", &params);
    ck_assert_int_eq(nt_dataset_get_info(d)->count, 60000);
    nt_dataset_close(d);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dataset");
    TCase *tcase = tcase_create("dataset");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, specs_are_checked);
    tcase_add_test(tcase, idx_gives_what_is_there);
    tcase_add_test(tcase, idx_faults_are_named);
    tcase_add_test(tcase, splits_are_disjoint_and_repeatable);
    tcase_add_test(tcase, cifar10_reads_its_batches);
    tcase_add_test(tcase, npy_arrays_in_every_form);
    tcase_add_test(tcase, npy_tokens_and_classes_by_place);
    tcase_add_test(tcase, npy_faults_are_named);
    tcase_add_test(tcase, images_by_folder);
    tcase_add_test(tcase, images_cut_out_and_blue_first);
    tcase_add_test(tcase, images_in_parts);
    tcase_add_test(tcase, augmentation_is_repeatable);
    tcase_add_test(tcase, fashion_mnist_is_found);
    tcase_add_test(tcase, shared_sets_are_read);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
