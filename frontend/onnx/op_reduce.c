/* SPDX-License-Identifier: MIT
 *
 * Reductions over axes, and what normalises over them.
 */
#include <string.h>

#include "frontend/onnx/table.h"

/* Bits of the axes, the shape with them as 1, and the result's. */
enum nt_status nt_onnx_reduce_axes(struct nt_onnx_node *node, const struct nt_shape *from,
    unsigned *mask, struct nt_shape *kept, struct nt_shape *to)
{
    int64_t list[NT_MAX_INTS];
    int count;
    enum nt_status status = nt_onnx_list(node, "axes", 1, list, &count);
    if (status != NT_OK)
        return status;
    *mask = 0;
    for (int i = 0; i < count; i++) {
        int axis;
        status = nt_onnx_axis(node, list[i], from->rank, &axis);
        if (status != NT_OK)
            return status;
        *mask |= 1u << axis;
    }
    if (count <= 0 && !nt_onnx_int(node, "noop_with_empty_axes", 0))
        *mask = (1u << from->rank) - 1;
    bool keep = nt_onnx_int(node, "keepdims", 1) != 0;
    *kept = *from;
    to->rank = 0;
    for (int i = 0; i < from->rank; i++) {
        if (*mask >> i & 1)
            kept->dim[i] = 1;
        if (keep || !(*mask >> i & 1))
            to->dim[to->rank++] = kept->dim[i];
    }
    return NT_OK;
}

/* What is done to each element before, and to each sum after. */
static const struct around {
    const char *name, *before, *after;
} around[] = {
    {"ReduceLogSum", NULL, "log(a)"},
    {"ReduceSumSquare", "a * a", NULL},
};

static const struct around *find_around(const char *name)
{
    for (size_t i = 0; i < sizeof around / sizeof *around; i++)
        if (strcmp(around[i].name, name) == 0)
            return &around[i];
    return NULL;
}

enum nt_status nt_onnx_reduce(struct nt_onnx_node *node)
{
    const struct around *more = find_around(node->rule->name);
    int x = nt_onnx_in(node, 0);
    int64_t axes[NT_MAX_RANK];
    unsigned mask;
    struct nt_shape kept, to;
    if (x < 0)
        return node->graph->failure;
    struct nt_shape from = node->graph->value[x].shape;
    enum nt_status status = nt_onnx_reduce_axes(node, &from, &mask, &kept, &to);
    if (status != NT_OK)
        return status;
    if (more && more->before)
        x = nt_onnx_formula(node, more->before, 1, &x);
    struct nt_onnx_call call = nt_onnx_begin(node->rule->op);
    int count = 0;
    for (int i = 0; i < from.rank; i++)
        if (mask >> i & 1)
            axes[count++] = i;
    nt_onnx_numbers_of(&call, "axes", count, axes);
    nt_onnx_number(&call, "keepdims", 1);
    int y = count > 0 ? nt_onnx_add(node, &call, 1, &x) : x;
    if (more && more->after)
        y = nt_onnx_formula(node, more->after, 1, &y);
    return nt_onnx_out(node, 0, nt_onnx_reshape(node, y, &to));
}

enum nt_status nt_onnx_arg_extreme(struct nt_onnx_node *node)
{
    int x = nt_onnx_in(node, 0), axis;
    if (x < 0)
        return node->graph->failure;
    struct nt_shape shape = node->graph->value[x].shape;
    enum nt_status status = nt_onnx_axis(node, nt_onnx_int(node, "axis", 0), shape.rank, &axis);
    if (status != NT_OK)
        return status;
    bool last = nt_onnx_int(node, "select_last_index", 0) != 0;
    if (last) { /* the first one of the mirrored elements */
        struct nt_onnx_call flip = nt_onnx_begin("flip");
        nt_onnx_numbers_of(&flip, "axes", 1, &(int64_t){axis});
        x = nt_onnx_add(node, &flip, 1, &x);
    }
    struct nt_onnx_call call = nt_onnx_begin(node->rule->op);
    nt_onnx_number(&call, "axis", axis);
    nt_onnx_number(&call, "keepdims", nt_onnx_int(node, "keepdims", 1) != 0);
    int y = nt_onnx_add(node, &call, 1, &x);
    if (last)
        y = nt_onnx_formula(
            node, "b - a", 2, (int[]){y, nt_onnx_constant(node, (double)shape.dim[axis] - 1)});
    return nt_onnx_out(node, 0, y);
}

/* Before opset 13 all dimensions from the axis on are one. */
enum nt_status nt_onnx_softmax(struct nt_onnx_node *node)
{
    int x = nt_onnx_in(node, 0), axis;
    if (x < 0)
        return node->graph->failure;
    struct nt_shape shape = node->graph->value[x].shape, flat = {2, {1, 1}};
    bool joined = node->opset < 13;
    enum nt_status status =
        nt_onnx_axis(node, nt_onnx_int(node, "axis", joined ? 1 : -1), shape.rank, &axis);
    if (status != NT_OK)
        return status;
    bool simple = !joined || axis == shape.rank - 1;
    for (int i = 0; i < shape.rank; i++)
        flat.dim[i >= axis] *= shape.dim[i];
    if (!simple)
        x = nt_onnx_reshape(node, x, &flat);
    struct nt_onnx_call call = nt_onnx_begin(node->rule->op);
    nt_onnx_number(&call, "axis", simple ? axis : 1);
    int y = nt_onnx_add(node, &call, 1, &x);
    return nt_onnx_out(node, 0, simple ? y : nt_onnx_reshape(node, y, &shape));
}

enum nt_status nt_onnx_lp_normalization(struct nt_onnx_node *node)
{
    int x = nt_onnx_in(node, 0), axis;
    if (x < 0)
        return node->graph->failure;
    struct nt_shape shape = node->graph->value[x].shape;
    enum nt_status status = nt_onnx_axis(node, nt_onnx_int(node, "axis", -1), shape.rank, &axis);
    if (status != NT_OK)
        return status;
    struct nt_onnx_call call = nt_onnx_begin(nt_onnx_int(node, "p", 2) == 1 ? "l1" : "l2");
    nt_onnx_numbers_of(&call, "axes", 1, &(int64_t){axis});
    nt_onnx_number(&call, "keepdims", 1);
    int norm = nt_onnx_add(node, &call, 1, &x);
    return nt_onnx_out(
        node, 0, nt_onnx_formula(node, "select(b == 0, 0, a / b)", 2, (int[]){x, norm}));
}
