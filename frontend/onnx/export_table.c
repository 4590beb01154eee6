/* SPDX-License-Identifier: MIT */
#include "frontend/onnx/export_parts.h"

#include <stdio.h>
#include <string.h>

#define FN(name) .add = nt_export_add_##name
#define IF(name) .takes = nt_export_takes_##name

/* clang-format off */
const struct nt_export_rule nt_export_rules[] = {
    /* elementwise: what is not here is translated from its expression */
    {"celu", "Celu", "alpha", IF(elementwise)},
    {"clamp", "Clip", FN(clip), IF(elementwise)},
    {"elu", "Elu", "alpha", IF(elementwise)},
    {"hard_sigmoid", "HardSigmoid", "alpha beta", IF(elementwise)},
    {"hard_swish", "HardSwish", IF(elementwise)},
    {"hardtanh", "Clip", FN(clip), IF(elementwise)},
    {"leaky_relu", "LeakyRelu", "slope>alpha", IF(elementwise)},
    {"prelu", "PRelu", FN(prelu)},
    {"relu6", "Clip", FN(clip), IF(elementwise)},
    {"selu", "Selu", "alpha gamma", IF(elementwise)},
    {"softplus", "Softplus", IF(softplus), .note = "beta 1, threshold 20 or more; else as an expression"},
    {"thresholded_relu", "ThresholdedRelu", "alpha", IF(elementwise)},

    /* convolution, products, pooling */
    {"adaptive_avg_pool1d", "AveragePool", FN(adaptive_pool), IF(adaptive_pool)},
    {"adaptive_avg_pool2d", "AveragePool", FN(adaptive_pool), IF(adaptive_pool)},
    {"adaptive_avg_pool3d", "AveragePool", FN(adaptive_pool), IF(adaptive_pool), .note = "windows of one size"},
    {"adaptive_max_pool1d", "MaxPool", FN(adaptive_pool), IF(adaptive_pool), .note = "windows of one size, no indices"},
    {"adaptive_max_pool2d", "MaxPool", FN(adaptive_pool), IF(adaptive_pool), .note = "windows of one size, no indices"},
    {"adaptive_max_pool3d", "MaxPool", FN(adaptive_pool), IF(adaptive_pool), .note = "windows of one size, no indices"},
    {"avg_pool1d", "AveragePool", FN(avg_pool), IF(avg_pool), .note = "no dilation, no divisor_override"},
    {"avg_pool2d", "AveragePool", FN(avg_pool), IF(avg_pool), .note = "no dilation, no divisor_override"},
    {"avg_pool3d", "AveragePool", FN(avg_pool), IF(avg_pool), .note = "no dilation, no divisor_override"},
    {"conv1d", "Conv", FN(conv)},
    {"conv2d", "Conv", FN(conv)},
    {"conv3d", "Conv", FN(conv)},
    {"conv_transpose1d", "ConvTranspose", FN(conv_transpose), IF(conv_transpose)},
    {"conv_transpose2d", "ConvTranspose", FN(conv_transpose), IF(conv_transpose)},
    {"conv_transpose3d", "ConvTranspose", FN(conv_transpose), IF(conv_transpose)},
    {"global_avg_pool", "GlobalAveragePool", FN(global_pool)},
    {"global_max_pool", "GlobalMaxPool", FN(global_pool)},
    {"interpolate", "Resize", FN(interpolate), IF(interpolate), .note = "no area, no antialias"},
    {"linear", "Gemm", FN(linear)},
    {"matmul", "MatMul", FN(matmul)},
    {"max_pool1d", "MaxPool", FN(max_pool), IF(no_index), .note = "no indices"},
    {"max_pool2d", "MaxPool", FN(max_pool), IF(no_index), .note = "no indices"},
    {"max_pool3d", "MaxPool", FN(max_pool), IF(no_index), .note = "no indices"},
    {"upsample", "Resize", FN(interpolate), IF(interpolate), .note = "no area, no antialias"},

    /* normalisation */
    {"batch_norm", "BatchNormalization", FN(batch_norm), IF(batch_norm)},
    {"channel_window", "AveragePool", FN(channel_window)},
    {"group_norm", "InstanceNormalization", FN(group_norm)},
    {"instance_norm", "InstanceNormalization", FN(group_norm)},
    {"layer_norm", "LayerNormalization", FN(layer_norm)},
    {"local_response_norm", "LRN", FN(local_response_norm), IF(local_response_norm)},
    {"norm_statistics", "ReduceMean", FN(norm_statistics), IF(norm_statistics)},

    /* reductions */
    {"argmax", "ArgMax", FN(arg_extreme)},
    {"argmin", "ArgMin", FN(arg_extreme)},
    {"hardmax", "Hardmax", FN(softmax)},
    {"l1", "ReduceL1", FN(reduce)},
    {"l2", "ReduceL2", FN(reduce)},
    {"log_softmax", "LogSoftmax", FN(softmax)},
    {"log_sum_exp", "ReduceLogSumExp", FN(reduce)},
    {"max", "ReduceMax", FN(reduce)},
    {"mean", "ReduceMean", FN(reduce)},
    {"min", "ReduceMin", FN(reduce)},
    {"prod", "ReduceProd", FN(reduce)},
    {"softmax", "Softmax", FN(softmax)},
    {"sum", "ReduceSum", FN(reduce)},

    /* shapes and indices */
    {"broadcast", "Expand", FN(broadcast), .shaped = true},
    {"cast", "Cast", FN(cast), IF(cast)},
    {"concat", "Concat", FN(concat)},
    {"constant_pad", "Pad", FN(pad), IF(pad)},
    {"cumsum", "CumSum", FN(cumsum)},
    {"detach", "Identity", FN(same)},
    {"embedding", "Gather", FN(embedding)},
    {"flatten", "Reshape", FN(reshape)},
    {"gather", "Gather", FN(gather)},
    {"gather_elements", "GatherElements", FN(gather)},
    {"gather_nd", "GatherND", "batch_dims"},
    {"one_hot", "OneHot", FN(one_hot)},
    {"pixel_shuffle", "DepthToSpace", FN(pixel_shuffle)},
    {"reshape", "Reshape", FN(reshape), .shaped = true},
    {"scatter_elements", "ScatterElements", FN(scatter), IF(scatter), .note = "no max, no min"},
    {"scatter_nd", "ScatterND", FN(scatter), IF(scatter), .note = "no max, no min"},
    {"sort_rows", "TopK", FN(top_k)},
    {"split", "Split", FN(split), .shaped = true},
    {"squeeze", "Reshape", FN(reshape)},
    {"strided_slice", "Slice", FN(strided_slice)},
    {"transpose", "Transpose", FN(transpose)},
    {"unsqueeze", "Reshape", FN(reshape)},

    /* boxes */
    {"nms", "NonMaxSuppression", FN(nms), .note = "not read again: its extents depend on the boxes"},
    {"roi_align", "RoiAlign", FN(roi_align)},
    {"roi_align_max", "RoiAlign", FN(roi_align), IF(no_index), .note = "no index"},

    /* recurrent layers */
    {"recurrent_layer", "LSTM", FN(recurrent_layer), IF(recurrent_layer)},
    {"sequence_lengths", "ReduceSum", FN(sequence_lengths)},
};
/* clang-format on */
const int nt_export_rule_count = sizeof nt_export_rules / sizeof *nt_export_rules;

const struct nt_export_rule *nt_export_rule_find(const struct nt_op *op)
{
    for (int i = 0; i < nt_export_rule_count; i++)
        if (strcmp(nt_export_rules[i].op, op->name) == 0)
            return &nt_export_rules[i];
    return NULL;
}

static bool takes_row(const struct nt_export *e, const struct nt_node *node)
{
    const struct nt_export_rule *rule = nt_export_rule_find(node->op);
    return rule && (!rule->takes || rule->takes(e, node));
}

bool nt_export_takes(const struct nt_export *e, const struct nt_node *node)
{
    return takes_row(e, node) || nt_export_has_expression(e, node);
}

/* One node with the inputs of ours, and the attributes that the row names. */
static enum nt_status apply_plain(
    struct nt_export *e, const struct nt_node *node, const struct nt_export_rule *rule)
{
    const char *in[NT_MAX_INPUTS];
    for (int i = 0; i < node->inputs; i++)
        in[i] = nt_export_value(e, node->input[i]);
    NtOnnx__NodeProto *to = nt_export_begin(e, rule->onnx, node->inputs, in);
    for (const char *word = rule->attrs; word && *word;) {
        char ours[64];
        size_t end = strcspn(word, " "), length = strcspn(word, "> ");
        const char *theirs = word[length] == '>' ? word + length + 1 : word;
        snprintf(ours, sizeof ours, "%.*s", (int)length, word);
        const char *name =
            nt_graph_string(e->graph, "%.*s", (int)(end - (size_t)(theirs - word)), theirs);
        int index = nt_attr_index(node->op, ours);
        if (node->op->attrs[index].type == NT_ATTR_FLOAT)
            nt_export_float(e, to, name, node->attr[index].number);
        else
            nt_export_int(e, to, name, (int64_t)node->attr[index].number);
        word += end + strspn(word + end, " ");
    }
    nt_export_output(e, to, nt_export_result(e, node->output[0]));
    return NT_OK;
}

enum nt_status nt_export_apply(struct nt_export *e, const struct nt_node *node)
{
    const struct nt_export_rule *rule = nt_export_rule_find(node->op);
    if (!takes_row(e, node))
        return nt_export_expression(e, node);
    return rule->add ? rule->add(e, node) : apply_plain(e, node, rule);
}
