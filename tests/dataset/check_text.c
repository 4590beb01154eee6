/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "frontend/dataset.h"
#include "frontend/loader.h"
#include "tests/fixture.h"
#include "tests/testing.h"

#define WINDOW 5

static const char *write_text(const char *name, const char *text)
{
    static char spec[1200];
    char *path = fixture_path(name);
    fixture_write(path, text, strlen(text));
    snprintf(spec, sizeof spec, "text:%s", path);
    return spec;
}

static struct nt_dataset_params params_of(enum nt_split split, double share)
{
    return (struct nt_dataset_params){
        .split = split, .validation_share = share, .item = {1, {WINDOW}}};
}

/* A random text of few characters, some of more than one byte. */
static char *random_text(int characters)
{
    static const char *const letters[] = {"\n", " ", "a", "b", "z", "ä", "€", "𝄞"};
    char *text = calloc((size_t)characters + 1, 4);
    for (int i = 0; i < characters; i++)
        strcat(text, letters[i < 8 ? i : test_int(0, 7)]);
    return text;
}

/* Windows of x, printed through the vocabulary, are the text again; y is one character later. */
START_TEST(windows_are_the_text_again)
{
    char *text = random_text(200);
    struct nt_dataset_params params = params_of(NT_SPLIT_TRAIN, 0);
    struct nt_dataset *d = fixture_dataset(write_text("letters.txt", text), &params);
    const struct nt_dataset_info *info = nt_dataset_get_info(d);
    ck_assert_int_eq(info->count, 199 / WINDOW);
    ck_assert_int_eq(info->classes, 8);
    ck_assert_int_eq(info->item_dtype, NT_I32);
    ck_assert_int_eq(info->target.dim[0], WINDOW);
    ck_assert(info->continues);
    char again[1000] = "";
    int32_t next = -1;
    for (int64_t i = 0; i < info->count; i++) {
        int32_t x[WINDOW], y[WINDOW];
        test_ok(nt_dataset_item(test_context(), d, i, NULL, NT_ROW_MAJOR, x, y));
        ck_assert(i == 0 || x[0] == next);
        for (int j = 0; j < WINDOW; j++) {
            ck_assert(j == 0 || x[j] == y[j - 1]);
            strcat(again, info->class_names[x[j]]);
        }
        next = y[WINDOW - 1];
    }
    ck_assert(!strncmp(again, text, strlen(again)));
    ck_assert_int_ge((int)strlen(again), 195);
    nt_dataset_close(d);
    free(text);
}
END_TEST

START_TEST(the_end_is_held_out)
{
    char *text = random_text(300);
    const char *spec = write_text("parts.txt", text);
    struct nt_dataset_params params = params_of(NT_SPLIT_TRAIN, 0.2);
    struct nt_dataset *train = fixture_dataset(spec, &params), *rest, *all;
    params.split = NT_SPLIT_VALIDATION;
    rest = fixture_dataset(spec, &params);
    params = params_of(NT_SPLIT_TEST, 0);
    all = fixture_dataset(spec, &params);
    ck_assert_int_eq(nt_dataset_get_info(train)->count, 239 / WINDOW);
    ck_assert_int_eq(nt_dataset_get_info(rest)->count, 59 / WINDOW);
    ck_assert_int_eq(nt_dataset_get_info(all)->count, 299 / WINDOW);
    for (int64_t i = 0; i < 59 / WINDOW; i++) { /* 240 characters are 48 windows */
        int32_t x[WINDOW], y[WINDOW], u[WINDOW], v[WINDOW];
        test_ok(nt_dataset_item(test_context(), rest, i, NULL, NT_ROW_MAJOR, x, y));
        test_ok(nt_dataset_item(test_context(), all, 48 + i, NULL, NT_ROW_MAJOR, u, v));
        ck_assert(!memcmp(x, u, sizeof x) && !memcmp(y, v, sizeof y));
    }
    nt_dataset_close(train);
    nt_dataset_close(rest);
    nt_dataset_close(all);
    free(text);
}
END_TEST

/* Place b of a batch goes on where place b of the batch before ended, in training and evaluation,
 * whatever the number of threads, and from the middle of an epoch. */
START_TEST(batches_continue)
{
    char *text = random_text(400);
    struct nt_dataset_params params = params_of(NT_SPLIT_TRAIN, 0);
    struct nt_dataset *d = fixture_dataset(write_text("batches.txt", text), &params);
    int64_t batches = nt_dataset_get_info(d)->count / 6;
    for (int round = 0; round < 6; round++) {
        struct nt_loader_params loading = {
            .batch = 6, .workers = 1 + round % 3, .training = round < 4, .epochs = 1, .seed = 7};
        struct nt_loader *loader;
        if (round == 3)
            loading.first_batch = 2;
        test_ok(nt_loader_create(test_context(), d, &loading, &loader));
        ck_assert_int_eq(nt_loader_batches(loader), batches);
        int32_t ended[6] = {0};
        for (int64_t n = loading.first_batch; n < batches; n++) {
            struct nt_batch batch;
            test_ok(nt_loader_next(loader, &batch));
            ck_assert_int_eq(batch.count, 6);
            for (int b = 0; b < 6; b++) {
                const int32_t *x = (const int32_t *)batch.x + b * WINDOW;
                const int32_t *y = (const int32_t *)batch.y + b * WINDOW;
                ck_assert_int_eq(batch.item[b], b * batches + n);
                ck_assert(n == loading.first_batch || x[0] == ended[b]);
                ended[b] = y[WINDOW - 1];
            }
            nt_loader_release(loader);
        }
        nt_loader_destroy(loader);
    }
    struct nt_loader *loader;
    struct nt_loader_params large = {.batch = 1000};
    test_fails(nt_loader_create(test_context(), d, &large, &loader), NT_ERR_ARGUMENT,
        "more than the 79 items");
    nt_dataset_close(d);
    free(text);
}
END_TEST

START_TEST(vocabulary_is_kept)
{
    const char *const known[] = {"a", "c", "ä"};
    struct nt_dataset_params params = params_of(NT_SPLIT_TRAIN, 0);
    params.class_count = 3;
    params.class_names = known;
    struct nt_dataset *d = fixture_dataset(write_text("kept.txt", "aäaaca"), &params);
    int32_t x[WINDOW], y[WINDOW];
    test_ok(nt_dataset_item(test_context(), d, 0, NULL, NT_ROW_MAJOR, x, y));
    const int32_t want[] = {0, 2, 0, 0, 1, 0};
    ck_assert(!memcmp(x, want, sizeof x) && !memcmp(y, want + 1, sizeof y));
    ck_assert_int_eq(nt_dataset_get_info(d)->classes, 3);
    nt_dataset_close(d);
    test_fails(nt_dataset_open(test_context(), write_text("new.txt", "aacabca"), &params, &d),
        NT_ERR_FORMAT, "character 5, 'b': is not in the vocabulary of the 3 characters");
    const char *const wrong[] = {"c", "a", "ab"};
    params.class_names = wrong;
    test_fails(nt_dataset_open(test_context(), write_text("new.txt", "aacabca"), &params, &d),
        NT_ERR_FORMAT, "token 1, 'a'");
}
END_TEST

START_TEST(faults_are_named)
{
    struct nt_dataset *d;
    struct nt_dataset_params params = params_of(NT_SPLIT_TRAIN, 0);
    const struct {
        const char *text, *message;
    } faults[] = {
        {"", "0 characters in this part: too few"},
        {"abcde", "5 characters in this part: too few for a window of 5"},
        {"abc\xff gh", "byte 3, 0xff: the text must be UTF-8"},
        {"abcdefg\xc3", "byte 7, 0xc3"},
        {"abcdefg\xe2\x82", "byte 7, 0xe2"},
        {"ab\xc0\x80 defgh", "byte 2, 0xc0"},         /* a zero in two bytes */
        {"ab\xed\xa0\x80 defgh", "byte 2, 0xed"},     /* half of a pair */
        {"ab\xf4\x90\x80\x80 defgh", "byte 2, 0xf4"}, /* beyond Unicode */
        {"ab\xe2(\xa1 defgh", "byte 2, 0xe2"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        test_fails(
            nt_dataset_open(test_context(), write_text("fault.txt", faults[i].text), &params, &d),
            faults[i].text[0] && i > 1 ? NT_ERR_FORMAT : NT_ERR_ARGUMENT, faults[i].message);
    test_fails(
        nt_dataset_open(test_context(), "text:/none.txt", &params, &d), NT_ERR_FILE, "/none.txt");
    fixture_write(fixture_path("zero.txt"), "abc\0defgh", 9);
    char spec[1200];
    snprintf(spec, sizeof spec, "text:%s", fixture_path("zero.txt"));
    test_fails(nt_dataset_open(test_context(), spec, &params, &d), NT_ERR_FORMAT, "byte 3, 0x00");
}
END_TEST

START_TEST(shakespeare)
{
    const char *path = test_data("datasets/tinyshakespeare/input.txt");
    if (!path) {
        test_skip("../shared/data/datasets/tinyshakespeare is not there");
        return;
    }
    char spec[1200];
    snprintf(spec, sizeof spec, "text:%s", path);
    struct nt_dataset *d = fixture_dataset(spec, NULL);
    ck_assert_int_eq(nt_dataset_get_info(d)->classes, 65);
    ck_assert_int_eq(nt_dataset_get_info(d)->count, 1115393 / 64);
    nt_dataset_close(d);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tcase = tcase_create("text");
    tcase_set_timeout(tcase, 100);
    tcase_add_test(tcase, windows_are_the_text_again);
    tcase_add_test(tcase, the_end_is_held_out);
    tcase_add_test(tcase, batches_continue);
    tcase_add_test(tcase, vocabulary_is_kept);
    tcase_add_test(tcase, faults_are_named);
    tcase_add_test(tcase, shakespeare);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
