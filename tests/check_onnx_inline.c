/* SPDX-License-Identifier: MIT
 *
 * ONNX files with functions of their own and with branches: tests/fuzz/seeds.py has the texts of
 * the two files. What is refused is made here with the generated writer of the messages.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/model.h"
#include "frontend/onnx/messages.pb-c.h"
#include "frontend/session.h"
#include "tests/testing.h"

#define MOST 64

static struct nt_model *model;
static struct nt_weights *weights;
static struct nt_session *session;
static char folder[] = "/tmp/neutra-check-XXXXXX", path[64];

static void begin(void)
{
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    ck_assert(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/net.onnx", folder);
}

static void finish(void)
{
    nt_session_destroy(session);
    nt_weights_destroy(weights);
    nt_model_destroy(model);
    session = NULL;
    weights = NULL;
    model = NULL;
    unlink(path);
    rmdir(folder);
}

/* Runs a seed with a batch of 2 rows of x and compares outputs y and z. */
static void run_seed(const char *name, const char *setting, int width, const double *y,
    const double *z, const float *x)
{
    const struct nt_session_params params = {.batch = 2};
    const double *want[] = {y, z};
    float got[2 * 6];
    nt_session_destroy(session);
    nt_weights_destroy(weights);
    nt_model_destroy(model);
    session = NULL;
    weights = NULL;
    model = NULL;
    test_ok(nt_model_load(test_context(), name, setting != NULL, &setting, &model));
    test_ok(nt_weights_create(test_device(), model, 1, 0, &weights));
    test_ok(nt_session_create(test_device(), model, weights, &params, &session));
    test_ok(nt_session_write(session, 0, x));
    test_ok(nt_session_run(session, NULL));
    ck_assert_int_eq(nt_session_output_count(session), 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(nt_session_output(session, i).bytes, (size_t)width * 2 * sizeof *x);
        memset(got, 0xff, sizeof got);
        test_ok(nt_session_read(session, i, got));
        test_close(i ? "z" : "y", (size_t)width * 2, got, want[i], 1e-6);
    }
}

/* Rows of 4: y = x / 2 and z = -y, by a branch in a branch; others: both are x. */
START_TEST(branches_by_shape)
{
    float x[2 * 6];
    double y[2 * 6], z[2 * 6];
    test_fill(x, 12);
    for (int width = 3; width <= 5; width++) {
        char setting[16];
        snprintf(setting, sizeof setting, "M=%d", width);
        for (int i = 0; i < 2 * width; i++) {
            y[i] = (double)x[i] * (width == 4 ? 0.5 : 1);
            z[i] = (double)x[i] * (width == 4 ? -0.5 : 1);
        }
        run_seed("tests/fuzz/onnx/branches.onnx", setting, width, y, z, x);
    }
}
END_TEST

static double leak(double x, double slope)
{
    return x > 0 ? x : slope * x;
}

START_TEST(functions_in_functions)
{
    float x[2 * 6];
    double y[2 * 6], z[2 * 6];
    test_fill(x, 12);
    for (int i = 0; i < 12; i++) {
        double t = leak((double)x[i], 0.25), sum;
        y[i] = leak(t, 0.25);
        sum = t + y[i];
        z[i] = leak(leak(sum, 0.5), 0.5);
    }
    run_seed("tests/fuzz/onnx/functions.onnx", NULL, 6, y, z, x);
}
END_TEST

/* ---- what is refused ---- */

static NtOnnx__ModelProto file;
static NtOnnx__GraphProto graphs[MOST];
static NtOnnx__FunctionProto functions[MOST], *function_list[MOST];
static NtOnnx__OperatorSetIdProto opset, *opsets[1] = {&opset};
static NtOnnx__NodeProto nodes[2 * MOST], *node_list[2 * MOST];
static NtOnnx__AttributeProto attributes[MOST], *attribute_list[MOST];
static NtOnnx__ValueInfoProto x_info, y_info, *x_list[1] = {&x_info}, *y_list[1] = {&y_info};
static NtOnnx__TypeProto type;
static NtOnnx__TypeProto__Tensor tensor_type;
static NtOnnx__TensorShapeProto shape;
static char *const x_name[1] = {(char *)"x"}, *const y_name[1] = {(char *)"y"};

/* y made from x. */
static void make_node(int i, const char *op, const char *domain)
{
    nt_onnx__node_proto__init(&nodes[i]);
    nodes[i].op_type = (char *)op;
    nodes[i].domain = (char *)domain;
    nodes[i].n_input = nodes[i].n_output = 1;
    nodes[i].input = (char **)x_name;
    nodes[i].output = (char **)y_name;
    node_list[i] = &nodes[i];
}

/* A graph or a function of one node, its input x (truth values, no extents) and its output y. */
static void make_graph(int i, int node)
{
    nt_onnx__graph_proto__init(&graphs[i]);
    graphs[i].n_node = graphs[i].n_output = 1;
    graphs[i].node = &node_list[node];
    graphs[i].output = y_list;
}

static void make_function(int i, const char *name, int count, int node)
{
    nt_onnx__function_proto__init(&functions[i]);
    functions[i].name = (char *)name;
    functions[i].domain = (char *)"own";
    functions[i].n_input = functions[i].n_output = 1;
    functions[i].input = (char **)x_name;
    functions[i].output = (char **)y_name;
    functions[i].n_node = (size_t)count;
    functions[i].node = &node_list[node];
    function_list[i] = &functions[i];
}

/* The branches of node i are graph g. */
static void make_branches(int i, int g)
{
    static const char *const names[] = {"then_branch", "else_branch"};
    for (int a = 0; a < 2; a++) {
        NtOnnx__AttributeProto *attribute = &attributes[2 * g + a];
        nt_onnx__attribute_proto__init(attribute);
        attribute->name = (char *)names[a];
        attribute->g = &graphs[g];
        attribute_list[2 * g + a] = attribute;
    }
    nodes[i].n_attribute = 2;
    nodes[i].attribute = &attribute_list[2 * g];
}

/* The file's graph is node 0. */
static void make_file(const char *op, const char *domain)
{
    nt_onnx__model_proto__init(&file);
    nt_onnx__operator_set_id_proto__init(&opset);
    nt_onnx__value_info_proto__init(&x_info);
    nt_onnx__value_info_proto__init(&y_info);
    nt_onnx__type_proto__init(&type);
    nt_onnx__type_proto__tensor__init(&tensor_type);
    nt_onnx__tensor_shape_proto__init(&shape);
    opset.has_version = tensor_type.has_elem_type = true;
    opset.version = 17;
    tensor_type.elem_type = 9;
    tensor_type.shape = &shape;
    type.value_case = NT_ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type.tensor_type = &tensor_type;
    x_info.name = (char *)"x";
    y_info.name = (char *)"y";
    x_info.type = &type;
    make_node(0, op, domain);
    make_graph(0, 0);
    graphs[0].input = x_list;
    graphs[0].n_input = 1;
    file.graph = &graphs[0];
    file.n_opset_import = 1;
    file.opset_import = opsets;
    file.functions = function_list;
}

/* x is fed. */
static void refused(enum nt_status status, const char *message)
{
    static uint8_t bytes[1 << 16];
    const uint8_t yes = 1;
    const struct nt_model_feed feed = {"x", NT_BOOL, {0}, &yes};
    ck_assert_uint_le(nt_onnx__model_proto__get_packed_size(&file), sizeof bytes);
    FILE *to = fopen(path, "wb");
    ck_assert(to != NULL);
    ck_assert_uint_gt(fwrite(bytes, 1, nt_onnx__model_proto__pack(&file, bytes), to), 0);
    fclose(to);
    test_fails(nt_model_load_fed(test_context(), path, 0, NULL, 1, &feed, &model), status, message);
}

START_TEST(broken_branches)
{
    make_file("If", "");
    refused(NT_ERR_FORMAT, "If: then_branch: must be a graph with 1 outputs");
    make_node(1, "Loop", "");
    make_graph(1, 1);
    make_branches(0, 1);
    refused(NT_ERR_UNSUPPORTED, "operators that are not offered (opset 17): Loop");
    nodes[1].op_type = (char *)"Not";
    nodes[1].input = (char **)y_name;
    refused(NT_ERR_FORMAT, "Not: input 'y': is not made before it is used");
    graphs[1].n_output = 0;
    refused(NT_ERR_FORMAT, "If: then_branch: must be a graph with 1 outputs");
    nodes[0].n_input = 0;
    refused(NT_ERR_FORMAT, "If: input 0: must be given");
}
END_TEST

/* A branch that calls the function that it is in. */
START_TEST(branches_without_end)
{
    make_file("f", "own");
    make_function(0, "f", 1, 1);
    make_node(1, "If", "");
    make_node(2, "f", "own");
    make_graph(1, 2);
    make_branches(1, 1);
    file.n_functions = 1;
    refused(NT_ERR_UNSUPPORTED, "If: branches are nested deeper than 32");
}
END_TEST

START_TEST(broken_functions)
{
    static char *const two[] = {(char *)"x", (char *)"x"};
    uint8_t length = 0; /* of a message without fields */
    ProtobufCMessageUnknownField default_value = {
        11, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, 1, &length};
    make_file("f", "own");
    refused(NT_ERR_UNSUPPORTED, "operators that are not offered (opset 17): own.f");
    file.n_functions = 1;
    make_function(0, "f", 1, 1);
    make_node(1, "f", "own");
    refused(NT_ERR_UNSUPPORTED, "function 'f': functions call each other deeper than 32");
    nodes[1].op_type = (char *)"Not";
    nodes[1].domain = (char *)"";
    nodes[0].n_input = 2;
    nodes[0].input = (char **)two;
    refused(NT_ERR_FORMAT, "function 'f': has 1 inputs and 1 outputs, a call of it 2 and 1");
    nodes[0].n_input = 1;
    functions[0].n_node = 0;
    refused(NT_ERR_FORMAT, "output 'y': nothing makes it");
    functions[0].n_node = 1;
    nt_onnx__attribute_proto__init(&attributes[0]);
    attributes[0].name = attributes[0].ref_attr_name = (char *)"alpha";
    attribute_list[0] = &attributes[0];
    nodes[1].attribute = attribute_list;
    nodes[1].n_attribute = 1;
    functions[0].base.n_unknown_fields = 1;
    functions[0].base.unknown_fields = &default_value;
    refused(NT_ERR_UNSUPPORTED,
        "function 'f': attribute 'alpha': must be given: defaults are not offered");
}
END_TEST

/* f0 calls f1 twice, which calls f2 twice, ... */
START_TEST(functions_that_explode)
{
    static char names[31][16];
    make_file("f0", "own");
    for (int i = 0; i < 31; i++)
        snprintf(names[i], sizeof names[i], "f%d", i);
    for (int i = 0; i < 30; i++) {
        make_node(1 + 2 * i, names[i + 1], "own");
        make_node(2 + 2 * i, names[i + 1], "own");
        make_function(i, names[i], 2, 1 + 2 * i);
    }
    make_node(61, "Not", "");
    make_function(30, names[30], 1, 61);
    file.n_functions = 31;
    refused(NT_ERR_UNSUPPORTED, "functions and branches unfold to more than 128 MB");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("onnx_inline");
    TCase *tests = tcase_create("onnx_inline");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, begin, finish);
    tcase_add_test(tests, branches_by_shape);
    tcase_add_test(tests, functions_in_functions);
    tcase_add_test(tests, broken_branches);
    tcase_add_test(tests, branches_without_end);
    tcase_add_test(tests, broken_functions);
    tcase_add_test(tests, functions_that_explode);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
