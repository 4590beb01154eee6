/* SPDX-License-Identifier: MIT
 *
 * The program as users call it.
 */
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "engine/device.h"
#include "frontend/file.h"
#include "frontend/npy.h"
#include "frontend/trainer.h"
#include "tests/fixture.h"
#include "tests/command.h"
#include "tests/testing.h"
#include "tests/toy.h"

START_TEST(wrong_usage)
{
    static const struct {
        const char *command, *message;
    } cases[] = {
        {"", "usage: neutra COMMAND"},
        {"trian x", "did you mean `neutra train`?"},
        {"frobnicate", "no such command"},
        {"train", "an argument is missing"},
        {"train x.lua", "--data: is missing"},
        {"train x.lua y.lua --data mnist", "y.lua: one argument too many"},
        {"train x.lua --data mnist --epohcs 3", "did you mean --epochs?"},
        {"train x.lua --data mnist --epochs 0",
            "--epochs: 0: must be a whole number of at least 1"},
        {"train x.lua --data mnist --epochs 2.5", "must be a whole number"},
        {"train x.lua --data mnist --epochs", "needs a value: --epochs E"},
        {"train x.lua --data mnist --lr nan", "--lr: nan: must be a number above 0"},
        {"train x.lua --data mnist --lr 1e400", "and at most 1e+300"},
        {"train x.lua --data mnist --epochs 99999999999999999999",
            "of at least 1 and at most 1000000000"},
        {"train x.lua --data mnist --scale 1e-12", "--scale: 1e-12: must be a number of at least"},
        {"train x.lua --data mnist --beta1 1", "--beta1: 1: must be a number"},
        {"train x.lua --data mnist --memory-limit 0", "must be a number of bytes above 0"},
        {"train x.lua --data mnist --mean 1,2 --std 1", "--mean: 1,2: must be a number or three"},
        {"eval x.lua --weights w --data mnist --mean 1", "must be given together"},
        {"train x.lua --data mnist --optimizer sdg", "must be one of sgd|adam|adamw"},
        {"train x.lua --data mnist --no-shuffle=1", "takes no value"},
        {"train x.lua --data mnist -e 3", "options begin with two dashes"},
        {"train x.lua --resume a --out b", "stays in its folder"},
        {"eval x.lua --data mnist", "--weights: is missing"},
        {"eval x.lua --weights w", "--data: is missing"},
        {"eval x.lua --weights w --data mnist --validation 0.1",
            "--validation: mnist has a test part"},
        {"eval x.lua --weights w --data mnist --part test --seed 3", "--seed: mnist has a test"},
        {"run x.lua", "nothing to run on"},
        {"devices now", "one argument too many"},
        {"gradcheck", "an argument is missing"},
        {"convert x.lua", "an argument is missing"},
        {"convert x.lua y.pt", "y.pt: must end in .onnx or .safetensors"},
        {"convert x.onnx y.safetensors --fold-batch-norm", "is for files of ONNX"},
    };
    if (absent())
        return;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect(2, cases[i].message, "%s", cases[i].command);
        ck_assert_str_eq(out, "");
    }
}
END_TEST

/* What was printed has 80 columns at most, but for examples. */
static void fits_a_window(void)
{
    for (const char *line = out; *line; line += strcspn(line, "\n") + 1)
        ck_assert_msg(strcspn(line, "\n") <= 80 || !strncmp(line, "  neutra ", 9),
            "a line is too long for a window: %.*s", (int)strcspn(line, "\n"), line);
}

START_TEST(help_goes_to_stdout)
{
    static const char *const commands[] = {"devices", "show", "train", "eval", "run", "sample",
        "gradcheck", "convert", "onnx-test", "tune", "bench"};
    if (absent())
        return;
    expect(0, "", "--help");
    fits_a_window();
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        ck_assert_msg(strstr(out, commands[i]), "help lacks %s", commands[i]);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        expect(0, "", "%s --help", commands[i]);
        ck_assert(strstr(out, "usage: neutra ") == out);
        ck_assert_str_eq(err, "");
        fits_a_window();
    }
    expect(0, "", "--version");
    ck_assert(strstr(out, "neutra ") == out);
}
END_TEST

START_TEST(devices)
{
    if (absent())
        return;
    expect(0, "", "devices");
    ck_assert(strstr(out, "* "));
    expect(0, "", "devices --json");
    json_t *json = document();
    const json_t *list = json_object_get(json, "devices");
    int chosen = 0;
    ck_assert_uint_gt(json_array_size(list), 0);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *device = json_array_get(list, i);
        ck_assert(number(device, "compute_units") > 0);
        ck_assert(number(device, "global_memory_bytes") > 0);
        chosen += json_is_true(json_object_get(device, "default"));
    }
    ck_assert_int_eq(chosen, 1);
    json_decref(json);
    expect(1, "no-such-device", "devices --device no-such-device");
    expect(1, "no-such-device", "gradcheck zoo/linear.lua --device no-such-device");
    expect(1, "is a list: neutra gradcheck runs on one device",
        "gradcheck zoo/linear.lua --device 0,1");
    const char *set = getenv("OCL_ICD_VENDORS");
    char *drivers = set ? strdup(set) : NULL;
    setenv("OCL_ICD_VENDORS", "/nonexistent", 1);
    expect(1, "pocl", "devices");
    if (drivers)
        setenv("OCL_ICD_VENDORS", drivers, 1);
    else
        unsetenv("OCL_ICD_VENDORS");
    free(drivers);
}
END_TEST

START_TEST(wrong_input)
{
    if (absent())
        return;
    char spec[2100];
    snprintf(spec, sizeof spec, "%s", toy_data("wrong", 60));
    const char *model = toy_definition("wrong"), *rubbish = fixture_path("rubbish.safetensors");
    const char *file = fixture_path("file");
    fixture_write(rubbish, "rubbish, not weights", 20);
    fixture_write(file, "x", 1);
    expect(1, "nowhere.lua", "train nowhere.lua --data %s", spec);
    expect(1, "fashon-mnist", "train %s --data fashon-mnist", model);
    expect(1, "npy:", "train %s --data npy:nowhere.npy,nowhere.npy", model);
    expect(1, "cannot create this folder", "train %s --data %s --out %s/run", model, spec, file);
    expect(1, "last.safetensors", "train %s --resume %s", model, fixture_path("empty/run"));
    expect(1, "rubbish.safetensors", "eval %s --weights %s --data %s", model, rubbish, spec);
    expect(1, "rubbish.safetensors", "train %s --weights %s --data %s --out %s", model, rubbish,
        spec, fixture_path("wrong/run"));
    expect(
        1, "nowhere.safetensors", "eval %s --weights nowhere.safetensors --data %s", model, spec);
    expect(1, "nowhere.jpg", "run %s nowhere.jpg", model);
    expect(1, "did you mean", "train %s --data %s --set clases=3", model, spec);
    expect(2, "--memory-limit: 1T:", "train %s --data %s --memory-limit 1T", model, spec);
    expect(1, " bytes (1 MiB)", "train %s --data %s --memory-limit 1.5K --out %s", model, spec,
        fixture_path("limit/run"));
    expect(2, "--mean", "run %s x.png --mean 1,2 --std 1", model);
    set_up();
    char command[4000];
    snprintf(command, sizeof command, "devices --json");
    ck_assert_int_eq(finish(start(command, "/dev/full")), 1);
    ck_assert_msg(strstr(err, "standard output"), "stderr: %s", err);
}
END_TEST

/* Trains, evaluates, resumes: what a user does, with the figures agreeing. */
START_TEST(train_eval_resume)
{
    if (absent())
        return;
    char spec[2100], dir[1100], path[1200];
    snprintf(spec, sizeof spec, "%s", toy_data("cli", 200));
    const char *model = toy_definition("cli");
    snprintf(dir, sizeof dir, "%s", fixture_path("cli/run"));
    expect(0, "epoch 2/2",
        "train %s --data %s --epochs 2 --batch 10 --optimizer adam --lr 0.01 "
        "--out %s --json --set units=5",
        model, spec, dir);
    json_t *json = document();
    ck_assert_int_eq(number(json, "steps"), 2 * 18); /* a tenth of the items is set aside */
    ck_assert_int_eq(number(json, "epochs"), 2);
    ck_assert(number(json, "loss") > 0 && number(json, "items_per_second") > 0);
    ck_assert(number(json, "waiting") >= 0 && number(json, "waiting") <= 1);
    double accuracy = number(json, "val_accuracy");
    json_decref(json);
    static const char *const files[] = {
        "last.safetensors", "best.safetensors", "metrics.jsonl", "curve.svg"};
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        ck_assert_msg(access(path, R_OK) == 0, "%s is missing", path);
    }
    /* units=5 comes from the checkpoint. */
    expect(0, "",
        "eval %s --data %s --weights %s/last.safetensors --part validation "
        "--validation 0.1 --json",
        model, spec, dir);
    json = document();
    ck_assert_int_eq(number(json, "items"), 20);
    ck_assert_double_eq_tol(number(json, "accuracy"), accuracy, 1e-9);
    json_decref(json);
    expect(0, "", "eval %s --data %s --weights %s/last.safetensors", model, spec, dir);
    ck_assert(strstr(out, "accuracy") && strstr(out, "class 3"));
    expect(0, "nothing left to do", "train %s --resume %s", model, dir);
    expect(0, "goes on after step 36", "train %s --resume %s --epochs 3 --json", model, dir);
    json = document();
    ck_assert_int_eq(number(json, "steps"), 3 * 18);
    json_decref(json);
    expect(1, "the batch was 10, now 20", "train %s --resume %s --batch 20", model, dir);
    expect(1, "NaN", "train %s --data %s --lr 1e30 --epochs 30 --out %s", model, spec,
        fixture_path("cli/nan"));
}
END_TEST

static void pause_shortly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

START_TEST(interrupt)
{
    if (absent())
        return;
    char spec[2100], dir[1100], log[1200], command[6000];
    snprintf(spec, sizeof spec, "%s", toy_data("interrupt", 100));
    const char *model = toy_definition("interrupt");
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    char name[32];
    snprintf(name, sizeof name, "stopped%d/run", _i);
    snprintf(dir, sizeof dir, "%s", fixture_path(name));
    snprintf(log, sizeof log, "%s/metrics.jsonl", dir);
    snprintf(command, sizeof command, "train %s --data %s --epochs 1000000 --batch 10 --out %s",
        model, spec, dir);
    set_up();
    pid_t pid = start(command, out_path);
    char *text = NULL;
    size_t size = 0;
    for (int i = 0; i < 3000 && size == 0; i++) { /* until it trains */
        pause_shortly();
        free(text);
        text = NULL;
        if (access(log, R_OK) != 0 ||
            nt_file_read(test_context(), log, 0, (uint8_t **)&text, &size) != NT_OK)
            size = 0;
    }
    free(text);
    ck_assert_uint_gt(size, 0);
    kill(pid, signals[_i]);
    int code = finish(pid);
    ck_assert_msg(code == 130, "exit status %d: %s", code, err);
    ck_assert_msg(strstr(err, "go on with: ") && strstr(err, "neutra train"), "stderr: %s", err);
    ck_assert_int_eq(fixture_entries(dir), 4); /* nothing half-written is left */
    expect(0, "goes on after step", "train %s --resume %s --steps 1", model, dir);
}
END_TEST

/* As `neutra train ... 2>&1 | head -1`: the step is finished and saved. */
START_TEST(nobody_reads_on)
{
    if (absent())
        return;
    const char *model = toy_definition("pipe");
    char spec[2100], dir[1100], last[1200], command[6000];
    snprintf(spec, sizeof spec, "%s", toy_data("pipe", 100));
    snprintf(dir, sizeof dir, "%s", fixture_path("pipe/run"));
    snprintf(last, sizeof last, "%s/last.safetensors", dir);
    snprintf(command, sizeof command,
        "$NEUTRA_PROGRAM train %s --data %s --epochs 1000000 --batch 10 --out %s 2>&1 | head -n 1 "
        ">/dev/null",
        model, spec, dir);
    ck_assert_int_eq(system(command), 0);
    struct nt_trainer_stored stored;
    test_ok(nt_trainer_read_params(test_context(), last, &stored));
    ck_assert_int_ge(stored.step, 1);
    /* Weights and metrics; after an epoch, of 10 steps, the best weights and the curve too. Nothing
     * half-written is left. */
    int entries = fixture_entries(dir);
    ck_assert_msg(entries == 4 || (entries == 2 && stored.step <= 10), "%d entries after step %d",
        entries, (int)stored.step);
    nt_trainer_stored_finish(&stored);
}
END_TEST

/* Killed at any moment: the checkpoint, once there is one, is always whole. */
START_TEST(killed)
{
    if (absent())
        return;
    char spec[2100], last[1200], command[6000];
    snprintf(spec, sizeof spec, "%s", toy_data("killed", 100));
    const char *model = toy_definition("killed"), *dir = fixture_path("killed/run");
    snprintf(last, sizeof last, "%s/last.safetensors", dir);
    snprintf(command, sizeof command,
        "train %s --data %s --epochs 1000000 --batch 10 --save-every 1 --out %s", model, spec, dir);
    set_up();
    int64_t former = 0;
    for (int round = 0; round < 6; round++) {
        pid_t pid = start(command, out_path);
        for (int i = 0; i < 3000 && access(last, R_OK) != 0; i++)
            pause_shortly();
        nanosleep(&(struct timespec){.tv_nsec = test_int(0, 200) * 1000000}, NULL);
        kill(pid, SIGKILL);
        ck_assert_int_eq(finish(pid), -SIGKILL);
        struct nt_trainer_stored stored;
        test_ok(nt_trainer_read_params(test_context(), last, &stored));
        ck_assert_int_ge(stored.step, former);
        former = stored.step;
        nt_trainer_stored_finish(&stored);
        expect(0, "", "eval %s --data %s --weights %s --json", model, spec, last);
        snprintf(command, sizeof command, "train %s --resume %s", model, dir);
    }
    ck_assert_int_gt(former, 0);
}
END_TEST

START_TEST(run_pictures)
{
    if (absent())
        return;
    const char *model = toy_definition("pictures"), *labels = fixture_path("labels.txt");
    const char *png = fixture_path("a.png"), *jpeg = fixture_path("b.jpg");
    struct nt_picture picture = fixture_picture(40, 30, 3);
    test_ok(nt_picture_write_png(test_context(), &picture, png));
    fixture_write_jpeg(jpeg, &picture, 90);
    nt_picture_finish(&picture);
    fixture_write(labels, "red\ngreen\nblue\ngrey\n", 20);
    expect(0, "", "run %s %s %s --labels %s --top 2", model, png, jpeg, labels);
    ck_assert(strstr(out, "a.png") && strstr(out, "b.jpg") && strstr(out, " %  "));
    expect(0, "", "run %s %s %s --labels %s --json", model, png, jpeg, labels);
    json_t *json = document();
    const json_t *list = json_object_get(json, "images");
    ck_assert_uint_eq(json_array_size(list), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *classes = json_object_get(json_array_get(list, i), "classes");
        double sum = 0, former = 1;
        ck_assert_uint_eq(json_array_size(classes), 4);
        for (size_t c = 0; c < 4; c++) {
            double p = number(json_array_get(classes, c), "probability");
            ck_assert(p <= former);
            former = p;
            sum += p;
        }
        ck_assert_double_eq_tol(sum, 1, 1e-6);
    }
    json_decref(json);
    fixture_write(labels, "[\"one\", \"two\", \"three\", \"four\"]", 31);
    expect(0, "", "run %s %s --labels %s", model, png, labels);
    ck_assert(!strstr(err, "warning") && strstr(out, "three"));
    expect(1, "a.png: holds no labels: must be a text in UTF-8", "run %s %s --labels %s", model,
        png, png);
    fixture_write(labels, "red\ngreen\n", 10);
    expect(0, "2 labels, the model has 4 classes", "run %s %s --labels %s", model, png, labels);
    const char *closed = fixture_path("closed.lua"), *text = "output('y', parameter('w', {3}) * 2)";
    fixture_write(closed, text, strlen(text));
    expect(1, "the model declares no input", "run %s %s", closed, png);
    expect(1, "nowhere.png", "run %s nowhere.png %s", model, png);
    ck_assert(strstr(out, "a.png")); /* the other one is named all the same */
}
END_TEST

START_TEST(run_arrays)
{
    if (absent())
        return;
    const char *model = toy_definition("arrays"), *dir = fixture_path("arrays/out");
    const char *x_path = fixture_path("x.npy");
    struct nt_shape shape = {4, {3, 1, 8, 8}};
    double x[3 * 64];
    for (int i = 0; i < 3 * 64; i++)
        x[i] = test_float();
    test_ok(nt_npy_write(test_context(), x_path, NT_F64, &shape, x));
    expect(0, "", "run %s --input %s --output %s", model, x_path, dir);
    char path[1200];
    snprintf(path, sizeof path, "%s/logits.npy", dir);
    struct nt_npy a, b;
    test_ok(nt_npy_read(test_context(), path, &a));
    ck_assert_int_eq(a.shape.rank, 2);
    ck_assert_int_eq(a.shape.dim[0], 3);
    ck_assert_int_eq(a.shape.dim[1], 4);
    /* One of them alone gives the same row. */
    shape.dim[0] = 1;
    test_ok(nt_npy_write(test_context(), x_path, NT_F64, &shape, x + 64));
    expect(0, "", "run %s --input input=%s --output %s --json", model, x_path, dir);
    json_decref(document());
    test_ok(nt_npy_read(test_context(), path, &b));
    for (int i = 0; i < 4; i++)
        ck_assert_float_eq_tol(((float *)a.data)[4 + i], ((float *)b.data)[i], 1e-5f);
    nt_npy_finish(&a);
    nt_npy_finish(&b);
    shape = (struct nt_shape){3, {1, 8, 8}};
    test_ok(nt_npy_write(test_context(), x_path, NT_F64, &shape, x));
    expect(1, "input input needs Nx1x8x8", "run %s --input %s --output %s", model, x_path, dir);
    expect(1, "did you mean input?", "run %s --input imput=%s", model, x_path);
}
END_TEST

/* What the outputs need must be given, and nothing else: targets are left out, those of floats too.
 */
START_TEST(run_wants_what_is_read)
{
    if (absent())
        return;
    const char *model = fixture_path("two.lua"), *dir = fixture_path("two/out"),
               *x_path = fixture_path("two-x.npy"), *n_path = fixture_path("two-n.npy"),
               *png = fixture_path("two.png");
    const char text[] = "local x, n = input('x', {1, 8, 8}), input('n', {}, {dtype = 'int32'})\n"
                        "local y = target('y', {2}, {dtype = 'float32'})\n"
                        "local z = x:flatten():linear{name = 'fc', features = 2}\n"
                        "z = z + n:reshape{shape = {0, 1}}\n"
                        "output('z', z) loss(z:mse_loss(y))\n";
    fixture_write(model, text, sizeof text - 1);
    struct nt_picture picture = fixture_picture(40, 30, 3);
    test_ok(nt_picture_write_png(test_context(), &picture, png));
    nt_picture_finish(&picture);
    const float x[2 * 64] = {1};
    const int32_t n[2] = {3, 5};
    test_ok(nt_npy_write(test_context(), x_path, NT_F32, &(struct nt_shape){4, {2, 1, 8, 8}}, x));
    test_ok(nt_npy_write(test_context(), n_path, NT_I32, &(struct nt_shape){1, {2}}, n));
    expect(0, "", "run %s --input %s --input n=%s --output %s", model, x_path, n_path, dir);
    expect(1, "input n: no array was given: --input n=FILE.npy", "run %s --input %s --output %s",
        model, x_path, dir);
    expect(1, "input n: pictures are given to the first input", "run %s %s", model, png);
}
END_TEST

START_TEST(show_draws)
{
    if (absent())
        return;
    const char *model = toy_definition("drawn"), *dot = fixture_path("drawn.dot");
    expect(0, NULL, "show %s --dot %s", model, dot);
    uint8_t *text;
    size_t size;
    test_ok(nt_file_read(test_context(), dot, 0, &text, &size));
    ck_assert(strstr((char *)text, "digraph \"drawn\"") && strstr((char *)text, "conv2d, relu"));
    free(text);
    expect(1, "/none/x.dot", "show %s --dot /none/x.dot", model);
    char *path = strdup(getenv("PATH"));
    setenv("PATH", "/none", 1);
    char *svg = fixture_path("drawn.svg");
    expect(
        1, "needs graphviz's program dot, which is not installed", "show %s --svg %s", model, svg);
    ck_assert(access(svg, F_OK) != 0);
    setenv("PATH", path, 1);
    free(path);
    if (system("dot -V >/dev/null 2>&1") != 0) {
        test_skip("graphviz is not installed: no picture of a graph");
        return;
    }
    expect(0, NULL, "show %s --svg %s", model, svg);
    test_ok(nt_file_read(test_context(), svg, 0, &text, &size));
    ck_assert(strstr((char *)text, "<svg") && strstr((char *)text, "max_pool2d, flatten"));
    free(text);
    expect(1, "/none/x.svg", "show %s --svg /none/x.svg", model);
}
END_TEST

START_TEST(gradcheck)
{
    if (absent())
        return;
    const char *model = toy_definition("gradcheck");
    expect(0, "", "gradcheck %s", model);
    ck_assert(strstr(out, "conv.weight") && strstr(out, "input"));
    expect(0, "", "gradcheck %s --json --seed 5 --batch 3", model);
    json_t *json = document();
    ck_assert(json_is_true(json_object_get(json, "passed")));
    ck_assert_uint_eq(json_array_size(json_object_get(json, "tensors")), 5);
    json_decref(json);
    /* No float32 gradient meets such a tolerance: the command can fail. */
    expect(1, "do not agree", "gradcheck %s --tolerance 1e-6", model);
}
END_TEST

START_TEST(profile)
{
    if (absent())
        return;
    const char *model = toy_definition("profile"), *trace = fixture_path("trace.json");
    char spec[2100];
    snprintf(spec, sizeof spec, "%s", toy_data("profile", 60));
    expect(0, "GFLOP/s", "train %s --data %s --steps 3 --batch 10 --out %s --profile --trace %s",
        model, spec, fixture_path("profile/run"), trace);
    json_t *json = json_load_file(trace, 0, NULL);
    ck_assert_msg(json != NULL, "%s is not JSON", trace);
    json_decref(json);
    expect(1, "no/such/trace.json", "gradcheck %s --trace no/such/trace.json", model);
}
END_TEST

/* The command that is proposed next can be pasted into a shell. */
START_TEST(proposed_commands_are_quoted)
{
    if (absent())
        return;
    const char *model = toy_definition("quote");
    char spec[2100], run[1100], command[9000];
    snprintf(spec, sizeof spec, "%s", toy_data("quote", 60));
    snprintf(run, sizeof run, "%s", fixture_path("my run"));
    expect(0, "my run/best.safetensors' --data npy:",
        "train %s --data %s --steps 1 --batch 10 --out '%s'", model, spec, run);
    ck_assert(strstr(err, "--weights '/") != NULL);
    const char *next = strstr(err, "next: ") + strlen("next: ");
    snprintf(command, sizeof command, "%.*s >/dev/null 2>&1", (int)strcspn(next, "\n"), next);
    ck_assert_msg(system(command) == 0, "%s", command);
    /* What it takes to find data and device again is in it. */
    expect(0, " --data-dir '/my data' --device cpu\n",
        "train %s --data %s --steps 1 --batch 10 --out '%s' --data-dir '/my data' --device cpu",
        model, spec, run);
}
END_TEST

/* Paths are bytes; JSON and the heads of weight files are UTF-8. */
START_TEST(names_that_are_not_utf8)
{
    if (absent())
        return;
    char model[1100], spec[2100];
    struct nt_picture picture = fixture_picture(40, 30, 3);
    const char *png = fixture_path("a\xff.png"), *run = fixture_path("run\xff");
    test_ok(nt_picture_write_png(test_context(), &picture, png));
    nt_picture_finish(&picture);
    snprintf(model, sizeof model, "%s", fixture_path("latin\xff.lua"));
    ck_assert_int_eq(rename(toy_definition("latin"), model), 0);
    expect(1, "", "run %s %s %s.gone --json", model, png, png);
    json_t *json = document();
    const json_t *list = json_object_get(json, "images");
    ck_assert_uint_eq(json_array_size(list), 2);
    for (size_t i = 0; i < 2; i++)
        ck_assert_ptr_nonnull(
            strstr(json_string_value(json_object_get(json_array_get(list, i), "file")), "/a?.png"));
    json_decref(json);
    snprintf(spec, sizeof spec, "%s", toy_data("latin", 60));
    expect(0, "", "train %s --data %s --steps 1 --batch 10 --out %s --json", model, spec, run);
    json = document();
    ck_assert_str_eq(json_string_value(json_object_get(json, "model")), "latin?");
    ck_assert_uint_eq(json_array_size(json_object_get(json, "files")), 4);
    json_decref(json);
    expect(0, "goes on after step 1", "train %s --resume %s --steps 2", model, run);
    expect(1, "must be UTF-8, for checkpoints keep it",
        "train %s --data %s --no-decay \xff --steps 1 --batch 10 --out %s", model, spec, run);
}
END_TEST

START_TEST(options_without_effect_are_told)
{
    if (absent())
        return;
    const char *model = toy_definition("idle");
    char spec[2100];
    snprintf(spec, sizeof spec, "%s", toy_data("idle", 60));
    expect(0, "warning: --momentum: changes nothing: adam has none",
        "train %s --data %s --steps 1 --batch 10 --out %s --optimizer adam --momentum 0.9 --gamma "
        "0.5",
        model, spec, fixture_path("idle/run"));
    ck_assert(strstr(err, "warning: --gamma: changes nothing: the schedule constant has none"));
    ck_assert(!strstr(err, "momentum 0.9"));
    ck_assert(!strstr(err, " 0 images/s") && !strstr(err, "nan")); /* the rate of a single step */
    expect(0, "is kept in", "train %s --data %s --steps 1 --batch 10 --out %s", model, spec,
        fixture_path("idle/run"));
    ck_assert(!strstr(err, "changes nothing"));
}
END_TEST

/* Limits and folders of the machine, not of the program. */
START_TEST(what_the_machine_refuses)
{
    if (absent())
        return;
    const char *model = toy_definition("refused"), *trace = fixture_path("refused.json");
    char spec[2100], train[4000];
    struct rlimit old, tight;
    bool pocl = strstr(nt_device_get_info(test_device())->platform, "Portable Computing") != NULL;
    snprintf(spec, sizeof spec, "%s", toy_data("refused", 60));
    snprintf(train, sizeof train, "train %s --data %s --steps 300 --batch 10 --out %s --trace %s",
        model, spec, fixture_path("refused/run"), trace);
    expect(0, "", "%s", train); /* whose kernels the driver keeps */
    getrlimit(RLIMIT_FSIZE, &old);
    tight = old;
    tight.rlim_cur = 250000;
    setrlimit(RLIMIT_FSIZE, &tight); /* of the program too */
    int code = finish(start(train, out_path));
    setrlimit(RLIMIT_FSIZE, &old);
    ck_assert_msg(code == 1 && strstr(err, "File too large"), "%d: %s", code, err);
    setenv("NEUTRA_CACHE_DIR", "/proc/nowhere", 1);
    expect(1, "cannot create this folder", "tune %s --seconds 1", model);
    ck_assert_msg(!strstr(err, "1/"), "measured what cannot be kept: %s", err);
    unsetenv("NEUTRA_CACHE_DIR");
    if (!pocl)
        return;
    setenv("POCL_CACHE_DIR", "/proc/nowhere", 1);
    setenv("OCL_ICD_VENDORS", "/etc/OpenCL/vendors/pocl.icd", 1);
    expect(1, "POCL_CACHE_DIR", "devices");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli");
    TCase *tests = tcase_create("cli");
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, wrong_usage);
    tcase_add_test(tests, help_goes_to_stdout);
    tcase_add_test(tests, devices);
    tcase_add_test(tests, wrong_input);
    tcase_add_test(tests, train_eval_resume);
    tcase_add_loop_test(tests, interrupt, 0, 3);
    tcase_add_test(tests, nobody_reads_on);
    tcase_add_test(tests, killed);
    tcase_add_test(tests, run_pictures);
    tcase_add_test(tests, run_arrays);
    tcase_add_test(tests, run_wants_what_is_read);
    tcase_add_test(tests, show_draws);
    tcase_add_test(tests, gradcheck);
    tcase_add_test(tests, profile);
    tcase_add_test(tests, proposed_commands_are_quoted);
    tcase_add_test(tests, names_that_are_not_utf8);
    tcase_add_test(tests, options_without_effect_are_told);
    tcase_add_test(tests, what_the_machine_refuses);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
