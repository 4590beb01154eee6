/* SPDX-License-Identifier: MIT
 *
 * How well a model does on a dataset: its loss, its accuracy and, on request, each item's scores.
 */
#ifndef NT_FRONTEND_EVALUATE_H
#define NT_FRONTEND_EVALUATE_H

#include <signal.h>

#include "frontend/dataset.h"
#include "frontend/session.h"

#ifdef __cplusplus
extern "C" {
#endif

struct nt_evaluation {
    double loss;     /* mean */
    double accuracy; /* 0 to 1; NaN when there are no classes */
    int64_t items;
    int64_t unreadable; /* items left out */
    double seconds;
};

/* One item's result; the pointers are valid during the call. */
struct nt_prediction {
    int64_t index;       /* in the dataset */
    int32_t target;      /* its class; -1 when there are none, or one for each place */
    int count;           /* of scores */
    const float *scores; /* the model's first output for it, row-major: classes, then places */
    const void *targets; /* as the data give them: info.target of info.target_dtype */
};

struct nt_evaluator_params {
    int64_t batch; /* 0 means 64 */
    int workers;
    double max_unreadable;       /* share of unreadable pictures that is left out; 0 means 0.05 */
    volatile sig_atomic_t *stop; /* polled; then nt_evaluate gives NT_ERR_INTERRUPTED */
    /* Both may be NULL; called from the evaluating thread. */
    void (*each)(void *user, const struct nt_prediction *prediction);
    void (*progress)(void *user, int64_t done, int64_t count);
    void *user;
};

/* Thread-safety: one thread at a time, the same as the device's. Lifetime: before model, weights
 * and dataset, which it borrows. */
struct nt_evaluator;

/* params may be NULL. NT_ERR_SHAPE when the data do not fit the model. */
NT_API enum nt_status nt_evaluator_create(struct nt_device *dev, struct nt_model *model,
    struct nt_weights *weights, const struct nt_dataset *dataset,
    const struct nt_evaluator_params *params, struct nt_evaluator **out);
NT_API void nt_evaluator_destroy(struct nt_evaluator *evaluator);

/* Runs the whole dataset through the model as its weights are now. NT_ERR_ARGUMENT when the model
 * declares no loss. */
NT_API enum nt_status nt_evaluate(struct nt_evaluator *evaluator, struct nt_evaluation *evaluation);

/* Softmax of one item's scores, in double. */
NT_API void nt_softmax_scores(int count, const float *scores, double *probability);

/* Whether a dataset's items and targets fit the session's first two inputs, and its classes the
 * first output: NT_ERR_SHAPE says what does not. */
enum nt_status nt_check_data(
    struct nt_context *ctx, const struct nt_session *session, const struct nt_dataset *dataset);

/* Whether accuracy has a meaning: the data have classes and the first output scores for them. */
bool nt_has_accuracy(const struct nt_session *session, const struct nt_dataset *dataset);

#ifdef __cplusplus
}
#endif
#endif
