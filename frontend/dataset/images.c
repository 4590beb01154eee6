/* SPDX-License-Identifier: MIT
 *
 * images:DIR: one folder of JPEG and PNG pictures per class, read when asked for.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "frontend/dataset/photograph.h"
#include "frontend/file.h"

#define DEFAULT_SIZE 224

struct images {
    char **class_names;
    size_t classes;
    char **paths;
    int32_t *labels;
    size_t count, capacity;
    bool known; /* the training part, opened for a share of it: its classes were told of */
};

static bool is_picture(const char *dir, const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0 ||
                      strcasecmp(dot, ".png") == 0);
}

static bool is_folder(const char *dir, const char *name)
{
    char path[4096];
    return (size_t)snprintf(path, sizeof path, "%s/%s", dir, name) < sizeof path &&
           nt_file_is_folder(path);
}

static bool add(struct images *images, const char *path, int32_t label)
{
    if (images->count == images->capacity) {
        size_t capacity = images->capacity ? 2 * images->capacity : 256;
        char **paths = realloc(images->paths, capacity * sizeof *paths);
        if (paths)
            images->paths = paths;
        int32_t *labels = realloc(images->labels, capacity * sizeof *labels);
        if (labels)
            images->labels = labels;
        if (!paths || !labels)
            return false;
        images->capacity = capacity;
    }
    char *copy = strdup(path);
    if (!copy)
        return false;
    images->labels[images->count] = label;
    images->paths[images->count++] = copy;
    return true;
}

static enum nt_status add_class(
    struct nt_context *ctx, struct images *images, const char *dir, const char *name)
{
    char folder[4000], path[4096], **files;
    size_t label = 0, count;
    while (label < images->classes && strcmp(images->class_names[label], name) != 0)
        label++;
    if (label == images->classes)
        return nt_fail(ctx, NT_ERR_FORMAT,
            "images: %s/%s: there is no class of this name among the training pictures", dir, name);
    enum nt_status status = nt_file_join(ctx, folder, sizeof folder, dir, name);
    if (status == NT_OK)
        status = nt_dataset_list(ctx, folder, is_picture, &files, &count);
    if (status != NT_OK)
        return status;
    for (size_t i = 0; i < count && status == NT_OK; i++) {
        status = nt_file_join(ctx, path, sizeof path, folder, files[i]);
        if (status == NT_OK && !add(images, path, (int32_t)label))
            status = nt_fail(ctx, NT_ERR_MEMORY, "images: no memory for the list of pictures");
    }
    if (status == NT_OK && count == 0 && !images->known)
        nt_log(ctx, NT_LOG_WARNING, "images: %s: no JPEG or PNG picture in this class", folder);
    nt_dataset_free_list(files, count);
    return status;
}

/* The folder of a part, or false when there is none. */
static bool part_folder(const char *dir, enum nt_part part, char *path, size_t size)
{
    static const char *const names[][4] = {[NT_PART_TRAIN] = {"train"},
        [NT_PART_VALIDATION] = {"val", "valid", "validation"},
        [NT_PART_TEST] = {"test", "val", "valid", "validation"}};
    for (int i = 0; i < 4 && names[part][i]; i++)
        if ((size_t)snprintf(path, size, "%s/%s", dir, names[part][i]) < size &&
            nt_file_is_folder(path))
            return true;
    return false;
}

static enum nt_status list_pictures(
    struct nt_context *ctx, struct images *images, const char *train_dir, const char *dir)
{
    enum nt_status status =
        nt_dataset_list(ctx, train_dir, is_folder, &images->class_names, &images->classes);
    if (status != NT_OK)
        return status;
    if (images->classes == 0)
        return nt_fail(ctx, NT_ERR_FILE,
            "images:%s: no folder in it: must hold one folder of pictures per class", train_dir);
    char **names;
    size_t count;
    status = nt_dataset_list(ctx, dir, is_folder, &names, &count);
    if (status != NT_OK)
        return status;
    for (size_t i = 0; i < count && status == NT_OK; i++)
        status = add_class(ctx, images, dir, names[i]);
    nt_dataset_free_list(names, count);
    if (status == NT_OK && images->count == 0)
        return nt_fail(ctx, NT_ERR_FILE, "images:%s: no JPEG or PNG picture in its folders", dir);
    return status;
}

static enum nt_status set_info(struct nt_context *ctx, struct nt_dataset *dataset)
{
    struct nt_dataset_params *params = &dataset->params;
    params->image_size = params->image_size ? params->image_size : DEFAULT_SIZE;
    params->resize = params->resize ? params->resize : params->image_size * 256 / 224;
    params->channels = params->channels ? params->channels : 3;
    if (params->augment == NT_AUGMENT_DEFAULT)
        params->augment = NT_AUGMENT_FLIP | NT_AUGMENT_CROP;
    if (params->image_size < 1 || params->image_size > 8192)
        return nt_fail(
            ctx, NT_ERR_ARGUMENT, "images: image size %d: must be 1 to 8192", params->image_size);
    if (params->channels != 1 && params->channels != 3)
        return nt_fail(
            ctx, NT_ERR_ARGUMENT, "images: channels: %d: must be 1 or 3", params->channels);
    if (params->resize < params->image_size)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "images: resized to %d: must be at least %d",
            params->resize, params->image_size);
    struct images *images = dataset->state;
    int side = params->image_size;
    dataset->info.crop = (double)side / params->resize;
    dataset->info.item = (struct nt_shape){3, {params->channels, side, side}};
    dataset->info.count = (int64_t)images->count;
    dataset->info.classes = (int)images->classes;
    dataset->info.class_names = (const char *const *)images->class_names;
    dataset->info.target_dtype = NT_I32;
    return nt_photograph_normalise(ctx, dataset);
}

static struct nt_dataset_parts find_parts(const char *argument)
{
    char path[4096];
    struct nt_dataset_parts parts = {0};
    if (part_folder(argument, NT_PART_TRAIN, path, sizeof path)) {
        parts.test = part_folder(argument, NT_PART_TEST, path, sizeof path);
        parts.validation = part_folder(argument, NT_PART_VALIDATION, path, sizeof path);
    }
    return parts;
}

static enum nt_status open_images(
    struct nt_context *ctx, struct nt_dataset *dataset, enum nt_part part, const char *argument)
{
    char train_dir[4000], dir[4000];
    if (!nt_file_is_folder(argument))
        return nt_fail(ctx, NT_ERR_FILE, "images:%s: there is no such folder", argument);
    if (!part_folder(argument, NT_PART_TRAIN, train_dir, sizeof train_dir)) {
        if ((size_t)snprintf(train_dir, sizeof train_dir, "%s", argument) >= sizeof train_dir)
            return nt_fail(ctx, NT_ERR_FILE, "images:%.80s...: the path is too long", argument);
        snprintf(dir, sizeof dir, "%s", train_dir);
    } else if (!part_folder(argument, part, dir, sizeof dir)) {
        return nt_fail(ctx, NT_ERR_FILE, "images:%s: the path is too long", argument);
    }
    struct images *images = calloc(1, sizeof *images);
    dataset->state = images;
    if (!images)
        return nt_fail(ctx, NT_ERR_MEMORY, "images: no memory");
    images->known = part == NT_PART_TRAIN && dataset->params.split == NT_SPLIT_VALIDATION;
    enum nt_status status = list_pictures(ctx, images, train_dir, dir);
    return status == NT_OK ? set_info(ctx, dataset) : status;
}

/* As torchvision: the shorter side is resized, the middle is kept. */
static struct nt_box center_box(const struct nt_picture *picture, double crop)
{
    int shorter = picture->width < picture->height ? picture->width : picture->height;
    double side = shorter * crop;
    return (struct nt_box){(picture->width - side) / 2, (picture->height - side) / 2, side, side};
}

/* A box of 8 to 100 % of the area with sides 3:4 to 4:3 (Szegedy et al. 2014, "Going deeper with
 * convolutions"), as torchvision's RandomResizedCrop. */
static struct nt_box random_box(const struct nt_picture *picture, struct nt_random *random)
{
    double area = (double)picture->width * picture->height;
    for (int attempt = 0; attempt < 10; attempt++) {
        double part = area * (0.08 + 0.92 * nt_random_uniform(random));
        double ratio = exp(log(0.75) + nt_random_uniform(random) * log(16.0 / 9));
        double width = sqrt(part * ratio), height = sqrt(part / ratio);
        if (width > picture->width || height > picture->height)
            continue;
        double x = (picture->width - width) * nt_random_uniform(random);
        double y = (picture->height - height) * nt_random_uniform(random);
        return (struct nt_box){x, y, width, height};
    }
    double side = picture->width < picture->height ? picture->width : picture->height;
    return (struct nt_box){(picture->width - side) / 2, (picture->height - side) / 2, side, side};
}

static enum nt_status item(struct nt_context *ctx, const struct nt_dataset *dataset, int64_t index,
    struct nt_random *random, enum nt_layout layout, void *x, void *y)
{
    const struct images *images = dataset->state;
    const struct nt_dataset_params *params = &dataset->params;
    bool crops = random && params->augment & NT_AUGMENT_CROP;
    /* A random box is a part of the picture: decoding keeps twice the size for it. */
    double multiple = crops ? 2 : 1 / dataset->info.crop;
    struct nt_picture picture;
    enum nt_status status =
        nt_photograph_load(ctx, dataset, images->paths[index], multiple, &picture);
    if (status != NT_OK)
        return status;
    struct nt_box box =
        crops ? random_box(&picture, random) : center_box(&picture, dataset->info.crop);
    *(int32_t *)y = images->labels[index];
    bool flip = nt_photograph_draw_flip(dataset, random);
    return nt_photograph_give(ctx, dataset, &picture, &box, flip, layout, x);
}

static const char *item_name(const struct nt_dataset *dataset, int64_t index)
{
    const struct images *images = dataset->state;
    return images->paths[index];
}

static void close_images(struct nt_dataset *dataset)
{
    struct images *images = dataset->state;
    if (!images)
        return;
    nt_dataset_free_list(images->class_names, images->classes);
    nt_dataset_free_list(images->paths, images->count);
    free(images->labels);
    free(images);
}

const struct nt_dataset_kind nt_dataset_images = {.name = "images",
    .argument = "DIR",
    .parts = find_parts,
    .sized = true,
    .augments = true,
    .open = open_images,
    .item = item,
    .item_name = item_name,
    .close = close_images};
