/* SPDX-License-Identifier: MIT */
#include "frontend/onnx/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FN(name) .add = nt_onnx_##name
#define FOLD(name) .fold = nt_onnx_fold_##name
#define FOLDS_ITSELF(name) .fold = nt_onnx_##name

#define KNOWN "its inputs known before the run: the extents of the result depend on them"

/* clang-format off */
const struct nt_onnx_rule nt_onnx_rules[] = {
    /* elementwise */
    {"Abs", 1, .op = "abs"},
    {"Acos", 7, .op = "acos"},
    {"Acosh", 9, .op = "acosh"},
    {"Add", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "add"},
    {"Add", 7, .op = "add"},
    {"And", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "logical_and", .type = NT_ONNX_BOOL},
    {"And", 7, .op = "logical_and", .type = NT_ONNX_BOOL},
    {"Asin", 7, .op = "asin"},
    {"Asinh", 9, .op = "asinh"},
    {"Atan", 7, .op = "atan"},
    {"Atanh", 9, .op = "atanh"},
    {"BitShift", 11, FN(bits)},
    {"BitwiseAnd", 18, FN(bits)},
    {"BitwiseNot", 18, FN(bits)},
    {"BitwiseOr", 18, FN(bits)},
    {"BitwiseXor", 18, FN(bits)},
    {"Cast", 6, FN(cast), FOLD(cast)},
    {"CastLike", 15, FN(cast), FOLD(cast), .fold_inputs = 1},
    {"Ceil", 1, .op = "ceil"},
    {"Celu", 12, .op = "celu", .attrs = "alpha=1"},
    {"Clip", 1, FN(clip), FOLD(clip)},
    {"Cos", 7, .op = "cos"},
    {"Cosh", 9, .op = "cosh"},
    {"Div", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "div"},
    {"Div", 7, .op = "div"},
    {"Dropout", 1, FN(dropout)},
    {"Elu", 1, .op = "elu", .attrs = "alpha=1"},
    {"Equal", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "eq", .type = NT_ONNX_BOOL},
    {"Equal", 7, .op = "eq", .type = NT_ONNX_BOOL},
    {"Erf", 9, .op = "erf"},
    {"Exp", 1, .op = "exp"},
    {"Floor", 1, .op = "floor"},
    {"Gelu", 20, FN(gelu)},
    {"Greater", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "gt", .type = NT_ONNX_BOOL},
    {"Greater", 7, .op = "gt", .type = NT_ONNX_BOOL},
    {"GreaterOrEqual", 12, .op = "ge", .type = NT_ONNX_BOOL},
    {"HardSigmoid", 1, .op = "hard_sigmoid", .attrs = "alpha=0.2 beta=0.5"},
    {"HardSwish", 14, .op = "hard_swish"},
    {"Identity", 1, FN(identity), FOLDS_ITSELF(identity)},
    {"IsInf", 10, FN(is_inf), .type = NT_ONNX_BOOL},
    {"IsNaN", 9, FN(is_nan), .type = NT_ONNX_BOOL},
    {"LeakyRelu", 1, .op = "leaky_relu", .attrs = "alpha>slope=0.01"},
    {"Less", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "lt", .type = NT_ONNX_BOOL},
    {"Less", 7, .op = "lt", .type = NT_ONNX_BOOL},
    {"LessOrEqual", 12, .op = "le", .type = NT_ONNX_BOOL},
    {"Log", 1, .op = "log"},
    {"Max", 1, FN(variadic), .op = "maximum", FOLD(elementwise)},
    {"Mean", 1, FN(variadic), .op = "add"},
    {"Min", 1, FN(variadic), .op = "minimum", FOLD(elementwise)},
    {"Mish", 18, .op = "mish"},
    {"Mod", 10, FN(mod), FOLD(mod), .note = "of integers: exact to 2^24"},
    {"Mul", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "mul"},
    {"Mul", 7, .op = "mul"},
    {"Neg", 1, .op = "neg"},
    {"Not", 1, .op = "logical_not", .type = NT_ONNX_BOOL},
    {"Or", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "logical_or", .type = NT_ONNX_BOOL},
    {"Or", 7, .op = "logical_or", .type = NT_ONNX_BOOL},
    {"PRelu", 1, FN(prelu)},
    {"Pow", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "pow"},
    {"Pow", 7, FN(power), .op = "pow", FOLD(elementwise)},
    {"Reciprocal", 1, .op = "reciprocal"},
    {"Relu", 1, .op = "relu"},
    {"Round", 11, .op = "round"},
    {"Selu", 1, .op = "selu", .attrs = "alpha=1.67326319217681884765625 gamma=1.05070102214813232421875"},
    {"Shrink", 9, FN(shrink)},
    {"Sigmoid", 1, .op = "sigmoid"},
    {"Sign", 9, .op = "sign"},
    {"Sin", 7, .op = "sin"},
    {"Sinh", 9, .op = "sinh"},
    {"Softplus", 1, .op = "softplus"},
    {"Softsign", 1, .op = "softsign"},
    {"Sqrt", 1, .op = "sqrt"},
    {"Sub", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "sub"},
    {"Sub", 7, .op = "sub"},
    {"Sum", 1, FN(variadic), .op = "add"},
    {"Swish", 24, .op = "swish", .attrs = "alpha>beta=1"},
    {"Tan", 7, .op = "tan"},
    {"Tanh", 1, .op = "tanh"},
    {"SwiGLU", 28, FN(swiglu)},
    {"ThresholdedRelu", 1, .op = "thresholded_relu", .attrs = "alpha=1"},
    {"Where", 9, FN(where), .op = "where", FOLD(where)},
    {"Xor", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "logical_xor", .type = NT_ONNX_BOOL},
    {"Xor", 7, .op = "logical_xor", .type = NT_ONNX_BOOL},

    /* shapes, and what is folded where they are computed */
    {"CenterCropPad", 18, FN(center_crop_pad)},
    {"Compress", 9, FN(compress), .note = "the condition known before the run"},
    {"Concat", 4, FN(concat), FOLD(concat)},
    {"Constant", 1, FOLD(constant), .note = "no strings, no sparse tensors"},
    {"ConstantOfShape", 9, FN(constant_of_shape), FOLDS_ITSELF(constant_of_shape)},
    {"CumProd", 26, FN(cumprod)},
    {"CumSum", 11, FN(cumsum)},
    {"DepthToSpace", 1, FN(depth_to_space)},
    {"EyeLike", 9, FN(eye_like)},
    {"Expand", 8, FN(expand), FOLD(expand)},
    {"Flatten", 1, FN(flatten), FOLDS_ITSELF(flatten)},
    {"Gather", 1, FN(gather), FOLD(gather)},
    {"GatherElements", 11, FN(gather_elements)},
    {"GatherND", 11, FN(gather_nd)},
    {"If", 1, FN(if_node), .note = "the condition known before the run: the branch is chosen then"},
    {"NonMaxSuppression", 10, FN(non_max_suppression), FOLDS_ITSELF(non_max_suppression), .type = NT_ONNX_INT64, .note = KNOWN},
    {"NonZero", 9, FN(non_zero), FOLDS_ITSELF(non_zero), .type = NT_ONNX_INT64, .note = KNOWN},
    {"OneHot", 9, FN(one_hot)},
    {"Pad", 2, FN(pad)},
    {"Range", 11, FN(range), FOLD(range)},
    {"Reshape", 1, FN(reshape_node), FOLDS_ITSELF(reshape_node)},
    {"ReverseSequence", 10, FN(reverse_sequence)},
    {"Scatter", 9, 10, FN(scatter), .op = "scatter_elements"},
    {"ScatterElements", 11, FN(scatter), .op = "scatter_elements"},
    {"ScatterND", 11, FN(scatter), .op = "scatter_nd"},
    {"Shape", 1, FN(shape_node)},
    {"Size", 1, FN(size_node)},
    {"Slice", 1, FN(slice), FOLD(slice)},
    {"SpaceToDepth", 1, FN(space_to_depth)},
    {"Split", 2, FN(split), FOLD(split)},
    {"Squeeze", 1, FN(squeeze), FOLDS_ITSELF(squeeze)},
    {"TensorScatter", 24, FN(tensor_scatter)},
    {"Tile", 6, FN(tile)},
    {"TopK", 1, FN(top_k)},
    {"Transpose", 1, FN(transpose), FOLD(transpose)},
    {"Trilu", 14, FN(trilu)},
    {"Unique", 11, FN(unique), FOLDS_ITSELF(unique), .note = KNOWN},
    {"Unsqueeze", 1, FN(unsqueeze), FOLDS_ITSELF(unsqueeze)},

    /* products and reductions */
    {"ArgMax", 1, FN(arg_extreme), .op = "argmax", .type = NT_ONNX_INT64},
    {"ArgMin", 1, FN(arg_extreme), .op = "argmin", .type = NT_ONNX_INT64},
    {"Attention", 23, FN(attention), .note = "softmax_precision is that of the device"},
    {"Det", 11, FN(det)},
    {"Einsum", 12, FN(einsum)},
    {"Gemm", 1, FN(gemm)},
    {"Hardmax", 1, FN(softmax), .op = "hardmax"},
    {"LinearAttention", 27, FN(linear_attention)},
    {"LogSoftmax", 1, FN(softmax), .op = "log_softmax"},
    {"LpNormalization", 1, FN(lp_normalization)},
    {"MatMul", 1, FN(matmul)},
    {"ReduceL1", 1, FN(reduce), .op = "l1", FOLD(reduce)},
    {"ReduceL2", 1, FN(reduce), .op = "l2", FOLD(reduce)},
    {"ReduceLogSum", 1, FN(reduce), .op = "sum", FOLD(reduce)},
    {"ReduceLogSumExp", 1, FN(reduce), .op = "log_sum_exp", FOLD(reduce)},
    {"ReduceMax", 1, FN(reduce), .op = "max", FOLD(reduce)},
    {"ReduceMean", 1, FN(reduce), .op = "mean", FOLD(reduce)},
    {"ReduceMin", 1, FN(reduce), .op = "min", FOLD(reduce)},
    {"ReduceProd", 1, FN(reduce), .op = "prod", FOLD(reduce)},
    {"ReduceSum", 1, FN(reduce), .op = "sum", FOLD(reduce)},
    {"ReduceSumSquare", 1, FN(reduce), .op = "sum", FOLD(reduce)},
    {"RotaryEmbedding", 23, FN(rotary_embedding)},
    {"Softmax", 1, FN(softmax), .op = "softmax"},

    /* convolution, pooling, normalisation */
    {"AffineGrid", 20, FN(affine_grid)},
    {"AveragePool", 1, FN(pool), .op = "avg_pool"},
    {"BatchNormalization", 1, FN(batch_normalization)},
    {"CausalConvWithState", 27, FN(causal_conv)},
    {"Col2Im", 18, FN(col2im)},
    {"Conv", 1, FN(conv)},
    {"ConvTranspose", 1, FN(conv_transpose)},
    {"DeformConv", 19, FN(deform_conv)},
    {"GlobalAveragePool", 1, FN(global_pool), .op = "mean"},
    {"GlobalLpPool", 2, FN(global_pool), .op = "l2"},
    {"GlobalMaxPool", 1, FN(global_pool), .op = "max"},
    {"GridSample", 16, FN(grid_sample)},
    {"GroupNormalization", 18, FN(group_normalization)},
    {"InstanceNormalization", 1, FN(instance_normalization)},
    {"LRN", 1, FN(lrn)},
    {"LayerNormalization", 17, FN(layer_normalization)},
    {"LpPool", 2, FN(pool), .op = "lp_pool"},
    {"MaxPool", 1, FN(pool), .op = "max_pool", .note = "storage_order 1 in two dimensions"},
    {"MaxRoiPool", 1, FN(max_roi_pool)},
    {"MaxUnpool", 9, FN(max_unpool)},
    {"MeanVarianceNormalization", 9, FN(mean_variance_normalization)},
    {"RMSNormalization", 23, FN(rms_normalization)},
    {"Resize", 10, FN(resize)},
    {"RoiAlign", 10, FN(roi_align), .note = "mode max as in the format's own evaluation: weighted elements, not points"},
    {"Upsample", 1, FN(upsample)},

    /* signals */
    {"BlackmanWindow", 17, FN(window), FOLDS_ITSELF(window)},
    {"DFT", 17, FN(dft)},
    {"HammingWindow", 17, FN(window), FOLDS_ITSELF(window)},
    {"HannWindow", 17, FN(window), FOLDS_ITSELF(window)},
    {"MelWeightMatrix", 17, FN(mel_weights), FOLDS_ITSELF(mel_weights)},
    {"STFT", 17, FN(stft)},

    /* steps of training */
    {"ai.onnx.preview.training.Adagrad", 1, FN(adagrad)},
    {"ai.onnx.preview.training.Adam", 1, FN(adam)},
    {"ai.onnx.preview.training.Gradient", 1, FN(gradient)},
    {"ai.onnx.preview.training.Momentum", 1, FN(momentum)},

    /* losses and recurrent layers */
    {"GRU", 7, FN(recurrent)},
    {"LSTM", 7, FN(recurrent)},
    {"NegativeLogLikelihoodLoss", 12, FN(nll_loss)},
    {"RNN", 7, FN(recurrent)},
    {"SoftmaxCrossEntropyLoss", 12, FN(softmax_loss)},

};
/* clang-format on */
const int nt_onnx_rule_count = sizeof nt_onnx_rules / sizeof *nt_onnx_rules;

const struct nt_onnx_rule *nt_onnx_rule_find(const char *name, int opset)
{
    for (int i = 0; i < nt_onnx_rule_count; i++) {
        const struct nt_onnx_rule *rule = &nt_onnx_rules[i];
        if (strcmp(rule->name, name) == 0 && opset >= rule->since &&
            (rule->until == 0 || opset <= rule->until))
            return rule;
    }
    return NULL;
}

/* ---- adding a node ---- */

void nt_onnx_translate(const struct nt_onnx_node *node, struct nt_onnx_call *call)
{
    for (const char *word = node->rule->attrs; word && *word;) {
        char theirs[64], ours[64];
        size_t end = strcspn(word, " "), length = strcspn(word, ">= ");
        snprintf(theirs, sizeof theirs, "%.*s", (int)length, word);
        snprintf(ours, sizeof ours, "%s", theirs);
        if (word[length] == '>') {
            const char *second = word + length + 1;
            snprintf(ours, sizeof ours, "%.*s", (int)strcspn(second, "= "), second);
        }
        const NtOnnx__AttributeProto *attr = nt_onnx_attr(node, theirs);
        const char *fallback = memchr(word, '=', end);
        if (attr)
            nt_onnx_number(call, ours,
                attr->type == NT_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT
                    ? (double)nt_onnx_int(node, theirs, 0)
                    : nt_onnx_float(node, theirs, 0));
        else if (fallback)
            nt_onnx_number(call, ours, strtod(fallback + 1, NULL));
        word += end + strspn(word + end, " ");
    }
}

/* The operator of ours that the row names, with the node's inputs in order. */
static enum nt_status add_named(struct nt_onnx_node *node)
{
    struct nt_onnx_call call = nt_onnx_begin(node->rule->op);
    int input[NT_ONNX_MAX_OPERANDS], least = nt_op_min_inputs(call.op);
    nt_onnx_translate(node, &call);
    enum nt_status status = nt_onnx_limit_inputs(node, nt_op_max_inputs(call.op));
    if (status != NT_OK)
        return status;
    for (int i = 0; i < node->inputs || i < least; i++) {
        input[i] = nt_onnx_has(node, i) || i < least ? nt_onnx_in(node, i) : -1;
        if (input[i] < 0 && (nt_onnx_has(node, i) || i < least))
            return node->graph->failure;
    }
    int count = node->inputs > least ? node->inputs : least;
    return nt_onnx_out(node, 0, nt_onnx_add(node, &call, count, input));
}

/* Whether the numbers of an input are constants of the model, weights that training may change not
 * among them. */
static bool is_constant(struct nt_onnx_node *node, struct nt_onnx_value *value)
{
    enum nt_status status = NT_OK;
    if (value->known)
        return !value->fed;
    if (!value->tensor || (value->weight && nt_onnx_type_is_float(value->type)))
        return false;
    return nt_onnx_value_known(node->import, value, &status) != NULL;
}

static int inputs_to_fold(const struct nt_onnx_node *node)
{
    int count = node->rule->fold_inputs;
    return count > 0 && count < node->inputs ? count : node->inputs;
}

static bool all_constant(struct nt_onnx_node *node)
{
    for (int i = 0; i < inputs_to_fold(node); i++)
        if (node->input[i] && !is_constant(node, node->input[i]))
            return false;
    return true;
}

typedef enum nt_status function(struct nt_onnx_node *node);

static function *fold_of(const struct nt_onnx_rule *rule)
{
    bool plain = !rule->fold && !rule->add && nt_op_find(rule->op)->expression;
    return plain ? nt_onnx_fold_elementwise : rule->fold;
}

enum nt_status nt_onnx_rule_fold(struct nt_onnx_node *node)
{
    function *fold = fold_of(node->rule);
    enum nt_status status = NT_OK;
    for (int i = 0; fold && i < inputs_to_fold(node); i++)
        if (node->input[i] && !nt_onnx_value_known(node->import, node->input[i], &status))
            return status;
    node->folding = true;
    return fold ? fold(node) : NT_OK;
}

enum nt_status nt_onnx_rule_apply(struct nt_onnx_node *node)
{
    const struct nt_onnx_rule *rule = node->rule;
    function *fold = fold_of(rule);
    enum nt_status status;
    node->graph->failure = NT_OK;
    bool elementwise = fold == nt_onnx_fold_elementwise || fold == nt_onnx_fold_where;
    for (int i = 0; elementwise && i < node->inputs; i++)
        if (nt_onnx_is_empty(node, i))
            return nt_onnx_fold_empty(node);
    if (fold && (all_constant(node) || nt_onnx_is_empty(node, 0))) {
        node->folding = true;
        status = fold(node);
    } else {
        status = rule->add ? rule->add(node) : add_named(node);
    }
    return status == NT_OK ? node->graph->failure : status; /* an attribute of another kind */
}
