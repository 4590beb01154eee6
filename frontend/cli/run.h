/* SPDX-License-Identifier: MIT
 *
 * `neutra run`: pictures in run.c, arrays in run_arrays.c.
 */
#ifndef NT_FRONTEND_CLI_RUN_H
#define NT_FRONTEND_CLI_RUN_H

#include "frontend/cli/cli.h"
#include "frontend/cli/labels.h"
#include "frontend/session.h"

struct cli_run_options {
    const char *weights, *output, *labels;
    struct cli_list inputs;
    int64_t top, seed;
};

struct cli_run {
    struct cli *cli;
    struct nt_model *model;
    struct nt_device *dev;
    struct nt_weights *weights;
};

/* --input arrays to --output arrays; returns an enum cli_exit. */
int cli_run_arrays(struct cli_run *run, const struct cli_run_options *options);

#endif
