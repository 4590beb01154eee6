/* SPDX-License-Identifier: MIT
 *
 * A model file in memory with the settings given for it and those it declares: what every
 * reader of model files (frontend/model.c lists them) works on. Used inside frontend/ alone.
 */
#ifndef NT_FRONTEND_DEFINITION_H
#define NT_FRONTEND_DEFINITION_H

#include "frontend/graph.h"
#include "frontend/model.h"

struct nt_definition {
    struct nt_context *ctx;
    char *path; /* as the user gave it */
    char *text; /* the file's bytes and a NUL */
    size_t length;
    int given_count; /* "name=value", split */
    struct nt_given {
        char *name, *value;
        bool declared;
    } * given;
    int feeds; /* arrays that inputs will be given; borrowed */
    const struct nt_model_feed *feed;
    void *parsed; /* what a reader keeps from one build to the next */
    void (*release)(void *parsed);
    int setting_count;
    struct nt_setting *setting; /* strings are the definition's */
};

/* Reads a file of at most limit bytes and splits the settings. */
enum nt_status nt_definition_open(struct nt_context *ctx, const char *path, size_t limit, int count,
    const char *const *settings, struct nt_definition **out);
void nt_definition_close(struct nt_definition *definition);

/* What the user gave for a setting, NULL when nothing; marks it as known. */
const char *nt_definition_given(struct nt_definition *definition, const char *name);
/* Records a declared setting; the second time (another build) it is there already. */
enum nt_status nt_definition_declare(
    struct nt_definition *definition, const char *name, const char *doc, const char *value);
/* Fails when a given setting was not declared. */
enum nt_status nt_definition_check(struct nt_definition *definition);

#endif
