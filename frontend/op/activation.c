/* SPDX-License-Identifier: MIT
 *
 * Activations that are more than one expression of their input: with parameters, or of several
 * channels.
 */
#include "frontend/op/compose.h"

/* ---- prelu ---- */

static const struct nt_attr_spec prelu_attrs[] = {
    {"channels", NT_ATTR_BOOL, "one slope for each channel (dimension 1), not one for all"},
    {"init", NT_ATTR_FLOAT, "initial slope", .fallback = 0.25},
};

static enum nt_status prelu_parameters(struct nt_graph *graph, struct nt_node *node)
{
    if (node->input[1] >= 0)
        return NT_OK;
    struct nt_shape x = graph->value[node->input[0]].shape, shape = {1, {1}};
    if (nt_attr_bool(node, "channels") && x.rank > 1)
        shape.dim[0] = x.dim[1];
    struct nt_init init = {NT_INIT_CONSTANT, nt_attr_float(node, "init")};
    const char *name = nt_graph_string(graph, "%s.weight", node->name);
    for (int i = 1; !*node->name && (i == 1 || nt_graph_find(graph, name) >= 0); i++)
        name = nt_graph_string(graph, "%sprelu_%d.weight", graph->scope, i);
    return nt_graph_parameter(graph, name, NT_VALUE_PARAMETER, &shape, init, &node->input[1]);
}

static enum nt_status prelu_expand(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape x = graph->value[node->input[0]].shape;
    struct nt_shape slopes = graph->value[node->input[1]].shape;
    char a[128], b[128];
    int64_t channels = x.rank > 1 ? x.dim[1] : 1;
    int slope = node->input[1];
    if (slopes.rank == 1 && slopes.dim[0] == channels) {
        struct nt_shape wide = {.rank = x.rank > 1 ? x.rank - 1 : 1, .dim = {channels, 1, 1, 1, 1}};
        slope = nt_compose_reshape(graph, slope, &wide);
    } else if (nt_shape_count(&slopes) != 1) {
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "prelu: slopes of shape %s for %s: must be 1 or one for each channel",
            nt_shape_text(&slopes, a, sizeof a), nt_shape_text(&x, b, sizeof b));
    }
    int y = slope < 0 ? -1
                      : nt_graph_formula(
                            graph, "select(a > 0, a, b * a)", 2, (int[]){node->input[0], slope});
    return nt_compose_end(graph, node, y);
}

const struct nt_op nt_op_prelu = {
    .name = "prelu",
    .summary = "a, or weight a below 0; the slopes are trained",
    .source = "He et al., Delving deep into rectifiers, ICCV 2015",
    .shapes = "a of any shape, weight 1 or C; result as a",
    .inputs = "a weight?",
    .outputs = 1,
    .attrs = prelu_attrs,
    .attr_count = sizeof prelu_attrs / sizeof *prelu_attrs,
    .layouts = "a>a",
    .parameters = prelu_parameters,
    .expand = prelu_expand,
};

/* ---- maxout ---- */

static const struct nt_attr_spec maxout_attrs[] = {
    {"pieces", NT_ATTR_INT, "neighbouring channels of which the largest is kept", .required = true,
        .min = 1, .max = 1 << 20},
    {"axis", NT_ATTR_INT, "of the channels", .fallback = 1, .min = -5, .max = 4},
};

static enum nt_status maxout_expand(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape shape = graph->value[node->input[0]].shape,
                    view = {.rank = 4, .dim = {1, 1, 1, 1}};
    int64_t pieces = nt_attr_int(node, "pieces");
    int axis;
    enum nt_status status =
        nt_compose_axis(graph, node, nt_attr_int(node, "axis"), shape.rank, &axis);
    if (status != NT_OK)
        return status;
    if (shape.dim[axis] % pieces != 0)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "maxout: %lld channels in pieces of %lld: must divide evenly",
            (long long)shape.dim[axis], (long long)pieces);
    shape.dim[axis] /= pieces;
    view.dim[1] = shape.dim[axis];
    view.dim[2] = pieces;
    for (int i = 0; i < shape.rank; i++)
        if (i != axis)
            view.dim[i < axis ? 0 : 3] *= shape.dim[i];
    int y = nt_compose_reshape(graph, node->input[0], &view);
    y = y < 0 ? -1 : nt_compose_reduce(graph, &nt_op_max, y, 1u << 2, false);
    return nt_compose_end(graph, node, nt_compose_reshape(graph, y, &shape));
}

const struct nt_op nt_op_maxout = {
    .name = "maxout",
    .summary = "largest of each group of neighbouring channels",
    .source = "Goodfellow et al., Maxout networks, ICML 2013",
    .shapes = "x N,C,...; result N,C/pieces,...",
    .inputs = "x",
    .outputs = 1,
    .attrs = maxout_attrs,
    .attr_count = sizeof maxout_attrs / sizeof *maxout_attrs,
    .layouts = "r>r",
    .expand = maxout_expand,
};
