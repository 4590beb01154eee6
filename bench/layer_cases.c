/* SPDX-License-Identifier: MIT
 *
 * The table of measured layers: the only place where one is added.
 */
#include "bench/layer.h"

#define ALL (BENCH_FORWARD | BENCH_BACKWARD | BENCH_WEIGHTS)
#define FIRST                                                                                      \
    (BENCH_FORWARD | BENCH_WEIGHTS) /* of a network: nobody wants the picture's gradient */
#define BOTH (BENCH_FORWARD | BENCH_BACKWARD)

#define GEMM(size, letters, a, b, in_quick)                                                        \
    {                                                                                              \
        .name = "gemm " #size " " letters, .family = &bench_gemm, .passes = BENCH_FORWARD,         \
        .quick = in_quick, .n = size, .c = size, .k = size, .a_columns = a, .b_columns = b         \
    }
#define GEMMS(size, nn, others)                                                                    \
    GEMM(size, "nn", false, false, nn), GEMM(size, "nt", false, true, others),                     \
        GEMM(size, "tn", true, false, others), GEMM(size, "tt", true, true, others)
#define CONV(title, in_passes, in_quick, items, in, size, out, filter, step, padding, parts)       \
    {                                                                                              \
        .name = title, .family = &bench_conv, .passes = in_passes, .quick = in_quick, .n = items,  \
        .c = in, .hw = size, .k = out, .r = filter, .stride = step, .pad = padding,                \
        .groups = parts                                                                            \
    }
#define DILATED(title, in_passes, items, in, size, out, filter, apart)                             \
    {                                                                                              \
        .name = title, .family = &bench_conv, .passes = in_passes, .n = items, .c = in,            \
        .hw = size, .k = out, .r = filter, .stride = 1, .pad = apart * (filter / 2), .groups = 1,  \
        .dilation = apart                                                                          \
    }
#define POOL(title, how, in_quick, items, channels, size, window, step, padding)                   \
    {                                                                                              \
        .name = title, .family = &bench_pool, .passes = BOTH, .quick = in_quick, .n = items,       \
        .c = channels, .hw = size, .r = window, .stride = step, .pad = padding, .pooling = how     \
    }
#define NORM(title, in_quick, items, channels, size)                                               \
    {                                                                                              \
        .name = title, .family = &bench_norm, .passes = BENCH_FORWARD | BENCH_STEP,                \
        .quick = in_quick, .n = items, .c = channels, .hw = size                                   \
    }
#define SOFTMAX(title, in_quick, rows, classes)                                                    \
    {                                                                                              \
        .name = title, .family = &bench_softmax, .passes = BOTH, .quick = in_quick, .n = rows,     \
        .c = classes                                                                               \
    }
#define MAP(title, formula, inputs, in_quick)                                                      \
    {                                                                                              \
        .name = title, .family = &bench_map, .passes = BENCH_FORWARD, .quick = in_quick, .n = 16,  \
        .c = 64, .hw = 56, .k = inputs, .text = formula                                            \
    }

/* Batch 16 where nothing else is said. L1 to L5: convnet-benchmarks (Chintala 2014), with batch 16
 * instead of 128. */
const struct bench_case bench_cases[] = {
    GEMMS(512, 0, 0),
    GEMMS(1024, 1, 0),
    GEMMS(2048, 0, 0),
    CONV("conv 64-64 56 3x3", ALL, ALL, 16, 64, 56, 64, 3, 1, 1, 1),
    CONV("conv 128-128 28 3x3", ALL, ALL, 16, 128, 28, 128, 3, 1, 1, 1),
    CONV("conv 256-256 14 3x3", ALL, ALL, 16, 256, 14, 256, 3, 1, 1, 1),
    CONV("conv 512-512 7 3x3", ALL, ALL, 16, 512, 7, 512, 3, 1, 1, 1),
    CONV("conv 64-256 56 1x1", ALL, ALL, 16, 64, 56, 256, 1, 1, 0, 1),
    CONV("conv 256-64 56 1x1", ALL, 0, 16, 256, 56, 64, 1, 1, 0, 1),
    CONV("conv 512-2048 7 1x1", ALL, 0, 16, 512, 7, 2048, 1, 1, 0, 1),
    CONV("conv 3-64 224 7x7/2", FIRST, FIRST, 16, 3, 224, 64, 7, 2, 3, 1),
    CONV("conv 3-96 224 11x11/4", FIRST, FIRST, 16, 3, 224, 96, 11, 4, 2, 1),
    CONV("conv 64-128 56 3x3/2", ALL, 0, 16, 64, 56, 128, 3, 2, 1, 1),
    CONV("conv 128-256 28 3x3/2", ALL, 0, 16, 128, 28, 256, 3, 2, 1, 1),
    CONV("conv 256-512 14 3x3/2", ALL, 0, 16, 256, 14, 512, 3, 2, 1, 1),
    CONV("conv 128-128 56 3x3/2", ALL, 0, 16, 128, 56, 128, 3, 2, 1, 1),
    CONV("conv 256-256 28 3x3/2", ALL, 0, 16, 256, 28, 256, 3, 2, 1, 1),
    CONV("conv 512-512 14 3x3/2", ALL, 0, 16, 512, 14, 512, 3, 2, 1, 1),
    CONV("conv 64-128 56 1x1/2", ALL, 0, 16, 64, 56, 128, 1, 2, 0, 1),
    CONV("conv 256-512 14 1x1/2", ALL, 0, 16, 256, 14, 512, 1, 2, 0, 1),
    CONV("conv 256-512 56 1x1/2", ALL, 0, 16, 256, 56, 512, 1, 2, 0, 1),
    CONV("conv 512-1024 28 1x1/2", ALL, 0, 16, 512, 28, 1024, 1, 2, 0, 1),
    CONV("conv 64-192 27 5x5", ALL, 0, 16, 64, 27, 192, 5, 1, 2, 1),
    CONV("conv 3-64 224 3x3", FIRST, 0, 4, 3, 224, 64, 3, 1, 1, 1),
    CONV("conv L1 3-96 128 11x11", FIRST, 0, 16, 3, 128, 96, 11, 1, 0, 1),
    CONV("conv L2 64-128 64 9x9", ALL, 0, 16, 64, 64, 128, 9, 1, 0, 1),
    CONV("conv L3 128-128 32 9x9", ALL, 0, 16, 128, 32, 128, 9, 1, 0, 1),
    CONV("conv L4 128-128 16 7x7", ALL, 0, 16, 128, 16, 128, 7, 1, 0, 1),
    CONV("conv L5 384-384 13 3x3", ALL, 0, 16, 384, 13, 384, 3, 1, 0, 1),
    CONV("conv 128-128 28 3x3 32 groups", ALL, 0, 16, 128, 28, 128, 3, 1, 1, 32),
    DILATED("conv 128-128 28 3x3 dilated 2", ALL, 16, 128, 28, 128, 3, 2),
    CONV("depthwise 96 56 3x3", ALL, ALL, 16, 96, 56, 96, 3, 1, 1, 96),
    CONV("depthwise 144 56 3x3/2", ALL, 0, 16, 144, 56, 144, 3, 2, 1, 144),
    POOL("max pool 64 112 3x3/2", NT_POOL_MAX, BOTH, 16, 64, 112, 3, 2, 1),
    POOL("average pool 64 112 2x2/2", NT_POOL_AVERAGE, BOTH, 16, 64, 112, 2, 2, 0),
    NORM("batch norm 64 56", BENCH_FORWARD | BENCH_STEP, 16, 64, 56),
    NORM("batch norm 256 14", 0, 16, 256, 14),
    SOFTMAX("softmax 4096x1000", BOTH, 4096, 1000),
    MAP("map relu", "max(a, 0)", 1, 1),
    MAP("map add relu", "max(a + b, 0)", 2, 1),
    MAP("map tanh", "tanh(a)", 1, 0),
    MAP("map sigmoid gate", "a / (1 + exp(-b))", 2, 0),
};
const int bench_case_count = sizeof bench_cases / sizeof *bench_cases;
