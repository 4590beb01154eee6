/* SPDX-License-Identifier: MIT
 *
 * Pooling that is made of other operators: by a norm, and over everything.
 */
#include "frontend/op.h"
#include "frontend/op/window.h"

#include <stdio.h>
#include <string.h>

#define LP_ATTRS(dims)                                                                             \
    {"kernel", NT_ATTR_INTS, "size of the window", .required = true, .min = 1, .max = 1 << 16,     \
        .count = dims},                                                                            \
        {"stride", NT_ATTR_INTS, "step in elements; 0: the kernel's size", .max = 1 << 16,         \
            .count = dims},                                                                        \
        NT_WINDOW_PADDING("zeros before and after, less than the window: one number, one per "     \
                          "dimension, before each and after each ({top, left, bottom, right}), "   \
                          "or a word"),                                                            \
        {"ceil_mode", NT_ATTR_BOOL,                                                                \
            "round the output size up; the sum of a window that is cut off counts in proportion"}, \
        {"dilation", NT_ATTR_INTS, "distance of the window's elements", .fallback = 1, .min = 1,   \
            .max = 1 << 16, .count = dims},                                                        \
    {                                                                                              \
        "norm_type", NT_ATTR_FLOAT, "p", .fallback = 2, .min = 1e-3, .max = 1e3                    \
    }

/* The mean of |x|^p over each window, times the window's size, to the power 1/p. */
static enum nt_status expand(
    struct nt_graph *graph, struct nt_node *node, const struct nt_op *average)
{
    char text[256];
    struct nt_attr attr[16] = {{0}};
    double p = nt_attr_float(node, "norm_type"), size = 1;
    for (int i = 0; i < node->op->attrs[0].count; i++)
        size *= (double)nt_attr_ints(node, "kernel")[i];
    for (int i = 0; i < node->op->attr_count; i++) {
        int to = nt_attr_index(average, node->op->attrs[i].name);
        if (to < 0)
            continue;
        attr[to] = node->attr[i];
        attr[to].set = true;
    }
    snprintf(text, sizeof text, "pow(abs(a), %.17g)", p);
    int power = nt_graph_formula(graph, p == 2 ? "a * a" : text, 1, node->input), mean;
    if (power < 0)
        return NT_ERR_MEMORY;
    enum nt_status status = nt_graph_add(graph, average, NULL, 1, &power, attr, &mean);
    if (status != NT_OK)
        return status;
    /* A window of zeros has no gradient. */
    snprintf(text, sizeof text, "select(a > 0, pow(%.17g * a, %.17g), 0)", size, 1 / p);
    node->output[0] = nt_graph_formula(graph, text, 1, &mean);
    return node->output[0] < 0 ? NT_ERR_MEMORY : NT_OK;
}

#define LP_POOL(dims, text)                                                                        \
    static const struct nt_attr_spec attrs_##dims[] = {LP_ATTRS(dims)};                            \
    static enum nt_status expand_##dims(struct nt_graph *graph, struct nt_node *node)              \
    {                                                                                              \
        return expand(graph, node, &nt_op_avg_pool##dims##d);                                      \
    }                                                                                              \
    const struct nt_op nt_op_lp_pool##dims##d = {                                                  \
        .name = "lp_pool" #dims "d",                                                               \
        .summary = "p-norm of each window: (sum of |x|^p)^(1/p)",                                  \
        .shapes = "x N,C," text "; result as many windows",                                        \
        .source = "Sermanet, Chintala & LeCun, Convolutional neural networks applied to house "    \
                  "numbers digit classification, ICPR 2012",                                       \
        .inputs = "x",                                                                             \
        .outputs = 1,                                                                              \
        .attrs = attrs_##dims,                                                                     \
        .attr_count = sizeof attrs_##dims / sizeof *attrs_##dims,                                  \
        .layouts = "l>l",                                                                          \
        .expand = expand_##dims,                                                                   \
    };

LP_POOL(1, "W")
LP_POOL(2, "H,W")
LP_POOL(3, "D,H,W")

/* A reduction over all dimensions but the first two, which are kept with extent 1. */
static enum nt_status expand_global(
    struct nt_graph *graph, struct nt_node *node, const struct nt_op *reduction)
{
    struct nt_shape x = graph->value[node->input[0]].shape;
    char text[128];
    if (x.rank < 3)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "%s: input of shape %s: must have rank 3 at least", node->op->name,
            nt_shape_text(&x, text, sizeof text));
    struct nt_attr attr[16] = {{0}};
    struct nt_attr *axes = &attr[nt_attr_index(reduction, "axes")];
    struct nt_attr *keep = &attr[nt_attr_index(reduction, "keepdims")];
    *keep = (struct nt_attr){.set = true, .number = 1};
    axes->set = true;
    for (int i = 2; i < x.rank; i++)
        axes->ints[axes->count++] = i;
    return nt_graph_add(graph, reduction, NULL, 1, node->input, attr, node->output);
}

static enum nt_status expand_global_max(struct nt_graph *graph, struct nt_node *node)
{
    return expand_global(graph, node, &nt_op_max);
}

static enum nt_status expand_global_avg(struct nt_graph *graph, struct nt_node *node)
{
    return expand_global(graph, node, &nt_op_mean);
}

const struct nt_op nt_op_global_max_pool = {
    .name = "global_max_pool",
    .shapes = "x N,C,...; result N,C,1,...",
    .summary = "largest element of each channel, whose extents become 1; ties share the gradient",
    .inputs = "x",
    .outputs = 1,
    .layouts = "a>r",
    .expand = expand_global_max,
};

const struct nt_op nt_op_global_avg_pool = {
    .name = "global_avg_pool",
    .shapes = "x N,C,...; result N,C,1,...",
    .summary = "mean of each channel, whose extents become 1",
    .source = "Lin, Chen & Yan, Network in network, ICLR 2014",
    .inputs = "x",
    .outputs = 1,
    .layouts = "a>r",
    .expand = expand_global_avg,
};
