/* SPDX-License-Identifier: MIT
 *
 * The program on data that are more than classes of pictures: masks, series, points, texts. The
 * figures that it prints are computed here a second way.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/dataset.h"
#include "frontend/font.h"
#include "frontend/npy.h"
#include "frontend/safetensors.h"
#include "tests/command.h"
#include "tests/fixture.h"
#include "tests/testing.h"

static const char *write_file(const char *name, const char *text)
{
    char *path = fixture_path(name);
    fixture_write(path, text, strlen(text));
    return path;
}

static struct nt_picture load(const char *path)
{
    struct nt_picture picture;
    test_ok(nt_picture_load(test_context(), path, NULL, &picture));
    return picture;
}

START_TEST(points_and_their_regions)
{
    if (absent())
        return;
    const char *model = write_file("points.lua",
        "local x, y = input('input', {2}), target('target')\n"
        "x = x:linear{name = 'a', features = 16}:relu():linear{name = 'b', features = 2}\n"
        "output('logits', x)\nloss(x:cross_entropy(y))\n");
    const char *dir = fixture_path("points"), *png = fixture_path("points.png");
    expect(0, NULL, "train %s --data toy:ring --epochs 8 --optimizer adam --lr 0.02 --out %s",
        model, dir);
    expect(0, "", "eval %s --data toy:ring --weights %s/last.safetensors --regions %s --json",
        model, dir, png);
    json_t *json = document();
    ck_assert(number(json, "accuracy") > 0.97);
    ck_assert_int_eq(number(json, "items"), 1000);
    json_decref(json);
    /* blue (class 0) in the middle, orange in the corners, no point lies there */
    struct nt_picture picture = load(png);
    ck_assert_int_eq(picture.channels, 3);
    const uint8_t *corner = picture.pixels + 3 * (2 * picture.width + 2);
    ck_assert(corner[0] > corner[2] + 40);
    int blue = 0, count = 0;
    for (int i = -20; i <= 20; i++, count++) {
        int at = picture.height / 2 * picture.width + picture.width / 2 + i;
        blue += picture.pixels[3 * at + 2] > picture.pixels[3 * at];
    }
    ck_assert_int_eq(blue, count);
    nt_picture_finish(&picture);
    expect(1, "--sheet: the items of toy are no pictures",
        "eval %s --data toy:ring --weights %s/last.safetensors --sheet %s", model, dir, png);
    expect(1, "--season: is for forecasts of series:FILE.csv, not for toy",
        "eval %s --data toy:ring --weights %s/last.safetensors --season 5", model, dir);
}
END_TEST

/* Each product of a step is measured, kept, and taken up from a file. */
START_TEST(tuning)
{
    if (absent())
        return;
    const char *model = write_file("tuned.lua",
        "local x, y = input('input', {40}), target('target')\n"
        "x = x:linear{name = 'a', features = 48}:relu():linear{name = 'b', features = 5}\n"
        "output('logits', x)\nloss(x:cross_entropy(y))\n");
    const char *file = fixture_path("tuned.txt"), *bad = write_file("bad.txt", "neutra\n");
    setenv("NEUTRA_CACHE_DIR", fixture_path("cache"), 1); /* not the user's */
    expect(0, "kept in ", "tune %s --seconds 60 --batch 16 --json --export %s", model, file);
    json_t *json = document();
    ck_assert_int_eq(number(json, "problems"), 5); /* two forward, two by weights, one by data */
    ck_assert_int_eq(number(json, "measured"), 5);
    const json_t *rows = json_object_get(json, "rows");
    ck_assert_int_eq(json_array_size(rows), 5);
    for (size_t i = 0; i < 5; i++) {
        const json_t *row = json_array_get(rows, i);
        ck_assert(number(row, "fastest_ms") <= number(row, "usual_ms"));
        ck_assert_int_eq(number(row, "wrong"), 0);
    }
    json_decref(json);
    expect(0, NULL, "tune %s --seconds 0 --batch 16 --inference --import %s", model, file);
    ck_assert(strstr(out, "0 of 2 products and convolutions measured") != NULL);
    expect(1, "not a tuning file", "tune %s --seconds 0 --import %s", model, bad);
    expect(2, "--seconds", "tune %s --seconds -1", model);
    unsetenv("NEUTRA_CACHE_DIR");
}
END_TEST

/* A setting is taken from the data where the input asks for it: convnet's width is one of channels.
 */
START_TEST(settings_are_fitted_to_the_input)
{
    if (absent())
        return;
    static const uint8_t pictures[6 * 28 * 28];
    const int32_t classes[6] = {0, 1, 0, 1, 0, 1};
    const char *x = fixture_path("fit-x.npy"), *y = fixture_path("fit-y.npy"),
               *dir = fixture_path("fit");
    const struct nt_shape line = {1, {6}};
    struct nt_shape shape = {4, {6, 3, 12, 12}};
    test_ok(nt_npy_write(test_context(), x, NT_U8, &shape, pictures));
    test_ok(nt_npy_write(test_context(), y, NT_I32, &line, classes));
    expect(0, "channels=3, as the data have it\nsize=12, as the data have it\nconvnet: ",
        "train zoo/convnet.lua --data npy:%s,%s --batch 2 --steps 1 --out %s", x, y, dir);
    ck_assert(strstr(err, "classes=2, as the data have it\n") && !strstr(err, "width="));
    expect(0, "channels=3, as the data have it\nheight=12, as the data have it\nwidth=12, as",
        "train zoo/mlp.lua --data npy:%s,%s --batch 2 --steps 1 --out %s", x, y, dir);
    shape = (struct nt_shape){4, {6, 1, 28, 28}};
    test_ok(nt_npy_write(test_context(), x, NT_U8, &shape, pictures));
    expect(0, "convnet: 130146 parameters",
        "train zoo/convnet.lua --data npy:%s,%s --batch 2 --steps 1 --out %s", x, y, dir);
}
END_TEST

/* Settings come from the table, its classes by their names from the weights: the second table has
 * them in another order and lacks one. A number is told as well. */
START_TEST(tables)
{
    if (absent())
        return;
    static const char *const names[] = {"low", "middle", "top"};
    char rows[12000] = "a,b,c,kind\n", told[12000] = "a,b,c\n";
    for (int i = 0; i < 240; i++) {
        double a = 100 * test_float(), b = 1e-3 * test_float();
        size_t n = strlen(rows), m = strlen(told);
        int class = i % 3;
        snprintf(rows + n, sizeof rows - n, "%g,%g,%g,%s\n", a, b, 500 + 9.0 * class + 0.01 * a,
            names[class]);
        snprintf(told + m, sizeof told - m, "%g,%g,%g\n", a, b, 0.03 * a - 1000 * b);
    }
    const char *table = write_file("table.csv", rows), *dir = fixture_path("table");
    expect(0, "features=3, as the data have it",
        "train zoo/table.lua --data csv:%s --batch 16 --epochs 20 --lr 0.05 --out %s", table, dir);
    const char *others = write_file("others.csv", "a,b,kind,c\n1,0,top,518\n-3,0,low,500\n");
    expect(0, "",
        "eval zoo/table.lua --data csv:%s,kind --validation 0 --weights %s/last.safetensors --json",
        others, dir);
    json_t *json = document();
    ck_assert(number(json, "accuracy") == 1);
    ck_assert_int_eq(number(json, "items"), 2);
    json_decref(json);
    const char *numbers = write_file("told.csv", told);
    expect(0, NULL,
        "train zoo/table.lua --data csv:%s --set features=2 --set classes=0 --batch 16 --epochs 40 "
        "--lr 0.02 --momentum 0.9 --out %s",
        numbers, dir);
    expect(0, "",
        "eval zoo/table.lua --data csv:%s --validation 0 --weights %s/best.safetensors --json",
        numbers, dir);
    json = document();
    ck_assert(number(json, "loss") < 0.2); /* the numbers' variance is above 3 */
    json_decref(json);
}
END_TEST

/* The sum of the sizes of a weight's elements after ten steps with the options. */
static double trained(const char *model, const char *options, const char *weight)
{
    const char *dir = fixture_path("steps");
    struct nt_safetensors *file = NULL;
    char path[1200];
    float data[64];
    double sum = 0;
    expect(0, NULL, "train %s --data toy:ring --steps 10 %s --out %s", model, options, dir);
    snprintf(path, sizeof path, "%s/last.safetensors", dir);
    test_ok(nt_safetensors_open(test_context(), path, &file));
    int at = nt_safetensors_find(file, weight);
    ck_assert_int_ge(at, 0);
    int64_t count = nt_shape_count(&nt_safetensors_get(file, at)->shape);
    ck_assert_int_le(count, 64);
    test_ok(nt_safetensors_read(file, at, data));
    for (int64_t i = 0; i < count; i++)
        sum += fabsf(data[i]);
    nt_safetensors_close(file);
    return sum;
}

/* Options that change what a step does, each seen in the weights. */
START_TEST(steps_are_limited)
{
    if (absent())
        return;
    const char *model = write_file("steps.lua",
        "local x, y = input('input', {2}), target('target')\n"
        "x = x:linear{name = 'a', features = 16}:relu():linear{name = 'b', features = 2}\n"
        "output('logits', x)\nloss(x:cross_entropy(y))\n");
    double first = trained(model, "--lr 1e-9", "a.weight"),
           second = trained(model, "--lr 1e-9", "b.weight");
    double moved = fabs(trained(model, "--lr 1", "a.weight") - first);
    ck_assert(moved > 1e-3);
    ck_assert(fabs(trained(model, "--lr 1 --clip-norm 1e-8", "a.weight") - first) < 1e-4 * first);
    ck_assert(fabs(trained(model, "--lr 1 --clip-value 1e-8", "a.weight") - first) < 1e-4 * first);
    ck_assert(fabs(trained(model, "--lr 1 --freeze a.*", "a.weight") - first) < 1e-6 * first);
    ck_assert(fabs(trained(model, "--lr 1 --freeze a.*", "b.weight") - second) > 1e-3);
    /* ten steps of 0.01 toward zero in each of 32 elements, less where one is smaller */
    ck_assert(trained(model, "--lr 1e-4 --l1 100", "a.weight") < first - 1);
    ck_assert(fabs(trained(model, "--lr 1e-4 --l1 100 --no-decay a.*", "a.weight") - first) <
              1e-3 * first);
    /* ten times less by a tenth */
    double kept = pow(0.9, 10);
    ck_assert(fabs(trained(model, "--lr 1e-4 --weight-decay 1000 --no-decay a.*", "b.weight") -
                   kept * second) < 1e-2 * second);
    ck_assert(fabs(trained(model, "--lr 1e-4 --weight-decay 1000 --no-decay a.*", "a.weight") -
                   first) < 1e-3 * first);
}
END_TEST

#define LENGTH 80
#define PERIOD 5

/* The model gives the last value again: what the naive forecast gives. */
START_TEST(forecasts_beside_naive_ones)
{
    if (absent())
        return;
    char table[LENGTH * 24] = "t,v\n", spec[1200];
    double value[LENGTH], last = 0, season = 0, absolute = 0;
    for (int i = 0; i < LENGTH; i++) {
        char line[40];
        snprintf(line, sizeof line, "x%d,%.7g\n", i,
            300 + 40 * sin(6.283185307 * i / PERIOD) + 3 * test_float());
        strcat(table, line);
        value[i] = strtod(strchr(line, ',') + 1, NULL);
    }
    snprintf(spec, sizeof spec, "series:%s", write_file("season.csv", table));
    const char *model = write_file("last.lua",
        "local x, y = input('input', {12}), target('target', {2}, {dtype = 'float32'})\n"
        "local z = x:linear{name = 'fc', features = 2, init = 'zeros', bias = false}\n"
        "z = z + x:slice{axis = 1, first = 11, count = 1}\n"
        "output('forecast', z)\nloss((z - y):square():mean{})\n");
    const char *dir = fixture_path("series"), *svg = fixture_path("series.svg");
    expect(0, NULL, "train %s --data %s --validation 0.25 --steps 1 --batch 4 --lr 1e-300 --out %s",
        model, spec, dir);
    /* The share is the training's. */
    expect(0, "", "eval %s --data %s --weights %s/last.safetensors --plot %s --json", model, spec,
        dir, svg);
    int first = LENGTH * 3 / 4, count = 0;
    for (int i = first; i + 2 <= LENGTH; i++)
        for (int h = 0; h < 2; h++, count++) {
            last += pow(value[i + h] - value[i - 1], 2);
            absolute += fabs(value[i + h] - value[i - 1]);
            season += pow(value[i + h] - value[i + h - PERIOD], 2);
        }
    json_t *json = document(), *naive = json_object_get(json, "last_value");
    json_t *seasonal = json_object_get(json, "seasonal");
    ck_assert_int_eq(number(json, "items"), LENGTH / 4 - 1);
    ck_assert_double_eq_tol(number(json, "mse") / (last / count), 1, 1e-4);
    ck_assert_double_eq_tol(number(json, "mae") / (absolute / count), 1, 1e-4);
    ck_assert_double_eq_tol(number(naive, "mse") / (last / count), 1, 1e-4);
    ck_assert_int_eq((int)number(seasonal, "season") % PERIOD, 0);
    if (number(seasonal, "season") == PERIOD)
        ck_assert_double_eq_tol(number(seasonal, "mse") / (season / count), 1, 1e-4);
    json_decref(json);
    ck_assert(access(svg, R_OK) == 0);
    expect(0, "", "eval %s --data %s --weights %s/last.safetensors --season %d", model, spec, dir,
        PERIOD);
    ck_assert(strstr(out, "last value again") && strstr(out, "5 values before again"));
    expect(1, "--season 13: must be at most 12",
        "eval %s --data %s --weights %s/last.safetensors --season 13", model, spec, dir);
    expect(1, "--confusion: the targets of series are no classes",
        "eval %s --data %s --weights %s/last.safetensors --confusion", model, spec, dir);
}
END_TEST

#define SIDE 16

/* A model of zeros calls every pixel class 0. */
START_TEST(masks_are_measured)
{
    if (absent())
        return;
    int64_t ones = 0, pixels = 3 * SIDE * 2 * SIDE;
    for (int i = 0; i < 3; i++) {
        struct nt_picture picture = fixture_picture(2 * SIDE, SIDE, 1), mask = picture;
        char name[64];
        snprintf(name, sizeof name, "masks/image/%d.png", i);
        test_ok(nt_picture_write_png(test_context(), &picture, fixture_path(name)));
        for (int at = 0; at < 2 * SIDE * SIDE; at++) {
            mask.pixels[at] = at == 0 || test_int(0, 3) == 0 ? 255 : 0;
            ones += mask.pixels[at] > 0;
        }
        snprintf(name, sizeof name, "masks/label/%d.png", i);
        test_ok(nt_picture_write_png(test_context(), &mask, fixture_path(name)));
        nt_picture_finish(&picture);
    }
    char spec[1200];
    snprintf(spec, sizeof spec, "segmentation:%s", fixture_path("masks/x"));
    *strrchr(spec, '/') = 0;
    const char *model = write_file("zeros.lua",
        "local x, y = input('input', {1, 16, 16}), target('target', {16, 16})\n"
        "x = x:conv2d{name = 'c', channels = 2, kernel = 1, init = 'zeros', bias = false}\n"
        "output('logits', x)\nloss(x:cross_entropy(y))\n");
    const char *dir = fixture_path("masks-run"), *png = fixture_path("masks.png");
    expect(0, NULL, "train %s --data %s --validation 0 --steps 1 --batch 2 --lr 1e-300 --out %s",
        model, spec, dir);
    expect(0, "", "eval %s --data %s --weights %s/last.safetensors --sheet %s --json", model, spec,
        dir, png);
    json_t *json = document();
    double share = (double)ones / (double)pixels;
    ck_assert_int_eq(number(json, "items"), 6);
    ck_assert_double_eq_tol(number(json, "loss"), log(2), 1e-5);
    ck_assert_double_eq_tol(number(json, "pixel_error"), share, 1e-6);
    ck_assert_double_eq_tol(number(json, "mean_iou"), (1 - share) / 2, 1e-6);
    json_decref(json);
    struct nt_picture picture = load(png);
    /* Enlarged by a whole number, so that the words above have room. */
    ck_assert_int_ge(picture.width, 4 * 10 + 3 * nt_font_width("prediction", 2));
    ck_assert_int_eq((picture.width - 4 * 10) % (3 * SIDE), 0);
    nt_picture_finish(&picture);
    expect(0, "", "eval %s --data %s --weights %s/last.safetensors", model, spec, dir);
    ck_assert(strstr(out, "pixel error") && strstr(out, "mean IoU"));
}
END_TEST

/* A text in which each character tells the next: the model learns it and writes it. */
START_TEST(text_is_learnt_and_written)
{
    if (absent())
        return;
    char text[3001] = "", spec[1200];
    while (strlen(text) < 2990)
        strcat(text, "abcdé\n");
    snprintf(spec, sizeof spec, "text:%s", write_file("circle.txt", text));
    const char *model = write_file("circle.lua",
        "local classes = setting('classes', 2, 'characters')\n"
        "local window = setting('window', 10, 'of a window')\n"
        "local x = input('input', {window}, {dtype = 'int32'})\n"
        "local y = target('target', {window})\n"
        "x = x:embedding{name = 'e', num_embeddings = classes, embedding_dim = 8}\n"
        "x = x:rnn{name = 'r', hidden = 16, stateful = true}\n"
        "x = x:reshape{shape = {-1, 16}}:linear{name = 'fc', features = classes}\n"
        "x = x:reshape{shape = {-1, window, classes}}:transpose{axes = {0, 2, 1}}\n"
        "output('logits', x)\nloss(x:cross_entropy(y))\n");
    const char *dir = fixture_path("circle");
    expect(0, "classes=6, as the data have it",
        "train %s --data %s --epochs 12 --batch 8 --optimizer adam --lr 0.02 --out %s", model, spec,
        dir);
    expect(0, "", "eval %s --data %s --weights %s/last.safetensors --batch 4 --json", model, spec,
        dir);
    json_t *json = document();
    ck_assert(number(json, "accuracy") > 0.95);
    ck_assert_double_eq_tol(
        number(json, "bits_per_character"), number(json, "loss") / log(2), 1e-6);
    json_decref(json);
    expect(
        0, "", "sample %s --weights %s/last.safetensors --temperature 0 --length 12", model, dir);
    ck_assert_str_eq(out, "abcdé\nabcdé\n\n");
    expect(0, "",
        "sample %s --weights %s/last.safetensors --prompt bcd --length 4 --seed 3 "
        "--temperature 0.2 --json",
        model, dir);
    json = document();
    ck_assert_str_eq(json_string_value(json_object_get(json, "text")), "bcdé\nab");
    json_decref(json);
    expect(0, "", "sample %s --weights %s/last.safetensors --temperature 50 --seed 7", model, dir);
    char *once = strdup(out);
    expect(0, "", "sample %s --weights %s/last.safetensors --temperature 50 --seed 7", model, dir);
    ck_assert_str_eq(out, once);
    expect(0, "", "sample %s --weights %s/last.safetensors --temperature 50 --seed 8", model, dir);
    ck_assert(strcmp(out, once) != 0);
    free(once);
    expect(1, "'xyz': its first character is not in the vocabulary of 6",
        "sample %s --weights %s/last.safetensors --prompt xyz", model, dir);
    expect(2, "--weights: is missing", "sample %s", model);
    expect(1, "must be one int32 character",
        "sample %s --weights %s/last.safetensors --set window=3", model, dir);
}
END_TEST

static void write_voc(const char *part, const char *stem, int objects)
{
    char name[200], text[4000] = "";
    struct nt_picture picture = fixture_picture(40, 30, 3);
    snprintf(name, sizeof name, "voc/JPEGImages/%s.png", stem);
    test_ok(nt_picture_write_png(test_context(), &picture, fixture_path(name)));
    nt_picture_finish(&picture);
    snprintf(text, sizeof text, "<annotation><size><width>40</width><height>30</height></size>");
    for (int i = 0; i < objects; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text),
            "<object><name>%s</name><bndbox><xmin>%d</xmin><ymin>2</ymin><xmax>%d</xmax>"
            "<ymax>20</ymax></bndbox></object>",
            i % 2 ? "cat" : "ant", 12 * i, 12 * i + 10);
    strcat(text, "</annotation>");
    snprintf(name, sizeof name, "voc/Annotations/%s.xml", stem);
    write_file(name, text);
    snprintf(name, sizeof name, "voc/ImageSets/Main/%s.txt", part);
    write_file(name, stem);
}

/* The model finds every object and, with a higher score, a cat in each corner: of the cats half
 * of what it says is right. */
START_TEST(boxes_and_their_precision)
{
    if (absent())
        return;
    char spec[1200];
    write_voc("train", "a", 3);
    write_voc("test", "b", 2);
    snprintf(spec, sizeof spec, "boxes:%s", write_file("voc/x", ""));
    *strrchr(spec, '/') = 0;
    const char *model = write_file("found.lua",
        "local x, t = input('input', {3, 30, 40}), target('boxes', {4, 5}, {dtype = 'float32'})\n"
        "local w = parameter('w', {1}, {init = 'ones'})\n"
        "local function part(a, n) return t:slice{axis = 2, first = a, count = n} end\n"
        "local score = part(0, 1) * 0 + 0.5\n"
        "local corner = part(0, 1) * 0\n"
        "local wrong = op.concat(corner + 1, corner + 0.75, corner, corner, corner + 3, corner + "
        "3, "
        "{axis = 2})\n"
        "local all = op.concat(op.concat(part(0, 1), score, part(1, 4), {axis = 2}), "
        "wrong:slice{axis = 1, first = 0, count = 1}, {axis = 1})\n"
        "output('found', all)\nloss(w:square():sum() + x:square():mean{} * 0)\n");
    const char *dir = fixture_path("found"), *png = fixture_path("found.png");
    expect(
        0, NULL, "train %s --data %s --steps 1 --batch 1 --lr 1e-300 --out %s", model, spec, dir);
    expect(0, "", "eval %s --data %s --weights %s/last.safetensors --sheet %s --json", model, spec,
        dir, png);
    json_t *json = document(), *by_class = json_object_get(json, "average_precision");
    ck_assert_double_eq(number(by_class, "ant"), 1);
    ck_assert_double_eq(number(by_class, "cat"), 0.5);
    ck_assert_double_eq(number(json, "map_50"), 0.75);
    json_decref(json);
    struct nt_picture sheet = load(png);
    ck_assert_int_eq(sheet.channels, 3);
    nt_picture_finish(&sheet);
    expect(0, "", "eval %s --data %s --weights %s/last.safetensors", model, spec, dir);
    ck_assert_ptr_nonnull(strstr(out, "mAP@0.5   75.00 %"));
}
END_TEST

/* ---- captions ---- */

enum { FIELD = 64, RADIUS = 12 };

static const char *const colors[] = {"red", "green", "blue"}, *const forms[] = {"square", "circle"};

static void put_form(struct nt_picture *picture, int color, int form, int x, int y)
{
    static const uint8_t value[][3] = {{220, 30, 30}, {30, 170, 60}, {40, 60, 220}};
    x += test_int(-2, 2);
    y += test_int(-2, 2);
    for (int i = -RADIUS; i <= RADIUS; i++)
        for (int j = -RADIUS; j <= RADIUS; j++)
            if (form == 0 || i * i + j * j <= RADIUS * RADIUS)
                memcpy(picture->pixels + 3 * ((y + i) * FIELD + x + j), value[color], 3);
}

/* One thing, or two, one above the other, and what is to be said about them. */
static void write_forms(const char *path, bool two, char *caption, size_t size)
{
    struct nt_picture picture;
    int length = 0;
    test_ok(nt_picture_create(test_context(), FIELD, FIELD, 3, &picture));
    memset(picture.pixels, test_int(200, 255), FIELD * FIELD * 3);
    for (int i = 0; i <= two; i++) {
        int color = test_int(0, 2), form = test_int(0, 1);
        put_form(&picture, color, form, FIELD / 2, i ? FIELD - FIELD / 4 : FIELD / 4);
        length += snprintf(caption + length, size - (size_t)length, "%sa %s %s", i ? " above " : "",
            colors[color], forms[form]);
    }
    test_ok(nt_picture_write_png(test_context(), &picture, path));
    nt_picture_finish(&picture);
}

static const char *text_field(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

/* Pictures that were held out get the right captions, from eval and from run. */
START_TEST(pictures_get_captions)
{
    if (absent())
        return;
    bool two = !getenv("NT_SMALL");
    int count = two ? 300 : 150;
    char *file = calloc((size_t)count + 1, 100), spec[1200], name[64], caption[64];
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "forms/%03d.png", i);
        write_forms(fixture_path(name), two, caption, sizeof caption);
        snprintf(file + strlen(file), 100, "%03d.png,%s .\n", i, caption);
    }
    snprintf(spec, sizeof spec, "%s", write_file("forms/captions.txt", file));
    *strrchr(spec, '/') = 0;
    free(file);
    const char *dir = fixture_path("captioner"), *model = "zoo/captioner.lua";
    expect(0, "as the data have it",
        "train %s --data captions:%s --validation 0.2 --epochs %d --batch 16 --optimizer adam "
        "--lr 0.002 --set length=9 --out %s",
        model, spec, two ? 20 : 15, dir);
    expect(
        0, "", "eval %s --data captions:%s --weights %s/last.safetensors --json", model, spec, dir);
    json_t *json = document(), *list = json_object_get(json, "captions");
    ck_assert_int_eq(json_array_size(list), count / 5);
    ck_assert_double_eq_tol(number(json, "perplexity"), exp(number(json, "loss")), 1e-6);
    ck_assert_msg(number(json, "as_written") >= 0.8, "as written: %g", number(json, "as_written"));
    int same = 0;
    for (int i = 0; i < count / 5; i++)
        same += !strcmp(text_field(json_array_get(list, i), "caption"),
            text_field(json_array_get(list, i), "written"));
    ck_assert_double_eq_tol(number(json, "as_written"), same / (count / 5.0), 1e-9);
    const json_t *row = json_array_get(list, 0);
    expect(0, "", "run %s --weights %s/last.safetensors %s --json", model, dir,
        text_field(row, "file"));
    json_t *images = document(), *image = json_array_get(json_object_get(images, "images"), 0);
    ck_assert_str_eq(text_field(image, "caption"), text_field(row, "caption"));
    expect(0, "", "run %s --weights %s/last.safetensors %s", model, dir, text_field(row, "file"));
    ck_assert_ptr_nonnull(strstr(out, text_field(row, "caption")));
    expect(0, "", "eval %s --data captions:%s --weights %s/last.safetensors", model, spec, dir);
    ck_assert(strstr(out, "as written  ") && strstr(out, text_field(row, "caption")));
    const char *sheet = fixture_path("captions.png");
    expect(0, "", "eval %s --data captions:%s --weights %s/last.safetensors --sheet %s", model,
        spec, dir, sheet);
    struct nt_picture picture;
    test_ok(nt_picture_load(test_context(), sheet, NULL, &picture));
    ck_assert_int_eq(picture.width, 14 + 4 * (224 + 14));
    ck_assert_int_gt(picture.height, 4 * (224 + 2 * 19));
    nt_picture_finish(&picture);
    json_decref(images);
    json_decref(json);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli_tasks");
    TCase *tests = tcase_create("cli_tasks");
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, settings_are_fitted_to_the_input);
    tcase_add_test(tests, tables);
    tcase_add_test(tests, tuning);
    tcase_add_test(tests, points_and_their_regions);
    tcase_add_test(tests, steps_are_limited);
    tcase_add_test(tests, forecasts_beside_naive_ones);
    tcase_add_test(tests, masks_are_measured);
    tcase_add_test(tests, text_is_learnt_and_written);
    tcase_add_test(tests, boxes_and_their_precision);
    tcase_add_test(tests, pictures_get_captions);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
