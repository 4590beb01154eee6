/* SPDX-License-Identifier: MIT
 *
 * Batches as trainings get them: JPEG files, made up and in a folder of their own, decoded, cropped
 * and flipped at random by the loader's threads.
 */
#ifndef NT_BENCH_LOADING_H
#define NT_BENCH_LOADING_H

#include "frontend/loader.h"
#include "frontend/session.h"

struct bench_loading;

/* item: C,H,W with H = W. Errors: NT_ERR_FILE where no folder can be made under /tmp. */
enum nt_status bench_loading_create(struct nt_context *ctx, const struct nt_shape *item,
    enum nt_layout layout, int batch, struct bench_loading **out);
void bench_loading_destroy(struct bench_loading *loading);

/* Takes the next batch, and gives it to the session's next run (NULL: to nobody). */
enum nt_status bench_loading_next(struct bench_loading *loading, struct nt_session *session);

/* Removes a folder and all in it. */
void bench_remove_folder(const char *path);

#endif
