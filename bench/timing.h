/* SPDX-License-Identifier: MIT
 *
 * The one way in which the bench suite takes time: series of runs, each ended by waiting for the
 * device, in turn with a work whose rate bounds it.
 */
#ifndef NT_BENCH_TIMING_H
#define NT_BENCH_TIMING_H

#include <stdbool.h>

#include "engine/tape.h"

/* Something that can be run again and again. run enqueues; it need not wait. */
struct bench_work {
    enum nt_status (*run)(void *user);
    void *user;
    double amount; /* floating-point operations or bytes of one run */
};

/* A tape as a work. */
struct bench_work bench_tape_work(struct nt_tape *tape, double amount);

struct bench_times {
    int rounds, repeats;            /* series, and runs in each */
    double median, least, greatest; /* seconds of one run, over the series */
    double share;      /* median of limit's time for the same amount / time; 0 without limit */
    double limit_rate; /* median amount per second of the limit beside it */
};

/* Warms up, then takes `rounds` series (at most 31) of at least `seconds` each. limit (may be NULL)
 * is run before and after each series; amount is what of its kind the work does. At least 1 round.
 */
enum nt_status bench_measure(struct nt_device *dev, const struct bench_work *work, int rounds,
    double seconds, const struct bench_work *limit, double amount, struct bench_times *times);

/* Seconds of one run, of `repeats` enqueued one after the other. */
enum nt_status bench_series(
    struct nt_device *dev, const struct bench_work *work, int repeats, double *seconds);

/* Sorts; gives median, least and greatest of count > 0 values. */
void bench_median(int count, double *values, struct bench_times *times);

#endif
