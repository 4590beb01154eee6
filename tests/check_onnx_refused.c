/* SPDX-License-Identifier: MIT
 *
 * Nodes that an ONNX file may not have, each with its message: models of one node, whose operands
 * and attributes are the words of a line (tests/onnx_model.h).
 */
#include <string.h>

#include "frontend/model.h"
#include "frontend/onnx/messages.pb-c.h"
#include "frontend/onnx/table.h"
#include "tests/onnx_model.h"

#define SHAPE_ERROR NT_ERR_SHAPE
#define FORMAT NT_ERR_FORMAT
#define UNSUPPORTED NT_ERR_UNSUPPORTED

static struct onnx_model *m;

struct broken {
    const char *op;
    int opset;
    const char *line;
    enum nt_status status;
    const char *message;
};

/* clang-format off */
static const struct broken rows[] = {
    /* operands */
    {"Relu", 13, "-", FORMAT, "input 0: must be given"},
    {"MatMul", 13, "f2x3 -", FORMAT, "input 1: must be given"},
    {"Relu", 13, "f2 >z", UNSUPPORTED, "output 1: is not offered"},
    {"Relu", 13, "f2 f2", FORMAT, "2 inputs: must be at most 1"},
    {"Abs", 13, "i1:3 i1:1", FORMAT, "2 inputs: must be at most 1"},
    {"Sub", 13, "i1:3 i1:1 i1:1", FORMAT, "3 inputs: must be at most 2"},
    {"MatMul", 13, "f0x3 f3x2", UNSUPPORTED, "input 'a': has no elements: is not offered here"},
    {"Shape", 13, "-", FORMAT, "input 0: must be given"},
    {"Identity", 13, "-", FORMAT, "must have an input and an output"},
    {"Reshape", 13, "f4 i40:1", FORMAT, "input 'b': must be a list of at most 32 numbers"},
    {"Reshape", 13, "f4 i2x2:1", FORMAT, "input 'b': must be a list of at most 32 numbers"},
    {"Pad", 13, "f3 i2:1,1 mode=bogus", UNSUPPORTED, "mode 'bogus': must be one of constant|reflect|edge|wrap"},

    {"Concat", 13, "f1x3 f1x3 axis=0.5", FORMAT, "attribute 'axis': must be an integer"},
    {"Elu", 13, "f3 alpha=big", FORMAT, "attribute 'alpha': must be a float"},
    {"Elu", 13, "f3 alpha=[1]", FORMAT, "attribute 'alpha': must be a float"},
    {"Gemm", 13, "f2x2 f2x2 alpha=big", FORMAT, "attribute 'alpha': must be a float"},
    {"Pad", 13, "f3 i2:1,1 mode=0", FORMAT, "attribute 'mode': must be a string"},
    {"DepthToSpace", 13, "f1x4x2x2 blocksize=2 mode=1", FORMAT, "attribute 'mode': must be a string"},
    {"Conv", 13, "f1x2x8x8 f4x2x3x3 strides=2", FORMAT, "attribute 'strides': must be integers"},
    {"Concat", 13, "i1x3:1 i1x3:1 axis=first", FORMAT, "attribute 'axis': must be an integer"},

    /* constants */
    {"Constant", 13, "", UNSUPPORTED, "must have a tensor, numbers or a number: strings and sparse tensors are not offered"},
    {"Gather", 13, "i3:1,2,3 i1:5", SHAPE_ERROR, "index 5: there are 3 elements"},
    {"Gather", 13, "i3:1,2,3 i1:0 axis=5", SHAPE_ERROR, "axis 5: must be from -1 to 0"},
    {"Gather", 13, "i1x1x1x1x1x1x1x1:1 i1x1:0", SHAPE_ERROR, "result of a rank above 8"},
    {"Concat", 13, "i2:1,2 i1x2:1,2 axis=0", SHAPE_ERROR, "input 1: does not fit input 0"},
    {"Add", 13, "i2:1,2 i3:1,2,3", SHAPE_ERROR, "input 1: does not broadcast"},
    {"Add", 13, "i1100x1:1 i1x1000:1", UNSUPPORTED, "constants broadcast to too many elements"},
    {"Add", 13, "f0x2 f3", SHAPE_ERROR, "input 1: does not broadcast"},
    {"Clip", 13, "i3:1,2,3 i2:0,1", FORMAT, "input 1: must be one number"},
    {"Range", 13, "i:0 i2:1,2 i:1", FORMAT, "input 1: must be one number"},
    {"Range", 13, "i:0 i:100000 i:1", UNSUPPORTED, "100000 numbers: must be at most 65536"},
    {"Range", 13, "i:0 i:5 i:0", UNSUPPORTED, "inf numbers: must be at most 65536"},

    /* attention */
    {"Attention", 23, "f2x3 f2x3 f2x3", SHAPE_ERROR, "input 0: must be of rank 4, or of rank 3 with a multiple of q_num_heads elements"},
    {"Attention", 23, "f1x2x4 f1x2x5 f1x2x4 q_num_heads=2 kv_num_heads=2", SHAPE_ERROR, "input 1: must be of rank 4, or of rank 3 with a multiple of kv_num_heads elements"},
    {"Attention", 23, "f1x2x3x4 f1x2x3x5 f1x2x3x5", SHAPE_ERROR, "Q, K, V: do not fit together"},
    {"Attention", 23, "f1x2x3x4 f1x2x3x4 f1x2x3x4 qk_matmul_output_mode=7", FORMAT, "qk_matmul_output_mode 7: must be from 0 to 3"},
    {"RotaryEmbedding", 23, "f1x2x7 f1x2x2 f1x2x2 num_heads=2", SHAPE_ERROR, "X: must be of rank 4, or of rank 3 with a multiple of num_heads elements"},
    {"RotaryEmbedding", 23, "f1x2x2x3 f1x2x2 f1x2x2", SHAPE_ERROR, "rotary_embedding_dim 3: must be even, at most 3"},
    {"RotaryEmbedding", 23, "f1x2x2x4 f1x2x2 f1x2x3", SHAPE_ERROR, "input 2: must have 2 elements for each step"},

    /* windows */
    {"Conv", 13, "f1x2x8x8 f4x2x3x3 strides=[1]", FORMAT, "strides: 1 numbers: must be 2"},
    {"Conv", 13, "f1x2x8x8 f4x2x3x3 pads=[0,0,0,-1]", UNSUPPORTED, "pads -1: must be from 0 to 2147483647"},
    {"Conv", 13, "f1x2 f4x2", UNSUPPORTED, "input of rank 2: must be 3, 4 or 5"},
    {"Conv", 13, "f1x2x8x8 f4x2x3x3 kernel_shape=[3,2]", SHAPE_ERROR, "kernel_shape: is not the weight's"},
    {"Conv", 13, "f1x2x8x8 f4x2x3x3 strides=[1,0]", FORMAT, "kernel, strides and dilations: must be at least 1"},
    {"Conv", 13, "f1x2x8x8 f4x2x3", SHAPE_ERROR, "weight of rank 3: must be that of the input, 4"},
    {"Conv", 13, "f1x2x8x8 f4x2x3x3 auto_pad=SAME", UNSUPPORTED, "auto_pad 'SAME': must be one of NOTSET|SAME_UPPER|SAME_LOWER|VALID"},
    {"ConvTranspose", 13, "f1x2x4x4 f2x3x2x2 output_shape=[8]", FORMAT, "output_shape: must have 2 numbers"},
    {"MaxPool", 13, "f1x2x4x4x4 >z kernel_shape=[2,2,2] storage_order=1", UNSUPPORTED, "storage_order 1: is offered in two dimensions"},
    {"MaxPool", 13, "f1x2x4x4", FORMAT, "kernel, strides and dilations: must be at least 1"},
    {"GlobalAveragePool", 13, "f2x3", SHAPE_ERROR, "input of rank 2: must be at least 3"},
    {"GlobalLpPool", 13, "f2x3x4 p=3", UNSUPPORTED, "p: must be 2"},

    /* sums of products */
    {"Einsum", 13, "f2x3", FORMAT, "equation: must be given"},
    {"Einsum", 13, "f2x3 equation=i1->i", FORMAT, "equation: must be of letters, commas, \"...\" and one \"->\""},
    {"Einsum", 13, "f2x3 equation=abcdefghi", FORMAT, "equation: an operand has too many dimensions"},
    {"Einsum", 13, "f2x3 equation=ijk->i", SHAPE_ERROR, "input 0 of rank 2: the equation names 3 dimensions"},
    {"Einsum", 13, "f2x3 f3x2 equation=ij->i", FORMAT, "equation: has fewer operands than the node"},
    {"Einsum", 13, "f2x3 equation=ij,jk->ik", FORMAT, "equation: has more operands than the node"},
    {"Einsum", 13, "f2x3 equation=ij->i->j", FORMAT, "equation: must have one result"},
    {"Einsum", 13, "f2x3 equation=ij->ik", FORMAT, "equation: a letter of the result must be one of the operands', once"},
    {"Einsum", 13, "f2x3 equation=ij->ii", FORMAT, "equation: a letter of the result must be one of the operands', once"},
    {"Einsum", 13, "f2x3 equation=ii->i", SHAPE_ERROR, "dimensions of one letter: must be equal"},
    {"Einsum", 13, "f2x3 f4x2 equation=ij,jk->ik", SHAPE_ERROR, "dimensions of one letter: must be equal"},
    {"Einsum", 13, "f1x1x1x1x1 f1x1x1x1x1 f1x1x1x1x1 f1x1x1x1x1 equation=abcde,fghij,abcde,fghij->a", SHAPE_ERROR, "a product of a rank above 8"},

    /* indices */
    {"Pad", 13, "f3x2 i2:1,1", FORMAT, "2 pads: must be 4"},
    {"Pad", 18, "f3x2 i2:1,1 - i1:4", SHAPE_ERROR, "axis 4: must be from -2 to 1"},
    {"CumSum", 13, "f3 i2:0,0", FORMAT, "axis: must be one number"},
    {"CumProd", 26, "f3 i2:0,0", FORMAT, "axis: must be one number"},
    {"TopK", 13, "f3 i2:1,1", FORMAT, "k: must be one number"},
    {"Trilu", 14, "f3x3 i2:1,1", FORMAT, "k: must be one number"},
    {"EyeLike", 13, "f3x3 dtype=8", UNSUPPORTED, "dtype string: is not offered"},
    {"Det", 13, "f3x2", SHAPE_ERROR, "must be of square matrices, of 64 rows at most"},
    {"NegativeLogLikelihoodLoss", 13, "f3x2 i3x2:1", SHAPE_ERROR, "target of rank 2: must be of rank 1"},
    {"Compress", 13, "f3 b5:1", SHAPE_ERROR, "condition of 5: must be a list of at most 3"},
    {"NonMaxSuppression", 13, "f1x3x4 f1x3", SHAPE_ERROR, "boxes and scores: must be batches by boxes by 4, and batches by classes by boxes"},
    {"NonMaxSuppression", 13, "f1x3x4 f1x1x3 i2:1,1", FORMAT, "input 2: must be one number"},
    {"NonMaxSuppression", 13, "f1x16384x4:0 f1x4x16384:1 i:16384", UNSUPPORTED, "16384 of 65536 boxes: are too many"},
    {"OneHot", 13, "i3:1 i2:1,1 f2:0,1", FORMAT, "depth and values: must be one number from 1 to 2^24, and two"},
    {"OneHot", 13, "i1x1x1x1x1x1x1x1:0 i:3 f2:0,1", SHAPE_ERROR, "result of a rank above 8"},
    {"ReverseSequence", 13, "f3x2 i2:1,1 batch_axis=0 time_axis=0", FORMAT, "batch_axis and time_axis: must differ"},

    /* elementwise */
    {"Add", 6, "f2x3x4 f3x4 broadcast=1 axis=2", SHAPE_ERROR, "axis 2: input 1 of rank 2: must be at most 1"},
    {"Cast", 13, "f2 to=8", UNSUPPORTED, "to string: is not offered"},
    {"Cast", 19, "f2 to=17", UNSUPPORTED, "to float8e4m3fn: is not offered"},
    {"Dropout", 13, "f2 f2:0,1", FORMAT, "input 1: must be one number"},
    {"Dropout", 13, "f2 f:0.5 b:1", UNSUPPORTED, "training_mode: is the run's choice, not the file's"},
    {"Gemm", 13, "f2x3x4 f3x2", SHAPE_ERROR, "operands of rank 3 and 2: must be of rank 2"},

    /* pictures */
    {"MaxUnpool", 13, "f1x1x2x2 i1x1x2x2:0 kernel_shape=[2]", SHAPE_ERROR, "kernel_shape, strides, pads: must be one, one and two for each of 1 to 3 dimensions"},
    {"MaxUnpool", 13, "f1x1x2x2 i1x1x2x2:0 i3:1 kernel_shape=[2,2]", SHAPE_ERROR, "output_shape: must have 4 extents"},
    {"MaxUnpool", 13, "f1x1x2x2 i1x1x2x2:0 kernel_shape=[2,100000]", UNSUPPORTED, "kernel_shape, strides, pads: must be at most 65536"},
    {"MaxUnpool", 13, "f1x1x2x2 i1x1x2x2:0 i4:1,1,2,2 kernel_shape=[2,2]", SHAPE_ERROR, "dimension 2 of 2: must be from 3 to 2^20"},
    {"RoiAlign", 16, "f1x1x4x4 f2x5 i2:0", SHAPE_ERROR, "rois: must be K by 4"},
    {"RoiAlign", 16, "f1x1x4x4 f2x4 i2:0 mode=min", UNSUPPORTED, "mode 'min': must be one of avg|max"},
    {"MaxRoiPool", 13, "f1x1x4x4 f2x5 pooled_shape=[2]", FORMAT, "pooled_shape: must be two numbers"},
    {"Col2Im", 18, "f1x4x4 i2:3,3 i1:2", SHAPE_ERROR, "image_shape, block_shape, strides, dilations, pads: must have as many dimensions"},
    {"Col2Im", 18, "f1x4x4 i2:3,3 i2:4,2", SHAPE_ERROR, "dimension 0: no block fits in"},
    {"Col2Im", 18, "f1x4x4 i2:3000,3000 i2:2,2", UNSUPPORTED, "blocks: are too many"},
    {"Col2Im", 18, "f1x5x4 i2:3,3 i2:2,2", SHAPE_ERROR, "input: must be N by a multiple of 4 by 4"},
    {"CenterCropPad", 18, "f2x3 i1:2", SHAPE_ERROR, "shape: must have one extent for each axis"},
    {"CenterCropPad", 18, "f2x3 i2:0,3", SHAPE_ERROR, "extent 0: must be at least 1"},

    /* recurrent layers */
    {"LSTM", 14, "f2x1x3 - f1x8x2", FORMAT, "input 1: must be given"},
    {"LSTM", 14, "f2x1x3 f1x8x4 f1x8x2", SHAPE_ERROR, "X, W, R: do not fit together"},
    {"LSTM", 14, "f2x1x3 f1x8x3 f1x8x2 f1x8", SHAPE_ERROR, "B: must be 1 by 16"},
    {"LSTM", 14, "f2x1x3 f1x8x3 f1x8x2 f2x16", SHAPE_ERROR, "B: must be 1 by 16"},
    {"LSTM", 14, "f2x1x3 f1x8x3 f1x8x2 direction=back", UNSUPPORTED, "direction 'back': must be one of forward|reverse|bidirectional"},
    {"RNN", 14, "f1025x1x1 f1x1x1 f1x1x1 clip=1.", UNSUPPORTED, "1025 steps in this form: must be at most 1024"},

    {"LSTM", 14, "f2x1x3 f1x8x3 f1x8x2 activations=[Sigmoid,Sine,Tanh]", UNSUPPORTED, "activations: 'Sine' is none"},

    /* resizing */
    {"Resize", 13, "f1x1x2x2 - f4:1,1,-1,1", FORMAT, "scale -1: must be above 0"},
    {"Resize", 13, "f1x1x2x2 - f4:1,1,0.1,1", SHAPE_ERROR, "dimension 2 of the output would be 0"},
    {"Resize", 13, "f1x1x2x2 - - i4:1,1,0,1", SHAPE_ERROR, "size 0: must be at least 1"},
    {"Resize", 13, "f1x1x2x2 - f3:1,1,1", FORMAT, "scales or sizes: must be given, 4 of them"},
    {"Resize", 13, "f1x1x2x2", FORMAT, "scales or sizes: must be given, 4 of them"},
    {"Upsample", 9, "f2x2x2x2x2 f5:2", UNSUPPORTED, "resizes 5 dimensions: must be at most 3"},
    {"Resize", 13, "f1x1x2x2 f4:0,0,1,1 f4:1,1,2,2 coordinate_transformation_mode=tf_crop_and_resize", FORMAT, "roi of 4 numbers: must be 8"},
    {"Resize", 18, "f1x1x1x3000 - - i4:1,1,1,3001 antialias=1 mode=linear", UNSUPPORTED, "dimension of 3000 to 3001 in this form: too many"},
    {"Upsample", 7, "f1x1x2x2 scales=[1]", FORMAT, "scales: 0 numbers: must be 4"},
    {"Upsample", 9, "f1x1x2x2 f3:1,2,2", FORMAT, "scales or sizes: must be given, 4 of them"},

    /* places between elements */
    {"GridSample", 16, "f1x1 f1x1", SHAPE_ERROR, "X of rank 2: must be from 3 to 5; grid: as many dimensions, the last one 0"},
    {"GridSample", 16, "f1x1x3x3 f1x2x2x3", SHAPE_ERROR, "X of rank 4: must be from 3 to 5; grid: as many dimensions, the last one 2"},
    {"DeformConv", 19, "f1x2x4x4 f2x3x2x2 f1x8x3x3", SHAPE_ERROR, "X, W, attributes: do not fit together"},
    {"DeformConv", 19, "f1x2x4x4 f2x2x5x5 f1x8x3x3", SHAPE_ERROR, "dimension 0: the kernel does not fit in"},
    {"DeformConv", 19, "f1x1x1100x1100 f1x1x2x2 f1x8x1x1", UNSUPPORTED, "places of the kernel: are too many"},
    {"DeformConv", 19, "f1x2x4x4 f2x2x2x2 f1x4x3x3", SHAPE_ERROR, "offset: must have 72 elements"},
    {"AffineGrid", 20, "f1x2x2 i4:1,1,2,2", SHAPE_ERROR, "theta and size: must be N by 2 by 3 and four numbers, or N by 3 by 4 and five"},
    {"AffineGrid", 20, "f1x2x3 i4:1,1,0,2", SHAPE_ERROR, "size: every extent must be from 1 to 2^20"},

    /* shapes */
    {"ConstantOfShape", 13, "i9:1", SHAPE_ERROR, "rank 9: must be at most 8"},
    {"ConstantOfShape", 13, "i2:2,-1", SHAPE_ERROR, "extent -1: is out of range"},
    {"Reshape", 13, "f6 i2:2,2", SHAPE_ERROR, "6 to 2x2: must have as many elements"},
    {"Reshape", 13, "f6 i9:1", SHAPE_ERROR, "shape: must be given, of rank 8 at most"},
    {"Reshape", 13, "f6", SHAPE_ERROR, "shape: must be given, of rank 8 at most"},
    {"Reshape", 13, "f6 i2:-1,-1", SHAPE_ERROR, "extent -1: is out of range"},
    {"Flatten", 13, "f2x3 axis=3", SHAPE_ERROR, "axis 3: must be from -2 to 2"},
    {"Squeeze", 13, "f1x1x2 i2:0,0", FORMAT, "axis 0: is named twice"},
    {"Squeeze", 13, "f1x2 i1:1", SHAPE_ERROR, "axis 1 of extent 2: must be of extent 1"},
    {"Unsqueeze", 13, "f2", SHAPE_ERROR, "axes: must be given, and rank 8 at most"},
    {"Transpose", 13, "f2x3 perm=[0]", SHAPE_ERROR, "perm of 1 axes: must be of 2"},
    {"Split", 18, "f2 num_outputs=0", UNSUPPORTED, "0 parts: must be from 1 to 32"},
    {"Split", 13, "f4 i2:5,-1", SHAPE_ERROR, "part of 5: must be from 0 to 4"},
    {"Split", 13, "f4 i2:1,1", SHAPE_ERROR, "parts of 2 in all: must be 4"},
    {"Slice", 13, "f4 i1:0 i2:1,2", FORMAT, "starts, ends, axes, steps: must be as many"},
    {"Slice", 13, "f4 i1:0 i1:2 i1:0 i1:0", FORMAT, "step 0: must not be 0"},
    {"Expand", 13, "f4 i9:1", SHAPE_ERROR, "shape: must be given, of rank 8 at most"},
    {"Expand", 13, "f4 i2:-2,4", SHAPE_ERROR, "extent -2: must be at least 0"},
    {"Expand", 13, "f4 i1:3", SHAPE_ERROR, "shapes do not broadcast"},
    {"Expand", 13, "f1 i2:100000,100000", SHAPE_ERROR, "1e+10 elements: are too many"},
    {"Tile", 13, "f2x2 i1:2", SHAPE_ERROR, "1 repeats: must be one for each dimension"},

    /* signals */
    {"HannWindow", 17, "i:-1", SHAPE_ERROR, "size -1: must be from 0 to 65536"},
    {"HannWindow", 17, "i2:1,1", FORMAT, "input 0: must be one number"},
    {"HannWindow", 17, "-", FORMAT, "input 0: must be given"},
    {"HannWindow", 17, "i:5 output_datatype=8", UNSUPPORTED, "output_datatype string: is not offered"},
    {"DFT", 17, "f1x4096x1", UNSUPPORTED, "a transform of 4096: is too long"},
    {"DFT", 17, "f1x4x3", SHAPE_ERROR, "input: must have real parts, or real and imaginary ones, last, behind the axis"},
    {"STFT", 17, "f1x5000x1 i:1 f2000", UNSUPPORTED, "3001 frames of 2000: are too many"},
    {"STFT", 17, "f1x10x1 i:0 f4", SHAPE_ERROR, "signal, frame_step, window, frame_length: do not fit together"},
    {"MelWeightMatrix", 17, "i:8 i:-1 i:8000 f:0 f:4000", FORMAT, "input 1: must be from 0 to 2^20"},
    {"MelWeightMatrix", 17, "i:8 i:16 i:8000 f:0 f:4000 output_datatype=8", UNSUPPORTED, "output_datatype string: is not offered"},
    {"MelWeightMatrix", 17, "i:0 i:16 i:8000 f:0 f:4000", FORMAT, "bands, rate: must be at least 1"},

    /* states */
    {"CausalConvWithState", 27, "f1x2x4 f2x2x3", SHAPE_ERROR, "input and weight: must be N by C by length, and C by 1 by k"},
    {"CausalConvWithState", 27, "f1x2x4 f2x1x3 f2 f1x2x3", SHAPE_ERROR, "past_state: must be 1x2x2"},
    {"LinearAttention", 27, "f1x2x4 f1x2x4 f1x3x4 f1x1x2x4 f1x2x1 f1x2x1 q_num_heads=1 kv_num_heads=1", SHAPE_ERROR, "query, key, value: must be batch by steps (4096 at most) by heads of one size"},
    {"TensorScatter", 24, "f1x4x2 f1x5x2", SHAPE_ERROR, "update: does not fit into past_cache"},

    /* training */
    {"ai.onnx.preview.training.Adagrad", 13, "f:0.1 i:1 f2", FORMAT, "3 inputs: must be 2 and 3 for each tensor"},
    {"ai.onnx.preview.training.Gradient", 13, "f2", FORMAT, "xs: must name the first inputs"},
};
/* clang-format on */

static void check(const struct broken *row)
{
    char want[256];
    const char *op = strrchr(row->op, '.');
    m = onnx_model_start(row->opset);
    onnx_model_line(m, op ? op + 1 : row->op, row->line);
    if (op) {
        char domain[64];
        snprintf(domain, sizeof domain, "%.*s", (int)(op - row->op), row->op);
        onnx_model_domain(m, domain);
    }
    enum nt_status status = onnx_model_run(m);
    const char *message = nt_error_message(test_context()), *got = strstr(message, ": node 'y': ");
    snprintf(want, sizeof want, ": node 'y': %s: %s", op ? op + 1 : row->op, row->message);
    ck_assert_msg(status == row->status && got && strcmp(got, want) == 0,
        "%s %s: status %d: %s: must be %d, '%s'", row->op, row->line, (int)status,
        status == NT_OK ? "" : message, (int)row->status, want);
}

/* The whole message behind the path. */
static void refused(enum nt_status expected, enum nt_status status, const char *rest)
{
    const char *message = nt_error_message(test_context()), *path = onnx_model_write(m);
    ck_assert_msg(status == expected, "status %d: %s", (int)status, message);
    if (strncmp(message, path, strlen(path)) == 0)
        message += strlen(path) + 2;
    ck_assert_str_eq(message, rest);
}

START_TEST(nodes)
{
    check(&rows[_i]);
}
END_TEST

/* ---- surplus operands ---- */

/* How many inputs the format gives an operator at most, from an opset on; those that take any
 * number are missing. */
/* clang-format off */
static const struct {
    const char *op;
    int opset, most;
} limits[] = {
    {"Abs", 1, 1}, {"Acos", 7, 1}, {"Acosh", 9, 1}, {"Add", 1, 2}, {"Add", 7, 2}, {"And", 1, 2},
    {"And", 7, 2}, {"Asin", 7, 1}, {"Asinh", 9, 1}, {"Atan", 7, 1}, {"Atanh", 9, 1},
    {"BitShift", 11, 2}, {"BitwiseAnd", 18, 2}, {"BitwiseNot", 18, 1}, {"BitwiseOr", 18, 2},
    {"BitwiseXor", 18, 2}, {"Cast", 6, 1}, {"CastLike", 15, 2}, {"Ceil", 1, 1}, {"Celu", 12, 1},
    {"Clip", 1, 1}, {"Clip", 11, 3}, {"Cos", 7, 1}, {"Cosh", 9, 1}, {"Div", 1, 2}, {"Div", 7, 2},
    {"Dropout", 1, 1}, {"Dropout", 12, 3}, {"Elu", 1, 1}, {"Equal", 1, 2}, {"Equal", 7, 2},
    {"Erf", 9, 1}, {"Exp", 1, 1}, {"Floor", 1, 1}, {"Gelu", 20, 1}, {"Greater", 1, 2},
    {"Greater", 7, 2}, {"GreaterOrEqual", 12, 2}, {"HardSigmoid", 1, 1}, {"HardSwish", 14, 1},
    {"Identity", 1, 1}, {"IsInf", 10, 1}, {"IsNaN", 9, 1}, {"LeakyRelu", 1, 1}, {"Less", 1, 2},
    {"Less", 7, 2}, {"LessOrEqual", 12, 2}, {"Log", 1, 1}, {"Mish", 18, 1}, {"Mod", 10, 2},
    {"Mul", 1, 2}, {"Mul", 7, 2}, {"Neg", 1, 1}, {"Not", 1, 1}, {"Or", 1, 2}, {"Or", 7, 2},
    {"PRelu", 1, 2}, {"Pow", 1, 2}, {"Pow", 7, 2}, {"Reciprocal", 1, 1}, {"Relu", 1, 1},
    {"Round", 11, 1}, {"Selu", 1, 1}, {"Shrink", 9, 1}, {"Sigmoid", 1, 1}, {"Sign", 9, 1},
    {"Sin", 7, 1}, {"Sinh", 9, 1}, {"Softplus", 1, 1}, {"Softsign", 1, 1}, {"Sqrt", 1, 1},
    {"Sub", 1, 2}, {"Sub", 7, 2}, {"Swish", 24, 1}, {"Tan", 7, 1}, {"Tanh", 1, 1},
    {"SwiGLU", 28, 2}, {"ThresholdedRelu", 1, 1}, {"Where", 9, 3}, {"Xor", 1, 2}, {"Xor", 7, 2},
    {"CenterCropPad", 18, 2}, {"Compress", 9, 2}, {"Constant", 1, 0}, {"ConstantOfShape", 9, 1},
    {"CumProd", 26, 2}, {"CumSum", 11, 2}, {"DepthToSpace", 1, 1}, {"EyeLike", 9, 1},
    {"Expand", 8, 2}, {"Flatten", 1, 1}, {"Gather", 1, 2}, {"GatherElements", 11, 2},
    {"GatherND", 11, 2}, {"If", 1, 1}, {"NonMaxSuppression", 10, 5}, {"NonZero", 9, 1},
    {"OneHot", 9, 3}, {"Pad", 2, 1}, {"Pad", 11, 3}, {"Pad", 18, 4}, {"Range", 11, 3},
    {"Reshape", 1, 1}, {"Reshape", 5, 2}, {"ReverseSequence", 10, 2}, {"Scatter", 9, 3},
    {"ScatterElements", 11, 3}, {"ScatterND", 11, 3}, {"Shape", 1, 1}, {"Size", 1, 1},
    {"Slice", 1, 1}, {"Slice", 10, 5}, {"SpaceToDepth", 1, 1}, {"Split", 2, 1}, {"Split", 13, 2},
    {"Squeeze", 1, 1}, {"Squeeze", 13, 2}, {"TensorScatter", 24, 3}, {"Tile", 6, 2}, {"TopK", 1, 1},
    {"TopK", 10, 2}, {"Transpose", 1, 1}, {"Trilu", 14, 2}, {"Unique", 11, 1}, {"Unsqueeze", 1, 1},
    {"Unsqueeze", 13, 2}, {"ArgMax", 1, 1}, {"ArgMin", 1, 1}, {"Attention", 23, 6},
    {"Attention", 24, 7}, {"Det", 11, 1}, {"Gemm", 1, 3}, {"Hardmax", 1, 1},
    {"LinearAttention", 27, 6}, {"LogSoftmax", 1, 1}, {"LpNormalization", 1, 1}, {"MatMul", 1, 2},
    {"ReduceL1", 1, 1}, {"ReduceL1", 18, 2}, {"ReduceL2", 1, 1}, {"ReduceL2", 18, 2},
    {"ReduceLogSum", 1, 1}, {"ReduceLogSum", 18, 2}, {"ReduceLogSumExp", 1, 1},
    {"ReduceLogSumExp", 18, 2}, {"ReduceMax", 1, 1}, {"ReduceMax", 18, 2}, {"ReduceMean", 1, 1},
    {"ReduceMean", 18, 2}, {"ReduceMin", 1, 1}, {"ReduceMin", 18, 2}, {"ReduceProd", 1, 1},
    {"ReduceProd", 18, 2}, {"ReduceSum", 1, 1}, {"ReduceSum", 13, 2}, {"ReduceSumSquare", 1, 1},
    {"ReduceSumSquare", 18, 2}, {"RotaryEmbedding", 23, 4}, {"Softmax", 1, 1},
    {"AffineGrid", 20, 2}, {"AveragePool", 1, 1}, {"BatchNormalization", 1, 5},
    {"CausalConvWithState", 27, 4}, {"Col2Im", 18, 3}, {"Conv", 1, 3}, {"ConvTranspose", 1, 3},
    {"DeformConv", 19, 5}, {"GlobalAveragePool", 1, 1}, {"GlobalLpPool", 2, 1},
    {"GlobalMaxPool", 1, 1}, {"GridSample", 16, 2}, {"GroupNormalization", 18, 3},
    {"InstanceNormalization", 1, 3}, {"LRN", 1, 1}, {"LayerNormalization", 17, 3}, {"LpPool", 2, 1},
    {"MaxPool", 1, 1}, {"MaxRoiPool", 1, 2}, {"MaxUnpool", 9, 3},
    {"MeanVarianceNormalization", 9, 1}, {"RMSNormalization", 23, 2}, {"Resize", 10, 2},
    {"Resize", 11, 4}, {"RoiAlign", 10, 3}, {"Upsample", 1, 1}, {"Upsample", 9, 2},
    {"BlackmanWindow", 17, 1}, {"DFT", 17, 2}, {"DFT", 20, 3}, {"HammingWindow", 17, 1},
    {"HannWindow", 17, 1}, {"MelWeightMatrix", 17, 5}, {"STFT", 17, 4}, {"GRU", 7, 6},
    {"LSTM", 7, 8}, {"NegativeLogLikelihoodLoss", 12, 3}, {"RNN", 7, 6},
    {"SoftmaxCrossEntropyLoss", 12, 3},
};
/* clang-format on */

static enum nt_status load(const char *setting)
{
    struct nt_model *model = NULL;
    const char *path = onnx_model_write(m);
    enum nt_status status = nt_model_load(test_context(), path, setting != NULL, &setting, &model);
    nt_model_destroy(model);
    return status;
}

static enum nt_status with_inputs(const char *op, int opset, int count)
{
    char line[64] = "";
    for (int i = 0; i < count; i++)
        strcat(line, "f1 ");
    m = onnx_model_start(opset);
    onnx_model_line(m, op, line);
    return load(NULL);
}

START_TEST(surplus_operands)
{
    const char *op = limits[_i].op;
    int opset = limits[_i].opset, most = limits[_i].most;
    char want[96];
    snprintf(want, sizeof want, "node 'y': %s: %d inputs: must be at most %d", op, most + 1, most);
    refused(FORMAT, with_inputs(op, opset, most + 1), want);
    if (with_inputs(op, opset, most) != NT_OK)
        ck_assert_ptr_null(strstr(nt_error_message(test_context()), "inputs: must be at most"));
}
END_TEST

START_TEST(every_operator_has_a_limit)
{
    for (int i = 0; i < nt_onnx_rule_count; i++) {
        const struct nt_onnx_rule *rule = &nt_onnx_rules[i];
        bool any = rule->takes && strcmp(rule->takes, "any") == 0, listed = false;
        for (size_t j = 0; j < sizeof limits / sizeof *limits; j++)
            listed = listed || strcmp(limits[j].op, rule->name) == 0;
        ck_assert_msg(any != listed, "%s: must be in the list, or take any number", rule->name);
    }
}
END_TEST

/* ---- values, lists ---- */

START_TEST(values_of_nodes)
{
    static int64_t two[] = {2};
    static float numbers[2];
    static NtOnnx__TensorProto tensor;
    static NtOnnx__AttributeProto attribute, *attributes[] = {&attribute};
    m = onnx_model_start(13);
    onnx_model_line(m, "ConstantOfShape", "i1:3");
    nt_onnx__tensor_proto__init(&tensor);
    nt_onnx__attribute_proto__init(&attribute);
    tensor.has_data_type = tensor.has_raw_data = true;
    tensor.data_type = NT_ONNX_FLOAT;
    tensor.n_dims = 1;
    tensor.dims = two;
    tensor.raw_data.data = (uint8_t *)numbers;
    tensor.raw_data.len = sizeof numbers;
    attribute.name = (char *)"value";
    attribute.t = &tensor;
    NtOnnx__NodeProto *node = onnx_model_file(m)->graph->node[0];
    node->attribute = attributes;
    node->n_attribute = 1;
    refused(FORMAT, onnx_model_run(m), "node 'y': ConstantOfShape: value: must be one number");
    m = onnx_model_start(13);
    onnx_model_line(m, "Add", "i2:1,1099511627776 i1:1");
    refused(UNSUPPORTED, onnx_model_run(m),
        "value 'y': element 1 is 1099511627777: must fit in 32 bits");
}
END_TEST

/* A gradient of a gradient of a gradient ... */
START_TEST(graphs_that_explode)
{
    char names[20][16] = {"y"};
    m = onnx_model_start(12);
    onnx_model_line(m, "Tanh", "f3");
    for (int i = 1; i < 20; i++) {
        char inputs[24];
        snprintf(names[i], sizeof names[i], "g%d", i);
        snprintf(inputs, sizeof inputs, "a %s", names[i - 1]);
        onnx_model_node(m, "Gradient", inputs, names[i]);
        onnx_model_domain(m, "ai.onnx.preview.training");
        onnx_model_words(m, "xs", 1, (const char *const[]){"a"});
        onnx_model_word(m, "y", names[i - 1]);
    }
    test_fails(onnx_model_run(m), UNSUPPORTED, "nodes: must be at most 20000");
}
END_TEST

START_TEST(more_operators_than_a_message_holds)
{
    m = onnx_model_start(13);
    onnx_model_line(m, "Operator", "f3");
    for (int i = 0; i < 20; i++) {
        char name[64], input[8], output[8];
        snprintf(name, sizeof name, "AnOperatorWithQuiteALongNameThatNobodyHasEverOffered%d", i);
        snprintf(input, sizeof input, i ? "t%d" : "y", i);
        snprintf(output, sizeof output, "t%d", i + 1);
        onnx_model_node(m, name, input, output);
    }
    ck_assert(onnx_model_run(m) == UNSUPPORTED);
    const char *message = nt_error_message(test_context());
    ck_assert_msg(
        strstr(message, "OverOffered0, ") || strstr(message, "EverOffered0, "), "%s", message);
    ck_assert_msg(strstr(message, "Offered11 and 8 more"), "%s", message);
}
END_TEST

/* ---- inputs, settings ---- */

static enum nt_status feed(int rank, int64_t extent)
{
    const float numbers[8] = {0};
    const struct nt_model_feed feed = {"a", NT_F32, {rank, {extent, extent}}, numbers};
    struct nt_model *model = NULL;
    enum nt_status status =
        nt_model_load_fed(test_context(), onnx_model_write(m), 0, NULL, 1, &feed, &model);
    nt_model_destroy(model);
    return status;
}

START_TEST(arrays_that_do_not_fit)
{
    m = onnx_model_start(13);
    onnx_model_line(m, "Relu", "f2x3");
    refused(SHAPE_ERROR, feed(1, 2), "input 'a': an array of rank 1: must be of rank 2");
    refused(SHAPE_ERROR, feed(2, 2), "input 'a': extent 1 of the array is 2: must be 3");
}
END_TEST

START_TEST(settings)
{
    static const struct {
        const char *op, *line, *setting, *message;
        enum nt_status status;
    } wrong[] = {
        {"CastLike", "i f2", "a=many", "setting 'a': 'many': must be an integer, or none",
            NT_ERR_ARGUMENT},
        {"Relu", "f2x3", "head=4", "setting 'head': there is no layer to replace", UNSUPPORTED},
        {"MatMul", "f2x3 f3x2", "head=4",
            "setting 'head': the last layer 'y' has no weight of its own", UNSUPPORTED},
        {"Conv", "f1x2x4x4 f2x1x3x3:1 group=2", "head=4",
            "setting 'head': the last layer 'y' has groups", UNSUPPORTED},
        {"Relu", "f2", "loss=cross_entropy",
            "setting 'loss': output 'y' of shape 2: must have the batch as dimension 0 and classes "
            "as dimension 1",
            SHAPE_ERROR},
        {"Relu", "f5x3", "loss=mse_loss",
            "setting 'loss': output 'y' of shape 5x3: must have the batch as dimension 0",
            SHAPE_ERROR},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        m = onnx_model_start(17);
        onnx_model_line(m, wrong[i].op, wrong[i].line);
        refused(wrong[i].status, load(wrong[i].setting), wrong[i].message);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("onnx_refused");
    TCase *tests = tcase_create("onnx_refused");
    tcase_set_timeout(tests, 240);
    tcase_add_checked_fixture(tests, NULL, onnx_model_finish);
    tcase_add_loop_test(tests, nodes, 0, sizeof rows / sizeof *rows);
    tcase_add_loop_test(tests, surplus_operands, 0, sizeof limits / sizeof *limits);
    tcase_add_test(tests, every_operator_has_a_limit);
    tcase_add_test(tests, values_of_nodes);
    tcase_add_test(tests, graphs_that_explode);
    tcase_add_test(tests, more_operators_than_a_message_holds);
    tcase_add_test(tests, arrays_that_do_not_fit);
    tcase_add_test(tests, settings);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
