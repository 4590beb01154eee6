/* SPDX-License-Identifier: MIT
 *
 * metrics.jsonl of a training: one JSON object per line, of kind "step" every few steps and
 * "epoch" at each epoch's end; and curve.svg, drawn from the epochs (from the steps while there
 * are few epochs).
 */
#ifndef NT_FRONTEND_METRICS_LOG_H
#define NT_FRONTEND_METRICS_LOG_H

#include <stdbool.h>

#include "engine/context.h"

struct nt_metrics_log;

/* One line; NaN: not known, and left out. */
struct nt_metrics_line {
    bool epoch_end;
    int64_t step, epoch;
    double loss, accuracy, learning_rate, items_per_second, seconds;
    double val_loss, val_accuracy; /* at an epoch's end */
};

/* Opens DIR/metrics.jsonl. keep_step >= 0 keeps the lines up to that step, and of epochs up to
 * keep_epoch, from a former run; -1 starts afresh. */
enum nt_status nt_metrics_log_open(struct nt_context *ctx, const char *dir, int64_t keep_step,
    int64_t keep_epoch, struct nt_metrics_log **out);
void nt_metrics_log_close(struct nt_metrics_log *log);

enum nt_status nt_metrics_log_write(struct nt_metrics_log *log, const struct nt_metrics_line *line);

/* Draws DIR/curve.svg; steps_per_epoch places the steps. */
enum nt_status nt_metrics_log_draw(
    struct nt_metrics_log *log, const char *title, int64_t steps_per_epoch);

#endif
