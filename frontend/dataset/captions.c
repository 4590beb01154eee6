/* SPDX-License-Identifier: MIT
 *
 * captions:DIR: pictures with sentences about them, in the way of Flickr8k (Hodosh, Young &
 * Hockenmaier, Framing image description as a ranking task, JAIR 47, 2013): captions.txt,
 * captions.tsv or captions.csv names a picture and, after a tab or a comma, one of its captions in
 * each line. An item is a picture; training takes one of its captions at random.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "frontend/dataset/photograph.h"
#include "frontend/dataset/words.h"
#include "frontend/file.h"
#include "frontend/utf8.h"

#define DEFAULT_SIDE 224
#define DEFAULT_LENGTH 20
#define DEFAULT_LEAST 2 /* how often a word must be there */
#define MAX_FILE ((size_t)1 << 30)

struct line {
    const char *name, *caption; /* into the file */
};

struct entry {
    char *picture;
    size_t first, count; /* of its lines */
};

struct captions {
    char *file;
    struct line *lines; /* by name, those of one picture in the file's order */
    size_t line_count;
    struct entry *entries;
    size_t count;
    struct nt_words words;
};

/* "DIR,5": words that are there 5 times; a folder may have a comma in its name, too. */
static enum nt_status take_argument(
    struct nt_context *ctx, const char *argument, char *dir, size_t size, int *least)
{
    const char *comma = strrchr(argument, ',');
    char *end = NULL;
    long number = comma ? strtol(comma + 1, &end, 10) : 0;
    bool given = comma && end != comma + 1 && !*end;
    if (given && (number < 1 || number > 1 << 20))
        return nt_fail(ctx, NT_ERR_ARGUMENT,
            "captions:%s: how often a word must be there: must be 1 to %d", argument, 1 << 20);
    if (given)
        *least = (int)number;
    int length = given ? (int)(comma - argument) : (int)strlen(argument);
    if ((size_t)snprintf(dir, size, "%.*s", length, argument) >= size)
        return nt_fail(ctx, NT_ERR_FILE, "captions:%.80s...: the path is too long", argument);
    return NT_OK;
}

static enum nt_status read_file(
    struct nt_context *ctx, const char *dir, struct captions *c, char *path, size_t size)
{
    static const char *const names[] = {"captions.txt", "captions.tsv", "captions.csv"};
    uint8_t *data;
    size_t bytes;
    bool there = false;
    for (int i = 0; i < 3 && !there; i++) {
        FILE *file = NULL;
        if ((size_t)snprintf(path, size, "%s/%s", dir, names[i]) < size)
            file = fopen(path, "rb");
        there = file != NULL;
        if (file)
            fclose(file);
    }
    if (!there)
        return nt_fail(
            ctx, NT_ERR_FILE, "captions:%s: must hold captions.txt and the pictures it names", dir);
    enum nt_status status = nt_file_read(ctx, path, MAX_FILE, &data, &bytes);
    if (status == NT_OK && !nt_utf8_is((const char *)data, bytes)) {
        free(data);
        return nt_fail(ctx, NT_ERR_FORMAT, "%s: must be a text in UTF-8", path);
    }
    if (status == NT_OK && !(c->file = realloc(data, bytes + 1))) {
        free(data);
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for it", path);
    }
    if (status == NT_OK)
        c->file[bytes] = 0;
    return status;
}

/* Cuts "picture.jpg#0<TAB>caption" or "picture.jpg,caption" in two. The first line may be a
 * heading. */
static enum nt_status add_line(
    struct nt_context *ctx, struct captions *c, const char *path, int64_t number, char *text)
{
    char *parting = strchr(text, '\t');
    if (!parting)
        parting = strchr(text, ',');
    if (!parting || parting == text)
        return nt_fail(ctx, NT_ERR_FORMAT,
            "%s:%lld: '%.40s': must be a picture, a tab or a comma, and a caption", path,
            (long long)number, text);
    *parting = 0;
    char *caption = parting + 1, *mark = strrchr(text, '#');
    if (number == 1 && (strcasecmp(text, "image") == 0 || strcasecmp(text, "file") == 0 ||
                           strcasecmp(text, "picture") == 0))
        return NT_OK;
    if (mark && mark[1] && mark[1 + strspn(mark + 1, "0123456789")] == 0)
        *mark = 0;
    nt_words_normalise(caption);
    if (!*caption)
        return nt_fail(
            ctx, NT_ERR_FORMAT, "%s:%lld: the caption has no word", path, (long long)number);
    c->lines[c->line_count++] = (struct line){text, caption};
    return NT_OK;
}

/* Lines lie in the file one after the other. */
static int by_name(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : x->name < y->name ? -1 : x->name > y->name;
}

static enum nt_status read_lines(struct nt_context *ctx, struct captions *c, const char *path)
{
    size_t most = 1;
    for (const char *at = c->file; *at; at++)
        most += *at == '\n';
    c->lines = calloc(most, sizeof *c->lines);
    if (!c->lines)
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for its lines", path);
    enum nt_status status = NT_OK;
    int64_t number = 1;
    for (char *text = c->file; text && status == NT_OK; number++) {
        char *next = strchr(text, '\n');
        if (next)
            *next++ = 0;
        text[strcspn(text, "\r")] = 0;
        if (*text)
            status = add_line(ctx, c, path, number, text);
        text = next;
    }
    if (status == NT_OK && c->line_count == 0)
        return nt_fail(ctx, NT_ERR_FILE, "%s: names no picture", path);
    if (status == NT_OK)
        qsort(c->lines, c->line_count, sizeof *c->lines, by_name);
    return status;
}

static bool is_there(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file)
        fclose(file);
    return file != NULL;
}

static enum nt_status find_picture(
    struct nt_context *ctx, const char *dir, const char *name, char **picture)
{
    static const char *const folders[] = {"", "images/", "Images/"};
    char path[4096];
    *picture = NULL;
    for (int i = 0; i < 3 && !*picture; i++)
        if ((size_t)snprintf(path, sizeof path, "%s/%s%s", dir, folders[i], name) < sizeof path &&
            is_there(path))
            *picture = strdup(path);
    return *picture ? NT_OK
                    : nt_fail(ctx, NT_ERR_FILE,
                          "captions: %s/%s: there is no such picture, nor in images/", dir, name);
}

static enum nt_status group(struct nt_context *ctx, struct captions *c, const char *dir)
{
    c->entries = calloc(c->line_count, sizeof *c->entries);
    if (!c->entries)
        return nt_fail(ctx, NT_ERR_MEMORY, "captions: no memory for the list of pictures");
    enum nt_status status = NT_OK;
    for (size_t i = 0; i < c->line_count && status == NT_OK; i++) {
        struct entry *entry = c->count ? &c->entries[c->count - 1] : NULL;
        if (!entry || strcmp(c->lines[entry->first].name, c->lines[i].name) != 0) {
            entry = &c->entries[c->count++];
            entry->first = i;
            status = find_picture(ctx, dir, c->lines[i].name, &entry->picture);
        }
        entry->count++;
    }
    return status;
}

/* The words of all captions, held out or not, unless they are given. */
static enum nt_status number_words(
    struct nt_context *ctx, const struct nt_dataset *dataset, struct captions *c, int least)
{
    const struct nt_dataset_params *params = &dataset->params;
    if (params->class_names)
        return nt_words_take(ctx, params->class_names, params->class_count, &c->words);
    const char **texts = malloc(c->line_count * sizeof *texts);
    if (!texts)
        return nt_fail(ctx, NT_ERR_MEMORY, "captions: no memory for their words");
    for (size_t i = 0; i < c->line_count; i++)
        texts[i] = c->lines[i].caption;
    enum nt_status status = nt_words_collect(ctx, texts, c->line_count, least, &c->words);
    free(texts);
    return status;
}

static enum nt_status set_info(struct nt_context *ctx, struct nt_dataset *dataset)
{
    const struct captions *c = dataset->state;
    struct nt_dataset_info *info = &dataset->info;
    struct nt_shape target = dataset->params.target;
    char text[128];
    enum nt_status status = nt_photograph_set_item(ctx, dataset, 3, DEFAULT_SIDE);
    if (status != NT_OK)
        return status;
    if (target.rank == 0)
        target = (struct nt_shape){1, {DEFAULT_LENGTH}};
    if (target.rank != 1)
        return nt_fail(ctx, NT_ERR_SHAPE,
            "captions: the model's target has shape %s: must be the words of a caption",
            nt_shape_text(&target, text, sizeof text));
    info->target = target;
    info->target_dtype = NT_I32;
    info->count = (int64_t)c->count;
    info->classes = c->words.count;
    info->class_names = c->words.name;
    return nt_photograph_normalise(ctx, dataset);
}

static enum nt_status open_captions(
    struct nt_context *ctx, struct nt_dataset *dataset, enum nt_part part, const char *argument)
{
    char dir[4000], path[4096];
    int least = DEFAULT_LEAST;
    enum nt_status status = take_argument(ctx, argument, dir, sizeof dir, &least);
    if (status != NT_OK)
        return status;
    struct captions *c = calloc(1, sizeof *c);
    dataset->state = c;
    if (!c)
        return nt_fail(ctx, NT_ERR_MEMORY, "captions: no memory");
    status = read_file(ctx, dir, c, path, sizeof path);
    if (status == NT_OK)
        status = read_lines(ctx, c, path);
    if (status == NT_OK)
        status = group(ctx, c, dir);
    if (status == NT_OK)
        status = number_words(ctx, dataset, c, least);
    return status == NT_OK ? set_info(ctx, dataset) : status;
}

/* The middle, in the proportions of the item. */
static struct nt_box middle(const struct nt_picture *picture, const struct nt_shape *item)
{
    double height = (double)item->dim[1], width = (double)item->dim[2];
    double across = picture->width / width, down = picture->height / height;
    double scale = across < down ? across : down;
    struct nt_box box = {.width = width * scale, .height = height * scale};
    box.x = (picture->width - box.width) / 2;
    box.y = (picture->height - box.height) / 2;
    return box;
}

static enum nt_status item(struct nt_context *ctx, const struct nt_dataset *dataset, int64_t index,
    struct nt_random *random, enum nt_layout layout, void *x, void *y)
{
    const struct captions *c = dataset->state;
    const struct entry *entry = &c->entries[index];
    struct nt_picture picture;
    enum nt_status status = nt_photograph_load(ctx, dataset, entry->picture, 1, &picture);
    if (status != NT_OK)
        return status;
    struct nt_box box = middle(&picture, &dataset->info.item);
    /* Not mirrored: captions tell left from right. */
    status = nt_photograph_give(ctx, dataset, &picture, &box, false, layout, x);
    if (status != NT_OK)
        return status;
    size_t which = random ? (size_t)nt_random_below(random, entry->count) : 0;
    nt_words_encode(
        &c->words, c->lines[entry->first + which].caption, (int)dataset->info.target.dim[0], y);
    return NT_OK;
}

static const char *item_name(const struct nt_dataset *dataset, int64_t index)
{
    const struct captions *c = dataset->state;
    return c->entries[index].picture;
}

static void close_captions(struct nt_dataset *dataset)
{
    struct captions *c = dataset->state;
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++)
        free(c->entries[i].picture);
    free(c->entries);
    free(c->lines);
    free(c->file);
    nt_words_finish(&c->words);
    free(c);
}

const struct nt_dataset_kind nt_dataset_captions = {.name = "captions",
    .argument = "DIR",
    .parts = nt_dataset_no_parts,
    .open = open_captions,
    .item = item,
    .item_name = item_name,
    .close = close_captions};
