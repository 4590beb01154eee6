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
    {"Add", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "add", .takes = "2"},
    {"Add", 7, .op = "add"},
    {"And", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "logical_and", .type = NT_ONNX_BOOL, .takes = "2"},
    {"And", 7, .op = "logical_and", .type = NT_ONNX_BOOL},
    {"Asin", 7, .op = "asin"},
    {"Asinh", 9, .op = "asinh"},
    {"Atan", 7, .op = "atan"},
    {"Atanh", 9, .op = "atanh"},
    {"BitShift", 11, FN(bits), .takes = "2"},
    {"BitwiseAnd", 18, FN(bits), .takes = "2"},
    {"BitwiseNot", 18, FN(bits), .takes = "1"},
    {"BitwiseOr", 18, FN(bits), .takes = "2"},
    {"BitwiseXor", 18, FN(bits), .takes = "2"},
    {"Cast", 6, FN(cast), FOLD(cast), .takes = "1"},
    {"CastLike", 15, FN(cast), FOLD(cast), .fold_inputs = 1, .takes = "2"},
    {"Ceil", 1, .op = "ceil"},
    {"Celu", 12, .op = "celu", .attrs = "alpha=1"},
    {"Clip", 1, FN(clip), FOLD(clip), .takes = "1 11:3"},
    {"Cos", 7, .op = "cos"},
    {"Cosh", 9, .op = "cosh"},
    {"Div", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "div", .takes = "2"},
    {"Div", 7, .op = "div"},
    {"Dropout", 1, FN(dropout), .takes = "1 12:3"},
    {"Elu", 1, .op = "elu", .attrs = "alpha=1"},
    {"Equal", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "eq", .type = NT_ONNX_BOOL, .takes = "2"},
    {"Equal", 7, .op = "eq", .type = NT_ONNX_BOOL},
    {"Erf", 9, .op = "erf"},
    {"Exp", 1, .op = "exp"},
    {"Floor", 1, .op = "floor"},
    {"Gelu", 20, FN(gelu), .takes = "1"},
    {"Greater", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "gt", .type = NT_ONNX_BOOL, .takes = "2"},
    {"Greater", 7, .op = "gt", .type = NT_ONNX_BOOL},
    {"GreaterOrEqual", 12, .op = "ge", .type = NT_ONNX_BOOL},
    {"HardSigmoid", 1, .op = "hard_sigmoid", .attrs = "alpha=0.2 beta=0.5"},
    {"HardSwish", 14, .op = "hard_swish"},
    {"Identity", 1, FN(identity), FOLDS_ITSELF(identity), .takes = "1"},
    {"IsInf", 10, FN(is_inf), .type = NT_ONNX_BOOL, .takes = "1"},
    {"IsNaN", 9, FN(is_nan), .type = NT_ONNX_BOOL, .takes = "1"},
    {"LeakyRelu", 1, .op = "leaky_relu", .attrs = "alpha>slope=0.01"},
    {"Less", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "lt", .type = NT_ONNX_BOOL, .takes = "2"},
    {"Less", 7, .op = "lt", .type = NT_ONNX_BOOL},
    {"LessOrEqual", 12, .op = "le", .type = NT_ONNX_BOOL},
    {"Log", 1, .op = "log"},
    {"Max", 1, FN(variadic), .op = "maximum", FOLD(elementwise), .takes = "any"},
    {"Mean", 1, FN(variadic), .op = "add", .takes = "any"},
    {"Min", 1, FN(variadic), .op = "minimum", FOLD(elementwise), .takes = "any"},
    {"Mish", 18, .op = "mish"},
    {"Mod", 10, FN(mod), FOLD(mod), .takes = "2", .note = "of integers: exact to 2^24"},
    {"Mul", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "mul", .takes = "2"},
    {"Mul", 7, .op = "mul"},
    {"Neg", 1, .op = "neg"},
    {"Not", 1, .op = "logical_not", .type = NT_ONNX_BOOL},
    {"Or", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "logical_or", .type = NT_ONNX_BOOL, .takes = "2"},
    {"Or", 7, .op = "logical_or", .type = NT_ONNX_BOOL},
    {"PRelu", 1, FN(prelu), .takes = "2"},
    {"Pow", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "pow", .takes = "2"},
    {"Pow", 7, FN(power), .op = "pow", FOLD(elementwise), .takes = "2"},
    {"Reciprocal", 1, .op = "reciprocal"},
    {"Relu", 1, .op = "relu"},
    {"Round", 11, .op = "round"},
    {"Selu", 1, .op = "selu", .attrs = "alpha=1.67326319217681884765625 gamma=1.05070102214813232421875"},
    {"Shrink", 9, FN(shrink), .takes = "1"},
    {"Sigmoid", 1, .op = "sigmoid"},
    {"Sign", 9, .op = "sign"},
    {"Sin", 7, .op = "sin"},
    {"Sinh", 9, .op = "sinh"},
    {"Softplus", 1, .op = "softplus"},
    {"Softsign", 1, .op = "softsign"},
    {"Sqrt", 1, .op = "sqrt"},
    {"Sub", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "sub", .takes = "2"},
    {"Sub", 7, .op = "sub"},
    {"Sum", 1, FN(variadic), .op = "add", .takes = "any"},
    {"Swish", 24, .op = "swish", .attrs = "alpha>beta=1"},
    {"Tan", 7, .op = "tan"},
    {"Tanh", 1, .op = "tanh"},
    {"SwiGLU", 28, FN(swiglu), .takes = "2"},
    {"ThresholdedRelu", 1, .op = "thresholded_relu", .attrs = "alpha=1"},
    {"Where", 9, FN(where), .op = "where", FOLD(where), .takes = "3"},
    {"Xor", 1, 6, FN(elementwise_old), FOLD(elementwise_old), .op = "logical_xor", .type = NT_ONNX_BOOL, .takes = "2"},
    {"Xor", 7, .op = "logical_xor", .type = NT_ONNX_BOOL},

    /* shapes, and what is folded where they are computed */
    {"CenterCropPad", 18, FN(center_crop_pad), .takes = "2"},
    {"Compress", 9, FN(compress), .takes = "2", .note = "the condition known before the run"},
    {"Concat", 4, FN(concat), FOLD(concat), .takes = "any"},
    {"Constant", 1, FOLD(constant), .takes = "0", .note = "no strings, no sparse tensors"},
    {"ConstantOfShape", 9, FN(constant_of_shape), FOLDS_ITSELF(constant_of_shape), .takes = "1"},
    {"CumProd", 26, FN(cumprod), .takes = "2"},
    {"CumSum", 11, FN(cumsum), .takes = "2"},
    {"DepthToSpace", 1, FN(depth_to_space), .takes = "1"},
    {"EyeLike", 9, FN(eye_like), .takes = "1"},
    {"Expand", 8, FN(expand), FOLD(expand), .takes = "2"},
    {"Flatten", 1, FN(flatten), FOLDS_ITSELF(flatten), .takes = "1"},
    {"Gather", 1, FN(gather), FOLD(gather), .takes = "2"},
    {"GatherElements", 11, FN(gather_elements), .takes = "2"},
    {"GatherND", 11, FN(gather_nd), .takes = "2"},
    {"If", 1, FN(if_node), .takes = "1", .note = "the condition known before the run: the branch is chosen then"},
    {"NonMaxSuppression", 10, FN(non_max_suppression), FOLDS_ITSELF(non_max_suppression), .type = NT_ONNX_INT64, .takes = "5", .note = KNOWN},
    {"NonZero", 9, FN(non_zero), FOLDS_ITSELF(non_zero), .type = NT_ONNX_INT64, .takes = "1", .note = KNOWN},
    {"OneHot", 9, FN(one_hot), .takes = "3"},
    {"Pad", 2, FN(pad), .takes = "1 11:3 18:4"},
    {"Range", 11, FN(range), FOLD(range), .takes = "3"},
    {"Reshape", 1, FN(reshape_node), FOLDS_ITSELF(reshape_node), .takes = "1 5:2"},
    {"ReverseSequence", 10, FN(reverse_sequence), .takes = "2"},
    {"Scatter", 9, 10, FN(scatter), .op = "scatter_elements", .takes = "3"},
    {"ScatterElements", 11, FN(scatter), .op = "scatter_elements", .takes = "3"},
    {"ScatterND", 11, FN(scatter), .op = "scatter_nd", .takes = "3"},
    {"Shape", 1, FN(shape_node), .takes = "1"},
    {"Size", 1, FN(size_node), .takes = "1"},
    {"Slice", 1, FN(slice), FOLD(slice), .takes = "1 10:5"},
    {"SpaceToDepth", 1, FN(space_to_depth), .takes = "1"},
    {"Split", 2, FN(split), FOLD(split), .takes = "1 13:2"},
    {"Squeeze", 1, FN(squeeze), FOLDS_ITSELF(squeeze), .takes = "1 13:2"},
    {"TensorScatter", 24, FN(tensor_scatter), .takes = "3"},
    {"Tile", 6, FN(tile), .takes = "2"},
    {"TopK", 1, FN(top_k), .takes = "1 10:2"},
    {"Transpose", 1, FN(transpose), FOLD(transpose), .takes = "1"},
    {"Trilu", 14, FN(trilu), .takes = "2"},
    {"Unique", 11, FN(unique), FOLDS_ITSELF(unique), .takes = "1", .note = KNOWN},
    {"Unsqueeze", 1, FN(unsqueeze), FOLDS_ITSELF(unsqueeze), .takes = "1 13:2"},

    /* products and reductions */
    {"ArgMax", 1, FN(arg_extreme), .op = "argmax", .type = NT_ONNX_INT64, .takes = "1"},
    {"ArgMin", 1, FN(arg_extreme), .op = "argmin", .type = NT_ONNX_INT64, .takes = "1"},
    {"Attention", 23, FN(attention), .takes = "6 24:7", .note = "softmax_precision is that of the device"},
    {"Det", 11, FN(det), .takes = "1"},
    {"Einsum", 12, FN(einsum), .takes = "any"},
    {"Gemm", 1, FN(gemm), .takes = "3"},
    {"Hardmax", 1, FN(softmax), .op = "hardmax", .takes = "1"},
    {"LinearAttention", 27, FN(linear_attention), .takes = "6"},
    {"LogSoftmax", 1, FN(softmax), .op = "log_softmax", .takes = "1"},
    {"LpNormalization", 1, FN(lp_normalization), .takes = "1"},
    {"MatMul", 1, FN(matmul), .takes = "2"},
    {"ReduceL1", 1, FN(reduce), .op = "l1", FOLD(reduce), .takes = "1 18:2"},
    {"ReduceL2", 1, FN(reduce), .op = "l2", FOLD(reduce), .takes = "1 18:2"},
    {"ReduceLogSum", 1, FN(reduce), .op = "sum", FOLD(reduce), .takes = "1 18:2"},
    {"ReduceLogSumExp", 1, FN(reduce), .op = "log_sum_exp", FOLD(reduce), .takes = "1 18:2"},
    {"ReduceMax", 1, FN(reduce), .op = "max", FOLD(reduce), .takes = "1 18:2"},
    {"ReduceMean", 1, FN(reduce), .op = "mean", FOLD(reduce), .takes = "1 18:2"},
    {"ReduceMin", 1, FN(reduce), .op = "min", FOLD(reduce), .takes = "1 18:2"},
    {"ReduceProd", 1, FN(reduce), .op = "prod", FOLD(reduce), .takes = "1 18:2"},
    {"ReduceSum", 1, FN(reduce), .op = "sum", FOLD(reduce), .takes = "1 13:2"},
    {"ReduceSumSquare", 1, FN(reduce), .op = "sum", FOLD(reduce), .takes = "1 18:2"},
    {"RotaryEmbedding", 23, FN(rotary_embedding), .takes = "4"},
    {"Softmax", 1, FN(softmax), .op = "softmax", .takes = "1"},

    /* convolution, pooling, normalisation */
    {"AffineGrid", 20, FN(affine_grid), .takes = "2"},
    {"AveragePool", 1, FN(pool), .op = "avg_pool", .takes = "1"},
    {"BatchNormalization", 1, FN(batch_normalization), .takes = "5"},
    {"CausalConvWithState", 27, FN(causal_conv), .takes = "4"},
    {"Col2Im", 18, FN(col2im), .takes = "3"},
    {"Conv", 1, FN(conv), .takes = "3"},
    {"ConvTranspose", 1, FN(conv_transpose), .takes = "3"},
    {"DeformConv", 19, FN(deform_conv), .takes = "5"},
    {"GlobalAveragePool", 1, FN(global_pool), .op = "mean", .takes = "1"},
    {"GlobalLpPool", 2, FN(global_pool), .op = "l2", .takes = "1"},
    {"GlobalMaxPool", 1, FN(global_pool), .op = "max", .takes = "1"},
    {"GridSample", 16, FN(grid_sample), .takes = "2"},
    {"GroupNormalization", 18, FN(group_normalization), .takes = "3"},
    {"InstanceNormalization", 1, FN(instance_normalization), .takes = "3"},
    {"LRN", 1, FN(lrn), .takes = "1"},
    {"LayerNormalization", 17, FN(layer_normalization), .takes = "3"},
    {"LpPool", 2, FN(pool), .op = "lp_pool", .takes = "1"},
    {"MaxPool", 1, FN(pool), .op = "max_pool", .takes = "1", .note = "storage_order 1 in two dimensions"},
    {"MaxRoiPool", 1, FN(max_roi_pool), .takes = "2"},
    {"MaxUnpool", 9, FN(max_unpool), .takes = "3"},
    {"MeanVarianceNormalization", 9, FN(mean_variance_normalization), .takes = "1"},
    {"RMSNormalization", 23, FN(rms_normalization), .takes = "2"},
    {"Resize", 10, FN(resize), .takes = "2 11:4"},
    {"RoiAlign", 10, FN(roi_align), .takes = "3", .note = "mode max as in the format's own evaluation: weighted elements, not points"},
    {"Upsample", 1, FN(upsample), .takes = "1 9:2"},

    /* signals */
    {"BlackmanWindow", 17, FN(window), FOLDS_ITSELF(window), .takes = "1"},
    {"DFT", 17, FN(dft), .takes = "2 20:3"},
    {"HammingWindow", 17, FN(window), FOLDS_ITSELF(window), .takes = "1"},
    {"HannWindow", 17, FN(window), FOLDS_ITSELF(window), .takes = "1"},
    {"MelWeightMatrix", 17, FN(mel_weights), FOLDS_ITSELF(mel_weights), .takes = "5"},
    {"STFT", 17, FN(stft), .takes = "4"},

    /* steps of training */
    {"ai.onnx.preview.training.Adagrad", 1, FN(adagrad), .takes = "any"},
    {"ai.onnx.preview.training.Adam", 1, FN(adam), .takes = "any"},
    {"ai.onnx.preview.training.Gradient", 1, FN(gradient), .takes = "any"},
    {"ai.onnx.preview.training.Momentum", 1, FN(momentum), .takes = "any"},

    /* losses and recurrent layers */
    {"GRU", 7, FN(recurrent), .takes = "6"},
    {"LSTM", 7, FN(recurrent), .takes = "8"},
    {"NegativeLogLikelihoodLoss", 12, FN(nll_loss), .takes = "3"},
    {"RNN", 7, FN(recurrent), .takes = "6"},
    {"SoftmaxCrossEntropyLoss", 12, FN(softmax_loss), .takes = "3"},

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

/* How many inputs the node may have, by the row. */
static int most_inputs(const struct nt_onnx_node *node)
{
    const char *text = node->rule->takes;
    if (!text)
        return nt_op_max_inputs(nt_op_find(node->rule->op));
    if (strcmp(text, "any") == 0)
        return NT_ONNX_MAX_OPERANDS;
    int most = (int)strtol(text, NULL, 10), opset, later;
    while ((text = strchr(text, ' ')) && sscanf(++text, "%d:%d", &opset, &later) == 2)
        if (node->opset >= opset)
            most = later;
    return most;
}

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
    int most = most_inputs(node);
    if (node->inputs > most)
        return nt_onnx_fail(
            node, NT_ERR_FORMAT, "%d inputs: must be at most %d", node->inputs, most);
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
