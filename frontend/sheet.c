/* SPDX-License-Identifier: MIT */
#include "frontend/sheet.h"

#include <stdio.h>
#include <string.h>

#include "frontend/font.h"

#define MARGIN 14
#define LINE (NT_FONT_HEIGHT * SCALE + 3)
#define SCALE 2
#define MOST_CHARACTERS 24 /* of a class name */
#define MOST_IN_LINE 31    /* characters; more than those of a class and its probability */
#define MOST_PIXELS 200000000.0

static const uint8_t black[3] = {60, 60, 60};
static const uint8_t green[3] = {20, 130, 60}, red[3] = {200, 40, 40};

struct grid {
    int columns, rows, size, cell_width, cell_height;
    bool sentences;
    int characters; /* of a line */
};

/* ---- texts ---- */

struct texts {
    char truth[MOST_CHARACTERS + 1], predicted[MOST_CHARACTERS + 16]; /* of a class */
};

/* What stands below the picture; a class takes one line. */
static const char *truth_of(
    const struct grid *grid, const struct nt_sheet_item *item, struct texts *texts)
{
    if (grid->sentences || !item->truth)
        return item->truth;
    snprintf(texts->truth, sizeof texts->truth, "%s", item->truth);
    return texts->truth;
}

static const char *predicted_of(
    const struct grid *grid, const struct nt_sheet_item *item, struct texts *texts)
{
    if (grid->sentences)
        return item->predicted;
    double p = item->probability * 100;
    snprintf(texts->predicted, sizeof texts->predicted, "%.*s %.0f%%", MOST_CHARACTERS,
        item->predicted, p > 0 ? p : 0);
    return texts->predicted;
}

/* Bytes of a text's first line: it ends at a space, or inside a word that is longer. */
static size_t first_line(const char *text, int characters)
{
    size_t length = 0, space = 0;
    for (int i = 0; text[length]; length++) {
        if (text[length] == ' ')
            space = length;
        if (((unsigned char)text[length] & 0xC0) != 0x80 && ++i > characters)
            return space ? space : length;
    }
    return length;
}

/* Writes a text in lines around `middle`; returns where the next one begins. sheet NULL: where it
 * would. */
static int put_text(struct nt_picture *sheet, const struct grid *grid, int middle, int y,
    const uint8_t *color, const char *text)
{
    char line[4 * MOST_IN_LINE + 1];
    do {
        size_t length = first_line(text, grid->characters);
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        if (sheet)
            nt_font_draw(sheet, middle - nt_font_width(line, SCALE) / 2, y, SCALE, color, line);
        y += LINE;
        text += length + (text[length] == ' ');
    } while (*text);
    return y;
}

static int put_texts(struct nt_picture *sheet, const struct grid *grid, int middle, int y,
    const struct nt_sheet_item *item)
{
    struct texts texts;
    const char *truth = truth_of(grid, item, &texts);
    if (truth)
        y = put_text(sheet, grid, middle, y, black, truth);
    const uint8_t *color = !truth ? black : item->right ? green : red;
    return put_text(sheet, grid, middle, y, color, predicted_of(grid, item, &texts));
}

/* ---- the grid ---- */

static struct grid make_grid(
    const struct nt_sheet_item *items, int count, const struct nt_sheet_params *params)
{
    struct grid grid = {.columns = params && params->columns > 0 ? params->columns : 8,
        .size = params && params->picture_size > 0 ? params->picture_size : 112,
        .sentences = params && params->sentences,
        .characters = MOST_IN_LINE};
    int width = grid.size, height = 2 * LINE,
        letter = nt_font_width("ab", SCALE) - nt_font_width("a", SCALE);
    if (grid.sentences && grid.size / letter < MOST_IN_LINE)
        grid.characters = grid.size > letter ? grid.size / letter : 1;
    for (int i = 0; i < count; i++) {
        struct texts texts;
        int h = put_texts(NULL, &grid, 0, 0, &items[i]);
        height = h > height ? h : height;
        if (grid.sentences)
            continue;
        const char *truth = truth_of(&grid, &items[i], &texts);
        int w = nt_font_width(predicted_of(&grid, &items[i], &texts), SCALE);
        int v = truth ? nt_font_width(truth, SCALE) : 0;
        w = w > v ? w : v;
        width = w > width ? w : width;
    }
    if (grid.columns > count)
        grid.columns = count;
    grid.rows = (count + grid.columns - 1) / grid.columns;
    grid.cell_width = width + MARGIN;
    grid.cell_height = grid.size + height + 4 + MARGIN;
    return grid;
}

/* Small pictures are enlarged by whole factors, their pixels stay visible; large ones are reduced.
 * The longer side is at most size. */
static enum nt_status fit(
    struct nt_context *ctx, const struct nt_picture *from, int size, struct nt_picture *to)
{
    int longer = from->width > from->height ? from->width : from->height;
    if (longer > size) {
        double scale = (double)size / longer;
        int width = (int)(from->width * scale + 0.5), height = (int)(from->height * scale + 0.5);
        return nt_picture_resize(
            ctx, from, NULL, width > 0 ? width : 1, height > 0 ? height : 1, to);
    }
    int factor = size / longer;
    size_t pixel = (size_t)from->channels;
    enum nt_status status =
        nt_picture_create(ctx, from->width * factor, from->height * factor, from->channels, to);
    if (status != NT_OK)
        return status;
    for (int y = 0; y < to->height; y++)
        for (int x = 0; x < to->width; x++)
            memcpy(to->pixels + ((size_t)y * (size_t)to->width + (size_t)x) * pixel,
                from->pixels +
                    ((size_t)(y / factor) * (size_t)from->width + (size_t)(x / factor)) * pixel,
                pixel);
    return NT_OK;
}

static enum nt_status draw_item(struct nt_context *ctx, struct nt_picture *sheet,
    const struct grid *grid, int index, const struct nt_sheet_item *item)
{
    int left = MARGIN + index % grid->columns * grid->cell_width;
    int top = MARGIN + index / grid->columns * grid->cell_height;
    struct nt_picture picture;
    enum nt_status status = fit(ctx, item->picture, grid->size, &picture);
    if (status != NT_OK)
        return status;
    int x0 = left + (grid->cell_width - MARGIN - picture.width) / 2;
    int y0 = top + (grid->size - picture.height) / 2;
    for (int y = 0; y < picture.height; y++)
        for (int x = 0; x < picture.width; x++)
            for (int c = 0; c < 3; c++) {
                int from = picture.channels == 3 ? c : 0;
                sheet->pixels[3 * ((size_t)(y0 + y) * (size_t)sheet->width + (size_t)(x0 + x)) +
                              (size_t)c] =
                    picture.pixels[((size_t)y * (size_t)picture.width + (size_t)x) *
                                       (size_t)picture.channels +
                                   (size_t)from];
            }
    nt_picture_finish(&picture);
    put_texts(sheet, grid, left + (grid->cell_width - MARGIN) / 2, top + grid->size + 6, item);
    return NT_OK;
}

enum nt_status nt_sheet_write(struct nt_context *ctx, const char *path,
    const struct nt_sheet_item *items, int count, const struct nt_sheet_params *params)
{
    if (count < 1)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "%s: a contact sheet needs at least 1 picture", path);
    struct grid grid = make_grid(items, count, params);
    double width = MARGIN + (double)grid.columns * grid.cell_width;
    double height = MARGIN + (double)grid.rows * grid.cell_height;
    if (width * height > MOST_PIXELS)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "%s: a contact sheet of %.0fx%.0f pixels: too large",
            path, width, height);
    struct nt_picture sheet;
    enum nt_status status = nt_picture_create(ctx, (int)width, (int)height, 3, &sheet);
    if (status != NT_OK)
        return status;
    memset(sheet.pixels, 255, (size_t)sheet.width * (size_t)sheet.height * 3);
    for (int i = 0; i < count && status == NT_OK; i++)
        status = draw_item(ctx, &sheet, &grid, i, &items[i]);
    if (status == NT_OK)
        status = nt_picture_write_png(ctx, &sheet, path);
    nt_picture_finish(&sheet);
    return status;
}
