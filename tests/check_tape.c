/* SPDX-License-Identifier: MIT */
#include "engine/primitives.h"
#include "engine/tape_state.h"
#include "engine/variant.h"
#include "tests/kernels.h"
#include "tests/testing.h"

#include <stdlib.h>
#include <string.h>

#define COUNT 100
#define BYTES (COUNT * sizeof(float))

static struct nt_tape *new_tape(void)
{
    struct nt_tape *tape;
    test_ok(nt_tape_create(test_device(), &tape));
    return tape;
}

START_TEST(a_chain_computes)
{
    struct nt_tape *tape = new_tape();
    struct nt_plan_info info;
    float x[COUNT], y[COUNT];
    double want[COUNT];
    int32_t in = nt_tape_buffer(tape, NT_BUFFER_KEPT, BYTES, "in");
    int32_t mid = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, BYTES, "mid");
    int32_t out = nt_tape_buffer(tape, NT_BUFFER_KEPT, BYTES, "out");
    test_ok(test_affine(tape, 2, "3.0f", in, mid, COUNT));
    test_ok(test_affine(tape, -1, "0.5f", mid, out, COUNT));
    test_ok(nt_tape_plan(tape, &info));
    ck_assert_uint_eq(info.transient_bytes, BYTES);
    ck_assert_uint_eq(info.kept_bytes, 2 * BYTES);
    ck_assert_int_eq(info.kernels, 2);
    ck_assert_int_eq(info.launches, 2);
    test_ok(nt_tape_build(tape));
    test_ok(nt_tape_build(tape));
    for (int round = 0; round < 3; round++) {
        test_fill(x, COUNT);
        for (int i = 0; i < COUNT; i++)
            want[i] = -(2 * x[i] + 3.0) + 0.5;
        memset(y, 0xff, sizeof y);
        test_ok(nt_tape_write(tape, in, 0, x, BYTES));
        test_ok(nt_tape_run(tape));
        test_ok(nt_tape_read(tape, out, 0, y, BYTES));
        test_close("chain", COUNT, y, want, 1e-6);
    }
    nt_tape_destroy(tape);
}
END_TEST

#define NODES 60

/* Buffers written by one launch, read by some later ones, in shared arenas: whatever is
 * overwritten too early shows in the sums. */
START_TEST(random_tapes_compute_in_shared_memory)
{
    for (int round = 0; round < 6; round++) {
        struct nt_tape *tape = new_tape();
        int count = test_int(1, 300);
        float x[300], y[300];
        double value[NODES][2], want[300]; /* a node is value[0] * x + value[1] */
        int32_t id[NODES];
        struct nt_plan_info info;
        size_t bytes = (size_t)count * sizeof(float);
        for (int n = 0; n < NODES; n++) {
            bool kept = n == 0 || n == NODES - 1;
            id[n] =
                nt_tape_buffer(tape, kept ? NT_BUFFER_KEPT : NT_BUFFER_TRANSIENT, bytes, "node");
        }
        value[0][0] = 1;
        value[0][1] = 0;
        for (int n = 1; n < NODES; n++) {
            int from = test_int(n > 8 ? n - 8 : 0, n - 1);
            static const char *const shift[] = {"0.0f", "1.0f", "-2.0f"};
            int s = test_int(0, 2);
            float a = test_int(0, 1) ? 1 : -1;
            test_ok(test_affine(tape, a, shift[s], id[from], id[n], count));
            value[n][0] = a * value[from][0];
            value[n][1] = a * value[from][1] + atof(shift[s]);
        }
        test_ok(nt_tape_plan(tape, &info));
        ck_assert_uint_lt(info.arena_bytes, 20 * (bytes + 128));
        test_ok(nt_tape_build(tape));
        test_fill(x, (size_t)count);
        for (int i = 0; i < count; i++)
            want[i] = value[NODES - 1][0] * x[i] + value[NODES - 1][1];
        test_ok(nt_tape_write(tape, id[0], 0, x, bytes));
        test_ok(nt_tape_run(tape));
        test_ok(nt_tape_read(tape, id[NODES - 1], 0, y, bytes));
        test_close("random tape", (size_t)count, y, want, 1e-5);
        nt_tape_destroy(tape);
    }
}
END_TEST

START_TEST(kept_buffers_start_as_zeros)
{
    struct nt_tape *tape = new_tape();
    unsigned char data[77], zero[77] = {0};
    int32_t odd = nt_tape_buffer(tape, NT_BUFFER_KEPT, sizeof data, "odd");
    int32_t empty = nt_tape_buffer(tape, NT_BUFFER_KEPT, 0, "empty");
    test_ok(nt_tape_build(tape));
    memset(data, 0xff, sizeof data);
    test_ok(nt_tape_read(tape, odd, 0, data, sizeof data));
    ck_assert_mem_eq(data, zero, sizeof data);
    test_ok(nt_tape_read(tape, empty, 0, data, 0));
    test_ok(nt_tape_run(tape));
    nt_tape_destroy(tape);
}
END_TEST

START_TEST(external_buffers_are_slices)
{
    struct nt_device *dev = test_device();
    size_t align = nt_device_get_info(dev)->base_alignment;
    struct nt_memory *memory;
    float x[COUNT], y[COUNT];
    double want[COUNT];
    test_ok(nt_memory_create(dev, 2 * align + BYTES, "parameters", &memory));
    struct nt_tape *tape = new_tape();
    int32_t in = nt_tape_external(tape, memory, 2 * align, BYTES, "weights");
    int32_t out = nt_tape_buffer(tape, NT_BUFFER_KEPT, BYTES, "out");
    test_ok(test_affine(tape, 3, "0.0f", in, out, COUNT));
    test_ok(nt_tape_build(tape));
    test_fill(x, COUNT);
    for (int i = 0; i < COUNT; i++)
        want[i] = 3.0 * x[i];
    test_ok(nt_memory_write(memory, 2 * align, x, BYTES));
    test_ok(nt_tape_run(tape));
    test_ok(nt_tape_read(tape, out, 0, y, BYTES));
    test_close("external", COUNT, y, want, 1e-6);
    nt_tape_destroy(tape);

    tape = new_tape();
    ck_assert_int_eq(nt_tape_external(tape, memory, 4, BYTES, "askew"), -1);
    test_fails(nt_tape_plan(tape, NULL), NT_ERR_ARGUMENT, "askew: offset 4");
    nt_tape_destroy(tape);
    tape = new_tape();
    ck_assert_int_eq(nt_tape_external(tape, memory, 2 * align, BYTES + 1, "long"), -1);
    test_fails(nt_tape_build(tape), NT_ERR_ARGUMENT, "long: ");
    nt_tape_destroy(tape);
    nt_memory_destroy(memory);
}
END_TEST

START_TEST(small_writes_are_in_order_with_runs)
{
    struct nt_tape *tape = new_tape();
    int32_t in = nt_tape_buffer(tape, NT_BUFFER_KEPT, 2 * sizeof(float), "in");
    int32_t out = nt_tape_buffer(tape, NT_BUFFER_KEPT, 2 * sizeof(float), "out");
    test_ok(test_affine(tape, 1, "0.0f", in, out, 2));
    test_ok(nt_tape_build(tape));
    for (int i = 0; i < 200; i++) {
        float x = (float)i, y[2];
        test_ok(nt_tape_write_small(tape, in, sizeof x, &x, sizeof x));
        x = -1;
        test_ok(nt_tape_run(tape));
        if (i % 37 == 0) {
            test_ok(nt_tape_read(tape, out, 0, y, sizeof y));
            ck_assert_float_eq(y[1], (float)i);
        }
    }
    char large[300] = {0};
    test_fails(
        nt_tape_write_small(tape, in, 0, large, sizeof large), NT_ERR_ARGUMENT, "small write");
    nt_tape_destroy(tape);
}
END_TEST

START_TEST(reading_before_writing_is_told_by_name)
{
    struct nt_tape *tape = new_tape();
    int32_t in = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, BYTES, "hollow");
    int32_t out = nt_tape_buffer(tape, NT_BUFFER_KEPT, BYTES, "out");
    nt_tape_label(tape, "conv1");
    test_ok(test_affine(tape, 1, "0.0f", in, out, COUNT));
    test_fails(nt_tape_plan(tape, NULL), NT_ERR_ARGUMENT, "\"hollow\"");
    test_fails(nt_tape_build(tape), NT_ERR_ARGUMENT, "conv1");
    test_fails(nt_tape_run(tape), NT_ERR_ARGUMENT, "not built");
    nt_tape_destroy(tape);
}
END_TEST

START_TEST(sizes_beyond_the_device_are_refused_by_the_plan)
{
    struct nt_tape *tape = new_tape();
    size_t max = (size_t)nt_device_get_info(test_device())->max_allocation;
    char figure[32];
    snprintf(figure, sizeof figure, "%zu", max);
    nt_tape_buffer(tape, NT_BUFFER_KEPT, max + 1, "huge");
    test_fails(nt_tape_plan(tape, NULL), NT_ERR_MEMORY, "huge");
    test_fails(nt_tape_plan(tape, NULL), NT_ERR_MEMORY, figure);
    nt_tape_destroy(tape);
}
END_TEST

START_TEST(wrong_launches_are_refused)
{
    struct nt_tape *tape = new_tape();
    int32_t a = nt_tape_buffer(tape, NT_BUFFER_KEPT, BYTES, "short");
    int32_t b = nt_tape_buffer(tape, NT_BUFFER_KEPT, BYTES, "b");
    struct nt_launch l;
    struct nt_tensor bad = test_vector(a, COUNT + 1), back = test_vector(a, COUNT);
    test_fails(test_affine(tape, 1, "0.0f", a, b, COUNT + 1), NT_ERR_SHAPE, "tensor short of 101");
    test_fails(test_affine(tape, 1, "0.0f", 77, b, COUNT), NT_ERR_ARGUMENT, "buffer 77");
    back.stride[0] = -1;
    nt_launch_init(&l, tape, "affine", "affine", "test", "");
    nt_launch_tensor(&l, &back, NT_ACCESS_READ);
    nt_launch_tensor(&l, &bad, NT_ACCESS_READ);
    nt_launch_grid(&l, 1, (size_t[]){1}, NULL);
    test_fails(nt_launch_append(&l), NT_ERR_SHAPE, "exceeds");
    back.offset = COUNT - 1;
    nt_launch_init(&l, tape, "affine", "affine", "test", "");
    nt_launch_tensor(&l, &back, NT_ACCESS_READ);
    ck_assert_int_eq(l.status, NT_OK);
    nt_launch_int(&l, (int64_t)1 << 40);
    nt_launch_grid(&l, 1, (size_t[]){1}, NULL);
    test_fails(nt_launch_append(&l), NT_ERR_UNSUPPORTED, "does not fit");
    nt_launch_init(&l, tape, "affine", "affine", "test", "");
    nt_launch_grid(&l, 2, (size_t[]){1 << 20, 4}, (size_t[]){1 << 20, 4});
    test_fails(nt_launch_append(&l), NT_ERR_UNSUPPORTED, "work-groups of 4194304");
    nt_launch_init(&l, tape, "affine", "affine", "test", "");
    test_fails(nt_launch_append(&l), NT_ERR_ARGUMENT, "without a grid");
    ck_assert_int_eq(nt_tape_launch_count(tape), 0);
    nt_tape_destroy(tape);
}
END_TEST

START_TEST(empty_launches_vanish)
{
    struct nt_tape *tape = new_tape();
    int32_t a = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, 0, "a");
    int32_t b = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, 0, "b");
    test_ok(test_affine(tape, 1, "0.0f", a, b, 0));
    test_ok(nt_tape_build(tape));
    test_ok(nt_tape_run(tape));
    ck_assert_int_eq(nt_tape_launch_count(tape), 0);
    nt_tape_destroy(tape);
}
END_TEST

START_TEST(hosts_reach_no_transient_buffers)
{
    struct nt_tape *tape = new_tape();
    float x[COUNT];
    int32_t a = nt_tape_buffer(tape, NT_BUFFER_KEPT, BYTES, "a");
    int32_t b = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, BYTES, "passing");
    test_ok(test_affine(tape, 1, "0.0f", a, b, COUNT));
    test_fails(nt_tape_read(tape, a, 0, x, BYTES), NT_ERR_ARGUMENT, "not built");
    test_ok(nt_tape_build(tape));
    test_fails(nt_tape_read(tape, b, 0, x, BYTES), NT_ERR_ARGUMENT, "\"passing\"");
    test_fails(nt_tape_write(tape, a, 4, x, BYTES), NT_ERR_ARGUMENT, "400 bytes");
    test_fails(nt_tape_read(tape, a, SIZE_MAX, x, 2), NT_ERR_ARGUMENT, "a: 2 bytes");
    test_fails(nt_tape_read(tape, 9, 0, x, 4), NT_ERR_ARGUMENT, "buffer 9");
    test_fails(test_affine(tape, 1, "0.0f", a, b, COUNT), NT_ERR_ARGUMENT, "built already");
    ck_assert_int_eq(nt_tape_buffer(tape, NT_BUFFER_KEPT, 4, "late"), -1);
    nt_tape_destroy(tape);
}
END_TEST

START_TEST(launches_can_be_inspected)
{
    struct nt_tape *tape = new_tape();
    int32_t a = nt_tape_buffer(tape, NT_BUFFER_KEPT, BYTES, "a");
    char label[] = "layer1.conv";
    nt_tape_label(tape, label);
    label[0] = 'X';
    test_ok(test_affine(tape, 1, "0.0f", a, a, 99));
    nt_tape_label(tape, NULL);
    test_ok(test_affine(tape, 1, "0.0f", a, a, 99));
    struct nt_launch_info info = nt_tape_launch_info(tape, 0);
    ck_assert_str_eq(info.label, "layer1.conv");
    ck_assert_str_eq(info.kernel, "affine");
    ck_assert_str_eq(info.variant, "test");
    ck_assert_str_eq(info.reason, "a test");
    ck_assert_uint_eq(info.global[0], 100);
    ck_assert_uint_eq(info.local[0], 4);
    ck_assert_double_eq(info.flops, 198);
    ck_assert_str_eq(nt_tape_launch_info(tape, 1).label, "");
    ck_assert_str_eq(nt_tape_launch_info(tape, 2).kernel, "");
    nt_tape_destroy(tape);
}
END_TEST

/* Counts how often each place of a grid is visited, enqueued as the device's limits want it. */
static int visit(size_t groups, double limit, double flops, size_t local)
{
    struct nt_device *dev = test_device();
    size_t global[3] = {(size_t)test_int(1, 30), (size_t)test_int(4, 11), (size_t)test_int(4, 9)};
    int count = (int)(global[0] * global[1] * global[2]), *visits = calloc((size_t)count, 4);
    struct nt_tape *tape = new_tape();
    struct nt_launch l;
    int32_t out = nt_tape_buffer(tape, NT_BUFFER_KEPT, 4 * (size_t)count, "visits");
    dev->most.groups = groups;
    dev->most.flops = limit;
    nt_launch_init(&l, tape, "visit", "visit", "test", "a test");
    nt_launch_buffer(&l, out, NT_ACCESS_READ_WRITE);
    for (int i = 0; i < 3; i++)
        nt_launch_int(&l, (int64_t)global[i]);
    nt_launch_grid(&l, 3, global, (size_t[]){local, 1, 1});
    l.flops = flops;
    test_ok(nt_launch_append(&l));
    test_ok(nt_tape_build(tape));
    test_ok(nt_tape_run(tape));
    test_ok(nt_tape_read(tape, out, 0, visits, 4 * (size_t)count));
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(visits[i], 1);
    const struct nt_tape_launch *launch = &tape->launch[0];
    for (int i = 1; i < 3 && groups && local > 1; i++)
        ck_assert_uint_le(launch->part[i], groups);
    int parts = launch->parts;
    nt_tape_destroy(tape);
    free(visits);
    return parts;
}

START_TEST(grids_are_enqueued_in_parts)
{
    struct nt_device *dev = test_device(), saved = *dev;
    test_kernel_file("visit.cl", "#include \"prelude.clh\"\n"
                                 "NT_KERNEL(visit)(__global int *out, int X, int Y, int Z)\n"
                                 "{\n"
                                 "    int x = get_global_id(0), y = get_global_id(1);\n"
                                 "    if (x < X)\n"
                                 "        out[(get_global_id(2) * Y + y) * X + x]++;\n"
                                 "}\n");
    ck_assert_int_eq(visit(0, 0, 1e12, 4), 1);
    ck_assert_int_eq(visit(65535, 1000, 999, 4), 1);
    ck_assert_int_eq(visit(2, 10, 1e12, 1), 1);
    ck_assert_int_gt(visit(3, 0, 0, 4), 3);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_ge(visit(0, 1000, 3500, 4), 4);
        ck_assert_int_ge(visit(3, 1000, 1e6, 4), 16);
    }
    dev->most = saved.most;
}
END_TEST

static struct nt_tensor dense(
    struct nt_tape *tape, enum nt_dtype dtype, const struct nt_shape *shape, enum nt_layout layout)
{
    int32_t buffer = nt_tape_buffer(
        tape, NT_BUFFER_KEPT, (size_t)nt_shape_count(shape) * sizeof(float), "operand");
    return nt_tensor_make(buffer, dtype, shape, layout);
}

/* The operations of a launch decide into how many parts it goes: what looks at all indices or
 * regions for each result tells so. */
START_TEST(searches_count_as_work)
{
    struct nt_tape *tape = new_tape();
    const struct nt_roi roi = {.kind = NT_ROI_ALIGN, .scale = 1, .sampling_ratio = 2};
    struct nt_tensor table = dense(tape, NT_F32, &(struct nt_shape){2, {1000, 3}}, NT_ROW_MAJOR);
    struct nt_tensor from = dense(tape, NT_F32, &(struct nt_shape){2, {500, 3}}, NT_ROW_MAJOR);
    struct nt_tensor index = dense(tape, NT_I32, &(struct nt_shape){2, {500, 1}}, NT_ROW_MAJOR);
    struct nt_tensor dx =
        dense(tape, NT_F32, &(struct nt_shape){4, {1, 4, 9, 9}}, NT_CHANNELS_LAST);
    struct nt_tensor dy =
        dense(tape, NT_F32, &(struct nt_shape){4, {50, 4, 2, 2}}, NT_CHANNELS_LAST);
    struct nt_tensor regions = dense(tape, NT_F32, &(struct nt_shape){2, {50, 5}}, NT_ROW_MAJOR);
    test_ok(nt_tape_force(tape, "scatter=group,roi=group"));
    test_ok(nt_scatter(tape, NT_SCATTER_ADD, &from, 0, &index, &table));
    test_ok(nt_roi_backward(tape, &roi, &dy, &regions, NULL, &dx));
    ck_assert_double_ge(nt_tape_launch_info(tape, 0).flops, 500.0 * 3 * 100);
    ck_assert_double_ge(nt_tape_launch_info(tape, 1).flops, 50.0 * 4 * 81);
    nt_tape_destroy(tape);
}
END_TEST

static int copy_call(const void *user, void *queue, void *const *memory, void *event)
{
    return clEnqueueCopyBuffer((cl_command_queue)queue, (cl_mem)memory[0], (cl_mem)memory[1], 0, 0,
        *(const size_t *)user, 0, NULL, (cl_event *)event);
}

START_TEST(library_calls_take_part)
{
    struct nt_tape *tape = new_tape();
    float x[COUNT], y[COUNT];
    int32_t a = nt_tape_buffer(tape, NT_BUFFER_KEPT, BYTES, "a");
    int32_t m = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, BYTES, "m");
    int32_t b = nt_tape_buffer(tape, NT_BUFFER_KEPT, BYTES, "b");
    struct nt_launch l;
    test_ok(test_affine(tape, 1, "0.0f", a, m, COUNT));
    nt_launch_init(&l, tape, "library", "library_copy", "library", "a test");
    nt_launch_buffer(&l, m, NT_ACCESS_READ);
    nt_launch_buffer(&l, b, NT_ACCESS_WRITE);
    l.call = copy_call;
    l.user = malloc(sizeof(size_t));
    memcpy(l.user, &(size_t){BYTES}, sizeof(size_t));
    test_ok(nt_launch_append(&l));
    test_ok(nt_tape_build(tape));
    test_fill(x, COUNT);
    test_ok(nt_tape_write(tape, a, 0, x, BYTES));
    test_ok(nt_tape_run(tape));
    test_ok(nt_tape_read(tape, b, 0, y, BYTES));
    ck_assert_mem_eq(x, y, BYTES);
    nt_tape_destroy(tape);
}
END_TEST

START_TEST(variants_are_chosen_and_forced)
{
    static const char *const both[] = {"group", "tile", NULL}, *const one[] = {"plain", NULL};
    struct nt_tape *tape = new_tape();
    const char *chosen, *reason;
    const struct nt_device_info *info = nt_device_get_info(test_device());
    bool tiles = info->type == NT_DEVICE_CPU && !info->short_loops;
    test_ok(nt_choose(tape, "gemm", both, NULL, &chosen, &reason));
    ck_assert_str_eq(chosen, tiles ? "tile" : "group");
    ck_assert_str_eq(reason, tiles               ? "CPU device"
                             : info->short_loops ? "the driver ends long loops"
                                                 : "GPU device");
    test_ok(nt_choose(tape, "gemm", one, NULL, &chosen, &reason));
    ck_assert_str_eq(chosen, "plain");
    test_ok(nt_choose(tape, "gemm", both, "group", &chosen, &reason));
    ck_assert_str_eq(chosen, "group");

    test_ok(nt_tape_force(tape, "pool=tile,gemm=group"));
    test_ok(nt_choose(tape, "gemm", both, "tile", &chosen, &reason));
    ck_assert_str_eq(chosen, "group");
    ck_assert_str_eq(reason, "forced");
    test_fails(nt_choose(tape, "gemm", one, NULL, &chosen, &reason), NT_ERR_ARGUMENT,
        "gemm: variant \"group\": must be one of plain");
    test_fails(nt_choose_instead(tape, "gemm", "tile", "needs k > 0", &chosen, &reason),
        NT_ERR_UNSUPPORTED, "needs k > 0");
    test_fails(nt_tape_force(tape, "gemm"), NT_ERR_ARGUMENT, "primitive=variant");
    test_fails(nt_tape_force(tape, "gem=tile"), NT_ERR_ARGUMENT, "\"gem\": must be one of");
    test_ok(nt_tape_force(tape, NULL));
    ck_assert_ptr_null(nt_tape_forced(tape, "gemm"));
    nt_tape_destroy(tape);

    setenv("NEUTRA_VARIANT", "gemm=tile", 1);
    tape = new_tape();
    ck_assert_str_eq(nt_tape_forced(tape, "gemm"), "tile");
    nt_tape_destroy(tape);
    setenv("NEUTRA_VARIANT", "nonsense", 1);
    test_fails(nt_tape_create(test_device(), &tape), NT_ERR_ARGUMENT, "$NEUTRA_VARIANT");
    unsetenv("NEUTRA_VARIANT");
}
END_TEST

int main(void)
{
    test_kernels();
    unsetenv("NEUTRA_VARIANT");
    Suite *suite = suite_create("tape");
    TCase *tcase = tcase_create("tape");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, a_chain_computes);
    tcase_add_test(tcase, random_tapes_compute_in_shared_memory);
    tcase_add_test(tcase, kept_buffers_start_as_zeros);
    tcase_add_test(tcase, external_buffers_are_slices);
    tcase_add_test(tcase, small_writes_are_in_order_with_runs);
    tcase_add_test(tcase, reading_before_writing_is_told_by_name);
    tcase_add_test(tcase, sizes_beyond_the_device_are_refused_by_the_plan);
    tcase_add_test(tcase, wrong_launches_are_refused);
    tcase_add_test(tcase, empty_launches_vanish);
    tcase_add_test(tcase, hosts_reach_no_transient_buffers);
    tcase_add_test(tcase, launches_can_be_inspected);
    tcase_add_test(tcase, grids_are_enqueued_in_parts);
    tcase_add_test(tcase, searches_count_as_work);
    tcase_add_test(tcase, library_calls_take_part);
    tcase_add_test(tcase, variants_are_chosen_and_forced);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
