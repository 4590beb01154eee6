/* SPDX-License-Identifier: MIT */
#include "frontend/picture.h"

#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "frontend/file.h"
#include "frontend/jpeg.h"
#include "tests/fixture.h"
#include "tests/testing.h"

/* The mean difference of two pictures of one size, in steps of 255. */
static double difference(const struct nt_picture *a, const struct nt_picture *b)
{
    ck_assert_int_eq(a->width, b->width);
    ck_assert_int_eq(a->height, b->height);
    ck_assert_int_eq(a->channels, b->channels);
    size_t count = (size_t)a->width * (size_t)a->height * (size_t)a->channels;
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += abs(a->pixels[i] - b->pixels[i]);
    return sum / (double)count;
}

static struct nt_picture load(const char *path, int channels)
{
    struct nt_picture picture;
    struct nt_picture_params params = {.channels = channels};
    test_ok(nt_picture_load(test_context(), path, &params, &picture));
    return picture;
}

static struct nt_picture resized(const struct nt_picture *from, int width, int height)
{
    struct nt_picture to;
    test_ok(nt_picture_resize(test_context(), from, NULL, width, height, &to));
    return to;
}

START_TEST(png_keeps_every_pixel)
{
    char *path = fixture_path("kept.png");
    for (int channels = 1; channels <= 3; channels += 2) {
        struct nt_picture picture = fixture_picture(test_int(1, 70), test_int(1, 70), channels);
        test_ok(nt_picture_write_png(test_context(), &picture, path));
        struct nt_picture back = load(path, 0);
        ck_assert(difference(&picture, &back) == 0);
        nt_picture_finish(&back);
        nt_picture_finish(&picture);
    }
}
END_TEST

/* Writes a PNG of a given kind; samples[y][x] holds channels values of the bit depth. */
static void write_odd_png(const char *path, int width, int height, int type, int depth,
    bool interlaced, uint8_t **rows, const png_color *palette, int colors, const uint8_t *alpha)
{
    FILE *file = fopen(path, "wb");
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_init_io(png, file);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, depth, type,
        interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
        PNG_FILTER_TYPE_DEFAULT);
    if (palette)
        png_set_PLTE(png, info, palette, colors);
    if (alpha)
        png_set_tRNS(png, info, alpha, colors, NULL);
    png_write_info(png, info);
    png_write_image(png, rows);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    fclose(file);
}

START_TEST(every_kind_of_png)
{
    char *path = fixture_path("odd.png");
    enum { W = 13, H = 9 };
    uint8_t data[H][W * 8], *rows[H];
    const struct {
        int type, depth, samples;
    } kinds[] = {{PNG_COLOR_TYPE_GRAY, 1, 1}, {PNG_COLOR_TYPE_GRAY, 2, 1},
        {PNG_COLOR_TYPE_GRAY, 4, 1}, {PNG_COLOR_TYPE_GRAY, 8, 1}, {PNG_COLOR_TYPE_GRAY, 16, 1},
        {PNG_COLOR_TYPE_GRAY_ALPHA, 8, 2}, {PNG_COLOR_TYPE_GRAY_ALPHA, 16, 2},
        {PNG_COLOR_TYPE_RGB, 8, 3}, {PNG_COLOR_TYPE_RGB, 16, 3}, {PNG_COLOR_TYPE_RGB_ALPHA, 8, 4},
        {PNG_COLOR_TYPE_RGB_ALPHA, 16, 4}};
    for (size_t k = 0; k < 2 * sizeof kinds / sizeof *kinds; k++) {
        int type = kinds[k / 2].type, depth = kinds[k / 2].depth, n = kinds[k / 2].samples;
        for (int y = 0; y < H; y++)
            for (int i = 0; i < W * 8; i++)
                data[y][i] = (uint8_t)test_int(0, 255), rows[y] = data[y];
        write_odd_png(path, W, H, type, depth, k % 2, rows, NULL, 0, NULL);
        struct nt_picture picture = load(path, 3);
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++)
                for (int c = 0; c < 3; c++) {
                    int color = n < 3 ? 0 : c;
                    double v[2]; /* the sample and its alpha, 0 to 1 */
                    for (int s = 0; s < 2; s++) {
                        int at = x * n + (s ? n - 1 : color);
                        unsigned mask = (1u << depth) - 1;
                        unsigned raw =
                            depth == 16
                                ? data[y][2 * at] * 256u + data[y][2 * at + 1]
                                : data[y][at * depth / 8] >> (8 - depth - at * depth % 8) & mask;
                        v[s] = (double)raw / mask;
                    }
                    double a = n % 2 ? 1 : v[1];
                    double want = 255 * (v[0] * a + 1 - a);
                    double got = picture.pixels[(y * W + x) * 3 + c];
                    ck_assert_msg(fabs(got - want) <= 1.6, "type %d depth %d: %g, not %g", type,
                        depth, got, want);
                }
        nt_picture_finish(&picture);
    }
}
END_TEST

START_TEST(palette_png_with_transparency)
{
    char *path = fixture_path("palette.png");
    uint8_t row[3] = {0, 1, 2}, *rows[1] = {row};
    const png_color palette[3] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 200}};
    const uint8_t alpha[3] = {255, 0, 128};
    write_odd_png(path, 3, 1, PNG_COLOR_TYPE_PALETTE, 8, false, rows, palette, 3, alpha);
    struct nt_picture picture = load(path, 0);
    const uint8_t want[9] = {255, 0, 0, 255, 255, 255, 127, 127, 227};
    ck_assert_int_eq(picture.channels, 3);
    ck_assert_mem_eq(picture.pixels, want, 9);
    nt_picture_finish(&picture);
}
END_TEST

START_TEST(jpeg_comes_back_close)
{
    char *path = fixture_path("close.jpg");
    for (int channels = 1; channels <= 3; channels += 2) {
        struct nt_picture picture = fixture_picture(test_int(20, 90), test_int(20, 90), channels);
        fixture_write_jpeg(path, &picture, 95);
        struct nt_picture back = load(path, 0), gray = load(path, 1), color = load(path, 3);
        ck_assert_double_lt(difference(&picture, &back), 4);
        ck_assert_int_eq(gray.channels, 1);
        ck_assert_int_eq(color.channels, 3);
        nt_picture_finish(&back);
        nt_picture_finish(&gray);
        nt_picture_finish(&color);
        nt_picture_finish(&picture);
    }
}
END_TEST

START_TEST(jpeg_shrinks_while_decoding)
{
    char *path = fixture_path("shrunk.jpg");
    struct nt_picture picture = fixture_picture(400, 320, 3), small;
    fixture_write_jpeg(path, &picture, 95);
    const struct {
        int least, width;
    } cases[] = {{320, 400}, {281, 400}, {280, 350}, {160, 200}, {81, 150}, {40, 50}, {1, 50}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct nt_picture_params params = {
            .min_width = cases[i].least, .min_height = cases[i].least};
        test_ok(nt_picture_load(test_context(), path, &params, &small));
        ck_assert_int_eq(small.width, cases[i].width);
        ck_assert_int_eq(small.height, cases[i].width * 4 / 5);
        struct nt_picture want = resized(&picture, small.width, small.height);
        ck_assert_double_lt(difference(&small, &want), 4);
        nt_picture_finish(&want);
        nt_picture_finish(&small);
    }
    nt_picture_finish(&picture);
}
END_TEST

/* A JPEG with an EXIF orientation, in either byte order. */
static void write_oriented(const char *path, const struct nt_picture *picture, int value, bool big)
{
    static const uint8_t little_exif[] = {0xFF, 0xE1, 0, 34, 'E', 'x', 'i', 'f', 0, 0, 'I', 'I', 42,
        0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t big_exif[] = {0xFF, 0xE1, 0, 34, 'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42,
        0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0};
    uint8_t exif[36], *data;
    size_t size;
    memcpy(exif, big ? big_exif : little_exif, 36);
    exif[big ? 29 : 28] = (uint8_t)value;
    fixture_write_jpeg(path, picture, 95);
    test_ok(nt_file_read(test_context(), path, 0, &data, &size));
    uint8_t *all = malloc(size + 36);
    memcpy(all, data, 2);
    memcpy(all + 2, exif, 36);
    memcpy(all + 38, data + 2, size - 2);
    fixture_write(path, all, size + 36);
    free(all);
    free(data);
}

START_TEST(orientation_is_applied)
{
    char *path = fixture_path("turned.jpg");
    /* Where the stored top left corner is seen, and whether rows are seen as columns: the table of
     * the EXIF standard. */
    const struct {
        bool right, bottom, swapped;
    } seen[9] = {[1] = {0, 0, 0},
        [2] = {1, 0, 0},
        [3] = {1, 1, 0},
        [4] = {0, 1, 0},
        [5] = {0, 0, 1},
        [6] = {1, 0, 1},
        [7] = {1, 1, 1},
        [8] = {0, 1, 1}};
    for (int value = 0; value <= 9; value++) {
        struct nt_picture picture;
        int width = 48, height = 32;
        test_ok(nt_picture_create(test_context(), width, height, 1, &picture));
        for (int y = 0; y < 8; y++) /* a bright block at the top left, a gray one at its right */
            for (int x = 0; x < 16; x++)
                picture.pixels[y * width + x] = x < 8 ? 255 : 100;
        write_oriented(path, &picture, value, value % 2);
        struct nt_picture got = load(path, 1);
        int v = value >= 1 && value <= 8 ? value : 1;
        ck_assert_int_eq(got.width, seen[v].swapped ? height : width);
        int x = seen[v].right ? got.width - 4 : 4, y = seen[v].bottom ? got.height - 4 : 4;
        ck_assert_int_gt(got.pixels[y * got.width + x], 230);
        if (seen[v].swapped)
            y += seen[v].bottom ? -8 : 8;
        else
            x += seen[v].right ? -8 : 8;
        ck_assert_int_gt(got.pixels[y * got.width + x], 80);
        ck_assert_int_lt(got.pixels[y * got.width + x], 120);
        nt_picture_finish(&got);
        nt_picture_finish(&picture);
    }
}
END_TEST

START_TEST(resize_keeps_flat_and_linear)
{
    for (int n = 0; n < 30; n++) {
        int width = test_int(1, 60), height = test_int(1, 60), level = test_int(0, 255);
        struct nt_picture flat;
        test_ok(nt_picture_create(test_context(), width, height, 1, &flat));
        memset(flat.pixels, level, (size_t)width * (size_t)height);
        struct nt_picture to = resized(&flat, test_int(1, 80), test_int(1, 80));
        for (int i = 0; i < to.width * to.height; i++)
            ck_assert_int_eq(to.pixels[i], level);
        struct nt_picture same = resized(&to, to.width, to.height);
        ck_assert(difference(&to, &same) == 0);
        nt_picture_finish(&same);
        nt_picture_finish(&to);
        nt_picture_finish(&flat);
    }
    /* A ramp stays one away from the borders, whatever box of it is taken. */
    struct nt_picture ramp, to;
    test_ok(nt_picture_create(test_context(), 128, 2, 3, &ramp));
    for (int i = 0; i < 256; i++)
        memset(ramp.pixels + 3 * i, 2 * (i % 128), 3);
    struct nt_box box = {20.5, 0, 64, 2};
    for (int width = 16; width <= 128; width *= 2) {
        test_ok(nt_picture_resize(test_context(), &ramp, &box, width, 1, &to));
        for (int x = 0; x < width; x++) {
            double want = 2 * (20.5 + (x + 0.5) * 64 / width - 0.5);
            ck_assert_double_eq_tol(to.pixels[3 * x + 1], want, 1.01);
        }
        nt_picture_finish(&to);
    }
    struct nt_box outside = {100, 0, 64, 2};
    test_fails(nt_picture_resize(test_context(), &ramp, &outside, 9, 9, &to), NT_ERR_ARGUMENT,
        "must lie inside 128x2");
    test_fails(
        nt_picture_resize(test_context(), &ramp, NULL, 0, 9, &to), NT_ERR_ARGUMENT, "at least 1");
    nt_picture_finish(&ramp);
}
END_TEST

/* Of three tables for each column the first finds room, the second does not. */
START_TEST(too_large_to_resize)
{
#ifdef __SANITIZE_ADDRESS__
    test_skip("AddressSanitizer needs all of the address space");
#else
    const int width = 100 << 20;
    struct nt_picture picture = fixture_picture(2, 2, 1), to;
    struct rlimit old, tight;
    FILE *file = fopen("/proc/self/statm", "r");
    long pages;
    if (!file || fscanf(file, "%ld", &pages) != 1)
        return;
    fclose(file);
    getrlimit(RLIMIT_AS, &old);
    tight = old;
    tight.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + 6 * (rlim_t)width;
    setrlimit(RLIMIT_AS, &tight);
    enum nt_status status = nt_picture_resize(test_context(), &picture, NULL, width, 1, &to);
    setrlimit(RLIMIT_AS, &old);
    test_fails(status, NT_ERR_MEMORY, "no memory to resize");
    nt_picture_finish(&picture);
#endif
}
END_TEST

START_TEST(crop_and_flip)
{
    struct nt_picture picture = fixture_picture(11, 7, 3), part;
    test_ok(nt_picture_crop(test_context(), &picture, -2, 3, 9, 6, &part));
    for (int y = 0; y < 6; y++)
        for (int x = 0; x < 9; x++) {
            bool inside = x >= 2 && y + 3 < 7;
            uint8_t want = inside ? picture.pixels[((y + 3) * 11 + x - 2) * 3 + 1] : 0;
            ck_assert_int_eq(part.pixels[(y * 9 + x) * 3 + 1], want);
        }
    nt_picture_finish(&part);
    test_ok(nt_picture_crop(test_context(), &picture, 100, -100, 3, 3, &part));
    nt_picture_finish(&part);
    test_ok(nt_picture_crop(test_context(), &picture, 0, 0, 11, 7, &part));
    nt_picture_flip(&part);
    for (int i = 0; i < 77; i++)
        ck_assert_int_eq(
            part.pixels[3 * i + 2], picture.pixels[3 * (i / 11 * 11 + 10 - i % 11) + 2]);
    nt_picture_finish(&part);
    nt_picture_finish(&picture);
}
END_TEST

START_TEST(what_is_no_picture_is_refused)
{
    struct nt_picture picture;
    struct nt_picture_params few = {.max_pixels = 99}, odd = {.channels = 2};
    char *path = fixture_path("no.jpg");
    fixture_write(path, "", 0);
    test_fails(nt_picture_load(test_context(), path, NULL, &picture), NT_ERR_FORMAT, "empty");
    fixture_write(path, "GIF89a......", 12);
    test_fails(nt_picture_load(test_context(), path, NULL, &picture), NT_ERR_FORMAT,
        "neither a JPEG nor a PNG");
    struct nt_picture square = fixture_picture(10, 10, 3);
    fixture_write_jpeg(path, &square, 90);
    test_fails(nt_picture_load(test_context(), path, &few, &picture), NT_ERR_UNSUPPORTED,
        "10x10: more than 99 pixels");
    test_fails(nt_picture_load(test_context(), path, &odd, &picture), NT_ERR_ARGUMENT, "1 or 3");
    test_ok(nt_picture_write_png(test_context(), &square, path));
    test_fails(nt_picture_load(test_context(), path, &few, &picture), NT_ERR_UNSUPPORTED,
        "10x10: more than 99 pixels");
    test_fails(nt_picture_write_png(test_context(), &square, "/dev/full"), NT_ERR_FILE, "No space");
    test_fails(nt_picture_write_png(test_context(), &square, "/no/where.png"), NT_ERR_FILE,
        "folder /no does not exist");
    nt_picture_finish(&square);
}
END_TEST

START_TEST(truncated_pictures_are_refused)
{
    struct nt_picture source = fixture_picture(64, 48, 3), picture;
    char *jpeg = fixture_path("t.jpg"), *png = fixture_path("t.png");
    fixture_write_jpeg(jpeg, &source, 90);
    test_ok(nt_picture_write_png(test_context(), &source, png));
    for (int i = 0; i < 2; i++) {
        uint8_t *data;
        size_t size;
        test_ok(nt_file_read(test_context(), i ? png : jpeg, 0, &data, &size));
        for (size_t cut = 1; cut < size - 60; cut += 1 + cut / 8)
            test_fails(nt_picture_decode(test_context(), "cut", data, cut, NULL, &picture),
                NT_ERR_FORMAT, "cut: ");
        if (i == 0) { /* without the end marker alone, it is whole */
            test_ok(nt_picture_decode(test_context(), "x", data, size - 2, NULL, &picture));
            nt_picture_finish(&picture);
        }
        free(data);
    }
    nt_picture_finish(&source);
}
END_TEST

START_TEST(random_damage_does_no_harm)
{
    struct nt_picture source = fixture_picture(40, 30, 3);
    char *paths[3] = {fixture_path("d.jpg"), fixture_path("d.png"), fixture_path("e.jpg")};
    fixture_write_jpeg(paths[0], &source, 80);
    test_ok(nt_picture_write_png(test_context(), &source, paths[1]));
    write_oriented(paths[2], &source, 6, true);
    struct nt_picture_params params = {.max_pixels = 1000000};
    double end = fixture_seconds() + 2;
    int tried = 0, read = 0;
    uint8_t *data[3];
    size_t size[3];
    for (int i = 0; i < 3; i++)
        test_ok(nt_file_read(test_context(), paths[i], 0, &data[i], &size[i]));
    for (; tried < 5000 && fixture_seconds() < end; tried++) {
        int i = tried % 3;
        struct nt_picture picture;
        uint8_t *bytes = malloc(size[i]);
        memcpy(bytes, data[i], size[i]);
        size_t n = fixture_mutate(bytes, size[i]);
        uint8_t *exact = malloc(n ? n : 1);
        memcpy(exact, bytes, n);
        if (nt_picture_decode(test_context(), "damaged", exact, n, &params, &picture) == NT_OK) {
            read++;
            nt_picture_finish(&picture);
        }
        free(exact);
        free(bytes);
    }
    printf("pictures: %d damaged files, %d read all the same\n", tried, read);
    for (int i = 0; i < 3; i++)
        free(data[i]);
    nt_picture_finish(&source);
}
END_TEST

/* Loads those of a numbered series of pictures that are there: all must look alike. */
static int compare_series(const char *format, int first, int last)
{
    struct nt_picture reference = {0};
    int count = 0;
    for (int value = first; value <= last; value++) {
        char name[96];
        snprintf(name, sizeof name, format, value);
        const char *path = test_data(name);
        if (!path)
            continue;
        struct nt_picture picture;
        struct nt_picture_params params = {.channels = 3, .min_width = 100, .min_height = 100};
        test_ok(nt_picture_load(test_context(), path, &params, &picture));
        if (count++ == 0) {
            reference = picture;
            continue;
        }
        double apart = difference(&reference, &picture);
        nt_picture_flip(&picture);
        double mirrored = difference(&reference, &picture);
        ck_assert_msg(
            apart < 20 && apart < mirrored / 3, "%s: %g, mirrored %g", name, apart, mirrored);
        nt_picture_finish(&picture);
    }
    if (count)
        nt_picture_finish(&reference);
    return count;
}

START_TEST(real_orientations_look_alike)
{
    int count = compare_series("jpeg-odd/exif-orientation/Landscape_%d.jpg", 1, 8);
    count += compare_series("jpeg-odd/exif-orientation/Portrait_%d.jpg", 1, 8);
    count += compare_series("jpeg-odd/pillow/hopper_orientation_%d.jpg", 2, 8);
    if (count < 2)
        test_skip("no pictures with EXIF orientations in ../shared");
}
END_TEST

START_TEST(pictures_look_like_their_reference)
{
    static const char *const pairs[][2] = {{"ycck.jpg", "ycck.png"},
        {"mozilla/jpg-cmyk-1.jpg", "mozilla/jpg-cmyk-1.png"},
        {"mozilla/jpg-cmyk-2.jpg", "mozilla/jpg-cmyk-2.png"},
        {"mozilla/jpg-gray.jpg", "mozilla/jpg-gray.png"},
        {"mozilla/jpg-progressive.jpg", "mozilla/jpg-progressive.png"},
        {"mozilla/jpg-size-17x17.jpg", "mozilla/jpg-size-17x17.png"},
        {"mozilla/jpg-size-31x31.jpg", "mozilla/jpg-size-31x31.png"},
        {"grayscale_16x24_sampling2x2.jpg", "grayscale_16x24_sampling2x2.png"},
        {"non-interleaved-mcu.jpg", "non-interleaved-mcu.png"},
        {"extraneous-data.jpg", "extraneous-data.png"}, {"restarts.jpg", "restarts.png"},
        {"progressive3.jpg", "progressive3.png"}};
    int count = 0;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct nt_picture picture[2];
        int found = 0;
        for (int j = 0; j < 2; j++) {
            char name[128];
            snprintf(name, sizeof name, "jpeg-odd/jpeg-decoder/reftest/images/%s", pairs[i][j]);
            const char *path = test_data(name);
            if (path)
                picture[found++] = load(path, 3);
        }
        if (found == 2) {
            double apart = difference(&picture[0], &picture[1]);
            ck_assert_msg(apart < 3, "%s: %g", pairs[i][0], apart);
            count++;
        }
        while (found > 0)
            nt_picture_finish(&picture[--found]);
    }
    if (count == 0)
        test_skip("no reference pictures in ../shared");
}
END_TEST

/* INDEX.tsv says of each file what Pillow made of it. Verdicts may differ on files with damage;
 * whole ones must be read, and no file may crash. */
START_TEST(odd_files_do_no_harm)
{
    const char *index = test_data("jpeg-odd/INDEX.tsv");
    if (!index) {
        test_skip("no odd pictures in ../shared");
        return;
    }
    FILE *file = fopen(index, "r");
    char line[1024], path[1100];
    int count = 0, read = 0, differing = 0;
    ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
    while (fgets(line, sizeof line, file)) {
        char *fields[7], *at = line;
        line[strcspn(line, "\n")] = 0;
        for (int i = 0; i < 7; i++) {
            fields[i] = at;
            at += strcspn(at, "\t");
            if (*at)
                *at++ = 0;
        }
        snprintf(path, sizeof path, "jpeg-odd/%s", fields[0]);
        const char *found = test_data(path);
        if (!found)
            continue;
        struct nt_picture picture;
        struct nt_picture_params params = {.channels = 3, .max_pixels = 20000000};
        enum nt_status status = nt_picture_load(test_context(), found, &params, &picture);
        bool whole = strcmp(fields[6], "ok") == 0;
        bool tame = strncmp(fields[0], "pillow/", 7) == 0 || strstr(fields[0], "/reftest/");
        if (status == NT_OK) {
            read++;
            nt_picture_finish(&picture);
        }
        differing += whole != (status == NT_OK);
        if (whole && tame && !strstr(fields[0], "progressive-missing"))
            ck_assert_msg(status == NT_OK, "%s", nt_error_message(test_context()));
        count++;
    }
    fclose(file);
    printf(
        "odd pictures: %d, %d read, %d judged otherwise than by Pillow\n", count, read, differing);
    ck_assert_int_le(differing, count / 10 + 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("picture");
    TCase *tcase = tcase_create("picture");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, png_keeps_every_pixel);
    tcase_add_test(tcase, every_kind_of_png);
    tcase_add_test(tcase, palette_png_with_transparency);
    tcase_add_test(tcase, jpeg_comes_back_close);
    tcase_add_test(tcase, jpeg_shrinks_while_decoding);
    tcase_add_test(tcase, orientation_is_applied);
    tcase_add_test(tcase, resize_keeps_flat_and_linear);
    tcase_add_test(tcase, too_large_to_resize);
    tcase_add_test(tcase, crop_and_flip);
    tcase_add_test(tcase, what_is_no_picture_is_refused);
    tcase_add_test(tcase, truncated_pictures_are_refused);
    tcase_add_test(tcase, random_damage_does_no_harm);
    tcase_add_test(tcase, real_orientations_look_alike);
    tcase_add_test(tcase, pictures_look_like_their_reference);
    tcase_add_test(tcase, odd_files_do_no_harm);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
