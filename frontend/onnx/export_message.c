/* SPDX-License-Identifier: MIT */
#include "frontend/onnx/export_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NODE_ATTRS 16

static void *take(struct nt_export *e, size_t bytes)
{
    void *memory = nt_graph_alloc(e->graph, bytes);
    e->failed = e->failed || !memory;
    return memory;
}

/* ---- names: an open hash table of those taken ---- */

struct nt_export_names {
    const char **slot;
    size_t count, room; /* a power of two */
};

struct nt_export_names *nt_export_names_create(struct nt_graph *graph)
{
    struct nt_export_names *names = nt_graph_alloc(graph, sizeof *names);
    if (names)
        names->slot = nt_graph_alloc(graph, (names->room = 256) * sizeof *names->slot);
    return names && names->slot ? names : NULL;
}

static size_t slot_of(const struct nt_export_names *names, const char *name)
{
    uint64_t hash = 1469598103934665603u;
    for (const char *at = name; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 1099511628211u;
    size_t at = hash & (names->room - 1);
    while (names->slot[at] && strcmp(names->slot[at], name) != 0)
        at = (at + 1) & (names->room - 1);
    return at;
}

static bool double_names(struct nt_export *e)
{
    struct nt_export_names old = *e->names;
    const char **slot = take(e, 2 * old.room * sizeof *slot);
    if (!slot)
        return false;
    e->names->slot = slot;
    e->names->room = 2 * old.room;
    for (size_t i = 0; i < old.room; i++)
        if (old.slot[i])
            slot[slot_of(e->names, old.slot[i])] = old.slot[i];
    return true;
}

const char *nt_export_name(struct nt_export *e, const char *like)
{
    const char *name = nt_graph_string(e->graph, "%s", like);
    if (2 * (e->names->count + 1) > e->names->room && !double_names(e))
        return name;
    for (int i = 2; e->names->slot[slot_of(e->names, name)]; i++)
        name = nt_graph_string(e->graph, "%s_%d", like, i);
    e->names->slot[slot_of(e->names, name)] = name;
    e->names->count++;
    e->failed = e->failed || !*name;
    return name;
}

/* ---- nodes ---- */

/* Makes room for one more pointer in a list of the file's graph. */
static bool grow(struct nt_export *e, void ***list, size_t count, size_t *room)
{
    if (count < *room)
        return true;
    size_t more = *room ? 2 * *room : 64;
    void **moved = take(e, more * sizeof *moved);
    if (!moved)
        return false;
    if (count > 0)
        memcpy(moved, *list, count * sizeof *moved);
    *list = moved;
    *room = more;
    return true;
}

NtOnnx__NodeProto *nt_export_begin(
    struct nt_export *e, const char *op_type, int inputs, const char *const *input)
{
    static NtOnnx__NodeProto spare; /* given out when memory is exhausted; nothing is kept in it */
    NtOnnx__NodeProto *node = take(e, sizeof *node);
    char **names = take(e, (size_t)(inputs + 1) * sizeof *names);
    char **outputs = take(e, NT_MAX_OUTPUTS * sizeof *outputs);
    NtOnnx__AttributeProto **attributes = take(e, MAX_NODE_ATTRS * sizeof *attributes);
    if (!node || !names || !outputs || !attributes ||
        !grow(e, (void ***)&e->file->node, e->file->n_node, &e->node_room))
        return &spare;
    nt_onnx__node_proto__init(node);
    node->op_type = (char *)op_type;
    for (int i = 0; i < inputs; i++)
        names[i] = (char *)(input[i] ? input[i] : "");
    while (inputs > 0 && !*names[inputs - 1])
        inputs--;
    node->n_input = (size_t)inputs;
    node->input = names;
    node->output = outputs;
    node->attribute = attributes;
    e->file->node[e->file->n_node++] = node;
    return node;
}

static NtOnnx__AttributeProto *add_attribute(struct nt_export *e, NtOnnx__NodeProto *node,
    const char *name, NtOnnx__AttributeProto__AttributeType type)
{
    NtOnnx__AttributeProto *attr = take(e, sizeof *attr);
    if (!attr || !node->attribute || node->n_attribute == MAX_NODE_ATTRS)
        return NULL;
    nt_onnx__attribute_proto__init(attr);
    attr->name = (char *)name;
    attr->has_type = true;
    attr->type = type;
    node->attribute[node->n_attribute++] = attr;
    return attr;
}

void nt_export_int(struct nt_export *e, NtOnnx__NodeProto *node, const char *name, int64_t value)
{
    NtOnnx__AttributeProto *attr =
        add_attribute(e, node, name, NT_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    if (!attr)
        return;
    attr->has_i = true;
    attr->i = value;
}

void nt_export_ints(struct nt_export *e, NtOnnx__NodeProto *node, const char *name, int count,
    const int64_t *values)
{
    NtOnnx__AttributeProto *attr =
        add_attribute(e, node, name, NT_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    int64_t *copy = take(e, (size_t)(count + 1) * sizeof *copy);
    if (!attr || !copy)
        return;
    memcpy(copy, values, (size_t)count * sizeof *copy);
    attr->ints = copy;
    attr->n_ints = (size_t)count;
}

void nt_export_float(struct nt_export *e, NtOnnx__NodeProto *node, const char *name, double value)
{
    NtOnnx__AttributeProto *attr =
        add_attribute(e, node, name, NT_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    if (!attr)
        return;
    attr->has_f = true;
    attr->f = (float)value;
}

static void set_word(ProtobufCBinaryData *to, const char *word)
{
    to->len = strlen(word);
    to->data = (uint8_t *)word;
}

void nt_export_word(
    struct nt_export *e, NtOnnx__NodeProto *node, const char *name, const char *word)
{
    NtOnnx__AttributeProto *attr =
        add_attribute(e, node, name, NT_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    if (!attr)
        return;
    attr->has_s = true;
    set_word(&attr->s, word);
}

void nt_export_words(struct nt_export *e, NtOnnx__NodeProto *node, const char *name, int count,
    const char *const *words)
{
    NtOnnx__AttributeProto *attr =
        add_attribute(e, node, name, NT_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS);
    ProtobufCBinaryData *list = take(e, (size_t)(count + 1) * sizeof *list);
    if (!attr || !list)
        return;
    for (int i = 0; i < count; i++)
        set_word(&list[i], words[i]);
    attr->strings = list;
    attr->n_strings = (size_t)count;
}

/* "MatMul" -> "matmul" */
static const char *in_small_letters(struct nt_export *e, const char *word)
{
    char *small = (char *)nt_graph_string(e->graph, "%s", word);
    for (char *at = small; *at; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
    return small;
}

const char *nt_export_output(struct nt_export *e, NtOnnx__NodeProto *node, const char *name)
{
    if (!node->output || node->n_output == NT_MAX_OUTPUTS)
        return "";
    if (!name)
        name = nt_export_name(e, in_small_letters(e, node->op_type));
    node->output[node->n_output++] = (char *)name;
    if (!node->name || !*node->name)
        node->name = (char *)name;
    return name;
}

const char *nt_export_simple(struct nt_export *e, const char *op_type, const char *name, int inputs,
    const char *const *input)
{
    return nt_export_output(e, nt_export_begin(e, op_type, inputs, input), name);
}

const char *nt_export_cast(struct nt_export *e, const char *input, int type, const char *name)
{
    NtOnnx__NodeProto *node = nt_export_begin(e, "Cast", 1, &input);
    nt_export_int(e, node, "to", type);
    return nt_export_output(e, node, name);
}

/* ---- constants and weights ---- */

static const char *add_tensor(struct nt_export *e, const char *name, int type,
    const struct nt_shape *shape, void *data, size_t bytes)
{
    NtOnnx__TensorProto *tensor = take(e, sizeof *tensor);
    int64_t *dims = take(e, sizeof shape->dim);
    if (!tensor || !dims ||
        !grow(e, (void ***)&e->file->initializer, e->file->n_initializer, &e->tensor_room))
        return "";
    nt_onnx__tensor_proto__init(tensor);
    memcpy(dims, shape->dim, (size_t)shape->rank * sizeof *dims);
    tensor->n_dims = (size_t)shape->rank;
    tensor->dims = dims;
    tensor->has_data_type = true;
    tensor->data_type = type;
    tensor->name = (char *)name;
    tensor->has_raw_data = true;
    tensor->raw_data.len = bytes;
    tensor->raw_data.data = data;
    e->file->initializer[e->file->n_initializer++] = tensor;
    return name;
}

static void *copy_of(struct nt_export *e, const void *data, size_t bytes)
{
    void *copy = take(e, bytes + 1);
    if (copy)
        memcpy(copy, data, bytes);
    return copy;
}

static const char *make_number(struct nt_export *e, int type, double number)
{
    float real = (float)number;
    int64_t whole = number >= 9e18 ? INT64_MAX : number <= -9e18 ? INT64_MIN : (int64_t)number;
    bool truth = number != 0;
    const void *data = type == NT_ONNX_INT64 ? (void *)&whole : &real;
    size_t bytes = type == NT_ONNX_INT64 ? sizeof whole : sizeof real;
    if (type == NT_ONNX_BOOL) {
        data = &truth;
        bytes = 1;
    }
    return add_tensor(e, nt_export_name(e, "constant"), type, &(struct nt_shape){0},
        copy_of(e, data, bytes), bytes);
}

const char *nt_export_number(struct nt_export *e, int type, double number)
{
    for (int i = 0; i < e->numbers; i++)
        if (e->number[i].type == type && !memcmp(&e->number[i].number, &number, sizeof number))
            return e->number[i].name;
    const char *name = make_number(e, type, number);
    if (e->numbers == e->number_room) {
        int room = e->number_room ? 2 * e->number_room : 32;
        struct nt_export_number *more = take(e, (size_t)room * sizeof *more);
        if (!more)
            return name;
        if (e->numbers > 0)
            memcpy(more, e->number, (size_t)e->numbers * sizeof *more);
        e->number = more;
        e->number_room = room;
    }
    e->number[e->numbers++] = (struct nt_export_number){type, number, name};
    return name;
}

const char *nt_export_list(struct nt_export *e, int count, const int64_t *list)
{
    size_t bytes = (size_t)count * sizeof *list;
    return add_tensor(e, nt_export_name(e, "list"), NT_ONNX_INT64, &(struct nt_shape){1, {count}},
        copy_of(e, list, bytes), bytes);
}

const char *nt_export_floats(
    struct nt_export *e, const char *like, const struct nt_shape *shape, const float *data)
{
    size_t bytes = (size_t)nt_shape_count(shape) * sizeof *data;
    return add_tensor(
        e, nt_export_name(e, like), NT_ONNX_FLOAT, shape, copy_of(e, data, bytes), bytes);
}

void *nt_export_numbers_of(struct nt_export *e, int value)
{
    const struct nt_value *v = &e->graph->value[value];
    size_t bytes = (size_t)nt_shape_count(&v->shape) * sizeof(float);
    int index = nt_weights_find(e->weights, v->name);
    void *data = malloc(bytes + 1);
    if (!data)
        e->failed = true;
    else if (e->folded[value])
        memcpy(data, e->folded[value], bytes);
    else if (v->init.kind == NT_INIT_COMPUTED)
        v->init.read(e->ctx, v->init.source, data);
    else if (index < 0 || nt_weights_read(e->weights, index, data) != NT_OK) {
        free(data);
        data = NULL;
    }
    return data;
}

static const char *add_weight(struct nt_export *e, int value)
{
    const struct nt_value v = e->graph->value[value];
    size_t count = (size_t)nt_shape_count(&v.shape);
    bool whole = v.dtype == NT_I32;
    void *numbers = nt_export_numbers_of(e, value);
    void *data = take(e, count * (whole ? sizeof(int64_t) : sizeof(float)) + 1);
    if (!numbers)
        e->failed = true;
    if (numbers && data && whole)
        for (size_t i = 0; i < count; i++)
            ((int64_t *)data)[i] = ((int32_t *)numbers)[i];
    else if (numbers && data)
        memcpy(data, numbers, count * sizeof(float));
    free(numbers);
    return add_tensor(e, v.name, whole ? NT_ONNX_INT64 : NT_ONNX_FLOAT, &v.shape, data,
        count * (whole ? sizeof(int64_t) : sizeof(float)));
}

/* ---- values of the graph ---- */

static int type_of(const struct nt_value *value)
{
    return value->dtype == NT_I32 ? NT_ONNX_INT64 : NT_ONNX_FLOAT;
}

/* The numbers first, first + 1, ... under the value's extents, which may hold the batch. */
static const char *add_index(struct nt_export *e, int value)
{
    const struct nt_value v = e->graph->value[value];
    const char *first = nt_export_number(e, NT_ONNX_INT64, v.constant), *limit;
    if (nt_export_is_constant(e, value)) {
        limit = nt_export_number(e, NT_ONNX_INT64, v.constant + (double)nt_shape_count(&v.shape));
    } else {
        NtOnnx__NodeProto *node =
            nt_export_begin(e, "ReduceProd", 1, (const char *[]){nt_export_shape(e, value)});
        nt_export_int(e, node, "keepdims", 0);
        limit = nt_export_simple(
            e, "Add", NULL, 2, (const char *[]){nt_export_output(e, node, NULL), first});
    }
    const char *in[3] = {first, limit, nt_export_number(e, NT_ONNX_INT64, 1)};
    return nt_export_reshape(e, nt_export_simple(e, "Range", NULL, 3, in), value, NULL);
}

const char *nt_export_value(struct nt_export *e, int value)
{
    if (value < 0)
        return "";
    if (e->name[value])
        return e->name[value];
    const struct nt_value v = e->graph->value[value];
    const char *name = "";
    switch (v.kind) {
    case NT_VALUE_PARAMETER:
    case NT_VALUE_STATE:
        name = add_weight(e, value);
        break;
    case NT_VALUE_NUMBER:
        name = nt_export_number(e, NT_ONNX_FLOAT, v.constant);
        break;
    case NT_VALUE_CONSTANT:
        name = nt_export_number(e, type_of(&v), v.constant);
        if (v.shape.rank > 0)
            name = nt_export_simple(
                e, "Expand", NULL, 2, (const char *[]){name, nt_export_shape(e, value)});
        break;
    case NT_VALUE_INDEX:
        name = add_index(e, value);
        break;
    default: /* inputs and results have names before they are read */
        break;
    }
    return e->name[value] = name;
}

void nt_export_bind(struct nt_export *e, int value, const char *name)
{
    e->name[value] = name;
}

const char *nt_export_result(struct nt_export *e, int value)
{
    const struct nt_value *v = &e->graph->value[value];
    for (int i = 0; i < e->graph->output_count; i++)
        if (e->graph->output[i].value == value)
            return e->name[value] = e->graph->output[i].name;
    const char *like = *v->name ? v->name : e->graph->node[v->node]->op->name;
    return e->name[value] = nt_export_name(e, like);
}

/* ---- what is needed ---- */

static bool is_taken(const struct nt_export_names *names, const char *name)
{
    return names->slot[slot_of(names, name)] != NULL;
}

/* Adds a name to those needed; the table has room for all. */
static void need(struct nt_export_names *names, const char *name)
{
    names->slot[slot_of(names, name)] = name;
}

void nt_export_prune(struct nt_export *e)
{
    NtOnnx__GraphProto *file = e->file;
    struct nt_export_names needed = {.room = e->names->room};
    size_t kept = 0;
    needed.slot = take(e, needed.room * sizeof *needed.slot);
    if (!needed.slot)
        return;
    for (size_t i = 0; i < file->n_output; i++)
        need(&needed, file->output[i]->name);
    for (size_t i = file->n_node; i-- > 0;) {
        NtOnnx__NodeProto *node = file->node[i];
        bool wanted = false;
        for (size_t o = 0; o < node->n_output; o++)
            wanted = wanted || is_taken(&needed, node->output[o]);
        for (size_t j = 0; wanted && j < node->n_input; j++)
            need(&needed, node->input[j]);
        if (!wanted)
            file->node[i] = NULL;
    }
    for (size_t i = 0; i < file->n_node; i++)
        if (file->node[i])
            file->node[kept++] = file->node[i];
    file->n_node = kept;
    kept = 0;
    for (size_t i = 0; i < file->n_initializer; i++)
        if (is_taken(&needed, file->initializer[i]->name))
            file->initializer[kept++] = file->initializer[i];
    file->n_initializer = kept;
}

/* ---- inputs and outputs ---- */

static NtOnnx__TensorShapeProto__Dimension *make_dimension(
    struct nt_export *e, struct nt_export_extent extent)
{
    NtOnnx__TensorShapeProto__Dimension *dim = take(e, sizeof *dim);
    if (!dim)
        return NULL;
    nt_onnx__tensor_shape_proto__dimension__init(dim);
    if (extent.by_batch == 0) {
        dim->value_case = NT_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        dim->dim_value = extent.base;
        return dim;
    }
    dim->value_case = NT_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
    dim->dim_param = extent.by_batch == 1 && extent.base == 0
                         ? "N"
                         : (char *)nt_graph_string(e->graph, "%lldN%+lld",
                               (long long)extent.by_batch, (long long)extent.base);
    return dim;
}

NtOnnx__ValueInfoProto *nt_export_info(struct nt_export *e, const char *name, int value)
{
    int rank = e->graph->value[value].shape.rank;
    NtOnnx__ValueInfoProto *info = take(e, sizeof *info);
    NtOnnx__TypeProto *type = take(e, sizeof *type);
    NtOnnx__TypeProto__Tensor *tensor = take(e, sizeof *tensor);
    NtOnnx__TensorShapeProto *shape = take(e, sizeof *shape);
    NtOnnx__TensorShapeProto__Dimension **dims = take(e, (size_t)(rank + 1) * sizeof *dims);
    if (!info || !type || !tensor || !shape || !dims)
        return NULL;
    nt_onnx__value_info_proto__init(info);
    nt_onnx__type_proto__init(type);
    nt_onnx__type_proto__tensor__init(tensor);
    nt_onnx__tensor_shape_proto__init(shape);
    for (int i = 0; i < rank; i++)
        if (!(dims[i] = make_dimension(e, nt_export_extent(e, value, i))))
            return NULL;
    shape->n_dim = (size_t)rank;
    shape->dim = dims;
    tensor->has_elem_type = true;
    tensor->elem_type = type_of(&e->graph->value[value]);
    tensor->shape = shape;
    type->value_case = NT_ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor;
    info->name = (char *)name;
    info->type = type;
    return info;
}
