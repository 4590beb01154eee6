/* SPDX-License-Identifier: MIT */
#include "frontend/cli/cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/device.h"
#include "frontend/cli/show_graph.h"
#include "frontend/graph.h"
#include "frontend/op.h"
#include "frontend/session.h"

struct options {
    int64_t batch;
    bool train;
    const char *dot, *svg;
};

static const struct cli_option options[] = {
    {"batch", CLI_INT, offsetof(struct options, batch), "N", "items per run (default 1)", 1, 1e9},
    {"train", CLI_FLAG, offsetof(struct options, train), NULL,
        "as in training: the memory holds gradients and the optimizer's state"},
    {"dot", CLI_TEXT, offsetof(struct options, dot), "FILE",
        "write the graph in graphviz's language"},
    {"svg", CLI_TEXT, offsetof(struct options, svg), "FILE.svg", "draw the graph; needs graphviz"},
    {0},
};

/* One operator of the model, as its definition calls it. */
struct layer {
    const struct nt_node *node;
    double parameters, macs;
};

struct memory {
    bool known;
    char device[128]; /* that it was planned for */
    double parameters, optimizer, activations, arena, derived, total;
};

struct shown {
    struct nt_model *model;
    struct nt_graph *graph;
    struct layer *layer;
    int layers;
    double parameters, macs;
    struct memory memory;
};

static bool is_weight(const struct nt_value *value)
{
    return value->kind == NT_VALUE_PARAMETER || value->kind == NT_VALUE_STATE;
}

/* A weight that several operators share counts where it is used first. */
static double count_parameters(const struct nt_graph *graph, const struct nt_node *node, bool *seen)
{
    double count = 0;
    for (int i = 0; i < node->inputs; i++) {
        int v = node->input[i];
        if (v < 0 || seen[v] || graph->value[v].kind != NT_VALUE_PARAMETER)
            continue;
        seen[v] = true;
        count += (double)nt_shape_count(&graph->value[v].shape);
    }
    return count;
}

static enum nt_status list_layers(struct cli *cli, struct shown *shown)
{
    const struct nt_graph *graph = shown->graph;
    bool *seen = calloc((size_t)graph->value_count + 1, sizeof *seen);
    shown->layer = calloc((size_t)graph->node_count + 1, sizeof *shown->layer);
    if (!seen || !shown->layer) {
        free(seen);
        return nt_fail(cli->ctx, NT_ERR_MEMORY, "no memory to list the layers");
    }
    for (int i = 0; i < graph->node_count; i++) {
        const struct nt_node *node = graph->node[i], *called = node->whole ? node->whole : node;
        if (shown->layers == 0 || shown->layer[shown->layers - 1].node != called)
            shown->layer[shown->layers++].node = called;
        struct layer *layer = &shown->layer[shown->layers - 1];
        layer->parameters += count_parameters(graph, node, seen);
        layer->macs += nt_node_macs(graph, node);
        shown->macs += nt_node_macs(graph, node);
    }
    for (int v = 0; v < graph->value_count; v++)
        if (graph->value[v].kind == NT_VALUE_PARAMETER)
            shown->parameters += (double)nt_shape_count(&graph->value[v].shape);
    free(seen);
    return NT_OK;
}

static const struct nt_shape *shape_of(const struct shown *shown, const struct layer *layer)
{
    return &shown->graph->value[layer->node->output[0]].shape;
}

/* Plans a run without allocating anything. Without a device (and none asked for) the memory
 * stays unknown: the layers are shown all the same. */
static enum nt_status plan_memory(struct cli *cli, const struct options *o, struct shown *shown)
{
    struct memory *memory = &shown->memory;
    struct nt_device_info *list;
    int devices;
    enum nt_status status = nt_device_list(cli->ctx, &list, &devices);
    if (status != NT_OK)
        return status;
    free(list);
    if (devices == 0 && !cli->device)
        return NT_OK;
    struct nt_device *dev;
    status = cli_open_device(cli, &dev);
    if (status != NT_OK)
        return status;
    const struct nt_session_params params = {
        .batch = shown->graph->batch, .training = o->train, .outputs_only = !o->train, .dry = true};
    struct nt_session *session;
    status = nt_session_create(dev, shown->model, NULL, &params, &session);
    if (status == NT_OK) {
        const struct nt_plan_info *plan = nt_session_plan(session);
        for (int v = 0; v < shown->graph->value_count; v++)
            if (is_weight(&shown->graph->value[v]))
                memory->parameters += 4 * (double)nt_shape_count(&shown->graph->value[v].shape);
        if (o->train)
            memory->optimizer =
                4 * shown->parameters * (double)nt_optimizer_slots(NT_OPTIMIZER_SGD);
        memory->known = true;
        memory->activations = (double)plan->transient_bytes;
        memory->arena = (double)plan->arena_bytes;
        memory->derived = (double)plan->derived_bytes;
        memory->total = (double)plan->arena_bytes + (double)plan->kept_bytes + memory->optimizer;
        snprintf(memory->device, sizeof memory->device, "%s", nt_device_get_info(dev)->name);
        nt_session_destroy(session);
    }
    cli_close_device(cli, dev);
    return status;
}

/* ---- printing ---- */

/* "61,706"; returns text. */
static const char *grouped(double number, char *text, size_t size)
{
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%.0f", number);
    size_t used = 0;
    for (int i = 0; i < length && used + 2 < size; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = 0;
    return text;
}

static void number_cell(struct cli_table *table, double number)
{
    char text[48];
    cli_table_cell(table, "%s", number > 0 ? grouped(number, text, sizeof text) : "");
}

static void print_layers(const struct shown *shown)
{
    static const char *const heads[] = {
        "layer", "operator", "output", "parameters", "multiply-adds"};
    struct cli_table *table = cli_table_create("lllrr", heads);
    char text[128];
    for (int v = 0; v < shown->graph->value_count; v++) {
        const struct nt_value *value = &shown->graph->value[v];
        if (value->kind != NT_VALUE_INPUT)
            continue;
        cli_table_cell(table, "%s", value->name);
        cli_table_cell(table, "input %s", nt_dtype_name(value->dtype));
        cli_table_cell(table, "%s", nt_shape_text(&value->shape, text, sizeof text));
        cli_table_cell(table, "%s", "");
        cli_table_cell(table, "%s", "");
    }
    for (int i = 0; i < shown->layers; i++) {
        const struct layer *layer = &shown->layer[i];
        cli_table_cell(table, "%s", layer->node->name);
        cli_table_cell(table, "%s", layer->node->op->name);
        cli_table_cell(table, "%s", nt_shape_text(shape_of(shown, layer), text, sizeof text));
        number_cell(table, layer->parameters);
        number_cell(table, layer->macs);
    }
    cli_table_cell(table, "total");
    cli_table_cell(table, "%s", "");
    cli_table_cell(table, "%s", "");
    cli_table_cell(table, "%s", grouped(shown->parameters, text, sizeof text));
    cli_table_cell(table, "%s", grouped(shown->macs, text, sizeof text));
    cli_table_print(table);
}

static void print_settings(const struct nt_model *model)
{
    static const char *const heads[] = {"setting", "value", "meaning"};
    if (nt_model_setting_count(model) == 0)
        return;
    struct cli_table *table = cli_table_create("lll", heads);
    for (int i = 0; i < nt_model_setting_count(model); i++) {
        struct nt_setting setting = nt_model_setting(model, i);
        cli_table_cell(table, "%s", setting.name);
        cli_table_cell(table, "%s", setting.value);
        cli_table_cell(table, "%s", setting.doc);
    }
    putchar('\n');
    cli_table_print(table);
}

static void memory_row(struct cli_table *table, const char *name, double bytes, const char *what)
{
    char text[32];
    cli_table_cell(table, "%s", name);
    cli_table_cell(table, "%s", nt_bytes_text(bytes, text, sizeof text));
    cli_table_cell(table, "%s", what);
}

static void print_memory(const struct memory *memory, const struct options *o, int64_t batch)
{
    static const char *const heads[] = {"memory", "size", ""};
    if (!memory->known) {
        printf("\nmemory: not planned, for there is no OpenCL device\n");
        return;
    }
    char what[256];
    struct cli_table *table = cli_table_create("lrl", heads);
    memory_row(table, "parameters", memory->parameters, "weights and running statistics");
    if (o->train)
        memory_row(table, "optimizer", memory->optimizer, "state of SGD; Adam has twice as much");
    memory_row(table, "activations", memory->activations,
        o->train ? "every intermediate value and gradient" : "every intermediate value");
    memory_row(table, "arena", memory->arena, "what these take with sharing and alignment");
    if (memory->derived > 0)
        memory_row(table, "derived", memory->derived,
            "weights packed and transformed, kept for the next run");
    snprintf(what, sizeof what, "with inputs and outputs; batch %lld, %s, on %s", (long long)batch,
        o->train ? "training" : "inference", memory->device);
    memory_row(table, "total", memory->total, what);
    putchar('\n');
    cli_table_print(table);
}

static json_t *memory_json(const struct memory *memory)
{
    if (!memory->known)
        return json_null();
    return json_pack("{sI sI sI sI sI sI ss}", "parameters_bytes", (json_int_t)memory->parameters,
        "optimizer_bytes", (json_int_t)memory->optimizer, "activations_bytes",
        (json_int_t)memory->activations, "arena_bytes", (json_int_t)memory->arena, "derived_bytes",
        (json_int_t)memory->derived, "total_bytes", (json_int_t)memory->total, "device",
        memory->device);
}

static json_t *shape_json(const struct nt_shape *shape)
{
    json_t *list = json_array();
    for (int i = 0; i < shape->rank; i++)
        json_array_append_new(list, json_integer(shape->dim[i]));
    return list;
}

static int print_json(struct cli *cli, const struct shown *shown)
{
    json_t *layers = json_array(), *inputs = json_array(), *settings = json_object();
    for (int i = 0; i < shown->layers; i++) {
        const struct layer *layer = &shown->layer[i];
        json_array_append_new(layers,
            json_pack("{so ss so sI sI}", "name", cli_json_text(layer->node->name), "op",
                layer->node->op->name, "output_shape", shape_json(shape_of(shown, layer)),
                "parameters", (json_int_t)layer->parameters, "macs", (json_int_t)layer->macs));
    }
    for (int v = 0; v < shown->graph->value_count; v++) {
        const struct nt_value *value = &shown->graph->value[v];
        if (value->kind == NT_VALUE_INPUT)
            json_array_append_new(
                inputs, json_pack("{so ss so}", "name", cli_json_text(value->name), "type",
                            nt_dtype_name(value->dtype), "shape", shape_json(&value->shape)));
    }
    for (int i = 0; i < nt_model_setting_count(shown->model); i++) {
        struct nt_setting setting = nt_model_setting(shown->model, i);
        json_object_set_new(settings, setting.name, cli_json_text(setting.value));
    }
    return cli_print_json(
        cli, json_pack("{ss sI sI sI so so so so}", "model", nt_model_name(shown->model), "batch",
                 (json_int_t)shown->graph->batch, "parameters", (json_int_t)shown->parameters,
                 "macs_per_item", (json_int_t)shown->macs, "settings", settings, "inputs", inputs,
                 "layers", layers, "memory", memory_json(&shown->memory)));
}

static int run(struct cli *cli, void *fields)
{
    const struct options *o = fields;
    int64_t batch = o->batch == CLI_UNSET_INT ? 1 : o->batch;
    struct shown shown = {0};
    enum nt_status status = cli_load_model(cli, NULL, &shown.model);
    if (status == NT_OK)
        status = nt_model_build(shown.model, batch, o->train, &shown.graph);
    if (status == NT_OK)
        status = list_layers(cli, &shown);
    if (status == NT_OK)
        status = show_graph(shown.graph, nt_model_name(shown.model), o->dot, o->svg);
    if (status == NT_OK)
        status = plan_memory(cli, o, &shown);
    int code = CLI_DONE;
    if (status != NT_OK) {
        code = cli_fail(cli, status);
    } else if (cli->json) {
        code = print_json(cli, &shown);
    } else {
        printf("%s: %s\n\n", nt_model_name(shown.model), nt_model_path(shown.model));
        print_layers(&shown);
        print_settings(shown.model);
        print_memory(&shown.memory, o, batch);
    }
    free(shown.layer);
    nt_graph_destroy(shown.graph);
    nt_model_destroy(shown.model);
    return code;
}

const struct cli_command cli_show = {
    .name = "show",
    .arguments = "MODEL [OPTION]...",
    .summary = "Print a model's layers, shapes, parameters and memory.",
    .shared = CLI_HAS_MODEL | CLI_HAS_DEVICE | CLI_HAS_JSON,
    .options = options,
    .options_size = sizeof(struct options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
