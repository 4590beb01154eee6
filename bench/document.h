/* SPDX-License-Identifier: MIT
 *
 * The document of a bench run: one JSON object with the devices measured (docs/benchmarks.md).
 */
#ifndef NT_BENCH_DOCUMENT_H
#define NT_BENCH_DOCUMENT_H

#include <jansson.h>

#include "bench/bench.h"

/* A document without devices. version: of the program. NULL when memory is exhausted. */
json_t *bench_document_create(const struct bench_params *params, const char *version);

/* The object of a device, appended to the document, borrowed. */
json_t *bench_document_device(json_t *document, struct nt_device *dev);

/* Rows whose result was not what it should be. */
int bench_document_wrong(const json_t *document);

/* "-": standard output. */
enum nt_status bench_document_write(
    struct nt_context *ctx, const json_t *document, const char *path);

/* Reads and checks a document. NT_ERR_FORMAT names the file and what breaks the schema. */
enum nt_status bench_document_read(struct nt_context *ctx, const char *path, json_t **out);

/* For people, on standard output. */
void bench_table_print(const json_t *document);

/* Two subjects or more beside each other: times, and how many times as fast each is as the first.
 */
struct bench_subject;
void bench_compare_print(int count, const struct bench_subject *subject);

/* The page of one or several subjects: self-contained HTML. */
enum nt_status bench_page_write(
    struct nt_context *ctx, int count, const struct bench_subject *subject, const char *path);

#endif
