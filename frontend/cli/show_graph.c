/* SPDX-License-Identifier: MIT */
#include "frontend/cli/show_graph.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/dot.h"
#include "frontend/file.h"

#define MOST_SVG ((size_t)1 << 28)

extern char **environ;

/* A file without a name, which holds the text and is read from its start. */
static FILE *file_of(const char *text)
{
    FILE *file = tmpfile();
    if (!file)
        return NULL;
    if (fputs(text, file) >= 0 && fflush(file) == 0 && fseek(file, 0, SEEK_SET) == 0)
        return file;
    fclose(file);
    return NULL;
}

/* Runs `dot -Tsvg`; false when there is no such program. */
static bool run_dot(FILE *in, FILE *out, int *code)
{
    char *argv[] = {"dot", "-Tsvg", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fileno(in), 0);
    posix_spawn_file_actions_adddup2(&actions, fileno(out), 1);
    pid_t pid;
    int error = posix_spawnp(&pid, "dot", &actions, NULL, argv, environ), status = 0;
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        return false;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
    return *code != 127; /* what a spawned child that cannot run it ends with */
}

static enum nt_status copy(struct nt_context *ctx, FILE *from, const char *path)
{
    long size = fseek(from, 0, SEEK_END) == 0 ? ftell(from) : -1;
    rewind(from);
    if (size <= 0 || (size_t)size > MOST_SVG)
        return nt_fail(ctx, NT_ERR_FILE, "%s: dot made %ld bytes of SVG", path, size);
    char *data = malloc((size_t)size);
    if (!data)
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for %ld bytes", path, size);
    enum nt_status status = fread(data, 1, (size_t)size, from) == (size_t)size
                                ? nt_file_replace(ctx, path, data, (size_t)size)
                                : nt_fail(ctx, NT_ERR_FILE, "%s: cannot read what dot made", path);
    free(data);
    return status;
}

static enum nt_status draw(struct nt_context *ctx, const char *text, const char *path)
{
    FILE *in = file_of(text), *out = tmpfile();
    enum nt_status status = NT_OK;
    int code = 0;
    if (!in || !out)
        status = nt_fail(ctx, NT_ERR_FILE, "%s: no temporary file: %s", path, strerror(errno));
    else if (!run_dot(in, out, &code))
        status = nt_fail(ctx, NT_ERR_UNSUPPORTED,
            "--svg %s: needs graphviz's program dot, which is not installed (Debian: apt install "
            "graphviz); --dot FILE writes the graph for it",
            path);
    else if (code != 0)
        status = nt_fail(ctx, NT_ERR_FILE, "%s: dot failed with exit status %d", path, code);
    else
        status = copy(ctx, out, path);
    if (in)
        fclose(in);
    if (out)
        fclose(out);
    return status;
}

enum nt_status show_graph(
    const struct nt_graph *graph, const char *title, const char *dot_path, const char *svg_path)
{
    char *text = NULL;
    if (!dot_path && !svg_path)
        return NT_OK;
    enum nt_status status = nt_dot_text(graph, title, &text);
    if (status == NT_OK && dot_path)
        status = nt_file_replace(graph->ctx, dot_path, text, strlen(text));
    if (status == NT_OK && svg_path)
        status = draw(graph->ctx, text, svg_path);
    free(text);
    return status;
}
