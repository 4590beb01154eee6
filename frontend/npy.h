/* SPDX-License-Identifier: MIT
 *
 * NumPy's .npy files, format versions 1 to 3, plain or gzip.
 */
#ifndef NT_FRONTEND_NPY_H
#define NT_FRONTEND_NPY_H

#include "engine/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An array in row-major order. Integers narrower than 32 bits become int32 (uint8 stays), uint32
 * becomes int64, float16 becomes float32. */
struct nt_npy {
    enum nt_dtype dtype;
    struct nt_shape shape;
    void *data;
};

/* Refused, each with its reason: big-endian numbers, uint64, complex numbers, strings, objects
 * and records, more than NT_MAX_RANK dimensions, a file shorter or longer than its shape says. */
NT_API enum nt_status nt_npy_read(struct nt_context *ctx, const char *path, struct nt_npy *out);

/* The same from memory; name stands for the path in messages. */
NT_API enum nt_status nt_npy_parse(
    struct nt_context *ctx, const char *name, const void *bytes, size_t size, struct nt_npy *out);

NT_API void nt_npy_finish(struct nt_npy *npy);

/* Writes format 1.0, row-major, in one step: a failure leaves a former file as it was. */
NT_API enum nt_status nt_npy_write(struct nt_context *ctx, const char *path, enum nt_dtype dtype,
    const struct nt_shape *shape, const void *data);

#ifdef __cplusplus
}
#endif
#endif
