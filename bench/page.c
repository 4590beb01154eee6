/* SPDX-License-Identifier: MIT
 *
 * The document as one HTML page that needs nothing else: its own style, pictures as SVG in it, a
 * few lines of script that sort tables. It is XML at the same time, so that tests can parse it.
 */
#include "bench/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/document.h"
#include "bench/growth.h"
#include "frontend/file.h"

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1c2024;--soft:#5b6570;--line:#d8dde3;--paper:#fff;"
    "--band:#f4f6f8}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e4e8ec;--soft:#9aa5b1;--line:#39424c;"
    "--paper:#15191d;--band:#1e242a}}\n"
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);"
    "max-width:1240px;margin:0 auto;padding:24px 16px 64px}\n"
    "h1{font-size:24px;margin:0 0 4px}h2{font-size:18px;margin:36px 0 6px}\n"
    "h3{font-size:15px;margin:20px 0 4px}p{margin:4px 0 10px;color:var(--soft);max-width:1000px}\n"
    "svg{width:100%;max-width:1000px;height:auto;display:block}svg "
    "text{fill:var(--soft);font-size:12px}\n"
    ".grid{stroke:var(--line)}.roof{fill:none;stroke-width:2}.dot{stroke:var(--paper)}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:3px 10px;text-align:left;border-bottom:1px solid var(--line);"
    "white-space:nowrap}\n"
    "th{color:var(--soft);font-weight:600}.sort th{cursor:pointer}\n"
    "tbody tr:hover{background:var(--band)}.n{text-align:right}.wrap{white-space:normal}\n"
    ".heat .n,.up{background:rgb(0 114 178/var(--heat))}"
    ".down{background:rgb(213 94 0/var(--heat))}\n"
    ".facts th,.facts td{border:0;padding-top:0;padding-bottom:0}\n"
    ".wrong{outline:2px solid #d00;color:#d00;font-weight:700}\n"
    ".legend i{display:inline-block;width:11px;height:11px;border-radius:50%;margin:0 6px 0 0}\n"
    ".legend span{margin-right:16px;white-space:nowrap}\n";

/* Seven colours that eyes of all kinds tell apart (Okabe & Ito 2008), and a gray. */
static const char *const colours[] = {
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#8a949e"};

/* No "less than" and no "and": the page is XML too. */
static const char script[] =
    "document.querySelectorAll('table.sort').forEach(function(table){\n"
    "  table.querySelectorAll('th').forEach(function(head, column){\n"
    "    var down = false;\n"
    "    head.onclick = function(){\n"
    "      var body = table.tBodies[0], rows = Array.from(body.rows);\n"
    "      down = !down;\n"
    "      function key(row){\n"
    "        var cell = row.cells[column];\n"
    "        return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v);\n"
    "      }\n"
    "      rows.sort(function(a, b){\n"
    "        var x = key(a), y = key(b), numbers = typeof x === 'number';\n"
    "        if (typeof x !== typeof y) return numbers ? -1 : 1;\n"
    "        var order = numbers ? y - x : x.localeCompare(y);\n"
    "        return down ? order : -order;\n"
    "      });\n"
    "      rows.forEach(function(row){ body.appendChild(row); });\n"
    "    };\n"
    "  });\n"
    "});\n";

void bench_escape(struct nt_text *page, const char *text)
{
    for (; *text; text++) {
        const char *with = *text == '<'   ? "&lt;"
                           : *text == '>' ? "&gt;"
                           : *text == '&' ? "&amp;"
                           : *text == '"' ? "&quot;"
                                          : NULL;
        if (with)
            nt_text_string(page, with);
        else if ((unsigned char)*text >= ' ')
            nt_text_bytes(page, text, 1);
    }
}

static void cell(struct nt_text *page, const char *text)
{
    nt_text_string(page, "<td>");
    bench_escape(page, text);
    nt_text_string(page, "</td>");
}

/* A number by which the table can be sorted, with a unit, NULL: a count; nothing when it is 0. */
static void number_cell(struct nt_text *page, double value, const char *unit)
{
    char text[32];
    if (value > 0 && !unit)
        nt_text_format(page, "<td class=\"n\" data-v=\"%.0f\">%.0f</td>", value, value);
    else if (value > 0)
        nt_text_format(page, "<td class=\"n\" data-v=\"%.6g\">%s%s</td>", value,
            bench_digits(value, text, sizeof text), unit);
    else
        nt_text_string(page, "<td></td>");
}

/* A line of facts: a member of each subject's document, host or device. */
static void add_fact(struct nt_text *page, const char *what, int count,
    const struct bench_subject *subject, const char *object, const char *key)
{
    nt_text_format(page, "<tr><th>%s</th>", what);
    for (int s = 0; s < count; s++) {
        const json_t *from = subject[s].document;
        if (*object)
            from = strcmp(object, "host") ? subject[s].device : json_object_get(from, "host");
        if (json_is_number(json_object_get(from, key)))
            nt_text_format(page, "<td>%.0f</td>", bench_number(from, key));
        else
            cell(page, bench_text(from, key));
    }
    nt_text_string(page, "</tr>\n");
}

static void add_subjects(struct nt_text *page, int count, const struct bench_subject *subject)
{
    nt_text_string(page, "<div class=\"wide\"><table class=\"facts\"><tbody>\n");
    for (int s = 0; count > 1 && s < count; s++) {
        nt_text_format(
            page, "%s<td class=\"legend\"><i class=\"b%d\"></i>", s ? "" : "<tr><th></th>", s % 8);
        bench_escape(page, subject[s].label);
        nt_text_string(page, s == count - 1 ? "</td></tr>\n" : "</td>");
    }
    add_fact(page, "device", count, subject, "device", "name");
    add_fact(page, "driver", count, subject, "device", "driver");
    add_fact(page, "platform", count, subject, "device", "platform");
    add_fact(page, "compute units", count, subject, "device", "compute_units");
    add_fact(page, "clock, MHz", count, subject, "device", "clock_mhz");
    add_fact(page, "host", count, subject, "host", "cpu");
    add_fact(page, "date", count, subject, "", "date");
    add_fact(page, "neutra", count, subject, "", "neutra");
    nt_text_string(page, "<tr><th>run</th>");
    for (int s = 0; s < count; s++) {
        const json_t *document = subject[s].document;
        bool quick = json_is_true(json_object_get(document, "quick"));
        bool complete = json_is_true(json_object_get(document, "complete"));
        cell(page, !complete ? "incomplete" : quick ? "quick" : "full");
    }
    nt_text_string(page, "</tr>\n</tbody></table></div>\n");
}

/* ---- several subjects: times and ratios ---- */

static void ratio_cell(struct nt_text *page, double ratio)
{
    if (ratio > 0)
        nt_text_format(page, "<td class=\"n %s\" data-v=\"%.6g\" style=\"--heat:%.2f\">%.2f</td>",
            ratio < 1 ? "down" : "up", ratio, fmin(0.6, 0.5 * fabs(log2(ratio))), ratio);
    else
        nt_text_string(page, "<td></td>");
}

static void add_comparison(struct nt_text *page, const char *list, const char *title, int count,
    const struct bench_subject *subject)
{
    int names;
    const char **name = bench_names(count, subject, list, &names);
    bool probes = !strcmp(list, "probes");
    if (!name || !names) {
        free(name);
        return;
    }
    nt_text_format(page,
        "<h2>%s</h2>\n<div class=\"wide\"><table class=\"sort\"><thead><tr>"
        "<th>name</th>",
        title);
    for (int s = 0; s < count; s++) {
        nt_text_string(page, "<th class=\"n wrap\">");
        bench_escape(page, subject[s].label);
        nt_text_string(page, s ? "</th><th class=\"n\">times as fast</th>" : "</th>");
    }
    nt_text_string(page, "</tr></thead><tbody>\n");
    for (int i = 0; i < names; i++) {
        const json_t *first = bench_row(&subject[0], list, name[i]);
        nt_text_string(page, "<tr>");
        cell(page, name[i]);
        for (int s = 0; s < count; s++) {
            char unit[32];
            const json_t *row = bench_row(&subject[s], list, name[i]);
            snprintf(unit, sizeof unit, " %.20s", probes ? bench_text(row, "unit") : "ms");
            if (row && probes && !json_object_get(row, "median"))
                cell(page, json_is_true(json_object_get(row, "available")) ? "yes" : "no");
            else
                number_cell(page, bench_number(row, probes ? "median" : "median_ms"), unit);
            if (s > 0)
                ratio_cell(page, bench_ratio(list, first, row));
        }
        nt_text_string(page, "</tr>\n");
    }
    nt_text_string(page, "</tbody></table></div>\n");
    free(name);
}

/* ---- one subject: everything ---- */

static void add_probes(struct nt_text *page, const struct bench_subject *subject)
{
    size_t i;
    json_t *row;
    const json_t *probes = json_object_get(subject->device, "probes");
    if (!json_array_size(probes))
        return;
    nt_text_string(page,
        "<h2>What the device can do</h2>\n<div class=\"wide\"><table><thead><tr>"
        "<th>probe</th><th class=\"n\">median</th><th>range</th><th>note</th></tr></thead>"
        "<tbody>\n");
    json_array_foreach(probes, i, row)
    {
        char a[32], b[32], c[32];
        nt_text_string(page, "<tr>");
        cell(page, bench_text(row, "name"));
        if (json_object_get(row, "median"))
            nt_text_format(page, "<td class=\"n\">%s %s</td><td>%s to %s</td>",
                bench_digits(bench_number(row, "median"), a, sizeof a), bench_text(row, "unit"),
                bench_digits(bench_number(row, "least"), b, sizeof b),
                bench_digits(bench_number(row, "greatest"), c, sizeof c));
        else
            nt_text_format(page, "<td class=\"n\">%s</td><td></td>",
                json_is_true(json_object_get(row, "available")) ? "yes" : "no");
        cell(page, bench_text(row, "note"));
        nt_text_string(page, "</tr>\n");
    }
    nt_text_string(page, "</tbody></table></div>\n");
}

/* Kernels, and where the pointer rests why: "tile: CPU device". */
static void add_kernels(struct nt_text *page, const json_t *row)
{
    size_t i;
    json_t *kernel;
    nt_text_string(page, "<td class=\"wrap\">");
    json_array_foreach(json_object_get(row, "kernels"), i, kernel)
    {
        nt_text_string(page, i ? ", " : "");
        nt_text_string(page, "<span title=\"");
        bench_escape(page, bench_text(kernel, "variant"));
        nt_text_string(page, ": ");
        bench_escape(page, bench_text(kernel, "reason"));
        nt_text_string(page, "\">");
        bench_escape(page, bench_text(kernel, "kernel"));
        nt_text_string(page, "</span>");
    }
    nt_text_string(page, "</td>");
}

/* ---- tables of numbers ---- */

struct column {
    const char *head, *key;
    double scale;     /* of the document's number; 0: the spread of its times, in percent */
    const char *unit; /* NULL: a count */
};

#define SPREAD                                                                                     \
    {                                                                                              \
        "spread", "median_ms", 0, " %"                                                             \
    }
#define COLUMNS(columns) columns, sizeof columns / sizeof *columns

static double value_of(const struct column *column, const json_t *row)
{
    double value = bench_number(row, column->key);
    return column->scale > 0
               ? column->scale * value
               : 100 * (bench_number(row, "greatest_ms") - bench_number(row, "least_ms")) / value;
}

/* Whether anything in the column was measured. */
static bool is_used(const struct column *column, const json_t *rows)
{
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        if (value_of(column, row) > 0)
            return true;
    }
    return false;
}

static void add_heads(
    struct nt_text *page, const struct column *column, size_t count, const json_t *rows)
{
    for (size_t i = 0; i < count; i++)
        if (is_used(&column[i], rows))
            nt_text_format(page, "<th class=\"n\">%s</th>", column[i].head);
}

static void add_numbers(struct nt_text *page, const struct column *column, size_t count,
    const json_t *rows, const json_t *row)
{
    for (size_t i = 0; i < count; i++)
        if (is_used(&column[i], rows))
            number_cell(page, value_of(&column[i], row), column[i].unit);
}

static void add_layers(struct nt_text *page, const struct bench_subject *subject)
{
    static const struct column columns[] = {{"time", "median_ms", 1, " ms"}, SPREAD,
        {"GFLOP/s", "gflops", 1, ""}, {"GB/s", "gbytes", 1, ""}, {"of limit", "share", 100, " %"}};
    size_t i;
    json_t *row;
    const json_t *layers = json_object_get(subject->device, "layers");
    if (!json_array_size(layers))
        return;
    nt_text_string(page, "<h2>All layers</h2>\n<p>A click on a head sorts.</p>\n"
                         "<div class=\"wide\"><table class=\"sort\"><thead><tr><th>layer</th>");
    add_heads(page, COLUMNS(columns), layers);
    nt_text_string(
        page, "<th>limit</th><th class=\"n\">error</th><th>kernels</th></tr></thead><tbody>\n");
    json_array_foreach(layers, i, row)
    {
        nt_text_string(page, "<tr>");
        cell(page, bench_text(row, "name"));
        add_numbers(page, COLUMNS(columns), layers, row);
        cell(page, bench_text(row, "bound"));
        double error = bench_number(row, "error");
        nt_text_format(page,
            error == 0 ? "<td class=\"n%s\" data-v=\"0\">0</td>"
                       : "<td class=\"n%s\" data-v=\"%.3g\">%.1e</td>",
            json_is_true(json_object_get(row, "right")) ? "" : " wrong", error, error);
        add_kernels(page, row);
        nt_text_string(page, "</tr>\n");
    }
    nt_text_string(page, "</tbody></table></div>\n");
}

#define MIB (1.0 / (1 << 20))

static void add_networks(struct nt_text *page, const struct bench_subject *subject)
{
    static const struct column columns[] = {{"time", "median_ms", 1, " ms"}, SPREAD,
        {"items/s", "items_per_second", 1, ""}, {"GFLOP/s", "gflops", 1, ""},
        {"of peak", "share", 100, " %"}, {"launches", "launches", 1, NULL},
        {"device", "device_bytes", MIB, " MiB"}, {"host", "host_peak_bytes", MIB, " MiB"},
        {"warm start", "warm_start_ms", 1, " ms"}, {"cold start", "cold_start_ms", 1, " ms"}};
    size_t i;
    json_t *row;
    const json_t *networks = json_object_get(subject->device, "networks");
    if (!json_array_size(networks))
        return;
    nt_text_string(page, "<h2>All networks</h2>\n<div class=\"wide\"><table class=\"sort\">"
                         "<thead><tr><th>network</th>");
    add_heads(page, COLUMNS(columns), networks);
    nt_text_string(page, "</tr></thead><tbody>\n");
    json_array_foreach(networks, i, row)
    {
        nt_text_string(page, "<tr>");
        cell(page, bench_text(row, "name"));
        add_numbers(page, COLUMNS(columns), networks, row);
        nt_text_string(page, "</tr>\n");
    }
    nt_text_string(page, "</tbody></table></div>\n");
}

static void add_growth(struct nt_text *page, const struct bench_subject *subject)
{
    json_t *growth = bench_growth(subject->device), *row;
    size_t i;
    if (!json_array_size(growth)) {
        json_decref(growth);
        return;
    }
    nt_text_string(page,
        "<h2>How time grows</h2>\n<p>A line through the times of several batches, "
        "or sizes of picture. The constant is what a step costs whatever its "
        "size; off: what the line is off at most.</p>\n<div class=\"wide\">"
        "<table class=\"sort\"><thead><tr><th>network</th><th class=\"n\">constant</th>"
        "<th class=\"n\">more</th><th>for each</th><th class=\"n\">off</th></tr>"
        "</thead><tbody>\n");
    json_array_foreach(growth, i, row)
    {
        bool pixels = !strcmp(bench_text(row, "by"), "pixels");
        nt_text_string(page, "<tr>");
        cell(page, bench_text(row, "name"));
        nt_text_format(page, "<td class=\"n\" data-v=\"%.6g\">%.3g ms</td>",
            bench_number(row, "constant_ms"), bench_number(row, "constant_ms"));
        number_cell(page, bench_number(row, "slope_ms") * (pixels ? 1e6 : 1), " ms");
        cell(page, pixels ? "million pixels" : "item");
        number_cell(page, 100 * bench_number(row, "deviation"), " %");
        nt_text_string(page, "</tr>\n");
    }
    json_decref(growth);
    nt_text_string(page, "</tbody></table></div>\n");
}

static void add_heat(struct nt_text *page, int count, const struct bench_subject *subject)
{
    bool any = false;
    for (int s = 0; s < count; s++)
        any |= json_array_size(json_object_get(subject[s].device, "layers")) > 0;
    if (!any)
        return;
    nt_text_string(page, "<h2>Layers by pass</h2>\n<p>Share of what the device's multiply-add or "
                         "copy rate, measured beside each row, would allow.</p>\n");
    for (int s = 0; s < count; s++) {
        if (count > 1) {
            nt_text_string(page, "<h3>");
            bench_escape(page, subject[s].label);
            nt_text_string(page, "</h3>\n");
        }
        bench_chart_heat(page, &subject[s]);
    }
}

static void add_head(struct nt_text *page)
{
    nt_text_string(page, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
                         "<meta name=\"viewport\" content=\"width=device-width\"/>"
                         "<title>Neutra bench</title>\n<style>\n");
    nt_text_string(page, style);
    for (int i = 0; i < 8; i++)
        nt_text_format(page, ".b%d{background:%s}.c%d{fill:%s}.roof.c%d{fill:none;stroke:%s}\n", i,
            colours[i], i, colours[i], i, colours[i]);
    nt_text_string(page, "</style></head><body>\n<h1>Neutra bench</h1>\n");
}

enum nt_status bench_page_write(
    struct nt_context *ctx, int count, const struct bench_subject *subject, const char *path)
{
    struct nt_text page = {0};
    add_head(&page);
    add_subjects(&page, count, subject);
    bench_chart_roofline(&page, count, subject);
    bench_chart_networks(&page, count, subject);
    add_heat(&page, count, subject);
    if (count > 1) {
        add_comparison(&page, "layers", "Layers beside each other", count, subject);
        add_comparison(&page, "networks", "Networks beside each other", count, subject);
        add_comparison(&page, "probes", "Devices beside each other", count, subject);
    } else if (count == 1) {
        add_layers(&page, subject);
        add_networks(&page, subject);
        add_growth(&page, subject);
        add_probes(&page, subject);
    }
    nt_text_format(&page, "<script>\n%s</script>\n</body></html>\n", script);
    enum nt_status status = page.failed
                                ? nt_fail(ctx, NT_ERR_MEMORY, "%s: host memory is exhausted", path)
                                : nt_file_replace(ctx, path, page.data, page.length);
    free(page.data);
    return status;
}
