/* SPDX-License-Identifier: MIT
 *
 * What all tests share: the runner, a device, random data, comparison, skipping.
 */
#ifndef NT_TESTS_TESTING_H
#define NT_TESTS_TESTING_H

#include <check.h>
#include <stdbool.h>
#include <stdio.h>

#include "engine/device.h"
#include "engine/random.h"

/* Runs a suite, prints check's summary and one line "skipped: REASON" per skipped test; the
 * exit status for main. The seed of random data is printed; $NT_SEED repeats a run. */
int test_main(Suite *suite);

/* Leaves a test, counted as skipped: use as `if (...) { test_skip("why"); return; }`. */
void test_skip(const char *reason);

/* The path of a file or folder under ../shared/data (or $NEUTRA_SHARED/data), or NULL when it
 * is not there. Static buffer per call site rules: copy it to keep it. */
const char *test_data(const char *relative);

/* A context whose log lines are dropped, shared by all tests of a process. */
struct nt_context *test_context(void);

/* The device under test ($NEUTRA_DEVICE, else the default), opened once per process. With
 * $NT_LIMITED it has the limits of a small GPU, and smaller ones: work-groups of 32, grids that are
 * enqueued in many parts. */
struct nt_device *test_device(void);

/* Fails the running test with the library's message unless status is NT_OK. */
#define test_ok(call)                                                                              \
    do {                                                                                           \
        enum nt_status status_ = (call);                                                           \
        ck_assert_msg(status_ == NT_OK, "%s: %s", #call, nt_error_message(test_context()));        \
    } while (0)

/* Fails unless call gives status and the message contains text. */
#define test_fails(call, expected, text)                                                           \
    do {                                                                                           \
        enum nt_status status_ = (call);                                                           \
        ck_assert_msg(                                                                             \
            status_ == (expected), "%s: status %d, not %d", #call, (int)status_, (int)(expected)); \
        ck_assert_msg(strstr(nt_error_message(test_context()), text) != NULL,                      \
            "%s: message \"%s\" lacks \"%s\"", #call, nt_error_message(test_context()), text);     \
    } while (0)

/* Random numbers of the run: integers in lo..hi, floats uniform in [-1, 1). */
int test_int(int lo, int hi);
float test_float(void);
void test_fill(float *data, size_t count);

/* Fails unless |got - want| <= tolerance * max(1, |want| ...) with the scale of the whole
 * array: max |got-want| <= tolerance * max(max |want|, tiny). NaN never matches. */
void test_close(
    const char *what, size_t count, const float *got, const double *want, double tolerance);

#endif
