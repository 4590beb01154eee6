/* SPDX-License-Identifier: MIT
 *
 * Folding: what nodes give whose inputs are all known. Small tensors, plain loops.
 */
#include <math.h>
#include <string.h>

#include "frontend/onnx/table.h"

static struct nt_onnx_host *create(
    struct nt_onnx_node *node, int type, const struct nt_shape *shape)
{
    return nt_onnx_host_create(node->graph, type, shape);
}

/* The sum of index times stride, an output dimension at a time: y's element i is x's at the
 * offset. */
static struct nt_onnx_host *take(struct nt_onnx_node *node, const struct nt_onnx_host *x,
    const struct nt_shape *shape, const int64_t *stride, int64_t first)
{
    struct nt_onnx_host *y = create(node, x->type, shape);
    for (size_t i = 0; y && i < y->count; i++)
        y->data[i] = x->data[first + nt_onnx_host_offset(shape, stride, (int64_t)i)];
    return y;
}

enum nt_status nt_onnx_fold_constant(struct nt_onnx_node *node)
{
    static const char *const names[] = {
        "value", "value_float", "value_floats", "value_int", "value_ints"};
    const NtOnnx__AttributeProto *attr = NULL;
    int which = 0;
    for (int i = 0; i < 5 && !attr; i++)
        if ((attr = nt_onnx_attr(node, names[i])))
            which = i;
    if (!attr || (which == 0 && !attr->t))
        return nt_onnx_fail(node, NT_ERR_UNSUPPORTED,
            "must have a tensor, numbers or a number: strings and sparse tensors are not offered");
    if (which == 0) {
        struct nt_onnx_tensor *tensor = nt_graph_alloc(node->graph, sizeof *tensor);
        if (!tensor)
            return nt_onnx_fail(node, NT_ERR_MEMORY, "host memory is exhausted");
        enum nt_status status =
            nt_onnx_tensor_open(node->import->ctx, node->import->definition->path, attr->t, tensor);
        if (status == NT_OK && nt_onnx_wants(node, 0)) {
            node->output[0]->tensor = tensor;
            node->output[0]->type = tensor->type;
            if (tensor->count == 0)
                nt_onnx_value_known(node->import, node->output[0], &status);
        }
        return status;
    }
    bool list = which == 2 || which == 4;
    size_t count = which == 2 ? attr->n_floats : which == 4 ? attr->n_ints : 1;
    struct nt_shape shape = {list ? 1 : 0, {(int64_t)count}};
    struct nt_onnx_host *host = create(node, which <= 2 ? NT_ONNX_FLOAT : NT_ONNX_INT64, &shape);
    for (size_t i = 0; host && i < count; i++)
        host->data[i] = which == 1   ? (double)attr->f
                        : which == 2 ? (double)attr->floats[i]
                        : which == 3 ? (double)attr->i
                                     : (double)attr->ints[i];
    return nt_onnx_out_known(node, 0, host);
}

enum nt_status nt_onnx_fold_gather(struct nt_onnx_node *node)
{
    const struct nt_onnx_host *x = nt_onnx_numbers(node, 0), *index = nt_onnx_numbers(node, 1);
    struct nt_shape shape = {0};
    int axis;
    if (!x || !index)
        return node->graph->failure;
    enum nt_status status = nt_onnx_axis(node, nt_onnx_int(node, "axis", 0), x->shape.rank, &axis);
    if (status != NT_OK)
        return status;
    if (x->shape.rank + index->shape.rank - 1 > NT_MAX_RANK)
        return nt_onnx_fail(node, NT_ERR_SHAPE, "result of a rank above %d", NT_MAX_RANK);
    size_t inner = 1, outer = 1, extent = (size_t)x->shape.dim[axis];
    for (int i = 0; i < x->shape.rank; i++) {
        if (i < axis)
            outer *= (size_t)x->shape.dim[i];
        if (i > axis)
            inner *= (size_t)x->shape.dim[i];
        for (int j = 0; i == axis && j < index->shape.rank; j++)
            shape.dim[shape.rank++] = index->shape.dim[j];
        if (i != axis)
            shape.dim[shape.rank++] = x->shape.dim[i];
    }
    struct nt_onnx_host *y = create(node, x->type, &shape);
    for (size_t o = 0; y && o < outer; o++)
        for (size_t j = 0; j < index->count; j++) {
            double at = index->data[j] < 0 ? index->data[j] + (double)extent : index->data[j];
            if (!(at >= 0 && at < (double)extent))
                return nt_onnx_fail(node, NT_ERR_SHAPE, "index %.0f: there are %zu elements",
                    index->data[j], extent);
            memcpy(y->data + (o * index->count + j) * inner,
                x->data + (o * extent + (size_t)at) * inner, inner * sizeof *y->data);
        }
    return nt_onnx_out_known(node, 0, y);
}

enum nt_status nt_onnx_fold_concat(struct nt_onnx_node *node)
{
    const struct nt_onnx_host *x = nt_onnx_numbers(node, 0);
    int axis;
    if (!x)
        return node->graph->failure;
    struct nt_shape shape = x->shape;
    enum nt_status status = nt_onnx_axis(node, nt_onnx_int(node, "axis", 1), shape.rank, &axis);
    if (status != NT_OK)
        return status;
    for (int i = 1; i < node->inputs; i++) {
        const struct nt_onnx_host *part = nt_onnx_numbers(node, i);
        if (!part)
            return node->graph->failure;
        bool fits = part->shape.rank == shape.rank;
        for (int d = 0; fits && d < shape.rank; d++)
            fits = d == axis || part->shape.dim[d] == shape.dim[d];
        if (!fits)
            return nt_onnx_fail(node, NT_ERR_SHAPE, "input %d: does not fit input 0", i);
        shape.dim[axis] += part->shape.dim[axis];
    }
    struct nt_onnx_host *y = create(node, x->type, &shape);
    size_t inner = 1, offset = 0;
    for (int d = axis + 1; d < shape.rank; d++)
        inner *= (size_t)shape.dim[d];
    size_t row = inner * (size_t)shape.dim[axis];
    for (int i = 0; y && i < node->inputs; i++) {
        const struct nt_onnx_host *part = nt_onnx_numbers(node, i);
        size_t own = inner * (size_t)part->shape.dim[axis];
        for (size_t o = 0; own && o < part->count / own; o++)
            memcpy(y->data + o * row + offset, part->data + o * own, own * sizeof *y->data);
        offset += own;
    }
    return nt_onnx_out_known(node, 0, y);
}

enum nt_status nt_onnx_fold_split(struct nt_onnx_node *node)
{
    const struct nt_onnx_host *x = nt_onnx_numbers(node, 0);
    int64_t sizes[NT_MAX_INTS], stride[NT_MAX_RANK], first = 0;
    int axis, count;
    if (!x)
        return node->graph->failure;
    struct nt_shape shape = x->shape;
    enum nt_status status = nt_onnx_split_sizes(node, &x->shape, &axis, sizes, &count);
    if (status != NT_OK)
        return status;
    nt_onnx_host_strides(&x->shape, stride);
    for (int i = 0; status == NT_OK && i < count; i++) {
        shape.dim[axis] = sizes[i];
        status = nt_onnx_out_known(node, i, take(node, x, &shape, stride, first * stride[axis]));
        first += sizes[i];
    }
    return status;
}

enum nt_status nt_onnx_fold_slice(struct nt_onnx_node *node)
{
    const struct nt_onnx_host *x = nt_onnx_numbers(node, 0);
    int64_t first[NT_MAX_RANK], step[NT_MAX_RANK], stride[NT_MAX_RANK], start = 0;
    struct nt_shape shape;
    if (!x)
        return node->graph->failure;
    enum nt_status status = nt_onnx_slice_of(node, &x->shape, first, step, &shape);
    if (status != NT_OK)
        return status;
    nt_onnx_host_strides(&x->shape, stride);
    for (int i = 0; i < shape.rank; i++) {
        start += first[i] * stride[i];
        stride[i] *= step[i];
    }
    return nt_onnx_out_known(node, 0, take(node, x, &shape, stride, start));
}

enum nt_status nt_onnx_fold_cast(struct nt_onnx_node *node)
{
    const struct nt_onnx_host *x = nt_onnx_numbers(node, 0);
    int type;
    if (!x)
        return node->graph->failure;
    enum nt_status status = nt_onnx_cast_type(node, &type);
    if (status != NT_OK)
        return status;
    struct nt_onnx_host *y = create(node, type, &x->shape);
    for (size_t i = 0; y && i < y->count; i++)
        y->data[i] = nt_onnx_host_cast(x->data[i], type);
    return nt_onnx_out_known(node, 0, y);
}

enum nt_status nt_onnx_fold_expand(struct nt_onnx_node *node)
{
    const struct nt_onnx_host *x = nt_onnx_numbers(node, 0);
    int64_t stride[NT_MAX_RANK];
    struct nt_shape shape;
    if (!x)
        return node->graph->failure;
    enum nt_status status = nt_onnx_expand_shape(node, &x->shape, &shape);
    if (status != NT_OK)
        return status;
    if (nt_onnx_host_count(&shape) > NT_ONNX_HOST_ELEMENTS)
        return nt_onnx_expand(node);
    nt_onnx_host_broadcast(&x->shape, &shape, stride);
    return nt_onnx_out_known(node, 0, take(node, x, &shape, stride, 0));
}

enum nt_status nt_onnx_fold_transpose(struct nt_onnx_node *node)
{
    const struct nt_onnx_host *x = nt_onnx_numbers(node, 0);
    int64_t own[NT_MAX_RANK], stride[NT_MAX_RANK], axes[NT_MAX_INTS];
    struct nt_shape shape;
    if (!x)
        return node->graph->failure;
    enum nt_status status = nt_onnx_transpose_axes(node, &x->shape, axes);
    if (status != NT_OK)
        return status;
    nt_onnx_host_strides(&x->shape, own);
    shape.rank = x->shape.rank;
    for (int i = 0; i < shape.rank; i++) {
        shape.dim[i] = x->shape.dim[axes[i]];
        stride[i] = own[axes[i]];
    }
    return nt_onnx_out_known(node, 0, take(node, x, &shape, stride, 0));
}

/* ---- arithmetic ---- */

/* An operator as an expression over inputs 0 to count - 1. */
static enum nt_status parse(
    struct nt_onnx_node *node, const char *op, int count, struct nt_expr **out, int *term)
{
    static const char *const letters[] = {"a", "b", "c", "d"};
    struct nt_onnx_call call = nt_onnx_begin(op);
    const char *names[4 + 16];
    int terms[4 + 16], used = 0;
    struct nt_expr *expr = nt_expr_create();
    if (!expr)
        return nt_onnx_fail(node, NT_ERR_MEMORY, "host memory is exhausted");
    nt_onnx_translate(node, &call);
    for (; used < count; used++) {
        names[used] = letters[used];
        terms[used] = nt_expr_input(expr, used);
    }
    for (int i = 0; i < call.op->attr_count; i++, used++) {
        names[used] = call.op->attrs[i].name;
        terms[used] = nt_expr_constant(
            expr, call.attr[i].set ? call.attr[i].number : call.op->attrs[i].fallback);
    }
    enum nt_status status =
        nt_expr_parse(node->import->ctx, expr, call.op->expression, used, names, terms, term);
    if (status == NT_OK)
        *out = expr;
    else
        nt_expr_destroy(expr);
    return status;
}

/* The shape that inputs broadcast to. */
static enum nt_status broadcast(
    struct nt_onnx_node *node, int count, const struct nt_onnx_host *const *x, struct nt_shape *out)
{
    *out = x[0]->shape;
    for (int i = 1; i < count; i++)
        if (!nt_shape_broadcast(out, &x[i]->shape, out))
            return nt_onnx_fail(node, NT_ERR_SHAPE, "input %d: does not broadcast", i);
    if (nt_onnx_host_count(out) > 16 * NT_ONNX_HOST_ELEMENTS)
        return nt_onnx_fail(node, NT_ERR_UNSUPPORTED, "constants broadcast to too many elements");
    return NT_OK;
}

/* Two or more inputs of which the expression takes two are taken in turn: Max, Min. */
static struct nt_onnx_host *evaluate(struct nt_onnx_node *node, const struct nt_expr *expr,
    int term, int inputs, const struct nt_onnx_host *const *x, int type, const struct nt_shape *to)
{
    int64_t stride[4][NT_MAX_RANK];
    struct nt_onnx_host *y = create(node, type, to);
    for (int i = 0; i < inputs; i++)
        nt_onnx_host_broadcast(&x[i]->shape, to, stride[i]);
    for (size_t e = 0; y && e < y->count; e++) {
        double in[4] = {0};
        for (int i = 0; i < inputs; i++)
            in[i] = x[i]->data[nt_onnx_host_offset(to, stride[i], (int64_t)e)];
        y->data[e] = nt_onnx_host_cast(nt_expr_evaluate(expr, term, in), type);
    }
    return y;
}

static enum nt_status fold_op(struct nt_onnx_node *node, const char *op, int type)
{
    int arity = nt_op_max_inputs(nt_op_find(op)), term;
    const struct nt_onnx_host *x[4] = {nt_onnx_numbers(node, 0)};
    struct nt_expr *expr;
    struct nt_shape shape;
    if (!x[0])
        return node->graph->failure;
    enum nt_status status = parse(node, op, arity, &expr, &term);
    if (status != NT_OK)
        return status;
    const struct nt_onnx_host *y = arity == 1 || node->inputs > 1 ? NULL : x[0];
    for (int next = 1; status == NT_OK && !y;) {
        for (int i = 1; i < arity; i++)
            if (!(x[i] = nt_onnx_numbers(node, next++))) {
                nt_expr_destroy(expr);
                return node->graph->failure;
            }
        status = broadcast(node, arity, x, &shape);
        if (status == NT_OK)
            x[0] = evaluate(node, expr, term, arity, x, type, &shape);
        if (!x[0] || next >= node->inputs)
            y = x[0];
        if (!x[0])
            break;
    }
    nt_expr_destroy(expr);
    return status == NT_OK ? nt_onnx_out_known(node, 0, y) : status;
}

enum nt_status nt_onnx_fold_elementwise(struct nt_onnx_node *node)
{
    int type = node->rule->type ? node->rule->type : nt_onnx_type(node, 0);
    return fold_op(node, node->rule->op, type);
}

enum nt_status nt_onnx_fold_mod(struct nt_onnx_node *node)
{
    return fold_op(node, nt_onnx_int(node, "fmod", 0) ? "fmod" : "mod", nt_onnx_type(node, 0));
}

enum nt_status nt_onnx_fold_clip(struct nt_onnx_node *node)
{
    const struct nt_onnx_host *x = nt_onnx_numbers(node, 0);
    double limit[2] = {nt_onnx_float(node, "min", -INFINITY), nt_onnx_float(node, "max", INFINITY)};
    for (int i = 1; x && i < 3; i++) {
        if (!nt_onnx_has(node, i))
            continue;
        const struct nt_onnx_host *host = nt_onnx_numbers(node, i);
        if (!host || host->count != 1)
            return host ? nt_onnx_fail(node, NT_ERR_FORMAT, "input %d: must be one number", i)
                        : node->graph->failure;
        limit[i - 1] = host->data[0];
    }
    if (!x)
        return node->graph->failure;
    struct nt_onnx_host *y = create(node, x->type, &x->shape);
    for (size_t i = 0; y && i < y->count; i++) {
        double most = x->data[i] < limit[0] ? limit[0] : x->data[i];
        y->data[i] = most > limit[1] ? limit[1] : most;
    }
    return nt_onnx_out_known(node, 0, y);
}

/* What elementwise operators give when one input has no elements. */
enum nt_status nt_onnx_fold_empty(struct nt_onnx_node *node)
{
    struct nt_shape shape = {0}, next;
    int typed = node->inputs > 2 && node->rule->fold == nt_onnx_fold_where ? 1 : 0;
    for (int i = 0; i < node->inputs; i++) {
        enum nt_status status = nt_onnx_shape(node, i, &next);
        if (status != NT_OK)
            return status;
        if (!nt_shape_broadcast(&shape, &next, &shape))
            return nt_onnx_fail(node, NT_ERR_SHAPE, "input %d: does not broadcast", i);
    }
    int type = node->rule->type ? node->rule->type : nt_onnx_type(node, typed);
    return nt_onnx_out_known(node, 0, create(node, type, &shape));
}

enum nt_status nt_onnx_fold_where(struct nt_onnx_node *node)
{
    return fold_op(node, node->rule->op, nt_onnx_type(node, 1));
}

enum nt_status nt_onnx_fold_range(struct nt_onnx_node *node)
{
    const struct nt_onnx_host *x[3];
    for (int i = 0; i < 3; i++)
        if (!(x[i] = nt_onnx_numbers(node, i)) || x[i]->count != 1)
            return x[i] ? nt_onnx_fail(node, NT_ERR_FORMAT, "input %d: must be one number", i)
                        : node->graph->failure;
    double step = x[2]->data[0], count = ceil((x[1]->data[0] - x[0]->data[0]) / step);
    if (!(fabs(step) > 0) || !(count <= NT_ONNX_HOST_ELEMENTS))
        return nt_onnx_fail(node, NT_ERR_UNSUPPORTED, "%g numbers: must be at most %d", count,
            NT_ONNX_HOST_ELEMENTS);
    struct nt_shape shape = {1, {count > 0 ? (int64_t)count : 0}};
    struct nt_onnx_host *y = create(node, x[0]->type, &shape);
    for (size_t i = 0; y && i < y->count; i++)
        y->data[i] = x[0]->data[0] + (double)i * step;
    return nt_onnx_out_known(node, 0, y);
}

/* ---- reductions ---- */

static const struct reduction {
    const char *name;
    double start;           /* of an empty set */
    const char *step, *end; /* a: so far, b: the element; a: the sum, b: how many */
} reductions[] = {
    {"ReduceL1", 0, "a + abs(b)", "a"},
    {"ReduceL2", 0, "a + b * b", "sqrt(a)"},
    {"ReduceLogSum", 0, "a + b", "log(a)"},
    {"ReduceLogSumExp", 0, "a + exp(b)", "log(a)"},
    {"ReduceMax", -INFINITY, "max(a, b)", "a"},
    {"ReduceMean", 0, "a + b", "a / b"},
    {"ReduceMin", INFINITY, "min(a, b)", "a"},
    {"ReduceProd", 1, "a * b", "a"},
    {"ReduceSum", 0, "a + b", "a"},
    {"ReduceSumSquare", 0, "a + b * b", "a"},
};

static const struct reduction *find_reduction(const char *name)
{
    for (size_t i = 0; i < sizeof reductions / sizeof *reductions; i++)
        if (strcmp(reductions[i].name, name) == 0)
            return &reductions[i];
    return NULL;
}

static void reduce_all(const struct nt_expr *expr, int step, int end, const struct nt_onnx_host *x,
    const int64_t *stride, struct nt_onnx_host *y)
{
    double each = y->count ? (double)x->count / (double)y->count : 0;
    for (size_t i = 0; i < x->count; i++) {
        double *to = &y->data[nt_onnx_host_offset(&x->shape, stride, (int64_t)i)];
        *to = nt_expr_evaluate(expr, step, (double[]){*to, x->data[i]});
    }
    for (size_t i = 0; i < y->count; i++)
        y->data[i] =
            nt_onnx_host_cast(nt_expr_evaluate(expr, end, (double[]){y->data[i], each}), y->type);
}

enum nt_status nt_onnx_fold_reduce(struct nt_onnx_node *node)
{
    const struct nt_onnx_host *x = nt_onnx_numbers(node, 0);
    const struct reduction *reduction = find_reduction(node->rule->name);
    unsigned mask;
    struct nt_shape kept, shape;
    int64_t stride[NT_MAX_RANK];
    int step, end;
    if (!x)
        return node->graph->failure;
    enum nt_status status = nt_onnx_reduce_axes(node, &x->shape, &mask, &kept, &shape);
    if (status != NT_OK)
        return status;
    struct nt_expr *expr = nt_expr_create();
    struct nt_onnx_host *y = create(node, x->type, &shape);
    if (!expr || !y) {
        nt_expr_destroy(expr);
        return nt_onnx_fail(node, NT_ERR_MEMORY, "host memory is exhausted");
    }
    for (size_t i = 0; i < y->count; i++)
        y->data[i] = x->type == NT_ONNX_BOOL ? reduction->start > 0 : reduction->start;
    const int terms[] = {nt_expr_input(expr, 0), nt_expr_input(expr, 1)};
    const char *const names[] = {"a", "b"};
    struct nt_context *ctx = node->import->ctx;
    status = nt_expr_parse(ctx, expr, reduction->step, 2, names, terms, &step);
    if (status == NT_OK)
        status = nt_expr_parse(ctx, expr, reduction->end, 2, names, terms, &end);
    nt_onnx_host_broadcast(&kept, &x->shape, stride);
    if (status == NT_OK)
        reduce_all(expr, step, end, x, stride, y);
    nt_expr_destroy(expr);
    return status == NT_OK ? nt_onnx_out_known(node, 0, y) : status;
}
