/* SPDX-License-Identifier: MIT */
#include "frontend/annotation.h"

#include <expat.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/file.h"

#define MAX_BYTES ((size_t)16 << 20)
#define MAX_OBJECTS 65536
#define MAX_DEPTH 16
#define MAX_EXTENT 1e6
#define MAX_TEXT 256 /* of which MAX_TEXT - 1 bytes may be a part */

/* What the parser's callbacks share. */
struct reading {
    struct nt_annotation *annotation;
    int room, depth;
    char element[MAX_DEPTH][32]; /* the names of the elements around */
    char text[MAX_TEXT];
    size_t length;
    enum { SOUND, TOO_MANY, NO_MEMORY } trouble;
    XML_Parser parser;
};

static void give_up(struct reading *r, int trouble)
{
    r->trouble = trouble;
    XML_StopParser(r->parser, XML_FALSE);
}

static void add_object(struct reading *r)
{
    struct nt_annotation *a = r->annotation;
    if (a->count == MAX_OBJECTS) {
        give_up(r, TOO_MANY);
        return;
    }
    if (a->count == r->room) {
        int room = r->room ? 2 * r->room : 16;
        struct nt_annotation_object *more = realloc(a->object, (size_t)room * sizeof *more);
        if (!more) {
            give_up(r, NO_MEMORY);
            return;
        }
        a->object = more;
        r->room = room;
    }
    a->object[a->count++] =
        (struct nt_annotation_object){.x1 = NAN, .y1 = NAN, .x2 = NAN, .y2 = NAN};
}

static void XMLCALL begin(void *user, const XML_Char *name, const XML_Char **attributes)
{
    struct reading *r = user;
    if (r->depth < MAX_DEPTH)
        snprintf(r->element[r->depth], sizeof r->element[0], "%s", name);
    r->depth++;
    r->length = 0;
    if (r->depth == 2 && strcmp(name, "object") == 0)
        add_object(r);
}

static void XMLCALL text(void *user, const XML_Char *data, int length)
{
    struct reading *r = user;
    for (int i = 0; i < length && r->length + 1 < MAX_TEXT; i++)
        r->text[r->length++] = data[i];
}

static bool around(const struct reading *r, int depth, const char *name)
{
    return r->depth > depth && strcmp(r->element[depth], name) == 0;
}

/* NaN when the text is none. */
static double number(const char *text)
{
    char *end;
    double value = strtod(text, &end);
    return end == text || !isfinite(value) ? NAN : value;
}

/* 0 when the text is no extent of a picture. */
static int extent(const char *text)
{
    double value = number(text);
    return value >= 1 && value <= MAX_EXTENT ? (int)value : 0;
}

static void take_object(struct reading *r, const char *name)
{
    struct nt_annotation_object *object = &r->annotation->object[r->annotation->count - 1];
    const char *const corners[] = {"xmin", "ymin", "xmax", "ymax"};
    double *const values[] = {&object->x1, &object->y1, &object->x2, &object->y2};
    if (r->depth == 3 && strcmp(name, "name") == 0)
        snprintf(object->name, sizeof object->name, "%s", r->text);
    if (r->depth == 3 && strcmp(name, "difficult") == 0)
        object->difficult = number(r->text) > 0;
    for (int i = 0; r->depth == 4 && around(r, 2, "bndbox") && i < 4; i++)
        if (strcmp(name, corners[i]) == 0)
            *values[i] = number(r->text);
}

static void XMLCALL end(void *user, const XML_Char *name)
{
    struct reading *r = user;
    r->text[r->length] = 0;
    if (r->depth <= MAX_DEPTH && around(r, 1, "object"))
        take_object(r, name);
    if (r->depth == 3 && around(r, 1, "size") && strcmp(name, "width") == 0)
        r->annotation->width = extent(r->text);
    if (r->depth == 3 && around(r, 1, "size") && strcmp(name, "height") == 0)
        r->annotation->height = extent(r->text);
    r->depth--;
    r->length = 0;
}

static enum nt_status check(
    struct nt_context *ctx, const char *path, const struct nt_annotation *annotation)
{
    for (int i = 0; i < annotation->count; i++) {
        const struct nt_annotation_object *o = &annotation->object[i];
        if (!*o->name)
            return nt_fail(ctx, NT_ERR_FORMAT, "%s: object %d: has no name", path, i + 1);
        if (strlen(o->name) >= MAX_TEXT - 1)
            return nt_fail(ctx, NT_ERR_FORMAT,
                "%s: object %d: name '%.40s...': must be shorter than %d bytes", path, i + 1,
                o->name, MAX_TEXT - 1);
        if (!(o->x1 <= o->x2 && o->y1 <= o->y2))
            return nt_fail(ctx, NT_ERR_FORMAT,
                "%s: object %d: box %g, %g to %g, %g: must have four corners in order", path, i + 1,
                o->x1, o->y1, o->x2, o->y2);
    }
    return NT_OK;
}

static enum nt_status parse(
    struct nt_context *ctx, const char *path, const uint8_t *data, size_t size, struct reading *r)
{
    if (XML_Parse(r->parser, (const char *)data, (int)size, XML_TRUE) == XML_STATUS_OK)
        return check(ctx, path, r->annotation);
    if (r->trouble == NO_MEMORY)
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: host memory is exhausted", path);
    if (r->trouble == TOO_MANY)
        return nt_fail(ctx, NT_ERR_FORMAT, "%s: more than %d objects: too many", path, MAX_OBJECTS);
    return nt_fail(ctx, NT_ERR_FORMAT, "%s:%lu: %s: must be XML", path,
        (unsigned long)XML_GetCurrentLineNumber(r->parser),
        XML_ErrorString(XML_GetErrorCode(r->parser)));
}

enum nt_status nt_annotation_load(
    struct nt_context *ctx, const char *path, struct nt_annotation *out)
{
    struct reading reading = {.annotation = out, .parser = XML_ParserCreate(NULL)};
    uint8_t *data = NULL;
    size_t size;
    *out = (struct nt_annotation){0};
    if (!reading.parser)
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: host memory is exhausted", path);
    enum nt_status status = nt_file_read(ctx, path, MAX_BYTES, &data, &size);
    if (status == NT_OK) {
        XML_SetUserData(reading.parser, &reading);
        XML_SetElementHandler(reading.parser, begin, end);
        XML_SetCharacterDataHandler(reading.parser, text);
        status = parse(ctx, path, data, size, &reading);
    }
    free(data);
    XML_ParserFree(reading.parser);
    if (status != NT_OK)
        nt_annotation_finish(out);
    return status;
}

void nt_annotation_finish(struct nt_annotation *annotation)
{
    free(annotation->object);
    *annotation = (struct nt_annotation){0};
}
