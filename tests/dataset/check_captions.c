/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "frontend/dataset.h"
#include "frontend/dataset/words.h"
#include "tests/fixture.h"
#include "tests/testing.h"

enum { LENGTH = 5, SIDE = 4 };

/* The picture of number n is gray, its value n. */
static void write_picture(const char *name, int width, int height, int value)
{
    struct nt_picture picture;
    test_ok(nt_picture_create(test_context(), width, height, 3, &picture));
    memset(picture.pixels, value, (size_t)width * (size_t)height * 3);
    test_ok(nt_picture_write_png(test_context(), &picture, fixture_path(name)));
    nt_picture_finish(&picture);
}

static const char *write_data(const char *dir, const char *file, const char *text)
{
    static char spec[1200];
    char name[200];
    snprintf(name, sizeof name, "%s/b.png", dir);
    write_picture(name, 8, 4, 20);
    snprintf(name, sizeof name, "%s/images/a.png", dir);
    write_picture(name, 4, 4, 10);
    snprintf(name, sizeof name, "%s/%s", dir, file);
    char *path = fixture_path(name);
    fixture_write(path, text, strlen(text));
    *strrchr(path, '/') = 0;
    snprintf(spec, sizeof spec, "captions:%s", path);
    return spec;
}

static enum nt_status open_with(
    const char *spec, struct nt_dataset_params *params, struct nt_dataset **out)
{
    params->item = (struct nt_shape){3, {3, SIDE, SIDE}};
    params->target = (struct nt_shape){1, {LENGTH}};
    params->mean[0] = 0;
    params->deviation[0] = 1.0f / 255;
    return nt_dataset_open(test_context(), spec, params, out);
}

static void check_target(const int32_t *got, const int32_t *want)
{
    for (int i = 0; i < LENGTH; i++)
        ck_assert_msg(got[i] == want[i], "word %d: got %d, want %d", i, got[i], want[i]);
}

/* Words that are there twice: a, dog, it's; in their order after the end and the unknown. */
static const char text[] = "image,caption\r\n"
                           "b.png,A Dog runs .\r\n"
                           "a.png,\"It's a dog, a dog and it's a cat\"\r\n"
                           "\r\n"
                           "b.png#1,it's,a dog\r\n";

START_TEST(captions_become_words)
{
    struct nt_dataset *data;
    struct nt_dataset_params params = {0};
    float x[3 * SIDE * SIDE];
    int32_t y[LENGTH];
    test_ok(open_with(write_data("good", "captions.txt", text), &params, &data));
    const struct nt_dataset_info *info = nt_dataset_get_info(data);
    const char *const names[] = {"<end>", "<unknown>", "a", "dog", "it's"};
    ck_assert_int_eq(info->count, 2);
    ck_assert_int_eq(info->classes, 5);
    for (int i = 0; i < 5; i++)
        ck_assert_str_eq(info->class_names[i], names[i]);
    test_ok(nt_dataset_item(test_context(), data, 0, NULL, NT_ROW_MAJOR, x, y));
    ck_assert_float_eq_tol(x[0], 10, 1e-3);
    check_target(y, (const int32_t[]){4, 2, 3, 2, 3}); /* cut */
    test_ok(nt_dataset_item(test_context(), data, 1, NULL, NT_ROW_MAJOR, x, y));
    ck_assert_float_eq_tol(x[0], 20, 1e-3);
    check_target(y, (const int32_t[]){2, 3, NT_WORDS_UNKNOWN, NT_WORDS_END, -1});
    char name[300];
    ck_assert_ptr_nonnull(
        strstr(nt_dataset_item_name(data, 0, name, sizeof name), "/images/a.png"));
    nt_dataset_close(data);
}
END_TEST

/* Training takes each caption of a picture about equally often. */
START_TEST(any_caption_in_training)
{
    struct nt_dataset *data;
    struct nt_dataset_params params = {0};
    struct nt_random random = {.key = 5};
    float x[3 * SIDE * SIDE];
    int32_t y[LENGTH];
    int first = 0;
    test_ok(open_with(
        write_data("any", "captions.tsv", "b.png\tone\nb.png\tone two\n"), &params, &data));
    for (int i = 0; i < 100; i++) {
        test_ok(nt_dataset_item(test_context(), data, 0, &random, NT_ROW_MAJOR, x, y));
        ck_assert_int_eq(y[0], NT_WORDS_FIRST);
        first += y[1] == NT_WORDS_END;
    }
    ck_assert(first > 25 && first < 75);
    nt_dataset_close(data);
}
END_TEST

START_TEST(how_often_a_word_must_be_there)
{
    struct nt_dataset *data;
    struct nt_dataset_params params = {0};
    char spec[1300];
    const int counts[] = {0, 8, 5, 5, 4};
    for (int least = 1; least <= 4; least++) {
        snprintf(spec, sizeof spec, "%s,%d", write_data("often", "captions.csv", text), least);
        test_ok(open_with(spec, &params, &data));
        ck_assert_int_eq(nt_dataset_get_info(data)->classes, counts[least]);
        nt_dataset_close(data);
    }
    snprintf(spec, sizeof spec, "%s,0", write_data("often", "captions.csv", text));
    test_fails(open_with(spec, &params, &data), NT_ERR_ARGUMENT, "must be 1 to");
}
END_TEST

START_TEST(words_that_are_given)
{
    struct nt_dataset *data;
    const char *const names[] = {"<end>", "<unknown>", "cat", "dogs", "runs"};
    struct nt_dataset_params params = {.class_count = 5, .class_names = names};
    float x[3 * SIDE * SIDE];
    int32_t y[LENGTH];
    const char *spec = write_data("given", "captions.txt", text);
    test_ok(open_with(spec, &params, &data));
    test_ok(nt_dataset_item(test_context(), data, 1, NULL, NT_ROW_MAJOR, x, y));
    check_target(y, (const int32_t[]){NT_WORDS_UNKNOWN, NT_WORDS_UNKNOWN, 4, NT_WORDS_END, -1});
    nt_dataset_close(data);
    const char *const unordered[] = {"<end>", "<unknown>", "dogs", "cat"};
    params.class_names = unordered;
    params.class_count = 4;
    test_fails(open_with(spec, &params, &data), NT_ERR_FORMAT, "word 3, 'cat'");
    params.class_count = 1;
    test_fails(open_with(spec, &params, &data), NT_ERR_FORMAT, "word 1, ''");
}
END_TEST

static void refuses(const char *dir, const char *lines, enum nt_status status, const char *message)
{
    struct nt_dataset *data;
    struct nt_dataset_params params = {0};
    test_fails(open_with(write_data(dir, "captions.txt", lines), &params, &data), status, message);
}

START_TEST(broken_files_are_named)
{
    struct nt_dataset *data;
    struct nt_dataset_params params = {0};
    refuses("parting", "b.png A dog\n", NT_ERR_FORMAT, "captions.txt:1: 'b.png A dog': must be");
    refuses("nameless", "b.png,a\n,a dog\n", NT_ERR_FORMAT, "captions.txt:2: ',a dog': must be");
    refuses("wordless", "b.png,a\nb.png, ...\n", NT_ERR_FORMAT, "captions.txt:2: the caption has");
    refuses("latin", "b.png,ein K\xe4tzchen\n", NT_ERR_FORMAT, "must be a text in UTF-8");
    refuses("heading", "image,caption\n", NT_ERR_FILE, "names no picture");
    refuses("absent", "c.png,a cat\n", NT_ERR_FILE, "c.png: there is no such picture");
    test_fails(open_with("captions:/nowhere", &params, &data), NT_ERR_FILE, "must hold captions");
    params.augment = NT_AUGMENT_FLIP;
    refuses("zero", "", NT_ERR_FILE, "names no picture");
    test_fails(open_with(write_data("flip", "captions.txt", text), &params, &data), NT_ERR_ARGUMENT,
        "its items are not cropped or flipped");
}
END_TEST

/* Random texts: the words of the numbers are the text again, where all are known. */
START_TEST(words_are_the_text_again)
{
    for (int round = 0; round < 50; round++) {
        char line[400] = "", again[400] = "";
        int count = test_int(1, 20);
        int32_t number[24];
        for (int i = 0; i < count; i++) {
            static const char *const pieces[] = {"a", "ab", "b-c", "äh", "abc", "it's", "0", "zz"};
            snprintf(line + strlen(line), sizeof line - strlen(line), "%s%s",
                pieces[test_int(0, 7)], test_int(0, 1) ? " " : ", ;");
        }
        nt_words_normalise(line);
        struct nt_words words;
        const char *texts[] = {line};
        test_ok(nt_words_collect(test_context(), texts, 1, 1, &words));
        nt_words_encode(&words, line, 24, number);
        for (int i = 0; number[i] > 0; i++) {
            ck_assert_int_ge(number[i], NT_WORDS_FIRST);
            snprintf(again + strlen(again), sizeof again - strlen(again), "%s%s", i ? " " : "",
                words.name[number[i]]);
        }
        ck_assert_str_eq(again, line);
        ck_assert_int_eq(number[count], NT_WORDS_END);
        ck_assert_int_eq(number[23], -1);
        nt_words_finish(&words);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("captions");
    TCase *tcase = tcase_create("captions");
    tcase_add_test(tcase, captions_become_words);
    tcase_add_test(tcase, any_caption_in_training);
    tcase_add_test(tcase, how_often_a_word_must_be_there);
    tcase_add_test(tcase, words_that_are_given);
    tcase_add_test(tcase, broken_files_are_named);
    tcase_add_test(tcase, words_are_the_text_again);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
