/* SPDX-License-Identifier: MIT
 *
 * Elements chosen by what they are: results whose extents depend on numbers, which must be known
 * before the run; and those by place, which need not.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/onnx/table.h"
#include "frontend/op/compose.h"

/* Host memory that does not outlive a function. */
static void *scratch(struct nt_onnx_node *node, size_t count, size_t size)
{
    void *memory = calloc(count + 1, size);
    if (!memory)
        nt_onnx_fail(node, NT_ERR_MEMORY, "host memory is exhausted");
    return memory;
}

/* The numbers of an input by which the result's extents go. */
static const struct nt_onnx_host *deciding(struct nt_onnx_node *node, int input)
{
    const struct nt_onnx_host *host = nt_onnx_numbers(node, input);
    if (!host && nt_onnx_has(node, input) && node->graph->failure == NT_ERR_UNSUPPORTED)
        nt_onnx_fail(node, NT_ERR_UNSUPPORTED,
            "input '%s': must be known before the run: the extents of the result depend on it",
            node->input[input]->name);
    return host;
}

enum nt_status nt_onnx_non_zero(struct nt_onnx_node *node)
{
    const struct nt_onnx_host *x = deciding(node, 0);
    int64_t stride[NT_MAX_RANK], count = 0;
    if (!x)
        return node->graph->failure;
    for (size_t i = 0; i < x->count; i++)
        count += x->data[i] != 0;
    int rank = x->shape.rank ? x->shape.rank : 1; /* a scalar counts as a list of one */
    struct nt_onnx_host *y =
        nt_onnx_host_create(node->graph, NT_ONNX_INT64, &(struct nt_shape){2, {rank, count}});
    nt_onnx_host_strides(&x->shape, stride);
    int64_t next = 0;
    for (size_t i = 0; y && i < x->count; i++) {
        if (x->data[i] == 0)
            continue;
        for (int d = 0; d < x->shape.rank; d++)
            y->data[d * count + next] = (double)((int64_t)i / stride[d] % x->shape.dim[d]);
        next++;
    }
    return nt_onnx_out_known(node, 0, y);
}

/* The slices where the condition is true: a gather of indices that are known. */
enum nt_status nt_onnx_compress(struct nt_onnx_node *node)
{
    const struct nt_onnx_host *condition = deciding(node, 1);
    bool flat = !nt_onnx_attr(node, "axis");
    int axis = 0;
    size_t count = 0;
    struct nt_shape shape;
    enum nt_status status = condition ? nt_onnx_shape(node, 0, &shape) : node->graph->failure;
    if (status == NT_OK && flat)
        shape = (struct nt_shape){1, {(int64_t)nt_onnx_host_count(&shape)}};
    if (status == NT_OK && !flat)
        status = nt_onnx_axis(node, nt_onnx_int(node, "axis", 0), shape.rank, &axis);
    if (status != NT_OK)
        return status;
    if (condition->shape.rank != 1 || (int64_t)condition->count > shape.dim[axis])
        return nt_onnx_fail(node, NT_ERR_SHAPE, "condition of %zu: must be a list of at most %lld",
            condition->count, (long long)shape.dim[axis]);
    int64_t *list = scratch(node, condition->count, sizeof *list);
    if (!list)
        return node->graph->failure;
    for (size_t i = 0; i < condition->count; i++)
        if (condition->data[i] != 0)
            list[count++] = (int64_t)i;
    const struct nt_onnx_host *index = nt_onnx_host_list(node->graph, NT_ONNX_INT64, count, list);
    free(list);
    if (count == 0) {
        shape.dim[axis] = 0;
        return nt_onnx_out_known(
            node, 0, nt_onnx_host_create(node->graph, nt_onnx_type(node, 0), &shape));
    }
    struct nt_onnx_call call = nt_onnx_begin("gather");
    nt_onnx_number(&call, "axis", axis);
    int x = nt_onnx_in(node, 0), chosen = nt_onnx_constants(node, "index", index);
    if (flat)
        x = nt_onnx_reshape(node, x, &shape);
    return nt_onnx_out(node, 0, nt_onnx_add(node, &call, 2, (int[]){x, chosen}));
}

/* ---- Unique ---- */

struct slices {
    const struct nt_onnx_host *x;
    int64_t outer, count, inner; /* count slices along the axis */
};

static double slice_element(const struct slices *s, int64_t slice, int64_t i)
{
    return s->x->data[(i / s->inner * s->count + slice) * s->inner + i % s->inner];
}

static int slice_order(const struct slices *s, int64_t a, int64_t b)
{
    for (int64_t i = 0; i < s->outer * s->inner; i++) {
        double x = slice_element(s, a, i), y = slice_element(s, b, i);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

/* order: the slices sorted, equal ones by their place; merge sort, which qsort need not be. */
static void sort_slices(const struct slices *s, int64_t *order, int64_t *spare)
{
    for (int64_t i = 0; i < s->count; i++)
        order[i] = i;
    for (int64_t run = 1; run < s->count; run *= 2) {
        for (int64_t at = 0; at < s->count; at += 2 * run) {
            int64_t middle = at + run < s->count ? at + run : s->count;
            int64_t end = at + 2 * run < s->count ? at + 2 * run : s->count, a = at, b = middle;
            for (int64_t i = at; i < end; i++) {
                bool left = b == end || (a < middle && slice_order(s, order[a], order[b]) <= 0);
                spare[i] = left ? order[a++] : order[b++];
            }
        }
        memcpy(order, spare, (size_t)s->count * sizeof *order);
    }
}

/* first[g]: the first slice of group g; group[i]: slice i's; size[g]. Returns how many groups. */
static int64_t group_slices(const struct slices *s, bool sorted, const int64_t *order,
    int64_t *first, int64_t *group, int64_t *size)
{
    int64_t groups = 0, *renamed = first + s->count;
    for (int64_t i = 0; i < s->count; i++) {
        bool new = i == 0 || slice_order(s, order[i - 1], order[i]) != 0;
        if (new)
            first[groups++] = order[i];
        group[order[i]] = groups - 1;
    }
    if (!sorted) { /* by their first appearance */
        int64_t next = 0;
        for (int64_t i = 0; i < s->count; i++)
            if (first[group[i]] == i)
                renamed[group[i]] = next++;
        for (int64_t i = 0; i < s->count; i++)
            group[i] = renamed[group[i]];
        for (int64_t i = s->count; i-- > 0;)
            first[group[i]] = i;
    }
    memset(size, 0, (size_t)groups * sizeof *size);
    for (int64_t i = 0; i < s->count; i++)
        size[group[i]]++;
    return groups;
}

static enum nt_status give_unique(struct nt_onnx_node *node, const struct slices *s,
    struct nt_shape shape, int axis, int64_t groups, int64_t *const *list)
{
    const size_t counts[] = {(size_t)groups, (size_t)s->count, (size_t)groups};
    shape.dim[axis] = groups;
    struct nt_onnx_host *y = nt_onnx_host_create(node->graph, s->x->type, &shape);
    for (int64_t o = 0; y && o < s->outer; o++)
        for (int64_t g = 0; g < groups; g++)
            for (int64_t i = 0; i < s->inner; i++)
                y->data[(o * groups + g) * s->inner + i] =
                    slice_element(s, list[0][g], o * s->inner + i);
    enum nt_status status = nt_onnx_out_known(node, 0, y);
    for (int i = 0; status == NT_OK && i < 3; i++)
        status = nt_onnx_out_known(
            node, i + 1, nt_onnx_host_list(node->graph, NT_ONNX_INT64, counts[i], list[i]));
    return status;
}

enum nt_status nt_onnx_unique(struct nt_onnx_node *node)
{
    const struct nt_onnx_host *x = deciding(node, 0);
    int axis = 0;
    if (!x)
        return node->graph->failure;
    struct nt_shape shape = x->shape;
    enum nt_status status = NT_OK;
    if (nt_onnx_attr(node, "axis"))
        status = nt_onnx_axis(node, nt_onnx_int(node, "axis", 0), shape.rank, &axis);
    else
        shape = (struct nt_shape){1, {(int64_t)x->count}};
    if (status != NT_OK)
        return status;
    struct slices s = {.x = x, .outer = 1, .count = shape.dim[axis], .inner = 1};
    for (int i = 0; i < shape.rank; i++)
        if (i != axis)
            *(i < axis ? &s.outer : &s.inner) *= shape.dim[i];
    size_t count = (size_t)s.count;
    int64_t *memory = scratch(node, 6 * count, sizeof *memory);
    if (!memory)
        return node->graph->failure;
    int64_t *order = memory, *first = order + count, *group = first + 2 * count;
    int64_t *size = group + count, *spare = size + count;
    sort_slices(&s, order, spare);
    int64_t groups =
        group_slices(&s, nt_onnx_int(node, "sorted", 1) != 0, order, first, group, size);
    status = give_unique(node, &s, shape, axis, groups, (int64_t *const[]){first, group, size});
    free(memory);
    return status;
}

/* ---- NonMaxSuppression ---- */

#define MAX_PAIRS (1 << 28) /* of boxes compared */

struct nms {
    const struct nt_onnx_host *boxes, *scores;
    int64_t batches, classes, count, most;
    double overlap, least; /* thresholds; least: of scores, -infinity when there is none */
    bool centred;
};

/* The sides of a box in order: two corners, any two that face each other, or centre and size. */
static void sides(const struct nms *nms, const double *box, double *low, double *high)
{
    for (int i = 0; i < 2; i++) {
        double a = nms->centred ? box[i] - box[i + 2] / 2 : box[i];
        double b = nms->centred ? box[i] + box[i + 2] / 2 : box[i + 2];
        low[i] = fmin(a, b);
        high[i] = fmax(a, b);
    }
}

static bool overlaps(const struct nms *nms, const double *a, const double *b)
{
    double low[2][2], high[2][2], shared = 1, area[2] = {1, 1};
    sides(nms, a, low[0], high[0]);
    sides(nms, b, low[1], high[1]);
    for (int i = 0; i < 2; i++) {
        double side = fmin(high[0][i], high[1][i]) - fmax(low[0][i], low[1][i]);
        shared *= side > 0 ? side : 0;
        area[0] *= high[0][i] - low[0][i];
        area[1] *= high[1][i] - low[1][i];
    }
    return shared > nms->overlap * (area[0] + area[1] - shared);
}

/* The next box in order of the score: the first of the best that are not taken. */
static int64_t best_left(const struct nms *nms, const double *scores, const bool *gone)
{
    int64_t best = -1;
    for (int64_t i = 0; i < nms->count; i++)
        if (!gone[i] && scores[i] > nms->least && (best < 0 || scores[i] > scores[best]))
            best = i;
    return best;
}

/* Appends batch, class, box of those chosen; returns how many there are. */
static size_t choose(const struct nms *nms, int64_t batch, int64_t class, bool *gone, int64_t *out)
{
    const double *scores = nms->scores->data + (batch * nms->classes + class) * nms->count;
    const double *boxes = nms->boxes->data + batch * nms->count * 4;
    size_t chosen = 0;
    memset(gone, 0, (size_t)nms->count);
    while ((int64_t)chosen < nms->most) {
        int64_t best = best_left(nms, scores, gone);
        if (best < 0)
            break;
        for (int64_t i = 0; i < nms->count; i++)
            gone[i] = gone[i] || i == best || overlaps(nms, boxes + 4 * best, boxes + 4 * i);
        out[3 * chosen] = batch;
        out[3 * chosen + 1] = class;
        out[3 * chosen++ + 2] = best;
    }
    return chosen;
}

static enum nt_status take_nms(struct nt_onnx_node *node, struct nms *nms)
{
    double most = 0;
    *nms = (struct nms){.least = -INFINITY};
    nms->centred = nt_onnx_int(node, "center_point_box", 0) != 0;
    nms->boxes = deciding(node, 0);
    nms->scores = nms->boxes ? deciding(node, 1) : NULL;
    enum nt_status status =
        nms->scores ? nt_onnx_take_number(node, 2, &most) : node->graph->failure;
    if (status == NT_OK)
        status = nt_onnx_take_number(node, 3, &nms->overlap);
    if (status == NT_OK)
        status = nt_onnx_take_number(node, 4, &nms->least);
    if (status != NT_OK)
        return status;
    const struct nt_shape *b = &nms->boxes->shape, *s = &nms->scores->shape;
    if (b->rank != 3 || s->rank != 3 || b->dim[2] != 4 || b->dim[0] != s->dim[0] ||
        b->dim[1] != s->dim[2])
        return nt_onnx_fail(node, NT_ERR_SHAPE,
            "boxes and scores: must be batches by boxes by 4, and batches by classes by boxes");
    nms->batches = s->dim[0];
    nms->classes = s->dim[1];
    nms->count = s->dim[2];
    nms->most = nt_onnx_host_integer(fmin(most, (double)nms->count));
    if ((double)nms->most * (double)nms->scores->count > MAX_PAIRS)
        return nt_onnx_fail(node, NT_ERR_UNSUPPORTED, "%lld of %zu boxes: are too many",
            (long long)nms->most, nms->scores->count);
    return NT_OK;
}

enum nt_status nt_onnx_non_max_suppression(struct nt_onnx_node *node)
{
    struct nms nms;
    enum nt_status status = take_nms(node, &nms);
    if (status != NT_OK)
        return status;
    size_t chosen = 0;
    bool *gone = scratch(node, (size_t)nms.count, sizeof *gone);
    int64_t *list = gone ? scratch(node, 3 * nms.scores->count, sizeof *list) : NULL;
    for (int64_t b = 0; list && b < nms.batches; b++)
        for (int64_t c = 0; c < nms.classes; c++)
            chosen += choose(&nms, b, c, gone, list + 3 * chosen);
    if (list) {
        struct nt_onnx_host *y = nt_onnx_host_create(
            node->graph, NT_ONNX_INT64, &(struct nt_shape){2, {(int64_t)chosen, 3}});
        for (size_t i = 0; y && i < y->count; i++)
            y->data[i] = (double)list[i];
        status = nt_onnx_out_known(node, 0, y);
    } else {
        status = node->graph->failure;
    }
    free(list);
    free(gone);
    return status;
}

/* ---- by place ---- */

/* on where the new dimension's index is the one given, else off; an index may count from the end.
 */
enum nt_status nt_onnx_one_hot(struct nt_onnx_node *node)
{
    const struct nt_onnx_host *depth = nt_onnx_numbers(node, 1);
    int index = depth ? nt_onnx_in(node, 0) : -1, values = index < 0 ? -1 : nt_onnx_in(node, 2);
    int axis;
    if (values < 0)
        return node->graph->failure;
    struct nt_shape from = node->graph->value[index].shape, to = {.rank = from.rank + 1};
    struct nt_shape list = node->graph->value[values].shape, places = {.rank = to.rank};
    if (depth->count != 1 || !(depth->data[0] >= 1 && depth->data[0] <= 1 << 24) ||
        list.rank != 1 || list.dim[0] != 2)
        return nt_onnx_fail(
            node, NT_ERR_FORMAT, "depth and values: must be one number from 1 to 2^24, and two");
    if (to.rank > NT_MAX_RANK)
        return nt_onnx_fail(node, NT_ERR_SHAPE, "result of a rank above %d", NT_MAX_RANK);
    enum nt_status status = nt_onnx_axis(node, nt_onnx_int(node, "axis", -1), to.rank, &axis);
    if (status != NT_OK)
        return status;
    for (int i = 0; i < to.rank; i++) {
        to.dim[i] = i == axis ? 1 : from.dim[i - (i > axis)];
        places.dim[i] = i == axis ? nt_onnx_host_integer(depth->data[0]) : 1;
    }
    struct nt_graph *graph = node->graph;
    struct nt_shape scalar = {0};
    int off = nt_compose_reshape(graph, nt_compose_slice(graph, values, 0, 0, 1, 1), &scalar);
    int on = nt_compose_reshape(graph, nt_compose_slice(graph, values, 0, 1, 1, 1), &scalar);
    const int in[] = {nt_onnx_reshape(node, index, &to), nt_graph_index(graph, &places, 0), on, off,
        nt_onnx_constant(node, (double)places.dim[axis])};
    int y = nt_onnx_formula(node, "select(number(b) == select(a < 0, a + e, a), c, d)", 5, in);
    return nt_onnx_out_type(node, 0, y, nt_onnx_type(node, 2));
}

/* The first elements of each sequence in the opposite order. */
enum nt_status nt_onnx_reverse_sequence(struct nt_onnx_node *node)
{
    int x = nt_onnx_in(node, 0), lengths = x < 0 ? -1 : nt_onnx_in(node, 1), batch, time;
    if (lengths < 0)
        return node->graph->failure;
    struct nt_shape shape = node->graph->value[x].shape, own = {.rank = shape.rank}, steps = own;
    enum nt_status status =
        nt_onnx_axis(node, nt_onnx_int(node, "batch_axis", 1), shape.rank, &batch);
    if (status == NT_OK)
        status = nt_onnx_axis(node, nt_onnx_int(node, "time_axis", 0), shape.rank, &time);
    if (status != NT_OK)
        return status;
    if (batch == time)
        return nt_onnx_fail(node, NT_ERR_FORMAT, "batch_axis and time_axis: must differ");
    for (int i = 0; i < shape.rank; i++) {
        own.dim[i] = i == batch ? shape.dim[i] : 1;
        steps.dim[i] = i == time ? shape.dim[i] : 1;
    }
    const int in[] = {nt_graph_index(node->graph, &steps, 0), nt_onnx_reshape(node, lengths, &own)};
    int index = nt_onnx_formula(node, "select(number(a) < b, b - 1 - number(a), number(a))", 2, in);
    index = nt_onnx_as(node, nt_compose_broadcast(node->graph, index, &shape), NT_I32);
    struct nt_onnx_call call = nt_onnx_begin("gather_elements");
    nt_onnx_number(&call, "axis", time);
    return nt_onnx_out(node, 0, nt_onnx_add(node, &call, 2, (int[]){x, index}));
}
