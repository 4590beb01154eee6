/* SPDX-License-Identifier: MIT
 *
 * Normalisations.
 */
#include "frontend/onnx/export_parts.h"

static const struct nt_shape *shape_of(const struct nt_export *e, int value)
{
    return &e->graph->value[value].shape;
}

/* A list of equal numbers, for a weight or bias that a layer does not have. */
static const char *equal_numbers(struct nt_export *e, const struct nt_shape *shape, float number)
{
    size_t count = (size_t)nt_shape_count(shape);
    float *data = nt_graph_alloc(e->graph, count * sizeof *data);
    if (!data) {
        e->failed = true;
        return "";
    }
    for (size_t i = 0; i < count; i++)
        data[i] = number;
    return nt_export_floats(e, number == 0 ? "zeros" : "ones", shape, data);
}

static const char *weight_or(
    struct nt_export *e, const struct nt_node *node, int input, const struct nt_shape *shape)
{
    return node->input[input] >= 0 ? nt_export_value(e, node->input[input])
                                   : equal_numbers(e, shape, input == 1);
}

/* ---- batch norm: by running statistics ---- */

NT_EXPORT_TEST(batch_norm)
{
    return node->input[3] >= 0 && node->input[4] >= 0;
}

NT_EXPORT_FUNCTION(batch_norm)
{
    const char *x = nt_export_value(e, node->input[0]);
    struct nt_shape channels = {1, {shape_of(e, node->input[0])->dim[1]}};
    if (e->away[node->output[0]]) {
        nt_export_bind(e, node->output[0], x);
        return NT_OK;
    }
    const char *in[5] = {x, weight_or(e, node, 1, &channels), weight_or(e, node, 2, &channels),
        nt_export_value(e, node->input[3]), nt_export_value(e, node->input[4])};
    NtOnnx__NodeProto *to = nt_export_begin(e, "BatchNormalization", 5, in);
    nt_export_float(e, to, "epsilon", nt_attr_float(node, "eps"));
    nt_export_output(e, to, nt_export_result(e, node->output[0]));
    return NT_OK;
}

/* ---- by item ---- */

NT_EXPORT_FUNCTION(layer_norm)
{
    const struct nt_shape *x = shape_of(e, node->input[0]);
    struct nt_shape last = {.rank = (int)nt_attr_int(node, "dims")};
    for (int i = 0; i < last.rank; i++)
        last.dim[i] = x->dim[x->rank - last.rank + i];
    const char *in[3] = {nt_export_value(e, node->input[0]), weight_or(e, node, 1, &last),
        node->input[2] >= 0 ? nt_export_value(e, node->input[2]) : ""};
    NtOnnx__NodeProto *to = nt_export_begin(e, "LayerNormalization", 3, in);
    nt_export_int(e, to, "axis", -last.rank);
    nt_export_float(e, to, "epsilon", nt_attr_float(node, "eps"));
    nt_export_output(e, to, nt_export_result(e, node->output[0]));
    return NT_OK;
}

static const char *reshaped(struct nt_export *e, const char *x, int rank, const int64_t *dims)
{
    return nt_export_simple(
        e, "Reshape", NULL, 2, (const char *[]){x, nt_export_list(e, rank, dims)});
}

/* Groups as channels of one dimension; opset 18 has GroupNormalization. */
static void by_groups(struct nt_export *e, const struct nt_node *node, int64_t groups)
{
    int out = node->output[0], rank = shape_of(e, out)->rank;
    struct nt_shape each = {1, {groups}};
    int64_t wide[NT_MAX_RANK] = {shape_of(e, out)->dim[1], 1, 1, 1, 1, 1, 1, 1};
    static const char *const affine[] = {"Mul", "Add"};
    const char *in[3] = {
        reshaped(e, nt_export_value(e, node->input[0]), 3, (int64_t[]){0, groups, -1}),
        equal_numbers(e, &each, 1), equal_numbers(e, &each, 0)};
    NtOnnx__NodeProto *to = nt_export_begin(e, "InstanceNormalization", 3, in);
    nt_export_float(e, to, "epsilon", nt_attr_float(node, "eps"));
    const char *y = nt_export_reshape(e, nt_export_output(e, to, NULL), out, NULL);
    for (int i = 0; i < 2; i++)
        if (node->input[1 + i] >= 0) {
            const char *part = reshaped(e, nt_export_value(e, node->input[1 + i]), rank - 1, wide);
            y = nt_export_simple(e, affine[i], NULL, 2, (const char *[]){y, part});
        }
    nt_export_bind(e, out, y);
}

NT_EXPORT_FUNCTION(group_norm)
{
    if (node->op == &nt_op_group_norm) {
        by_groups(e, node, nt_attr_int(node, "groups"));
        return NT_OK;
    }
    struct nt_shape channels = {1, {shape_of(e, node->input[0])->dim[1]}};
    const char *in[3] = {nt_export_value(e, node->input[0]), weight_or(e, node, 1, &channels),
        weight_or(e, node, 2, &channels)};
    NtOnnx__NodeProto *to = nt_export_begin(e, "InstanceNormalization", 3, in);
    nt_export_float(e, to, "epsilon", nt_attr_float(node, "eps"));
    nt_export_output(e, to, nt_export_result(e, node->output[0]));
    return NT_OK;
}

NT_EXPORT_TEST(norm_statistics)
{
    return nt_attr_int(node, "groups") == 0 && e->uses[node->output[2]] == 0 &&
           e->uses[node->output[3]] == 0;
}

static const char *mean_of(
    struct nt_export *e, const struct nt_node *node, const char *x, const char *name)
{
    const struct nt_attr *axes = &node->attr[nt_attr_index(node->op, "axes")];
    NtOnnx__NodeProto *to = nt_export_begin(e, "ReduceMean", 1, &x);
    nt_export_ints(e, to, "axes", axes->count, axes->ints);
    nt_export_int(e, to, "keepdims", 1);
    return nt_export_output(e, to, name);
}

NT_EXPORT_FUNCTION(norm_statistics)
{
    const char *x = nt_export_value(e, node->input[0]);
    const char *mean = mean_of(e, node, x, nt_export_result(e, node->output[0]));
    const char *apart = nt_export_simple(e, "Sub", NULL, 2, (const char *[]){x, mean});
    const char *square = nt_export_simple(e, "Mul", NULL, 2, (const char *[]){apart, apart});
    const char *in[2] = {mean_of(e, node, square, NULL),
        nt_export_number(e, NT_ONNX_FLOAT, nt_attr_float(node, "epsilon"))};
    const char *sum = nt_export_simple(e, "Add", NULL, 2, in);
    const char *root = nt_export_simple(e, "Sqrt", NULL, 1, &sum);
    nt_export_simple(e, "Reciprocal", nt_export_result(e, node->output[1]), 1, &root);
    return NT_OK;
}

NT_EXPORT_TEST(local_response_norm)
{
    return nt_attr_int(node, "size") % 2 == 1; /* an even neighbourhood lies otherwise there */
}

NT_EXPORT_FUNCTION(local_response_norm)
{
    const char *x = nt_export_value(e, node->input[0]);
    NtOnnx__NodeProto *to = nt_export_begin(e, "LRN", 1, &x);
    nt_export_int(e, to, "size", nt_attr_int(node, "size"));
    nt_export_float(e, to, "alpha", nt_attr_float(node, "alpha"));
    nt_export_float(e, to, "beta", nt_attr_float(node, "beta"));
    nt_export_float(e, to, "bias", nt_attr_float(node, "k"));
    nt_export_output(e, to, nt_export_result(e, node->output[0]));
    return NT_OK;
}

/* Sums over neighbouring channels: means of windows of a dimension of its own. */
NT_EXPORT_FUNCTION(channel_window)
{
    int64_t size = nt_attr_int(node, "size"), before = nt_attr_int(node, "before");
    int value = node->input[0];
    int64_t channels = shape_of(e, value)->dim[1];
    const char *rows = reshaped(e, nt_export_value(e, value), 4, (int64_t[]){0, 1, channels, -1});
    NtOnnx__NodeProto *to = nt_export_begin(e, "AveragePool", 1, &rows);
    nt_export_ints(e, to, "kernel_shape", 2, (int64_t[]){size, 1});
    nt_export_ints(e, to, "strides", 2, (int64_t[]){1, 1});
    nt_export_ints(e, to, "pads", 4, (int64_t[]){before, 0, size - 1 - before, 0});
    nt_export_int(e, to, "count_include_pad", 1);
    const char *mean = nt_export_reshape(e, nt_export_output(e, to, NULL), node->output[0], NULL);
    const char *in[2] = {mean, nt_export_number(e, NT_ONNX_FLOAT, (double)size)};
    nt_export_simple(e, "Mul", nt_export_result(e, node->output[0]), 2, in);
    return NT_OK;
}
