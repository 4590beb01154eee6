/* SPDX-License-Identifier: MIT
 *
 * What neutra eval tells of targets that are numbers: the errors, those of naive forecasts beside
 * them for a time series, and a chart.
 */
#ifndef NT_FRONTEND_CLI_EVAL_SERIES_H
#define NT_FRONTEND_CLI_EVAL_SERIES_H

#include <jansson.h>

#include "frontend/evaluate.h"

struct eval_series;

/* season: of the seasonal forecast, at most the values of a window; 0: the one that does best. NULL
 * when memory is exhausted. */
struct eval_series *eval_series_create(
    struct nt_context *ctx, const struct nt_dataset *dataset, int season);
void eval_series_destroy(struct eval_series *series);
void eval_series_add(struct eval_series *series, const struct nt_prediction *p);

/* After the last item: NT_ERR_SHAPE when the model's output does not fit the targets. */
enum nt_status eval_series_finish(struct eval_series *series);
void eval_series_print(const struct eval_series *series);
void eval_series_json(const struct eval_series *series, json_t *document);
/* Of a time series alone. */
enum nt_status eval_series_plot(
    const struct eval_series *series, const char *title, const char *path);

#endif
