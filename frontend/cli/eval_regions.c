/* SPDX-License-Identifier: MIT */
#include "frontend/cli/eval_regions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/evaluate.h"
#include "frontend/session.h"

enum { SIDE = 480, ROWS = 8, BATCH = SIDE * ROWS, MOST_POINTS = 1000 };
#define MARGIN 1.1 /* of the plane around the points */

static const uint8_t colors[][3] = {
    {0, 114, 178}, {213, 94, 0}, {0, 158, 115}, {204, 121, 167}, {230, 159, 0}, {86, 180, 233}};
#define COLORS (int)(sizeof colors / sizeof *colors)

struct work {
    struct nt_context *ctx;
    const struct nt_dataset *dataset;
    struct nt_picture picture;
    double reach; /* the picture shows [-reach, reach] by [-reach, reach] */
    float *x, *scores;
    double *probability;
};

static enum nt_status point(const struct work *w, int64_t index, float x[2], int32_t *class)
{
    return nt_dataset_item(w->ctx, w->dataset, index, NULL, NT_ROW_MAJOR, x, class);
}

static enum nt_status find_reach(struct work *w)
{
    int64_t count = nt_dataset_get_info(w->dataset)->count;
    enum nt_status status = NT_OK;
    for (int64_t i = 0; i < count && status == NT_OK; i++) {
        float x[2];
        int32_t class;
        status = point(w, i, x, &class);
        w->reach = fmax(w->reach, MARGIN * fmax(fabs(x[0]), fabs(x[1])));
    }
    return status;
}

/* The likeliest class's colour and the mean of all by probability, whitened. */
static void put_pixel(struct work *w, int64_t at, int classes, const float *scores)
{
    double sum[3] = {0};
    int best = 0;
    nt_softmax_scores(classes, scores, w->probability);
    for (int c = 0; c < classes; c++)
        best = w->probability[c] > w->probability[best] ? c : best;
    for (int c = 0; c < classes; c++)
        for (int i = 0; i < 3; i++)
            sum[i] += w->probability[c] * colors[c % COLORS][i];
    for (int i = 0; i < 3; i++)
        w->picture.pixels[3 * at + i] =
            (uint8_t)(0.5 * 255 + 0.25 * sum[i] + 0.25 * colors[best % COLORS][i]);
}

static enum nt_status paint(struct work *w, struct nt_session *session)
{
    int classes = (int)nt_session_output(session, 0).shape.dim[1];
    enum nt_status status = NT_OK;
    for (int64_t first = 0; first < SIDE * SIDE && status == NT_OK; first += BATCH) {
        for (int64_t i = 0; i < BATCH; i++) {
            int64_t column = (first + i) % SIDE, row = (first + i) / SIDE;
            w->x[2 * i] = (float)(w->reach * (2 * (column + 0.5) / SIDE - 1));
            w->x[2 * i + 1] = (float)(w->reach * (1 - 2 * (row + 0.5) / SIDE));
        }
        status = nt_session_write(session, 0, w->x);
        if (status == NT_OK)
            status = nt_session_run(session, NULL);
        if (status == NT_OK)
            status = nt_session_read(session, 0, w->scores);
        for (int64_t i = 0; i < BATCH && status == NT_OK; i++)
            put_pixel(w, first + i, classes, w->scores + i * classes);
    }
    return status;
}

/* A square of 4 pixels with a dark rim. */
static void put_point(struct work *w, const float x[2], int class)
{
    int column = (int)((x[0] / w->reach + 1) / 2 * SIDE);
    int row = (int)((1 - x[1] / w->reach) / 2 * SIDE);
    for (int v = row - 2; v <= row + 2; v++)
        for (int u = column - 2; u <= column + 2; u++) {
            bool rim = abs(v - row) == 2 || abs(u - column) == 2;
            bool corner = abs(v - row) == 2 && abs(u - column) == 2;
            if (u < 0 || v < 0 || u >= SIDE || v >= SIDE || corner)
                continue;
            for (int i = 0; i < 3; i++)
                w->picture.pixels[3 * (v * SIDE + u) + i] =
                    (uint8_t)(colors[class % COLORS][i] * (rim ? 0.4 : 1));
        }
}

static enum nt_status put_points(struct work *w)
{
    int64_t count = nt_dataset_get_info(w->dataset)->count;
    enum nt_status status = NT_OK;
    for (int64_t i = 0; i < count && i < MOST_POINTS && status == NT_OK; i++) {
        float x[2];
        int32_t class;
        status = point(w, i, x, &class);
        if (status == NT_OK)
            put_point(w, x, class);
    }
    return status;
}

static enum nt_status draw(struct work *w, struct nt_session *session, const char *path)
{
    size_t classes = (size_t)nt_session_output(session, 0).shape.dim[1];
    w->x = calloc(BATCH, 2 * sizeof *w->x);
    w->scores = malloc(nt_session_output(session, 0).bytes);
    w->probability = calloc(classes, sizeof *w->probability);
    if (!w->x || !w->scores || !w->probability)
        return nt_fail(w->ctx, NT_ERR_MEMORY, "%s: no memory to draw it", path);
    enum nt_status status = nt_picture_create(w->ctx, SIDE, SIDE, 3, &w->picture);
    if (status == NT_OK)
        status = find_reach(w);
    if (status == NT_OK)
        status = paint(w, session);
    if (status == NT_OK)
        status = put_points(w);
    if (status == NT_OK)
        status = nt_picture_write_png(w->ctx, &w->picture, path);
    return status;
}

enum nt_status eval_regions(struct nt_device *dev, struct nt_model *model,
    struct nt_weights *weights, const struct nt_dataset *dataset, const char *path)
{
    const struct nt_dataset_info *info = nt_dataset_get_info(dataset);
    struct work w = {.ctx = nt_device_context(dev), .dataset = dataset, .reach = 0.1};
    char text[128];
    if (info->classes == 0 || info->item_dtype != NT_F32 || nt_shape_count(&info->item) != 2 ||
        info->target.rank > 0)
        return nt_fail(w.ctx, NT_ERR_ARGUMENT,
            "--regions: %s has items of shape %s: needs classes of points in the plane, as toy:xor",
            info->kind, nt_shape_text(&info->item, text, sizeof text));
    struct nt_session *session;
    enum nt_status status = nt_session_create(dev, model, weights,
        &(struct nt_session_params){.batch = BATCH, .outputs_only = true}, &session);
    if (status != NT_OK)
        return status;
    status = nt_has_accuracy(session, dataset)
                 ? draw(&w, session, path)
                 : nt_fail(w.ctx, NT_ERR_ARGUMENT,
                       "--regions: the model's first output holds no scores of classes");
    nt_session_destroy(session);
    nt_picture_finish(&w.picture);
    free(w.x);
    free(w.scores);
    free(w.probability);
    return status;
}
