/* SPDX-License-Identifier: MIT */
#include "bench/timing.h"

#include <math.h>
#include <stdlib.h>

#include "frontend/progress.h"

#define MAX_ROUNDS 31
#define LIMIT_SECONDS 2e-3 /* of a series of the limit */
#define WARM_SECONDS 0.05  /* work that takes longer has more data than a cache */

static enum nt_status run_tape(void *user)
{
    return nt_tape_run(user);
}

struct bench_work bench_tape_work(struct nt_tape *tape, double amount)
{
    return (struct bench_work){run_tape, tape, amount};
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(int count, double *values)
{
    qsort(values, (size_t)count, sizeof *values, ascending);
    return count % 2 ? values[count / 2] : 0.5 * (values[count / 2 - 1] + values[count / 2]);
}

void bench_median(int count, double *values, struct bench_times *times)
{
    times->median = median_of(count, values);
    times->least = values[0];
    times->greatest = values[count - 1];
    times->rounds = count;
}

enum nt_status bench_series(
    struct nt_device *dev, const struct bench_work *work, int repeats, double *seconds)
{
    double start = nt_progress_now();
    enum nt_status status = NT_OK;
    for (int i = 0; status == NT_OK && i < repeats; i++)
        status = work->run(work->user);
    if (status == NT_OK)
        status = nt_device_finish(dev);
    *seconds = (nt_progress_now() - start) / repeats;
    return status;
}

/* How many runs a series of so many seconds has, and the seconds of one. Warms up. */
static enum nt_status find_repeats(struct nt_device *dev, const struct bench_work *work,
    double seconds, int *repeats, double *once)
{
    enum nt_status status = bench_series(dev, work, 1, once);
    if (status == NT_OK && *once < seconds)
        status = bench_series(dev, work, 2, once);
    if (status == NT_OK && *once < seconds / 10) /* short ones: the first runs mislead */
        status = bench_series(dev, work, 10, once);
    *repeats = *once > 0 ? (int)fmin(ceil(seconds / *once), 100000) : 100000;
    return status;
}

/* Seconds of one run of the limit. The first run brings what it touches back to the caches, where
 * the work's own data are after its first run, too. */
static enum nt_status run_limit(
    struct nt_device *dev, const struct bench_work *limit, double *seconds)
{
    double once;
    enum nt_status status = bench_series(dev, limit, 1, &once);
    int repeats = once > 0 ? (int)fmin(ceil(LIMIT_SECONDS / once), 100) : 100;
    return status == NT_OK ? bench_series(dev, limit, repeats, seconds) : status;
}

enum nt_status bench_measure(struct nt_device *dev, const struct bench_work *work, int rounds,
    double seconds, const struct bench_work *limit, double amount, struct bench_times *times)
{
    double taken[MAX_ROUNDS], share[MAX_ROUNDS], rate[MAX_ROUNDS], before = 0, after = 0, once = 0;
    if (rounds > MAX_ROUNDS)
        rounds = MAX_ROUNDS;
    *times = (struct bench_times){0};
    enum nt_status status = find_repeats(dev, work, seconds, &times->repeats, &once);
    for (int i = 0; status == NT_OK && i < rounds; i++) {
        if (limit)
            status = run_limit(dev, limit, &before);
        /* What the limit put out of the caches, in rows whose data fit there. */
        if (status == NT_OK && limit && once < WARM_SECONDS)
            status = bench_series(dev, work, 1, &taken[i]);
        if (status == NT_OK)
            status = bench_series(dev, work, times->repeats, &taken[i]);
        if (status == NT_OK && limit)
            status = run_limit(dev, limit, &after);
        if (!limit)
            continue;
        rate[i] = 2 * limit->amount / (before + after);
        share[i] = amount / rate[i] / taken[i];
    }
    if (status != NT_OK)
        return status;
    if (limit) {
        times->share = median_of(rounds, share);
        times->limit_rate = median_of(rounds, rate);
    }
    bench_median(rounds, taken, times);
    return NT_OK;
}
