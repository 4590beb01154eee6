/* SPDX-License-Identifier: MIT
 *
 * Signals: windows, Fourier transforms as products with matrices of cosines and sines, mel bands.
 */
#include <math.h>
#include <string.h>

#include "frontend/onnx/table.h"
#include "frontend/op/compose.h"

#define TAU 6.283185307179586

/* ---- windows ---- */

static const struct window {
    const char *name;
    double a, b, c; /* a - b cos(x) + c cos(2 x) */
} windows[] = {
    {"BlackmanWindow", 0.42, 0.5, 0.08},
    {"HammingWindow", 25.0 / 46, 21.0 / 46, 0},
    {"HannWindow", 0.5, 0.5, 0},
};

enum nt_status nt_onnx_window(struct nt_onnx_node *node)
{
    const struct window *w = windows;
    double size = 0;
    int type = (int)nt_onnx_int(node, "output_datatype", NT_ONNX_FLOAT);
    enum nt_status status = nt_onnx_numbers(node, 0) ? nt_onnx_offers(node, "output_datatype", type)
                                                     : node->graph->failure;
    if (status == NT_OK)
        status = nt_onnx_take_number(node, 0, &size);
    if (status != NT_OK)
        return status;
    if (!(size >= 0 && size <= NT_ONNX_HOST_ELEMENTS))
        return nt_onnx_fail(
            node, NT_ERR_SHAPE, "size %g: must be from 0 to %d", size, NT_ONNX_HOST_ELEMENTS);
    while (strcmp(w->name, node->rule->name) != 0)
        w++;
    double period = nt_onnx_int(node, "periodic", 1) ? size : size - 1;
    struct nt_onnx_host *y =
        nt_onnx_host_create(node->graph, type, &(struct nt_shape){1, {(int64_t)size}});
    for (size_t i = 0; y && i < y->count; i++) {
        double x = period > 0 ? TAU * (double)i / period : 0;
        y->data[i] = nt_onnx_host_cast(w->a - w->b * cos(x) + w->c * cos(2 * x), y->type);
    }
    return nt_onnx_out_known(node, 0, y);
}

/* ---- transforms ---- */

struct transform {
    struct nt_onnx_node *node;
    int64_t length, count; /* of the whole transform; results of it */
    bool inverse, halves;  /* halves: the inputs are half of a symmetric spectrum */
};

/* rows by count: cos or sin of 2 pi k n / length. */
static int matrix(const struct transform *t, const char *name, int64_t rows, bool sine)
{
    struct nt_graph *graph = t->node->graph;
    if ((double)rows * (double)t->count > NT_ONNX_HOST_MOST) {
        nt_onnx_fail(
            t->node, NT_ERR_UNSUPPORTED, "a transform of %lld: is too long", (long long)t->length);
        return -1;
    }
    struct nt_onnx_host *m =
        nt_onnx_host_create(graph, NT_ONNX_FLOAT, &(struct nt_shape){2, {rows, t->count}});
    for (int64_t n = 0; m && n < rows; n++)
        for (int64_t k = 0; k < t->count; k++) {
            double angle = TAU * (double)(n * k % t->length) / (double)t->length;
            double weight = t->inverse ? 1 / (double)t->length : 1;
            if (t->halves && n != 0 && 2 * n != t->length)
                weight *= 2;
            m->data[n * t->count + k] = weight * (sine ? sin(angle) : cos(angle));
        }
    return nt_onnx_constants(t->node, name, m);
}

/* Of the last dimension; imaginary -1: a real signal. y: the two parts. */
static enum nt_status apply(const struct transform *t, int real, int imaginary, int *y)
{
    struct nt_onnx_node *node = t->node;
    struct nt_shape shape = node->graph->value[real].shape;
    int64_t rows = shape.dim[shape.rank - 1];
    int cosine = matrix(t, "cosines", rows, false);
    int sine = cosine < 0 ? -1 : matrix(t, "sines", rows, true);
    if (sine < 0)
        return node->graph->failure;
    y[0] = nt_onnx_simple(node, "matmul", 2, (int[]){real, cosine});
    y[1] = nt_onnx_simple(node, "matmul", 2, (int[]){real, sine});
    if (!t->inverse)
        y[1] = nt_onnx_formula(node, "-a", 1, &y[1]);
    if (imaginary >= 0) {
        int a = nt_onnx_simple(node, "matmul", 2, (int[]){imaginary, sine});
        int b = nt_onnx_simple(node, "matmul", 2, (int[]){imaginary, cosine});
        y[0] = nt_onnx_formula(node, t->inverse ? "a - b" : "a + b", 2, (int[]){y[0], a});
        y[1] = nt_onnx_formula(node, "a + b", 2, (int[]){y[1], b});
    }
    return y[0] < 0 || y[1] < 0 ? node->graph->failure : NT_OK;
}

/* Both parts as a last dimension of 2, or the first alone. */
static int pair(struct nt_graph *graph, int *y, int parts)
{
    struct nt_shape shape = graph->value[y[0]].shape;
    if (shape.rank == NT_MAX_RANK)
        return -1;
    shape.dim[shape.rank++] = 1;
    for (int i = 0; i < parts; i++)
        y[i] = nt_compose_reshape(graph, y[i], &shape);
    return nt_compose_concat(graph, parts, y, shape.rank - 1);
}

/* Part i of the last dimension, with `axis` moved to the end. */
static int part_of(struct nt_graph *graph, int x, int axis, int64_t length, int i)
{
    struct nt_shape shape = graph->value[x].shape;
    int axes[NT_MAX_RANK], rank = --shape.rank;
    int part = nt_compose_slice(graph, x, rank, i, 1, 1);
    part = nt_compose_reshape(graph, part, &shape);
    part = nt_compose_slice(graph, part, axis, 0, length, 1);
    for (int d = 0; d < rank; d++)
        axes[d] = d == axis ? rank - 1 : d == rank - 1 ? axis : d;
    return axis == rank - 1 ? part : nt_compose_transpose(graph, part, axes);
}

enum nt_status nt_onnx_dft(struct nt_onnx_node *node)
{
    int x = nt_onnx_in(node, 0), axis, y[2], axes[NT_MAX_RANK];
    double given = nt_onnx_int(node, "axis", node->opset < 20 ? 1 : -2), length = 0;
    bool onesided = nt_onnx_int(node, "onesided", 0) != 0;
    struct transform t = {.node = node, .inverse = nt_onnx_int(node, "inverse", 0) != 0};
    if (x < 0)
        return node->graph->failure;
    struct nt_shape shape = node->graph->value[x].shape;
    enum nt_status status = nt_onnx_take_number(node, 1, &length);
    if (status == NT_OK)
        status = nt_onnx_take_number(node, 2, &given);
    if (status == NT_OK)
        status = nt_onnx_axis(node, nt_onnx_host_integer(given), shape.rank, &axis);
    if (status != NT_OK)
        return status;
    int64_t parts = shape.dim[shape.rank - 1], own = shape.dim[axis];
    t.halves = t.inverse && onesided;
    t.length = length > 0 ? nt_onnx_host_integer(length) : t.halves ? 2 * (own - 1) : own;
    t.count = onesided && !t.inverse ? t.length / 2 + 1 : t.length;
    if (shape.rank < 2 || axis == shape.rank - 1 || parts < 1 || parts > 2 || t.length < 1 ||
        t.length > 1 << 24)
        return nt_onnx_fail(node, NT_ERR_SHAPE,
            "input: must have real parts, or real and imaginary ones, last, behind the axis");
    int64_t used = t.halves ? t.length / 2 + 1 : t.length;
    used = own < used ? own : used;
    int imaginary = parts == 2 ? part_of(node->graph, x, axis, used, 1) : -1;
    status = apply(&t, part_of(node->graph, x, axis, used, 0), imaginary, y);
    for (int d = 0; d < shape.rank; d++)
        axes[d] = d == axis ? shape.rank - 2 : d == shape.rank - 2 ? axis : d;
    int result = status == NT_OK ? pair(node->graph, y, t.halves ? 1 : 2) : -1;
    return nt_onnx_out(
        node, 0, axis == shape.rank - 2 ? result : nt_compose_transpose(node->graph, result, axes));
}

/* Frame f begins at sample f * step; batch, frames, length. */
static int frames_of(
    struct nt_onnx_node *node, int x, int i, int64_t frames, int64_t length, int64_t step)
{
    struct nt_graph *graph = node->graph;
    if ((double)frames * (double)length > NT_ONNX_HOST_MOST) {
        nt_onnx_fail(node, NT_ERR_UNSUPPORTED, "%lld frames of %lld: are too many",
            (long long)frames, (long long)length);
        return -1;
    }
    struct nt_onnx_host *index =
        nt_onnx_host_create(graph, NT_ONNX_INT64, &(struct nt_shape){2, {frames, length}});
    for (int64_t e = 0; index && e < frames * length; e++)
        index->data[e] = (double)(e / length * step + e % length);
    struct nt_onnx_call call = nt_onnx_begin("gather");
    nt_onnx_number(&call, "axis", 1);
    int part = part_of(graph, x, 1, graph->value[x].shape.dim[1], i);
    return nt_onnx_add(node, &call, 2, (int[]){part, nt_onnx_constants(node, "frames", index)});
}

enum nt_status nt_onnx_stft(struct nt_onnx_node *node)
{
    int x = nt_onnx_in(node, 0), part[2] = {-1, -1}, y[2];
    double step = 0, length = 0;
    if (x < 0)
        return node->graph->failure;
    struct nt_shape shape = node->graph->value[x].shape, window = {0};
    enum nt_status status = nt_onnx_take_number(node, 1, &step);
    if (status == NT_OK)
        status = nt_onnx_take_number(node, 3, &length);
    if (status == NT_OK && nt_onnx_has(node, 2))
        status = nt_onnx_shape(node, 2, &window);
    if (status != NT_OK)
        return status;
    int64_t samples = shape.rank == 3 ? shape.dim[1] : 0;
    struct transform t = {.node = node, .length = nt_onnx_host_integer(length)};
    t.length = t.length ? t.length : window.rank == 1 ? window.dim[0] : samples;
    t.count = nt_onnx_int(node, "onesided", 1) ? t.length / 2 + 1 : t.length;
    if (shape.rank != 3 || shape.dim[2] > 2 || !(step >= 1) || t.length < 1 || t.length > samples ||
        (window.rank != 0 && (window.rank != 1 || window.dim[0] != t.length)))
        return nt_onnx_fail(
            node, NT_ERR_SHAPE, "signal, frame_step, window, frame_length: do not fit together");
    int64_t frames = (samples - t.length) / nt_onnx_host_integer(step) + 1;
    for (int i = 0; i < shape.dim[2]; i++) {
        part[i] = frames_of(node, x, i, frames, t.length, nt_onnx_host_integer(step));
        if (window.rank == 1 && part[i] >= 0)
            part[i] = nt_onnx_formula(node, "a * b", 2, (int[]){part[i], nt_onnx_in(node, 2)});
        if (part[i] < 0)
            return node->graph->failure;
    }
    status = apply(&t, part[0], part[1], y);
    return status == NT_OK ? nt_onnx_out(node, 0, pair(node->graph, y, 2)) : status;
}

/* ---- MelWeightMatrix ---- */

static double to_mel(double hertz)
{
    return 2595 * log10(1 + hertz / 700);
}

/* Triangles between every second of bands + 2 edges, which are as far apart on the mel scale. */
static void fill_bands(struct nt_onnx_host *y, double length, double rate, double low, double high)
{
    int64_t bins = y->shape.dim[0], bands = y->shape.dim[1];
    double step = (to_mel(high) - to_mel(low)) / (double)(bands + 2);
    for (int64_t b = 0; b < bands; b++) {
        int64_t edge[3];
        for (int i = 0; i < 3; i++) {
            double hertz = 700 * (pow(10, (to_mel(low) + (double)(b + i) * step) / 2595) - 1);
            edge[i] = nt_onnx_host_integer(floor((length + 1) * hertz / rate));
        }
        for (int64_t j = edge[0]; j < edge[2] || j == edge[1]; j++) {
            bool rises = j <= edge[1];
            double width = (double)(rises ? edge[1] - edge[0] : edge[2] - edge[1]);
            double part = (double)(rises ? j - edge[0] : edge[2] - j);
            if (j >= 0 && j < bins)
                y->data[j * bands + b] = width > 0 ? part / width : 1;
        }
    }
}

enum nt_status nt_onnx_mel_weights(struct nt_onnx_node *node)
{
    double in[5];
    int type = (int)nt_onnx_int(node, "output_datatype", NT_ONNX_FLOAT);
    enum nt_status status = nt_onnx_offers(node, "output_datatype", type);
    if (status != NT_OK)
        return status;
    for (int i = 0; i < 5; i++) {
        status = nt_onnx_take_number(node, i, &in[i]);
        if (status != NT_OK)
            return status;
        if (!nt_onnx_has(node, i) || !(in[i] >= 0 && in[i] <= 1 << 20))
            return nt_onnx_fail(node, NT_ERR_FORMAT, "input %d: must be from 0 to 2^20", i);
    }
    struct nt_shape shape = {2, {nt_onnx_host_integer(in[1] / 2) + 1, nt_onnx_host_integer(in[0])}};
    if (shape.dim[1] < 1 || in[2] < 1 || shape.dim[0] * shape.dim[1] > NT_ONNX_HOST_MOST)
        return nt_onnx_fail(node, NT_ERR_FORMAT, "bands, rate: must be at least 1");
    struct nt_onnx_host *y = nt_onnx_host_create(node->graph, type, &shape);
    if (y)
        fill_bands(y, floor(in[1]), in[2], in[3], in[4]);
    return nt_onnx_out_known(node, 0, y);
}
