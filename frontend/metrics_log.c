/* SPDX-License-Identifier: MIT */
#include "frontend/metrics_log.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/file.h"
#include "frontend/plot.h"

struct nt_metrics_log {
    struct nt_context *ctx;
    FILE *file;
    char path[4096], curve[4096];
    int count, capacity;
    struct nt_metrics_line *line;
};

static enum nt_status keep(struct nt_metrics_log *log, const struct nt_metrics_line *line)
{
    if (log->count == log->capacity) {
        int capacity = log->capacity ? 2 * log->capacity : 256;
        struct nt_metrics_line *grown = realloc(log->line, sizeof *grown * (size_t)capacity);
        if (!grown)
            return nt_fail(log->ctx, NT_ERR_MEMORY, "%s: no memory for its lines", log->path);
        log->line = grown;
        log->capacity = capacity;
    }
    log->line[log->count++] = *line;
    return NT_OK;
}

static double get(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static bool parse(const char *text, size_t length, struct nt_metrics_line *line)
{
    json_t *json = json_loadb(text, length, 0, NULL);
    if (!json_is_object(json)) {
        json_decref(json);
        return false;
    }
    const char *kind = json_string_value(json_object_get(json, "kind"));
    *line = (struct nt_metrics_line){
        .epoch_end = kind && !strcmp(kind, "epoch"),
        .step = (int64_t)json_integer_value(json_object_get(json, "step")),
        .epoch = (int64_t)json_integer_value(json_object_get(json, "epoch")),
        .loss = get(json, "loss"),
        .accuracy = get(json, "accuracy"),
        .learning_rate = get(json, "learning_rate"),
        .items_per_second = get(json, "items_per_second"),
        .seconds = get(json, "seconds"),
        .val_loss = get(json, "val_loss"),
        .val_accuracy = get(json, "val_accuracy"),
    };
    json_decref(json);
    return true;
}

/* Reads the former file and keeps, at the front of its text, the lines that still hold. A last
 * line that a kill cut short is dropped. */
static enum nt_status read_former(
    struct nt_metrics_log *log, int64_t keep_step, int64_t keep_epoch, char **text, size_t *size)
{
    uint8_t *data;
    size_t length, kept = 0;
    enum nt_status status = nt_file_read(log->ctx, log->path, 0, &data, &length);
    if (status != NT_OK)
        return status;
    char *at = (char *)data, *end = at + length;
    while (at < end && status == NT_OK) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        struct nt_metrics_line line;
        if (!stop)
            break;
        size_t span = (size_t)(stop + 1 - at);
        if (parse(at, span, &line) && line.step <= keep_step &&
            !(line.epoch_end && line.epoch > keep_epoch)) {
            status = keep(log, &line);
            memmove((char *)data + kept, at, span);
            kept += span;
        }
        at = stop + 1;
    }
    *text = (char *)data;
    *size = kept;
    return status;
}

enum nt_status nt_metrics_log_open(struct nt_context *ctx, const char *dir, int64_t keep_step,
    int64_t keep_epoch, struct nt_metrics_log **out)
{
    struct nt_metrics_log *log = calloc(1, sizeof *log);
    if (!log)
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for a log", dir);
    log->ctx = ctx;
    char *text = NULL;
    size_t size = 0;
    enum nt_status status = nt_file_join(ctx, log->path, sizeof log->path, dir, "metrics.jsonl");
    if (status == NT_OK)
        status = nt_file_join(ctx, log->curve, sizeof log->curve, dir, "curve.svg");
    FILE *former = status == NT_OK && keep_step >= 0 ? fopen(log->path, "r") : NULL;
    if (former) { /* a run may have been moved here without it */
        fclose(former);
        status = read_former(log, keep_step, keep_epoch, &text, &size);
    }
    if (status == NT_OK)
        status = nt_file_replace(ctx, log->path, text ? text : "", size);
    free(text);
    if (status == NT_OK) {
        log->file = fopen(log->path, "a");
        if (!log->file)
            status = nt_fail(ctx, NT_ERR_FILE, "%s: cannot append: %s", log->path, strerror(errno));
    }
    if (status != NT_OK) {
        nt_metrics_log_close(log);
        return status;
    }
    *out = log;
    return NT_OK;
}

void nt_metrics_log_close(struct nt_metrics_log *log)
{
    if (!log)
        return;
    if (log->file)
        fclose(log->file);
    free(log->line);
    free(log);
}

static void put(json_t *json, const char *key, double value)
{
    if (isfinite(value))
        json_object_set_new(json, key, json_real(value));
}

static char *format(const struct nt_metrics_line *line)
{
    json_t *json = json_pack("{ss sI sI}", "kind", line->epoch_end ? "epoch" : "step", "step",
        (json_int_t)line->step, "epoch", (json_int_t)line->epoch);
    if (!json)
        return NULL;
    put(json, "loss", line->loss);
    put(json, "accuracy", line->accuracy);
    put(json, "items_per_second", line->items_per_second);
    put(json, "learning_rate", line->learning_rate);
    put(json, "val_loss", line->val_loss);
    put(json, "val_accuracy", line->val_accuracy);
    put(json, "seconds", line->seconds);
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(8));
    json_decref(json);
    return text;
}

enum nt_status nt_metrics_log_write(struct nt_metrics_log *log, const struct nt_metrics_line *line)
{
    char *text = format(line);
    if (!text)
        return nt_fail(log->ctx, NT_ERR_MEMORY, "%s: no memory for a line", log->path);
    bool failed = fprintf(log->file, "%s\n", text) < 0 || fflush(log->file) != 0;
    free(text);
    if (failed)
        return nt_fail(log->ctx, NT_ERR_FILE, "%s: cannot write: %s", log->path, strerror(errno));
    return keep(log, line);
}

/* One line of the chart, taken from the kept lines. */
struct curve {
    double *x, *y;
    int count;
};

static double value_of(const struct nt_metrics_line *line, bool accuracy, bool validation)
{
    if (validation)
        return accuracy ? line->val_accuracy : line->val_loss;
    return accuracy ? line->accuracy : line->loss;
}

/* An epoch's training figure is a mean over its steps and stands in its middle; what was measured
 * at its end stands there. */
static struct curve take(const struct nt_metrics_log *log, bool epochs, bool accuracy,
    bool validation, int64_t steps_per_epoch, double *room)
{
    struct curve curve = {.x = room, .y = room + log->count};
    for (int i = 0; i < log->count; i++) {
        const struct nt_metrics_line *line = &log->line[i];
        double value = value_of(line, accuracy, validation);
        if (line->epoch_end != epochs || isnan(value))
            continue;
        double at = (double)line->step / (double)steps_per_epoch;
        curve.x[curve.count] = epochs && !validation ? at - 0.5 : at;
        curve.y[curve.count++] = value;
    }
    return curve;
}

enum nt_status nt_metrics_log_draw(
    struct nt_metrics_log *log, const char *title, int64_t steps_per_epoch)
{
    static const char *const names[] = {NULL, "training", "held out"};
    struct nt_plot_series series[2][3];
    struct nt_plot_panel panels[2];
    int drawn = 0;
    double *room = malloc(sizeof *room * (size_t)(log->count + 1) * 12);
    if (!room)
        return nt_fail(log->ctx, NT_ERR_MEMORY, "%s: no memory for the curve", log->curve);
    for (int p = 0; p < 2; p++) {
        int points = 0;
        for (int i = 0; i < 3; i++) {
            struct curve c = take(log, i > 0, p == 1, i == 2, steps_per_epoch,
                room + (size_t)(2 * (3 * p + i)) * (size_t)log->count);
            series[p][i] = (struct nt_plot_series){.name = c.count ? names[i] : NULL,
                .x = c.x,
                .y = c.y,
                .count = c.count,
                .color = i == 2,
                .faint = i == 0,
                .marked = i > 0};
            points += c.count;
        }
        if (points > 0)
            panels[drawn++] = (struct nt_plot_panel){
                .label = p ? "accuracy" : "loss", .series = series[p], .count = 3, .percent = p};
    }
    const struct nt_plot plot = {
        .title = title, .x_label = "epoch", .panels = panels, .count = drawn};
    enum nt_status status = nt_plot_write(log->ctx, log->curve, &plot);
    free(room);
    return status;
}
