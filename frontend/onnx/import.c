/* SPDX-License-Identifier: MIT */
#include "frontend/onnx/import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/onnx/file.h"
#include "frontend/onnx/table.h"
#include "frontend/onnx/task.h"

/* ---- the file, read once ---- */

struct parsed {
    NtOnnx__ModelProto *model;
    int opset;
};

static void release(void *data)
{
    struct parsed *parsed = data;
    if (parsed && parsed->model)
        nt_onnx__model_proto__free_unpacked(parsed->model, NULL);
    free(parsed);
}

static bool is_standard(const char *domain)
{
    return !*domain || strcmp(domain, "ai.onnx") == 0;
}

static void find_version(size_t count, NtOnnx__OperatorSetIdProto *const *list, int64_t *version)
{
    for (size_t i = 0; i < count; i++)
        if (is_standard(list[i]->domain))
            *version = list[i]->version;
}

static enum nt_status check_model(
    struct nt_context *ctx, const char *path, const NtOnnx__ModelProto *model, int *opset)
{
    int64_t version = -1;
    find_version(model->n_opset_import, model->opset_import, &version);
    for (size_t i = 0; i < model->n_functions && version < 0; i++)
        find_version(
            model->functions[i]->n_opset_import, model->functions[i]->opset_import, &version);
    if (version < 0)
        version = 1; /* of files older than the list of operator sets */
    if (!model->graph)
        return nt_fail(ctx, NT_ERR_FORMAT, "%s: has no graph: is no ONNX model", path);
    if (version < 1 || version > NT_ONNX_NEWEST_OPSET)
        return nt_fail(ctx, NT_ERR_UNSUPPORTED, "%s: opset %lld: must be from 1 to %d", path,
            (long long)version, NT_ONNX_NEWEST_OPSET);
    if (model->graph->n_output == 0)
        return nt_fail(
            ctx, NT_ERR_FORMAT, "%s: graph '%s': has no output", path, model->graph->name);
    *opset = (int)version;
    return NT_OK;
}

static enum nt_status parse(struct nt_definition *definition)
{
    ProtobufCMessage *message = NULL;
    if (definition->parsed)
        return NT_OK;
    enum nt_status status =
        nt_onnx_unpack(definition->ctx, definition->path, &nt_onnx__model_proto__descriptor,
            (const uint8_t *)definition->text, definition->length, &message);
    if (status != NT_OK)
        return status;
    struct parsed *parsed = calloc(1, sizeof *parsed);
    if (!parsed) {
        protobuf_c_message_free_unpacked(message, NULL);
        return nt_fail(
            definition->ctx, NT_ERR_MEMORY, "%s: host memory is exhausted", definition->path);
    }
    parsed->model = (NtOnnx__ModelProto *)message;
    status = check_model(definition->ctx, definition->path, parsed->model, &parsed->opset);
    if (status != NT_OK) {
        release(parsed);
        return status;
    }
    definition->parsed = parsed;
    definition->release = release;
    free(definition->text); /* the messages have copies of all of it */
    definition->text = NULL;
    return NT_OK;
}

/* ---- names ---- */

static struct nt_onnx_value *get(struct nt_onnx_import *import, const char *name)
{
    return nt_onnx_values_get(import->values, name);
}

static enum nt_status create_values(struct nt_onnx_import *import)
{
    const NtOnnx__GraphProto *graph = import->model->graph;
    size_t names = graph->n_input + graph->n_initializer + graph->n_output;
    enum nt_status status = nt_onnx_inline_functions(import, &import->nodes);
    if (status != NT_OK)
        return status;
    import->values = nt_onnx_values_create(names + nt_onnx_count_names(&import->nodes));
    if (!import->values)
        return nt_graph_fail(import->graph, NT_ERR_MEMORY, "host memory is exhausted");
    for (size_t i = 0; i < graph->n_output; i++)
        get(import, graph->output[i]->name)->live = true;
    nt_onnx_mark_live(import, &import->nodes);
    return nt_onnx_check_operators(import, &import->nodes);
}

enum nt_status nt_onnx_add_initializers(
    struct nt_onnx_import *import, size_t count, NtOnnx__TensorProto *const *initializers)
{
    for (size_t i = 0; i < count; i++) {
        struct nt_onnx_value *value = get(import, initializers[i]->name);
        struct nt_onnx_tensor *tensor = nt_graph_alloc(import->graph, sizeof *tensor);
        if (!tensor)
            return nt_graph_fail(import->graph, NT_ERR_MEMORY, "host memory is exhausted");
        if (value->defined)
            return nt_graph_fail(
                import->graph, NT_ERR_FORMAT, "initializer '%s': the name is taken", value->name);
        enum nt_status status =
            nt_onnx_tensor_open(import->ctx, import->definition->path, initializers[i], tensor);
        if (status != NT_OK)
            return status;
        value->tensor = tensor;
        value->type = tensor->type;
        value->weight = value->defined = true;
        if (tensor->count == 0) /* no device holds what is empty */
            nt_onnx_value_known(import, value, &status);
    }
    return NT_OK;
}

/* ---- inputs ---- */

typedef NtOnnx__TensorShapeProto__Dimension dimension;

static int64_t extent_of(const dimension *dim)
{
    bool fixed = dim->value_case == NT_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    return fixed && dim->dim_value >= 0 ? dim->dim_value : -1;
}

static const char *param_of(const dimension *dim)
{
    bool named = dim->value_case == NT_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
    return named && dim->dim_param ? dim->dim_param : "";
}

static const NtOnnx__TypeProto__Tensor *tensor_type(const NtOnnx__ValueInfoProto *info)
{
    bool tensor = info->type && info->type->value_case == NT_ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    return tensor ? info->type->tensor_type : NULL;
}

static const struct nt_model_feed *find_feed(const struct nt_onnx_import *import, const char *name)
{
    for (int i = 0; i < import->definition->feeds; i++)
        if (strcmp(import->definition->feed[i].name, name) == 0)
            return &import->definition->feed[i];
    return NULL;
}

/* Decides from the first input what the batch is: dimension 0, when it is open or 1. */
static void find_batch(struct nt_onnx_import *import)
{
    const NtOnnx__GraphProto *graph = import->model->graph;
    for (size_t i = 0; i < graph->n_input; i++) {
        const NtOnnx__TypeProto__Tensor *type = tensor_type(graph->input[i]);
        if (get(import, graph->input[i]->name)->tensor || !type)
            continue;
        if (type->shape && type->shape->n_dim > 0) {
            int64_t extent = extent_of(type->shape->dim[0]);
            import->batch_open = extent < 0;
            import->batch_one = extent == 1;
            import->batch_name = param_of(type->shape->dim[0]);
        }
        return;
    }
}

/* Notes a setting that nothing gives, for messages. */
static void note_open(struct nt_onnx_import *import, const char *name)
{
    char word[sizeof import->open];
    size_t used = strlen(import->open);
    int length = snprintf(word, sizeof word, " '%s'", name);
    if (length > 0 && used + (size_t)length < sizeof import->open && !strstr(import->open, word))
        memcpy(import->open + used, word, (size_t)length + 1);
}

/* A shape that does not fit may be due to extents that are 1 because nothing gives them. */
static enum nt_status explain_open(struct nt_onnx_import *import, enum nt_status status)
{
    char message[2048];
    if (!*import->open || (status != NT_ERR_SHAPE && status != NT_ERR_ARGUMENT))
        return status;
    snprintf(message, sizeof message, "%s", nt_error_message(import->ctx));
    return nt_fail(import->ctx, status,
        "%s; extents that the file leaves open are 1 where no setting gives them:%s", message,
        import->open);
}

/* An extent that the file leaves open: the batch's name, a setting, what is fed, 1. */
static enum nt_status open_extent(struct nt_onnx_import *import, const NtOnnx__ValueInfoProto *info,
    int axis, const dimension *dim, const struct nt_model_feed *feed, int64_t *extent)
{
    char name[256], doc[320], text[32], *end;
    if (*param_of(dim) && import->batch_open && strcmp(param_of(dim), import->batch_name) == 0) {
        *extent = import->graph->batch;
        return NT_OK;
    }
    if (*param_of(dim))
        snprintf(name, sizeof name, "%s", param_of(dim));
    else
        snprintf(name, sizeof name, "%s.%d", info->name, axis);
    const char *given = nt_definition_given(import->definition, name);
    *extent = feed ? feed->shape.dim[axis] : 1;
    if (!given && !feed)
        note_open(import, name);
    if (given) {
        errno = 0;
        *extent = strtoll(given, &end, 10);
        if (end == given || *end || errno || *extent < 1 || *extent > INT32_MAX)
            return nt_fail(import->ctx, NT_ERR_ARGUMENT,
                "setting '%s': '%s': must be an integer from 1 to 2147483647", name, given);
    }
    snprintf(
        doc, sizeof doc, "extent %d of input '%s', which the file leaves open", axis, info->name);
    snprintf(text, sizeof text, "%lld", (long long)*extent);
    return nt_definition_declare(import->definition, name, doc, text);
}

static enum nt_status input_shape(struct nt_onnx_import *import, const NtOnnx__ValueInfoProto *info,
    const struct nt_model_feed *feed, struct nt_shape *shape, bool *batched)
{
    const NtOnnx__TensorShapeProto *dims = tensor_type(info)->shape;
    size_t rank = dims ? dims->n_dim : feed ? (size_t)feed->shape.rank : NT_MAX_RANK + 1;
    *batched = false;
    if (!dims && !feed)
        return nt_graph_fail(import->graph, NT_ERR_UNSUPPORTED,
            "input '%s': the file does not tell its rank", info->name);
    if (rank > NT_MAX_RANK)
        return nt_graph_fail(import->graph, NT_ERR_UNSUPPORTED,
            "input '%s': rank %zu: must be at most %d", info->name, rank, NT_MAX_RANK);
    if (feed && (size_t)feed->shape.rank != rank)
        return nt_graph_fail(import->graph, NT_ERR_SHAPE,
            "input '%s': an array of rank %d: must be of rank %zu", info->name, feed->shape.rank,
            rank);
    if (!dims) {
        *shape = feed->shape;
        return NT_OK;
    }
    shape->rank = (int)rank;
    for (int i = 0; i < shape->rank; i++) {
        const dimension *dim = dims->dim[i];
        int64_t *extent = &shape->dim[i];
        bool own = strcmp(param_of(dim), import->batch_name) == 0 || !*param_of(dim);
        *extent = extent_of(dim);
        if (i == 0 &&
            ((import->batch_open && *extent < 0 && own) || (import->batch_one && *extent == 1))) {
            *extent = import->graph->batch;
            *batched = true;
            continue;
        }
        enum nt_status status =
            *extent < 0 ? open_extent(import, info, i, dim, feed, extent) : NT_OK;
        if (status != NT_OK)
            return status;
        if (feed && feed->shape.dim[i] != *extent)
            return nt_graph_fail(import->graph, NT_ERR_SHAPE,
                "input '%s': extent %d of the array is %lld: must be %lld", info->name, i,
                (long long)feed->shape.dim[i], (long long)*extent);
    }
    return NT_OK;
}

/* An integer that is an input may be a setting: what a model computes from it is then known. */
static enum nt_status take_setting(
    struct nt_onnx_import *import, struct nt_onnx_value *value, const struct nt_shape *shape)
{
    char doc[320], *end;
    bool one = shape->rank == 0 || (shape->rank == 1 && shape->dim[0] == 1);
    if (value->feed || !nt_onnx_type_is_integer(value->type) || !one)
        return NT_OK;
    const char *given = nt_definition_given(import->definition, value->name);
    if (given && strcmp(given, "none") != 0) {
        errno = 0;
        int64_t number = strtoll(given, &end, 10);
        if (end == given || *end || errno)
            return nt_fail(import->ctx, NT_ERR_ARGUMENT,
                "setting '%s': '%s': must be an integer, or none", value->name, given);
        struct nt_onnx_host *host = nt_onnx_host_create(import->graph, value->type, shape);
        if (!host)
            return nt_graph_fail(import->graph, NT_ERR_MEMORY, "host memory is exhausted");
        host->data[0] = (double)number;
        value->known = host;
    }
    snprintf(doc, sizeof doc, "input '%s' as a constant; none: an input", value->name);
    return nt_definition_declare(import->definition, value->name, doc, given ? given : "none");
}

static enum nt_status add_input(struct nt_onnx_import *import, const NtOnnx__ValueInfoProto *info)
{
    struct nt_onnx_value *value = get(import, info->name);
    const NtOnnx__TypeProto__Tensor *type = tensor_type(info);
    const struct nt_model_feed *feed = find_feed(import, info->name);
    struct nt_shape shape = {0};
    bool batched;
    if (value->tensor) /* files of IR 3 list the initializers too */
        return NT_OK;
    if (value->defined)
        return nt_graph_fail(
            import->graph, NT_ERR_FORMAT, "input '%s': the name is taken", info->name);
    if (!type)
        return nt_graph_fail(import->graph, NT_ERR_UNSUPPORTED,
            "input '%s': is no tensor: sequences, maps and optional values are not offered",
            info->name);
    if (!nt_onnx_type_is_offered(type->elem_type))
        return nt_graph_fail(import->graph, NT_ERR_UNSUPPORTED,
            "input '%s': is of %s: is not offered", info->name, nt_onnx_type_name(type->elem_type));
    enum nt_status status = input_shape(import, info, feed, &shape, &batched);
    if (status != NT_OK)
        return status;
    value->defined = true;
    value->type = type->elem_type;
    value->feed = feed && feed->data ? feed : NULL;
    status = batched ? NT_OK : take_setting(import, value, &shape);
    if (status != NT_OK || value->known)
        return status;
    if (nt_onnx_host_count(&shape) == 0) {
        value->known = nt_onnx_host_create(import->graph, value->type, &shape);
        return value->known
                   ? NT_OK
                   : nt_graph_fail(import->graph, NT_ERR_MEMORY, "host memory is exhausted");
    }
    return nt_graph_input_shaped(import->graph, info->name, nt_onnx_type_dtype(type->elem_type),
        &shape, batched, &value->graph);
}

/* ---- outputs ---- */

/* Doubles are float32 on a device. Those that follow from what inputs are fed are computed here
 * too, as they are; when that fails, the device's remain. */
static const double *exact_numbers(struct nt_onnx_import *import, struct nt_onnx_value *value)
{
    enum nt_status status = NT_OK;
    if (value->type != NT_ONNX_DOUBLE || import->definition->feeds == 0)
        return NULL;
    const struct nt_onnx_host *host = nt_onnx_value_known(import, value, &status);
    import->graph->failure = NT_OK;
    return status == NT_OK && host && host->type == NT_ONNX_DOUBLE ? host->data : NULL;
}

static enum nt_status add_outputs(struct nt_onnx_import *import)
{
    const NtOnnx__GraphProto *graph = import->model->graph;
    for (size_t i = 0; i < graph->n_output; i++) {
        struct nt_onnx_value *value = get(import, graph->output[i]->name);
        if (!value->defined)
            return nt_graph_fail(import->graph, NT_ERR_FORMAT, "output '%s': nothing makes it",
                graph->output[i]->name);
        int v = nt_onnx_value_graph(import, value);
        if (v < 0)
            return import->graph->failure;
        enum nt_status status = nt_graph_output(import->graph, value->name, v);
        if (status != NT_OK)
            return status;
        import->graph->output[import->graph->output_count - 1].exact = exact_numbers(import, value);
    }
    return NT_OK;
}

static enum nt_status import_all(struct nt_onnx_import *import)
{
    const NtOnnx__GraphProto *graph = import->model->graph;
    struct nt_onnx_task task;
    enum nt_status status = nt_onnx_task_take(import, &task);
    if (status == NT_OK)
        status = create_values(import);
    if (status == NT_OK && graph->n_sparse_initializer > 0)
        status =
            nt_graph_fail(import->graph, NT_ERR_UNSUPPORTED, "sparse initializers are not offered");
    if (status == NT_OK)
        status = nt_onnx_add_initializers(import, graph->n_initializer, graph->initializer);
    if (status == NT_OK)
        status = nt_onnx_task_head(import, &task);
    if (status == NT_OK)
        find_batch(import);
    for (size_t i = 0; status == NT_OK && i < graph->n_input; i++)
        status = add_input(import, graph->input[i]);
    if (status == NT_OK)
        status = nt_onnx_add_nodes(import, &import->nodes);
    import->graph->where = import->definition->path;
    if (status == NT_OK)
        status = add_outputs(import);
    return status == NT_OK ? nt_onnx_task_loss(import, &task) : status;
}

static enum nt_status check_types(struct nt_onnx_import *import, size_t count,
    NtOnnx__ValueInfoProto *const *list, const char *what)
{
    for (size_t i = 0; i < count; i++) {
        const NtOnnx__TypeProto__Tensor *type = tensor_type(list[i]);
        int element = type ? type->elem_type : NT_ONNX_NONE;
        if (list[i]->type && !type)
            return nt_graph_fail(import->graph, NT_ERR_UNSUPPORTED,
                "%s '%s': is no tensor: sequences, maps and optional values are not offered", what,
                list[i]->name);
        if (element != NT_ONNX_NONE && !nt_onnx_type_is_offered(element))
            return nt_graph_fail(import->graph, NT_ERR_UNSUPPORTED,
                "%s '%s': is of %s (%d): is not offered", what, list[i]->name,
                nt_onnx_type_name(element), element);
    }
    return NT_OK;
}

static enum nt_status check_all(struct nt_onnx_import *import)
{
    const NtOnnx__GraphProto *graph = import->model->graph;
    enum nt_status status = check_types(import, graph->n_input, graph->input, "input");
    if (status == NT_OK)
        status = check_types(import, graph->n_output, graph->output, "output");
    return status == NT_OK ? create_values(import) : status;
}

static enum nt_status list_inputs(
    const struct nt_onnx_import *import, struct nt_onnx_inputs *inputs)
{
    const NtOnnx__GraphProto *graph = import->model->graph;
    for (size_t i = 0; i < graph->n_input; i++) {
        bool weight = false;
        for (size_t j = 0; !weight && j < graph->n_initializer; j++)
            weight = strcmp(graph->initializer[j]->name, graph->input[i]->name) == 0;
        if (weight)
            continue;
        if (inputs->count == NT_ONNX_MAX_INPUTS)
            return nt_graph_fail(
                import->graph, NT_ERR_UNSUPPORTED, "more than %d inputs", NT_ONNX_MAX_INPUTS);
        char *name = strdup(graph->input[i]->name);
        if (!name)
            return nt_graph_fail(import->graph, NT_ERR_MEMORY, "host memory is exhausted");
        inputs->name[inputs->count++] = name;
    }
    return NT_OK;
}

void nt_onnx_inputs_finish(struct nt_onnx_inputs *inputs)
{
    for (int i = 0; i < inputs->count; i++)
        free(inputs->name[i]);
    inputs->count = 0;
}

enum nt_status nt_onnx_check(
    struct nt_context *ctx, const char *path, struct nt_onnx_inputs *inputs)
{
    *inputs = (struct nt_onnx_inputs){0};
    struct nt_definition *definition = NULL;
    struct nt_graph *graph = NULL;
    enum nt_status status = nt_definition_open(ctx, path, NT_ONNX_FILE_LIMIT, 0, NULL, &definition);
    if (status == NT_OK)
        status = parse(definition);
    if (status == NT_OK)
        status = nt_graph_create(ctx, 1, false, &graph);
    if (status == NT_OK) {
        const struct parsed *parsed = definition->parsed;
        struct nt_onnx_import import = {.definition = definition,
            .ctx = ctx,
            .graph = graph,
            .model = parsed->model,
            .opset = parsed->opset};
        graph->where = definition->path;
        status = check_all(&import);
        if (status == NT_OK)
            status = list_inputs(&import, inputs);
        if (status != NT_OK)
            nt_onnx_inputs_finish(inputs);
        nt_onnx_values_destroy(import.values);
    }
    nt_graph_destroy(graph);
    nt_definition_close(definition);
    return status;
}

enum nt_status nt_onnx_build(struct nt_definition *definition, struct nt_graph *graph)
{
    enum nt_status status = parse(definition);
    if (status != NT_OK)
        return status;
    const struct parsed *parsed = definition->parsed;
    struct nt_onnx_import import = {.definition = definition,
        .ctx = definition->ctx,
        .graph = graph,
        .model = parsed->model,
        .opset = parsed->opset,
        .batch_name = ""};
    graph->where = definition->path;
    status = explain_open(&import, import_all(&import));
    nt_onnx_values_destroy(import.values);
    graph->where = "";
    return status;
}
