/* SPDX-License-Identifier: MIT */
#include "engine/source.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t nt_source_hash(uint64_t hash, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ p[i]) * 1099511628211u;
    return hash;
}

static bool read_folder(const char *name, struct nt_text *text)
{
    const char *dir = getenv("NEUTRA_CL_DIR");
    char path[1024], block[4096];
    size_t n;
    if (!dir || !*dir || strchr(name, '/'))
        return false;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    while ((n = fread(block, 1, sizeof block, file)) > 0)
        nt_text_bytes(text, block, n);
    bool ok = !ferror(file);
    fclose(file);
    return ok;
}

static bool read_text(const char *name, struct nt_text *text)
{
    if (read_folder(name, text))
        return true;
    for (const struct nt_source_file *f = nt_embedded_sources; f->name; f++)
        if (strcmp(f->name, name) == 0) {
            text->length = 0;
            nt_text_string(text, f->text);
            return true;
        }
    return false;
}

uint64_t nt_source_hash_all(void)
{
    uint64_t hash = NT_HASH_START;
    for (const struct nt_source_file *file = nt_embedded_sources; file->name; file++) {
        struct nt_text text = {0};
        read_text(file->name, &text);
        hash = nt_source_hash(hash, text.data, text.length);
        free(text.data);
    }
    return hash;
}

/* The text after "#", spaces and the directive's word; NULL for any other line. */
static const char *directive(const char *line, const char *word)
{
    line += strspn(line, " \t");
    if (*line++ != '#')
        return NULL;
    line += strspn(line, " \t");
    size_t n = strlen(word);
    if (strncmp(line, word, n) != 0 || !isspace((unsigned char)line[n]))
        return NULL;
    return line + n + strspn(line + n, " \t");
}

void nt_source_undefs(struct nt_text *undefs, const char *text)
{
    for (const char *line = text; line && *line;) {
        const char *name = directive(line, "define");
        if (name) {
            size_t n = 0;
            while (isalnum((unsigned char)name[n]) || name[n] == '_')
                n++;
            nt_text_format(undefs, "#undef %.*s\n", (int)n, name);
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
}

static enum nt_status add_include(
    struct nt_context *ctx, struct nt_source **list, struct nt_source *source, const char *quoted)
{
    char name[64];
    if (sscanf(quoted, "\"%63[^\"\n]\"", name) != 1)
        return nt_fail(ctx, NT_ERR_COMPILE, "%s: an include must be \"name.clh\"", source->name);
    if (source->include_count == NT_MAX_INCLUDES)
        return nt_fail(
            ctx, NT_ERR_COMPILE, "%s: more than %d includes", source->name, NT_MAX_INCLUDES);
    struct nt_source *include;
    enum nt_status status = nt_source_get(ctx, list, name, &include);
    if (status != NT_OK)
        return nt_fail_prefix(ctx, status, "%s", source->name);
    source->include[source->include_count++] = include;
    source->hash = nt_source_hash(source->hash, &include->hash, sizeof include->hash);
    return NT_OK;
}

static enum nt_status parse(
    struct nt_context *ctx, struct nt_source **list, struct nt_source *source, const char *text)
{
    struct nt_text body = {0}, undefs = {0};
    enum nt_status status = NT_OK;
    source->hash = nt_source_hash(NT_HASH_START, text, strlen(text));
    for (const char *line = text; status == NT_OK && *line;) {
        const char *end = strchr(line, '\n');
        size_t length = end ? (size_t)(end - line) + 1 : strlen(line);
        const char *quoted = directive(line, "include");
        if (quoted)
            status = add_include(ctx, list, source, quoted);
        nt_text_bytes(&body, quoted ? "\n" : line, quoted ? 1 : length);
        line += length;
    }
    nt_text_string(&body, "\n");
    nt_source_undefs(&undefs, text);
    nt_text_string(&undefs, "\n");
    source->body = body.data;
    source->undefs = undefs.data;
    if (status == NT_OK && (body.failed || undefs.failed))
        status = nt_fail(ctx, NT_ERR_MEMORY, "%s: out of memory", source->name);
    return status;
}

enum nt_status nt_source_get(
    struct nt_context *ctx, struct nt_source **list, const char *name, struct nt_source **out)
{
    for (struct nt_source *s = *list; s; s = s->next)
        if (strcmp(s->name, name) == 0) {
            if (s->open)
                return nt_fail(ctx, NT_ERR_COMPILE, "kernel source %s: includes itself", name);
            *out = s;
            return NT_OK;
        }
    struct nt_source *source = calloc(1, sizeof *source);
    struct nt_text text = {0};
    if (!source || strlen(name) >= sizeof source->name || !read_text(name, &text) || text.failed) {
        bool memory = !source || text.failed;
        free(source);
        free(text.data);
        return memory ? nt_fail(ctx, NT_ERR_MEMORY, "kernel source %s: out of memory", name)
                      : nt_fail(ctx, NT_ERR_COMPILE, "kernel source \"%s\": there is none", name);
    }
    memcpy(source->name, name, strlen(name) + 1);
    source->next = *list;
    *list = source;
    source->open = true;
    enum nt_status status = parse(ctx, list, source, text.data ? text.data : "");
    free(text.data);
    if (status != NT_OK)
        return status; /* it stays in the list, open: the list's owner frees it */
    source->open = false;
    *out = source;
    return NT_OK;
}

void nt_source_free(struct nt_source *list)
{
    while (list) {
        struct nt_source *next = list->next;
        free(list->body);
        free(list->undefs);
        free(list);
        list = next;
    }
}

void nt_source_includes(struct nt_text *text, struct nt_source *source, int mark)
{
    for (int i = 0; i < source->include_count; i++) {
        struct nt_source *include = source->include[i];
        if (include->mark == mark)
            continue;
        include->mark = mark;
        nt_source_includes(text, include, mark);
        nt_text_format(text, "#line 1 \"%s\"\n%s", include->name, include->body);
    }
}
