/* SPDX-License-Identifier: MIT */
#include "frontend/progress.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define BAR_WIDTH 20
#define LINE_SIZE 512

struct nt_progress {
    FILE *file;
    bool terminal, live;
    double interval, last;
};

double nt_progress_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static bool is_terminal(FILE *file)
{
    const char *term = getenv("TERM");
    return isatty(fileno(file)) && term && strcmp(term, "dumb");
}

struct nt_progress *nt_progress_create(const struct nt_progress_params *params)
{
    struct nt_progress *progress = calloc(1, sizeof *progress);
    if (!progress)
        return NULL;
    progress->file = params->file;
    progress->terminal = is_terminal(params->file);
    if (progress->terminal)
        progress->interval = params->interval > 0 ? params->interval : 0.1;
    else
        progress->interval = params->plain_interval > 0 ? params->plain_interval : 10;
    /* A terminal shows the first update at once; plain output starts with silence. */
    progress->last = progress->terminal ? 0 : nt_progress_now();
    return progress;
}

void nt_progress_destroy(struct nt_progress *progress)
{
    if (!progress)
        return;
    nt_progress_clear(progress);
    free(progress);
}

bool nt_progress_due(struct nt_progress *progress)
{
    return progress && nt_progress_now() - progress->last >= progress->interval;
}

static void append(char *text, size_t size, size_t *at, const char *more)
{
    size_t length = strlen(more);
    if (*at + length < size) {
        memcpy(text + *at, more, length + 1);
        *at += length;
    }
}

/* Composes with the given number of parts; true when it fits into width columns. */
static bool compose(char *text, size_t size, int width, const char *head, const char *bar,
    int count, const char *const *parts)
{
    size_t at = 0;
    text[0] = 0;
    append(text, size, &at, head);
    if (*bar) {
        append(text, size, &at, "  ");
        append(text, size, &at, bar);
    }
    for (int i = 0; i < count; i++) {
        append(text, size, &at, "  ");
        append(text, size, &at, parts[i]);
    }
    return width <= 0 || at <= (size_t)width;
}

const char *nt_progress_line(char *text, size_t size, int width, const char *head, double fraction,
    int count, const char *const *parts)
{
    char bar[BAR_WIDTH + 3] = "";
    if (fraction >= 0 && width > 0) {
        int full = (int)(fraction * BAR_WIDTH + 0.5);
        full = full > BAR_WIDTH ? BAR_WIDTH : full;
        bar[0] = '[';
        memset(bar + 1, '#', (size_t)full);
        memset(bar + 1 + full, '-', (size_t)(BAR_WIDTH - full));
        memcpy(bar + 1 + BAR_WIDTH, "]", 2);
    } else if (fraction >= 0 && count == 0) /* no bar, and no parts that would tell */
        snprintf(bar, sizeof bar, "%.0f %%", 100 * fraction);
    if (compose(text, size, width, head, bar, count, parts))
        return text;
    while (!compose(text, size, width, head, "", count, parts) && count > 0)
        count--;
    if (width > 0 && (size_t)width < size)
        text[width] = 0;
    return text;
}

static int window_width(FILE *file)
{
    struct winsize window;
    if (ioctl(fileno(file), TIOCGWINSZ, &window) == 0 && window.ws_col > 0)
        return window.ws_col;
    return 80;
}

void nt_progress_show(struct nt_progress *progress, const char *head, double fraction, int count,
    const char *const *parts)
{
    if (!progress)
        return;
    char line[LINE_SIZE];
    progress->last = nt_progress_now();
    if (progress->terminal) {
        /* One column stays free: a cursor behind the last one would scroll some terminals. */
        int width = window_width(progress->file) - 1;
        nt_progress_line(line, sizeof line, width, head, fraction, count, parts);
        fprintf(progress->file, "\r%s\x1b[K", line);
        progress->live = true;
    } else {
        nt_progress_line(line, sizeof line, 0, head, fraction, count, parts);
        fprintf(progress->file, "%s\n", line);
    }
    fflush(progress->file);
}

void nt_progress_clear(struct nt_progress *progress)
{
    if (!progress || !progress->live)
        return;
    fputs("\r\x1b[K", progress->file);
    fflush(progress->file);
    progress->live = false;
}

void nt_progress_print(struct nt_progress *progress, const char *text)
{
    if (!progress)
        return;
    /* In one write, so that the line changes without a moment of emptiness. */
    fprintf(progress->file, "%s%s\n", progress->live ? "\r\x1b[K" : "", text);
    fflush(progress->file);
    progress->live = false;
    progress->last = progress->terminal ? 0 : nt_progress_now();
}

const char *nt_progress_time(double seconds, char *text, size_t size)
{
    long s = (long)(seconds + 0.5);
    if (!(seconds < 1e9))
        snprintf(text, size, "?");
    else if (s < 60)
        snprintf(text, size, "%ld s", s);
    else if (s < 3600)
        snprintf(text, size, "%ld:%02ld", s / 60, s % 60);
    else
        snprintf(text, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    return text;
}
