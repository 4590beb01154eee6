/* SPDX-License-Identifier: MIT
 *
 * A checkpoint is one safetensors file: the weights under their plain names (any safetensors reader
 * loads them into the same network), the optimizer's state beside them as
 * "optimizer.<slot>.<weight>" with PyTorch's words for the slots, and texts under __metadata__:
 *   neutra.state  JSON of the training: model, settings, step, epoch, ... (frontend/trainer.h)
 *   neutra.data   JSON of the data's classes and normalisation (frontend/checkpoint.h)
 * The file is replaced in one step: a kill at any moment leaves the former one.
 */
#ifndef NT_FRONTEND_CHECKPOINT_H
#define NT_FRONTEND_CHECKPOINT_H

#include "frontend/safetensors.h"
#include "frontend/session.h"

#define NT_CHECKPOINT_STATE "neutra.state"
#define NT_CHECKPOINT_DATA "neutra.data"

enum nt_status nt_checkpoint_save(struct nt_context *ctx, struct nt_weights *weights,
    enum nt_optimizer optimizer, const char *path, const struct nt_safetensors_text *metadata,
    int metadata_count);

/* Loads weights and optimizer state; every tensor is looked for before any is changed. */
enum nt_status nt_checkpoint_load(struct nt_context *ctx, struct nt_weights *weights,
    enum nt_optimizer optimizer, const char *path);

/* Reads one text of the metadata; *text is the caller's (free), NULL when the file has none. */
enum nt_status nt_checkpoint_text(
    struct nt_context *ctx, const char *path, const char *key, char **text);

#endif
