/* SPDX-License-Identifier: MIT */
#include "frontend/onnx/host.h"

#include <math.h>
#include <string.h>

#include "frontend/onnx/onnx.h"

size_t nt_onnx_host_count(const struct nt_shape *shape)
{
    size_t count = 1;
    for (int i = 0; i < shape->rank; i++)
        count *= (size_t)shape->dim[i];
    return count;
}

struct nt_onnx_host *nt_onnx_host_create(
    struct nt_graph *graph, int type, const struct nt_shape *shape)
{
    double count = 1;
    for (int i = 0; i < shape->rank; i++)
        count *= (double)shape->dim[i];
    struct nt_onnx_host *host =
        count <= NT_ONNX_HOST_MOST ? nt_graph_alloc(graph, sizeof *host) : NULL;
    if (!host)
        return NULL;
    host->type = type;
    host->shape = *shape;
    host->count = nt_onnx_host_count(shape);
    host->data = nt_graph_alloc(graph, (host->count + 1) * sizeof *host->data);
    return host->data ? host : NULL;
}

struct nt_onnx_host *nt_onnx_host_list(
    struct nt_graph *graph, int type, size_t count, const int64_t *list)
{
    struct nt_shape shape = {1, {(int64_t)count}};
    struct nt_onnx_host *host = nt_onnx_host_create(graph, type, &shape);
    for (size_t i = 0; host && i < count; i++)
        host->data[i] = (double)list[i];
    return host;
}

void nt_onnx_host_strides(const struct nt_shape *shape, int64_t *stride)
{
    int64_t step = 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= shape->dim[i];
    }
}

int64_t nt_onnx_host_offset(const struct nt_shape *shape, const int64_t *stride, int64_t i)
{
    int64_t offset = 0;
    for (int d = shape->rank - 1; d >= 0; d--) {
        offset += i % shape->dim[d] * stride[d];
        i /= shape->dim[d];
    }
    return offset;
}

void nt_onnx_host_broadcast(const struct nt_shape *from, const struct nt_shape *to, int64_t *stride)
{
    int64_t own[NT_MAX_RANK];
    int lead = to->rank - from->rank;
    nt_onnx_host_strides(from, own);
    for (int i = 0; i < to->rank; i++)
        stride[i] = i < lead || from->dim[i - lead] == 1 ? 0 : own[i - lead];
}

int64_t nt_onnx_host_integer(double number)
{
    if (number >= 0x1p63)
        return INT64_MAX;
    if (number < -0x1p63)
        return INT64_MIN;
    return number == number ? (int64_t)number : 0;
}

double nt_onnx_host_cast(double number, int type)
{
    int64_t integer = nt_onnx_host_integer(number);
    switch (type) {
    case NT_ONNX_BOOL:
        return number != 0;
    case NT_ONNX_UINT8:
        return (uint8_t)integer;
    case NT_ONNX_INT8:
        return (int8_t)integer;
    case NT_ONNX_UINT16:
        return (uint16_t)integer;
    case NT_ONNX_INT16:
        return (int16_t)integer;
    case NT_ONNX_INT32:
        return (int32_t)integer;
    case NT_ONNX_UINT32:
        return (uint32_t)integer;
    case NT_ONNX_INT64:
    case NT_ONNX_UINT64:
        return trunc(number);
    case NT_ONNX_FLOAT:
        return (float)number;
    default:
        return number;
    }
}
