/* SPDX-License-Identifier: MIT */
#include "frontend/file.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fixture.h"
#include "tests/testing.h"

static uint8_t *make_bytes(size_t size)
{
    uint8_t *bytes = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(test_int(0, 3) ? i / 7 : (size_t)test_int(0, 255));
    return bytes;
}

static void expect_content(const char *path, const void *want, size_t want_size)
{
    uint8_t *data = NULL;
    size_t size = 99;
    test_ok(nt_file_read(test_context(), path, 0, &data, &size));
    ck_assert_uint_eq(size, want_size);
    ck_assert(size == 0 || memcmp(data, want, size) == 0);
    ck_assert_int_eq(data[size], 0);
    free(data);
}

START_TEST(plain_and_gzip_read_the_same)
{
    static const size_t sizes[] = {0, 1, 2, 65535, 65536, 65537, 1000000};
    char *plain = fixture_path("plain"), *packed = fixture_path("packed");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *bytes = make_bytes(sizes[i]);
        fixture_write(plain, bytes, sizes[i]);
        fixture_write_gz(packed, bytes, sizes[i]);
        expect_content(plain, bytes, sizes[i]);
        expect_content(packed, bytes, sizes[i]);
        free(bytes);
    }
}
END_TEST

START_TEST(gzip_may_hold_several_members)
{
    char *path = fixture_path("members"), both[8192];
    size_t size = 0;
    for (int i = 0; i < 2; i++) {
        fixture_write_gz(path, "half.", 5);
        FILE *file = fopen(path, "rb");
        size += fread(both + size, 1, 4096, file);
        fclose(file);
    }
    fixture_write(path, both, size);
    expect_content(path, "half.half.", 10);
}
END_TEST

START_TEST(broken_gzip_is_refused)
{
    char *path = fixture_path("broken.gz");
    uint8_t *bytes = make_bytes(200000), *packed = malloc(400000);
    fixture_write_gz(path, bytes, 200000);
    FILE *file = fopen(path, "rb");
    size_t size = fread(packed, 1, 400000, file), got;
    fclose(file);
    uint8_t *data;
    const size_t cuts[] = {12, size / 2, size - 9, size - 8, size - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        fixture_write(path, packed, cuts[i]);
        test_fails(nt_file_read(test_context(), path, 0, &data, &got), NT_ERR_FORMAT, "truncated");
    }
    packed[size / 2] ^= 0x55;
    packed[size - 6] ^= 1; /* the checksum */
    fixture_write(path, packed, size);
    test_fails(nt_file_read(test_context(), path, 0, &data, &got), NT_ERR_FORMAT, "broken gzip");
    free(bytes);
    free(packed);
}
END_TEST

START_TEST(size_is_limited)
{
    char *plain = fixture_path("large"), *packed = fixture_path("large.gz");
    uint8_t *bytes = calloc(1, 300000), *data;
    size_t size;
    fixture_write(plain, bytes, 300000);
    fixture_write_gz(packed, bytes, 300000);
    test_ok(nt_file_read(test_context(), packed, 300000, &data, &size));
    free(data);
    test_fails(
        nt_file_read(test_context(), packed, 299999, &data, &size), NT_ERR_FORMAT, "larger than");
    test_ok(nt_file_read(test_context(), plain, 300000, &data, &size));
    free(data);
    test_fails(
        nt_file_read(test_context(), plain, 299999, &data, &size), NT_ERR_FORMAT, "larger than");
    free(bytes);
}
END_TEST

START_TEST(what_cannot_be_read_is_named)
{
    uint8_t *data;
    size_t size;
    test_fails(nt_file_read(test_context(), "/nowhere/at/all", 0, &data, &size), NT_ERR_FILE,
        "/nowhere/at/all: cannot open: No such file");
    test_fails(nt_file_read(test_context(), "/tmp", 0, &data, &size), NT_ERR_FILE, "directory");
}
END_TEST

START_TEST(commit_replaces_and_discard_leaves)
{
    char *path = fixture_path("atomic/kept");
    struct nt_file_writer *writer;
    test_ok(nt_file_replace(test_context(), path, "old", 3));
    test_ok(nt_file_create(test_context(), path, &writer));
    test_ok(nt_file_write(writer, "new ", 4));
    test_ok(nt_file_write_at(writer, 1, "E", 1));
    expect_content(path, "old", 3);
    test_ok(nt_file_write(writer, "text", 4));
    test_ok(nt_file_commit(writer));
    expect_content(path, "nEw text", 8);
    test_ok(nt_file_create(test_context(), path, &writer));
    test_ok(nt_file_write(writer, "gone", 4));
    nt_file_discard(writer);
    expect_content(path, "nEw text", 8);
    *strrchr(path, '/') = 0;
    ck_assert_int_eq(fixture_entries(path), 1);
}
END_TEST

/* As /dev/stdout: what it leads to gets the content, it stays where it is. */
START_TEST(links_stay_links)
{
    char *path = fixture_path("links/file"), link[1100], dir[1000];
    struct stat info;
    snprintf(link, sizeof link, "%s.link", path);
    snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(path, '/') - path), path);
    test_ok(nt_file_replace(test_context(), path, "old", 3));
    ck_assert_int_eq(symlink("file", link), 0);
    test_ok(nt_file_replace(test_context(), link, "new", 3));
    expect_content(path, "new", 3);
    ck_assert(lstat(link, &info) == 0 && S_ISLNK(info.st_mode));
    ck_assert_int_eq(fixture_entries(dir), 2);
}
END_TEST

START_TEST(what_cannot_be_written_is_named)
{
    struct nt_file_writer *writer;
    char *file = fixture_path("regular"), path[1100];
    fixture_write(file, "x", 1);
    snprintf(path, sizeof path, "%s/below", file);
    test_fails(nt_file_create(test_context(), path, &writer), NT_ERR_FILE, "Not a directory");
    snprintf(path, sizeof path, "%s-missing/out.bin", file);
    test_fails(
        nt_file_create(test_context(), path, &writer), NT_ERR_FILE, "-missing does not exist");
    test_fails(nt_file_create(test_context(), "/tmp", &writer), NT_ERR_FILE, "Is a directory");
    test_fails(
        nt_file_create(test_context(), "/proc/neutra", &writer), NT_ERR_FILE, "cannot create");
    snprintf(path, sizeof path, "%s/a/b", file);
    test_fails(nt_file_make_folder(test_context(), path), NT_ERR_FILE, "Not a directory");
    snprintf(path, sizeof path, "%s.d/a//b/", file);
    test_ok(nt_file_make_folder(test_context(), path));
    test_ok(nt_file_make_folder(test_context(), path));
    ck_assert(nt_file_is_folder(path));
}
END_TEST

START_TEST(full_device_is_reported)
{
    test_fails(nt_file_replace(test_context(), "/dev/full", "x", 1), NT_ERR_FILE,
        "/dev/full: cannot write: No space left");
    test_ok(nt_file_replace(test_context(), "/dev/null", "x", 1));
}
END_TEST

START_TEST(size_limit_leaves_the_old_file)
{
    char *path = fixture_path("limited/file");
    uint8_t *bytes = make_bytes(100000);
    test_ok(nt_file_replace(test_context(), path, "old", 3));
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 50000;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    enum nt_status status = nt_file_replace(test_context(), path, bytes, 100000);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, handler);
    test_fails(status, NT_ERR_FILE, "cannot write: File too large");
    expect_content(path, "old", 3);
    *strrchr(path, '/') = 0;
    ck_assert_int_eq(fixture_entries(path), 1);
    free(bytes);
}
END_TEST

START_TEST(full_disk_leaves_the_old_file)
{
    char *path = fixture_path("full/file"), dir[1024];
    snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(path, '/') - path), path);
    if (mount("none", dir, "tmpfs", 0, "size=256k") != 0) {
        test_skip("no right to mount a small disk");
        return;
    }
    uint8_t *bytes = make_bytes(1 << 20);
    enum nt_status first = nt_file_replace(test_context(), path, bytes, 1000);
    enum nt_status second = nt_file_replace(test_context(), path, bytes, 1 << 20);
    uint8_t *data = NULL;
    size_t size = 0;
    int entries = fixture_entries(dir);
    char message[512];
    snprintf(message, sizeof message, "%s", nt_error_message(test_context()));
    enum nt_status third = nt_file_read(test_context(), path, 0, &data, &size);
    umount(dir);
    ck_assert_int_eq(first, NT_OK);
    ck_assert_int_eq(second, NT_ERR_FILE);
    ck_assert_msg(strstr(message, "No space left on device") != NULL, "%s", message);
    ck_assert_int_eq(third, NT_OK);
    ck_assert_uint_eq(size, 1000);
    ck_assert_int_eq(entries, 1);
    free(bytes);
    free(data);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("file");
    TCase *tcase = tcase_create("file");
    tcase_add_test(tcase, plain_and_gzip_read_the_same);
    tcase_add_test(tcase, gzip_may_hold_several_members);
    tcase_add_test(tcase, broken_gzip_is_refused);
    tcase_add_test(tcase, size_is_limited);
    tcase_add_test(tcase, what_cannot_be_read_is_named);
    tcase_add_test(tcase, commit_replaces_and_discard_leaves);
    tcase_add_test(tcase, links_stay_links);
    tcase_add_test(tcase, what_cannot_be_written_is_named);
    tcase_add_test(tcase, full_device_is_reported);
    tcase_add_test(tcase, size_limit_leaves_the_old_file);
    tcase_add_test(tcase, full_disk_leaves_the_old_file);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
