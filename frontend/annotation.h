/* SPDX-License-Identifier: MIT
 *
 * The objects of a picture, as an XML file in Pascal VOC's format names them.
 */
#ifndef NT_FRONTEND_ANNOTATION_H
#define NT_FRONTEND_ANNOTATION_H

#include <stdbool.h>

#include "engine/context.h"

struct nt_annotation_object {
    char name[256];        /* of at most 254 bytes */
    double x1, y1, x2, y2; /* pixels of the picture */
    bool difficult;
};

struct nt_annotation {
    int width, height; /* of the picture; 0: not said */
    int count;
    struct nt_annotation_object *object;
};

/* The result is the caller's: nt_annotation_finish. */
enum nt_status nt_annotation_load(
    struct nt_context *ctx, const char *path, struct nt_annotation *out);
void nt_annotation_finish(struct nt_annotation *annotation);

#endif
