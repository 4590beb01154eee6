/* SPDX-License-Identifier: MIT
 *
 * Small models in the ONNX format, made in a test: written to a file with the generated writer of
 * its messages, loaded with the arrays of the inputs, run on the device under test.
 */
#ifndef NT_TESTS_ONNX_MODEL_H
#define NT_TESTS_ONNX_MODEL_H

#include "frontend/onnx/onnx.h"
#include "tests/testing.h"

struct onnx_model;

/* Nothing but a graph without nodes. */
struct onnx_model *onnx_model_begin(int opset);
/* Frees it and removes its file. */
void onnx_model_end(struct onnx_model *m);
/* The same for the one model of a test, which may go on with another; finish, a fixture, ends it.
 */
struct onnx_model *onnx_model_start(int opset);
void onnx_model_finish(void);

/* The numbers of an input or of an initializer (constant), as many as the shape has; type is one of
 * NT_ONNX_FLOAT, _DOUBLE, _INT32, _INT64, _BOOL. They are copied. */
void onnx_model_array(struct onnx_model *m, bool constant, const char *name, int type,
    struct nt_shape shape, const double *data);
/* Random floats in [-1, 1) as an input; returns them, the model's. */
const double *onnx_model_random(struct onnx_model *m, const char *name, struct nt_shape shape);

/* Names are separated by spaces; "-" is one left out. */
void onnx_model_node(struct onnx_model *m, const char *op, const char *inputs, const char *outputs);
/* Of the latest node. */
void onnx_model_domain(struct onnx_model *m, const char *domain);
/* Attributes of the latest node. */
void onnx_model_int(struct onnx_model *m, const char *name, int64_t value);
void onnx_model_ints(struct onnx_model *m, const char *name, int count, const int64_t *list);
void onnx_model_float(struct onnx_model *m, const char *name, double value);
void onnx_model_words(struct onnx_model *m, const char *name, int count, const char *const *words);
void onnx_model_word(struct onnx_model *m, const char *name, const char *word);

/* One node from a line of words: operands a, b, c, ... and attributes.
 * An operand is a type and its extents: f float, d double, i int64, l int32, b bool; "f2x3" is a
 * random input, "i2:5,7" a constant, whose last number repeats; "-" is one left out.
 * An attribute is name=5, name=0.5, name=[1,2], name=word, name=[word,word]. The output is y; ">z"
 * is a further one. */
void onnx_model_line(struct onnx_model *m, const char *op, const char *line);

/* What write has written, to be broken by a test, and written again. */
struct NtOnnx__ModelProto *onnx_model_file(struct onnx_model *m);
void onnx_model_pack(struct onnx_model *m);
/* The file leaves an extent of the latest input open, under a name. */
void onnx_model_open(struct onnx_model *m, int axis, const char *name);
/* Writes the file, with the outputs of the latest node; returns its path. */
const char *onnx_model_write(struct onnx_model *m);

/* Loads and runs it; the outputs are those of the latest node. */
enum nt_status onnx_model_run(struct onnx_model *m);
/* After a run. */
struct nt_shape onnx_model_shape(const struct onnx_model *m, int output);
const double *onnx_model_result(const struct onnx_model *m, int output);

/* Runs it and compares an output's shape and numbers: equal within tolerance * max(1, |want|). */
void onnx_model_gives(
    struct onnx_model *m, int output, struct nt_shape shape, const double *want, double tolerance);

#define SHAPE(...)                                                                                 \
    ((struct nt_shape){sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), {__VA_ARGS__}})
#define SCALAR ((struct nt_shape){0})

#endif
