/* SPDX-License-Identifier: MIT */
#include "frontend/cli/task.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/eval_boxes.h"
#include "frontend/cli/eval_captions.h"
#include "frontend/cli/eval_masks.h"
#include "frontend/cli/eval_regions.h"
#include "frontend/cli/eval_series.h"
#include "frontend/cli/eval_sheet.h"
#include "frontend/evaluate.h"
#include "frontend/progress.h"
#include "frontend/trainer.h"

struct options {
    const char *weights;
    int part;
    int64_t batch;
    bool confusion;
    double validation;
    int64_t seed, season;
    const char *sheet, *regions, *plot;
};

static const struct cli_option options[] = {
    {"weights", CLI_TEXT, offsetof(struct options, weights), "FILE",
        "safetensors file, such as runs/MODEL/best.safetensors (default: those of an ONNX file)"},
    {"part", CLI_CHOICE, offsetof(struct options, part), "train|validation|test",
        "which part of the data (default test; everything where there are no parts)"},
    {"validation", CLI_REAL, offsetof(struct options, validation), "SHARE",
        "the share that was set aside (default: as in the training, when the data are the same)", 0,
        0.99},
    {"seed", CLI_INT, offsetof(struct options, seed), "N",
        "with a share: the seed of the training (default: as there, else 1)", 0, 9e18},
    {"batch", CLI_INT, offsetof(struct options, batch), "B", "items per run (default 64)", 1, 1e9},
    {"confusion", CLI_FLAG, offsetof(struct options, confusion), NULL,
        "print how often each class was taken for each other"},
    {"sheet", CLI_TEXT, offsetof(struct options, sheet), "FILE.png",
        "draw a contact sheet: pictures with true and predicted class, mask, boxes or caption"},
    {"regions", CLI_TEXT, offsetof(struct options, regions), "FILE.png",
        "draw which class each place of the plane is given: for items of two numbers"},
    {"plot", CLI_TEXT, offsetof(struct options, plot), "FILE.svg",
        "draw the forecasts of a time series"},
    {"season", CLI_INT, offsetof(struct options, season), "N",
        "values in a season, for the naive forecast (default: what does best)", 2, 1e6},
    {0},
};

#define CLASSES_SHOWN 40 /* longer tables of classes are left out of the text */

/* What is counted while items pass. */
struct work {
    struct cli *cli;
    const struct nt_dataset_info *info;
    int classes;
    int64_t places;           /* with a class each, of an item */
    int32_t *best;            /* predicted classes of an item */
    int64_t *confusion;       /* classes x classes: true, predicted */
    struct eval_sheet *sheet; /* NULL: none is wanted, as below */
    struct eval_masks *masks;
    struct eval_series *series;
    struct eval_boxes *boxes;
    struct eval_captions *captions;
};

static void on_item(void *user, const struct nt_prediction *p)
{
    struct work *w = user;
    const int32_t *targets = p->targets;
    if (w->series)
        eval_series_add(w->series, p);
    if (w->boxes)
        eval_boxes_add(w->boxes, p);
    if (w->captions)
        eval_captions_add(w->captions, p);
    if (w->series || w->boxes || w->captions)
        return;
    if (p->count % w->places)
        return;
    eval_masks_best(p, w->places, w->best);
    for (int64_t i = 0; i < w->places; i++)
        if (targets[i] >= 0 && targets[i] < w->classes && w->best[i] < w->classes)
            w->confusion[(int64_t)targets[i] * w->classes + w->best[i]]++;
    if (w->sheet)
        eval_sheet_add(w->sheet, p);
    if (w->masks)
        eval_masks_add(w->masks, p);
}

static void on_progress(void *user, int64_t done, int64_t count)
{
    struct work *w = user;
    if (nt_progress_due(w->cli->progress))
        nt_progress_show(w->cli->progress, "evaluating", (double)done / (double)count, 0, NULL);
}

static const char *class_name(const struct work *w, int index, char *text, size_t size)
{
    if (w->info->class_names && index < w->info->classes)
        return w->info->class_names[index];
    snprintf(text, size, "class %d", index);
    return text;
}

static int64_t row_sum(const struct work *w, int row)
{
    int64_t sum = 0;
    for (int i = 0; i < w->classes; i++)
        sum += w->confusion[(int64_t)row * w->classes + i];
    return sum;
}

static int64_t column_sum(const struct work *w, int column)
{
    int64_t sum = 0;
    for (int i = 0; i < w->classes; i++)
        sum += w->confusion[(int64_t)i * w->classes + column];
    return sum;
}

/* Intersection of truth and prediction over their union; NaN for a class that is in neither. */
static double overlap(const struct work *w, int class)
{
    int64_t both = w->confusion[(int64_t) class * w->classes + class];
    int64_t either = row_sum(w, class) + column_sum(w, class) - both;
    return either > 0 ? (double)both / (double)either : NAN;
}

static double mean_overlap(const struct work *w)
{
    double sum = 0;
    int count = 0;
    for (int i = 0; i < w->classes; i++)
        if (!isnan(overlap(w, i))) {
            sum += overlap(w, i);
            count++;
        }
    return count ? sum / count : NAN;
}

/* Pictures with a class for each pixel. */
static bool segments(const struct work *w)
{
    return w->classes > 0 && w->info->target.rank == 2;
}

/* The other class that one is most often taken for, -1: none. */
static int rival_of(const struct work *w, int row)
{
    int best = -1;
    const int64_t *counts = w->confusion + (int64_t)row * w->classes;
    for (int i = 0; i < w->classes; i++)
        if (i != row && counts[i] > (best < 0 ? 0 : counts[best]))
            best = i;
    return best;
}

static void print_classes(const struct work *w)
{
    static const char *const heads[] = {"class", "items", "accuracy", "IoU", "taken for"};
    static const char *const plain[] = {"class", "items", "accuracy", "most often taken for"};
    bool pixels = segments(w);
    struct cli_table *table =
        pixels ? cli_table_create("lrrrl", heads) : cli_table_create("lrrl", plain);
    char text[32];
    for (int i = 0; i < w->classes; i++) {
        int64_t items = row_sum(w, i), right = w->confusion[(int64_t)i * w->classes + i];
        int rival = rival_of(w, i);
        cli_table_cell(table, "%s", class_name(w, i, text, sizeof text));
        cli_table_cell(table, "%lld", (long long)items);
        if (items > 0)
            cli_table_cell(table, "%.1f %%", 100.0 * (double)right / (double)items);
        else
            cli_table_cell(table, "-");
        if (pixels && !isnan(overlap(w, i)))
            cli_table_cell(table, "%.1f %%", 100 * overlap(w, i));
        else if (pixels)
            cli_table_cell(table, "-");
        if (rival >= 0)
            cli_table_cell(table, "%s (%lld)", class_name(w, rival, text, sizeof text),
                (long long)w->confusion[(int64_t)i * w->classes + rival]);
        else
            cli_table_cell(table, "%s", "");
    }
    putchar('\n');
    cli_table_print(table);
}

static void print_confusion(const struct work *w)
{
    char text[32];
    printf("\ntrue class by row, predicted class by column:\n");
    for (int i = 0; i < w->classes; i++) {
        for (int j = 0; j < w->classes; j++)
            printf("%6lld", (long long)w->confusion[(int64_t)i * w->classes + j]);
        printf("  %s\n", class_name(w, i, text, sizeof text));
    }
}

static void print_text(const struct work *w, const struct options *o, const struct nt_evaluation *e)
{
    printf("loss      %.6g\n", e->loss);
    if (!isnan(e->accuracy))
        printf("accuracy  %.2f %%\n", 100 * e->accuracy);
    if (segments(w))
        printf("pixel error %.2f %%\nmean IoU  %.2f %%\n", 100 * (1 - e->accuracy),
            100 * mean_overlap(w));
    if (w->info->continues && !isnan(e->loss))
        printf("bits per character  %.4f\n", e->loss / log(2));
    printf("items     %lld\n", (long long)e->items);
    if (e->unreadable)
        printf("left out  %lld unreadable\n", (long long)e->unreadable);
    printf("seconds   %.3f\n", e->seconds);
    if (w->series)
        eval_series_print(w->series);
    if (w->boxes)
        eval_boxes_print(w->boxes);
    if (w->captions)
        eval_captions_print(w->captions, e->loss);
    if (isnan(e->accuracy))
        return;
    if (w->classes <= CLASSES_SHOWN && !w->info->continues)
        print_classes(w);
    if (o->confusion)
        print_confusion(w);
}

static json_t *list_classes(const struct work *w)
{
    json_t *list = json_array();
    char text[32];
    for (int i = 0; i < w->classes; i++) {
        int64_t items = row_sum(w, i), right = w->confusion[(int64_t)i * w->classes + i];
        json_t *row = json_array();
        for (int j = 0; j < w->classes; j++)
            json_array_append_new(row, json_integer(w->confusion[(int64_t)i * w->classes + j]));
        json_array_append_new(list,
            json_pack("{so sI so so}", "name", cli_json_text(class_name(w, i, text, sizeof text)),
                "items", (json_int_t)items, "accuracy",
                items ? json_real((double)right / (double)items) : json_null(), "predicted", row));
    }
    return list;
}

static int print_json(const struct work *w, const struct nt_evaluation *e)
{
    json_t *json = json_pack("{sf sI sI sf}", "loss", e->loss, "items", (json_int_t)e->items,
        "unreadable", (json_int_t)e->unreadable, "seconds", e->seconds);
    if (!isnan(e->accuracy)) {
        json_object_set_new(json, "accuracy", json_real(e->accuracy));
        json_object_set_new(json, "classes", list_classes(w));
    }
    if (segments(w)) {
        json_object_set_new(json, "pixel_error", json_real(1 - e->accuracy));
        json_object_set_new(json, "mean_iou", json_real(mean_overlap(w)));
    }
    if (w->info->continues)
        json_object_set_new(json, "bits_per_character", json_real(e->loss / log(2)));
    if (w->series)
        eval_series_json(w->series, json);
    if (w->boxes)
        eval_boxes_json(w->boxes, json);
    if (w->captions)
        eval_captions_json(w->captions, e->loss, json);
    return cli_print_json(w->cli, json);
}

/* All that a run has open. */
struct opened {
    struct nt_model *model;
    struct nt_device *dev;
    struct nt_dataset *data;
    struct nt_weights *weights;
    struct nt_evaluator *evaluator;
};

/* The share and seed of the training, when it was of the same data. */
static void take_trained(
    const struct cli *cli, const struct options *o, struct nt_dataset_params *data)
{
    struct nt_trainer_stored stored;
    if (!o->weights || nt_trainer_read_params(cli->ctx, o->weights, &stored) != NT_OK)
        return; /* weights alone */
    if (stored.params.data && !strcmp(stored.params.data, cli->data)) {
        if (isnan(o->validation))
            data->validation_share = stored.params.validation_share;
        if (o->seed == CLI_UNSET_INT)
            data->seed = stored.params.seed;
    }
    nt_trainer_stored_finish(&stored);
}

/* What the data have no use for is refused before they are gone through. */
static enum nt_status check_options(const struct work *w, const struct options *o)
{
    struct nt_context *ctx = w->cli->ctx;
    const struct nt_dataset_info *info = w->info;
    int64_t window = nt_shape_count(&info->item);
    if (o->sheet && info->item.rank != 3)
        return nt_fail(
            ctx, NT_ERR_ARGUMENT, "--sheet: the items of %s are no pictures", info->kind);
    if (o->plot && !info->forecasts)
        return nt_fail(
            ctx, NT_ERR_ARGUMENT, "--plot: draws forecasts of series:FILE.csv, not %s", info->kind);
    if (o->season != CLI_UNSET_INT && !info->forecasts)
        return nt_fail(ctx, NT_ERR_ARGUMENT,
            "--season: is for forecasts of series:FILE.csv, not for %s", info->kind);
    if (o->season != CLI_UNSET_INT && o->season > window)
        return nt_fail(ctx, NT_ERR_ARGUMENT,
            "--season %lld: must be at most %lld, the known values of a window",
            (long long)o->season, (long long)window);
    if (o->confusion && w->classes == 0)
        return nt_fail(
            ctx, NT_ERR_ARGUMENT, "--confusion: the targets of %s are no classes", info->kind);
    return NT_OK;
}

/* What is counted and drawn of the items. */
static enum nt_status prepare(struct work *w, const struct options *o, const struct opened *x)
{
    struct nt_context *ctx = w->cli->ctx;
    w->info = nt_dataset_get_info(x->data);
    w->classes = w->info->classes;
    w->places = nt_shape_count(&w->info->target);
    enum nt_status status = check_options(w, o);
    if (status != NT_OK)
        return status;
    size_t cells = (size_t)w->classes * (size_t)w->classes;
    w->confusion = calloc(cells + 1, sizeof *w->confusion);
    w->best = calloc((size_t)w->places, sizeof *w->best);
    if (!w->confusion || !w->best)
        return nt_fail(ctx, NT_ERR_MEMORY, "no memory to count %d classes", w->classes);
    bool failed = false, captions = !strcmp(w->info->kind, "captions");
    if (o->sheet && segments(w))
        failed = !(w->masks = eval_masks_create(ctx, x->data));
    else if (o->sheet && w->classes)
        failed = !(w->sheet = eval_sheet_create(ctx, x->data, captions));
    if (captions)
        failed = failed || !(w->captions = eval_captions_create(ctx, x->data, w->sheet));
    if (w->info->box_classes)
        failed = !(w->boxes = eval_boxes_create(ctx, x->data, o->sheet != NULL));
    else if (w->classes == 0 && w->info->target_dtype == NT_F32)
        failed = failed || !(w->series = eval_series_create(
                                 ctx, x->data, o->season == CLI_UNSET_INT ? 0 : (int)o->season));
    return failed ? nt_fail(ctx, NT_ERR_MEMORY, "no memory for what is drawn") : NT_OK;
}

static enum nt_status set_up(struct work *w, const struct options *o, struct opened *x)
{
    struct cli *cli = w->cli;
    struct nt_dataset_params data = {
        .split = o->part == CLI_UNSET_CHOICE ? NT_SPLIT_TEST : (enum nt_split)o->part,
        .augment = NT_AUGMENT_NONE,
        .seed = o->seed == CLI_UNSET_INT ? 1 : (uint64_t)o->seed,
        .validation_share = isnan(o->validation) ? 0 : o->validation};
    take_trained(cli, o, &data);
    enum nt_status status = cli_load_model(cli, o->weights, &x->model);
    if (status == NT_OK)
        status = cli_open_data(cli, x->model, o->weights, &data, &x->data);
    if (status == NT_OK && cli_fit_loss(cli, x->model, nt_dataset_get_info(x->data))) {
        nt_model_destroy(x->model);
        x->model = NULL;
        status = cli_load_model(cli, o->weights, &x->model);
    }
    if (status == NT_OK)
        status = cli_open_device(cli, &x->dev);
    if (status == NT_OK)
        status = nt_weights_create(x->dev, x->model, 0, 0, &x->weights);
    if (status == NT_OK && o->weights)
        status = nt_weights_load(x->weights, o->weights);
    if (status == NT_OK)
        status = prepare(w, o, x);
    if (status != NT_OK)
        return status;
    const struct nt_evaluator_params params = {
        .batch = o->batch == CLI_UNSET_INT ? 0 : o->batch,
        .workers = cli->workers == CLI_UNSET_INT ? 0 : (int)cli->workers,
        .max_unreadable = isnan(cli->max_unreadable) ? 0 : cli->max_unreadable,
        .stop = &cli_stop,
        .each = w->classes || w->series || w->boxes ? on_item : NULL,
        .progress = on_progress,
        .user = w,
    };
    return nt_evaluator_create(x->dev, x->model, x->weights, x->data, &params, &x->evaluator);
}

static enum nt_status draw(struct work *w, const struct options *o, struct opened *x)
{
    enum nt_status status = w->series ? eval_series_finish(w->series) : NT_OK;
    if (status == NT_OK && w->boxes)
        status = eval_boxes_status(w->boxes);
    if (status == NT_OK && w->captions)
        status = eval_captions_status(w->captions);
    if (status == NT_OK && w->boxes && o->sheet)
        status = eval_boxes_write(w->boxes, o->sheet);
    if (status == NT_OK && w->sheet)
        status = eval_sheet_write(w->sheet, o->sheet);
    if (status == NT_OK && w->masks)
        status = eval_masks_write(w->masks, o->sheet);
    if (status == NT_OK && o->plot)
        status = eval_series_plot(w->series, w->cli->data, o->plot);
    if (status == NT_OK && o->regions)
        status = eval_regions(x->dev, x->model, x->weights, x->data, o->regions);
    return status;
}

static int eval(struct work *w, const struct options *o, struct opened *x)
{
    struct cli *cli = w->cli;
    struct nt_evaluation result;
    enum nt_status status = set_up(w, o, x);
    if (status == NT_OK) {
        const struct nt_progress_params progress = {.file = stderr};
        cli->progress = nt_progress_create(&progress);
        status = nt_evaluate(x->evaluator, &result);
        nt_progress_destroy(cli->progress);
        cli->progress = NULL;
    }
    if (status == NT_OK && !isfinite(result.loss))
        status = nt_fail(cli->ctx, NT_ERR_NUMERIC, "%s: the loss is %g: the weights are not usable",
            o->weights ? o->weights : cli->arguments[0], result.loss);
    if (status == NT_OK)
        status = draw(w, o, x);
    if (status != NT_OK)
        return cli_fail(cli, status);
    if (cli->json)
        return print_json(w, &result);
    print_text(w, o, &result);
    return CLI_DONE;
}

static int run(struct cli *cli, void *fields)
{
    const struct options *o = fields;
    if (!o->weights && !cli_has_weights(cli))
        return cli_usage(cli, "--weights: is missing: --weights runs/MODEL/best.safetensors");
    if (!cli->data)
        return cli_usage(cli, "--data: is missing: --data fashion-mnist, --data images:DIR, ...");
    bool tests = o->part == CLI_UNSET_CHOICE || o->part == NT_SPLIT_TEST;
    if (tests && nt_dataset_find_parts(cli->data).test &&
        (!isnan(o->validation) || o->seed != CLI_UNSET_INT))
        return cli_usage(cli, "--%s: %s has a test part: is for --part train and --part validation",
            isnan(o->validation) ? "seed" : "validation", cli->data);
    cli_catch_signals();
    struct work work = {.cli = cli};
    struct opened opened = {0};
    int code = eval(&work, o, &opened);
    nt_evaluator_destroy(opened.evaluator);
    nt_weights_destroy(opened.weights);
    nt_dataset_close(opened.data);
    cli_close_device(cli, opened.dev);
    nt_model_destroy(opened.model);
    free(work.confusion);
    free(work.best);
    eval_sheet_destroy(work.sheet);
    eval_masks_destroy(work.masks);
    eval_series_destroy(work.series);
    eval_boxes_destroy(work.boxes);
    eval_captions_destroy(work.captions);
    return code;
}

const struct cli_command cli_eval = {
    .name = "eval",
    .arguments = "MODEL [--weights FILE] --data SPEC [OPTION]...",
    .summary = "Measure a trained model's loss and accuracy on data.",
    .shared = CLI_HAS_DATA | CLI_HAS_PICTURES | CLI_HAS_MODEL | CLI_HAS_DEVICE | CLI_HAS_PROFILE |
              CLI_HAS_JSON,
    .options = options,
    .options_size = sizeof(struct options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
