/* SPDX-License-Identifier: MIT */
#include "frontend/onnx/resize.h"

#include <math.h>
#include <stdio.h>

#include "frontend/op/compose.h"

/* One dimension. */
struct axis {
    const struct nt_onnx_resize *r;
    int64_t from, to;
    double scale, start, end;
};

/* Where output o lies in the input, by the definitions of ONNX's Resize. */
static double place(const struct axis *a, int64_t o)
{
    double in = (double)a->from, out = a->scale * in, x = (double)o;
    double half = (x + 0.5) / a->scale - 0.5, region = (a->end - a->start) * (in - 1);
    switch (a->r->place) {
    case NT_ONNX_ASYMMETRIC:
        return x / a->scale;
    case NT_ONNX_ALIGN_CORNERS:
        return out == 1 ? 0 : x * (in - 1) / (out - 1);
    case NT_ONNX_PYTORCH_HALF_PIXEL:
        return out == 1 ? -0.5 : half;
    case NT_ONNX_HALF_PIXEL_SYMMETRIC:
        return in / 2 * (1 - (double)a->to / out) + half;
    case NT_ONNX_TF_HALF_PIXEL:
        return half + 0.5;
    case NT_ONNX_TF_CROP_AND_RESIZE:
        return a->start * (in - 1) + (out == 1 ? region / 2 : x * region / (out - 1));
    default:
        return half;
    }
}

/* Keys' kernel. */
static double cubic(double a, double x)
{
    x = fabs(x);
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* The weight of an element at a distance from the place, `rest` of it being before the place. */
static double weight(const struct axis *a, double distance, double rest)
{
    double narrow = a->r->antialias && a->scale < 1 ? a->scale : 1;
    bool first = rest == 0 || a->r->round == NT_ONNX_ROUND_FLOOR ||
                 (a->r->round == NT_ONNX_ROUND_PREFER_FLOOR && rest <= 0.5) ||
                 (a->r->round == NT_ONNX_ROUND_PREFER_CEIL && rest < 0.5);
    switch (a->r->mode) {
    case NT_ONNX_NEAREST:
        return distance == (first ? -rest : 1 - rest);
    case NT_ONNX_LINEAR:
        return fmax(1 - fabs(distance * narrow), 0);
    default:
        return cubic(a->r->cubic, distance * narrow);
    }
}

/* Row o of the matrix; where the place is outside, the row is empty and *outside is 1. */
static void fill_row(const struct axis *a, int64_t o, double *row, double *outside)
{
    double x = place(a, o), base = floor(x), rest = x - base, sum = 0;
    double narrow = a->r->antialias && a->scale < 1 ? a->scale : 1;
    int64_t reach = (int64_t)ceil((a->r->mode == NT_ONNX_CUBIC ? 2 : 1) / narrow);
    *outside = a->r->place == NT_ONNX_TF_CROP_AND_RESIZE && (x < 0 || x > (double)a->from - 1);
    if (*outside != 0)
        return;
    for (int64_t i = 1 - reach; i <= reach; i++) {
        int64_t index = (int64_t)base + i;
        double w = weight(a, (double)i - rest, rest);
        bool inside = index >= 0 && index < a->from;
        if (!inside && a->r->exclude_outside)
            continue;
        index = index < 0 ? 0 : index >= a->from ? a->from - 1 : index;
        row[index] += w;
        sum += w;
    }
    for (int64_t i = 0; sum != 0 && i < a->from; i++)
        row[i] /= sum;
}

/* x's last dimension resized. */
static int resize_last(struct nt_onnx_node *node, const struct axis *a, int axis, int x)
{
    char name[32];
    struct nt_graph *graph = node->graph;
    if ((double)a->from * (double)a->to > NT_ONNX_HOST_MOST) {
        nt_onnx_fail(node, NT_ERR_UNSUPPORTED, "dimension of %lld to %lld in this form: too many",
            (long long)a->from, (long long)a->to);
        return -1;
    }
    struct nt_onnx_host *matrix =
        nt_onnx_host_create(graph, NT_ONNX_FLOAT, &(struct nt_shape){2, {a->to, a->from}});
    struct nt_onnx_host *border =
        nt_onnx_host_create(graph, NT_ONNX_FLOAT, &(struct nt_shape){1, {a->to}});
    bool any = false;
    for (int64_t o = 0; matrix && border && o < a->to; o++) {
        fill_row(a, o, matrix->data + o * a->from, &border->data[o]);
        any = any || border->data[o] != 0;
    }
    struct nt_onnx_call call = nt_onnx_begin("matmul");
    nt_onnx_number(&call, "transpose_b", 1);
    snprintf(name, sizeof name, "resize%d", axis);
    int y = nt_onnx_add(node, &call, 2, (int[]){x, nt_onnx_constants(node, name, matrix)});
    if (!any || y < 0)
        return y;
    snprintf(name, sizeof name, "outside%d", axis);
    const int in[] = {
        y, nt_onnx_constants(node, name, border), nt_onnx_constant(node, a->r->outside)};
    return nt_onnx_formula(node, "a + b * c", 3, in);
}

int nt_onnx_resize_by_matrices(struct nt_onnx_node *node, const struct nt_onnx_resize *r, int x)
{
    int rank = r->from.rank;
    for (int d = 0; x >= 0 && d < rank; d++) {
        struct axis a = {r, r->from.dim[d], r->to.dim[d], r->scale[d], r->start[d], r->end[d]};
        bool crop = r->place == NT_ONNX_TF_CROP_AND_RESIZE && (a.start != 0 || a.end != 1);
        int axes[NT_MAX_RANK];
        if (a.scale == 0)
            a.scale = (double)a.to / (double)a.from;
        if (a.from == a.to && a.scale == 1 && !crop)
            continue;
        for (int i = 0; i < rank; i++) /* d and the last change places */
            axes[i] = i == d ? rank - 1 : i == rank - 1 ? d : i;
        if (d != rank - 1)
            x = nt_compose_transpose(node->graph, x, axes);
        x = resize_last(node, &a, d, x);
        if (d != rank - 1)
            x = nt_compose_transpose(node->graph, x, axes);
    }
    return x;
}
