/* SPDX-License-Identifier: MIT
 *
 * How a long work is shown: on a terminal one line, overwritten in place and never wider than
 * the window; elsewhere plain lines now and then. The caller gives the stream.
 * Thread-safety: none; calls are few and come from one thread.
 */
#ifndef NT_FRONTEND_PROGRESS_H
#define NT_FRONTEND_PROGRESS_H

#include <stdbool.h>
#include <stdio.h>

#include "engine/context.h"

struct nt_progress;

struct nt_progress_params {
    FILE *file;
    double interval;       /* seconds between updates on a terminal; 0 means 0.1 */
    double plain_interval; /* seconds between lines elsewhere; 0 means 10 */
};

/* NULL when memory is exhausted; every function accepts NULL and then does nothing. */
struct nt_progress *nt_progress_create(const struct nt_progress_params *params);
void nt_progress_destroy(struct nt_progress *progress); /* ends the live line */

/* Whether an update would be shown now; saves the caller the work of composing it. */
bool nt_progress_due(struct nt_progress *progress);

/* What stands on the line: head first ("epoch 2/5"), then a bar for fraction (0 to 1; negative:
 * none), then parts[0..count) in order of importance: the last ones, and before them the bar, are
 * left off where the window is too narrow. Shown at once. */
void nt_progress_show(struct nt_progress *progress, const char *head, double fraction, int count,
    const char *const *parts);

/* Removes the live line, so that something else can be printed; the next show draws it again. */
void nt_progress_clear(struct nt_progress *progress);

/* A line that stays. */
void nt_progress_print(struct nt_progress *progress, const char *text);

/* The line that show would write into a window of the given width; for a width of 0 the plain
 * form. Returns text. */
const char *nt_progress_line(char *text, size_t size, int width, const char *head, double fraction,
    int count, const char *const *parts);

/* Seconds as "8 s", "4:05" or "2:03:09"; returns text. */
const char *nt_progress_time(double seconds, char *text, size_t size);

/* Seconds of a clock that never goes back. */
double nt_progress_now(void);

#endif
