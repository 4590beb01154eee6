/* SPDX-License-Identifier: MIT
 *
 * Training: batches of a dataset through a model, with an optimizer and a schedule; evaluation
 * at the end of each epoch; checkpoints, a log and a curve in a folder. The same seed on the
 * same device gives the same weights bit by bit, also when the training was interrupted and
 * resumed. It prints nothing: a callback reports.
 */
#ifndef NT_FRONTEND_TRAINER_H
#define NT_FRONTEND_TRAINER_H

#include <signal.h>

#include "frontend/dataset.h"
#include "frontend/schedule.h"
#include "frontend/session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where a training stands: given to the callback and, at the end, to the caller. */
struct nt_training {
    int64_t step, steps;   /* done, and planned for the whole training */
    int64_t epoch, epochs; /* the current one, from 1 */
    double epoch_done;     /* share of the current epoch, 0 to 1 */
    double loss, accuracy; /* mean since the epoch's start; NaN before the first figures */
    double learning_rate;
    double seconds;          /* spent on training and evaluation, earlier runs included */
    double items_per_second; /* in this epoch, without the first steps of a run; NaN: unknown */
    double waiting;          /* share of that time in which no data were ready; NaN: unknown */
    double remaining;        /* estimated seconds to the end, NaN when unknown */
    double validation_loss, validation_accuracy; /* latest, NaN when there is none */
    double best; /* best validation accuracy (loss, without classes) so far, NaN; of epochs that
                    are equal in it the one of the lowest loss is kept */
    int64_t best_epoch;
    bool epoch_end; /* this report ends an epoch */
    bool evaluating;
    double evaluated;  /* share of the evaluation that is done */
    bool has_accuracy; /* the model has classes */
};

struct nt_trainer_params {
    int64_t batch;  /* 0 means 64, or all items when there are fewer */
    int64_t epochs; /* 0 means 10 */
    int64_t steps;  /* ends after so many, whatever epochs says; 0: epochs rule */

    enum nt_optimizer optimizer;
    double learning_rate; /* 0 means nt_default_learning_rate */
    double momentum;      /* SGD, RMSprop */
    bool nesterov;        /* SGD; needs momentum */
    double weight_decay, l1;
    double beta1, beta2, alpha, epsilon; /* as in struct nt_step_params */
    double clip_value, clip_norm;        /* limits of gradients; 0: none */
    /* Patterns of parameters' names, as in struct nt_session_params; NULL: none. */
    const char *no_decay, *freeze;

    enum nt_schedule_kind schedule;
    int64_t warmup;    /* steps */
    int64_t step_size; /* NT_SCHEDULE_STEP: epochs between drops; 0 means a third of the training */
    double gamma;      /* NT_SCHEDULE_STEP; 0 means 0.1 */
    double power;      /* NT_SCHEDULE_POLY; 0 means 1 */

    size_t memory_limit;   /* of steps, as in struct nt_session_params; 0: none */
    uint64_t seed;         /* of the initial weights and the order of the data */
    bool no_shuffle;       /* the data in their own order in every epoch */
    int workers;           /* threads that prepare data; 0: by the number of cores */
    double max_unreadable; /* share of unreadable pictures that is passed over; 0 means 0.05 */
    int64_t log_every;     /* steps between lines of metrics.jsonl; 0: about 200 lines in all */
    int64_t save_every; /* steps between checkpoints besides those of each epoch's end; 0: none */

    /* Evaluated at the end of each epoch; borrowed until the trainer is destroyed. NULL: none. */
    const struct nt_dataset *validation;

    /* Folder for last.safetensors, best.safetensors, metrics.jsonl and curve.svg, made when
     * missing. What an earlier training left there is moved to out/former, unless it is resumed. A
     * second trainer with the same folder is refused (NT_ERR_FILE). NULL: nothing is written. */
    const char *out;
    const char *weights; /* safetensors file to start from; NULL: initialised by the model */
    /* Go on from out/last.safetensors. Model, settings, optimizer, batch, seed, order and number of
     * items must be the same (NT_ERR_ARGUMENT names the one that is not); the other parameters are
     * free. nt_trainer_read_params gives those that were used. */
    bool resume;

    /* How data and model were chosen: kept in checkpoints for nt_trainer_read_params. */
    const char *data;
    double validation_share;
    unsigned augment; /* enum nt_augment */

    /* Polled after each step and batch; when it turns non-zero the state is saved and
     * nt_trainer_run returns NT_ERR_INTERRUPTED. May be set by a signal handler. */
    volatile sig_atomic_t *stop;
    /* Called after every step and evaluated batch, from the training thread: be quick. */
    void (*report)(void *user, const struct nt_training *training);
    void *user;
};

/* 0.05 for SGD, 0.001 for Adam and AdamW, 0.01 for the others. */
NT_API double nt_default_learning_rate(enum nt_optimizer optimizer);

/* Thread-safety: one thread at a time, the same as the device's.
 * Lifetime: before dev, model and the datasets. */
struct nt_trainer;

/* train is borrowed. Errors: NT_ERR_SHAPE when the data do not fit the model. */
NT_API enum nt_status nt_trainer_create(struct nt_device *dev, struct nt_model *model,
    const struct nt_dataset *train, const struct nt_trainer_params *params,
    struct nt_trainer **out);
NT_API void nt_trainer_destroy(struct nt_trainer *trainer);

/* Trains to the end. A loss that is not finite is NT_ERR_NUMERIC; the last good checkpoint stays.
 * Other failures, as of data that cannot be read, save the steps until then.
 * result may be NULL; it is set after an interruption too. */
NT_API enum nt_status nt_trainer_run(struct nt_trainer *trainer, struct nt_training *result);

/* The trainer's own: for nt_weights_save and sessions while the trainer lives. */
NT_API struct nt_weights *nt_trainer_weights(struct nt_trainer *trainer);

/* Writes a checkpoint as last.safetensors is one. */
NT_API enum nt_status nt_trainer_save(struct nt_trainer *trainer, const char *path);

/* What a checkpoint tells about its training: params as they were (without folders, borrowed
 * pointers and callbacks) and the model's settings as NAME=VALUE. Strings live until finish. */
struct nt_trainer_stored {
    struct nt_trainer_params params;
    const char *model;
    int setting_count;
    const char **settings;
    int64_t step, epoch;
    void *memory;
};
NT_API enum nt_status nt_trainer_read_params(
    struct nt_context *ctx, const char *path, struct nt_trainer_stored *out);
NT_API void nt_trainer_stored_finish(struct nt_trainer_stored *stored);

#ifdef __cplusplus
}
#endif
#endif
