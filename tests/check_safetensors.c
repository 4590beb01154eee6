/* SPDX-License-Identifier: MIT */
#include "frontend/safetensors.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <signal.h>

#include "tests/fixture.h"
#include "tests/testing.h"

static size_t make(uint8_t *bytes, const char *header, size_t data)
{
    size_t length = strlen(header);
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((uint64_t)length >> 8 * i);
    memcpy(bytes + 8, header, length);
    for (size_t i = 0; i < data; i++)
        bytes[8 + length + i] = (uint8_t)i;
    return 8 + length + data;
}

START_TEST(writes_what_it_reads)
{
    char *path = fixture_path("round.safetensors");
    const struct nt_safetensors_entry entries[] = {
        {"flag", NT_BOOL, {1, {3}}},
        {"conv1.weight", NT_F32, {4, {2, 1, 3, 3}}},
        {"steps", NT_I64, {0}},
        {"\xc3\xa9t\xc3\xa9 \"q\"", NT_I32, {1, {1}}},
        {"empty", NT_F32, {2, {0, 5}}},
        {"bytes", NT_U8, {1, {5}}},
        {"wide", NT_F64, {1, {2}}},
    };
    const struct nt_safetensors_text metadata[] = {{"format", "pt"}, {"state", "{\"epoch\": 3}\n"}};
    enum { COUNT = sizeof entries / sizeof *entries };
    uint8_t data[COUNT][256], back[256];
    struct nt_safetensors_writer *writer;
    test_ok(nt_safetensors_create(test_context(), path, entries, COUNT, metadata, 2, &writer));
    for (int i = COUNT - 1; i >= 0; i--) {
        for (int j = 0; j < 256; j++)
            data[i][j] = (uint8_t)test_int(0, 255);
        test_ok(nt_safetensors_put(writer, i, data[i]));
    }
    test_ok(nt_safetensors_commit(writer));
    struct nt_safetensors *file;
    test_ok(nt_safetensors_open(test_context(), path, &file));
    ck_assert_int_eq(nt_safetensors_count(file), COUNT);
    for (int i = 0; i < COUNT; i++) {
        int at = nt_safetensors_find(file, entries[i].name);
        ck_assert_int_ge(at, 0);
        const struct nt_safetensors_entry *entry = nt_safetensors_get(file, at);
        ck_assert_str_eq(entry->name, entries[i].name);
        ck_assert_int_eq(entry->dtype, entries[i].dtype);
        ck_assert(nt_shape_equal(&entry->shape, &entries[i].shape));
        size_t size = (size_t)nt_shape_count(&entry->shape) * nt_dtype_size(entry->dtype);
        memset(back, 0xaa, sizeof back);
        test_ok(nt_safetensors_read(file, at, back));
        ck_assert(memcmp(back, data[i], size) == 0);
        ck_assert_int_eq(back[size], 0xaa);
    }
    ck_assert_int_eq(nt_safetensors_find(file, "conv1"), -1);
    ck_assert_str_eq(nt_safetensors_metadata(file, "state"), "{\"epoch\": 3}\n");
    ck_assert_ptr_null(nt_safetensors_metadata(file, "absent"));
    nt_safetensors_close(file);
}
END_TEST

START_TEST(half_types_are_widened)
{
    char *path = fixture_path("half.safetensors");
    uint8_t bytes[512];
    const char *header = "{\"a\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4]},"
                         "\"b\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[4,8]}}   ";
    size_t size = make(bytes, header, 8);
    const uint16_t values[4] = {0x3fc0, 0xc000, 0x3e00, 0xc000};
    memcpy(bytes + size - 8, values, 8);
    fixture_write(path, bytes, size);
    struct nt_safetensors *file;
    test_ok(nt_safetensors_open(test_context(), path, &file));
    float got[2][2];
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(nt_safetensors_get(file, i)->dtype, NT_F32);
        test_ok(nt_safetensors_read(file, i, got[i]));
        ck_assert(got[i][0] == 1.5f && got[i][1] == -2);
    }
    nt_safetensors_close(file);
}
END_TEST

static const struct {
    const char *header;
    size_t data;
    enum nt_status status;
    const char *text;
} bad[] = {
    {"{\"a\":", 0, NT_ERR_FORMAT, "not JSON"},
    {"[1]", 0, NT_ERR_FORMAT, "not an object"},
    {"{\"a\":3}", 0, NT_ERR_FORMAT, "tensor 'a': its description"},
    {"{\"__metadata__\":[]}", 0, NT_ERR_FORMAT, "__metadata__"},
    {"{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, NT_ERR_UNSUPPORTED,
        "unknown dtype 'F8_E4M3'"},
    {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, NT_ERR_FORMAT, "dtype is missing"},
    {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, NT_ERR_FORMAT, "shape is missing"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, NT_ERR_FORMAT, "data_offsets is missing"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, NT_ERR_FORMAT,
        "dimension"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, NT_ERR_FORMAT,
        "dimension"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,0],\"data_offsets\":[0,0]}}", 4,
        NT_ERR_FORMAT, "impossibly large"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4,
        NT_ERR_UNSUPPORTED, "dimensions"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4, NT_ERR_FORMAT,
        "outside the file's 4 bytes"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, NT_ERR_FORMAT,
        "outside"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8, NT_ERR_FORMAT,
        "outside"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, NT_ERR_FORMAT,
        "8 bytes, but shape 3 of F32 needs 12"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
     "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
        12, NT_ERR_FORMAT, "'a' and 'b' overlap"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
     "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
        2, NT_ERR_FORMAT, "duplicate"},
};

START_TEST(broken_files_are_refused)
{
    char *path = fixture_path("bad.safetensors");
    uint8_t bytes[1024];
    struct nt_safetensors *file;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fixture_write(path, bytes, make(bytes, bad[i].header, bad[i].data));
        test_fails(nt_safetensors_open(test_context(), path, &file), bad[i].status, bad[i].text);
        ck_assert_ptr_nonnull(strstr(nt_error_message(test_context()), path));
    }
    size_t size = make(bytes, "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4);
    for (size_t cut = 0; cut < size; cut++) {
        fixture_write(path, bytes, cut);
        ck_assert_int_eq(nt_safetensors_open(test_context(), path, &file), NT_ERR_FORMAT);
    }
    memset(bytes, 0xff, 8);
    fixture_write(path, bytes, size);
    test_fails(
        nt_safetensors_open(test_context(), path, &file), NT_ERR_FORMAT, "not a safetensors file");
    test_fails(nt_safetensors_open(test_context(), "/tmp", &file), NT_ERR_FILE, "regular");
    test_fails(nt_safetensors_open(test_context(), "/no/such", &file), NT_ERR_FILE, "No such file");
}
END_TEST

START_TEST(a_file_cut_while_open_is_noticed)
{
    char *path = fixture_path("cut.safetensors");
    uint8_t bytes[1024], got[64];
    struct nt_safetensors *file;
    size_t size =
        make(bytes, "{\"a\":{\"dtype\":\"U8\",\"shape\":[64],\"data_offsets\":[0,64]}}", 64);
    fixture_write(path, bytes, size);
    test_ok(nt_safetensors_open(test_context(), path, &file));
    fixture_write(path, bytes, size - 1);
    test_fails(nt_safetensors_read(file, 0, got), NT_ERR_FORMAT, "truncated");
    nt_safetensors_close(file);
}
END_TEST

START_TEST(writing_faults_leave_the_old_file)
{
    char *path = fixture_path("kept/w.safetensors");
    fixture_write(path, "old", 3);
    const struct nt_safetensors_entry twice[] = {{"a", NT_F32, {1, {1}}}, {"a", NT_F32, {1, {1}}}};
    const struct nt_safetensors_entry broken = {"\xff", NT_F32, {1, {1}}};
    const struct nt_safetensors_entry large = {"a", NT_F32, {1, {100000}}};
    struct nt_safetensors_writer *writer;
    test_fails(nt_safetensors_create(test_context(), path, twice, 2, NULL, 0, &writer),
        NT_ERR_ARGUMENT, "used once");
    test_fails(nt_safetensors_create(test_context(), path, &broken, 1, NULL, 0, &writer),
        NT_ERR_ARGUMENT, "UTF-8");
    test_ok(nt_safetensors_create(test_context(), path, &large, 1, NULL, 0, &writer));
    test_fails(nt_safetensors_commit(writer), NT_ERR_ARGUMENT, "tensor 0 of 1 was not put");
    float *data = calloc(100000, sizeof *data);
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 50000;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    test_ok(nt_safetensors_create(test_context(), path, &large, 1, NULL, 0, &writer));
    setrlimit(RLIMIT_FSIZE, &small);
    enum nt_status status = nt_safetensors_put(writer, 0, data);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, handler);
    test_fails(status, NT_ERR_FILE, "File too large");
    nt_safetensors_discard(writer);
    *strrchr(path, '/') = 0;
    ck_assert_int_eq(fixture_entries(path), 1);
    free(data);
}
END_TEST

START_TEST(random_damage_does_no_harm)
{
    char *path = fixture_path("damaged.safetensors");
    uint8_t good[512], bytes[600];
    size_t size = make(good,
        "{\"__metadata__\":{\"k\":\"v\"},\"a\":{\"dtype\":\"F16\",\"shape\":[2,3],"
        "\"data_offsets\":[0,12]},\"b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[12,16]}}",
        16);
    double end = fixture_seconds() + 1.5;
    int tried = 0, read = 0;
    for (; tried < 10000 && fixture_seconds() < end; tried++) {
        memcpy(bytes, good, size);
        fixture_write(path, bytes, fixture_mutate(bytes, size));
        struct nt_safetensors *file;
        if (nt_safetensors_open(test_context(), path, &file) != NT_OK)
            continue;
        read++;
        for (int i = 0; i < nt_safetensors_count(file); i++) {
            const struct nt_safetensors_entry *entry = nt_safetensors_get(file, i);
            size_t count = (size_t)nt_shape_count(&entry->shape);
            void *data = malloc(count * nt_dtype_size(entry->dtype) + 1);
            test_ok(nt_safetensors_read(file, i, data));
            free(data);
        }
        nt_safetensors_close(file);
    }
    printf("safetensors: %d damaged files, %d read all the same\n", tried, read);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("safetensors");
    TCase *tcase = tcase_create("safetensors");
    tcase_add_test(tcase, writes_what_it_reads);
    tcase_add_test(tcase, half_types_are_widened);
    tcase_add_test(tcase, broken_files_are_refused);
    tcase_add_test(tcase, a_file_cut_while_open_is_noticed);
    tcase_add_test(tcase, writing_faults_leave_the_old_file);
    tcase_add_test(tcase, random_damage_does_no_harm);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
