/* SPDX-License-Identifier: MIT */
#include "frontend/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/definition.h"
#include "frontend/graph.h"
#include "frontend/lua.h"
#include "frontend/onnx/onnx.h"
#include "frontend/utf8.h"

/* The readers of model files by their ending: the only place to add one. */
static const struct reader {
    const char *ending;
    size_t limit; /* bytes of a file */
    enum nt_status (*build)(struct nt_definition *definition, struct nt_graph *graph);
} readers[] = {
    {".lua", NT_LUA_SOURCE_LIMIT, nt_lua_build},
    {".onnx", NT_ONNX_FILE_LIMIT, nt_onnx_build},
};
enum { READER_COUNT = sizeof readers / sizeof *readers };

struct nt_model {
    const struct reader *reader;
    struct nt_definition *definition;
    char *name;
    int input_count;
    struct nt_model_input *input;
};

static const struct reader *find_reader(struct nt_context *ctx, const char *path)
{
    char known[128] = "";
    size_t length = strlen(path);
    for (int i = 0; i < READER_COUNT; i++) {
        size_t ending = strlen(readers[i].ending), used = strlen(known);
        if (length > ending && strcmp(path + length - ending, readers[i].ending) == 0)
            return &readers[i];
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", readers[i].ending);
    }
    nt_fail(ctx, NT_ERR_ARGUMENT, "%s: a model's file name must end in %s%s", path,
        READER_COUNT > 1 ? "one of " : "", known);
    return NULL;
}

/* "zoo/lenet.lua" -> "lenet", in UTF-8 */
static char *base_name(const char *path, const char *ending)
{
    const char *slash = strrchr(path, '/');
    const char *start = slash ? slash + 1 : path;
    size_t length = strlen(start), cut = strlen(ending);
    char *name = strndup(start, length > cut ? length - cut : length);
    return name ? nt_utf8_mend(name) : NULL;
}

static enum nt_status record_inputs(struct nt_model *model, const struct nt_graph *graph)
{
    int count = 0;
    for (int i = 0; i < graph->value_count; i++)
        count += graph->value[i].kind == NT_VALUE_INPUT;
    model->input = calloc((size_t)count + 1, sizeof *model->input);
    bool ok = model->input;
    for (int i = 0; ok && i < graph->value_count; i++) {
        const struct nt_value *value = &graph->value[i];
        if (value->kind != NT_VALUE_INPUT)
            continue;
        struct nt_model_input *input = &model->input[model->input_count++];
        input->name = strdup(value->name);
        input->dtype = value->dtype;
        int lead = value->whole ? 0 : 1;
        input->whole = value->whole;
        input->item_shape.rank = value->shape.rank - lead;
        for (int d = 0; d < input->item_shape.rank; d++)
            input->item_shape.dim[d] = value->shape.dim[d + lead];
        ok = input->name;
    }
    return ok ? NT_OK
              : nt_fail(graph->ctx, NT_ERR_MEMORY, "%s: host memory is exhausted",
                    model->definition->path);
}

enum nt_status nt_model_load(struct nt_context *ctx, const char *path, int count,
    const char *const *settings, struct nt_model **out)
{
    return nt_model_load_fed(ctx, path, count, settings, 0, NULL, out);
}

enum nt_status nt_model_load_fed(struct nt_context *ctx, const char *path, int count,
    const char *const *settings, int feeds, const struct nt_model_feed *feed, struct nt_model **out)
{
    const struct reader *reader = find_reader(ctx, path);
    if (!reader)
        return NT_ERR_ARGUMENT;
    struct nt_model *model = calloc(1, sizeof *model);
    char *name = base_name(path, reader->ending);
    if (!model || !name) {
        free(model);
        free(name);
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: host memory is exhausted", path);
    }
    model->reader = reader;
    model->name = name;
    struct nt_graph *graph = NULL;
    enum nt_status status =
        nt_definition_open(ctx, path, reader->limit, count, settings, &model->definition);
    if (status == NT_OK) {
        model->definition->feeds = feeds;
        model->definition->feed = feed;
        status = nt_model_build(model, 1, false, &graph);
    }
    if (status == NT_OK)
        status = nt_definition_check(model->definition);
    if (status == NT_OK)
        status = record_inputs(model, graph);
    nt_graph_destroy(graph);
    if (status != NT_OK) {
        nt_model_destroy(model);
        return status;
    }
    *out = model;
    return NT_OK;
}

void nt_model_destroy(struct nt_model *model)
{
    if (!model)
        return;
    for (int i = 0; i < model->input_count; i++)
        free((char *)model->input[i].name);
    free(model->input);
    nt_definition_close(model->definition);
    free(model->name);
    free(model);
}

enum nt_status nt_model_build(
    struct nt_model *model, int64_t batch, bool training, struct nt_graph **out)
{
    struct nt_definition *definition = model->definition;
    struct nt_graph *graph;
    enum nt_status status = nt_graph_create(definition->ctx, batch, training, &graph);
    if (status != NT_OK)
        return status;
    status = model->reader->build(definition, graph);
    if (status == NT_OK && graph->output_count == 0)
        status = nt_fail(
            definition->ctx, NT_ERR_FORMAT, "%s: definition: declares no output", definition->path);
    if (status != NT_OK) {
        nt_graph_destroy(graph);
        return status;
    }
    *out = graph;
    return NT_OK;
}

const char *nt_model_name(const struct nt_model *model)
{
    return model->name;
}

const char *nt_model_path(const struct nt_model *model)
{
    return model->definition->path;
}

struct nt_context *nt_model_context(struct nt_model *model)
{
    return model->definition->ctx;
}

int nt_model_setting_count(const struct nt_model *model)
{
    return model->definition->setting_count;
}

struct nt_setting nt_model_setting(const struct nt_model *model, int index)
{
    return model->definition->setting[index];
}

int nt_model_input_count(const struct nt_model *model)
{
    return model->input_count;
}

struct nt_model_input nt_model_get_input(const struct nt_model *model, int index)
{
    return model->input[index];
}
