/* SPDX-License-Identifier: MIT
 *
 * The document as tables for a terminal.
 */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench/document.h"
#include "bench/growth.h"
#include "bench/subject.h"
#include "frontend/cli/cli.h"

#define WIDE 110 /* columns that a table with kernels needs */

/* Kernels with their variants: "conv_forward_tile", the last of several with what came before. */
static const char *kernels_of(const json_t *row, char *text, size_t size)
{
    const json_t *list = json_object_get(row, "kernels");
    size_t at = 0, i;
    json_t *kernel;
    text[0] = 0;
    json_array_foreach(list, i, kernel)
    {
        if (at < size)
            at += (size_t)snprintf(
                text + at, size - at, "%s%s", i ? ", " : "", bench_text(kernel, "kernel"));
    }
    return text;
}

/* Columns of the terminal; many where there is none. */
static int window_width(void)
{
    struct winsize window;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0;
    return known ? window.ws_col : 1000;
}

static void print_probes(const json_t *probes)
{
    static const char *const heads[] = {"probe", "", "", "range", "note"};
    bool wide = window_width() >= WIDE;
    struct cli_table *table = cli_table_create(wide ? "lrlll" : "lrll", heads);
    size_t i;
    json_t *row;
    char a[32], b[32], c[32];
    json_array_foreach(probes, i, row)
    {
        cli_table_cell(table, "%s", bench_text(row, "name"));
        if (json_object_get(row, "median")) {
            cli_table_cell(table, "%s", bench_digits(bench_number(row, "median"), a, sizeof a));
            cli_table_cell(table, "%s", bench_text(row, "unit"));
            cli_table_cell(table, "%s to %s", bench_digits(bench_number(row, "least"), b, sizeof b),
                bench_digits(bench_number(row, "greatest"), c, sizeof c));
        } else {
            bool there = json_is_true(json_object_get(row, "available"));
            cli_table_cell(table, "%s", there ? "yes" : "no");
            cli_table_cell(table, "%s", "");
            cli_table_cell(table, "%s", "");
        }
        if (wide)
            cli_table_cell(table, "%s", bench_text(row, "note"));
    }
    cli_table_print(table);
    putchar('\n');
}

/* Name, median and spread, which all rows begin with. */
static void print_times(struct cli_table *table, const json_t *row)
{
    char text[32];
    double median = bench_number(row, "median_ms");
    bool right = json_is_true(json_object_get(row, "right"));
    cli_table_cell(table, "%s%s", bench_text(row, "name"), right ? "" : " WRONG");
    cli_table_cell(table, "%s", bench_digits(median, text, sizeof text));
    cli_table_cell(table, "%.0f%%",
        100 * (bench_number(row, "greatest_ms") - bench_number(row, "least_ms")) / median);
}

static void print_layers(const json_t *layers)
{
    static const char *const heads[] = {
        "layer", "ms", "spread", "GFLOP/s", "GB/s", "limit", "kernels"};
    bool wide = window_width() >= WIDE;
    struct cli_table *table = cli_table_create(wide ? "lrrrrrl" : "lrrrrr", heads);
    size_t i;
    json_t *row;
    json_array_foreach(layers, i, row)
    {
        char text[200];
        double flops = bench_number(row, "gflops");
        print_times(table, row);
        cli_table_cell(table, "%s", flops > 0 ? bench_digits(flops, text, sizeof text) : "");
        cli_table_cell(table, "%s", bench_digits(bench_number(row, "gbytes"), text, sizeof text));
        cli_table_cell(table, "%.0f%%%s", 100 * bench_number(row, "share"),
            strcmp(bench_text(row, "bound"), "copy") ? " " : "c");
        if (wide)
            cli_table_cell(table, "%s", kernels_of(row, text, sizeof text));
    }
    cli_table_print(table);
    printf("\nlimit: share of what the device's multiply-add rate, or its copy rate (c),\n"
           "measured beside each row, would allow. Every result was compared with plain\nloops.\n");
}

static void print_networks(const json_t *networks)
{
    static const char *const heads[] = {
        "network", "ms", "spread", "items/s", "GFLOP/s", "limit", "launches", "device"};
    struct cli_table *table = cli_table_create("lrrrrrrr", heads);
    size_t i;
    json_t *row;
    json_array_foreach(networks, i, row)
    {
        char a[32];
        print_times(table, row);
        cli_table_cell(
            table, "%s", bench_digits(bench_number(row, "items_per_second"), a, sizeof a));
        cli_table_cell(table, "%s", bench_digits(bench_number(row, "gflops"), a, sizeof a));
        cli_table_cell(table, "%.0f%%", 100 * bench_number(row, "share"));
        cli_table_cell(table, "%.0f", bench_number(row, "launches"));
        cli_table_cell(table, "%s", nt_bytes_text(bench_number(row, "device_bytes"), a, sizeof a));
    }
    cli_table_print(table);
    printf("\nlimit: share of what the multiply-add rate would allow; device: memory of\nthe "
           "session.\n");
}

static void print_starts(const json_t *networks)
{
    static const char *const heads[] = {"start", "warm ms", "cold ms", "host"};
    struct cli_table *table = NULL;
    size_t i;
    json_t *row;
    json_array_foreach(networks, i, row)
    {
        char a[32];
        double warm = bench_number(row, "warm_start_ms"), cold = bench_number(row, "cold_start_ms");
        if (!(warm > 0))
            continue;
        if (!table)
            table = cli_table_create("lrrr", heads);
        cli_table_cell(table, "%s", bench_text(row, "name"));
        cli_table_cell(table, "%s", bench_digits(warm, a, sizeof a));
        cli_table_cell(table, "%s", bench_digits(cold, a, sizeof a));
        cli_table_cell(
            table, "%s", nt_bytes_text(bench_number(row, "host_peak_bytes"), a, sizeof a));
    }
    if (!table)
        return;
    putchar('\n');
    cli_table_print(table);
    printf("\nfrom the program's start to the end of the first step, with full and with\n"
           "empty caches; host: the most memory of a process that does two steps.\n");
}

static void print_growth(const json_t *device)
{
    static const char *const heads[] = {"growth", "constant ms", "ms more", "for each", "off"};
    json_t *growth = bench_growth(device), *row;
    struct cli_table *table = NULL;
    size_t i;
    json_array_foreach(growth, i, row)
    {
        char a[32];
        bool pixels = !strcmp(bench_text(row, "by"), "pixels");
        if (!table)
            table = cli_table_create("lrrlr", heads);
        double slope = bench_number(row, "slope_ms");
        cli_table_cell(table, "%s", bench_text(row, "name"));
        cli_table_cell(table, "%.3g", bench_number(row, "constant_ms"));
        cli_table_cell(table, "%s", bench_digits(slope * (pixels ? 1e6 : 1), a, sizeof a));
        cli_table_cell(table, "%s", pixels ? "million pixels" : "item");
        cli_table_cell(table, "%.0f%%", 100 * bench_number(row, "deviation"));
    }
    json_decref(growth);
    if (!table)
        return;
    putchar('\n');
    cli_table_print(table);
    printf("\ntime = constant + slope x amount, fitted to rows of several sizes; off: what the\n"
           "line is off at most.\n");
}

void bench_table_print(const json_t *document)
{
    size_t i;
    json_t *device;
    json_array_foreach(json_object_get(document, "devices"), i, device)
    {
        const json_t *probes = json_object_get(device, "probes");
        const json_t *layers = json_object_get(device, "layers");
        const json_t *networks = json_object_get(device, "networks");
        printf("%s%s (%s, %s)\n\n", i ? "\n" : "", bench_text(device, "name"),
            bench_text(device, "platform"), bench_text(device, "driver"));
        if (json_array_size(probes))
            print_probes(probes);
        if (json_array_size(layers))
            print_layers(layers);
        if (json_array_size(layers) && json_array_size(networks))
            putchar('\n');
        if (json_array_size(networks))
            print_networks(networks);
        print_growth(device);
        print_starts(networks);
    }
}
