/* SPDX-License-Identifier: MIT */
#include "frontend/cli/cli.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/near_miss.h"

#define MAX_OPTIONS 64

static const struct cli_option model_options[] = {
    {"set", CLI_LIST, offsetof(struct cli, settings), "NAME=VALUE",
        "a setting of the model; `neutra show MODEL` lists them"},
    {0},
};
static const struct cli_option data_options[] = {
    {"data", CLI_TEXT, offsetof(struct cli, data), "SPEC",
        "fashion-mnist, mnist, idx:DIR, cifar10:DIR, images:DIR, npy:X.npy,Y.npy, "
        "boxes:DIR, captions:DIR, segmentation:DIR, text:FILE, csv:FILE, series:FILE.csv, toy:xor, "
        "toy:ring, toy:modes, toy:spiral"},
    {"data-dir", CLI_TEXT, offsetof(struct cli, data_dir), "DIR",
        "where the files of fashion-mnist and mnist lie"},
    {"workers", CLI_INT, offsetof(struct cli, workers), "N",
        "threads that prepare data (default: by the number of cores)", 1, 256},
    {"max-unreadable", CLI_REAL, offsetof(struct cli, max_unreadable), "SHARE",
        "unreadable pictures that are passed over; more is an error (default 0.05)", 1e-9, 1},
    {0},
};
static const struct cli_option picture_options[] = {
    {"mean", CLI_TEXT, offsetof(struct cli, mean), "M[,M,M]",
        "subtracted from the channels' values (default: as in the training, the data's usual)"},
    {"std", CLI_TEXT, offsetof(struct cli, deviation), "S[,S,S]",
        "divided by after that (default: as --mean)"},
    {"scale", CLI_REAL, offsetof(struct cli, scale), "F",
        "times a byte, before --mean: 1 keeps 0 to 255 (default 1/255)", 1e-9, 1e9},
    {"channels", CLI_CHOICE, offsetof(struct cli, channels), "rgb|bgr",
        "order of the colours that the model takes, and of --mean and --std (default: as in the "
        "training, rgb)"},
    {"size", CLI_INT, offsetof(struct cli, size), "N",
        "pixels of a picture's shorter side before the middle is cut out (default: as in the "
        "training; images: 256/224 of the model's)",
        1, 8192},
    {0},
};
static const struct cli_option device_options[] = {
    {"device", CLI_TEXT, offsetof(struct cli, device), "SEL",
        "index, gpu, cpu, accelerator or part of the name (default $NEUTRA_DEVICE, else the "
        "first)"},
    {0},
};
static const struct cli_option profile_options[] = {
    {"profile", CLI_FLAG, offsetof(struct cli, profile), NULL,
        "time per kernel on stderr at the end"},
    {"trace", CLI_TEXT, offsetof(struct cli, trace), "FILE",
        "write the time line of all kernels as Chrome trace JSON"},
    {0},
};
static const struct cli_option json_options[] = {
    {"json", CLI_FLAG, offsetof(struct cli, json), NULL,
        "one JSON document on stdout and nothing else there"},
    {0},
};

/* An option with the struct that holds its field. */
struct known {
    const struct cli_option *option;
    char *base;
};

static int add(struct known *known, int count, const struct cli_option *options, void *base)
{
    for (; options && options->name && count < MAX_OPTIONS; options++)
        known[count++] = (struct known){options, base};
    return count;
}

static int collect(struct cli *cli, void *fields, struct known *known)
{
    unsigned shared = cli->command->shared;
    int count = add(known, 0, shared & CLI_HAS_DATA ? data_options : NULL, cli);
    count = add(known, count, shared & CLI_HAS_PICTURES ? picture_options : NULL, cli);
    count = add(known, count, cli->command->options, fields);
    count = add(known, count, shared & CLI_HAS_MODEL ? model_options : NULL, cli);
    count = add(known, count, shared & CLI_HAS_DEVICE ? device_options : NULL, cli);
    count = add(known, count, shared & CLI_HAS_PROFILE ? profile_options : NULL, cli);
    return add(known, count, shared & CLI_HAS_JSON ? json_options : NULL, cli);
}

static void unset(const struct known *known)
{
    void *field = known->base + known->option->offset;
    switch (known->option->type) {
    case CLI_FLAG:
        *(bool *)field = false;
        break;
    case CLI_TEXT:
        *(const char **)field = NULL;
        break;
    case CLI_INT:
        *(int64_t *)field = CLI_UNSET_INT;
        break;
    case CLI_REAL:
        *(double *)field = NAN;
        break;
    case CLI_CHOICE:
        *(int *)field = CLI_UNSET_CHOICE;
        break;
    case CLI_LIST:
        *(struct cli_list *)field = (struct cli_list){0};
        break;
    }
}

/* The index of a word among "a|b|c", -1 when it is none of them. */
static int choose(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (int i = 0;; i++) {
        size_t span = strcspn(words, "|");
        if (span == length && !strncmp(words, word, length))
            return i;
        if (!words[span])
            return -1;
        words += span + 1;
    }
}

/* "above 0 and at most 1" of an option's range. A limit that nobody meets is told to the one who
 * does. */
static void describe_range(const struct cli_option *option, double given, char *text, size_t size)
{
    bool positive = option->min > 0 && option->min < 1e-3 && !(given > 0);
    int at = positive ? snprintf(text, size, " above 0")
                      : snprintf(text, size, " of at least %g", option->min);
    if (option->max < 1e6 || given > option->max)
        snprintf(text + at, size - (size_t)at, " and at most %.15g", option->max);
}

static int wrong_number(
    struct cli *cli, const struct cli_option *option, const char *text, double given)
{
    char range[64] = "";
    if (option->min != option->max)
        describe_range(option, given, range, sizeof range);
    return cli_usage(cli, "--%s: %s: must be a %snumber%s", option->name, text,
        option->type == CLI_INT ? "whole " : "", range);
}

static int set_number(
    struct cli *cli, const struct cli_option *option, void *field, const char *text)
{
    char *end = NULL;
    errno = 0;
    double real = 0;
    long long whole = 0;
    if (option->type == CLI_INT)
        real = (double)(whole = strtoll(text, &end, 10));
    else
        real = strtod(text, &end);
    bool bounded = option->min != option->max;
    if (end == text || *end || errno || !isfinite(real) ||
        (bounded && (real < option->min || real > option->max)))
        return wrong_number(cli, option, text, real);
    if (option->type == CLI_INT)
        *(int64_t *)field = whole;
    else
        *(double *)field = real;
    return -1;
}

static int set(struct cli *cli, const struct known *known, const char *text)
{
    const struct cli_option *option = known->option;
    void *field = known->base + option->offset;
    switch (option->type) {
    case CLI_FLAG:
        *(bool *)field = true;
        break;
    case CLI_TEXT:
        if (!*text)
            return cli_usage(cli, "--%s: needs a value that is not empty", option->name);
        *(const char **)field = text;
        break;
    case CLI_INT:
    case CLI_REAL:
        return set_number(cli, option, field, text);
    case CLI_CHOICE: {
        int index = choose(option->value, text);
        if (index < 0)
            return cli_usage(cli, "--%s: %s: must be one of %s", option->name, text, option->value);
        *(int *)field = index;
        break;
    }
    case CLI_LIST: {
        struct cli_list *list = field;
        const char **items = realloc(list->items, sizeof *items * (size_t)(list->count + 1));
        if (!items)
            return cli_fail(cli, nt_fail(cli->ctx, NT_ERR_MEMORY, "no memory for options"));
        list->items = items;
        items[list->count++] = text;
        break;
    }
    }
    return -1;
}

static int unknown_option(
    struct cli *cli, const char *given, size_t length, const struct known *known, int count)
{
    char word[64];
    const char *names[MAX_OPTIONS + 1];
    snprintf(word, sizeof word, "%.*s", (int)length, given);
    for (int i = 0; i < count; i++)
        names[i] = known[i].option->name;
    names[count] = "help";
    const char *near = nt_near_miss(word, count + 1, names);
    if (near)
        return cli_usage(cli, "--%s: no such option; did you mean --%s?", word, near);
    return cli_usage(cli, "--%s: no such option", word);
}

#define HELP_INDENT 28
#define HELP_WIDTH 80

/* Text broken between words, behind the indent; the cursor stands at the indent already. */
static void print_wrapped(const char *text)
{
    int room = HELP_WIDTH - HELP_INDENT;
    while ((int)strlen(text) > room) {
        int cut = room;
        while (cut > 0 && text[cut] != ' ')
            cut--;
        if (cut == 0)
            break;
        printf("%.*s\n%*s", cut, text, HELP_INDENT, "");
        text += cut + 1;
    }
    printf("%s\n", text);
}

static void print_option(const struct cli_option *option)
{
    char head[256];
    const char *value = option->type == CLI_FLAG ? "" : option->value;
    int length = snprintf(head, sizeof head, "  --%s%s%s", option->name, *value ? " " : "", value);
    printf("%-*s", HELP_INDENT, head);
    if (length > HELP_INDENT - 2)
        printf("\n%*s", HELP_INDENT, "");
    print_wrapped(option->doc);
}

static int print_help(struct cli *cli, const struct known *known, int count)
{
    const struct cli_command *command = cli->command;
    printf("usage: neutra %s %s\n\n%s\n\noptions:\n", command->name, command->arguments,
        command->summary);
    for (int i = 0; i < count; i++)
        print_option(known[i].option);
    printf("%-28s%s\n", "  --help", "this text");
    if (command->details)
        printf("\n%s\n", command->details);
    return CLI_DONE;
}

/* Handles the option argv[*at]; *at moves over its value. */
static int parse_option(
    struct cli *cli, const struct known *known, int count, int argc, char **argv, int *at)
{
    const char *given = argv[*at] + 2;
    size_t length = strcspn(given, "=");
    if (length == 4 && !strncmp(given, "help", 4))
        return print_help(cli, known, count);
    for (int i = 0; i < count; i++) {
        const char *name = known[i].option->name;
        if (strlen(name) != length || strncmp(given, name, length))
            continue;
        if (known[i].option->type == CLI_FLAG) {
            if (given[length])
                return cli_usage(cli, "--%s: takes no value", name);
            return set(cli, &known[i], NULL);
        }
        if (given[length])
            return set(cli, &known[i], given + length + 1);
        if (*at + 1 >= argc)
            return cli_usage(
                cli, "--%s: needs a value: --%s %s", name, name, known[i].option->value);
        return set(cli, &known[i], argv[++*at]);
    }
    return unknown_option(cli, given, length, known, count);
}

static int check_arguments(struct cli *cli)
{
    const struct cli_command *command = cli->command;
    if (cli->argument_count < command->min_arguments)
        return cli_usage(
            cli, "an argument is missing: neutra %s %s", command->name, command->arguments);
    if (cli->argument_count > command->max_arguments)
        return cli_usage(cli, "%s: one argument too many: neutra %s %s",
            cli->arguments[command->max_arguments], command->name, command->arguments);
    return -1;
}

int cli_parse(struct cli *cli, void *fields, int argc, char **argv)
{
    struct known known[MAX_OPTIONS];
    int count = collect(cli, fields, known);
    for (int i = 0; i < count; i++)
        unset(&known[i]);
    cli->arguments = argv; /* packed to the front, behind what was already read */
    bool only_arguments = false;
    for (int at = 0; at < argc; at++) {
        char *text = argv[at];
        if (only_arguments || text[0] != '-' || !text[1]) {
            cli->arguments[cli->argument_count++] = text;
        } else if (!strcmp(text, "--")) {
            only_arguments = true;
        } else if (!strcmp(text, "-h")) {
            return print_help(cli, known, count);
        } else if (text[1] != '-') {
            return cli_usage(cli, "%s: no such option; options begin with two dashes", text);
        } else {
            int done = parse_option(cli, known, count, argc, argv, &at);
            if (done >= 0)
                return done;
        }
    }
    return check_arguments(cli);
}

void cli_free_lists(struct cli *cli, void *fields)
{
    struct known known[MAX_OPTIONS];
    int count = collect(cli, fields, known);
    for (int i = 0; i < count; i++)
        if (known[i].option->type == CLI_LIST)
            free(((struct cli_list *)(known[i].base + known[i].option->offset))->items);
}
