/* SPDX-License-Identifier: MIT
 *
 * Small tensors in host memory: what is known before anything runs. All numbers are doubles, which
 * hold every integer that a device's int32 can.
 */
#ifndef NT_FRONTEND_ONNX_HOST_H
#define NT_FRONTEND_ONNX_HOST_H

#include "frontend/graph.h"

#define NT_ONNX_HOST_ELEMENTS 65536 /* more are left to the device */
#define NT_ONNX_HOST_MOST (1 << 22) /* of what an operator makes for the device */

struct nt_onnx_host {
    int type; /* enum nt_onnx_type */
    struct nt_shape shape;
    size_t count;
    double *data;
};

/* Zeros, in the graph's memory. NULL when that is exhausted, or for more than NT_ONNX_HOST_MOST. */
struct nt_onnx_host *nt_onnx_host_create(
    struct nt_graph *graph, int type, const struct nt_shape *shape);
struct nt_onnx_host *nt_onnx_host_list(
    struct nt_graph *graph, int type, size_t count, const int64_t *list);

/* Elements, which may be 0. */
size_t nt_onnx_host_count(const struct nt_shape *shape);
/* Row-major strides. */
void nt_onnx_host_strides(const struct nt_shape *shape, int64_t *stride);
/* The offset of element i (row-major) of `shape` in a tensor of other strides. */
int64_t nt_onnx_host_offset(const struct nt_shape *shape, const int64_t *stride, int64_t i);
/* Strides under which a tensor of shape from is repeated to shape to. */
void nt_onnx_host_broadcast(
    const struct nt_shape *from, const struct nt_shape *to, int64_t *stride);
/* A number as the type holds it: truncated, wrapped, rounded to float. */
double nt_onnx_host_cast(double number, int type);
/* The integer, clamped to 64 bits. */
int64_t nt_onnx_host_integer(double number);

#endif
