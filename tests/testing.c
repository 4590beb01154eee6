/* SPDX-License-Identifier: MIT */
#include "tests/testing.h"
#include "engine/opencl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct nt_random generator;
static struct nt_context *context;
static struct nt_device *device;

int test_main(Suite *suite)
{
    const char *seed = getenv("NT_SEED");
    generator.key = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
    printf("NT_SEED=%llu\n", (unsigned long long)generator.key);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* an OpenCL driver does not outlive a fork */
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    nt_device_close(device);
    nt_context_destroy(context);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

void test_skip(const char *reason)
{
    printf("skipped: %s\n", reason);
}

const char *test_data(const char *relative)
{
    static char path[1024];
    const char *root = getenv("NEUTRA_SHARED");
    snprintf(path, sizeof path, "%s/data/%s", root ? root : "../shared", relative);
    return access(path, R_OK) == 0 ? path : NULL;
}

struct nt_context *test_context(void)
{
    if (!context && nt_context_create(NULL, &context) != NT_OK)
        abort();
    return context;
}

struct nt_device *test_device(void)
{
    if (!device && nt_device_open(test_context(), NULL, &device) != NT_OK) {
        fprintf(stderr, "%s\n", nt_error_message(test_context()));
        exit(EXIT_FAILURE);
    }
    if (getenv("NT_LIMITED")) {
        device->info.max_work_group = 32;
        device->most.flops = 5000;
    }
    return device;
}

int test_int(int lo, int hi)
{
    return (int)(lo + (int64_t)nt_random_below(&generator, (uint64_t)((int64_t)hi - lo + 1)));
}

float test_float(void)
{
    return (float)(2 * nt_random_uniform(&generator) - 1);
}

void test_fill(float *data, size_t count)
{
    for (size_t i = 0; i < count; i++)
        data[i] = test_float();
}

void test_close(
    const char *what, size_t count, const float *got, const double *want, double tolerance)
{
    double scale = 1e-30;
    for (size_t i = 0; i < count; i++)
        scale = fmax(scale, fabs(want[i]));
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(fabs(got[i] - want[i]) <= tolerance * scale,
            "%s[%zu]: got %.9g, want %.9g (scale %.3g)", what, i, got[i], want[i], scale);
}
