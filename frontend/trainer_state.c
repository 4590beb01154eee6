/* SPDX-License-Identifier: MIT */
#include "frontend/trainer_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/checkpoint.h"

#define STATE_VERSION 1

/* JSON has no NaN: null stands for it. */
static json_t *real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static double get_real(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static double get_number(const json_t *json, const char *key)
{
    double value = get_real(json, key);
    return isnan(value) ? 0 : value;
}

static int64_t get_int(const json_t *json, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(json, key));
}

static bool get_bool(const json_t *json, const char *key)
{
    return json_is_true(json_object_get(json, key));
}

static const char *get_text(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text ? text : "";
}

static json_t *write_sums(const struct nt_metrics *sums)
{
    return json_pack("[fff]", sums->loss, sums->correct, sums->items);
}

static struct nt_metrics read_sums(const json_t *json, const char *key)
{
    const json_t *list = json_object_get(json, key);
    return (struct nt_metrics){json_number_value(json_array_get(list, 0)),
        json_number_value(json_array_get(list, 1)), json_number_value(json_array_get(list, 2))};
}

static json_t *write_settings(const struct nt_model *model)
{
    json_t *settings = json_object();
    for (int i = 0; i < nt_model_setting_count(model); i++) {
        struct nt_setting setting = nt_model_setting(model, i);
        json_object_set_new(settings, setting.name, json_string(setting.value));
    }
    return settings;
}

/* How the parameters are updated. */
static json_t *write_update(const struct nt_trainer_params *p)
{
    return json_pack("{ss sf sf sb sf sf sf sf sf sf sf sf ss ss}", "optimizer",
        nt_optimizer_name(p->optimizer), "learning_rate", p->learning_rate, "momentum", p->momentum,
        "nesterov", (int)p->nesterov, "weight_decay", p->weight_decay, "l1", p->l1, "beta1",
        p->beta1, "beta2", p->beta2, "alpha", p->alpha, "epsilon", p->epsilon, "clip_value",
        p->clip_value, "clip_norm", p->clip_norm, "no_decay", p->no_decay ? p->no_decay : "",
        "freeze", p->freeze ? p->freeze : "");
}

static json_t *write_params(const struct nt_trainer_params *p)
{
    json_t *json = json_pack("{sI sI sI ss sI sI sf sf sI sb sI sI sf ss si sf}", "batch",
        (json_int_t)p->batch, "epochs", (json_int_t)p->epochs, "steps", (json_int_t)p->steps,
        "schedule", nt_schedule_name(p->schedule), "warmup", (json_int_t)p->warmup, "step_size",
        (json_int_t)p->step_size, "gamma", p->gamma, "power", p->power, "seed", (json_int_t)p->seed,
        "no_shuffle", (int)p->no_shuffle, "log_every", (json_int_t)p->log_every, "save_every",
        (json_int_t)p->save_every, "validation_share", p->validation_share, "data",
        p->data ? p->data : "", "augment", (int)p->augment, "max_unreadable", p->max_unreadable);
    json_t *update = write_update(p);
    if (!json || !update || json_object_update(json, update) != 0) {
        json_decref(json);
        json = NULL;
    }
    json_decref(update);
    return json;
}

json_t *nt_trainer_state_write(const struct nt_trainer_state *s,
    const struct nt_trainer_params *params, struct nt_model *model)
{
    return json_pack("{si ss so so sI sI sI sI sI so so sI sf so so so so sI}", "version",
        STATE_VERSION, "model", nt_model_name(model), "settings", write_settings(model), "params",
        write_params(params), "step", (json_int_t)s->step, "epochs_done",
        (json_int_t)s->epochs_done, "position", (json_int_t)s->position, "ended_step",
        (json_int_t)s->ended_step, "items", (json_int_t)s->items, "epoch_sums",
        write_sums(&s->epoch_sums), "line_sums", write_sums(&s->line_sums), "line_step",
        (json_int_t)s->line_step, "seconds", s->seconds, "validation_loss",
        real(s->validation_loss), "validation_accuracy", real(s->validation_accuracy), "best",
        real(s->best), "best_loss", real(s->best_loss), "best_epoch", (json_int_t)s->best_epoch);
}

enum nt_status nt_trainer_state_load(struct nt_context *ctx, const char *path, json_t **out)
{
    char *text;
    enum nt_status status = nt_checkpoint_text(ctx, path, NT_CHECKPOINT_STATE, &text);
    if (status != NT_OK)
        return status;
    if (!text)
        return nt_fail(ctx, NT_ERR_FORMAT,
            "%s: holds weights alone, no training to resume; --weights starts from it", path);
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);
    free(text);
    if (!json_is_object(json)) {
        json_decref(json);
        return nt_fail(ctx, NT_ERR_FORMAT, "%s: its training state is not JSON: %s", path,
            json ? "no object" : error.text);
    }
    int64_t version = get_int(json, "version");
    if (version != STATE_VERSION) {
        json_decref(json);
        return nt_fail(ctx, NT_ERR_FORMAT, "%s: training state of version %lld: must be %d", path,
            (long long)version, STATE_VERSION);
    }
    *out = json;
    return NT_OK;
}

void nt_trainer_state_read(const json_t *json, struct nt_trainer_state *state)
{
    *state = (struct nt_trainer_state){
        .step = get_int(json, "step"),
        .epochs_done = get_int(json, "epochs_done"),
        .position = get_int(json, "position"),
        .ended_step = get_int(json, "ended_step"),
        .items = get_int(json, "items"),
        .epoch_sums = read_sums(json, "epoch_sums"),
        .line_sums = read_sums(json, "line_sums"),
        .line_step = get_int(json, "line_step"),
        .seconds = get_number(json, "seconds"),
        .validation_loss = get_real(json, "validation_loss"),
        .validation_accuracy = get_real(json, "validation_accuracy"),
        .best = get_real(json, "best"),
        .best_loss = get_real(json, "best_loss"),
        .best_epoch = get_int(json, "best_epoch"),
    };
}

static void read_params(const json_t *json, struct nt_trainer_params *p)
{
    *p = (struct nt_trainer_params){
        .batch = get_int(json, "batch"),
        .epochs = get_int(json, "epochs"),
        .steps = get_int(json, "steps"),
        .learning_rate = get_number(json, "learning_rate"),
        .momentum = get_number(json, "momentum"),
        .nesterov = get_bool(json, "nesterov"),
        .weight_decay = get_number(json, "weight_decay"),
        .l1 = get_number(json, "l1"),
        .beta1 = get_number(json, "beta1"),
        .beta2 = get_number(json, "beta2"),
        .alpha = get_number(json, "alpha"),
        .epsilon = get_number(json, "epsilon"),
        .clip_value = get_number(json, "clip_value"),
        .clip_norm = get_number(json, "clip_norm"),
        .no_decay = get_text(json, "no_decay"),
        .freeze = get_text(json, "freeze"),
        .warmup = get_int(json, "warmup"),
        .step_size = get_int(json, "step_size"),
        .gamma = get_number(json, "gamma"),
        .power = get_number(json, "power"),
        .seed = (uint64_t)get_int(json, "seed"),
        .no_shuffle = get_bool(json, "no_shuffle"),
        .log_every = get_int(json, "log_every"),
        .save_every = get_int(json, "save_every"),
        .validation_share = get_number(json, "validation_share"),
        .data = get_text(json, "data"),
        .augment = (unsigned)get_int(json, "augment"),
        .max_unreadable = get_number(json, "max_unreadable"),
    };
    nt_optimizer_parse(get_text(json, "optimizer"), &p->optimizer);
    nt_schedule_parse(get_text(json, "schedule"), &p->schedule);
}

static enum nt_status differs(
    struct nt_context *ctx, const char *path, const char *what, const char *there, const char *here)
{
    return nt_fail(ctx, NT_ERR_ARGUMENT, "%s: resume: %s was %s, now %s: must be the same", path,
        what, there, here);
}

static enum nt_status check_int(
    struct nt_context *ctx, const char *path, const char *what, int64_t there, int64_t here)
{
    if (there == here)
        return NT_OK;
    return nt_fail(ctx, NT_ERR_ARGUMENT, "%s: resume: %s was %lld, now %lld: must be the same",
        path, what, (long long)there, (long long)here);
}

static enum nt_status check_settings(
    struct nt_context *ctx, const char *path, const json_t *stored, struct nt_model *model)
{
    for (int i = 0; i < nt_model_setting_count(model); i++) {
        struct nt_setting setting = nt_model_setting(model, i);
        const char *there = get_text(stored, setting.name);
        char what[128];
        snprintf(what, sizeof what, "setting %s", setting.name);
        if (strcmp(there, setting.value))
            return differs(ctx, path, what, *there ? there : "not there", setting.value);
    }
    return NT_OK;
}

enum nt_status nt_trainer_state_check(struct nt_context *ctx, const char *path, const json_t *json,
    const struct nt_trainer_params *params, int64_t items, struct nt_model *model)
{
    struct nt_trainer_params there;
    read_params(json_object_get(json, "params"), &there);
    const char *name = get_text(json, "model");
    if (strcmp(name, nt_model_name(model)))
        return differs(ctx, path, "the model", name, nt_model_name(model));
    enum nt_status status = check_settings(ctx, path, json_object_get(json, "settings"), model);
    if (status == NT_OK && there.optimizer != params->optimizer)
        status = differs(ctx, path, "the optimizer", nt_optimizer_name(there.optimizer),
            nt_optimizer_name(params->optimizer));
    if (status == NT_OK)
        status = check_int(ctx, path, "the batch", there.batch, params->batch);
    if (status == NT_OK)
        status = check_int(ctx, path, "the seed", (int64_t)there.seed, (int64_t)params->seed);
    if (status == NT_OK && there.no_shuffle != params->no_shuffle)
        status =
            differs(ctx, path, "the order of the data", there.no_shuffle ? "their own" : "shuffled",
                params->no_shuffle ? "their own" : "shuffled");
    if (status == NT_OK)
        status =
            check_int(ctx, path, "the number of training items", get_int(json, "items"), items);
    return status;
}

/* "NAME=VALUE" of each stored setting. */
static bool copy_settings(const json_t *settings, struct nt_trainer_stored *out, json_t *keep)
{
    const char *key;
    json_t *value;
    out->settings = calloc(json_object_size(settings) + 1, sizeof *out->settings);
    if (!out->settings)
        return false;
    json_object_foreach((json_t *)settings, key, value)
    {
        json_t *pair = json_sprintf("%s=%s", key, json_string_value(value));
        if (!pair || json_array_append_new(keep, pair) != 0)
            return false;
        out->settings[out->setting_count++] = json_string_value(pair);
    }
    return true;
}

enum nt_status nt_trainer_read_params(
    struct nt_context *ctx, const char *path, struct nt_trainer_stored *out)
{
    json_t *json;
    enum nt_status status = nt_trainer_state_load(ctx, path, &json);
    if (status != NT_OK)
        return status;
    memset(out, 0, sizeof *out);
    read_params(json_object_get(json, "params"), &out->params);
    out->model = get_text(json, "model");
    out->step = get_int(json, "step");
    out->epoch = get_int(json, "epochs_done");
    out->memory = json;
    json_t *keep = json_array();
    bool done = keep && copy_settings(json_object_get(json, "settings"), out, keep);
    if (keep && json_object_set_new(json, "pairs", keep) != 0)
        done = false;
    if (!done) {
        nt_trainer_stored_finish(out);
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for its training state", path);
    }
    return NT_OK;
}

void nt_trainer_stored_finish(struct nt_trainer_stored *stored)
{
    free(stored->settings);
    json_decref(stored->memory);
    memset(stored, 0, sizeof *stored);
}
