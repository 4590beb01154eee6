/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "frontend/cli/run.h"
#include "frontend/onnx/onnx.h"

static bool is_onnx(const char *path)
{
    size_t length = strlen(path);
    return length > 5 && strcmp(path + length - 5, ".onnx") == 0;
}

/* The name before '=', else the next input of the file that has no array. */
static const char *name_of(
    const struct cli_run_feeds *feeds, const struct nt_onnx_inputs *names, const char *text)
{
    const char *equal = strchr(text, '=');
    for (int i = 0; i < names->count; i++) {
        bool given = false;
        for (int j = 0; j < feeds->count; j++)
            given = given || strcmp(feeds->feed[j].name, names->name[i]) == 0;
        size_t length = strlen(names->name[i]);
        if (strncmp(text, names->name[i], length) == 0 && text[length] == '=')
            return names->name[i];
        if (!equal && !given)
            return names->name[i];
    }
    return NULL;
}

/* What names no input is left to cli_run_arrays, which reports it. */
static enum nt_status read_arrays(
    struct cli_run *run, const struct cli_list *inputs, const struct nt_onnx_inputs *names)
{
    struct cli_run_feeds *feeds = &run->feeds;
    enum nt_status status = NT_OK;
    for (int i = 0; status == NT_OK && i < inputs->count && i < CLI_RUN_FEEDS; i++) {
        const char *text = inputs->items[i], *name = name_of(feeds, names, text);
        if (!name)
            continue;
        const char *path = strncmp(text, name, strlen(name)) == 0 && text[strlen(name)] == '='
                               ? text + strlen(name) + 1
                               : text;
        struct nt_npy *array = &feeds->array[feeds->count];
        status = nt_npy_read(run->cli->ctx, path, array);
        if (status == NT_OK)
            feeds->feed[feeds->count++] =
                (struct nt_model_feed){name, array->dtype, array->shape, array->data};
    }
    return status;
}

enum nt_status cli_run_load(struct cli_run *run, const struct cli_run_options *o)
{
    struct cli *cli = run->cli;
    const char *path = cli->arguments[0];
    struct nt_onnx_inputs names;
    if (!is_onnx(path) || o->inputs.count == 0)
        return cli_load_model(cli, o->weights, &run->model);
    enum nt_status status = nt_onnx_check(cli->ctx, path, &names);
    if (status != NT_OK)
        return status;
    status = read_arrays(run, &o->inputs, &names);
    if (status == NT_OK)
        status = nt_model_load_fed(cli->ctx, path, cli->settings.count, cli->settings.items,
            run->feeds.count, run->feeds.feed, &run->model);
    run->feeds.names = names;
    return status;
}

void cli_run_unload(struct cli_run *run)
{
    nt_model_destroy(run->model);
    for (int i = 0; i < run->feeds.count; i++)
        nt_npy_finish(&run->feeds.array[i]);
    nt_onnx_inputs_finish(&run->feeds.names);
}
