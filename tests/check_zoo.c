/* SPDX-License-Identifier: MIT
 *
 * The zoo: parameters and multiply-accumulates against the published figures; outputs against
 * torchvision's with the same weights, and steps of training against PyTorch's.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/graph.h"
#include "tests/pytorch.h"

#define MAX_SETTINGS 4
#define STEPS 3 /* of tests/reference/zoo.py */

struct size {
    const char *definition, *settings[MAX_SETTINGS];
    int64_t parameters;
    double giga_macs; /* with as many digits as published; 0: not compared */
    int digits;
};

/* Parameters of torchvision's networks: "num_params" of its model pages; MACs: "GFLOPS" there.
 * MobileNet: the paper's table 4. Faster R-CNN with VGG-16: 137,078,239 are in the authors' model
 * for Pascal VOC, whose anchors have two scores (4,617 more) and whose background has boxes (16,388
 * more); with ResNets: torchvision's without `fc` and batch norms, which are frozen. Others are
 * counted by hand. */
static const struct size sizes[] = {
    {"alexnet", {0}, 61100840, 0.714, 3},
    {"alexnet", {"style=grouped"}, 60965224, 0.724, 3},
    {"zfnet", {0}, 62357608},
    {"vgg", {"depth=11"}, 132863336, 7.609, 3},
    {"vgg", {"depth=13"}, 133047848, 11.308, 3},
    {"vgg", {"depth=16"}, 138357544, 15.470, 3},
    {"vgg", {"depth=19"}, 143667240, 19.632, 3},
    {"vgg", {"depth=11", "batch_norm=true"}, 132868840, 7.609, 3},
    {"vgg", {"depth=13", "batch_norm=true"}, 133053736, 11.308, 3},
    {"vgg", {"depth=16", "batch_norm=true"}, 138365992, 15.470, 3},
    {"vgg", {"depth=19", "batch_norm=true"}, 143678248, 19.632, 3},
    {"googlenet", {0}, 6624904, 1.498, 3},
    {"resnet", {"depth=18"}, 11689512, 1.814, 3},
    {"resnet", {"depth=34"}, 21797672, 3.664, 3},
    {"resnet", {"depth=50"}, 25557032, 4.089, 3},
    {"resnet", {"depth=101"}, 44549160, 7.801, 3},
    {"resnet", {"depth=152"}, 60192808, 11.514, 3},
    {"convnet", {0}, 131178},
    {"table", {0}, 1323},
    {"cifar_resnet", {"depth=20"}, 269722},
    {"cifar_resnet", {"depth=32"}, 464154},
    {"cifar_resnet", {"depth=44"}, 658586},
    {"cifar_resnet", {"depth=56"}, 853018},
    {"cifar_resnet", {"depth=110"}, 1727962},
    {"densenet", {"depth=121"}, 7978856, 2.834, 3},
    {"densenet", {"depth=169"}, 14149480, 3.360, 3},
    {"densenet", {"depth=201"}, 20013928, 4.291, 3},
    {"squeezenet", {"version=1_0"}, 1248424, 0.819, 3},
    {"squeezenet", {"version=1_1"}, 1235496, 0.349, 3},
    {"mobilenet_v1", {0}, 4231976, 0.569, 3},
    {"mobilenet_v2", {0}, 3504872, 0.301, 3},
    {"unet", {0}, 31036546},
    {"unet", {"batch_norm=false"}, 31030658},
    {"unet", {"dims=3", "levels=3", "width=32"}, 5601154},
    {"autoencoder", {0}, 65025},
    {"fcn", {0}, 134489759},
    {"espcn", {0}, 22729},
    {"captioner", {0}, 581368},
    {"captioner", {"backbone=resnet50"}, 24159784},
    {"detector", {0}, 230035},
    {"faster_rcnn", {0}, 587405},
    {"faster_rcnn", {"backbone=vgg16", "classes=20"}, 137057234},
    {"faster_rcnn", {"backbone=resnet18"}, 11776765},
    {"faster_rcnn", {"backbone=resnet50"}, 32972029},
};

static struct nt_model *load(const char *definition, const char *const *settings)
{
    struct nt_model *model = NULL;
    char path[64];
    int count = 0;
    while (count < MAX_SETTINGS && settings[count])
        count++;
    snprintf(path, sizeof path, "zoo/%s.lua", definition);
    test_ok(nt_model_load(test_context(), path, count, settings, &model));
    return model;
}

START_TEST(sizes_as_published)
{
    const struct size *size = &sizes[_i];
    struct nt_model *model = load(size->definition, size->settings);
    struct nt_graph *graph = NULL;
    int64_t parameters = 0;
    double macs = 0;
    test_ok(nt_model_build(model, 2, true, &graph));
    nt_graph_destroy(graph);
    test_ok(nt_model_build(model, 1, false, &graph));
    for (int v = 0; v < graph->value_count; v++)
        if (graph->value[v].kind == NT_VALUE_PARAMETER)
            parameters += nt_shape_count(&graph->value[v].shape);
    for (int n = 0; n < graph->node_count; n++)
        macs += nt_node_macs(graph, graph->node[n]);
    const char *setting = size->settings[0] ? size->settings[0] : "";
    ck_assert_msg(parameters == size->parameters, "%s %s: %lld parameters, published: %lld",
        size->definition, setting, (long long)parameters, (long long)size->parameters);
    double rounding = 0.5001 * pow(10, -size->digits);
    ck_assert_msg(size->giga_macs == 0 || fabs(macs * 1e-9 - size->giga_macs) <= rounding,
        "%s %s: %.0f MACs, published: %.*fe9", size->definition, setting, macs, size->digits,
        size->giga_macs);
    nt_graph_destroy(graph);
    nt_model_destroy(model);
}
END_TEST

/* ---- against PyTorch ---- */

static const char *folder;

struct network {
    const char *name, *definition, *settings[MAX_SETTINGS - 1];
};

static const struct network networks[] = {
    {"alexnet", "alexnet", {0}},
    {"densenet121", "densenet", {"depth=121"}},
    {"googlenet", "googlenet", {0}},
    {"mobilenet_v2", "mobilenet_v2", {0}},
    {"resnet152", "resnet", {"depth=152"}},
    {"resnet18", "resnet", {"depth=18"}},
    {"resnet50", "resnet", {"depth=50"}},
    {"squeezenet1_1", "squeezenet", {"version=1_1"}},
    {"vgg16", "vgg", {"depth=16"}},
};

static const struct network trainings[] = {
    {"resnet18_steps", "resnet", {"depth=18", "classes=10"}},
    {"unet_steps", "unet", {"levels=2", "width=8"}},
};

struct run {
    char path[600];
    struct nt_safetensors *file;
    struct nt_model *model;
    struct nt_weights *weights;
    struct nt_session *session;
    struct nt_shape x; /* of the tensor `input` */
};

/* Pictures have the size of the file's. */
static void open_run(
    struct run *run, const struct network *network, struct nt_session_params *params)
{
    const char *settings[MAX_SETTINGS] = {0};
    char size[32];
    int count = 0;
    test_ok(nt_safetensors_open(test_context(), run->path, &run->file));
    int index = nt_safetensors_find(run->file, "reference.input");
    ck_assert_int_ge(index, 0);
    run->x = nt_safetensors_get(run->file, index)->shape;
    for (; network->settings[count]; count++)
        settings[count] = network->settings[count];
    snprintf(size, sizeof size, "size=%d", (int)run->x.dim[run->x.rank - 1]);
    settings[count] = size;
    run->model = load(network->definition, settings);
    int slots = params->training ? nt_optimizer_slots(params->optimizer) : 0;
    test_ok(nt_weights_create(test_device(), run->model, 1, slots, &run->weights));
    test_ok(nt_weights_load(run->weights, run->path));
    params->batch = run->x.dim[0];
    test_ok(nt_session_create(test_device(), run->model, run->weights, params, &run->session));
}

static void close_run(struct run *run)
{
    nt_session_destroy(run->session);
    nt_weights_destroy(run->weights);
    nt_model_destroy(run->model);
    nt_safetensors_close(run->file);
    unlink(run->path); /* hundreds of megabytes in all; kept when the test fails */
}

static uint32_t *read_tensor(const struct run *run, const char *name)
{
    int index = nt_safetensors_find(run->file, name);
    ck_assert_int_ge(index, 0);
    const struct nt_safetensors_entry *entry = nt_safetensors_get(run->file, index);
    uint32_t *data = malloc((size_t)nt_shape_count(&entry->shape) * sizeof *data);
    test_ok(nt_safetensors_read(run->file, index, data));
    return data;
}

static void feed(const struct run *run, int input, const uint32_t *data)
{
    struct nt_port port = nt_session_input(run->session, input);
    uint32_t *laid = malloc(port.bytes);
    pytorch_lay_out(&port, data, laid);
    test_ok(nt_session_write(run->session, input, laid));
    free(laid);
}

/* Whether the script has written the network's file: on slow devices it leaves some out. */
static bool find_run(struct run *run, const struct network *network)
{
    if (folder)
        snprintf(run->path, sizeof run->path, "%s/%s.safetensors", folder, network->name);
    if (folder && access(run->path, R_OK) == 0)
        return true;
    test_skip(folder ? "NT_SMALL: a large network" : pytorch_missing);
    return false;
}

START_TEST(outputs_as_torchvision)
{
    struct run run = {0};
    struct nt_session_params params = {0};
    if (!find_run(&run, &networks[_i]))
        return;
    open_run(&run, &networks[_i], &params);
    uint32_t *x = read_tensor(&run, "reference.input");
    feed(&run, 0, x);
    test_ok(nt_session_run(run.session, NULL));
    struct nt_port port = nt_session_output(run.session, 0);
    float *got = malloc(port.bytes);
    memset(got, 0xff, port.bytes);
    test_ok(nt_session_read(run.session, 0, got));
    pytorch_compare(run.file, "reference.logits", port.bytes / sizeof *got, got, 1e-4);
    free(x);
    free(got);
    close_run(&run);
}
END_TEST

START_TEST(steps_as_pytorch)
{
    struct run run = {0};
    struct nt_session_params params = {.training = true};
    struct nt_step_params step = {.momentum = 0.9};
    if (!find_run(&run, &trainings[_i]))
        return;
    open_run(&run, &trainings[_i], &params);
    step.learning_rate = atof(nt_safetensors_metadata(run.file, "learning_rate"));
    uint32_t *x = read_tensor(&run, "reference.input");
    uint32_t *target = read_tensor(&run, "reference.target");
    double *want = pytorch_tensor(run.file, "reference.losses", STEPS);
    feed(&run, 0, x);
    feed(&run, 1, target);
    for (int i = 0; i < STEPS; i++) {
        float loss = NAN;
        step.step = i + 1;
        test_ok(nt_session_run(run.session, &step));
        test_ok(nt_session_loss(run.session, &loss));
        ck_assert_msg(fabs(loss - want[i]) <= 1e-3 * want[i], "%s, step %d: loss %g, want %g",
            trainings[_i].name, i, loss, want[i]);
    }
    free(x);
    free(target);
    free(want);
    close_run(&run);
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("zoo");
    TCase *tcase = tcase_create("zoo");
    folder = pytorch_run(argv[0], "zoo.py", getenv("NT_SMALL") ? "small" : "all");
    tcase_set_timeout(tcase, 0);
    tcase_add_loop_test(tcase, sizes_as_published, 0, sizeof sizes / sizeof *sizes);
    tcase_add_loop_test(tcase, outputs_as_torchvision, 0, sizeof networks / sizeof *networks);
    tcase_add_loop_test(tcase, steps_as_pytorch, 0, sizeof trainings / sizeof *trainings);
    suite_add_tcase(suite, tcase);
    return argc > 0 ? test_main(suite) : EXIT_FAILURE;
}
