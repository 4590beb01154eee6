/* SPDX-License-Identifier: MIT */
#include "frontend/sheet.h"

#include <string.h>

#include "frontend/font.h"
#include "tests/fixture.h"
#include "tests/testing.h"

static struct nt_picture load(const char *path)
{
    struct nt_picture picture;
    test_ok(nt_picture_load(test_context(), path, NULL, &picture));
    return picture;
}

/* Pixels that are much more of one colour than of the others. */
static int count_tinted(const struct nt_picture *picture, int channel)
{
    int n = 0;
    for (int i = 0; i < picture->width * picture->height; i++) {
        const uint8_t *p = picture->pixels + 3 * i;
        int others = p[(channel + 1) % 3] > p[(channel + 2) % 3] ? p[(channel + 1) % 3]
                                                                 : p[(channel + 2) % 3];
        n += p[channel] > others + 50;
    }
    return n;
}

START_TEST(sheets_hold_their_pictures)
{
    char *path = fixture_path("sheet.png");
    struct nt_picture gray = fixture_picture(28, 28, 1), wide = fixture_picture(300, 90, 3);
    memset(gray.pixels, 77, 28 * 28);
    memset(wide.pixels, 90, 300 * 90 * 3);
    struct nt_sheet_item items[5];
    for (int i = 0; i < 5; i++)
        items[i] = (struct nt_sheet_item){i % 2 ? &wide : &gray, "truth", "guess", 0.987, true};
    test_ok(nt_sheet_write(test_context(), path, items, 5, NULL));
    struct nt_picture sheet = load(path);
    ck_assert_int_eq(sheet.channels, 3);
    int of[2] = {0};
    for (int i = 0; i < sheet.width * sheet.height; i++) {
        of[0] += sheet.pixels[3 * i] == 77;
        of[1] += sheet.pixels[3 * i] == 90;
    }
    ck_assert_int_eq(of[0], 3 * 112 * 112);
    ck_assert_int_eq(of[1], 2 * 112 * 34);
    ck_assert_int_gt(count_tinted(&sheet, 1), 100);
    ck_assert_int_eq(count_tinted(&sheet, 0), 0);
    nt_picture_finish(&sheet);
    items[2].right = false;
    struct nt_sheet_params params = {.columns = 2, .picture_size = 40};
    test_ok(nt_sheet_write(test_context(), path, items, 5, &params));
    sheet = load(path);
    ck_assert_int_gt(sheet.height, sheet.width);
    ck_assert_int_gt(count_tinted(&sheet, 0), 20);
    nt_picture_finish(&sheet);
    test_fails(nt_sheet_write(test_context(), path, items, 0, NULL), NT_ERR_ARGUMENT, "at least 1");
    test_fails(
        nt_sheet_write(test_context(), "/dev/full", items, 5, NULL), NT_ERR_FILE, "No space");
    params.picture_size = 1000000;
    test_fails(
        nt_sheet_write(test_context(), path, items, 5, &params), NT_ERR_ARGUMENT, "too large");
    nt_picture_finish(&gray);
    nt_picture_finish(&wide);
}
END_TEST

/* Nine characters fit under a picture of 112 pixels; a line is 19 pixels high. */
START_TEST(sentences_take_lines)
{
    static const struct {
        const char *truth, *predicted;
        int lines;
    } texts[] = {
        {"one", "two", 2},
        {NULL, "two", 2}, /* the space of two is always there */
        {"one two three four", "one two t", 4},
        {"nine char", "nine chars", 3},
        {"Donaudampfschifffahrt", "a Donaudampfschifffahrt b", 3 + 4},
        {"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", "", 2},
    };
    char *path = fixture_path("sentences.png");
    struct nt_picture gray = fixture_picture(28, 28, 1);
    struct nt_sheet_params params = {.sentences = true};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const struct nt_sheet_item item = {&gray, texts[i].truth, texts[i].predicted, 1, true};
        test_ok(nt_sheet_write(test_context(), path, &item, 1, &params));
        struct nt_picture sheet = load(path);
        ck_assert_int_eq(sheet.width, 14 + 112 + 14);
        ck_assert_msg(sheet.height == 14 + 112 + 19 * texts[i].lines + 4 + 14,
            "%s: %s: a height of %d", texts[i].truth, texts[i].predicted, sheet.height);
        for (int y = 0; y < sheet.height; y++) /* nothing runs into the margins */
            for (int x = 0; x < sheet.width; x++)
                if (x < 14 || x >= 14 + 112)
                    ck_assert_int_eq(sheet.pixels[3 * (y * sheet.width + x)], 255);
        nt_picture_finish(&sheet);
    }
    nt_picture_finish(&gray);
}
END_TEST

START_TEST(odd_captions_do_no_harm)
{
    char *path = fixture_path("odd.png");
    struct nt_picture dot = fixture_picture(1, 1, 3);
    char all[256], endless[300];
    for (int i = 0; i < 255; i++)
        all[i] = (char)(i + 1);
    all[255] = 0;
    memset(endless, 'W', 299);
    endless[299] = 0;
    struct nt_sheet_item items[3] = {{&dot, all, all, 1e9, false}, {&dot, NULL, endless, -1, false},
        {&dot, "", "", 0.0 / 1, true}};
    test_ok(nt_sheet_write(test_context(), path, items, 3, NULL));
    struct nt_picture sheet = load(path);
    ck_assert_int_lt(sheet.width, 2000);
    nt_font_draw(&sheet, -1000, -5, 3, (const uint8_t[3]){0}, endless);
    nt_font_draw(&sheet, sheet.width - 4, sheet.height - 4, 3, (const uint8_t[3]){0}, all);
    ck_assert_int_eq(nt_font_width("ab\xc3\xa9", 2), 2 * 17);
    ck_assert_int_eq(nt_font_width("", 2), 0);
    nt_picture_finish(&sheet);
    nt_picture_finish(&dot);
}
END_TEST

START_TEST(glyphs_differ)
{
    /* No two printable characters look alike, and only the space is empty. */
    static uint8_t looks[95][48];
    struct nt_picture cell;
    test_ok(nt_picture_create(test_context(), 6, 8, 3, &cell));
    for (int c = 0; c < 95; c++) {
        memset(cell.pixels, 0, 144);
        nt_font_draw(
            &cell, 0, 0, 1, (const uint8_t[3]){1, 1, 1}, (const char[2]){(char)(32 + c), 0});
        for (int i = 0; i < 48; i++)
            looks[c][i] = cell.pixels[3 * i];
        for (int other = 0; other < c; other++)
            ck_assert_msg(memcmp(looks[c], looks[other], 48) != 0, "%c and %c", c + 32, other + 32);
    }
    nt_picture_finish(&cell);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sheet");
    TCase *tcase = tcase_create("sheet");
    tcase_add_test(tcase, sheets_hold_their_pictures);
    tcase_add_test(tcase, sentences_take_lines);
    tcase_add_test(tcase, odd_captions_do_no_harm);
    tcase_add_test(tcase, glyphs_differ);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
