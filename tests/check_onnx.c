/* SPDX-License-Identifier: MIT
 *
 * Models in the ONNX format, made here with the generated writer of its messages; broken files,
 * each with its message.
 */
#include "tests/testing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/graph.h"
#include "frontend/model.h"
#include "frontend/onnx/messages.pb-c.h"
#include "frontend/session.h"

#define MAX 16

static char folder[] = "/tmp/neutra-check-XXXXXX", path[64];
static struct nt_model *model;

/* A model under construction: everything is static, so nothing is freed. */
static NtOnnx__ModelProto file;
static NtOnnx__GraphProto graph;
static NtOnnx__OperatorSetIdProto opset, *opsets[1];
static NtOnnx__NodeProto nodes[MAX], *node_list[MAX];
static NtOnnx__AttributeProto attributes[MAX][4], *attribute_list[MAX][4];
static char *node_inputs[MAX][4], *node_outputs[MAX][1];
static NtOnnx__TensorProto tensors[MAX], *tensor_list[MAX];
static NtOnnx__ValueInfoProto infos[MAX], *input_list[MAX], *output_list[MAX];
static NtOnnx__TypeProto types[MAX];
static NtOnnx__TypeProto__Tensor tensor_types[MAX];
static NtOnnx__TensorShapeProto shapes[MAX];
static NtOnnx__TensorShapeProto__Dimension dims[MAX][4], *dim_list[MAX][4];
static int info_count;

static void begin(void)
{
    ck_assert(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/net.onnx", folder);
    nt_onnx__model_proto__init(&file);
    nt_onnx__graph_proto__init(&graph);
    nt_onnx__operator_set_id_proto__init(&opset);
    file.has_ir_version = opset.has_version = true;
    file.ir_version = 8;
    opset.version = 17;
    opsets[0] = &opset;
    file.opset_import = opsets;
    file.n_opset_import = 1;
    file.graph = &graph;
    graph.node = node_list;
    graph.initializer = tensor_list;
    graph.input = input_list;
    graph.output = output_list;
    info_count = 0;
}

static void finish(void)
{
    char other[96];
    nt_model_destroy(model);
    model = NULL;
    unlink(path);
    snprintf(other, sizeof other, "%s/w.bin", folder);
    unlink(other);
    rmdir(folder);
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
}

/* A name with a type: extents above 0, 0 for one that is open, -1 for one named "N". */
static NtOnnx__ValueInfoProto *add_info(const char *name, int type, int rank, const int *extents)
{
    int i = info_count++;
    nt_onnx__value_info_proto__init(&infos[i]);
    nt_onnx__type_proto__init(&types[i]);
    nt_onnx__type_proto__tensor__init(&tensor_types[i]);
    nt_onnx__tensor_shape_proto__init(&shapes[i]);
    for (int d = 0; d < rank; d++) {
        nt_onnx__tensor_shape_proto__dimension__init(&dims[i][d]);
        if (extents[d] > 0) {
            dims[i][d].value_case = NT_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            dims[i][d].dim_value = extents[d];
        } else if (extents[d] < 0) {
            dims[i][d].value_case = NT_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            dims[i][d].dim_param = (char *)"N";
        }
        dim_list[i][d] = &dims[i][d];
    }
    shapes[i].n_dim = (size_t)rank;
    shapes[i].dim = dim_list[i];
    tensor_types[i].has_elem_type = true;
    tensor_types[i].elem_type = type;
    tensor_types[i].shape = &shapes[i];
    types[i].value_case = NT_ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    types[i].tensor_type = &tensor_types[i];
    infos[i].name = (char *)name;
    infos[i].type = &types[i];
    return &infos[i];
}

static void add_input(const char *name, int type, int rank, const int *extents)
{
    input_list[graph.n_input++] = add_info(name, type, rank, extents);
}

static void add_output(const char *name)
{
    output_list[graph.n_output++] = add_info(name, 1, 0, NULL);
}

/* Inputs are separated by spaces. */
static int add_node(const char *op, const char *inputs, const char *output)
{
    int i = (int)graph.n_node++;
    static char words[MAX][64];
    nt_onnx__node_proto__init(&nodes[i]);
    snprintf(words[i], sizeof words[i], "%s", inputs);
    nodes[i].op_type = (char *)op;
    nodes[i].input = node_inputs[i];
    nodes[i].output = node_outputs[i];
    nodes[i].attribute = attribute_list[i];
    for (char *word = strtok(words[i], " "); word; word = strtok(NULL, " "))
        node_inputs[i][nodes[i].n_input++] = word;
    node_outputs[i][0] = (char *)output;
    nodes[i].n_output = 1;
    node_list[i] = &nodes[i];
    return i;
}

static NtOnnx__AttributeProto *add_attribute(int node, const char *name)
{
    size_t a = nodes[node].n_attribute++;
    NtOnnx__AttributeProto *attribute = &attributes[node][a];
    nt_onnx__attribute_proto__init(attribute);
    attribute->name = (char *)name;
    attribute_list[node][a] = attribute;
    return attribute;
}

static NtOnnx__TensorProto *add_tensor(
    const char *name, int type, size_t rank, int64_t *extents, const void *raw, size_t bytes)
{
    NtOnnx__TensorProto *tensor = &tensors[graph.n_initializer];
    nt_onnx__tensor_proto__init(tensor);
    tensor->name = (char *)name;
    tensor->has_data_type = true;
    tensor->data_type = type;
    tensor->n_dims = rank;
    tensor->dims = extents;
    tensor->has_raw_data = raw != NULL;
    tensor->raw_data.data = (uint8_t *)raw;
    tensor->raw_data.len = bytes;
    tensor_list[graph.n_initializer++] = tensor;
    return tensor;
}

static void write_bytes(const char *name, const void *bytes, size_t size)
{
    FILE *to = fopen(name, "wb");
    ck_assert(to != NULL);
    ck_assert_uint_eq(fwrite(bytes, 1, size, to), size);
    fclose(to);
}

/* The bytes of the model, which the caller frees. */
static uint8_t *pack(size_t *size)
{
    *size = nt_onnx__model_proto__get_packed_size(&file);
    uint8_t *bytes = malloc(*size + 1);
    ck_assert(bytes != NULL);
    nt_onnx__model_proto__pack(&file, bytes);
    return bytes;
}

static enum nt_status load(void)
{
    size_t size;
    uint8_t *bytes = pack(&size);
    write_bytes(path, bytes, size);
    free(bytes);
    nt_model_destroy(model);
    model = NULL;
    return nt_model_load(test_context(), path, 0, NULL, &model);
}

/* Loads and compares the message behind the path. */
static void refused(enum nt_status expected, const char *rest)
{
    enum nt_status status = load();
    const char *message = nt_error_message(test_context());
    ck_assert_msg(status == expected, "status %d: %s", (int)status, message);
    ck_assert(strncmp(message, path, strlen(path)) == 0);
    ck_assert_str_eq(message + strlen(path), rest);
}

/* Runs the model that was loaded; inputs and the output row-major. */
static void run(int64_t batch, const void *const *inputs, float *output)
{
    struct nt_weights *weights;
    struct nt_session *session;
    const struct nt_session_params params = {.batch = batch};
    test_ok(nt_weights_create(test_device(), model, 1, 0, &weights));
    test_ok(nt_session_create(test_device(), model, weights, &params, &session));
    for (int i = 0; i < nt_session_input_count(session); i++)
        test_ok(nt_session_write(session, i, inputs[i]));
    test_ok(nt_session_run(session, NULL));
    memset(output, 0xff, nt_session_output(session, 0).bytes);
    test_ok(nt_session_read(session, 0, output));
    nt_session_destroy(session);
    nt_weights_destroy(weights);
}

/* y = relu(x W + b), with x of an open batch. */
static void make_dense(const float *weight, const float *bias)
{
    static int64_t matrix[] = {3, 2}, vector[] = {2};
    add_input("x", 1, 2, (int[]){-1, 3});
    add_tensor("fc.weight", 1, 2, matrix, weight, 6 * sizeof *weight);
    add_tensor("fc.bias", 1, 1, vector, bias, 2 * sizeof *bias);
    add_node("MatMul", "x fc.weight", "t");
    add_node("Add", "t fc.bias", "u");
    add_node("Relu", "u", "y");
    add_output("y");
}

START_TEST(dense)
{
    float weight[6], bias[2], x[15], y[10];
    double want[10];
    test_fill(weight, 6);
    test_fill(bias, 2);
    test_fill(x, 15);
    make_dense(weight, bias);
    test_ok(load());
    ck_assert_int_eq(nt_model_input_count(model), 1);
    ck_assert_str_eq(nt_model_get_input(model, 0).name, "x");
    ck_assert_int_eq(nt_model_get_input(model, 0).item_shape.rank, 1);
    ck_assert(!nt_model_get_input(model, 0).whole);
    for (int n = 0; n < 5; n++)
        for (int o = 0; o < 2; o++) {
            double sum = (double)bias[o];
            for (int i = 0; i < 3; i++)
                sum += (double)x[n * 3 + i] * (double)weight[i * 2 + o];
            want[n * 2 + o] = sum > 0 ? sum : 0;
        }
    run(5, (const void *[]){x}, y);
    test_close("dense", 10, y, want, 1e-5);
}
END_TEST

START_TEST(weights_start_from_the_file)
{
    float weight[6], bias[2], back[6];
    struct nt_weights *weights;
    test_fill(weight, 6);
    test_fill(bias, 2);
    make_dense(weight, bias);
    test_ok(load());
    test_ok(nt_weights_create(test_device(), model, 1, 0, &weights));
    ck_assert_int_eq(nt_weights_count(weights), 2);
    int index = nt_weights_find(weights, "fc.weight");
    ck_assert_int_ge(index, 0);
    ck_assert(nt_weights_get(weights, index)->trained);
    test_ok(nt_weights_read(weights, index, back));
    ck_assert(memcmp(back, weight, sizeof weight) == 0);
    nt_weights_destroy(weights);
}
END_TEST

/* Half the channels of x: the extent is computed from x's shape. */
START_TEST(shape_arithmetic_is_folded)
{
    static int64_t one[] = {1}, none[1];
    int64_t axis = 1, zero = 0, two = 2, minus = -1;
    float x[2 * 6 * 4], y[2 * 2 * 12];
    add_input("x", 1, 3, (int[]){-1, 6, 4});
    add_tensor("axis", 7, 0, none, &axis, sizeof axis);
    add_tensor("zero", 7, 0, none, &zero, sizeof zero);
    add_tensor("two", 7, 1, one, &two, sizeof two);
    add_tensor("minus", 7, 1, one, &minus, sizeof minus);
    add_node("Shape", "x", "shape");
    add_node("Gather", "shape zero", "n");
    add_node("Unsqueeze", "n zero", "ns");
    int concat = add_node("Concat", "ns two minus", "target");
    NtOnnx__AttributeProto *attribute = add_attribute(concat, "axis");
    attribute->has_i = attribute->has_type = true;
    attribute->type = NT_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    attribute->i = 0;
    add_node("Reshape", "x target", "y");
    add_output("y");
    test_fill(x, 48);
    test_ok(load());
    run(2, (const void *[]){x}, y);
    ck_assert(memcmp(x, y, sizeof x) == 0);
    struct nt_graph *built;
    test_ok(nt_model_build(model, 2, false, &built));
    ck_assert_int_eq(built->node_count, 1);
    nt_graph_destroy(built);
}
END_TEST

START_TEST(types_of_weights)
{
    static int64_t extents[] = {4};
    static const uint16_t half[] = {0x3c00, 0xc000, 0x3800, 0x7bff};
    static const double wide[] = {0.5, -1, 2, 1e-3};
    float x[4], y[4];
    double want[4];
    add_input("x", 1, 1, (int[]){4});
    add_tensor("half", 10, 1, extents, half, sizeof half);
    add_tensor("wide", 11, 1, extents, wide, sizeof wide);
    add_node("Mul", "x half", "t");
    add_node("Add", "t wide", "y");
    add_output("y");
    test_fill(x, 4);
    test_ok(load());
    ck_assert(nt_model_get_input(model, 0).whole);
    const double halves[] = {1, -2, 0.5, 65504};
    for (int i = 0; i < 4; i++)
        want[i] = (double)x[i] * halves[i] + wide[i];
    run(1, (const void *[]){x}, y);
    test_close("types", 4, y, want, 1e-6);
}
END_TEST

START_TEST(integers_choose_elements)
{
    static int64_t extents[] = {3};
    static const int64_t index[] = {2, -1, 0};
    float x[10], y[6];
    add_input("x", 1, 2, (int[]){5, 2});
    add_tensor("index", 7, 1, extents, index, sizeof index);
    add_node("Gather", "x index", "y");
    add_output("y");
    test_fill(x, 10);
    test_ok(load());
    run(1, (const void *[]){x}, y);
    const int rows[] = {2, 4, 0};
    for (int i = 0; i < 3; i++)
        ck_assert(memcmp(y + 2 * i, x + 2 * rows[i], 2 * sizeof *x) == 0);
}
END_TEST

/* A node's, or its output's where it has none. */
START_TEST(nodes_keep_their_names)
{
    static int64_t extents[] = {2, 2, 3, 3};
    static const char *const names[] = {"first", "second", "y"};
    float weight[36];
    struct nt_graph *built;
    test_fill(weight, 36);
    add_input("x", 1, 4, (int[]){1, 2, 9, 9});
    add_tensor("w", 1, 4, extents, weight, sizeof weight);
    nodes[add_node("Conv", "x w", "t")].name = (char *)"first";
    nodes[add_node("Relu", "t", "u")].name = (char *)"second";
    add_node("Conv", "u w", "y");
    add_output("y");
    test_ok(load());
    test_ok(nt_model_build(model, 1, true, &built));
    ck_assert_int_eq(built->node_count, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(built->node[i]->name, names[i]);
    nt_graph_destroy(built);
}
END_TEST

static void add_external(
    NtOnnx__TensorProto *tensor, const char *location, const char *offset, const char *length)
{
    static NtOnnx__StringStringEntryProto entries[3], *list[3];
    const char *pairs[3][2] = {{"location", location}, {"offset", offset}, {"length", length}};
    for (int i = 0; i < 3; i++) {
        nt_onnx__string_string_entry_proto__init(&entries[i]);
        entries[i].key = (char *)pairs[i][0];
        entries[i].value = (char *)pairs[i][1];
        list[i] = &entries[i];
    }
    tensor->has_data_location = true;
    tensor->data_location = NT_ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    tensor->external_data = list;
    tensor->n_external_data = length ? 3 : 2;
}

static void make_external(const char *location, const char *offset)
{
    static int64_t extents[] = {4};
    add_input("x", 1, 1, (int[]){4});
    add_external(add_tensor("w", 1, 1, extents, NULL, 0), location, offset, NULL);
    add_node("Add", "x w", "y");
    add_output("y");
}

START_TEST(external_data)
{
    float data[6], x[4], y[4];
    double want[4];
    char name[96];
    test_fill(data, 6);
    test_fill(x, 4);
    snprintf(name, sizeof name, "%s/w.bin", folder);
    write_bytes(name, data, sizeof data);
    make_external("w.bin", "8");
    test_ok(load());
    for (int i = 0; i < 4; i++)
        want[i] = (double)x[i] + (double)data[i + 2];
    run(1, (const void *[]){x}, y);
    test_close("external", 4, y, want, 1e-6);
    add_external(&tensors[0], "w.bin", "12", "16");
    refused(
        NT_ERR_FORMAT, ": tensor 'w': external file w.bin of 24 bytes: must have 16 from 12 on");
    add_external(&tensors[0], "w.bin", "8", "12");
    refused(NT_ERR_FORMAT, ": tensor 'w': external data of 12 bytes: must be 16");
    unlink(name);
    ck_assert_int_eq(mkdir(name, 0700), 0);
    add_external(&tensors[0], "w.bin", "0", NULL);
    refused(NT_ERR_FILE, ": tensor 'w': external file w.bin: cannot be read");
    rmdir(name);
}
END_TEST

START_TEST(external_data_stays_in_the_folder)
{
    make_external("../../etc/hostname", "0");
    refused(NT_ERR_FORMAT,
        ": tensor 'w': external file ../../etc/hostname: must be in the model's folder");
    add_external(&tensors[0], "/etc/hostname", "0", NULL);
    refused(
        NT_ERR_FORMAT, ": tensor 'w': external file /etc/hostname: must be in the model's folder");
    add_external(&tensors[0], "missing.bin", "0", NULL);
    refused(NT_ERR_FILE, ": tensor 'w': external file missing.bin: is not there");
    add_external(&tensors[0], "w.bin", "-1", NULL);
    refused(NT_ERR_FORMAT, ": tensor 'w': external offset '-1': is no number");
}
END_TEST

START_TEST(operators_not_offered)
{
    add_input("x", 1, 1, (int[]){4});
    add_node("Scan", "x", "a");
    add_node("StringNormalizer", "a", "b");
    add_node("FusedConv", "b", "y");
    nodes[2].domain = (char *)"com.microsoft";
    add_node("Loop", "x", "unused");
    add_output("y");
    refused(NT_ERR_UNSUPPORTED,
        ": operators that are not offered (opset 17): Scan, StringNormalizer, "
        "com.microsoft.FusedConv");
}
END_TEST

START_TEST(broken_graphs)
{
    static int64_t extents[] = {3};
    const float w[4] = {0};
    add_input("x", 1, 1, (int[]){4});
    refused(NT_ERR_FORMAT, ": graph '': has no output");
    add_node("Relu", "z", "y");
    add_output("y");
    refused(NT_ERR_FORMAT, ": node 'y': Relu: input 'z': is not made before it is used");
    node_inputs[0][0] = (char *)"x";
    node_outputs[0][0] = (char *)"x";
    output_list[0]->name = (char *)"x";
    refused(NT_ERR_FORMAT, ": node 'x': Relu: output 'x': the name is taken");
    node_outputs[0][0] = (char *)"y";
    output_list[0]->name = (char *)"q";
    refused(NT_ERR_FORMAT, ": output 'q': nothing makes it");
    output_list[0]->name = (char *)"y";
    opset.version = 99;
    refused(NT_ERR_UNSUPPORTED, ": opset 99: must be from 1 to 28");
    opset.version = 17;
    add_tensor("w", 1, 1, extents, w, sizeof w);
    refused(NT_ERR_FORMAT, ": tensor 'w': 4 numbers: float32 3 has 3");
    extents[0] = -3;
    refused(NT_ERR_FORMAT, ": tensor 'w': extent -3: must be at least 0");
    extents[0] = 4;
    tensors[0].data_type = 8;
    refused(NT_ERR_UNSUPPORTED, ": tensor 'w': is of string (8): is not offered");
    tensors[0].data_type = 17;
    refused(NT_ERR_UNSUPPORTED, ": tensor 'w': is of float8e4m3fn (17): is not offered");
    tensors[0].data_type = 99;
    refused(NT_ERR_UNSUPPORTED, ": tensor 'w': is of an unknown type (99): is not offered");
}
END_TEST

START_TEST(broken_inputs)
{
    add_input("x", 1, 1, (int[]){4});
    add_node("Relu", "x", "y");
    add_output("y");
    tensor_types[0].elem_type = 8;
    refused(NT_ERR_UNSUPPORTED, ": input 'x': is of string: is not offered");
    tensor_types[0].elem_type = 1;
    tensor_types[0].shape = NULL;
    refused(NT_ERR_UNSUPPORTED, ": input 'x': the file does not tell its rank");
    tensor_types[0].shape = &shapes[0];
    types[0].value_case = NT_ONNX__TYPE_PROTO__VALUE__NOT_SET;
    refused(NT_ERR_UNSUPPORTED,
        ": input 'x': is no tensor: sequences, maps and optional values are not offered");
    types[0].value_case = NT_ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    shapes[0].n_dim = 9;
    static NtOnnx__TensorShapeProto__Dimension *nine[9];
    for (int i = 0; i < 9; i++)
        nine[i] = &dims[0][0];
    shapes[0].dim = nine;
    refused(NT_ERR_UNSUPPORTED, ": input 'x': rank 9: must be at most 8");
    shapes[0].n_dim = 1;
    add_input("x", 1, 1, (int[]){4});
    refused(NT_ERR_FORMAT, ": input 'x': the name is taken");
}
END_TEST

START_TEST(broken_tensors)
{
    static int64_t extents[9] = {65536, 65536, 1, 1, 1, 1, 1, 1, 1};
    static NtOnnx__SparseTensorProto sparse, *sparse_list[1] = {&sparse};
    static char *many[65];
    add_input("x", 1, 1, (int[]){4});
    add_node("Relu", "x", "y");
    add_output("y");
    add_tensor("w", 1, 9, extents, NULL, 0);
    refused(NT_ERR_UNSUPPORTED, ": tensor 'w': rank 9: must be at most 8");
    tensors[0].n_dims = 2;
    refused(NT_ERR_UNSUPPORTED, ": tensor 'w': has more than 2147483647 elements");
    tensors[0].data_location = NT_ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    tensors[0].has_data_location = true;
    tensors[0].n_dims = 1;
    refused(NT_ERR_FORMAT, ": tensor 'w': external data without location");
    tensors[0].has_data_location = false;
    tensors[0].data_location = NT_ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT;
    extents[0] = 0;
    add_tensor("w", 1, 1, extents, NULL, 0);
    refused(NT_ERR_FORMAT, ": initializer 'w': the name is taken");
    graph.n_initializer = 0;
    nt_onnx__sparse_tensor_proto__init(&sparse);
    graph.sparse_initializer = sparse_list;
    graph.n_sparse_initializer = 1;
    refused(NT_ERR_UNSUPPORTED, ": sparse initializers are not offered");
    graph.n_sparse_initializer = 0;
    for (int i = 0; i < 65; i++)
        many[i] = (char *)"x";
    nodes[0].op_type = (char *)"Sum";
    nodes[0].input = many;
    nodes[0].n_input = 65;
    refused(NT_ERR_UNSUPPORTED, ": node 'y': Sum: 65 inputs, 1 outputs: must be at most 64");
}
END_TEST

START_TEST(large_integers)
{
    static int64_t extents[] = {2};
    static const int64_t index[] = {0, (int64_t)1 << 40};
    struct nt_weights *weights;
    add_input("x", 1, 1, (int[]){4});
    add_tensor("index", 7, 1, extents, index, sizeof index);
    add_node("Gather", "x index", "y");
    add_output("y");
    test_ok(load());
    test_fails(nt_weights_create(test_device(), model, 1, 0, &weights), NT_ERR_UNSUPPORTED,
        "tensor 'index': element 1 is 1099511627776: must fit in 32 bits");
}
END_TEST

START_TEST(open_extents_are_settings)
{
    static const char *const settings[] = {"N=7", "x.2=5"}, *const wrong[] = {"N=0"};
    add_input("x", 1, 3, (int[]){2, -1, 0});
    add_node("Relu", "x", "y");
    add_output("y");
    test_ok(load());
    ck_assert_int_eq(nt_model_setting_count(model), 4); /* and loss, head */
    nt_model_destroy(model);
    model = NULL;
    test_ok(nt_model_load(test_context(), path, 2, settings, &model));
    const struct nt_shape want = {3, {2, 7, 5}};
    const struct nt_model_input input = nt_model_get_input(model, 0);
    ck_assert(nt_shape_equal(&input.item_shape, &want));
    nt_model_destroy(model);
    model = NULL;
    test_fails(nt_model_load(test_context(), path, 1, wrong, &model), NT_ERR_ARGUMENT,
        "setting 'N': '0': must be an integer from 1 to 2147483647");
    /* A shape that does not fit because of them. */
    static int64_t three[] = {3};
    const float bias[3] = {1, 2, 3};
    add_tensor("bias", 1, 1, three, bias, sizeof bias);
    add_node("MatMul", "x bias", "z");
    output_list[0]->name = (char *)"z";
    refused(NT_ERR_SHAPE,
        ": node 'z': matmul: 2x1x1 times 3x1: inner extents must agree, batches must broadcast; "
        "extents that the file leaves open are 1 where no setting gives them: 'N' 'x.2'");
}
END_TEST

/* A file cut off anywhere, or with a byte changed, is refused or opened, never more. */
START_TEST(damaged_files)
{
    float weight[6] = {1, 2, 3, 4, 5, 6}, bias[2] = {1, 2};
    size_t size;
    make_dense(weight, bias);
    uint8_t *bytes = pack(&size);
    int refusals = 0;
    for (size_t cut = 0; cut < size; cut++) {
        write_bytes(path, bytes, cut);
        enum nt_status status = nt_model_load(test_context(), path, 0, NULL, &model);
        refusals += status != NT_OK;
        nt_model_destroy(model);
        model = NULL;
    }
    ck_assert_int_gt(refusals, (int)size / 2);
    for (int i = 0; i < 2000; i++) {
        size_t at = (size_t)test_int(0, (int)size - 1);
        uint8_t was = bytes[at];
        bytes[at] = (uint8_t)test_int(0, 255);
        write_bytes(path, bytes, size);
        if (nt_model_load(test_context(), path, 0, NULL, &model) == NT_OK)
            nt_model_destroy(model);
        model = NULL;
        bytes[at] = was;
    }
    free(bytes);
}
END_TEST

START_TEST(bytes_that_are_no_messages)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *rule;
    } files[] = {
        {"\x80", 1, "byte 0: ModelProto: a field is cut off"},
        {"\x00\x01", 2, "byte 0: ModelProto: is no ONNX file: a field without number"},
        {"\x0b", 1, "byte 1: ModelProto: is no ONNX file: a field of unknown kind"},
        {"\x08\x80", 2, "byte 1: ModelProto: a number is cut off"},
        {"\x3a\x80", 2, "byte 1: ModelProto: a length is cut off"},
        {"\x3a\x05\x0a", 3, "byte 1: ModelProto: the file is cut off, or is no ONNX file"},
        {"\x38\x01", 2, "is no valid ModelProto of the ONNX format"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        write_bytes(path, files[i].bytes, files[i].size);
        test_fails(
            nt_model_load(test_context(), path, 0, NULL, &model), NT_ERR_FORMAT, files[i].rule);
    }
}
END_TEST

START_TEST(no_onnx_at_all)
{
    write_bytes(path, "", 0);
    test_fails(nt_model_load(test_context(), path, 0, NULL, &model), NT_ERR_FORMAT,
        "has no graph: is no ONNX model");
    write_bytes(path, "version https://git-lfs", 23);
    test_fails(nt_model_load(test_context(), path, 0, NULL, &model), NT_ERR_FORMAT,
        "byte 1: ModelProto: is no ONNX file");
    uint8_t deep[400];
    size_t at = sizeof deep; /* graph, node, attribute, graph, ... from the inside out */
    for (int i = 0; at > 8; i++) {
        size_t inside = sizeof deep - at;
        static const uint8_t tags[] = {0x32, 0x2a, 0x0a};
        if (inside > 127)
            deep[--at] = (uint8_t)(inside >> 7);
        deep[--at] = (uint8_t)(inside > 127 ? (inside & 127) | 128 : inside);
        deep[--at] = i % 3 == 0 ? tags[0] : i % 3 == 1 ? tags[1] : tags[2];
    }
    size_t inside = sizeof deep - at;
    deep[--at] = (uint8_t)(inside >> 7);
    deep[--at] = (uint8_t)((inside & 127) | 128);
    deep[--at] = 0x3a;
    write_bytes(path, deep + at, sizeof deep - at);
    ck_assert(nt_model_load(test_context(), path, 0, NULL, &model) != NT_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("onnx");
    TCase *tests = tcase_create("onnx");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, begin, finish);
    tcase_add_test(tests, dense);
    tcase_add_test(tests, weights_start_from_the_file);
    tcase_add_test(tests, shape_arithmetic_is_folded);
    tcase_add_test(tests, types_of_weights);
    tcase_add_test(tests, integers_choose_elements);
    tcase_add_test(tests, nodes_keep_their_names);
    tcase_add_test(tests, external_data);
    tcase_add_test(tests, external_data_stays_in_the_folder);
    tcase_add_test(tests, operators_not_offered);
    tcase_add_test(tests, broken_graphs);
    tcase_add_test(tests, broken_inputs);
    tcase_add_test(tests, broken_tensors);
    tcase_add_test(tests, large_integers);
    tcase_add_test(tests, open_extents_are_settings);
    tcase_add_test(tests, damaged_files);
    tcase_add_test(tests, bytes_that_are_no_messages);
    tcase_add_test(tests, no_onnx_at_all);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
