/* SPDX-License-Identifier: MIT */
#include "tests/testing.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/graph.h"
#include "frontend/model.h"
#include "frontend/op.h"

static struct nt_model *model;
static char folder[] = "/tmp/neutra-check-XXXXXX", path[64];

static void make_folder(void)
{
    ck_assert(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/net.lua", folder);
}

static void remove_folder(void)
{
    unlink(path);
    rmdir(folder);
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    nt_model_destroy(model);
    model = NULL;
}

static void write_file(const char *text, size_t length)
{
    FILE *file = fopen(path, "wb");
    ck_assert(file != NULL);
    ck_assert_uint_eq(fwrite(text, 1, length, file), length);
    fclose(file);
}

/* Loads with up to three settings, the first NULL ends them. */
static enum nt_status load(const char *name, const char *a, const char *b, const char *c)
{
    const char *settings[] = {a, b, c};
    int count = 0;
    while (count < 3 && settings[count])
        count++;
    nt_model_destroy(model);
    model = NULL;
    return nt_model_load(test_context(), name, count, settings, &model);
}

/* The message after the path must be equal. */
static void fails(const char *name, const char *setting, enum nt_status expected, const char *rest)
{
    enum nt_status status = load(name, setting, NULL, NULL);
    const char *message = nt_error_message(test_context());
    ck_assert_msg(status == expected, "%s: status %d: %s", name, (int)status, message);
    if (strncmp(message, name, strlen(name)) == 0)
        message += strlen(name);
    ck_assert_str_eq(message, rest);
    ck_assert(model == NULL);
}

START_TEST(files_that_are_no_definition)
{
    fails(
        "net.onyx", NULL, NT_ERR_ARGUMENT, ": a model's file name must end in one of .lua, .onnx");
    fails("zoo", NULL, NT_ERR_ARGUMENT, ": a model's file name must end in one of .lua, .onnx");
    fails(".lua", NULL, NT_ERR_ARGUMENT, ": a model's file name must end in one of .lua, .onnx");
    fails("", NULL, NT_ERR_ARGUMENT, ": a model's file name must end in one of .lua, .onnx");
    fails(path, NULL, NT_ERR_FILE, ": cannot open: No such file or directory");
    fails("zoo/lenet.lua/x.lua", NULL, NT_ERR_FILE, ": cannot open: Not a directory");
    char *big = malloc(300 << 10);
    memset(big, ' ', 300 << 10);
    write_file(big, 300 << 10);
    free(big);
    fails(path, NULL, NT_ERR_FORMAT,
        ": 307200 bytes: larger than 262144 bytes, the most that is read here");
    write_file("\x1bLuaT", 5);
    fails(path, NULL, NT_ERR_FORMAT, ": definition: compiled Lua: must be source text");
    write_file("", 0);
    fails(path, NULL, NT_ERR_FORMAT, ": definition: declares no output");
    write_file("\xff\xfe\x00x", 4);
    ck_assert_int_eq(load(path, NULL, NULL, NULL), NT_ERR_FORMAT);
    unlink(path);
    ck_assert_int_eq(symlink(folder, path), 0);
    fails(path, NULL, NT_ERR_FILE, ": cannot read: Is a directory");
}
END_TEST

START_TEST(settings_are_parsed_by_their_default)
{
    static const char text[] =
        "local n = setting('n', 3, 'a count', {min = 1, max = 9})\n"
        "local f = setting('f', 0.5, 'a rate')\n"
        "local b = setting('flag', true, 'a switch')\n"
        "local s = setting('word', 'one', 'a word', {choices = {'one', 'two'}})\n"
        "assert(math.type(n) == 'integer' and math.type(f) == 'float')\n"
        "assert(type(b) == 'boolean' and type(s) == 'string')\n"
        "output('o', input('i', {n}))\n";
    write_file(text, sizeof text - 1);
    test_ok(load(path, NULL, NULL, NULL));
    ck_assert_int_eq(nt_model_setting_count(model), 4);
    static const char *const defaults[] = {"3", "0.5", "true", "one"};
    for (int i = 0; i < 4; i++)
        ck_assert_str_eq(nt_model_setting(model, i).value, defaults[i]);
    ck_assert_str_eq(nt_model_setting(model, 1).name, "f");
    ck_assert_str_eq(nt_model_setting(model, 1).doc, "a rate");
    test_ok(load(path, "n=7", "flag=false", "word=two"));
    static const char *const given[] = {"7", "0.5", "false", "two"};
    for (int i = 0; i < 4; i++)
        ck_assert_str_eq(nt_model_setting(model, i).value, given[i]);
    ck_assert_int_eq(nt_model_get_input(model, 0).item_shape.dim[0], 7);
    test_ok(load(path, "f=2", "n=9", NULL));
    test_ok(load(path, "f=-1e-3", NULL, NULL));

    fails(path, "n", NT_ERR_ARGUMENT, "setting 'n': must be NAME=VALUE");
    fails(path, "=3", NT_ERR_ARGUMENT, "setting '=3': must be NAME=VALUE");
    fails(path, "n=", NT_ERR_FORMAT, ":1: setting 'n': '': must be an integer");
    fails(path, "n=seven", NT_ERR_FORMAT, ":1: setting 'n': 'seven': must be an integer");
    fails(path, "n=7.5", NT_ERR_FORMAT, ":1: setting 'n': '7.5': must be an integer");
    fails(path, "n=99999999999999999999", NT_ERR_FORMAT,
        ":1: setting 'n': '99999999999999999999': must be an integer");
    fails(path, "n=0", NT_ERR_FORMAT, ":1: setting 'n': 0: must be at least 1");
    fails(path, "n=10", NT_ERR_FORMAT, ":1: setting 'n': 10: must be at most 9");
    fails(path, "f=nan", NT_ERR_FORMAT, ":2: setting 'f': 'nan': must be a number");
    fails(path, "flag=1", NT_ERR_FORMAT, ":3: setting 'flag': '1': must be true or false");
    fails(path, "word=three", NT_ERR_FORMAT, ":4: setting 'word': 'three': must be one or two");
    fails(path, "wrod=two", NT_ERR_ARGUMENT, ": unknown setting 'wrod', did you mean 'word'?");
    fails(path, "classes=2", NT_ERR_ARGUMENT,
        ": unknown setting 'classes': must be one of n, f, flag, word");
    ck_assert_int_eq(load(path, "n=1", "n=2", NULL), NT_ERR_ARGUMENT);
    ck_assert_str_eq(nt_error_message(test_context()), "setting 'n': is given twice");
    write_file("output('o', input('i', {3}))", 28);
    fails(path, "n=3", NT_ERR_ARGUMENT, ": unknown setting 'n': the definition has none");
}
END_TEST

START_TEST(inputs_are_told_without_the_batch)
{
    test_ok(load("zoo/lenet.lua", "channels=3", NULL, NULL));
    ck_assert_str_eq(nt_model_name(model), "lenet");
    ck_assert_str_eq(nt_model_path(model), "zoo/lenet.lua");
    ck_assert_ptr_eq(nt_model_context(model), test_context());
    ck_assert_int_eq(nt_model_input_count(model), 2);
    struct nt_model_input input = nt_model_get_input(model, 0),
                          target = nt_model_get_input(model, 1);
    ck_assert_str_eq(input.name, "input");
    ck_assert_int_eq(input.dtype, NT_F32);
    ck_assert(nt_shape_equal(&input.item_shape, &(struct nt_shape){3, {3, 28, 28}}));
    ck_assert_str_eq(target.name, "target");
    ck_assert_int_eq(target.dtype, NT_I32);
    ck_assert_int_eq(target.item_shape.rank, 0);
}
END_TEST

/* A model does not change when its file does. */
START_TEST(builds_repeat_what_was_loaded)
{
    static const char text[] = "local s = setting('n', 2, 'units')\n"
                               "local x = input('i', {4}):linear{name = 'fc', features = s}\n"
                               "if training then x = x:relu() end\n"
                               "output('o', x)\n";
    write_file(text, sizeof text - 1);
    test_ok(load(path, "n=5", NULL, NULL));
    write_file("error('changed')", 16);
    for (int training = 0; training < 2; training++) {
        struct nt_graph *graph;
        int64_t batch = test_int(1, 100);
        test_ok(nt_model_build(model, batch, training, &graph));
        ck_assert_int_eq(graph->node_count, 1 + training);
        ck_assert_int_eq(graph->training, training);
        const struct nt_value *out = &graph->value[graph->output[0].value];
        ck_assert(nt_shape_equal(&out->shape, &(struct nt_shape){2, {batch, 5}}));
        ck_assert_int_eq(graph->loss, -1);
        nt_graph_destroy(graph);
    }
    ck_assert_int_eq(nt_model_setting_count(model), 1);
    struct nt_graph *none = NULL;
    test_fails(nt_model_build(model, 0, false, &none), NT_ERR_ARGUMENT, "batch 0");
    ck_assert(none == NULL);
}
END_TEST

static const struct {
    const char *name, *a, *b;
    double parameters, macs;
    int64_t classes;
} zoo[] = {
    {"zoo/linear.lua", NULL, NULL, 7850, 7840, 10},
    {"zoo/linear.lua", "loss=svm", "classes=3", 2355, 2352, 3},
    {"zoo/linear.lua", "features=30", NULL, 310, 300, 10},
    {"zoo/mlp.lua", NULL, NULL, 109386, 109184, 10},
    {"zoo/mlp.lua", "hidden=", NULL, 7850, 7840, 10},
    {"zoo/mlp.lua", "hidden=20", "features=4", 310, 280, 10},
    {"zoo/perceptron/logistic.lua", NULL, NULL, 3, 2, 2},
    {"zoo/perceptron/perceptron.lua", "features=7", NULL, 8, 7, 2},
    {"zoo/lenet.lua", NULL, NULL, 61706, 416520, 10},
    {"zoo/cifar10_quick.lua", NULL, NULL, 145578, 12354176, 10},
};

START_TEST(zoo_has_the_published_sizes)
{
    const char *name = zoo[_i].name;
    struct nt_graph *graph;
    int64_t batch = test_int(1, 9);
    test_ok(load(name, zoo[_i].a, zoo[_i].b, NULL));
    test_ok(nt_model_build(model, batch, true, &graph));
    double parameters = 0, macs = 0;
    for (int i = 0; i < graph->value_count; i++)
        if (graph->value[i].kind == NT_VALUE_PARAMETER)
            parameters += (double)nt_shape_count(&graph->value[i].shape);
    for (int i = 0; i < graph->node_count; i++)
        macs += nt_node_macs(graph, graph->node[i]);
    ck_assert_msg(parameters == zoo[_i].parameters, "%s: %.0f parameters", name, parameters);
    ck_assert_msg(macs == zoo[_i].macs, "%s: %.0f multiply-accumulates", name, macs);
    ck_assert_str_eq(graph->output[0].name, "logits");
    const struct nt_shape *out = &graph->value[graph->output[0].value].shape;
    ck_assert(nt_shape_equal(out, &(struct nt_shape){2, {batch, zoo[_i].classes}}));
    ck_assert_int_ge(graph->loss, 0);
    nt_graph_destroy(graph);
}
END_TEST

START_TEST(zoo_refuses_wrong_settings)
{
    fails("zoo/linear.lua", "loss=hinge", NT_ERR_FORMAT,
        ":8: setting 'loss': 'hinge': must be softmax or svm");
    fails("zoo/mlp.lua", "hidden=12,x", NT_ERR_FORMAT,
        ":25: setting 'hidden': '12,x': must be integers separated by commas");
    fails("zoo/mlp.lua", "hidden=0", NT_ERR_FORMAT, ":28: linear: features 0: must be at least 1");
    fails("zoo/lenet.lua", "clases=3", NT_ERR_ARGUMENT,
        ": unknown setting 'clases', did you mean 'classes'?");
}
END_TEST

/* What PyTorch's LeNet with these layers has in its state_dict. */
START_TEST(weights_are_named_as_in_pytorch)
{
    static const struct {
        const char *name;
        struct nt_shape shape;
    } weights[] = {{"conv1.weight", {4, {6, 1, 5, 5}}}, {"conv1.bias", {1, {6}}},
        {"conv2.weight", {4, {16, 6, 5, 5}}}, {"conv2.bias", {1, {16}}},
        {"fc1.weight", {2, {120, 400}}}, {"fc1.bias", {1, {120}}}, {"fc2.weight", {2, {84, 120}}},
        {"fc2.bias", {1, {84}}}, {"fc3.weight", {2, {10, 84}}}, {"fc3.bias", {1, {10}}}};
    struct nt_graph *graph;
    test_ok(load("zoo/lenet.lua", NULL, NULL, NULL));
    test_ok(nt_model_build(model, 1, false, &graph));
    size_t found = 0;
    for (int i = 0; i < graph->value_count; i++) {
        if (graph->value[i].kind != NT_VALUE_PARAMETER)
            continue;
        ck_assert_str_eq(graph->value[i].name, weights[found].name);
        ck_assert(nt_shape_equal(&graph->value[i].shape, &weights[found].shape));
        found++;
    }
    ck_assert_uint_eq(found, sizeof weights / sizeof *weights);
    nt_graph_destroy(graph);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model");
    TCase *tests = tcase_create("model");
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_add_test(tests, files_that_are_no_definition);
    tcase_add_test(tests, settings_are_parsed_by_their_default);
    tcase_add_test(tests, inputs_are_told_without_the_batch);
    tcase_add_test(tests, builds_repeat_what_was_loaded);
    tcase_add_loop_test(tests, zoo_has_the_published_sizes, 0, (int)(sizeof zoo / sizeof *zoo));
    tcase_add_test(tests, zoo_refuses_wrong_settings);
    tcase_add_test(tests, weights_are_named_as_in_pytorch);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
