/* SPDX-License-Identifier: MIT */
#include "frontend/cli/eval_series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/cli.h"
#include "frontend/plot.h"

struct errors {
    double squares, absolute;
};

struct eval_series {
    struct nt_context *ctx;
    const struct nt_dataset *dataset;
    bool forecasts; /* items are windows of a time series */
    int season, window, horizon;
    enum nt_status status;
    int64_t count;        /* numbers compared */
    struct errors model;  /* sums over them, in the units of the data */
    struct errors *naive; /* by season; [0]: the last value */
    float *x, *y;         /* of an item */
    /* What came for each item and what should have, windows x horizon; for charts. */
    double *forecast, *truth;
};

struct eval_series *eval_series_create(
    struct nt_context *ctx, const struct nt_dataset *dataset, int season)
{
    const struct nt_dataset_info *info = nt_dataset_get_info(dataset);
    struct eval_series *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    size_t window = (size_t)nt_shape_count(&info->item);
    size_t horizon = (size_t)nt_shape_count(&info->target);
    bool forecasts = info->forecasts;
    size_t kept = forecasts ? (size_t)info->count * horizon : 1;
    *s = (struct eval_series){.ctx = ctx,
        .dataset = dataset,
        .forecasts = forecasts,
        .season = season,
        .window = (int)window,
        .horizon = (int)horizon,
        .naive = calloc(window + 1, sizeof *s->naive),
        .x = calloc(window, sizeof *s->x),
        .y = calloc(horizon, sizeof *s->y),
        .forecast = calloc(kept, sizeof *s->forecast),
        .truth = calloc(kept, sizeof *s->truth)};
    if (s->naive && s->x && s->y && s->forecast && s->truth)
        return s;
    eval_series_destroy(s);
    return NULL;
}

void eval_series_destroy(struct eval_series *s)
{
    if (!s)
        return;
    free(s->naive);
    free(s->x);
    free(s->y);
    free(s->forecast);
    free(s->truth);
    free(s);
}

static void add_error(struct errors *errors, double error)
{
    errors->squares += error * error;
    errors->absolute += fabs(error);
}

/* What the same place of the season before held, as far as the window reaches. */
static double seasonal(const struct eval_series *s, int season, int ahead)
{
    return s->x[s->window - season + ahead % season];
}

static void add_naive(struct eval_series *s, const struct nt_prediction *p, double scale)
{
    const struct nt_dataset_info *info = nt_dataset_get_info(s->dataset);
    for (int h = 0; h < s->horizon; h++) {
        size_t at = (size_t)p->index * (size_t)s->horizon + (size_t)h;
        double last = s->x[s->window - 1];
        s->forecast[at] = p->scores[h] * scale + info->mean[0];
        s->truth[at] = s->y[h] * scale + info->mean[0];
        add_error(&s->naive[0], (last - s->y[h]) * scale);
        for (int season = 2; season <= s->window; season++)
            add_error(&s->naive[season], (seasonal(s, season, h) - s->y[h]) * scale);
    }
}

void eval_series_add(struct eval_series *s, const struct nt_prediction *p)
{
    double scale = s->forecasts ? nt_dataset_get_info(s->dataset)->deviation[0] : 1;
    const float *targets = p->targets;
    if (s->status != NT_OK)
        return;
    if (p->count != s->horizon) {
        s->status = nt_fail(s->ctx, NT_ERR_SHAPE,
            "the first output has %d numbers for an item, the targets %d: they must be equal",
            p->count, s->horizon);
        return;
    }
    for (int i = 0; i < s->horizon; i++)
        add_error(&s->model, (p->scores[i] - targets[i]) * scale);
    s->count += s->horizon;
    if (!s->forecasts)
        return;
    s->status = nt_dataset_item(s->ctx, s->dataset, p->index, NULL, NT_ROW_MAJOR, s->x, s->y);
    if (s->status == NT_OK)
        add_naive(s, p, scale);
}

enum nt_status eval_series_finish(struct eval_series *s)
{
    if (s->status != NT_OK || !s->forecasts)
        return s->status;
    if (s->season > 0 || s->window < 2)
        return NT_OK;
    s->season = 2;
    for (int season = 3; season <= s->window; season++)
        if (s->naive[season].squares < s->naive[s->season].squares)
            s->season = season;
    return NT_OK;
}

static void print_row(const struct eval_series *s, struct cli_table *table, const char *name,
    const struct errors *errors)
{
    cli_table_cell(table, "%s", name);
    cli_table_cell(table, "%.6g", errors->squares / (double)s->count);
    cli_table_cell(table, "%.6g", errors->absolute / (double)s->count);
}

void eval_series_print(const struct eval_series *s)
{
    static const char *const heads[] = {"", "mean squared error", "mean absolute error"};
    struct cli_table *table = cli_table_create("lrr", heads);
    char name[64];
    print_row(s, table, "model", &s->model);
    if (s->forecasts)
        print_row(s, table, "last value again", &s->naive[0]);
    if (s->forecasts && s->season > 0) {
        snprintf(name, sizeof name, "%d values before again", s->season);
        print_row(s, table, name, &s->naive[s->season]);
    }
    putchar('\n');
    cli_table_print(table);
}

void eval_series_json(const struct eval_series *s, json_t *document)
{
    double n = (double)s->count;
    json_object_set_new(document, "mse", json_real(s->model.squares / n));
    json_object_set_new(document, "mae", json_real(s->model.absolute / n));
    if (!s->forecasts)
        return;
    json_object_set_new(document, "last_value",
        json_pack("{sf sf}", "mse", s->naive[0].squares / n, "mae", s->naive[0].absolute / n));
    if (s->season > 0)
        json_object_set_new(document, "seasonal",
            json_pack("{si sf sf}", "season", s->season, "mse", s->naive[s->season].squares / n,
                "mae", s->naive[s->season].absolute / n));
}

/* Fills three lines of count values: the truth, ours, and the seasonal forecast. Windows that
 * follow each other without overlap give one line of forecasts. */
static enum nt_status fill_lines(const struct eval_series *s, int count, double *at)
{
    const struct nt_dataset_info *info = nt_dataset_get_info(s->dataset);
    enum nt_status status = NT_OK;
    for (int i = 0; i < count && status == NT_OK; i++) {
        int64_t item = i / s->horizon * s->horizon;
        int ahead = i % s->horizon;
        size_t from = (size_t)item * (size_t)s->horizon + (size_t)ahead;
        status = nt_dataset_item(s->ctx, s->dataset, item, NULL, NT_ROW_MAJOR, s->x, s->y);
        at[i] = i;
        at[count + i] = s->truth[from];
        at[2 * count + i] = s->forecast[from];
        at[3 * count + i] =
            seasonal(s, s->season > 0 ? s->season : 1, ahead) * info->deviation[0] + info->mean[0];
    }
    return status;
}

enum nt_status eval_series_plot(const struct eval_series *s, const char *title, const char *path)
{
    const struct nt_dataset_info *info = nt_dataset_get_info(s->dataset);
    int count = (int)((info->count - 1) / s->horizon * s->horizon) + s->horizon;
    double *at = calloc(4 * (size_t)count, sizeof *at);
    enum nt_status status = at ? fill_lines(s, count, at)
                               : nt_fail(s->ctx, NT_ERR_MEMORY, "%s: no memory to draw it", path);
    char ours[64], naive[64];
    snprintf(ours, sizeof ours, "forecast of %d at a time", s->horizon);
    snprintf(naive, sizeof naive, "%d values before again", s->season > 0 ? s->season : 1);
    const struct nt_plot_series lines[] = {
        {naive, at, at + 3 * count, count, .color = 2, .faint = true},
        {"truth", at, at + count, count, .color = 0, .marked = true},
        {ours, at, at + 2 * count, count, .color = 1, .marked = true},
    };
    const struct nt_plot_panel panel = {.label = "value", .series = lines, .count = 3};
    const char *name = strrchr(title, '/');
    const struct nt_plot plot = {.title = name ? name + 1 : title,
        .x_label = "place in the part",
        .panels = &panel,
        .count = 1};
    if (status == NT_OK)
        status = nt_plot_write(s->ctx, path, &plot);
    free(at);
    return status;
}
