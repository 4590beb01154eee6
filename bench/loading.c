/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* nftw */
#include "bench/loading.h"

#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include "engine/random.h"
#include "frontend/file.h"

/* As pictures of ImageNet are on average. */
#define WIDTH 500
#define HEIGHT 375
#define QUALITY 90
#define PICTURES 48 /* of each of two classes */

struct bench_loading {
    char folder[32];
    struct nt_dataset *dataset;
    struct nt_loader *loader;
    size_t x_bytes, y_bytes; /* of a batch */
};

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    return remove(path);
}

void bench_remove_folder(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Waves with noise: about as hard to decode as a photograph. */
static void draw(uint8_t *pixels, struct nt_random *random)
{
    double slope = 0.02 + 0.05 * nt_random_uniform(random), phase = nt_random_uniform(random);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            double wave = sin(slope * x + phase) + cos(2 * slope * y);
            uint32_t noise = nt_random_u32(random);
            for (int c = 0; c < 3; c++)
                *pixels++ = (uint8_t)(110 + 40 * wave + 10 * c + (noise >> 8 * c & 15));
        }
}

static enum nt_status write_picture(struct nt_context *ctx, const char *folder, int index,
    uint8_t *pixels, struct nt_random *random)
{
    char path[128];
    unsigned char *data = NULL;
    unsigned long size = 0;
    tjhandle encoder = tjInitCompress();
    draw(pixels, random);
    snprintf(path, sizeof path, "%s/%s", folder, index % 2 ? "odd" : "even");
    enum nt_status status = nt_file_make_folder(ctx, path);
    snprintf(path, sizeof path, "%s/%s/%d.jpg", folder, index % 2 ? "odd" : "even", index);
    if (status == NT_OK && (!encoder || tjCompress2(encoder, pixels, WIDTH, 0, HEIGHT, TJPF_RGB,
                                            &data, &size, TJSAMP_420, QUALITY, 0)))
        status = nt_fail(ctx, NT_ERR_FILE, "%s: cannot be encoded", path);
    if (status == NT_OK)
        status = nt_file_replace(ctx, path, data, size);
    tjFree(data);
    if (encoder)
        tjDestroy(encoder);
    return status;
}

static enum nt_status write_pictures(struct nt_context *ctx, const char *folder)
{
    struct nt_random random = {.key = 3};
    uint8_t *pixels = malloc((size_t)WIDTH * HEIGHT * 3);
    enum nt_status status =
        pixels ? NT_OK : nt_fail(ctx, NT_ERR_MEMORY, "bench: host memory is exhausted");
    for (int i = 0; status == NT_OK && i < 2 * PICTURES; i++)
        status = write_picture(ctx, folder, i, pixels, &random);
    free(pixels);
    return status;
}

static enum nt_status open_loader(struct nt_context *ctx, struct bench_loading *loading,
    const struct nt_shape *item, enum nt_layout layout, int batch)
{
    char spec[64];
    struct nt_dataset_params data = {
        .image_size = (int)item->dim[item->rank - 1], .channels = (int)item->dim[0]};
    struct nt_loader_params params = {
        .batch = batch, .layout = layout, .training = true, .seed = 1};
    snprintf(spec, sizeof spec, "images:%s", loading->folder);
    enum nt_status status = nt_dataset_open(ctx, spec, &data, &loading->dataset);
    if (status == NT_OK)
        status = nt_loader_create(ctx, loading->dataset, &params, &loading->loader);
    loading->x_bytes = (size_t)batch * (size_t)nt_shape_count(item) * sizeof(float);
    loading->y_bytes = (size_t)batch * sizeof(int32_t);
    return status;
}

enum nt_status bench_loading_create(struct nt_context *ctx, const struct nt_shape *item,
    enum nt_layout layout, int batch, struct bench_loading **out)
{
    struct bench_loading *loading = calloc(1, sizeof *loading);
    if (!loading)
        return nt_fail(ctx, NT_ERR_MEMORY, "bench: host memory is exhausted");
    strcpy(loading->folder, "/tmp/neutra_bench_XXXXXX");
    enum nt_status status = NT_OK;
    if (!mkdtemp(loading->folder)) {
        status = nt_fail(ctx, NT_ERR_FILE, "%s: %s", loading->folder, strerror(errno));
        loading->folder[0] = 0;
    }
    if (status == NT_OK)
        status = write_pictures(ctx, loading->folder);
    if (status == NT_OK)
        status = open_loader(ctx, loading, item, layout, batch);
    if (status != NT_OK)
        bench_loading_destroy(loading);
    else
        *out = loading;
    return status;
}

void bench_loading_destroy(struct bench_loading *loading)
{
    if (!loading)
        return;
    if (loading->loader)
        nt_loader_destroy(loading->loader);
    if (loading->dataset)
        nt_dataset_close(loading->dataset);
    if (loading->folder[0])
        bench_remove_folder(loading->folder);
    free(loading);
}

enum nt_status bench_loading_next(struct bench_loading *loading, struct nt_session *session)
{
    struct nt_batch batch;
    void *ptr[16];
    enum nt_status status = nt_loader_next(loading->loader, &batch);
    if (status == NT_OK && session)
        status = nt_session_acquire(session, ptr);
    if (status != NT_OK)
        return status;
    if (session) {
        memcpy(ptr[0], batch.x, loading->x_bytes);
        memcpy(ptr[1], batch.y, loading->y_bytes);
    }
    nt_loader_release(loading->loader);
    return session ? nt_session_submit(session) : NT_OK;
}
