/* SPDX-License-Identifier: MIT */
#include "frontend/cli/eval_boxes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/average_precision.h"
#include "frontend/cli/cli.h"
#include "frontend/font.h"

enum { COLUMNS = 3, ROWS = 4, MARGIN = 10, SCALE = 1, TRUTH = 5, FOUND = 6 };

#define OVERLAP 0.5
#define SHOWN_SCORE 0.3f /* boxes of lower scores are not drawn */

static const uint8_t grey[3] = {230, 230, 230};
static const uint8_t palette[][3] = {{213, 94, 0}, {0, 114, 178}, {0, 158, 115}, {204, 121, 167},
    {230, 159, 0}, {86, 180, 233}, {240, 228, 66}};
#define PALETTE (int)(sizeof palette / sizeof *palette)

struct eval_boxes {
    struct nt_context *ctx;
    const struct nt_dataset *dataset;
    const struct nt_dataset_info *info;
    struct nt_average_precision *ap;
    struct nt_truth *truth;
    struct nt_detection *found;
    int64_t every; /* one of so many items is shown */
    int shown;
    enum nt_status status;
    struct nt_picture sheet; /* width 0: none */
};

static enum nt_status make_sheet(struct eval_boxes *b)
{
    int width = (int)b->info->item.dim[2], height = (int)b->info->item.dim[1];
    b->every = b->info->count > COLUMNS * ROWS ? b->info->count / (COLUMNS * ROWS) : 1;
    int64_t rows = (b->info->count + COLUMNS - 1) / COLUMNS;
    rows = rows < ROWS ? rows : ROWS;
    enum nt_status status = nt_picture_create(b->ctx, MARGIN + COLUMNS * (width + MARGIN),
        MARGIN + (int)rows * (height + MARGIN), 3, &b->sheet);
    if (status == NT_OK)
        memset(b->sheet.pixels, 255, (size_t)b->sheet.width * (size_t)b->sheet.height * 3);
    return status;
}

struct eval_boxes *eval_boxes_create(
    struct nt_context *ctx, const struct nt_dataset *dataset, bool sheet)
{
    struct eval_boxes *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->ctx = ctx;
    b->dataset = dataset;
    b->info = nt_dataset_get_info(dataset);
    b->truth = calloc((size_t)b->info->target.dim[0] + 1, sizeof *b->truth);
    b->status = nt_average_precision_create(ctx, b->info->box_classes, OVERLAP, &b->ap);
    if (b->status == NT_OK && sheet)
        b->status = make_sheet(b);
    if (b->status == NT_OK && b->truth)
        return b;
    eval_boxes_destroy(b);
    return NULL;
}

void eval_boxes_destroy(struct eval_boxes *b)
{
    if (!b)
        return;
    nt_average_precision_destroy(b->ap);
    nt_picture_finish(&b->sheet);
    free(b->truth);
    free(b->found);
    free(b);
}

static void put(struct eval_boxes *b, int x, int y, const uint8_t color[3])
{
    if (x >= 0 && y >= 0 && x < b->sheet.width && y < b->sheet.height)
        memcpy(b->sheet.pixels + 3 * ((int64_t)y * b->sheet.width + x), color, 3);
}

/* Where the picture stands, and what is drawn stays inside it. */
struct frame {
    int x, y, width, height;
};

static int inside(double value, int extent)
{
    return value < 0 ? 0 : value > extent - 1 ? extent - 1 : (int)value;
}

static void draw_box(struct eval_boxes *b, const struct frame *f, const float *corner, int thick,
    const uint8_t color[3])
{
    int x1 = inside(corner[0], f->width), y1 = inside(corner[1], f->height);
    int x2 = inside(corner[2], f->width), y2 = inside(corner[3], f->height);
    for (int t = 0; t < thick; t++) {
        for (int x = x1; x <= x2; x++) {
            put(b, f->x + x, f->y + inside(y1 + t, f->height), color);
            put(b, f->x + x, f->y + inside(y2 - t, f->height), color);
        }
        for (int y = y1; y <= y2; y++) {
            put(b, f->x + inside(x1 + t, f->width), f->y + y, color);
            put(b, f->x + inside(x2 - t, f->width), f->y + y, color);
        }
    }
}

static void draw_found(
    struct eval_boxes *b, const struct frame *f, const struct nt_detection *found)
{
    const uint8_t *color = palette[found->category % PALETTE];
    const float corner[4] = {found->x1, found->y1, found->x2, found->y2};
    char text[96];
    draw_box(b, f, corner, 2, color);
    snprintf(text, sizeof text, "%s %.0f %%",
        found->category < b->info->box_classes ? b->info->class_names[found->category] : "?",
        100 * (double)found->score);
    int x = inside(found->x1, f->width) + 3, y = inside(found->y1, f->height) + 3;
    if (x + nt_font_width(text, SCALE) < f->width && y + NT_FONT_HEIGHT * SCALE < f->height)
        nt_font_draw(&b->sheet, f->x + x, f->y + y, SCALE, color, text);
}

/* The picture, the true boxes thin and light, what was found in its class's colour. */
static enum nt_status draw(struct eval_boxes *b, int64_t index, int truths, int count)
{
    struct nt_picture picture;
    enum nt_status status = nt_dataset_picture(b->ctx, b->dataset, index, &picture);
    if (status != NT_OK)
        return status;
    struct frame f = {.width = picture.width, .height = picture.height};
    f.x = MARGIN + b->shown % COLUMNS * (f.width + MARGIN);
    f.y = MARGIN + b->shown / COLUMNS * (f.height + MARGIN);
    for (int i = 0; i < f.width * f.height; i++) {
        const uint8_t *from = picture.pixels + (int64_t)i * picture.channels;
        const uint8_t same[3] = {from[0], from[0], from[0]};
        put(b, f.x + i % f.width, f.y + i / f.width, picture.channels == 3 ? from : same);
    }
    nt_picture_finish(&picture);
    for (int i = 0; i < truths; i++)
        draw_box(b, &f,
            (const float[]){b->truth[i].x1, b->truth[i].y1, b->truth[i].x2, b->truth[i].y2}, 1,
            grey);
    for (int i = 0; i < count; i++)
        if (b->found[i].score >= SHOWN_SCORE)
            draw_found(b, &f, &b->found[i]);
    b->shown++;
    return NT_OK;
}

void eval_boxes_add(struct eval_boxes *b, const struct nt_prediction *p)
{
    const float *target = p->targets, *row = p->scores;
    int truths = 0, count = 0;
    if (b->status != NT_OK)
        return;
    if (p->count % FOUND) {
        b->status = nt_fail(b->ctx, NT_ERR_SHAPE,
            "eval: output of %d numbers: must be rows of class, score, x1, y1, x2, y2", p->count);
        return;
    }
    if (!b->found)
        b->found = calloc((size_t)(p->count / FOUND) + 1, sizeof *b->found);
    if (!b->found) {
        b->status = nt_fail(b->ctx, NT_ERR_MEMORY, "eval: host memory is exhausted");
        return;
    }
    for (int i = 0; i < b->info->target.dim[0]; i++, target += TRUTH)
        if (target[0] >= 0)
            b->truth[truths++] =
                (struct nt_truth){(int)target[0], target[1], target[2], target[3], target[4]};
    for (int i = 0; i < p->count / FOUND; i++, row += FOUND)
        if (row[0] >= 0)
            b->found[count++] =
                (struct nt_detection){(int)row[0], row[1], row[2], row[3], row[4], row[5]};
    b->status = nt_average_precision_add(b->ap, truths, b->truth, count, b->found);
    if (b->status == NT_OK && b->sheet.width && b->shown < COLUMNS * ROWS &&
        p->index % b->every == 0)
        b->status = draw(b, p->index, truths, count);
}

enum nt_status eval_boxes_status(const struct eval_boxes *b)
{
    return b->status;
}

void eval_boxes_print(struct eval_boxes *b)
{
    static const char *const heads[] = {"class", "average precision"};
    struct cli_table *table = cli_table_create("lr", heads);
    printf("mAP@0.5   %.2f %%\n\n", 100 * nt_average_precision_mean(b->ap));
    for (int c = 0; c < b->info->box_classes; c++) {
        double ap = nt_average_precision_of(b->ap, c);
        cli_table_cell(table, "%s", b->info->class_names[c]);
        if (isnan(ap))
            cli_table_cell(table, "-");
        else
            cli_table_cell(table, "%.2f %%", 100 * ap);
    }
    cli_table_print(table);
}

void eval_boxes_json(struct eval_boxes *b, json_t *json)
{
    double mean = nt_average_precision_mean(b->ap);
    json_t *classes = json_object();
    for (int c = 0; c < b->info->box_classes; c++) {
        double ap = nt_average_precision_of(b->ap, c);
        json_object_set_new(
            classes, b->info->class_names[c], isnan(ap) ? json_null() : json_real(ap));
    }
    json_object_set_new(json, "map_50", isnan(mean) ? json_null() : json_real(mean));
    json_object_set_new(json, "average_precision", classes);
}

enum nt_status eval_boxes_write(struct eval_boxes *b, const char *path)
{
    return b->status == NT_OK ? nt_picture_write_png(b->ctx, &b->sheet, path) : b->status;
}
