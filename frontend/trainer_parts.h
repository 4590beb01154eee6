/* SPDX-License-Identifier: MIT
 *
 * The trainer's inside: made in trainer.c, run in trainer_run.c. Private to these.
 */
#ifndef NT_FRONTEND_TRAINER_PARTS_H
#define NT_FRONTEND_TRAINER_PARTS_H

#include "frontend/evaluate.h"
#include "frontend/metrics_log.h"
#include "frontend/trainer.h"
#include "frontend/trainer_state.h"

struct nt_trainer {
    struct nt_context *ctx;
    struct nt_device *dev;
    struct nt_model *model;
    const struct nt_dataset *train;
    struct nt_trainer_params params;
    struct nt_schedule schedule;
    struct nt_weights *weights;
    struct nt_session *session;
    struct nt_evaluator *evaluator;
    struct nt_metrics_log *log;
    struct nt_trainer_state state;
    char last[4096], best[4096];
    int folder;      /* descriptor of params.out, locked against a second training; -1: none */
    char *data_info; /* JSON for checkpoints */
    bool has_classes, saved;
    int64_t steps_per_epoch, total_steps;
    size_t item_bytes, target_bytes;

    struct nt_training report;
    bool running;
    double run_begin;
    double epoch_begin;  /* when this epoch began or was resumed here */
    int64_t epoch_first; /* its step then */
    double waited;       /* seconds since then in which no data were ready */
    int64_t run_first;
    int64_t fetched;    /* step up to which the sums are in */
    int64_t saved_step; /* of the checkpoint last.safetensors */
    double line_begin, fetch_time;
    double rate;             /* steps per second of late, 0: not known yet */
    double evaluate_seconds; /* of the latest evaluation */
    bool warm;               /* the first figures are in: kernels are compiled */
    bool warm_rate;          /* rate is of later steps */
};

/* Seconds of training so far, those of earlier processes included. */
double nt_trainer_seconds(const struct nt_trainer *trainer);

#endif
