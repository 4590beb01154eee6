/* SPDX-License-Identifier: MIT
 *
 * What follows from steady buffers alone is computed when they have changed, and only then.
 */
#include "engine/opencl.h"
#include "tests/kernels.h"
#include "tests/testing.h"

#include <stdlib.h>
#include <string.h>

#define COUNT 50
#define BYTES (COUNT * sizeof(float))

/* A copy that counts how often it runs. */
static int copies;

static int count_call(const void *user, void *queue, void *const *memory, void *event)
{
    (void)user;
    copies++;
    return clEnqueueCopyBuffer((cl_command_queue)queue, (cl_mem)memory[0], (cl_mem)memory[1], 0, 0,
        BYTES, 0, NULL, (cl_event *)event);
}

static void append_copy(struct nt_tape *tape, int32_t from, int32_t to)
{
    struct nt_launch l;
    nt_launch_init(&l, tape, "library", "library_copy", "library", "a test");
    nt_launch_buffer(&l, from, NT_ACCESS_READ);
    nt_launch_buffer(&l, to, NT_ACCESS_WRITE);
    l.call = count_call;
    test_ok(nt_launch_append(&l));
}

static struct nt_tape *new_tape(size_t limit)
{
    struct nt_tape *tape;
    test_ok(nt_tape_create(test_device(), &tape));
    if (limit)
        nt_tape_derive(tape, limit);
    return tape;
}

/* weights -> copied, counted -> result = 2 copied + 1; and out = 3 in. */
struct subject {
    struct nt_memory *memory;
    struct nt_tape *tape;
    int32_t weights, copied, result, in, out;
    float content[COUNT];
};

static void open_subject(struct subject *s, size_t limit)
{
    test_ok(nt_memory_create(test_device(), BYTES, "weights", &s->memory));
    s->tape = new_tape(limit);
    s->weights = nt_tape_external(s->tape, s->memory, 0, BYTES, "weights");
    nt_tape_steady(s->tape, s->weights);
    s->copied = nt_tape_buffer(s->tape, NT_BUFFER_TRANSIENT, BYTES, "copied");
    s->result = nt_tape_buffer(s->tape, NT_BUFFER_KEPT, BYTES, "result");
    s->in = nt_tape_buffer(s->tape, NT_BUFFER_KEPT, BYTES, "in");
    s->out = nt_tape_buffer(s->tape, NT_BUFFER_KEPT, BYTES, "out");
    test_ok(test_affine(s->tape, 3, "0.0f", s->in, s->out, COUNT));
    append_copy(s->tape, s->weights, s->copied);
    test_ok(test_affine(s->tape, 2, "1.0f", s->copied, s->result, COUNT));
    copies = 0;
}

static void close_subject(struct subject *s)
{
    nt_tape_destroy(s->tape);
    nt_memory_destroy(s->memory);
}

/* One run, after which the weights have been copied `times` times. */
static void run(struct subject *s, int times)
{
    float x[COUNT], y[COUNT];
    double want[COUNT];
    test_fill(x, COUNT);
    test_ok(nt_tape_write(s->tape, s->in, 0, x, BYTES));
    test_ok(nt_tape_run(s->tape));
    ck_assert_int_eq(copies, times);
    for (int i = 0; i < COUNT; i++)
        want[i] = 3.0 * x[i];
    test_ok(nt_tape_read(s->tape, s->out, 0, y, BYTES));
    test_close("of the input", COUNT, y, want, 1e-6);
    for (int i = 0; i < COUNT; i++)
        want[i] = 2.0 * s->content[i] + 1;
    test_ok(nt_tape_read(s->tape, s->result, 0, y, BYTES));
    test_close("of the weights", COUNT, y, want, 1e-6);
}

/* Another tape that adds 1 to the weights. */
static void train(struct subject *s)
{
    struct nt_tape *tape = new_tape(0);
    int32_t weights = nt_tape_external(tape, s->memory, 0, BYTES, "weights");
    test_ok(test_affine(tape, 1, "1.0f", weights, weights, COUNT));
    test_ok(nt_tape_build(tape));
    test_ok(nt_tape_run(tape));
    nt_tape_destroy(tape);
    for (int i = 0; i < COUNT; i++)
        s->content[i] += 1;
}

START_TEST(weights_are_looked_at_when_they_change)
{
    struct subject s = {0};
    struct nt_plan_info info;
    open_subject(&s, SIZE_MAX);
    test_ok(nt_tape_plan(s.tape, &info));
    ck_assert_int_eq(info.launches, 3);
    ck_assert_int_eq(info.derivations, 1);
    ck_assert_uint_eq(info.derived_bytes, BYTES);
    ck_assert_uint_eq(info.kept_bytes, 4 * BYTES);
    ck_assert_uint_eq(info.arena_bytes, 0);
    ck_assert_str_eq(nt_tape_launch_info(s.tape, 0).kernel, "library_copy");
    test_ok(nt_tape_build(s.tape));
    run(&s, 1);
    run(&s, 1);
    test_fill(s.content, COUNT);
    test_ok(nt_memory_write(s.memory, 0, s.content, BYTES));
    run(&s, 2);
    run(&s, 2);
    train(&s);
    run(&s, 3);
    test_fill(s.content, COUNT);
    test_ok(nt_tape_write(s.tape, s.weights, 0, s.content, BYTES));
    run(&s, 4);
    s.content[COUNT - 1] = 5;
    test_ok(nt_tape_write_small(
        s.tape, s.weights, BYTES - sizeof(float), &s.content[COUNT - 1], sizeof(float)));
    run(&s, 5);
    run(&s, 5);
    void *fed;
    struct nt_feed *feed;
    test_ok(nt_feed_create(s.tape, 1, &s.weights, &feed));
    test_ok(nt_feed_acquire(feed, &fed));
    test_fill(s.content, COUNT);
    memcpy(fed, s.content, BYTES);
    test_ok(nt_feed_submit(feed));
    run(&s, 6);
    run(&s, 6);
    nt_feed_destroy(feed);
    close_subject(&s);
}
END_TEST

START_TEST(nothing_is_derived_unasked)
{
    struct subject s = {0};
    struct nt_plan_info info;
    open_subject(&s, 0);
    test_ok(nt_tape_build(s.tape));
    run(&s, 1);
    run(&s, 2);
    close_subject(&s);
    open_subject(&s, BYTES - 1);
    test_ok(nt_tape_plan(s.tape, &info));
    ck_assert_int_eq(info.derivations, 0);
    ck_assert_uint_eq(info.derived_bytes, 0);
    close_subject(&s);
    open_subject(&s, BYTES);
    test_ok(nt_tape_plan(s.tape, &info));
    ck_assert_uint_eq(info.derived_bytes, BYTES);
    close_subject(&s);
}
END_TEST

/* Of weights that the tape changes nothing is derived, not even through another slice of them. */
START_TEST(a_tape_that_trains_derives_nothing)
{
    struct subject s = {0};
    struct nt_plan_info info;
    open_subject(&s, SIZE_MAX);
    int32_t again = nt_tape_external(s.tape, s.memory, 0, BYTES, "the same");
    test_ok(test_affine(s.tape, 1, "1.0f", again, again, COUNT));
    test_ok(nt_tape_plan(s.tape, &info));
    ck_assert_int_eq(info.derivations, 0);
    test_ok(nt_tape_build(s.tape));
    for (int step = 0; step < 3; step++) {
        run(&s, step + 1);
        for (int i = 0; i < COUNT; i++)
            s.content[i] += 1;
    }
    close_subject(&s);
}
END_TEST

/* What is between two derivations shares memory with what is not derived. */
START_TEST(only_what_is_read_later_is_kept)
{
    struct nt_plan_info info;
    struct nt_tape *tape = new_tape(SIZE_MAX);
    float x[COUNT], y[COUNT];
    double want[COUNT];
    test_fill(x, COUNT);
    int32_t table = nt_tape_constant(tape, x, BYTES, "table");
    int32_t between = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, BYTES, "between");
    int32_t kept = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, BYTES, "kept");
    int32_t in = nt_tape_buffer(tape, NT_BUFFER_KEPT, BYTES, "in");
    int32_t passing = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, BYTES, "passing");
    int32_t out = nt_tape_buffer(tape, NT_BUFFER_KEPT, BYTES, "out");
    int32_t other = nt_tape_buffer(tape, NT_BUFFER_KEPT, BYTES, "other");
    test_ok(test_affine(tape, 1, "1.0f", in, passing, COUNT));
    test_ok(test_affine(tape, 2, "0.0f", table, between, COUNT));
    test_ok(test_affine(tape, 1, "1.0f", between, kept, COUNT));
    test_ok(test_affine(tape, 1, "0.0f", passing, other, COUNT));
    test_ok(test_affine(tape, 3, "0.0f", kept, out, COUNT));
    test_ok(nt_tape_plan(tape, &info));
    ck_assert_int_eq(info.derivations, 2);
    ck_assert_uint_eq(info.derived_bytes, BYTES);
    ck_assert_uint_le(info.arena_bytes, 128 + BYTES);
    test_ok(nt_tape_build(tape));
    for (int round = 0; round < 3; round++) {
        test_ok(nt_tape_run(tape));
        for (int i = 0; i < COUNT; i++)
            want[i] = 3 * (2.0 * x[i] + 1);
        test_ok(nt_tape_read(tape, out, 0, y, BYTES));
        test_close("derived twice", COUNT, y, want, 1e-6);
        test_fill(x, COUNT);
        test_ok(nt_tape_write(tape, table, 0, x, BYTES));
    }
    nt_tape_destroy(tape);
}
END_TEST

/* Where the device has no room for keeping what is derived, it is derived at each run. */
START_TEST(too_much_is_not_kept)
{
    const struct nt_device_info *device = nt_device_get_info(test_device());
    if (device->type != NT_DEVICE_CPU) {
        test_skip("the largest buffer of a device that others use");
        return;
    }
    size_t most = (size_t)device->max_allocation / 64 * 64;
    int count = (int)(device->global_memory / most) + 2;
    struct nt_plan_info info;
    struct nt_tape *tape = new_tape(SIZE_MAX);
    float x[COUNT], y[COUNT];
    test_fill(x, COUNT);
    int32_t table = nt_tape_constant(tape, x, BYTES, "table");
    int32_t out = nt_tape_buffer(tape, NT_BUFFER_KEPT, BYTES, "out");
    for (int i = 0; i < count; i++) {
        int32_t large = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, most, "large");
        append_copy(tape, table, large);
        append_copy(tape, large, out);
    }
    test_ok(nt_tape_plan(tape, &info));
    ck_assert_int_eq(info.derivations, count);
    ck_assert_uint_gt(info.derived_bytes, device->global_memory);
    copies = 0;
    test_ok(nt_tape_build(tape));
    test_ok(nt_tape_plan(tape, &info));
    ck_assert_int_eq(info.derivations, 0);
    ck_assert_uint_eq(info.arena_bytes, most);
    for (int times = 1; times < 3; times++) {
        test_ok(nt_tape_run(tape));
        test_ok(nt_tape_read(tape, out, 0, y, BYTES));
        ck_assert_mem_eq(x, y, BYTES);
        ck_assert_int_eq(copies, 2 * count * times);
    }
    nt_tape_destroy(tape);
}
END_TEST

#define NODES 40

/* Chains from weights, constants and inputs, some buffers written twice, a few results read: after
 * random changes every run must be as if nothing was derived. */
START_TEST(random_tapes_notice_all_changes)
{
    int derivations = 0;
    for (int round = 0; round < 8; round++) {
        struct nt_memory *memory;
        struct nt_plan_info info;
        /* A node as it was written: value[0] * source value[2] + value[1]; and what its buffer
         * holds now. */
        double value[NODES][3], now[NODES][3];
        int32_t id[NODES], out[NODES];
        float source[3][COUNT], y[COUNT];
        test_ok(nt_memory_create(test_device(), BYTES, "weights", &memory));
        struct nt_tape *tape = new_tape((size_t)test_int(1, 4) * 5 * BYTES);
        for (int i = 0; i < 3; i++)
            test_fill(source[i], COUNT);
        id[0] = nt_tape_external(tape, memory, 0, BYTES, "weights");
        id[1] = nt_tape_constant(tape, source[1], BYTES, "constant");
        id[2] = nt_tape_buffer(tape, NT_BUFFER_KEPT, BYTES, "input");
        nt_tape_steady(tape, id[0]);
        for (int n = 0; n < 3; n++) {
            value[n][0] = 1;
            value[n][1] = 0;
            value[n][2] = n;
            memcpy(now[n], value[n], sizeof now[n]);
        }
        for (int n = 3; n < NODES; n++) {
            int from = test_int(n > 8 ? n - 8 : 0, n - 1);
            bool over = from > 2 && test_int(0, 5) == 0;
            id[n] = over ? id[from] : nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, BYTES, "node");
            test_ok(test_affine(tape, -1, "0.5f", id[from], id[n], COUNT));
            value[n][0] = -now[from][0];
            value[n][1] = 0.5 - now[from][1];
            value[n][2] = now[from][2];
            memcpy(now[n], value[n], sizeof now[n]);
            for (int m = 3; over && m < n; m++)
                if (id[m] == id[n])
                    memcpy(now[m], now[n], sizeof now[m]);
            out[n] = nt_tape_buffer(tape, NT_BUFFER_KEPT, BYTES, "out");
            test_ok(test_affine(tape, 1, "0.0f", id[n], out[n], COUNT));
        }
        test_ok(nt_tape_plan(tape, &info));
        derivations += info.derivations;
        test_ok(nt_tape_build(tape));
        test_ok(nt_memory_write(memory, 0, source[0], BYTES));
        for (int step = 0; step < 5; step++) {
            if (test_int(0, 1)) {
                test_fill(source[0], COUNT);
                test_ok(nt_memory_write(memory, 0, source[0], BYTES));
            }
            if (test_int(0, 1)) {
                test_fill(source[1], COUNT);
                test_ok(nt_tape_write(tape, id[1], 0, source[1], BYTES));
            }
            test_fill(source[2], COUNT);
            test_ok(nt_tape_write(tape, id[2], 0, source[2], BYTES));
            test_ok(nt_tape_run(tape));
            for (int n = 3; n < NODES; n++) {
                double want[COUNT];
                for (int i = 0; i < COUNT; i++)
                    want[i] = value[n][0] * source[(int)value[n][2]][i] + value[n][1];
                test_ok(nt_tape_read(tape, out[n], 0, y, BYTES));
                test_close("random tape", COUNT, y, want, 1e-5);
            }
        }
        nt_tape_destroy(tape);
        nt_memory_destroy(memory);
    }
    ck_assert_int_gt(derivations, 8);
}
END_TEST

int main(void)
{
    test_kernels();
    Suite *suite = suite_create("derive");
    TCase *tcase = tcase_create("derive");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, weights_are_looked_at_when_they_change);
    tcase_add_test(tcase, nothing_is_derived_unasked);
    tcase_add_test(tcase, a_tape_that_trains_derives_nothing);
    tcase_add_test(tcase, only_what_is_read_later_is_kept);
    tcase_add_test(tcase, too_much_is_not_kept);
    tcase_add_test(tcase, random_tapes_notice_all_changes);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
