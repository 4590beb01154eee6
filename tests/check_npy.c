/* SPDX-License-Identifier: MIT */
#include "frontend/npy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fixture.h"
#include "tests/testing.h"

/* A file as NumPy writes it; returns its size. */
static size_t make(uint8_t *bytes, int version, const char *header, const void *data, size_t size)
{
    size_t length = strlen(header), start = version == 1 ? 10 : 12;
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (uint8_t)version;
    bytes[7] = 0;
    for (size_t i = 8; i < start; i++)
        bytes[i] = (uint8_t)(length >> 8 * (i - 8));
    memcpy(bytes + start, header, length);
    memcpy(bytes + start + length, data, size);
    return start + length + size;
}

static enum nt_status parse(
    int version, const char *header, const void *data, size_t size, struct nt_npy *npy)
{
    uint8_t *bytes = malloc(size + strlen(header) + 16);
    size_t total = make(bytes, version, header, data, size);
    enum nt_status status = nt_npy_parse(test_context(), "test.npy", bytes, total, npy);
    free(bytes);
    return status;
}

START_TEST(writes_what_it_reads)
{
    char *path = fixture_path("round.npy");
    for (int dtype = 0; dtype < NT_DTYPE_COUNT; dtype++)
        for (int rank = 0; rank <= NT_MAX_RANK; rank++) {
            struct nt_shape shape = {.rank = rank};
            for (int i = 0; i < rank; i++)
                shape.dim[i] = test_int(1, rank > 4 ? 3 : 9);
            size_t size = (size_t)nt_shape_count(&shape) * nt_dtype_size(dtype);
            uint8_t *data = malloc(size);
            for (size_t i = 0; i < size; i++)
                data[i] = (uint8_t)test_int(0, dtype == NT_BOOL ? 1 : 255);
            struct nt_npy npy;
            test_ok(nt_npy_write(test_context(), path, dtype, &shape, data));
            test_ok(nt_npy_read(test_context(), path, &npy));
            ck_assert_int_eq(npy.dtype, dtype);
            ck_assert(nt_shape_equal(&npy.shape, &shape));
            ck_assert_mem_eq(npy.data, data, size);
            nt_npy_finish(&npy);
            free(data);
        }
}
END_TEST

START_TEST(fortran_order_is_turned)
{
    /* [[1 2 3] [4 5 6]], columns first */
    const int32_t data[] = {1, 4, 2, 5, 3, 6};
    struct nt_npy npy;
    test_ok(parse(1, "{'descr': '<i4', 'fortran_order': True, 'shape': (2, 3), }\n", data,
        sizeof data, &npy));
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(((int32_t *)npy.data)[i], i + 1);
    nt_npy_finish(&npy);
    /* A[i,j,k] of 2x3x4 lies at i + 2j + 6k. */
    double cube[24];
    for (int i = 0; i < 24; i++)
        cube[i] = i;
    test_ok(parse(
        2, "{'shape': (2,3,4), 'fortran_order': True, 'descr': \"<f8\"}", cube, sizeof cube, &npy));
    for (int i = 0; i < 24; i++)
        ck_assert(((double *)npy.data)[i] == i / 12 + 2 * (i / 4 % 3) + 6 * (i % 4));
    nt_npy_finish(&npy);
}
END_TEST

START_TEST(narrow_types_are_widened)
{
    struct nt_npy npy;
    const uint16_t halves[] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x7e00, 0x8000};
    const float want[] = {1, -2, 5.9604644775390625e-8f, 65504, INFINITY, 0, -0.0f};
    test_ok(parse(3, "{'descr': '<f2', 'fortran_order': False, 'shape': (7,), }", halves,
        sizeof halves, &npy));
    ck_assert_int_eq(npy.dtype, NT_F32);
    for (int i = 0; i < 7; i++)
        ck_assert(i == 5 ? isnan(((float *)npy.data)[i]) : ((float *)npy.data)[i] == want[i]);
    nt_npy_finish(&npy);
    const int8_t bytes[] = {-128, 127};
    test_ok(parse(1, "{'descr': '|i1', 'fortran_order': False, 'shape': (2,), }", bytes, 2, &npy));
    ck_assert_int_eq(npy.dtype, NT_I32);
    ck_assert_int_eq(((int32_t *)npy.data)[0], -128);
    nt_npy_finish(&npy);
    const uint32_t large = 0xffffffffu;
    test_ok(parse(1, "{'descr': '<u4', 'fortran_order': False, 'shape': (), }", &large, 4, &npy));
    ck_assert_int_eq(npy.dtype, NT_I64);
    ck_assert_int_eq(npy.shape.rank, 0);
    ck_assert(((int64_t *)npy.data)[0] == 0xffffffff);
    nt_npy_finish(&npy);
}
END_TEST

static const struct {
    const char *header;
    size_t size;
    enum nt_status status;
    const char *text;
} bad[] = {
    {"{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", 4, NT_ERR_UNSUPPORTED,
        "big-endian"},
    {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", 8, NT_ERR_UNSUPPORTED, "'<c8'"},
    {"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8, NT_ERR_UNSUPPORTED, "'|O'"},
    {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 4, NT_ERR_UNSUPPORTED,
        "records"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 4, NT_ERR_FORMAT, "truncated"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 8, NT_ERR_FORMAT, "follows"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 4, NT_ERR_FORMAT, "dimension"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", 4,
        NT_ERR_FORMAT, "too large"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296,4294967296,4), }", 4,
        NT_ERR_FORMAT, "impossibly large"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296,4294967296,0), }", 0,
        NT_ERR_FORMAT, "impossibly large"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", 4,
        NT_ERR_UNSUPPORTED, "dimensions"},
    {"{'descr': '<f4', 'fortran_order': maybe, 'shape': (1,), }", 4, NT_ERR_FORMAT,
        "fortran_order"},
    {"{'descr': '<f4', 'shape': (1,), }", 4, NT_ERR_FORMAT, "missing"},
    {"{'descr': '<f4", 4, NT_ERR_UNSUPPORTED, "records"},
    {"no dictionary", 4, NT_ERR_FORMAT, "no '{'"},
};

START_TEST(broken_files_are_refused)
{
    const float zeros[4] = {0};
    struct nt_npy npy;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        test_fails(parse(1, bad[i].header, zeros, bad[i].size, &npy), bad[i].status, bad[i].text);
    test_fails(nt_npy_parse(test_context(), "x", "PK\3\4 a zip file", 14, &npy), NT_ERR_FORMAT,
        "not a .npy file");
    test_fails(nt_npy_parse(test_context(), "x", "\x93NUMPY\4\0\0\0", 10, &npy), NT_ERR_UNSUPPORTED,
        "format 4");
    test_fails(nt_npy_parse(test_context(), "x", "\x93NUMPY\1\0\xff\0{", 11, &npy), NT_ERR_FORMAT,
        "truncated in the header");
    test_fails(nt_npy_parse(test_context(), "x", "\x93NUMPY\2\0\xff\xff\xff\xff{", 13, &npy),
        NT_ERR_FORMAT, "header of 4294967295 bytes");
}
END_TEST

START_TEST(random_damage_does_no_harm)
{
    const float data[24] = {1};
    uint8_t good[256], bytes[512];
    size_t size = make(good, 1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3, 4), }\n",
        data, sizeof data);
    double end = fixture_seconds() + 1;
    int tried = 0, read = 0;
    for (; tried < 20000 && fixture_seconds() < end; tried++) {
        struct nt_npy npy;
        memcpy(bytes, good, size);
        size_t n = fixture_mutate(bytes, size);
        uint8_t *exact = malloc(n ? n : 1); /* so that reading past the end is noticed */
        memcpy(exact, bytes, n);
        if (nt_npy_parse(test_context(), "damaged", exact, n, &npy) == NT_OK) {
            read++;
            nt_npy_finish(&npy);
        }
        free(exact);
    }
    printf("npy: %d damaged files, %d read all the same\n", tried, read);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("npy");
    TCase *tcase = tcase_create("npy");
    tcase_add_test(tcase, writes_what_it_reads);
    tcase_add_test(tcase, fortran_order_is_turned);
    tcase_add_test(tcase, narrow_types_are_widened);
    tcase_add_test(tcase, broken_files_are_refused);
    tcase_add_test(tcase, random_damage_does_no_harm);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
