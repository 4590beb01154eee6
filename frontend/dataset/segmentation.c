/* SPDX-License-Identifier: MIT
 *
 * segmentation:DIR: pictures, each with a mask of the same size that holds the class of every
 * pixel. Pictures stay on disk; masks are read once when the data are opened, to learn sizes and
 * classes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "frontend/dataset/photograph.h"
#include "frontend/file.h"

#define DEFAULT_SIDE 256
#define IGNORED 255     /* gray value of a pixel that does not count */
#define MOST_CLASSES 64 /* as gray values; a mask with higher ones is black and white */
#define THRESHOLD 128

struct pair {
    char *picture, *mask;
    int width, height;
};

/* A part of a picture that makes one item. */
struct window {
    uint32_t pair;
    int x, y;
};

struct segmentation {
    struct pair *pairs;
    size_t count;
    struct window *windows;
    int channels, width, height; /* of an item */
    bool black_and_white;
};

static const char *const picture_folders[] = {"image", "images", "img"};
static const char *const mask_folders[] = {"label", "labels", "mask", "masks"};
#define PICTURE_FOLDERS (int)(sizeof picture_folders / sizeof *picture_folders)
#define MASK_FOLDERS (int)(sizeof mask_folders / sizeof *mask_folders)

static bool find_folder(
    const char *dir, int count, const char *const *names, char *path, size_t size)
{
    for (int i = 0; i < count; i++)
        if ((size_t)snprintf(path, size, "%s/%s", dir, names[i]) < size && nt_file_is_folder(path))
            return true;
    return false;
}

/* The folders of pictures and masks in a folder. */
static bool find_both(const char *dir, char *pictures, char *masks, size_t size)
{
    return find_folder(dir, PICTURE_FOLDERS, picture_folders, pictures, size) &&
           find_folder(dir, MASK_FOLDERS, mask_folders, masks, size);
}

/* Those of a part; the training part may lie in dir itself. */
static bool find_part(const char *dir, enum nt_part part, char *pictures, char *masks, size_t size)
{
    static const char *const names[][4] = {[NT_PART_TRAIN] = {"train"},
        [NT_PART_VALIDATION] = {"val", "valid", "validation"},
        [NT_PART_TEST] = {"test", "val", "valid", "validation"}};
    char path[4096];
    for (int i = 0; i < 4 && names[part][i]; i++)
        if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, names[part][i]) < sizeof path &&
            find_both(path, pictures, masks, size))
            return true;
    return part == NT_PART_TRAIN && find_both(dir, pictures, masks, size);
}

static struct nt_dataset_parts find_parts(const char *argument)
{
    char a[4096], b[4096];
    return (struct nt_dataset_parts){.test = find_part(argument, NT_PART_TEST, a, b, sizeof a),
        .validation = find_part(argument, NT_PART_VALIDATION, a, b, sizeof a)};
}

static bool is_picture(const char *dir, const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0 ||
                      strcasecmp(dot, ".png") == 0);
}

static size_t stem(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? (size_t)(dot - name) : strlen(name);
}

/* The mask's file for a picture: of the same name before the dot; NULL: none. */
static const char *find_mask(const char *picture, char **names, size_t count)
{
    size_t length = stem(picture);
    for (size_t i = 0; i < count; i++)
        if (stem(names[i]) == length && !strncmp(names[i], picture, length))
            return names[i];
    return NULL;
}

static enum nt_status add_pair(struct nt_context *ctx, struct segmentation *s, const char *pictures,
    const char *picture, const char *masks, const char *mask)
{
    char path[4096];
    struct pair *pair = &s->pairs[s->count++];
    enum nt_status status = nt_file_join(ctx, path, sizeof path, pictures, picture);
    if (status == NT_OK)
        pair->picture = strdup(path);
    if (status == NT_OK)
        status = nt_file_join(ctx, path, sizeof path, masks, mask);
    if (status == NT_OK)
        pair->mask = strdup(path);
    if (status == NT_OK && (!pair->picture || !pair->mask))
        status = nt_fail(ctx, NT_ERR_MEMORY, "segmentation: no memory for the list of pictures");
    return status;
}

static enum nt_status list_pairs(
    struct nt_context *ctx, struct segmentation *s, const char *pictures, const char *masks)
{
    char **names, **mask_names = NULL;
    size_t count, mask_count = 0;
    enum nt_status status = nt_dataset_list(ctx, pictures, is_picture, &names, &count);
    if (status != NT_OK)
        return status;
    status = nt_dataset_list(ctx, masks, is_picture, &mask_names, &mask_count);
    s->pairs = calloc(count + 1, sizeof *s->pairs);
    if (status == NT_OK && !s->pairs)
        status = nt_fail(ctx, NT_ERR_MEMORY, "segmentation: no memory for the list of pictures");
    else if (status == NT_OK && count == 0)
        status =
            nt_fail(ctx, NT_ERR_FILE, "segmentation: %s: no JPEG or PNG picture in it", pictures);
    for (size_t i = 0; i < count && status == NT_OK; i++) {
        const char *mask = find_mask(names[i], mask_names, mask_count);
        status = mask ? add_pair(ctx, s, pictures, names[i], masks, mask)
                      : nt_fail(ctx, NT_ERR_FILE, "segmentation: %s/%s: has no mask in %s",
                            pictures, names[i], masks);
    }
    nt_dataset_free_list(names, count);
    nt_dataset_free_list(mask_names, mask_count);
    return status;
}

/* Sizes, and which gray values there are. */
static enum nt_status read_masks(struct nt_context *ctx, struct segmentation *s, bool *values)
{
    for (size_t i = 0; i < s->count; i++) {
        struct nt_picture mask;
        enum nt_status status = nt_picture_load(
            ctx, s->pairs[i].mask, &(struct nt_picture_params){.channels = 1}, &mask);
        if (status != NT_OK)
            return status;
        s->pairs[i].width = mask.width;
        s->pairs[i].height = mask.height;
        for (size_t p = 0; p < (size_t)mask.width * (size_t)mask.height; p++)
            values[mask.pixels[p]] = true;
        nt_picture_finish(&mask);
    }
    return NT_OK;
}

static void find_classes(struct nt_dataset *dataset, const bool *values)
{
    struct segmentation *s = dataset->state;
    int highest = 0;
    for (int i = 0; i < IGNORED; i++)
        if (values[i])
            highest = i;
    s->black_and_white = highest == 0 || highest >= MOST_CLASSES;
    dataset->info.classes = s->black_and_white ? 2 : highest + 1;
}

static enum nt_status set_size(struct nt_context *ctx, struct nt_dataset *dataset)
{
    static const float half[] = {0.5f, 0.5f, 0.5f};
    struct segmentation *s = dataset->state;
    enum nt_status status = nt_photograph_set_item(ctx, dataset, 1, DEFAULT_SIDE);
    if (status != NT_OK)
        return status;
    const int64_t *item = dataset->info.item.dim;
    s->channels = (int)item[0];
    s->height = (int)item[1];
    s->width = (int)item[2];
    dataset->info.target = (struct nt_shape){2, {s->height, s->width}};
    dataset->info.target_dtype = NT_I32;
    return nt_dataset_normalise(ctx, dataset, s->channels, half, half);
}

static enum nt_status open_segmentation(
    struct nt_context *ctx, struct nt_dataset *dataset, enum nt_part part, const char *argument)
{
    char pictures[4096], masks[4096];
    if (!nt_file_is_folder(argument))
        return nt_fail(ctx, NT_ERR_FILE, "segmentation:%s: there is no such folder", argument);
    struct segmentation *s = calloc(1, sizeof *s);
    dataset->state = s;
    if (!s)
        return nt_fail(ctx, NT_ERR_MEMORY, "segmentation: no memory");
    if (!find_part(argument, part, pictures, masks, sizeof pictures))
        return nt_fail(ctx, NT_ERR_FILE,
            "segmentation:%s: must hold the folders image and label, or train/image and "
            "train/label",
            argument);
    if (dataset->params.augment == NT_AUGMENT_DEFAULT)
        dataset->params.augment = NT_AUGMENT_CROP | NT_AUGMENT_FLIP;
    bool values[256] = {false};
    enum nt_status status = list_pairs(ctx, s, pictures, masks);
    if (status == NT_OK)
        status = read_masks(ctx, s, values);
    if (status != NT_OK)
        return status;
    find_classes(dataset, values);
    dataset->info.count = (int64_t)s->count;
    return set_size(ctx, dataset);
}

/* How many windows cover a side, and where the i-th of them begins. */
static int windows_of(int length, int window)
{
    return length <= window ? 1 : (length + window - 1) / window;
}

static int window_start(int length, int window, int i)
{
    int count = windows_of(length, window);
    return count == 1 ? 0 : (int)((int64_t)i * (length - window) / (count - 1));
}

/* From pictures to the windows that cover them. */
static enum nt_status settle(struct nt_context *ctx, struct nt_dataset *dataset)
{
    struct segmentation *s = dataset->state;
    int64_t pictures = dataset->info.count, count = 0;
    for (int64_t i = 0; i < pictures; i++) {
        const struct pair *pair = &s->pairs[dataset->chosen ? dataset->chosen[i] : i];
        count += (int64_t)windows_of(pair->width, s->width) * windows_of(pair->height, s->height);
    }
    s->windows = calloc((size_t)count + 1, sizeof *s->windows);
    if (!s->windows)
        return nt_fail(
            ctx, NT_ERR_MEMORY, "segmentation: no memory for %lld windows", (long long)count);
    count = 0;
    for (int64_t i = 0; i < pictures; i++) {
        uint32_t number = dataset->chosen ? dataset->chosen[i] : (uint32_t)i;
        const struct pair *pair = &s->pairs[number];
        for (int v = 0; v < windows_of(pair->height, s->height); v++)
            for (int u = 0; u < windows_of(pair->width, s->width); u++)
                s->windows[count++] =
                    (struct window){number, window_start(pair->width, s->width, u),
                        window_start(pair->height, s->height, v)};
    }
    free(dataset->chosen);
    dataset->chosen = NULL;
    dataset->info.count = count;
    return NT_OK;
}

static enum nt_status load_both(struct nt_context *ctx, const struct segmentation *s,
    const struct pair *pair, struct nt_picture *picture, struct nt_picture *mask)
{
    const struct nt_picture_params color = {.channels = s->channels}, gray = {.channels = 1};
    enum nt_status status = nt_picture_load(ctx, pair->picture, &color, picture);
    if (status != NT_OK)
        return status;
    status = nt_picture_load(ctx, pair->mask, &gray, mask);
    if (status != NT_OK) {
        nt_picture_finish(picture);
        return status;
    }
    if (picture->width == mask->width && picture->height == mask->height)
        return NT_OK;
    status = nt_fail(ctx, NT_ERR_FORMAT, "%s: %dx%d pixels, its mask %dx%d: must be equal",
        pair->picture, picture->width, picture->height, mask->width, mask->height);
    nt_picture_finish(picture);
    nt_picture_finish(mask);
    return status;
}

static enum nt_status convert_mask(struct nt_context *ctx, const struct nt_dataset *dataset,
    const char *path, uint8_t value, int32_t *class)
{
    const struct segmentation *s = dataset->state;
    *class = s->black_and_white ? value >= THRESHOLD : value == IGNORED ? -1 : value;
    if (*class < dataset->info.classes)
        return NT_OK;
    return nt_fail(
        ctx, NT_ERR_FORMAT, "%s: class %d: must be below %d", path, *class, dataset->info.classes);
}

/* What lies outside the picture is the mean and does not count. */
static enum nt_status cut(struct nt_context *ctx, const struct nt_dataset *dataset,
    const struct window *window, const struct nt_picture *picture, const struct nt_picture *mask,
    bool flip, enum nt_layout layout, float *x, int32_t *y)
{
    const struct segmentation *s = dataset->state;
    const struct nt_dataset_info *info = &dataset->info;
    int64_t area = (int64_t)s->width * s->height;
    for (int64_t at = 0; at < area; at++) {
        int column = (int)(at % s->width), row = (int)(at / s->width);
        int u = window->x + (flip ? s->width - 1 - column : column), v = window->y + row;
        bool inside = u < picture->width && v < picture->height;
        size_t from = inside ? (size_t)v * (size_t)picture->width + (size_t)u : 0;
        for (int c = 0; c < s->channels; c++) {
            float byte = picture->pixels[from * (size_t)s->channels + (size_t)c];
            x[layout == NT_CHANNELS_LAST ? at * s->channels + c : c * area + at] =
                inside ? (byte / 255 - info->mean[c]) / info->deviation[c] : 0;
        }
        y[at] = -1;
        enum nt_status status = NT_OK;
        if (inside)
            status =
                convert_mask(ctx, dataset, s->pairs[window->pair].mask, mask->pixels[from], &y[at]);
        if (status != NT_OK)
            return status;
    }
    return NT_OK;
}

static enum nt_status item(struct nt_context *ctx, const struct nt_dataset *dataset, int64_t index,
    struct nt_random *random, enum nt_layout layout, void *x, void *y)
{
    const struct segmentation *s = dataset->state;
    struct window window = s->windows[index];
    const struct pair *pair = &s->pairs[window.pair];
    struct nt_picture picture, mask;
    enum nt_status status = load_both(ctx, s, pair, &picture, &mask);
    if (status != NT_OK)
        return status;
    int spare_x = picture.width - s->width, spare_y = picture.height - s->height;
    if (random && dataset->params.augment & NT_AUGMENT_CROP) {
        if (spare_x > 0)
            window.x = (int)nt_random_below(random, (uint64_t)spare_x + 1);
        if (spare_y > 0)
            window.y = (int)nt_random_below(random, (uint64_t)spare_y + 1);
    }
    bool flip = nt_photograph_draw_flip(dataset, random);
    status = cut(ctx, dataset, &window, &picture, &mask, flip, layout, x, y);
    nt_picture_finish(&picture);
    nt_picture_finish(&mask);
    return status;
}

static const char *item_name(const struct nt_dataset *dataset, int64_t index)
{
    const struct segmentation *s = dataset->state;
    return s->pairs[s->windows[index].pair].picture;
}

static void close_segmentation(struct nt_dataset *dataset)
{
    struct segmentation *s = dataset->state;
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++) {
        free(s->pairs[i].picture);
        free(s->pairs[i].mask);
    }
    free(s->pairs);
    free(s->windows);
    free(s);
}

const struct nt_dataset_kind nt_dataset_segmentation = {.name = "segmentation",
    .argument = "DIR",
    .parts = find_parts,
    .augments = true,
    .open = open_segmentation,
    .item = item,
    .settle = settle,
    .item_name = item_name,
    .close = close_segmentation};
