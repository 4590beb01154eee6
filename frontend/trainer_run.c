/* SPDX-License-Identifier: MIT */
#include "frontend/trainer_parts.h"

#include <math.h>
#include <string.h>

#include "frontend/loader.h"
#include "frontend/progress.h"

#define FETCH_SECONDS 5 /* figures for the eye come at least this often */
#define MAX_PORTS 16

/* ---- what the run tells ---- */

/* The first steps of a run are left out where there are others: kernels are compiled in them. */
static void fill_speed(const struct nt_trainer *t, struct nt_training *r)
{
    const struct nt_trainer_state *s = &t->state;
    int64_t here = s->step - t->epoch_first;
    if (here > 0 && t->warm && !r->evaluating) {
        double seconds = nt_progress_now() - t->epoch_begin;
        r->items_per_second = (double)(here * t->params.batch) / seconds;
        r->waiting = t->waited / seconds;
    } else if (!t->warm)
        r->items_per_second = r->waiting = NAN;
    else if (here == 0 && isnan(r->items_per_second))
        r->items_per_second = t->rate * (double)t->params.batch;
    r->remaining = NAN;
    if (t->rate > 0)
        r->remaining = (double)(t->total_steps - s->step) / t->rate +
                       (double)(r->epochs - s->epochs_done) * t->evaluate_seconds;
}

static void fill_report(struct nt_trainer *t)
{
    const struct nt_trainer_state *s = &t->state;
    struct nt_training *r = &t->report;
    r->step = s->step;
    r->steps = t->total_steps;
    r->epochs = t->params.epochs;
    r->epoch = s->epochs_done + 1 < r->epochs ? s->epochs_done + 1 : r->epochs;
    r->epoch_done = (double)s->position / (double)t->steps_per_epoch;
    r->loss = s->epoch_sums.items > 0 ? s->epoch_sums.loss / s->epoch_sums.items : NAN;
    r->has_accuracy = t->has_classes;
    r->accuracy = t->has_classes && s->epoch_sums.items > 0
                      ? s->epoch_sums.correct / s->epoch_sums.items
                      : NAN;
    r->learning_rate = nt_schedule_rate(&t->schedule, s->step > 0 ? s->step - 1 : 0);
    r->seconds = nt_trainer_seconds(t);
    fill_speed(t, r);
    r->validation_loss = s->validation_loss;
    r->validation_accuracy = s->validation_accuracy;
    r->best = s->best;
    r->best_epoch = s->best_epoch;
}

static void tell(struct nt_trainer *t)
{
    if (!t->params.report)
        return;
    fill_report(t);
    t->params.report(t->params.user, &t->report);
}

static void add(struct nt_metrics *sum, const struct nt_metrics *more)
{
    sum->loss += more->loss;
    sum->correct += more->correct;
    sum->items += more->items;
}

static void note_speed(struct nt_trainer *t, int64_t steps)
{
    double now = nt_progress_now(), rate = (double)steps / (now - t->fetch_time);
    bool first = t->state.step - steps == t->run_first;
    bool second = !first && !t->warm_rate;
    t->rate = first || second ? rate : 0.8 * t->rate + 0.2 * rate;
    t->warm_rate = !first;
    t->fetch_time = now;
    if (!t->warm) {
        t->warm = true;
        t->epoch_begin = now;
        t->epoch_first = t->state.step;
        t->waited = 0;
    }
}

/* Fetches the sums of the steps since the last call that did. */
static enum nt_status fetch_metrics(struct nt_trainer *t)
{
    struct nt_metrics m;
    int64_t since = t->fetched;
    t->fetched = t->state.step;
    enum nt_status status = nt_session_metrics(t->session, &m);
    if (status != NT_OK)
        return status;
    if (!isfinite(m.loss))
        return nt_fail(t->ctx, NT_ERR_NUMERIC,
            "the loss became %s in steps %lld to %lld (epoch %lld, learning rate %g): try a lower "
            "learning rate or a warm-up, or look for NaN in the data%s%s",
            isnan(m.loss) ? "NaN" : "infinite", (long long)since + 1, (long long)t->state.step,
            (long long)t->state.epochs_done + 1, nt_schedule_rate(&t->schedule, t->state.step - 1),
            t->saved ? "; the last good checkpoint is " : "", t->saved ? t->last : "");
    note_speed(t, t->state.step - since);
    add(&t->state.epoch_sums, &m);
    add(&t->state.line_sums, &m);
    return NT_OK;
}

static enum nt_status write_line(struct nt_trainer *t)
{
    struct nt_trainer_state *s = &t->state;
    double now = nt_progress_now();
    const struct nt_metrics_line line = {
        .step = s->step,
        .epoch = s->epochs_done + 1,
        .loss = s->line_sums.loss / s->line_sums.items,
        .accuracy = t->has_classes ? s->line_sums.correct / s->line_sums.items : NAN,
        .learning_rate = nt_schedule_rate(&t->schedule, s->step - 1),
        .items_per_second =
            (double)((s->step - s->line_step) * t->params.batch) / (now - t->line_begin),
        .seconds = nt_trainer_seconds(t),
        .val_loss = NAN,
        .val_accuracy = NAN,
    };
    s->line_sums = (struct nt_metrics){0};
    s->line_step = s->step;
    t->line_begin = now;
    return t->log ? nt_metrics_log_write(t->log, &line) : NT_OK;
}

static enum nt_status save_last(struct nt_trainer *t)
{
    if (!t->params.out)
        return NT_OK;
    enum nt_status status = nt_trainer_save(t, t->last);
    if (status == NT_OK) {
        t->saved = true;
        t->saved_step = t->state.step;
    }
    return status;
}

/* ---- the run ---- */

static void on_evaluated(void *user, int64_t done, int64_t count)
{
    struct nt_trainer *t = user;
    t->report.evaluated = (double)done / (double)count;
    tell(t);
}

static enum nt_status evaluate(struct nt_trainer *t, struct nt_evaluation *result)
{
    const struct nt_evaluator_params params = {
        .batch = t->params.batch,
        .workers = t->params.workers,
        .max_unreadable = t->params.max_unreadable,
        .stop = t->params.stop,
        .progress = on_evaluated,
        .user = t,
    };
    enum nt_status status = NT_OK;
    if (!t->evaluator)
        status = nt_evaluator_create(
            t->dev, t->model, t->weights, t->params.validation, &params, &t->evaluator);
    t->report.evaluating = true;
    t->report.evaluated = 0;
    if (status == NT_OK)
        status = nt_evaluate(t->evaluator, result);
    t->report.evaluating = false;
    if (status == NT_OK)
        t->evaluate_seconds = result->seconds;
    return status;
}

/* The best is the highest accuracy, of equal ones that of the lowest loss, and the lowest loss
 * where there are no classes; what counts is the validation data, or the training data where there
 * are none. */
static bool note_best(struct nt_trainer *t)
{
    struct nt_trainer_state *s = &t->state;
    bool held_out = t->params.validation != NULL;
    double loss = held_out ? s->validation_loss : s->epoch_sums.loss / s->epoch_sums.items;
    double accuracy =
        held_out ? s->validation_accuracy : s->epoch_sums.correct / s->epoch_sums.items;
    double value = t->has_classes ? accuracy : loss;
    bool better = isnan(s->best) || (t->has_classes ? value > s->best : value < s->best) ||
                  (value == s->best && loss < s->best_loss);
    if (better) {
        s->best = value;
        s->best_loss = loss;
        s->best_epoch = s->epochs_done + 1;
    }
    return better;
}

static enum nt_status log_epoch(struct nt_trainer *t)
{
    const struct nt_trainer_state *s = &t->state;
    if (!t->log)
        return NT_OK;
    const struct nt_metrics_line line = {
        .epoch_end = true,
        .step = s->step,
        .epoch = s->epochs_done + 1,
        .loss = t->report.loss,
        .accuracy = t->report.accuracy,
        .learning_rate = t->report.learning_rate,
        .items_per_second = t->report.items_per_second,
        .seconds = t->report.seconds,
        .val_loss = s->validation_loss,
        .val_accuracy = s->validation_accuracy,
    };
    enum nt_status status = nt_metrics_log_write(t->log, &line);
    if (status == NT_OK)
        status = nt_metrics_log_draw(t->log, nt_model_name(t->model), t->steps_per_epoch);
    return status;
}

/* Evaluates, notes and saves at the end of an epoch, or of the training within one. */
static enum nt_status end_epoch(struct nt_trainer *t)
{
    struct nt_trainer_state *s = &t->state;
    fill_report(t);
    if (t->params.validation) {
        struct nt_evaluation result;
        enum nt_status status = evaluate(t, &result);
        if (status != NT_OK)
            return status;
        s->validation_loss = result.loss;
        s->validation_accuracy = result.accuracy;
    }
    bool better = note_best(t);
    t->report.epoch_end = true;
    fill_report(t);
    enum nt_status status = log_epoch(t);
    if (t->params.report)
        t->params.report(t->params.user, &t->report);
    t->report.epoch_end = false;
    if (s->position == t->steps_per_epoch) {
        s->epochs_done++;
        s->position = 0;
    }
    s->ended_step = s->step;
    if (status == NT_OK && better && t->params.out)
        status = nt_trainer_save(t, t->best);
    if (status == NT_OK)
        status = save_last(t);
    t->epoch_begin = t->line_begin = t->fetch_time = nt_progress_now();
    t->epoch_first = s->step;
    t->waited = 0;
    return status;
}

static enum nt_status feed(struct nt_trainer *t, struct nt_loader *loader)
{
    void *ptr[MAX_PORTS];
    struct nt_batch batch;
    double begin = nt_progress_now();
    enum nt_status status = nt_loader_next(loader, &batch);
    t->waited += nt_progress_now() - begin;
    if (status == NT_OK && !nt_dataset_get_info(t->train)->continues)
        status = nt_session_reset(t->session);
    if (status == NT_OK)
        status = nt_session_acquire(t->session, ptr);
    if (status != NT_OK)
        return status;
    memcpy(ptr[0], batch.x, (size_t)t->params.batch * t->item_bytes);
    if (nt_session_input_count(t->session) > 1)
        memcpy(ptr[1], batch.y, (size_t)t->params.batch * t->target_bytes);
    nt_loader_release(loader);
    return nt_session_submit(t->session);
}

static enum nt_status run_step(struct nt_trainer *t, struct nt_loader *loader)
{
    const struct nt_trainer_params *p = &t->params;
    enum nt_status status = feed(t, loader);
    if (status != NT_OK)
        return status;
    const struct nt_step_params step = {
        .learning_rate = nt_schedule_rate(&t->schedule, t->state.step),
        .momentum = p->momentum,
        .nesterov = p->nesterov,
        .weight_decay = p->weight_decay,
        .l1 = p->l1,
        .beta1 = p->beta1,
        .beta2 = p->beta2,
        .alpha = p->alpha,
        .epsilon = p->epsilon,
        .clip_value = p->clip_value,
        .clip_norm = p->clip_norm,
        .step = t->state.step + 1,
        .seed = p->seed,
    };
    status = nt_session_run(t->session, &step);
    if (status == NT_OK) {
        t->state.step++;
        t->state.position++;
    }
    return status;
}

/* What ends a training without its fault, as a picture too many that cannot be read, does not
 * take the finished steps along. The message stays that of the failure. */
static enum nt_status keep_work(struct nt_trainer *t, enum nt_status status)
{
    char why[2048];
    bool unsaved = t->params.out && t->state.step > t->saved_step;
    if (status == NT_OK || status == NT_ERR_NUMERIC || status == NT_ERR_INTERRUPTED || !unsaved)
        return status;
    snprintf(why, sizeof why, "%s", nt_error_message(t->ctx));
    bool saved =
        (t->fetched == t->state.step || fetch_metrics(t) == NT_OK) && save_last(t) == NT_OK;
    return nt_fail(t->ctx, status, "%s%s%s", why,
        saved ? "; the steps until then are saved in " : "", saved ? t->last : "");
}

static bool stopped(const struct nt_trainer *t)
{
    return t->params.stop && *t->params.stop;
}

static enum nt_status interrupted(struct nt_trainer *t)
{
    enum nt_status status = save_last(t);
    if (status != NT_OK)
        return status;
    return nt_fail(t->ctx, NT_ERR_INTERRUPTED, "interrupted after step %lld of %lld%s%s",
        (long long)t->state.step, (long long)t->total_steps, t->params.out ? "; saved in " : "",
        t->params.out ? t->last : "");
}

/* The steps up to the epoch's or the training's end. */
static enum nt_status run_epoch(struct nt_trainer *t, struct nt_loader *loader)
{
    struct nt_trainer_state *s = &t->state;
    const struct nt_trainer_params *p = &t->params;
    t->fetched = s->step;
    if (s->position == 0)
        s->epoch_sums = (struct nt_metrics){0};
    enum nt_status status = nt_session_reset(t->session);
    if (status != NT_OK)
        return status;
    while (s->position < t->steps_per_epoch && s->step < t->total_steps) {
        status = run_step(t, loader);
        if (status != NT_OK)
            return status;
        bool line = s->step % p->log_every == 0;
        bool late = nt_progress_now() - t->fetch_time > FETCH_SECONDS;
        bool checkpoint = p->save_every && s->step % p->save_every == 0;
        bool over = s->position == t->steps_per_epoch || s->step == t->total_steps;
        if (line || late || checkpoint || over)
            status = fetch_metrics(t);
        if (status == NT_OK && line)
            status = write_line(t);
        if (status == NT_OK && checkpoint && !over)
            status = save_last(t);
        if (status != NT_OK)
            return status;
        tell(t);
        if (stopped(t)) {
            status = t->fetched < s->step ? fetch_metrics(t) : NT_OK;
            return status == NT_OK ? interrupted(t) : status;
        }
    }
    return NT_OK;
}

static enum nt_status run(struct nt_trainer *t)
{
    struct nt_trainer_state *s = &t->state;
    bool between = s->position == t->steps_per_epoch; /* interrupted before the epoch's end */
    const struct nt_loader_params params = {
        .batch = t->params.batch,
        .workers = t->params.workers,
        .layout = nt_session_input(t->session, 0).layout,
        .training = true,
        .ordered = t->params.no_shuffle,
        .seed = t->params.seed,
        .first_epoch = s->epochs_done + between,
        .first_batch = between ? 0 : s->position,
        .max_bad_share = t->params.max_unreadable,
    };
    struct nt_loader *loader;
    enum nt_status status = nt_loader_create(t->ctx, t->train, &params, &loader);
    if (status != NT_OK)
        return status;
    while (status == NT_OK && (s->step < t->total_steps || s->ended_step < s->step)) {
        status = run_epoch(t, loader);
        if (status == NT_OK) {
            status = end_epoch(t);
            if (status == NT_ERR_INTERRUPTED)
                status = interrupted(t);
        }
    }
    nt_loader_destroy(loader);
    return keep_work(t, status);
}

enum nt_status nt_trainer_run(struct nt_trainer *t, struct nt_training *result)
{
    t->run_begin = t->epoch_begin = t->line_begin = t->fetch_time = nt_progress_now();
    t->run_first = t->epoch_first = t->state.step;
    t->running = true;
    enum nt_status status = run(t);
    fill_report(t);
    t->state.seconds = t->report.seconds;
    t->running = false;
    if (result)
        *result = t->report;
    return status;
}
