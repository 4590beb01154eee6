/* SPDX-License-Identifier: MIT */
#include "frontend/cli/eval_masks.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/font.h"

enum { MAX_ROWS = 6, MARGIN = 10, HEAD = 30, SCALE = 2 };

/* Ignored pixels are grey; of two classes the first is black and the second white. */
static const uint8_t ignored[3] = {128, 128, 128};
static const uint8_t palette[][3] = {{0, 0, 0}, {255, 255, 255}, {213, 94, 0}, {0, 114, 178},
    {0, 158, 115}, {240, 228, 66}, {204, 121, 167}, {86, 180, 233}, {230, 159, 0}};
#define PALETTE (int)(sizeof palette / sizeof *palette)

struct eval_masks {
    struct nt_context *ctx;
    const struct nt_dataset *dataset;
    int64_t every; /* one of so many items is shown */
    int rows, width, height;
    int zoom; /* small pictures are enlarged, so that the words above have room */
    enum nt_status status;
    struct nt_picture sheet;
    int32_t *best;
};

struct eval_masks *eval_masks_create(struct nt_context *ctx, const struct nt_dataset *dataset)
{
    const struct nt_dataset_info *info = nt_dataset_get_info(dataset);
    struct eval_masks *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->ctx = ctx;
    m->dataset = dataset;
    m->every = info->count > MAX_ROWS ? info->count / MAX_ROWS : 1;
    m->height = (int)info->target.dim[0];
    m->width = (int)info->target.dim[1];
    m->best = calloc((size_t)nt_shape_count(&info->target), sizeof *m->best);
    int rows = info->count < MAX_ROWS ? (int)info->count : MAX_ROWS;
    static const char *const heads[] = {"picture", "truth", "prediction"};
    m->zoom = (nt_font_width(heads[2], SCALE) + m->width - 1) / m->width;
    m->status = nt_picture_create(ctx, 4 * MARGIN + 3 * m->width * m->zoom,
        HEAD + rows * (m->height * m->zoom + MARGIN), 3, &m->sheet);
    if (m->status == NT_OK && m->best) {
        memset(m->sheet.pixels, 255, (size_t)m->sheet.width * (size_t)m->sheet.height * 3);
        for (int i = 0; i < 3; i++)
            nt_font_draw(&m->sheet, MARGIN + i * (m->width * m->zoom + MARGIN), MARGIN, SCALE,
                (const uint8_t[]){60, 60, 60}, heads[i]);
        return m;
    }
    eval_masks_destroy(m);
    return NULL;
}

void eval_masks_destroy(struct eval_masks *m)
{
    if (!m)
        return;
    nt_picture_finish(&m->sheet);
    free(m->best);
    free(m);
}

void eval_masks_best(const struct nt_prediction *p, int64_t places, int32_t *best)
{
    int64_t classes = p->count / places;
    for (int64_t i = 0; i < places; i++) {
        best[i] = 0;
        for (int64_t c = 1; c < classes; c++)
            if (p->scores[c * places + i] > p->scores[best[i] * places + i])
                best[i] = (int32_t)c;
    }
}

static void put(struct eval_masks *m, int panel, int64_t place, const uint8_t color[3])
{
    int zoom = m->zoom;
    int64_t x = MARGIN + panel * (m->width * zoom + MARGIN) + place % m->width * zoom;
    int64_t y = HEAD + m->rows * (m->height * zoom + MARGIN) + place / m->width * zoom;
    for (int i = 0; i < zoom * zoom; i++)
        memcpy(m->sheet.pixels + 3 * ((y + i / zoom) * m->sheet.width + x + i % zoom), color, 3);
}

static void put_mask(struct eval_masks *m, int panel, const int32_t *classes)
{
    for (int64_t i = 0; i < (int64_t)m->width * m->height; i++)
        put(m, panel, i,
            classes[i] < 0 ? ignored : palette[classes[i] < PALETTE ? classes[i] : PALETTE - 1]);
}

void eval_masks_add(struct eval_masks *m, const struct nt_prediction *p)
{
    if (m->rows == MAX_ROWS || p->index % m->every || m->status != NT_OK)
        return;
    struct nt_picture picture;
    m->status = nt_dataset_picture(m->ctx, m->dataset, p->index, &picture);
    if (m->status != NT_OK)
        return;
    for (int64_t i = 0; i < (int64_t)m->width * m->height; i++) {
        const uint8_t *from = picture.pixels + i * picture.channels;
        const uint8_t same[3] = {from[0], from[0], from[0]};
        put(m, 0, i, picture.channels == 3 ? from : same);
    }
    nt_picture_finish(&picture);
    eval_masks_best(p, (int64_t)m->width * m->height, m->best);
    put_mask(m, 1, p->targets);
    put_mask(m, 2, m->best);
    m->rows++;
}

enum nt_status eval_masks_write(struct eval_masks *m, const char *path)
{
    if (m->status != NT_OK)
        return m->status;
    return nt_picture_write_png(m->ctx, &m->sheet, path);
}
