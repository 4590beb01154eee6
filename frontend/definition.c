/* SPDX-License-Identifier: MIT */
#include "frontend/definition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/file.h"
#include "frontend/op.h"

static enum nt_status out_of_memory(struct nt_context *ctx, const char *path)
{
    return nt_fail(ctx, NT_ERR_MEMORY, "%s: host memory is exhausted", path);
}

static enum nt_status split_setting(struct nt_definition *definition, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return nt_fail(definition->ctx, NT_ERR_ARGUMENT, "setting '%s': must be NAME=VALUE", text);
    struct nt_given *given = &definition->given[definition->given_count];
    given->name = strndup(text, (size_t)(equals - text));
    given->value = strdup(equals + 1);
    definition->given_count++;
    if (!given->name || !given->value)
        return out_of_memory(definition->ctx, definition->path);
    for (int i = 0; i < definition->given_count - 1; i++)
        if (strcmp(definition->given[i].name, given->name) == 0)
            return nt_fail(
                definition->ctx, NT_ERR_ARGUMENT, "setting '%s': is given twice", given->name);
    return NT_OK;
}

enum nt_status nt_definition_open(struct nt_context *ctx, const char *path, size_t limit, int count,
    const char *const *settings, struct nt_definition **out)
{
    struct nt_definition *definition = calloc(1, sizeof *definition);
    if (!definition)
        return out_of_memory(ctx, path);
    definition->ctx = ctx;
    definition->path = strdup(path);
    definition->given = calloc((size_t)count + 1, sizeof *definition->given);
    enum nt_status status = NT_OK;
    if (!definition->path || !definition->given)
        status = out_of_memory(ctx, path);
    for (int i = 0; status == NT_OK && i < count; i++)
        status = split_setting(definition, settings[i]);
    if (status == NT_OK)
        status = nt_file_read(ctx, path, limit, (uint8_t **)&definition->text, &definition->length);
    if (status != NT_OK) {
        nt_definition_close(definition);
        return status;
    }
    *out = definition;
    return NT_OK;
}

void nt_definition_close(struct nt_definition *definition)
{
    if (!definition)
        return;
    for (int i = 0; i < definition->given_count; i++) {
        free(definition->given[i].name);
        free(definition->given[i].value);
    }
    for (int i = 0; i < definition->setting_count; i++) {
        free((char *)definition->setting[i].name);
        free((char *)definition->setting[i].doc);
        free((char *)definition->setting[i].value);
    }
    if (definition->release)
        definition->release(definition->parsed);
    free(definition->given);
    free(definition->setting);
    free(definition->text);
    free(definition->path);
    free(definition);
}

const char *nt_definition_given(struct nt_definition *definition, const char *name)
{
    for (int i = 0; i < definition->given_count; i++) {
        if (strcmp(definition->given[i].name, name) == 0) {
            definition->given[i].declared = true;
            return definition->given[i].value;
        }
    }
    return NULL;
}

enum nt_status nt_definition_declare(
    struct nt_definition *definition, const char *name, const char *doc, const char *value)
{
    int count = definition->setting_count;
    for (int i = 0; i < count; i++)
        if (strcmp(definition->setting[i].name, name) == 0)
            return NT_OK;
    struct nt_setting *moved =
        realloc(definition->setting, ((size_t)count + 1) * sizeof *definition->setting);
    if (!moved)
        return out_of_memory(definition->ctx, definition->path);
    definition->setting = moved;
    struct nt_setting *setting = &moved[definition->setting_count++];
    *setting = (struct nt_setting){strdup(name), strdup(doc), strdup(value)};
    if (!setting->name || !setting->doc || !setting->value)
        return out_of_memory(definition->ctx, definition->path);
    return NT_OK;
}

enum nt_status nt_definition_check(struct nt_definition *definition)
{
    const struct nt_given *unknown = NULL;
    for (int i = 0; !unknown && i < definition->given_count; i++)
        if (!definition->given[i].declared)
            unknown = &definition->given[i];
    if (!unknown)
        return NT_OK;
    int count = definition->setting_count;
    if (count == 0)
        return nt_fail(definition->ctx, NT_ERR_ARGUMENT,
            "%s: unknown setting '%s': the definition has none", definition->path, unknown->name);
    const char **names = malloc((size_t)count * sizeof *names);
    if (!names)
        return out_of_memory(definition->ctx, definition->path);
    char list[512] = "";
    for (int i = 0; i < count; i++) {
        size_t used = strlen(list);
        names[i] = definition->setting[i].name;
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    }
    const char *near = nt_near_miss(unknown->name, count, names);
    free(names);
    if (near)
        return nt_fail(definition->ctx, NT_ERR_ARGUMENT,
            "%s: unknown setting '%s', did you mean '%s'?", definition->path, unknown->name, near);
    return nt_fail(definition->ctx, NT_ERR_ARGUMENT, "%s: unknown setting '%s': must be one of %s",
        definition->path, unknown->name, list);
}
