/* SPDX-License-Identifier: MIT
 *
 * series:FILE.csv: one column of a table as a time series.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/dataset/table.h"
#include "frontend/file.h"

#define DEFAULT_WINDOW 24
#define DEFAULT_HORIZON 1

struct series {
    double *values; /* of the whole file */
    int64_t count, capacity;
    int64_t first; /* value that the first window begins with */
};

/* A table being read. Fields are cut out in place. */
struct table {
    struct nt_context *ctx;
    const char *path, *wanted; /* wanted: name of the column, NULL: the last numeric one */
    char separator;
    int column; /* -1: not known yet */
};

/* Looks for the column in a line: by name in the first, else the last that is a number. */
static void find_column(struct table *table, const char *line)
{
    char *copy = strdup(line), *at = copy;
    double value;
    for (int i = 0; copy; i++) {
        const char *field = nt_table_field(&at, table->separator);
        if (!field)
            break;
        if (table->wanted ? !strcmp(field, table->wanted) : nt_table_number(field, &value))
            table->column = i;
    }
    free(copy);
}

static enum nt_status add_line(
    struct table *table, struct series *series, char *line, int64_t number)
{
    char *at = line, *field = NULL;
    double value;
    for (int i = 0; i <= table->column; i++)
        field = nt_table_field(&at, table->separator);
    if (!field || !nt_table_number(field, &value))
        return nt_fail(table->ctx, NT_ERR_FORMAT,
            "%s:%lld: column %d is '%.40s': must be a number: a series has no gaps", table->path,
            (long long)number, table->column + 1, field ? field : "");
    if (series->count == series->capacity) {
        int64_t capacity = series->capacity ? 2 * series->capacity : 1024;
        double *values = realloc(series->values, (size_t)capacity * sizeof *values);
        if (!values)
            return nt_fail(table->ctx, NT_ERR_MEMORY, "%s: no memory for it", table->path);
        series->values = values;
        series->capacity = capacity;
    }
    series->values[series->count++] = value;
    return NT_OK;
}

/* The header, where there is one, is the line without the column's number. */
static enum nt_status read_lines(struct table *table, struct series *series, char *text)
{
    int64_t number = 1;
    bool header = table->wanted != NULL;
    enum nt_status status = NT_OK;
    for (char *line = text; line && status == NT_OK; number++) {
        char *next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        if (number == 1)
            table->separator = nt_table_separator(line);
        if (line[strspn(line, " \r\t")]) {
            bool known = table->column >= 0;
            if (!known)
                find_column(table, line);
            if (!known && table->column < 0 && (header || number > 1))
                return nt_fail(table->ctx, NT_ERR_FORMAT, "%s: has no column %s", table->path,
                    header ? table->wanted : "of numbers");
            if (table->column >= 0 && (known || !header))
                status = add_line(table, series, line, number);
        }
        line = next;
    }
    return status;
}

static enum nt_status set_info(struct nt_context *ctx, struct nt_dataset *dataset, const char *path)
{
    struct series *series = dataset->state;
    struct nt_dataset_info *info = &dataset->info;
    const struct nt_dataset_params *params = &dataset->params;
    int64_t window = params->item.rank ? nt_shape_count(&params->item) : DEFAULT_WINDOW;
    int64_t horizon = params->target.rank ? nt_shape_count(&params->target) : DEFAULT_HORIZON;
    int64_t first, end, border = series->count;
    nt_dataset_divide(dataset, series->count, &first, &end);
    if (params->validation_share > 0)
        border = first > 0 ? first : end;
    series->first = first > window ? first - window : 0; /* targets alone are held out */
    info->count = end - series->first - window - horizon + 1;
    if (window < 1 || horizon < 1 || info->count < 1)
        return nt_fail(ctx, NT_ERR_ARGUMENT,
            "%s: %lld values in this part: too few for a window of %lld and %lld to forecast", path,
            (long long)(end - series->first), (long long)window, (long long)horizon);
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < border; i++)
        sum += series->values[i];
    for (int64_t i = 0; i < border; i++)
        squares += (series->values[i] - sum / border) * (series->values[i] - sum / border);
    float mean = (float)(sum / border), deviation = (float)sqrt(squares / border);
    info->forecasts = true;
    info->item = (struct nt_shape){1, {window}};
    info->target = (struct nt_shape){1, {horizon}};
    info->target_dtype = NT_F32;
    return nt_dataset_normalise(ctx, dataset, 1, &mean, deviation > 0 ? &deviation : &(float){1});
}

static enum nt_status open_series(
    struct nt_context *ctx, struct nt_dataset *dataset, enum nt_part part, const char *argument)
{
    struct series *series = calloc(1, sizeof *series);
    char *path = strdup(argument);
    dataset->state = series;
    if (!series || !path) {
        free(path);
        return nt_fail(ctx, NT_ERR_MEMORY, "series: no memory");
    }
    struct table table = {.ctx = ctx, .path = path, .column = -1};
    table.wanted = nt_table_column(path);
    uint8_t *data;
    size_t size;
    enum nt_status status = nt_file_read(ctx, path, NT_TABLE_MOST_BYTES, &data, &size);
    if (status == NT_OK) {
        status = read_lines(&table, series, (char *)data);
        free(data);
    }
    if (status == NT_OK)
        status = set_info(ctx, dataset, path);
    free(path);
    return status;
}

static enum nt_status item(struct nt_context *ctx, const struct nt_dataset *dataset, int64_t index,
    struct nt_random *random, enum nt_layout layout, void *x, void *y)
{
    const struct series *series = dataset->state;
    const struct nt_dataset_info *info = &dataset->info;
    int64_t window = info->item.dim[0], horizon = info->target.dim[0];
    const double *from = series->values + series->first + index;
    for (int64_t i = 0; i < window + horizon; i++) {
        float value = (float)((from[i] - info->mean[0]) / info->deviation[0]);
        if (i < window)
            ((float *)x)[i] = value;
        else
            ((float *)y)[i - window] = value;
    }
    return NT_OK;
}

static void close_series(struct nt_dataset *dataset)
{
    struct series *series = dataset->state;
    if (!series)
        return;
    free(series->values);
    free(series);
}

const struct nt_dataset_kind nt_dataset_series = {.name = "series",
    .argument = "FILE.csv",
    .parts = nt_dataset_no_parts,
    .divides = true,
    .open = open_series,
    .item = item,
    .close = close_series};
