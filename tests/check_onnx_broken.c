/* SPDX-License-Identifier: MIT
 *
 * Broken ONNX files, each with its message; data outside of the file.
 */
#define _GNU_SOURCE
#include "frontend/weights.h"
#include "tests/onnx_raw.h"
#include "tests/testing.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool disk_fails;

/* Reads as the library's does, or fails like a bad disk. */
ssize_t pread(int file, void *to, size_t size, off_t from)
{
    if (disk_fails) {
        errno = EIO;
        return -1;
    }
    return ((__typeof__(&pread))dlsym(RTLD_NEXT, "pread64"))(file, to, size, from);
}

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
    onnx_raw_input("x", 1, 1, (int[]){4});
    add_external(onnx_raw_tensor("w", 1, 1, extents, NULL, 0), location, offset, NULL);
    onnx_raw_node("Add", "x w", "y");
    onnx_raw_output("y");
}

START_TEST(external_data)
{
    float data[6], x[4], y[4];
    double want[4];
    char name[96];
    test_fill(data, 6);
    test_fill(x, 4);
    snprintf(name, sizeof name, "%s/w.bin", onnx_raw.folder);
    onnx_raw_write(name, data, sizeof data);
    make_external("w.bin", "8");
    test_ok(onnx_raw_load());
    for (int i = 0; i < 4; i++)
        want[i] = (double)x[i] + (double)data[i + 2];
    onnx_raw_run(1, (const void *[]){x}, y);
    test_close("external", 4, y, want, 1e-6);
    struct nt_weights *weights;
    disk_fails = true;
    test_fails(nt_weights_create(test_device(), onnx_raw.model, 1, 0, &weights), NT_ERR_FILE,
        ": tensor 'w': external file w.bin: cannot be read");
    disk_fails = false;
    add_external(&onnx_raw.tensors[0], "w.bin", "12", "16");
    onnx_raw_refused(
        NT_ERR_FORMAT, ": tensor 'w': external file w.bin of 24 bytes: must have 16 from 12 on");
    add_external(&onnx_raw.tensors[0], "w.bin", "8", "12");
    onnx_raw_refused(NT_ERR_FORMAT, ": tensor 'w': external data of 12 bytes: must be 16");
    unlink(name);
    ck_assert_int_eq(mkdir(name, 0700), 0);
    add_external(&onnx_raw.tensors[0], "w.bin", "0", NULL);
    onnx_raw_refused(NT_ERR_FILE, ": tensor 'w': external file w.bin: cannot be read");
    rmdir(name);
}
END_TEST

START_TEST(external_data_stays_in_the_folder)
{
    make_external("../../etc/hostname", "0");
    onnx_raw_refused(NT_ERR_FORMAT,
        ": tensor 'w': external file ../../etc/hostname: must be in the model's folder");
    add_external(&onnx_raw.tensors[0], "/etc/hostname", "0", NULL);
    onnx_raw_refused(
        NT_ERR_FORMAT, ": tensor 'w': external file /etc/hostname: must be in the model's folder");
    add_external(&onnx_raw.tensors[0], "missing.bin", "0", NULL);
    onnx_raw_refused(NT_ERR_FILE, ": tensor 'w': external file missing.bin: is not there");
    add_external(&onnx_raw.tensors[0], "w.bin", "-1", NULL);
    onnx_raw_refused(NT_ERR_FORMAT, ": tensor 'w': external offset '-1': is no number");
}
END_TEST

START_TEST(operators_not_offered)
{
    onnx_raw_input("x", 1, 1, (int[]){4});
    onnx_raw_node("Scan", "x", "a");
    onnx_raw_node("StringNormalizer", "a", "b");
    onnx_raw_node("FusedConv", "b", "y");
    onnx_raw.nodes[2].domain = (char *)"com.microsoft";
    onnx_raw_node("Loop", "x", "unused");
    onnx_raw_output("y");
    onnx_raw_refused(NT_ERR_UNSUPPORTED,
        ": operators that are not offered (opset 17): Scan, StringNormalizer, "
        "com.microsoft.FusedConv");
}
END_TEST

START_TEST(broken_graphs)
{
    static int64_t extents[] = {3};
    const float w[4] = {0};
    onnx_raw_input("x", 1, 1, (int[]){4});
    onnx_raw_refused(NT_ERR_FORMAT, ": graph '': has no output");
    onnx_raw_node("Relu", "z", "y");
    onnx_raw_output("y");
    onnx_raw_refused(NT_ERR_FORMAT, ": node 'y': Relu: input 'z': is not made before it is used");
    onnx_raw.node_inputs[0][0] = (char *)"x";
    onnx_raw.node_outputs[0][0] = (char *)"x";
    onnx_raw.output_list[0]->name = (char *)"x";
    onnx_raw_refused(NT_ERR_FORMAT, ": node 'x': Relu: output 'x': the name is taken");
    onnx_raw.node_outputs[0][0] = (char *)"y";
    onnx_raw.output_list[0]->name = (char *)"q";
    onnx_raw_refused(NT_ERR_FORMAT, ": output 'q': nothing makes it");
    onnx_raw.output_list[0]->name = (char *)"y";
    onnx_raw.opset.version = 99;
    onnx_raw_refused(NT_ERR_UNSUPPORTED, ": opset 99: must be from 1 to 28");
    onnx_raw.opset.version = 17;
    onnx_raw_tensor("w", 1, 1, extents, w, sizeof w);
    onnx_raw_refused(NT_ERR_FORMAT, ": tensor 'w': 4 numbers: float32 3 has 3");
    extents[0] = -3;
    onnx_raw_refused(NT_ERR_FORMAT, ": tensor 'w': extent -3: must be at least 0");
    extents[0] = 4;
    onnx_raw.tensors[0].data_type = 8;
    onnx_raw_refused(NT_ERR_UNSUPPORTED, ": tensor 'w': is of string (8): is not offered");
    onnx_raw.tensors[0].data_type = 17;
    onnx_raw_refused(NT_ERR_UNSUPPORTED, ": tensor 'w': is of float8e4m3fn (17): is not offered");
    onnx_raw.tensors[0].data_type = 99;
    onnx_raw_refused(
        NT_ERR_UNSUPPORTED, ": tensor 'w': is of an unknown type (99): is not offered");
}
END_TEST

START_TEST(broken_inputs)
{
    onnx_raw_input("x", 1, 1, (int[]){4});
    onnx_raw_node("Relu", "x", "y");
    onnx_raw_output("y");
    onnx_raw.tensor_types[0].elem_type = 8;
    onnx_raw_refused(NT_ERR_UNSUPPORTED, ": input 'x': is of string: is not offered");
    onnx_raw.tensor_types[0].elem_type = 1;
    onnx_raw.tensor_types[0].shape = NULL;
    onnx_raw_refused(NT_ERR_UNSUPPORTED, ": input 'x': the file does not tell its rank");
    onnx_raw.tensor_types[0].shape = &onnx_raw.shapes[0];
    onnx_raw.types[0].value_case = NT_ONNX__TYPE_PROTO__VALUE__NOT_SET;
    onnx_raw_refused(NT_ERR_UNSUPPORTED,
        ": input 'x': is no tensor: sequences, maps and optional values are not offered");
    onnx_raw.types[0].value_case = NT_ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    onnx_raw.shapes[0].n_dim = 9;
    static NtOnnx__TensorShapeProto__Dimension *nine[9];
    for (int i = 0; i < 9; i++)
        nine[i] = &onnx_raw.dims[0][0];
    onnx_raw.shapes[0].dim = nine;
    onnx_raw_refused(NT_ERR_UNSUPPORTED, ": input 'x': rank 9: must be at most 8");
    onnx_raw.shapes[0].n_dim = 1;
    onnx_raw_input("x", 1, 1, (int[]){4});
    onnx_raw_refused(NT_ERR_FORMAT, ": input 'x': the name is taken");
}
END_TEST

START_TEST(broken_tensors)
{
    static int64_t extents[9] = {65536, 65536, 1, 1, 1, 1, 1, 1, 1};
    static NtOnnx__SparseTensorProto sparse, *sparse_list[1] = {&sparse};
    static char *many[65];
    onnx_raw_input("x", 1, 1, (int[]){4});
    onnx_raw_node("Relu", "x", "y");
    onnx_raw_output("y");
    onnx_raw_tensor("w", 1, 9, extents, NULL, 0);
    onnx_raw_refused(NT_ERR_UNSUPPORTED, ": tensor 'w': rank 9: must be at most 8");
    onnx_raw.tensors[0].n_dims = 2;
    onnx_raw_refused(NT_ERR_UNSUPPORTED, ": tensor 'w': has more than 2147483647 elements");
    onnx_raw.tensors[0].data_location = NT_ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    onnx_raw.tensors[0].has_data_location = true;
    onnx_raw.tensors[0].n_dims = 1;
    onnx_raw_refused(NT_ERR_FORMAT, ": tensor 'w': external data without location");
    onnx_raw.tensors[0].has_data_location = false;
    onnx_raw.tensors[0].data_location = NT_ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT;
    extents[0] = 0;
    onnx_raw_tensor("w", 1, 1, extents, NULL, 0);
    onnx_raw_refused(NT_ERR_FORMAT, ": initializer 'w': the name is taken");
    onnx_raw.graph.n_initializer = 0;
    nt_onnx__sparse_tensor_proto__init(&sparse);
    onnx_raw.graph.sparse_initializer = sparse_list;
    onnx_raw.graph.n_sparse_initializer = 1;
    onnx_raw_refused(NT_ERR_UNSUPPORTED, ": sparse initializers are not offered");
    onnx_raw.graph.n_sparse_initializer = 0;
    for (int i = 0; i < 65; i++)
        many[i] = (char *)"x";
    onnx_raw.nodes[0].op_type = (char *)"Sum";
    onnx_raw.nodes[0].input = many;
    onnx_raw.nodes[0].n_input = 65;
    onnx_raw_refused(
        NT_ERR_UNSUPPORTED, ": node 'y': Sum: 65 inputs, 1 outputs: must be at most 64");
}
END_TEST

/* A file cut off anywhere, or with a byte changed, is refused or opened, never more. */
START_TEST(damaged_files)
{
    float weight[6] = {1, 2, 3, 4, 5, 6}, bias[2] = {1, 2};
    size_t size;
    onnx_raw_dense(weight, bias);
    uint8_t *bytes = onnx_raw_pack(&size);
    int refusals = 0;
    for (size_t cut = 0; cut < size; cut++) {
        onnx_raw_write(onnx_raw.path, bytes, cut);
        enum nt_status status =
            nt_model_load(test_context(), onnx_raw.path, 0, NULL, &onnx_raw.model);
        refusals += status != NT_OK;
        nt_model_destroy(onnx_raw.model);
        onnx_raw.model = NULL;
    }
    ck_assert_int_gt(refusals, (int)size / 2);
    for (int i = 0; i < 2000; i++) {
        size_t at = (size_t)test_int(0, (int)size - 1);
        uint8_t was = bytes[at];
        bytes[at] = (uint8_t)test_int(0, 255);
        onnx_raw_write(onnx_raw.path, bytes, size);
        if (nt_model_load(test_context(), onnx_raw.path, 0, NULL, &onnx_raw.model) == NT_OK)
            nt_model_destroy(onnx_raw.model);
        onnx_raw.model = NULL;
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
        onnx_raw_write(onnx_raw.path, files[i].bytes, files[i].size);
        test_fails(nt_model_load(test_context(), onnx_raw.path, 0, NULL, &onnx_raw.model),
            NT_ERR_FORMAT, files[i].rule);
    }
}
END_TEST

START_TEST(no_onnx_at_all)
{
    onnx_raw_write(onnx_raw.path, "", 0);
    test_fails(nt_model_load(test_context(), onnx_raw.path, 0, NULL, &onnx_raw.model),
        NT_ERR_FORMAT, "has no graph: is no ONNX model");
    onnx_raw_write(onnx_raw.path, "version https://git-lfs", 23);
    test_fails(nt_model_load(test_context(), onnx_raw.path, 0, NULL, &onnx_raw.model),
        NT_ERR_FORMAT, "byte 1: ModelProto: is no ONNX file");
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
    onnx_raw_write(onnx_raw.path, deep + at, sizeof deep - at);
    ck_assert(nt_model_load(test_context(), onnx_raw.path, 0, NULL, &onnx_raw.model) != NT_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("onnx_broken");
    TCase *tests = tcase_create("onnx_broken");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, onnx_raw_begin, onnx_raw_finish);
    tcase_add_test(tests, external_data);
    tcase_add_test(tests, external_data_stays_in_the_folder);
    tcase_add_test(tests, operators_not_offered);
    tcase_add_test(tests, broken_graphs);
    tcase_add_test(tests, broken_inputs);
    tcase_add_test(tests, broken_tensors);
    tcase_add_test(tests, damaged_files);
    tcase_add_test(tests, bytes_that_are_no_messages);
    tcase_add_test(tests, no_onnx_at_all);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
