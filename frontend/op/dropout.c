/* SPDX-License-Identifier: MIT
 *
 * Operators that drop parts of their input in training and are the identity otherwise. Their random
 * numbers are made in the elementwise kernels that use them, forward and backward: no mask is
 * stored.
 */
#include <math.h>

#include "frontend/op.h"

static const struct nt_attr_spec attrs[] = {
    {"p", NT_ATTR_FLOAT, "probability to drop", .fallback = 0.5, .min = 0, .max = 1},
};

/* Dimensions from `kept` on share the numbers of those before. */
static int random_numbers(struct nt_graph *graph, int x, int kept)
{
    struct nt_shape shape = graph->value[x].shape;
    for (int i = kept; i < shape.rank; i++)
        shape.dim[i] = 1;
    return nt_graph_uniform(graph, &shape);
}

/* y = x / (1 - p), or 0 with probability p for all elements of one index of the first `kept`
 * dimensions. */
static enum nt_status drop(struct nt_graph *graph, struct nt_node *node, int kept)
{
    double p = nt_attr_float(node, "p");
    int x = node->input[0];
    node->output[0] = x;
    if (!graph->training || p == 0)
        return NT_OK;
    int u = random_numbers(graph, x, kept);
    int limit = nt_graph_number(graph, p);
    int scale = nt_graph_number(graph, p < 1 ? 1 / (1 - p) : 0);
    if (u < 0 || limit < 0 || scale < 0)
        return NT_ERR_MEMORY;
    node->output[0] =
        nt_graph_formula(graph, "select(b < c, 0, a * d)", 4, (int[]){x, u, limit, scale});
    return node->output[0] < 0 ? NT_ERR_MEMORY : NT_OK;
}

static enum nt_status expand_elements(struct nt_graph *graph, struct nt_node *node)
{
    return drop(graph, node, NT_MAX_RANK);
}

static enum nt_status expand_items(struct nt_graph *graph, struct nt_node *node)
{
    if (graph->value[node->input[0]].shape.rank == 0)
        return nt_graph_fail(graph, NT_ERR_SHAPE, "drop_path: a scalar: must have a batch");
    return drop(graph, node, 1);
}

static enum nt_status expand_channels(struct nt_graph *graph, struct nt_node *node)
{
    char text[128];
    const struct nt_shape *shape = &graph->value[node->input[0]].shape;
    int rank = node->op == &nt_op_dropout1d ? 3 : node->op == &nt_op_dropout2d ? 4 : 5;
    if (shape->rank != rank)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "%s: input of shape %s (with the batch): must have rank %d", node->op->name,
            nt_shape_text(shape, text, sizeof text), rank);
    return drop(graph, node, 2);
}

/* What is dropped becomes the value that SELU tends to, -1.758; scale and offset bring mean and
 * variance back to 0 and 1. */
static enum nt_status expand_alpha(struct nt_graph *graph, struct nt_node *node)
{
    const double saturation = -1.7580993408473766;
    double p = nt_attr_float(node, "p");
    int x = node->input[0];
    node->output[0] = x;
    if (!graph->training || p == 0)
        return NT_OK;
    double scale = p < 1 ? 1 / sqrt((1 - p) * (1 + p * saturation * saturation)) : 0;
    double offset = -scale * saturation * p;
    int in[5] = {x, random_numbers(graph, x, NT_MAX_RANK), nt_graph_number(graph, p),
        nt_graph_number(graph, scale), nt_graph_number(graph, offset)};
    for (int i = 0; i < 5; i++)
        if (in[i] < 0)
            return NT_ERR_MEMORY;
    node->output[0] =
        nt_graph_formula(graph, "d * select(b < c, -1.7580993408473766, a) + e", 5, in);
    return node->output[0] < 0 ? NT_ERR_MEMORY : NT_OK;
}

#define DROPOUT(stem, text, from, function)                                                        \
    const struct nt_op nt_op_##stem = {                                                            \
        .name = #stem,                                                                             \
        .summary = text,                                                                           \
        .source = from,                                                                            \
        .inputs = "x",                                                                             \
        .outputs = 1,                                                                              \
        .attrs = attrs,                                                                            \
        .attr_count = sizeof attrs / sizeof *attrs,                                                \
        .layouts = "a>a",                                                                          \
        .expand = function,                                                                        \
    };

#define SPATIAL                                                                                    \
    "Tompson et al., Efficient object localization using convolutional networks, CVPR 2015"

DROPOUT(dropout, "training: each element is 0 with probability p, else x / (1 - p); otherwise x",
    "Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR "
    "2014",
    expand_elements)
DROPOUT(dropout1d, "dropout of whole channels of N,C,L", SPATIAL, expand_channels)
DROPOUT(dropout2d, "dropout of whole channels of N,C,H,W", SPATIAL, expand_channels)
DROPOUT(dropout3d, "dropout of whole channels of N,C,D,H,W", SPATIAL, expand_channels)
DROPOUT(drop_path, "dropout of whole items of the batch: stochastic depth for a residual branch",
    "Huang et al., Deep networks with stochastic depth, ECCV 2016", expand_items)
DROPOUT(alpha_dropout,
    "training: a x + b, or a (-1.758) + b with probability p, which keeps mean 0 and variance 1; "
    "otherwise x",
    "Klambauer et al., Self-normalizing neural networks, NIPS 2017", expand_alpha)
