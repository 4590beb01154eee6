/* SPDX-License-Identifier: MIT
 *
 * One pass of one layer on a tape of its own, with what its result should be. Shared by layer.c
 * and the files of the families.
 */
#ifndef NT_BENCH_LAYER_H
#define NT_BENCH_LAYER_H

#include "bench/bench.h"
#include "engine/primitives.h"
#include "engine/tape.h"

enum bench_pass {
    BENCH_FORWARD = 1,
    BENCH_BACKWARD = 2, /* by the input; "backward-data" of a convolution */
    BENCH_WEIGHTS = 4,  /* convolutions: by the weights */
    BENCH_STEP = 8      /* forward and backward in one, where they share their work */
};

/* A layer of the table in layer_cases.c. Fields mean what the family says. */
struct bench_case {
    const char *name; /* "conv 64-64 56 3x3" */
    const struct bench_family *family;
    unsigned passes;                             /* enum bench_pass, or-ed */
    unsigned quick;                              /* those that a quick run measures */
    int64_t n, c, hw, k, r, stride, pad, groups; /* conv, pool: items, channels, extent, ... */
    int64_t dilation;                            /* conv; 0: 1 */
    bool a_columns, b_columns;                   /* gemm: transposed operands */
    enum nt_pooling pooling;
    const char *text; /* map: the formula over a, b, ...; `k` inputs */
};
extern const struct bench_case bench_cases[];
extern const int bench_case_count;

#define BENCH_OPERANDS 6

/* A tensor of the layer and, for those that the kernel reads, its content on the host. */
struct bench_operand {
    struct nt_tensor tensor;
    size_t count; /* elements */
    float *data;  /* of the inputs; int32 bits where the tensor is int32 */
    bool written; /* a result: poisoned before the run, read and checked after it */
};

struct bench_layer {
    const struct bench_case *kind;
    enum bench_pass pass;
    struct nt_device *dev;
    struct nt_context *ctx;
    struct nt_tape *tape;
    struct bench_operand operand[BENCH_OPERANDS];
    int operands;
    double flops, bytes; /* least work of the pass */
    void *own;           /* the family's, freed by its finish */
};

struct bench_family {
    const char *name;
    /* Declares operands and appends the launches; sets flops and, unless it is the operands' sizes
     * together, bytes. */
    enum nt_status (*append)(struct bench_layer *layer);
    /* What element `index` (in memory) of a written operand should be, computed in double, and the
     * size that an error is measured by: the root of the sum of the squares of what was summed. */
    void (*reference)(
        const struct bench_layer *layer, int operand, int64_t index, double *value, double *scale);
    /* What the reference needs once the results of the first run are known; NULL: nothing. */
    enum nt_status (*prepare)(struct bench_layer *layer);
    void (*finish)(struct bench_layer *layer); /* NULL: nothing */
};

/* Windows along the height, or width, of a convolution's or a pooling's input. */
int64_t bench_windows(const struct bench_case *kind);
/* The row (or column) under tap `tap` of window `window`; -1: in the padding. */
int64_t bench_row_under(const struct bench_case *kind, int64_t window, int64_t tap);
/* The window whose tap is over a row; -1: none. */
int64_t bench_window_over(const struct bench_case *kind, int64_t row, int64_t tap);

extern const struct bench_family bench_gemm, bench_conv, bench_pool, bench_softmax, bench_map,
    bench_norm;

/* Adds an operand with memory of its own; the tensor is shaped by rank and dims. */
struct nt_tensor bench_operand(struct bench_layer *layer, enum nt_dtype dtype, bool written,
    enum nt_layout layout, int rank, const int64_t *dims);

/* The semantic index of element `index` of a dense tensor, at[0..rank). */
void bench_position(const struct nt_tensor *tensor, int64_t index, int64_t *at);
/* The content at a semantic position. */
double bench_at(const struct bench_operand *operand, const int64_t *at);

#endif
