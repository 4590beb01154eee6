/* SPDX-License-Identifier: MIT
 *
 * Convolutions, products, pooling, resizing.
 */
#include "frontend/onnx/export_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "frontend/op/convolution.h"

static const struct nt_shape *shape_of(const struct nt_export *e, int value)
{
    return &e->graph->value[value].shape;
}

/* "pads": what is before each dimension, then what is behind. */
static void put_pads(struct nt_export *e, NtOnnx__NodeProto *to, int dims, const int64_t *before,
    const int64_t *after)
{
    int64_t pads[6];
    for (int i = 0; i < dims; i++) {
        pads[i] = before[i];
        pads[dims + i] = after[i];
    }
    nt_export_ints(e, to, "pads", 2 * dims, pads);
}

static NtOnnx__NodeProto *begin_with_inputs(
    struct nt_export *e, const char *op_type, const struct nt_node *node, int inputs)
{
    const char *in[NT_MAX_INPUTS];
    for (int i = 0; i < inputs; i++)
        in[i] = i < node->inputs || node->input[i] >= 0 ? nt_export_value(e, node->input[i]) : "";
    return nt_export_begin(e, op_type, inputs, in);
}

static void end(struct nt_export *e, NtOnnx__NodeProto *to, int value)
{
    nt_export_output(e, to, nt_export_result(e, value));
}

/* ---- convolutions ---- */

static void put_geometry(
    struct nt_export *e, NtOnnx__NodeProto *to, const struct nt_node *node, int dims)
{
    nt_export_ints(e, to, "kernel_shape", dims, nt_attr_ints(node, "kernel"));
    nt_export_ints(e, to, "strides", dims, nt_attr_ints(node, "stride"));
    nt_export_ints(e, to, "dilations", dims, nt_attr_ints(node, "dilation"));
    nt_export_int(e, to, "group", nt_attr_int(node, "groups"));
}

NT_EXPORT_FUNCTION(conv)
{
    int dims = nt_convolution_dims(node->op);
    int64_t before[3], after[3], reach[3];
    NtOnnx__NodeProto *to = begin_with_inputs(e, "Conv", node, 3);
    nt_convolution_reach(node, reach);
    nt_window_get_padding(node, dims, shape_of(e, node->input[0])->dim + 2, reach,
        nt_attr_ints(node, "stride"), before, after);
    put_geometry(e, to, node, dims);
    put_pads(e, to, dims, before, after);
    end(e, to, node->output[0]);
    return NT_OK;
}

/* Padding of each side, told from the extents where it is given as a word: what lies before is as
 * many as behind, or one more or less. */
static void transposed_padding(const struct nt_export *e, const struct nt_node *node, int dims,
    int64_t *before, int64_t *after, int64_t *extra)
{
    const struct nt_attr *padding = &node->attr[nt_attr_index(node->op, "padding")];
    const int64_t *stride = nt_attr_ints(node, "stride");
    const int64_t *x = shape_of(e, node->input[0])->dim + 2;
    const int64_t *y = shape_of(e, node->output[0])->dim + 2;
    int64_t reach[3];
    memcpy(extra, nt_attr_ints(node, "output_padding"), (size_t)dims * sizeof *extra);
    nt_convolution_reach(node, reach);
    nt_window_get_padding(node, dims, x, reach, stride, before, after);
    for (int i = 0; i < dims && padding->count == 0; i++) {
        bool lower = padding->number == NT_PADDING_SAME_LOWER;
        int64_t total = stride[i] * (x[i] - 1) + extra[i] + reach[i] - y[i];
        if (padding->number == NT_PADDING_SAME || lower) {
            before[i] = ((total < 0 ? 0 : total) + lower) / 2;
            after[i] = total - before[i];
        }
    }
}

NT_EXPORT_TEST(conv_transpose)
{
    int dims = nt_convolution_dims(node->op);
    int64_t before[3], after[3], extra[3];
    transposed_padding(e, node, dims, before, after, extra);
    for (int i = 0; i < dims; i++)
        if (before[i] < 0 || after[i] < 0)
            return false;
    return true;
}

NT_EXPORT_FUNCTION(conv_transpose)
{
    int dims = nt_convolution_dims(node->op);
    int64_t before[3], after[3], extra[3];
    NtOnnx__NodeProto *to = begin_with_inputs(e, "ConvTranspose", node, 3);
    transposed_padding(e, node, dims, before, after, extra);
    put_geometry(e, to, node, dims);
    put_pads(e, to, dims, before, after);
    nt_export_ints(e, to, "output_padding", dims, extra);
    end(e, to, node->output[0]);
    return NT_OK;
}

/* ---- products ---- */

static const char *exchanged(struct nt_export *e, const char *name, int rank)
{
    int64_t axes[NT_MAX_RANK];
    NtOnnx__NodeProto *to = nt_export_begin(e, "Transpose", 1, &name);
    for (int i = 0; i < rank; i++)
        axes[i] = i;
    axes[rank - 2] = rank - 1;
    axes[rank - 1] = rank - 2;
    nt_export_ints(e, to, "perm", rank, axes);
    return nt_export_output(e, to, NULL);
}

NT_EXPORT_FUNCTION(linear)
{
    int out = node->output[0];
    bool bias = node->input[2] >= 0 && node->inputs > 2;
    if (shape_of(e, node->input[0])->rank == 2) {
        NtOnnx__NodeProto *to = begin_with_inputs(e, "Gemm", node, bias ? 3 : 2);
        nt_export_int(e, to, "transB", 1);
        end(e, to, out);
        return NT_OK;
    }
    const char *weight = exchanged(e, nt_export_value(e, node->input[1]), 2);
    const char *in[2] = {nt_export_value(e, node->input[0]), weight};
    if (!bias) {
        nt_export_simple(e, "MatMul", nt_export_result(e, out), 2, in);
        return NT_OK;
    }
    in[0] = nt_export_simple(e, "MatMul", NULL, 2, in);
    in[1] = nt_export_value(e, node->input[2]);
    nt_export_simple(e, "Add", nt_export_result(e, out), 2, in);
    return NT_OK;
}

NT_EXPORT_FUNCTION(matmul)
{
    static const char *const flags[] = {"transpose_a", "transpose_b"};
    const char *in[2];
    for (int i = 0; i < 2; i++) {
        in[i] = nt_export_value(e, node->input[i]);
        if (nt_attr_bool(node, flags[i]))
            in[i] = exchanged(e, in[i], shape_of(e, node->input[i])->rank);
    }
    nt_export_simple(e, "MatMul", nt_export_result(e, node->output[0]), 2, in);
    return NT_OK;
}

/* ---- pooling ---- */

struct window {
    int dims;
    int64_t kernel[3], stride[3], dilation[3], before[3], after[3];
    bool padded;   /* by the node itself */
    bool overhang; /* the last windows reach behind the padding: ceil_mode */
};

/* The padding behind is what the number of windows needs, so that nothing is left to round. */
static struct window window_of(const struct nt_export *e, const struct nt_node *node)
{
    const struct nt_shape *x = shape_of(e, node->input[0]), *y = shape_of(e, node->output[0]);
    struct window w = {.dims = x->rank - 2};
    int64_t reach[3];
    for (int i = 0; i < w.dims; i++) {
        w.kernel[i] = nt_attr_ints(node, "kernel")[i];
        w.stride[i] = nt_attr_ints(node, "stride")[i];
        w.stride[i] = w.stride[i] ? w.stride[i] : w.kernel[i];
        w.dilation[i] = nt_attr_ints(node, "dilation")[i];
        reach[i] = w.dilation[i] * (w.kernel[i] - 1) + 1;
    }
    nt_window_get_padding(node, w.dims, x->dim + 2, reach, w.stride, w.before, w.after);
    for (int i = 0; i < w.dims; i++) {
        int64_t needed = (y->dim[2 + i] - 1) * w.stride[i] + reach[i] - x->dim[2 + i] - w.before[i];
        w.padded = w.padded || w.before[i] > 0 || w.after[i] > 0;
        w.overhang = w.overhang || needed > w.after[i];
        w.after[i] = needed > w.after[i] ? needed : w.after[i];
    }
    return w;
}

static void put_window(struct nt_export *e, NtOnnx__NodeProto *to, const struct window *w)
{
    nt_export_ints(e, to, "kernel_shape", w->dims, w->kernel);
    nt_export_ints(e, to, "strides", w->dims, w->stride);
    put_pads(e, to, w->dims, w->before, w->after);
}

NT_EXPORT_TEST(no_index)
{
    return e->uses[node->output[1]] == 0;
}

NT_EXPORT_FUNCTION(max_pool)
{
    struct window w = window_of(e, node);
    NtOnnx__NodeProto *to = begin_with_inputs(e, "MaxPool", node, 1);
    put_window(e, to, &w);
    nt_export_ints(e, to, "dilations", w.dims, w.dilation);
    end(e, to, node->output[0]);
    return NT_OK;
}

NT_EXPORT_TEST(avg_pool)
{
    struct window w = window_of(e, node);
    bool all_counted = nt_attr_bool(node, "count_include_pad") && w.padded;
    for (int i = 0; i < w.dims; i++)
        if (w.dilation[i] != 1)
            return false;
    return nt_attr_int(node, "divisor_override") == 0 && !(all_counted && w.overhang);
}

NT_EXPORT_FUNCTION(avg_pool)
{
    struct window w = window_of(e, node);
    bool count = nt_attr_bool(node, "count_include_pad") && w.padded;
    NtOnnx__NodeProto *to = begin_with_inputs(e, "AveragePool", node, 1);
    put_window(e, to, &w);
    nt_export_int(e, to, "count_include_pad", count);
    end(e, to, node->output[0]);
    return NT_OK;
}

static bool is_average(const struct nt_node *node)
{
    return strncmp(node->op->name, "adaptive_avg", 12) == 0;
}

/* Whether the windows are all of one size, and how large. */
static bool adaptive_window(
    const struct nt_export *e, const struct nt_node *node, int64_t *kernel, bool *whole)
{
    const struct nt_shape *x = shape_of(e, node->input[0]), *y = shape_of(e, node->output[0]);
    bool even = true;
    *whole = true;
    for (int i = 2; i < x->rank; i++) {
        kernel[i - 2] = x->dim[i] / y->dim[i];
        even = even && x->dim[i] % y->dim[i] == 0;
        *whole = *whole && y->dim[i] == 1;
    }
    return even;
}

NT_EXPORT_TEST(adaptive_pool)
{
    int64_t kernel[3];
    bool whole;
    if (is_average(node)) /* uneven windows are products with means, along two dimensions at most */
        return adaptive_window(e, node, kernel, &whole) || shape_of(e, node->input[0])->rank <= 4;
    return adaptive_window(e, node, kernel, &whole) && e->uses[node->output[1]] == 0;
}

/* The means of the windows along one dimension: a matrix, in x out or out x in. */
static const char *means(struct nt_export *e, int64_t in, int64_t out, bool transposed)
{
    struct nt_shape shape = {2, {transposed ? out : in, transposed ? in : out}};
    float *data = nt_graph_alloc(e->graph, (size_t)(in * out) * sizeof *data);
    if (!data) {
        e->failed = true;
        return "";
    }
    for (int64_t o = 0; o < out; o++) {
        int64_t first = o * in / out, behind = ((o + 1) * in + out - 1) / out;
        for (int64_t i = first; i < behind; i++)
            data[transposed ? o * in + i : i * out + o] = 1 / (float)(behind - first);
    }
    return nt_export_floats(e, "means", &shape, data);
}

static void uneven_means(struct nt_export *e, const struct nt_node *node)
{
    const struct nt_shape x = *shape_of(e, node->input[0]), y = *shape_of(e, node->output[0]);
    int last = x.rank - 1;
    bool both = x.rank == 4;
    const char *in[2] = {
        nt_export_value(e, node->input[0]), means(e, x.dim[last], y.dim[last], false)};
    const char *name = nt_export_result(e, node->output[0]);
    in[1] = nt_export_simple(e, "MatMul", both ? NULL : name, 2, in);
    if (!both)
        return;
    in[0] = means(e, x.dim[2], y.dim[2], true);
    nt_export_simple(e, "MatMul", name, 2, in);
}

NT_EXPORT_FUNCTION(adaptive_pool)
{
    int dims = shape_of(e, node->input[0])->rank - 2;
    int64_t kernel[3];
    bool whole, even = adaptive_window(e, node, kernel, &whole);
    if (!even) {
        uneven_means(e, node);
        return NT_OK;
    }
    const char *global = is_average(node) ? "GlobalAveragePool" : "GlobalMaxPool";
    const char *local = is_average(node) ? "AveragePool" : "MaxPool";
    NtOnnx__NodeProto *to = begin_with_inputs(e, whole ? global : local, node, 1);
    if (!whole) {
        nt_export_ints(e, to, "kernel_shape", dims, kernel);
        nt_export_ints(e, to, "strides", dims, kernel);
    }
    end(e, to, node->output[0]);
    return NT_OK;
}

NT_EXPORT_FUNCTION(global_pool)
{
    bool average = strstr(node->op->name, "avg") != NULL;
    NtOnnx__NodeProto *to =
        begin_with_inputs(e, average ? "GlobalAveragePool" : "GlobalMaxPool", node, 1);
    const struct nt_shape *x = shape_of(e, node->input[0]), *y = shape_of(e, node->output[0]);
    const char *name = nt_export_result(e, node->output[0]);
    if (x->rank == y->rank)
        nt_export_output(e, to, name);
    else
        nt_export_reshape(e, nt_export_output(e, to, NULL), node->output[0], name);
    return NT_OK;
}

/* ---- resizing ---- */

static const struct resizing {
    const char *word, *mode, *coordinates;
    const char *nearest; /* its rounding, "": as nearest_mode says; NULL: is another mode */
} resizings[] = {
    {"nearest", "nearest", "asymmetric", ""},
    {"linear", "linear", "half_pixel", NULL},
    {"bilinear", "linear", "half_pixel", NULL},
    {"trilinear", "linear", "half_pixel", NULL},
    {"cubic", "cubic", "half_pixel", NULL},
    {"bicubic", "cubic", "half_pixel", NULL},
    {"nearest-exact", "nearest", "half_pixel", "round_prefer_ceil"},
};

/* The word of a choice. */
static const char *choice(const struct nt_node *node, const char *name, char *word, size_t size)
{
    const char *at = node->op->attrs[nt_attr_index(node->op, name)].choices;
    for (int64_t i = nt_attr_int(node, name); i > 0; i--)
        at += strcspn(at, "|") + 1;
    snprintf(word, size, "%.*s", (int)strcspn(at, "|"), at);
    return word;
}

static const struct resizing *resizing_of(const struct nt_node *node)
{
    char word[32];
    choice(node, "mode", word, sizeof word);
    for (size_t i = 0; i < sizeof resizings / sizeof *resizings; i++)
        if (strcmp(resizings[i].word, word) == 0)
            return &resizings[i];
    return NULL;
}

NT_EXPORT_TEST(interpolate)
{
    char word[32];
    choice(node, "coordinates", word, sizeof word);
    return resizing_of(node) && !nt_attr_bool(node, "antialias") &&
           strcmp(word, "half_pixel_symmetric") != 0 && strcmp(word, "tf_half_pixel_for_nn") != 0;
}

/* The third input, or the fourth when the extents are given. */
static void put_size(
    struct nt_export *e, const struct nt_node *node, const char *in[4], bool by_scale)
{
    const struct nt_attr *scale = &node->attr[nt_attr_index(node->op, "scale_factor")];
    int rank = shape_of(e, node->input[0])->rank;
    float scales[NT_MAX_RANK] = {1, 1};
    for (int i = 2; i < rank; i++)
        scales[i] = (float)scale->floats[scale->count == 1 ? 0 : i - 2];
    in[2] = by_scale ? nt_export_floats(e, "scales", &(struct nt_shape){1, {rank}}, scales) : "";
    in[3] = by_scale ? "" : nt_export_shape(e, node->output[0]);
}

NT_EXPORT_FUNCTION(interpolate)
{
    const struct resizing *how = resizing_of(node);
    const struct nt_attr *scale = &node->attr[nt_attr_index(node->op, "scale_factor")];
    char *given = nt_graph_alloc(e->graph, 32), *nearest = nt_graph_alloc(e->graph, 32);
    const char *in[4] = {nt_export_value(e, node->input[0]), "", "", ""};
    if (!given || !nearest)
        return nt_fail(e->ctx, NT_ERR_MEMORY, "export: host memory is exhausted");
    choice(node, "coordinates", given, 32);
    choice(node, "nearest_mode", nearest, 32);
    bool by_default = strcmp(given, "default") == 0;
    put_size(e, node, in, scale->set && !nt_attr_bool(node, "recompute_scale_factor"));
    NtOnnx__NodeProto *to = nt_export_begin(e, "Resize", 4, in);
    nt_export_word(e, to, "mode", how->mode);
    nt_export_word(e, to, "coordinate_transformation_mode",
        !by_default                           ? given
        : nt_attr_bool(node, "align_corners") ? "align_corners"
                                              : how->coordinates);
    if (how->nearest) {
        nt_export_word(e, to, "nearest_mode", *how->nearest ? how->nearest : nearest);
    } else {
        nt_export_float(e, to, "cubic_coeff_a", nt_attr_float(node, "cubic_coeff_a"));
        nt_export_int(e, to, "exclude_outside", nt_attr_bool(node, "exclude_outside"));
    }
    end(e, to, node->output[0]);
    return NT_OK;
}
