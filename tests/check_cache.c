/* SPDX-License-Identifier: MIT */
#include "engine/cache.h"
#include "engine/store.h"
#include "tests/kernels.h"
#include "tests/testing.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT 64

static char dir[128], programs[160];
static int warnings;

static void count_warnings(void *user, enum nt_log_level level, const char *text)
{
    warnings += level == NT_LOG_WARNING && strstr(text, "not kept") != NULL;
}

/* Opens a device with the cache in dir, runs out = 2 * in + b and more + more, and closes
 * everything. Tells which units came from disk. */
static void run(const char *b, const char *more, bool *b_cached, bool *more_cached)
{
    struct nt_context_params params = {.cache_dir = dir, .log = count_warnings};
    struct nt_context *ctx;
    struct nt_device *dev;
    struct nt_tape *tape;
    float x[COUNT], y[COUNT];
    ck_assert_int_eq(nt_context_create(&params, &ctx), NT_OK);
    ck_assert_msg(nt_device_open(ctx, NULL, &dev) == NT_OK, "%s", nt_error_message(ctx));
    ck_assert_int_eq(nt_tape_create(dev, &tape), NT_OK);
    int32_t in = nt_tape_buffer(tape, NT_BUFFER_KEPT, sizeof x, "in");
    int32_t mid = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, sizeof x, "mid");
    int32_t out = nt_tape_buffer(tape, NT_BUFFER_KEPT, sizeof x, "out");
    ck_assert_int_eq(test_affine(tape, 2, b, in, mid, COUNT), NT_OK);
    ck_assert_int_eq(test_affine(tape, 1, more, mid, out, COUNT), NT_OK);
    ck_assert_msg(nt_tape_build(tape) == NT_OK, "%s", nt_error_message(ctx));
    test_fill(x, COUNT);
    ck_assert_int_eq(nt_tape_write(tape, in, 0, x, sizeof x), NT_OK);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(nt_tape_run(tape), NT_OK);
    ck_assert_int_eq(nt_tape_read(tape, out, 0, y, sizeof y), NT_OK);
    for (int i = 0; i < COUNT; i++)
        ck_assert_float_eq_tol(y[i], 2 * x[i] + (float)(atof(b) + atof(more)), 1e-5);

    bool *cached[] = {b_cached, more_cached};
    const char *value[] = {b, more};
    for (int i = 0; i < 2; i++) {
        char defines[64];
        struct nt_unit *unit;
        snprintf(defines, sizeof defines, "#define NT_B %s\n", value[i]);
        ck_assert_int_eq(nt_unit_get(dev, "affine", defines, &unit), NT_OK);
        if (cached[i])
            *cached[i] = unit->cached;
    }
    nt_tape_destroy(tape);
    nt_device_close(dev);
    nt_context_destroy(ctx);
}

/* Calls a function for every file with an ending; gives their number. */
static int each_file(const char *ending, void (*change)(const char *path))
{
    char path[600];
    int n = 0;
    DIR *folder = opendir(programs);
    for (struct dirent *e; folder && (e = readdir(folder));) {
        const char *dot = strrchr(e->d_name, '.');
        if (!dot || strcmp(dot, ending) != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", programs, e->d_name);
        if (change)
            change(path);
        n++;
    }
    if (folder)
        closedir(folder);
    return n;
}

static void remove_file(const char *path)
{
    unlink(path);
}

static void use_folder(const char *name)
{
    snprintf(dir, sizeof dir, "%s/%s", test_folder(), name);
    snprintf(programs, sizeof programs, "%s/programs", dir);
    each_file(".unit", remove_file);
    each_file(".program", remove_file);
}

START_TEST(programs_come_back)
{
    bool one, two;
    use_folder("plain/deep");
    run("1.0f", "2.0f", &one, &two);
    ck_assert(!one && !two);
    ck_assert_int_eq(each_file(".program", NULL), 1);
    ck_assert_int_eq(each_file(".unit", NULL), 2);
    ck_assert_int_eq(each_file(".tmp", NULL), 0);
    run("1.0f", "2.0f", &one, &two);
    ck_assert(one && two);
    /* another net that shares a unit */
    run("2.0f", "3.0f", &one, &two);
    ck_assert(one && !two);
    run("3.0f", "1.0f", &one, &two);
    ck_assert(one && two);
}
END_TEST

static void cut(const char *path)
{
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(truncate(path, st.st_size / 2), 0);
}

static void empty(const char *path)
{
    ck_assert_int_eq(truncate(path, 0), 0);
}

static void flip(const char *path)
{
    char *data;
    size_t bytes;
    ck_assert_int_eq(nt_store_read(path, 1 << 28, &data, &bytes), 0);
    data[test_int(0, (int)bytes - 1)] ^= (char)(1 << test_int(0, 7));
    ck_assert_int_eq(nt_store_replace(path, data, bytes), 0);
    free(data);
}

static void fill_with_noise(const char *path)
{
    char noise[5000];
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (char)test_int(0, 255);
    ck_assert_int_eq(nt_store_replace(path, noise, sizeof noise), 0);
}

START_TEST(damaged_files_are_replaced)
{
    static const struct {
        const char *ending;
        void (*change)(const char *path);
    } damage[] = {{".program", cut}, {".program", empty}, {".program", flip}, {".program", flip},
        {".program", fill_with_noise}, {".program", remove_file}, {".unit", cut}, {".unit", empty},
        {".unit", fill_with_noise}, {".unit", remove_file}};
    bool one, two;
    use_folder("damage");
    run("1.0f", "2.0f", &one, &two);
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        ck_assert_int_gt(each_file(damage[i].ending, damage[i].change), 0);
        run("1.0f", "2.0f", &one, &two);
        ck_assert_msg(!one && !two, "damage %zu went unseen", i);
        run("1.0f", "2.0f", &one, &two);
        ck_assert_msg(one && two, "damage %zu was not repaired", i);
    }
}
END_TEST

static char units[2][600];
static int unit_count;

static void keep_path(const char *path)
{
    if (unit_count < 2)
        strcpy(units[unit_count++], path);
}

/* An entry that names a program which holds other kernels, with everything else in order. */
START_TEST(entries_that_lie_are_found_out)
{
    bool one, two;
    use_folder("lie");
    run("1.0f", "1.0f", &one, NULL);
    unit_count = 0;
    each_file(".unit", keep_path);
    ck_assert_int_eq(unit_count, 1);
    unsigned long long a, b, program[2];
    char *name = strrchr(units[0], '/') + 1, *text, entry[64];
    size_t bytes;
    run("7.0f", "7.0f", &two, NULL);
    unit_count = 0;
    each_file(".unit", keep_path);
    ck_assert_int_eq(unit_count, 2);
    for (int i = 0; i < 2; i++) { /* each gets the other's program */
        name = strrchr(units[i], '/') + 1;
        ck_assert_int_eq(sscanf(name, "%16llx%16llx", &a, &b), 2);
        if (i == 0)
            ck_assert_int_eq(nt_store_read(units[1], 4096, &text, &bytes), 0);
        else
            continue;
        ck_assert_int_eq(sscanf(text, "%16llx %16llx", &program[0], &program[1]), 2);
        free(text);
        snprintf(entry, sizeof entry, "%016llx %016llx %016llx\n", program[0], program[1],
            (unsigned long long)nt_source_hash(
                (uint64_t)a ^ (uint64_t)b, (uint64_t[]){program[0], program[1]}, 16));
        ck_assert_int_eq(nt_store_replace(units[i], entry, strlen(entry)), 0);
    }
    run("1.0f", "7.0f", &one, &two);
    ck_assert(one != two);
    run("1.0f", "7.0f", &one, &two);
    ck_assert(one && two);
}
END_TEST

START_TEST(unwritable_folders_are_told_once)
{
    bool one, two;
    char path[200];
    use_folder("file");
    snprintf(path, sizeof path, "%s/file", test_folder());
    ck_assert_int_eq(nt_store_replace(path, "x", 1), 0);
    warnings = 0;
    run("1.0f", "2.0f", &one, &two);
    ck_assert(!one && !two);
    ck_assert_int_eq(warnings, 1);
}
END_TEST

START_TEST(no_folder_means_no_cache)
{
    bool one, two;
    dir[0] = 0;
    warnings = 0;
    run("1.0f", "2.0f", &one, &two);
    run("1.0f", "2.0f", &one, &two);
    ck_assert(!one && !two && warnings == 0);
}
END_TEST

/* A process that ends while its device is open and its programs are being saved. */
START_TEST(leaving_early_does_no_harm)
{
    char command[256];
    unsetenv("POCL_KERNEL_CACHE");
    snprintf(command, sizeof command, "/proc/$PPID/exe --leave '%s/leave'", test_folder());
    int status = system(command);
    setenv("POCL_KERNEL_CACHE", "0", 1);
    ck_assert_int_eq(status, 0);
    bool one, two;
    snprintf(dir, sizeof dir, "%s/leave", test_folder());
    run("1.0f", "2.0f", &one, &two);
    ck_assert(one && two);
}
END_TEST

static int leave(const char *folder)
{
    struct nt_context_params params = {.cache_dir = folder};
    static struct nt_context *ctx; /* static: still held when the process ends */
    static struct nt_device *dev;
    static struct nt_tape *tape;
    if (nt_context_create(&params, &ctx) || nt_device_open(ctx, NULL, &dev) ||
        nt_tape_create(dev, &tape))
        return EXIT_FAILURE;
    int32_t in = nt_tape_buffer(tape, NT_BUFFER_KEPT, 256, "in");
    if (test_affine(tape, 1, "1.0f", in, in, 64) || test_affine(tape, 1, "2.0f", in, in, 64) ||
        nt_tape_build(tape) || nt_tape_run(tape))
        return EXIT_FAILURE;
    return EXIT_SUCCESS;
}

/* The engine leaves keeping binaries to PoCL unless PoCL's own cache is off. PoCL reads the
 * setting when it is loaded, which is before this: it keeps its cache, and the tests are fast. */
static void use_own_cache(void)
{
    struct nt_device_info *list;
    int count;
    if (nt_device_list(test_context(), &list, &count) == NT_OK)
        free(list);
    setenv("POCL_KERNEL_CACHE", "0", 1);
}

int main(int argc, char **argv)
{
    test_kernels();
    use_own_cache();
    if (argc > 2 && strcmp(argv[1], "--leave") == 0)
        return leave(argv[2]);
    Suite *suite = suite_create("cache");
    TCase *tcase = tcase_create("cache");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, programs_come_back);
    tcase_add_test(tcase, damaged_files_are_replaced);
    tcase_add_test(tcase, entries_that_lie_are_found_out);
    tcase_add_test(tcase, unwritable_folders_are_told_once);
    tcase_add_test(tcase, no_folder_means_no_cache);
    tcase_add_test(tcase, leaving_early_does_no_harm);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
