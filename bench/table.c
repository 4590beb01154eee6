/* SPDX-License-Identifier: MIT
 *
 * The document as tables for a terminal.
 */
#include <stdio.h>
#include <string.h>

#include "bench/document.h"
#include "frontend/cli/cli.h"

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

static double number_of(const json_t *row, const char *key)
{
    return json_number_value(json_object_get(row, key));
}

/* "1.23" with three digits that count. */
static const char *digits(double value, char *text, size_t size)
{
    int places = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
    snprintf(text, size, "%.*f", places, value);
    return text;
}

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
                text + at, size - at, "%s%s", i ? ", " : "", text_of(kernel, "kernel"));
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
        cli_table_cell(table, "%s", text_of(row, "name"));
        if (json_object_get(row, "median")) {
            cli_table_cell(table, "%s", digits(number_of(row, "median"), a, sizeof a));
            cli_table_cell(table, "%s", text_of(row, "unit"));
            cli_table_cell(table, "%s to %s", digits(number_of(row, "least"), b, sizeof b),
                digits(number_of(row, "greatest"), c, sizeof c));
        } else {
            bool there = json_is_true(json_object_get(row, "available"));
            cli_table_cell(table, "%s", there ? "yes" : "no");
            cli_table_cell(table, "%s", "");
            cli_table_cell(table, "%s", "");
        }
        cli_table_cell(table, "%s", text_of(row, "note"));
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
        double median = number_of(row, "median_ms");
        bool right = json_is_true(json_object_get(row, "right"));
        cli_table_cell(table, "%s", text_of(row, "name"));
        cli_table_cell(table, "%s", digits(median, a, sizeof a));
        cli_table_cell(table, "%.0f%%",
            100 * (number_of(row, "greatest_ms") - number_of(row, "least_ms")) / median);
        double flops = number_of(row, "gflops");
        cli_table_cell(table, "%s", flops > 0 ? digits(flops, a, sizeof a) : "");
        cli_table_cell(table, "%s", digits(number_of(row, "gbytes"), a, sizeof a));
        cli_table_cell(table, "%.0f%%%s", 100 * number_of(row, "share"),
            strcmp(text_of(row, "bound"), "copy") ? "" : "c");
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
    double ms = number_of(row, key);
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
        double median = number_of(row, "median_ms"), host = number_of(row, "host_peak_bytes");
        cli_table_cell(table, "%s", text_of(row, "name"));
        cli_table_cell(table, "%s", digits(median, a, sizeof a));
        cli_table_cell(table, "%.0f%%",
            100 * (number_of(row, "greatest_ms") - number_of(row, "least_ms")) / median);
        cli_table_cell(table, "%s", digits(number_of(row, "items_per_second"), a, sizeof a));
        cli_table_cell(table, "%s", digits(number_of(row, "gflops"), a, sizeof a));
        cli_table_cell(table, "%.0f%%", 100 * number_of(row, "share"));
        cli_table_cell(table, "%.0f", number_of(row, "launches"));
        cli_table_cell(table, "%s", cli_bytes(number_of(row, "device_bytes"), a, sizeof a));
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
        printf("%s%s (%s, %s)\n\n", i ? "\n" : "", text_of(device, "name"),
            text_of(device, "platform"), text_of(device, "driver"));
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
