/* SPDX-License-Identifier: MIT
 *
 * A model: a definition (.lua) or an ONNX file (.onnx) with its settings, from which graphs are
 * built for a batch size. Loading checks the file and builds the graph once with batch 1.
 */
#ifndef NT_FRONTEND_MODEL_H
#define NT_FRONTEND_MODEL_H

#include "engine/context.h"
#include "engine/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Thread-safety: one thread at a time. Lifetime: independent of devices. */
struct nt_model;
struct nt_graph;

/* settings: "name=value" strings; a name that the definition does not declare is an error with a
 * suggestion. Errors in a definition are NT_ERR_FORMAT (or NT_ERR_SHAPE) "file:line: what: rule".
 */
NT_API enum nt_status nt_model_load(struct nt_context *ctx, const char *path, int count,
    const char *const *settings, struct nt_model **out);

/* An array that an input will be given: it binds the extents that the file leaves open. Where the
 * file computes shapes from the input's numbers, these are taken as they are here, and later ones
 * are not asked for. */
struct nt_model_feed {
    const char *name;
    enum nt_dtype dtype;
    struct nt_shape shape;
    const void *data; /* row-major; NULL: the shape alone */
};

/* The same with arrays, which live as long as the model. */
NT_API enum nt_status nt_model_load_fed(struct nt_context *ctx, const char *path, int count,
    const char *const *settings, int feeds, const struct nt_model_feed *feed,
    struct nt_model **out);
NT_API void nt_model_destroy(struct nt_model *model);

NT_API const char *nt_model_name(const struct nt_model *model); /* "lenet" */
NT_API const char *nt_model_path(const struct nt_model *model);
NT_API struct nt_context *nt_model_context(struct nt_model *model);

/* A setting that the definition declares. */
struct nt_setting {
    const char *name, *doc;
    const char *value; /* in effect */
};
NT_API int nt_model_setting_count(const struct nt_model *model);
NT_API struct nt_setting nt_model_setting(const struct nt_model *model, int index);

/* Declared by the definition: its inputs without the batch dimension; a whole one has none. */
struct nt_model_input {
    const char *name;
    enum nt_dtype dtype;
    struct nt_shape item_shape;
    bool whole;
};
NT_API int nt_model_input_count(const struct nt_model *model);
NT_API struct nt_model_input nt_model_get_input(const struct nt_model *model, int index);

/* Builds the forward graph. *out is destroyed with nt_graph_destroy. */
enum nt_status nt_model_build(
    struct nt_model *model, int64_t batch, bool training, struct nt_graph **out);

#ifdef __cplusplus
}
#endif
#endif
