/* SPDX-License-Identifier: MIT */
#include "frontend/trainer_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/checkpoint.h"
#include "frontend/data_info.h"
#include "frontend/file.h"
#include "frontend/progress.h"
#include "frontend/utf8.h"

#define DEFAULT_BATCH 64
#define DEFAULT_EPOCHS 10
#define LOG_LINES 200       /* of a whole training, about */
#define MAX_LOG_EVERY 50    /* sums are kept in float32 on the device */
#define MOST_BETA 0.9999999 /* 1 would divide by zero */

double nt_default_learning_rate(enum nt_optimizer optimizer)
{
    switch (optimizer) {
    case NT_OPTIMIZER_SGD:
        return 0.05;
    case NT_OPTIMIZER_ADAM:
    case NT_OPTIMIZER_ADAMW:
        return 0.001;
    default: /* as PyTorch's */
        return 0.01;
    }
}

/* ---- making a trainer ---- */

static enum nt_status check_range(
    struct nt_context *ctx, const char *what, double value, double min, double max)
{
    if (value >= min && value <= max)
        return NT_OK;
    return nt_fail(
        ctx, NT_ERR_ARGUMENT, "trainer: %s %g: must be from %g to %g", what, value, min, max);
}

static enum nt_status check_params(struct nt_context *ctx, const struct nt_trainer_params *p)
{
    const struct {
        const char *what;
        double value, min, max;
    } rules[] = {
        {"batch", (double)p->batch, 0, 1e9},
        {"epochs", (double)p->epochs, 0, 1e9},
        {"steps", (double)p->steps, 0, 1e15},
        {"learning rate", p->learning_rate, 0, 1e300},
        {"momentum", p->momentum, 0, 1},
        {"weight decay", p->weight_decay, 0, 1e6},
        {"l1", p->l1, 0, 1e6},
        {"clip_value", p->clip_value, 0, 1e30},
        {"clip_norm", p->clip_norm, 0, 1e30},
        {"alpha", p->alpha, 0, 1},
        {"beta1", p->beta1, 0, MOST_BETA},
        {"beta2", p->beta2, 0, MOST_BETA},
        {"epsilon", p->epsilon, 0, 1},
        {"warmup", (double)p->warmup, 0, 1e15},
        {"step size", (double)p->step_size, 0, 1e9},
        {"log_every", (double)p->log_every, 0, 1e15},
        {"save_every", (double)p->save_every, 0, 1e15},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        enum nt_status status =
            check_range(ctx, rules[i].what, rules[i].value, rules[i].min, rules[i].max);
        if (status != NT_OK)
            return status;
    }
    const struct {
        const char *what, *text;
    } texts[] = {{"data", p->data}, {"no_decay", p->no_decay}, {"freeze", p->freeze}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].text && !nt_utf8_is(texts[i].text, strlen(texts[i].text)))
            return nt_fail(ctx, NT_ERR_ARGUMENT,
                "trainer: %s '%s': must be UTF-8, for checkpoints keep it", texts[i].what,
                texts[i].text);
    if (p->nesterov && (p->optimizer != NT_OPTIMIZER_SGD || p->momentum == 0))
        return nt_fail(ctx, NT_ERR_ARGUMENT, "trainer: nesterov: needs sgd with a momentum");
    if (p->resume && !p->out)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "trainer: resume: needs the folder of the training");
    return NT_OK;
}

/* Puts defaults in place of zeros. */
static enum nt_status settle(struct nt_trainer *t)
{
    struct nt_trainer_params *p = &t->params;
    int64_t items = nt_dataset_get_info(t->train)->count;
    if (p->batch == 0)
        p->batch = items > 0 && items < DEFAULT_BATCH ? items : DEFAULT_BATCH;
    if (items < p->batch)
        return nt_fail(t->ctx, NT_ERR_ARGUMENT,
            "batch %lld: larger than the %lld items of the training data", (long long)p->batch,
            (long long)items);
    if (p->learning_rate == 0)
        p->learning_rate = nt_default_learning_rate(p->optimizer);
    if (p->epochs == 0)
        p->epochs = DEFAULT_EPOCHS;
    t->steps_per_epoch = items / p->batch;
    t->total_steps = p->steps ? p->steps : p->epochs * t->steps_per_epoch;
    if (p->steps)
        p->epochs = (p->steps + t->steps_per_epoch - 1) / t->steps_per_epoch;
    if (p->log_every == 0) {
        p->log_every = t->total_steps / LOG_LINES;
        p->log_every = p->log_every < 1 ? 1 : p->log_every;
        p->log_every = p->log_every > MAX_LOG_EVERY ? MAX_LOG_EVERY : p->log_every;
    }
    t->schedule = (struct nt_schedule){
        .kind = p->schedule,
        .learning_rate = p->learning_rate,
        .steps = t->total_steps,
        .warmup = p->warmup,
        .step_size = p->step_size * t->steps_per_epoch,
        .gamma = p->gamma,
        .power = p->power,
    };
    return NT_OK;
}

/* A killed run leaves the temporary file that it was writing. */
static void remove_leftovers(const char *dir)
{
    DIR *folder = opendir(dir);
    for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;) {
        const char *name = entry->d_name, *tail = strrchr(name, '.');
        bool ours =
            !strncmp(name, "last.safetensors.", 17) || !strncmp(name, "best.safetensors.", 17);
        if (ours && !strcmp(tail, ".tmp"))
            unlinkat(dirfd(folder), name, 0);
    }
    if (folder)
        closedir(folder);
}

/* Two trainings in one folder would each overwrite what the other saved. A file system without
 * locks leaves it at that. */
static enum nt_status lock_folder(struct nt_trainer *t, const char *dir)
{
    t->folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->folder >= 0 && flock(t->folder, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return nt_fail(t->ctx, NT_ERR_FILE,
            "%s: another training is writing into this folder: each needs its own", dir);
    return NT_OK;
}

#define FORMER "former"

/* A training that begins anew where another has been does not take its place. */
static enum nt_status keep_former(struct nt_trainer *t, const char *dir)
{
    static const char *const names[] = {
        "last.safetensors", "best.safetensors", "metrics.jsonl", "curve.svg"};
    struct stat found;
    char former[4096];
    if (t->params.resume || stat(t->last, &found) != 0)
        return NT_OK;
    enum nt_status status = nt_file_join(t->ctx, former, sizeof former, dir, FORMER);
    if (status == NT_OK)
        status = nt_file_make_folder(t->ctx, former);
    for (size_t i = 0; status == NT_OK && i < sizeof names / sizeof *names; i++) {
        char from[4096], to[4096];
        status = nt_file_join(t->ctx, from, sizeof from, dir, names[i]);
        if (status == NT_OK)
            status = nt_file_join(t->ctx, to, sizeof to, former, names[i]);
        if (status == NT_OK && rename(from, to) != 0 && (errno != ENOENT || unlink(to) != 0) &&
            errno != ENOENT)
            status = nt_fail(
                t->ctx, NT_ERR_FILE, "%s: cannot move to %s: %s", from, to, strerror(errno));
    }
    if (status == NT_OK)
        nt_log(t->ctx, NT_LOG_INFO, "what was trained in %s before is kept in %s", dir, former);
    return status;
}

static enum nt_status open_folder(struct nt_trainer *t)
{
    const char *dir = t->params.out;
    if (!dir)
        return NT_OK;
    enum nt_status status = nt_file_make_folder(t->ctx, dir);
    if (status == NT_OK)
        status = lock_folder(t, dir);
    if (status == NT_OK)
        status = nt_file_join(t->ctx, t->last, sizeof t->last, dir, "last.safetensors");
    if (status == NT_OK)
        status = nt_file_join(t->ctx, t->best, sizeof t->best, dir, "best.safetensors");
    return status;
}

/* Whether the counters of a checkpoint fit each other and the data. */
static enum nt_status check_position(const struct nt_trainer *t)
{
    const struct nt_trainer_state *s = &t->state;
    int64_t length = t->steps_per_epoch;
    bool fits = s->step >= 0 && s->position >= 0 && s->position <= length &&
                s->position <= s->step && s->epochs_done == (s->step - s->position) / length &&
                s->position == s->step - s->epochs_done * length && s->ended_step <= s->step &&
                s->line_step <= s->step;
    if (fits)
        return NT_OK;
    return nt_fail(t->ctx, NT_ERR_FORMAT,
        "%s: its training state is broken: step %lld is not batch %lld after %lld epochs of %lld",
        t->last, (long long)s->step, (long long)s->position, (long long)s->epochs_done,
        (long long)length);
}

static enum nt_status resume(struct nt_trainer *t)
{
    json_t *json;
    enum nt_status status = nt_trainer_state_load(t->ctx, t->last, &json);
    if (status != NT_OK)
        return nt_fail_prefix(t->ctx, status, "resume");
    int64_t items = nt_dataset_get_info(t->train)->count;
    status = nt_trainer_state_check(t->ctx, t->last, json, &t->params, items, t->model);
    if (status == NT_OK)
        status = nt_checkpoint_load(t->ctx, t->weights, t->params.optimizer, t->last);
    if (status == NT_OK) {
        nt_trainer_state_read(json, &t->state);
        t->saved = true;
        t->saved_step = t->state.step;
        status = check_position(t);
    }
    json_decref(json);
    return status;
}

static enum nt_status start(struct nt_trainer *t)
{
    t->state = (struct nt_trainer_state){.items = nt_dataset_get_info(t->train)->count,
        .validation_loss = NAN,
        .validation_accuracy = NAN,
        .best = NAN,
        .best_loss = NAN};
    if (t->params.resume)
        return resume(t);
    return t->params.weights ? nt_weights_load(t->weights, t->params.weights) : NT_OK;
}

static enum nt_status prepare(struct nt_trainer *t)
{
    struct nt_trainer_params *p = &t->params;
    const struct nt_dataset_info *info = nt_dataset_get_info(t->train);
    const struct nt_session_params wanted = {.batch = p->batch,
        .training = true,
        .optimizer = p->optimizer,
        .clip_norm = p->clip_norm > 0,
        .no_decay = p->no_decay,
        .freeze = p->freeze,
        .memory_limit = p->memory_limit};
    enum nt_status status = open_folder(t);
    if (status == NT_OK)
        status = nt_weights_create(
            t->dev, t->model, p->seed, nt_optimizer_slots(p->optimizer), &t->weights);
    if (status == NT_OK)
        status = start(t);
    if (status == NT_OK)
        status = nt_session_create(t->dev, t->model, t->weights, &wanted, &t->session);
    if (status == NT_OK)
        status = nt_check_data(t->ctx, t->session, t->train);
    if (status == NT_OK && p->validation) /* not after an epoch only */
        status = nt_check_data(t->ctx, t->session, p->validation);
    if (status == NT_OK && p->out) {
        remove_leftovers(p->out);
        status = keep_former(t, p->out);
    }
    if (status == NT_OK && p->out)
        status = nt_metrics_log_open(
            t->ctx, p->out, p->resume ? t->state.step : -1, t->state.epochs_done, &t->log);
    if (status != NT_OK)
        return status;
    t->item_bytes = (size_t)nt_shape_count(&info->item) * sizeof(float);
    t->target_bytes = (size_t)nt_shape_count(&info->target) * nt_dtype_size(info->target_dtype);
    t->has_classes = nt_has_accuracy(t->session, t->train);
    t->data_info = nt_data_info_write(info);
    return t->data_info ? NT_OK : nt_fail(t->ctx, NT_ERR_MEMORY, "trainer: no memory");
}

static char *copy(const char *text, bool *failed)
{
    char *result = text ? strdup(text) : NULL;
    *failed = *failed || (text && !result);
    return result;
}

enum nt_status nt_trainer_create(struct nt_device *dev, struct nt_model *model,
    const struct nt_dataset *train, const struct nt_trainer_params *params, struct nt_trainer **out)
{
    static const struct nt_trainer_params defaults;
    struct nt_context *ctx = nt_device_context(dev);
    params = params ? params : &defaults;
    enum nt_status status = check_params(ctx, params);
    if (status != NT_OK)
        return status;
    struct nt_trainer *t = calloc(1, sizeof *t);
    bool failed = !t;
    if (t) {
        *t = (struct nt_trainer){.ctx = ctx,
            .dev = dev,
            .model = model,
            .train = train,
            .params = *params,
            .folder = -1,
            .report.items_per_second = NAN};
        t->params.out = copy(params->out, &failed);
        t->params.weights = copy(params->weights, &failed);
        t->params.data = copy(params->data, &failed);
        t->params.no_decay = copy(params->no_decay, &failed);
        t->params.freeze = copy(params->freeze, &failed);
    }
    status = failed ? nt_fail(ctx, NT_ERR_MEMORY, "trainer: no memory") : settle(t);
    if (status == NT_OK)
        status = prepare(t);
    if (status != NT_OK) {
        nt_trainer_destroy(t);
        return status;
    }
    *out = t;
    return NT_OK;
}

void nt_trainer_destroy(struct nt_trainer *t)
{
    if (!t)
        return;
    nt_metrics_log_close(t->log);
    if (t->folder >= 0)
        close(t->folder);
    nt_evaluator_destroy(t->evaluator);
    nt_session_destroy(t->session);
    nt_weights_destroy(t->weights);
    free(t->data_info);
    free((char *)t->params.out);
    free((char *)t->params.weights);
    free((char *)t->params.data);
    free((char *)t->params.no_decay);
    free((char *)t->params.freeze);
    free(t);
}

struct nt_weights *nt_trainer_weights(struct nt_trainer *t)
{
    return t->weights;
}

/* ---- checkpoints ---- */

double nt_trainer_seconds(const struct nt_trainer *t)
{
    return t->state.seconds + (t->running ? nt_progress_now() - t->run_begin : 0);
}

enum nt_status nt_trainer_save(struct nt_trainer *t, const char *path)
{
    struct nt_trainer_state state = t->state;
    state.seconds = nt_trainer_seconds(t);
    json_t *json = nt_trainer_state_write(&state, &t->params, t->model);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!text)
        return nt_fail(t->ctx, NT_ERR_MEMORY, "%s: no memory for the training state", path);
    const struct nt_safetensors_text metadata[] = {
        {"format", "pt"}, /* how other readers know that the order is row-major */
        {NT_CHECKPOINT_STATE, text},
        {NT_CHECKPOINT_DATA, t->data_info},
    };
    enum nt_status status =
        nt_checkpoint_save(t->ctx, t->weights, t->params.optimizer, path, metadata, 3);
    free(text);
    return status;
}
