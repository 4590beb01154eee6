/* SPDX-License-Identifier: MIT */
#include "frontend/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/file.h"
#include "tests/fixture.h"
#include "tests/testing.h"

static char *write_plot(const struct nt_plot *plot)
{
    char *path = fixture_path("plot.svg");
    uint8_t *data;
    size_t size;
    test_ok(nt_plot_write(test_context(), path, plot));
    test_ok(nt_file_read(test_context(), path, 0, &data, &size));
    return (char *)data;
}

static int count(const char *text, const char *word)
{
    int n = 0;
    for (; (text = strstr(text, word)); text += strlen(word))
        n++;
    return n;
}

/* Every element is closed and no number is missing. */
static void expect_sound(const char *svg)
{
    int open = 0;
    for (const char *at = svg; (at = strchr(at, '<')); at++) {
        const char *end = strchr(at, '>');
        ck_assert_ptr_nonnull(end);
        open += at[1] == '/' ? -1 : end[-1] == '/' ? 0 : 1;
        ck_assert_int_ge(open, 0);
    }
    ck_assert_int_eq(open, 0);
    ck_assert_int_eq(count(svg, "nan") + count(svg, "inf"), 0);
}

START_TEST(lines_and_legend)
{
    enum { LONG = 100000 };
    static double x[LONG], y[LONG];
    for (int i = 0; i < LONG; i++) {
        x[i] = i;
        y[i] = 2.3 * exp(-i / 30000.0) + 0.1 * test_float();
    }
    double epochs[5] = {1, 2, 3, 4, 5}, accuracy[5] = {0.71, 0.8, NAN, 0.87, 0.89};
    struct nt_plot_series loss = {.name = "a <b> & \"c\"", .x = x, .y = y, .count = LONG};
    struct nt_plot_series right[2] = {
        {.name = "training", .x = epochs, .y = accuracy, .count = 5, .marked = true},
        {.name = "none", .x = epochs, .y = accuracy, .count = 0, .color = 1}};
    struct nt_plot_panel panels[2] = {{.label = "loss", .series = &loss, .count = 1},
        {.label = "accuracy", .series = right, .count = 2, .percent = true}};
    struct nt_plot plot = {"title", "step", panels, 2};
    char *svg = write_plot(&plot);
    expect_sound(svg);
    ck_assert_uint_lt(strlen(svg), 40000);
    ck_assert_ptr_nonnull(strstr(svg, "a &#60;b&#62; &#38; &#34;c&#34;"));
    ck_assert_ptr_nonnull(strstr(svg, "training"));
    ck_assert_ptr_null(strstr(svg, "none</text>"));
    ck_assert_int_eq(count(svg, "<circle"), 4);
    ck_assert_ptr_nonnull(strstr(svg, ">80 %</text>"));
    free(svg);
}
END_TEST

START_TEST(odd_data_are_drawn)
{
    const double cases[][3] = {{1, 1, 1}, {0, 0, 0}, {NAN, NAN, NAN}, {INFINITY, 1, 2},
        {1e-30, 2e-30, 3e-30}, {-1e30, 1e30, 0}, {1e9, 1e9 + 1, 1e9 + 2}, {5, NAN, 6}};
    const double steps[3] = {1, 2, 3};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int n = 0; n <= 3; n++) {
            struct nt_plot_series series = {.name = "s", .x = steps, .y = cases[i], .count = n};
            struct nt_plot_panel panel = {.label = "loss", .series = &series, .count = 1};
            struct nt_plot plot = {.panels = &panel, .count = 1};
            char *svg = write_plot(&plot);
            expect_sound(svg);
            ck_assert_int_lt(count(svg, "<text"), 40);
            free(svg);
        }
}
END_TEST

START_TEST(faults_are_named)
{
    struct nt_plot plot = {.title = "t"};
    test_fails(nt_plot_write(test_context(), "/dev/full", &plot), NT_ERR_FILE, "No space left");
    test_fails(
        nt_plot_write(test_context(), "/no/where.svg", &plot), NT_ERR_FILE, "folder /no does not");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plot");
    TCase *tcase = tcase_create("plot");
    tcase_add_test(tcase, lines_and_legend);
    tcase_add_test(tcase, odd_data_are_drawn);
    tcase_add_test(tcase, faults_are_named);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
