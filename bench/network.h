/* SPDX-License-Identifier: MIT
 *
 * Whole networks: the table, and one of them made ready to run.
 */
#ifndef NT_BENCH_NETWORK_H
#define NT_BENCH_NETWORK_H

#include "bench/bench.h"
#include "frontend/session.h"

struct bench_network_row {
    bool training;
    int batch; /* 0: the list ends */
    bool quick;
    bool loaded; /* JPEG files come through the loader, instead of one batch that stays */
};

struct bench_network {
    const char *name; /* "lenet"; its rows are "lenet train 64", "lenet train 64 loaded",
                       * "resnet18 112 train 8" with pictures of a size that is not the usual */
    const char *file; /* of the zoo; NULL: text */
    const char *text; /* a definition of the bench's own */
    const char *setting[3];
    int side; /* height and width of the picture, where networks of several are measured; else 0 */
    int classes;
    bool unusual; /* of this side */
    bool random;  /* drops at random, so the loss of one step says little */
    struct bench_network_row row[10];
};
extern const struct bench_network bench_networks[];
extern const int bench_network_count;

void bench_network_row_name(const struct bench_network *network, int row, char *text, size_t size);

/* The network and row of a name; false when there is none. */
bool bench_network_find(const char *name, const struct bench_network **network, int *row);

/* NT_ERR_FILE names the places looked at. */
enum nt_status bench_network_load(struct nt_context *ctx, const struct bench_params *params,
    const struct bench_network *network, struct nt_model **out);

/* A session with the same random inputs every time: item i depends on i alone. */
enum nt_status bench_network_open(struct nt_device *dev, const struct bench_network *network,
    struct nt_model *model, struct nt_weights *weights, bool training, int batch,
    struct nt_session **out);

/* One step, enqueued. */
enum nt_status bench_network_step(struct nt_session *session, bool training, int64_t *step);

/* ---- start.c ---- */

/* `neutra bench start ROW`: does one step, and prints a line of JSON at its end. */
enum nt_status bench_start_child(
    struct nt_context *ctx, const struct bench_params *params, const char *name);

/* What starts of the program take until a row's first step is done: with empty caches, and again
 * with full ones. Sets cold_start_ms, warm_start_ms and host_peak_bytes of the row. */
enum nt_status bench_start(struct bench *bench, const char *name, json_t *row);

#endif
