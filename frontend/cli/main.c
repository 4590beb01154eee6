/* SPDX-License-Identifier: MIT
 *
 * The program `neutra`: the table of its commands.
 */
#include "frontend/cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/near_miss.h"

extern const struct cli_command cli_bench; /* bench/command.c: linked into the program alone */

static const struct cli_command *const commands[] = {
    &cli_devices,
    &cli_show,
    &cli_train,
    &cli_eval,
    &cli_run,
    &cli_sample,
    &cli_gradcheck,
    &cli_convert,
    &cli_onnx_test,
    &cli_tune,
    &cli_bench,
};
#define COMMAND_COUNT (int)(sizeof commands / sizeof *commands)

static void print_usage(FILE *file)
{
    fprintf(file, "usage: neutra COMMAND [ARGUMENT]...\n\n"
                  "Trains and runs neural networks on any OpenCL device.\n\ncommands:\n");
    for (int i = 0; i < COMMAND_COUNT; i++)
        fprintf(file, "  %-12s%s\n", commands[i]->name, commands[i]->summary);
    fprintf(file, "\n`neutra COMMAND --help` explains a command; `neutra --version` tells the\n"
                  "version.\n");
}

static int unknown_command(const char *word)
{
    const char *names[COMMAND_COUNT];
    for (int i = 0; i < COMMAND_COUNT; i++)
        names[i] = commands[i]->name;
    const char *near = nt_near_miss(word, COMMAND_COUNT, names);
    if (near)
        fprintf(stderr, "neutra: %s: no such command; did you mean `neutra %s`?\n", word, near);
    else
        fprintf(stderr, "neutra: %s: no such command; `neutra --help` lists them\n", word);
    return CLI_USAGE;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    /* A file that reaches the limit of its size is an error of a write, not the end: drivers set a
     * handler of their own for this signal, so it is held back. */
    sigset_t too_large;
    sigemptyset(&too_large);
    sigaddset(&too_large, SIGXFSZ);
    sigprocmask(SIG_BLOCK, &too_large, NULL);
    if (!*word) {
        print_usage(stderr);
        return CLI_USAGE;
    }
    if (!strcmp(word, "--version")) {
        printf("neutra %s\n", NT_VERSION);
        return CLI_DONE;
    }
    if (!strcmp(word, "help") && argc > 2) {
        argv[1] = argv[2];
        argv[2] = "--help";
        word = argv[1];
    } else if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help")) {
        print_usage(stdout);
        return CLI_DONE;
    }
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (!strcmp(word, commands[i]->name))
            return cli_main(commands[i], argv[0], argc - 2, argv + 2);
    return unknown_command(word);
}
