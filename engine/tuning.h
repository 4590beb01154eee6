/* SPDX-License-Identifier: MIT
 *
 * Which variants of products and convolutions are the fastest on a device, measured instead of
 * guessed. What was measured lies in the folder "tuning" of the cache folder, a text file for each
 * device, driver and set of kernel sources, and is used by whatever opens that device from then on:
 *
 *   neutra-tuning 1
 *   device NAME / driver / hash of the kernel sources
 *   winograd 14.6 17.3 conv_forward 16,64,56,56/... : variant, its ms, the usual one's, the problem
 *
 *   nt_tuning_record(dev, true);   build sessions or tapes;   nt_tuning_record(dev, false);
 *   for each of nt_tuning_count:   nt_tuning_measure
 *   nt_tuning_save
 *
 * Thread-safety: one thread at a time, the same as the device's.
 */
#ifndef NT_ENGINE_TUNING_H
#define NT_ENGINE_TUNING_H

#include "engine/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One product or convolution, measured. */
struct nt_tuned {
    const char *problem; /* primitive, operands and geometry; valid until the device closes */
    const char *usual;   /* the variant without tuning */
    const char *fastest; /* the usual one unless another takes 5 % less */
    double usual_ms, fastest_ms;
    int tried; /* variants that ran */
    int wrong; /* of these, results unlike the usual one's: never taken */
};

/* Begins or ends noting the products and convolutions that tapes get, each kind once. Beginning
 * forgets what was noted. */
NT_API void nt_tuning_record(struct nt_device *dev, bool on);

/* How many were noted. */
NT_API int nt_tuning_count(const struct nt_device *dev);

/* Runs every variant that can do noted problem `index` on random numbers: its result must be that
 * of the usual variant to 1e-4 of the largest element. The two are timed in turn, `seconds` each:
 * the median of at least 5 series of runs. The fastest is used from now on. */
NT_API enum nt_status nt_tuning_measure(
    struct nt_device *dev, int index, double seconds, struct nt_tuned *out);

/* Writes all that the device uses, for later openings. Without a cache folder it is
 * NT_ERR_FILE. */
NT_API enum nt_status nt_tuning_save(struct nt_device *dev);
/* Where, "" without a cache folder. */
NT_API const char *nt_tuning_path(struct nt_device *dev);

/* Writes the same to a file of the caller's, and takes up such a file: problems known already are
 * replaced. A file of another device, driver or version of the kernels, or with a broken line, is
 * NT_ERR_FORMAT and nothing of it is taken. *count: problems taken; may be NULL. */
NT_API enum nt_status nt_tuning_export(struct nt_device *dev, const char *path);
NT_API enum nt_status nt_tuning_import(struct nt_device *dev, const char *path, int *count);

#ifdef __cplusplus
}
#endif
#endif
