/* SPDX-License-Identifier: MIT
 *
 * Random views of rows of classes, for the tests of primitives on rows.
 */
#ifndef NT_TESTS_OP_ROWS_H
#define NT_TESTS_OP_ROWS_H

#include "tests/op/trial.h"

/* A matrix in a buffer of its own: contiguous classes, with gaps, or column by column. */
struct rows {
    struct nt_tensor view;
    float *data;
    size_t elements;
};

static inline struct rows rows_make(int64_t r, int64_t c, int kind)
{
    struct rows m = {.view = {.dtype = NT_F32, .shape = {2, {r, c}}}};
    int64_t step = kind == 1 ? test_int(2, 3) : 1, gap = kind ? test_int(0, 5) : 0;
    m.view.offset = kind ? test_int(0, 7) : 0;
    m.view.stride[1] = kind == 2 ? r + gap : step;
    m.view.stride[0] = kind == 2 ? 1 : c * step + gap;
    m.elements = (size_t)(m.view.offset + r * m.view.stride[0] + c * m.view.stride[1] + gap);
    m.data = malloc(4 * m.elements);
    test_fill(m.data, m.elements);
    return m;
}

static inline struct rows rows_random(int64_t r, int64_t c)
{
    return rows_make(r, c, test_int(0, 2));
}

static inline float *rows_at(const struct rows *m, int64_t r, int64_t c)
{
    return &m->data[m->view.offset + r * m->view.stride[0] + c * m->view.stride[1]];
}

static inline void rows_shape(int *r, int *c)
{
    static const int classes[] = {1, 2, 3, 10, 16, 17, 31, 64, 100};
    *r = test_int(1, trial_small() ? 5 : 70);
    *c = test_int(0, 3) ? classes[test_int(0, 8)] : test_int(1, trial_small() ? 40 : 700);
}

/* The matrix row by row, as doubles or as it is; freed by the caller. */
static inline double *rows_doubles(const struct rows *m)
{
    int64_t rows = m->view.shape.dim[0], classes = m->view.shape.dim[1];
    double *out = malloc(sizeof *out * (size_t)(rows * classes));
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < classes; c++)
            out[r * classes + c] = *rows_at(m, r, c);
    return out;
}

static inline float *rows_floats(const struct rows *m)
{
    int64_t rows = m->view.shape.dim[0], classes = m->view.shape.dim[1];
    float *out = malloc(sizeof *out * (size_t)(rows * classes));
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < classes; c++)
            out[r * classes + c] = *rows_at(m, r, c);
    return out;
}

#endif
