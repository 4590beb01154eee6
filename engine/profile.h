/* SPDX-License-Identifier: MIT
 *
 * Where the time goes: the device's own clock around every kernel. Off unless the device is
 * opened with NEUTRA_PROFILE=1 in the environment or nt_profile_enable is called; while off,
 * no event is made. Collecting times waits for kernels now and then, so a profiled run is a
 * little slower.
 *
 * Thread-safety: one thread at a time, the same as the device's.
 */
#ifndef NT_ENGINE_PROFILE_H
#define NT_ENGINE_PROFILE_H

#include "engine/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Tapes built from now on are profiled. Waits for the device. */
NT_API enum nt_status nt_profile_enable(struct nt_device *dev);
NT_API bool nt_profile_enabled(const struct nt_device *dev);

struct nt_profile_row {
    const char *kernel, *variant;
    const char *label; /* what it belongs to; "" when rows are not by label */
    int64_t calls;
    double seconds;          /* on the device, all calls together */
    double flops, bytes;     /* work of all calls, 0 where a kernel does not tell */
    double share;            /* of the seconds of all rows, 0 to 1 */
    double flops_per_second; /* 0 where unknown */
    double bytes_per_second;
};

/* Waits for the device, then gives the rows, the longest time first. *rows is freed with
 * free(); its strings live until the device is closed. Without profiling: no rows. */
NT_API enum nt_status nt_profile_rows(
    struct nt_device *dev, bool by_label, struct nt_profile_row **rows, int *count);

/* Forgets the times so far, e.g. those of a warm-up. */
NT_API enum nt_status nt_profile_reset(struct nt_device *dev);

/* Writes every call as a Chrome trace (chrome://tracing, Perfetto). The first million calls
 * are kept. Errors: NT_ERR_ARGUMENT without profiling, NT_ERR_FILE. */
NT_API enum nt_status nt_profile_trace(struct nt_device *dev, const char *path);

#ifdef __cplusplus
}
#endif
#endif
