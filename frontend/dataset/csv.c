/* SPDX-License-Identifier: MIT
 *
 * csv:FILE: the rows of a table. A column of numbers alone is a time series (series.c).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/dataset/table.h"
#include "frontend/file.h"
#include "frontend/utf8.h"

#define MOST_COLUMNS 65536

struct csv {
    struct nt_context *ctx;
    const char *path; /* while opening */
    char *text;       /* the file; fields point into it */
    char **field;     /* [row][column], without the header */
    char **header;    /* [column]; NULL: none */
    int64_t rows, capacity;
    int columns, target;
    float *x;           /* [row][feature] */
    void *y;            /* [row]: int32 classes, or floats */
    const char **names; /* of the classes */
    /* What the names are sorted by; NULL: they are in the order of a training. */
    int (*order)(const void *a, const void *b);
};

/* ---- reading ---- */

static enum nt_status add_fields(struct csv *csv, char *line, char separator, int64_t number)
{
    int count = 0;
    if ((csv->rows + 1) * csv->columns > csv->capacity) {
        int64_t capacity = csv->capacity ? 2 * csv->capacity : 256 * (int64_t)csv->columns;
        char **field = realloc(csv->field, (size_t)capacity * sizeof *field);
        if (!field)
            return nt_fail(csv->ctx, NT_ERR_MEMORY, "%s: no memory for it", csv->path);
        csv->field = field;
        csv->capacity = capacity;
    }
    for (char *at = line, *field; (field = nt_table_field(&at, separator)); count++)
        if (count < csv->columns)
            csv->field[csv->rows * csv->columns + count] = field;
    if (count != csv->columns)
        return nt_fail(csv->ctx, NT_ERR_FORMAT,
            "%s:%lld: %d fields: must be %d, as in the first line", csv->path, (long long)number,
            count, csv->columns);
    csv->rows++;
    return NT_OK;
}

static int count_fields(const char *line, char separator)
{
    char *copy = strdup(line), *at = copy;
    int count = 0;
    while (copy && nt_table_field(&at, separator))
        count++;
    free(copy);
    return count;
}

static enum nt_status split(struct csv *csv)
{
    int64_t number = 1;
    char separator = 0;
    enum nt_status status = NT_OK;
    for (char *line = csv->text; line && status == NT_OK; number++) {
        char *next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        if (line[strspn(line, " \r\t")]) {
            if (!separator) {
                separator = nt_table_separator(line);
                csv->columns = count_fields(line, separator);
            }
            if (csv->columns < 1 || csv->columns > MOST_COLUMNS)
                return nt_fail(csv->ctx, NT_ERR_FORMAT, "%s: %d columns: must be 1 to %d",
                    csv->path, csv->columns, MOST_COLUMNS);
            status = add_fields(csv, line, separator, number);
        }
        line = next;
    }
    if (status == NT_OK && csv->rows == 0)
        return nt_fail(csv->ctx, NT_ERR_FORMAT, "%s: holds no line", csv->path);
    return status;
}

static const char *field(const struct csv *csv, int64_t row, int column)
{
    return csv->field[row * csv->columns + column];
}

static bool holds_number(const struct csv *csv, int64_t row)
{
    double value;
    for (int i = 0; i < csv->columns; i++)
        if (nt_table_number(field(csv, row, i), &value))
            return true;
    return false;
}

/* The first line names the columns when it holds no number, while the second does. */
static enum nt_status take_header(struct csv *csv, const char *wanted)
{
    bool header = wanted || (!holds_number(csv, 0) && csv->rows > 1 && holds_number(csv, 1));
    if (header) {
        csv->header = malloc((size_t)csv->columns * sizeof *csv->header);
        if (!csv->header)
            return nt_fail(csv->ctx, NT_ERR_MEMORY, "%s: no memory for it", csv->path);
        memcpy(csv->header, csv->field, (size_t)csv->columns * sizeof *csv->header);
        csv->rows--;
        memmove(csv->field, csv->field + csv->columns,
            (size_t)(csv->rows * csv->columns) * sizeof *csv->field);
    }
    csv->target = csv->columns - 1;
    for (int i = 0; wanted && i <= csv->columns; i++) {
        if (i == csv->columns)
            return nt_fail(csv->ctx, NT_ERR_FORMAT, "%s: has no column %s", csv->path, wanted);
        if (!strcmp(csv->header[i], wanted)) {
            csv->target = i;
            break;
        }
    }
    if (csv->rows < 1)
        return nt_fail(csv->ctx, NT_ERR_FORMAT, "%s: holds no row of data", csv->path);
    return NT_OK;
}

/* Columns whose first row is a number. */
static int count_numbers(const struct csv *csv)
{
    double value;
    int count = 0;
    for (int i = 0; i < csv->columns; i++)
        count += nt_table_number(field(csv, 0, i), &value);
    return count;
}

static const char *column_name(const struct csv *csv, int column, char *text, size_t size)
{
    if (csv->header)
        snprintf(text, size, "%d ('%.40s')", column + 1, csv->header[column]);
    else
        snprintf(text, size, "%d", column + 1);
    return text;
}

static enum nt_status take_number(const struct csv *csv, int64_t row, int column, double *value)
{
    char name[64];
    if (nt_table_number(field(csv, row, column), value))
        return NT_OK;
    return nt_fail(csv->ctx, NT_ERR_FORMAT,
        "%s: row %lld: column %s is '%.40s': must be a number: only the column that is told "
        "(the last, or csv:FILE,COLUMN) may hold texts",
        csv->path, (long long)row + 1, column_name(csv, column, name, sizeof name),
        field(csv, row, column));
}

static enum nt_status take_features(struct csv *csv, const struct nt_dataset_info *info)
{
    int64_t at = 0;
    csv->x = malloc((size_t)(csv->rows * csv->columns) * sizeof *csv->x);
    if (!csv->x)
        return nt_fail(csv->ctx, NT_ERR_MEMORY, "%s: no memory for it", csv->path);
    for (int64_t row = 0; row < csv->rows; row++)
        for (int i = 0; i < csv->columns; i++) {
            double value;
            if (i == csv->target)
                continue;
            enum nt_status status = take_number(csv, row, i, &value);
            if (status != NT_OK)
                return status;
            csv->x[at++] = (float)((value - info->mean[0]) / info->deviation[0]);
        }
    return NT_OK;
}

/* ---- what is to be told ---- */

static int by_letters(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Of numbers; those that are equal but written in several ways by their letters. */
static int by_value(const void *a, const void *b)
{
    double v = 0, w = 0;
    nt_table_number(*(char *const *)a, &v);
    nt_table_number(*(char *const *)b, &w);
    if (v != w)
        return v < w ? -1 : 1;
    return by_letters(a, b);
}

/* Every text of the target column, each once: by value when all are numbers, else by letters. */
static enum nt_status name_classes(struct csv *csv, struct nt_dataset_info *info)
{
    csv->names = malloc((size_t)csv->rows * sizeof *csv->names);
    if (!csv->names)
        return nt_fail(csv->ctx, NT_ERR_MEMORY, "%s: no memory for it", csv->path);
    bool numbers = true;
    for (int64_t row = 0; row < csv->rows; row++) {
        double value;
        csv->names[row] = field(csv, row, csv->target);
        numbers = numbers && nt_table_number(csv->names[row], &value);
    }
    csv->order = numbers ? by_value : by_letters;
    qsort(csv->names, (size_t)csv->rows, sizeof *csv->names, csv->order);
    int count = 0;
    for (int64_t row = 0; row < csv->rows; row++)
        if (row == 0 || strcmp(csv->names[row], csv->names[count - 1]))
            csv->names[count++] = csv->names[row];
    for (int i = 0; i < count; i++) /* weights keep them */
        if (!nt_utf8_is(csv->names[i], strlen(csv->names[i])))
            return nt_fail(csv->ctx, NT_ERR_FORMAT, "%s: class '%.40s': must be UTF-8", csv->path,
                csv->names[i]);
    info->classes = count;
    info->class_names = csv->names;
    return NT_OK;
}

/* The names that the weights were trained with; copies, because params' are the caller's. */
static enum nt_status take_names(
    struct csv *csv, const struct nt_dataset_params *params, struct nt_dataset_info *info)
{
    csv->names = malloc((size_t)params->class_count * sizeof *csv->names);
    if (!csv->names)
        return nt_fail(csv->ctx, NT_ERR_MEMORY, "%s: no memory for it", csv->path);
    for (int i = 0; i < params->class_count; i++) {
        csv->names[i] = NULL;
        for (int64_t row = 0; row < csv->rows && !csv->names[i]; row++)
            if (!strcmp(field(csv, row, csv->target), params->class_names[i]))
                csv->names[i] = field(csv, row, csv->target);
        if (!csv->names[i])
            csv->names[i] = "?"; /* a class without a row here */
    }
    info->classes = params->class_count;
    info->class_names = csv->names;
    return NT_OK;
}

/* -1: none. */
static int find_class(
    const struct csv *csv, const char *const *names, int classes, const char *name)
{
    if (csv->order) {
        const char *const *found =
            bsearch(&name, names, (size_t)classes, sizeof *names, csv->order);
        return found ? (int)(found - names) : -1;
    }
    for (int i = 0; i < classes; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

static enum nt_status take_classes(
    struct csv *csv, const struct nt_dataset_params *params, struct nt_dataset_info *info)
{
    bool trained = params->class_names && params->class_count > 0;
    enum nt_status status = trained ? take_names(csv, params, info) : name_classes(csv, info);
    const char *const *names = trained ? params->class_names : csv->names;
    int32_t *y = csv->y;
    for (int64_t row = 0; status == NT_OK && row < csv->rows; row++) {
        const char *name = field(csv, row, csv->target);
        y[row] = find_class(csv, names, info->classes, name);
        if (y[row] < 0)
            return nt_fail(csv->ctx, NT_ERR_FORMAT,
                "%s: row %lld: '%.40s' is none of the %d classes that the weights were trained "
                "with",
                csv->path, (long long)row + 1, name, info->classes);
    }
    return status;
}

/* A number where the model takes one as its target, {1}; else a class. */
static enum nt_status take_targets(struct csv *csv, struct nt_dataset *dataset)
{
    struct nt_dataset_info *info = &dataset->info;
    csv->y = malloc((size_t)csv->rows * sizeof(float));
    if (!csv->y)
        return nt_fail(csv->ctx, NT_ERR_MEMORY, "%s: no memory for it", csv->path);
    if (dataset->params.target.rank == 0) {
        info->target_dtype = NT_I32;
        return take_classes(csv, &dataset->params, info);
    }
    info->target_dtype = NT_F32;
    info->target = dataset->params.target;
    if (nt_shape_count(&info->target) != 1) {
        char text[128];
        return nt_fail(csv->ctx, NT_ERR_SHAPE,
            "csv: the model's target has shape %s: must be a class or one number",
            nt_shape_text(&info->target, text, sizeof text));
    }
    for (int64_t row = 0; row < csv->rows; row++) {
        double value;
        enum nt_status status = take_number(csv, row, csv->target, &value);
        if (status != NT_OK)
            return status;
        ((float *)csv->y)[row] = (float)value;
    }
    return NT_OK;
}

static enum nt_status set_items(struct csv *csv, struct nt_dataset *dataset)
{
    struct nt_dataset_info *info = &dataset->info;
    enum nt_status status = nt_dataset_normalise(csv->ctx, dataset, 1, &(float){0}, &(float){1});
    if (status != NT_OK)
        return status;
    if (csv->columns < 2)
        return nt_fail(csv->ctx, NT_ERR_FORMAT,
            "%s: one column of texts: must have a column of numbers", csv->path);
    info->count = csv->rows;
    info->item = (struct nt_shape){1, {csv->columns - 1}};
    status = take_features(csv, info);
    return status == NT_OK ? take_targets(csv, dataset) : status;
}

/* ---- the kind ---- */

static void close_csv(struct nt_dataset *dataset)
{
    struct csv *csv = dataset->state;
    if (!csv)
        return;
    free(csv->text);
    free(csv->field);
    free(csv->header);
    free(csv->x);
    free(csv->y);
    free(csv->names);
    free(csv);
}

/* With an end behind the last byte, and no others within. */
static enum nt_status read_text(struct csv *csv)
{
    uint8_t *data;
    size_t size;
    enum nt_status status = nt_file_read(csv->ctx, csv->path, NT_TABLE_MOST_BYTES, &data, &size);
    if (status != NT_OK)
        return status;
    csv->text = (char *)data;
    if (memchr(data, 0, size))
        return nt_fail(csv->ctx, NT_ERR_FORMAT, "%s: holds a zero byte: not a table", csv->path);
    return NT_OK;
}

static enum nt_status open_csv(
    struct nt_context *ctx, struct nt_dataset *dataset, enum nt_part part, const char *argument)
{
    struct csv *csv = calloc(1, sizeof *csv);
    char *path = strdup(argument);
    dataset->state = csv;
    if (!csv || !path) {
        free(path);
        return nt_fail(ctx, NT_ERR_MEMORY, "csv: no memory");
    }
    const char *wanted = nt_table_column(path);
    csv->ctx = ctx;
    csv->path = path;
    enum nt_status status = read_text(csv);
    if (status == NT_OK)
        status = split(csv);
    if (status == NT_OK)
        status = take_header(csv, wanted);
    bool series = status == NT_OK && count_numbers(csv) == 1 && dataset->params.target.rank > 0;
    if (status == NT_OK && !series)
        status = set_items(csv, dataset);
    csv->path = NULL;
    free(path);
    if (!series)
        return status;
    close_csv(dataset);
    dataset->state = NULL;
    dataset->kind = &nt_dataset_series;
    return dataset->kind->open(ctx, dataset, part, argument);
}

static enum nt_status item(struct nt_context *ctx, const struct nt_dataset *dataset, int64_t index,
    struct nt_random *random, enum nt_layout layout, void *x, void *y)
{
    const struct csv *csv = dataset->state;
    int64_t count = nt_shape_count(&dataset->info.item);
    memcpy(x, csv->x + index * count, (size_t)count * sizeof *csv->x);
    memcpy(y, (const char *)csv->y + index * 4, 4);
    return NT_OK;
}

const struct nt_dataset_kind nt_dataset_csv = {.name = "csv",
    .argument = "FILE",
    .parts = nt_dataset_no_parts,
    .open = open_csv,
    .item = item,
    .close = close_csv};
