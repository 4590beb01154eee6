/* SPDX-License-Identifier: MIT
 *
 * Time of training steps: bench_step MODEL BATCH [STEPS] prints one JSON line with the time from
 * the start of the program to the end of the first step, and the median, least and greatest
 * of 7 series of STEPS steps after a warm-up, in milliseconds per step.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "engine/random.h"
#include "frontend/session.h"

enum { SERIES = 7, WARM_UP = 5 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static enum nt_status fill_inputs(struct nt_session *session)
{
    struct nt_random random = {.key = 1};
    enum nt_status status = NT_OK;
    for (int i = 0; status == NT_OK && i < nt_session_input_count(session); i++) {
        struct nt_port port = nt_session_input(session, i);
        union {
            float f;
            int32_t i;
        } *data = malloc(port.bytes);
        for (size_t j = 0; j < port.bytes / sizeof *data; j++)
            if (port.dtype == NT_F32)
                data[j].f = (float)nt_random_normal(&random);
            else
                data[j].i = (int32_t)nt_random_below(&random, 10);
        status = nt_session_write(session, i, data);
        free(data);
    }
    return status;
}

static enum nt_status run_steps(struct nt_session *session, int count, int64_t *step)
{
    enum nt_status status = NT_OK;
    float loss;
    for (int i = 0; status == NT_OK && i < count; i++) {
        struct nt_step_params params = {.learning_rate = 1e-4, .momentum = 0.9, .step = ++*step};
        status = nt_session_run(session, &params);
    }
    return status == NT_OK ? nt_session_loss(session, &loss) : status;
}

static enum nt_status measure(struct nt_session *session, int steps, double start)
{
    int64_t step = 0;
    double series[SERIES];
    enum nt_status status = fill_inputs(session);
    if (status == NT_OK)
        status = run_steps(session, 1, &step);
    double first = now() - start;
    if (status == NT_OK)
        status = run_steps(session, WARM_UP, &step);
    for (int i = 0; status == NT_OK && i < SERIES; i++) {
        double begin = now();
        status = run_steps(session, steps, &step);
        series[i] = (now() - begin) / steps;
    }
    if (status != NT_OK)
        return status;
    qsort(series, SERIES, sizeof *series, ascending);
    printf(
        "{\"first_step_ms\": %.1f, \"step_ms\": %.4f, \"least_ms\": %.4f, \"greatest_ms\": %.4f, "
        "\"launches\": %d}\n",
        first, series[SERIES / 2], series[0], series[SERIES - 1],
        nt_tape_launch_count(nt_session_tape(session)));
    return NT_OK;
}

int main(int argc, char **argv)
{
    double start = now();
    struct nt_context *ctx = NULL;
    struct nt_device *dev = NULL;
    struct nt_model *model = NULL;
    struct nt_weights *weights = NULL;
    struct nt_session *session = NULL;
    if (argc < 3) {
        fprintf(stderr, "usage: bench_step MODEL BATCH [STEPS]\n");
        return 2;
    }
    int steps = argc > 3 ? atoi(argv[3]) : 30;
    struct nt_session_params params = {.batch = atoi(argv[2]), .training = true};
    enum nt_status status = nt_context_create(NULL, &ctx);
    if (status == NT_OK)
        status = nt_device_open(ctx, NULL, &dev);
    if (status == NT_OK)
        status = nt_model_load(ctx, argv[1], 0, NULL, &model);
    if (status == NT_OK)
        status = nt_weights_create(dev, model, 1, nt_optimizer_slots(params.optimizer), &weights);
    if (status == NT_OK)
        status = nt_session_create(dev, model, weights, &params, &session);
    if (status == NT_OK)
        status = measure(session, steps > 0 ? steps : 1, start);
    if (status != NT_OK)
        fprintf(stderr, "bench_step: %s\n", ctx ? nt_error_message(ctx) : "out of memory");
    nt_session_destroy(session);
    nt_weights_destroy(weights);
    nt_model_destroy(model);
    nt_device_close(dev);
    nt_context_destroy(ctx);
    return status == NT_OK ? 0 : 1;
}
