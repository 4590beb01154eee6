/* SPDX-License-Identifier: MIT */
#include "frontend/init.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "engine/random.h"

#define MAX_THREADS 16
/* Numbers that a thread takes at once, an even count; it takes as long to start as a few thousand
 * of them. */
#define PIECE ((size_t)65536)

struct work {
    const struct nt_init_job *jobs;
    int count;
    uint64_t seed;
    atomic_size_t next; /* piece */
};

static size_t pieces(const struct nt_init_job *job)
{
    return (job->count + PIECE - 1) / PIECE;
}

static void fill(const struct nt_init_job *job, uint64_t seed, size_t first)
{
    const struct nt_init *init = job->init;
    size_t left = job->count - first, count = left < PIECE ? left : PIECE;
    uint64_t words = init->kind == NT_INIT_UNIFORM ? 2 : 4; /* that a number takes */
    struct nt_random random = {.key = seed, .stream = job->stream, .position = words * first};
    float *data = job->data + first;
    if (init->kind == NT_INIT_UNIFORM)
        nt_random_fill_uniform(random, init->a, data, count);
    else if (init->kind == NT_INIT_NORMAL)
        nt_random_fill_normal(random, init->a, data, count);
    else
        for (size_t i = 0; i < count; i++)
            data[i] = (float)init->a;
}

/* Takes pieces until none is left. */
static void *take(void *user)
{
    struct work *work = user;
    size_t before = 0; /* pieces of the jobs before `job` */
    int job = 0;
    for (;;) {
        size_t piece = atomic_fetch_add(&work->next, 1);
        while (job < work->count && piece - before >= pieces(&work->jobs[job]))
            before += pieces(&work->jobs[job++]);
        if (job == work->count)
            return NULL;
        fill(&work->jobs[job], work->seed, (piece - before) * PIECE);
    }
}

static size_t count_threads(const struct nt_init_job *jobs, int count)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t threads = processors < 1 ? 1 : processors > MAX_THREADS ? MAX_THREADS : processors;
    size_t numbers = 0;
    for (int i = 0; i < count; i++)
        numbers += jobs[i].count;
    size_t useful = numbers / (2 * PIECE);
    return useful < 1 ? 1 : useful < threads ? useful : threads;
}

void nt_init_fill(const struct nt_init_job *jobs, int count, uint64_t seed)
{
    struct work work = {.jobs = jobs, .count = count, .seed = seed};
    pthread_t thread[MAX_THREADS];
    size_t threads = count_threads(jobs, count), started = 1;
    atomic_init(&work.next, 0);
    while (started < threads && pthread_create(&thread[started], NULL, take, &work) == 0)
        started++;
    take(&work);
    for (size_t i = 1; i < started; i++)
        pthread_join(thread[i], NULL);
}
