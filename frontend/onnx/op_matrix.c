/* SPDX-License-Identifier: MIT
 *
 * Matrices, which are the last two dimensions: triangles, diagonals, determinants.
 */
#include "frontend/onnx/table.h"
#include "frontend/op/compose.h"

/* What one integer operand says, which must be known. */
static enum nt_status take_diagonal(struct nt_onnx_node *node, int input, double *k)
{
    int64_t list[NT_MAX_INTS];
    int count;
    enum nt_status status = nt_onnx_integers(node, input, list, &count);
    if (status != NT_OK || count < 0)
        return status;
    if (count != 1)
        return nt_onnx_fail(node, NT_ERR_FORMAT, "k: must be one number");
    *k = (double)(list[0] < -(1 << 30) ? -(1 << 30) : list[0] > 1 << 30 ? 1 << 30 : list[0]);
    return NT_OK;
}

enum nt_status nt_onnx_trilu(struct nt_onnx_node *node)
{
    double k = 0;
    struct nt_onnx_call call = nt_onnx_begin("trilu");
    enum nt_status status = take_diagonal(node, 1, &k);
    if (status != NT_OK)
        return status;
    if (nt_onnx_is_empty(node, 0))
        return nt_onnx_out_known(node, 0, node->input[0]->known);
    nt_onnx_number(&call, "upper", nt_onnx_int(node, "upper", 1) != 0);
    nt_onnx_number(&call, "k", k);
    int x = nt_onnx_in(node, 0);
    if (x < 0)
        return node->graph->failure;
    if (node->graph->value[x].dtype != NT_I32)
        return nt_onnx_out(node, 0, nt_onnx_add(node, &call, 1, &x));
    struct nt_shape shape = node->graph->value[x].shape; /* integers: by a mask, exact */
    int ones = nt_graph_constant(node->graph, 1, &shape);
    int mask = nt_onnx_as(node, nt_onnx_add(node, &call, 1, &ones), NT_I32);
    return nt_onnx_out(node, 0, nt_onnx_simple(node, "mul", 2, (int[]){x, mask}));
}

enum nt_status nt_onnx_eye_like(struct nt_onnx_node *node)
{
    struct nt_onnx_call call = nt_onnx_begin("eye_like");
    int type = (int)nt_onnx_int(node, "dtype", nt_onnx_type(node, 0)), x = nt_onnx_in(node, 0);
    nt_onnx_number(&call, "k", (double)nt_onnx_int(node, "k", 0));
    enum nt_status status = nt_onnx_offers(node, "dtype", type);
    if (status != NT_OK)
        return status;
    return nt_onnx_out_type(node, 0, nt_onnx_add(node, &call, 1, &x), type);
}

/* ---- the determinant: elimination, each time with the largest element of the first column ---- */

struct elimination {
    struct nt_onnx_node *node;
    int matrix, result; /* what is left; the product of the pivots so far */
};

static int part(struct elimination *e, int value, int axis, int64_t first, int64_t count)
{
    return nt_compose_slice(e->node->graph, value, axis, first, count, 1);
}

/* 1 where the column's element is the largest by its size, along the rows. */
static int find_pivot(struct elimination *e, int column, int rank)
{
    struct nt_onnx_call call = nt_onnx_begin("hardmax");
    nt_onnx_number(&call, "axis", rank - 2);
    int sizes = nt_onnx_formula(e->node, "abs(a)", 1, &column);
    return nt_onnx_add(e->node, &call, 1, &sizes);
}

/* Takes the first row and column away; the row of the pivot changes places with the first. */
static enum nt_status eliminate(struct elimination *e, int rank, int64_t size)
{
    struct nt_onnx_node *node = e->node;
    int row = rank - 2, column = rank - 1;
    int here = find_pivot(e, part(e, e->matrix, column, 0, 1), rank);
    int chosen = nt_onnx_formula(node, "a * b", 2, (int[]){here, e->matrix});
    chosen = nt_compose_reduce(node->graph, &nt_op_sum, chosen, 1u << row, true);
    int pivot = part(e, chosen, column, 0, 1);
    e->result = nt_onnx_formula(node, "a * b * select(c == 0, -1, 1)", 3,
        (int[]){e->result, pivot, part(e, here, row, 0, 1)});
    const int swapped[] = {part(e, here, row, 1, size - 1), part(e, e->matrix, row, 0, 1),
        part(e, e->matrix, row, 1, size - 1)};
    int rest = nt_onnx_formula(node, "select(a, b, c)", 3, swapped);
    const int in[] = {part(e, rest, column, 1, size - 1), part(e, rest, column, 0, 1), pivot,
        part(e, chosen, column, 1, size - 1)};
    e->matrix = nt_onnx_formula(node, "a - select(c == 0, 0, b / c) * d", 4, in);
    return e->matrix < 0 || e->result < 0 ? node->graph->failure : NT_OK;
}

enum nt_status nt_onnx_det(struct nt_onnx_node *node)
{
    struct elimination e = {node, nt_onnx_in(node, 0), -1};
    if (e.matrix < 0)
        return node->graph->failure;
    struct nt_shape shape = node->graph->value[e.matrix].shape, one = shape, to = shape;
    int rank = shape.rank;
    if (rank < 2 || shape.dim[rank - 1] != shape.dim[rank - 2] || shape.dim[rank - 1] > 64)
        return nt_onnx_fail(node, NT_ERR_SHAPE, "must be of square matrices, of 64 rows at most");
    one.dim[rank - 1] = one.dim[rank - 2] = 1;
    to.rank -= 2;
    e.result = nt_graph_constant(node->graph, 1, &one);
    enum nt_status status = NT_OK;
    for (int64_t size = shape.dim[rank - 1]; status == NT_OK && size > 1; size--)
        status = eliminate(&e, rank, size);
    if (status != NT_OK)
        return status;
    int y = nt_onnx_formula(node, "a * b", 2, (int[]){e.result, e.matrix});
    return nt_onnx_out(node, 0, nt_onnx_reshape(node, y, &to));
}
