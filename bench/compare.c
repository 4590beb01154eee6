/* SPDX-License-Identifier: MIT
 *
 * Documents side by side, for a terminal.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/document.h"
#include "bench/subject.h"
#include "frontend/cli/cli.h"

/* A, B, ...: short heads, which the lines above the tables explain. */
static void print_subjects(int count, const struct bench_subject *subject)
{
    for (int s = 0; s < count; s++)
        printf("%c: %s: neutra %s, %s%s%s\n   %s (%s)\n", 'A' + s, subject[s].label,
            bench_text(subject[s].document, "neutra"), bench_text(subject[s].document, "date"),
            json_is_true(json_object_get(subject[s].document, "quick")) ? ", quick" : "",
            json_is_false(json_object_get(subject[s].document, "complete")) ? ", incomplete" : "",
            bench_text(subject[s].device, "name"), bench_text(subject[s].device, "driver"));
}

static struct cli_table *create_table(const char *what, int count)
{
    static char heads[2 * BENCH_MAX_SUBJECTS][16], align[2 * BENCH_MAX_SUBJECTS + 2];
    const char *head[2 * BENCH_MAX_SUBJECTS + 1] = {what};
    int columns = 1;
    align[0] = 'l';
    for (int s = 0; s < count; s++) {
        snprintf(heads[columns - 1], sizeof *heads, "%c", 'A' + s);
        head[columns] = heads[columns - 1];
        align[columns++] = 'r';
        if (s == 0)
            continue;
        snprintf(heads[columns - 1], sizeof *heads, "%c:A", 'A' + s);
        head[columns] = heads[columns - 1];
        align[columns++] = 'r';
    }
    align[columns] = 0;
    return cli_table_create(align, head);
}

static void print_value(struct cli_table *table, const char *list, const json_t *row)
{
    char text[32];
    bool probe = !strcmp(list, "probes");
    double value = bench_number(row, probe ? "median" : "median_ms");
    if (value > 0)
        cli_table_cell(table, "%s%s%s", bench_digits(value, text, sizeof text), probe ? " " : "",
            bench_text(row, "unit"));
    else if (row && probe)
        cli_table_cell(table, "%s", json_is_true(json_object_get(row, "available")) ? "yes" : "no");
    else
        cli_table_cell(table, "-");
}

static void print_list(
    const char *list, const char *what, int count, const struct bench_subject *subject)
{
    double sum[BENCH_MAX_SUBJECTS] = {0};
    int names, both[BENCH_MAX_SUBJECTS] = {0};
    const char **name = bench_names(count, subject, list, &names);
    if (!name || !names) {
        free(name);
        return;
    }
    struct cli_table *table = create_table(what, count);
    for (int i = 0; i < names; i++) {
        const json_t *first = bench_row(&subject[0], list, name[i]);
        cli_table_cell(table, "%s", name[i]);
        for (int s = 0; s < count; s++) {
            const json_t *row = bench_row(&subject[s], list, name[i]);
            double ratio = bench_ratio(list, first, row);
            print_value(table, list, row);
            if (s > 0 && ratio > 0)
                cli_table_cell(table, "%.2f", ratio);
            else if (s > 0)
                cli_table_cell(table, "-");
            sum[s] += ratio > 0 ? log(ratio) : 0;
            both[s] += ratio > 0;
        }
    }
    putchar('\n');
    cli_table_print(table);
    for (int s = 1; s < count && strcmp(list, "probes"); s++)
        if (both[s])
            printf("%c is %.2f times as fast as A (geometric mean of %d)\n", 'A' + s,
                exp(sum[s] / both[s]), both[s]);
    free(name);
}

void bench_compare_print(int count, const struct bench_subject *subject)
{
    print_subjects(count, subject);
    print_list("probes", "probe", count, subject);
    print_list("layers", "layer, ms", count, subject);
    print_list("networks", "network, ms", count, subject);
    printf("\nB:A: how many times as fast B is as A, or, of a rate, how many times as high.\n");
}
