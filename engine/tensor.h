/* SPDX-License-Identifier: MIT
 *
 * Shapes, element types and strided views of a tape's buffers. Plain values:
 * copy them freely. Nothing here touches a device.
 */
#ifndef NT_ENGINE_TENSOR_H
#define NT_ENGINE_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/context.h"

#ifdef __cplusplus
extern "C" {
#endif

#define NT_MAX_RANK 8

enum nt_dtype { NT_F32, NT_I32, NT_U8, NT_I64, NT_F64, NT_BOOL, NT_DTYPE_COUNT };

NT_API size_t nt_dtype_size(enum nt_dtype dtype);      /* bytes of one element */
NT_API const char *nt_dtype_name(enum nt_dtype dtype); /* "float32", as NumPy says it */

/* Extents in the order users and ONNX know them (N,C,H,W). rank 0 is a scalar. */
struct nt_shape {
    int rank;
    int64_t dim[NT_MAX_RANK];
};

NT_API int64_t nt_shape_count(const struct nt_shape *shape); /* elements */
NT_API bool nt_shape_equal(const struct nt_shape *a, const struct nt_shape *b);

/* Writes "64x3x28x28" ("scalar" for rank 0); returns text. */
NT_API const char *nt_shape_text(const struct nt_shape *shape, char *text, size_t size);

/* NumPy broadcasting of two shapes; false when they do not fit. */
NT_API bool nt_shape_broadcast(
    const struct nt_shape *a, const struct nt_shape *b, struct nt_shape *out);

/* How a value's elements lie in memory. */
enum nt_layout {
    NT_ROW_MAJOR,    /* last semantic dimension fastest */
    NT_CHANNELS_LAST /* dimension 1 fastest: N,C,H,W lies as N,H,W,C. Rank 3 to 5 */
};

/* A strided view of a virtual buffer of a tape. offset and strides count
 * elements. A stride of 0 broadcasts. Dimensions are in semantic order. */
struct nt_tensor {
    int32_t buffer; /* id given by nt_tape_buffer or nt_tape_external */
    enum nt_dtype dtype;
    int64_t offset;
    struct nt_shape shape;
    int64_t stride[NT_MAX_RANK];
};

/* A view that covers a buffer in the given layout. */
NT_API struct nt_tensor nt_tensor_make(
    int32_t buffer, enum nt_dtype dtype, const struct nt_shape *shape, enum nt_layout layout);

/* Not in memory: element i (row-major) is the number first + i. An input of nt_map alone, for the
 * functions number(index) and uniform(index, key). */
#define NT_BUFFER_INDEX (-2)
NT_API struct nt_tensor nt_tensor_index(const struct nt_shape *shape, int64_t first);

/* Not in memory either: one float that kernels take as an argument, so that another number is not
 * another kernel. An input of nt_map and nt_reduce alone. */
#define NT_BUFFER_NUMBER (-3)
NT_API struct nt_tensor nt_tensor_number(double number);
NT_API double nt_tensor_get_number(const struct nt_tensor *tensor);

/* The view repeated to a larger shape (NumPy rule); the caller checked that it fits. */
NT_API struct nt_tensor nt_tensor_broadcast(
    const struct nt_tensor *tensor, const struct nt_shape *shape);

/* Whether the elements lie densely in the given layout, from offset on. Strides of
 * dimensions of extent 1 do not matter. */
NT_API bool nt_tensor_is(const struct nt_tensor *tensor, enum nt_layout layout);

#ifdef __cplusplus
}
#endif
#endif
