/* SPDX-License-Identifier: MIT
 *
 * Operators that move elements: shapes, parts, indices.
 */
#include "frontend/onnx/export_parts.h"

#include <string.h>

static const struct nt_shape *shape_of(const struct nt_export *e, int value)
{
    return &e->graph->value[value].shape;
}

static const char *in_of(struct nt_export *e, const struct nt_node *node, int input)
{
    return nt_export_value(e, node->input[input]);
}

NT_EXPORT_FUNCTION(reshape)
{
    nt_export_reshape(e, in_of(e, node, 0), node->output[0], nt_export_result(e, node->output[0]));
    return NT_OK;
}

NT_EXPORT_FUNCTION(broadcast)
{
    const char *in[2] = {in_of(e, node, 0), nt_export_shape(e, node->output[0])};
    nt_export_simple(e, "Expand", nt_export_result(e, node->output[0]), 2, in);
    return NT_OK;
}

NT_EXPORT_FUNCTION(same)
{
    nt_export_bind(e, node->output[0], in_of(e, node, 0));
    return NT_OK;
}

NT_EXPORT_FUNCTION(transpose)
{
    int rank = shape_of(e, node->input[0])->rank;
    const char *x = in_of(e, node, 0);
    NtOnnx__NodeProto *to = nt_export_begin(e, "Transpose", 1, &x);
    int64_t axes[NT_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        axes[i] = node->attr[0].set ? node->attr[0].ints[i] : rank - 1 - i;
        axes[i] += axes[i] < 0 ? rank : 0;
    }
    nt_export_ints(e, to, "perm", rank, axes);
    nt_export_output(e, to, nt_export_result(e, node->output[0]));
    return NT_OK;
}

NT_EXPORT_FUNCTION(concat)
{
    const char *in[NT_MAX_INPUTS];
    for (int i = 0; i < node->inputs; i++)
        in[i] = in_of(e, node, i);
    NtOnnx__NodeProto *to = nt_export_begin(e, "Concat", node->inputs, in);
    nt_export_int(e, to, "axis", nt_attr_int(node, "axis"));
    nt_export_output(e, to, nt_export_result(e, node->output[0]));
    return NT_OK;
}

NT_EXPORT_FUNCTION(split)
{
    int rank = shape_of(e, node->input[0])->rank;
    int axis = (int)nt_attr_int(node, "axis");
    int64_t sizes[NT_MAX_OUTPUTS];
    axis += axis < 0 ? rank : 0;
    for (int i = 0; i < node->outputs; i++) {
        struct nt_export_extent extent = nt_export_extent(e, node->output[i], axis);
        e->fixed = e->fixed || extent.by_batch != 0;
        sizes[i] = shape_of(e, node->output[i])->dim[axis];
    }
    const char *in[2] = {in_of(e, node, 0), nt_export_list(e, node->outputs, sizes)};
    NtOnnx__NodeProto *to = nt_export_begin(e, "Split", 2, in);
    nt_export_int(e, to, "axis", axis);
    for (int i = 0; i < node->outputs; i++)
        nt_export_output(e, to, nt_export_result(e, node->output[i]));
    return NT_OK;
}

NT_EXPORT_FUNCTION(strided_slice)
{
    enum { STARTS, ENDS, AXES, STEPS };
    const struct nt_attr *attr = node->attr;
    int count = attr[STARTS].count;
    int64_t ends[NT_MAX_RANK], axes[NT_MAX_RANK], steps[NT_MAX_RANK];
    for (int i = 0; i < count; i++) {
        axes[i] = attr[AXES].set ? attr[AXES].ints[i] : i;
        steps[i] = attr[STEPS].set ? attr[STEPS].ints[i] : 1;
        ends[i] = attr[ENDS].set ? attr[ENDS].ints[i] : steps[i] < 0 ? -INT32_MAX : INT32_MAX;
    }
    const char *in[5] = {in_of(e, node, 0), nt_export_list(e, count, attr[STARTS].ints),
        nt_export_list(e, count, ends), nt_export_list(e, count, axes),
        nt_export_list(e, count, steps)};
    nt_export_simple(e, "Slice", nt_export_result(e, node->output[0]), 5, in);
    return NT_OK;
}

NT_EXPORT_TEST(pad)
{
    return e->graph->value[node->input[0]].dtype == NT_F32;
}

NT_EXPORT_FUNCTION(pad)
{
    enum { BEFORE, AFTER };
    int rank = shape_of(e, node->input[0])->rank;
    int64_t pads[2 * NT_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        pads[i] = node->attr[BEFORE].ints[i];
        pads[rank + i] = node->attr[AFTER].ints[i];
    }
    const char *in[3] = {in_of(e, node, 0), nt_export_list(e, 2 * rank, pads),
        nt_export_number(e, NT_ONNX_FLOAT, nt_attr_float(node, "value"))};
    nt_export_simple(e, "Pad", nt_export_result(e, node->output[0]), 3, in);
    return NT_OK;
}

static bool is_plain(enum nt_dtype dtype)
{
    return dtype == NT_F32 || dtype == NT_I32;
}

NT_EXPORT_TEST(cast)
{
    return is_plain(e->graph->value[node->input[0]].dtype) &&
           is_plain(e->graph->value[node->output[0]].dtype);
}

NT_EXPORT_FUNCTION(cast)
{
    bool whole = e->graph->value[node->output[0]].dtype == NT_I32;
    nt_export_cast(e, in_of(e, node, 0), whole ? NT_ONNX_INT64 : NT_ONNX_FLOAT,
        nt_export_result(e, node->output[0]));
    return NT_OK;
}

/* ---- indices ---- */

NT_EXPORT_FUNCTION(gather)
{
    const char *in[2] = {in_of(e, node, 0), in_of(e, node, 1)};
    bool elements = node->op == &nt_op_gather_elements;
    NtOnnx__NodeProto *to = nt_export_begin(e, elements ? "GatherElements" : "Gather", 2, in);
    nt_export_int(e, to, "axis", nt_attr_int(node, "axis"));
    nt_export_output(e, to, nt_export_result(e, node->output[0]));
    return NT_OK;
}

NT_EXPORT_FUNCTION(embedding)
{
    const char *in[2] = {in_of(e, node, 1), in_of(e, node, 0)};
    nt_export_simple(e, "Gather", nt_export_result(e, node->output[0]), 2, in);
    return NT_OK;
}

NT_EXPORT_FUNCTION(one_hot)
{
    const char *in[3] = {in_of(e, node, 0),
        nt_export_number(e, NT_ONNX_INT64, (double)nt_attr_int(node, "num_classes")),
        nt_export_floats(e, "off_on", &(struct nt_shape){1, {2}}, (float[]){0, 1})};
    nt_export_simple(e, "OneHot", nt_export_result(e, node->output[0]), 3, in);
    return NT_OK;
}

NT_EXPORT_FUNCTION(top_k)
{
    int64_t count = nt_attr_int(node, "count");
    const char *in[2] = {in_of(e, node, 0), nt_export_list(e, 1, &count)};
    NtOnnx__NodeProto *to = nt_export_begin(e, "TopK", 2, in);
    nt_export_int(e, to, "axis", -1);
    nt_export_int(e, to, "largest", nt_attr_bool(node, "descending"));
    nt_export_output(e, to, NULL);
    nt_export_output(e, to, nt_export_result(e, node->output[0]));
    return NT_OK;
}

NT_EXPORT_FUNCTION(cumsum)
{
    const char *in[2] = {
        in_of(e, node, 0), nt_export_number(e, NT_ONNX_INT64, (double)nt_attr_int(node, "axis"))};
    NtOnnx__NodeProto *to = nt_export_begin(e, "CumSum", 2, in);
    nt_export_int(e, to, "exclusive", nt_attr_bool(node, "exclusive"));
    nt_export_int(e, to, "reverse", nt_attr_bool(node, "reverse"));
    nt_export_output(e, to, nt_export_result(e, node->output[0]));
    return NT_OK;
}

static const char *const reductions[] = {"none", "add", "mul"}; /* until opset 18 */

NT_EXPORT_TEST(scatter)
{
    return (size_t)nt_attr_int(node, "reduction") < sizeof reductions / sizeof *reductions;
}

NT_EXPORT_FUNCTION(scatter)
{
    const char *in[3] = {in_of(e, node, 0), in_of(e, node, 1), in_of(e, node, 2)};
    bool elements = node->op == &nt_op_scatter_elements;
    NtOnnx__NodeProto *to = nt_export_begin(e, elements ? "ScatterElements" : "ScatterND", 3, in);
    if (elements)
        nt_export_int(e, to, "axis", nt_attr_int(node, "axis"));
    nt_export_word(e, to, "reduction", reductions[nt_attr_int(node, "reduction")]);
    nt_export_output(e, to, nt_export_result(e, node->output[0]));
    return NT_OK;
}
