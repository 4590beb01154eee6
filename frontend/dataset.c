/* SPDX-License-Identifier: MIT */
#include "frontend/dataset.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/dataset/kind.h"
#include "frontend/file.h"
#include "frontend/near_miss.h"

/* Keeps the random numbers of the split apart from others of the same seed. */
#define SPLIT_STREAM 0x73706c6974u

/* All kinds; the order is that of messages. */
static const struct nt_dataset_kind *const kinds[] = {
    &nt_dataset_fashion_mnist,
    &nt_dataset_mnist,
    &nt_dataset_idx,
    &nt_dataset_cifar10,
    &nt_dataset_images,
    &nt_dataset_npy,
    &nt_dataset_boxes,
    &nt_dataset_captions,
    &nt_dataset_segmentation,
    &nt_dataset_text,
    &nt_dataset_csv,
    &nt_dataset_series,
    &nt_dataset_toy,
};
#define KIND_COUNT ((int)(sizeof kinds / sizeof *kinds))

static enum nt_status fail_unknown(struct nt_context *ctx, const char *spec, const char *name)
{
    const char *names[sizeof kinds / sizeof *kinds];
    char known[512] = "";
    for (int i = 0; i < KIND_COUNT; i++) {
        size_t n = strlen(known);
        names[i] = kinds[i]->name;
        snprintf(known + n, sizeof known - n, "%s%s%s%s", n ? ", " : "", kinds[i]->name,
            kinds[i]->argument ? ":" : "", kinds[i]->argument ? kinds[i]->argument : "");
    }
    if (nt_file_is_folder(spec))
        return nt_fail(ctx, NT_ERR_ARGUMENT,
            "unknown data kind '%s': for a folder of pictures say images:%s; known are %s", name,
            spec, known);
    const char *near = nt_near_miss(name, KIND_COUNT, names);
    return nt_fail(ctx, NT_ERR_ARGUMENT, "unknown data kind '%s': known are %s%s%s%s", name, known,
        near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static enum nt_status find_kind(struct nt_context *ctx, const char *spec,
    const struct nt_dataset_kind **kind, const char **argument)
{
    char name[64];
    size_t length = strcspn(spec, ":");
    snprintf(name, sizeof name, "%.*s", (int)(length < 60 ? length : 60), spec);
    *argument = spec[length] ? spec + length + 1 : NULL;
    for (int i = 0; i < KIND_COUNT; i++) {
        if (strcmp(kinds[i]->name, name) != 0)
            continue;
        *kind = kinds[i];
        if (kinds[i]->argument && (!*argument || !**argument))
            return nt_fail(
                ctx, NT_ERR_ARGUMENT, "data '%s': must be %s:%s", spec, name, kinds[i]->argument);
        if (!kinds[i]->argument && *argument)
            return nt_fail(ctx, NT_ERR_ARGUMENT,
                "data '%s': %s takes no path: use idx:%s or --data-dir %s", spec, name, *argument,
                *argument);
        return NT_OK;
    }
    return fail_unknown(ctx, spec, name);
}

/* Chooses the items of the split: share of them by a random permutation, each side in order. */
static enum nt_status choose(struct nt_context *ctx, struct nt_dataset *dataset, bool set_aside)
{
    const struct nt_dataset_params *params = &dataset->params;
    uint32_t count = (uint32_t)dataset->info.count;
    uint32_t aside = (uint32_t)llround(params->validation_share * count);
    if (aside == 0 || aside == count)
        return nt_fail(ctx, NT_ERR_ARGUMENT,
            "validation share %g of %u items: leaves one of the two sides empty",
            params->validation_share, count);
    uint32_t *order = malloc((size_t)count * sizeof *order);
    bool *is_aside = calloc(count, sizeof *is_aside);
    if (!order || !is_aside) {
        free(order);
        free(is_aside);
        return nt_fail(ctx, NT_ERR_MEMORY, "no memory to choose among %u items", count);
    }
    struct nt_random random = {.key = params->seed, .stream = SPLIT_STREAM};
    nt_random_permutation(&random, order, count);
    for (uint32_t i = 0; i < aside; i++)
        is_aside[order[i]] = true;
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++)
        if (is_aside[i] == set_aside)
            order[n++] = i;
    free(is_aside);
    dataset->chosen = order;
    dataset->info.count = n;
    return NT_OK;
}

static struct nt_dataset_parts find_parts(const struct nt_dataset_kind *kind, const char *argument)
{
    return kind->parts ? kind->parts(argument) : (struct nt_dataset_parts){.test = true};
}

struct nt_dataset_parts nt_dataset_no_parts(const char *argument)
{
    return (struct nt_dataset_parts){0};
}

struct nt_dataset_parts nt_dataset_find_parts(const char *spec)
{
    size_t length = strcspn(spec, ":");
    for (int i = 0; i < KIND_COUNT; i++)
        if (strlen(kinds[i]->name) == length && !strncmp(kinds[i]->name, spec, length))
            return find_parts(kinds[i], spec[length] ? spec + length + 1 : "");
    return (struct nt_dataset_parts){0};
}

void nt_dataset_divide(
    const struct nt_dataset *dataset, int64_t length, int64_t *first, int64_t *end)
{
    const struct nt_dataset_params *params = &dataset->params;
    int64_t border = length - llround(params->validation_share * (double)length);
    bool held_out = params->split != NT_SPLIT_TRAIN && params->validation_share > 0;
    *first = held_out ? border : 0;
    *end = params->split == NT_SPLIT_TRAIN ? border : length;
}

static enum nt_status open_split(
    struct nt_context *ctx, struct nt_dataset *dataset, const char *argument)
{
    const struct nt_dataset_params *params = &dataset->params;
    bool shares = params->validation_share > 0;
    struct nt_dataset_parts parts = find_parts(dataset->kind, argument);
    bool tests = params->split == NT_SPLIT_TEST && parts.test;
    bool validates = params->split == NT_SPLIT_VALIDATION && !shares;
    enum nt_part part = tests ? NT_PART_TEST : validates ? NT_PART_VALIDATION : NT_PART_TRAIN;
    if (validates && !parts.validation)
        return nt_fail(ctx, NT_ERR_ARGUMENT,
            "%s%s%s: has no validation part: give a validation share", dataset->kind->name,
            argument ? ":" : "", argument ? argument : "");
    enum nt_status status = dataset->kind->open(ctx, dataset, part, argument);
    if (status != NT_OK)
        return status;
    if (dataset->info.count > UINT32_MAX)
        return nt_fail(ctx, NT_ERR_UNSUPPORTED, "%s: %lld items: at most %u", dataset->kind->name,
            (long long)dataset->info.count, UINT32_MAX);
    if (shares && !tests && !dataset->kind->divides)
        status = choose(ctx, dataset, params->split != NT_SPLIT_TRAIN);
    if (status == NT_OK && dataset->kind->settle)
        status = dataset->kind->settle(ctx, dataset);
    return status;
}

/* Blue and red change places where that is wanted. */
static enum nt_status set_order(struct nt_context *ctx, struct nt_dataset *dataset)
{
    struct nt_dataset_info *info = &dataset->info;
    if (!dataset->params.bgr)
        return NT_OK;
    if (info->item.rank != 3 || info->item.dim[0] != 3 || info->item_dtype != NT_F32)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "%s: channels bgr: its items have no three colours",
            dataset->kind->name);
    info->bgr = true;
    return NT_OK;
}

static void exchange_colours(const struct nt_shape *item, enum nt_layout layout, float *x)
{
    int64_t area = item->dim[1] * item->dim[2];
    int64_t step = layout == NT_CHANNELS_LAST ? 3 : 1,
            apart = layout == NT_CHANNELS_LAST ? 2 : 2 * area;
    for (int64_t i = 0; i < area; i++) {
        float first = x[i * step];
        x[i * step] = x[i * step + apart];
        x[i * step + apart] = first;
    }
}

static enum nt_status check_params(struct nt_context *ctx, const struct nt_dataset_kind *kind,
    const struct nt_dataset_params *params)
{
    if (!(params->validation_share >= 0 && params->validation_share < 1))
        return nt_fail(ctx, NT_ERR_ARGUMENT, "validation share %g: must be at least 0 and below 1",
            params->validation_share);
    if (!kind->sized && (params->image_size || params->channels || params->resize))
        return nt_fail(ctx, NT_ERR_ARGUMENT,
            "%s: image size and channels cannot be chosen: only for images:DIR", kind->name);
    if (!kind->augments && params->augment & (NT_AUGMENT_CROP | NT_AUGMENT_FLIP))
        return nt_fail(
            ctx, NT_ERR_ARGUMENT, "%s: its items are not cropped or flipped", kind->name);
    return NT_OK;
}

enum nt_status nt_dataset_open(struct nt_context *ctx, const char *spec,
    const struct nt_dataset_params *params, struct nt_dataset **out)
{
    const struct nt_dataset_kind *kind = NULL;
    const char *argument;
    enum nt_status status = find_kind(ctx, spec, &kind, &argument);
    if (status == NT_OK && params)
        status = check_params(ctx, kind, params);
    if (status != NT_OK)
        return status;
    struct nt_dataset *dataset = calloc(1, sizeof *dataset);
    if (!dataset)
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory", spec);
    dataset->kind = kind;
    if (params)
        dataset->params = *params;
    dataset->info.kind = kind->name;
    for (int c = 0; c < 3; c++)
        dataset->info.deviation[c] = 1;
    status = open_split(ctx, dataset, argument);
    if (status == NT_OK)
        status = set_order(ctx, dataset);
    dataset->params.data_dir = NULL;
    dataset->params.class_names = NULL;
    if (status != NT_OK) {
        nt_dataset_close(dataset);
        return status;
    }
    *out = dataset;
    return NT_OK;
}

void nt_dataset_close(struct nt_dataset *dataset)
{
    if (!dataset)
        return;
    dataset->kind->close(dataset);
    free(dataset->chosen);
    free(dataset);
}

const struct nt_dataset_info *nt_dataset_get_info(const struct nt_dataset *dataset)
{
    return &dataset->info;
}

static int64_t chosen(const struct nt_dataset *dataset, int64_t index)
{
    return dataset->chosen ? dataset->chosen[index] : index;
}

enum nt_status nt_dataset_item(struct nt_context *ctx, const struct nt_dataset *dataset,
    int64_t index, struct nt_random *random, enum nt_layout layout, void *x, void *y)
{
    if (index < 0 || index >= dataset->info.count)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "%s: item %lld: must be 0 to %lld",
            dataset->kind->name, (long long)index, (long long)dataset->info.count - 1);
    enum nt_status status =
        dataset->kind->item(ctx, dataset, chosen(dataset, index), random, layout, x, y);
    if (status == NT_OK && dataset->info.bgr)
        exchange_colours(&dataset->info.item, layout, x);
    return status;
}

const char *nt_dataset_item_name(
    const struct nt_dataset *dataset, int64_t index, char *text, size_t size)
{
    if (dataset->kind->item_name)
        snprintf(text, size, "%s", dataset->kind->item_name(dataset, chosen(dataset, index)));
    else
        snprintf(text, size, "item %lld", (long long)index);
    return text;
}

enum nt_status nt_dataset_picture(
    struct nt_context *ctx, const struct nt_dataset *dataset, int64_t index, struct nt_picture *out)
{
    const struct nt_dataset_info *info = &dataset->info;
    const int64_t *dim = info->item.dim;
    if (info->item.rank != 3 || (dim[0] != 1 && dim[0] != 3) || dim[1] > 8192 || dim[2] > 8192) {
        char text[128];
        return nt_fail(ctx, NT_ERR_UNSUPPORTED, "%s: an item of shape %s is no picture", info->kind,
            nt_shape_text(&info->item, text, sizeof text));
    }
    size_t count = (size_t)nt_shape_count(&info->item);
    float *x = malloc(count * sizeof *x);
    void *y = malloc((size_t)nt_shape_count(&info->target) * sizeof(float));
    struct nt_picture picture;
    enum nt_status status =
        x && y ? nt_picture_create(ctx, (int)dim[2], (int)dim[1], (int)dim[0], &picture)
               : nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for a picture", info->kind);
    if (status == NT_OK) {
        status = nt_dataset_item(ctx, dataset, index, NULL, NT_CHANNELS_LAST, x, y);
        for (size_t i = 0; status == NT_OK && i < count; i++) {
            size_t c = i % (size_t)dim[0];
            c = info->bgr ? 2 - c : c;
            float value = (x[i] * info->deviation[c] + info->mean[c]) * 255;
            picture.pixels[i / (size_t)dim[0] * (size_t)dim[0] + c] =
                (uint8_t)(value < 0     ? 0
                          : value > 255 ? 255
                                        : value + 0.5f);
        }
        if (status == NT_OK)
            *out = picture;
        else
            nt_picture_finish(&picture);
    }
    free(x);
    free(y);
    return status;
}

enum nt_status nt_dataset_normalise(struct nt_context *ctx, struct nt_dataset *dataset,
    int channels, const float *mean, const float *deviation)
{
    const struct nt_dataset_params *params = &dataset->params;
    bool given = params->deviation[0] != 0;
    for (int c = 0; c < channels; c++) {
        bool shared = given && params->deviation[c] == 0;
        float m = given ? params->mean[shared ? 0 : c] : mean[c];
        float d = given ? params->deviation[shared ? 0 : c] : deviation[c];
        if (!isfinite(m) || !isfinite(d) || d <= 0)
            return nt_fail(ctx, NT_ERR_ARGUMENT,
                "normalisation: mean %g, deviation %g: must be finite, deviation above 0", m, d);
        dataset->info.mean[c] = m;
        dataset->info.deviation[c] = d;
    }
    return NT_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

enum nt_status nt_dataset_list(struct nt_context *ctx, const char *dir,
    bool (*accept)(const char *dir, const char *name), char ***names, size_t *count)
{
    DIR *handle = opendir(dir);
    if (!handle)
        return nt_fail(ctx, NT_ERR_FILE, "%s: cannot list: %s", dir, strerror(errno));
    char **list = NULL;
    size_t n = 0, capacity = 0;
    struct dirent *entry;
    enum nt_status status = NT_OK;
    while (status == NT_OK && (entry = readdir(handle))) {
        if (entry->d_name[0] == '.' || (accept && !accept(dir, entry->d_name)))
            continue;
        if (n == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            char **longer = realloc(list, capacity * sizeof *list);
            if (!longer) {
                status = nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory to list it", dir);
                break;
            }
            list = longer;
        }
        if (!(list[n] = strdup(entry->d_name)))
            status = nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory to list it", dir);
        else
            n++;
    }
    closedir(handle);
    if (status != NT_OK) {
        nt_dataset_free_list(list, n);
        return status;
    }
    if (n)
        qsort(list, n, sizeof *list, by_name);
    *names = list;
    *count = n;
    return NT_OK;
}

void nt_dataset_free_list(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}
