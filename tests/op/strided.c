/* SPDX-License-Identifier: MIT */
#include "tests/op/strided.h"

#include "tests/testing.h"

#include <stdlib.h>
#include <string.h>

static void shuffle(int count, int *order)
{
    for (int i = count - 1; i > 0; i--) {
        int j = test_int(0, i), t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
}

static struct nt_tensor lay_anyhow(enum nt_dtype dtype, const struct nt_shape *shape)
{
    struct nt_tensor t = {
        .dtype = dtype, .shape = *shape, .offset = test_int(0, 1) * test_int(0, 9)};
    int order[NT_MAX_RANK];
    for (int i = 0; i < shape->rank; i++)
        order[i] = i;
    shuffle(shape->rank, order);
    int64_t stride = test_int(0, 3) ? 1 : 2;
    for (int i = 0; i < shape->rank; i++) {
        t.stride[order[i]] = stride;
        stride *= shape->dim[order[i]];
        if (test_int(0, 3) == 0)
            stride += test_int(1, 5);
    }
    return t;
}

struct test_tensor test_tensor_make(
    struct nt_tape *tape, enum nt_dtype dtype, const struct nt_shape *shape, enum test_lying lying)
{
    struct test_tensor t = {0};
    bool channels = lying == TEST_DENSE_CHANNELS && shape->rank >= 3 && shape->rank <= 5;
    if (lying == TEST_ANYHOW)
        t.tensor = lay_anyhow(dtype, shape);
    else
        t.tensor = nt_tensor_make(0, dtype, shape, channels ? NT_CHANNELS_LAST : NT_ROW_MAJOR);
    int64_t last = t.tensor.offset;
    for (int i = 0; i < shape->rank; i++)
        last += (shape->dim[i] - 1) * t.tensor.stride[i];
    size_t count = nt_shape_count(shape) ? (size_t)last + 1 + (size_t)test_int(0, 3) : 4;
    t.bytes = count * nt_dtype_size(dtype);
    t.before = calloc(1, t.bytes);
    t.after = calloc(1, t.bytes);
    for (size_t i = 0; i < count; i++) {
        int small = test_int(0, dtype == NT_BOOL ? 1 : 3);
        if (dtype == NT_F32)
            ((float *)t.before)[i] = test_float();
        else if (dtype == NT_F64)
            ((double *)t.before)[i] = test_float();
        else if (dtype == NT_I64)
            ((int64_t *)t.before)[i] = small * 1000000000000;
        else if (dtype == NT_I32)
            ((int32_t *)t.before)[i] = small - 1;
        else
            ((uint8_t *)t.before)[i] = (uint8_t)small;
    }
    t.tensor.buffer = nt_tape_buffer(tape, NT_BUFFER_KEPT, t.bytes, "test");
    return t;
}

void test_tensor_free(struct test_tensor *t)
{
    free(t->before);
    free(t->after);
}

void test_tensor_poison(struct test_tensor *t)
{
    memset(t->before, 0xFF, t->bytes);
}

static size_t element_at(
    const struct test_tensor *t, const struct nt_shape *shape, const int64_t *index)
{
    struct nt_tensor view = nt_tensor_broadcast(&t->tensor, shape);
    int64_t at = view.offset;
    for (int i = 0; i < shape->rank; i++)
        at += index[i] * view.stride[i];
    return (size_t)at;
}

static double value(const void *data, enum nt_dtype dtype, size_t at)
{
    switch (dtype) {
    case NT_F32:
        return ((const float *)data)[at];
    case NT_F64:
        return ((const double *)data)[at];
    case NT_I32:
        return ((const int32_t *)data)[at];
    case NT_I64:
        return (double)((const int64_t *)data)[at];
    default:
        return ((const uint8_t *)data)[at];
    }
}

double test_tensor_before(
    const struct test_tensor *t, const struct nt_shape *shape, const int64_t *index)
{
    return value(t->before, t->tensor.dtype, element_at(t, shape, index));
}

double test_tensor_after(
    const struct test_tensor *t, const struct nt_shape *shape, const int64_t *index)
{
    return value(t->after, t->tensor.dtype, element_at(t, shape, index));
}

void test_tensor_check_gaps(const struct test_tensor *t, const char *what)
{
    size_t size = nt_dtype_size(t->tensor.dtype);
    char *element = calloc(1, t->bytes + 1);
    int64_t index[NT_MAX_RANK] = {0};
    if (nt_shape_count(&t->tensor.shape))
        do
            memset(element + element_at(t, &t->tensor.shape, index) * size, 1, size);
        while (test_next(&t->tensor.shape, index));
    for (size_t i = 0; i < t->bytes; i++)
        ck_assert_msg(element[i] || ((const char *)t->before)[i] == ((const char *)t->after)[i],
            "%s: byte %zu, which belongs to no element, was written", what, i);
    free(element);
}

bool test_next(const struct nt_shape *shape, int64_t *index)
{
    for (int i = shape->rank - 1; i >= 0; i--) {
        if (++index[i] < shape->dim[i])
            return true;
        index[i] = 0;
    }
    return false;
}

struct nt_shape test_shape(int rank, int limit)
{
    struct nt_shape shape = {.rank = rank};
    for (int i = 0; i < rank; i++) {
        int kind = test_int(0, 5);
        shape.dim[i] = kind == 0 ? 1 : test_int(1, kind == 1 ? limit : limit < 7 ? limit : 7);
    }
    return shape;
}

struct nt_shape test_broadcast_shape(const struct nt_shape *shape)
{
    int drop = test_int(0, 3) ? 0 : test_int(0, shape->rank);
    struct nt_shape part = {.rank = shape->rank - drop};
    for (int i = 0; i < part.rank; i++)
        part.dim[i] = test_int(0, 3) ? shape->dim[i + drop] : 1;
    return part;
}

bool test_small(void)
{
    return getenv("NT_SMALL") != NULL;
}

void test_tape_run(struct nt_tape *tape, int count, struct test_tensor *tensors)
{
    test_ok(nt_tape_build(tape));
    for (int i = 0; i < count; i++)
        test_ok(
            nt_tape_write(tape, tensors[i].tensor.buffer, 0, tensors[i].before, tensors[i].bytes));
    test_ok(nt_tape_run(tape));
    for (int i = 0; i < count; i++)
        test_ok(
            nt_tape_read(tape, tensors[i].tensor.buffer, 0, tensors[i].after, tensors[i].bytes));
}
