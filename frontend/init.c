/* SPDX-License-Identifier: MIT */
#include "frontend/init.h"

#include <pthread.h>
#include <unistd.h>

#include "engine/random.h"

#define MAX_THREADS 16
/* Of numbers per thread; a thread takes as long to start as a few thousand of them. */
#define MIN_SHARE 131072

struct share {
    const struct nt_init *init;
    struct nt_random random;
    float *data;
    size_t count;
    pthread_t thread;
    bool started;
};

static void *fill(void *user)
{
    struct share *share = user;
    const struct nt_init *init = share->init;
    if (init->kind == NT_INIT_UNIFORM)
        nt_random_fill_uniform(share->random, init->a, share->data, share->count);
    else if (init->kind == NT_INIT_NORMAL)
        nt_random_fill_normal(share->random, init->a, share->data, share->count);
    else
        for (size_t i = 0; i < share->count; i++)
            share->data[i] = (float)init->a;
    return NULL;
}

static size_t count_threads(size_t count)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t threads = processors < 1 ? 1 : processors > MAX_THREADS ? MAX_THREADS : processors;
    size_t useful = count / MIN_SHARE;
    return useful < 1 ? 1 : useful < threads ? useful : threads;
}

void nt_init_fill(
    const struct nt_init *init, uint64_t seed, uint64_t stream, float *data, size_t count)
{
    struct share share[MAX_THREADS];
    size_t threads = count_threads(count), done = 0;
    uint64_t words = init->kind == NT_INIT_UNIFORM ? 2 : 4; /* that a number takes */
    for (size_t i = 0; i < threads; i++) {
        size_t part = i + 1 < threads ? count / threads / 2 * 2 : count - done;
        share[i] = (struct share){.init = init,
            .random = {.key = seed, .stream = stream, .position = words * done},
            .data = data + done,
            .count = part};
        done += part;
    }
    for (size_t i = 1; i < threads; i++)
        share[i].started = pthread_create(&share[i].thread, NULL, fill, &share[i]) == 0;
    fill(&share[0]);
    for (size_t i = 1; i < threads; i++)
        if (share[i].started)
            pthread_join(share[i].thread, NULL);
        else
            fill(&share[i]);
}
