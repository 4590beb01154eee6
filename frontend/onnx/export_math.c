/* SPDX-License-Identifier: MIT
 *
 * Reductions, and activations that ONNX has whole.
 */
#include "frontend/onnx/export_parts.h"

#include <math.h>
#include <string.h>

static NtOnnx__NodeProto *begin(struct nt_export *e, const struct nt_node *node)
{
    const char *x = nt_export_value(e, node->input[0]);
    return nt_export_begin(e, nt_export_rule_find(node->op)->onnx, 1, &x);
}

static void end(struct nt_export *e, NtOnnx__NodeProto *to, const struct nt_node *node)
{
    nt_export_output(e, to, nt_export_result(e, node->output[0]));
}

NT_EXPORT_FUNCTION(reduce)
{
    const char *op_type = nt_export_rule_find(node->op)->onnx;
    const struct nt_attr *axes = &node->attr[nt_attr_index(node->op, "axes")];
    const char *in[2] = {nt_export_value(e, node->input[0]), ""};
    const struct nt_value *value = e->graph->value;
    if (value[node->input[0]].dtype != value[node->output[0]].dtype)
        in[0] = nt_export_cast(e, in[0], NT_ONNX_FLOAT, NULL);
    bool as_input = strcmp(op_type, "ReduceSum") == 0; /* the others: from opset 18 on */
    if (axes->set && axes->count == 0) {
        nt_export_bind(e, node->output[0], in[0]);
        return NT_OK;
    }
    if (axes->set && as_input)
        in[1] = nt_export_list(e, axes->count, axes->ints);
    NtOnnx__NodeProto *to = nt_export_begin(e, op_type, 2, in);
    if (axes->set && !as_input)
        nt_export_ints(e, to, "axes", axes->count, axes->ints);
    nt_export_int(e, to, "keepdims", nt_attr_bool(node, "keepdims"));
    end(e, to, node);
    return NT_OK;
}

NT_EXPORT_FUNCTION(arg_extreme)
{
    NtOnnx__NodeProto *to = begin(e, node);
    nt_export_int(e, to, "axis", nt_attr_int(node, "axis"));
    nt_export_int(e, to, "keepdims", nt_attr_bool(node, "keepdims"));
    end(e, to, node);
    return NT_OK;
}

NT_EXPORT_FUNCTION(softmax)
{
    NtOnnx__NodeProto *to = begin(e, node);
    nt_export_int(e, to, "axis", nt_attr_int(node, "axis"));
    end(e, to, node);
    return NT_OK;
}

NT_EXPORT_TEST(elementwise)
{
    for (int i = 0; i < node->inputs; i++)
        if (node->input[i] >= 0 && e->graph->value[node->input[i]].dtype != NT_F32)
            return false;
    return !node->expr || !nt_expr_is_integers(node->expr);
}

#define SAME_ABOVE 20 /* from here on softplus(a) is a in float32 */

NT_EXPORT_TEST(softplus)
{
    return nt_export_takes_elementwise(e, node) && nt_attr_float(node, "beta") == 1 &&
           nt_attr_float(node, "threshold") >= SAME_ABOVE;
}

NT_EXPORT_FUNCTION(clip)
{
    bool six = node->op == nt_op_find("relu6");
    double low = six ? 0 : nt_attr_float(node, "min"), high = six ? 6 : nt_attr_float(node, "max");
    const char *in[3] = {nt_export_value(e, node->input[0]),
        isinf(low) ? "" : nt_export_number(e, NT_ONNX_FLOAT, low),
        isinf(high) ? "" : nt_export_number(e, NT_ONNX_FLOAT, high)};
    nt_export_simple(e, "Clip", nt_export_result(e, node->output[0]), 3, in);
    return NT_OK;
}

/* Slopes stand at the last dimensions there, at the channels here. */
NT_EXPORT_FUNCTION(prelu)
{
    int rank = e->graph->value[node->input[0]].shape.rank;
    int64_t slopes = nt_shape_count(&e->graph->value[node->input[1]].shape);
    int64_t list[NT_MAX_RANK] = {slopes, 1, 1, 1, 1, 1, 1, 1};
    const char *in[2] = {nt_export_value(e, node->input[0]), nt_export_value(e, node->input[1])};
    if (slopes > 1 && rank > 2)
        in[1] = nt_export_simple(
            e, "Reshape", NULL, 2, (const char *[]){in[1], nt_export_list(e, rank - 1, list)});
    nt_export_simple(e, "PRelu", nt_export_result(e, node->output[0]), 2, in);
    return NT_OK;
}

NT_EXPORT_FUNCTION(pixel_shuffle)
{
    NtOnnx__NodeProto *to = begin(e, node);
    nt_export_int(e, to, "blocksize", nt_attr_int(node, "upscale_factor"));
    nt_export_word(e, to, "mode", nt_attr_int(node, "mode") ? "DCR" : "CRD");
    end(e, to, node);
    return NT_OK;
}
