/* SPDX-License-Identifier: MIT
 *
 * Normalisations within an item: group_norm, instance_norm, layer_norm, rms_norm, l2_normalize.
 * They do the same in training and otherwise.
 */
#include "frontend/op/layer.h"
#include "frontend/op/norm.h"

#define EPS(value)                                                                                 \
    {                                                                                              \
        "eps", NT_ATTR_FLOAT, "added to the variance", .fallback = value, .min = 0, .max = 1e6     \
    }

static enum nt_status normalize(
    struct nt_graph *graph, struct nt_node *node, struct nt_norm *norm, int weight, int bias)
{
    struct nt_norm_statistics statistics;
    norm->epsilon = nt_attr_float(node, "eps");
    enum nt_status status = nt_norm_statistics(graph, norm, node->input[0], NULL, &statistics);
    if (status == NT_OK)
        status =
            nt_norm_apply(graph, norm, node->input[0], &statistics, weight, bias, &node->output[0]);
    return status;
}

/* ---- by channel groups ---- */

static const struct nt_attr_spec group_attrs[] = {
    {"groups", NT_ATTR_INT, "groups of channels", .required = true, .min = 1, .max = 1 << 30},
    EPS(1e-5),
    {"affine", NT_ATTR_BOOL, "multiply by a weight and add a bias", .fallback = 1},
};

static const struct nt_attr_spec instance_attrs[] = {
    EPS(1e-5),
    {"affine", NT_ATTR_BOOL, "multiply by a weight and add a bias"},
};

static enum nt_status channel_parameters(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_shape *x = &graph->value[node->input[0]].shape;
    char text[128];
    int least = node->op == &nt_op_group_norm ? 2 : 3;
    if (x->rank < least)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "%s: input of shape %s (with the batch): must have rank %d to 5", node->op->name,
            nt_shape_text(x, text, sizeof text), least);
    struct nt_shape channels = {1, {x->dim[1]}};
    if (nt_attr_bool(node, "affine") || node->input[1] >= 0)
        return nt_norm_parameters(graph, node, &channels, true);
    return NT_OK;
}

static enum nt_status expand_groups(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape x = graph->value[node->input[0]].shape;
    struct nt_norm norm = {0};
    int part[2] = {-1, -1};
    if (node->op == &nt_op_group_norm)
        norm.groups = nt_attr_int(node, "groups");
    if (norm.groups > 0 && x.dim[1] % norm.groups != 0)
        return nt_graph_fail(graph, NT_ERR_ARGUMENT,
            "group_norm: groups %lld: must divide the %lld channels", (long long)norm.groups,
            (long long)x.dim[1]);
    for (int i = 2; i < x.rank; i++)
        norm.axis[norm.axes++] = i;
    for (int i = 0; i < 2; i++)
        if (node->input[1 + i] >= 0) {
            part[i] = nt_norm_by_channel(graph, node->input[1 + i], x.rank);
            if (part[i] < 0)
                return NT_ERR_MEMORY;
        }
    return normalize(graph, node, &norm, part[0], part[1]);
}

const struct nt_op nt_op_group_norm = {
    .name = "group_norm",
    .summary =
        "(x - mean) / sqrt(var + eps) weight + bias, mean and variance of each item's groups "
        "of channels, weight and bias by channel",
    .source = "Wu & He, Group normalization, ECCV 2018",
    .inputs = "x weight? bias?",
    .outputs = 1,
    .attrs = group_attrs,
    .attr_count = sizeof group_attrs / sizeof *group_attrs,
    .layouts = "a>a",
    .parameters = channel_parameters,
    .expand = expand_groups,
};

const struct nt_op nt_op_instance_norm = {
    .name = "instance_norm",
    .summary = "(x - mean) / sqrt(var + eps) weight + bias, mean and variance of each item's "
               "channels",
    .source = "Ulyanov, Vedaldi & Lempitsky, Instance normalization: the missing ingredient for "
              "fast stylization, 2016",
    .inputs = "x weight? bias?",
    .outputs = 1,
    .attrs = instance_attrs,
    .attr_count = sizeof instance_attrs / sizeof *instance_attrs,
    .layouts = "a>a",
    .parameters = channel_parameters,
    .expand = expand_groups,
};

/* ---- over the last dimensions ---- */

#define DIMS                                                                                       \
    {                                                                                              \
        "dims", NT_ATTR_INT, "how many last dimensions are normalised together",                   \
            .fallback = 1, .min = 1, .max = 4                                                      \
    }

static const struct nt_attr_spec layer_attrs[] = {
    DIMS,
    EPS(1e-5),
    {"affine", NT_ATTR_BOOL, "multiply by a weight and add a bias", .fallback = 1},
    {"bias", NT_ATTR_BOOL, "add the bias", .fallback = 1},
};

static const struct nt_attr_spec rms_attrs[] = {
    DIMS,
    {"eps", NT_ATTR_FLOAT, "added to the mean square", .fallback = 1.1920928955078125e-7, .min = 0,
        .max = 1e6},
    {"affine", NT_ATTR_BOOL, "multiply by a weight", .fallback = 1},
};

static enum nt_status last_parameters(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_shape *x = &graph->value[node->input[0]].shape;
    struct nt_shape shape = {.rank = (int)nt_attr_int(node, "dims")};
    char text[128];
    if (x->rank < shape.rank)
        return nt_graph_fail(graph, NT_ERR_SHAPE, "%s: dims %d: the input of shape %s has rank %d",
            node->op->name, shape.rank, nt_shape_text(x, text, sizeof text), x->rank);
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = x->dim[x->rank - shape.rank + i];
    bool layer = node->op == &nt_op_layer_norm;
    if (nt_attr_bool(node, "affine") || node->input[1] >= 0)
        return nt_norm_parameters(graph, node, &shape, layer && nt_attr_bool(node, "bias"));
    return NT_OK;
}

static struct nt_norm last_dims(const struct nt_graph *graph, const struct nt_node *node)
{
    int rank = graph->value[node->input[0]].shape.rank;
    struct nt_norm norm = {.axes = (int)nt_attr_int(node, "dims")};
    for (int i = 0; i < norm.axes; i++)
        norm.axis[i] = rank - norm.axes + i;
    return norm;
}

static enum nt_status expand_layer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_norm norm = last_dims(graph, node);
    return normalize(graph, node, &norm, node->input[1], node->input[2]);
}

const struct nt_op nt_op_layer_norm = {
    .name = "layer_norm",
    .summary = "(x - mean) / sqrt(var + eps) weight + bias, mean and variance over the last "
               "dimensions, which weight and bias have",
    .source = "Ba, Kiros & Hinton, Layer normalization, 2016",
    .inputs = "x weight? bias?",
    .outputs = 1,
    .attrs = layer_attrs,
    .attr_count = sizeof layer_attrs / sizeof *layer_attrs,
    .layouts = "a>a",
    .parameters = last_parameters,
    .expand = expand_layer,
};

static int mean_square(struct nt_graph *graph, int x, int first, int count, bool mean)
{
    const struct nt_op *op = mean ? &nt_op_mean : &nt_op_sum;
    struct nt_attr attr[2] = {{0}};
    struct nt_attr *axes = &attr[nt_attr_index(op, "axes")];
    struct nt_attr *keep = &attr[nt_attr_index(op, "keepdims")];
    int square = nt_graph_formula(graph, "a * a", 1, &x), out;
    axes->set = keep->set = true;
    keep->number = 1;
    for (int i = 0; i < count; i++)
        axes->ints[axes->count++] = first + i;
    if (square < 0 || nt_graph_add(graph, op, NULL, 1, &square, attr, &out) != NT_OK)
        return -1;
    return out;
}

static enum nt_status expand_rms(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_norm norm = last_dims(graph, node);
    int x = node->input[0], weight = node->input[1];
    int square = mean_square(graph, x, norm.axis[0], norm.axes, true);
    int eps = nt_graph_number(graph, nt_attr_float(node, "eps"));
    int root = square < 0 || eps < 0
                   ? -1
                   : nt_graph_formula(graph, "1 / sqrt(a + b)", 2, (int[]){square, eps});
    if (root < 0)
        return NT_ERR_MEMORY;
    node->output[0] = nt_graph_formula(
        graph, weight < 0 ? "a * b" : "a * b * c", weight < 0 ? 2 : 3, (int[]){x, root, weight});
    return node->output[0] < 0 ? NT_ERR_MEMORY : NT_OK;
}

const struct nt_op nt_op_rms_norm = {
    .name = "rms_norm",
    .summary = "x / sqrt(mean(x^2) + eps) weight over the last dimensions",
    .source = "Zhang & Sennrich, Root mean square layer normalization, NeurIPS 2019",
    .inputs = "x weight?",
    .outputs = 1,
    .attrs = rms_attrs,
    .attr_count = sizeof rms_attrs / sizeof *rms_attrs,
    .layouts = "a>a",
    .parameters = last_parameters,
    .expand = expand_rms,
};

/* ---- by length ---- */

static const struct nt_attr_spec l2_attrs[] = {
    {"axis", NT_ATTR_INT, "dimension, 0 is the batch; negative ones count from the end",
        .fallback = 1, .min = -5, .max = 4},
    {"eps", NT_ATTR_FLOAT, "the smallest length divided by", .fallback = 1e-12, .min = 1e-18,
        .max = 1e6},
};

static enum nt_status expand_l2(struct nt_graph *graph, struct nt_node *node)
{
    int x = node->input[0], rank = graph->value[x].shape.rank;
    int axis = (int)nt_attr_int(node, "axis");
    double eps = nt_attr_float(node, "eps");
    if (axis < -rank || axis >= rank)
        return nt_graph_fail(
            graph, NT_ERR_ARGUMENT, "l2_normalize: axis %d: the input has rank %d", axis, rank);
    int square = mean_square(graph, x, axis < 0 ? axis + rank : axis, 1, false);
    int least = nt_graph_number(graph, eps * eps);
    int scale = square < 0 || least < 0
                    ? -1
                    : nt_graph_formula(graph, "rsqrt(max(a, b))", 2, (int[]){square, least});
    if (scale < 0)
        return NT_ERR_MEMORY;
    node->output[0] = nt_graph_formula(graph, "a * b", 2, (int[]){x, scale});
    return node->output[0] < 0 ? NT_ERR_MEMORY : NT_OK;
}

const struct nt_op nt_op_l2_normalize = {
    .name = "l2_normalize",
    .summary = "x / max(|x|, eps), |x| the Euclidean length along a dimension",
    .inputs = "x",
    .outputs = 1,
    .attrs = l2_attrs,
    .attr_count = sizeof l2_attrs / sizeof *l2_attrs,
    .layouts = "a>a",
    .expand = expand_l2,
};
