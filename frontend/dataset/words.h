/* SPDX-License-Identifier: MIT
 *
 * Sentences as numbers of words. A word is a run of letters, digits, apostrophes and hyphens, and
 * of what is not ASCII; ASCII letters are made small, all else parts words.
 */
#ifndef NT_FRONTEND_DATASET_WORDS_H
#define NT_FRONTEND_DATASET_WORDS_H

#include "engine/context.h"

enum { NT_WORDS_END, NT_WORDS_UNKNOWN, NT_WORDS_FIRST };

struct nt_words {
    const char **name; /* "<end>", "<unknown>", then words in the order of their bytes */
    int count;
    char *bytes; /* that the names point into */
};

/* Rewrites a text as its words, one blank between two. */
void nt_words_normalise(char *text);

/* All words of normalised texts that are there at least `least` times. */
enum nt_status nt_words_collect(struct nt_context *ctx, const char *const *texts, size_t count,
    int least, struct nt_words *out);

/* A vocabulary that was given; it must have this order. */
enum nt_status nt_words_take(
    struct nt_context *ctx, const char *const *names, int count, struct nt_words *out);

void nt_words_finish(struct nt_words *words);

/* The numbers of a normalised text's words, the end, then -1; a longer text is cut. */
void nt_words_encode(const struct nt_words *words, const char *text, int length, int32_t *out);

#endif
