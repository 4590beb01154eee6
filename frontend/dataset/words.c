/* SPDX-License-Identifier: MIT */
#include "frontend/dataset/words.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *const special[NT_WORDS_FIRST] = {"<end>", "<unknown>"};

static bool belongs(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80 || c == '\'' || c == '-';
}

void nt_words_normalise(char *text)
{
    char *to = text;
    bool within = false;
    for (const char *at = text; *at; at++) {
        char c = *at;
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        bool letter = belongs((unsigned char)c);
        if (letter && !within && to > text)
            *to++ = ' ';
        if (letter)
            *to++ = c;
        within = letter;
    }
    *to = 0;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum nt_status no_memory(struct nt_context *ctx)
{
    return nt_fail(ctx, NT_ERR_MEMORY, "captions: no memory for their words");
}

/* Keeps a copy of each name. */
static enum nt_status keep(
    struct nt_context *ctx, const char *const *names, int count, struct nt_words *out)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += strlen(names[i]) + 1;
    struct nt_words words = {.count = count};
    words.name = calloc((size_t)count + 1, sizeof *words.name);
    words.bytes = malloc(size + 1);
    char *to = words.bytes;
    if (!words.name || !words.bytes) {
        nt_words_finish(&words);
        return no_memory(ctx);
    }
    for (int i = 0; i < count; i++) {
        size_t bytes = strlen(names[i]) + 1;
        words.name[i] = memcpy(to, names[i], bytes);
        to += bytes;
    }
    *out = words;
    return NT_OK;
}

/* Pointers to all words of the texts, which are cut apart; the number of them. */
static size_t cut(char *bytes, size_t size, const char **word)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == ' ')
            bytes[i] = 0;
        if (bytes[i] && (i == 0 || !bytes[i - 1]))
            word[count++] = bytes + i;
    }
    return count;
}

/* Keeps one of each word that is there often enough, after the special ones; how many they are. */
static int unique(const char **word, size_t count, int least, const char **name)
{
    int kept = NT_WORDS_FIRST;
    memcpy(name, special, sizeof special);
    for (size_t first = 0, next; first < count; first = next) {
        for (next = first; next < count && strcmp(word[next], word[first]) == 0;)
            next++;
        if (next - first >= (size_t)least)
            name[kept++] = word[first];
    }
    return kept;
}

enum nt_status nt_words_collect(
    struct nt_context *ctx, const char *const *texts, size_t count, int least, struct nt_words *out)
{
    size_t size = 0, used = 0;
    for (size_t i = 0; i < count; i++)
        size += strlen(texts[i]) + 1;
    char *bytes = malloc(size + 1);
    const char **word = malloc((size / 2 + 1) * sizeof *word);
    const char **name = malloc((size / 2 + 1 + NT_WORDS_FIRST) * sizeof *name);
    enum nt_status status = bytes && word && name ? NT_OK : no_memory(ctx);
    if (status == NT_OK) {
        for (size_t i = 0; i < count; i++) {
            size_t length = strlen(texts[i]) + 1;
            memcpy(bytes + used, texts[i], length);
            used += length;
        }
        size_t words = cut(bytes, size, word);
        if (words > 0)
            qsort(word, words, sizeof *word, by_bytes);
        status = keep(ctx, name, unique(word, words, least, name), out);
    }
    free(bytes);
    free(word);
    free(name);
    return status;
}

enum nt_status nt_words_take(
    struct nt_context *ctx, const char *const *names, int count, struct nt_words *out)
{
    for (int i = 0; i < count || i < NT_WORDS_FIRST; i++) {
        bool fits = i < count && (i < NT_WORDS_FIRST      ? strcmp(names[i], special[i]) == 0
                                     : i > NT_WORDS_FIRST ? strcmp(names[i - 1], names[i]) < 0
                                                          : true);
        if (!fits)
            return nt_fail(ctx, NT_ERR_FORMAT,
                "captions: word %d, '%s': the vocabulary must be <end>, <unknown> and words in "
                "their order",
                i, i < count ? names[i] : "");
    }
    return keep(ctx, names, count, out);
}

void nt_words_finish(struct nt_words *words)
{
    free(words->name);
    free(words->bytes);
    *words = (struct nt_words){0};
}

/* A word has `size` bytes. */
static int number_of(const struct nt_words *words, const char *word, size_t size)
{
    int low = NT_WORDS_FIRST, high = words->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        int order = strncmp(words->name[middle], word, size);
        if (order == 0 && words->name[middle][size])
            order = 1; /* it goes on */
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NT_WORDS_UNKNOWN;
}

void nt_words_encode(const struct nt_words *words, const char *text, int length, int32_t *out)
{
    int count = 0;
    for (; *text && count < length; count++) {
        size_t size = strcspn(text, " ");
        out[count] = number_of(words, text, size);
        text += size + (text[size] != 0);
    }
    for (int i = count; i < length; i++)
        out[i] = i == count ? NT_WORDS_END : -1;
}
