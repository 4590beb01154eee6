/* SPDX-License-Identifier: MIT
 *
 * A run of `neutra train`, and what the user sees of it.
 */
#ifndef NT_FRONTEND_CLI_TRAIN_H
#define NT_FRONTEND_CLI_TRAIN_H

#include "frontend/cli/cli.h"
#include "frontend/trainer.h"

/* All that a run has open. */
struct cli_training {
    struct cli *cli;
    const struct cli_train_options *options;
    struct nt_trainer_params params;
    struct nt_trainer_stored stored;
    struct nt_model *model;
    struct nt_device *dev;
    struct nt_dataset *train, *held_out;
    enum nt_status train_status;
    enum nt_split split; /* of held_out */
    bool evaluates;
    struct nt_trainer *trainer;
    const char *held_out_word; /* "test" or "validation" */
    const char *item_word;     /* "images" or "items" */
    char checkpoint[4096], out[4096];
    bool ended;         /* an epoch came to its end */
    char fitted[6][64]; /* settings taken from the data */
    char no_decay[1024], freeze[1024];
};

/* What is trained on what, before the first step. */
void cli_train_introduce(struct cli_training *w);
/* nt_trainer_params.report, of a struct cli_training: the live line, and one for each epoch. */
void cli_train_report(void *user, const struct nt_training *t);
/* What came of it, and what to do next. */
void cli_train_conclude(struct cli_training *w, const struct nt_training *t);
/* The same as JSON; returns the exit status. */
int cli_train_print(struct cli_training *w, const struct nt_training *t, enum nt_status status);

#endif
