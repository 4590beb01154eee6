/* SPDX-License-Identifier: MIT
 *
 * The idx format of the MNIST files (yann.lecun.com/exdb/mnist): two zero bytes, the element
 * type (8: unsigned byte), the rank, the dimensions as big-endian 32-bit numbers, the elements.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/dataset/pixels.h"
#include "frontend/file.h"

#define MAX_IDX ((size_t)4 << 30)
#define TYPE_BYTE 8

struct idx {
    uint8_t *block, *data;
    int64_t dim[3];
};

/* The usual names of the four files: torchvision's and Debian's, and the dotted ones of the
 * original archive unpacked by some tools. */
static bool find_file(const char *dir, const char *part, const char *what, char *path, size_t size)
{
    static const char *const forms[] = {
        "%s/%s-%s-ubyte", "%s/%s-%s-ubyte.gz", "%s/%s-%s.ubyte", "%s/%s-%s.ubyte.gz"};
    for (int dotted = 0; dotted < 2; dotted++) {
        char word[32];
        snprintf(word, sizeof word, "%s", what);
        if (dotted)
            *strchr(word, '-') = '.';
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
            if ((size_t)snprintf(path, size, forms[i], dir, part, word) < size &&
                access(path, F_OK) == 0)
                return true;
    }
    return false;
}

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static enum nt_status check_idx(
    struct nt_context *ctx, const char *path, struct idx *idx, size_t size, int rank)
{
    size_t header = 4 + 4 * (size_t)rank;
    uint32_t magic = (uint32_t)TYPE_BYTE << 8 | (uint32_t)rank;
    if (size < header)
        return nt_fail(ctx, NT_ERR_FORMAT, "%s: %zu bytes: too short for an idx file", path, size);
    if (get_u32(idx->block) != magic)
        return nt_fail(ctx, NT_ERR_FORMAT,
            "%s: magic number 0x%08x: an idx file of %s starts with 0x%08x", path,
            get_u32(idx->block), rank == 3 ? "pictures" : "labels", magic);
    double needed = (double)header;
    double product = 1;
    for (int i = 0; i < rank; i++) {
        idx->dim[i] = get_u32(idx->block + 4 + 4 * i);
        product *= (double)idx->dim[i];
    }
    needed += product;
    if ((double)size != needed)
        return nt_fail(ctx, NT_ERR_FORMAT,
            "%s: %zu bytes, but its header says %lld items, together %.0f bytes", path, size,
            (long long)idx->dim[0], needed);
    if (product == 0 || (rank == 3 && (idx->dim[1] > 4096 || idx->dim[2] > 4096)))
        return nt_fail(
            ctx, NT_ERR_FORMAT, "%s: sides must be 1 to 4096 and items at least 1", path);
    idx->data = idx->block + header;
    return NT_OK;
}

static enum nt_status read_idx(struct nt_context *ctx, const char *dir, const char *part,
    const char *what, int rank, struct idx *idx)
{
    char path[4096];
    if (!find_file(dir, part, what, path, sizeof path))
        return nt_fail(ctx, NT_ERR_FILE, "%s: no file %s-%s-ubyte or %s-%s-ubyte.gz", dir, part,
            what, part, what);
    size_t size;
    enum nt_status status = nt_file_read(ctx, path, MAX_IDX, &idx->block, &size);
    if (status != NT_OK)
        return status;
    status = check_idx(ctx, path, idx, size, rank);
    if (status != NT_OK) {
        free(idx->block);
        idx->block = NULL;
    }
    return status;
}

static enum nt_status open_folder(struct nt_context *ctx, struct nt_dataset *dataset,
    enum nt_part part, const char *dir, int classes)
{
    const char *prefix = part == NT_PART_TEST ? "t10k" : "train";
    struct idx pictures = {0}, labels = {0};
    enum nt_status status = read_idx(ctx, dir, prefix, "images-idx3", 3, &pictures);
    if (status == NT_OK)
        status = read_idx(ctx, dir, prefix, "labels-idx1", 1, &labels);
    if (status == NT_OK && pictures.dim[0] != labels.dim[0])
        status = nt_fail(ctx, NT_ERR_FORMAT, "%s: %s: %lld pictures but %lld labels", dir, prefix,
            (long long)pictures.dim[0], (long long)labels.dim[0]);
    struct nt_pixels *pixels = status == NT_OK ? calloc(1, sizeof *pixels) : NULL;
    if (status == NT_OK && !pixels)
        status = nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory", dir);
    if (status != NT_OK) {
        free(pictures.block);
        free(labels.block);
        return status;
    }
    *pixels = (struct nt_pixels){
        .data = pictures.data, .labels = labels.data, .owned = {pictures.block, labels.block}};
    return nt_pixels_set(ctx, dataset, pixels, pictures.dim[0], 1, (int)pictures.dim[1],
        (int)pictures.dim[2], classes);
}

/* The classes of idx:DIR: one more than the largest label of both parts. */
static enum nt_status count_classes(struct nt_context *ctx, const char *dir, int *classes)
{
    static const char *const parts[] = {"train", "t10k"};
    *classes = 0;
    for (int p = 0; p < 2; p++) {
        char path[4096];
        struct idx labels = {0};
        if (!find_file(dir, parts[p], "labels-idx1", path, sizeof path))
            continue;
        enum nt_status status = read_idx(ctx, dir, parts[p], "labels-idx1", 1, &labels);
        if (status != NT_OK)
            return status;
        for (int64_t i = 0; i < labels.dim[0]; i++)
            *classes = labels.data[i] >= *classes ? labels.data[i] + 1 : *classes;
        free(labels.block);
    }
    return NT_OK;
}

static enum nt_status open_idx(
    struct nt_context *ctx, struct nt_dataset *dataset, enum nt_part part, const char *dir)
{
    const float half = 0.5f;
    int classes;
    if (!nt_file_is_folder(dir))
        return nt_fail(ctx, NT_ERR_FILE, "idx:%s: there is no such folder", dir);
    enum nt_status status = count_classes(ctx, dir, &classes);
    if (status == NT_OK)
        status = nt_dataset_normalise(ctx, dataset, 1, &half, &half);
    return status == NT_OK ? open_folder(ctx, dataset, part, dir, classes) : status;
}

/* Datasets known by name: where they may lie below a data folder, and who installs them. */
struct named {
    const char *folders[4];
    float mean, deviation;
    const char *advice;
    const char *class_names[10];
};

static const struct named fashion_mnist = {
    {"fashion-mnist", "FashionMNIST/raw", "fashion_mnist", "."},
    0.2860f,
    0.3530f,
    "install the Debian package dataset-fashion-mnist",
    {"T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
        "ankle boot"},
};

static const struct named mnist = {
    {"mnist", "MNIST/raw", "mnist-idx", "."},
    0.1307f,
    0.3081f,
    "MNIST is in no Debian package",
    {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
};

static bool find_below(const char *root, const struct named *named, char *dir, size_t size)
{
    char path[4096];
    for (int i = 0; i < 4; i++)
        if ((size_t)snprintf(dir, size, "%s/%s", root, named->folders[i]) < size &&
            (find_file(dir, "train", "images-idx3", path, sizeof path) ||
                find_file(dir, "t10k", "images-idx3", path, sizeof path)))
            return true;
    return false;
}

static enum nt_status open_named(struct nt_context *ctx, struct nt_dataset *dataset,
    enum nt_part part, const struct named *named)
{
    const char *given = dataset->params.data_dir, *own = getenv("NEUTRA_DATA_DIR");
    const char *roots[] = {own, "/usr/share/datasets", "/usr/local/share/datasets"};
    const char *name = dataset->kind->name;
    char dir[4000];
    bool found = false;
    if (given) {
        found = find_below(given, named, dir, sizeof dir);
    } else {
        for (size_t i = 0; i < sizeof roots / sizeof *roots && !found; i++)
            found = roots[i] && *roots[i] && find_below(roots[i], named, dir, sizeof dir);
    }
    if (!found && given)
        return nt_fail(ctx, NT_ERR_FILE,
            "%s: not found in %s: put the four files train-images-idx3-ubyte[.gz], "
            "train-labels-idx1-ubyte[.gz], t10k-images-idx3-ubyte[.gz] and "
            "t10k-labels-idx1-ubyte[.gz] there",
            name, given);
    if (!found)
        return nt_fail(ctx, NT_ERR_FILE,
            "%s: not found in /usr/share/datasets/%s%s%s: %s, or put the four files "
            "train-images-idx3-ubyte[.gz], train-labels-idx1-ubyte[.gz], "
            "t10k-images-idx3-ubyte[.gz] and t10k-labels-idx1-ubyte[.gz] into a folder and name "
            "it by --data-dir or NEUTRA_DATA_DIR",
            name, name, own ? " or " : "", own ? own : "", named->advice);
    enum nt_status status = nt_dataset_normalise(ctx, dataset, 1, &named->mean, &named->deviation);
    dataset->info.class_names = named->class_names;
    return status == NT_OK ? open_folder(ctx, dataset, part, dir, 10) : status;
}

static enum nt_status open_fashion_mnist(
    struct nt_context *ctx, struct nt_dataset *dataset, enum nt_part part, const char *argument)
{
    return open_named(ctx, dataset, part, &fashion_mnist);
}

static enum nt_status open_mnist(
    struct nt_context *ctx, struct nt_dataset *dataset, enum nt_part part, const char *argument)
{
    return open_named(ctx, dataset, part, &mnist);
}

const struct nt_dataset_kind nt_dataset_fashion_mnist = {.name = "fashion-mnist",
    .open = open_fashion_mnist,
    .augments = true,
    .item = nt_pixels_item,
    .close = nt_pixels_close};

const struct nt_dataset_kind nt_dataset_mnist = {.name = "mnist",
    .augments = true,
    .open = open_mnist,
    .item = nt_pixels_item,
    .close = nt_pixels_close};

const struct nt_dataset_kind nt_dataset_idx = {.name = "idx",
    .argument = "DIR",
    .open = open_idx,
    .augments = true,
    .item = nt_pixels_item,
    .close = nt_pixels_close};
