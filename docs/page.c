/* SPDX-License-Identifier: MIT */
#include "docs/page.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const char *path, const char *name, const char *want)
{
    char got[4096];
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        return 1;
    }
    for (int line = 1; *want || !feof(file); line++) {
        size_t length = strcspn(want, "\n");
        bool there = fgets(got, sizeof got, file) != NULL;
        if (!there && !*want)
            break;
        if (!there || strlen(got) != length + 1 || strncmp(got, want, length + 1) != 0) {
            fprintf(stderr,
                "%s:%d: is stale: the program says\n  %.*s\nmake it again: ninja -C build %s\n",
                path, line, (int)length, want, name);
            fclose(file);
            return 1;
        }
        want += length + 1;
    }
    fclose(file);
    return 0;
}

int page_main(int argc, char **argv, const char *name, char *page)
{
    if (!page) {
        fprintf(stderr, "%s: no memory\n", name);
        return 1;
    }
    int code = argc > 1 ? compare(argv[1], name, page) : fputs(page, stdout) < 0;
    free(page);
    return code;
}
