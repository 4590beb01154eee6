/* SPDX-License-Identifier: MIT
 *
 * `neutra bench`: the only file of the suite that knows the command line.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/document.h"
#include "bench/growth.h"
#include "bench/network.h"
#include "bench/subject.h"
#include "frontend/cli/cli.h"
#include "frontend/file.h"
#include "frontend/progress.h"

struct options {
    bool quick, list;
    const char *filter, *json, *html, *zoo;
};

#define AT(field) offsetof(struct options, field)
static const struct cli_option options[] = {
    {"quick", CLI_FLAG, AT(quick), NULL,
        "a smaller selection and fewer rounds: about a minute on two CPU cores"},
    {"filter", CLI_TEXT, AT(filter), "WORD",
        "only rows whose name contains WORD, or the one of this name"},
    {"json", CLI_TEXT, AT(json), "FILE", "write everything as JSON; -: to stdout, without tables"},
    {"html", CLI_TEXT, AT(html), "FILE", "write a page with charts, which needs nothing else"},
    {"list", CLI_FLAG, AT(list), NULL, "only print the names of the rows"},
    {"zoo", CLI_TEXT, AT(zoo), "DIR", "where the model definitions lie (default: found)"},
    {0},
};

struct run {
    struct cli *cli;
    const struct options *options;
    struct bench_params params;
    json_t *document;
};

static void show(void *user, const char *what, int done, int count)
{
    struct cli *cli = user;
    char head[32];
    snprintf(head, sizeof head, "%d/%d", done + 1, count);
    nt_progress_show(cli->progress, head, (double)done / count, 1, &what);
}

static bool is_exact(const struct bench_params *params)
{
    return params->filter && (bench_layer_is(params->filter) || bench_network_is(params->filter));
}

static int count_rows(const struct bench_params *params, bool print)
{
    bool exact = is_exact(params);
    int probes = bench_wanted(params, exact, true, "probes");
    if (probes && print)
        puts("probes");
    return probes + bench_layer_rows(params, exact, print) +
           bench_network_rows(params, exact, print);
}

static enum nt_status measure_device(struct run *run, const char *selector)
{
    struct bench bench = {.ctx = run->cli->ctx, .params = &run->params};
    bool exact = is_exact(&run->params);
    enum nt_status status = nt_device_open(bench.ctx, selector, &bench.dev);
    if (status != NT_OK)
        return status;
    run->params.device = selector;
    bench.count = count_rows(&run->params, false);
    bench.out = bench_document_device(run->document, bench.dev);
    if (!bench.out)
        status = nt_fail(bench.ctx, NT_ERR_MEMORY, "bench: host memory is exhausted");
    if (status == NT_OK)
        status = bench_limits_create(bench.dev, &bench.limits);
    if (status == NT_OK && bench_wanted(&run->params, exact, true, "probes"))
        status = bench_probe(&bench);
    if (status == NT_OK)
        status = bench_layers(&bench, exact);
    if (status == NT_OK)
        status = bench_measure_networks(&bench, exact);
    if (bench.out)
        json_object_set_new(bench.out, "growth", bench_growth(bench.out));
    bench_limits_destroy(bench.limits);
    nt_device_close(bench.dev);
    return status;
}

/* That there is such a device, before minutes of measuring another. */
static enum nt_status find_device(struct run *run, const char *selector)
{
    struct nt_device *dev = NULL;
    enum nt_status status = nt_device_open(run->cli->ctx, selector, &dev);
    nt_device_close(dev);
    return status;
}

static enum nt_status for_each_device(
    struct run *run, enum nt_status (*each)(struct run *run, const char *selector))
{
    const char *list = run->cli->device;
    char *copy = strdup(list), *rest = NULL;
    if (!copy)
        return nt_fail(run->cli->ctx, NT_ERR_MEMORY, "bench: host memory is exhausted");
    char *word = strtok_r(copy, ",", &rest);
    enum nt_status status = NT_OK;
    if (!word)
        status = nt_fail(run->cli->ctx, NT_ERR_ARGUMENT, "--device: %s: names no device", list);
    for (; word && status == NT_OK; word = strtok_r(NULL, ",", &rest))
        status = each(run, word);
    free(copy);
    return status;
}

/* Each of the devices of a comma list; NULL: the default one. */
static enum nt_status measure(struct run *run)
{
    const char *list = run->cli->device;
    if (!list || !strchr(list, ','))
        return measure_device(run, list);
    enum nt_status status = for_each_device(run, find_device);
    return status == NT_OK ? for_each_device(run, measure_device) : status;
}

/* What was measured is kept, whatever ended the measuring. */
static int finish(struct run *run, enum nt_status measured)
{
    const struct options *o = run->options;
    int result = measured == NT_OK ? CLI_DONE : cli_fail(run->cli, measured);
    json_object_set_new(run->document, "complete", json_boolean(measured == NT_OK));
    if (o->json) {
        enum nt_status status = bench_document_write(run->cli->ctx, run->document, o->json);
        if (status != NT_OK)
            result = cli_fail(run->cli, status);
    }
    if (o->html) {
        struct bench_subject subject[BENCH_MAX_SUBJECTS];
        int count = bench_subjects(run->document, NULL, 0, subject);
        enum nt_status status = bench_page_write(run->cli->ctx, count, subject, o->html);
        if (status != NT_OK)
            result = cli_fail(run->cli, status);
    }
    if (!o->json || strcmp(o->json, "-"))
        bench_table_print(run->document);
    int wrong = bench_document_wrong(run->document);
    if (wrong) {
        cli_note(run->cli, "neutra: %d result%s wrong", wrong, wrong == 1 ? " is" : "s are");
        result = CLI_FAILED;
    }
    return result;
}

/* The arguments are files: their devices beside each other; a single one as if just measured. */
static int compare(struct cli *cli, const char *html, int files, char **file)
{
    json_t *document[BENCH_MAX_SUBJECTS] = {NULL};
    struct bench_subject subject[BENCH_MAX_SUBJECTS];
    int count = 0, read = 0;
    enum nt_status status = NT_OK;
    while (status == NT_OK && read < files) {
        status = bench_document_read(cli->ctx, file[read], &document[read]);
        if (status == NT_OK) {
            count = bench_subjects(document[read], file[read], count, subject);
            read++;
        }
    }
    if (status == NT_OK && count == 0)
        status = nt_fail(cli->ctx, NT_ERR_FORMAT, "compare: no device was measured in these files");
    if (status == NT_OK && html)
        status = bench_page_write(cli->ctx, count, subject, html);
    if (status == NT_OK && count == 1)
        bench_table_print(subject->document);
    else if (status == NT_OK)
        bench_compare_print(count, subject);
    for (int i = 0; i < read; i++)
        json_decref(document[i]);
    return status == NT_OK ? CLI_DONE : cli_fail(cli, status);
}

static int run_word(struct cli *cli, struct bench_params *params, const void *fields)
{
    const char *word = cli->arguments[0];
    int files = cli->argument_count - 1;
    const struct options *o = fields;
    if (!strcmp(word, "compare") &&
        (o->quick || o->list || o->filter || o->json || o->zoo || cli->device))
        return cli_usage(cli, "compare: measures nothing: only --html goes with it");
    if (!strcmp(word, "compare") && files >= 1 && files <= BENCH_MAX_SUBJECTS)
        return compare(cli, o->html, files, cli->arguments + 1);
    params->device = cli->device;
    if (!strcmp(word, "start") && cli->argument_count == 2) {
        enum nt_status status = bench_start_child(cli->ctx, params, cli->arguments[1]);
        return status == NT_OK ? CLI_DONE : cli_fail(cli, status);
    }
    return cli_usage(cli, "%s: must be compare FILE... (16 at most) or start ROW", word);
}

/* Tells before minutes of measuring that a file cannot be written. */
static bool can_write(struct cli *cli, const char *path)
{
    struct nt_file_writer *writer;
    if (!path || !strcmp(path, "-"))
        return true;
    enum nt_status status = nt_file_create(cli->ctx, path, &writer);
    if (status == NT_OK)
        nt_file_discard(writer);
    else
        cli_fail(cli, status);
    return status == NT_OK;
}

static int run_bench(struct cli *cli, void *fields)
{
    const struct options *o = fields;
    struct run run = {.cli = cli,
        .options = o,
        .params = {.quick = o->quick,
            .filter = o->filter,
            .zoo = o->zoo,
            .progress = show,
            .user = cli,
            .stop = &cli_stop}};
    if (!count_rows(&run.params, o->list && cli->argument_count == 0))
        return cli_usage(cli, "--filter: %s: no row's name contains it; --list prints them%s",
            o->filter, o->quick ? " (and a quick run has fewer)" : "");
    if (o->list && cli->argument_count == 0)
        return CLI_DONE;
    if (cli->argument_count > 0)
        return run_word(cli, &run.params, o);
    cli_catch_signals();
    if (!can_write(cli, o->json) || !can_write(cli, o->html))
        return CLI_FAILED;
    run.document = bench_document_create(&run.params, NT_VERSION);
    if (!run.document)
        return cli_fail(cli, nt_fail(cli->ctx, NT_ERR_MEMORY, "bench: host memory is exhausted"));
    cli->progress = nt_progress_create(&(struct nt_progress_params){.file = stderr});
    enum nt_status status = measure(&run);
    nt_progress_destroy(cli->progress);
    cli->progress = NULL;
    int result = finish(&run, status);
    json_decref(run.document);
    return result;
}

const struct cli_command cli_bench = {
    .name = "bench",
    .arguments = "[compare FILE...] [OPTION]...",
    .summary = "Measure devices, layers and networks; compare measurements.",
    .details = "  neutra bench --quick\n"
               "  neutra bench --device 0,1 --json all.json --html all.html\n"
               "  neutra bench compare before.json after.json --html page.html\n\n"
               "--device takes a list. Interrupted, it keeps what was measured. Exit status 1\n"
               "when a result is wrong: every one is checked. docs/benchmarks.md explains the\n"
               "figures.",
    .shared = CLI_HAS_DEVICE,
    .options = options,
    .options_size = sizeof(struct options),
    .max_arguments = 1 + BENCH_MAX_SUBJECTS,
    .run = run_bench,
};
