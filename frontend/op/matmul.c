/* SPDX-License-Identifier: MIT
 *
 * Matrix products of any rank, as NumPy's matmul.
 */
#include <string.h>

#include "frontend/op/compose.h"
#include "frontend/op/matmul.h"

static const struct nt_attr_spec attrs[] = {
    {"transpose_a", NT_ATTR_BOOL, "use a with its last two dimensions exchanged"},
    {"transpose_b", NT_ATTR_BOOL, "use b with its last two dimensions exchanged"},
};

struct nt_tensor nt_matmul_transposed(struct nt_tensor t)
{
    int last = t.shape.rank - 1;
    int64_t dim = t.shape.dim[last], stride = t.stride[last];
    t.shape.dim[last] = t.shape.dim[last - 1];
    t.stride[last] = t.stride[last - 1];
    t.shape.dim[last - 1] = dim;
    t.stride[last - 1] = stride;
    return t;
}

/* Operand 0 or 1 as matrices: a vector is a row on the left and a column on the right. */
static struct nt_tensor matrices(const struct nt_node *node, struct nt_tensor t, int operand)
{
    if (t.shape.rank == 1) {
        int row = operand == 0;
        t.shape = (struct nt_shape){2, {row ? 1 : t.shape.dim[0], row ? t.shape.dim[0] : 1}};
        t.stride[row] = t.stride[0];
        t.stride[!row] = row ? t.shape.dim[1] : 1;
        if (!row)
            t.stride[0] = 1;
        return t;
    }
    return node->attr[operand].number != 0 ? nt_matmul_transposed(t) : t;
}

static bool is_transposed(const struct nt_graph *graph, const struct nt_node *node, int operand)
{
    return node->attr[operand].number != 0 && graph->value[node->input[operand]].shape.rank > 1;
}

/* The result with both of its last dimensions, batches in front. False: they do not fit. */
static bool full_shape(const struct nt_shape *a, const struct nt_shape *b, struct nt_shape *y)
{
    struct nt_shape lead_a = *a, lead_b = *b;
    lead_a.rank -= 2;
    lead_b.rank -= 2;
    if (a->dim[a->rank - 1] != b->dim[b->rank - 2] || !nt_shape_broadcast(&lead_a, &lead_b, y))
        return false;
    y->dim[y->rank++] = a->dim[a->rank - 2];
    y->dim[y->rank++] = b->dim[b->rank - 1];
    return true;
}

static enum nt_status infer(struct nt_graph *graph, struct nt_node *node)
{
    struct nt_tensor in[2];
    struct nt_shape full, y = {0};
    char a[128], b[128];
    for (int i = 0; i < 2; i++) {
        const struct nt_value *value = &graph->value[node->input[i]];
        if (value->shape.rank == 0)
            return nt_graph_fail(
                graph, NT_ERR_SHAPE, "matmul: a scalar: must have at least one dimension");
        in[i] = matrices(node, nt_tensor_make(0, value->dtype, &value->shape, NT_ROW_MAJOR), i);
    }
    if (!full_shape(&in[0].shape, &in[1].shape, &full))
        return nt_graph_fail(graph, NT_ERR_SHAPE,
            "matmul: %s times %s: inner extents must agree, batches must broadcast",
            nt_shape_text(&in[0].shape, a, sizeof a), nt_shape_text(&in[1].shape, b, sizeof b));
    for (int i = 0; i < full.rank; i++) {
        bool vector = (i == full.rank - 2 && graph->value[node->input[0]].shape.rank == 1) ||
                      (i == full.rank - 1 && graph->value[node->input[1]].shape.rank == 1);
        if (!vector)
            y.dim[y.rank++] = full.dim[i];
    }
    graph->value[node->output[0]].shape = y;
    return NT_OK;
}

int nt_matmul_add(struct nt_graph *graph, int a, int b, bool transpose_a, bool transpose_b)
{
    struct nt_attr attr[2] = {
        {.set = true, .number = transpose_a}, {.set = true, .number = transpose_b}};
    int y;
    if (a < 0 || b < 0)
        return -1;
    return nt_graph_add(graph, &nt_op_matmul, NULL, 2, (int[]){a, b}, attr, &y) == NT_OK ? y : -1;
}

/* A value of rank over 2 as one matrix. */
static int as_rows(struct nt_graph *graph, int value)
{
    struct nt_shape shape = graph->value[value].shape;
    int64_t columns = shape.dim[shape.rank - 1];
    return nt_compose_reshape(
        graph, value, &(struct nt_shape){2, {nt_shape_count(&shape) / columns, columns}});
}

/* Y = op(A) op(B): dA = dY op(B)^T and dB = op(A)^T dY, transposed again where op transposes, and
 * summed over the batches that an operand was repeated for. */
static enum nt_status gradient(
    struct nt_graph *graph, const struct nt_node *node, const int *dy, const bool *want, int *dx)
{
    bool ta = is_transposed(graph, node, 0), tb = is_transposed(graph, node, 1);
    struct nt_shape given[2], shape[2], full;
    int in[2], g;
    for (int i = 0; i < 2; i++) {
        given[i] = graph->value[node->input[i]].shape;
        struct nt_tensor t = nt_tensor_make(0, NT_F32, &given[i], NT_ROW_MAJOR);
        shape[i] = matrices(node, t, i).shape;
        struct nt_shape as = given[i].rank == 1 ? shape[i] : given[i];
        in[i] = nt_compose_reshape(graph, node->input[i], &as);
    }
    full_shape(&shape[0], &shape[1], &full);
    g = nt_compose_reshape(graph, dy[0], &full);
    if (g < 0 || in[0] < 0 || in[1] < 0)
        return graph->failure;
    if (want[0]) {
        struct nt_shape as = graph->value[in[0]].shape;
        int d = ta ? nt_matmul_add(graph, in[1], g, tb, true)
                   : nt_matmul_add(graph, g, in[1], false, !tb);
        d = d < 0 ? -1 : nt_graph_sum_to(graph, d, &as);
        dx[0] = nt_compose_reshape(graph, d, &given[0]);
    }
    if (want[1]) {
        struct nt_shape as = graph->value[in[1]].shape;
        int a = in[0];
        if (as.rank == 2 && !ta && full.rank > 2) { /* one product instead of a sum of them */
            a = as_rows(graph, a);
            g = as_rows(graph, g);
        }
        int d = tb ? nt_matmul_add(graph, g, a, true, ta) : nt_matmul_add(graph, a, g, !ta, false);
        d = d < 0 ? -1 : nt_graph_sum_to(graph, d, &as);
        dx[1] = nt_compose_reshape(graph, d, &given[1]);
    }
    return (want[0] && dx[0] < 0) || (want[1] && dx[1] < 0) ? graph->failure : NT_OK;
}

/* Sets *stride to the one stride by which a tensor's batches can be walked in the order of a batch
 * shape (0: one for all). False: there is none. */
static bool one_stride(const struct nt_tensor *t, const struct nt_shape *lead, int64_t *stride)
{
    int skip = lead->rank - (t->shape.rank - 2);
    int64_t count = 1;
    *stride = 0;
    for (int i = lead->rank - 1; i >= 0; i--) {
        if (lead->dim[i] == 1)
            continue;
        int64_t own = i >= skip && t->shape.dim[i - skip] > 1 ? t->stride[i - skip] : 0;
        if (count == 1)
            *stride = own;
        if (own != *stride * count)
            return false;
        count *= lead->dim[i];
    }
    return true;
}

/* An operand as the engine wants it: rank 3, the batches one dimension. What no stride can walk is
 * copied. */
static enum nt_status fold(
    struct nt_lowering *lowering, const struct nt_shape *lead, struct nt_tensor *t)
{
    int64_t stride, count = nt_shape_count(lead);
    enum nt_status status = NT_OK;
    if (!one_stride(t, lead, &stride)) {
        struct nt_shape wide = *lead;
        wide.dim[wide.rank++] = t->shape.dim[t->shape.rank - 2];
        wide.dim[wide.rank++] = t->shape.dim[t->shape.rank - 1];
        int32_t buffer = nt_tape_buffer(lowering->tape, NT_BUFFER_TRANSIENT,
            (size_t)nt_shape_count(&wide) * sizeof(float), "repeated matrices");
        struct nt_tensor copy = nt_tensor_make(buffer, NT_F32, &wide, NT_ROW_MAJOR);
        struct nt_tensor from = nt_tensor_broadcast(t, &wide);
        status = nt_move(lowering->tape, &from, &copy);
        *t = copy;
        one_stride(t, lead, &stride);
    }
    int last = t->shape.rank - 1;
    struct nt_tensor view = *t;
    view.shape = (struct nt_shape){3, {count, t->shape.dim[last - 1], t->shape.dim[last]}};
    view.stride[0] = stride;
    view.stride[1] = t->stride[last - 1];
    view.stride[2] = t->stride[last];
    *t = view;
    return status;
}

/* Rank 3 to 2: one batch, or the rows of all batches where they are walked as one. */
static void flatten(struct nt_tensor *t, int64_t rows)
{
    t->shape = (struct nt_shape){2, {rows, t->shape.dim[2]}};
    t->stride[0] = t->stride[1];
    t->stride[1] = t->stride[2];
}

/* The epilogue's operands for the product c instead of the result y. One along y's last dimension
 * is repeated where that is c's rows: b was a vector. */
static enum nt_status fold_epilogue(struct nt_lowering *lowering, const struct nt_tensor *y,
    const struct nt_tensor *c, struct nt_lower_epilogue *epilogue)
{
    enum nt_status status = NT_OK;
    for (int i = 0; status == NT_OK && i < epilogue->epilogue.inputs; i++) {
        struct nt_tensor *in = &epilogue->in[i];
        int64_t count = nt_shape_count(&in->shape), all = nt_shape_count(&y->shape);
        if (count != 1 && count != all && count != c->shape.dim[c->shape.rank - 1]) {
            int32_t buffer = nt_tape_buffer(lowering->tape, NT_BUFFER_TRANSIENT,
                (size_t)all * sizeof(float), "repeated operand");
            struct nt_tensor wide = nt_tensor_make(buffer, NT_F32, &y->shape, NT_ROW_MAJOR);
            struct nt_tensor from = nt_tensor_broadcast(in, &y->shape);
            status = nt_move(lowering->tape, &from, &wide);
            *in = wide;
        }
        nt_lower_fold(in, &c->shape);
    }
    return status;
}

static enum nt_status lower(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor y = nt_lower_tensor(lowering, node->output[0]);
    struct nt_tensor a = matrices(node, nt_lower_tensor(lowering, node->input[0]), 0);
    struct nt_tensor b = matrices(node, nt_lower_tensor(lowering, node->input[1]), 1);
    struct nt_lower_epilogue epilogue;
    struct nt_shape full, lead;
    full_shape(&a.shape, &b.shape, &full);
    lead = full;
    lead.rank -= 2;
    struct nt_tensor c = nt_tensor_make(y.buffer, y.dtype, &full, NT_ROW_MAJOR);
    c.offset = y.offset;
    enum nt_status status = fold(lowering, &lead, &a);
    if (status == NT_OK)
        status = fold(lowering, &lead, &b);
    if (status == NT_OK)
        status = fold(lowering, &lead, &c);
    if (status != NT_OK)
        return status;
    int64_t batch = a.shape.dim[0], m = a.shape.dim[1];
    bool joined = b.stride[0] == 0 && a.stride[0] == m * a.stride[1];
    if (batch == 1 || joined) {
        flatten(&a, batch * m);
        flatten(&b, b.shape.dim[1]);
        flatten(&c, batch * m);
    }
    status = nt_lower_get_epilogue(lowering, node, -1, &epilogue);
    if (status == NT_OK)
        status = fold_epilogue(lowering, &y, &c, &epilogue);
    if (status == NT_OK)
        status = nt_gemm(lowering->tape, &a, &b, &c, &epilogue.epilogue);
    nt_lower_release(&epilogue);
    return status;
}

static double macs(const struct nt_graph *graph, const struct nt_node *node)
{
    const struct nt_shape *a = &graph->value[node->input[0]].shape;
    int64_t k = a->dim[a->rank - (is_transposed(graph, node, 0) ? 2 : 1)];
    return (double)k * (double)nt_shape_count(&graph->value[node->output[0]].shape);
}

const struct nt_op nt_op_matmul = {
    .name = "matmul",
    .summary = "matrix product a b of the last two dimensions; those before them broadcast, and a "
               "vector is a row (a) or a column (b)",
    .shapes = "a M,K and b K,N; result M,N; with a batch before both: B,M,K and B,K,N to B,M,N",
    .inputs = "a b",
    .outputs = 1,
    .attrs = attrs,
    .attr_count = sizeof attrs / sizeof *attrs,
    .layouts = "rr>r",
    .infer = infer,
    .gradient = gradient,
    .lower = lower,
    .epilogue = true,
    .macs = macs,
};
