/* SPDX-License-Identifier: MIT
 *
 * Padding, and elements chosen by an index.
 */
#include <string.h>

#include "frontend/onnx/table.h"
#include "frontend/op/compose.h"

/* before and after of every dimension, from a list of starts and then ends over some axes. */
static enum nt_status pad_amounts(
    struct nt_onnx_node *node, const struct nt_shape *shape, int64_t *before, int64_t *after)
{
    int64_t pads[NT_MAX_INTS], axes[NT_MAX_INTS];
    int count, axis_count;
    enum nt_status status = nt_onnx_list(node, "pads", 1, pads, &count);
    if (status == NT_OK)
        status = nt_onnx_integers(node, 3, axes, &axis_count);
    if (status != NT_OK)
        return status;
    if (axis_count < 0) {
        axis_count = shape->rank;
        for (int i = 0; i < axis_count; i++)
            axes[i] = i;
    }
    if (count != 2 * axis_count)
        return nt_onnx_fail(
            node, NT_ERR_FORMAT, "%d pads: must be %d", count < 0 ? 0 : count, 2 * axis_count);
    memset(before, 0, NT_MAX_RANK * sizeof *before);
    memset(after, 0, NT_MAX_RANK * sizeof *after);
    for (int i = 0; i < axis_count; i++) {
        int axis;
        status = nt_onnx_axis(node, axes[i], shape->rank, &axis);
        if (status != NT_OK)
            return status;
        before[axis] = pads[i];
        after[axis] = pads[axis_count + i];
    }
    return NT_OK;
}

enum nt_status nt_onnx_pad(struct nt_onnx_node *node)
{
    static const char *const modes[] = {"constant", "reflect", "replicate", "circular"};
    int64_t before[NT_MAX_RANK], after[NT_MAX_RANK], axes[NT_MAX_RANK];
    int mode, x = nt_onnx_in(node, 0), count = 0;
    if (x < 0)
        return node->graph->failure;
    struct nt_shape shape = node->graph->value[x].shape;
    enum nt_status status = pad_amounts(node, &shape, before, after);
    if (status == NT_OK)
        status = nt_onnx_choice(node, "mode", "constant", "constant|reflect|edge|wrap", &mode);
    if (status != NT_OK)
        return status;
    double number = nt_onnx_float(node, "value", 0);
    if (nt_onnx_has(node, 2)) {
        const struct nt_onnx_host *host = nt_onnx_numbers(node, 2);
        if (!host)
            return node->graph->failure;
        if (host->count > 0)
            number = host->data[0];
    }
    for (int i = 0; i < shape.rank; i++) {
        if (before[i] == 0 && after[i] == 0)
            continue;
        before[count] = before[i];
        after[count] = after[i];
        axes[count++] = i;
    }
    if (count == 0)
        return nt_onnx_out(node, 0, x);
    struct nt_onnx_call call = nt_onnx_begin("pad");
    nt_onnx_numbers_of(&call, "before", count, before);
    nt_onnx_numbers_of(&call, "after", count, after);
    nt_onnx_numbers_of(&call, "axes", count, axes);
    nt_onnx_number(&call, "value", number);
    nt_onnx_word(&call, "mode", modes[mode]);
    return nt_onnx_out(node, 0, nt_onnx_add(node, &call, 1, &x));
}

static enum nt_status gather_named(struct nt_onnx_node *node, const char *op)
{
    struct nt_onnx_call call = nt_onnx_begin(op);
    nt_onnx_number(&call, "axis", (double)nt_onnx_int(node, "axis", 0));
    int x = nt_onnx_in(node, 0), index = x < 0 ? -1 : nt_onnx_in_int(node, 1);
    return nt_onnx_out(node, 0, nt_onnx_add(node, &call, 2, (int[]){x, index}));
}

enum nt_status nt_onnx_gather(struct nt_onnx_node *node)
{
    return gather_named(node, "gather");
}

enum nt_status nt_onnx_gather_elements(struct nt_onnx_node *node)
{
    return gather_named(node, "gather_elements");
}

/* CumSum has its axis as an operand. */
enum nt_status nt_onnx_cumsum(struct nt_onnx_node *node)
{
    const struct nt_onnx_host *axis = nt_onnx_numbers(node, 1);
    struct nt_onnx_call call = nt_onnx_begin("cumsum");
    int x = axis ? nt_onnx_in(node, 0) : -1;
    if (x < 0)
        return node->graph->failure;
    if (axis->count != 1)
        return nt_onnx_fail(node, NT_ERR_FORMAT, "axis: must be one number");
    nt_onnx_number(&call, "axis", axis->data[0]);
    nt_onnx_number(&call, "exclusive", nt_onnx_int(node, "exclusive", 0) != 0);
    nt_onnx_number(&call, "reverse", nt_onnx_int(node, "reverse", 0) != 0);
    return nt_onnx_out(node, 0, nt_onnx_add(node, &call, 1, &x));
}

/* x with `shift` elements of 1 before or behind along the axis, as many taken off. */
static int shifted(struct nt_onnx_node *node, int x, int axis, int64_t shift, bool behind)
{
    struct nt_shape shape = node->graph->value[x].shape, ones = shape;
    int64_t left = shape.dim[axis] - shift;
    ones.dim[axis] = shift;
    int one = nt_graph_constant(node->graph, 1, &ones);
    node->graph->value[one < 0 ? x : one].dtype = node->graph->value[x].dtype;
    int rest = left ? nt_compose_slice(node->graph, x, axis, behind ? shift : 0, left, 1) : one;
    const int part[] = {behind ? rest : one, behind ? one : rest};
    return left ? nt_compose_concat(node->graph, 2, part, axis) : rest;
}

/* Products with the elements 1, 2, 4, ... before, each time of twice as many. */
enum nt_status nt_onnx_cumprod(struct nt_onnx_node *node)
{
    const struct nt_onnx_host *given = nt_onnx_numbers(node, 1);
    int x = given ? nt_onnx_in(node, 0) : -1, axis;
    if (x < 0)
        return node->graph->failure;
    if (given->count != 1)
        return nt_onnx_fail(node, NT_ERR_FORMAT, "axis: must be one number");
    struct nt_shape shape = node->graph->value[x].shape;
    enum nt_status status =
        nt_onnx_axis(node, nt_onnx_host_integer(given->data[0]), shape.rank, &axis);
    bool behind = nt_onnx_int(node, "reverse", 0) != 0;
    if (status != NT_OK)
        return status;
    if (nt_onnx_int(node, "exclusive", 0))
        x = shifted(node, x, axis, 1, behind);
    for (int64_t shift = 1; x >= 0 && shift < shape.dim[axis]; shift *= 2) {
        int other = shifted(node, x, axis, shift, behind);
        x = nt_onnx_simple(node, "mul", 2, (int[]){x, other});
    }
    return nt_onnx_out(node, 0, x);
}

enum nt_status nt_onnx_gather_nd(struct nt_onnx_node *node)
{
    struct nt_onnx_call call = nt_onnx_begin("gather_nd");
    nt_onnx_number(&call, "batch_dims", (double)nt_onnx_int(node, "batch_dims", 0));
    int x = nt_onnx_in(node, 0), index = x < 0 ? -1 : nt_onnx_in_int(node, 1);
    return nt_onnx_out(node, 0, nt_onnx_add(node, &call, 2, (int[]){x, index}));
}

/* Scatter, ScatterElements, ScatterND. */
enum nt_status nt_onnx_scatter(struct nt_onnx_node *node)
{
    static const char *const reductions[] = {"none", "add", "mul", "max", "min"};
    struct nt_onnx_call call = nt_onnx_begin(node->rule->op);
    int which, x = nt_onnx_in(node, 0), index = x < 0 ? -1 : nt_onnx_in_int(node, 1);
    int source = index < 0 ? -1 : nt_onnx_in(node, 2);
    if (source < 0)
        return node->graph->failure;
    enum nt_status status =
        nt_onnx_choice(node, "reduction", "none", "none|add|mul|max|min", &which);
    if (status != NT_OK)
        return status;
    nt_onnx_word(&call, "reduction", reductions[which]);
    if (nt_attr_index(call.op, "axis") >= 0)
        nt_onnx_number(&call, "axis", (double)nt_onnx_int(node, "axis", 0));
    return nt_onnx_out(node, 0, nt_onnx_add(node, &call, 3, (int[]){x, index, source}));
}

enum nt_status nt_onnx_top_k(struct nt_onnx_node *node)
{
    struct nt_onnx_call call = nt_onnx_begin("top_k");
    int outputs[NT_MAX_OUTPUTS], x = nt_onnx_in(node, 0);
    double k = (double)nt_onnx_int(node, "k", 0);
    if (x < 0)
        return node->graph->failure;
    if (nt_onnx_has(node, 1)) {
        const struct nt_onnx_host *host = nt_onnx_numbers(node, 1);
        if (!host || host->count != 1)
            return host ? nt_onnx_fail(node, NT_ERR_FORMAT, "k: must be one number")
                        : node->graph->failure;
        k = host->data[0];
    }
    nt_onnx_number(&call, "k", k);
    nt_onnx_number(&call, "axis", (double)nt_onnx_int(node, "axis", -1));
    nt_onnx_number(&call, "largest", nt_onnx_int(node, "largest", 1) != 0);
    enum nt_status status = nt_onnx_add_many(node, &call, 1, &x, outputs);
    if (status == NT_OK)
        status = nt_onnx_out(node, 0, outputs[0]);
    return status == NT_OK && nt_onnx_wants(node, 1)
               ? nt_onnx_out_type(node, 1, outputs[1], NT_ONNX_INT64)
               : status;
}

/* The blocks' pixels before the channels (DCR), or behind them. */
static enum nt_status shuffle(
    struct nt_onnx_node *node, const char *op, const char *factor, bool column_first)
{
    struct nt_onnx_call call = nt_onnx_begin(op);
    int x = nt_onnx_in(node, 0);
    nt_onnx_number(&call, factor, (double)nt_onnx_int(node, "blocksize", 0));
    nt_onnx_word(&call, "mode", column_first ? "crd" : "dcr");
    return nt_onnx_out(node, 0, nt_onnx_add(node, &call, 1, &x));
}

enum nt_status nt_onnx_depth_to_space(struct nt_onnx_node *node)
{
    return shuffle(node, "pixel_shuffle", "upscale_factor", nt_onnx_is(node, "mode", "DCR", "CRD"));
}

enum nt_status nt_onnx_space_to_depth(struct nt_onnx_node *node)
{
    bool column_first = nt_onnx_is(node, "mode", "DCR", "CRD");
    return shuffle(node, "pixel_unshuffle", "downscale_factor", column_first);
}

enum nt_status nt_onnx_range(struct nt_onnx_node *node)
{
    return nt_onnx_fold_range(node);
}
