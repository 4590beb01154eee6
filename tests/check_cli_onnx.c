/* SPDX-License-Identifier: MIT
 *
 * The program as users call it with ONNX files.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/npy.h"
#include "frontend/safetensors.h"
#include "tests/command.h"
#include "tests/fixture.h"
#include "tests/onnx_model.h"
#include "tests/testing.h"
#include "tests/toy.h"

/* logits.npy of a folder and of another are equal. */
static void compare_logits(const char *one, const char *two)
{
    char path[1200];
    struct nt_npy a, b;
    snprintf(path, sizeof path, "%s/logits.npy", one);
    test_ok(nt_npy_read(test_context(), path, &a));
    snprintf(path, sizeof path, "%s/logits.npy", two);
    test_ok(nt_npy_read(test_context(), path, &b));
    ck_assert(nt_shape_equal(&a.shape, &b.shape));
    for (int64_t i = 0; i < nt_shape_count(&a.shape); i++)
        ck_assert_float_eq_tol(((float *)a.data)[i], ((float *)b.data)[i], 1e-5f);
    nt_npy_finish(&a);
    nt_npy_finish(&b);
}

START_TEST(convert)
{
    if (absent())
        return;
    char model[1100], x_path[1100], onnx[1100], weights[1100], one[1100], two[1100];
    snprintf(model, sizeof model, "%s", toy_definition("convert"));
    snprintf(x_path, sizeof x_path, "%s", fixture_path("convert-x.npy"));
    snprintf(onnx, sizeof onnx, "%s", fixture_path("convert.onnx"));
    snprintf(weights, sizeof weights, "%s", fixture_path("convert.safetensors"));
    snprintf(one, sizeof one, "%s", fixture_path("convert/one"));
    snprintf(two, sizeof two, "%s", fixture_path("convert/two"));
    const struct nt_shape shape = {4, {3, 1, 8, 8}};
    float x[3 * 64];
    test_fill(x, 3 * 64);
    test_ok(nt_npy_write(test_context(), x_path, NT_F32, &shape, x));
    expect(0, "initial weights", "convert %s %s --seed 5", model, weights);
    expect(0, "any batch (N)", "convert %s %s --weights %s", model, onnx, weights);
    expect(0, "", "convert %s %s --weights %s --json", model, onnx, weights);
    json_t *json = document();
    ck_assert(json_is_true(json_object_get(json, "batch_open")));
    ck_assert_int_gt(number(json, "nodes"), 3);
    json_decref(json);
    expect(0, "", "run %s --weights %s --input %s --output %s", model, weights, x_path, one);
    expect(0, "", "run %s --input %s --output %s", onnx, x_path, two);
    compare_logits(one, two);
    /* The weights of the file fit the definition. */
    expect(0, "tensors", "convert %s %s", onnx, weights);
    expect(0, "", "run %s --weights %s --input %s --output %s", model, weights, x_path, two);
    compare_logits(one, two);
    expect(1, "no-such-file", "convert no-such-file.onnx %s", onnx);
    expect(1, "folder /no-such-folder does not exist", "convert %s /no-such-folder/a.onnx", model);
}
END_TEST

/* x plus 0, 1, 2, ..., with as many columns as another input says. */
START_TEST(arrays_bind_open_extents)
{
    if (absent())
        return;
    char x_path[1100], count_path[1100], folder[1100], result[1200];
    const int32_t columns = 5;
    float x[3 * 5];
    struct nt_npy y;
    struct onnx_model *m = onnx_model_begin(17);
    snprintf(x_path, sizeof x_path, "%s", fixture_path("open-x.npy"));
    snprintf(count_path, sizeof count_path, "%s", fixture_path("open-count.npy"));
    snprintf(folder, sizeof folder, "%s", fixture_path("open"));
    snprintf(result, sizeof result, "%s/y.npy", folder);
    test_fill(x, 3 * 5);
    test_ok(nt_npy_write(test_context(), x_path, NT_F32, &SHAPE(3, 5), x));
    test_ok(nt_npy_write(test_context(), count_path, NT_I32, &SCALAR, &columns));
    onnx_model_random(m, "x", SHAPE(3, 1));
    onnx_model_open(m, 0, "N");
    onnx_model_open(m, 1, "L");
    onnx_model_array(m, false, "count", NT_ONNX_INT64, SCALAR, (double[]){0});
    onnx_model_array(m, true, "zero", NT_ONNX_INT64, SCALAR, (double[]){0});
    onnx_model_array(m, true, "one", NT_ONNX_INT64, SCALAR, (double[]){1});
    onnx_model_node(m, "Range", "zero count one", "numbers");
    onnx_model_node(m, "CastLike", "numbers x", "floats");
    onnx_model_node(m, "Add", "x floats", "y");
    const char *file = onnx_model_write(m);
    expect(
        0, "", "run %s --input %s --input count=%s --output %s", file, x_path, count_path, folder);
    test_ok(nt_npy_read(test_context(), result, &y));
    ck_assert(nt_shape_equal(&y.shape, &SHAPE(3, 5)));
    for (int i = 0; i < 15; i++)
        ck_assert_float_eq_tol(((float *)y.data)[i], x[i] + (float)(i % 5), 1e-6f);
    nt_npy_finish(&y);
    expect(
        1, "must be known before the run", "run %s --input %s --output %s", file, x_path, folder);
    expect(1, "no-such.npy", "run %s --input no-such.npy --output %s", file, folder);
    onnx_model_end(m);
}
END_TEST

/* Numbers that the file computes of the batch: (x + its row) * (N, N, 3). */
START_TEST(batch_is_in_the_numbers)
{
    if (absent())
        return;
    char x_path[1100], folder[1100], result[1200], copy[1100];
    float x[4 * 3];
    struct nt_npy y;
    struct onnx_model *m = onnx_model_begin(17);
    snprintf(x_path, sizeof x_path, "%s", fixture_path("batch-x.npy"));
    snprintf(folder, sizeof folder, "%s", fixture_path("batch"));
    snprintf(result, sizeof result, "%s/y.npy", folder);
    snprintf(copy, sizeof copy, "%s", fixture_path("batch-copy.onnx"));
    test_fill(x, 4 * 3);
    test_ok(nt_npy_write(test_context(), x_path, NT_F32, &SHAPE(4, 3), x));
    onnx_model_random(m, "x", SHAPE(1, 3));
    onnx_model_open(m, 0, "N");
    onnx_model_array(m, true, "zero", NT_ONNX_INT64, SCALAR, (double[]){0});
    onnx_model_array(m, true, "one", NT_ONNX_INT64, SCALAR, (double[]){1});
    onnx_model_array(m, true, "which", NT_ONNX_INT64, SHAPE(3), (double[]){0, 0, 1});
    onnx_model_array(m, true, "column", NT_ONNX_INT64, SHAPE(2), (double[]){-1, 1});
    onnx_model_node(m, "Shape", "x", "shape");
    onnx_model_node(m, "Gather", "shape zero", "count");
    onnx_model_node(m, "Range", "zero count one", "numbers");
    onnx_model_node(m, "Reshape", "numbers column", "rows");
    onnx_model_node(m, "CastLike", "rows x", "floats");
    onnx_model_node(m, "Add", "x floats", "sum");
    onnx_model_node(m, "Gather", "shape which", "extents");
    onnx_model_node(m, "CastLike", "extents x", "factors");
    onnx_model_node(m, "Mul", "sum factors", "y");
    const char *file = onnx_model_write(m);
    expect(0, "", "run %s --input %s --output %s", file, x_path, folder);
    test_ok(nt_npy_read(test_context(), result, &y));
    ck_assert(nt_shape_equal(&y.shape, &SHAPE(4, 3)));
    for (int i = 0; i < 4 * 3; i++)
        ck_assert_float_eq_tol(
            ((float *)y.data)[i], (x[i] + (float)(i / 3)) * (i % 3 < 2 ? 4 : 3), 1e-5f);
    nt_npy_finish(&y);
    expect(0, "", "convert %s %s", file, copy); /* its numbers are those of one item */
    ck_assert(!strstr(out, "any batch") && !strstr(err, "any batch"));
    test_ok(nt_npy_write(test_context(), x_path, NT_F32, &SHAPE(1, 3), x));
    expect(0, "", "run %s --input %s --output %s", copy, x_path, folder);
    test_ok(nt_npy_read(test_context(), result, &y));
    for (int i = 0; i < 3; i++)
        ck_assert_float_eq_tol(((float *)y.data)[i], x[i] * (i < 2 ? 1 : 3), 1e-5f);
    nt_npy_finish(&y);
    onnx_model_end(m);
}
END_TEST

/* A picture of 16x24 pixels in three colours: the middle square and what lies beside it. */
static void write_colours(const char *path, const uint8_t middle[3])
{
    struct nt_picture picture;
    test_ok(nt_picture_create(test_context(), 24, 16, 3, &picture));
    for (int y = 0; y < 16; y++)
        for (int x = 0; x < 24; x++)
            for (int c = 0; c < 3; c++)
                picture.pixels[(y * 24 + x) * 3 + c] =
                    x >= 8 && x < 16 && y >= 4 && y < 12 ? middle[c] : 255;
    test_ok(nt_picture_write_png(test_context(), &picture, path));
    nt_picture_finish(&picture);
}

/* What --scale, --mean, --std, --channels and --size make of a picture: a model gives the softmax
 * of the channels' means. */
START_TEST(pictures_as_options_say)
{
    static const uint8_t colour[3] = {200, 90, 40};
    static const double mean[3] = {10, 20, 30};
    if (absent())
        return;
    char lua[1100], onnx[1100], png[1100];
    snprintf(lua, sizeof lua, "%s", fixture_path("means.lua"));
    snprintf(onnx, sizeof onnx, "%s", fixture_path("means.onnx"));
    snprintf(png, sizeof png, "%s", fixture_path("colours.png"));
    static const char definition[] = "local x = input('input', {3, 8, 8})\n"
                                     "output('y', x:mean{axes = {2, 3}}:softmax())\n";
    fixture_write(lua, definition, sizeof definition - 1);
    write_colours(png, colour);
    expect(0, "", "convert %s %s", lua, onnx);
    for (int bgr = 0; bgr < 2; bgr++) {
        double e[3], sum = 0;
        for (int c = 0; c < 3; c++)
            sum += e[c] = exp((colour[bgr ? 2 - c : c] - mean[c]) / 50);
        expect(0, "", "run %s %s --scale 1 --mean 10,20,30 --std 50 --channels %s --size 16 --json",
            onnx, png, bgr ? "bgr" : "rgb");
        json_t *json = document();
        json_t *first = json_array_get(json_object_get(json, "images"), 0);
        const json_t *classes = json_object_get(first, "classes");
        ck_assert_uint_eq(json_array_size(classes), 3);
        for (size_t i = 0; i < 3; i++) {
            int c = (int)number(json_array_get(classes, i), "class");
            double p = number(json_array_get(classes, i), "probability");
            ck_assert_double_eq_tol(p, e[c] / sum, 1e-5);
        }
        json_decref(json);
    }
    /* The whole of a picture, where 7 / 25 * 25 is more than 7. */
    static const char narrow[] = "local x = input('input', {3, 25, 25})\n"
                                 "output('y', x:mean{axes = {2, 3}}:softmax())\n";
    struct nt_picture picture;
    fixture_write(lua, narrow, sizeof narrow - 1);
    test_ok(nt_picture_create(test_context(), 7, 9, 3, &picture));
    memset(picture.pixels, 100, 7 * 9 * 3);
    test_ok(nt_picture_write_png(test_context(), &picture, png));
    nt_picture_finish(&picture);
    expect(0, "", "convert %s %s", lua, onnx);
    expect(0, "", "run %s %s --mean 0.5 --std 0.5 --size 25", onnx, png);
    expect(2, "--mean and --std: must be given together", "run %s %s --mean 0.5", onnx, png);
    expect(2, "--std: 0: must be above 0", "run %s %s --scale 1 --std 0", onnx, png);
    expect(2, "--channels: gbr: must be one of rgb|bgr", "run %s %s --channels gbr", onnx, png);
}
END_TEST

static double metric(const char *key)
{
    json_t *json = document();
    double value = number(json, key);
    json_decref(json);
    return value;
}

/* Learns on top of a file: frozen weights stay, a new last layer, the same figures everywhere. */
START_TEST(fine_tuning)
{
    if (absent())
        return;
    char spec[2100], file[1100], dir[1100], tuned[1100], model[1100], first[1100];
    snprintf(spec, sizeof spec, "%s", toy_data("tuning", 200));
    snprintf(model, sizeof model, "%s", toy_definition("tuning"));
    snprintf(file, sizeof file, "%s", fixture_path("tuning.onnx"));
    snprintf(first, sizeof first, "%s", fixture_path("tuning.safetensors"));
    snprintf(tuned, sizeof tuned, "%s", fixture_path("tuned.onnx"));
    snprintf(dir, sizeof dir, "%s", fixture_path("tuning/run"));
    expect(0, "", "convert %s %s --seed 3 --set units=6", model, file);
    expect(0, "", "convert %s %s", file, first);
    expect(0, "loss=cross_entropy, as the data have classes",
        "train %s --data %s --head classes=4 --freeze conv*.* --epochs 3 --batch 10 --optimizer "
        "adam "
        "--lr 0.02 --out %s --export %s --json",
        file, spec, dir, tuned);
    ck_assert_msg(strstr(err, "any batch (N)") != NULL, "%s", err);
    double accuracy = metric("val_accuracy");
    ck_assert_double_gt(accuracy, 0.4); /* chance is a quarter */
    const char *part = "--part validation --validation 0.1 --json";
    expect(0, "", "eval %s --data %s --weights %s/best.safetensors %s", file, spec, dir, part);
    double loss = metric("loss");
    expect(0, "", "eval %s --data %s --seed 1 %s", tuned, spec, part);
    ck_assert_double_eq_tol(metric("loss"), loss, 1e-4 * loss);
    /* The checkpoint knows head and loss. */
    expect(0, "goes on after step 54", "train %s --resume %s --epochs 4", file, dir);
    struct nt_safetensors *before, *after;
    char last[1200];
    snprintf(last, sizeof last, "%s/last.safetensors", dir);
    test_ok(nt_safetensors_open(test_context(), first, &before));
    test_ok(nt_safetensors_open(test_context(), last, &after));
    int frozen = 0, changed = 0;
    for (int i = 0; i < nt_safetensors_count(before); i++) {
        const struct nt_safetensors_entry *entry = nt_safetensors_get(before, i);
        size_t count = (size_t)nt_shape_count(&entry->shape);
        int other = nt_safetensors_find(after, entry->name);
        float *a = calloc(count, sizeof *a), *b = calloc(count, sizeof *b);
        ck_assert_msg(other >= 0, "%s is gone", entry->name);
        test_ok(nt_safetensors_read(before, i, a));
        test_ok(nt_safetensors_read(after, other, b));
        bool equal = memcmp(a, b, count * sizeof *a) == 0;
        ck_assert_msg(equal == (strncmp(entry->name, "conv", 4) == 0), "%s", entry->name);
        frozen += equal;
        changed += !equal;
        free(a);
        free(b);
    }
    ck_assert(frozen > 0 && changed > 0);
    nt_safetensors_close(before);
    nt_safetensors_close(after);
    expect(2, "--loss: is for ONNX files", "train %s --data %s --loss mse_loss", model, spec);
    expect(2, "--head: 4: must be classes=N", "train %s --data %s --head 4", file, spec);
    expect(1, "setting 'loss': 'cross': must be none or one of", "train %s --data %s --loss cross",
        file, spec);
    expect(1, "setting 'head': 'many': must be a number of classes",
        "train %s --data %s --head classes=many", file, spec);
    expect(1, "3 classes, the data have 4", "train %s --data %s --head classes=3", file, spec);
    expect(2, "--fold-batch-norm: is for --export", "train %s --data %s --fold-batch-norm", file,
        spec);
}
END_TEST

/* A file is trained on numbers without being told the loss: that of least squares. */
START_TEST(regression)
{
    if (absent())
        return;
    char file[1100], spec[2100], y[1100], dir[1100];
    static const char definition[] = "local x = input('x', {3})\n"
                                     "output('y', x:linear{name = 'fc', features = 2})\n";
    const char *model = fixture_path("plain.lua"), *x = fixture_path("plain-x.npy");
    float numbers[40 * 3];
    test_fill(numbers, 40 * 3);
    fixture_write(model, definition, sizeof definition - 1);
    snprintf(file, sizeof file, "%s", fixture_path("plain.onnx"));
    snprintf(dir, sizeof dir, "%s", fixture_path("plain"));
    snprintf(y, sizeof y, "%s", fixture_path("plain-y.npy"));
    snprintf(spec, sizeof spec, "npy:%s,%s", x, y);
    test_ok(nt_npy_write(test_context(), x, NT_F32, &SHAPE(40, 3), numbers));
    test_ok(nt_npy_write(test_context(), y, NT_F32, &SHAPE(40, 2), numbers));
    expect(0, "", "convert %s %s", model, file);
    expect(0, "loss=mse_loss, as the data have numbers",
        "train %s --data %s --batch 4 --epochs 2 --out %s", file, spec, dir);
    expect(0, "", "eval %s --data %s --weights %s/best.safetensors --json", file, spec, dir);
    double loss = metric("loss");
    expect(0, "", "convert %s %s --weights %s/best.safetensors", model, file, dir);
    expect(
        0, "", "eval %s --data %s --seed 1 --part validation --validation 0.1 --json", file, spec);
    ck_assert(loss > 0 && fabs(metric("loss") - loss) <= 1e-5 * loss);
}
END_TEST

/* A folder of each class with noise that tells it but not always. */
static void write_classes(const char *part, int count)
{
    char name[128];
    for (int i = 0; i < 2 * count; i++) {
        struct nt_picture picture;
        int class = i % 2, shade = 110 + 12 * class;
        snprintf(name, sizeof name, "rooms/%s/%s/%d.png", part, class ? "light" : "dark", i);
        test_ok(nt_picture_create(test_context(), 16, 16, 3, &picture));
        int own = shade + test_int(-14, 14);
        for (int j = 0; j < 16 * 16 * 3; j++)
            picture.pixels[j] = (uint8_t)(own + test_int(-60, 60));
        test_ok(nt_picture_write_png(test_context(), &picture, fixture_path(name)));
        nt_picture_finish(&picture);
    }
}

static const char *python(void)
{
    const char *given = getenv("NEUTRA_PYTHON");
    return given && *given ? given : "/usr/bin/python3";
}

/* A network with what training and inference differ in: read, trained on pictures, written, and as
 * accurate in another engine. */
START_TEST(round_trip)
{
    static const char definition[] =
        "local x = input('input', {3, 16, 16})\n"
        "x = x:conv2d{name = 'features.0', channels = 6, kernel = 3, padding = 1, bias = false}\n"
        "x = x:batch_norm{name = 'features.1'}:relu():max_pool2d{kernel = 4}\n"
        "output('scores', x:flatten():linear{name = 'fc', features = 7}:softmax())\n";
    if (absent())
        return;
    char lua[1100], first[1100], tuned[1100], dir[1100], rooms[1100], command[4000];
    snprintf(lua, sizeof lua, "%s", fixture_path("rooms.lua"));
    snprintf(first, sizeof first, "%s", fixture_path("rooms.onnx"));
    snprintf(tuned, sizeof tuned, "%s", fixture_path("rooms-tuned.onnx"));
    snprintf(dir, sizeof dir, "%s", fixture_path("rooms-run"));
    write_classes("train", 64);
    write_classes("test", 40);
    snprintf(rooms, sizeof rooms, "%s", fixture_path("rooms/x"));
    *strrchr(rooms, '/') = 0;
    fixture_write(lua, definition, sizeof definition - 1);
    expect(0, "", "convert %s %s", lua, first);
    expect(0, "any batch (N)",
        "train %s --data images:%s --size 16 --head classes=2 --epochs 2 --batch 16 --augment none "
        "--optimizer adam --lr 0.01 --out %s --export %s --fold-batch-norm",
        first, rooms, dir, tuned);
    expect(0, "", "eval %s --data images:%s --weights %s/best.safetensors --size 16 --json", first,
        rooms, dir);
    json_t *json = document();
    double right = number(json, "accuracy") * number(json, "items");
    ck_assert_int_eq(number(json, "items"), 80);
    json_decref(json);
    expect(0, "", "eval %s --data images:%s --size 16 --json", tuned, rooms);
    json = document();
    ck_assert_double_eq_tol(number(json, "accuracy") * 80, right, 1e-6);
    json_decref(json);
    snprintf(command, sizeof command, "%s -c 'import onnxruntime, PIL' >/dev/null 2>&1", python());
    if (system(command) != 0) {
        test_skip("onnxruntime is not installed (PyPI; $NEUTRA_PYTHON names a python)");
        return;
    }
    snprintf(command, sizeof command, "%s -B tests/reference/onnx_accuracy.py '%s' '%s/test'",
        python(), tuned, rooms);
    FILE *pipe = popen(command, "r");
    int there = -1, all = -1;
    ck_assert(pipe != NULL && fscanf(pipe, "%d %d", &there, &all) == 2);
    ck_assert_int_eq(pclose(pipe), 0);
    ck_assert_int_eq(all, 80);
    ck_assert_int_eq(there, (int)lround(right));
    ck_assert_int_gt(there, 40);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli_onnx");
    TCase *tests = tcase_create("cli_onnx");
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, convert);
    tcase_add_test(tests, arrays_bind_open_extents);
    tcase_add_test(tests, fine_tuning);
    tcase_add_test(tests, regression);
    tcase_add_test(tests, batch_is_in_the_numbers);
    tcase_add_test(tests, pictures_as_options_say);
    tcase_add_test(tests, round_trip);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
