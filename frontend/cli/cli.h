/* SPDX-License-Identifier: MIT
 *
 * The program `neutra`: what its commands share. Each command is one file with one
 * struct cli_command, listed in main.c. A command fills a struct of its own from its option
 * table; options that several commands have (--json, --device, --set, ...) are parsed here.
 *
 * Results go to stdout, everything else to stderr. With --json stdout is one JSON document.
 */
#ifndef NT_FRONTEND_CLI_CLI_H
#define NT_FRONTEND_CLI_CLI_H

#include <jansson.h>
#include <signal.h>
#include <stdint.h>

#include "frontend/model.h"

struct nt_dataset;
struct nt_device;
struct nt_progress;

enum cli_exit { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_INTERRUPTED = 130 };

enum cli_type {
    CLI_FLAG,   /* bool */
    CLI_TEXT,   /* const char * */
    CLI_INT,    /* int64_t */
    CLI_REAL,   /* double */
    CLI_CHOICE, /* int: index of a word of `value` */
    CLI_LIST    /* struct cli_list: may be given several times */
};

/* What a field holds when its option was not given; texts are NULL and lists empty. */
#define CLI_UNSET_INT INT64_MIN
#define CLI_UNSET_CHOICE (-1)
/* ... and reals NaN: test with isnan(). */

struct cli_list {
    int count;
    const char **items;
};

struct cli_option {
    const char *name; /* without the dashes; NULL ends a table */
    enum cli_type type;
    size_t offset;     /* of its field in the command's struct */
    const char *value; /* how help names the value, "FILE"; of a choice its words, "a|b|c" */
    const char *doc;   /* with the default, "(default 64)" */
    double min, max;   /* allowed range of numbers; both 0: any */
};

/* Options that come with struct cli; a command names those that it has. */
enum cli_shared {
    CLI_HAS_JSON = 1,     /* --json */
    CLI_HAS_DEVICE = 2,   /* --device */
    CLI_HAS_PROFILE = 4,  /* --profile, --trace */
    CLI_HAS_MODEL = 8,    /* the first argument is MODEL; --set */
    CLI_HAS_DATA = 16,    /* --data, --data-dir, --workers, --max-unreadable */
    CLI_HAS_PICTURES = 32 /* --mean, --std, --scale, --channels, --size */
};

struct cli;

struct cli_command {
    const char *name;
    const char *arguments; /* "MODEL [OPTION]...", for help */
    const char *summary;   /* one line */
    const char *details;   /* lines that follow the options in help; NULL: none */
    unsigned shared;       /* enum cli_shared */
    const struct cli_option *options;
    size_t options_size; /* of the struct that `options` fills */
    int min_arguments, max_arguments;
    int (*run)(struct cli *cli, void *options); /* returns an enum cli_exit */
};

struct cli {
    const struct cli_command *command;
    const char *program; /* as it was called */
    struct nt_context *ctx;
    int argument_count;
    char **arguments;
    /* shared options */
    bool json, profile;
    const char *device, *trace;
    struct cli_list settings;
    const char *data, *data_dir;
    int64_t workers;
    const char *mean, *deviation;
    double scale;
    int channels; /* 0: rgb, 1: bgr */
    int64_t size;
    double max_unreadable;
    bool failed;                  /* what --trace asked for could not be written */
    struct nt_progress *progress; /* a live line to clear before a message; NULL: none */
};

extern const struct cli_command cli_devices, cli_show, cli_train, cli_eval, cli_run, cli_sample,
    cli_gradcheck, cli_convert, cli_onnx_test, cli_tune;

/* Parses the arguments behind the command's name and runs it. */
int cli_main(const struct cli_command *command, const char *program, int argc, char **argv);

/* Fills the shared fields and the command's struct. Returns -1 when the command is to be run, else
 * the exit status (help was printed, or the usage is wrong). */
int cli_parse(struct cli *cli, void *fields, int argc, char **argv);
void cli_free_lists(struct cli *cli, void *fields);

/* Prints "neutra: " and the context's message of the latest failure; returns CLI_FAILED, or
 * CLI_INTERRUPTED for NT_ERR_INTERRUPTED. */
int cli_fail(struct cli *cli, enum nt_status status);

/* Prints a message and where to find help; returns CLI_USAGE. */
int cli_usage(struct cli *cli, const char *fmt, ...) NT_PRINTF(2, 3);

/* Proposes a command: "WHAT: PROGRAM ", the words that the format makes, and the options by which
 * data and device are found. */
void cli_propose(struct cli *cli, const char *what, const char *fmt, ...) NT_PRINTF(3, 4);

/* A word of a command as a shell takes it: in quotes where it must be. Returns text. */
const char *cli_quote(const char *word, char *text, size_t size);

/* A message on stderr, without a prefix: "saved runs/lenet". */
void cli_note(struct cli *cli, const char *fmt, ...) NT_PRINTF(2, 3);

/* A text as JSON, also a path or what else need not be UTF-8: with '?' for what is not. */
json_t *cli_json_text(const char *text);

/* Prints the document to stdout and takes the reference. */
int cli_print_json(struct cli *cli, json_t *document);

/* The model named by the first argument, with --set. Settings that were not given are taken from
 * the checkpoint `weights` when it was written by a training of this model; NULL: none. The caller
 * destroys it. */
enum nt_status cli_load_model(struct cli *cli, const char *weights, struct nt_model **model);

/* Whether --set gave a setting of this name; and adding one, borrowed, as if it had. */
bool cli_is_set(const struct cli *cli, const char *name);
bool cli_add_setting(struct cli *cli, const char *pair);

/* The device of --device, with --profile and --trace applied; cli_close_device prints the profile
 * and writes the trace. close accepts NULL. */
enum nt_status cli_open_device(struct cli *cli, struct nt_device **dev);
void cli_close_device(struct cli *cli, struct nt_device *dev);

/* --mean, --std, --scale and --channels as value = (byte / 255 - mean) / deviation of red, green
 * and blue; *given: whether one of them was, else nothing is changed. */
enum nt_status cli_take_normalisation(
    struct cli *cli, float mean[3], float deviation[3], bool *bgr, bool *given);

/* Whether these can be taken: -1, or the exit status after a message. */
int cli_check_normalisation(struct cli *cli);

/* --data with the other options of data, in the form that the model's first input wants. weights: a
 * checkpoint whose normalisation is taken when it is of the same kind of data; NULL: none. */
struct nt_dataset_params;
enum nt_status cli_open_data(struct cli *cli, const struct nt_model *model, const char *weights,
    const struct nt_dataset_params *params, struct nt_dataset **out);

/* Set by the first SIGINT, SIGTERM, SIGHUP or SIGPIPE after cli_catch_signals; the second one, but
 * of SIGPIPE, ends the program. */
extern volatile sig_atomic_t cli_stop;
void cli_catch_signals(void);

/* A table on stdout: columns padded to their widest cell, which is plain text in UTF-8.
 * align: one letter per column, 'l' or 'r'. Cells are copied. */
struct cli_table;
struct cli_table *cli_table_create(const char *align, const char *const *heads);
void cli_table_cell(struct cli_table *table, const char *fmt, ...) NT_PRINTF(2, 3);
void cli_table_print(struct cli_table *table); /* and frees it */

#endif
