/* SPDX-License-Identifier: MIT
 *
 * Models written as ONNX: read again here and compared, and run by onnxruntime where it is
 * installed (from PyPI, under /usr/bin/python3 or $NEUTRA_PYTHON).
 */
#include "tests/testing.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/graph.h"
#include "frontend/npy.h"
#include "frontend/onnx/export.h"
#include "frontend/onnx/export_parts.h"
#include "frontend/op.h"
#include "frontend/port.h"
#include "frontend/session.h"

#define BATCH 3
#define MAX_PORTS 8

static char folder[] = "/tmp/neutra-check-XXXXXX";

struct network {
    const char *name, *definition, *settings[4];
    bool folds; /* has batch norms that can be folded */
};

static const struct network networks[] = {
    {"autoencoder", "zoo/autoencoder.lua", {0}},
    {"char_lstm", "zoo/char_lstm.lua", {"hidden=16"}},
    {"cifar_resnet", "zoo/cifar_resnet.lua", {0}, true},
    {"convnet", "zoo/convnet.lua", {0}, true},
    {"forecast", "zoo/forecast.lua", {0}},
    {"lenet", "zoo/lenet.lua", {0}},
    {"resnet18", "zoo/resnet.lua", {"depth=18", "size=64", "classes=10"}, true},
    {"sentiment", "zoo/sentiment.lua", {0}},
    {"squeezenet", "zoo/squeezenet.lua", {"size=64"}},
    {"table", "zoo/table.lua", {0}},
    {"unet", "zoo/unet.lua", {"levels=2", "width=8", "size=32"}, true},
};
enum { NETWORKS = sizeof networks / sizeof *networks };

/* A model with its weights, and a session of BATCH items. */
struct opened {
    struct nt_model *model;
    struct nt_weights *weights;
    struct nt_session *session;
};

static void path_of(char *path, size_t size, const char *name, const char *ending)
{
    snprintf(path, size, "%s/%s%s", folder, name, ending);
}

static void open_batch(
    struct opened *o, const char *path, const char *const *settings, int64_t batch)
{
    int count = 0;
    const struct nt_session_params params = {.batch = batch};
    while (settings && count < 4 && settings[count])
        count++;
    test_ok(nt_model_load(test_context(), path, count, settings, &o->model));
    test_ok(nt_weights_create(test_device(), o->model, 1, 0, &o->weights));
    test_ok(nt_session_create(test_device(), o->model, o->weights, &params, &o->session));
}

static void open_model(struct opened *o, const char *path, const char *const *settings)
{
    open_batch(o, path, settings, BATCH);
}

static void close_model(struct opened *o)
{
    nt_session_destroy(o->session);
    nt_weights_destroy(o->weights);
    nt_model_destroy(o->model);
    *o = (struct opened){0};
}

static bool ends_in(const char *name, const char *ending)
{
    size_t length = strlen(name), tail = strlen(ending);
    return length >= tail && strcmp(name + length - tail, ending) == 0;
}

/* Statistics and affine maps of norms that make a difference. */
static void randomise_norms(struct nt_weights *weights)
{
    for (int i = 0; i < nt_weights_count(weights); i++) {
        const struct nt_weight_info *info = nt_weights_get(weights, i);
        size_t count = (size_t)nt_shape_count(&info->shape);
        bool var = ends_in(info->name, ".running_var"), mean = ends_in(info->name, ".running_mean");
        bool scale = ends_in(info->name, ".weight") && info->shape.rank == 1;
        bool shift = ends_in(info->name, "bias") || ends_in(info->name, "prior");
        if (!var && !mean && !scale && !shift)
            continue;
        float *data = malloc(count * sizeof *data);
        test_fill(data, count);
        for (size_t j = 0; j < count; j++)
            data[j] = var || scale ? 1 + 0.5f * data[j] : 0.2f * data[j];
        test_ok(nt_weights_write(weights, i, data));
        free(data);
    }
}

/* Random data for every input, kept row-major; tokens are below 20. */
static void make_inputs(const struct nt_session *session, void *data[MAX_PORTS])
{
    for (int i = 0; i < nt_session_input_count(session); i++) {
        struct nt_port port = nt_session_input(session, i);
        size_t count = port.bytes / sizeof(float);
        data[i] = malloc(port.bytes);
        if (port.dtype == NT_I32)
            for (size_t j = 0; j < count; j++)
                ((int32_t *)data[i])[j] = test_int(1, 19);
        else
            test_fill(data[i], count);
    }
}

static int input_of(const struct nt_session *session, const char *name)
{
    for (int i = 0; i < nt_session_input_count(session); i++)
        if (strcmp(nt_session_input(session, i).name, name) == 0)
            return i;
    return -1;
}

static int output_of(const struct nt_session *session, const char *name)
{
    for (int i = 0; i < nt_session_output_count(session); i++)
        if (strcmp(nt_session_output(session, i).name, name) == 0)
            return i;
    return -1;
}

static void feed(struct nt_session *session, int input, const void *row_major)
{
    struct nt_port port = nt_session_input(session, input);
    void *packed = malloc(port.bytes);
    nt_port_pack(&port, row_major, packed);
    test_ok(nt_session_write(session, input, packed));
    free(packed);
}

static float *run_output(struct nt_session *session, int output, size_t *count)
{
    struct nt_port port = nt_session_output(session, output);
    float *got = malloc(port.bytes);
    memset(got, 0xff, port.bytes);
    test_ok(nt_session_read(session, output, got));
    *count = port.bytes / sizeof *got;
    for (size_t i = 0; port.dtype == NT_I32 && i < *count; i++)
        got[i] = (float)((int32_t *)got)[i];
    return got;
}

/* Inputs of a file that the first model does not have are its hidden states, which start at 0. */
static void compare_models(struct opened *a, struct opened *b, const char *name, double tolerance)
{
    void *data[MAX_PORTS] = {0};
    make_inputs(a->session, data);
    for (int i = 0; i < nt_session_input_count(a->session); i++) {
        int other = input_of(b->session, nt_session_input(a->session, i).name);
        feed(a->session, i, data[i]);
        if (other >= 0)
            feed(b->session, other, data[i]);
    }
    for (int i = 0; i < nt_session_input_count(b->session); i++) {
        struct nt_port port = nt_session_input(b->session, i);
        void *zeros = calloc(1, port.bytes);
        if (input_of(a->session, port.name) < 0)
            feed(b->session, i, zeros);
        free(zeros);
    }
    test_ok(nt_session_run(a->session, NULL));
    test_ok(nt_session_run(b->session, NULL));
    for (int i = 0; i < nt_session_output_count(a->session); i++) {
        char what[128];
        const char *output = nt_session_output(a->session, i).name;
        int other = output_of(b->session, output);
        size_t count, again;
        ck_assert_msg(other >= 0, "%s: the file has no output '%s'", name, output);
        float *want = run_output(a->session, i, &count);
        float *got = run_output(b->session, other, &again);
        double *wanted = malloc(count * sizeof *wanted);
        ck_assert_int_eq((int)count, (int)again);
        for (size_t j = 0; j < count; j++)
            wanted[j] = want[j];
        snprintf(what, sizeof what, "%s: %s", name, output);
        test_close(what, count, got, wanted, tolerance);
        free(want);
        free(got);
        free(wanted);
    }
    for (int i = 0; i < MAX_PORTS; i++)
        free(data[i]);
}

/* ---- the zoo, read again ---- */

START_TEST(zoo_read_again)
{
    const struct network *network = &networks[_i];
    struct opened first = {0}, again = {0};
    char path[256];
    open_model(&first, network->definition, network->settings);
    randomise_norms(first.weights);
    for (int fold = 0; fold <= network->folds; fold++) {
        const struct nt_onnx_export_params params = {.fold_batch_norm = fold};
        struct nt_onnx_exported made;
        path_of(path, sizeof path, network->name, ".onnx");
        test_ok(nt_onnx_export(first.model, first.weights, &params, path, &made));
        ck_assert_msg(made.batch_open, "%s: the batch is not open", network->name);
        ck_assert_int_eq(made.folded > 0, fold);
        open_model(&again, path, NULL);
        compare_models(&first, &again, network->name, 1e-4);
        for (int i = 0; !fold && i < nt_weights_count(first.weights); i++) {
            const struct nt_weight_info *info = nt_weights_get(first.weights, i);
            int other = nt_weights_find(again.weights, info->name);
            ck_assert_msg(other >= 0 || ends_in(info->name, "num_batches_tracked"),
                "%s: the file has no '%s'", network->name, info->name);
            ck_assert(other < 0 ||
                      nt_shape_equal(&info->shape, &nt_weights_get(again.weights, other)->shape));
        }
        close_model(&again);
        unlink(path);
    }
    close_model(&first);
}
END_TEST

/* A file that was read is written and read again. */
START_TEST(a_file_written_again)
{
    struct opened first = {0}, again = {0};
    char one[256], two[256];
    path_of(one, sizeof one, "one", ".onnx");
    path_of(two, sizeof two, "two", ".onnx");
    open_model(&first, "zoo/sentiment.lua", NULL);
    test_ok(nt_onnx_export(first.model, first.weights, NULL, one, NULL));
    close_model(&first);
    open_model(&first, one, NULL);
    test_ok(nt_onnx_export(first.model, first.weights, NULL, two, NULL));
    open_model(&again, two, NULL);
    compare_models(&first, &again, "sentiment", 1e-5);
    close_model(&first);
    close_model(&again);
    unlink(one);
    unlink(two);
}
END_TEST

/* ---- operators ---- */

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert(file && fputs(text, file) >= 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void compare_definition(const char *text, const char *name)
{
    struct opened first = {0}, again = {0};
    char lua[256], onnx[256];
    path_of(lua, sizeof lua, name, ".lua");
    path_of(onnx, sizeof onnx, name, ".onnx");
    write_text(lua, text);
    open_model(&first, lua, NULL);
    test_ok(nt_onnx_export(first.model, first.weights, NULL, onnx, NULL));
    open_model(&again, onnx, NULL);
    compare_models(&first, &again, text, 1e-4);
    close_model(&first);
    close_model(&again);
    unlink(lua);
    unlink(onnx);
}

/* Whether a function asks for arguments above 0. */
static bool is_positive(const char *name)
{
    static const char *const names[] = {"log", "pow", "rsqrt", "sqrt"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* Numbers for the attributes of the bits that are not their defaults, within arguments' reach. */
static void say_attributes(const struct nt_op *op, int bits, char *text, size_t size)
{
    for (int i = 0; i < op->attr_count; i++) {
        const struct nt_attr_spec *a = &op->attrs[i];
        double value = 0.2 + 0.3 * i;
        bool fits = a->min == a->max || (value >= a->min && value <= a->max);
        size_t used = strlen(text);
        if (bits >> i & 1 && a->type == NT_ATTR_FLOAT && fits)
            snprintf(text + used, size - used, ", %s = %g", a->name, value);
    }
}

/* All elementwise operators, ten to a model, with their defaults and with others; arguments are in
 * (-1, 1), where most are defined. */
START_TEST(elementwise_operators)
{
    static char text[8192];
    int count = 0, total = 0, all = nt_op_count;
    const struct nt_op *const *list = nt_ops;
    for (int i = 0; i <= all; i++) {
        if (count == 10 || (i == all && count > 0)) {
            compare_definition(text, "elementwise");
            count = 0;
        }
        if (i == all || !list[i]->expression || list[i] == &nt_op_cast)
            continue;
        char attributes[200] = "";
        say_attributes(list[i], _i, attributes, sizeof attributes);
        if (_i && !*attributes)
            continue;
        if (count == 0)
            strcpy(text, "local x = input(\"x\", {4, 5})\nlocal z = input(\"z\", {1, 5})\n"
                         "local w = input(\"w\", {4, 1})\n");
        int inputs = nt_op_min_inputs(list[i]);
        const char *name = list[i]->name;
        const char *argument = strcmp(name, "acosh") == 0 ? "x:abs():scale{offset = 1.5}"
                               : is_positive(name)        ? "x:abs():scale{offset = 0.1}"
                                                          : "x:scale{factor = 0.9}";
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "output(\"y%d\", op.%s(%s%s%s, {%s}))\n", count,
            name, argument, inputs > 1 ? ", z:scale{factor = 3, offset = 0.01}" : "",
            inputs > 2 ? ", w" : "", *attributes ? attributes + 2 : "");
        count++;
        total++;
    }
    ck_assert_int_gt(total, _i ? 2 : 60);
}
END_TEST

static const char *const definitions[] = {
    /* reductions of integers are floats here */
    "local t = input('t', {5}, {dtype = 'int32'})\n"
    "output('a', t:mean{axes = 1})\n"
    "output('b', t:log_sum_exp{axes = 1, keepdims = true})\n"
    "output('c', t:l2{axes = 1})\n"
    "output('d', t:sum{axes = 1} / 7)\n"
    "output('e', t:max{axes = 1} / 7)\n",
    "local x = input('x', {4, 6, 9})\n"
    "output('a', x:max_pool2d{kernel = 3, stride = 2, ceil_mode = true})\n"
    "output('b', x:avg_pool2d{kernel = {3, 2}, stride = 2, padding = 1})\n"
    "output('c', x:avg_pool2d{kernel = 2, ceil_mode = true, count_include_pad = false})\n"
    "output('d', x:adaptive_avg_pool2d{output_size = {4, 5}})\n"
    "output('e', x:adaptive_avg_pool2d{output_size = 3})\n"
    "output('f', x:adaptive_avg_pool2d{output_size = 1})\n"
    "output('g', x:adaptive_max_pool2d{output_size = 3})\n"
    "output('h', x:lp_pool2d{kernel = 2, stride = 2})\n"
    "output('i', x:global_avg_pool())\n"
    "output('j', x:interpolate{scale_factor = 2, mode = 'nearest'})\n"
    "output('k', x:interpolate{size = {7, 11}, mode = 'bilinear', align_corners = true})\n"
    "output('l', x:interpolate{size = {7, 11}, mode = 'bicubic'})\n"
    "output('m', x:pixel_shuffle{upscale_factor = 2})\n",
    "local x = input('x', {4, 6, 8})\n"
    "output('a', x:conv2d{channels = 6, kernel = 3, padding = 'same', stride = 2, groups = 2})\n"
    "output('b', x:conv2d{channels = 3, kernel = {2, 3}, padding = {1, 0, 0, 2}, dilation = 2})\n"
    "output('c', x:conv_transpose2d{channels = 5, kernel = 3, stride = 2, padding = 1,\n"
    "                               output_padding = 1})\n"
    "output('d', x:conv_transpose2d{channels = 4, kernel = 3, stride = 2, padding = 'same',\n"
    "                               groups = 2, bias = false})\n"
    "output('e', x:prelu{channels = true})\n"
    "output('f', x:linear{features = 3})\n"
    "output('g', x:linear{features = 3, bias = false})\n"
    "output('h', x:matmul(x, {transpose_b = true}))\n"
    "output('i', x:layer_norm{dims = 2})\n"
    "output('j', x:layer_norm{affine = false})\n"
    "output('k', x:group_norm{groups = 2})\n"
    "output('l', x:instance_norm{affine = true})\n"
    "output('m', x:local_response_norm{size = 3})\n"
    "output('n', x:local_response_norm{size = 2})\n"
    "output('o', x:rms_norm())\n"
    "output('p', x:l2_normalize())\n",
    "local x = input('x', {4, 6, 5})\n"
    "output('a', x:transpose{axes = {0, 3, 1, 2}}:reshape{shape = {-1, 24}})\n"
    "output('b', x:slice{axis = 2, first = 1, count = 3}:flip{axes = 1})\n"
    "local u, v = x:split{sizes = 2, axis = 1}\n"
    "output('c', op.concat(v, u, {axis = 1}))\n"
    "output('d', op.stack(u, v, {axis = 2}))\n"
    "output('e', x:pad{before = 1, after = 2, mode = 'constant', value = 0.5, axes = {2, 3}})\n"
    "output('f', x:pad{before = {2, 1}, after = {1, 2}, mode = 'reflect', axes = {2, 3}})\n"
    "output('g', x:sum{axes = {1, 3}, keepdims = true})\n"
    "output('h', x:mean{axes = {2}})\n"
    "output('i', x:max{axes = {-1}}:squeeze())\n"
    "output('j', x:log_sum_exp{axes = {1}})\n"
    "output('k', x:std{axes = {2, 3}})\n"
    "output('l', x:softmax{axis = 2})\n"
    "output('m', x:log_softmax{axis = -1})\n"
    "output('n', x:cumsum{axis = 2, exclusive = true, reverse = true})\n"
    "output('o', x:argmax{axis = 1})\n"
    "output('p', x:tile{repeats = {1, 2, 1, 1}}:unsqueeze{axes = {1}}:flatten())\n",
    "local t = input('t', {5}, {dtype = 'int32'})\n"
    "local x = input('x', {5, 7})\n"
    "output('a', t:embedding{num_embeddings = 20, embedding_dim = 3})\n"
    "local best, places = x:top_k{k = 3, axis = 2}\n"
    "output('c', best)\n"
    "output('d', x:gather_elements(places, {axis = 2}))\n"
    "output('e', x:trilu{upper = false})\n"
    "output('f', op.where(op.gt(x, 0), x, op.mul(x, 2)))\n"
    "output('g', op.mod(op.add(t, 3), 4))\n"
    "output('m', x:cast{dtype = 'int32'})\n"
    "output('i', x:dropout{p = 0.5})\n"
    "output('j', (x:lstm{hidden = 4, layers = 2, bidirectional = true}))\n"
    "output('k', (x:gru{hidden = 4, bias = false}))\n"
    "output('l', (x:rnn{hidden = 4, nonlinearity = 'relu', batch_first = false}))\n",
    /* not read here, or not yet: in another engine alone */
    "local t = input('t', {5}, {dtype = 'int32'})\n"
    "local x = input('x', {5, 7})\n"
    "output('a', t:one_hot{num_classes = 20})\n"
    "output('b', x:hardmax{axis = 1})\n",
    "local x = input('x', {2, 12, 16})\n"
    "local b, s = input('b', {20, 4}), input('s', {20})\n"
    "local t = input('t', {20, 1}, {dtype = 'int32'})\n"
    "local low = b:slice{axis = 2, first = 0, count = 2}\n"
    "local size = b:slice{axis = 2, first = 2, count = 2}:abs()\n"
    "local boxes = op.concat(low, low + size, {axis = 2})\n"
    "output('a', op.nms(boxes, s, {count = 9, iou = 0.2}))\n"
    "output('c', op.nms(boxes, s, {count = 30, iou = 0.4, least_score = -0.2}))\n"
    "output('d', op.nms(boxes, s, {count = 3, iou = 0.4, least_score = 2}))\n"
    "local picture = op.mod(t, 6):cast{dtype = 'float32'} - 1\n" /* some outside the batch */
    "local rois = op.concat(picture, boxes * 7, {axis = 2}):reshape{shape = {-1, 5}}\n"
    "output('e', x:roi_align(rois, {output_size = {2, 3}}))\n"
    "output('f', x:roi_align(rois, {output_size = 2, spatial_scale = 1.5, sampling_ratio = 2,\n"
    "                               aligned = true}))\n"
    "output('g', (x:roi_align_max(rois, {output_size = 2, sampling_ratio = 2})))\n"
    "output('h', (x:roi_align_max(rois, {output_size = {3, 1}, aligned = true})))\n",
};
/* Files for other engines alone: these choose boxes during the run. */
static const struct network choosing[] = {
    {"detector", "zoo/detector.lua", {"height=64", "width=96"}},
    {"faster_rcnn", "zoo/faster_rcnn.lua", {"height=64", "width=96", "proposals=20"}},
};
enum { CHOOSING = sizeof choosing / sizeof *choosing };
enum { DEFINITIONS = sizeof definitions / sizeof *definitions };

START_TEST(other_operators)
{
    compare_definition(definitions[_i], "operators");
}
END_TEST

/* ---- what cannot be written ---- */

START_TEST(all_missing_operators_at_once)
{
    struct opened first = {0};
    char lua[256], onnx[256];
    path_of(lua, sizeof lua, "missing", ".lua");
    path_of(onnx, sizeof onnx, "missing", ".onnx");
    write_text(lua, "local x = input('x', {4, 8, 8})\n"
                    "local y = x:local_conv2d{channels = 2, kernel = 3}\n"
                    "output('y', y:interpolate{size = 3, mode = 'area'})\n"
                    "output('z', x:adaptive_max_pool2d{output_size = 3})\n");
    write_text(onnx, "what was there before");
    open_model(&first, lua, NULL);
    test_fails(nt_onnx_export(first.model, first.weights, NULL, onnx, NULL), NT_ERR_UNSUPPORTED,
        "missing.lua: operators that have no form in ONNX here (opset 17): local_conv2d, "
        "interpolate, adaptive_max_pool2d");
    char before[64] = "";
    FILE *file = fopen(onnx, "r");
    ck_assert(file && fgets(before, sizeof before, file));
    fclose(file);
    ck_assert_str_eq(before, "what was there before");
    close_model(&first);
    open_model(&first, "zoo/linear.lua", NULL);
    test_fails(nt_onnx_export(first.model, first.weights, NULL, "/tmp/no-such-folder/x.onnx", NULL),
        NT_ERR_FILE, "folder /tmp/no-such-folder does not exist");
    close_model(&first);
    unlink(lua);
    unlink(onnx);
}
END_TEST

START_TEST(more_than_the_format_holds)
{
    char onnx[256];
    size_t bytes;
    NtOnnx__GraphProto graph;
    NtOnnx__TensorProto tensor, *tensors[1] = {&tensor};
    struct nt_export e = {.ctx = test_context(), .file = &graph};
    nt_onnx__graph_proto__init(&graph);
    nt_onnx__tensor_proto__init(&tensor);
    tensor.has_raw_data = true;
    tensor.raw_data.len = (size_t)1 << 31; /* nothing is read of them */
    graph.initializer = tensors;
    graph.n_initializer = 1;
    path_of(onnx, sizeof onnx, "large", ".onnx");
    test_fails(nt_export_write(&e, onnx, &bytes), NT_ERR_UNSUPPORTED,
        "a file of the ONNX format holds at most 2147483647");
    ck_assert_int_ne(access(onnx, F_OK), 0);
}
END_TEST

/* ---- in another engine ---- */

static const char *python(void)
{
    const char *given = getenv("NEUTRA_PYTHON");
    return given && *given ? given : "/usr/bin/python3";
}

static void write_ports(struct opened *o, const char *name)
{
    char path[512];
    void *data[MAX_PORTS] = {0};
    make_inputs(o->session, data);
    for (int i = 0; i < nt_session_input_count(o->session); i++) {
        struct nt_port port = nt_session_input(o->session, i);
        feed(o->session, i, data[i]);
        snprintf(path, sizeof path, "%s/%s.in.%s.npy", folder, name, port.name);
        test_ok(nt_npy_write(test_context(), path, port.dtype, &port.shape, data[i]));
    }
    test_ok(nt_session_run(o->session, NULL));
    for (int i = 0; i < nt_session_output_count(o->session); i++) {
        struct nt_port port = nt_session_output(o->session, i);
        void *got = malloc(port.bytes);
        test_ok(nt_session_read(o->session, i, got));
        snprintf(path, sizeof path, "%s/%s.out.%s.npy", folder, name, port.name);
        test_ok(nt_npy_write(test_context(), path, port.dtype, &port.shape, got));
        free(got);
    }
    for (int i = 0; i < MAX_PORTS; i++)
        free(data[i]);
}

static void write_case(struct opened *o, const char *name, bool fold)
{
    char path[256];
    const struct nt_onnx_export_params params = {.fold_batch_norm = fold};
    path_of(path, sizeof path, name, ".onnx");
    test_ok(nt_onnx_export(o->model, o->weights, &params, path, NULL));
    write_ports(o, name);
}

static void empty_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -f '%s'/*", folder);
    ck_assert_int_eq(system(command), 0);
}

/* tests/reference/onnx_runtime.py checks each file and compares its outputs within 1e-4. */
START_TEST(as_onnxruntime)
{
    char command[1024], name[64], lua[256];
    snprintf(command, sizeof command, "%s -c 'import onnx, onnxruntime' >/dev/null 2>&1", python());
    if (system(command) != 0) {
        test_skip("onnx and onnxruntime are not installed (PyPI; $NEUTRA_PYTHON names a python)");
        return;
    }
    empty_folder();
    for (int i = 0; i < NETWORKS; i++) {
        struct opened o = {0};
        open_model(&o, networks[i].definition, networks[i].settings);
        randomise_norms(o.weights);
        write_case(&o, networks[i].name, false);
        snprintf(name, sizeof name, "%s_folded", networks[i].name);
        if (networks[i].folds)
            write_case(&o, name, true);
        close_model(&o);
    }
    for (int i = 0; i < CHOOSING; i++) {
        struct opened o = {0};
        open_batch(&o, choosing[i].definition, choosing[i].settings, 1);
        randomise_norms(o.weights);
        write_case(&o, choosing[i].name, false);
        close_model(&o);
    }
    for (int i = 0; i < DEFINITIONS; i++) {
        struct opened o = {0};
        snprintf(name, sizeof name, "operators_%d", i);
        path_of(lua, sizeof lua, name, ".lua");
        write_text(lua, definitions[i]);
        open_model(&o, lua, NULL);
        write_case(&o, name, false);
        close_model(&o);
    }
    snprintf(
        command, sizeof command, "%s -B tests/reference/onnx_runtime.py '%s'", python(), folder);
    ck_assert_msg(system(command) == 0, "%s", command);
    empty_folder();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("onnx_export");
    TCase *tests = tcase_create("onnx_export");
    if (!mkdtemp(folder))
        return EXIT_FAILURE;
    tcase_set_timeout(tests, 0);
    tcase_add_loop_test(tests, zoo_read_again, 0, NETWORKS);
    tcase_add_test(tests, a_file_written_again);
    tcase_add_loop_test(tests, elementwise_operators, 0, 4);
    tcase_add_loop_test(tests, other_operators, 0, DEFINITIONS - 2);
    tcase_add_test(tests, all_missing_operators_at_once);
    tcase_add_test(tests, more_than_the_format_holds);
    tcase_add_test(tests, as_onnxruntime);
    suite_add_tcase(suite, tests);
    int status = test_main(suite);
    rmdir(folder);
    return status;
}
