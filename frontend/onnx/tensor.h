/* SPDX-License-Identifier: MIT
 *
 * The numbers of a tensor message, wherever they are: in its bytes, in its lists, or in another
 * file of the model's folder.
 */
#ifndef NT_FRONTEND_ONNX_TENSOR_H
#define NT_FRONTEND_ONNX_TENSOR_H

#include "engine/tensor.h"
#include "frontend/onnx/onnx.h"
#include "frontend/onnx/messages.pb-c.h"

#define NT_ONNX_MAX_ELEMENTS 2147483647

/* A checked tensor message. path: of the file that it is in. Both are borrowed. */
struct nt_onnx_tensor {
    const char *path;
    const NtOnnx__TensorProto *message;
    int type;
    struct nt_shape shape;
    size_t count;
};

/* Checks type, extents and that there are as many numbers as those say; external data: that the
 * file is in the folder of path and large enough. */
enum nt_status nt_onnx_tensor_open(struct nt_context *ctx, const char *path,
    const NtOnnx__TensorProto *message, struct nt_onnx_tensor *out);

/* Writes count elements of dtype NT_F32, NT_F64 or, unless the tensor is one of floats, NT_I32
 * (fails beyond its range), NT_I64, NT_BOOL. */
enum nt_status nt_onnx_tensor_read(
    struct nt_context *ctx, const struct nt_onnx_tensor *tensor, enum nt_dtype dtype, void *data);

#endif
