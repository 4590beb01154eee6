/* SPDX-License-Identifier: MIT */
#include "frontend/op/layer.h"

#include <math.h>
#include <string.h>

enum {
    PYTORCH,
    KAIMING_UNIFORM,
    KAIMING_NORMAL,
    XAVIER_UNIFORM,
    XAVIER_NORMAL,
    NORMAL,
    UNIFORM,
    ZEROS
};

/* He et al., Delving deep into rectifiers, ICCV 2015 (kaiming, gain sqrt 2); Glorot & Bengio,
 * Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010. */
static struct nt_init weight_init(const struct nt_node *node, double fan_in, double fan_out)
{
    double std = nt_attr_float(node, "init_std");
    switch (nt_attr_int(node, "init")) {
    case KAIMING_UNIFORM:
        return (struct nt_init){NT_INIT_UNIFORM, sqrt(6 / fan_in)};
    case KAIMING_NORMAL:
        return (struct nt_init){NT_INIT_NORMAL, sqrt(2 / fan_in)};
    case XAVIER_UNIFORM:
        return (struct nt_init){NT_INIT_UNIFORM, sqrt(6 / (fan_in + fan_out))};
    case XAVIER_NORMAL:
        return (struct nt_init){NT_INIT_NORMAL, sqrt(2 / (fan_in + fan_out))};
    case NORMAL:
        return (struct nt_init){NT_INIT_NORMAL, std};
    case UNIFORM:
        return (struct nt_init){NT_INIT_UNIFORM, std};
    case ZEROS:
        return (struct nt_init){NT_INIT_CONSTANT, 0};
    default:
        return (struct nt_init){NT_INIT_UNIFORM, 1 / sqrt(fan_in)};
    }
}

static bool is_taken(struct nt_graph *graph, const char *base)
{
    static const char *const parts[] = {"weight", "running_mean"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (nt_graph_find(graph, nt_graph_string(graph, "%s.%s", base, parts[i])) >= 0)
            return true;
    return false;
}

const char *nt_layer_name(struct nt_graph *graph, struct nt_node *node)
{
    if (*node->name)
        return node->name;
    for (int i = 1;; i++) {
        const char *base = nt_graph_string(graph, "%s%s_%d", graph->scope, node->op->name, i);
        if (!*base || !is_taken(graph, base)) {
            node->name = base;
            return base;
        }
    }
}

enum nt_status nt_layer_parameters(struct nt_graph *graph, struct nt_node *node,
    const struct nt_shape *weight, int64_t bias, int64_t fan_in, int64_t fan_out)
{
    return nt_layer_shaped_parameters(
        graph, node, weight, &(struct nt_shape){1, {bias}}, fan_in, fan_out);
}

enum nt_status nt_layer_shaped_parameters(struct nt_graph *graph, struct nt_node *node,
    const struct nt_shape *weight, const struct nt_shape *bias, int64_t fan_in, int64_t fan_out)
{
    const char *base = nt_layer_name(graph, node);
    enum nt_status status = NT_OK;
    if (node->input[1] < 0)
        status =
            nt_graph_parameter(graph, nt_graph_string(graph, "%s.weight", base), NT_VALUE_PARAMETER,
                weight, weight_init(node, (double)fan_in, (double)fan_out), &node->input[1]);
    if (status == NT_OK && node->input[2] < 0 && nt_attr_bool(node, "bias")) {
        bool pytorch = nt_attr_int(node, "init") == PYTORCH;
        struct nt_init init = {NT_INIT_CONSTANT, 0};
        if (pytorch)
            init = (struct nt_init){NT_INIT_UNIFORM, 1 / sqrt((double)fan_in)};
        status = nt_graph_parameter(graph, nt_graph_string(graph, "%s.bias", base),
            NT_VALUE_PARAMETER, bias, init, &node->input[2]);
    }
    node->inputs = node->input[2] >= 0 ? 3 : 2;
    return status;
}

enum nt_status nt_layer_rank(
    struct nt_graph *graph, const struct nt_node *node, int input, int rank, struct nt_shape *shape)
{
    char text[128];
    *shape = graph->value[node->input[input]].shape;
    if (shape->rank == rank)
        return NT_OK;
    return nt_graph_fail(graph, NT_ERR_SHAPE,
        "%s: input of shape %s (with the batch): must have rank %d", node->op->name,
        nt_shape_text(shape, text, sizeof text), rank);
}

int nt_layer_bias_gradient(struct nt_graph *graph, int dy, int bias)
{
    const struct nt_shape *shape = &graph->value[dy].shape;
    struct nt_shape kept = {.rank = shape->rank};
    for (int i = 0; i < kept.rank; i++)
        kept.dim[i] = i == 1 ? shape->dim[1] : 1;
    int sum = nt_graph_sum_to(graph, dy, &kept);
    if (sum < 0)
        return -1;
    struct nt_attr to = {.set = true, .count = 1, .ints = {graph->value[bias].shape.dim[0]}};
    int view;
    return nt_graph_add(graph, &nt_op_reshape, NULL, 1, &sum, &to, &view) == NT_OK ? view : -1;
}

enum nt_status nt_layer_infer_later(struct nt_graph *graph, struct nt_node *node)
{
    return NT_OK;
}

enum nt_status nt_layer_add_like(struct nt_graph *graph, const struct nt_op *op,
    const struct nt_node *like, int inputs, const int *input, const struct nt_shape *output,
    int *value)
{
    struct nt_attr attr[16];
    struct nt_shape shape = *output; /* a value's, and values move when one is added */
    memcpy(attr, like->attr, (size_t)op->attr_count * sizeof *attr);
    for (int i = 0; i < op->attr_count; i++)
        attr[i].set = true;
    enum nt_status status = nt_graph_add(graph, op, NULL, inputs, input, attr, value);
    if (status == NT_OK)
        graph->value[*value].shape = shape;
    return status;
}
