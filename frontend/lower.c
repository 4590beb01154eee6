/* SPDX-License-Identifier: MIT
 *
 * From graph to tape: every node appends its launches.
 */
#include <string.h>

#include "frontend/op.h"

struct nt_tensor nt_lower_tensor(struct nt_lowering *lowering, int value)
{
    struct nt_tensor *tensor = &lowering->tensor[value];
    const struct nt_value *v = &lowering->graph->value[value];
    if (v->kind == NT_VALUE_NUMBER)
        return nt_tensor_number(v->constant);
    if (v->kind == NT_VALUE_INDEX)
        return nt_tensor_index(&v->shape, (int64_t)v->constant);
    if (tensor->buffer < 0) {
        int32_t buffer =
            nt_tape_buffer(lowering->tape, NT_BUFFER_TRANSIENT, nt_value_bytes(v), v->name);
        *tensor = nt_tensor_make(buffer, v->dtype, &v->shape, v->layout);
    }
    return *tensor;
}

void nt_lower_bind(struct nt_lowering *lowering, int value, const struct nt_tensor *tensor)
{
    lowering->tensor[value] = *tensor;
}

static bool is_view(const struct nt_node *node)
{
    return node->op == &nt_op_reshape || node->op == &nt_op_flatten || node->op == &nt_op_detach;
}

/* A view whose output has its place already (a gradient that belongs in the gradient arena) lets
 * its producer write there. */
static void bind_through_views(struct nt_lowering *lowering)
{
    struct nt_graph *graph = lowering->graph;
    for (int i = graph->node_count - 1; i >= 0; i--) {
        const struct nt_node *node = graph->node[i];
        if (!is_view(node) || lowering->tensor[node->output[0]].buffer < 0)
            continue;
        int from = node->input[0];
        const struct nt_value *value = &graph->value[from];
        if (lowering->tensor[from].buffer >= 0 || value->kind != NT_VALUE_RESULT ||
            value->layout != NT_ROW_MAJOR)
            continue;
        struct nt_tensor out = lowering->tensor[node->output[0]];
        struct nt_tensor view = nt_tensor_make(out.buffer, out.dtype, &value->shape, NT_ROW_MAJOR);
        view.offset = out.offset;
        lowering->tensor[from] = view;
    }
}

/* ---- parts of larger tensors ---- */

/* Operands of an epilogue must lie as the output does. */
static bool reads_views(const struct nt_node *node, int input)
{
    if (!node->op->lower)
        return true;
    bool operand = node->epilogue_input >= 0 && input >= node->epilogue_input;
    return node->op->views && !operand && nt_op_input_layout(node->op, input) != 'r';
}

static bool writes_view(const struct nt_graph *graph, const struct nt_node *node)
{
    int64_t count = nt_shape_count(&graph->value[node->output[0]].shape);
    if (!node->op->lower)
        return true;
    for (int i = node->epilogue_input; i >= 0 && i < node->inputs; i++)
        if (nt_shape_count(&graph->value[node->input[i]].shape) == count)
            return false;
    return node->op->views && node->outputs == 1 && nt_op_output_layout(node->op, 0) != 'r';
}

/* The metrics read the scores as one piece. */
static bool is_output(const struct nt_graph *graph, int value)
{
    for (int i = 0; i < graph->output_count; i++)
        if (graph->output[i].value == value)
            return true;
    return false;
}

bool nt_lower_may_view(const struct nt_lowering *lowering, int of, int value)
{
    const struct nt_graph *graph = lowering->graph;
    const struct nt_value *part = &graph->value[value];
    if (lowering->tensor[value].buffer >= 0 || part->kind != NT_VALUE_RESULT ||
        part->layout != graph->value[of].layout || is_output(graph, value))
        return false;
    for (int n = 0; n < graph->node_count; n++)
        for (int i = 0; i < graph->node[n]->inputs; i++)
            if (graph->node[n]->input[i] == value && !reads_views(graph->node[n], i))
                return false;
    return true;
}

bool nt_lower_may_place(const struct nt_lowering *lowering, int value, int in)
{
    const struct nt_graph *graph = lowering->graph;
    if (!nt_lower_may_view(lowering, in, value))
        return false;
    for (int n = 0; n < graph->node_count; n++)
        if (graph->node[n]->output[0] == value)
            return writes_view(graph, graph->node[n]);
    return false;
}

static enum nt_status lower_map(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor in[NT_MAX_INPUTS], out = nt_lower_tensor(lowering, node->output[0]);
    for (int i = 0; i < node->inputs; i++)
        in[i] = nt_lower_tensor(lowering, node->input[i]);
    return nt_map(lowering->tape, node->expr, 1, &node->term, &out, node->inputs, in);
}

/* A view into a place that is already given, and whose input has one of its own, is a copy. */
static enum nt_status lower_view(struct nt_lowering *lowering, const struct nt_node *node)
{
    struct nt_tensor out = lowering->tensor[node->output[0]];
    if (out.buffer < 0)
        return node->op->lower(lowering, node);
    struct nt_tensor in = nt_lower_tensor(lowering, node->input[0]);
    if (in.buffer == out.buffer && in.offset == out.offset)
        return NT_OK;
    struct nt_tensor view = nt_tensor_make(in.buffer, in.dtype, &out.shape, NT_ROW_MAJOR);
    view.offset = in.offset;
    return nt_move(lowering->tape, &view, &out);
}

/* One number is written once, when the tape is built; more of them are written in every run, into
 * memory that others use too. */
static enum nt_status fill_constants(struct nt_lowering *lowering, const struct nt_node *node)
{
    enum nt_status status = NT_OK;
    for (int i = 0; status == NT_OK && i < node->inputs; i++) {
        int v = node->input[i];
        if (v < 0 || lowering->graph->value[v].kind != NT_VALUE_CONSTANT ||
            lowering->tensor[v].buffer >= 0)
            continue;
        const struct nt_value *value = &lowering->graph->value[v];
        if (value->dtype == NT_F32 && nt_shape_count(&value->shape) == 1) {
            float number = (float)value->constant;
            int32_t buffer = nt_tape_constant(lowering->tape, &number, sizeof number, "a constant");
            lowering->tensor[v] = nt_tensor_make(buffer, NT_F32, &value->shape, NT_ROW_MAJOR);
            continue;
        }
        struct nt_tensor tensor = nt_lower_tensor(lowering, v);
        status = nt_fill(lowering->tape, value->constant, &tensor);
    }
    return status;
}

enum nt_status nt_lower(struct nt_lowering *lowering)
{
    struct nt_graph *graph = lowering->graph;
    enum nt_status status = NT_OK;
    bind_through_views(lowering);
    for (int i = graph->node_count - 1; i >= 0; i--)
        if (graph->node[i]->op == &nt_op_concat)
            nt_concat_place(lowering, graph->node[i]);
    for (int i = 0; status == NT_OK && i < graph->node_count; i++) {
        const struct nt_node *node = graph->node[i];
        nt_tape_label(lowering->tape, *node->name ? node->name : node->op->name);
        status = fill_constants(lowering, node);
        if (status != NT_OK)
            break;
        if (is_view(node))
            status = lower_view(lowering, node);
        else
            status = node->op->lower ? node->op->lower(lowering, node) : lower_map(lowering, node);
        if (status != NT_OK && *node->where)
            nt_fail_prefix(graph->ctx, status, "%s", node->where);
    }
    nt_tape_label(lowering->tape, NULL);
    return status;
}

int nt_lower_bias(const struct nt_node *node)
{
    int own = node->epilogue_input >= 0 ? node->epilogue_input : node->inputs;
    return own > 2 ? node->input[2] : -1;
}

enum nt_status nt_lower_get_epilogue(struct nt_lowering *lowering, const struct nt_node *node,
    int bias, struct nt_lower_epilogue *out)
{
    struct nt_graph *graph = lowering->graph;
    memset(out, 0, sizeof *out);
    out->epilogue.in = out->in;
    if (bias < 0 && !node->expr)
        return NT_OK;
    /* The graph owns expressions through its nodes; a bias needs one of its own. */
    int operands = node->expr ? node->inputs - node->epilogue_input : 0, terms[8];
    for (int i = 0; i < operands; i++)
        out->in[i] = nt_lower_tensor(lowering, node->input[node->epilogue_input + i]);
    if (bias >= 0) {
        struct nt_tensor b = nt_lower_tensor(lowering, bias);
        struct nt_shape shape = {.rank = graph->value[node->output[0]].shape.rank};
        struct nt_tensor wide = {.buffer = b.buffer, .dtype = b.dtype, .offset = b.offset};
        int fast = nt_op_fast_dim(node->op, shape.rank);
        for (int i = 0; i < shape.rank; i++)
            shape.dim[i] = i == fast ? b.shape.dim[0] : 1;
        wide.shape = shape;
        wide.stride[fast] = 1;
        out->in[operands] = wide;
    }
    struct nt_expr *expr = nt_expr_create();
    if (!expr)
        return nt_fail(graph->ctx, NT_ERR_MEMORY, "graph: host memory is exhausted");
    terms[0] = nt_expr_input(expr, 0);
    if (bias >= 0)
        terms[0] = nt_expr_call(expr, NT_FN_add, terms[0], nt_expr_input(expr, 1 + operands), -1);
    for (int i = 0; i < operands; i++)
        terms[1 + i] = nt_expr_input(expr, 1 + i);
    out->epilogue.term =
        node->expr ? nt_expr_compose(expr, node->expr, node->term, terms) : terms[0];
    out->epilogue.expr = out->owned = expr;
    out->epilogue.inputs = operands + (bias >= 0);
    return NT_OK;
}

void nt_lower_fold(struct nt_tensor *operand, const struct nt_shape *shape)
{
    int64_t count = nt_shape_count(&operand->shape), offset = operand->offset;
    struct nt_shape row = {.rank = shape->rank};
    for (int i = 0; i < row.rank; i++)
        row.dim[i] = i == row.rank - 1 ? count : 1;
    *operand = nt_tensor_make(operand->buffer, operand->dtype,
        count == nt_shape_count(shape) ? shape : &row, NT_ROW_MAJOR);
    operand->offset = offset;
}

void nt_lower_release(struct nt_lower_epilogue *epilogue)
{
    nt_expr_destroy(epilogue->owned);
}
