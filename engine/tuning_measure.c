/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/opencl.h"
#include "engine/random.h"
#include "engine/tuning_state.h"
#include "engine/variant.h"

#define MOST_VARIANTS 16
#define LEAST_RUNS 5
#define MOST_RUNS 101
/* Runs of a series, which lasts about so long: waiting for the device is not what is compared. */
#define MOST_REPEATS 50
#define SERIES_MS 1.0
/* What another variant must take less than the usual one, as a share. */
#define GAIN 0.05
/* Of the largest element of the usual variant's result. */
#define TOLERANCE 1e-4

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A problem on a tape of its own. */
struct trial {
    struct nt_tape *tape;
    const char *variant;
    struct nt_tensor a, b, c;
    double ms;
};

/* Elements of a buffer that holds a tensor with these strides. */
static size_t extent(const struct nt_tensor *t)
{
    int64_t last = t->offset;
    for (int i = 0; i < t->shape.rank; i++)
        last += (t->shape.dim[i] - 1) * t->stride[i];
    return (size_t)last + 1;
}

static struct nt_tensor own_buffer(
    struct nt_tape *tape, const struct nt_tensor *like, const char *name)
{
    struct nt_tensor t = *like;
    t.offset = 0;
    t.buffer = nt_tape_buffer(tape, NT_BUFFER_KEPT, extent(&t) * sizeof(float), name);
    return t;
}

static enum nt_status append(struct trial *trial, const struct nt_tuning_problem *p)
{
    struct nt_tape *tape = trial->tape;
    if (!strcmp(p->primitive, "gemm"))
        return nt_gemm(tape, &trial->a, &trial->b, &trial->c, NULL);
    if (!strcmp(p->primitive, "conv_forward"))
        return nt_conv_forward(tape, &p->conv, &trial->a, &trial->b, &trial->c, NULL);
    if (!strcmp(p->primitive, "conv_backward_data"))
        return nt_conv_backward_data(tape, &p->conv, &trial->a, &trial->b, &trial->c, NULL);
    return nt_conv_backward_weight(tape, &p->conv, &trial->a, &trial->b, &trial->c);
}

/* The same random numbers for every variant. */
static enum nt_status fill(struct nt_device *dev, struct nt_tape *tape, const struct nt_tensor *t)
{
    size_t count = extent(t);
    float *data = malloc(count * sizeof *data);
    if (!data)
        return nt_fail(dev->ctx, NT_ERR_MEMORY, "tuning: host memory is exhausted");
    struct nt_random random = {.key = 20261121, .stream = (uint64_t)t->buffer};
    for (size_t i = 0; i < count; i++)
        data[i] = (float)(2 * nt_random_uniform(&random) - 1);
    enum nt_status status = nt_tape_write(tape, t->buffer, 0, data, count * sizeof *data);
    free(data);
    return status;
}

static enum nt_status open_trial(struct nt_device *dev, const struct nt_tuning_problem *p,
    const char *variant, struct trial *trial)
{
    char force[96];
    *trial = (struct trial){.variant = variant};
    enum nt_status status = nt_tape_create(dev, &trial->tape);
    if (status != NT_OK)
        return status;
    trial->a = own_buffer(trial->tape, &p->a, "a");
    trial->b = own_buffer(trial->tape, &p->b, "b");
    trial->c = own_buffer(trial->tape, &p->c, "c");
    if (variant) {
        snprintf(force, sizeof force, "%s=%s", p->primitive, variant);
        status = nt_tape_force(trial->tape, force);
    }
    if (status == NT_OK)
        status = append(trial, p);
    if (status == NT_OK)
        status = nt_tape_plan(trial->tape, NULL);
    if (status == NT_OK)
        status = nt_tape_build(trial->tape);
    if (status == NT_OK)
        status = fill(dev, trial->tape, &trial->a);
    if (status == NT_OK)
        status = fill(dev, trial->tape, &trial->b);
    return status;
}

/* Runs once on a poisoned result and reads it. */
static enum nt_status run_once(struct nt_device *dev, struct trial *trial, float *result)
{
    size_t bytes = extent(&trial->c) * sizeof *result;
    memset(result, 0xff, bytes);
    enum nt_status status = nt_tape_write(trial->tape, trial->c.buffer, 0, result, bytes);
    if (status == NT_OK)
        status = nt_tape_run(trial->tape);
    if (status == NT_OK)
        status = nt_tape_read(trial->tape, trial->c.buffer, 0, result, bytes);
    return status == NT_OK ? nt_device_finish(dev) : status;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Milliseconds of one of `repeats` runs, enqueued one after the other as in a step. */
static enum nt_status take_series(
    struct nt_device *dev, struct trial *trial, int repeats, double *ms)
{
    double start = now();
    enum nt_status status = NT_OK;
    for (int i = 0; status == NT_OK && i < repeats; i++)
        status = nt_tape_run(trial->tape);
    if (status == NT_OK)
        status = nt_device_finish(dev);
    *ms = 1e3 * (now() - start) / repeats;
    return status;
}

static double median(int count, double *values)
{
    qsort(values, (size_t)count, sizeof *values, by_size);
    return values[count / 2];
}

/* Times both in turn, for so many seconds each: what else the machine does slows both. */
static enum nt_status take_times(
    struct nt_device *dev, struct trial *usual, struct trial *other, double seconds)
{
    double ms[2][MOST_RUNS], first, begin = now();
    int runs = 0;
    enum nt_status status = take_series(dev, usual, 1, &first);
    int repeats = first < SERIES_MS / MOST_REPEATS ? MOST_REPEATS : (int)(SERIES_MS / first) + 1;
    while (
        status == NT_OK && runs < MOST_RUNS && (runs < LEAST_RUNS || now() - begin < 2 * seconds)) {
        status = take_series(dev, usual, repeats, &ms[0][runs]);
        if (status == NT_OK)
            status = take_series(dev, other, repeats, &ms[1][runs]);
        runs++;
    }
    if (status == NT_OK) {
        usual->ms = median(runs, ms[0]);
        other->ms = median(runs, ms[1]);
    }
    return status;
}

/* Whether every element of c is that of the usual variant. Elements between those of a tensor
 * that is not dense stay poisoned in both. */
static bool agrees(const struct nt_tensor *c, const float *usual, const float *result)
{
    double most = 0, off = 0;
    int64_t at[NT_MAX_RANK] = {0}, count = nt_shape_count(&c->shape);
    for (int64_t i = 0; i < count; i++) {
        int64_t place = 0;
        for (int d = 0; d < c->shape.rank; d++)
            place += at[d] * c->stride[d];
        double difference = fabs((double)result[place] - usual[place]);
        if (!isfinite(difference))
            return false;
        most = fmax(most, fabs((double)usual[place]));
        off = fmax(off, difference);
        for (int d = c->shape.rank - 1; d >= 0 && ++at[d] == c->shape.dim[d]; d--)
            at[d] = 0;
    }
    return off <= TOLERANCE * most;
}

/* Times a variant that can do the problem beside the usual one, whose result is its measure. */
static enum nt_status try_variant(struct nt_device *dev, const struct nt_tuning_problem *p,
    const char *variant, double seconds, struct trial *usual, const float *usual_result,
    float *result, struct nt_tuned *out)
{
    struct trial trial;
    enum nt_status status = open_trial(dev, p, variant, &trial);
    if (status == NT_OK)
        status = run_once(dev, &trial, result);
    bool right = status == NT_OK && agrees(&trial.c, usual_result, result);
    if (status == NT_OK) {
        out->tried++;
        out->wrong += !right;
    }
    if (right)
        status = take_times(dev, usual, &trial, seconds);
    if (right && status == NT_OK && trial.ms < (1 - GAIN) * usual->ms &&
        trial.ms / usual->ms < out->fastest_ms / out->usual_ms) {
        out->fastest = variant;
        out->fastest_ms = trial.ms;
        out->usual_ms = usual->ms;
    }
    nt_tape_destroy(trial.tape);
    return status == NT_ERR_UNSUPPORTED ? NT_OK : status;
}

static enum nt_status try_all(struct nt_device *dev, const struct nt_tuning_problem *p,
    double seconds, struct nt_tuned *out, float *usual_result, float *result)
{
    const char *names[MOST_VARIANTS];
    int count = nt_variants(dev, p->primitive, MOST_VARIANTS, names);
    struct trial usual;
    enum nt_status status = open_trial(dev, p, NULL, &usual);
    out->usual = out->fastest = dev->tuning->taken;
    if (status == NT_OK)
        status = run_once(dev, &usual, usual_result);
    if (status == NT_OK)
        status = take_series(dev, &usual, LEAST_RUNS, &out->usual_ms);
    out->fastest_ms = out->usual_ms;
    out->tried = 1;
    for (int i = 0; status == NT_OK && i < count; i++) {
        /* Kernels of work-groups take a hundred times as long on CPU devices. */
        bool hopeless =
            nt_prefers_tiles(dev) && (!strcmp(names[i], "group") || !strcmp(names[i], "registers"));
        if (!hopeless && strcmp(names[i], out->usual))
            status = try_variant(dev, p, names[i], seconds, &usual, usual_result, result, out);
    }
    nt_tape_destroy(usual.tape);
    return status;
}

enum nt_status nt_tuning_measure(
    struct nt_device *dev, int index, double seconds, struct nt_tuned *out)
{
    struct nt_tuning *tuning = dev->tuning;
    if (index < 0 || index >= tuning->problems)
        return nt_fail(dev->ctx, NT_ERR_ARGUMENT, "tuning: problem %d: must be 0 to %d", index,
            tuning->problems - 1);
    const struct nt_tuning_problem *p = &tuning->problem[index];
    struct nt_tuned tuned = {.problem = p->text};
    size_t bytes = extent(&p->c) * sizeof(float);
    float *usual = malloc(bytes), *result = malloc(bytes);
    enum nt_status status = NT_OK;
    if (!usual || !result)
        status = nt_fail(dev->ctx, NT_ERR_MEMORY, "tuning: host memory is exhausted");
    tuning->watched = p->primitive;
    if (status == NT_OK)
        status = try_all(dev, p, seconds, &tuned, usual, result);
    tuning->watched = NULL;
    free(usual);
    free(result);
    struct nt_tuning_entry entry = {
        .variant = tuned.fastest, .ms = tuned.fastest_ms, .usual_ms = tuned.usual_ms};
    memcpy(entry.problem, p->text, sizeof entry.problem);
    if (status == NT_OK)
        status = nt_tuning_keep(dev, &entry);
    if (status == NT_OK)
        *out = tuned;
    return status;
}
