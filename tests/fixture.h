/* SPDX-License-Identifier: MIT
 *
 * Files for the tests of what reads and writes files.
 */
#ifndef NT_TESTS_FIXTURE_H
#define NT_TESTS_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "frontend/dataset.h"
#include "frontend/picture.h"

/* "FOLDER/name" in a folder of this process, made at first use and removed with all it
 * holds at exit; missing folders of name are made. Freed at exit. */
char *fixture_path(const char *name);

/* Number of entries of a folder, hidden ones too. */
int fixture_entries(const char *dir);

void fixture_write(const char *path, const void *data, size_t size);
void fixture_write_gz(const char *path, const void *data, size_t size);

/* An opened data set; the test fails when it cannot be. */
struct nt_dataset *fixture_dataset(const char *spec, const struct nt_dataset_params *params);

/* A smooth picture with noise; one that JPEG keeps recognisable. */
struct nt_picture fixture_picture(int width, int height, int channels);
void fixture_write_jpeg(const char *path, const struct nt_picture *picture, int quality);

/* Changes, cuts or repeats a few bytes at random; the new size, at most size + 64. data has room
 * for it. */
size_t fixture_mutate(uint8_t *data, size_t size);

double fixture_seconds(void);

#endif
