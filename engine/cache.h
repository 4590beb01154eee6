/* SPDX-License-Identifier: MIT
 *
 * Program binaries on disk, in the folder "programs" of the context's cache folder. Every unit
 * has an entry UNIT-KEY.unit that names the file PROGRAM-KEY.program which holds it; keys cover
 * the source, the options, device, driver and platform. Whatever does not fit means that the
 * program is built from source and saved again; nothing here is an error.
 *
 * Some drivers compile kernels when they are first used, and compile them again when they are
 * asked for the binary, so binaries are taken on a thread of their own after the first run.
 * Private to engine/.
 */
#ifndef NT_ENGINE_CACHE_H
#define NT_ENGINE_CACHE_H

#include "engine/program.h"

enum nt_status nt_cache_create(struct nt_device *dev, struct nt_cache **out);

/* Waits for the thread. */
void nt_cache_destroy(struct nt_cache *cache);

/* Gives a program from disk (and cached = true) to each unit that has one there. */
void nt_cache_load(struct nt_cache *cache, int count, struct nt_unit *const *units);

/* Will save a program that was built from source and holds these units. */
void nt_cache_save_later(
    struct nt_cache *cache, cl_program program, int count, struct nt_unit *const *units);

/* Whether the driver compiles a kernel when it is first launched and keeps it on disk. */
bool nt_cache_driver_keeps(const struct nt_device *dev);

/* Marks on disk for what such a driver should have compiled and kept: an empty file each. */
bool nt_cache_can_mark(struct nt_cache *cache);
bool nt_cache_is_marked(struct nt_cache *cache, const void *data, size_t bytes);
void nt_cache_mark(struct nt_cache *cache, const void *data, size_t bytes);

/* A tape has been enqueued: starts saving once it has finished. */
void nt_cache_after_run(struct nt_cache *cache);

#endif
