/* SPDX-License-Identifier: MIT
 *
 * Safetensors files (github.com/huggingface/safetensors): named tensors behind a JSON header, and
 * strings under "__metadata__". Tensors are read from the file one by one, when asked for.
 */
#ifndef NT_FRONTEND_SAFETENSORS_H
#define NT_FRONTEND_SAFETENSORS_H

#include "engine/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Thread-safety: read-only after open: any number of threads. */
struct nt_safetensors;

struct nt_safetensors_entry {
    const char *name;
    /* As nt_safetensors_read gives it: F16 and BF16 become float32, I8, I16 and U16 int32,
     * U32 int64. */
    enum nt_dtype dtype;
    struct nt_shape shape;
};

struct nt_safetensors_text {
    const char *key, *value;
};

/* Checks the whole header: everything it says fits the file. */
NT_API enum nt_status nt_safetensors_open(
    struct nt_context *ctx, const char *path, struct nt_safetensors **out);
NT_API void nt_safetensors_close(struct nt_safetensors *file);

/* Entries in the order of their data. find gives -1 when there is none of that name. */
NT_API int nt_safetensors_count(const struct nt_safetensors *file);
NT_API const struct nt_safetensors_entry *nt_safetensors_get(
    const struct nt_safetensors *file, int index);
NT_API int nt_safetensors_find(const struct nt_safetensors *file, const char *name);

/* data has room for nt_shape_count(shape) elements of the entry's dtype. */
NT_API enum nt_status nt_safetensors_read(const struct nt_safetensors *file, int index, void *data);

/* A string of the metadata, NULL when there is none of that key. */
NT_API const char *nt_safetensors_metadata(const struct nt_safetensors *file, const char *key);

/* Writing: the entries are announced, then put in any order, each once, then committed. Until
 * commit a former file of that name is untouched. */
struct nt_safetensors_writer;

NT_API enum nt_status nt_safetensors_create(struct nt_context *ctx, const char *path,
    const struct nt_safetensors_entry *entries, int count,
    const struct nt_safetensors_text *metadata, int metadata_count,
    struct nt_safetensors_writer **out);
NT_API enum nt_status nt_safetensors_put(
    struct nt_safetensors_writer *writer, int index, const void *data);
/* Takes the writer, also when it fails. */
NT_API enum nt_status nt_safetensors_commit(struct nt_safetensors_writer *writer);
/* Gives up; takes the writer; NULL is accepted. */
NT_API void nt_safetensors_discard(struct nt_safetensors_writer *writer);

#ifdef __cplusplus
}
#endif
#endif
