/* SPDX-License-Identifier: MIT */
#include "engine/tuning.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "engine/primitives.h"
#include "engine/tape.h"
#include "frontend/file.h"
#include "tests/fixture.h"
#include "tests/testing.h"

/* A context and a device of their own, with a cache folder of that name. */
struct opened {
    struct nt_context *ctx;
    struct nt_device *dev;
    int warnings;
};

static void count_warnings(void *user, enum nt_log_level level, const char *text)
{
    struct opened *o = user;
    o->warnings += level == NT_LOG_WARNING && strstr(text, "left alone") != NULL;
}

static void open_device(struct opened *o, const char *cache)
{
    struct nt_context_params params = {.cache_dir = cache, .log = count_warnings, .log_user = o};
    *o = (struct opened){0};
    ck_assert_int_eq(nt_context_create(&params, &o->ctx), NT_OK);
    ck_assert_msg(nt_device_open(o->ctx, NULL, &o->dev) == NT_OK, "%s", nt_error_message(o->ctx));
}

static void close_device(struct opened *o)
{
    nt_device_close(o->dev);
    nt_context_destroy(o->ctx);
}

#define ok(o, call) ck_assert_msg((call) == NT_OK, "%s: %s", #call, nt_error_message((o)->ctx))
#define fails(o, call, expected, text)                                                             \
    do {                                                                                           \
        ck_assert_int_eq(call, expected);                                                          \
        ck_assert_msg(strstr(nt_error_message((o)->ctx), text), "\"%s\" lacks \"%s\"",             \
            nt_error_message((o)->ctx), text);                                                     \
    } while (0)

static struct nt_tensor tensor(
    struct nt_tape *tape, enum nt_layout layout, int rank, const int64_t *dims)
{
    struct nt_shape shape = {.rank = rank};
    memcpy(shape.dim, dims, (size_t)rank * sizeof *dims);
    int32_t buffer = nt_tape_buffer(
        tape, NT_BUFFER_KEPT, (size_t)nt_shape_count(&shape) * sizeof(float), "operand");
    return nt_tensor_make(buffer, NT_F32, &shape, layout);
}

static void add_product(struct opened *o, struct nt_tape *tape, int size)
{
    int64_t dims[] = {size, size};
    struct nt_tensor a = tensor(tape, NT_ROW_MAJOR, 2, dims),
                     b = tensor(tape, NT_ROW_MAJOR, 2, dims);
    struct nt_tensor c = tensor(tape, NT_ROW_MAJOR, 2, dims);
    ok(o, nt_gemm(tape, &a, &b, &c, NULL));
}

/* kernel x kernel taps, 32 channels in and out, 12 x 12 pixels. */
static void add_convolution(struct opened *o, struct nt_tape *tape, int kernel)
{
    int64_t pad = kernel / 2;
    struct nt_conv conv = {.pad_before = {pad, pad}, .pad_after = {pad, pad}};
    struct nt_tensor x = tensor(tape, NT_CHANNELS_LAST, 4, (int64_t[]){2, 32, 12, 12});
    struct nt_tensor w = tensor(tape, NT_ROW_MAJOR, 4, (int64_t[]){32, 32, kernel, kernel});
    struct nt_tensor y = tensor(tape, NT_CHANNELS_LAST, 4, (int64_t[]){2, 32, 12, 12});
    ok(o, nt_conv_forward(tape, &conv, &x, &w, &y, NULL));
}

/* Notes a product and a convolution, each twice. */
static void record(struct opened *o)
{
    struct nt_tape *tape;
    nt_tuning_record(o->dev, true);
    ok(o, nt_tape_create(o->dev, &tape));
    for (int i = 0; i < 2; i++) {
        add_product(o, tape, 64);
        add_convolution(o, tape, 3);
    }
    nt_tape_destroy(tape);
    nt_tuning_record(o->dev, false);
    ck_assert_int_eq(nt_tuning_count(o->dev), 2);
}

/* The last launch of a tape with a product (kernel 0) or a convolution, which has run. */
static void last_launch(struct opened *o, int kernel, char variant[32], bool *measured)
{
    struct nt_tape *tape;
    ok(o, nt_tape_create(o->dev, &tape));
    if (kernel > 0)
        add_convolution(o, tape, kernel);
    else
        add_product(o, tape, 64);
    ok(o, nt_tape_build(tape));
    ok(o, nt_tape_run(tape));
    ok(o, nt_device_finish(o->dev));
    struct nt_launch_info info = nt_tape_launch_info(tape, nt_tape_launch_count(tape) - 1);
    snprintf(variant, 32, "%s", info.variant);
    *measured = !strcmp(info.reason, "measured");
    nt_tape_destroy(tape);
}

static bool is_variant(struct opened *o, const char *problem, const char *variant)
{
    const char *names[16];
    char primitive[64];
    snprintf(primitive, sizeof primitive, "%.*s", (int)strcspn(problem, " "), problem);
    int count = nt_variants(o->dev, primitive, 16, names);
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], variant))
            return true;
    return false;
}

START_TEST(measured_kept_and_used)
{
    const char *cache = fixture_path("kept");
    struct opened o;
    char variant[32];
    bool measured;
    open_device(&o, cache);
    last_launch(&o, 0, variant, &measured);
    ck_assert(!measured);
    record(&o);
    for (int i = 0; i < 2; i++) {
        struct nt_tuned t = {0};
        ok(&o, nt_tuning_measure(o.dev, i, 0.01, &t));
        ck_assert(is_variant(&o, t.problem, t.usual) && is_variant(&o, t.problem, t.fastest));
        ck_assert(t.usual_ms > 0 && t.fastest_ms > 0 && t.fastest_ms <= t.usual_ms);
        ck_assert_int_ge(t.tried, 1);
        ck_assert_int_eq(t.wrong, 0);
    }
    fails(&o, nt_tuning_measure(o.dev, 2, 0.01, &(struct nt_tuned){0}), NT_ERR_ARGUMENT,
        "problem 2: must be 0 to 1");
    ok(&o, nt_tuning_save(o.dev));
    ck_assert(strstr(nt_tuning_path(o.dev), cache) == nt_tuning_path(o.dev));
    close_device(&o);
    open_device(&o, cache);
    for (int kernel = 0; kernel <= 3; kernel += 3) {
        last_launch(&o, kernel, variant, &measured);
        ck_assert(measured);
    }
    last_launch(&o, 1, variant, &measured); /* another problem */
    ck_assert(!measured);
    ck_assert_int_eq(o.warnings, 0);
    close_device(&o);
}
END_TEST

/* The exported lines, with the variant of each replaced. */
static const char *rewritten(struct opened *o, const char *name, const char *variant)
{
    const char *path = fixture_path(name);
    uint8_t *data;
    size_t size;
    char text[4000];
    ok(o, nt_tuning_export(o->dev, path));
    test_ok(nt_file_read(test_context(), path, 0, &data, &size));
    const char *line = strchr(strchr((char *)data, '\n') + 1, '\n') + 1;
    int used = snprintf(text, sizeof text, "%.*s", (int)(line - (char *)data), (char *)data);
    for (const char *at = line; *at; at = strchr(at, '\n') + 1)
        used += snprintf(text + used, sizeof text - (size_t)used, "%s%.*s", variant,
            (int)(strchr(at, '\n') + 1 - strchr(at, ' ')), strchr(at, ' '));
    fixture_write(path, text, (size_t)used);
    free(data);
    return path;
}

START_TEST(what_is_imported_is_used)
{
    struct opened o;
    struct nt_tuned t;
    char usual[32], variant[32];
    bool measured;
    int count = 0;
    open_device(&o, "");
    record(&o);
    for (int i = 0; i < 2; i++)
        ok(&o, nt_tuning_measure(o.dev, i, 0.01, &t));
    ok(&o, nt_tuning_import(o.dev, rewritten(&o, "group.txt", "group"), &count));
    ck_assert_int_eq(count, 2);
    for (int kernel = 0; kernel <= 3; kernel += 3) {
        last_launch(&o, kernel, variant, &measured);
        ck_assert(measured);
        ck_assert_str_eq(variant, "group");
    }
    ck_assert_str_eq(nt_tuning_path(o.dev), "");
    fails(&o, nt_tuning_save(o.dev), NT_ERR_FILE, "no cache folder");
    close_device(&o);
    /* a variant that cannot do the problem is not taken: one tap is nothing for Winograd */
    open_device(&o, "");
    last_launch(&o, 1, usual, &measured);
    struct nt_tape *tape;
    nt_tuning_record(o.dev, true);
    ok(&o, nt_tape_create(o.dev, &tape));
    add_convolution(&o, tape, 1);
    nt_tape_destroy(tape);
    nt_tuning_record(o.dev, false);
    ok(&o, nt_tuning_measure(o.dev, 0, 0.01, &t));
    ok(&o, nt_tuning_import(o.dev, rewritten(&o, "winograd.txt", "winograd"), &count));
    last_launch(&o, 1, variant, &measured);
    ck_assert_str_eq(variant, usual);
    close_device(&o);
}
END_TEST

START_TEST(broken_files_are_refused)
{
    struct opened o;
    struct nt_tuned t;
    char variant[32];
    bool measured;
    open_device(&o, "");
    record(&o);
    ok(&o, nt_tuning_measure(o.dev, 0, 0.01, &t));
    const char *path = fixture_path("good.txt"), *bad = fixture_path("bad.txt");
    uint8_t *data;
    size_t size;
    ok(&o, nt_tuning_export(o.dev, path));
    test_ok(nt_file_read(test_context(), path, 0, &data, &size));
    close_device(&o);
    static const struct {
        const char *add, *message;
    } lines[] = {
        {"nonsense\n", "bad.txt:4: must be a variant, two times in ms and a problem"},
        {"\nslow 1 1 gemm 1\n", "bad.txt:5: must be a variant"},
        {"tile -1 1 gemm 1\n", "bad.txt:4"},
        {"tile 1 nan gemm 1\n", "bad.txt:4"},
        {"tile 1 1 cake 1\n", "bad.txt:4"},
        {"tile 1 1\n", "bad.txt:4"},
    };
    char text[4000];
    open_device(&o, "");
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        int used = snprintf(text, sizeof text, "%s%s", (char *)data, lines[i].add);
        fixture_write(bad, text, (size_t)used);
        fails(&o, nt_tuning_import(o.dev, bad, NULL), NT_ERR_FORMAT, lines[i].message);
        last_launch(&o, 0, variant, &measured);
        ck_assert_msg(!measured, "a part of the file was taken");
    }
    fixture_write(bad, "no such thing\n", 14);
    fails(&o, nt_tuning_import(o.dev, bad, NULL), NT_ERR_FORMAT, "not a tuning file");
    int used = snprintf(text, sizeof text, "neutra-tuning 1\ndevice toaster / 1 / 0\n");
    fixture_write(bad, text, (size_t)used);
    fails(&o, nt_tuning_import(o.dev, bad, NULL), NT_ERR_FORMAT, "measured with another device");
    fails(&o, nt_tuning_import(o.dev, "/no/such/file", NULL), NT_ERR_FILE, "/no/such/file");
    for (int i = 0; i < 300; i++) { /* any change is taken or refused, never more */
        memcpy(text, data, size);
        size_t changed = fixture_mutate((uint8_t *)text, size);
        fixture_write(bad, text, changed);
        if (nt_tuning_import(o.dev, bad, NULL) != NT_OK)
            ck_assert(*nt_error_message(o.ctx));
    }
    free(data);
    close_device(&o);
}
END_TEST

/* What an earlier start left broken is told and left alone. */
START_TEST(a_broken_cache_is_survived)
{
    const char *cache = fixture_path("broken");
    struct opened o;
    char path[1300], variant[32];
    bool measured;
    open_device(&o, cache);
    ok(&o, nt_tuning_save(o.dev));
    snprintf(path, sizeof path, "%s", nt_tuning_path(o.dev));
    close_device(&o);
    fixture_write(path, "neutra-tuning 1\ndevice", 22);
    open_device(&o, cache);
    ck_assert_int_eq(o.warnings, 1);
    last_launch(&o, 0, variant, &measured);
    ck_assert(!measured);
    close_device(&o);
}
END_TEST

/* Kernels from a folder in which the packing of products reads one row again and again. */
static void sabotage(const char *folder)
{
    DIR *dir = opendir("cl");
    ck_assert_ptr_nonnull(dir);
    int changed = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        char from[400];
        char *name = strrchr(e->d_name, '.');
        if (!name || (strcmp(name, ".cl") && strcmp(name, ".clh")))
            continue;
        uint8_t *data;
        size_t size;
        snprintf(from, sizeof from, "cl/%s", e->d_name);
        test_ok(nt_file_read(test_context(), from, 0, &data, &size));
        char *text = malloc(size + 64);
        memcpy(text, data, size);
        text[size] = 0;
        char *at = strcmp(e->d_name, "gemm_pack.cl") ? NULL : strstr(text, "(from, b_k, columns");
        if (at) {
            memmove(at + 10, at + 6, strlen(at + 6) + 1);
            memcpy(at + 6, " 0 *", 4);
            size += 4;
            changed++;
        }
        snprintf(from, sizeof from, "%s/%s", folder, e->d_name);
        fixture_write(from, text, size);
        free(text);
        free(data);
    }
    closedir(dir);
    ck_assert_int_eq(changed, 1);
}

START_TEST(wrong_results_are_never_taken)
{
    struct opened o;
    struct nt_tuned t = {0};
    const char *folder = fixture_path("cl");
    fixture_write(fixture_path("cl/empty"), "", 0);
    sabotage(folder);
    char usual[1300];
    open_device(&o, fixture_path("kept"));
    snprintf(usual, sizeof usual, "%s", nt_tuning_path(o.dev));
    close_device(&o);
    setenv("NEUTRA_CL_DIR", folder, 1);
    open_device(&o, fixture_path("kept"));
    ck_assert_str_ne(nt_tuning_path(o.dev), usual); /* what is known of other kernels is not used */
    close_device(&o);
    open_device(&o, "");
    record(&o);
    ok(&o, nt_tuning_measure(o.dev, 0, 0.01, &t));
    ck_assert(strstr(t.problem, "gemm ") == t.problem);
    if (strcmp(t.usual, "tile") == 0) { /* elsewhere the packed variant is the slowest */
        ck_assert_int_eq(t.wrong, 1);
        ck_assert_str_ne(t.fastest, "packed");
    }
    close_device(&o);
    unsetenv("NEUTRA_CL_DIR");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tuning");
    TCase *tests = tcase_create("tuning");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, measured_kept_and_used);
    tcase_add_test(tests, what_is_imported_is_used);
    tcase_add_test(tests, broken_files_are_refused);
    tcase_add_test(tests, a_broken_cache_is_survived);
    tcase_add_test(tests, wrong_results_are_never_taken);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
