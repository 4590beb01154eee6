/* SPDX-License-Identifier: MIT
 *
 * A model as the messages of its ONNX file, which a test may fill with anything, broken things too.
 * Everything is static: one model at a time, and nothing to free but what onnx_raw_finish does.
 */
#ifndef NT_TESTS_ONNX_RAW_H
#define NT_TESTS_ONNX_RAW_H

#include "frontend/model.h"
#include "frontend/onnx/messages.pb-c.h"

#define ONNX_RAW_MAX 16

extern struct onnx_raw {
    char folder[32], path[64]; /* the file, in a folder of its own */
    struct nt_model *model;    /* the latest that was loaded */
    NtOnnx__ModelProto file;
    NtOnnx__GraphProto graph;
    NtOnnx__OperatorSetIdProto opset;
    NtOnnx__NodeProto nodes[ONNX_RAW_MAX];
    char *node_inputs[ONNX_RAW_MAX][4], *node_outputs[ONNX_RAW_MAX][1];
    NtOnnx__TensorProto tensors[ONNX_RAW_MAX];
    NtOnnx__ValueInfoProto *output_list[ONNX_RAW_MAX];
    NtOnnx__TypeProto types[ONNX_RAW_MAX];
    NtOnnx__TypeProto__Tensor tensor_types[ONNX_RAW_MAX];
    NtOnnx__TensorShapeProto shapes[ONNX_RAW_MAX];
    NtOnnx__TensorShapeProto__Dimension dims[ONNX_RAW_MAX][4];
} onnx_raw;

/* A fixture: a graph without nodes, opset 17. */
void onnx_raw_begin(void);
/* Removes the file, w.bin beside it, and the folder. */
void onnx_raw_finish(void);

/* Extents above 0, 0 for one that is open, -1 for one named "N". */
void onnx_raw_input(const char *name, int type, int rank, const int *extents);
void onnx_raw_output(const char *name);
/* Inputs are separated by spaces; returns the node's place in nodes. */
int onnx_raw_node(const char *op, const char *inputs, const char *output);
NtOnnx__AttributeProto *onnx_raw_attribute(int node, const char *name);
NtOnnx__TensorProto *onnx_raw_tensor(
    const char *name, int type, size_t rank, int64_t *extents, const void *raw, size_t bytes);
/* y = relu(x W + b), with x of an open batch, W 3x2. */
void onnx_raw_dense(const float *weight, const float *bias);

void onnx_raw_write(const char *name, const void *bytes, size_t size);
/* The bytes of the model, which the caller frees. */
uint8_t *onnx_raw_pack(size_t *size);
enum nt_status onnx_raw_load(void);
/* Loads and compares the message behind the path. */
void onnx_raw_refused(enum nt_status expected, const char *rest);
/* Runs the model that was loaded; inputs and the output row-major. */
void onnx_raw_run(int64_t batch, const void *const *inputs, float *output);

#endif
