/* SPDX-License-Identifier: MIT */
#include "frontend/cli/cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/device.h"
#include "engine/profile.h"
#include "frontend/progress.h"
#include "frontend/trainer.h"
#include "frontend/utf8.h"

volatile sig_atomic_t cli_stop;

static void on_signal(int signal)
{
    if (cli_stop && signal != SIGPIPE)
        _exit(CLI_INTERRUPTED);
    cli_stop = 1;
}

void cli_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    /* Whoever was to read the output has gone, `| head` say: each further write tells it again. */
    sigaction(SIGPIPE, &action, NULL);
    /* The terminal has gone, unless nohup foresaw that. */
    struct sigaction former;
    if (sigaction(SIGHUP, NULL, &former) == 0 && former.sa_handler != SIG_IGN)
        sigaction(SIGHUP, &action, NULL);
}

static void on_log(void *user, enum nt_log_level level, const char *text)
{
    struct cli *cli = user;
    if (level == NT_LOG_DEBUG && !getenv("NEUTRA_DEBUG"))
        return;
    nt_progress_clear(cli->progress);
    fprintf(stderr, "%s%s\n", level == NT_LOG_WARNING ? "warning: " : "", text);
}

int cli_fail(struct cli *cli, enum nt_status status)
{
    nt_progress_clear(cli->progress);
    fprintf(stderr, "neutra: %s\n", nt_error_message(cli->ctx));
    return status == NT_ERR_INTERRUPTED ? CLI_INTERRUPTED : CLI_FAILED;
}

int cli_usage(struct cli *cli, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("neutra: ", stderr);
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\n`neutra %s --help` explains the options\n", cli->command->name);
    va_end(ap);
    return CLI_USAGE;
}

const char *cli_quote(const char *word, char *text, size_t size)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "_-./:,=+@%";
    size_t at = 0;
    if (*word && !word[strspn(word, plain)]) {
        snprintf(text, size, "%s", word);
        return text;
    }
    text[at++] = '\'';
    for (; *word && at + 6 < size; word++) {
        if (*word == '\'') {
            memcpy(text + at, "'\\'", 3);
            at += 3;
        }
        text[at++] = *word;
    }
    memcpy(text + at, "'", 2);
    return text;
}

void cli_note(struct cli *cli, const char *fmt, ...)
{
    char text[4096];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    nt_progress_clear(cli->progress);
    fprintf(stderr, "%s\n", text);
}

void cli_propose(struct cli *cli, const char *what, const char *fmt, ...)
{
    char words[8400], word[4200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(words, sizeof words, fmt, ap);
    va_end(ap);
    nt_progress_clear(cli->progress);
    fprintf(stderr, "%s: %s %s", what, cli_quote(cli->program, word, sizeof word), words);
    if (cli->data_dir)
        fprintf(stderr, " --data-dir %s", cli_quote(cli->data_dir, word, sizeof word));
    if (cli->device)
        fprintf(stderr, " --device %s", cli_quote(cli->device, word, sizeof word));
    fputc('\n', stderr);
}

json_t *cli_json_text(const char *text)
{
    char *copy = strdup(text);
    json_t *json = copy ? json_string(nt_utf8_mend(copy)) : NULL;
    free(copy);
    return json;
}

int cli_print_json(struct cli *cli, json_t *document)
{
    if (!document)
        return cli_fail(cli, nt_fail(cli->ctx, NT_ERR_MEMORY, "no memory for the JSON document"));
    json_dumpf(document, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(document);
    return CLI_DONE;
}

bool cli_is_set(const struct cli *cli, const char *name)
{
    size_t length = strlen(name);
    for (int i = 0; i < cli->settings.count; i++)
        if (!strncmp(cli->settings.items[i], name, length) && cli->settings.items[i][length] == '=')
            return true;
    return false;
}

bool cli_add_setting(struct cli *cli, const char *pair)
{
    struct cli_list *list = &cli->settings;
    const char **items = realloc(list->items, sizeof *items * (size_t)(list->count + 1));
    if (!items)
        return false;
    list->items = items;
    items[list->count++] = pair;
    return true;
}

/* Loads the model again, with the settings of the training too. */
static enum nt_status load_as_trained(
    struct cli *cli, const struct nt_trainer_stored *stored, struct nt_model **model)
{
    int count = cli->settings.count, room = count + stored->setting_count + 1;
    const char **settings = calloc((size_t)room, sizeof *settings);
    if (!settings)
        return nt_fail(cli->ctx, NT_ERR_MEMORY, "no memory for settings");
    for (int i = 0; i < count; i++)
        settings[i] = cli->settings.items[i];
    for (int i = 0; i < stored->setting_count; i++) {
        char name[128];
        const char *pair = stored->settings[i];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(pair, "="), pair);
        if (!cli_is_set(cli, name))
            settings[count++] = pair;
    }
    struct nt_model *again;
    enum nt_status status = nt_model_load(cli->ctx, cli->arguments[0], count, settings, &again);
    free(settings);
    if (status == NT_OK) {
        nt_model_destroy(*model);
        *model = again;
    }
    return status;
}

enum nt_status cli_load_model(struct cli *cli, const char *weights, struct nt_model **model)
{
    enum nt_status status =
        nt_model_load(cli->ctx, cli->arguments[0], cli->settings.count, cli->settings.items, model);
    if (status != NT_OK || !weights || nt_model_setting_count(*model) == 0)
        return status;
    struct nt_trainer_stored stored;
    if (nt_trainer_read_params(cli->ctx, weights, &stored) != NT_OK)
        return NT_OK; /* weights alone; a broken file is reported when it is loaded */
    if (!strcmp(stored.model, nt_model_name(*model)))
        status = load_as_trained(cli, &stored, model);
    nt_trainer_stored_finish(&stored);
    if (status != NT_OK) {
        nt_model_destroy(*model);
        *model = NULL;
    }
    return status;
}

static void print_profile(struct nt_device *dev)
{
    struct nt_profile_row *rows;
    int count;
    if (nt_profile_rows(dev, false, &rows, &count) != NT_OK)
        return;
    fprintf(stderr, "%-32s %-10s %9s %11s %7s %9s %8s\n", "kernel", "variant", "calls", "ms",
        "share", "GFLOP/s", "GB/s");
    for (int i = 0; i < count; i++)
        fprintf(stderr, "%-32s %-10s %9lld %11.2f %6.1f%% %9.1f %8.1f\n", rows[i].kernel,
            rows[i].variant, (long long)rows[i].calls, 1e3 * rows[i].seconds, 100 * rows[i].share,
            1e-9 * rows[i].flops_per_second, 1e-9 * rows[i].bytes_per_second);
    free(rows);
}

enum nt_status cli_open_device(struct cli *cli, struct nt_device **dev)
{
    enum nt_status status = nt_device_open(cli->ctx, cli->device, dev);
    if (status == NT_ERR_DEVICE && cli->device && strchr(cli->device, ','))
        return nt_fail(cli->ctx, status, "--device %s: is a list: neutra %s runs on one device",
            cli->device, cli->command->name);
    if (status == NT_OK && (cli->profile || cli->trace))
        status = nt_profile_enable(*dev);
    return status;
}

void cli_close_device(struct cli *cli, struct nt_device *dev)
{
    if (!dev)
        return;
    bool wanted = cli->profile || !cli->trace;
    if (nt_profile_enabled(dev) && wanted)
        print_profile(dev);
    if (cli->trace && nt_profile_trace(dev, cli->trace) != NT_OK) {
        fprintf(stderr, "neutra: %s\n", nt_error_message(cli->ctx));
        cli->failed = true;
    }
    nt_device_close(dev);
}

int cli_main(const struct cli_command *command, const char *program, int argc, char **argv)
{
    struct cli cli = {.command = command, .program = program};
    struct nt_context_params params = {.log = on_log, .log_user = &cli};
    void *fields = calloc(1, command->options_size + 1);
    if (!fields || nt_context_create(&params, &cli.ctx) != NT_OK) {
        fprintf(stderr, "neutra: no memory\n");
        free(fields);
        return CLI_FAILED;
    }
    int status = cli_parse(&cli, fields, argc, argv);
    if (status < 0 && (command->shared & CLI_HAS_PICTURES))
        status = cli_check_normalisation(&cli);
    if (status < 0)
        status = command->run(&cli, fields);
    if (cli.failed && status == CLI_DONE)
        status = CLI_FAILED;
    cli_free_lists(&cli, fields);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == CLI_DONE) {
        perror("neutra: standard output");
        status = CLI_FAILED;
    }
    nt_context_destroy(cli.ctx);
    free(fields);
    return status;
}
