/* SPDX-License-Identifier: MIT
 *
 * Rates of matrix products beside the device's multiply-add peak, measured in turn:
 *
 *   bench_gemm [M N K]...      on $NEUTRA_DEVICE, variants from $NEUTRA_VARIANT
 */
#include "engine/launch.h"
#include "engine/primitives.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 9

static struct nt_context *ctx;
static struct nt_device *dev;

static void must(enum nt_status status)
{
    if (status == NT_OK)
        return;
    fprintf(stderr, "bench_gemm: %s\n", nt_error_message(ctx));
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double run_once(struct nt_tape *tape, int repeats)
{
    double start = now();
    for (int i = 0; i < repeats; i++)
        must(nt_tape_run(tape));
    must(nt_device_finish(dev));
    return (now() - start) / repeats;
}

static struct nt_tape *peak_tape(double *flops)
{
    const struct nt_device_info *info = nt_device_get_info(dev);
    bool cpu = info->type == NT_DEVICE_CPU;
    int width = cpu ? (int)info->vector_width : 4, rounds = cpu ? 100000 : 4096;
    size_t local = cpu ? 1 : 64, items = info->compute_units * (cpu ? 4 : 64 * local);
    struct nt_tape *tape;
    struct nt_launch l;
    must(nt_tape_create(dev, &tape));
    nt_launch_init(&l, tape, "peak", "peak", "peak", "");
    nt_launch_define(&l, "NT_VW", "%d", width);
    nt_launch_buffer(&l, nt_tape_buffer(tape, NT_BUFFER_KEPT, 4 * items, "peak"), NT_ACCESS_WRITE);
    nt_launch_int(&l, rounds);
    nt_launch_float(&l, 0.999f);
    nt_launch_float(&l, 1e-5f);
    nt_launch_grid(&l, 1, &items, &local);
    must(nt_launch_append(&l));
    must(nt_tape_plan(tape, NULL));
    must(nt_tape_build(tape));
    *flops = 2.0 * 16 * width * rounds * (double)items;
    return tape;
}

static struct nt_tensor matrix(struct nt_tape *tape, int64_t rows, int64_t columns)
{
    struct nt_shape shape = {2, {rows, columns}};
    size_t count = (size_t)(rows * columns);
    int32_t buffer = nt_tape_buffer(tape, NT_BUFFER_KEPT, count * sizeof(float), "matrix");
    return nt_tensor_make(buffer, NT_F32, &shape, NT_ROW_MAJOR);
}

static void fill(struct nt_tape *tape, const struct nt_tensor *t)
{
    size_t count = (size_t)nt_shape_count(&t->shape);
    float *data = malloc(count * sizeof *data);
    for (size_t i = 0; data && i < count; i++)
        data[i] = (float)(i % 97) / 97 - 0.5f;
    must(nt_tape_write(tape, t->buffer, 0, data, count * sizeof *data));
    free(data);
}

static void measure(int64_t m, int64_t n, int64_t k)
{
    struct nt_tape *tape, *peak;
    double peak_flops, flops = 2.0 * (double)m * (double)n * (double)k, rate[ROUNDS], part[ROUNDS];
    must(nt_tape_create(dev, &tape));
    struct nt_tensor a = matrix(tape, m, k), b = matrix(tape, k, n), c = matrix(tape, m, n);
    must(nt_gemm(tape, &a, &b, &c, NULL));
    must(nt_tape_plan(tape, NULL));
    double start = now();
    must(nt_tape_build(tape));
    double build = now() - start;
    fill(tape, &a);
    fill(tape, &b);
    peak = peak_tape(&peak_flops);
    run_once(peak, 1);
    double once = run_once(tape, 2);
    int repeats = once > 0.02 ? 1 : (int)(0.02 / once) + 1;
    for (int i = 0; i < ROUNDS; i++) {
        double before = peak_flops / run_once(peak, 1);
        rate[i] = flops / run_once(tape, repeats);
        part[i] = 2 * rate[i] / (before + peak_flops / run_once(peak, 1));
    }
    qsort(rate, ROUNDS, sizeof *rate, by_value);
    qsort(part, ROUNDS, sizeof *part, by_value);
    printf("%5lld %5lld %5lld  %-8s %8.1f GFLOP/s  %5.1f %% of the multiply-add peak "
           "(best %.1f GFLOP/s, %.1f %%; build %.2f s)\n",
        (long long)m, (long long)n, (long long)k, nt_tape_launch_info(tape, 0).variant,
        rate[ROUNDS / 2] / 1e9, 100 * part[ROUNDS / 2], rate[ROUNDS - 1] / 1e9,
        100 * part[ROUNDS - 1], build);
    nt_tape_destroy(peak);
    nt_tape_destroy(tape);
}

int main(int argc, char **argv)
{
    static const int64_t sizes[][3] = {{256, 256, 256}, {1024, 1024, 1024}, {2048, 2048, 2048},
        {64, 120, 400}, {64, 10, 84}, {6400, 16, 150}, {100352, 64, 64}};
    must(nt_context_create(NULL, &ctx));
    must(nt_device_open(ctx, NULL, &dev));
    printf("%s\n", nt_device_get_info(dev)->name);
    for (int i = 1; i + 2 < argc; i += 3)
        measure(atoll(argv[i]), atoll(argv[i + 1]), atoll(argv[i + 2]));
    for (size_t i = 0; argc < 4 && i < sizeof sizes / sizeof *sizes; i++)
        measure(sizes[i][0], sizes[i][1], sizes[i][2]);
    nt_device_close(dev);
    nt_context_destroy(ctx);
    return 0;
}
