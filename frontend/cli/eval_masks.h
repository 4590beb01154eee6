/* SPDX-License-Identifier: MIT
 *
 * A sheet of pictures that were segmented: each with its true mask and the model's.
 */
#ifndef NT_FRONTEND_CLI_EVAL_MASKS_H
#define NT_FRONTEND_CLI_EVAL_MASKS_H

#include "frontend/evaluate.h"

struct eval_masks;

/* NULL when memory is exhausted. */
struct eval_masks *eval_masks_create(struct nt_context *ctx, const struct nt_dataset *dataset);
void eval_masks_destroy(struct eval_masks *masks);
void eval_masks_add(struct eval_masks *masks, const struct nt_prediction *p);
enum nt_status eval_masks_write(struct eval_masks *masks, const char *path);

/* The class of the highest score of each place. */
void eval_masks_best(const struct nt_prediction *p, int64_t places, int32_t *best);

#endif
