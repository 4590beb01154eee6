/* SPDX-License-Identifier: MIT
 *
 * How long a start of the program takes, and how much memory: the program is run again, with
 * caches of its own.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/loading.h"
#include "bench/network.h"
#include "frontend/progress.h"

/* Where this library and the drivers keep compiled kernels. */
static const char *const caches[] = {"NEUTRA_CACHE_DIR", "POCL_CACHE_DIR", "CUDA_CACHE_PATH",
    "MESA_SHADER_CACHE_DIR", "XDG_CACHE_HOME", "AMD_SHADER_DISK_CACHE_PATH"};
#define CACHES (int)(sizeof caches / sizeof *caches)

/* The most memory that this process had, 0 where the system does not say. getrusage would count
 * what the parent had when it started this one. */
static long peak_kib(void)
{
    char line[128];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file) && sscanf(line, "VmHWM: %ld", &kib) != 1)
        ;
    if (file)
        fclose(file);
    return kib;
}

static enum nt_status first_step(struct nt_context *ctx, const struct bench_params *params,
    const struct bench_network *network, const struct bench_network_row *row)
{
    struct nt_device *dev = NULL;
    struct nt_model *model = NULL;
    struct nt_weights *weights = NULL;
    struct nt_session *session = NULL;
    int64_t step = 0;
    enum nt_status status = nt_device_open(ctx, params->device, &dev);
    if (status == NT_OK)
        status = bench_network_load(ctx, params, network, &model);
    if (status == NT_OK)
        status = nt_weights_create(
            dev, model, 1, row->training ? nt_optimizer_slots(NT_OPTIMIZER_SGD) : 0, &weights);
    if (status == NT_OK)
        status =
            bench_network_open(dev, network, model, weights, row->training, row->batch, &session);
    for (int i = 0; status == NT_OK && i < 2; i++) {
        status = bench_network_step(session, row->training, &step);
        if (status == NT_OK)
            status = nt_device_finish(dev);
        if (status == NT_OK && i == 0) { /* the parent's clock stops here */
            puts("done");
            fflush(stdout);
        }
    }
    if (status == NT_OK)
        printf("%ld KiB\n", peak_kib());
    nt_session_destroy(session);
    nt_weights_destroy(weights);
    nt_model_destroy(model);
    nt_device_close(dev);
    return status;
}

enum nt_status bench_start_child(
    struct nt_context *ctx, const struct bench_params *params, const char *name)
{
    const struct bench_network *network;
    int row;
    if (!bench_network_find(name, &network, &row))
        return nt_fail(ctx, NT_ERR_ARGUMENT, "start: %s: no network's row has this name", name);
    return first_step(ctx, params, network, &network->row[row]);
}

/* The environment with all caches in one folder; freed by the caller, as are its last entries. */
static char **environment(const char *folder)
{
    extern char **environ;
    int count = 0, used = 0;
    while (environ[count])
        count++;
    char **all = calloc((size_t)count + CACHES + 1, sizeof *all);
    for (int i = 0; all && i < count; i++) {
        bool ours = false;
        for (int j = 0; j < CACHES; j++)
            ours |= !strncmp(environ[i], caches[j], strlen(caches[j])) &&
                    environ[i][strlen(caches[j])] == '=';
        if (!ours)
            all[used++] = environ[i];
    }
    for (int j = 0; all && j < CACHES; j++) {
        char text[256];
        snprintf(text, sizeof text, "%s=%s", caches[j], folder);
        all[used++] = strdup(text);
    }
    return all;
}

static void free_environment(char **all)
{
    int count = 0;
    while (all && all[count])
        count++;
    for (int i = count - CACHES; i >= 0 && i < count; i++)
        free(all[i]);
    free(all);
}

static enum nt_status spawn(
    struct bench *bench, const char *name, const char *folder, int out, pid_t *process)
{
    const struct bench_params *p = bench->params;
    posix_spawn_file_actions_t actions;
    char device[16];
    snprintf(device, sizeof device, "%d", nt_device_get_info(bench->dev)->index);
    char *argv[] = {"neutra", "bench", "start", (char *)name, "--device", device, NULL, NULL, NULL};
    if (p->zoo) {
        argv[6] = "--zoo";
        argv[7] = (char *)p->zoo;
    }
    char **all = environment(folder);
    int error = all ? posix_spawn_file_actions_init(&actions) : ENOMEM;
    if (!error) {
        error = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        if (!error)
            error = posix_spawn(process, "/proc/self/exe", &actions, NULL, argv, all);
        posix_spawn_file_actions_destroy(&actions);
    }
    free_environment(all);
    return error ? nt_fail(bench->ctx, NT_ERR_FILE, "starting the program: %s", strerror(error))
                 : NT_OK;
}

/* Milliseconds to the end of the first step, and the most memory that the process had. */
static enum nt_status run_child(
    struct bench *bench, const char *name, const char *folder, double *ms, double *bytes)
{
    int ends[2], code = 0;
    pid_t process;
    char text[64];
    size_t length = 0;
    if (pipe(ends) != 0)
        return nt_fail(bench->ctx, NT_ERR_FILE, "pipe: %s", strerror(errno));
    double start = nt_progress_now();
    enum nt_status status = spawn(bench, name, folder, ends[1], &process);
    close(ends[1]);
    if (status == NT_OK) {
        ssize_t got = 1;
        while (got > 0 && length < sizeof text - 1) {
            got = read(ends[0], text + length, sizeof text - 1 - length);
            if (length == 0)
                *ms = 1e3 * (nt_progress_now() - start);
            length += got > 0 ? (size_t)got : 0;
        }
        text[length] = 0;
        while (waitpid(process, &code, 0) < 0 && errno == EINTR)
            ;
        long kib;
        if (sscanf(text, "done %ld KiB", &kib) == 1)
            *bytes = 1024.0 * (double)kib;
        else
            code = -1;
        if (code != 0)
            status = nt_fail(bench->ctx, NT_ERR_FILE, "%s: the program started anew failed", name);
    }
    close(ends[0]);
    return status;
}

enum nt_status bench_start(struct bench *bench, const char *name, json_t *row)
{
    char folder[] = "/tmp/neutra_start_XXXXXX";
    double cold, bytes, warm[3];
    struct bench_times times;
    if (!mkdtemp(folder))
        return nt_fail(bench->ctx, NT_ERR_FILE, "%s: %s", folder, strerror(errno));
    enum nt_status status = run_child(bench, name, folder, &cold, &bytes);
    for (int i = 0; status == NT_OK && i < 3; i++)
        status = run_child(bench, name, folder, &warm[i], &bytes);
    bench_remove_folder(folder);
    if (status != NT_OK)
        return status;
    bench_median(3, warm, &times);
    json_object_set_new(row, "cold_start_ms", json_real(cold));
    json_object_set_new(row, "warm_start_ms", json_real(times.median));
    json_object_set_new(row, "host_peak_bytes", json_integer((json_int_t)bytes));
    return NT_OK;
}
