/* SPDX-License-Identifier: MIT
 *
 * `neutra bench` as users call it: documents, comparison, page, and that it notices wrong results.
 */
#include <expat.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "frontend/file.h"
#include "tests/command.h"
#include "tests/fixture.h"
#include "tests/testing.h"

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *json = json_load_file(path, 0, &error);
    ck_assert_msg(json != NULL, "%s: %s", path, error.text);
    return json;
}

static const json_t *device_of(const json_t *document)
{
    const json_t *devices = json_object_get(document, "devices");
    ck_assert_int_ge(json_array_size(devices), 1);
    return json_array_get(devices, 0);
}

/* Every key of the schema that docs/benchmarks.md promises. */
static void check_keys(const json_t *object, const char *const *texts, const char *const *numbers)
{
    for (; *texts; texts++)
        ck_assert_msg(json_is_string(json_object_get(object, *texts)), "%s: no text", *texts);
    for (; *numbers; numbers++)
        ck_assert_msg(json_is_number(json_object_get(object, *numbers)), "%s: no number", *numbers);
}

static void check_head(const json_t *document, bool complete)
{
    check_keys(document, (const char *[]){"format", "neutra", "date", "filter", NULL},
        (const char *[]){"version", NULL});
    ck_assert_str_eq(json_string_value(json_object_get(document, "format")), "neutra-bench");
    ck_assert_int_eq(json_is_true(json_object_get(document, "complete")), complete);
    check_keys(json_object_get(document, "host"),
        (const char *[]){"cpu", "system", "release", NULL}, (const char *[]){"cores", NULL});
    check_keys(device_of(document),
        (const char *[]){"name", "type", "vendor", "platform", "driver", "opencl", NULL},
        (const char *[]){"compute_units", "clock_mhz", "vector_width", "global_memory_bytes",
            "local_memory_bytes", NULL});
}

static void check_times(const json_t *row)
{
    double median = number(row, "median_ms");
    ck_assert(number(row, "least_ms") > 0 && number(row, "least_ms") <= median);
    ck_assert(median <= number(row, "greatest_ms"));
    ck_assert_int_ge((int)number(row, "rounds"), 5);
    ck_assert_msg(json_is_true(json_object_get(row, "right")), "a wrong result");
    ck_assert(number(row, "share") > 0);
}

static void check_layer(const json_t *row)
{
    const json_t *kernels = json_object_get(row, "kernels");
    check_keys(row, (const char *[]){"name", "family", "bound", NULL},
        (const char *[]){"flops", "bytes", "gflops", "gbytes", "limit", "repeats", NULL});
    check_times(row);
    ck_assert(number(row, "error") <= 1e-4);
    ck_assert_int_gt((int)number(row, "checked"), 60);
    ck_assert_int_ge(json_array_size(kernels), 1);
    check_keys(json_array_get(kernels, 0), (const char *[]){"kernel", "variant", "reason", NULL},
        (const char *[]){"launches", NULL});
    double bytes = number(row, "gbytes") * number(row, "median_ms") * 1e6;
    ck_assert_double_eq_tol(bytes / number(row, "bytes"), 1, 1e-3);
}

/* ---- pages ---- */

struct page {
    int depth, svgs, tables, rows, links;
};

static void XMLCALL on_start(void *user, const XML_Char *name, const XML_Char **attribute)
{
    struct page *page = user;
    page->svgs += !strcmp(name, "svg");
    page->tables += !strcmp(name, "table");
    page->rows += !strcmp(name, "tr");
    page->links += !strcmp(name, "link") || !strcmp(name, "img") || !strcmp(name, "iframe");
    for (; *attribute; attribute += 2)
        page->links += !strcmp(*attribute, "src") || !strcmp(*attribute, "href");
}

/* Well-formed, and nothing in it is from elsewhere. */
static struct page check_page(const char *path)
{
    uint8_t *text;
    size_t size;
    struct page page = {0};
    test_ok(nt_file_read(test_context(), path, 0, &text, &size));
    XML_Parser parser = XML_ParserCreate(NULL);
    XML_SetUserData(parser, &page);
    XML_SetStartElementHandler(parser, on_start);
    int parsed = XML_Parse(parser, (const char *)text, (int)size, 1);
    ck_assert_msg(parsed == XML_STATUS_OK, "%s:%lu: %s", path, XML_GetCurrentLineNumber(parser),
        XML_ErrorString(XML_GetErrorCode(parser)));
    XML_ParserFree(parser);
    ck_assert_int_eq(page.links, 0);
    ck_assert_ptr_null(strstr((char *)text, "http"));
    ck_assert_ptr_null(strstr((char *)text, "url("));
    ck_assert_ptr_null(strstr((char *)text, "@import"));
    free(text);
    return page;
}

/* ---- running ---- */

START_TEST(layer)
{
    if (absent())
        return;
    const char *json = fixture_path("layer.json"), *html = fixture_path("layer.html");
    expect(0, "1/1", "bench --filter 'map tanh' --json %s --html %s", json, html);
    ck_assert(strstr(out, "map tanh") != NULL && strstr(out, "map_") != NULL);
    json_t *all = load(json);
    check_head(all, true);
    const json_t *layers = json_object_get(device_of(all), "layers");
    ck_assert_int_eq(json_array_size(layers), 1);
    check_layer(json_array_get(layers, 0));
    json_decref(all);
    struct page page = check_page(html);
    ck_assert_int_ge(page.tables, 3);
}
END_TEST

/* The same one twice: they are told apart. */
START_TEST(several_devices)
{
    if (absent())
        return;
    const char *html = fixture_path("two.html");
    expect(0, NULL, "bench --device 0,0 --filter 'map tanh' --json - --html %s", html);
    json_t *all = document();
    const json_t *devices = json_object_get(all, "devices");
    ck_assert_int_eq(json_array_size(devices), 2);
    char label[300], *page;
    size_t size;
    test_ok(nt_file_read(test_context(), html, 0, (uint8_t **)&page, &size));
    for (int i = 1; i <= 2; i++) {
        snprintf(label, sizeof label, "%s, %d</t",
            json_string_value(json_object_get(json_array_get(devices, 0), "name")), i);
        ck_assert_msg(strstr(page, label) != NULL, "the page lacks %s", label);
    }
    free(page);
    json_decref(all);
    check_page(html);
}
END_TEST

START_TEST(products_have_a_roofline)
{
    if (absent())
        return;
    const char *json = fixture_path("gemm.json"), *html = fixture_path("gemm.html");
    expect(0, NULL, "bench --filter 'gemm 512 tt' --json - --html %s", html);
    json_t *all = document();
    const json_t *layers = json_object_get(device_of(all), "layers");
    ck_assert_int_eq(json_array_size(layers), 1);
    const json_t *row = json_array_get(layers, 0);
    check_layer(row);
    ck_assert_double_eq(number(row, "flops"), 2.0 * 512 * 512 * 512);
    ck_assert_str_eq(json_string_value(json_object_get(row, "bound")), "multiply-add");
    ck_assert_int_eq(json_dump_file(all, json, 0), 0);
    json_decref(all);
    ck_assert_int_eq(check_page(html).svgs, 1);
    expect(0, "", "bench compare %s", json); /* a single one: its tables again */
    ck_assert(strstr(out, "gemm 512 tt") != NULL);
}
END_TEST

START_TEST(network)
{
    if (absent())
        return;
    const char *html = fixture_path("network.html");
    expect(0, NULL, "bench --quick --filter 'lenet train 1' --json - --html %s", html);
    json_t *all = document();
    const json_t *rows = json_object_get(device_of(all), "networks");
    ck_assert_int_eq(json_array_size(rows), 1);
    const json_t *row = json_array_get(rows, 0);
    check_times(row);
    check_keys(row, (const char *[]){"name", "family", NULL},
        (const char *[]){"build_ms", "items_per_second", "flops", "gflops", "limit", "launches",
            "arena_bytes", "device_bytes", NULL});
    /* 416,520 multiply-accumulates forward, twice that backward */
    ck_assert_double_eq_tol(number(row, "flops"), 6.0 * 416520, 1);
    json_decref(all);
    ck_assert_int_eq(check_page(html).svgs, 1);
}
END_TEST

START_TEST(start_of_the_program)
{
    if (absent())
        return;
    expect(0, "", "bench start 'lenet train 1'");
    long kib = 0;
    ck_assert_int_eq(sscanf(out, "done %ld KiB", &kib), 1);
    expect(1, "no network's row has this name", "bench start lenet");
}
END_TEST

START_TEST(probes)
{
    static const char *const names[] = {"multiply-add", "copy 256 KiB", "copy 256 MiB",
        "local memory", "launch", "launch and wait", "host to device", "device to host, pinned",
        "map and unmap", "fp16", "matrix units"};
    if (absent())
        return;
    expect(0, NULL, "bench --quick --filter probes --json -");
    json_t *all = document(), *row;
    size_t i, found = 0;
    json_array_foreach(json_object_get(device_of(all), "probes"), i, row)
    {
        const char *name = json_string_value(json_object_get(row, "name"));
        for (size_t j = 0; j < sizeof names / sizeof *names; j++)
            found += !strcmp(name, names[j]);
        if (!json_object_get(row, "median")) {
            ck_assert(json_is_boolean(json_object_get(row, "available")));
            continue;
        }
        ck_assert(number(row, "least") > 0 && number(row, "least") <= number(row, "median"));
        ck_assert(number(row, "median") <= number(row, "greatest"));
    }
    ck_assert_int_eq(found, sizeof names / sizeof *names);
    json_decref(all);
}
END_TEST

/* A kernel that computes something else is noticed: maps of this folder take half of x for tanh. */
START_TEST(wrong_kernel)
{
    if (absent())
        return;
    char *path = fixture_path("kernels/map.cl");
    static const char before[] = "#define tanh(x) (0.5f * (x))\n";
    uint8_t *text;
    size_t size;
    test_ok(nt_file_read(test_context(), "cl/map.cl", 0, &text, &size));
    char *changed = malloc(sizeof before + size);
    memcpy(changed, before, sizeof before - 1);
    memcpy(changed + sizeof before - 1, text, size);
    fixture_write(path, changed, sizeof before - 1 + size);
    *strrchr(path, '/') = 0;
    setenv("NEUTRA_CL_DIR", path, 1);
    expect(1, "1 result is wrong", "bench --quick --filter 'map tanh' --json -");
    unsetenv("NEUTRA_CL_DIR");
    json_t *all = document();
    const json_t *row = json_array_get(json_object_get(device_of(all), "layers"), 0);
    ck_assert(json_is_false(json_object_get(row, "right")));
    ck_assert(number(row, "error") > 1e-3);
    json_decref(all);
    free(changed);
    free(text);
}
END_TEST

/* Interrupted, it keeps what it has measured. */
START_TEST(interrupted)
{
    if (absent())
        return;
    char command[2000];
    const char *json = fixture_path("interrupted.json"), *progress = fixture_path("stderr");
    snprintf(command, sizeof command, "bench --filter gemm --json %s", json);
    set_up();
    pid_t pid = start(command, out_path);
    for (int i = 0; i < 6000; i++) {
        char text[64] = "";
        FILE *file = fopen(progress, "r");
        size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
        if (file)
            fclose(file);
        if (size && strstr(text, "/12"))
            break;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    kill(pid, SIGINT);
    int code = finish(pid);
    ck_assert_msg(code == 130, "exit status %d: %s", code, err);
    json_t *all = load(json);
    check_head(all, false);
    ck_assert_int_lt(json_array_size(json_object_get(device_of(all), "layers")), 12);
    json_decref(all);
}
END_TEST

START_TEST(wrong_usage)
{
    if (absent())
        return;
    expect(2, "no row's name contains it", "bench --filter frobnicate");
    expect(2, "frob: must be compare", "bench frob");
    expect(2, "must be compare", "bench compare");
    expect(1, "/nowhere/x.json", "bench --filter tanh --json /nowhere/x.json");
    expect(1, "no such device", "bench --filter tanh --device 'no such device'");
    expect(2, "only --html goes with it", "bench compare a.json b.json --json c.json");
    expect(2, "only --html goes with it", "bench compare a.json b.json --device 0");
    expect(1, "names no device", "bench --filter tanh --device ,");
    expect(1, "no such device", "bench --filter tanh --device ',no such device'");
    ck_assert_msg(!strstr(err, "1/"), "measured before all devices were found: %s", err);
    expect(0, "", "bench --list");
    ck_assert(strstr(out, "probes\n") == out && strstr(out, "\nresnet50 train 4\n") != NULL);
    expect(0, "", "bench --list --quick --filter 'conv 64-64'");
    ck_assert_str_eq(out, "conv 64-64 56 3x3 forward\nconv 64-64 56 3x3 backward-data\n"
                          "conv 64-64 56 3x3 backward-weights\n");
}
END_TEST

/* Names are what rows are asked for and compared by. */
START_TEST(names_are_unique)
{
    if (absent())
        return;
    expect(0, "", "bench --list");
    for (const char *line = out; *line; line = strchr(line, '\n') + 1) {
        size_t length = strcspn(line, "\n") + 1;
        for (const char *other = line + length; *other; other = strchr(other, '\n') + 1)
            ck_assert_msg(strncmp(line, other, length), "twice: %.*s", (int)length, line);
    }
}
END_TEST

/* ---- comparing ---- */

/* A document of one layer, one network and one probe with these numbers. */
static const char *made_up(const char *name, double layer_ms, double network_ms, double rate)
{
    char text[2000];
    snprintf(text, sizeof text,
        "{\"format\": \"neutra-bench\", \"version\": 1, \"neutra\": \"0.1.0\", \"date\": \"now\","
        "\"complete\": true, \"host\": {}, \"devices\": [{\"name\": \"<%s> & co\","
        "\"platform\": \"p\", \"driver\": \"d\","
        "\"probes\": [{\"name\": \"multiply-add\", \"unit\": \"GFLOP/s\", \"median\": %g}],"
        "\"layers\": [{\"name\": \"gemm\", \"median_ms\": %g, \"least_ms\": 0.1, \"greatest_ms\": "
        "9,"
        "\"flops\": 1e9, \"bytes\": 1e6, \"gflops\": 10, \"share\": 0.5, \"right\": true}],"
        "\"networks\": [{\"name\": \"net\", \"median_ms\": %g, \"least_ms\": 0.1,"
        "\"greatest_ms\": 9, \"gflops\": 5, \"share\": 0.5, \"right\": true}]}]}",
        name, rate, layer_ms, network_ms);
    const char *path = fixture_path(name);
    fixture_write(path, text, strlen(text));
    return path;
}

/* Steps of 2 ms and half a millisecond for each item; of 1 ms and 100 ms for a million pixels; one
 * loaded by the loader and two batches of another network, which are no line. */
START_TEST(lines_through_batches_and_sizes)
{
    static const struct {
        const char *network, *loaded;
        int batch, side;
        double ms;
    } rows[] = {{"net", "false", 1, 64, 2.5}, {"net", "false", 4, 64, 4},
        {"net", "true", 8, 64, 90}, {"net", "false", 16, 64, 10}, {"big", "false", 2, 100, 3},
        {"big", "false", 2, 200, 9}, {"big", "false", 2, 300, 19}, {"two", "false", 1, 0, 1},
        {"two", "false", 2, 0, 2}};
    char text[4000];
    int used = snprintf(text, sizeof text,
        "{\"format\": \"neutra-bench\", \"version\": 1, \"neutra\": \"0.1.0\", \"date\": \"now\","
        "\"complete\": true, \"host\": {}, \"devices\": [{\"name\": \"d\", \"platform\": \"p\","
        "\"driver\": \"d\", \"networks\": [");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        used += snprintf(text + used, sizeof text - (size_t)used,
            "%s{\"name\": \"%s %zu\", \"median_ms\": %g, \"least_ms\": 1, \"greatest_ms\": 100,"
            "\"share\": 0.5, \"right\": true, \"work\": {\"network\": \"%s\", \"training\": true,"
            "\"loaded\": %s, \"batch\": %d, \"side\": %d}}",
            i ? "," : "", rows[i].network, i, rows[i].ms, rows[i].network, rows[i].loaded,
            rows[i].batch, rows[i].side);
    used += snprintf(text + used, sizeof text - (size_t)used, "]}]}");
    const char *json = fixture_path("lines.json"), *html = fixture_path("lines.html");
    fixture_write(json, text, strlen(text));
    if (absent())
        return;
    expect(0, "", "bench compare %s --html %s", json, html);
    int lines = 0;
    double constant, slope;
    for (const char *row = strstr(out, "growth"); row; row = strchr(row + 1, '\n')) {
        bool batch = sscanf(row, " net train %lf %lf item", &constant, &slope) == 2;
        bool size = sscanf(row, " big train 2 %lf %lf million pixels", &constant, &slope) == 2;
        lines += batch || size || strstr(row, "\ntwo train") == row;
        if (batch || size) {
            ck_assert_double_eq_tol(constant, batch ? 2 : 1, 1e-2);
            ck_assert_double_eq_tol(slope, batch ? 0.5 : 100, 1e-2);
        }
    }
    ck_assert_int_eq(lines, 2);
    check_page(html);
}
END_TEST

START_TEST(compare)
{
    if (absent())
        return;
    const char *a = made_up("a.json", 6, 4, 100), *b = made_up("b.json", 2, 5, 150);
    const char *html = fixture_path("compare.html");
    expect(0, "", "bench compare %s %s --html %s", a, b, html);
    ck_assert(strstr(out, "A: a.json: ") && strstr(out, "B: b.json: "));
    const char *first = strstr(out, "gemm "), *second = strstr(out, "net ");
    double x, y, ratio;
    ck_assert(first && sscanf(first, "gemm %lf %lf %lf", &x, &y, &ratio) == 3);
    ck_assert(x == 6 && y == 2 && ratio == 3);
    ck_assert(second && sscanf(second, "net %lf %lf %lf", &x, &y, &ratio) == 3);
    ck_assert(x == 4 && y == 5 && ratio == 0.8);
    ck_assert(strstr(out, "100 GFLOP/s  150 GFLOP/s  1.50") != NULL);
    ck_assert(strstr(out, "B is 3.00 times as fast as A") != NULL);
    struct page page = check_page(html);
    ck_assert_int_eq(page.svgs, 2);
    ck_assert_int_ge(page.tables, 6);
}
END_TEST

/* Each breaks one rule of the schema. */
START_TEST(broken_documents)
{
    static const struct {
        const char *from, *to, *message;
    } cases[] = {
        {"{\"format\"", "\"format\"", "not JSON"},
        {"neutra-bench", "other", "not written by `neutra bench`"},
        {"\"version\": 1", "\"version\": 2", "version 2 of the format: must be 1"},
        {"\"date\": \"now\"", "\"date\": 7", "document: \"date\" must be a text"},
        {"\"devices\": [", "\"machines\": [", "document: \"devices\" must be an array"},
        {"\"driver\"", "\"drover\"", "device 1: \"driver\" must be a text"},
        {"\"median_ms\": 6", "\"median_ms\": -6",
            "device 1, layers, row 1: \"median_ms\" must be a number above 0"},
        {"\"networks\": [{\"name\": \"net\"", "\"networks\": [{\"name\": 4",
            "device 1, networks, row 1: \"name\" must be a text"},
        {"\"layers\": [{", "\"layers\": 4, \"rest\": [{", "device 1: \"layers\" must be an array"},
    };
    if (absent())
        return;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *good = made_up("good.json", 6, 4, 100), *bad = fixture_path("bad.json");
        uint8_t *text;
        size_t size;
        test_ok(nt_file_read(test_context(), good, 0, &text, &size));
        char changed[4000], *at = strstr((char *)text, cases[i].from);
        ck_assert_ptr_nonnull(at);
        snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - (char *)text), (char *)text,
            cases[i].to, at + strlen(cases[i].from));
        fixture_write(bad, changed, strlen(changed));
        expect(1, cases[i].message, "bench compare %s %s", good, bad);
        ck_assert(strstr(err, "bad.json") != NULL);
        ck_assert_str_eq(out, "");
        free(text);
    }
    expect(1, "no.json", "bench compare %s", fixture_path("no.json"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bench");
    TCase *tests = tcase_create("bench");
    tcase_set_timeout(tests, 300);
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, layer);
    tcase_add_test(tests, several_devices);
    tcase_add_test(tests, products_have_a_roofline);
    tcase_add_test(tests, network);
    tcase_add_test(tests, start_of_the_program);
    tcase_add_test(tests, probes);
    tcase_add_test(tests, wrong_kernel);
    tcase_add_test(tests, interrupted);
    tcase_add_test(tests, wrong_usage);
    tcase_add_test(tests, names_are_unique);
    tcase_add_test(tests, lines_through_batches_and_sizes);
    tcase_add_test(tests, compare);
    tcase_add_test(tests, broken_documents);
    return test_main(suite);
}
