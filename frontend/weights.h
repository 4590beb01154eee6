/* SPDX-License-Identifier: MIT
 *
 * The weights of a model on a device: all parameters and state in one arena, shared by the
 * sessions of that model (training, evaluation, other batch sizes), with the optimizer's
 * state beside them. Names, shapes and element order are PyTorch's for the same network.
 */
#ifndef NT_FRONTEND_WEIGHTS_H
#define NT_FRONTEND_WEIGHTS_H

#include "engine/device.h"
#include "engine/tensor.h"
#include "frontend/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Thread-safety: one thread at a time, the same as the device's.
 * Lifetime: destroyed after its sessions and before the device. */
struct nt_weights;

/* One named tensor of the arena. */
struct nt_weight_info {
    const char *name; /* "conv1.weight" */
    struct nt_shape shape;
    enum nt_dtype dtype; /* float32; int32: constants of an imported model, never trained */
    size_t offset;       /* elements from the arena's start */
    bool trained;
};

/* Makes and initialises the weights of a model: the same seed gives the same weights on any
 * device. state_slots: optimizer arrays of the parameters' size (nt_optimizer_slots). */
NT_API enum nt_status nt_weights_create(struct nt_device *dev, struct nt_model *model,
    uint64_t seed, int state_slots, struct nt_weights **out);
NT_API void nt_weights_destroy(struct nt_weights *weights);

/* In the model's order; the pointers live as long as the weights. */
NT_API int nt_weights_count(const struct nt_weights *weights);
NT_API const struct nt_weight_info *nt_weights_get(const struct nt_weights *weights, int index);
NT_API int nt_weights_find(const struct nt_weights *weights, const char *name); /* -1: none */
/* Numbers of all parameters, states left out. */
NT_API size_t nt_weights_trained_elements(const struct nt_weights *weights);

/* Blocking copies of one tensor in row-major order: float32, or the bits of its int32. */
NT_API enum nt_status nt_weights_read(struct nt_weights *weights, int index, float *data);
NT_API enum nt_status nt_weights_write(struct nt_weights *weights, int index, const float *data);
/* The same for an optimizer state slot of a trained tensor. */
NT_API enum nt_status nt_weights_read_state(
    struct nt_weights *weights, int index, int slot, float *data);
NT_API enum nt_status nt_weights_write_state(
    struct nt_weights *weights, int index, int slot, const float *data);
NT_API int nt_weights_state_slots(const struct nt_weights *weights);

/* The arenas themselves, for sessions. slot -1: the weights. */
struct nt_memory *nt_weights_memory(struct nt_weights *weights, int slot);

/* Loads by name from a safetensors file. Every trained and state tensor of the model must be
 * there with its shape (NT_ERR_FORMAT names the first missing and the nearest name in the file, or
 * both shapes); other tensors of the file are passed over. Nothing is changed on failure. */
NT_API enum nt_status nt_weights_load(struct nt_weights *weights, const char *path);
NT_API enum nt_status nt_weights_save(struct nt_weights *weights, const char *path);

#ifdef __cplusplus
}
#endif
#endif
