/* SPDX-License-Identifier: MIT */
#include "frontend/dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
        struct nt_dataset *d = fixture_dataset(spec("idx", dir), &params);
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
            struct nt_dataset *d = fixture_dataset(spec("idx", dir), &params);
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
    struct nt_dataset *d = fixture_dataset(spec("idx", dir), &params);
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
    d = fixture_dataset(spec("cifar10", dir), NULL);
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
    struct nt_dataset *d = fixture_dataset(spec("cifar10", path), NULL);
    ck_assert_int_eq(nt_dataset_get_info(d)->count, 4000);
    nt_dataset_close(d);
    struct nt_dataset_params params = {.data_dir = test_data("datasets/mnist-idx")};
    if (!params.data_dir)
        return;
    d = fixture_dataset("mnist", &params);
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
    tcase_add_test(tcase, fashion_mnist_is_found);
    tcase_add_test(tcase, shared_sets_are_read);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
