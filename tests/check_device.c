/* SPDX-License-Identifier: MIT */
#include "engine/device.h"
#include "tests/testing.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct nt_device_info *list;
static int count;

START_TEST(devices_are_listed_in_order)
{
    for (int i = 0; i < count; i++) {
        const struct nt_device_info *d = &list[i];
        ck_assert_int_eq(d->index, i);
        ck_assert(d->name[0] && d->platform[0] && d->driver[0] && d->version[0]);
        ck_assert(d->compute_units > 0 && d->max_work_group > 0 && d->base_alignment > 0);
        ck_assert(d->max_allocation > 0 && d->max_allocation <= d->global_memory);
        ck_assert(d->type != NT_DEVICE_CPU || (d->vector_width >= 4 && d->vector_width <= 16));
        ck_assert(i == 0 || list[i - 1].type <= d->type);
        printf("%d: %s (%s), %s, %u units, width %u\n", i, d->name, d->platform,
            nt_device_type_name(d->type), d->compute_units, d->vector_width);
    }
}
END_TEST

static void expect_device(const char *selector, int index)
{
    struct nt_device *dev;
    test_ok(nt_device_open(test_context(), selector, &dev));
    ck_assert_int_eq(nt_device_get_info(dev)->index, index);
    ck_assert_ptr_eq(nt_device_context(dev), test_context());
    nt_device_close(dev);
}

START_TEST(selectors_choose)
{
    const char *environment = getenv("NEUTRA_DEVICE");
    char *saved = environment ? strdup(environment) : NULL;
    char upper[128] = "";
    for (int i = 0; i < count; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        expect_device(number, i);
        setenv("NEUTRA_DEVICE", number, 1);
        expect_device(NULL, i);
        expect_device("", i);
    }
    unsetenv("NEUTRA_DEVICE");
    expect_device(NULL, 0);
    for (size_t i = 0; list[0].name[i]; i++)
        upper[i] = (char)toupper((unsigned char)list[0].name[i]);
    expect_device(upper, 0);
    expect_device(list[0].platform, 0);
    for (int i = 0; i < count; i++)
        if (list[i].type == NT_DEVICE_CPU) {
            expect_device("CPU", i);
            break;
        }
    if (saved)
        setenv("NEUTRA_DEVICE", saved, 1);
    free(saved);
}
END_TEST

START_TEST(unknown_devices_are_told)
{
    struct nt_device *dev;
    test_fails(
        nt_device_open(test_context(), "no such thing", &dev), NT_ERR_DEVICE, "\"no such thing\"");
    ck_assert_ptr_nonnull(strstr(nt_error_message(test_context()), list[0].name));
    test_fails(nt_device_open(test_context(), "4711", &dev), NT_ERR_DEVICE, "\"4711\"");
    if (list[0].type > NT_DEVICE_GPU_INTEGRATED)
        test_fails(nt_device_open(test_context(), "gpu", &dev), NT_ERR_DEVICE, "\"gpu\"");
}
END_TEST

START_TEST(memory_is_zeroed_and_checked)
{
    struct nt_device *dev = test_device();
    size_t max = (size_t)nt_device_get_info(dev)->max_allocation;
    struct nt_memory *memory;
    unsigned char data[1001], back[1001];
    char figure[32];
    test_ok(nt_memory_create(dev, sizeof data, "weights", &memory));
    ck_assert_uint_eq(nt_memory_size(memory), sizeof data);
    memset(back, 0xff, sizeof back);
    test_ok(nt_memory_read(memory, 0, back, sizeof back));
    for (size_t i = 0; i < sizeof back; i++)
        ck_assert_int_eq(back[i], 0);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)test_int(0, 255);
    test_ok(nt_memory_write(memory, 0, data, 500));
    test_ok(nt_memory_write(memory, 500, data + 500, 501));
    test_ok(nt_memory_read(memory, 3, back, 998));
    ck_assert_mem_eq(back, data + 3, 998);
    test_ok(nt_device_finish(dev));
    test_fails(nt_memory_write(memory, 1000, data, 2), NT_ERR_ARGUMENT, "weights: 2 bytes");
    test_fails(nt_memory_read(memory, 2000, data, 0), NT_ERR_ARGUMENT, "1001 bytes");
    nt_memory_destroy(memory);

    test_ok(nt_memory_create(dev, 0, "nothing", &memory));
    test_ok(nt_memory_write(memory, 0, data, 0));
    nt_memory_destroy(memory);
    nt_memory_destroy(NULL);
    snprintf(figure, sizeof figure, "%zu", max);
    test_fails(nt_memory_create(dev, max + 1, "giant", &memory), NT_ERR_MEMORY, figure);
    snprintf(figure, sizeof figure, "giant: %zu", max + 1);
    test_fails(nt_memory_create(dev, max + 1, "giant", &memory), NT_ERR_MEMORY, figure);
}
END_TEST

struct contents {
    unsigned char byte[1003];
    enum nt_status status;
};

static enum nt_status give(void *data, void *user)
{
    struct contents *contents = user;
    memcpy(data, contents->byte, sizeof contents->byte);
    return contents->status;
}

START_TEST(memory_is_filled)
{
    struct nt_device *dev = test_device();
    struct nt_memory *memory = NULL;
    struct contents contents = {.status = NT_OK};
    unsigned char back[1003];
    for (size_t i = 0; i < sizeof back; i++)
        contents.byte[i] = (unsigned char)test_int(0, 255);
    test_ok(nt_memory_create_filled(dev, sizeof back, "weights", give, &contents, &memory));
    test_ok(nt_memory_read(memory, 0, back, sizeof back));
    ck_assert_mem_eq(back, contents.byte, sizeof back);
    nt_memory_destroy(memory);
    memory = NULL;
    contents.status = NT_ERR_FILE;
    ck_assert_int_eq(nt_memory_create_filled(dev, sizeof back, "weights", give, &contents, &memory),
        NT_ERR_FILE);
    ck_assert_ptr_null(memory);
    test_ok(nt_device_finish(dev));
    test_ok(nt_memory_create_filled(dev, 0, "nothing", give, NULL, &memory));
    nt_memory_destroy(memory);
}
END_TEST

/* In a process of its own, because the OpenCL loader looks for drivers once. */
static int without_devices(void)
{
    struct nt_device *dev;
    int n = -1;
    if (nt_device_list(test_context(), &list, &n) != NT_OK || n != 0)
        return 2;
    free(list);
    if (nt_device_open(test_context(), NULL, &dev) != NT_ERR_DEVICE)
        return 3;
    if (!strstr(nt_error_message(test_context()), "pocl-opencl-icd"))
        return 4;
    return nt_device_open(test_context(), "cpu", &dev) == NT_ERR_DEVICE ? 0 : 5;
}

START_TEST(no_device_says_what_to_install)
{
    /* oclgrind is loaded before all libraries and takes the place of the loader. */
    ck_assert_int_eq(
        system("LD_PRELOAD= OCL_ICD_VENDORS=/nonexistent/ /proc/$PPID/exe --without-devices"), 0);
}
END_TEST

enum { THREADS = 8 };

static pthread_barrier_t barrier;

static void *open_one(void *user)
{
    enum nt_status *status = user;
    struct nt_context *ctx;
    struct nt_device *dev = NULL;
    pthread_barrier_wait(&barrier);
    *status = nt_context_create(NULL, &ctx);
    if (*status == NT_OK)
        *status = nt_device_open(ctx, NULL, &dev);
    nt_device_close(dev);
    nt_context_destroy(ctx);
    return NULL;
}

/* Each thread may have a device of its own, from the first moment on. */
static int opened_together(void)
{
    pthread_t thread[THREADS];
    enum nt_status status[THREADS];
    int failed = 0;
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, open_one, &status[i]);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        failed += status[i] != NT_OK;
    }
    return failed;
}

/* The driver alone, as others beside it make the loader slow. LLVM gives threads signal stacks in
 * the place of the address sanitizer's, which ends a program for that. */
START_TEST(threads_open_devices)
{
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(system("V=/etc/OpenCL/vendors/pocl.icd; [ ! -e $V ] || "
                                "LD_PRELOAD= NEUTRA_DEVICE= OCL_ICD_VENDORS=$V "
                                "ASAN_OPTIONS=$ASAN_OPTIONS:use_sigaltstack=0 "
                                "/proc/$PPID/exe --together"),
            0);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--together") == 0)
        return opened_together();
    if (argc > 1 && strcmp(argv[1], "--without-devices") == 0)
        return without_devices();
    if (nt_device_list(test_context(), &list, &count) != NT_OK || count == 0) {
        fprintf(stderr, "these tests need an OpenCL device\n");
        return EXIT_FAILURE;
    }
    Suite *suite = suite_create("device");
    TCase *tcase = tcase_create("device");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, devices_are_listed_in_order);
    tcase_add_test(tcase, selectors_choose);
    tcase_add_test(tcase, unknown_devices_are_told);
    tcase_add_test(tcase, memory_is_zeroed_and_checked);
    tcase_add_test(tcase, memory_is_filled);
    tcase_add_test(tcase, no_device_says_what_to_install);
    tcase_add_test(tcase, threads_open_devices);
    suite_add_tcase(suite, tcase);
    int status = test_main(suite);
    free(list);
    return status;
}
