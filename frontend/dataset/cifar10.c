/* SPDX-License-Identifier: MIT
 *
 * CIFAR-10's binary version (Krizhevsky, www.cs.toronto.edu/~kriz/cifar.html): records of one
 * label byte and 3x32x32 bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/dataset/pixels.h"
#include "frontend/file.h"

#define SIDE 32
#define PIXELS (3 * SIDE * SIDE)
#define RECORD (1 + PIXELS)
#define MAX_BATCH ((size_t)1 << 30)

static const char *const class_names[] = {
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};

static bool is_batch(const char *name, const char *prefix)
{
    size_t n = strlen(name);
    return strncmp(name, prefix, strlen(prefix)) == 0 && n > 4 && strcmp(name + n - 4, ".bin") == 0;
}

static bool is_train(const char *dir, const char *name)
{
    return is_batch(name, "data_batch_") || is_batch(name, "train");
}

static bool is_test(const char *dir, const char *name)
{
    return is_batch(name, "test");
}

static enum nt_status append(
    struct nt_context *ctx, const char *path, struct nt_pixels *pixels, int64_t *count)
{
    uint8_t *block;
    size_t size;
    enum nt_status status = nt_file_read(ctx, path, MAX_BATCH, &block, &size);
    if (status != NT_OK)
        return status;
    size_t more = size / RECORD, old = (size_t)*count;
    if (size == 0 || size % RECORD != 0) {
        free(block);
        return nt_fail(ctx, NT_ERR_FORMAT,
            "%s: %zu bytes: a CIFAR-10 batch is records of %d bytes: truncated?", path, size,
            RECORD);
    }
    uint8_t *data = realloc(pixels->data, (old + more) * PIXELS);
    if (data)
        pixels->data = data;
    uint8_t *labels = realloc(pixels->labels, old + more);
    if (labels)
        pixels->labels = labels;
    if (data && labels) {
        for (size_t i = 0; i < more; i++) {
            labels[old + i] = block[i * RECORD];
            memcpy(data + (old + i) * PIXELS, block + i * RECORD + 1, PIXELS);
        }
        *count += (int64_t)more;
    } else {
        status = nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for %zu pictures", path, old + more);
    }
    free(block);
    return status;
}

static enum nt_status read_all(struct nt_context *ctx, const char *dir, char **names, size_t files,
    struct nt_pixels *pixels, int64_t *count)
{
    enum nt_status status = NT_OK;
    for (size_t i = 0; i < files && status == NT_OK; i++) {
        char path[4096];
        status = nt_file_join(ctx, path, sizeof path, dir, names[i]);
        if (status == NT_OK)
            status = append(ctx, path, pixels, count);
    }
    pixels->owned[0] = pixels->data;
    pixels->owned[1] = pixels->labels;
    return status;
}

static enum nt_status open_cifar10(
    struct nt_context *ctx, struct nt_dataset *dataset, enum nt_part part, const char *argument)
{
    static const float mean[] = {0.4914f, 0.4822f, 0.4465f};
    static const float deviation[] = {0.2470f, 0.2435f, 0.2616f};
    char dir[4000];
    if (!nt_file_is_folder(argument))
        return nt_fail(ctx, NT_ERR_FILE, "cifar10:%s: there is no such folder", argument);
    enum nt_status status = nt_file_join(ctx, dir, sizeof dir, argument, "cifar-10-batches-bin");
    if (status == NT_OK && !nt_file_is_folder(dir))
        snprintf(dir, sizeof dir, "%s", argument);
    if (status == NT_OK)
        status = nt_dataset_normalise(ctx, dataset, 3, mean, deviation);
    if (status != NT_OK)
        return status;
    char **names;
    size_t files;
    bool test = part == NT_PART_TEST;
    status = nt_dataset_list(ctx, dir, test ? is_test : is_train, &names, &files);
    if (status != NT_OK)
        return status;
    struct nt_pixels *pixels = calloc(1, sizeof *pixels);
    int64_t count = 0;
    dataset->state = pixels;
    dataset->info.class_names = class_names;
    if (!pixels)
        status = nt_fail(ctx, NT_ERR_MEMORY, "cifar10: no memory");
    else if (files == 0)
        status = nt_fail(ctx, NT_ERR_FILE, "cifar10:%s: no file %s", dir,
            test ? "test*.bin" : "data_batch_*.bin or train*.bin");
    else
        status = read_all(ctx, dir, names, files, pixels, &count);
    nt_dataset_free_list(names, files);
    return status == NT_OK ? nt_pixels_set(ctx, dataset, pixels, count, 3, SIDE, SIDE, 10) : status;
}

const struct nt_dataset_kind nt_dataset_cifar10 = {.name = "cifar10",
    .argument = "DIR",
    .open = open_cifar10,
    .augments = true,
    .item = nt_pixels_item,
    .close = nt_pixels_close};
