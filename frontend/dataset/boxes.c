/* SPDX-License-Identifier: MIT
 *
 * boxes:DIR: pictures with the boxes of the objects on them, in the folders of Pascal VOC
 * (Everingham et al., The Pascal visual object classes challenge, IJCV 2010). A picture is resized
 * to the model's input, its boxes with it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/annotation.h"
#include "frontend/dataset/photograph.h"
#include "frontend/file.h"

#define DEFAULT_SIDE 256
#define DEFAULT_MOST 64
#define FIELDS 5 /* class, x1, y1, x2, y2 */

struct entry {
    char *picture;
    int count;
    float (*box)[FIELDS]; /* in shares of the picture's sides */
};

struct boxes {
    struct entry *entries;
    size_t count;
    char **names; /* of the classes, sorted */
    int classes;
    int most; /* boxes of an item */
};

static bool find_list(const char *dir, enum nt_part part, char *path, size_t size)
{
    static const char *const names[][2] = {[NT_PART_TRAIN] = {"train"},
        [NT_PART_VALIDATION] = {"val"},
        [NT_PART_TEST] = {"test", "val"}};
    for (int i = 0; i < 2 && names[part][i]; i++) {
        FILE *file = NULL;
        if ((size_t)snprintf(path, size, "%s/ImageSets/Main/%s.txt", dir, names[part][i]) < size)
            file = fopen(path, "r");
        if (file) {
            fclose(file);
            return true;
        }
    }
    return false;
}

static struct nt_dataset_parts find_parts(const char *argument)
{
    char path[4096];
    return (struct nt_dataset_parts){.test = find_list(argument, NT_PART_TEST, path, sizeof path),
        .validation = find_list(argument, NT_PART_VALIDATION, path, sizeof path)};
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum nt_status add_class(struct nt_context *ctx, struct boxes *b, const char *name)
{
    for (int i = 0; i < b->classes; i++)
        if (strcmp(b->names[i], name) == 0)
            return NT_OK;
    char **more = realloc(b->names, ((size_t)b->classes + 1) * sizeof *more);
    if (more) {
        b->names = more;
        more[b->classes] = strdup(name);
    }
    if (!more || !more[b->classes])
        return nt_fail(ctx, NT_ERR_MEMORY, "boxes: no memory for the names of classes");
    b->classes++;
    return NT_OK;
}

/* The classes are those of all annotations, so every part has the same. */
static enum nt_status find_classes(struct nt_context *ctx, struct boxes *b, const char *dir)
{
    char folder[4096], path[4096];
    char **names;
    size_t count;
    enum nt_status status = nt_file_join(ctx, folder, sizeof folder, dir, "Annotations");
    if (status == NT_OK)
        status = nt_dataset_list(ctx, folder, NULL, &names, &count);
    if (status != NT_OK)
        return status;
    for (size_t i = 0; i < count && status == NT_OK; i++) {
        struct nt_annotation annotation = {0};
        const char *dot = strrchr(names[i], '.');
        if (!dot || strcmp(dot, ".xml") != 0)
            continue;
        status = nt_file_join(ctx, path, sizeof path, folder, names[i]);
        if (status == NT_OK)
            status = nt_annotation_load(ctx, path, &annotation);
        for (int o = 0; o < annotation.count && status == NT_OK; o++)
            status = add_class(ctx, b, annotation.object[o].name);
        nt_annotation_finish(&annotation);
    }
    nt_dataset_free_list(names, count);
    if (status == NT_OK && b->classes == 0)
        return nt_fail(ctx, NT_ERR_FILE, "boxes: %s: names no object", folder);
    if (status == NT_OK)
        qsort(b->names, (size_t)b->classes, sizeof *b->names, by_name);
    return status;
}

static int class_of(const struct boxes *b, const char *name)
{
    for (int i = 0; i < b->classes; i++)
        if (strcmp(b->names[i], name) == 0)
            return i;
    return -1;
}

static enum nt_status fill_entry(struct nt_context *ctx, const struct boxes *b, const char *path,
    const struct nt_annotation *annotation, struct entry *entry)
{
    if (annotation->width < 1 || annotation->height < 1)
        return nt_fail(ctx, NT_ERR_FORMAT, "%s: size %d x %d: must be the picture's", path,
            annotation->width, annotation->height);
    if (annotation->count > b->most)
        return nt_fail(ctx, NT_ERR_SHAPE, "%s: %d objects: the model's target has room for %d",
            path, annotation->count, b->most);
    entry->box = calloc((size_t)annotation->count + 1, sizeof *entry->box);
    if (!entry->box)
        return nt_fail(ctx, NT_ERR_MEMORY, "boxes: no memory for the boxes");
    for (int i = 0; i < annotation->count; i++) {
        const struct nt_annotation_object *o = &annotation->object[i];
        int class = class_of(b, o->name);
        if (class < 0) /* the file lies in a folder of Annotations */
            return nt_fail(ctx, NT_ERR_FORMAT,
                "%s: object %d: class '%s': must be in a file of Annotations itself", path, i + 1,
                o->name);
        float *box = entry->box[entry->count++];
        box[0] = (float)class;
        box[1] = (float)(o->x1 / annotation->width);
        box[2] = (float)(o->y1 / annotation->height);
        box[3] = (float)(o->x2 / annotation->width);
        box[4] = (float)(o->y2 / annotation->height);
    }
    return NT_OK;
}

static bool is_there(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file)
        fclose(file);
    return file != NULL;
}

static enum nt_status add_entry(
    struct nt_context *ctx, struct boxes *b, const char *dir, const char *stem)
{
    static const char *const kinds[] = {"jpg", "jpeg", "png", "JPG", "JPEG", "PNG"};
    char path[4096];
    struct nt_annotation annotation = {0};
    struct entry *more = realloc(b->entries, (b->count + 1) * sizeof *more);
    if (!more)
        return nt_fail(ctx, NT_ERR_MEMORY, "boxes: no memory for the list of pictures");
    b->entries = more;
    struct entry *entry = &b->entries[b->count++];
    *entry = (struct entry){0};
    for (int i = 0; i < 6 && !entry->picture; i++)
        if ((size_t)snprintf(path, sizeof path, "%s/JPEGImages/%s.%s", dir, stem, kinds[i]) <
                sizeof path &&
            is_there(path))
            entry->picture = strdup(path);
    if (!entry->picture)
        return nt_fail(
            ctx, NT_ERR_FILE, "boxes: %s/JPEGImages/%s: there is no such picture", dir, stem);
    snprintf(path, sizeof path, "%s/Annotations/%s.xml", dir, stem);
    enum nt_status status = nt_annotation_load(ctx, path, &annotation);
    if (status == NT_OK)
        status = fill_entry(ctx, b, path, &annotation, entry);
    nt_annotation_finish(&annotation);
    return status;
}

/* A part's list: a name in each line, perhaps followed by a number. */
static enum nt_status read_list(
    struct nt_context *ctx, struct boxes *b, const char *dir, const char *list)
{
    uint8_t *data;
    size_t size;
    char *state, *rest;
    enum nt_status status = nt_file_read(ctx, list, (size_t)64 << 20, &data, &size);
    if (status != NT_OK)
        return status;
    for (char *line = strtok_r((char *)data, "\r\n", &state); line && status == NT_OK;
         line = strtok_r(NULL, "\r\n", &state)) {
        char *stem = strtok_r(line, " \t", &rest);
        if (stem)
            status = add_entry(ctx, b, dir, stem);
    }
    free(data);
    if (status == NT_OK && b->count == 0)
        return nt_fail(ctx, NT_ERR_FILE, "boxes: %s: names no picture", list);
    return status;
}

static enum nt_status set_shapes(struct nt_context *ctx, struct nt_dataset *dataset)
{
    struct boxes *b = dataset->state;
    struct nt_shape target = dataset->params.target;
    char text[128];
    if (target.rank == 0)
        target = (struct nt_shape){2, {DEFAULT_MOST, FIELDS}};
    if (target.rank != 2 || target.dim[1] != FIELDS)
        return nt_fail(ctx, NT_ERR_SHAPE,
            "boxes: the model's target has shape %s: must be N x %d: class, x1, y1, x2, y2",
            nt_shape_text(&target, text, sizeof text), FIELDS);
    b->most = (int)target.dim[0];
    dataset->info.target = target;
    dataset->info.target_dtype = NT_F32;
    return nt_photograph_set_item(ctx, dataset, 3, DEFAULT_SIDE);
}

static enum nt_status open_boxes(
    struct nt_context *ctx, struct nt_dataset *dataset, enum nt_part part, const char *argument)
{
    char list[4096];
    if (!find_list(argument, part, list, sizeof list))
        return nt_fail(ctx, NT_ERR_FILE,
            "boxes:%s: must hold ImageSets/Main/%s.txt, JPEGImages and Annotations", argument,
            part == NT_PART_TRAIN  ? "train"
            : part == NT_PART_TEST ? "test"
                                   : "val");
    struct boxes *b = calloc(1, sizeof *b);
    dataset->state = b;
    if (!b)
        return nt_fail(ctx, NT_ERR_MEMORY, "boxes: no memory");
    enum nt_status status = set_shapes(ctx, dataset);
    if (status == NT_OK)
        status = find_classes(ctx, b, argument);
    if (status == NT_OK)
        status = read_list(ctx, b, argument, list);
    if (status != NT_OK)
        return status;
    if (dataset->params.augment == NT_AUGMENT_DEFAULT)
        dataset->params.augment = NT_AUGMENT_FLIP;
    dataset->info.count = (int64_t)b->count;
    dataset->info.class_names = (const char *const *)b->names;
    dataset->info.box_classes = b->classes;
    return nt_photograph_normalise(ctx, dataset);
}

/* Boxes in pixels of the item, then rows of class -1. */
static void fill_target(const struct boxes *b, const struct entry *entry,
    const struct nt_shape *item, bool flip, float *y)
{
    float height = (float)item->dim[1], width = (float)item->dim[2];
    for (int i = 0; i < b->most; i++, y += FIELDS) {
        if (i >= entry->count) {
            memset(y, 0, FIELDS * sizeof *y);
            y[0] = -1;
            continue;
        }
        const float *box = entry->box[i];
        y[0] = box[0];
        y[1] = (flip ? 1 - box[3] : box[1]) * width;
        y[2] = box[2] * height;
        y[3] = (flip ? 1 - box[1] : box[3]) * width;
        y[4] = box[4] * height;
    }
}

static enum nt_status item(struct nt_context *ctx, const struct nt_dataset *dataset, int64_t index,
    struct nt_random *random, enum nt_layout layout, void *x, void *y)
{
    const struct boxes *b = dataset->state;
    const struct entry *entry = &b->entries[index];
    struct nt_picture picture;
    enum nt_status status = nt_photograph_load(ctx, dataset, entry->picture, 1, &picture);
    if (status != NT_OK)
        return status;
    bool flip = nt_photograph_draw_flip(dataset, random);
    fill_target(b, entry, &dataset->info.item, flip, y);
    return nt_photograph_give(ctx, dataset, &picture, NULL, flip, layout, x);
}

static const char *item_name(const struct nt_dataset *dataset, int64_t index)
{
    const struct boxes *b = dataset->state;
    return b->entries[index].picture;
}

static void close_boxes(struct nt_dataset *dataset)
{
    struct boxes *b = dataset->state;
    if (!b)
        return;
    for (size_t i = 0; i < b->count; i++) {
        free(b->entries[i].picture);
        free(b->entries[i].box);
    }
    free(b->entries);
    nt_dataset_free_list(b->names, (size_t)b->classes);
    free(b);
}

const struct nt_dataset_kind nt_dataset_boxes = {.name = "boxes",
    .argument = "DIR",
    .parts = find_parts,
    .augments = true,
    .open = open_boxes,
    .item = item,
    .item_name = item_name,
    .close = close_boxes};
