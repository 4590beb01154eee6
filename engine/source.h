/* SPDX-License-Identifier: MIT
 *
 * The kernel sources (cl/): those inside the library, and those of $NEUTRA_CL_DIR, which come
 * first when it is set. Private to engine/.
 */
#ifndef NT_ENGINE_SOURCE_H
#define NT_ENGINE_SOURCE_H

#include "engine/context.h"
#include "engine/text.h"

#include <stdbool.h>

struct nt_source_file {
    const char *name; /* "gemm.cl" */
    const char *text;
};

/* Ends with a null name. Generated from cl/ by cl/embed.py. */
extern const struct nt_source_file nt_embedded_sources[];

#define NT_MAX_INCLUDES 16

/* A file as read, its #include lines taken out (the lines stay, empty). */
struct nt_source {
    struct nt_source *next;
    char name[64];
    char *body;
    char *undefs; /* "#undef X\n" for every macro the file defines */
    int include_count;
    struct nt_source *include[NT_MAX_INCLUDES];
    bool open;     /* being read: an include of it is a circle */
    int mark;      /* of the last nt_source_includes that wrote it */
    uint64_t hash; /* of its text and that of its includes */
};

/* Finds a file in *list or reads it, with its includes, into *list. */
enum nt_status nt_source_get(
    struct nt_context *ctx, struct nt_source **list, const char *name, struct nt_source **out);
void nt_source_free(struct nt_source *list);

/* Appends the includes of a source that do not bear the mark yet, each after its own. */
void nt_source_includes(struct nt_text *text, struct nt_source *source, int mark);

/* Appends "#undef X\n" for every #define line of a text. */
void nt_source_undefs(struct nt_text *undefs, const char *text);

/* FNV-1a, continued from hash; start with NT_HASH_START. */
#define NT_HASH_START 14695981039346656037u
uint64_t nt_source_hash(uint64_t hash, const void *data, size_t bytes);

/* Of all sources that the library brings, each as it is read now. */
uint64_t nt_source_hash_all(void);

#endif
