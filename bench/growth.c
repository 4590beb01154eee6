/* SPDX-License-Identifier: MIT */
#include "bench/growth.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "bench/subject.h"

#define MOST_POINTS 16

/* time = constant + slope * amount. */
struct line {
    double constant, slope;
    double deviation; /* the largest of |line / time - 1| */
};

/* The line that makes the sum of the squares of line / time - 1 least: a small step counts as much
 * as a large one. False when there are less than 3 points, a time is not positive, or all amounts
 * are equal. */
static bool fit(int count, const double *amount, const double *time, struct line *line)
{
    double w = 0, wx = 0, wxx = 0, wy = 0, wxy = 0;
    if (count < 3)
        return false;
    for (int i = 0; i < count; i++) {
        if (!(time[i] > 0))
            return false;
        double weight = 1 / (time[i] * time[i]);
        w += weight;
        wx += weight * amount[i];
        wxx += weight * amount[i] * amount[i];
        wy += weight * time[i];
        wxy += weight * amount[i] * time[i];
    }
    double determinant = w * wxx - wx * wx;
    if (!(determinant > 1e-12 * w * wxx))
        return false;
    line->slope = (w * wxy - wx * wy) / determinant;
    line->constant = (wy - line->slope * wx) / w;
    line->deviation = 0;
    for (int i = 0; i < count; i++) {
        double here = line->constant + line->slope * amount[i];
        line->deviation = fmax(line->deviation, fabs(here / time[i] - 1));
    }
    return true;
}

/* What a row of a network was measured with. */
struct point {
    const char *network;
    bool training;
    double batch, side, time;
};

static bool take_point(const json_t *row, struct point *point)
{
    const json_t *work = json_object_get(row, "work");
    if (!work || json_is_true(json_object_get(work, "loaded")))
        return false;
    point->network = bench_text(work, "network");
    point->training = json_is_true(json_object_get(work, "training"));
    point->batch = bench_number(work, "batch");
    point->side = bench_number(work, "side");
    point->time = bench_number(row, "median_ms");
    return true;
}

/* The rows that differ from the first in nothing but the batch, or but the size. Rows before the
 * first that would belong to it mean that this line was drawn. */
static int gather(const json_t *rows, size_t first, bool by_side, double *amount, double *time)
{
    struct point a, b;
    size_t i;
    json_t *row;
    int count = 0;
    if (!take_point(json_array_get(rows, first), &a))
        return 0;
    json_array_foreach(rows, i, row)
    {
        if (!take_point(row, &b) || strcmp(a.network, b.network) || a.training != b.training ||
            (by_side ? a.batch != b.batch || !(b.side > 0) : a.side != b.side))
            continue;
        if (i < first)
            return 0;
        if (count == MOST_POINTS)
            break;
        amount[count] = by_side ? b.side * b.side * b.batch : b.batch;
        time[count++] = b.time;
    }
    return count;
}

static void add_line(json_t *growth, const json_t *rows, size_t first, bool by_side)
{
    double amount[MOST_POINTS], time[MOST_POINTS];
    struct line line;
    struct point point;
    char name[128];
    int count = gather(rows, first, by_side, amount, time);
    if (!fit(count, amount, time, &line))
        return;
    take_point(json_array_get(rows, first), &point);
    int used =
        snprintf(name, sizeof name, "%s %s", point.network, point.training ? "train" : "infer");
    if (by_side)
        snprintf(name + used, sizeof name - (size_t)used, " %.0f", point.batch);
    json_array_append_new(
        growth, json_pack("{ss ss si sf sf sf}", "name", name, "by", by_side ? "pixels" : "batch",
                    "points", count, "constant_ms", line.constant, "slope_ms", line.slope,
                    "deviation", line.deviation));
}

json_t *bench_growth(const json_t *device)
{
    const json_t *rows = json_object_get(device, "networks");
    json_t *growth = json_array();
    for (size_t i = 0; i < json_array_size(rows); i++) {
        add_line(growth, rows, i, false);
        add_line(growth, rows, i, true);
    }
    return growth;
}
