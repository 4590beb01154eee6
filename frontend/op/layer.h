/* SPDX-License-Identifier: MIT
 *
 * What operators with a weight and a bias share: making the parameters, their initial values,
 * checks of ranks.
 */
#ifndef NT_FRONTEND_OP_LAYER_H
#define NT_FRONTEND_OP_LAYER_H

#include "frontend/op.h"

/* The attributes "bias", "init" and "init_std" of every layer. */
#define NT_LAYER_ATTRS                                                                             \
    {"bias", NT_ATTR_BOOL, "add a bias", .fallback = 1},                                           \
        {"init", NT_ATTR_CHOICE, "how the weight starts; pytorch: uniform in +-1/sqrt(fan_in)",    \
            .choices = "pytorch|kaiming_uniform|kaiming_normal|xavier_uniform|xavier_normal|"      \
                       "normal|uniform|zeros"},                                                    \
    {                                                                                              \
        "init_std", NT_ATTR_FLOAT, "deviation (normal) or bound (uniform) of the initial weight",  \
            .fallback = 0.01, .min = 1e-12, .max = 1e6                                             \
    }

/* What the node's parameters are named by: "conv1", or for an unnamed node the operator and a
 * number that is free. */
const char *nt_layer_name(struct nt_graph *graph, struct nt_node *node);

/* Makes input[1] (weight) and, when the bias attribute is on, input[2] unless they were given.
 * fan_in and fan_out as PyTorch counts them. */
enum nt_status nt_layer_parameters(struct nt_graph *graph, struct nt_node *node,
    const struct nt_shape *weight, int64_t bias, int64_t fan_in, int64_t fan_out);

/* The same for a bias that is not one number per channel. */
enum nt_status nt_layer_shaped_parameters(struct nt_graph *graph, struct nt_node *node,
    const struct nt_shape *weight, const struct nt_shape *bias, int64_t fan_in, int64_t fan_out);

/* Sets *shape to a value's shape when it has the rank, else fails naming both. */
enum nt_status nt_layer_rank(struct nt_graph *graph, const struct nt_node *node, int input,
    int rank, struct nt_shape *shape);

/* The gradient of a bias: dy summed over everything but dimension 1. */
int nt_layer_bias_gradient(struct nt_graph *graph, int dy, int bias);

/* For nodes whose output's shape is set by whoever adds them. */
enum nt_status nt_layer_infer_later(struct nt_graph *graph, struct nt_node *node);

/* Adds an internal node with the attributes of another (gradient nodes repeat them). */
enum nt_status nt_layer_add_like(struct nt_graph *graph, const struct nt_op *op,
    const struct nt_node *like, int inputs, const int *input, const struct nt_shape *output,
    int *value);

#endif
