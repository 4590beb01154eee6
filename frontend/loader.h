/* SPDX-License-Identifier: MIT
 *
 * Batches of a dataset, made ahead of time by worker threads in a fixed number of slots.
 *
 * The order of an epoch is a permutation given by (seed, epoch), an item's augmentation by
 * (seed, epoch, item): the batches do not depend on the number of threads, and a loader started
 * at (epoch, batch) goes on exactly as one that has run there.
 *
 * Data that continue (text) are not shuffled: each place of the batch runs through a stretch of its
 * own, so that place b of a batch goes on where place b of the batch before ended. What does not
 * fill a batch at the end is left out, in evaluation too.
 *
 * Unreadable pictures are reported by name once through nt_log (NT_LOG_WARNING) and counted. In
 * training another item, chosen by (seed, epoch, place), takes the place; in evaluation the place
 * stays empty: zeros and target -1. More than max_bad_share of the dataset's items is an error.
 *
 * Thread-safety: one consumer thread.
 */
#ifndef NT_FRONTEND_LOADER_H
#define NT_FRONTEND_LOADER_H

#include "frontend/dataset.h"

#ifdef __cplusplus
extern "C" {
#endif

struct nt_loader;

struct nt_loader_params {
    int64_t batch; /* items; 0: 64 */
    int workers;   /* threads; 0: the processors, 4 at most */
    int slots;     /* batches in memory; 0: 3. At least 2 */
    enum nt_layout layout;
    /* Training: shuffled, augmented, batches always full (an incomplete last batch is dropped).
     * Otherwise: in order, never augmented, the last batch padded with zeros and target -1. */
    bool training;
    bool ordered;         /* training without shuffling */
    uint64_t seed;        /* of order and augmentation */
    int64_t epochs;       /* how many epochs to give; 0: endless in training, else 1 */
    int64_t first_epoch;  /* where to start */
    int64_t first_batch;  /* of that epoch */
    double max_bad_share; /* 0: 0.05; at most 1 */
};

#define NT_NO_ITEM UINT32_MAX

struct nt_batch {
    const void *x;        /* batch x item, in params.layout: floats, or int32_t tokens */
    const void *y;        /* int32_t classes or float targets, by info.target_dtype */
    const uint32_t *item; /* which item each place holds; NT_NO_ITEM: none */
    int64_t count;        /* items that are there; 0: the epochs are over */
    int64_t epoch, index;
    bool last; /* of its epoch */
};

/* Borrows the dataset. params may be NULL. */
NT_API enum nt_status nt_loader_create(struct nt_context *ctx, const struct nt_dataset *dataset,
    const struct nt_loader_params *params, struct nt_loader **out);
/* At any time: waits for the items being made, no longer. */
NT_API void nt_loader_destroy(struct nt_loader *loader);

NT_API int64_t nt_loader_batches(const struct nt_loader *loader); /* per epoch */

/* Waits for the next batch, which is valid until it is released. Up to slots - 1 may be held,
 * they are released in order. */
NT_API enum nt_status nt_loader_next(struct nt_loader *loader, struct nt_batch *batch);
NT_API void nt_loader_release(struct nt_loader *loader);

NT_API int64_t nt_loader_bad(struct nt_loader *loader); /* unreadable items met so far */

#ifdef __cplusplus
}
#endif
#endif
