/* SPDX-License-Identifier: MIT */
#include "frontend/cli/train.h"

#include <math.h>
#include <string.h>

#include "engine/device.h"
#include "frontend/progress.h"

static int add_part(char parts[][48], int count, const char *format, double value)
{
    if (!isnan(value))
        snprintf(parts[count++], 48, format, value);
    return count;
}

/* Share of the time without data from which on their preparation is to blame for the rate. */
#define MUCH_WAITING 0.2

static void show_live(struct cli_training *w, const struct nt_training *t)
{
    char head[64], parts[7][48], eta[32];
    const char *pointers[7];
    if (t->evaluating) {
        snprintf(head, sizeof head, "epoch %lld/%lld  evaluating", (long long)t->epoch,
            (long long)t->epochs);
        nt_progress_show(w->cli->progress, head, t->evaluated, 0, NULL);
        return;
    }
    snprintf(head, sizeof head, "epoch %lld/%lld", (long long)t->epoch, (long long)t->epochs);
    if (isnan(t->items_per_second)) {
        const char *const starting[] = {"starting: kernels are compiled at their first use"};
        nt_progress_show(w->cli->progress, head, -1, 1, starting);
        return;
    }
    int count = add_part(parts, 0, "loss %.4f", t->loss);
    count = add_part(parts, count, "accuracy %.1f %%", 100 * t->accuracy);
    snprintf(parts[count++], 48, "%.0f %s/s", t->items_per_second, w->item_word);
    if (t->waiting > MUCH_WAITING)
        count = add_part(parts, count, "waiting for data %.0f %%", 100 * t->waiting);
    snprintf(parts[count++], 48, "ETA %s", nt_progress_time(t->remaining, eta, sizeof eta));
    snprintf(parts[count++], 48, "step %lld/%lld", (long long)t->step, (long long)t->steps);
    for (int i = 0; i < count; i++)
        pointers[i] = parts[i];
    nt_progress_show(w->cli->progress, head, t->epoch_done, count, pointers);
}

static void append(char *line, size_t size, const char *format, const char *word, double value)
{
    size_t at = strlen(line);
    if (!isnan(value))
        snprintf(line + at, size - at, format, word, value);
}

static void show_epoch(struct cli_training *w, const struct nt_training *t)
{
    char line[400], waiting[48] = "";
    snprintf(line, sizeof line, "epoch %lld/%lld", (long long)t->epoch, (long long)t->epochs);
    append(line, sizeof line, "  %s%.4f", "loss ", t->loss);
    if (isnan(t->validation_accuracy)) /* one figure is enough: the line is to fit a window */
        append(line, sizeof line, ", %s %.4f", w->held_out_word, t->validation_loss);
    append(line, sizeof line, "  %s%.1f %%", "accuracy ", 100 * t->accuracy);
    append(line, sizeof line, ", %s %.1f %%", w->held_out_word, 100 * t->validation_accuracy);
    size_t at = strlen(line);
    if (t->waiting > MUCH_WAITING)
        snprintf(waiting, sizeof waiting, ", waiting for data %.0f %%", 100 * t->waiting);
    if (!isnan(t->items_per_second)) /* an epoch that only had to be evaluated has none */
        at += (size_t)snprintf(
            line + at, sizeof line - at, "  %.0f %s/s", t->items_per_second, w->item_word);
    snprintf(line + at, sizeof line - at, "%s%s", waiting,
        t->best_epoch == t->epoch && t->epoch > 1 ? "  best" : "");
    nt_progress_print(w->cli->progress, line);
}

void cli_train_report(void *user, const struct nt_training *t)
{
    struct cli_training *w = user;
    w->ended = w->ended || t->epoch_end;
    if (t->epoch_end)
        show_epoch(w, t);
    else if (nt_progress_due(w->cli->progress))
        show_live(w, t);
}

void cli_train_introduce(struct cli_training *w)
{
    const struct nt_dataset_info *train = nt_dataset_get_info(w->train);
    const struct nt_trainer_params *p = &w->params;
    char held_out[64] = "";
    if (w->held_out)
        snprintf(held_out, sizeof held_out, ", %lld for %s",
            (long long)nt_dataset_get_info(w->held_out)->count, w->held_out_word);
    cli_note(w->cli, "%s: %zu parameters; %lld %s for training%s; on %s", nt_model_name(w->model),
        nt_weights_trained_elements(nt_trainer_weights(w->trainer)), (long long)train->count,
        w->item_word, held_out, nt_device_get_info(w->dev)->name);
    double lr = p->learning_rate != 0 ? p->learning_rate : nt_default_learning_rate(p->optimizer);
    char more[96] = "";
    if (p->momentum != 0 && p->optimizer != NT_OPTIMIZER_ADAM &&
        p->optimizer != NT_OPTIMIZER_ADAMW && p->optimizer != NT_OPTIMIZER_ADAGRAD)
        snprintf(
            more, sizeof more, ", momentum %g%s", p->momentum, p->nesterov ? " (Nesterov)" : "");
    cli_note(w->cli, "%s, learning rate %g (%s)%s, seed %llu, into %s",
        nt_optimizer_name(p->optimizer), lr, nt_schedule_name(p->schedule), more,
        (unsigned long long)p->seed, p->out);
    if (p->resume)
        cli_note(w->cli, "goes on after step %lld", (long long)w->stored.step);
}

static json_t *real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

int cli_train_print(struct cli_training *w, const struct nt_training *t, enum nt_status status)
{
    json_t *files = json_array();
    static const char *const names[] = {
        "last.safetensors", "best.safetensors", "metrics.jsonl", "curve.svg"};
    for (int i = 0; i < 4; i++) {
        char path[4200];
        snprintf(path, sizeof path, "%s/%s", w->params.out, names[i]);
        json_array_append_new(files, cli_json_text(path));
    }
    return cli_print_json(w->cli,
        json_pack("{ss ss sI sI so so so so so sI sf so so sb so so}", "model",
            nt_model_name(w->model), "device", nt_device_get_info(w->dev)->name, "epochs",
            (json_int_t)t->epoch, "steps", (json_int_t)t->step, "loss", real(t->loss), "accuracy",
            real(t->accuracy), "val_loss", real(t->validation_loss), "val_accuracy",
            real(t->validation_accuracy), "best", real(t->best), "best_epoch",
            (json_int_t)t->best_epoch, "seconds", t->seconds, "items_per_second",
            real(t->items_per_second), "waiting", real(t->waiting), "interrupted",
            status == NT_ERR_INTERRUPTED, "out", cli_json_text(w->params.out), "files", files));
}

void cli_train_conclude(struct cli_training *w, const struct nt_training *t)
{
    char time[32], result[160] = "", model[4200], weights[4200], path[4200], data[4200];
    bool held_out = w->held_out != NULL;
    const char *word = held_out ? w->held_out_word : "training";
    if (t->has_accuracy && !isnan(t->best))
        snprintf(result, sizeof result, "; best %s accuracy %.2f %% (epoch %lld)", word,
            100 * t->best, (long long)t->best_epoch);
    else if (!isnan(t->best))
        snprintf(result, sizeof result, "; best %s loss %.5g (epoch %lld)", word, t->best,
            (long long)t->best_epoch);
    cli_note(w->cli, "%lld steps in %s%s", (long long)t->step,
        nt_progress_time(t->seconds, time, sizeof time), result);
    if (t->waiting > MUCH_WAITING)
        cli_note(w->cli,
            "the data were the bottleneck (%.0f %% of the last epoch): try more --workers, smaller "
            "files or a faster disk",
            100 * t->waiting);
    cli_note(w->cli, "%s holds best.safetensors, last.safetensors, metrics.jsonl and curve.svg",
        w->params.out);
    snprintf(path, sizeof path, "%s/best.safetensors", w->params.out);
    cli_propose(w->cli, "next", "eval %s --weights %s --data %s",
        cli_quote(w->cli->arguments[0], model, sizeof model),
        cli_quote(path, weights, sizeof weights), cli_quote(w->cli->data, data, sizeof data));
}
