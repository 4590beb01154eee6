/* SPDX-License-Identifier: MIT */
#include "tests/onnx_model.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/model.h"
#include "frontend/onnx/messages.pb-c.h"
#include "frontend/port.h"
#include "frontend/session.h"

#define MAX 24

struct onnx_model {
    char folder[64], path[80];
    NtOnnx__ModelProto file;
    NtOnnx__GraphProto graph;
    NtOnnx__OperatorSetIdProto opset, *opsets[1];
    NtOnnx__NodeProto *node;
    int feeds, outputs, blocks;
    struct nt_model_feed feed[MAX];
    double *result[MAX];
    struct nt_shape shape[MAX];
    void *block[4096]; /* what end frees */
};

static void *keep(struct onnx_model *m, const void *from, size_t size)
{
    void *memory = calloc(1, size + 1);
    ck_assert(memory != NULL && m->blocks < (int)(sizeof m->block / sizeof *m->block));
    if (from)
        memcpy(memory, from, size);
    return m->block[m->blocks++] = memory;
}

static char *text(struct onnx_model *m, const char *from)
{
    return keep(m, from, strlen(from));
}

struct onnx_model *onnx_model_begin(int opset)
{
    struct onnx_model *m = calloc(1, sizeof *m);
    ck_assert(m != NULL);
    snprintf(m->folder, sizeof m->folder, "/tmp/neutra-check-XXXXXX");
    ck_assert(mkdtemp(m->folder) != NULL);
    snprintf(m->path, sizeof m->path, "%s/net.onnx", m->folder);
    nt_onnx__model_proto__init(&m->file);
    nt_onnx__graph_proto__init(&m->graph);
    nt_onnx__operator_set_id_proto__init(&m->opset);
    m->file.has_ir_version = m->opset.has_version = true;
    m->file.ir_version = 8;
    m->opset.version = opset;
    m->opsets[0] = &m->opset;
    m->file.opset_import = m->opsets;
    m->file.n_opset_import = 1;
    m->file.graph = &m->graph;
    m->graph.node = keep(m, NULL, MAX * sizeof *m->graph.node);
    m->graph.initializer = keep(m, NULL, MAX * sizeof *m->graph.initializer);
    m->graph.input = keep(m, NULL, MAX * sizeof *m->graph.input);
    m->graph.output = keep(m, NULL, MAX * sizeof *m->graph.output);
    return m;
}

void onnx_model_end(struct onnx_model *m)
{
    unlink(m->path);
    rmdir(m->folder);
    for (int i = 0; i < m->blocks; i++)
        free(m->block[i]);
    free(m);
}

static struct onnx_model *started;

void onnx_model_finish(void)
{
    if (started)
        onnx_model_end(started);
    started = NULL;
}

struct onnx_model *onnx_model_start(int opset)
{
    onnx_model_finish();
    return started = onnx_model_begin(opset);
}

static size_t count_of(struct nt_shape shape)
{
    size_t count = 1;
    for (int i = 0; i < shape.rank; i++)
        count *= (size_t)shape.dim[i];
    return count;
}

static NtOnnx__ValueInfoProto *info(
    struct onnx_model *m, const char *name, int type, struct nt_shape shape)
{
    NtOnnx__ValueInfoProto *value = keep(m, NULL, sizeof *value);
    NtOnnx__TypeProto *kind = keep(m, NULL, sizeof *kind);
    NtOnnx__TypeProto__Tensor *tensor = keep(m, NULL, sizeof *tensor);
    NtOnnx__TensorShapeProto *dims = keep(m, NULL, sizeof *dims);
    nt_onnx__value_info_proto__init(value);
    nt_onnx__type_proto__init(kind);
    nt_onnx__type_proto__tensor__init(tensor);
    nt_onnx__tensor_shape_proto__init(dims);
    dims->n_dim = (size_t)shape.rank;
    dims->dim = keep(m, NULL, NT_MAX_RANK * sizeof *dims->dim);
    for (int i = 0; i < shape.rank; i++) {
        dims->dim[i] = keep(m, NULL, sizeof **dims->dim);
        nt_onnx__tensor_shape_proto__dimension__init(dims->dim[i]);
        dims->dim[i]->value_case = NT_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        dims->dim[i]->dim_value = shape.dim[i];
    }
    tensor->has_elem_type = true;
    tensor->elem_type = type;
    tensor->shape = dims;
    kind->value_case = NT_ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    kind->tensor_type = tensor;
    value->name = text(m, name);
    value->type = kind;
    return value;
}

/* The numbers in the type's own bytes. */
static void *packed(
    struct onnx_model *m, int type, size_t count, const double *data, enum nt_dtype *dtype)
{
    *dtype = type == NT_ONNX_FLOAT    ? NT_F32
             : type == NT_ONNX_DOUBLE ? NT_F64
             : type == NT_ONNX_INT32  ? NT_I32
             : type == NT_ONNX_INT64  ? NT_I64
                                      : NT_BOOL;
    void *bytes = keep(m, NULL, count * nt_dtype_size(*dtype));
    for (size_t i = 0; i < count; i++)
        if (*dtype == NT_F32)
            ((float *)bytes)[i] = (float)data[i];
        else if (*dtype == NT_F64)
            ((double *)bytes)[i] = data[i];
        else if (*dtype == NT_I32)
            ((int32_t *)bytes)[i] = (int32_t)data[i];
        else if (*dtype == NT_I64)
            ((int64_t *)bytes)[i] = (int64_t)data[i];
        else
            ((uint8_t *)bytes)[i] = data[i] != 0;
    return bytes;
}

void onnx_model_array(struct onnx_model *m, bool constant, const char *name, int type,
    struct nt_shape shape, const double *data)
{
    enum nt_dtype dtype;
    size_t count = count_of(shape);
    void *bytes = packed(m, type, count, data, &dtype);
    if (!constant) {
        m->graph.input[m->graph.n_input++] = info(m, name, type, shape);
        m->feed[m->feeds++] = (struct nt_model_feed){text(m, name), dtype, shape, bytes};
        return;
    }
    NtOnnx__TensorProto *tensor = keep(m, NULL, sizeof *tensor);
    nt_onnx__tensor_proto__init(tensor);
    tensor->name = text(m, name);
    tensor->has_data_type = true;
    tensor->data_type = type;
    tensor->n_dims = (size_t)shape.rank;
    tensor->dims = keep(m, shape.dim, sizeof shape.dim);
    tensor->has_raw_data = true;
    tensor->raw_data.data = bytes;
    tensor->raw_data.len = count * nt_dtype_size(dtype);
    m->graph.initializer[m->graph.n_initializer++] = tensor;
}

const double *onnx_model_random(struct onnx_model *m, const char *name, struct nt_shape shape)
{
    size_t count = count_of(shape);
    double *data = keep(m, NULL, count * sizeof *data);
    for (size_t i = 0; i < count; i++)
        data[i] = (double)test_float();
    onnx_model_array(m, false, name, NT_ONNX_FLOAT, shape, data);
    return data;
}

static char **words(struct onnx_model *m, const char *from, size_t *count)
{
    char **list = keep(m, NULL, MAX * sizeof *list), *copy = text(m, from);
    *count = 0;
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        list[(*count)++] = strcmp(word, "-") == 0 ? copy + strlen(from) : word;
    return list;
}

void onnx_model_node(struct onnx_model *m, const char *op, const char *inputs, const char *outputs)
{
    m->node = keep(m, NULL, sizeof *m->node);
    nt_onnx__node_proto__init(m->node);
    m->node->op_type = text(m, op);
    m->node->input = words(m, inputs, &m->node->n_input);
    m->node->output = words(m, outputs, &m->node->n_output);
    m->node->attribute = keep(m, NULL, MAX * sizeof *m->node->attribute);
    m->graph.node[m->graph.n_node++] = m->node;
}

void onnx_model_domain(struct onnx_model *m, const char *domain)
{
    m->node->domain = text(m, domain);
}

static NtOnnx__AttributeProto *attribute(struct onnx_model *m, const char *name, int type)
{
    NtOnnx__AttributeProto *a = keep(m, NULL, sizeof *a);
    nt_onnx__attribute_proto__init(a);
    a->name = text(m, name);
    a->has_type = true;
    a->type = type;
    return m->node->attribute[m->node->n_attribute++] = a;
}

void onnx_model_int(struct onnx_model *m, const char *name, int64_t value)
{
    NtOnnx__AttributeProto *a = attribute(m, name, NT_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    a->has_i = true;
    a->i = value;
}

void onnx_model_ints(struct onnx_model *m, const char *name, int count, const int64_t *list)
{
    NtOnnx__AttributeProto *a = attribute(m, name, NT_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    a->n_ints = (size_t)count;
    a->ints = keep(m, list, (size_t)count * sizeof *list);
}

void onnx_model_float(struct onnx_model *m, const char *name, double value)
{
    NtOnnx__AttributeProto *a = attribute(m, name, NT_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    a->has_f = true;
    a->f = (float)value;
}

void onnx_model_words(struct onnx_model *m, const char *name, int count, const char *const *list)
{
    NtOnnx__AttributeProto *a =
        attribute(m, name, NT_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS);
    a->n_strings = (size_t)count;
    a->strings = keep(m, NULL, (size_t)count * sizeof *a->strings);
    for (int i = 0; i < count; i++) {
        a->strings[i].len = strlen(list[i]);
        a->strings[i].data = (uint8_t *)text(m, list[i]);
    }
}

void onnx_model_word(struct onnx_model *m, const char *name, const char *word)
{
    NtOnnx__AttributeProto *a =
        attribute(m, name, NT_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    a->has_s = true;
    a->s.len = strlen(word);
    a->s.data = (uint8_t *)text(m, word);
}

/* "name=value" of the latest node. */
static void attribute_word(struct onnx_model *m, char *word)
{
    char *value = strchr(word, '='), *end;
    const char *words[MAX];
    int64_t list[MAX];
    int count = 0;
    *value++ = 0;
    int64_t number = strtoll(value, &end, 10);
    if (*end == 0 && end > value) {
        onnx_model_int(m, word, number);
    } else if (*end == '.' && end > value) {
        onnx_model_float(m, word, strtod(value, NULL));
    } else if (*value == '[' && isalpha((unsigned char)value[1])) {
        for (char *rest = value + 1; (words[count] = strtok_r(rest, ",]", &rest)); count++)
            ck_assert_int_lt(count, MAX - 1);
        onnx_model_words(m, word, count, words);
    } else if (*value == '[') {
        for (end = value; *end && *end != ']' && count < MAX; count++)
            list[count] = strtoll(end + 1, &end, 10);
        onnx_model_ints(m, word, count, list);
    } else {
        onnx_model_word(m, word, value);
    }
}

/* "f2x3" or "i2:5,7". */
static void operand_word(struct onnx_model *m, const char *name, char *word)
{
    static const struct {
        char letter;
        int type;
    } types[] = {{'f', NT_ONNX_FLOAT}, {'d', NT_ONNX_DOUBLE}, {'i', NT_ONNX_INT64},
        {'l', NT_ONNX_INT32}, {'b', NT_ONNX_BOOL}};
    struct nt_shape shape = {0};
    int type = NT_ONNX_NONE;
    char *at = word + 1;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        type = types[i].letter == *word ? types[i].type : type;
    ck_assert_msg(type != NT_ONNX_NONE, "%s: is no operand", word);
    while (*at && *at != ':') {
        shape.dim[shape.rank++] = strtoll(at, &at, 10);
        at += *at == 'x';
    }
    size_t count = count_of(shape);
    double *data = keep(m, NULL, (count + 1) * sizeof *data);
    for (size_t i = 0; i < count; i++)
        data[i] = *at ? strtod(at + 1, &at) : i && strchr(word, ':') ? data[i - 1] : test_float();
    onnx_model_array(m, strchr(word, ':') != NULL, name, type, shape, data);
}

void onnx_model_line(struct onnx_model *m, const char *op, const char *line)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
    char inputs[2 * MAX] = "", outputs[2 * MAX] = "y", *copy = text(m, line), *rest = copy;
    int operands = 0;
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *list = *word == '>' ? outputs : inputs;
        bool given = strcmp(word, "-") != 0;
        if (strchr(word, '='))
            continue;
        ck_assert(operands < 9 && strlen(list) + strlen(word) + 2 < sizeof inputs);
        strcat(list, " ");
        strcat(list, *word == '>' ? word + 1 : given ? names[operands] : "-");
        if (*word != '>' && given)
            operand_word(m, names[operands], word);
        operands += *word != '>';
    }
    onnx_model_node(m, op, inputs, outputs);
    copy = text(m, line);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        if (strchr(word, '='))
            attribute_word(m, word);
}

struct NtOnnx__ModelProto *onnx_model_file(struct onnx_model *m)
{
    return &m->file;
}

void onnx_model_open(struct onnx_model *m, int axis, const char *name)
{
    NtOnnx__ValueInfoProto *input = m->graph.input[m->graph.n_input - 1];
    NtOnnx__TensorShapeProto__Dimension *dim = input->type->tensor_type->shape->dim[axis];
    dim->value_case = NT_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
    dim->dim_param = text(m, name);
}

void onnx_model_pack(struct onnx_model *m)
{
    size_t size = nt_onnx__model_proto__get_packed_size(&m->file);
    uint8_t *bytes = keep(m, NULL, size);
    nt_onnx__model_proto__pack(&m->file, bytes);
    FILE *to = fopen(m->path, "wb");
    ck_assert(to != NULL);
    ck_assert_uint_eq(fwrite(bytes, 1, size, to), size);
    fclose(to);
}

const char *onnx_model_write(struct onnx_model *m)
{
    m->graph.n_output = 0;
    for (size_t i = 0; i < m->node->n_output; i++)
        m->graph.output[m->graph.n_output++] = info(m, m->node->output[i], NT_ONNX_FLOAT, SCALAR);
    onnx_model_pack(m);
    return m->path;
}

static void write_inputs(struct onnx_model *m, struct nt_session *session)
{
    for (int i = 0; i < nt_session_input_count(session); i++) {
        struct nt_port port = nt_session_input(session, i);
        for (int j = 0; j < m->feeds; j++) {
            const struct nt_model_feed *feed = &m->feed[j];
            if (strcmp(feed->name, port.name) != 0)
                continue;
            size_t count = count_of(feed->shape);
            float *numbers = keep(m, NULL, count * sizeof *numbers);
            void *ready = keep(m, NULL, port.bytes);
            ck_assert(nt_shape_equal(&feed->shape, &port.shape));
            for (size_t e = 0; e < count; e++)
                if (feed->dtype == NT_I64)
                    ((int32_t *)numbers)[e] = (int32_t)((const int64_t *)feed->data)[e];
                else if (feed->dtype == NT_BOOL)
                    numbers[e] = ((const uint8_t *)feed->data)[e];
                else if (feed->dtype == NT_F64)
                    numbers[e] = (float)((const double *)feed->data)[e];
                else
                    memcpy(numbers + e, (const float *)feed->data + e, sizeof *numbers);
            nt_port_pack(&port, numbers, ready);
            test_ok(nt_session_write(session, i, ready));
        }
    }
}

static void read_outputs(struct onnx_model *m, struct nt_session *session)
{
    m->outputs = nt_session_output_count(session);
    for (int i = 0; i < m->outputs; i++) {
        struct nt_port port = nt_session_output(session, i);
        size_t count = count_of(port.shape);
        float *numbers = keep(m, NULL, count * sizeof *numbers);
        memset(numbers, 0xff, count * sizeof *numbers);
        test_ok(nt_session_read(session, i, numbers));
        m->shape[i] = port.shape;
        m->result[i] = keep(m, NULL, count * sizeof *m->result[i]);
        for (size_t e = 0; e < count; e++)
            m->result[i][e] = port.exact             ? port.exact[e]
                              : port.dtype == NT_F32 ? (double)numbers[e]
                                                     : (double)((const int32_t *)numbers)[e];
    }
}

enum nt_status onnx_model_run(struct onnx_model *m)
{
    struct nt_model *model = NULL;
    struct nt_weights *weights = NULL;
    struct nt_session *session = NULL;
    const struct nt_session_params params = {.batch = 1};
    onnx_model_write(m);
    enum nt_status status =
        nt_model_load_fed(test_context(), m->path, 0, NULL, m->feeds, m->feed, &model);
    if (status != NT_OK)
        return status;
    test_ok(nt_weights_create(test_device(), model, 1, 0, &weights));
    test_ok(nt_session_create(test_device(), model, weights, &params, &session));
    write_inputs(m, session);
    test_ok(nt_session_run(session, NULL));
    read_outputs(m, session);
    nt_session_destroy(session);
    nt_weights_destroy(weights);
    nt_model_destroy(model);
    return NT_OK;
}

struct nt_shape onnx_model_shape(const struct onnx_model *m, int output)
{
    return m->shape[output];
}

const double *onnx_model_result(const struct onnx_model *m, int output)
{
    return m->result[output];
}

void onnx_model_gives(
    struct onnx_model *m, int output, struct nt_shape shape, const double *want, double tolerance)
{
    char a[128], b[128];
    const char *op = m->node->op_type;
    if (output == 0)
        test_ok(onnx_model_run(m));
    ck_assert_int_lt(output, m->outputs);
    ck_assert_msg(nt_shape_equal(&m->shape[output], &shape), "%s: output %d: %s: must be %s", op,
        output, nt_shape_text(&m->shape[output], a, sizeof a), nt_shape_text(&shape, b, sizeof b));
    for (size_t i = 0; i < count_of(shape); i++) {
        double y = m->result[output][i], bound = tolerance * fmax(1, fabs(want[i]));
        ck_assert_msg(y == want[i] || fabs(y - want[i]) <= bound,
            "%s: output %d: element %zu is %.9g: must be %.9g", op, output, i, y, want[i]);
    }
}
