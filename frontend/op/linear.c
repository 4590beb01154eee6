/* SPDX-License-Identifier: MIT */
#include "frontend/op/compose.h"
#include "frontend/op/layer.h"
#include "frontend/op/matmul.h"

static const struct nt_attr_spec attrs[] = {
    {"features", NT_ATTR_INT, "output features", .required = true, .min = 1, .max = 1 << 24},
    NT_LAYER_ATTRS,
};

/* The input's elements as rows of its last dimension. */
static struct nt_shape rows_of(const struct nt_shape *x)
{
    int64_t features = x->dim[x->rank - 1];
    return (struct nt_shape){2, {nt_shape_count(x) / features, features}};
}

static enum nt_status parameters(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_shape *x = &graph->value[node->input[0]].shape;
    if (x->rank == 0)
        return nt_graph_fail(
            graph, NT_ERR_SHAPE, "linear: a scalar: must have at least one dimension");
    int64_t features = nt_attr_int(node, "features"), in = x->dim[x->rank - 1];
    return nt_layer_parameters(
        graph, node, &(struct nt_shape){2, {features, in}}, features, in, features);
}

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape y = graph->value[node->input[0]].shape;
    struct nt_shape want = {2, {nt_attr_int(node, "features"), y.dim[y.rank - 1]}};
    if (!nt_shape_equal(&graph->value[node->input[1]].shape, &want)) {
        char a[128], b[128];
        return nt_graph_fail(graph, NT_ERR_SHAPE, "linear: weight of shape %s: must be %s",
            nt_shape_text(&graph->value[node->input[1]].shape, a, sizeof a),
            nt_shape_text(&want, b, sizeof b));
    }
    y.dim[y.rank - 1] = want.dim[0];
    graph->value[node->output[0]].shape = y;
    return NT_OK;
}

static enum nt_status gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    struct nt_shape shape = graph->value[node->input[0]].shape, rows = rows_of(&shape);
    int x = nt_compose_reshape(graph, node->input[0], &rows);
    rows.dim[1] = nt_attr_int(node, "features");
    int g = nt_compose_reshape(graph, dy[0], &rows);
    if (x < 0 || g < 0)
        return graph->failure;
    bool bias = node->inputs > 2 && want[2];
    if (want[1])
        dx[1] = nt_matmul_add(graph, g, x, true, false);
    if (bias)
        dx[2] = nt_layer_bias_gradient(graph, g, node->input[2]);
    if (want[0])
        dx[0] = nt_compose_reshape(
            graph, nt_matmul_add(graph, g, node->input[1], false, false), &shape);
    bool failed = (want[0] && dx[0] < 0) || (want[1] && dx[1] < 0) || (bias && dx[2] < 0);
    return failed ? graph->failure : NT_OK;
}

static enum nt_status lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor w = nt_matmul_transposed(nt_lower_tensor(lowering, node->input[1]));
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    struct nt_shape x_rows = rows_of(&x.shape), y_rows = rows_of(&y.shape);
    struct nt_lower_epilogue epilogue;
    enum nt_status status = nt_lower_get_epilogue(lowering, node, nt_lower_bias(node), &epilogue);
    nt_lower_fold(&x, &x_rows);
    nt_lower_fold(&y, &y_rows);
    for (int i = 0; i < epilogue.epilogue.inputs; i++)
        nt_lower_fold(&epilogue.in[i], &y_rows);
    if (status == NT_OK)
        status = nt_gemm(lowering->tape, &x, &w, &y, &epilogue.epilogue);
    nt_lower_release(&epilogue);
    return status;
}

static double macs(const struct nt_graph *graph, const struct nt_node *node)
{
    return (double)nt_shape_count(&graph->value[node->input[0]].shape) *
           nt_attr_float(node, "features");
}

const struct nt_op nt_op_linear = {
    .name = "linear",
    .summary = "x W^T + b along the last dimension",
    .shapes = "x N,I, weight O,I, bias O; result N,O",
    .inputs = "x weight? bias?",
    .outputs = 1,
    .attrs = attrs,
    .attr_count = sizeof attrs / sizeof *attrs,
    .layouts = "rra>r",
    .parameters = parameters,
    .infer = infer,
    .gradient = gradient,
    .lower = lower,
    .epilogue = true,
    .macs = macs,
};
