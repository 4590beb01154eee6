/* SPDX-License-Identifier: MIT
 *
 * Local response normalisation, made of a sum over neighbouring channels and elementwise nodes.
 */
#include "frontend/op/layer.h"

static const struct nt_attr_spec attrs[] = {
    {"size", NT_ATTR_INT, "channels of a neighbourhood", .required = true, .min = 1, .max = 65536},
    {"alpha", NT_ATTR_FLOAT, "weight of the mean square", .fallback = 1e-4},
    {"beta", NT_ATTR_FLOAT, "exponent", .fallback = 0.75},
    {"k", NT_ATTR_FLOAT, "is added", .fallback = 1},
};

static enum nt_status expand(struct nt_graph *graph, struct nt_node *node)
{
    int x = node->input[0], sum;
    int64_t size = nt_attr_int(node, "size");
    char text[128];
    if (graph->value[x].shape.rank < 3)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "local_response_norm: input of shape %s (with the batch): must have rank 3 to 5",
            nt_shape_text(&graph->value[x].shape, text, sizeof text));
    int square = nt_graph_formula(graph, "a * a", 1, &x);
    struct nt_attr window[2] = {
        {.set = true, .number = (double)size}, {.set = true, .number = (double)(size / 2)}};
    if (square < 0)
        return NT_ERR_MEMORY;
    enum nt_status status =
        nt_graph_add(graph, &nt_op_channel_window, NULL, 1, &square, window, &sum);
    if (status != NT_OK)
        return status;
    int in[5] = {x, sum, nt_graph_number(graph, nt_attr_float(node, "k")),
        nt_graph_number(graph, nt_attr_float(node, "alpha") / (double)size),
        nt_graph_number(graph, nt_attr_float(node, "beta"))};
    for (int i = 2; i < 5; i++)
        if (in[i] < 0)
            return NT_ERR_MEMORY;
    node->output[0] = nt_graph_formula(graph, "a / pow(c + d * b, e)", 5, in);
    return node->output[0] < 0 ? NT_ERR_MEMORY : NT_OK;
}

const struct nt_op nt_op_local_response_norm = {
    .name = "local_response_norm",
    .summary = "x / (k + alpha / size sum of x^2 over size neighbouring channels)^beta",
    .source = "Krizhevsky, Sutskever & Hinton, ImageNet classification with deep convolutional "
              "neural networks, NIPS 2012, section 3.3; alpha / size as in PyTorch",
    .inputs = "x",
    .outputs = 1,
    .attrs = attrs,
    .attr_count = sizeof attrs / sizeof *attrs,
    .layouts = "a>a",
    .expand = expand,
};

/* ---- sums over neighbouring channels ---- */

#define VIEWS 15 /* summed in one launch */

static const struct nt_attr_spec window_attrs[] = {
    {"size", NT_ATTR_INT, "channels of a sum", .required = true},
    {"before", NT_ATTR_INT, "of them before the channel itself", .required = true},
};

static enum nt_status window_infer(struct nt_graph *graph, struct nt_node *node)
{
    graph->value[node->output[0]].shape = graph->value[node->input[0]].shape;
    return NT_OK;
}

static enum nt_status window_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    int64_t size = nt_attr_int(node, "size");
    struct nt_attr mirrored[2] = {{.set = true, .number = (double)size},
        {.set = true, .number = (double)(size - 1 - nt_attr_int(node, "before"))}};
    return nt_graph_add(graph, &nt_op_channel_window, NULL, 1, dy, mirrored, dx);
}

/* y = sum of views[0..count), or y + that sum. */
static enum nt_status add_views(struct nt_lowering *lowering, const struct nt_tensor *y, bool first,
    int count, const struct nt_tensor *views)
{
    struct nt_tensor in[VIEWS + 1];
    struct nt_expr *expr = nt_expr_create();
    int inputs = 0;
    if (!expr)
        return nt_fail(lowering->graph->ctx, NT_ERR_MEMORY, "norm: host memory is exhausted");
    if (!first)
        in[inputs++] = *y;
    for (int i = 0; i < count; i++)
        in[inputs++] = views[i];
    int term = nt_expr_input(expr, 0);
    for (int i = 1; i < inputs; i++)
        term = nt_expr_call(expr, NT_FN_add, term, nt_expr_input(expr, i), -1);
    enum nt_status status = nt_map(lowering->tape, expr, 1, &term, y, inputs, in);
    nt_expr_destroy(expr);
    return status;
}

/* The channels are copied between zeros; what is summed are shifted views. */
static enum nt_status window_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]), views[VIEWS];
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    int64_t size = nt_attr_int(node, "size"), channels = x.shape.dim[1];
    int64_t before = nt_attr_int(node, "before"), after = size - 1 - before;
    before = before < channels ? before : channels - 1;
    after = after < channels ? after : channels - 1;
    struct nt_shape shape = x.shape;
    shape.dim[1] += before + after;
    int32_t buffer = nt_tape_buffer(lowering->tape, NT_BUFFER_TRANSIENT,
        (size_t)nt_shape_count(&shape) * sizeof(float), "channels between zeros");
    struct nt_tensor padded =
        nt_tensor_make(buffer, NT_F32, &shape, lowering->graph->value[node->input[0]].layout);
    struct nt_tensor middle = padded;
    middle.shape.dim[1] = channels;
    middle.offset += before * padded.stride[1];
    enum nt_status status = nt_fill(lowering->tape, 0, &padded);
    if (status == NT_OK)
        status = nt_move(lowering->tape, &x, &middle);
    for (int64_t i = 0; status == NT_OK && i < before + 1 + after; i += VIEWS) {
        int count = 0;
        for (int64_t j = i; j < before + 1 + after && count < VIEWS; j++, count++) {
            views[count] = middle;
            views[count].offset = padded.offset + j * padded.stride[1];
        }
        status = add_views(lowering, &y, i == 0, count, views);
    }
    return status;
}

const struct nt_op nt_op_channel_window = {
    .name = "channel_window",
    .summary = "sums over neighbouring channels",
    .inputs = "x",
    .outputs = 1,
    .attrs = window_attrs,
    .attr_count = sizeof window_attrs / sizeof *window_attrs,
    .internal = true,
    .layouts = "a>s",
    .infer = window_infer,
    .gradient = window_gradient,
    .lower = window_lower,
};
