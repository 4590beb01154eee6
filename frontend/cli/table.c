/* SPDX-License-Identifier: MIT */
#include "frontend/cli/cli.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct cli_table {
    const char *align;
    int columns, count, capacity;
    bool failed;
    char **cell;
};

struct cli_table *cli_table_create(const char *align, const char *const *heads)
{
    struct cli_table *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    table->align = align;
    table->columns = (int)strlen(align);
    for (int i = 0; i < table->columns; i++)
        cli_table_cell(table, "%s", heads[i]);
    return table;
}

void cli_table_cell(struct cli_table *table, const char *fmt, ...)
{
    if (!table || table->failed)
        return;
    if (table->count == table->capacity) {
        int capacity = table->capacity ? 2 * table->capacity : 64;
        char **cell = realloc(table->cell, sizeof *cell * (size_t)capacity);
        if (!cell) {
            table->failed = true;
            return;
        }
        table->cell = cell;
        table->capacity = capacity;
    }
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    char *copy = strdup(text);
    if (!copy)
        table->failed = true;
    else
        table->cell[table->count++] = copy;
}

/* Columns on the terminal: bytes that do not continue a UTF-8 sequence. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += (*text & 0xC0) != 0x80;
    return width;
}

static void print_cell(const char *text, int width, bool right, bool last)
{
    int pad = width - width_of(text);
    if (right)
        printf("%*s%s", pad, "", text);
    else
        printf("%s%*s", text, last ? 0 : pad, "");
    fputs(last ? "\n" : "  ", stdout);
}

void cli_table_print(struct cli_table *table)
{
    if (!table)
        return;
    int *width = calloc((size_t)table->columns, sizeof *width);
    for (int i = 0; width && i < table->count; i++) {
        int w = width_of(table->cell[i]);
        if (w > width[i % table->columns])
            width[i % table->columns] = w;
    }
    for (int i = 0; i < table->count; i++) {
        int column = i % table->columns;
        if (width)
            print_cell(table->cell[i], width[column], table->align[column] == 'r',
                column == table->columns - 1);
        free(table->cell[i]);
    }
    free(width);
    free(table->cell);
    free(table);
}
