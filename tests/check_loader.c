/* SPDX-License-Identifier: MIT */
#include "frontend/loader.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/npy.h"
#include "tests/fixture.h"
#include "tests/testing.h"

#define ITEM 6

/* npy data whose item i holds i everywhere; class i % 7. */
static struct nt_dataset *open_numbers(int count)
{
    char text[2400], *x_path = fixture_path("numbers/x.npy"),
                     *y_path = fixture_path("numbers/y.npy");
    float *x = malloc((size_t)count * ITEM * sizeof *x);
    int32_t *y = malloc((size_t)count * sizeof *y);
    for (int i = 0; i < count * ITEM; i++)
        x[i] = (float)(i / ITEM);
    for (int i = 0; i < count; i++)
        y[i] = i % 7;
    const struct nt_shape xs = {2, {count, ITEM}}, ys = {1, {count}};
    test_ok(nt_npy_write(test_context(), x_path, NT_F32, &xs, x));
    test_ok(nt_npy_write(test_context(), y_path, NT_I32, &ys, y));
    free(x);
    free(y);
    struct nt_dataset *d = NULL;
    snprintf(text, sizeof text, "npy:%s,%s", x_path, y_path);
    test_ok(nt_dataset_open(test_context(), text, NULL, &d));
    return d;
}

static struct nt_loader *start(const struct nt_dataset *d, const struct nt_loader_params *params)
{
    struct nt_loader *loader = NULL;
    test_ok(nt_loader_create(test_context(), d, params, &loader));
    return loader;
}

/* Takes a whole run; items in order, -1 for padding. Returns how many places. */
static int drain(
    const struct nt_dataset *d, const struct nt_loader_params *params, int *items, int most)
{
    struct nt_loader *loader = start(d, params);
    int n = 0;
    struct nt_batch batch;
    for (;;) {
        test_ok(nt_loader_next(loader, &batch));
        if (batch.count == 0)
            break;
        const int32_t *y = batch.y;
        for (int64_t i = 0; i < params->batch && n < most; i++) {
            const float *x = (const float *)batch.x + i * ITEM;
            if (y[i] >= 0)
                ck_assert_int_eq((int)x[0] % 7, y[i]);
            else
                ck_assert(x[0] == 0);
            for (int j = 1; j < ITEM; j++)
                ck_assert(x[j] == x[0]);
            items[n++] = y[i] < 0 ? -1 : (int)x[0];
        }
        nt_loader_release(loader);
        if (n >= most)
            break;
    }
    nt_loader_destroy(loader);
    return n;
}

START_TEST(evaluation_gives_all_in_order)
{
    int items[200];
    struct nt_dataset *d = open_numbers(103);
    for (int workers = 1; workers <= 5; workers += 2) {
        struct nt_loader_params params = {.batch = 10, .workers = workers};
        ck_assert_int_eq(drain(d, &params, items, 200), 110);
        for (int i = 0; i < 110; i++)
            ck_assert_int_eq(items[i], i < 103 ? i : -1);
    }
    struct nt_loader_params params = {.batch = 200};
    struct nt_loader *loader = start(d, &params);
    struct nt_batch batch;
    test_ok(nt_loader_next(loader, &batch));
    ck_assert_int_eq(batch.count, 103);
    ck_assert(batch.last);
    nt_loader_destroy(loader);
    nt_dataset_close(d);
}
END_TEST

START_TEST(training_covers_every_epoch_once)
{
    enum { COUNT = 97, BATCH = 8, EACH = COUNT / BATCH * BATCH };
    int items[3][3 * EACH];
    struct nt_dataset *d = open_numbers(COUNT);
    struct nt_loader_params params = {
        .batch = BATCH, .training = true, .epochs = 3, .seed = (uint64_t)test_int(0, 9999)};
    for (int workers = 1; workers <= 3; workers++) {
        params.workers = workers;
        params.slots = 1 + workers;
        ck_assert_int_eq(drain(d, &params, items[workers - 1], 3 * EACH), 3 * EACH);
    }
    ck_assert_mem_eq(items[0], items[1], sizeof items[0]);
    ck_assert_mem_eq(items[0], items[2], sizeof items[0]);
    ck_assert(memcmp(items[0], items[0] + EACH, EACH * sizeof(int)) != 0);
    for (int epoch = 0; epoch < 3; epoch++) {
        int seen[COUNT] = {0};
        for (int i = 0; i < EACH; i++)
            ck_assert_int_eq(seen[items[0][epoch * EACH + i]]++, 0);
    }
    /* Started anywhere, it goes on as it would have. */
    int rest[3 * EACH], epoch = test_int(0, 2), batch = test_int(0, COUNT / BATCH);
    params.first_epoch = epoch;
    params.first_batch = batch;
    params.epochs = 3 - epoch;
    int places = (3 - epoch) * EACH - batch * BATCH;
    ck_assert_int_eq(drain(d, &params, rest, 3 * EACH), places);
    ck_assert_mem_eq(rest, items[0] + 3 * EACH - places, (size_t)places * sizeof(int));
    params =
        (struct nt_loader_params){.batch = BATCH, .training = true, .ordered = true, .epochs = 1};
    drain(d, &params, rest, 3 * EACH);
    for (int i = 0; i < EACH; i++)
        ck_assert_int_eq(rest[i], i);
    nt_dataset_close(d);
}
END_TEST

START_TEST(stops_at_any_time)
{
    struct nt_dataset *d = open_numbers(500);
    for (int n = 0; n < 60; n++) {
        struct nt_loader_params params = {.batch = test_int(1, 60),
            .training = true,
            .workers = test_int(1, 6),
            .slots = test_int(2, 5)};
        struct nt_loader *loader = start(d, &params);
        int held = 0;
        for (int step = test_int(0, 12); step > 0; step--) {
            struct nt_batch batch;
            test_ok(nt_loader_next(loader, &batch));
            ck_assert_int_eq(batch.count, params.batch);
            if (++held == params.slots) {
                test_fails(nt_loader_next(loader, &batch), NT_ERR_ARGUMENT, "release one first");
                nt_loader_release(loader);
                held--;
            }
        }
        nt_loader_destroy(loader);
    }
    nt_dataset_close(d);
}
END_TEST

START_TEST(parameters_are_checked)
{
    struct nt_dataset *d = open_numbers(20);
    struct nt_loader *loader;
    const struct {
        struct nt_loader_params params;
        const char *text;
    } bad[] = {
        {{.batch = -1}, "batch -1"},
        {{.batch = 21, .training = true}, "more than the 20 items"},
        {{.workers = 1000}, "workers 1000"},
        {{.slots = 1}, "slots 1"},
        {{.max_bad_share = 1.5}, "max_bad_share 1.5"},
        {{.first_epoch = -1}, "must not be negative"},
        {{.batch = 10, .first_batch = 3}, "first batch 3: an epoch has 2"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        test_fails(nt_loader_create(test_context(), d, &bad[i].params, &loader), NT_ERR_ARGUMENT,
            bad[i].text);
    nt_dataset_close(d);
}
END_TEST

struct log {
    int warnings;
    char text[4096];
};

static void keep_warning(void *user, enum nt_log_level level, const char *text)
{
    struct log *log = user;
    log->warnings += level == NT_LOG_WARNING;
    snprintf(log->text, sizeof log->text, "%s", text);
}

/* 40 pictures of 2 classes, some of them broken. */
static const char *write_pictures(const char *root, int broken)
{
    static char text[1200];
    struct nt_picture picture = fixture_picture(20, 20, 3);
    for (int i = 0; i < 40; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/class%d/p%02d.jpg", root, i % 2, i);
        char *path = fixture_path(name);
        memset(picture.pixels, 5 + 6 * i, 1200);
        fixture_write_jpeg(path, &picture, 95);
        if (i < broken)
            fixture_write(path, "\xff\xd8\xff\xe0 no picture", 15);
    }
    nt_picture_finish(&picture);
    char name[64];
    snprintf(name, sizeof name, "%s/x", root);
    char *dir = fixture_path(name);
    *strrchr(dir, '/') = 0;
    snprintf(text, sizeof text, "images:%s", dir);
    return text;
}

START_TEST(unreadable_pictures_are_skipped)
{
    struct log log = {0};
    struct nt_context_params params = {.log = keep_warning, .log_user = &log, .cache_dir = ""};
    struct nt_context *ctx;
    ck_assert_int_eq(nt_context_create(&params, &ctx), NT_OK);
    struct nt_dataset_params data = {.image_size = 8};
    struct nt_dataset *d;
    ck_assert_int_eq(nt_dataset_open(ctx, write_pictures("bad2", 2), &data, &d), NT_OK);
    float first[2][8][192];
    for (int round = 0; round < 2; round++) {
        struct nt_loader_params p = {
            .batch = 8, .training = true, .workers = 1 + 2 * round, .epochs = 2};
        struct nt_loader *loader;
        struct nt_batch batch;
        log.warnings = 0;
        ck_assert_int_eq(nt_loader_create(ctx, d, &p, &loader), NT_OK);
        for (int i = 0; i < 10; i++) {
            ck_assert_msg(nt_loader_next(loader, &batch) == NT_OK, "%s", nt_error_message(ctx));
            ck_assert_int_eq(batch.count, 8);
            for (int j = 0; j < 8; j++)
                ck_assert_int_ge(((const int32_t *)batch.y)[j], 0);
            if (i == 0)
                memcpy(first[round], batch.x, sizeof first[0]);
            nt_loader_release(loader);
        }
        ck_assert_int_eq(nt_loader_bad(loader), 2);
        ck_assert_int_eq(log.warnings, 2);
        ck_assert_ptr_nonnull(strstr(log.text, "bad2/class"));
        nt_loader_destroy(loader);
    }
    ck_assert_mem_eq(first[0], first[1], sizeof first[0]);
    struct nt_loader_params p = {.batch = 16};
    struct nt_loader *loader;
    struct nt_batch batch;
    int64_t items = 0, padded = 0;
    ck_assert_int_eq(nt_loader_create(ctx, d, &p, &loader), NT_OK);
    while (nt_loader_next(loader, &batch) == NT_OK && batch.count) {
        items += batch.count;
        for (int i = 0; i < 16; i++)
            padded += ((const int32_t *)batch.y)[i] == -1;
        nt_loader_release(loader);
    }
    ck_assert_int_eq(items, 38);
    ck_assert_int_eq(padded, 10);
    nt_loader_destroy(loader);
    nt_dataset_close(d);
    nt_context_destroy(ctx);
}
END_TEST

START_TEST(too_many_unreadable_pictures_are_an_error)
{
    struct nt_dataset_params data = {.image_size = 8};
    for (int all = 0; all < 2; all++) {
        struct nt_dataset *d;
        test_ok(nt_dataset_open(
            test_context(), write_pictures(all ? "bad40" : "bad3", all ? 40 : 3), &data, &d));
        struct nt_loader_params p = {.batch = 8, .training = true, .max_bad_share = all ? 1 : 0};
        struct nt_loader *loader = start(d, &p);
        struct nt_batch batch;
        enum nt_status status = NT_OK;
        for (int i = 0; i < 10 && status == NT_OK; i++) {
            status = nt_loader_next(loader, &batch);
            nt_loader_release(loader);
        }
        test_fails(
            status, NT_ERR_FORMAT, all ? "no readable item" : "3 of 40 items cannot be read");
        test_fails(nt_loader_next(loader, &batch), NT_ERR_FORMAT, all ? "no readable" : "3 of 40");
        if (!all)
            test_fails(status, NT_ERR_FORMAT, "more than 5 %: the first: ");
        nt_loader_destroy(loader);
        nt_dataset_close(d);
    }
}
END_TEST

START_TEST(channels_lie_as_asked)
{
    struct nt_dataset_params data = {.image_size = 8};
    struct nt_dataset *d;
    test_ok(nt_dataset_open(test_context(), write_pictures("layout", 0), &data, &d));
    float x[2][192];
    for (int layout = 0; layout < 2; layout++) {
        struct nt_loader_params p = {
            .batch = 4, .layout = layout ? NT_CHANNELS_LAST : NT_ROW_MAJOR};
        struct nt_loader *loader = start(d, &p);
        struct nt_batch batch;
        test_ok(nt_loader_next(loader, &batch));
        memcpy(x[layout], (const float *)batch.x + 192, sizeof x[0]);
        nt_loader_destroy(loader);
    }
    for (int i = 0; i < 192; i++)
        ck_assert(x[1][i] == x[0][i % 3 * 64 + i / 3]);
    nt_dataset_close(d);
}
END_TEST

START_TEST(small_pictures_come_fast)
{
    struct nt_dataset *d;
    enum nt_status status = nt_dataset_open(test_context(), "fashion-mnist", NULL, &d);
    if (status == NT_ERR_FILE) {
        test_skip("Fashion-MNIST is not installed");
        return;
    }
    test_ok(status);
    struct nt_loader_params p = {.batch = 64, .training = true, .workers = 1};
    struct nt_loader *loader = start(d, &p);
    struct nt_batch batch;
    double begin = 0, seconds = 0;
    int64_t items = 0;
    for (int i = 0; i < 20000 && seconds < 0.5; i++) {
        test_ok(nt_loader_next(loader, &batch));
        if (i == 10)
            begin = fixture_seconds();
        if (i >= 10) {
            items += batch.count;
            seconds = fixture_seconds() - begin;
        }
        nt_loader_release(loader);
    }
    printf("Fashion-MNIST, batch 64, one worker: %.0f pictures/s\n", (double)items / seconds);
    nt_loader_destroy(loader);
    nt_dataset_close(d);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loader");
    TCase *tcase = tcase_create("loader");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, evaluation_gives_all_in_order);
    tcase_add_test(tcase, training_covers_every_epoch_once);
    tcase_add_test(tcase, stops_at_any_time);
    tcase_add_test(tcase, parameters_are_checked);
    tcase_add_test(tcase, unreadable_pictures_are_skipped);
    tcase_add_test(tcase, too_many_unreadable_pictures_are_an_error);
    tcase_add_test(tcase, channels_lie_as_asked);
    tcase_add_test(tcase, small_pictures_come_fast);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
