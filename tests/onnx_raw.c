/* SPDX-License-Identifier: MIT */
#include "tests/onnx_raw.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/session.h"
#include "tests/testing.h"

struct onnx_raw onnx_raw;

static NtOnnx__OperatorSetIdProto *opsets[1];
static NtOnnx__NodeProto *node_list[ONNX_RAW_MAX];
static NtOnnx__AttributeProto attributes[ONNX_RAW_MAX][4], *attribute_list[ONNX_RAW_MAX][4];
static NtOnnx__TensorProto *tensor_list[ONNX_RAW_MAX];
static NtOnnx__ValueInfoProto infos[ONNX_RAW_MAX], *input_list[ONNX_RAW_MAX];
static NtOnnx__TensorShapeProto__Dimension *dim_list[ONNX_RAW_MAX][4];
static int info_count;

void onnx_raw_begin(void)
{
    strcpy(onnx_raw.folder, "/tmp/neutra-check-XXXXXX");
    ck_assert(mkdtemp(onnx_raw.folder) != NULL);
    snprintf(onnx_raw.path, sizeof onnx_raw.path, "%s/net.onnx", onnx_raw.folder);
    nt_onnx__model_proto__init(&onnx_raw.file);
    nt_onnx__graph_proto__init(&onnx_raw.graph);
    nt_onnx__operator_set_id_proto__init(&onnx_raw.opset);
    onnx_raw.file.has_ir_version = onnx_raw.opset.has_version = true;
    onnx_raw.file.ir_version = 8;
    onnx_raw.opset.version = 17;
    opsets[0] = &onnx_raw.opset;
    onnx_raw.file.opset_import = opsets;
    onnx_raw.file.n_opset_import = 1;
    onnx_raw.file.graph = &onnx_raw.graph;
    onnx_raw.graph.node = node_list;
    onnx_raw.graph.initializer = tensor_list;
    onnx_raw.graph.input = input_list;
    onnx_raw.graph.output = onnx_raw.output_list;
    info_count = 0;
}

void onnx_raw_finish(void)
{
    char other[96];
    nt_model_destroy(onnx_raw.model);
    onnx_raw.model = NULL;
    unlink(onnx_raw.path);
    snprintf(other, sizeof other, "%s/w.bin", onnx_raw.folder);
    unlink(other);
    rmdir(onnx_raw.folder);
}

/* A name with a type: extents above 0, 0 for one that is open, -1 for one named "N". */
static NtOnnx__ValueInfoProto *add_info(const char *name, int type, int rank, const int *extents)
{
    int i = info_count++;
    nt_onnx__value_info_proto__init(&infos[i]);
    nt_onnx__type_proto__init(&onnx_raw.types[i]);
    nt_onnx__type_proto__tensor__init(&onnx_raw.tensor_types[i]);
    nt_onnx__tensor_shape_proto__init(&onnx_raw.shapes[i]);
    for (int d = 0; d < rank; d++) {
        nt_onnx__tensor_shape_proto__dimension__init(&onnx_raw.dims[i][d]);
        if (extents[d] > 0) {
            onnx_raw.dims[i][d].value_case =
                NT_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            onnx_raw.dims[i][d].dim_value = extents[d];
        } else if (extents[d] < 0) {
            onnx_raw.dims[i][d].value_case =
                NT_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            onnx_raw.dims[i][d].dim_param = (char *)"N";
        }
        dim_list[i][d] = &onnx_raw.dims[i][d];
    }
    onnx_raw.shapes[i].n_dim = (size_t)rank;
    onnx_raw.shapes[i].dim = dim_list[i];
    onnx_raw.tensor_types[i].has_elem_type = true;
    onnx_raw.tensor_types[i].elem_type = type;
    onnx_raw.tensor_types[i].shape = &onnx_raw.shapes[i];
    onnx_raw.types[i].value_case = NT_ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    onnx_raw.types[i].tensor_type = &onnx_raw.tensor_types[i];
    infos[i].name = (char *)name;
    infos[i].type = &onnx_raw.types[i];
    return &infos[i];
}

void onnx_raw_input(const char *name, int type, int rank, const int *extents)
{
    input_list[onnx_raw.graph.n_input++] = add_info(name, type, rank, extents);
}

void onnx_raw_output(const char *name)
{
    onnx_raw.output_list[onnx_raw.graph.n_output++] = add_info(name, 1, 0, NULL);
}

/* Inputs are separated by spaces. */
int onnx_raw_node(const char *op, const char *inputs, const char *output)
{
    int i = (int)onnx_raw.graph.n_node++;
    static char words[ONNX_RAW_MAX][64];
    nt_onnx__node_proto__init(&onnx_raw.nodes[i]);
    snprintf(words[i], sizeof words[i], "%s", inputs);
    onnx_raw.nodes[i].op_type = (char *)op;
    onnx_raw.nodes[i].input = onnx_raw.node_inputs[i];
    onnx_raw.nodes[i].output = onnx_raw.node_outputs[i];
    onnx_raw.nodes[i].attribute = attribute_list[i];
    for (char *word = strtok(words[i], " "); word; word = strtok(NULL, " "))
        onnx_raw.node_inputs[i][onnx_raw.nodes[i].n_input++] = word;
    onnx_raw.node_outputs[i][0] = (char *)output;
    onnx_raw.nodes[i].n_output = 1;
    node_list[i] = &onnx_raw.nodes[i];
    return i;
}

NtOnnx__AttributeProto *onnx_raw_attribute(int node, const char *name)
{
    size_t a = onnx_raw.nodes[node].n_attribute++;
    NtOnnx__AttributeProto *attribute = &attributes[node][a];
    nt_onnx__attribute_proto__init(attribute);
    attribute->name = (char *)name;
    attribute_list[node][a] = attribute;
    return attribute;
}

NtOnnx__TensorProto *onnx_raw_tensor(
    const char *name, int type, size_t rank, int64_t *extents, const void *raw, size_t bytes)
{
    NtOnnx__TensorProto *tensor = &onnx_raw.tensors[onnx_raw.graph.n_initializer];
    nt_onnx__tensor_proto__init(tensor);
    tensor->name = (char *)name;
    tensor->has_data_type = true;
    tensor->data_type = type;
    tensor->n_dims = rank;
    tensor->dims = extents;
    tensor->has_raw_data = raw != NULL;
    tensor->raw_data.data = (uint8_t *)raw;
    tensor->raw_data.len = bytes;
    tensor_list[onnx_raw.graph.n_initializer++] = tensor;
    return tensor;
}

void onnx_raw_write(const char *name, const void *bytes, size_t size)
{
    FILE *to = fopen(name, "wb");
    ck_assert(to != NULL);
    ck_assert_uint_eq(fwrite(bytes, 1, size, to), size);
    fclose(to);
}

/* The bytes of the model, which the caller frees. */
uint8_t *onnx_raw_pack(size_t *size)
{
    *size = nt_onnx__model_proto__get_packed_size(&onnx_raw.file);
    uint8_t *bytes = malloc(*size + 1);
    ck_assert(bytes != NULL);
    nt_onnx__model_proto__pack(&onnx_raw.file, bytes);
    return bytes;
}

enum nt_status onnx_raw_load(void)
{
    size_t size;
    uint8_t *bytes = onnx_raw_pack(&size);
    onnx_raw_write(onnx_raw.path, bytes, size);
    free(bytes);
    nt_model_destroy(onnx_raw.model);
    onnx_raw.model = NULL;
    return nt_model_load(test_context(), onnx_raw.path, 0, NULL, &onnx_raw.model);
}

/* Loads and compares the message behind the path. */
void onnx_raw_refused(enum nt_status expected, const char *rest)
{
    enum nt_status status = onnx_raw_load();
    const char *message = nt_error_message(test_context());
    ck_assert_msg(status == expected, "status %d: %s", (int)status, message);
    ck_assert(strncmp(message, onnx_raw.path, strlen(onnx_raw.path)) == 0);
    ck_assert_str_eq(message + strlen(onnx_raw.path), rest);
}

/* Runs the model that was loaded; inputs and the output row-major. */
void onnx_raw_run(int64_t batch, const void *const *inputs, float *output)
{
    struct nt_weights *weights;
    struct nt_session *session;
    const struct nt_session_params params = {.batch = batch};
    test_ok(nt_weights_create(test_device(), onnx_raw.model, 1, 0, &weights));
    test_ok(nt_session_create(test_device(), onnx_raw.model, weights, &params, &session));
    for (int i = 0; i < nt_session_input_count(session); i++)
        test_ok(nt_session_write(session, i, inputs[i]));
    test_ok(nt_session_run(session, NULL));
    memset(output, 0xff, nt_session_output(session, 0).bytes);
    test_ok(nt_session_read(session, 0, output));
    nt_session_destroy(session);
    nt_weights_destroy(weights);
}

/* y = relu(x W + b), with x of an open batch. */
void onnx_raw_dense(const float *weight, const float *bias)
{
    static int64_t matrix[] = {3, 2}, vector[] = {2};
    onnx_raw_input("x", 1, 2, (int[]){-1, 3});
    onnx_raw_tensor("fc.weight", 1, 2, matrix, weight, 6 * sizeof *weight);
    onnx_raw_tensor("fc.bias", 1, 1, vector, bias, 2 * sizeof *bias);
    onnx_raw_node("MatMul", "x fc.weight", "t");
    onnx_raw_node("Add", "t fc.bias", "u");
    onnx_raw_node("Relu", "u", "y");
    onnx_raw_output("y");
}
