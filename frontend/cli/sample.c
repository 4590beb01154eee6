/* SPDX-License-Identifier: MIT */
#include "frontend/cli/cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/device.h"
#include "engine/random.h"
#include "frontend/data_info.h"
#include "frontend/evaluate.h"
#include "frontend/graph.h"
#include "frontend/session.h"

struct options {
    const char *weights, *prompt;
    int64_t length, seed;
    double temperature;
};

static const struct cli_option options[] = {
    {"weights", CLI_TEXT, offsetof(struct options, weights), "FILE",
        "safetensors file of a training on text:FILE"},
    {"prompt", CLI_TEXT, offsetof(struct options, prompt), "TEXT",
        "what the text begins with (default: a new line)"},
    {"length", CLI_INT, offsetof(struct options, length), "N",
        "characters to write after it (default 500)", 1, 1e9},
    {"temperature", CLI_REAL, offsetof(struct options, temperature), "T",
        "below 1: likelier characters, above: rarer ones; 0: always the likeliest (default 1)", 0,
        1000},
    {"seed", CLI_INT, offsetof(struct options, seed), "N",
        "the same seed, the same text (default 1)", 0, 9e18},
    {0},
};

struct work {
    struct cli *cli;
    const struct options *options;
    struct nt_data_info data; /* with the vocabulary */
    struct nt_model *model;
    struct nt_device *dev;
    struct nt_weights *weights;
    struct nt_session *session;
    float *scores;
    double *probability;
    char *text; /* what was written */
    size_t length, capacity;
};

/* The token that a text begins with, -1. */
static int find_token(const struct work *w, const char *text)
{
    for (int i = 0; i < w->data.class_count; i++) {
        size_t length = strlen(w->data.class_names[i]);
        if (length > 0 && !strncmp(text, w->data.class_names[i], length))
            return i;
    }
    return -1;
}

/* Keeps a character, and prints it unless JSON comes at the end. */
static enum nt_status put(struct work *w, int token)
{
    const char *name = w->data.class_names[token];
    size_t size = strlen(name);
    if (w->length + size >= w->capacity) {
        size_t capacity = 2 * w->capacity + size + 256;
        char *text = realloc(w->text, capacity);
        if (!text)
            return nt_fail(w->cli->ctx, NT_ERR_MEMORY, "no memory for the text");
        w->text = text;
        w->capacity = capacity;
    }
    memcpy(w->text + w->length, name, size + 1);
    w->length += size;
    if (!w->cli->json) {
        fputs(name, stdout);
        fflush(stdout);
    }
    return NT_OK;
}

/* ---- opening ---- */

/* The model for one character at a time: the definition's setting says so. */
static enum nt_status load_model(struct work *w)
{
    struct cli *cli = w->cli;
    enum nt_status status = cli_load_model(cli, w->options->weights, &w->model);
    if (status != NT_OK)
        return status;
    bool declared = false;
    for (int i = 0; i < nt_model_setting_count(w->model); i++)
        declared = declared || !strcmp(nt_model_setting(w->model, i).name, "window");
    if (!declared || cli_is_set(cli, "window"))
        return NT_OK;
    if (!cli_add_setting(cli, "window=1"))
        return nt_fail(cli->ctx, NT_ERR_MEMORY, "no memory for settings");
    nt_model_destroy(w->model);
    w->model = NULL;
    return cli_load_model(cli, w->options->weights, &w->model);
}

static enum nt_status load_vocabulary(struct work *w)
{
    bool found;
    enum nt_status status = nt_data_info_read(w->cli->ctx, w->options->weights, &w->data, &found);
    if (status == NT_OK && (!found || strcmp(w->data.kind, "text") || !w->data.class_names))
        return nt_fail(w->cli->ctx, NT_ERR_ARGUMENT,
            "%s: holds no vocabulary: must be weights that were trained on text:FILE",
            w->options->weights);
    return status;
}

static enum nt_status check_session(const struct work *w)
{
    struct nt_context *ctx = w->cli->ctx;
    const struct nt_graph *graph = nt_session_graph(w->session);
    const char *name = nt_model_name(w->model);
    if (nt_session_input_count(w->session) == 0)
        return nt_fail(ctx, NT_ERR_SHAPE, "%s: declares no input", name);
    struct nt_port x = nt_session_input(w->session, 0);
    bool carries = false;
    char text[128];
    for (int v = 0; v < graph->value_count; v++)
        carries = carries || graph->value[v].kind == NT_VALUE_CARRIED;
    if (x.dtype != NT_I32 || x.bytes != sizeof(int32_t))
        return nt_fail(ctx, NT_ERR_SHAPE,
            "%s: input %s takes %s %s: must be one int32 character: a model for samples has a "
            "setting 'window' for it",
            name, x.name, nt_dtype_name(x.dtype), nt_shape_text(&x.shape, text, sizeof text));
    if (!carries)
        return nt_fail(ctx, NT_ERR_UNSUPPORTED,
            "%s: carries no state from one character to the next: it cannot be sampled from", name);
    struct nt_port y = {0};
    if (nt_session_output_count(w->session) > 0)
        y = nt_session_output(w->session, 0);
    if (y.bytes != (size_t)w->data.class_count * sizeof(float))
        return nt_fail(ctx, NT_ERR_SHAPE,
            "%s: %zu scores for a vocabulary of %d characters: must be equal", name,
            y.bytes / sizeof(float), w->data.class_count);
    return NT_OK;
}

static enum nt_status open_all(struct work *w)
{
    enum nt_status status = load_vocabulary(w);
    if (status == NT_OK)
        status = load_model(w);
    if (status == NT_OK)
        status = cli_open_device(w->cli, &w->dev);
    if (status == NT_OK)
        status = nt_weights_create(w->dev, w->model, 0, 0, &w->weights);
    if (status == NT_OK)
        status = nt_weights_load(w->weights, w->options->weights);
    if (status == NT_OK)
        status = nt_session_create(w->dev, w->model, w->weights,
            &(struct nt_session_params){.outputs_only = true}, &w->session);
    if (status == NT_OK)
        status = check_session(w);
    if (status != NT_OK)
        return status;
    size_t classes = (size_t)w->data.class_count;
    w->scores = calloc(classes, sizeof *w->scores);
    w->probability = calloc(classes, sizeof *w->probability);
    if (!w->scores || !w->probability)
        return nt_fail(w->cli->ctx, NT_ERR_MEMORY, "no memory for %zu scores", classes);
    return NT_OK;
}

/* ---- writing ---- */

/* Feeds a character; scores are those of the next one. */
static enum nt_status step(struct work *w, int32_t token)
{
    enum nt_status status = NT_OK;
    for (int i = 0; i < nt_session_input_count(w->session) && status == NT_OK; i++) {
        if (nt_session_input(w->session, i).bytes == sizeof token)
            status = nt_session_write(w->session, i, &token);
    }
    if (status == NT_OK)
        status = nt_session_run(w->session, NULL);
    if (status == NT_OK)
        status = nt_session_read(w->session, 0, w->scores);
    for (int i = 0; i < w->data.class_count && status == NT_OK; i++)
        if (!isfinite(w->scores[i]))
            status = nt_fail(w->cli->ctx, NT_ERR_NUMERIC,
                "%s: the score of a character is %g: the weights are not usable",
                w->options->weights, w->scores[i]);
    return status;
}

static int choose(struct work *w, struct nt_random *random, double temperature)
{
    int classes = w->data.class_count, best = 0;
    double sum = 0, wanted = nt_random_uniform(random);
    for (int i = 1; i < classes; i++)
        best = w->scores[i] > w->scores[best] ? i : best;
    if (temperature == 0)
        return best;
    double largest = w->scores[best];
    for (int i = 0; i < classes; i++)
        sum += w->probability[i] = exp((w->scores[i] - largest) / temperature);
    wanted *= sum;
    for (int i = 0; i < classes; i++)
        if ((wanted -= w->probability[i]) < 0)
            return i;
    return best;
}

/* Feeds the prompt, all but its last character, which comes back. */
static enum nt_status feed_prompt(struct work *w, int *last)
{
    const char *at = w->options->prompt;
    enum nt_status status = NT_OK;
    *last = find_token(w, "\n");
    if (!at) {
        *last = *last < 0 ? 0 : *last;
        return NT_OK;
    }
    for (bool first = true; *at && status == NT_OK; first = false) {
        if (!first)
            status = step(w, *last);
        *last = find_token(w, at);
        if (*last < 0)
            return nt_fail(w->cli->ctx, NT_ERR_ARGUMENT,
                "--prompt: '%s': its first character is not in the vocabulary of %d", at,
                w->data.class_count);
        at += strlen(w->data.class_names[*last]);
        if (status == NT_OK)
            status = put(w, *last);
    }
    return status;
}

static enum nt_status write_text(struct work *w)
{
    const struct options *o = w->options;
    double temperature = isnan(o->temperature) ? 1 : o->temperature;
    int64_t length = o->length == CLI_UNSET_INT ? 500 : o->length;
    struct nt_random random = {.key = o->seed == CLI_UNSET_INT ? 1 : (uint64_t)o->seed};
    int token;
    enum nt_status status = feed_prompt(w, &token);
    for (int64_t i = 0; i < length && status == NT_OK; i++) {
        status = step(w, token);
        if (status == NT_OK && cli_stop)
            status = nt_fail(
                w->cli->ctx, NT_ERR_INTERRUPTED, "interrupted after %lld characters", (long long)i);
        if (status != NT_OK)
            break;
        token = choose(w, &random, temperature);
        status = put(w, token);
    }
    if (!w->cli->json && w->length > 0)
        putchar('\n');
    return status;
}

static int run(struct cli *cli, void *fields)
{
    struct work w = {.cli = cli, .options = fields};
    if (!w.options->weights)
        return cli_usage(cli, "--weights: is missing: --weights runs/MODEL/best.safetensors");
    cli_catch_signals();
    enum nt_status status = open_all(&w);
    if (status == NT_OK)
        status = write_text(&w);
    int code = status == NT_OK ? CLI_DONE : cli_fail(cli, status);
    if (status == NT_OK && cli->json)
        code = cli_print_json(cli,
            json_pack("{ss ss}", "model", nt_model_name(w.model), "text", w.text ? w.text : ""));
    free(w.text);
    free(w.scores);
    free(w.probability);
    nt_session_destroy(w.session);
    nt_weights_destroy(w.weights);
    cli_close_device(cli, w.dev);
    nt_model_destroy(w.model);
    nt_data_info_finish(&w.data);
    return code;
}

const struct cli_command cli_sample = {
    .name = "sample",
    .arguments = "MODEL --weights FILE [OPTION]...",
    .summary = "Let a language model write text.",
    .details = "  neutra train zoo/char_lstm.lua --data text:FILE --optimizer adam --lr 0.002\n"
               "  neutra sample zoo/char_lstm.lua --weights runs/char_lstm/best.safetensors",
    .shared = CLI_HAS_MODEL | CLI_HAS_DEVICE | CLI_HAS_JSON,
    .options = options,
    .options_size = sizeof(struct options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
