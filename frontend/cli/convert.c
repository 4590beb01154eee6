/* SPDX-License-Identifier: MIT
 *
 * neutra convert: a model with its weights as another file.
 */
#include "frontend/cli/task.h"

#include <stddef.h>
#include <string.h>

#include "frontend/onnx/export.h"
#include "frontend/weights.h"

struct options {
    const char *weights;
    int64_t seed;
    bool fold;
};

#define AT(field) offsetof(struct options, field)

static const struct cli_option options[] = {
    {"weights", CLI_TEXT, AT(weights), "FILE",
        "the weights (default: those of the model's file; a definition's initial ones)"},
    {"seed", CLI_INT, AT(seed), "N", "of initial weights (default 1)", 0, 1e18},
    {"fold-batch-norm", CLI_FLAG, AT(fold), NULL,
        "put batch normalisation into the weights of the layer before it"},
    {0},
};

static bool ends_in(const char *path, const char *ending)
{
    size_t length = strlen(path), tail = strlen(ending);
    return length > tail && strcmp(path + length - tail, ending) == 0;
}

/* All that a run has open. */
struct work {
    struct nt_model *model;
    struct nt_device *dev;
    struct nt_weights *weights;
};

static enum nt_status open_all(struct cli *cli, const struct options *o, struct work *w)
{
    enum nt_status status = cli_load_model(cli, o->weights, &w->model);
    if (status == NT_OK)
        status = cli_open_device(cli, &w->dev);
    if (status == NT_OK)
        status = nt_weights_create(
            w->dev, w->model, o->seed == CLI_UNSET_INT ? 1 : (uint64_t)o->seed, 0, &w->weights);
    if (status == NT_OK && o->weights)
        status = nt_weights_load(w->weights, o->weights);
    return status;
}

static int report(struct cli *cli, const char *path, const struct nt_onnx_exported *made)
{
    if (cli->json)
        return cli_print_json(
            cli, json_pack("{so sI si si si sb}", "file", cli_json_text(path), "bytes",
                     (json_int_t)made->bytes, "nodes", made->nodes, "initializers",
                     made->initializers, "folded", made->folded, "batch_open", made->batch_open));
    cli_tell_export(cli, path, made);
    return CLI_DONE;
}

static int convert(struct cli *cli, const struct options *o, struct work *w)
{
    const char *path = cli->arguments[1];
    const struct nt_onnx_export_params params = {.fold_batch_norm = o->fold, .version = NT_VERSION};
    struct nt_onnx_exported made;
    enum nt_status status = open_all(cli, o, w);
    if (status == NT_OK && !o->weights && !cli_has_weights(cli))
        cli_note(cli, "%s: initial weights, as no training has seen them: --weights gives others",
            cli->arguments[0]);
    if (status == NT_OK && ends_in(path, ".safetensors")) {
        status = nt_weights_save(w->weights, path);
        if (status != NT_OK)
            return cli_fail(cli, status);
        if (cli->json)
            return cli_print_json(cli, json_pack("{so si}", "file", cli_json_text(path), "tensors",
                                           nt_weights_count(w->weights)));
        cli_note(cli, "%s: %d tensors", path, nt_weights_count(w->weights));
        return CLI_DONE;
    }
    if (status == NT_OK)
        status = nt_onnx_export(w->model, w->weights, &params, path, &made);
    return status == NT_OK ? report(cli, path, &made) : cli_fail(cli, status);
}

static int run(struct cli *cli, void *fields)
{
    const struct options *o = fields;
    struct work work = {0};
    if (!ends_in(cli->arguments[1], ".onnx") && !ends_in(cli->arguments[1], ".safetensors"))
        return cli_usage(cli, "%s: must end in .onnx or .safetensors", cli->arguments[1]);
    if (o->fold && !ends_in(cli->arguments[1], ".onnx"))
        return cli_usage(cli, "--fold-batch-norm: is for files of ONNX");
    int code = convert(cli, o, &work);
    nt_weights_destroy(work.weights);
    cli_close_device(cli, work.dev);
    nt_model_destroy(work.model);
    return code;
}

const struct cli_command cli_convert = {
    .name = "convert",
    .arguments = "MODEL OUT.onnx|OUT.safetensors [OPTION]...",
    .summary = "Write a model with its weights as ONNX, or the weights alone.",
    .details = "  neutra convert zoo/lenet.lua --weights runs/lenet/best.safetensors lenet.onnx\n"
               "  neutra convert model.onnx folded.onnx --fold-batch-norm\n"
               "  neutra convert model.onnx weights.safetensors\n\n"
               "The ONNX model (opset 17) is the form for inference: no loss, no dropout.",
    .shared = CLI_HAS_MODEL | CLI_HAS_DEVICE | CLI_HAS_JSON,
    .options = options,
    .options_size = sizeof(struct options),
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run,
};
