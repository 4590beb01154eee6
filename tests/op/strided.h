/* SPDX-License-Identifier: MIT
 *
 * Tensors of random layout for the tests of primitives: permuted dimensions, gaps, an offset, with
 * their elements as doubles on the host.
 */
#ifndef NT_TESTS_OP_STRIDED_H
#define NT_TESTS_OP_STRIDED_H

#include "engine/primitives.h"

struct test_tensor {
    struct nt_tensor tensor;
    size_t bytes;
    void *before; /* the buffer's content before the run, as test_tape_run writes it */
    void *after;  /* as test_tape_run reads it */
};

enum test_lying {
    TEST_DENSE_ROWS,     /* row-major */
    TEST_DENSE_CHANNELS, /* channels-last, where the rank is 3 to 5 */
    TEST_ANYHOW          /* a random permutation, perhaps with gaps and an offset */
};

/* A kept buffer with random content (floats in [-1, 1), small integers, bools). */
struct test_tensor test_tensor_make(
    struct nt_tape *tape, enum nt_dtype dtype, const struct nt_shape *shape, enum test_lying lying);
void test_tensor_free(struct test_tensor *t);

/* All bits of the buffer 1: NaN in floats. */
void test_tensor_poison(struct test_tensor *t);

/* The element at a semantic index of a shape that the tensor broadcasts to. */
double test_tensor_before(
    const struct test_tensor *t, const struct nt_shape *shape, const int64_t *index);
double test_tensor_after(
    const struct test_tensor *t, const struct nt_shape *shape, const int64_t *index);

/* Fails when a byte that belongs to no element has changed. */
void test_tensor_check_gaps(const struct test_tensor *t, const char *what);

/* Steps index through a shape, the last dimension fastest; false after the last one. Start
 * with zeros, and only when the shape has elements. */
bool test_next(const struct nt_shape *shape, int64_t *index);

/* A random shape of a rank; small extents, often 1, sometimes odd and up to limit. */
struct nt_shape test_shape(int rank, int limit);
/* A shape that broadcasts to it. */
struct nt_shape test_broadcast_shape(const struct nt_shape *shape);

/* Whether the run is on a slow simulator ($NT_SMALL): small shapes, few cases. */
bool test_small(void);

/* Builds a tape, writes the tensors, runs it once and reads them back. */
void test_tape_run(struct nt_tape *tape, int count, struct test_tensor *tensors);

#endif
