/* SPDX-License-Identifier: MIT */
#include "bench/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- roofline ---- */

/* The chart's frame in units of the picture, and the decades that it spans. */
#define WIDTH 920
#define HEIGHT 430
#define LEFT 64
#define RIGHT 30
#define TOP 16
#define BOTTOM 46

struct axes {
    double x0, x1, y0, y1; /* logarithms to base 10 */
};

static double to_x(const struct axes *axes, double value)
{
    return LEFT + (log10(value) - axes->x0) / (axes->x1 - axes->x0) * (WIDTH - LEFT - RIGHT);
}

static double to_y(const struct axes *axes, double value)
{
    return TOP + (axes->y1 - log10(value)) / (axes->y1 - axes->y0) * (HEIGHT - TOP - BOTTOM);
}

/* The device's rates: GFLOP/s by its probe or the limits that its rows met, as what else runs on
 * the machine makes either less; GB/s by its probe, else by those limits. 0 where there is neither.
 */
static void find_roof(const struct bench_subject *subject, double *flops, double *bytes)
{
    size_t i;
    json_t *row;
    *flops = bench_number(bench_row(subject, "probes", "multiply-add"), "median");
    *bytes = bench_number(bench_row(subject, "probes", "copy 256 MiB"), "median");
    double met[2] = {0};
    json_array_foreach(json_object_get(subject->device, "layers"), i, row)
    {
        int copy = !strcmp(bench_text(row, "bound"), "copy");
        met[copy] = fmax(met[copy], bench_number(row, "limit"));
    }
    *flops = fmax(*flops, met[0]);
    if (!(*bytes > 0))
        *bytes = met[1];
}

static void widen(double *low, double *high, double value)
{
    *low = fmin(*low, log10(value));
    *high = fmax(*high, log10(value));
}

/* Whole decades around all dots and roofs; false when there is no dot. */
static bool span(int count, const struct bench_subject *subject, struct axes *axes)
{
    size_t i;
    json_t *row;
    *axes = (struct axes){INFINITY, -INFINITY, INFINITY, -INFINITY};
    for (int s = 0; s < count; s++) {
        double flops, bytes;
        find_roof(&subject[s], &flops, &bytes);
        json_array_foreach(json_object_get(subject[s].device, "layers"), i, row)
        {
            double work = bench_number(row, "flops"), rate = bench_number(row, "gflops");
            if (work <= 0 || rate <= 0)
                continue;
            widen(&axes->x0, &axes->x1, work / bench_number(row, "bytes"));
            widen(&axes->y0, &axes->y1, rate);
        }
        if (flops > 0 && axes->y1 > -INFINITY)
            widen(&axes->y0, &axes->y1, flops);
        if (flops > 0 && bytes > 0 && axes->x1 > -INFINITY)
            widen(&axes->x0, &axes->x1, flops / bytes);
    }
    axes->x0 = floor(axes->x0);
    axes->x1 = ceil(axes->x1 + 0.01);
    axes->y0 = floor(axes->y0);
    axes->y1 = ceil(axes->y1 + 0.01);
    return isfinite(axes->x0);
}

static void draw_grid(struct nt_text *page, const struct axes *axes)
{
    for (int d = (int)axes->x0; d <= (int)axes->x1; d++) {
        double x = to_x(axes, pow(10, d));
        nt_text_format(page,
            "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>"
            "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n",
            x, TOP, x, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 18, pow(10, d));
    }
    for (int d = (int)axes->y0; d <= (int)axes->y1; d++) {
        double y = to_y(axes, pow(10, d));
        nt_text_format(page,
            "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>"
            "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n",
            LEFT, y, WIDTH - RIGHT, y, LEFT - 6, y + 4, pow(10, d));
    }
    nt_text_format(page,
        "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">floating-point operations per byte of "
        "input and output</text>\n"
        "<text transform=\"translate(14 %d) rotate(-90)\" text-anchor=\"middle\">GFLOP/s</text>\n",
        (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, (TOP + HEIGHT - BOTTOM) / 2);
}

static void draw_roof(
    struct nt_text *page, const struct axes *axes, const struct bench_subject *subject, int index)
{
    double flops, bytes;
    find_roof(subject, &flops, &bytes);
    if (flops <= 0)
        return;
    double x0 = pow(10, axes->x0), low = pow(10, axes->y0), ridge = bytes > 0 ? flops / bytes : x0;
    double start = fmax(x0, bytes > 0 ? low / bytes : x0);
    ridge = fmax(ridge, start);
    nt_text_format(page,
        "<polyline class=\"roof c%d\" points=\"%.1f,%.1f %.1f,%.1f %.1f,%.1f\"><title>", index,
        to_x(axes, start), to_y(axes, bytes > 0 ? start * bytes : flops), to_x(axes, ridge),
        to_y(axes, flops), to_x(axes, pow(10, axes->x1)), to_y(axes, flops));
    bench_escape(page, subject->label);
    nt_text_format(page, ": %.0f GFLOP/s, %.1f GB/s</title></polyline>\n", flops, bytes);
}

/* One subject: a colour for each family; several: one for each of them. */
static const char *const families[] = {"gemm", "conv", "pool", "norm", "softmax", "map"};

static int family_of(const json_t *row)
{
    int f = 0;
    while (f < 5 && strcmp(bench_text(row, "family"), families[f]))
        f++;
    return f;
}

static void draw_dots(struct nt_text *page, const struct axes *axes, int count, int index,
    const struct bench_subject *subject, unsigned *seen)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(subject->device, "layers"), i, row)
    {
        double work = bench_number(row, "flops"), rate = bench_number(row, "gflops");
        if (work <= 0 || rate <= 0)
            continue;
        *seen |= 1u << family_of(row);
        nt_text_format(page, "<circle class=\"dot c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\"><title>",
            count == 1 ? family_of(row) : index, to_x(axes, work / bench_number(row, "bytes")),
            to_y(axes, rate));
        bench_escape(page, bench_text(row, "name"));
        nt_text_format(page, ": %.1f GFLOP/s, %.0f %% of the limit</title></circle>\n", rate,
            100 * bench_number(row, "share"));
    }
}

void bench_chart_roofline(struct nt_text *page, int count, const struct bench_subject *subject)
{
    struct axes axes;
    unsigned seen = 0;
    if (!span(count, subject, &axes))
        return;
    nt_text_string(page,
        "<h2>Roofline</h2>\n<p>A dot is a layer. The slope is what the copy rate "
        "allows, the flat part the multiply-add rate; caches let small layers pass "
        "the slope, and fewer multiplications (Winograd) the flat part. Layers that only move data "
        "are not here."
        "</p>\n");
    nt_text_format(
        page, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"roofline\">\n", WIDTH, HEIGHT);
    draw_grid(page, &axes);
    for (int s = 0; s < count; s++)
        draw_roof(page, &axes, &subject[s], count == 1 ? 7 : s % 8);
    for (int s = 0; s < count; s++)
        draw_dots(page, &axes, count, s % 8, &subject[s], &seen);
    nt_text_string(page, "</svg>\n");
    if (count > 1)
        return;
    nt_text_string(page, "<p class=\"legend\">");
    for (int f = 0; f < 6; f++)
        if (seen & 1u << f)
            nt_text_format(page, "<span><i class=\"b%d\"></i>%s</span> ", f, families[f]);
    nt_text_string(page, "</p>\n");
}

/* ---- networks ---- */

static void draw_bar(struct nt_text *page, const json_t *row, int index, double y, double most)
{
    char ms[32], rate[32];
    double width = bench_number(row, "gflops") / most * 520;
    nt_text_format(page,
        "<rect class=\"c%d\" x=\"180\" y=\"%.1f\" width=\"%.1f\" height=\"15\" "
        "rx=\"2\"><title>%.0f %% of the multiply-add rate</title></rect>"
        "<text x=\"%.1f\" y=\"%.1f\">%s ms, %s a second</text>\n",
        index, y, fmax(width, 1), 100 * bench_number(row, "share"), 180 + fmax(width, 1) + 6,
        y + 12, bench_digits(bench_number(row, "median_ms"), ms, sizeof ms),
        bench_digits(bench_number(row, "items_per_second"), rate, sizeof rate));
}

void bench_chart_networks(struct nt_text *page, int count, const struct bench_subject *subject)
{
    int names;
    const char **name = bench_names(count, subject, "networks", &names);
    double most = 0, y = 6, step = 17.0 * count + 9;
    for (int i = 0; name && i < names; i++)
        for (int s = 0; s < count; s++)
            most = fmax(most, bench_number(bench_row(&subject[s], "networks", name[i]), "gflops"));
    if (!name || !(most > 0)) {
        free(name);
        return;
    }
    nt_text_format(page,
        "<h2>Networks</h2>\n<p>Bars: GFLOP/s by the multiplications that the definition asks for, "
        "%.0f at the right end of the scale. Beside them the time of a step and items a "
        "second.</p>\n<svg viewBox=\"0 0 %d %.0f\" role=\"img\" aria-label=\"networks\">\n",
        most, WIDTH, names * step + 8);
    for (int i = 0; i < names; i++, y += step) {
        nt_text_format(
            page, "<text x=\"172\" y=\"%.1f\" text-anchor=\"end\">", y + 8.5 * count + 4);
        bench_escape(page, name[i]);
        nt_text_string(page, "</text>\n");
        for (int s = 0; s < count; s++) {
            const json_t *row = bench_row(&subject[s], "networks", name[i]);
            if (row)
                draw_bar(page, row, s % 8, y + 17 * s, most);
        }
    }
    nt_text_string(page, "</svg>\n");
    free(name);
}

/* ---- heat ---- */

static const char *const passes[] = {
    "forward", "backward-data", "backward-weights", "forward+backward"};

static bool is_of(const json_t *row, int pass)
{
    return !strcmp(bench_text(json_object_get(row, "work"), "pass"), passes[pass]);
}

static bool any_of(const json_t *layers, int pass)
{
    for (size_t i = 0; i < json_array_size(layers); i++)
        if (is_of(json_array_get(layers, i), pass))
            return true;
    return false;
}

/* The row's name without the pass, which it may end in. */
static size_t layer_length(const json_t *row)
{
    const char *name = bench_text(row, "name");
    const char *pass = bench_text(json_object_get(row, "work"), "pass");
    size_t length = strlen(name), tail = strlen(pass);
    bool ends = tail && length > tail + 1 && !strcmp(name + length - tail, pass);
    return ends ? length - tail - 1 : length;
}

static void heat_cell(struct nt_text *page, const json_t *row)
{
    double share = bench_number(row, "share");
    if (!row) {
        nt_text_string(page, "<td></td>");
        return;
    }
    nt_text_format(page,
        "<td class=\"n%s\" data-v=\"%.4f\" style=\"--heat:%.2f\" title=\"%.3g ms\">",
        json_is_true(json_object_get(row, "right")) ? "" : " wrong", share,
        0.06 + 0.6 * fmin(share, 1.2), bench_number(row, "median_ms"));
    nt_text_format(page, "%.0f %%</td>", 100 * share);
}

void bench_chart_heat(struct nt_text *page, const struct bench_subject *subject)
{
    const json_t *layers = json_object_get(subject->device, "layers"), *cell[4] = {NULL};
    size_t count = json_array_size(layers);
    if (!count)
        return;
    nt_text_string(
        page, "<div class=\"wide\"><table class=\"sort heat\"><thead><tr><th>layer</th>");
    bool used[4];
    for (int p = 0; p < 4; p++)
        if ((used[p] = any_of(layers, p)))
            nt_text_format(page, "<th class=\"n\">%s</th>", passes[p]);
    nt_text_string(page, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < count; i++) {
        const json_t *row = json_array_get(layers, i), *next = json_array_get(layers, i + 1);
        size_t length = layer_length(row);
        for (int p = 0; p < 4; p++)
            if (is_of(row, p))
                cell[p] = row;
        if (next && layer_length(next) == length &&
            !strncmp(bench_text(row, "name"), bench_text(next, "name"), length))
            continue;
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)length, bench_text(row, "name"));
        nt_text_string(page, "<tr><td>");
        bench_escape(page, name);
        nt_text_string(page, "</td>");
        for (int p = 0; p < 4; p++) {
            if (used[p])
                heat_cell(page, cell[p]);
            cell[p] = NULL;
        }
        nt_text_string(page, "</tr>\n");
    }
    nt_text_string(page, "</tbody></table></div>\n");
}
