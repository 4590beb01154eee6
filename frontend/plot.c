/* SPDX-License-Identifier: MIT */
#include "frontend/plot.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/file.h"

#define WIDTH 760
#define PANEL_HEIGHT 230
#define LEFT 72
#define RIGHT 24
#define TOP 52
#define GAP 34
#define BOTTOM 52
#define MOST_POINTS 600 /* of a line: more than the pixels of its width show nothing more */

static const char *const colors[] = {"#0072b2", "#d55e00", "#009e73", "#7b4fa3"};
#define COLOR_COUNT ((int)(sizeof colors / sizeof *colors))

struct text {
    char *data;
    size_t size, capacity;
    bool failed;
};

NT_PRINTF(2, 3) static void put(struct text *text, const char *fmt, ...)
{
    for (;;) {
        va_list ap;
        va_start(ap, fmt);
        size_t room = text->capacity - text->size;
        int n = vsnprintf(text->data ? text->data + text->size : NULL, room, fmt, ap);
        va_end(ap);
        if (n < 0 || text->failed)
            return;
        if ((size_t)n < room) {
            text->size += (size_t)n;
            return;
        }
        size_t capacity = 2 * text->capacity + (size_t)n + 4096;
        char *data = realloc(text->data, capacity);
        if (!data) {
            text->failed = true;
            return;
        }
        text->data = data;
        text->capacity = capacity;
    }
}

static void put_escaped(struct text *text, const char *from)
{
    for (; *from; from++) {
        unsigned char c = (unsigned char)*from;
        if (c == '&' || c == '<' || c == '>' || c == '"')
            put(text, "&#%d;", c);
        else if (c >= 32)
            put(text, "%c", c);
    }
}

/* The values an axis shows: from first in steps. */
struct axis {
    double low, high; /* of the data, widened to be drawn */
    double first, step;
    int ticks, decimals;
    bool percent;
};

static struct axis make_axis(double low, double high, int wanted, bool whole)
{
    if (!(low <= high)) { /* no data */
        low = 0;
        high = 1;
    }
    if (high - low < 1e-9 * fmax(1, fabs(high))) {
        low -= whole ? 1 : 0.5 * fabs(low) + 1e-9;
        high += whole ? 1 : 0.5 * fabs(high) + 1e-9;
    }
    double raw = (high - low) / wanted, power = pow(10, floor(log10(raw))), rest = raw / power;
    double step = power * (rest <= 1 ? 1 : rest <= 2 ? 2 : rest <= 5 ? 5 : 10);
    if (whole && step < 1)
        step = 1;
    struct axis axis = {.low = low, .high = high, .step = step};
    axis.first = ceil(low / step - 1e-6) * step;
    axis.ticks = (int)floor((high - axis.first) / step + 1e-6) + 1;
    axis.decimals = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-6);
    return axis;
}

static void put_tick(struct text *text, const struct axis *axis, double value)
{
    if (fabs(value) < axis->step / 1000)
        value = 0;
    if (axis->percent)
        put(text, "%.*f %%", axis->decimals > 2 ? axis->decimals - 2 : 0, 100 * value);
    else if (fabs(value) >= 1e6 || (value != 0 && fabs(value) < 1e-4))
        put(text, "%.3g", value);
    else
        put(text, "%.*f", axis->decimals, value);
}

static void widen(double value, double *low, double *high)
{
    if (!isfinite(value))
        return;
    *low = fmin(*low, value);
    *high = fmax(*high, value);
}

static double to_x(const struct axis *axis, double x)
{
    return LEFT + (x - axis->low) / (axis->high - axis->low) * (WIDTH - LEFT - RIGHT);
}

static double to_y(const struct axis *axis, double top, double y)
{
    return top + (axis->high - y) / (axis->high - axis->low) * PANEL_HEIGHT;
}

static void put_line(struct text *text, const struct nt_plot_series *series, const struct axis *x,
    const struct axis *y, double top)
{
    const char *color = colors[abs(series->color) % COLOR_COUNT];
    int bin = (series->count + MOST_POINTS - 1) / MOST_POINTS, length = 0, points = 0;
    double last_x = 0, last_y = 0;
    struct text dots = {0};
    put(text,
        "<path fill=\"none\" stroke=\"%s\" stroke-width=\"%s\" stroke-opacity=\"%s\" "
        "stroke-linejoin=\"round\" d=\"",
        color, series->faint ? "1" : "2", series->faint ? "0.5" : "1");
    for (int i = 0; i < series->count; i += bin) {
        double sum_x = 0, sum_y = 0;
        int n = 0;
        for (int j = i; j < i + bin && j < series->count; j++)
            if (isfinite(series->x[j]) && isfinite(series->y[j])) {
                sum_x += series->x[j];
                sum_y += series->y[j];
                n++;
            }
        if (!n) {
            length = 0;
            continue;
        }
        last_x = to_x(x, sum_x / n);
        last_y = to_y(y, top, sum_y / n);
        put(text, "%s%.1f %.1f", length++ ? "L" : "M", last_x, last_y);
        points++;
        if (series->marked && series->count <= MOST_POINTS / 10)
            put(&dots, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", last_x, last_y,
                color);
    }
    put(text, "\"/>\n");
    if (points == 1 && !series->marked)
        put(text, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", last_x, last_y, color);
    if (dots.data)
        put(text, "%s", dots.data);
    text->failed |= dots.failed;
    free(dots.data);
}

static void put_legend(struct text *text, const struct nt_plot_panel *panel, double top)
{
    double at = WIDTH - RIGHT;
    for (int i = panel->count - 1; i >= 0; i--) {
        const struct nt_plot_series *series = &panel->series[i];
        if (!series->name || series->count == 0)
            continue;
        at -= 7.0 * (double)strlen(series->name) + 38;
        put(text,
            "<path stroke=\"%s\" stroke-width=\"%s\" stroke-opacity=\"%s\" d=\"M%.0f %.0fh20\"/>"
            "<text x=\"%.0f\" y=\"%.0f\">",
            colors[abs(series->color) % COLOR_COUNT], series->faint ? "1.5" : "2.5",
            series->faint ? "0.5" : "1", at, top - 9, at + 26, top - 5);
        put_escaped(text, series->name);
        put(text, "</text>\n");
    }
}

static void put_panel(
    struct text *text, const struct nt_plot_panel *panel, const struct axis *x, double top)
{
    double low = DBL_MAX, high = -DBL_MAX;
    for (int i = 0; i < panel->count; i++)
        for (int j = 0; j < panel->series[i].count; j++)
            if (isfinite(panel->series[i].x[j]))
                widen(panel->series[i].y[j], &low, &high);
    double margin = low <= high ? 0.04 * (high - low) : 0;
    struct axis y = make_axis(low - margin, high + margin, 5, false);
    y.percent = panel->percent;
    put(text, "<text x=\"%d\" y=\"%.0f\" font-weight=\"bold\">", LEFT, top - 5);
    put_escaped(text, panel->label);
    put(text, "</text>\n");
    put_legend(text, panel, top);
    put(text, "<g stroke=\"#e4e4e4\">\n");
    for (int i = 0; i < y.ticks; i++)
        put(text, "<path d=\"M%d %.1fH%d\"/>", LEFT, to_y(&y, top, y.first + i * y.step),
            WIDTH - RIGHT);
    for (int i = 0; i < x->ticks; i++)
        put(text, "<path d=\"M%.1f %.0fv%d\"/>", to_x(x, x->first + i * x->step), top,
            PANEL_HEIGHT);
    put(text, "</g>\n<g text-anchor=\"end\">\n");
    for (int i = 0; i < y.ticks; i++) {
        double value = y.first + i * y.step;
        put(text, "<text x=\"%d\" y=\"%.1f\">", LEFT - 8, to_y(&y, top, value) + 4);
        put_tick(text, &y, value);
        put(text, "</text>\n");
    }
    put(text,
        "</g>\n<rect x=\"%d\" y=\"%.0f\" width=\"%d\" height=\"%d\" fill=\"none\" "
        "stroke=\"#b0b0b0\"/>\n",
        LEFT, top, WIDTH - LEFT - RIGHT, PANEL_HEIGHT);
    for (int i = 0; i < panel->count; i++)
        put_line(text, &panel->series[i], x, &y, top);
}

static struct axis x_axis(const struct nt_plot *plot)
{
    double low = DBL_MAX, high = -DBL_MAX;
    bool whole = true;
    for (int p = 0; p < plot->count; p++)
        for (int i = 0; i < plot->panels[p].count; i++) {
            const struct nt_plot_series *series = &plot->panels[p].series[i];
            for (int j = 0; j < series->count; j++)
                if (isfinite(series->y[j])) {
                    widen(series->x[j], &low, &high);
                    whole &= series->x[j] == floor(series->x[j]);
                }
        }
    return make_axis(low, high, 8, whole);
}

static void put_plot(struct text *text, const struct nt_plot *plot)
{
    struct axis x = x_axis(plot);
    int height = TOP + plot->count * (PANEL_HEIGHT + GAP) - GAP + BOTTOM;
    put(text,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
        "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n"
        "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n"
        "<text x=\"%d\" y=\"24\" font-size=\"15\">",
        WIDTH, height, WIDTH, height, WIDTH, height, LEFT);
    put_escaped(text, plot->title ? plot->title : "");
    put(text, "</text>\n");
    for (int p = 0; p < plot->count; p++)
        put_panel(text, &plot->panels[p], &x, TOP + p * (PANEL_HEIGHT + GAP));
    put(text, "<g text-anchor=\"middle\">\n");
    for (int i = 0; i < x.ticks; i++) {
        double value = x.first + i * x.step;
        put(text, "<text x=\"%.1f\" y=\"%d\">", to_x(&x, value), height - BOTTOM + 18);
        put_tick(text, &x, value);
        put(text, "</text>\n");
    }
    put(text, "<text x=\"%d\" y=\"%d\">", (LEFT + WIDTH - RIGHT) / 2, height - BOTTOM + 40);
    put_escaped(text, plot->x_label ? plot->x_label : "");
    put(text, "</text>\n</g>\n</svg>\n");
}

enum nt_status nt_plot_write(struct nt_context *ctx, const char *path, const struct nt_plot *plot)
{
    struct text text = {0};
    put_plot(&text, plot);
    enum nt_status status = text.failed
                                ? nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory to draw it", path)
                                : nt_file_replace(ctx, path, text.data, text.size);
    free(text.data);
    return status;
}
