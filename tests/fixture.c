/* SPDX-License-Identifier: MIT */
#include "tests/fixture.h"

#include <check.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <turbojpeg.h>
#include <unistd.h>
#include <zlib.h>

#include "frontend/file.h"
#include "tests/testing.h"

#define MAX_PATHS 1024

static char root[256];
static char *paths[MAX_PATHS];
static int path_count;

static void remove_tree(const char *path)
{
    struct stat info;
    DIR *dir = lstat(path, &info) == 0 && S_ISDIR(info.st_mode) ? opendir(path) : NULL;
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char inner[4096];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        remove_tree(inner);
    }
    if (dir)
        closedir(dir);
    remove(path);
}

static void clean_up(void)
{
    remove_tree(root);
    for (int i = 0; i < path_count; i++)
        free(paths[i]);
}

char *fixture_path(const char *name)
{
    if (!root[0]) {
        const char *tmp = getenv("TMPDIR");
        snprintf(root, sizeof root, "%s/neutra-test-XXXXXX", tmp ? tmp : "/tmp");
        if (!mkdtemp(root))
            abort();
        atexit(clean_up);
    }
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", root, name);
    *strrchr(path, '/') = 0;
    if (nt_file_make_folder(test_context(), path) != NT_OK || path_count == MAX_PATHS)
        abort();
    snprintf(path, sizeof path, "%s/%s", root, name);
    return paths[path_count++] = strdup(path);
}

int fixture_entries(const char *path)
{
    int count = 0;
    DIR *dir = opendir(path);
    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count - 2;
}

void fixture_write(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0)
        abort();
}

void fixture_write_gz(const char *path, const void *data, size_t size)
{
    gzFile file = gzopen(path, "wb1");
    if (!file || gzwrite(file, data, (unsigned)size) != (int)size || gzclose(file) != Z_OK)
        abort();
}

struct nt_dataset *fixture_dataset(const char *spec, const struct nt_dataset_params *params)
{
    struct nt_dataset *dataset = NULL;
    test_ok(nt_dataset_open(test_context(), spec, params, &dataset));
    return dataset;
}

struct nt_picture fixture_picture(int width, int height, int channels)
{
    struct nt_picture picture;
    test_ok(nt_picture_create(test_context(), width, height, channels, &picture));
    double phase = 3 * test_float(), slope = 0.05 + 0.02 * test_float();
    for (int i = 0; i < width * height; i++)
        for (int c = 0; c < channels; c++) {
            double wave = sin(slope * (i % width) + phase + c) + cos(slope * (i / width) - c);
            picture.pixels[i * channels + c] = (uint8_t)(128 + 50 * wave + 4 * test_float());
        }
    return picture;
}

void fixture_write_jpeg(const char *path, const struct nt_picture *picture, int quality)
{
    tjhandle encoder = tjInitCompress();
    unsigned char *data = NULL;
    unsigned long size = 0;
    bool gray = picture->channels == 1;
    int failed = tjCompress2(encoder, picture->pixels, picture->width, 0, picture->height,
        gray ? TJPF_GRAY : TJPF_RGB, &data, &size, gray ? TJSAMP_GRAY : TJSAMP_444, quality, 0);
    if (failed)
        abort();
    fixture_write(path, data, size);
    tjFree(data);
    tjDestroy(encoder);
}

size_t fixture_mutate(uint8_t *data, size_t size)
{
    static const uint8_t odd[] = {0, 1, 0x7f, 0x80, 0xff, '{', '"', '9'};
    int changes = test_int(1, 4);
    for (int i = 0; i < changes && size > 0; i++) {
        /* Half of the changes hit the start, where headers are. */
        int reach = test_int(0, 1) && size > 128 ? 128 : (int)size;
        int at = test_int(0, reach - 1);
        switch (test_int(0, 4)) {
        case 0:
            data[at] ^= (uint8_t)(1 << test_int(0, 7));
            break;
        case 1:
            data[at] = odd[test_int(0, (int)sizeof odd - 1)];
            break;
        case 2:
            data[at] = (uint8_t)test_int(0, 255);
            break;
        case 3:
            if (test_int(0, 3) == 0)
                size = (size_t)test_int(0, (int)size);
            break;
        default:
            if (test_int(0, 1) && size > 16) { /* a piece again elsewhere */
                int length = test_int(1, 16), to = test_int(0, (int)size - length);
                memmove(data + to, data + test_int(0, (int)size - length), (size_t)length);
            }
        }
    }
    return size;
}

double fixture_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
