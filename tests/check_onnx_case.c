/* SPDX-License-Identifier: MIT
 *
 * Cases of the ONNX format: a model, inputs, the outputs that are right, as `neutra onnx-test` runs
 * them; those that are broken, each with its message; some of ../shared/data/onnx.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/onnx/case.h"
#include "frontend/onnx/messages.pb-c.h"
#include "tests/onnx_model.h"

static struct onnx_model *m;
static char folder[128], set[160];

/* The folder of a model, with an empty set of arrays. */
static void begin_case(const char *op, const char *line)
{
    m = onnx_model_start(13);
    onnx_model_line(m, op, line);
    const char *path = onnx_model_write(m);
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    snprintf(set, sizeof set, "%s/test_data_set_0", folder);
    ck_assert_int_eq(mkdir(set, 0700), 0);
}

static void empty_set(void)
{
    DIR *dir = opendir(set);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", set, entry->d_name);
        if (*entry->d_name != '.')
            unlink(path);
    }
    if (dir)
        closedir(dir);
}

static void finish(void)
{
    empty_set();
    rmdir(set);
    onnx_model_finish();
}

/* Numbers from 0 on times a factor, as DIRECTORY/NAME.pb. */
static void write_array(
    const char *directory, const char *name, int type, struct nt_shape shape, double factor)
{
    NtOnnx__TensorProto tensor;
    uint8_t raw[256], bytes[512];
    char path[256];
    size_t count = (size_t)nt_shape_count(&shape), size = type == NT_ONNX_FLOAT ? 4 : 8;
    ck_assert_uint_le(count * size, sizeof raw);
    for (size_t i = 0; i < count; i++) {
        float number = (float)(factor * (double)i);
        int64_t integer = (int64_t)(factor * (double)i);
        memcpy(raw + i * size, type == NT_ONNX_FLOAT ? (void *)&number : &integer, size);
    }
    nt_onnx__tensor_proto__init(&tensor);
    tensor.has_data_type = tensor.has_raw_data = true;
    tensor.data_type = type;
    tensor.n_dims = (size_t)shape.rank;
    tensor.dims = shape.dim;
    tensor.raw_data.data = raw;
    tensor.raw_data.len = count * size;
    snprintf(path, sizeof path, "%s/%s.pb", directory, name);
    FILE *to = fopen(path, "wb");
    ck_assert(to != NULL);
    size_t length = nt_onnx__tensor_proto__pack(&tensor, bytes);
    ck_assert_uint_eq(fwrite(bytes, 1, length, to), length);
    fclose(to);
}

/* Runs a file, or a folder: the verdict, and what the reason ends in. */
static void gives(const char *path, enum nt_onnx_verdict verdict, const char *reason)
{
    const struct nt_onnx_tolerance upstream = {0};
    struct nt_onnx_result result;
    bool is_file = strchr(strrchr(path, '/'), '.') != NULL;
    test_ok((is_file ? nt_onnx_case_run_file : nt_onnx_case_run)(
        test_device(), path, upstream, &result));
    size_t length = strlen(result.reason), end = strlen(reason);
    ck_assert_msg(result.verdict == verdict && length >= end &&
                      strcmp(result.reason + length - end, reason) == 0,
        "verdict %d: '%s': must be %d, '%s'", (int)result.verdict, result.reason, (int)verdict,
        reason);
}

START_TEST(outputs)
{
    begin_case("Neg", "f2x3");
    write_array(set, "input_0", NT_ONNX_FLOAT, SHAPE(2, 3), 1);
    write_array(set, "output_0", NT_ONNX_FLOAT, SHAPE(2, 3), -1);
    gives(folder, NT_ONNX_PASS, "");
    write_array(set, "output_0", NT_ONNX_FLOAT, SHAPE(2, 3), -1.01);
    gives(folder, NT_ONNX_FAIL,
        "output 'y': 5 of 6 elements differ: element 1 is -1: must be -1.00999999");
    write_array(set, "output_0", NT_ONNX_FLOAT, SHAPE(3, 2), -1);
    gives(folder, NT_ONNX_FAIL, "output 'y': shape 2x3: must be 3x2");
    write_array(set, "output_0", NT_ONNX_FLOAT, SHAPE(2, 3), -1);
    write_array(set, "output_1", NT_ONNX_FLOAT, SHAPE(2, 3), -1);
    gives(folder, NT_ONNX_FAIL, "1 outputs: the set has 2");
}
END_TEST

START_TEST(inputs)
{
    begin_case("Add", "f2x3 f2x3");
    gives(folder, NT_ONNX_FAIL, "input 'a': the set has no tensor");
    for (int i = 0; i < 3; i++) {
        char name[24];
        snprintf(name, sizeof name, "input_%d", i);
        write_array(set, name, NT_ONNX_FLOAT, SHAPE(2, 3), 1);
    }
    gives(folder, NT_ONNX_FAIL, "2 inputs: the set has 3");
    empty_set();
    rmdir(set);
    gives(folder, NT_ONNX_FAIL, ": has no folder of tensors");
    finish();
    begin_case("Identity", "i2x2");
    write_array(set, "input_0", NT_ONNX_INT64, SHAPE(2, 2), 1099511627776);
    gives(folder, NT_ONNX_SKIP, "input 'a': element 1 is 1099511627776: must fit in 32 bits");
    gives(
        "/tmp/no-such-folder/model.txt", NT_ONNX_FAIL, ": is no .onnx file, or its path too long");
    snprintf(folder, sizeof folder, "%.127s", set);
    gives(folder, NT_ONNX_FAIL, ": has no .onnx file");
}
END_TEST

/* The model's own path is just short enough. */
START_TEST(long_path)
{
    char path[4096];
    begin_case("Neg", "f2x3");
    snprintf(path, sizeof path, "%s/", folder);
    while (strlen(path) < 4070)
        strcat(path, "./");
    gives(path, NT_ONNX_FAIL, "...: the path is too long");
}
END_TEST

/* Inputs share an extent that is open, the batch; the arrays do not. */
START_TEST(batches_that_differ)
{
    m = NULL;
    begin_case("Concat", "f2x3 f2x3 axis=1");
    NtOnnx__GraphProto *graph = onnx_model_file(m)->graph;
    for (int i = 0; i < 2; i++) {
        NtOnnx__TensorShapeProto__Dimension *dim =
            graph->input[i]->type->tensor_type->shape->dim[0];
        dim->value_case = NT_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        dim->dim_param = (char *)"N";
    }
    onnx_model_write(m);
    write_array(set, "input_0", NT_ONNX_FLOAT, SHAPE(2, 3), 1);
    write_array(set, "input_1", NT_ONNX_FLOAT, SHAPE(4, 3), 1);
    write_array(set, "output_0", NT_ONNX_FLOAT, SHAPE(2, 6), 1);
    gives(folder, NT_ONNX_FAIL, "input 'b': the set's tensor has another shape");
}
END_TEST

/* What can be told before anything is read from a set. */
START_TEST(what_is_not_offered)
{
    NtOnnx__ValueInfoProto *list[NT_ONNX_MAX_INPUTS + 1];
    begin_case("Relu", "f2");
    NtOnnx__GraphProto *graph = onnx_model_file(m)->graph;
    NtOnnx__TypeProto *type = graph->output[0]->type;
    type->tensor_type->elem_type = NT_ONNX_FLOAT8E5M2;
    NtOnnx__GraphProto kept = *graph;
    onnx_model_pack(m);
    gives(folder, NT_ONNX_SKIP, "output 'y': is of float8e5m2 (19): is not offered");
    type->value_case = NT_ONNX__TYPE_PROTO__VALUE__NOT_SET;
    onnx_model_pack(m);
    gives(folder, NT_ONNX_SKIP,
        "output 'y': is no tensor: sequences, maps and optional values are not offered");
    for (int i = 0; i <= NT_ONNX_MAX_INPUTS; i++)
        list[i] = graph->input[0];
    graph->input = list;
    graph->n_input = NT_ONNX_MAX_INPUTS + 1;
    graph->n_output = 0;
    onnx_model_pack(m);
    gives(folder, NT_ONNX_FAIL, "has no output");
    *graph = kept;
    graph->input = list;
    graph->n_input = NT_ONNX_MAX_INPUTS + 1;
    type->value_case = NT_ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type->elem_type = NT_ONNX_FLOAT;
    onnx_model_pack(m);
    gives(folder, NT_ONNX_SKIP, "more than 32 inputs");
    *graph = kept;
}
END_TEST

/* The input is 0, 1, 2, ... over the number of elements. */
START_TEST(output_beside_the_file)
{
    char beside[160];
    begin_case("Neg", "f2x3");
    const char *path = onnx_model_write(m);
    snprintf(beside, sizeof beside, "%s/net_output_0.pb", folder);
    ck_assert(!nt_onnx_case_is_file(path));
    write_array(folder, "net_output_0", NT_ONNX_FLOAT, SHAPE(2, 3), -1.0 / 6);
    ck_assert(nt_onnx_case_is_file(path));
    gives(path, NT_ONNX_PASS, "");
    write_array(folder, "net_output_0", NT_ONNX_FLOAT, SHAPE(2, 3), -1.0 / 5);
    gives(path, NT_ONNX_FAIL,
        "output 'y': 5 of 6 elements differ: element 1 is -0.166666672: must be -0.200000003");
    unlink(beside);
    finish();
    begin_case("Neg", "i2x3");
    gives(onnx_model_write(m), NT_ONNX_FAIL, ": must have one input of float32");
}
END_TEST

/* Few of many: `neutra onnx-test` runs them all. */
START_TEST(conformance)
{
    static const char *const cases[] = {"opset-newest/simple/test_single_relu_model",
        "opset-newest/node/test_reduce_mean_keepdims_example",
        "opset-17/node/test_batchnorm_example", "opset-17/node/test_slice_neg_steps",
        "opset-17/node/test_resize_downsample_scales_linear",
        "opset-10/node/test_averagepool_2d_ceil", "opset-7/node/test_conv_with_strides_padding",
        "opset-7/pytorch-operator/test_operator_basic"};
    const struct nt_onnx_tolerance upstream = {0};
    if (!test_data("onnx")) {
        test_skip("../shared/data/onnx is not there");
        return;
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[128];
        struct nt_onnx_result result;
        snprintf(name, sizeof name, "onnx/%s", cases[i]);
        const char *data = test_data(name);
        ck_assert_msg(data != NULL, "%s is not there", name);
        test_ok(nt_onnx_case_run(test_device(), data, upstream, &result));
        ck_assert_msg(result.verdict == NT_ONNX_PASS, "%s: %s", name, result.reason);
        ck_assert_int_ge(result.sets, 1);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("onnx_case");
    TCase *tests = tcase_create("onnx_case");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, NULL, finish);
    tcase_add_test(tests, outputs);
    tcase_add_test(tests, inputs);
    tcase_add_test(tests, long_path);
    tcase_add_test(tests, batches_that_differ);
    tcase_add_test(tests, what_is_not_offered);
    tcase_add_test(tests, output_beside_the_file);
    tcase_add_test(tests, conformance);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
