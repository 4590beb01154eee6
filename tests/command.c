/* SPDX-License-Identifier: MIT */
#include "tests/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fixture.h"
#include "tests/testing.h"

extern char **environ;

#define MAX_WORDS 64

char out[OUTPUT_SIZE], err[OUTPUT_SIZE];
const char *out_path;
static const char *err_path;

static void read_back(const char *path, char *text)
{
    FILE *file = fopen(path, "r");
    size_t size = file ? fread(text, 1, OUTPUT_SIZE - 1, file) : 0;
    text[size] = 0;
    if (file)
        fclose(file);
}

pid_t start(const char *command, const char *to)
{
    char line[8192], *argv[MAX_WORDS];
    int argc = 0;
    snprintf(line, sizeof line, "%s %s", getenv("NEUTRA_PROGRAM"), command);
    for (char *at = line; *at && argc < MAX_WORDS - 1;) {
        char end = *at == '\'' ? '\'' : ' ';
        at += end != ' ';
        if (*at != ' ')
            argv[argc++] = at;
        at = strchr(at, end);
        if (!at)
            break;
        *at++ = 0;
    }
    argv[argc] = NULL;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, err_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    pid_t pid;
    int error = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    ck_assert_msg(error == 0, "%s: %s", argv[0], strerror(error));
    return pid;
}

int finish(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        ck_assert_int_eq(errno, EINTR);
    read_back(out_path, out);
    read_back(err_path, err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void set_up(void)
{
    if (!out_path) {
        out_path = fixture_path("stdout");
        err_path = fixture_path("stderr");
    }
}

void expect(int code, const char *in_err, const char *fmt, ...)
{
    char command[8000];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(command, sizeof command, fmt, ap);
    va_end(ap);
    set_up();
    int got = finish(start(command, out_path));
    ck_assert_msg(
        got == code, "neutra %s: exit status %d, not %d; stderr: %s", command, got, code, err);
    ck_assert_msg(!in_err || strstr(err, in_err), "neutra %s: stderr \"%s\" lacks \"%s\"", command,
        err, in_err);
}

json_t *document(void)
{
    json_error_t error;
    json_t *json = json_loads(out, 0, &error);
    ck_assert_msg(json != NULL, "stdout is not one JSON document: %s: %s", error.text, out);
    return json;
}

double number(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    ck_assert_msg(json_is_number(value), "%s: no number in %s", key, out);
    return json_number_value(value);
}

bool absent(void)
{
    if (getenv("NEUTRA_PROGRAM"))
        return false;
    test_skip("NEUTRA_PROGRAM is not set");
    return true;
}
