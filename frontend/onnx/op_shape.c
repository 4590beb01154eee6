/* SPDX-License-Identifier: MIT
 *
 * Operators that move elements or change shapes.
 */
#include <string.h>

#include "frontend/onnx/table.h"

enum nt_status nt_onnx_shape_node(struct nt_onnx_node *node)
{
    struct nt_shape shape;
    enum nt_status status = nt_onnx_shape(node, 0, &shape);
    if (status != NT_OK)
        return status;
    int64_t first = nt_onnx_int(node, "start", 0), end = nt_onnx_int(node, "end", shape.rank);
    first = first < 0 ? first + shape.rank : first;
    end = end < 0 ? end + shape.rank : end;
    first = first < 0 ? 0 : first;
    end = end > shape.rank ? shape.rank : end;
    return nt_onnx_out_known(node, 0,
        nt_onnx_host_list(node->graph, NT_ONNX_INT64, end > first ? (size_t)(end - first) : 0,
            shape.dim + (end > first ? first : 0)));
}

enum nt_status nt_onnx_size_node(struct nt_onnx_node *node)
{
    struct nt_shape shape, scalar = {0};
    enum nt_status status = nt_onnx_shape(node, 0, &shape);
    if (status != NT_OK)
        return status;
    struct nt_onnx_host *host = nt_onnx_host_create(node->graph, NT_ONNX_INT64, &scalar);
    if (host)
        host->data[0] = (double)nt_onnx_host_count(&shape);
    return nt_onnx_out_known(node, 0, host);
}

enum nt_status nt_onnx_constant_of_shape(struct nt_onnx_node *node)
{
    const NtOnnx__AttributeProto *attr = nt_onnx_attr(node, "value");
    int64_t list[NT_MAX_INTS];
    int count, type = NT_ONNX_FLOAT;
    double number = 0, elements = 1;
    struct nt_onnx_tensor tensor;
    enum nt_status status = nt_onnx_integers(node, 0, list, &count);
    if (status == NT_OK && (count < 0 || count > NT_MAX_RANK))
        status =
            nt_onnx_fail(node, NT_ERR_SHAPE, "rank %d: must be at most %d", count, NT_MAX_RANK);
    if (status == NT_OK && attr && attr->t) {
        status = nt_onnx_tensor_open(
            node->import->ctx, node->import->definition->path, attr->t, &tensor);
        if (status == NT_OK && tensor.count != 1)
            status = nt_onnx_fail(node, NT_ERR_FORMAT, "value: must be one number");
        if (status == NT_OK)
            status = nt_onnx_tensor_read(node->import->ctx, &tensor, NT_F64, &number);
        type = status == NT_OK ? tensor.type : type;
    }
    if (status != NT_OK)
        return status;
    struct nt_shape shape = {.rank = count};
    for (int i = 0; i < count; i++) {
        shape.dim[i] = list[i];
        elements *= (double)list[i];
        if (list[i] < 0 || elements > NT_ONNX_MAX_ELEMENTS)
            return nt_onnx_fail(
                node, NT_ERR_SHAPE, "extent %lld: is out of range", (long long)list[i]);
    }
    if (elements <= NT_ONNX_HOST_ELEMENTS) {
        struct nt_onnx_host *host = nt_onnx_host_create(node->graph, type, &shape);
        for (size_t i = 0; host && i < host->count; i++)
            host->data[i] = number;
        return nt_onnx_out_known(node, 0, host);
    }
    int value = nt_graph_constant(node->graph, number, &shape);
    if (value >= 0)
        node->graph->value[value].dtype = nt_onnx_type_dtype(type);
    return nt_onnx_out_type(node, 0, value, type);
}

/* ---- the same elements ---- */

enum nt_status nt_onnx_identity(struct nt_onnx_node *node)
{
    const struct nt_onnx_value *in = node->input[0];
    if (!nt_onnx_has(node, 0) || !nt_onnx_wants(node, 0))
        return nt_onnx_fail(node, NT_ERR_FORMAT, "must have an input and an output");
    struct nt_onnx_value *out = node->output[0];
    if (node->folding)
        return nt_onnx_out_known(node, 0, nt_onnx_numbers(node, 0));
    if (in->tensor) { /* a second name of a weight is no second weight */
        int value = nt_onnx_in(node, 0);
        if (value < 0)
            return node->graph->failure;
        in = node->input[0];
    }
    out->type = in->type;
    out->tensor = in->tensor;
    out->known = in->known;
    out->fed = in->fed;
    out->feed = in->feed;
    out->graph = in->graph;
    out->weight = in->weight;
    return NT_OK;
}

/* Input 0 under another shape, known or on the device. */
static enum nt_status view(struct nt_onnx_node *node, const struct nt_shape *shape)
{
    struct nt_shape from;
    char a[128], b[128];
    enum nt_status status = nt_onnx_shape(node, 0, &from);
    if (status != NT_OK)
        return status;
    if (nt_onnx_host_count(&from) != nt_onnx_host_count(shape))
        return nt_onnx_fail(node, NT_ERR_SHAPE, "%s to %s: must have as many elements",
            nt_shape_text(&from, a, sizeof a), nt_shape_text(shape, b, sizeof b));
    const struct nt_onnx_host *known = node->input[0]->known;
    if (known && (node->folding || node->input[0]->graph < 0)) {
        struct nt_onnx_host *host = nt_graph_alloc(node->graph, sizeof *host);
        if (!host)
            return nt_onnx_fail(node, NT_ERR_MEMORY, "host memory is exhausted");
        *host = *known;
        host->shape = *shape;
        node->fed |= node->input[0]->fed;
        return nt_onnx_out_known(node, 0, host);
    }
    return nt_onnx_out(node, 0, nt_onnx_reshape(node, nt_onnx_in(node, 0), shape));
}

enum nt_status nt_onnx_reshape_node(struct nt_onnx_node *node)
{
    int64_t list[NT_MAX_INTS];
    int count, open = -1;
    struct nt_shape from, to = {0};
    enum nt_status status = nt_onnx_shape(node, 0, &from);
    if (status == NT_OK)
        status = nt_onnx_list(node, "shape", 1, list, &count);
    if (status != NT_OK)
        return status;
    if (count < 0 || count > NT_MAX_RANK)
        return nt_onnx_fail(
            node, NT_ERR_SHAPE, "shape: must be given, of rank %d at most", NT_MAX_RANK);
    bool zeros = nt_onnx_int(node, "allowzero", 0) != 0;
    size_t total = nt_onnx_host_count(&from), rest = 1;
    to.rank = count;
    for (int i = 0; i < count; i++) {
        to.dim[i] = list[i] == 0 && !zeros && i < from.rank ? from.dim[i] : list[i];
        if (list[i] == -1 && open < 0)
            open = i;
        else if (to.dim[i] < 0 || to.dim[i] > NT_ONNX_MAX_ELEMENTS)
            return nt_onnx_fail(
                node, NT_ERR_SHAPE, "extent %lld: is out of range", (long long)list[i]);
        else if (rest <= NT_ONNX_MAX_ELEMENTS)
            rest *= (size_t)to.dim[i];
    }
    if (open >= 0)
        to.dim[open] = rest ? (int64_t)(total / rest) : 0;
    return view(node, &to);
}

enum nt_status nt_onnx_flatten(struct nt_onnx_node *node)
{
    struct nt_shape from, to = {2, {1, 1}};
    enum nt_status status = nt_onnx_shape(node, 0, &from);
    int64_t axis = nt_onnx_int(node, "axis", 1);
    if (status != NT_OK)
        return status;
    if (axis < -from.rank || axis > from.rank)
        return nt_onnx_fail(node, NT_ERR_SHAPE, "axis %lld: must be from %d to %d", (long long)axis,
            -from.rank, from.rank);
    axis = axis < 0 ? axis + from.rank : axis;
    for (int i = 0; i < from.rank; i++)
        to.dim[i >= axis] *= from.dim[i];
    return view(node, &to);
}

/* Bits of the axes listed; rank is what they count in. */
static enum nt_status axes_mask(
    struct nt_onnx_node *node, int count, const int64_t *list, int rank, unsigned *mask)
{
    *mask = 0;
    for (int i = 0; i < count; i++) {
        int axis;
        enum nt_status status = nt_onnx_axis(node, list[i], rank, &axis);
        if (status != NT_OK)
            return status;
        if (*mask & 1u << axis)
            return nt_onnx_fail(
                node, NT_ERR_FORMAT, "axis %lld: is named twice", (long long)list[i]);
        *mask |= 1u << axis;
    }
    return NT_OK;
}

enum nt_status nt_onnx_squeeze(struct nt_onnx_node *node)
{
    int64_t list[NT_MAX_INTS];
    int count;
    unsigned mask = 0;
    struct nt_shape from, to = {0};
    enum nt_status status = nt_onnx_shape(node, 0, &from);
    if (status == NT_OK)
        status = nt_onnx_list(node, "axes", 1, list, &count);
    if (status == NT_OK)
        status = axes_mask(node, count, list, from.rank, &mask);
    if (status != NT_OK)
        return status;
    for (int i = 0; i < from.rank; i++) {
        bool gone = count < 0 ? from.dim[i] == 1 : mask >> i & 1;
        if (gone && from.dim[i] != 1)
            return nt_onnx_fail(node, NT_ERR_SHAPE, "axis %d of extent %lld: must be of extent 1",
                i, (long long)from.dim[i]);
        if (!gone)
            to.dim[to.rank++] = from.dim[i];
    }
    return view(node, &to);
}

enum nt_status nt_onnx_unsqueeze(struct nt_onnx_node *node)
{
    int64_t list[NT_MAX_INTS];
    int count, next = 0;
    unsigned mask = 0;
    struct nt_shape from, to = {0};
    enum nt_status status = nt_onnx_shape(node, 0, &from);
    if (status == NT_OK)
        status = nt_onnx_list(node, "axes", 1, list, &count);
    if (status == NT_OK && (count < 0 || from.rank + count > NT_MAX_RANK))
        status = nt_onnx_fail(
            node, NT_ERR_SHAPE, "axes: must be given, and rank %d at most", NT_MAX_RANK);
    if (status == NT_OK)
        status = axes_mask(node, count, list, from.rank + count, &mask);
    if (status != NT_OK)
        return status;
    to.rank = from.rank + count;
    for (int i = 0; i < to.rank; i++)
        to.dim[i] = mask >> i & 1 ? 1 : from.dim[next++];
    return view(node, &to);
}

/* ---- elements in other places ---- */

enum nt_status nt_onnx_transpose_axes(
    struct nt_onnx_node *node, const struct nt_shape *shape, int64_t *axes)
{
    unsigned mask = 0;
    int count = nt_onnx_ints(node, "perm", axes);
    if (count >= 0 && count != shape->rank)
        return nt_onnx_fail(
            node, NT_ERR_SHAPE, "perm of %d axes: must be of %d", count, shape->rank);
    for (int i = 0; count < 0 && i < shape->rank; i++)
        axes[i] = shape->rank - 1 - i;
    enum nt_status status = axes_mask(node, shape->rank, axes, shape->rank, &mask);
    for (int i = 0; i < shape->rank; i++)
        axes[i] = axes[i] < 0 ? axes[i] + shape->rank : axes[i];
    return status;
}

enum nt_status nt_onnx_transpose(struct nt_onnx_node *node)
{
    int64_t axes[NT_MAX_INTS];
    int value = nt_onnx_in(node, 0);
    if (value < 0)
        return node->graph->failure;
    struct nt_shape shape = node->graph->value[value].shape;
    enum nt_status status = nt_onnx_transpose_axes(node, &shape, axes);
    if (status != NT_OK)
        return status;
    if (shape.rank < 2)
        return nt_onnx_out(node, 0, value);
    struct nt_onnx_call call = nt_onnx_begin("transpose");
    nt_onnx_numbers_of(&call, "axes", shape.rank, axes);
    return nt_onnx_out(node, 0, nt_onnx_add(node, &call, 1, &value));
}

enum nt_status nt_onnx_concat(struct nt_onnx_node *node)
{
    int input[NT_ONNX_MAX_OPERANDS], count = 0;
    for (int i = 0; i < node->inputs; i++) {
        struct nt_shape shape;
        enum nt_status status = nt_onnx_shape(node, i, &shape);
        if (status != NT_OK)
            return status;
        if (nt_onnx_host_count(&shape) == 0)
            continue;
        input[count] = nt_onnx_in(node, i);
        if (input[count++] < 0)
            return node->graph->failure;
    }
    if (count == 1)
        return nt_onnx_out(node, 0, input[0]);
    struct nt_onnx_call call = nt_onnx_begin("concat");
    nt_onnx_number(&call, "axis", (double)nt_onnx_int(node, "axis", 1));
    return nt_onnx_out(node, 0, nt_onnx_add(node, &call, count, input));
}

/* The extents of the parts along the axis; those of equal parts but for the last. */
enum nt_status nt_onnx_split_sizes(
    struct nt_onnx_node *node, const struct nt_shape *shape, int *axis, int64_t *sizes, int *count)
{
    int parts = (int)nt_onnx_int(node, "num_outputs", (int64_t)node->proto->n_output);
    int64_t sum = 0;
    enum nt_status status = nt_onnx_list(node, "split", 1, sizes, count);
    if (status == NT_OK)
        status = nt_onnx_axis(node, nt_onnx_int(node, "axis", 0), shape->rank, axis);
    if (status != NT_OK)
        return status;
    if (parts < 1 || parts > NT_MAX_OUTPUTS || *count > NT_MAX_OUTPUTS)
        return nt_onnx_fail(
            node, NT_ERR_UNSUPPORTED, "%d parts: must be from 1 to %d", parts, NT_MAX_OUTPUTS);
    int64_t left = shape->dim[*axis], part = (left + parts - 1) / parts;
    for (int i = 0; *count < 0 && i < parts; i++) {
        sizes[i] = part < left ? part : left;
        left -= sizes[i];
    }
    *count = *count < 0 ? parts : *count;
    for (int i = 0; i < *count; i++) {
        if (sizes[i] < 0 || sizes[i] > shape->dim[*axis])
            return nt_onnx_fail(node, NT_ERR_SHAPE, "part of %lld: must be from 0 to %lld",
                (long long)sizes[i], (long long)shape->dim[*axis]);
        sum += sizes[i];
    }
    return sum == shape->dim[*axis]
               ? NT_OK
               : nt_onnx_fail(node, NT_ERR_SHAPE, "parts of %lld in all: must be %lld",
                     (long long)sum, (long long)shape->dim[*axis]);
}

enum nt_status nt_onnx_split(struct nt_onnx_node *node)
{
    int64_t sizes[NT_MAX_INTS], full[NT_MAX_INTS];
    int count, filled = 0, axis, outputs[NT_MAX_OUTPUTS];
    struct nt_shape shape;
    enum nt_status status = nt_onnx_shape(node, 0, &shape);
    if (status == NT_OK)
        status = nt_onnx_split_sizes(node, &shape, &axis, sizes, &count);
    int x = status == NT_OK ? nt_onnx_in(node, 0) : -1;
    if (x < 0)
        return node->graph->failure;
    for (int i = 0; i < count; i++)
        if (sizes[i] > 0)
            full[filled++] = sizes[i];
    outputs[0] = x;
    if (filled > 1) {
        struct nt_onnx_call call = nt_onnx_begin("split");
        nt_onnx_numbers_of(&call, "sizes", filled, full);
        nt_onnx_number(&call, "axis", axis);
        status = nt_onnx_add_many(node, &call, 1, &x, outputs);
    }
    for (int i = 0, next = 0; status == NT_OK && i < count && i < node->outputs; i++) {
        shape.dim[axis] = sizes[i];
        status = sizes[i] > 0
                     ? nt_onnx_out(node, i, outputs[next++])
                     : nt_onnx_out_known(node, i,
                           nt_onnx_host_create(node->graph, nt_onnx_type(node, 0), &shape));
    }
    return status;
}

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* First index, step and extent of every dimension. */
enum nt_status nt_onnx_slice_of(struct nt_onnx_node *node, const struct nt_shape *from,
    int64_t *first, int64_t *step, struct nt_shape *to)
{
    int64_t starts[NT_MAX_INTS], ends[NT_MAX_INTS], axes[NT_MAX_INTS], steps[NT_MAX_INTS];
    int count, other, axis_count, step_count;
    enum nt_status status = nt_onnx_list(node, "starts", 1, starts, &count);
    if (status == NT_OK)
        status = nt_onnx_list(node, "ends", 2, ends, &other);
    if (status == NT_OK)
        status = nt_onnx_list(node, "axes", 3, axes, &axis_count);
    if (status == NT_OK)
        status = nt_onnx_list(node, "steps", 4, steps, &step_count);
    if (status == NT_OK &&
        (count < 0 || other != count || (axis_count >= 0 && axis_count != count) ||
            (step_count >= 0 && step_count != count)))
        status = nt_onnx_fail(node, NT_ERR_FORMAT, "starts, ends, axes, steps: must be as many");
    *to = *from;
    for (int i = 0; i < from->rank; i++) {
        first[i] = 0;
        step[i] = 1;
    }
    for (int i = 0; status == NT_OK && i < count; i++) {
        int axis;
        status = nt_onnx_axis(node, axis_count >= 0 ? axes[i] : i, from->rank, &axis);
        if (status != NT_OK)
            break;
        int64_t extent = from->dim[axis], by = step_count >= 0 ? steps[i] : 1;
        if (by == 0)
            return nt_onnx_fail(node, NT_ERR_FORMAT, "step 0: must not be 0");
        int64_t begin = starts[i] < 0 ? starts[i] + extent : starts[i];
        int64_t end = ends[i] < 0 && ends[i] >= -extent ? ends[i] + extent : ends[i];
        begin = by > 0 ? clamp(begin, 0, extent) : clamp(begin, 0, extent - 1);
        end = by > 0 ? clamp(end, 0, extent) : clamp(end, -1, extent - 1);
        by = clamp(by, -(extent + 1), extent + 1);
        int64_t span = by > 0 ? end - begin : begin - end, size = by > 0 ? by : -by;
        first[axis] = begin;
        step[axis] = by;
        to->dim[axis] = span > 0 ? (span + size - 1) / size : 0;
    }
    return status;
}

enum nt_status nt_onnx_slice(struct nt_onnx_node *node)
{
    int64_t first[NT_MAX_RANK], step[NT_MAX_RANK], axes[NT_MAX_RANK], ends[NT_MAX_RANK];
    struct nt_shape to;
    int x = nt_onnx_in(node, 0), count = 0;
    if (x < 0)
        return node->graph->failure;
    struct nt_shape from = node->graph->value[x].shape;
    enum nt_status status = nt_onnx_slice_of(node, &from, first, step, &to);
    if (status != NT_OK)
        return status;
    if (nt_onnx_host_count(&to) == 0)
        return nt_onnx_out_known(
            node, 0, nt_onnx_host_create(node->graph, nt_onnx_type(node, 0), &to));
    for (int i = 0; i < from.rank; i++) {
        if (to.dim[i] == from.dim[i] && step[i] > 0)
            continue;
        axes[count] = i;
        first[count] = first[i];
        step[count] = step[i];
        ends[count] = first[i] + (to.dim[i] - 1) * step[i] + (step[i] > 0 ? 1 : -1);
        if (ends[count] < 0)
            ends[count] = -from.dim[i] - 1;
        count++;
    }
    if (count == 0)
        return nt_onnx_out(node, 0, x);
    struct nt_onnx_call call = nt_onnx_begin("strided_slice");
    nt_onnx_numbers_of(&call, "starts", count, first);
    nt_onnx_numbers_of(&call, "ends", count, ends);
    nt_onnx_numbers_of(&call, "axes", count, axes);
    nt_onnx_numbers_of(&call, "steps", count, step);
    return nt_onnx_out(node, 0, nt_onnx_add(node, &call, 1, &x));
}

enum nt_status nt_onnx_expand_shape(
    struct nt_onnx_node *node, const struct nt_shape *from, struct nt_shape *to)
{
    int64_t list[NT_MAX_INTS];
    int count;
    double elements = 1;
    enum nt_status status = nt_onnx_integers(node, 1, list, &count);
    if (status != NT_OK)
        return status;
    if (count < 0 || count > NT_MAX_RANK)
        return nt_onnx_fail(
            node, NT_ERR_SHAPE, "shape: must be given, of rank %d at most", NT_MAX_RANK);
    struct nt_shape wanted = {.rank = count};
    memcpy(wanted.dim, list, (size_t)count * sizeof *list);
    for (int i = 0; i < count; i++)
        if (list[i] < 0)
            return nt_onnx_fail(
                node, NT_ERR_SHAPE, "extent %lld: must be at least 0", (long long)list[i]);
    if (!nt_shape_broadcast(from, &wanted, to))
        return nt_onnx_fail(node, NT_ERR_SHAPE, "shapes do not broadcast");
    for (int i = 0; i < to->rank; i++)
        elements *= (double)to->dim[i];
    return elements <= NT_ONNX_MAX_ELEMENTS
               ? NT_OK
               : nt_onnx_fail(node, NT_ERR_SHAPE, "%g elements: are too many", elements);
}

enum nt_status nt_onnx_expand(struct nt_onnx_node *node)
{
    struct nt_shape from, to;
    enum nt_status status = nt_onnx_shape(node, 0, &from);
    if (status == NT_OK)
        status = nt_onnx_expand_shape(node, &from, &to);
    if (status != NT_OK)
        return status;
    int x = nt_onnx_in(node, 0);
    if (nt_shape_equal(&from, &to))
        return nt_onnx_out(node, 0, x);
    struct nt_onnx_call call = nt_onnx_begin("broadcast");
    nt_onnx_numbers_of(&call, "shape", to.rank, to.dim);
    return nt_onnx_out(node, 0, nt_onnx_add(node, &call, 1, &x));
}

enum nt_status nt_onnx_tile(struct nt_onnx_node *node)
{
    int64_t list[NT_MAX_INTS];
    int count, x = nt_onnx_in(node, 0);
    if (x < 0)
        return node->graph->failure;
    enum nt_status status = nt_onnx_integers(node, 1, list, &count);
    if (status == NT_OK && count != node->graph->value[x].shape.rank)
        status =
            nt_onnx_fail(node, NT_ERR_SHAPE, "%d repeats: must be one for each dimension", count);
    if (status != NT_OK)
        return status;
    struct nt_onnx_call call = nt_onnx_begin("tile");
    nt_onnx_numbers_of(&call, "repeats", count, list);
    return nt_onnx_out(node, 0, count ? nt_onnx_add(node, &call, 1, &x) : x);
}
