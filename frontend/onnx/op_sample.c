/* SPDX-License-Identifier: MIT
 *
 * Elements at places that are computed, between the elements of x: GridSample, AffineGrid
 * (Jaderberg et al., Spatial transformer networks, NIPS 2015), DeformConv (Dai et al., Deformable
 * convolutional networks, ICCV 2017). Each corner around a place is a gather with a weight.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "frontend/onnx/table.h"
#include "frontend/op/compose.h"

#define MAX_DIMS 3

enum padding { ZEROS, BORDER, REFLECTION };
enum mode { NEAREST, LINEAR, CUBIC };

struct sampler {
    struct nt_onnx_node *node;
    int x; /* N, C, elements */
    int dims;
    int64_t extent[MAX_DIMS];
    int place[MAX_DIMS]; /* N, 1, places: where, in elements */
    enum padding padding;
    bool corners; /* reflected at the first and last element, else half outside */
};

static int constant(const struct sampler *s, double number)
{
    return nt_onnx_constant(s->node, number);
}

/* A place moved back into the range. */
static int reflect(const struct sampler *s, int place, int dim)
{
    double low = s->corners ? 0 : -0.5, range = (double)s->extent[dim] - (s->corners ? 1 : 0);
    if (range == 0)
        return nt_onnx_formula(s->node, "a * 0", 1, &place);
    const int in[] = {place, constant(s, low), constant(s, range)};
    return nt_onnx_formula(s->node,
        "b + select(fmod(abs(a - b), 2 * c) > c, 2 * c - fmod(abs(a - b), 2 * c), "
        "fmod(abs(a - b), 2 * c))",
        3, in);
}

static int keep_inside(const struct sampler *s, int place, int dim)
{
    const int in[] = {place, constant(s, (double)s->extent[dim] - 1)};
    return nt_onnx_formula(s->node, "min(max(a, 0), b)", 2, in);
}

/* x at whole numbers, N,C,places; 0 outside where padding is ZEROS. */
static int element(const struct sampler *s, const int *at)
{
    struct nt_graph *graph = s->node->graph;
    int index = -1, inside = -1;
    for (int i = 0; i < s->dims; i++) {
        int here = s->padding == REFLECTION ? reflect(s, at[i], i) : at[i];
        const int in[] = {here, constant(s, (double)s->extent[i])};
        int ok = nt_onnx_formula(s->node, "(a >= 0) * (a < b)", 2, in);
        int whole = nt_onnx_as(s->node, keep_inside(s, here, i), NT_I32);
        const int flat[] = {index, whole, constant(s, (double)s->extent[i])};
        if (whole < 0 || ok < 0)
            return -1;
        inside = i == 0 ? ok : nt_onnx_formula(s->node, "a * b", 2, (int[]){inside, ok});
        index = i == 0 ? whole : nt_graph_integer_formula(graph, "a * c + b", 3, flat);
    }
    struct nt_shape shape = graph->value[index].shape;
    shape.dim[1] = graph->value[s->x].shape.dim[1];
    index = nt_compose_broadcast(graph, index, &shape);
    struct nt_onnx_call call = nt_onnx_begin("gather_elements");
    nt_onnx_number(&call, "axis", 2);
    int y = nt_onnx_add(s->node, &call, 2, (int[]){s->x, index});
    return s->padding != ZEROS ? y
                               : nt_onnx_formula(s->node, "select(b, a, 0)", 2, (int[]){y, inside});
}

/* Weights of the elements first, first + 1, ... from the floor on; a: the place. Keys, Cubic
 * convolution interpolation for digital image processing, 1981, with -0.75. */
static const struct taps {
    int first, count;
    const char *weight[4];
} taps[] = {
    [NEAREST] = {0, 1, {"a * 0 + 1"}},
    [LINEAR] = {0, 2, {"1 - (a - floor(a))", "a - floor(a)"}},
    [CUBIC] = {-1, 4,
        {"((-0.75 * (a - floor(a) + 1) + 3.75) * (a - floor(a) + 1) - 6) * (a - floor(a) + 1) + 3",
            "(1.25 * (a - floor(a)) - 2.25) * (a - floor(a)) * (a - floor(a)) + 1",
            "(1.25 * (1 - a + floor(a)) - 2.25) * (1 - a + floor(a)) * (1 - a + floor(a)) + 1",
            "((-0.75 * (2 - a + floor(a)) + 3.75) * (2 - a + floor(a)) - 6) * (2 - a + floor(a)) "
            "+ 3"}},
};

/* N, C, places. */
static int sample(const struct sampler *s, enum mode mode)
{
    const struct taps *t = &taps[mode];
    int total = -1, corners = 1;
    for (int i = 0; i < s->dims; i++)
        corners *= t->count;
    for (int corner = 0; corner < corners; corner++) {
        int at[MAX_DIMS], weight = -1;
        for (int i = 0, rest = corner; i < s->dims; i++, rest /= t->count) {
            int tap = rest % t->count;
            const int in[] = {s->place[i], constant(s, tap + t->first)};
            int own = nt_onnx_formula(s->node, t->weight[tap], 1, &s->place[i]);
            weight = i == 0 ? own : nt_onnx_formula(s->node, "a * b", 2, (int[]){weight, own});
            at[i] =
                nt_onnx_formula(s->node, mode == NEAREST ? "round(a) + b" : "floor(a) + b", 2, in);
            if (weight < 0 || at[i] < 0)
                return -1;
        }
        const int in[] = {element(s, at), weight, total};
        total = total < 0 ? nt_onnx_formula(s->node, "a * b", 2, in)
                          : nt_onnx_formula(s->node, "a * b + c", 3, in);
        if (total < 0)
            return -1;
    }
    return total;
}

/* Part i of the last dimension, as N, 1, places. */
static int coordinate(struct nt_onnx_node *node, int grid, int i)
{
    struct nt_shape shape = node->graph->value[grid].shape, flat = {3, {shape.dim[0], 1, 1}};
    for (int d = 1; d + 1 < shape.rank; d++)
        flat.dim[2] *= shape.dim[d];
    int part = nt_compose_slice(node->graph, grid, shape.rank - 1, i, 1, 1);
    return nt_compose_reshape(node->graph, part, &flat);
}

static int flatten_places(struct nt_onnx_node *node, int x)
{
    struct nt_shape shape = node->graph->value[x].shape,
                    flat = {3, {shape.dim[0], shape.dim[1], 1}};
    for (int d = 2; d < shape.rank; d++)
        flat.dim[2] *= shape.dim[d];
    return nt_compose_reshape(node->graph, x, &flat);
}

static enum nt_status take_places(struct sampler *s, int grid)
{
    for (int i = 0; i < s->dims; i++) {
        double extent = (double)s->extent[i];
        const int in[] = {coordinate(s->node, grid, s->dims - 1 - i), constant(s, extent)};
        s->place[i] = nt_onnx_formula(
            s->node, s->corners ? "(a + 1) / 2 * (b - 1)" : "((a + 1) * b - 1) / 2", 2, in);
        if (s->padding == BORDER)
            s->place[i] = keep_inside(s, s->place[i], i);
        if (s->padding == REFLECTION)
            s->place[i] = reflect(s, s->place[i], i);
        if (s->place[i] < 0)
            return s->node->graph->failure;
    }
    return NT_OK;
}

enum nt_status nt_onnx_grid_sample(struct nt_onnx_node *node)
{
    static const enum mode modes[] = {LINEAR, NEAREST, CUBIC, LINEAR, CUBIC};
    int x = nt_onnx_in(node, 0), grid = x < 0 ? -1 : nt_onnx_in(node, 1), mode, padding;
    if (grid < 0)
        return node->graph->failure;
    struct nt_shape from = node->graph->value[x].shape, g = node->graph->value[grid].shape;
    struct sampler s = {.node = node, .dims = from.rank - 2};
    enum nt_status status =
        nt_onnx_choice(node, "mode", "linear", "linear|nearest|cubic|bilinear|bicubic", &mode);
    if (status == NT_OK)
        status = nt_onnx_choice(node, "padding_mode", "zeros", "zeros|border|reflection", &padding);
    if (status != NT_OK)
        return status;
    if (s.dims < 1 || s.dims > MAX_DIMS || g.rank != from.rank || g.dim[0] != from.dim[0] ||
        g.dim[g.rank - 1] != s.dims)
        return nt_onnx_fail(node, NT_ERR_SHAPE,
            "X of rank %d: must be from 3 to 5; grid: as many dimensions, the last one %d",
            from.rank, s.dims);
    memcpy(s.extent, from.dim + 2, (size_t)s.dims * sizeof *s.extent);
    s.padding = (enum padding)padding;
    s.corners = nt_onnx_int(node, "align_corners", 0) != 0;
    s.x = flatten_places(node, x);
    status = s.x < 0 ? node->graph->failure : take_places(&s, grid);
    if (status != NT_OK)
        return status;
    struct nt_shape to = {.rank = from.rank, .dim = {from.dim[0], from.dim[1]}};
    memcpy(to.dim + 2, g.dim + 1, (size_t)s.dims * sizeof *to.dim);
    int y = sample(&s, modes[mode]);
    return nt_onnx_out(node, 0, y < 0 ? -1 : nt_onnx_reshape(node, y, &to));
}

/* ---- DeformConv ---- */

struct deform {
    struct nt_onnx_node *node;
    int x, weight, offset, bias, mask;
    int dims;
    int64_t batch, channels, groups, parts; /* parts: groups of offsets */
    int64_t kernel[NT_MAX_INTS], stride[NT_MAX_INTS], dilation[NT_MAX_INTS], pads[NT_MAX_INTS];
    struct nt_shape to;
    int64_t taps, places;
};

static enum nt_status take_deform(struct deform *d)
{
    struct nt_onnx_node *node = d->node;
    int *const values[] = {&d->x, &d->weight, &d->offset, &d->bias, &d->mask};
    for (int i = 0; i < 5; i++) {
        *values[i] = i < 3 || nt_onnx_has(node, i) ? nt_onnx_in(node, i) : -1;
        if (*values[i] < 0 && (i < 3 || nt_onnx_has(node, i)))
            return node->graph->failure;
    }
    struct nt_shape x = node->graph->value[d->x].shape, w = node->graph->value[d->weight].shape;
    d->dims = x.rank - 2;
    d->batch = x.dim[0];
    d->channels = x.rank > 1 ? x.dim[1] : 0;
    d->groups = nt_onnx_int(node, "group", 1);
    d->parts = nt_onnx_int(node, "offset_group", 1);
    int strides = nt_onnx_ints(node, "strides", d->stride);
    int dilations = nt_onnx_ints(node, "dilations", d->dilation);
    int pads = nt_onnx_ints(node, "pads", d->pads);
    if (d->dims < 1 || d->dims > MAX_DIMS || w.rank != x.rank || d->groups < 1 || d->parts < 1 ||
        d->channels % d->parts != 0 || w.dim[1] * d->groups != d->channels ||
        w.dim[0] % d->groups != 0 || (strides >= 0 && strides != d->dims) ||
        (dilations >= 0 && dilations != d->dims) || (pads >= 0 && pads != 2 * d->dims))
        return nt_onnx_fail(node, NT_ERR_SHAPE, "X, W, attributes: do not fit together");
    d->to = (struct nt_shape){.rank = x.rank, .dim = {d->batch, w.dim[0]}};
    d->taps = d->places = 1;
    for (int i = 0; i < d->dims; i++) {
        d->kernel[i] = w.dim[2 + i];
        d->stride[i] = strides < 0 ? 1 : d->stride[i];
        d->dilation[i] = dilations < 0 ? 1 : d->dilation[i];
        int64_t border = pads < 0 ? 0 : d->pads[i] + d->pads[d->dims + i];
        d->pads[i] = pads < 0 ? 0 : d->pads[i];
        int64_t room = x.dim[2 + i] + border - d->dilation[i] * (d->kernel[i] - 1) - 1;
        if (d->stride[i] < 1 || d->dilation[i] < 1 || room < 0)
            return nt_onnx_fail(node, NT_ERR_SHAPE, "dimension %d: the kernel does not fit in", i);
        d->to.dim[2 + i] = room / d->stride[i] + 1;
        d->taps *= d->kernel[i];
        d->places *= d->to.dim[2 + i];
        if ((double)d->taps * (double)d->places > NT_ONNX_HOST_MOST)
            return nt_onnx_fail(node, NT_ERR_UNSUPPORTED, "places of the kernel: are too many");
    }
    int64_t count = d->batch * d->parts * d->taps * d->dims * d->places;
    if (nt_shape_count(&node->graph->value[d->offset].shape) != count)
        return nt_onnx_fail(
            node, NT_ERR_SHAPE, "offset: must have %lld elements", (long long)count);
    return NT_OK;
}

/* Where tap and place lie along a dimension without offset: taps * places numbers. */
static int undeformed(struct deform *d, int dim)
{
    char name[24];
    struct nt_onnx_host *y = nt_onnx_host_create(
        d->node->graph, NT_ONNX_FLOAT, &(struct nt_shape){3, {1, 1, d->taps * d->places}});
    for (int64_t e = 0; y && e < d->taps * d->places; e++) {
        int64_t tap = e / d->places, place = e % d->places;
        for (int i = d->dims - 1; i > dim; i--) {
            tap /= d->kernel[i];
            place /= d->to.dim[2 + i];
        }
        y->data[e] = (double)(place % d->to.dim[2 + dim] * d->stride[dim] - d->pads[dim] +
                              tap % d->kernel[dim] * d->dilation[dim]);
    }
    snprintf(name, sizeof name, "places%d", dim);
    return nt_onnx_constants(d->node, name, y);
}

/* The sampled columns: batch * parts, channels of a part, taps * places. */
static int columns(struct deform *d)
{
    struct nt_graph *graph = d->node->graph;
    int64_t items = d->batch * d->parts;
    struct nt_shape from = graph->value[d->x].shape, list = {3, {items, 1, d->taps * d->places}};
    struct nt_shape offsets = {4, {items, d->taps, d->dims, d->places}};
    struct nt_shape flat = {3, {items, d->channels / d->parts, 1}};
    struct sampler s = {.node = d->node, .dims = d->dims, .padding = ZEROS};
    int offset = nt_compose_reshape(graph, d->offset, &offsets);
    for (int i = 0; i < d->dims; i++) {
        flat.dim[2] *= s.extent[i] = from.dim[2 + i];
        int own = nt_compose_slice(graph, offset, 2, i, 1, 1);
        const int in[] = {undeformed(d, i), nt_compose_reshape(graph, own, &list)};
        s.place[i] = nt_onnx_formula(d->node, "a + b", 2, in);
    }
    s.x = nt_compose_reshape(graph, d->x, &flat);
    int y = s.x < 0 ? -1 : sample(&s, LINEAR);
    if (d->mask < 0)
        return y;
    int mask = nt_compose_reshape(graph, d->mask, &list);
    return nt_onnx_formula(d->node, "a * b", 2, (int[]){y, mask});
}

enum nt_status nt_onnx_deform_conv(struct nt_onnx_node *node)
{
    struct deform d = {.node = node};
    enum nt_status status = take_deform(&d);
    if (status != NT_OK)
        return status;
    int64_t width = d.channels / d.groups * d.taps, outputs = d.to.dim[1];
    struct nt_shape rows = {4, {d.batch, d.groups, width, d.places}};
    struct nt_shape filters = {3, {d.groups, outputs / d.groups, width}};
    struct nt_shape vector = {.rank = d.dims + 1, .dim = {outputs, 1, 1, 1}};
    const int in[] = {nt_compose_reshape(node->graph, d.weight, &filters),
        nt_compose_reshape(node->graph, columns(&d), &rows)};
    int y = nt_compose_reshape(node->graph, nt_onnx_simple(node, "matmul", 2, in), &d.to);
    if (d.bias >= 0)
        y = nt_onnx_formula(
            node, "a + b", 2, (int[]){y, nt_compose_reshape(node->graph, d.bias, &vector)});
    return nt_onnx_out(node, 0, y);
}

/* ---- AffineGrid ---- */

enum nt_status nt_onnx_affine_grid(struct nt_onnx_node *node)
{
    int64_t size[NT_MAX_INTS];
    int count, theta = nt_onnx_in(node, 0), part[MAX_DIMS + 1];
    enum nt_status status =
        theta < 0 ? node->graph->failure : nt_onnx_integers(node, 1, size, &count);
    bool corners = nt_onnx_int(node, "align_corners", 0) != 0;
    if (status != NT_OK)
        return status;
    struct nt_shape shape = node->graph->value[theta].shape;
    int dims = count - 2;
    if (dims < 2 || dims > 3 || shape.rank != 3 || shape.dim[0] != size[0] ||
        shape.dim[1] != dims || shape.dim[2] != dims + 1)
        return nt_onnx_fail(node, NT_ERR_SHAPE,
            "theta and size: must be N by 2 by 3 and four numbers, or N by 3 by 4 and five");
    struct nt_shape grid = {.rank = dims + 1}, flat = {2, {1, dims + 1}};
    struct nt_shape to = {.rank = dims + 2, .dim = {size[0]}};
    for (int i = 0; i < dims; i++) {
        grid.dim[i] = to.dim[1 + i] = size[2 + i];
        if (size[2 + i] < 1 || size[2 + i] > 1 << 20)
            return nt_onnx_fail(node, NT_ERR_SHAPE, "size: every extent must be from 1 to 2^20");
        flat.dim[0] *= size[2 + i];
    }
    grid.dim[dims] = 1;
    to.dim[dims + 1] = dims;
    for (int i = 0; i < dims; i++) { /* x, the last dimension, first */
        struct nt_shape own = {.rank = dims + 1};
        int64_t extent = size[2 + dims - 1 - i];
        for (int d = 0; d <= dims; d++)
            own.dim[d] = d == dims - 1 - i ? extent : 1;
        double step = corners ? 2.0 / (double)(extent > 1 ? extent - 1 : 1) : 2.0 / (double)extent;
        double first = corners ? -1 : step / 2 - 1;
        if (corners && extent == 1)
            first = 0;
        const int in[] = {nt_graph_index(node->graph, &own, 0), nt_onnx_constant(node, step),
            nt_onnx_constant(node, first)};
        part[i] = nt_compose_broadcast(
            node->graph, nt_onnx_formula(node, "number(a) * b + c", 3, in), &grid);
    }
    part[dims] = nt_graph_constant(node->graph, 1, &grid);
    int places = nt_compose_concat(node->graph, dims + 1, part, dims);
    places = nt_compose_reshape(node->graph, places, &flat);
    struct nt_onnx_call call = nt_onnx_begin("matmul");
    nt_onnx_number(&call, "transpose_b", 1);
    int y = nt_onnx_add(node, &call, 2, (int[]){places, theta});
    return nt_onnx_out(node, 0, nt_onnx_reshape(node, y, &to));
}
