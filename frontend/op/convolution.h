/* SPDX-License-Identifier: MIT
 *
 * What the convolutions share: attributes, geometry, and the nodes of their gradients, which carry
 * the geometry in numbers.
 */
#ifndef NT_FRONTEND_OP_CONVOLUTION_H
#define NT_FRONTEND_OP_CONVOLUTION_H

#include "frontend/op/layer.h"
#include "frontend/op/window.h"

#define NT_CONVOLUTION_ATTRS(dims)                                                                 \
    {"channels", NT_ATTR_INT, "output channels", .required = true, .min = 1, .max = 1 << 20},      \
        {"kernel", NT_ATTR_INTS, "extents of the kernel", .required = true, .min = 1,              \
            .max = 1 << 16, .count = (dims)},                                                      \
        {"stride", NT_ATTR_INTS, "step in pixels", .fallback = 1, .min = 1, .max = 1 << 16,        \
            .count = (dims)},                                                                      \
        NT_WINDOW_PADDING("zeros around: one number, one per dimension, {top, left, bottom, "      \
                          "right}, or a word"),                                                    \
    {                                                                                              \
        "dilation", NT_ATTR_INTS, "distance of kernel taps", .fallback = 1, .min = 1,              \
                                                             .max = 1 << 16, .count = (dims)       \
    }
#define NT_CONVOLUTION_GROUPS                                                                      \
    {                                                                                              \
        "groups", NT_ATTR_INT, "channels are split into groups that do not mix",                   \
            .fallback = 1, .min = 1, .max = 1 << 20                                                \
    }

/* Spatial dimensions of the operator, 1 to 3. */
int nt_convolution_dims(const struct nt_op *op);

/* Fails unless x has the operator's rank and the groups divide its channels and the output's. */
enum nt_status nt_convolution_check_input(
    struct nt_graph *graph, const struct nt_node *node, struct nt_shape *x);

/* Fails unless input 1, "weight", and input 2, "bias", if there is one, have these shapes. */
enum nt_status nt_convolution_check_parameters(struct nt_graph *graph, const struct nt_node *node,
    const struct nt_shape *weight, const struct nt_shape *bias);

/* The shape of a convolution of x. */
enum nt_status nt_convolution_shape(struct nt_graph *graph, const struct nt_node *node,
    const struct nt_shape *x, struct nt_shape *y);

/* The geometry of a node whose attributes were checked, on an input of these extents. */
struct nt_conv nt_convolution_geometry(const struct nt_node *node, const int64_t *in);

/* dilation (kernel - 1) + 1 of each dimension. */
void nt_convolution_reach(const struct nt_node *node, int64_t reach[3]);

/* kernel taps times channels */
int64_t nt_convolution_fan(const struct nt_node *node, int64_t channels);

/* The gradient by the bias of a convolution with one bias per channel, when it is wanted. */
enum nt_status nt_convolution_bias_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx);

/* ---- gradient nodes: two inputs, the attributes below ---- */

extern const struct nt_attr_spec nt_convolution_pass_attrs[];
enum { NT_CONVOLUTION_PASS_ATTRS = 6 };

/* tile: kernels per direction of a tiled convolution, NULL for others. */
enum nt_status nt_convolution_add_pass(struct nt_graph *graph, const struct nt_op *op,
    const struct nt_conv *conv, const int64_t *tile, int a, int b, const struct nt_shape *output,
    int *value);

struct nt_conv nt_convolution_pass(const struct nt_node *node);

/* ---- lowering ---- */

/* nt_conv_forward or nt_conv_backward_data. */
typedef enum nt_status nt_convolution_primitive(struct nt_tape *tape, const struct nt_conv *conv,
    const struct nt_tensor *a, const struct nt_tensor *b, const struct nt_tensor *out,
    const struct nt_epilogue *epilogue);

/* Calls the primitive on the node's two inputs and its output, with its bias and what follows. */
enum nt_status nt_convolution_lower(struct nt_lowering *lowering, const struct nt_node *node,
    const struct nt_conv *conv, nt_convolution_primitive *primitive);

#endif
