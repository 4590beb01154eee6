/* SPDX-License-Identifier: MIT */
#include "engine/opencl.h"
#include "tests/kernels.h"
#include "tests/testing.h"

#include <string.h>

#define COUNT 1000
#define BYTES (COUNT * sizeof(float))

static struct nt_tape *tape;
static int32_t in, in2, out, out2;
static struct nt_feed *feed;

static void start(bool shared_memory)
{
    struct nt_device *dev = test_device();
    bool really = dev->info.unified_memory;
    dev->info.unified_memory = shared_memory;
    test_ok(nt_tape_create(dev, &tape));
    in = nt_tape_buffer(tape, NT_BUFFER_KEPT, BYTES, "in");
    in2 = nt_tape_buffer(tape, NT_BUFFER_KEPT, 4, "in2");
    out = nt_tape_buffer(tape, NT_BUFFER_KEPT, BYTES, "out");
    out2 = nt_tape_buffer(tape, NT_BUFFER_KEPT, 4, "out2");
    test_ok(test_affine(tape, 2, "1.0f", in, out, COUNT));
    test_ok(test_affine(tape, 1, "0.0f", in2, out2, 1));
    test_ok(nt_tape_build(tape));
    test_ok(nt_feed_create(tape, 2, (int32_t[]){in, in2}, &feed));
    dev->info.unified_memory = really;
}

static void finish(void)
{
    nt_feed_destroy(feed);
    nt_tape_destroy(tape);
}

static void put(float first)
{
    void *ptr[2];
    test_ok(nt_feed_acquire(feed, ptr));
    for (int i = 0; i < COUNT; i++)
        ((float *)ptr[0])[i] = first + (float)i;
    *(float *)ptr[1] = first;
    test_ok(nt_feed_submit(feed));
}

static void expect(float first)
{
    float y[COUNT], y2;
    test_ok(nt_tape_read(tape, out, 0, y, BYTES));
    test_ok(nt_tape_read(tape, out2, 0, &y2, 4));
    for (int i = 0; i < COUNT; i++)
        ck_assert_float_eq(y[i], 2 * (first + (float)i) + 1);
    ck_assert_float_eq(y2, first);
}

START_TEST(runs_see_batches_in_order)
{
    start(_i);
    for (int round = 0; round < 40; round++) {
        put((float)round);
        test_ok(nt_tape_run(tape));
        if (test_int(0, 3) == 0)
            expect((float)round);
    }
    expect(39);
    finish();
}
END_TEST

START_TEST(two_batches_may_wait)
{
    void *ptr[2];
    start(_i);
    put(100);
    put(200);
    test_fails(nt_feed_acquire(feed, ptr), NT_ERR_ARGUMENT, "both slots");
    test_ok(nt_tape_run(tape));
    expect(100);
    put(300);
    test_ok(nt_tape_run(tape));
    expect(200);
    test_ok(nt_tape_run(tape));
    test_ok(nt_tape_run(tape)); /* nothing new: the last batch stays */
    expect(300);
    put(400);
    finish(); /* with a batch that no run took */
}
END_TEST

START_TEST(wrong_use_is_told)
{
    struct nt_feed *bad;
    start(_i);
    test_fails(nt_feed_submit(feed), NT_ERR_ARGUMENT, "submit without acquire");
    test_fails(nt_feed_create(tape, 1, (int32_t[]){50}, &bad), NT_ERR_ARGUMENT, "feed: buffer 50");
    finish();
}
END_TEST

int main(void)
{
    test_kernels();
    Suite *suite = suite_create("feed");
    TCase *tcase = tcase_create("feed");
    tcase_set_timeout(tcase, 0);
    /* Once as on a device with its own memory, once as with shared memory. */
    tcase_add_loop_test(tcase, runs_see_batches_in_order, 0, 2);
    tcase_add_loop_test(tcase, two_batches_may_wait, 0, 2);
    tcase_add_loop_test(tcase, wrong_use_is_told, 0, 2);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
