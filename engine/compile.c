/* SPDX-License-Identifier: MIT */
#include "engine/compile.h"
#include "engine/cache.h"
#include "engine/tape_state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_PARTS 4
/* A process takes 0.1 s to start, and the driver's library 1 s to load, which this process has
 * behind it once it has compiled. A unit takes 0.1 s. */
#define MIN_UNITS 6
#define MIN_UNITS_LOADED 24
#define PATIENCE_MS 60000
/* Drivers compile apart for large grids. */
#define SMALL_GRID 16384

struct part {
    struct nt_text message;
    uint32_t launches;
    int cost;
    pid_t process; /* 0: none */
    int out;       /* the end of its pipe */
    double heard;  /* when, in ms */
    int compiled;
    bool done;
    char error[128];
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* Finding the helper */

static bool try_path(char *path, size_t size, const char *folder, const char *rest)
{
    int n = snprintf(path, size, "%s%s/neutra-compile", folder, rest);
    return n > 0 && (size_t)n < size && access(path, X_OK) == 0;
}

static bool find_helper(char *path, size_t size)
{
    const char *setting = getenv("NEUTRA_COMPILER");
    char folder[1024];
    if (setting) {
        int n = snprintf(path, size, "%s", setting);
        return n > 0 && (size_t)n < size && access(path, X_OK) == 0;
    }
    ssize_t n = readlink("/proc/self/exe", folder, sizeof folder - 1);
    folder[n > 0 ? n : 0] = 0;
    char *slash = strrchr(folder, '/');
    if (slash) {
        *slash = 0;
        if (try_path(path, size, folder, "") || try_path(path, size, folder, "/.."))
            return true;
    }
    return try_path(path, size, NT_LIBEXEC_DIR, "");
}

/* Dividing */

/* As PoCL takes its time: a register tile (cl/tile.clh) as long as TILE_COST other units. */
#define TILE_COST 5

static int unit_cost(const struct nt_unit *unit)
{
    return strstr(unit->defines, "NT_MR") ? TILE_COST : 1;
}

static int find_missing(struct nt_tape *tape, struct nt_unit **units)
{
    int count = 0;
    for (int i = 0; i < tape->launches; i++) {
        struct nt_unit *unit = tape->launch[i].unit;
        bool seen = !unit || unit->program;
        for (int j = 0; j < count && !seen; j++)
            seen = units[j] == unit;
        if (!seen)
            units[count++] = unit;
    }
    return count;
}

/* Gives the dearest unit that has no part yet to the lightest part, until all have one. */
static void divide(int count, struct nt_unit *const *units, int parts, struct part *part)
{
    for (int i = 0; i < count; i++)
        units[i]->part = -1;
    for (int n = 0; n < count; n++) {
        struct nt_unit *dearest = NULL;
        int lightest = 0;
        for (int i = 0; i < count; i++)
            if (units[i]->part < 0 && (!dearest || unit_cost(units[i]) > unit_cost(dearest)))
                dearest = units[i];
        for (int p = 1; p < parts; p++)
            if (part[p].cost < part[lightest].cost)
                lightest = p;
        dearest->part = lightest;
        part[lightest].cost += unit_cost(dearest);
    }
}

/* Messages */

static void put(struct nt_text *message, const void *data, size_t bytes)
{
    nt_text_bytes(message, data, bytes);
}

static void put_u32(struct nt_text *message, uint32_t value)
{
    put(message, &value, sizeof value);
}

static void put_u64(struct nt_text *message, uint64_t value)
{
    put(message, &value, sizeof value);
}

static void put_string(struct nt_text *message, const char *text, size_t length)
{
    put_u32(message, (uint32_t)length);
    put(message, text, length);
}

static bool is_large(const struct nt_tape_launch *l)
{
    for (int i = 0; i < l->dims; i++)
        if (l->global[i] > SMALL_GRID)
            return true;
    return false;
}

/* Whether a launch before this one had the driver compile the same. */
static bool is_repeated(const struct nt_tape *tape, int index)
{
    const struct nt_tape_launch *l = &tape->launch[index];
    for (int i = 0; i < index; i++) {
        const struct nt_tape_launch *m = &tape->launch[i];
        if (m->unit == l->unit && strcmp(m->entry, l->entry) == 0 && m->dims == l->dims &&
            memcmp(m->local, l->local, sizeof l->local) == 0 && is_large(m) == is_large(l))
            return true;
    }
    return false;
}

static void put_launch(
    struct nt_text *message, const struct nt_tape *tape, const struct nt_tape_launch *l)
{
    char name[160];
    snprintf(name, sizeof name, "%s_%s", l->entry, l->unit->name);
    put_string(message, name, strlen(name));
    put_u32(message, (uint32_t)l->dims);
    for (int i = 0; i < 3; i++)
        put_u64(message, l->global[i] > SMALL_GRID ? l->global[i] : l->local[i]);
    for (int i = 0; i < 3; i++)
        put_u64(message, l->local[i]);
    put_u32(message, (uint32_t)l->arg_count);
    for (int a = 0; a < l->arg_count; a++) {
        const struct nt_launch_arg *arg = &l->arg[a];
        put_u64(message, arg->buffer >= 0 ? tape->buffer[arg->buffer].bytes : 0);
        put_u32(message, arg->buffer >= 0 ? 0 : arg->size);
        put(message, arg->value, arg->buffer >= 0 ? 0 : arg->size);
    }
}

static void write_message(struct nt_tape *tape, int index, int count, struct nt_unit *const *units,
    struct nt_unit **own, struct part *part)
{
    const struct nt_device_info *info = &tape->dev->info;
    struct nt_text source = {0}, launches = {0};
    int n = 0;
    for (int i = 0; i < count; i++)
        if (units[i]->part == index)
            own[n++] = units[i];
    nt_program_text(tape->dev, &source, n, own);
    for (int i = 0; i < tape->launches; i++) {
        const struct nt_tape_launch *l = &tape->launch[i];
        if (!l->unit || l->unit->program || l->unit->part != index || is_repeated(tape, i))
            continue;
        put_launch(&launches, tape, l);
        part->launches++;
    }
    struct nt_text *message = &part->message;
    put_string(message, NT_COMPILE_MAGIC, strlen(NT_COMPILE_MAGIC));
    put_string(message, info->platform, strlen(info->platform));
    put_string(message, info->name, strlen(info->name));
    put_string(message, tape->dev->options, strlen(tape->dev->options));
    put_string(message, source.data, source.length);
    put_u32(message, part->launches);
    put(message, launches.data, launches.length);
    message->failed |= source.failed || launches.failed;
    free(source.data);
    free(launches.data);
}

/* Processes */

/* A file without a name that holds the message: a pipe could block, or raise SIGPIPE. */
static FILE *message_file(const struct nt_text *message)
{
    FILE *file = tmpfile();
    if (file && (fwrite(message->data, 1, message->length, file) != message->length ||
                    fflush(file) != 0 || lseek(fileno(file), 0, SEEK_SET) != 0)) {
        fclose(file);
        file = NULL;
    }
    return file;
}

/* A compiler asks for much memory in small pieces and ends soon: huge pages, and few calls of the
 * kernel, save it a tenth of its time. Other C libraries than glibc do not know the setting. */
#define TUNING                                                                                     \
    "GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.top_pad=67108864:"                         \
    "glibc.malloc.trim_threshold=1073741824:glibc.malloc.mmap_threshold=1073741824"

/* The environment of a helper, freed with free(): this one's, and the tuning where there is none.
 */
static char **helper_environment(void)
{
    extern char **environ;
    size_t count = 0;
    while (environ[count])
        count++;
    char **list = calloc(count + 2, sizeof *list);
    if (!list)
        return NULL;
    memcpy(list, environ, count * sizeof *list);
    if (!getenv("GLIBC_TUNABLES"))
        list[count] = TUNING;
    return list;
}

static int spawn(const char *path, int in, int out, pid_t *process)
{
    posix_spawn_file_actions_t actions;
    char **environment = helper_environment();
    char *const argv[] = {(char *)path, NULL};
    int error = environment ? posix_spawn_file_actions_init(&actions) : ENOMEM;
    if (error) {
        free(environment);
        return error;
    }
    error = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    if (!error)
        error = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (!error)
        error = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (!error)
        error = posix_spawn(process, path, &actions, NULL, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    free(environment);
    return error;
}

static int start(const char *path, struct part *part)
{
    int ends[2], error;
    FILE *file = message_file(&part->message);
    if (!file)
        return errno;
    if (pipe(ends) != 0) {
        error = errno;
        fclose(file);
        return error;
    }
    fcntl(fileno(file), F_SETFD, FD_CLOEXEC);
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    error = spawn(path, fileno(file), ends[1], &part->process);
    fclose(file);
    close(ends[1]);
    if (error) {
        part->process = 0;
        close(ends[0]);
        return error;
    }
    part->out = ends[0];
    part->heard = now();
    return 0;
}

/* Ends a helper's process. Whether what it did need not be tried again. */
static bool finish(struct nt_context *ctx, struct part *part, const char *reason)
{
    int status = 0;
    close(part->out);
    kill(part->process, SIGKILL);
    while (waitpid(part->process, &status, 0) < 0 && errno == EINTR)
        ;
    part->process = 0;
    if (part->done)
        return true;
    bool crashed = WIFSIGNALED(status) && !reason;
    char signal[32] = "";
    if (crashed)
        snprintf(signal, sizeof signal, "signal %d", WTERMSIG(status));
    nt_log(ctx, NT_LOG_INFO, "neutra-compile: %s after %d of %u kernels, which are compiled here",
        reason         ? reason
        : crashed      ? signal
        : *part->error ? part->error
                       : "ended",
        part->compiled, (unsigned)part->launches);
    return !crashed || (WTERMSIG(status) != SIGINT && WTERMSIG(status) != SIGTERM);
}

/* Reads what a helper has to say; false at its end. */
static bool hear(struct part *part)
{
    char text[256];
    ssize_t n = read(part->out, text, sizeof text);
    if (n < 0)
        return errno == EINTR;
    part->heard = now();
    for (ssize_t i = 0; i < n; i++) {
        size_t length = strlen(part->error);
        if (text[i] == NT_COMPILE_STEP)
            part->compiled++;
        else if (text[i] == NT_COMPILE_DONE)
            part->done = true;
        else if (length + 1 < sizeof part->error)
            part->error[length] = text[i];
    }
    return n > 0;
}

static double patience(void)
{
    const char *setting = getenv("NEUTRA_COMPILER_PATIENCE");
    double ms = setting ? atof(setting) : 0;
    return ms > 0 ? ms : PATIENCE_MS;
}

static void mark(struct nt_tape *tape, const struct part *part)
{
    nt_cache_mark(tape->dev->cache, part->message.data, part->message.length);
}

static void wait_for(struct nt_tape *tape, int parts, struct part *part)
{
    double limit = patience();
    for (;;) {
        struct pollfd fds[MAX_PARTS];
        struct part *who[MAX_PARTS];
        nfds_t count = 0;
        for (int p = 0; p < parts; p++)
            if (part[p].process) {
                who[count] = &part[p];
                fds[count++] = (struct pollfd){.fd = part[p].out, .events = POLLIN};
            }
        if (count == 0)
            return;
        if (poll(fds, count, 100) < 0)
            for (nfds_t i = 0; i < count; i++)
                fds[i].revents = 0;
        for (nfds_t i = 0; i < count; i++) {
            bool ended = fds[i].revents && !hear(who[i]);
            bool late = !ended && now() - who[i]->heard > limit;
            if ((ended || late) && finish(tape->dev->ctx, who[i], late ? "no sign of life" : NULL))
                mark(tape, who[i]);
        }
    }
}

static void compile_parts(struct nt_tape *tape, const char *helper, int parts, struct part *part)
{
    double begin = now();
    int started = 0;
    for (int p = 0; p < parts; p++) {
        struct nt_text *message = &part[p].message;
        if (message->failed || nt_cache_is_marked(tape->dev->cache, message->data, message->length))
            continue;
        int error = start(helper, &part[p]);
        if (error)
            nt_log(tape->dev->ctx, NT_LOG_INFO, "%s: does not start: %s", helper, strerror(error));
        else
            started++;
    }
    wait_for(tape, parts, part);
    if (started)
        nt_log(tape->dev->ctx, NT_LOG_DEBUG, "compiled in %d processes, %.0f ms", started,
            now() - begin);
}

static void divide_and_compile(
    struct nt_tape *tape, const char *helper, int count, struct nt_unit **units)
{
    struct part part[MAX_PARTS] = {0};
    struct nt_unit **own = calloc((size_t)count, sizeof *own);
    int parts = (int)tape->dev->info.compute_units;
    if (parts > MAX_PARTS)
        parts = MAX_PARTS;
    if (parts > count / (MIN_UNITS / 2))
        parts = count / (MIN_UNITS / 2);
    if (!own)
        return;
    divide(count, units, parts, part);
    for (int p = 0; p < parts; p++)
        write_message(tape, p, count, units, own, &part[p]);
    compile_parts(tape, helper, parts, part);
    for (int p = 0; p < parts; p++)
        free(part[p].message.data);
    free(own);
}

void nt_compile_ahead(struct nt_tape *tape)
{
    struct nt_device *dev = tape->dev;
    char helper[1200];
    if (!nt_cache_driver_keeps(dev) || !nt_cache_can_mark(dev->cache) ||
        dev->info.compute_units < 2)
        return;
    struct nt_unit **units = calloc((size_t)tape->launches + 1, sizeof *units);
    if (!units)
        return;
    int count = find_missing(tape, units);
    if (count < (dev->compiled ? MIN_UNITS_LOADED : MIN_UNITS)) {
        dev->compiled = dev->compiled || count > 0;
    } else {
        if (find_helper(helper, sizeof helper))
            divide_and_compile(tape, helper, count, units);
        else
            nt_log(dev->ctx, NT_LOG_DEBUG, "neutra-compile: not found: compiling in one process");
    }
    free(units);
}
