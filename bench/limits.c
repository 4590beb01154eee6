/* SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include <stdlib.h>

#include "engine/launch.h"
#include "engine/opencl.h"

#define COPY_MOST ((size_t)128 << 20) /* bytes of each of the two buffers */
#define STEP 64                       /* floats: amounts are multiples of it */

struct bench_limits {
    struct nt_device *dev;
    struct nt_tape *fma_tape;
    struct bench_work fma;
    struct nt_memory *from, *to;
    size_t most;       /* bytes of each of them */
    size_t copy_bytes; /* that the tapes below copy */
    struct nt_tape *copy_tape[2];
    struct bench_work copy;
    const char *how;
};

static const char *const ways[2] = {"kernel", "driver"};

static enum nt_status make_fma(struct bench_limits *limits)
{
    const struct nt_device_info *info = nt_device_get_info(limits->dev);
    bool cpu = info->type == NT_DEVICE_CPU;
    int width = cpu ? (int)info->vector_width : 4, rounds = cpu ? 100000 : 4096;
    size_t local = cpu ? 1 : 64, items = info->compute_units * (cpu ? 4 : 64 * local);
    struct nt_launch l;
    enum nt_status status = nt_tape_create(limits->dev, &limits->fma_tape);
    if (status != NT_OK)
        return status;
    struct nt_tape *tape = limits->fma_tape;
    int32_t out = nt_tape_buffer(tape, NT_BUFFER_KEPT, items * sizeof(float), "peak");
    nt_launch_init(&l, tape, "peak", "peak", "peak", "");
    nt_launch_define(&l, "NT_VW", "%d", width);
    nt_launch_buffer(&l, out, NT_ACCESS_WRITE);
    nt_launch_int(&l, rounds);
    nt_launch_float(&l, 0.999f);
    nt_launch_float(&l, 1e-5f);
    nt_launch_grid(&l, 1, &items, &local);
    status = nt_launch_append(&l);
    if (status == NT_OK)
        status = nt_tape_plan(tape, NULL);
    if (status == NT_OK)
        status = nt_tape_build(tape);
    limits->fma = bench_tape_work(tape, 2.0 * 16 * width * rounds * (double)items);
    return status;
}

enum nt_status bench_limits_create(struct nt_device *dev, struct bench_limits **out)
{
    struct bench_limits *limits = calloc(1, sizeof *limits);
    if (!limits)
        return nt_fail(nt_device_context(dev), NT_ERR_MEMORY, "bench: host memory is exhausted");
    limits->dev = dev;
    uint64_t largest = nt_device_get_info(dev)->max_allocation / STEP * STEP;
    limits->most = largest < COPY_MOST ? (size_t)largest : COPY_MOST;
    enum nt_status status = make_fma(limits);
    if (status == NT_OK)
        status = nt_memory_create(dev, limits->most, "copy from", &limits->from);
    if (status == NT_OK)
        status = nt_memory_create(dev, limits->most, "copy to", &limits->to);
    if (status != NT_OK) {
        bench_limits_destroy(limits);
        return status;
    }
    *out = limits;
    return NT_OK;
}

void bench_limits_destroy(struct bench_limits *limits)
{
    if (!limits)
        return;
    nt_tape_destroy(limits->fma_tape);
    for (int i = 0; i < 2; i++)
        nt_tape_destroy(limits->copy_tape[i]);
    nt_memory_destroy(limits->from);
    nt_memory_destroy(limits->to);
    free(limits);
}

const struct bench_work *bench_fma(struct bench_limits *limits)
{
    return &limits->fma;
}

static int copy_by_driver(const void *user, void *queue, void *const *memory, void *event)
{
    return clEnqueueCopyBuffer(
        queue, memory[0], memory[1], 0, 0, *(const size_t *)user, 0, NULL, event);
}

static void append_copy_kernel(struct nt_launch *l, const struct nt_device_info *info, size_t bytes)
{
    bool cpu = info->type == NT_DEVICE_CPU;
    size_t width = cpu ? info->vector_width : 4, count = bytes / sizeof(float) / width;
    size_t local = cpu                          ? 1
                   : info->max_work_group < 256 ? info->max_work_group
                                                : 256,
           most = info->compute_units * (cpu ? 4 : 16 * local);
    size_t items = count < most ? count : most;
    if (!cpu)
        nt_launch_define(l, "NT_INTERLEAVE", "1");
    nt_launch_define(l, "NT_VW", "%zu", width);
    nt_launch_int(l, (int64_t)count);
    nt_launch_int(l, (int64_t)((count + items - 1) / items));
    nt_launch_grid(l, 1, &items, &local);
}

static enum nt_status make_copy(struct bench_limits *limits, size_t bytes, int way)
{
    struct nt_tape **tape = &limits->copy_tape[way];
    nt_tape_destroy(*tape);
    *tape = NULL;
    enum nt_status status = nt_tape_create(limits->dev, tape);
    if (status != NT_OK)
        return status;
    struct nt_launch l;
    int32_t from = nt_tape_external(*tape, limits->from, 0, bytes, "copy from");
    int32_t to = nt_tape_external(*tape, limits->to, 0, bytes, "copy to");
    nt_launch_init(&l, *tape, "copy", "copy", ways[way], "");
    nt_launch_buffer(&l, from, NT_ACCESS_READ);
    nt_launch_buffer(&l, to, NT_ACCESS_WRITE);
    if (way == 0) {
        append_copy_kernel(&l, nt_device_get_info(limits->dev), bytes);
    } else {
        size_t *user = malloc(sizeof *user), one = 1;
        if (!user)
            return nt_fail(
                nt_device_context(limits->dev), NT_ERR_MEMORY, "bench: host memory is exhausted");
        *user = bytes;
        l.call = copy_by_driver;
        l.user = user;
        nt_launch_grid(&l, 1, &one, NULL);
    }
    status = nt_launch_append(&l);
    if (status == NT_OK)
        status = nt_tape_plan(*tape, NULL);
    return status == NT_OK ? nt_tape_build(*tape) : status;
}

enum nt_status bench_copy(
    struct bench_limits *limits, double bytes, const struct bench_work **work, const char **how)
{
    size_t floats = (size_t)(bytes / 2 / sizeof(float)) / STEP * STEP;
    size_t half = (floats ? floats : STEP) * sizeof(float);
    half = half < limits->most ? half : limits->most;
    enum nt_status status = NT_OK;
    if (half != limits->copy_bytes) {
        double best = 0;
        for (int way = 0; status == NT_OK && way < 2; way++) {
            struct bench_times times;
            if ((status = make_copy(limits, half, way)) != NT_OK)
                break;
            struct bench_work copy = bench_tape_work(limits->copy_tape[way], 2.0 * (double)half);
            status = bench_measure(limits->dev, &copy, 3, 1e-3, NULL, 0, &times);
            if (way == 0 || times.median < best) {
                best = times.median;
                limits->copy = copy;
                limits->how = ways[way];
            }
        }
        limits->copy_bytes = status == NT_OK ? half : 0;
    }
    *work = &limits->copy;
    if (how)
        *how = limits->how;
    return status;
}

enum nt_status bench_bound(struct bench_limits *limits, double flops, double bytes,
    enum bench_bound *bound, const struct bench_work **work)
{
    double fma, copy;
    const struct bench_work *copying;
    enum nt_status status = bench_copy(limits, bytes, &copying, NULL);
    if (status == NT_OK)
        status = bench_series(limits->dev, &limits->fma, 2, &fma);
    if (status == NT_OK)
        status = bench_series(limits->dev, copying, 2, &copy);
    if (status != NT_OK)
        return status;
    *bound =
        flops / limits->fma.amount * fma > bytes / copying->amount * copy ? BENCH_FMA : BENCH_COPY;
    *work = *bound == BENCH_FMA ? &limits->fma : copying;
    return NT_OK;
}
