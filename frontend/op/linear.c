/* SPDX-License-Identifier: MIT */
#include "frontend/op/layer.h"

static const struct nt_attr_spec attrs[] = {
    {"features", NT_ATTR_INT, "output features", .required = true, .min = 1, .max = 1 << 24},
    NT_LAYER_ATTRS,
};

static enum nt_status parameters(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_shape x;
    enum nt_status status = nt_layer_rank(graph, node, 0, 2, &x);
    if (status != NT_OK)
        return status;
    int64_t features = nt_attr_int(node, "features");
    return nt_layer_parameters(
        graph, node, &(struct nt_shape){2, {features, x.dim[1]}}, features, x.dim[1], features);
}

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node)
{
    const struct nt_shape *x = &graph->value[node->input[0]].shape;
    struct nt_shape want = {2, {nt_attr_int(node, "features"), x->dim[1]}};
    if (!nt_shape_equal(&graph->value[node->input[1]].shape, &want)) {
        char a[128], b[128];
        return nt_graph_fail(graph, NT_ERR_SHAPE, "linear: weight of shape %s: must be %s",
            nt_shape_text(&graph->value[node->input[1]].shape, a, sizeof a),
            nt_shape_text(&want, b, sizeof b));
    }
    graph->value[node->output[0]].shape = (struct nt_shape){2, {x->dim[0], want.dim[0]}};
    return NT_OK;
}

static enum nt_status add_matmul(
    struct nt_graph *graph, int a, int b, bool transpose_a, bool transpose_b, int *out)
{
    struct nt_attr attr[2] = {
        {.set = true, .number = transpose_a}, {.set = true, .number = transpose_b}};
    return nt_graph_add(graph, &nt_op_matmul, NULL, 2, (int[]){a, b}, attr, out);
}

static enum nt_status gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    enum nt_status status = NT_OK;
    if (want[1])
        status = add_matmul(graph, dy[0], node->input[0], true, false, &dx[1]);
    if (status == NT_OK && node->inputs > 2 && want[2]) {
        dx[2] = nt_layer_bias_gradient(graph, dy[0], node->input[2]);
        status = dx[2] < 0 ? NT_ERR_MEMORY : NT_OK;
    }
    if (status == NT_OK && want[0])
        status = add_matmul(graph, dy[0], node->input[1], false, false, &dx[0]);
    return status;
}

static struct nt_tensor transposed(struct nt_tensor t)
{
    int last = t.shape.rank - 1;
    int64_t dim = t.shape.dim[last], stride = t.stride[last];
    t.shape.dim[last] = t.shape.dim[last - 1];
    t.stride[last] = t.stride[last - 1];
    t.shape.dim[last - 1] = dim;
    t.stride[last - 1] = stride;
    return t;
}

static enum nt_status lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor x = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor w = transposed(nt_lower_tensor(lowering, node->input[1]));
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    struct nt_lower_epilogue epilogue;
    enum nt_status status = nt_lower_get_epilogue(lowering, node, nt_lower_bias(node), &epilogue);
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
    .summary = "x W^T + b by row",
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

/* ---- matmul ---- */

static const struct nt_attr_spec matmul_attrs[] = {
    {"transpose_a", NT_ATTR_BOOL, "use a with its last two dimensions exchanged"},
    {"transpose_b", NT_ATTR_BOOL, "use b with its last two dimensions exchanged"},
};

static enum nt_status matmul_infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_tensor a = {.shape = graph->value[node->input[0]].shape};
    struct nt_tensor b = {.shape = graph->value[node->input[1]].shape};
    char ta[128], tb[128];
    int rank = a.shape.rank;
    if (rank != b.shape.rank || rank < 2 || rank > 3)
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "matmul: shapes %s and %s: must both have rank 2 or 3",
            nt_shape_text(&a.shape, ta, sizeof ta), nt_shape_text(&b.shape, tb, sizeof tb));
    if (nt_attr_bool(node, "transpose_a"))
        a = transposed(a);
    if (nt_attr_bool(node, "transpose_b"))
        b = transposed(b);
    if (a.shape.dim[rank - 1] != b.shape.dim[rank - 2] ||
        (rank == 3 && a.shape.dim[0] != b.shape.dim[0]))
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "matmul: %s times %s: inner and batch extents must agree",
            nt_shape_text(&a.shape, ta, sizeof ta), nt_shape_text(&b.shape, tb, sizeof tb));
    a.shape.dim[rank - 1] = b.shape.dim[rank - 1];
    graph->value[node->output[0]].shape = a.shape;
    return NT_OK;
}

/* Y = op(A) op(B): dA = dY op(B)^T and dB = op(A)^T dY, transposed again where op transposes. */
static enum nt_status matmul_gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    bool ta = nt_attr_bool(node, "transpose_a"), tb = nt_attr_bool(node, "transpose_b");
    int a = node->input[0], b = node->input[1];
    enum nt_status status = NT_OK;
    if (want[0])
        status = ta ? add_matmul(graph, b, dy[0], tb, true, &dx[0])
                    : add_matmul(graph, dy[0], b, false, !tb, &dx[0]);
    if (status == NT_OK && want[1])
        status = tb ? add_matmul(graph, dy[0], a, true, ta, &dx[1])
                    : add_matmul(graph, a, dy[0], !ta, false, &dx[1]);
    return status;
}

static enum nt_status matmul_lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor a = nt_lower_tensor(lowering, node->input[0]);
    struct nt_tensor b = nt_lower_tensor(lowering, node->input[1]);
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    if (nt_attr_bool(node, "transpose_a"))
        a = transposed(a);
    if (nt_attr_bool(node, "transpose_b"))
        b = transposed(b);
    struct nt_lower_epilogue epilogue;
    enum nt_status status = nt_lower_get_epilogue(lowering, node, -1, &epilogue);
    if (status == NT_OK)
        status = nt_gemm(lowering->tape, &a, &b, &y, &epilogue.epilogue);
    nt_lower_release(&epilogue);
    return status;
}

static double matmul_macs(const struct nt_graph *graph, const struct nt_node *node)
{
    const struct nt_shape *a = &graph->value[node->input[0]].shape;
    int64_t k = a->dim[a->rank - (nt_attr_bool(node, "transpose_a") ? 2 : 1)];
    return (double)k * (double)nt_shape_count(&graph->value[node->output[0]].shape);
}

const struct nt_op nt_op_matmul = {
    .name = "matmul",
    .summary = "matrix product a b, of rank 2 or batched of rank 3",
    .inputs = "a b",
    .outputs = 1,
    .attrs = matmul_attrs,
    .attr_count = sizeof matmul_attrs / sizeof *matmul_attrs,
    .layouts = "rr>r",
    .infer = matmul_infer,
    .gradient = matmul_gradient,
    .lower = matmul_lower,
    .epilogue = true,
    .macs = matmul_macs,
};
