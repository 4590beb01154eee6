/* SPDX-License-Identifier: MIT */
#include "engine/cache.h"
#include "engine/compile.h"
#include "tests/kernels.h"
#include "tests/testing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <math.h>
#include <unistd.h>

#define KERNELS 9
#define COUNT 37

static char helper[1024], values[KERNELS][32], heard[2048];
static int folders;

static void keep(void *user, enum nt_log_level level, const char *text)
{
    size_t length = strlen(heard);
    if (strstr(text, "ompile"))
        snprintf(heard + length, sizeof heard - length, "%s\n", text);
}

/* Kernels that no driver has seen. */
static void new_kernels(void)
{
    for (int i = 0; i < KERNELS; i++)
        snprintf(values[i], sizeof values[i], "%.7ff", (double)test_float() + i);
}

static void new_cache(char *folder, size_t size)
{
    snprintf(folder, size, "%s/cache%d", test_folder(), folders++);
}

/* Opens a device, runs kernels that add values to the input one after another, and checks. */
static void run(const char *cache, const char *compiler)
{
    struct nt_context_params params = {.cache_dir = cache, .log = keep};
    struct nt_context *ctx;
    struct nt_device *dev;
    struct nt_tape *tape;
    float x[COUNT], y[COUNT];
    double want[COUNT];
    int32_t buffer[KERNELS + 1];
    setenv("NEUTRA_COMPILER", compiler, 1);
    *heard = 0;
    ck_assert_int_eq(nt_context_create(&params, &ctx), NT_OK);
    ck_assert_msg(nt_device_open(ctx, NULL, &dev) == NT_OK, "%s", nt_error_message(ctx));
    ck_assert_int_eq(nt_tape_create(dev, &tape), NT_OK);
    for (int i = 0; i <= KERNELS; i++)
        buffer[i] = nt_tape_buffer(
            tape, i && i < KERNELS ? NT_BUFFER_TRANSIENT : NT_BUFFER_KEPT, sizeof x, "buffer");
    for (int i = 0; i < KERNELS; i++)
        ck_assert_int_eq(test_affine(tape, 1, values[i], buffer[i], buffer[i + 1], COUNT), NT_OK);
    ck_assert_msg(nt_tape_build(tape) == NT_OK, "%s", nt_error_message(ctx));
    test_fill(x, COUNT);
    for (int i = 0; i < COUNT; i++) {
        y[i] = NAN;
        want[i] = x[i];
        for (int k = 0; k < KERNELS; k++)
            want[i] += strtod(values[k], NULL);
    }
    ck_assert_int_eq(nt_tape_write(tape, buffer[0], 0, x, sizeof x), NT_OK);
    ck_assert_int_eq(nt_tape_run(tape), NT_OK);
    ck_assert_int_eq(nt_tape_read(tape, buffer[KERNELS], 0, y, sizeof y), NT_OK);
    test_close("sum", COUNT, y, want, 1e-5);
    nt_tape_destroy(tape);
    nt_device_close(dev);
    nt_context_destroy(ctx);
}

static const char *script(const char *text)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/script", test_folder());
    unlink(path);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "#!/bin/sh\n%s\n", text);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path, 0755), 0);
    return path;
}

static void expect(const char *text)
{
    ck_assert_msg(strstr(heard, text) != NULL, "not heard: \"%s\", but: \"%s\"", text, heard);
}

/* Whether helpers are for this device; counts as skipped if not. */
static bool applies(void)
{
    struct nt_device *dev = test_device();
    if (nt_cache_driver_keeps(dev) && nt_device_get_info(dev)->compute_units >= 2)
        return true;
    test_skip("the device's driver does not compile at the first launch, or has one core");
    return false;
}

START_TEST(helpers_compile_once)
{
    char cache[128];
    if (!applies())
        return;
    new_kernels();
    new_cache(cache, sizeof cache);
    run(cache, helper);
    expect("compiled in ");
    ck_assert_msg(!strstr(heard, "here"), "%s", heard);
    run(cache, helper);
    ck_assert_str_eq(heard, "");
}
END_TEST

START_TEST(without_helper_or_folder)
{
    char cache[128];
    if (!applies())
        return;
    new_kernels();
    new_cache(cache, sizeof cache);
    run(cache, "/nonexistent");
    expect("not found");
    run("", helper);
    ck_assert_str_eq(heard, "");
    run(cache, script("exec /nonexistent"));
    expect("ended after 0 of");
}
END_TEST

START_TEST(helpers_that_fail)
{
    static const struct {
        const char *text, *expected;
    } bad[] = {
        {"kill -SEGV $$", "signal 11 after 0 of"},
        {"echo 'no luck'; exit 3", "no luck"},
        {"head -c 1000 >/dev/null; printf ..; kill -ABRT $$", "signal 6 after 2 of"},
        {"exec sleep 100", "no sign of life after 0 of"},
        {"exec sleep 100 >&-", "after 0 of"},
        {"head -c 100000 /dev/urandom | tr -d '!'", "compiled here"},
    };
    char cache[128];
    if (!applies())
        return;
    setenv("NEUTRA_COMPILER_PATIENCE", "1500", 1);
    new_kernels();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        new_cache(cache, sizeof cache);
        run(cache, script(bad[i].text));
        expect(bad[i].expected);
        run(cache, script(bad[i].text)); /* what failed is not tried again */
        ck_assert_str_eq(heard, "");
    }
    unsetenv("NEUTRA_COMPILER_PATIENCE");
}
END_TEST

START_TEST(messages_that_are_cut)
{
    char cache[128], text[1200];
    if (!applies())
        return;
    new_kernels();
    for (int i = 0; i < 4; i++) {
        int bytes = i == 0 ? 0 : test_int(1, i == 1 ? 100 : 1500);
        snprintf(text, sizeof text, "head -c %d | '%s'", bytes, helper);
        new_cache(cache, sizeof cache);
        run(cache, script(text));
        expect("the message is ");
    }
}
END_TEST

static void find_helper(void)
{
    ssize_t n = readlink("/proc/self/exe", helper, sizeof helper - 40);
    helper[n > 0 ? n : 0] = 0;
    char *slash = strrchr(helper, '/');
    strcpy(slash ? slash : helper, "/../neutra-compile");
}

int main(void)
{
    char cache[128];
    test_kernels();
    find_helper();
    snprintf(cache, sizeof cache, "%s/pocl", test_folder());
    mkdir(cache, 0777);
    setenv("POCL_CACHE_DIR", cache, 1);
    Suite *suite = suite_create("compile");
    TCase *tcase = tcase_create("compile");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, helpers_compile_once);
    tcase_add_test(tcase, without_helper_or_folder);
    tcase_add_test(tcase, helpers_that_fail);
    tcase_add_test(tcase, messages_that_are_cut);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
