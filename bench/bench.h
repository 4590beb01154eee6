/* SPDX-License-Identifier: MIT
 *
 * The bench suite: what its files share. It measures one device at a time and describes what it
 * saw as JSON (docs/benchmarks.md tells the schema); tables, pages and comparisons are made from
 * such documents, whether just measured or read from files.
 *
 *   probe.c     what the device can do at most
 *   layer.c     one pass of one layer: cases of layers.c, tapes and references of layer_*.c
 *   network.c   whole training steps and inference
 *   command.c   `neutra bench`
 *
 * Thread-safety: one thread.
 */
#ifndef NT_BENCH_BENCH_H
#define NT_BENCH_BENCH_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>

#include "bench/timing.h"
#include "engine/tape.h"

#define BENCH_FORMAT "neutra-bench"
#define BENCH_VERSION 1

struct bench_params {
    bool quick;
    const char *filter; /* rows whose name contains it, or the one of this name; NULL: all */
    const char *zoo;    /* folder of the model definitions; NULL: where they are usually */
    const char *device; /* selector, for programs started to measure a start */
    /* Tells what is measured now; done and count are rows. NULL: nobody listens. */
    void (*progress)(void *user, const char *what, int done, int count);
    void *user;
    const volatile sig_atomic_t *stop; /* set: measuring ends with NT_ERR_INTERRUPTED */
};

struct bench_limits;

struct bench {
    struct nt_context *ctx;
    struct nt_device *dev;
    const struct bench_params *params;
    struct bench_limits *limits;
    json_t *out; /* the device's object of the document: rows are appended as they are done */
    int done, count;
};

/* Whether a row of this name is wanted. exact: some row is called just as the filter. */
bool bench_wanted(const struct bench_params *params, bool exact, bool quick, const char *name);

/* Counts and tells the next row; NT_ERR_INTERRUPTED when the user asked to stop. */
enum nt_status bench_next(struct bench *bench, const char *name);

/* ---- limits.c: the two rates that bound every kernel, measured beside it ---- */

enum bench_bound { BENCH_FMA, BENCH_COPY };

enum nt_status bench_limits_create(struct nt_device *dev, struct bench_limits **out);
void bench_limits_destroy(struct bench_limits *limits);

/* Work whose amount is floating-point operations. */
const struct bench_work *bench_fma(struct bench_limits *limits);

/* Work that copies so many bytes (half read, half written; at most 256 MiB in all) in the faster of
 * two ways: a kernel, or the driver's copy. Valid until the next call. how: "kernel" or "driver";
 * may be NULL. */
enum nt_status bench_copy(
    struct bench_limits *limits, double bytes, const struct bench_work **work, const char **how);

/* The roofline of a work: which bound says the longer time. */
enum nt_status bench_bound(struct bench_limits *limits, double flops, double bytes,
    enum bench_bound *bound, const struct bench_work **work);

/* ---- what is measured; each appends rows to bench->out ---- */

/* "probes" */
enum nt_status bench_probe(struct bench *bench);

/* "layers". print: their names, on standard output. */
int bench_layer_rows(const struct bench_params *params, bool exact, bool print);
bool bench_layer_is(const char *name);
enum nt_status bench_layers(struct bench *bench, bool exact);

/* "networks". print: their names, on standard output. */
int bench_network_rows(const struct bench_params *params, bool exact, bool print);
bool bench_network_is(const char *name);
enum nt_status bench_measure_networks(struct bench *bench, bool exact);

/* Adds median, least, greatest and rounds of a time to a row. */
void bench_set_times(json_t *row, const struct bench_times *times);

#endif
