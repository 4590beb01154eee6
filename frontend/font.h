/* SPDX-License-Identifier: MIT
 *
 * A bitmap font of 5 columns and 8 rows (7, and one for descenders), for captions in pictures.
 */
#ifndef NT_FRONTEND_FONT_H
#define NT_FRONTEND_FONT_H

#include "frontend/picture.h"

#define NT_FONT_HEIGHT 8 /* rows of a line, before scaling */

/* Pixels a text is wide, at a scale of whole pixels. */
int nt_font_width(const char *text, int scale);

/* Writes a text with its top left corner at x, y into a picture of 3 channels; parts outside are
 * left out. */
void nt_font_draw(
    struct nt_picture *picture, int x, int y, int scale, const uint8_t color[3], const char *text);

#endif
