/* SPDX-License-Identifier: MIT */
#include "engine/cache.h"
#include "engine/store.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT 1
#define PROGRAM_MAGIC "NTPROG01"
#define MAX_BINARY ((size_t)1 << 30)

struct key {
    uint64_t a, b;
};

struct job {
    struct job *next;
    cl_program program;
    int count;
    struct key *units;
};

/* What precedes the binary in a .program file. */
struct header {
    char magic[8];
    struct key key;
    uint64_t bytes, hash;
};

struct nt_cache {
    struct nt_device *dev;
    char dir[1088];
    atomic_bool usable;  /* there is a folder, and it takes files */
    struct key base;     /* of all that is not the unit's text */
    struct job *waiting; /* until a run is enqueued */
    struct job *jobs;    /* of the thread */
    cl_event first_run;
    pthread_t thread;
    bool started;
    atomic_bool done;
    struct nt_cache *next; /* in the list of those with a thread */
};

/* Threads must be through with the driver before its destructors run at exit. */
static pthread_mutex_t running_lock = PTHREAD_MUTEX_INITIALIZER;
static struct nt_cache *running;

static struct key mix(struct key key, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    key.a = nt_source_hash(key.a, data, bytes);
    for (size_t i = 0; i < bytes; i++) {
        key.b = (key.b + p[i] + 1) * 0x9e3779b97f4a7c15u;
        key.b ^= key.b >> 29;
    }
    return key;
}

static struct key mix_text(struct key key, const char *text)
{
    return mix(key, text, strlen(text) + 1);
}

static bool unit_key(const struct nt_cache *cache, struct nt_unit *unit, struct key *key)
{
    struct nt_text text = {0};
    nt_program_text(cache->dev, &text, 1, &unit);
    if (!text.failed)
        *key = mix(cache->base, text.data, text.length);
    free(text.data);
    return !text.failed;
}

static void entry_path(
    const struct nt_cache *cache, struct key key, const char *kind, char *path, size_t size)
{
    snprintf(path, size, "%s/%016llx%016llx.%s", cache->dir, (unsigned long long)key.a,
        (unsigned long long)key.b, kind);
}

/* PoCL compiles kernels at their first launch and has its own cache of them. To hand out a
 * binary it compiles all of them once more (0.1 s each), while kernels that are to run wait. */
bool nt_cache_driver_keeps(const struct nt_device *dev)
{
    const char *setting = getenv("POCL_KERNEL_CACHE");
    return strcmp(dev->info.platform, "Portable Computing Language") == 0 &&
           !(setting && strcmp(setting, "0") == 0);
}

enum nt_status nt_cache_create(struct nt_device *dev, struct nt_cache **out)
{
    struct nt_cache *cache = calloc(1, sizeof *cache);
    const char *folder = nt_cache_dir(dev->ctx);
    if (!cache)
        return nt_fail(dev->ctx, NT_ERR_MEMORY, "cache: out of memory");
    cache->dev = dev;
    atomic_init(&cache->done, false);
    atomic_init(&cache->usable, *folder && !nt_cache_driver_keeps(dev));
    char format[32];
    snprintf(format, sizeof format, "neutra %d", FORMAT);
    struct key key = {NT_HASH_START, 1};
    key = mix_text(key, format);
    key = mix_text(key, dev->options);
    key = mix_text(key, dev->info.name);
    key = mix_text(key, dev->info.driver);
    key = mix_text(key, dev->info.version);
    key = mix_text(key, dev->info.platform);
    cache->base = mix_text(key, dev->platform_version);
    if (*folder)
        snprintf(cache->dir, sizeof cache->dir, "%s/programs", folder);
    *out = cache;
    return NT_OK;
}

/* Marks */

static void mark_path(
    const struct nt_cache *cache, const void *data, size_t bytes, char *path, size_t size)
{
    /* where a driver's own cache lies */
    static const char *const places[] = {"POCL_CACHE_DIR", "XDG_CACHE_HOME", "HOME"};
    struct key key = cache->base;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *place = getenv(places[i]);
        key = mix_text(key, place ? place : "");
    }
    entry_path(cache, mix(key, data, bytes), "mark", path, size);
}

bool nt_cache_can_mark(struct nt_cache *cache)
{
    return *cache->dir && nt_store_make_folders(cache->dir) == 0 && access(cache->dir, W_OK) == 0;
}

bool nt_cache_is_marked(struct nt_cache *cache, const void *data, size_t bytes)
{
    char path[1200];
    mark_path(cache, data, bytes, path, sizeof path);
    return access(path, F_OK) == 0;
}

void nt_cache_mark(struct nt_cache *cache, const void *data, size_t bytes)
{
    char path[1200];
    mark_path(cache, data, bytes, path, sizeof path);
    nt_store_replace(path, "", 0);
}

/* Reading */

struct loaded {
    struct key key;
    cl_program program; /* NULL: does not load */
};

static bool read_entry(const struct nt_cache *cache, struct key unit, struct key *program)
{
    char path[1200], *text;
    size_t bytes;
    unsigned long long a, b, check;
    entry_path(cache, unit, "unit", path, sizeof path);
    if (nt_store_read(path, 4096, &text, &bytes) != 0)
        return false;
    bool ok = sscanf(text, "%16llx %16llx %16llx\n", &a, &b, &check) == 3;
    free(text);
    *program = (struct key){a, b};
    return ok && check == nt_source_hash(unit.a ^ unit.b, program, sizeof *program);
}

static cl_program create_program(struct nt_device *dev, const char *binary, size_t bytes)
{
    const unsigned char *data = (const unsigned char *)binary;
    cl_int code = CL_SUCCESS, binary_status = CL_SUCCESS;
    cl_program program =
        clCreateProgramWithBinary(dev->cl, 1, &dev->id, &bytes, &data, &binary_status, &code);
    if (!program)
        return NULL;
    if (code == CL_SUCCESS && binary_status == CL_SUCCESS)
        code = clBuildProgram(program, 1, &dev->id, dev->options, NULL, NULL);
    if (code == CL_SUCCESS && binary_status == CL_SUCCESS)
        return program;
    clReleaseProgram(program);
    return NULL;
}

static cl_program read_program(const struct nt_cache *cache, struct key key)
{
    char path[1200], *data;
    size_t bytes;
    struct header header;
    cl_program program = NULL;
    entry_path(cache, key, "program", path, sizeof path);
    if (nt_store_read(path, MAX_BINARY, &data, &bytes) != 0)
        return NULL;
    if (bytes > sizeof header) {
        const char *binary = data + sizeof header;
        memcpy(&header, data, sizeof header);
        bytes -= sizeof header;
        if (memcmp(header.magic, PROGRAM_MAGIC, sizeof header.magic) == 0 &&
            memcmp(&header.key, &key, sizeof key) == 0 && header.bytes == bytes &&
            header.hash == nt_source_hash(NT_HASH_START, binary, bytes))
            program = create_program(cache->dev, binary, bytes);
    }
    free(data);
    if (!program)
        nt_log(cache->dev->ctx, NT_LOG_DEBUG, "cache: %s is of no use", path);
    return program;
}

void nt_cache_load(struct nt_cache *cache, int count, struct nt_unit *const *units)
{
    if (!atomic_load(&cache->usable))
        return;
    struct loaded *loaded = calloc((size_t)count + 1, sizeof *loaded);
    int programs = 0;
    for (int i = 0; loaded && i < count; i++) {
        struct key unit, key;
        if (!unit_key(cache, units[i], &unit) || !read_entry(cache, unit, &key))
            continue;
        int p = 0;
        while (p < programs && memcmp(&loaded[p].key, &key, sizeof key) != 0)
            p++;
        if (p == programs)
            loaded[programs++] = (struct loaded){key, read_program(cache, key)};
        if (!loaded[p].program)
            continue;
        clRetainProgram(loaded[p].program);
        units[i]->program = loaded[p].program;
        units[i]->cached = true;
    }
    for (int p = 0; p < programs; p++)
        if (loaded[p].program)
            clReleaseProgram(loaded[p].program);
    free(loaded);
}

/* Writing */

static void free_job(struct job *job)
{
    clReleaseProgram(job->program);
    free(job->units);
    free(job);
}

void nt_cache_save_later(
    struct nt_cache *cache, cl_program program, int count, struct nt_unit *const *units)
{
    if (!atomic_load(&cache->usable))
        return;
    struct job *job = calloc(1, sizeof *job);
    struct key *keys = calloc((size_t)count + 1, sizeof *keys);
    bool ok = job && keys;
    for (int i = 0; ok && i < count; i++)
        ok = unit_key(cache, units[i], &keys[i]);
    if (!ok) {
        free(job);
        free(keys);
        return;
    }
    clRetainProgram(program);
    *job = (struct job){cache->waiting, program, count, keys};
    cache->waiting = job;
}

/* The program as the contents of a .program file; freed with free(). */
static char *take_binary(cl_program program, struct key key, size_t *bytes)
{
    size_t size = 0;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL) !=
            CL_SUCCESS ||
        size == 0 || size > MAX_BINARY)
        return NULL;
    char *data = malloc(sizeof(struct header) + size);
    unsigned char *binary = data ? (unsigned char *)data + sizeof(struct header) : NULL;
    if (!data || clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) !=
                     CL_SUCCESS) {
        free(data);
        return NULL;
    }
    struct header header = {
        .key = key, .bytes = size, .hash = nt_source_hash(NT_HASH_START, binary, size)};
    memcpy(header.magic, PROGRAM_MAGIC, sizeof header.magic);
    memcpy(data, &header, sizeof header);
    *bytes = sizeof header + size;
    return data;
}

static int write_job(const struct nt_cache *cache, const struct job *job)
{
    struct key key = {NT_HASH_START, 1};
    char path[1200], text[64];
    size_t bytes;
    for (int i = 0; i < job->count; i++)
        key = mix(key, &job->units[i], sizeof job->units[i]);
    char *data = take_binary(job->program, key, &bytes);
    if (!data)
        return 0; /* a driver without binaries */
    entry_path(cache, key, "program", path, sizeof path);
    int error = nt_store_replace(path, data, bytes);
    free(data);
    for (int i = 0; !error && i < job->count; i++) {
        struct key unit = job->units[i];
        snprintf(text, sizeof text, "%016llx %016llx %016llx\n", (unsigned long long)key.a,
            (unsigned long long)key.b,
            (unsigned long long)nt_source_hash(unit.a ^ unit.b, &key, sizeof key));
        entry_path(cache, unit, "unit", path, sizeof path);
        error = nt_store_replace(path, text, strlen(text));
    }
    return error;
}

static void *save_all(void *data)
{
    struct nt_cache *cache = data;
    clWaitForEvents(1, &cache->first_run);
    int error = nt_store_make_folders(cache->dir);
    for (struct job *job = cache->jobs; job && !error; job = job->next)
        error = write_job(cache, job);
    if (error) {
        nt_log(cache->dev->ctx, NT_LOG_WARNING, "compiled programs are not kept: %s: %s",
            cache->dir, strerror(error));
        atomic_store(&cache->usable, false);
    }
    atomic_store(&cache->done, true);
    return NULL;
}

static void free_jobs(struct job **list)
{
    while (*list) {
        struct job *job = *list;
        *list = job->next;
        free_job(job);
    }
}

/* Waits for the thread; the caller holds running_lock. */
static void join(struct nt_cache *cache)
{
    if (!cache->started)
        return;
    pthread_join(cache->thread, NULL);
    cache->started = false;
    free_jobs(&cache->jobs);
    clReleaseEvent(cache->first_run);
    for (struct nt_cache **p = &running; *p; p = &(*p)->next)
        if (*p == cache) {
            *p = cache->next;
            break;
        }
}

static void join_at_exit(void)
{
    pthread_mutex_lock(&running_lock);
    while (running)
        join(running);
    pthread_mutex_unlock(&running_lock);
}

static void start(struct nt_cache *cache)
{
    static bool registered;
    if (!registered && atexit(join_at_exit) != 0)
        return;
    registered = true;
    if (clEnqueueMarkerWithWaitList(cache->dev->queue, 0, NULL, &cache->first_run) != CL_SUCCESS)
        return;
    clFlush(cache->dev->queue);
    cache->jobs = cache->waiting;
    cache->waiting = NULL;
    atomic_store(&cache->done, false);
    if (pthread_create(&cache->thread, NULL, save_all, cache) != 0) {
        clReleaseEvent(cache->first_run);
        free_jobs(&cache->jobs);
        return;
    }
    cache->started = true;
    cache->next = running;
    running = cache;
}

void nt_cache_after_run(struct nt_cache *cache)
{
    if (!cache->waiting || (cache->started && !atomic_load(&cache->done)))
        return;
    pthread_mutex_lock(&running_lock);
    join(cache);
    if (atomic_load(&cache->usable))
        start(cache);
    else
        free_jobs(&cache->waiting);
    pthread_mutex_unlock(&running_lock);
}

void nt_cache_destroy(struct nt_cache *cache)
{
    if (!cache)
        return;
    pthread_mutex_lock(&running_lock);
    join(cache);
    pthread_mutex_unlock(&running_lock);
    free_jobs(&cache->waiting);
    free(cache);
}
