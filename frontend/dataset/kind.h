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
    /* Loads a part; sets info (item, count, classes, class_names, target), state and
     * has_parts; mean and deviation by nt_dataset_normalise. close is called after a failure,
     * too. */
    enum nt_status (*open)(struct nt_context *ctx, struct nt_dataset *dataset, enum nt_part part,
        const char *argument);
    enum nt_status (*item)(struct nt_context *ctx, const struct nt_dataset *dataset, int64_t index,
        struct nt_random *random, enum nt_layout layout, float *x, void *y);
    const char *(*item_name)(const struct nt_dataset *dataset, int64_t index); /* may be NULL */
    void (*close)(struct nt_dataset *dataset);
};

struct nt_dataset {
    const struct nt_dataset_kind *kind;
    struct nt_dataset_params params; /* data_dir is valid during open only */
    struct nt_dataset_info info;
    bool has_parts;
    uint32_t *chosen; /* the kind's numbers of this split's items; NULL: all */
    void *state;
};

extern const struct nt_dataset_kind nt_dataset_fashion_mnist;
extern const struct nt_dataset_kind nt_dataset_mnist;
extern const struct nt_dataset_kind nt_dataset_idx;
extern const struct nt_dataset_kind nt_dataset_cifar10;
extern const struct nt_dataset_kind nt_dataset_images;
extern const struct nt_dataset_kind nt_dataset_npy;

/* Sets info.mean and info.deviation from params, or from the given defaults of each channel. */
enum nt_status nt_dataset_normalise(struct nt_context *ctx, struct nt_dataset *dataset,
    int channels, const float *mean, const float *deviation);

/* Refuses params that only images: understands. */
enum nt_status nt_dataset_refuse_size(struct nt_context *ctx, const struct nt_dataset *dataset);

/* Names of a folder's entries in order, without hidden ones; each one and the list are the
 * caller's: nt_dataset_free_list. accept NULL: all. */
enum nt_status nt_dataset_list(struct nt_context *ctx, const char *dir,
    bool (*accept)(const char *dir, const char *name), char ***names, size_t *count);
void nt_dataset_free_list(char **names, size_t count);

#endif
