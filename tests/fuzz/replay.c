/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzzing harness on the files of folders, and on each of them damaged in a few hundred
 * ways: replay FOLDER... The seed of the damage is printed; $NT_SEED repeats it.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/random.h"
#include "tests/fuzz/fuzz.h"

#define MOST_BYTES (1 << 20)
#define MOST_SECONDS 10

static uint8_t bytes[MOST_BYTES];
static struct nt_random dice;
static int runs;

static void run(const char *path, const uint8_t *data, size_t size)
{
    clock_t start = clock();
    LLVMFuzzerTestOneInput(data, size);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (seconds > MOST_SECONDS) {
        fprintf(stderr, "%s: %.1f seconds: must be at most %d\n", path, seconds, MOST_SECONDS);
        exit(EXIT_FAILURE);
    }
    runs++;
}

/* Cuts the file off, changes bytes, or repeats a part. */
static void damage(const char *path, size_t size)
{
    static uint8_t damaged[MOST_BYTES];
    size_t kept = size;
    memcpy(damaged, bytes, size);
    switch (nt_random_below(&dice, 3)) {
    case 0:
        kept = nt_random_below(&dice, size) + 1;
        break;
    case 1: {
        size_t from = nt_random_below(&dice, size), to = nt_random_below(&dice, size);
        size_t most = size - (from > to ? from : to);
        memmove(damaged + to, damaged + from, nt_random_below(&dice, most) + 1);
        break;
    }
    default:
        for (uint64_t i = nt_random_below(&dice, 4) + 1; i > 0; i--)
            damaged[nt_random_below(&dice, size)] = (uint8_t)nt_random_below(&dice, 256);
    }
    run(path, damaged, kept);
}

static bool replay(const char *path, int times)
{
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    if (file)
        fclose(file);
    if (size == 0) {
        fprintf(stderr, "%s: cannot be read, or is empty\n", path);
        return false;
    }
    run(path, bytes, size);
    for (int i = 0; i < times; i++)
        damage(path, size);
    return true;
}

static bool replay_folder(const char *folder, int times)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    char path[4096];
    int files = 0;
    bool read = true;
    while (dir && read && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        read = replay(path, times);
        files++;
    }
    if (dir)
        closedir(dir);
    if (files == 0)
        fprintf(stderr, "%s: has no files\n", folder);
    return read && files > 0;
}

int main(int argc, char **argv)
{
    const char *seed = getenv("NT_SEED");
    dice.key = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
    printf("NT_SEED=%llu\n", (unsigned long long)dice.key);
    fflush(stdout);
    for (int i = 1; i < argc; i++)
        if (!replay_folder(argv[i], getenv("NT_SMALL") ? 30 : 300))
            return EXIT_FAILURE;
    printf("%d inputs\n", runs);
    return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
