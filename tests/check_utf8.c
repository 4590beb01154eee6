/* SPDX-License-Identifier: MIT */
#include "frontend/utf8.h"

#include <string.h>

#include "tests/testing.h"

START_TEST(every_character)
{
    for (uint32_t code = 1; code < 0x110000; code++) {
        char text[NT_UTF8_SIZE];
        nt_utf8_encode(code, text);
        const uint8_t *at = (const uint8_t *)text, *end = at + strlen(text);
        bool surrogate = code >= 0xd800 && code < 0xe000;
        int32_t got = nt_utf8_decode(&at, end);
        if (surrogate ? got != -1 : got != (int32_t)code || at != end)
            ck_abort_msg("U+%04X becomes %d", (unsigned)code, (int)got);
    }
}
END_TEST

/* Alone, cut off, longer than need be, beyond the last. */
START_TEST(what_is_none)
{
    static const char *const wrong[] = {"\x80", "\xc3", "\xc3(", "\xe2\x82", "\xc0\xaf",
        "\xe0\x80\xaf", "\xf4\x90\x80\x80", "\xff"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[16];
        snprintf(text, sizeof text, "a%s", wrong[i]);
        ck_assert(!nt_utf8_is(text, strlen(text)));
        nt_utf8_mend(text);
        ck_assert(nt_utf8_is(text, strlen(text)));
        ck_assert_uint_eq(strlen(text), 1 + strlen(wrong[i]));
    }
    ck_assert(!nt_utf8_is("a\0b", 3));
    ck_assert(nt_utf8_is("", 0));
}
END_TEST

START_TEST(the_rest_stays)
{
    char text[] = "Stra\xdf"
                  "e, Straße, 猫";
    ck_assert_str_eq(nt_utf8_mend(text), "Stra?e, Straße, 猫");
    ck_assert(nt_utf8_is(text, strlen(text)));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("utf8");
    TCase *tests = tcase_create("utf8");
    tcase_add_test(tests, every_character);
    tcase_add_test(tests, what_is_none);
    tcase_add_test(tests, the_rest_stays);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
