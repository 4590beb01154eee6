/* SPDX-License-Identifier: MIT
 *
 * What a kind of dataset is: one descriptor in one file of this folder, listed in
 * frontend/dataset.c. The smallest is cifar10.c.
 */
#ifndef NT_FRONTEND_DATASET_KIND_H
#define NT_FRONTEND_DATASET_KIND_H

#include "frontend/dataset.h"

/* Which of its parts a kind loads. */
enum nt_part { NT_PART_TRAIN, NT_PART_VALIDATION, NT_PART_TEST };

struct nt_dataset_kind {
    const char *name;
    const char *argument; /* what follows "name:" in a spec; NULL: nothing does */
    struct nt_dataset_parts (*parts)(const char *argument); /* NULL: a test part always */
    bool sized;    /* params choose the pictures' size and channels */
    bool augments; /* its items may be cropped or flipped */
    /* Whether open divides the training part by params itself, instead of by random choice. */
    bool divides;
    /* Loads a part; sets info (item, count, classes, class_names, target) and state; mean and
     * deviation by nt_dataset_normalise. close is called after a failure, too. */
    enum nt_status (*open)(struct nt_context *ctx, struct nt_dataset *dataset, enum nt_part part,
        const char *argument);
    enum nt_status (*item)(struct nt_context *ctx, const struct nt_dataset *dataset, int64_t index,
        struct nt_random *random, enum nt_layout layout, void *x, void *y);
    /* Called when dataset->chosen is settled: may replace it, and info.count. May be NULL. */
    enum nt_status (*settle)(struct nt_context *ctx, struct nt_dataset *dataset);
    const char *(*item_name)(const struct nt_dataset *dataset, int64_t index); /* may be NULL */
    void (*close)(struct nt_dataset *dataset);
};

struct nt_dataset {
    const struct nt_dataset_kind *kind;
    struct nt_dataset_params params; /* its pointers are valid during open only */
    struct nt_dataset_info info;
    uint32_t *chosen; /* the kind's numbers of this split's items; NULL: all */
    void *state;
};

extern const struct nt_dataset_kind nt_dataset_fashion_mnist;
extern const struct nt_dataset_kind nt_dataset_mnist;
extern const struct nt_dataset_kind nt_dataset_idx;
extern const struct nt_dataset_kind nt_dataset_boxes;
extern const struct nt_dataset_kind nt_dataset_captions;
extern const struct nt_dataset_kind nt_dataset_cifar10;
extern const struct nt_dataset_kind nt_dataset_csv;
extern const struct nt_dataset_kind nt_dataset_images;
extern const struct nt_dataset_kind nt_dataset_npy;
extern const struct nt_dataset_kind nt_dataset_segmentation;
extern const struct nt_dataset_kind nt_dataset_text;
extern const struct nt_dataset_kind nt_dataset_series;
extern const struct nt_dataset_kind nt_dataset_toy;

/* Sets info.mean and info.deviation from params, or from the given defaults of each channel. */
enum nt_status nt_dataset_normalise(struct nt_context *ctx, struct nt_dataset *dataset,
    int channels, const float *mean, const float *deviation);

/* For the descriptors of kinds without any. */
struct nt_dataset_parts nt_dataset_no_parts(const char *argument);

/* For kinds that divide a row of `length` places themselves: [first, end) belongs to the split. */
void nt_dataset_divide(
    const struct nt_dataset *dataset, int64_t length, int64_t *first, int64_t *end);

/* Names of a folder's entries in order, without hidden ones; each one and the list are the
 * caller's: nt_dataset_free_list. accept NULL: all. */
enum nt_status nt_dataset_list(struct nt_context *ctx, const char *dir,
    bool (*accept)(const char *dir, const char *name), char ***names, size_t *count);
void nt_dataset_free_list(char **names, size_t count);

#endif
