/* SPDX-License-Identifier: MIT
 *
 * What, with the tensors of a checkpoint, makes a training go on to the same bits; and its form
 * in JSON. Private to the trainer.
 */
#ifndef NT_FRONTEND_TRAINER_STATE_H
#define NT_FRONTEND_TRAINER_STATE_H

#include <jansson.h>

#include "frontend/trainer.h"

struct nt_trainer_state {
    int64_t step;        /* steps done */
    int64_t epochs_done; /* epochs that are over, evaluation included */
    int64_t position;    /* steps done in the current epoch */
    int64_t ended_step;  /* step of the last epoch's end (evaluated and saved), whole or not */
    int64_t items;       /* of the training data */
    struct nt_metrics epoch_sums; /* since the current epoch's start */
    struct nt_metrics line_sums;  /* since the last line of metrics.jsonl */
    int64_t line_step;            /* step of that line */
    double seconds;
    double validation_loss, validation_accuracy, best, best_loss; /* NaN: none yet */
    int64_t best_epoch;
};

/* NULL when memory is exhausted. */
json_t *nt_trainer_state_write(const struct nt_trainer_state *state,
    const struct nt_trainer_params *params, struct nt_model *model);

/* Reads the state of a checkpoint; *json is the caller's reference. */
enum nt_status nt_trainer_state_load(struct nt_context *ctx, const char *path, json_t **json);
void nt_trainer_state_read(const json_t *json, struct nt_trainer_state *state);

/* Fails when the checkpoint's training is not this one. */
enum nt_status nt_trainer_state_check(struct nt_context *ctx, const char *path, const json_t *json,
    const struct nt_trainer_params *params, int64_t items, struct nt_model *model);

#endif
