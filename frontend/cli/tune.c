/* SPDX-License-Identifier: MIT */
#include "frontend/cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/tuning.h"
#include "frontend/graph.h"
#include "frontend/progress.h"
#include "frontend/session.h"

#define DEFAULT_SECONDS 60
#define DEFAULT_BATCH 8
#define EACH 0.1 /* seconds of runs of a variant */

struct options {
    double seconds;
    int64_t batch;
    bool inference;
    const char *save;
    struct cli_list take;
};

static const struct cli_option options[] = {
    {"seconds", CLI_REAL, offsetof(struct options, seconds), "N",
        "begin no measurement after so long (default 60); 0: measure nothing", 0, 1e6},
    {"batch", CLI_INT, offsetof(struct options, batch), "B", "items per step (default 8)", 1, 1e6},
    {"inference", CLI_FLAG, offsetof(struct options, inference), NULL,
        "not the passes of training"},
    {"import", CLI_LIST, offsetof(struct options, take), "FILE",
        "first take up what was exported, of the same device and version; may be repeated"},
    {"export", CLI_TEXT, offsetof(struct options, save), "FILE",
        "write all that is known of the device"},
    {0},
};

struct work {
    struct cli *cli;
    const struct options *options;
    struct nt_model *model;
    struct nt_device *dev;
    json_t *rows;
    int count, done, better;
};

/* The products and convolutions of a step, without compiling anything. */
static enum nt_status note(struct work *w, bool training, bool *has_loss)
{
    const struct options *o = w->options;
    const struct nt_session_params params = {
        .batch = o->batch == CLI_UNSET_INT ? DEFAULT_BATCH : o->batch,
        .training = training,
        .dry = true};
    struct nt_session *session;
    enum nt_status status = nt_session_create(w->dev, w->model, NULL, &params, &session);
    if (status != NT_OK)
        return status;
    *has_loss = nt_session_graph(session)->loss >= 0;
    nt_session_destroy(session);
    return NT_OK;
}

static enum nt_status note_all(struct work *w)
{
    bool trains = false;
    nt_tuning_record(w->dev, true);
    enum nt_status status = note(w, false, &trains);
    if (status == NT_OK && trains && !w->options->inference)
        status = note(w, true, &trains);
    nt_tuning_record(w->dev, false);
    w->count = nt_tuning_count(w->dev);
    return status;
}

static void keep(struct work *w, const struct nt_tuned *t)
{
    w->done++;
    w->better += strcmp(t->usual, t->fastest) != 0;
    json_array_append_new(
        w->rows, json_pack("{ss ss ss sf sf si si}", "problem", t->problem, "usual", t->usual,
                     "fastest", t->fastest, "usual_ms", t->usual_ms, "fastest_ms", t->fastest_ms,
                     "tried", t->tried, "wrong", t->wrong));
}

static enum nt_status measure(struct work *w)
{
    double seconds = isnan(w->options->seconds) ? DEFAULT_SECONDS : w->options->seconds;
    double begin = nt_progress_now();
    enum nt_status status = NT_OK;
    for (int i = 0; status == NT_OK && i < w->count; i++) {
        struct nt_tuned tuned;
        if (nt_progress_now() - begin >= seconds)
            break;
        if (cli_stop) /* what was measured is saved all the same */
            return nt_fail(w->cli->ctx, NT_ERR_INTERRUPTED, "stopped");
        if (w->cli->progress) {
            char head[32];
            snprintf(head, sizeof head, "%d/%d", i + 1, w->count);
            nt_progress_show(w->cli->progress, head, (double)i / w->count, 0, NULL);
        }
        status = nt_tuning_measure(w->dev, i, EACH, &tuned);
        if (status == NT_OK)
            keep(w, &tuned);
    }
    return status;
}

static void print_rows(const struct work *w)
{
    static const char *const heads[] = {
        "usual", "ms", "fastest", "ms", "times as fast", "product or convolution"};
    struct cli_table *table = NULL;
    size_t i;
    json_t *row;
    json_array_foreach(w->rows, i, row)
    {
        const char *usual = json_string_value(json_object_get(row, "usual"));
        const char *fastest = json_string_value(json_object_get(row, "fastest"));
        double a = json_number_value(json_object_get(row, "usual_ms"));
        double b = json_number_value(json_object_get(row, "fastest_ms"));
        if (!strcmp(usual, fastest))
            continue;
        if (!table)
            table = cli_table_create("lrlrrl", heads);
        cli_table_cell(table, "%s", usual);
        cli_table_cell(table, "%.3g", a);
        cli_table_cell(table, "%s", fastest);
        cli_table_cell(table, "%.3g", b);
        cli_table_cell(table, "%.2f", a / b);
        cli_table_cell(table, "%s", json_string_value(json_object_get(row, "problem")));
    }
    if (table) {
        cli_table_print(table);
        putchar('\n');
    }
    printf("%d of %d products and convolutions measured; %d are faster another way\n", w->done,
        w->count, w->better);
}

/* Without a cache folder an export is all that is wanted. */
static bool has_place(const struct work *w)
{
    return *nt_tuning_path(w->dev) || !w->options->save;
}

static enum nt_status finish(struct work *w)
{
    enum nt_status status = has_place(w) ? nt_tuning_save(w->dev) : NT_OK;
    if (status == NT_OK && w->options->save)
        status = nt_tuning_export(w->dev, w->options->save);
    if (status != NT_OK)
        return status;
    cli_note(w->cli, "kept in %s", has_place(w) ? nt_tuning_path(w->dev) : w->options->save);
    if (!w->cli->json) {
        print_rows(w);
        return NT_OK;
    }
    cli_print_json(w->cli,
        json_pack("{ss ss so si si si sO}", "model", nt_model_name(w->model), "device",
            nt_device_get_info(w->dev)->name, "file", cli_json_text(nt_tuning_path(w->dev)),
            "problems", w->count, "measured", w->done, "better", w->better, "rows", w->rows));
    return NT_OK;
}

static int run(struct cli *cli, void *fields)
{
    struct work w = {.cli = cli, .options = fields, .rows = json_array()};
    cli_catch_signals();
    enum nt_status status = cli_load_model(cli, NULL, &w.model);
    if (status == NT_OK)
        status = cli_open_device(cli, &w.dev);
    for (int i = 0; status == NT_OK && i < w.options->take.count; i++)
        status = nt_tuning_import(w.dev, w.options->take.items[i], NULL);
    if (status == NT_OK)
        status = note_all(&w);
    if (status == NT_OK && has_place(&w)) /* what cannot be kept is not measured for a minute */
        status = nt_tuning_save(w.dev);
    bool begun = status == NT_OK;
    if (begun) {
        cli->progress = nt_progress_create(&(struct nt_progress_params){.file = stderr});
        status = measure(&w);
        nt_progress_destroy(cli->progress);
        cli->progress = NULL;
    }
    int result = status == NT_OK ? CLI_DONE : cli_fail(cli, status);
    if (begun && (status = finish(&w)) != NT_OK)
        result = cli_fail(cli, status);
    cli_close_device(cli, w.dev);
    nt_model_destroy(w.model);
    json_decref(w.rows);
    return result;
}

const struct cli_command cli_tune = {
    .name = "tune",
    .arguments = "MODEL [OPTION]...",
    .summary = "Measure which kernels are the fastest for a model's layers.",
    .details = "Every variant's result is compared before its time counts. What is found is\n"
               "kept in the cache folder, for this device, driver and version of the kernels,\n"
               "and used from then on by all commands. Ctrl-C keeps what was measured.\n\n"
               "  neutra tune zoo/resnet.lua --set depth=18 --batch 8 --seconds 120\n"
               "  neutra tune zoo/lenet.lua --seconds 0 --import others.txt --export all.txt",
    .shared = CLI_HAS_MODEL | CLI_HAS_DEVICE | CLI_HAS_JSON,
    .options = options,
    .options_size = sizeof(struct options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
