/* SPDX-License-Identifier: MIT
 *
 * What is shown side by side: the devices of one or several documents. Shared by comparison and
 * page; borrows from the documents.
 */
#ifndef NT_BENCH_SUBJECT_H
#define NT_BENCH_SUBJECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define BENCH_MAX_SUBJECTS 16

struct bench_subject {
    const json_t *document, *device;
    char label[104]; /* what tells it from the others */
};

/* Appends the devices of a document; path: where it is from, NULL: it was just measured. Returns
 * the new count, which stops at BENCH_MAX_SUBJECTS. */
int bench_subjects(
    const json_t *document, const char *path, int count, struct bench_subject *subject);

/* The row of a list ("layers", "networks", "probes") with a name; NULL: none. */
const json_t *bench_row(const struct bench_subject *subject, const char *list, const char *name);

/* The names of a list's rows over all subjects, each once, in the order of the first that has it.
 * Strings are borrowed; the array is freed. NULL when memory is exhausted. */
const char **bench_names(
    int count, const struct bench_subject *subject, const char *list, int *names);

/* Members of a row; "" and 0 where there are none. */
const char *bench_text(const json_t *row, const char *key);
double bench_number(const json_t *row, const char *key);

/* How many times as fast the row is as that of the first subject: times of layers and networks,
 * values of probes. 0 when either is missing. */
double bench_ratio(const char *list, const json_t *first, const json_t *row);

/* "1.23" with three digits that count; returns text. */
const char *bench_digits(double value, char *text, size_t size);

#endif
