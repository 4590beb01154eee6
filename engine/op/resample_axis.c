/* SPDX-License-Identifier: MIT */
#include "engine/op/resample_axis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The place in the source that index o of the result is taken from, in elements. ratio: source
 * elements per element of the result. */
static double coordinate(
    const struct nt_resample *how, double o, double in, double out, double scale)
{
    /* (o in) / out is exact where o in / out is an integer; o * (in / out) would not be. */
    double half = scale > 0 ? (o + 0.5) / scale - 0.5 : (o + 0.5) * in / out - 0.5;
    switch (how->coordinates) {
    case NT_RESAMPLE_ASYMMETRIC:
        return scale > 0 ? o / scale : o * in / out;
    case NT_RESAMPLE_ALIGN_CORNERS:
        return out > 1 ? o * (in - 1) / (out - 1) : 0;
    case NT_RESAMPLE_PYTORCH_HALF_PIXEL:
        return out > 1 ? half : 0;
    case NT_RESAMPLE_HALF_PIXEL_SYMMETRIC:
        return half + (scale > 0 ? in / 2 * (1 - out / (scale * in)) : 0);
    case NT_RESAMPLE_HALF_PIXEL_FOR_NN:
        return half + 0.5;
    default:
        return half;
    }
}

static double nearest(const struct nt_resample *how, double x)
{
    double twice = rint(2 * x); /* what is a whole or half number but for rounding errors is one */
    if (fabs(2 * x - twice) < 1e-9)
        x = twice / 2;
    switch (how->rounding) {
    case NT_RESAMPLE_CEIL:
        return ceil(x);
    case NT_RESAMPLE_ROUND_PREFER_FLOOR:
        return ceil(x - 0.5);
    case NT_RESAMPLE_ROUND_PREFER_CEIL:
        return floor(x + 0.5);
    default:
        return floor(x);
    }
}

/* The weight of an element at a distance. Keys, Cubic convolution interpolation for digital image
 * processing, 1981. */
static double filter(const struct nt_resample *how, double x)
{
    double a = how->cubic_a != 0 ? how->cubic_a : -0.75;
    x = fabs(x);
    if (how->filter == NT_RESAMPLE_LINEAR)
        return x < 1 ? 1 - x : 0;
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* Taps of one element of the result before those outside the source are dealt with. */
struct taps {
    int64_t first, count;
    double center, stretch; /* the filter is this much wider than the distance of elements */
};

static struct taps taps_at(const struct nt_resample *how, int i, double o, double in, double out)
{
    double x = coordinate(how, o, in, out, how->scale[i]);
    if (how->filter == NT_RESAMPLE_NEAREST)
        return (struct taps){(int64_t)nearest(how, x), 1, 0, 0};
    double ratio = how->scale[i] > 0 ? 1 / how->scale[i] : in / out;
    if (how->coordinates == NT_RESAMPLE_ALIGN_CORNERS)
        ratio = out > 1 ? (in - 1) / (out - 1) : 1;
    double stretch = how->antialias && ratio > 1 ? ratio : 1;
    double reach = (how->filter == NT_RESAMPLE_LINEAR ? 1 : 2) * stretch;
    int64_t first = (int64_t)floor(x - reach) + 1, last = (int64_t)ceil(x + reach) - 1;
    return (struct taps){first, last - first + 1, x, stretch};
}

static int64_t clamp(int64_t index, int64_t in)
{
    return index < 0 ? 0 : index >= in ? in - 1 : index;
}

/* The weights of one element of the result; taps outside the source count for its border, or not
 * at all. */
static void weigh(const struct nt_resample *how, const struct taps *taps, int64_t in, int64_t first,
    int64_t count, double *weight)
{
    bool leave_out = how->exclude_outside || how->antialias;
    double sum = 0;
    memset(weight, 0, sizeof *weight * (size_t)count);
    for (int64_t k = 0; k < taps->count; k++) {
        int64_t index = taps->first + k, at = clamp(index, in) - first;
        double w = 1;
        if (how->filter != NT_RESAMPLE_NEAREST)
            w = filter(how, ((double)index - taps->center) / taps->stretch);
        if (leave_out && how->filter != NT_RESAMPLE_NEAREST && (index < 0 || index >= in))
            continue;
        weight[at] += w;
        sum += w;
    }
    for (int64_t k = 0; sum != 0 && k < count; k++)
        weight[k] /= sum;
}

static bool allocate(struct nt_resample_axis *axis, int64_t in, int64_t out)
{
    *axis = (struct nt_resample_axis){.in = in, .out = out};
    axis->first = malloc(sizeof *axis->first * (size_t)out);
    axis->start = malloc(sizeof *axis->start * (size_t)(out + 1));
    return axis->first && axis->start;
}

bool nt_resample_axis_make(
    struct nt_resample_axis *axis, const struct nt_resample *how, int i, int64_t in, int64_t out)
{
    int32_t total = 0;
    if (!allocate(axis, in, out))
        return false;
    for (int64_t o = 0; o < out; o++) {
        struct taps taps = taps_at(how, i, (double)o, (double)in, (double)out);
        int64_t first = clamp(taps.first, in), last = clamp(taps.first + taps.count - 1, in);
        axis->first[o] = (int32_t)first;
        axis->start[o] = total;
        total += (int32_t)(last - first + 1);
    }
    axis->start[out] = total;
    axis->weight = malloc(sizeof *axis->weight * (size_t)total);
    for (int64_t o = 0; axis->weight && o < out; o++) {
        struct taps taps = taps_at(how, i, (double)o, (double)in, (double)out);
        weigh(how, &taps, in, axis->first[o], axis->start[o + 1] - axis->start[o],
            axis->weight + axis->start[o]);
    }
    return axis->weight != NULL;
}

bool nt_resample_axis_transpose(
    struct nt_resample_axis *axis, const struct nt_resample_axis *forward)
{
    int64_t in = forward->out, out = forward->in, total = 0;
    int32_t *last = malloc(sizeof *last * (size_t)out);
    if (!allocate(axis, in, out) || !last) {
        free(last);
        return false;
    }
    for (int64_t i = 0; i < out; i++) {
        axis->first[i] = 0;
        last[i] = -1;
    }
    for (int64_t o = 0; o < in; o++)
        for (int32_t k = forward->start[o]; k < forward->start[o + 1]; k++) {
            int64_t i = forward->first[o] + k - forward->start[o];
            if (forward->weight[k] == 0)
                continue;
            if (last[i] < 0)
                axis->first[i] = (int32_t)o;
            last[i] = (int32_t)o;
        }
    for (int64_t i = 0; i < out; i++) {
        axis->start[i] = (int32_t)total;
        total += last[i] < 0 ? 0 : last[i] - axis->first[i] + 1;
    }
    axis->start[out] = (int32_t)total;
    free(last);
    axis->weight = calloc((size_t)total + 1, sizeof *axis->weight);
    for (int64_t o = 0; axis->weight && o < in; o++)
        for (int32_t k = forward->start[o]; k < forward->start[o + 1]; k++) {
            int64_t i = forward->first[o] + k - forward->start[o];
            if (forward->weight[k] != 0)
                axis->weight[axis->start[i] + o - axis->first[i]] = forward->weight[k];
        }
    return axis->weight != NULL;
}

void nt_resample_axis_free(struct nt_resample_axis *axis)
{
    free(axis->first);
    free(axis->start);
    free(axis->weight);
}
