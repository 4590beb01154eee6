/* SPDX-License-Identifier: MIT */
#include "engine/tensor.h"

#include <string.h>

#include <stdio.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[NT_DTYPE_COUNT] = {
    [NT_F32] = {"float32", 4},
    [NT_I32] = {"int32", 4},
    [NT_U8] = {"uint8", 1},
    [NT_I64] = {"int64", 8},
    [NT_F64] = {"float64", 8},
    [NT_BOOL] = {"bool", 1},
};

size_t nt_dtype_size(enum nt_dtype dtype)
{
    return dtypes[dtype].size;
}

const char *nt_dtype_name(enum nt_dtype dtype)
{
    return dtypes[dtype].name;
}

int64_t nt_shape_count(const struct nt_shape *shape)
{
    int64_t count = 1;
    for (int i = 0; i < shape->rank; i++)
        count *= shape->dim[i];
    return count;
}

bool nt_shape_equal(const struct nt_shape *a, const struct nt_shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

const char *nt_shape_text(const struct nt_shape *shape, char *text, size_t size)
{
    if (shape->rank == 0) {
        snprintf(text, size, "scalar");
        return text;
    }
    size_t at = 0;
    for (int i = 0; i < shape->rank && at < size; i++)
        at += (size_t)snprintf(
            text + at, size - at, "%s%lld", i ? "x" : "", (long long)shape->dim[i]);
    return text;
}

bool nt_shape_broadcast(const struct nt_shape *a, const struct nt_shape *b, struct nt_shape *out)
{
    struct nt_shape s = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int i = 0; i < s.rank; i++) {
        int ia = i - (s.rank - a->rank), ib = i - (s.rank - b->rank);
        int64_t da = ia < 0 ? 1 : a->dim[ia], db = ib < 0 ? 1 : b->dim[ib];
        if (da != db && da != 1 && db != 1)
            return false;
        s.dim[i] = da == 1 ? db : da;
    }
    *out = s;
    return true;
}

/* The order of dimensions from slowest to fastest. */
static void memory_order(int rank, enum nt_layout layout, int order[NT_MAX_RANK])
{
    int n = 0;
    for (int i = 0; i < rank; i++)
        if (layout == NT_ROW_MAJOR || rank < 3 || i != 1)
            order[n++] = i;
    if (n < rank)
        order[n] = 1;
}

struct nt_tensor nt_tensor_make(
    int32_t buffer, enum nt_dtype dtype, const struct nt_shape *shape, enum nt_layout layout)
{
    struct nt_tensor t = {.buffer = buffer, .dtype = dtype, .shape = *shape};
    int order[NT_MAX_RANK];
    memory_order(shape->rank, layout, order);
    int64_t stride = 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        t.stride[order[i]] = stride;
        stride *= shape->dim[order[i]];
    }
    return t;
}

struct nt_tensor nt_tensor_index(const struct nt_shape *shape, int64_t first)
{
    struct nt_tensor t = nt_tensor_make(NT_BUFFER_INDEX, NT_I32, shape, NT_ROW_MAJOR);
    t.offset = first;
    return t;
}

/* The offset holds the number's bits. */
struct nt_tensor nt_tensor_number(double number)
{
    struct nt_tensor t = {.buffer = NT_BUFFER_NUMBER, .dtype = NT_F32};
    memcpy(&t.offset, &number, sizeof number);
    return t;
}

double nt_tensor_get_number(const struct nt_tensor *tensor)
{
    double number;
    memcpy(&number, &tensor->offset, sizeof number);
    return number;
}

struct nt_tensor nt_tensor_broadcast(const struct nt_tensor *tensor, const struct nt_shape *shape)
{
    struct nt_tensor t = *tensor;
    t.shape = *shape;
    for (int i = 0; i < shape->rank; i++) {
        int from = i - (shape->rank - tensor->shape.rank);
        bool repeats = from < 0 || tensor->shape.dim[from] == 1;
        t.stride[i] = repeats ? 0 : tensor->stride[from];
    }
    return t;
}

bool nt_tensor_is(const struct nt_tensor *tensor, enum nt_layout layout)
{
    struct nt_tensor dense = nt_tensor_make(0, tensor->dtype, &tensor->shape, layout);
    for (int i = 0; i < tensor->shape.rank; i++)
        if (tensor->shape.dim[i] > 1 && tensor->stride[i] != dense.stride[i])
            return false;
    return true;
}
