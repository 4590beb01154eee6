/* SPDX-License-Identifier: MIT
 *
 * The document as tables for a terminal.
 */
#include <stdio.h>
#include <string.h>

#include "bench/document.h"
#include "bench/subject.h"
#include "frontend/cli/cli.h"

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

static void print_probes(const json_t *probes)
{
    static const char *const heads[] = {"probe", "", "", "range", "note"};
    struct cli_table *table = cli_table_create("lrlll", heads);
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
        cli_table_cell(table, "%s", bench_text(row, "note"));
    }
    cli_table_print(table);
    putchar('\n');
}

static void print_layers(const json_t *layers)
{
    static const char *const heads[] = {
        "layer", "ms", "spread", "GFLOP/s", "GB/s", "limit", "kernels"};
    struct cli_table *table = cli_table_create("lrrrrrl", heads);
    size_t i;
    json_t *row;
    json_array_foreach(layers, i, row)
    {
        char a[32], kernels[200];
        double median = bench_number(row, "median_ms");
        bool right = json_is_true(json_object_get(row, "right"));
        cli_table_cell(table, "%s", bench_text(row, "name"));
        cli_table_cell(table, "%s", bench_digits(median, a, sizeof a));
        cli_table_cell(table, "%.0f%%",
            100 * (bench_number(row, "greatest_ms") - bench_number(row, "least_ms")) / median);
        double flops = bench_number(row, "gflops");
        cli_table_cell(table, "%s", flops > 0 ? bench_digits(flops, a, sizeof a) : "");
        cli_table_cell(table, "%s", bench_digits(bench_number(row, "gbytes"), a, sizeof a));
        cli_table_cell(table, "%.0f%%%s", 100 * bench_number(row, "share"),
            strcmp(bench_text(row, "bound"), "copy") ? "" : "c");
        cli_table_cell(
            table, "%s%s", right ? "" : "WRONG ", kernels_of(row, kernels, sizeof kernels));
    }
    cli_table_print(table);
    printf("\nlimit: share of the time that the device's multiply-add rate, or its copy rate (c), "
           "measured\nbeside each row, would allow. Every result is compared with plain loops.\n");
}

/* "1.2 s" or "350 ms"; "" for a figure that was not taken. */
static const char *start_of(const json_t *row, const char *key, char *text, size_t size)
{
    double ms = bench_number(row, key);
    text[0] = 0;
    if (ms > 0)
        snprintf(text, size, ms < 1000 ? "%.0f ms" : "%.1f s", ms < 1000 ? ms : ms / 1000);
    return text;
}

static void print_networks(const json_t *networks)
{
    static const char *const heads[] = {"network", "ms", "spread", "items/s", "GFLOP/s", "limit",
        "launches", "device", "host", "warm", "cold", ""};
    struct cli_table *table = cli_table_create("lrrrrrrrrrrl", heads);
    size_t i;
    json_t *row;
    json_array_foreach(networks, i, row)
    {
        char a[32];
        double median = bench_number(row, "median_ms"), host = bench_number(row, "host_peak_bytes");
        cli_table_cell(table, "%s", bench_text(row, "name"));
        cli_table_cell(table, "%s", bench_digits(median, a, sizeof a));
        cli_table_cell(table, "%.0f%%",
            100 * (bench_number(row, "greatest_ms") - bench_number(row, "least_ms")) / median);
        cli_table_cell(
            table, "%s", bench_digits(bench_number(row, "items_per_second"), a, sizeof a));
        cli_table_cell(table, "%s", bench_digits(bench_number(row, "gflops"), a, sizeof a));
        cli_table_cell(table, "%.0f%%", 100 * bench_number(row, "share"));
        cli_table_cell(table, "%.0f", bench_number(row, "launches"));
        cli_table_cell(table, "%s", cli_bytes(bench_number(row, "device_bytes"), a, sizeof a));
        cli_table_cell(table, "%s", host > 0 ? cli_bytes(host, a, sizeof a) : "");
        cli_table_cell(table, "%s", start_of(row, "warm_start_ms", a, sizeof a));
        cli_table_cell(table, "%s", start_of(row, "cold_start_ms", a, sizeof a));
        cli_table_cell(table, "%s", json_is_true(json_object_get(row, "right")) ? "" : "WRONG");
    }
    cli_table_print(table);
    printf("\ndevice, host: memory of the session, and the most of a process that does two steps. "
           "warm, cold:\nfrom the program's start to the end of the first step, with full and with "
           "empty caches.\n");
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
    }
}
