/* SPDX-License-Identifier: MIT */
#include "frontend/cli/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/device.h"
#include "frontend/cli/eval_captions.h"
#include "frontend/data_info.h"
#include "frontend/evaluate.h"
#include "frontend/op.h"
#include "frontend/picture.h"
#include "frontend/port.h"
#include "frontend/progress.h"

#define MAX_BATCH 16 /* pictures per run */
#define DEFAULT_TOP 5

static const struct cli_option options[] = {
    {"weights", CLI_TEXT, offsetof(struct cli_run_options, weights), "FILE",
        "safetensors file; without one the model's initial values"},
    {"input", CLI_LIST, offsetof(struct cli_run_options, inputs), "[NAME=]FILE.npy",
        "an array for an input, the batch first; without NAME the next input in order"},
    {"output", CLI_TEXT, offsetof(struct cli_run_options, output), "DIR",
        "where arrays go, as DIR/OUTPUT.npy (default .)"},
    {"top", CLI_INT, offsetof(struct cli_run_options, top), "K",
        "classes named per picture (default 5)", 1, 1e6},
    {"labels", CLI_TEXT, offsetof(struct cli_run_options, labels), "FILE",
        "names of the classes, one per line or a JSON array (default: those of the training)"},
    {"seed", CLI_INT, offsetof(struct cli_run_options, seed), "N",
        "of the initial values without --weights (default 1)", 0, 9e18},
    {0},
};

/* ---- pictures ---- */

struct pictures {
    struct cli_run *run;
    struct nt_data_info info;
    struct cli_labels labels;
    struct nt_session *session;
    int64_t batch, classes;
    int top;
    bool probabilities; /* the model ends in a softmax itself */
    float *item, *x, *packed, *scores;
    json_t *list;
    int failed;
};

static enum nt_status prepare_names(struct pictures *p, const struct cli_run_options *o)
{
    struct nt_context *ctx = p->run->cli->ctx;
    bool found, given;
    enum nt_status status = nt_data_info_read(ctx, o->weights, &p->info, &found);
    if (status != NT_OK)
        return status;
    enum nt_status taken =
        cli_take_normalisation(p->run->cli, p->info.mean, p->info.deviation, &p->info.bgr, &given);
    if (taken != NT_OK)
        return taken;
    if (!found && o->weights && !given)
        cli_note(p->run->cli,
            "%s does not tell how its pictures were normalised: taken as they "
            "are, in [0, 1]; --mean and --std change that",
            o->weights);
    if (o->labels)
        return cli_labels_read(ctx, o->labels, &p->labels);
    /* The names move over: labels and info are freed apart. */
    if (p->info.class_names)
        p->labels = (struct cli_labels){p->info.class_count, p->info.class_names};
    p->info.class_names = NULL;
    return NT_OK;
}

/* The middle of a picture in the model's proportions. --size: of the shorter side, in pixels of the
 * model. */
static struct nt_box middle_of(
    const struct pictures *p, const struct nt_picture *picture, int width, int height)
{
    const struct cli *cli = p->run->cli;
    double w = picture->width, h = picture->height, shorter = w < h ? w : h;
    double unit = w / width < h / height ? w / width : h / height; /* the largest that fits */
    if (cli->size != CLI_UNSET_INT)
        unit = shorter / (double)cli->size < unit ? shorter / (double)cli->size : unit;
    else
        unit *= p->info.crop;
    double across = fmin(unit * width, w), down = fmin(unit * height, h); /* despite rounding */
    return (struct nt_box){(w - across) / 2, (h - down) / 2, across, down};
}

/* Decodes, crops the middle as evaluation does, resizes and normalises, in C,H,W order. */
static enum nt_status load_picture(struct pictures *p, const char *path)
{
    struct nt_context *ctx = p->run->cli->ctx;
    struct nt_port port = nt_session_input(p->session, 0);
    int channels = (int)port.shape.dim[1], height = (int)port.shape.dim[2],
        width = (int)port.shape.dim[3];
    struct nt_picture_params params = {
        .channels = channels, .min_width = 2 * width, .min_height = 2 * height};
    struct nt_picture picture, small;
    enum nt_status status = nt_picture_load(ctx, path, &params, &picture);
    if (status != NT_OK)
        return status;
    struct nt_box box = middle_of(p, &picture, width, height);
    status = nt_picture_resize(ctx, &picture, &box, width, height, &small);
    nt_picture_finish(&picture);
    if (status != NT_OK)
        return status;
    size_t area = (size_t)width * (size_t)height;
    for (int c = 0; c < channels; c++) {
        int to = p->info.bgr && channels == 3 ? 2 - c : c;
        for (size_t i = 0; i < area; i++)
            p->item[(size_t)to * area + i] =
                (small.pixels[i * (size_t)channels + (size_t)c] / 255.0f - p->info.mean[c]) /
                p->info.deviation[c];
    }
    nt_picture_finish(&small);
    return NT_OK;
}

struct rank {
    int index;
    double probability;
};

static int by_probability(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;
    if (x->probability != y->probability)
        return x->probability < y->probability ? 1 : -1;
    return x->index - y->index;
}

static enum nt_status report(struct pictures *p, const char *path, const float *scores)
{
    int count = (int)p->classes, top = p->top < count ? p->top : count;
    double *probability = malloc((size_t)count * sizeof *probability);
    struct rank *rank = malloc((size_t)count * sizeof *rank);
    if (!probability || !rank) {
        free(probability);
        free(rank);
        return nt_fail(p->run->cli->ctx, NT_ERR_MEMORY, "no memory for %d classes", count);
    }
    if (p->probabilities)
        for (int i = 0; i < count; i++)
            probability[i] = scores[i];
    else
        nt_softmax_scores(count, scores, probability);
    for (int i = 0; i < count; i++)
        rank[i] = (struct rank){i, probability[i]};
    qsort(rank, (size_t)count, sizeof *rank, by_probability);
    json_t *classes = json_array();
    if (!p->run->cli->json)
        printf("%s\n", path);
    for (int i = 0; i < top; i++) {
        char text[32];
        const char *name = cli_labels_name(&p->labels, rank[i].index, text, sizeof text);
        if (!p->run->cli->json)
            printf("  %6.2f %%  %s\n", 100 * rank[i].probability, name);
        json_array_append_new(classes, json_pack("{si ss sf}", "class", rank[i].index, "label",
                                           name, "probability", rank[i].probability));
    }
    json_array_append_new(
        p->list, json_pack("{so so}", "file", cli_json_text(path), "classes", classes));
    free(probability);
    free(rank);
    return NT_OK;
}

/* The words that a model gives. */
static enum nt_status report_caption(struct pictures *p, const char *path, const float *words)
{
    char *text = eval_captions_text(
        words, (int)p->classes, (const char *const *)p->labels.name, p->labels.count);
    if (!text)
        return nt_fail(p->run->cli->ctx, NT_ERR_MEMORY, "no memory for a caption");
    if (!p->run->cli->json)
        printf("%s\n  %s\n", path, text);
    json_array_append_new(
        p->list, json_pack("{so ss}", "file", cli_json_text(path), "caption", text));
    free(text);
    return NT_OK;
}

/* A picture that cannot be read does not stop the others. */
static void report_failure(struct pictures *p, const char *path)
{
    const char *message = nt_error_message(p->run->cli->ctx);
    p->failed++;
    cli_note(p->run->cli, "neutra: %s", message);
    json_array_append_new(p->list,
        json_pack("{so so}", "file", cli_json_text(path), "error", cli_json_text(message)));
}

static void show(struct cli *cli, int done, int count)
{
    char head[64];
    if (!nt_progress_due(cli->progress))
        return;
    snprintf(head, sizeof head, "%d/%d pictures", done, count);
    nt_progress_show(cli->progress, head, (double)done / count, 0, NULL);
}

static enum nt_status run_pictures(struct pictures *p, int count, char **paths)
{
    struct nt_port port = nt_session_input(p->session, 0);
    size_t item = port.bytes / sizeof(float) / (size_t)p->batch;
    for (int done = 0; done < count;) {
        const char *name[MAX_BATCH];
        int filled = 0;
        memset(p->x, 0, port.bytes);
        for (; done < count && filled < p->batch; done++) {
            show(p->run->cli, done, count);
            if (load_picture(p, paths[done]) != NT_OK) {
                report_failure(p, paths[done]);
                continue;
            }
            memcpy(p->x + (size_t)filled * item, p->item, item * sizeof(float));
            name[filled++] = paths[done];
        }
        nt_port_pack(&port, p->x, p->packed);
        enum nt_status status = nt_session_write(p->session, 0, p->packed);
        if (status == NT_OK)
            status = nt_session_run(p->session, NULL);
        if (status == NT_OK)
            status = nt_session_read(p->session, 0, p->scores);
        if (!p->run->cli->json)
            nt_progress_clear(p->run->cli->progress); /* results take its place */
        for (int i = 0; i < filled && status == NT_OK; i++)
            status = strcmp(p->info.kind, "captions")
                         ? report(p, name[i], p->scores + i * p->classes)
                         : report_caption(p, name[i], p->scores + i * p->classes);
        if (status != NT_OK)
            return status;
    }
    return NT_OK;
}

static enum nt_status check_ports(struct pictures *p)
{
    struct nt_context *ctx = p->run->cli->ctx;
    char text[128];
    if (nt_session_input_count(p->session) == 0)
        return nt_fail(ctx, NT_ERR_SHAPE, "the model declares no input");
    struct nt_port in = nt_session_input(p->session, 0);
    if (in.dtype != NT_F32 || in.shape.rank != 4 || (in.shape.dim[1] != 1 && in.shape.dim[1] != 3))
        return nt_fail(ctx, NT_ERR_SHAPE,
            "input %s: %s %s: pictures need float32 Nx1xHxW or Nx3xHxW; --input takes arrays",
            in.name, nt_dtype_name(in.dtype), nt_shape_text(&in.shape, text, sizeof text));
    for (int i = 1; i < nt_session_input_count(p->session); i++)
        if (nt_session_reads(p->session, i))
            return nt_fail(ctx, NT_ERR_SHAPE,
                "input %s: pictures are given to the first input alone; --input takes arrays",
                nt_session_input(p->session, i).name);
    if (nt_session_output_count(p->session) == 0)
        return nt_fail(ctx, NT_ERR_SHAPE, "the model declares no output");
    struct nt_port out = nt_session_output(p->session, 0);
    if (out.dtype != NT_F32 || out.shape.rank != 2 || out.shape.dim[0] != p->batch)
        return nt_fail(ctx, NT_ERR_SHAPE, "output %s: %s: classes need a score each: NxC", out.name,
            nt_shape_text(&out.shape, text, sizeof text));
    p->classes = out.shape.dim[1];
    p->item = malloc(in.bytes);
    p->x = malloc(in.bytes);
    p->packed = malloc(in.bytes);
    p->scores = malloc(out.bytes);
    p->list = json_array();
    if (!p->item || !p->x || !p->packed || !p->scores || !p->list)
        return nt_fail(ctx, NT_ERR_MEMORY, "no memory for a batch of pictures");
    return NT_OK;
}

static enum nt_status find_softmax(struct pictures *p)
{
    struct nt_graph *graph;
    enum nt_status status = nt_model_build(p->run->model, 1, false, &graph);
    if (status != NT_OK)
        return status;
    int node = graph->output_count > 0 ? graph->value[graph->output[0].value].node : -1;
    p->probabilities = node >= 0 && graph->node[node]->op == nt_op_find("softmax");
    nt_graph_destroy(graph);
    return NT_OK;
}

static int classify(struct cli_run *run, const struct cli_run_options *o)
{
    struct cli *cli = run->cli;
    int count = cli->argument_count - 1;
    struct pictures p = {.run = run, .batch = count < MAX_BATCH ? count : MAX_BATCH};
    p.top = o->top == CLI_UNSET_INT ? DEFAULT_TOP : (int)o->top;
    const struct nt_session_params params = {.batch = p.batch, .outputs_only = true};
    enum nt_status status = prepare_names(&p, o);
    if (status == NT_OK)
        status = find_softmax(&p);
    if (status == NT_OK)
        status = nt_session_create(run->dev, run->model, run->weights, &params, &p.session);
    if (status == NT_OK)
        status = check_ports(&p);
    if (status == NT_OK && o->labels && p.labels.count != p.classes)
        cli_note(cli, "warning: %s: %d labels, the model has %lld classes", o->labels,
            p.labels.count, (long long)p.classes);
    if (status == NT_OK) {
        cli->progress = nt_progress_create(&(struct nt_progress_params){.file = stderr});
        status = run_pictures(&p, count, cli->arguments + 1);
        nt_progress_destroy(cli->progress);
        cli->progress = NULL;
    }
    int code = status == NT_OK ? CLI_DONE : cli_fail(cli, status);
    if (status == NT_OK && cli->json)
        cli_print_json(cli, json_pack("{sO}", "images", p.list));
    nt_session_destroy(p.session);
    free(p.item);
    free(p.x);
    free(p.packed);
    free(p.scores);
    json_decref(p.list);
    cli_labels_finish(&p.labels);
    nt_data_info_finish(&p.info);
    return p.failed ? CLI_FAILED : code;
}

/* ---- the command ---- */

static int run(struct cli *cli, void *fields)
{
    const struct cli_run_options *o = fields;
    int pictures = cli->argument_count - 1;
    if (pictures == 0 && o->inputs.count == 0)
        return cli_usage(cli, "nothing to run on: name pictures, or arrays with --input");
    if (pictures > 0 && o->inputs.count > 0)
        return cli_usage(cli, "pictures and --input: must not be given together");
    struct cli_run run = {.cli = cli};
    enum nt_status status = cli_run_load(&run, o);
    if (status == NT_OK)
        status = cli_open_device(cli, &run.dev);
    if (status == NT_OK)
        status = nt_weights_create(
            run.dev, run.model, o->seed == CLI_UNSET_INT ? 1 : (uint64_t)o->seed, 0, &run.weights);
    if (status == NT_OK && o->weights)
        status = nt_weights_load(run.weights, o->weights);
    int code;
    if (status != NT_OK)
        code = cli_fail(cli, status);
    else if (pictures > 0)
        code = classify(&run, o);
    else
        code = cli_run_arrays(&run, o);
    nt_weights_destroy(run.weights);
    cli_close_device(cli, run.dev);
    cli_run_unload(&run);
    return code;
}

const struct cli_command cli_run = {
    .name = "run",
    .arguments = "MODEL [PICTURE]... [OPTION]...",
    .summary = "Run a model on pictures or arrays.",
    .details = "Pictures (JPEG, PNG) are prepared as in the training that wrote the weights,\n"
               "and the most probable classes are named: the softmax of the first output. A\n"
               "model trained on captions:DIR gives its caption.\n\n"
               "  neutra run zoo/lenet.lua --weights runs/lenet/best.safetensors shoe.jpg\n"
               "  neutra run net.lua --weights net.safetensors --input x.npy --output results",
    .shared = CLI_HAS_PICTURES | CLI_HAS_MODEL | CLI_HAS_DEVICE | CLI_HAS_PROFILE | CLI_HAS_JSON,
    .options = options,
    .options_size = sizeof(struct cli_run_options),
    .min_arguments = 1,
    .max_arguments = 1 << 30,
    .run = run,
};
