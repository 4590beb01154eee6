/* SPDX-License-Identifier: MIT
 *
 * `neutra run`: pictures in run.c, arrays in run_arrays.c.
 */
#ifndef NT_FRONTEND_CLI_RUN_H
#define NT_FRONTEND_CLI_RUN_H

#include "frontend/cli/cli.h"
#include "frontend/cli/labels.h"
#include "frontend/npy.h"
#include "frontend/onnx/onnx.h"
#include "frontend/session.h"

struct cli_run_options {
    const char *weights, *output, *labels;
    struct cli_list inputs;
    int64_t top, seed;
};

#define CLI_RUN_FEEDS 16

/* Arrays that an ONNX file's open extents and shape arithmetic take what they need from. */
struct cli_run_feeds {
    int count;
    struct nt_npy array[CLI_RUN_FEEDS];
    struct nt_model_feed feed[CLI_RUN_FEEDS];
    struct nt_onnx_inputs names;
};

struct cli_run {
    struct cli *cli;
    struct nt_model *model;
    struct cli_run_feeds feeds; /* the model's, as long as it lives */
    struct nt_device *dev;
    struct nt_weights *weights;
};

/* The model of the command; of an ONNX file, for the arrays given with --input. */
enum nt_status cli_run_load(struct cli_run *run, const struct cli_run_options *options);
void cli_run_unload(struct cli_run *run);

/* --input arrays to --output arrays; returns an enum cli_exit. */
int cli_run_arrays(struct cli_run *run, const struct cli_run_options *options);

#endif
