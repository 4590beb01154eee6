/* SPDX-License-Identifier: MIT */
#include "engine/variant.h"
#include "engine/primitives.h"
#include "engine/text.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    const char *const *variants;
} primitives[] = {
#define NT_PRIMITIVE(name) {#name, nt_##name##_variants},
#include "engine/variant.inc"
#undef NT_PRIMITIVE
    {NULL, NULL},
};

static const char *const *variants_of(const char *primitive)
{
    for (int i = 0; primitives[i].name; i++)
        if (strcmp(primitives[i].name, primitive) == 0)
            return primitives[i].variants;
    return NULL;
}

int nt_variants(struct nt_device *dev, const char *primitive, int size, const char **names)
{
    const char *const *variants = variants_of(primitive);
    int n = 0;
    for (; variants && n < size && variants[n]; n++)
        names[n] = variants[n];
    return n;
}

static const char *find(const char *const *names, const char *name)
{
    for (; name && *names; names++)
        if (strcmp(*names, name) == 0)
            return *names;
    return NULL;
}

static enum nt_status unknown_variant(
    struct nt_context *ctx, const char *primitive, const char *const *names, const char *forced)
{
    struct nt_text list = {0};
    for (int i = 0; names[i]; i++)
        nt_text_format(&list, "%s%s", i ? ", " : "", names[i]);
    enum nt_status status = nt_fail(ctx, NT_ERR_ARGUMENT, "%s: variant \"%s\": must be one of %s",
        primitive, forced, list.data ? list.data : "none");
    free(list.data);
    return status;
}

enum nt_status nt_variant_check(struct nt_context *ctx, const char *primitive)
{
    if (variants_of(primitive))
        return NT_OK;
    struct nt_text list = {0};
    for (int i = 0; primitives[i].name; i++)
        nt_text_format(&list, "%s%s", i ? ", " : "", primitives[i].name);
    enum nt_status status = nt_fail(ctx, NT_ERR_ARGUMENT,
        "variants: primitive \"%s\": must be one of %s", primitive, list.data ? list.data : "none");
    free(list.data);
    return status;
}

bool nt_prefers_tiles(const struct nt_device *dev)
{
    const struct nt_device_info *info = nt_device_get_info(dev);
    return info->type == NT_DEVICE_CPU && !info->short_loops;
}

enum nt_status nt_choose(struct nt_tape *tape, const char *primitive, const char *const *names,
    const char *preferred, const char **chosen, const char **reason)
{
    struct nt_device *dev = nt_tape_device(tape);
    bool tiles = nt_prefers_tiles(dev);
    const char *forced = nt_tape_forced(tape, primitive);
    const char *name = find(names, forced);
    if (forced && !name)
        return unknown_variant(nt_device_context(dev), primitive, names, forced);
    if (name)
        *reason = "forced";
    else if ((name = find(names, preferred)))
        *reason = "preferred for these operands";
    else if ((name = find(names, tiles ? "tile" : "group")))
        *reason = tiles                                  ? "CPU device"
                  : nt_device_get_info(dev)->short_loops ? "the driver ends long loops"
                                                         : "GPU device";
    else {
        name = names[0];
        *reason = "the only variant";
    }
    *chosen = name;
    return NT_OK;
}

enum nt_status nt_choose_instead(struct nt_tape *tape, const char *primitive, const char *fallback,
    const char *rule, const char **chosen, const char **reason)
{
    const char *forced = nt_tape_forced(tape, primitive);
    if (forced)
        return nt_fail(nt_device_context(nt_tape_device(tape)), NT_ERR_UNSUPPORTED,
            "%s: forced variant \"%s\": %s", primitive, forced, rule);
    *chosen = fallback;
    *reason = rule;
    return NT_OK;
}
