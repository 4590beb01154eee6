/* SPDX-License-Identifier: MIT */
#include "frontend/cli/task.h"
#include "frontend/cli/train.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/device.h"
#include "frontend/file.h"
#include "frontend/progress.h"

struct cli_train_options {
    int64_t epochs, steps, batch, warmup, step_size, seed, save_every, log_every;
    int optimizer, schedule, augment;
    double lr, momentum, weight_decay, l1, beta1, beta2, alpha, epsilon, clip_norm, clip_value;
    double gamma, power, validation;
    bool nesterov, centered, no_shuffle, fold;
    const char *weights, *out, *resume, *loss, *head, *onnx, *memory_limit;
    struct cli_list no_decay, freeze;
};

#define AT(field) offsetof(struct cli_train_options, field)
#define MANY 1e15
#define MOST_EPOCHS 1e9
#define MOST_BETA 0.9999999

static const struct cli_option options[] = {
    {"epochs", CLI_INT, AT(epochs), "E", "passes over the training data (default 10)", 1,
        MOST_EPOCHS},
    {"steps", CLI_INT, AT(steps), "S", "end after S batches instead", 1, MANY},
    {"batch", CLI_INT, AT(batch), "B", "items per step (default 64)", 1, 1e9},
    {"optimizer", CLI_CHOICE, AT(optimizer), "sgd|adam|adamw|adagrad|rmsprop", "(default sgd)"},
    {"lr", CLI_REAL, AT(lr), "R",
        "learning rate (default 0.05 for sgd, 0.001 for adam and adamw, 0.01 for the others)",
        1e-300, 1e300},
    {"momentum", CLI_REAL, AT(momentum), "M", "of sgd and rmsprop (default 0)", 0, 1},
    {"nesterov", CLI_FLAG, AT(nesterov), NULL, "Nesterov's momentum"},
    {"weight-decay", CLI_REAL, AT(weight_decay), "D",
        "added to the gradient; decoupled in adamw (default 0)", 0, 1e6},
    {"l1", CLI_REAL, AT(l1), "L",
        "L1 regularisation: L sign(w) is added to the gradient (default 0)", 0, 1e6},
    {"no-decay", CLI_LIST, AT(no_decay), "PATTERN",
        "no weight decay and no L1 for parameters of such names, as '*.bias'"},
    {"freeze", CLI_LIST, AT(freeze), "PATTERN",
        "parameters of such names are not trained, as 'conv*'"},
    {"clip-norm", CLI_REAL, AT(clip_norm), "N",
        "scale the gradients down to this global norm (default 0: do not)", 0, 1e30},
    {"clip-value", CLI_REAL, AT(clip_value), "V",
        "limit each element of the gradients to -V..V (default 0: do not)", 0, 1e30},
    {"beta1", CLI_REAL, AT(beta1), "R", "of adam and adamw (default 0.9)", 1e-9, MOST_BETA},
    {"beta2", CLI_REAL, AT(beta2), "R", "of adam and adamw (default 0.999)", 1e-9, MOST_BETA},
    {"epsilon", CLI_REAL, AT(epsilon), "R", "of all but sgd (default 1e-8; adagrad 1e-10)", 1e-30,
        1},
    {"alpha", CLI_REAL, AT(alpha), "R", "of rmsprop: decay of its averages (default 0.99)", 1e-9,
        1},
    {"centered", CLI_FLAG, AT(centered), NULL, "rmsprop by the variance of the gradient"},
    {"schedule", CLI_CHOICE, AT(schedule), "constant|step|cosine|poly",
        "of the learning rate (default constant)"},
    {"warmup", CLI_INT, AT(warmup), "S", "steps in which the rate rises from 0 (default 0)", 0,
        MANY},
    {"step-size", CLI_INT, AT(step_size), "E",
        "schedule step: epochs between drops (default a third of them)", 1, MOST_EPOCHS},
    {"gamma", CLI_REAL, AT(gamma), "R", "schedule step: factor of a drop (default 0.1)", 1e-9, 1},
    {"power", CLI_REAL, AT(power), "R", "schedule poly: exponent (default 1)", 1e-9, 100},
    {"validation", CLI_REAL, AT(validation), "SHARE",
        "evaluate on this share of the training data, set aside (default: on the test part; 0.1 "
        "where there is none)",
        0, 0.99},
    {"augment", CLI_CHOICE, AT(augment), "auto|none|flip|crop|both",
        "random changes to training pictures (default auto: both for images:)"},
    {"weights", CLI_TEXT, AT(weights), "FILE", "start from these weights"},
    {"memory-limit", CLI_TEXT, AT(memory_limit), "SIZE",
        "device memory of a step, as 800M or 1.5G (K, M, G: 1024 bytes, ...): activations are "
        "computed again where they do not fit, with the same results (default: any)"},
    {"seed", CLI_INT, AT(seed), "N",
        "of weights and order: the same seed, the same result "
        "(default 1)",
        0, 9e18},
    {"no-shuffle", CLI_FLAG, AT(no_shuffle), NULL, "the data in their own order"},
    {"save-every", CLI_INT, AT(save_every), "S", "a checkpoint every S steps too", 1, MANY},
    {"log-every", CLI_INT, AT(log_every), "S",
        "steps between lines of metrics.jsonl (default: about 200 lines)", 1, MANY},
    {"out", CLI_TEXT, AT(out), "DIR", "where results go (default runs/MODEL)"},
    {"loss", CLI_TEXT, AT(loss), "LOSS",
        "of an ONNX file: cross_entropy, mse_loss, ... (default cross_entropy for classes, "
        "mse_loss for numbers)"},
    {"head", CLI_TEXT, AT(head), "classes=N",
        "of an ONNX file: a new last layer with so many classes"},
    {"export", CLI_TEXT, AT(onnx), "FILE.onnx", "write what was trained, the best of it, as ONNX"},
    {"fold-batch-norm", CLI_FLAG, AT(fold), NULL,
        "in that file batch normalisation is part of the weights before it"},
    {"resume", CLI_TEXT, AT(resume), "DIR",
        "go on from DIR/last.safetensors with the options of then; --epochs may be raised"},
    {0},
};

/* ---- from options to a trainer ---- */

static void take_int(int64_t given, int64_t *value)
{
    if (given != CLI_UNSET_INT)
        *value = given;
}

static void take_real(double given, double *value)
{
    if (!isnan(given))
        *value = given;
}

/* By the words of --augment. */
static const unsigned augments[] = {NT_AUGMENT_DEFAULT, NT_AUGMENT_NONE, NT_AUGMENT_FLIP,
    NT_AUGMENT_CROP, NT_AUGMENT_FLIP | NT_AUGMENT_CROP};

/* Given options over the parameters of the resumed training or the defaults. */
static void take_options(struct nt_trainer_params *p, const struct cli_train_options *o)
{
    int64_t seed = (int64_t)p->seed;
    take_int(o->epochs, &p->epochs);
    take_int(o->steps, &p->steps);
    if (o->epochs != CLI_UNSET_INT && o->steps == CLI_UNSET_INT)
        p->steps = 0; /* a resumed training may have counted steps */
    take_int(o->batch, &p->batch);
    take_int(o->warmup, &p->warmup);
    take_int(o->step_size, &p->step_size);
    take_int(o->seed, &seed);
    take_int(o->save_every, &p->save_every);
    take_int(o->log_every, &p->log_every);
    take_real(o->lr, &p->learning_rate);
    take_real(o->momentum, &p->momentum);
    take_real(o->weight_decay, &p->weight_decay);
    take_real(o->l1, &p->l1);
    take_real(o->alpha, &p->alpha);
    take_real(o->clip_norm, &p->clip_norm);
    take_real(o->clip_value, &p->clip_value);
    take_real(o->beta1, &p->beta1);
    take_real(o->beta2, &p->beta2);
    take_real(o->epsilon, &p->epsilon);
    take_real(o->gamma, &p->gamma);
    take_real(o->power, &p->power);
    take_real(o->validation, &p->validation_share);
    if (o->optimizer != CLI_UNSET_CHOICE)
        p->optimizer = (enum nt_optimizer)o->optimizer;
    if (o->centered && p->optimizer == NT_OPTIMIZER_RMSPROP)
        p->optimizer = NT_OPTIMIZER_RMSPROP_CENTERED;
    if (o->schedule != CLI_UNSET_CHOICE)
        p->schedule = (enum nt_schedule_kind)o->schedule;
    if (o->augment != CLI_UNSET_CHOICE)
        p->augment = augments[o->augment];
    p->nesterov = p->nesterov || o->nesterov;
    p->no_shuffle = p->no_shuffle || o->no_shuffle;
    p->seed = (uint64_t)seed;
    p->weights = o->weights;
}

/* "a,b" from the patterns given; those of the resumed training where there are none. */
static enum nt_status join_patterns(struct cli *cli, const char *option,
    const struct cli_list *list, char *text, size_t size, const char **out)
{
    size_t length = 0;
    for (int i = 0; i < list->count; i++) {
        length += (size_t)snprintf(
            text + length, size - length, "%s%s", i > 0 ? "," : "", list->items[i]);
        if (length >= size)
            return nt_fail(cli->ctx, NT_ERR_ARGUMENT, "--%s: more than %zu letters", option, size);
        *out = text;
    }
    return NT_OK;
}

static enum nt_status take_patterns(struct cli_training *w)
{
    enum nt_status status = join_patterns(w->cli, "no-decay", &w->options->no_decay, w->no_decay,
        sizeof w->no_decay, &w->params.no_decay);
    if (status == NT_OK)
        status = join_patterns(
            w->cli, "freeze", &w->options->freeze, w->freeze, sizeof w->freeze, &w->params.freeze);
    return status;
}

/* "1.5G" in bytes; 0 when it is no size. */
static size_t parse_size(const char *text)
{
    static const char units[] = "KMG";
    char *end;
    double bytes = strtod(text, &end);
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (unit) {
        end++;
        for (ptrdiff_t i = unit - units; i >= 0; i--)
            bytes *= 1024;
    }
    bool sized = end != text && !*end && bytes >= 1 && bytes <= 0x1p53;
    return sized ? (size_t)bytes : 0;
}

/* Tells of options that the optimizer or the schedule does without. */
static void tell_idle(const struct cli_training *w)
{
    const struct cli_train_options *o = w->options;
    enum nt_optimizer by = w->params.optimizer;
    enum nt_schedule_kind kind = w->params.schedule;
    bool adam = by == NT_OPTIMIZER_ADAM || by == NT_OPTIMIZER_ADAMW;
    bool rms = by == NT_OPTIMIZER_RMSPROP || by == NT_OPTIMIZER_RMSPROP_CENTERED;
    bool sgd = by == NT_OPTIMIZER_SGD;
    const char *optimizer = nt_optimizer_name(by);
    char schedule[64];
    snprintf(schedule, sizeof schedule, "the schedule %s", nt_schedule_name(kind));
    const struct {
        const char *option;
        bool given, used;
        const char *without;
    } rules[] = {
        {"momentum", !isnan(o->momentum), sgd || rms, optimizer},
        {"beta1", !isnan(o->beta1), adam, optimizer},
        {"beta2", !isnan(o->beta2), adam, optimizer},
        {"alpha", !isnan(o->alpha), rms, optimizer},
        {"epsilon", !isnan(o->epsilon), !sgd, optimizer},
        {"step-size", o->step_size != CLI_UNSET_INT, kind == NT_SCHEDULE_STEP, schedule},
        {"gamma", !isnan(o->gamma), kind == NT_SCHEDULE_STEP, schedule},
        {"power", !isnan(o->power), kind == NT_SCHEDULE_POLY, schedule},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].given && !rules[i].used)
            cli_note(w->cli, "warning: --%s: changes nothing: %s has none", rules[i].option,
                rules[i].without);
}

static enum nt_status read_resumed(struct cli_training *w)
{
    const char *dir = w->options->resume;
    struct nt_context *ctx = w->cli->ctx;
    enum nt_status status =
        nt_file_join(ctx, w->checkpoint, sizeof w->checkpoint, dir, "last.safetensors");
    if (status == NT_OK)
        status = nt_trainer_read_params(ctx, w->checkpoint, &w->stored);
    if (status != NT_OK)
        return nt_fail_prefix(ctx, status, "--resume %s", dir);
    w->params = w->stored.params;
    if (!w->cli->data && *w->params.data)
        w->cli->data = w->params.data;
    return NT_OK;
}

static enum nt_status open_split(
    struct cli_training *w, enum nt_split split, double share, struct nt_dataset **out)
{
    const struct nt_dataset_params params = {
        .split = split,
        .validation_share = share,
        .seed = w->params.seed,
        .augment = w->params.augment,
    };
    return cli_open_data(w->cli, w->model, w->options->resume ? w->checkpoint : NULL, &params, out);
}

#define SHARE_WITHOUT_TEST 0.1

/* Chooses what is evaluated on. */
static void choose_parts(struct cli_training *w)
{
    bool given = !isnan(w->options->validation) || w->options->resume;
    struct nt_dataset_parts parts = nt_dataset_find_parts(w->cli->data);
    bool has_parts = parts.test || parts.validation;
    double share = w->params.validation_share;
    if (!given && !has_parts)
        share = SHARE_WITHOUT_TEST;
    w->params.validation_share = share;
    w->split = share > 0 || parts.validation ? NT_SPLIT_VALIDATION : NT_SPLIT_TEST;
    w->held_out_word = w->split == NT_SPLIT_TEST ? "test" : "validation";
    w->evaluates = !(share == 0 && (!has_parts || w->options->validation == 0));
}

static void *open_train(void *user)
{
    struct cli_training *w = user;
    w->train_status = open_split(w, NT_SPLIT_TRAIN, w->params.validation_share, &w->train);
    return NULL;
}

/* The training data are read and unpacked while the device is opened. */
static enum nt_status open_all(struct cli_training *w)
{
    pthread_t thread;
    choose_parts(w);
    bool beside = pthread_create(&thread, NULL, open_train, w) == 0;
    if (!beside)
        open_train(w);
    enum nt_status status = cli_open_device(w->cli, &w->dev);
    if (status == NT_OK && w->evaluates)
        status = open_split(w, w->split, w->params.validation_share, &w->held_out);
    if (beside)
        pthread_join(thread, NULL);
    if (status == NT_OK)
        status = w->train_status;
    if (status == NT_OK)
        w->item_word = nt_dataset_get_info(w->train)->item.rank == 3 ? "images" : "items";
    return status;
}

struct fit {
    const char *setting;
    int64_t value; /* what the data ask for */
    int axis;      /* of the items, which have it for their extent; -1: none */
};

/* The place of a setting; -1: the model declares none of this name. */
static int find_setting(const struct cli_training *w, const char *name)
{
    int i = nt_model_setting_count(w->model) - 1;
    while (i >= 0 && strcmp(nt_model_setting(w->model, i).name, name) != 0)
        i--;
    return i;
}

/* Whether the model declares the setting, it was not given, stands at another value, and the first
 * input has another extent, too: a setting of this name may mean something else. */
static bool is_unfit(const struct cli_training *w, const struct fit *fit)
{
    int setting = find_setting(w, fit->setting);
    if (setting < 0 || cli_is_set(w->cli, fit->setting) ||
        strtoll(nt_model_setting(w->model, setting).value, NULL, 10) == fit->value)
        return false;
    if (fit->axis < 0 || nt_model_input_count(w->model) == 0)
        return true;
    struct nt_model_input input = nt_model_get_input(w->model, 0);
    return input.item_shape.rank != nt_dataset_get_info(w->train)->item.rank ||
           input.item_shape.dim[fit->axis] != fit->value;
}

/* Settings that only say what the data are like need not be given: classes, and the size of
 * pictures that come in one size. */
static enum nt_status fit_to_data(struct cli_training *w)
{
    const struct nt_dataset_info *info = nt_dataset_get_info(w->train);
    bool sized = !strcmp(info->kind, "images") || !strcmp(info->kind, "segmentation") ||
                 !strcmp(info->kind, "boxes") || !strcmp(info->kind, "text") ||
                 !strcmp(info->kind, "captions") || info->forecasts; /* by the model */
    const int64_t *dim = info->item.dim;
    bool pictures = info->item.rank == 3 && !sized;
    bool sides = pictures && find_setting(w, "height") >= 0; /* alone, a width is of the network */
    const struct fit fits[] = {
        {"classes", info->classes, -1},
        {"channels", pictures ? dim[0] : 0, 0},
        {"size", pictures && dim[1] == dim[2] ? dim[1] : 0, 1},
        {"height", sides ? dim[1] : 0, 1},
        {"width", sides ? dim[2] : 0, 2},
        {"features", info->item.rank == 1 && !sized ? dim[0] : 0, 0},
    };
    bool changed = !w->options->resume && cli_fit_loss(w->cli, w->model, info);
    for (size_t i = 0; i < sizeof fits / sizeof *fits; i++) {
        if (fits[i].value < 1 || w->options->resume || !is_unfit(w, &fits[i]))
            continue;
        snprintf(w->fitted[i], sizeof w->fitted[i], "%s=%lld", fits[i].setting,
            (long long)fits[i].value);
        cli_note(w->cli, "%s, as the data have it", w->fitted[i]);
        if (!cli_add_setting(w->cli, w->fitted[i]))
            return nt_fail(w->cli->ctx, NT_ERR_MEMORY, "no memory for settings");
        changed = true;
    }
    if (!changed)
        return NT_OK;
    nt_model_destroy(w->model);
    w->model = NULL;
    return cli_load_model(w->cli, NULL, &w->model);
}

static enum nt_status set_up(struct cli_training *w)
{
    struct cli *cli = w->cli;
    const struct cli_train_options *o = w->options;
    enum nt_status status = o->resume ? read_resumed(w) : NT_OK;
    if (status != NT_OK)
        return status;
    take_options(&w->params, o);
    tell_idle(w);
    if (o->memory_limit)
        w->params.memory_limit = parse_size(o->memory_limit);
    status = take_patterns(w);
    if (status != NT_OK)
        return status;
    status = cli_load_model(cli, o->resume ? w->checkpoint : NULL, &w->model);
    if (status == NT_OK)
        status = open_all(w);
    if (status == NT_OK)
        status = fit_to_data(w);
    if (status != NT_OK)
        return status;
    snprintf(w->out, sizeof w->out, "runs/%s", nt_model_name(w->model));
    w->params.out = o->resume ? o->resume : o->out ? o->out : w->out;
    w->params.resume = o->resume != NULL;
    w->params.workers = cli->workers == CLI_UNSET_INT ? 0 : (int)cli->workers;
    take_real(cli->max_unreadable, &w->params.max_unreadable);
    w->params.validation = w->held_out;
    w->params.data = cli->data;
    w->params.stop = &cli_stop;
    w->params.report = cli_train_report;
    w->params.user = w;
    return nt_trainer_create(w->dev, w->model, w->train, &w->params, &w->trainer);
}

static int train(struct cli_training *w)
{
    struct cli *cli = w->cli;
    struct nt_training result = {0};
    const struct nt_progress_params progress = {.file = stderr};
    cli->progress = nt_progress_create(&progress);
    if (nt_progress_due(cli->progress))
        nt_progress_show(cli->progress, "preparing data, device and kernels", -1, 0, NULL);
    enum nt_status status = set_up(w);
    if (status == NT_OK) {
        cli_train_introduce(w);
        status = nt_trainer_run(w->trainer, &result);
    }
    nt_progress_destroy(cli->progress);
    cli->progress = NULL;
    int code = CLI_DONE;
    char model[4200], out[4200];
    if (status != NT_OK)
        code = cli_fail(cli, status);
    if (status == NT_ERR_INTERRUPTED)
        cli_propose(cli, "go on with", "train %s --resume %s",
            cli_quote(cli->arguments[0], model, sizeof model),
            cli_quote(w->params.out, out, sizeof out));
    else if (status == NT_OK && w->stored.step == result.step && !w->ended)
        cli_note(cli, "nothing left to do: all %lld steps are done; --epochs sets more",
            (long long)result.step);
    else if (status == NT_OK)
        cli_train_conclude(w, &result);
    if (status == NT_OK && w->options->onnx) {
        status =
            cli_export(cli, w->dev, w->model, w->params.out, w->options->fold, w->options->onnx);
        code = status == NT_OK ? code : cli_fail(cli, status);
    }
    if (cli->json && (status == NT_OK || status == NT_ERR_INTERRUPTED))
        cli_train_print(w, &result, status);
    return code;
}

static int run(struct cli *cli, void *fields)
{
    const struct cli_train_options *o = fields;
    if (!cli->data && !o->resume)
        return cli_usage(cli, "--data: is missing: --data fashion-mnist, --data images:DIR, ...");
    if (o->resume && o->out && strcmp(o->resume, o->out))
        return cli_usage(cli, "--out: a resumed training stays in its folder, %s", o->resume);
    if (o->resume && o->weights)
        return cli_usage(cli, "--weights: a resumed training has its own");
    if (o->centered && o->optimizer != NT_OPTIMIZER_RMSPROP)
        return cli_usage(cli, "--centered: is for --optimizer rmsprop");
    if (o->memory_limit && !parse_size(o->memory_limit))
        return cli_usage(cli,
            "--memory-limit: %s: must be a number of bytes above 0, or one with K, M or G behind "
            "it",
            o->memory_limit);
    if (o->fold && !o->onnx)
        return cli_usage(cli, "--fold-batch-norm: is for --export");
    int wrong = cli_take_task(cli, o->loss, o->head);
    if (wrong >= 0)
        return wrong;
    cli_catch_signals();
    struct cli_training *w = calloc(1, sizeof *w);
    if (!w)
        return cli_fail(cli, nt_fail(cli->ctx, NT_ERR_MEMORY, "no memory"));
    w->cli = cli;
    w->options = o;
    w->params.seed = 1;
    int code = train(w);
    nt_trainer_destroy(w->trainer);
    nt_dataset_close(w->held_out);
    nt_dataset_close(w->train);
    cli_close_device(cli, w->dev);
    nt_model_destroy(w->model);
    if (w->stored.memory)
        nt_trainer_stored_finish(&w->stored);
    free(w);
    return code;
}

const struct cli_command cli_train = {
    .name = "train",
    .arguments = "MODEL --data SPEC [OPTION]...",
    .summary = "Train a model on data.",
    .details =
        "Writes DIR/last.safetensors and DIR/best.safetensors (weights, optimizer and\n"
        "position), DIR/metrics.jsonl and DIR/curve.svg. Ctrl-C finishes the step and\n"
        "saves; a second one ends at once. What an earlier training left in DIR is kept\n"
        "in DIR/former.\n\n"
        "  neutra train zoo/lenet.lua --data fashion-mnist --epochs 5 --lr 0.01 --momentum 0.9\n"
        "  neutra train zoo/lenet.lua --resume runs/lenet\n"
        "  neutra train net.onnx --data images:pictures --head classes=5 --freeze 'features.*' "
        "--export mine.onnx",
    .shared = CLI_HAS_DATA | CLI_HAS_PICTURES | CLI_HAS_MODEL | CLI_HAS_DEVICE | CLI_HAS_PROFILE |
              CLI_HAS_JSON,
    .options = options,
    .options_size = sizeof(struct cli_train_options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
