/* SPDX-License-Identifier: MIT
 *
 * Finds faces with YuNet and draws them: faces yunet_n_320_320.onnx photo.jpg faces.png
 *
 * gcc faces.c $(pkg-config --cflags --libs neutra) -lm -o faces
 *
 * The network: Wu, Peng & Yu, YuNet: a tiny millisecond-level face detector, 2023. For strides 8,
 * 16 and 32 it has a cell for each stride x stride pixels with a class score, an "objectness", a
 * box relative to the cell and five points: outputs cls_S, obj_S, bbox_S, kps_S.
 */
#include <math.h>
#include <neutra.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_SCORE 0.6f
#define MOST_OVERLAP 0.3f
#define MOST_FACES 1000

struct face {
    float score, x1, y1, x2, y2, point[10];
};

static int count;
static struct face faces[MOST_FACES];

/* The picture at the left and top of the input, black beside it: blue, green, red from 0 to 255.
 * *scale: pixels of the picture per pixel of the input. */
static enum nt_status write_picture(struct nt_session *session, const struct nt_picture *picture,
    struct nt_context *ctx, float *scale)
{
    struct nt_port port = nt_session_input(session, 0);
    int height = (int)port.shape.dim[2], width = (int)port.shape.dim[3];
    double across = (double)picture->width / width, down = (double)picture->height / height;
    double unit = across > down ? across : down;
    int w = (int)(picture->width / unit), h = (int)(picture->height / unit);
    struct nt_picture small = {0};
    enum nt_status status = nt_picture_resize(ctx, picture, NULL, w, h, &small);
    float *x = calloc(1, port.bytes);
    if (status == NT_OK && !x)
        status = NT_ERR_MEMORY;
    if (status == NT_OK) {
        for (int r = 0; r < h; r++)
            for (int c = 0; c < w; c++)
                for (int k = 0; k < 3; k++)
                    x[port.layout == NT_CHANNELS_LAST ? (r * width + c) * 3 + k
                                                      : (k * height + r) * width + c] =
                        small.pixels[(r * w + c) * 3 + 2 - k];
        status = nt_session_write(session, 0, x);
    }
    nt_picture_finish(&small);
    free(x);
    *scale = (float)unit;
    return status;
}

/* One input of pictures with three channels. */
static bool takes_pictures(struct nt_session *session)
{
    struct nt_port port = nt_session_input(session, 0);
    bool fits = nt_session_input_count(session) == 1 && port.dtype == NT_F32 &&
                port.shape.rank == 4 && port.shape.dim[1] == 3;
    if (!fits)
        fprintf(stderr, "the model has no input of 1x3xHxW: is it YuNet?\n");
    return fits;
}

static float *read_output(struct nt_session *session, const char *what, int stride, size_t numbers)
{
    char name[32];
    snprintf(name, sizeof name, "%s_%d", what, stride);
    for (int i = 0; i < nt_session_output_count(session); i++) {
        struct nt_port port = nt_session_output(session, i);
        if (strcmp(port.name, name) != 0 || port.bytes != numbers * sizeof(float))
            continue;
        float *data = malloc(port.bytes);
        if (data && nt_session_read(session, i, data) == NT_OK)
            return data;
        free(data);
    }
    fprintf(stderr, "the model has no output %s of %zu numbers: is it YuNet?\n", name, numbers);
    return NULL;
}

/* The cells of one stride whose score is high enough. */
static bool collect(struct nt_session *session, int stride, float scale)
{
    struct nt_port port = nt_session_input(session, 0);
    int rows = (int)port.shape.dim[2] / stride, columns = (int)port.shape.dim[3] / stride;
    size_t cells = (size_t)rows * (size_t)columns;
    float *class = read_output(session, "cls", stride, cells);
    float *object = class ? read_output(session, "obj", stride, cells) : NULL;
    float *box = object ? read_output(session, "bbox", stride, 4 * cells) : NULL;
    float *points = box ? read_output(session, "kps", stride, 10 * cells) : NULL;
    bool done = class && object && box && points;
    for (size_t i = 0; done && i < cells && count < MOST_FACES; i++) {
        float column = (float)(i % (size_t)columns), row = (float)(i / (size_t)columns);
        float unit = (float)stride * scale, score = sqrtf(class[i] * object[i]);
        if (!(score >= LEAST_SCORE))
            continue;
        struct face *f = &faces[count++];
        float x = (column + box[4 * i]) * unit, y = (row + box[4 * i + 1]) * unit;
        float w = expf(box[4 * i + 2]) * unit, h = expf(box[4 * i + 3]) * unit;
        *f = (struct face){score, x - w / 2, y - h / 2, x + w / 2, y + h / 2, {0}};
        for (int p = 0; p < 10; p++)
            f->point[p] = (points[10 * i + (size_t)p] + (p % 2 ? row : column)) * unit;
    }
    free(class);
    free(object);
    free(box);
    free(points);
    return done;
}

static int by_score(const void *a, const void *b)
{
    float x = ((const struct face *)a)->score, y = ((const struct face *)b)->score;
    return (x < y) - (x > y);
}

static float overlap(const struct face *a, const struct face *b)
{
    float w = fminf(a->x2, b->x2) - fmaxf(a->x1, b->x1);
    float h = fminf(a->y2, b->y2) - fmaxf(a->y1, b->y1);
    float both = w > 0 && h > 0 ? w * h : 0;
    return both / ((a->x2 - a->x1) * (a->y2 - a->y1) + (b->x2 - b->x1) * (b->y2 - b->y1) - both);
}

/* Keeps the best of those that lie upon each other. */
static void suppress(void)
{
    int kept = 0;
    qsort(faces, (size_t)count, sizeof *faces, by_score);
    for (int i = 0; i < count; i++) {
        bool alone = true;
        for (int j = 0; j < kept && alone; j++)
            alone = overlap(&faces[i], &faces[j]) <= MOST_OVERLAP;
        if (alone)
            faces[kept++] = faces[i];
    }
    count = kept;
}

static void fill(struct nt_picture *picture, float x1, float y1, float x2, float y2)
{
    static const uint8_t green[3] = {0, 255, 0};
    for (int y = (int)fmaxf(y1, 0); (float)y < y2 && y < picture->height; y++)
        for (int x = (int)fmaxf(x1, 0); (float)x < x2 && x < picture->width; x++)
            memcpy(picture->pixels + 3 * (y * picture->width + x), green, 3);
}

static void draw(struct nt_picture *picture, const struct face *f)
{
    float line = 1 + (f->x2 - f->x1) / 80;
    fill(picture, f->x1, f->y1, f->x2, f->y1 + line);
    fill(picture, f->x1, f->y2 - line, f->x2, f->y2);
    fill(picture, f->x1, f->y1, f->x1 + line, f->y2);
    fill(picture, f->x2 - line, f->y1, f->x2, f->y2);
    for (int p = 0; p < 10; p += 2)
        fill(picture, f->point[p] - line, f->point[p + 1] - line, f->point[p] + line,
            f->point[p + 1] + line);
    printf("%.0f %%: %.0f %.0f to %.0f %.0f\n", 100 * (double)f->score, (double)f->x1,
        (double)f->y1, (double)f->x2, (double)f->y2);
}

int main(int argc, char **argv)
{
    const struct nt_session_params params = {.batch = 1, .outputs_only = true};
    const struct nt_picture_params colours = {.channels = 3};
    struct nt_context *ctx;
    struct nt_device *dev = NULL;
    struct nt_model *model = NULL;
    struct nt_weights *weights = NULL;
    struct nt_session *session = NULL;
    struct nt_picture picture = {0};
    float scale;
    if (argc != 4 || nt_context_create(NULL, &ctx) != NT_OK) {
        fprintf(stderr, "faces YUNET.onnx PICTURE OUT.png\n");
        return 1;
    }
    bool opened = nt_picture_load(ctx, argv[2], &colours, &picture) == NT_OK &&
                  nt_device_open(ctx, NULL, &dev) == NT_OK &&
                  nt_model_load(ctx, argv[1], 0, NULL, &model) == NT_OK &&
                  nt_weights_create(dev, model, 1, 0, &weights) == NT_OK &&
                  nt_session_create(dev, model, weights, &params, &session) == NT_OK;
    bool done = opened && takes_pictures(session) &&
                write_picture(session, &picture, ctx, &scale) == NT_OK &&
                nt_session_run(session, NULL) == NT_OK;
    if (!opened)
        fprintf(stderr, "%s\n", nt_error_message(ctx));
    for (int stride = 8; done && stride <= 32; stride *= 2)
        done = collect(session, stride, scale);
    if (done) {
        suppress();
        for (int i = 0; i < count; i++)
            draw(&picture, &faces[i]);
        done = nt_picture_write_png(ctx, &picture, argv[3]) == NT_OK;
        printf("%s\n", done ? argv[3] : nt_error_message(ctx));
    }
    nt_session_destroy(session);
    nt_weights_destroy(weights);
    nt_model_destroy(model);
    nt_device_close(dev);
    nt_picture_finish(&picture);
    nt_context_destroy(ctx);
    return done ? 0 : 1;
}
