/* SPDX-License-Identifier: MIT
 *
 * Line charts as SVG files that need nothing else: training curves.
 */
#ifndef NT_FRONTEND_PLOT_H
#define NT_FRONTEND_PLOT_H

#include <stdbool.h>

#include "engine/context.h"

/* A line. Points that are not finite interrupt it; a lone point is drawn as a dot. Long lines
 * are thinned to means. */
struct nt_plot_series {
    const char *name; /* in the legend; NULL: not there */
    const double *x, *y;
    int count;
    int color;   /* 0 blue, 1 orange, 2 green, 3 purple */
    bool faint;  /* a thin pale line: noisy single steps */
    bool marked; /* a dot on every point */
};

/* A chart; the panels of a plot stand one above the other and share the x axis. */
struct nt_plot_panel {
    const char *label; /* of the y axis: "loss" */
    const struct nt_plot_series *series;
    int count;
    bool percent; /* values in [0, 1], written as per cent */
};

struct nt_plot {
    const char *title, *x_label;
    const struct nt_plot_panel *panels;
    int count;
};

/* Replaces the file in one step. A plot without any finite point is an empty chart. */
enum nt_status nt_plot_write(struct nt_context *ctx, const char *path, const struct nt_plot *plot);

#endif
