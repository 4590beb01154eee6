/* SPDX-License-Identifier: MIT
 *
 * Models in the ONNX format: the reader of .onnx files that frontend/model.c lists, and the files
 * of single tensors (.pb) that conformance cases consist of. Used inside frontend/ alone.
 *
 *   file.c    bytes to messages, with limits
 *   tensor.c  the numbers of a tensor message
 *   host.c    small tensors in host memory, and folding of what is known before anything runs
 *   value.c   names of the file and what they became
 *   node.c    what an importing function works with
 *   inline.c  functions and branches, in the place of what stands for them
 *   table.c   which operator becomes what
 *   op_*.c    operators that need more than a row of the table
 *   task.c    what training adds: a loss, a new last layer
 *   import.c  the graph of the file into ours
 */
#ifndef NT_FRONTEND_ONNX_ONNX_H
#define NT_FRONTEND_ONNX_ONNX_H

#include "frontend/definition.h"

#define NT_ONNX_FILE_LIMIT ((size_t)2 << 30)

/* Adds the file's graph: its inputs, its initializers as weights, its nodes and outputs. */
enum nt_status nt_onnx_build(struct nt_definition *definition, struct nt_graph *graph);

#define NT_ONNX_MAX_INPUTS 32

struct nt_onnx_inputs {
    int count;
    char *name[NT_ONNX_MAX_INPUTS]; /* in the file's order, initializers left out; the caller's */
};

/* Whether all that a file asks for is offered, as far as that can be told without inputs; and the
 * names of these. */
enum nt_status nt_onnx_check(
    struct nt_context *ctx, const char *path, struct nt_onnx_inputs *inputs);
void nt_onnx_inputs_finish(struct nt_onnx_inputs *inputs);

/* A tensor in a file of its own. Integers of every width become int64, all floats double. */
struct nt_onnx_array {
    int type;         /* the file's: enum nt_onnx_type */
    const char *name; /* "" when it has none; of the array */
    struct nt_shape shape;
    enum nt_dtype dtype; /* of data: NT_F32, NT_F64, NT_I64, NT_BOOL */
    void *data;
};
enum nt_status nt_onnx_array_read(
    struct nt_context *ctx, const char *path, struct nt_onnx_array *out);
void nt_onnx_array_finish(struct nt_onnx_array *array);

/* Element types, numbered as in the format. */
enum nt_onnx_type {
    NT_ONNX_NONE,
    NT_ONNX_FLOAT,
    NT_ONNX_UINT8,
    NT_ONNX_INT8,
    NT_ONNX_UINT16,
    NT_ONNX_INT16,
    NT_ONNX_INT32,
    NT_ONNX_INT64,
    NT_ONNX_STRING,
    NT_ONNX_BOOL,
    NT_ONNX_FLOAT16,
    NT_ONNX_DOUBLE,
    NT_ONNX_UINT32,
    NT_ONNX_UINT64,
    NT_ONNX_COMPLEX64,
    NT_ONNX_COMPLEX128,
    NT_ONNX_BFLOAT16,
    NT_ONNX_FLOAT8E4M3FN,
    NT_ONNX_FLOAT8E4M3FNUZ,
    NT_ONNX_FLOAT8E5M2,
    NT_ONNX_FLOAT8E5M2FNUZ,
    NT_ONNX_UINT4,
    NT_ONNX_INT4,
    NT_ONNX_FLOAT4E2M1,
    NT_ONNX_FLOAT8E8M0,
    NT_ONNX_UINT2,
    NT_ONNX_INT2,
    NT_ONNX_TYPES
};
const char *nt_onnx_type_name(int type); /* "float16"; one without name: "an unknown type" */
bool nt_onnx_type_is_float(int type);    /* of those that are read */
bool nt_onnx_type_is_integer(int type);
bool nt_onnx_type_is_offered(int type); /* one of these, or bool */
/* How values of a type are held on a device: float32 for floats and truth values, int32. */
enum nt_dtype nt_onnx_type_dtype(int type);

#endif
