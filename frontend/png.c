/* SPDX-License-Identifier: MIT */
#include "frontend/png.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/file.h"

#define MAX_CHUNK (64 << 20) /* bytes one ancillary chunk may unpack to */

struct job {
    struct nt_context *ctx;
    const char *name;
    const uint8_t *data;
    size_t size, at;
    struct nt_file_writer *writer;
    enum nt_status status;
    char text[128];
    jmp_buf jump;
    /* What a failure has to free. */
    uint8_t *raw, **rows;
};

static void on_error(png_structp png, png_const_charp text)
{
    struct job *job = png_get_error_ptr(png);
    snprintf(job->text, sizeof job->text, "%s", text);
    longjmp(job->jump, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
}

static void read_bytes(png_structp png, png_bytep to, size_t size)
{
    struct job *job = png_get_io_ptr(png);
    if (size > job->size - job->at)
        png_error(png, "the data end early: truncated");
    memcpy(to, job->data + job->at, size);
    job->at += size;
}

static void write_bytes(png_structp png, png_bytep from, size_t size)
{
    struct job *job = png_get_io_ptr(png);
    job->status = nt_file_write(job->writer, from, size);
    if (job->status != NT_OK)
        png_error(png, "write");
}

static void flush_nothing(png_structp png)
{
}

/* Everything becomes 8-bit gray and alpha, or red, green, blue and alpha. */
static void read_pixels(
    png_structp png, png_infop info, struct job *job, int channels, int width, int height)
{
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_add_alpha(png, 255, PNG_FILLER_AFTER);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    size_t row = (size_t)width * (size_t)(channels + 1);
    if (png_get_rowbytes(png, info) != row)
        png_error(png, "an unknown kind of pixel");
    job->raw = malloc(row * (size_t)height);
    job->rows = malloc((size_t)height * sizeof *job->rows);
    if (!job->raw || !job->rows) {
        job->status = nt_fail(job->ctx, NT_ERR_MEMORY, "%s: no memory for its pixels", job->name);
        png_error(png, "memory");
    }
    for (int y = 0; y < height; y++)
        job->rows[y] = job->raw + row * (size_t)y;
    png_read_image(png, job->rows);
    png_read_end(png, NULL);
}

/* from: colours and alpha. Over white: c * a + 255 * (1 - a). */
static void lay_over_white(const uint8_t *from, size_t count, int channels, uint8_t *to)
{
    for (size_t i = 0; i < count; i++, from += channels + 1)
        for (int c = 0; c < channels; c++)
            *to++ = (uint8_t)(255 - ((255 - from[c]) * from[channels] + 127) / 255);
}

static enum nt_status decode(struct job *job, png_structp png, png_infop info,
    const struct nt_picture_params *params, struct nt_picture *out)
{
    if (setjmp(job->jump)) {
        if (job->status == NT_OK)
            job->status =
                nt_fail(job->ctx, NT_ERR_FORMAT, "%s: broken PNG: %s", job->name, job->text);
        return job->status;
    }
    png_set_read_fn(png, job, read_bytes);
    png_set_user_limits(png, 1000000, 1000000);
    png_set_chunk_malloc_max(png, MAX_CHUNK);
    png_read_info(png, info);
    int width = (int)png_get_image_width(png, info), height = (int)png_get_image_height(png, info);
    if ((int64_t)width * height > params->max_pixels)
        return nt_fail(job->ctx, NT_ERR_UNSUPPORTED, "%s: %dx%d: more than %lld pixels", job->name,
            width, height, (long long)params->max_pixels);
    bool colored = png_get_color_type(png, info) & PNG_COLOR_MASK_COLOR;
    int channels = colored ? 3 : 1;
    read_pixels(png, info, job, channels, width, height);
    enum nt_status status = nt_picture_create(job->ctx, width, height, channels, out);
    if (status == NT_OK)
        lay_over_white(job->raw, (size_t)width * height, channels, out->pixels);
    return status;
}

enum nt_status nt_png_decode(struct nt_context *ctx, const char *name, const uint8_t *data,
    size_t size, const struct nt_picture_params *params, struct nt_picture *out)
{
    struct job *job = calloc(1, sizeof *job);
    png_structp png =
        job ? png_create_read_struct(PNG_LIBPNG_VER_STRING, job, on_error, on_warning) : NULL;
    png_infop info = png ? png_create_info_struct(png) : NULL;
    enum nt_status status;
    if (info) {
        job->ctx = ctx;
        job->name = name;
        job->data = data;
        job->size = size;
        status = decode(job, png, info, params, out);
        free(job->raw);
        free(job->rows);
    } else {
        status = nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for a PNG decoder", name);
    }
    if (png)
        png_destroy_read_struct(&png, &info, NULL);
    free(job);
    return status;
}

static enum nt_status encode(
    struct job *job, png_structp png, png_infop info, const struct nt_picture *picture)
{
    if (setjmp(job->jump)) {
        if (job->status == NT_OK)
            job->status = nt_fail(
                job->ctx, NT_ERR_ARGUMENT, "%s: cannot write PNG: %s", job->name, job->text);
        return job->status;
    }
    png_set_write_fn(png, job, write_bytes, flush_nothing);
    png_set_IHDR(png, info, (png_uint_32)picture->width, (png_uint_32)picture->height, 8,
        picture->channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
        PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    size_t row = (size_t)picture->width * (size_t)picture->channels;
    for (int y = 0; y < picture->height; y++)
        png_write_row(png, picture->pixels + row * (size_t)y);
    png_write_end(png, NULL);
    return NT_OK;
}

enum nt_status nt_png_write(
    struct nt_context *ctx, const struct nt_picture *picture, const char *path)
{
    struct nt_file_writer *writer;
    enum nt_status status = nt_file_create(ctx, path, &writer);
    if (status != NT_OK)
        return status;
    struct job *job = calloc(1, sizeof *job);
    png_structp png =
        job ? png_create_write_struct(PNG_LIBPNG_VER_STRING, job, on_error, on_warning) : NULL;
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (info) {
        job->ctx = ctx;
        job->name = path;
        job->writer = writer;
        status = encode(job, png, info, picture);
    } else {
        status = nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for a PNG encoder", path);
    }
    if (png)
        png_destroy_write_struct(&png, &info);
    free(job);
    if (status != NT_OK) {
        nt_file_discard(writer);
        return status;
    }
    return nt_file_commit(writer);
}
