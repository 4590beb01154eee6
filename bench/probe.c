/* SPDX-License-Identifier: MIT
 *
 * What the device can do at most, each figure measured.
 */
#include <stdio.h>

#include "bench/bench.h"

static enum nt_status add_rate(struct bench *bench, const char *name, const char *unit,
    const struct bench_work *work, const char *note)
{
    struct bench_times times;
    enum nt_status status =
        bench_measure(bench->dev, work, bench->params->quick ? 5 : 9, 5e-3, NULL, 0, &times);
    if (status != NT_OK)
        return status;
    double amount = 1e-9 * work->amount;
    json_t *row = json_pack("{ss ss sf sf sf ss}", "name", name, "unit", unit, "median",
        amount / times.median, "least", amount / times.greatest, "greatest", amount / times.least,
        "note", note);
    json_array_append_new(json_object_get(bench->out, "probes"), row);
    return NT_OK;
}

enum nt_status bench_probe(struct bench *bench)
{
    static const struct {
        const char *name;
        double bytes;
    } copies[] = {
        {"copy 256 KiB", 256 << 10}, {"copy 8 MiB", 8 << 20}, {"copy 256 MiB", 256 << 20}};
    json_object_set_new(bench->out, "probes", json_array());
    enum nt_status status = bench_next(bench, "probes");
    if (status == NT_OK)
        status = add_rate(bench, "multiply-add", "GFLOP/s", bench_fma(bench->limits), "float32");
    for (int i = 0; status == NT_OK && i < 3; i++) {
        const struct bench_work *work;
        const char *how;
        char note[64];
        status = bench_copy(bench->limits, copies[i].bytes, &work, &how);
        if (status != NT_OK)
            break;
        snprintf(note, sizeof note, "read and write together; by the %s", how);
        status = add_rate(bench, copies[i].name, "GB/s", work, note);
    }
    return status;
}
