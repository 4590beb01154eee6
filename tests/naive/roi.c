/* SPDX-License-Identifier: MIT */
#include "tests/naive/roi.h"

#include <math.h>
#include <string.h>

#include "frontend/op.h"
#include "tests/naive.h"

static double bilinear(const double *plane, int h, int w, double y, double x)
{
    if (y < -1 || y > h || x < -1 || x > w)
        return 0;
    y = fmin(fmax(y, 0), h - 1);
    x = fmin(fmax(x, 0), w - 1);
    int y0 = (int)y, x0 = (int)x, y1 = y0 < h - 1 ? y0 + 1 : y0, x1 = x0 < w - 1 ? x0 + 1 : x0;
    double ly = y - y0, lx = x - x0;
    return (1 - ly) * ((1 - lx) * plane[y0 * w + x0] + lx * plane[y0 * w + x1]) +
           ly * ((1 - lx) * plane[y1 * w + x0] + lx * plane[y1 * w + x1]);
}

/* The largest of the four elements beside a point, each multiplied by its weight. */
static double largest_share(const double *plane, int h, int w, double y, double x, int *corner)
{
    double best = -INFINITY;
    bool outside = y < -1 || y > h || x < -1 || x > w;
    y = fmin(fmax(y, 0), h - 1);
    x = fmin(fmax(x, 0), w - 1);
    for (int c = 0; c < 4; c++) {
        int row = (int)y + c / 2, column = (int)x + c % 2;
        double share = fmax(0, 1 - fabs(y - row)) * fmax(0, 1 - fabs(x - column));
        bool there = !outside && row < h && column < w;
        double value = there ? share * plane[row * w + column] : 0;
        if (value > best) {
            best = value;
            *corner = c;
        }
    }
    return best;
}

static double aligned_bin(const struct nt_roi *roi, const double *plane, int h, int w,
    const double *region, const int bins[2], int i, int j, double *index)
{
    double shift = roi->aligned ? 0.5 : 0, scale = roi->scale, sum = 0, best = -INFINITY;
    double left = region[1] * scale - shift, top = region[2] * scale - shift;
    double width = region[3] * scale - shift - left, height = region[4] * scale - shift - top;
    if (!roi->aligned) {
        width = fmax(width, 1);
        height = fmax(height, 1);
    }
    double bin_h = height / bins[0], bin_w = width / bins[1];
    int rows = roi->sampling_ratio > 0 ? roi->sampling_ratio : (int)fmax(0, ceil(bin_h));
    int columns = roi->sampling_ratio > 0 ? roi->sampling_ratio : (int)fmax(0, ceil(bin_w));
    for (int a = 0; a < rows; a++)
        for (int b = 0; b < columns; b++) {
            double v = top + i * bin_h + (a + 0.5) * bin_h / rows;
            double u = left + j * bin_w + (b + 0.5) * bin_w / columns;
            int corner = 0;
            sum += bilinear(plane, h, w, v, u);
            double share = largest_share(plane, h, w, v, u, &corner);
            if (roi->kind == NT_ROI_ALIGN_MAXIMUM && share > best) {
                best = share;
                *index = (a * columns + b) * 4 + corner;
            }
        }
    if (roi->kind == NT_ROI_ALIGN)
        return sum / fmax(1, rows * columns);
    return rows * columns > 0 ? best : 0;
}

/* Elements [*first, *end) of a bin; floats as in the definition, whose roundings count. */
static void span(
    double low, double high, float scale, int bin, int bins, int extent, int *first, int *end)
{
    int start = (int)roundf((float)low * scale), stop = (int)roundf((float)high * scale);
    float size = (float)(stop - start + 1 > 1 ? stop - start + 1 : 1) / (float)bins;
    *first = (int)floorf((float)bin * size) + start;
    *end = (int)ceilf((float)(bin + 1) * size) + start;
    *first = *first < 0 ? 0 : *first > extent ? extent : *first;
    *end = *end < 0 ? 0 : *end > extent ? extent : *end;
}

static double largest_of_bin(const struct nt_roi *roi, const double *plane, int h, int w,
    const double *region, const int bins[2], int i, int j, double *index)
{
    int top, bottom, left, right;
    double best = -INFINITY;
    span(region[2], region[4], roi->scale, i, bins[0], h, &top, &bottom);
    span(region[1], region[3], roi->scale, j, bins[1], w, &left, &right);
    *index = -1;
    for (int a = top; a < bottom; a++)
        for (int b = left; b < right; b++)
            if (plane[a * w + b] > best) {
                best = plane[a * w + b];
                *index = a * w + b;
            }
    return *index < 0 ? 0 : best;
}

void naive_roi(const struct nt_roi *roi, const double *x, int c, int h, int w, const double *region,
    int ph, int pw, double *y, double *index)
{
    const int bins[2] = {ph, pw};
    for (int k = 0; k < c; k++)
        for (int i = 0; i < ph; i++)
            for (int j = 0; j < pw; j++) {
                int at = (k * ph + i) * pw + j;
                const double *plane = x + k * h * w;
                if (index)
                    index[at] = -1;
                y[at] = roi->kind == NT_ROI_POOL
                            ? largest_of_bin(roi, plane, h, w, region, bins, i, j, &index[at])
                            : aligned_bin(
                                  roi, plane, h, w, region, bins, i, j, index ? index + at : NULL);
            }
}

static void run_roi(const struct naive_run *run, double *y, const struct nt_shape *s)
{
    const struct nt_node *node = run->node;
    const struct nt_shape *x = naive_shape(run, node->input[0]);
    bool align = node->op != &nt_op_roi_pool, mean = node->op == &nt_op_roi_align;
    struct nt_roi roi = {.kind = mean    ? NT_ROI_ALIGN
                                 : align ? NT_ROI_ALIGN_MAXIMUM
                                         : NT_ROI_POOL,
        .scale = (float)nt_attr_float(node, "spatial_scale")};
    if (align) {
        roi.sampling_ratio = (int)nt_attr_int(node, "sampling_ratio");
        roi.aligned = nt_attr_bool(node, "aligned");
    }
    int64_t item = s->dim[1] * s->dim[2] * s->dim[3], image = nt_shape_count(x) / x->dim[0];
    for (int64_t k = 0; k < s->dim[0]; k++) {
        const double *region = run->data[node->input[1]] + 5 * k;
        int n = region[0] > -1 && region[0] < (double)x->dim[0] ? (int)region[0] : -1;
        double *index = mean ? NULL : run->data[node->output[1]] + k * item;
        if (n >= 0)
            naive_roi(&roi, run->data[node->input[0]] + n * image, (int)x->dim[1], (int)x->dim[2],
                (int)x->dim[3], region, (int)s->dim[2], (int)s->dim[3], y + k * item, index);
    }
}

const struct naive_op naive_roi_ops[] = {
    {&nt_op_roi_align, run_roi},
    {&nt_op_roi_align_max, run_roi},
    {&nt_op_roi_pool, run_roi},
    {0},
};
