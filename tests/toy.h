/* SPDX-License-Identifier: MIT
 *
 * A small problem that a small network learns in a second: pictures of 1x8x8 noise, brighter in a
 * place that depends on the class.
 */
#ifndef NT_TESTS_TOY_H
#define NT_TESTS_TOY_H

#include "frontend/dataset.h"
#include "frontend/model.h"
#include "frontend/trainer.h"
#include "frontend/weights.h"

#define TOY_CLASSES 4
#define TOY_SIDE 8

/* Writes NAME-x.npy and NAME-y.npy and returns their spec "npy:...". */
const char *toy_data(const char *name, int count);

/* Writes NAME.lua, a convolutional network for them, and returns its path. */
const char *toy_definition(const char *name);

/* Both opened; the test closes them. */
struct nt_model *toy_model(const char *name);
struct nt_dataset *toy_dataset(const char *spec);

/* All weights and optimizer state, as one array; the caller frees it. */
float *toy_snapshot(struct nt_weights *weights, size_t *count);

/* Trains to the end; result may be NULL. Returns the snapshot. */
float *toy_train(struct nt_model *model, struct nt_dataset *data,
    const struct nt_trainer_params *params, struct nt_training *result, size_t *count);

/* Fails unless two of them are the same, or not. */
void toy_same_bits(const float *a, const float *b, size_t count, bool same);

#endif
