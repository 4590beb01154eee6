/* SPDX-License-Identifier: MIT */
#include "tests/naive/resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/op.h"
#include "tests/naive.h"

/* ONNX, operator Resize: coordinate_transformation_mode. */
static double original(const struct nt_resample *how, double resized, double scale, int in, int out)
{
    double center, offset;
    switch (how->coordinates) {
    case NT_RESAMPLE_HALF_PIXEL:
        return (resized + 0.5) / scale - 0.5;
    case NT_RESAMPLE_ASYMMETRIC:
        return resized / scale;
    case NT_RESAMPLE_ALIGN_CORNERS:
        return out == 1 ? 0 : resized * (in - 1) / (out - 1);
    case NT_RESAMPLE_PYTORCH_HALF_PIXEL:
        return out > 1 ? (resized + 0.5) / scale - 0.5 : 0;
    case NT_RESAMPLE_HALF_PIXEL_SYMMETRIC:
        center = in / 2.0;
        offset = center * (1 - out / (scale * in));
        return offset + (resized + 0.5) / scale - 0.5;
    default:
        return (resized + 0.5) / scale;
    }
}

static double keys(double a, double t)
{
    t = fabs(t);
    if (t < 1)
        return (a + 2) * t * t * t - (a + 3) * t * t + 1;
    return t < 2 ? a * t * t * t - 5 * a * t * t + 8 * a * t - 4 * a : 0;
}

static int rounded(const struct nt_resample *how, double x)
{
    double whole = floor(x), rest = x - whole;
    switch (how->rounding) {
    case NT_RESAMPLE_FLOOR:
        return (int)whole;
    case NT_RESAMPLE_CEIL:
        return (int)(rest > 0 ? whole + 1 : whole);
    case NT_RESAMPLE_ROUND_PREFER_FLOOR:
        return (int)(rest > 0.5 ? whole + 1 : whole);
    default:
        return (int)(rest >= 0.5 ? whole + 1 : whole);
    }
}

/* Every element of the source and 60 more on either side, each with its weight. */
static void fill_row(const struct nt_resample *how, double x, double stretch, int in, double *row)
{
    double sum = 0, a = how->cubic_a != 0 ? how->cubic_a : -0.75;
    bool leave_out = how->exclude_outside || how->antialias;
    for (int j = -60; j < in + 60; j++) {
        int at = j < 0 ? 0 : j >= in ? in - 1 : j;
        double t = (j - x) / stretch, w;
        if (how->filter == NT_RESAMPLE_NEAREST)
            w = j == rounded(how, x);
        else if (at != j && leave_out)
            w = 0;
        else
            w = how->filter == NT_RESAMPLE_LINEAR ? fmax(0, 1 - fabs(t)) : keys(a, t);
        row[at] += w;
        sum += w;
    }
    for (int i = 0; i < in; i++)
        row[i] /= sum;
}

void naive_resample_matrix(
    const struct nt_resample *how, double scale, int in, int out, double *matrix)
{
    double by = scale > 0 ? scale : (double)out / in, ratio = 1 / by;
    if (how->coordinates == NT_RESAMPLE_ALIGN_CORNERS)
        ratio = out > 1 ? (in - 1.0) / (out - 1) : 1;
    memset(matrix, 0, sizeof *matrix * (size_t)in * (size_t)out);
    for (int o = 0; o < out; o++) {
        double x = original(how, o, by, in, out);
        /* exact where the coordinate is a whole or half number */
        if (fabs(x * 2 - round(x * 2)) < 1e-9)
            x = round(x * 2) / 2;
        fill_row(how, x, how->antialias && ratio > 1 ? ratio : 1, in, matrix + o * in);
    }
}

void naive_resample_along(double **data, int64_t outer, int in, int out, int64_t inner,
    const double *matrix, bool transposed)
{
    double *y = calloc((size_t)(outer * out * inner), sizeof *y);
    for (int64_t a = 0; a < outer; a++)
        for (int o = 0; o < out; o++)
            for (int i = 0; i < in; i++) {
                double w = transposed ? matrix[i * out + o] : matrix[o * in + i];
                for (int64_t b = 0; w != 0 && b < inner; b++)
                    y[(a * out + o) * inner + b] += w * (*data)[(a * in + i) * inner + b];
            }
    free(*data);
    *data = y;
}

/* ---- the operators ---- */

/* The choices of an interpolate node, read from its attributes' words. */
static struct nt_resample choices(const struct nt_node *node)
{
    int mode = (int)nt_attr_int(node, "mode"), coordinates = (int)nt_attr_int(node, "coordinates");
    struct nt_resample how = {.filter = NT_RESAMPLE_LINEAR,
        .rounding = (enum nt_resample_rounding)nt_attr_int(node, "nearest_mode"),
        .cubic_a = nt_attr_float(node, "cubic_coeff_a"),
        .exclude_outside = nt_attr_bool(node, "exclude_outside"),
        .antialias = nt_attr_bool(node, "antialias")};
    how.coordinates = NT_RESAMPLE_HALF_PIXEL;
    if (mode == 4 || mode == 5)
        how.filter = NT_RESAMPLE_CUBIC;
    if (mode == 0 || mode == 7)
        how.filter = NT_RESAMPLE_NEAREST;
    if (mode == 0)
        how.coordinates = NT_RESAMPLE_ASYMMETRIC;
    if (mode == 7)
        how.rounding = NT_RESAMPLE_ROUND_PREFER_CEIL;
    if (nt_attr_bool(node, "align_corners"))
        how.coordinates = NT_RESAMPLE_ALIGN_CORNERS;
    if (coordinates > 0)
        how.coordinates = (enum nt_resample_coordinates)(coordinates - 1);
    return how;
}

static void fill_area(int in, int out, double *matrix)
{
    for (int o = 0; o < out; o++) {
        int start = o * in / out, end = ((o + 1) * in + out - 1) / out;
        for (int i = 0; i < in; i++)
            matrix[o * in + i] = i >= start && i < end ? 1.0 / (end - start) : 0;
    }
}

static void run_interpolate(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    const struct nt_shape *xs = naive_shape(run, node->input[0]);
    const struct nt_attr *scale = &node->attr[nt_attr_index(node->op, "scale_factor")];
    struct nt_resample how = choices(node);
    size_t bytes = sizeof *y * (size_t)nt_shape_count(xs);
    double *data = malloc(bytes);
    memcpy(data, run->data[node->input[0]], bytes);
    int64_t outer = s->dim[0] * s->dim[1], inner = nt_shape_count(xs) / outer;
    for (int i = 0; i < s->rank - 2; i++) {
        int in = (int)xs->dim[2 + i], out = (int)s->dim[2 + i];
        bool given = scale->set && !nt_attr_bool(node, "recompute_scale_factor");
        double *matrix = malloc(sizeof *matrix * (size_t)in * (size_t)out);
        if (nt_attr_int(node, "mode") == 6)
            fill_area(in, out, matrix);
        else
            naive_resample_matrix(
                &how, given ? scale->floats[scale->count == 1 ? 0 : i] : 0, in, out, matrix);
        inner /= in;
        naive_resample_along(&data, outer, in, out, inner, matrix, false);
        outer *= out;
        free(matrix);
    }
    memcpy(y, data, sizeof *y * (size_t)nt_shape_count(s));
    free(data);
}

static void run_unpool(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_shape *xs = naive_shape(run, run->node->input[0]);
    int64_t planes = s->dim[0] * s->dim[1];
    int64_t inner = nt_shape_count(xs) / planes, area = nt_shape_count(s) / planes;
    for (int64_t e = 0; e < nt_shape_count(xs); e++) {
        int64_t at = (int64_t)run->data[run->node->input[1]][e];
        if (at >= 0 && at < area)
            y[e / inner * area + at] += run->data[run->node->input[0]][e];
    }
}

const struct naive_op naive_resample[] = {
    {&nt_op_interpolate, run_interpolate},
    {&nt_op_max_unpool1d, run_unpool},
    {&nt_op_max_unpool2d, run_unpool},
    {&nt_op_max_unpool3d, run_unpool},
    {&nt_op_upsample, run_interpolate},
    {0},
};
