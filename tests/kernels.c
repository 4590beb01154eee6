/* SPDX-License-Identifier: MIT */
#include "tests/kernels.h"
#include "tests/testing.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char kernel_folder[64], other_folder[64];

static void remove_folder(char *folder)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (*folder && system(command) != 0)
        fprintf(stderr, "%s is left behind\n", folder);
}

static void clean(void)
{
    remove_folder(kernel_folder);
    remove_folder(other_folder);
}

static void make_folder(char *folder, size_t size)
{
    static bool registered;
    snprintf(folder, size, "/tmp/neutra-test-XXXXXX");
    if (!mkdtemp(folder) || (!registered && atexit(clean) != 0))
        abort();
    registered = true;
}

const char *test_folder(void)
{
    if (!*other_folder)
        make_folder(other_folder, sizeof other_folder);
    return other_folder;
}

void test_kernel_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", kernel_folder, name);
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
}

const char *test_kernels(void)
{
    make_folder(kernel_folder, sizeof kernel_folder);
    setenv("NEUTRA_CL_DIR", kernel_folder, 1);
    test_kernel_file("affine.cl",
        "#include \"prelude.clh\"\n"
        "#ifndef NT_B\n#define NT_B 0.0f\n#endif\n"
        "static float NT_NAME(shifted)(float x) { return x + NT_B; }\n"
        "NT_KERNEL(affine)(__global const float *x, int x_offset, __global float *y,\n"
        "    int y_offset, float a, int count)\n"
        "{\n"
        "    int i = get_global_id(0);\n"
        "    if (i < count)\n"
        "        y[y_offset + i] = NT_NAME(shifted)(a * x[x_offset + i]);\n"
        "}\n");
    return kernel_folder;
}

struct nt_tensor test_vector(int32_t buffer, int64_t count)
{
    struct nt_shape shape = {1, {count}};
    return nt_tensor_make(buffer, NT_F32, &shape, NT_ROW_MAJOR);
}

enum nt_status test_affine(
    struct nt_tape *tape, float a, const char *b, int32_t in, int32_t out, int64_t count)
{
    struct nt_tensor x = test_vector(in, count), y = test_vector(out, count);
    struct nt_launch l;
    nt_launch_init(&l, tape, "affine", "affine", "test", "a test");
    nt_launch_define(&l, "NT_B", "%s", b);
    nt_launch_tensor(&l, &x, NT_ACCESS_READ);
    nt_launch_tensor(&l, &y, NT_ACCESS_WRITE);
    nt_launch_float(&l, a);
    nt_launch_int(&l, count);
    nt_launch_grid(&l, 1, (size_t[]){(size_t)count}, (size_t[]){4});
    l.flops = 2.0 * (double)count;
    l.bytes = 8.0 * (double)count;
    return nt_launch_append(&l);
}

enum nt_status test_launch(struct nt_tape *tape, const char *stem, const char *entry, int32_t in,
    int32_t out, int64_t count)
{
    struct nt_launch l;
    nt_launch_init(&l, tape, stem, entry, "test", "a test");
    nt_launch_define(&l, "NT_TEST", "%d", 7);
    nt_launch_buffer(&l, in, NT_ACCESS_READ);
    nt_launch_buffer(&l, out, NT_ACCESS_WRITE);
    nt_launch_int(&l, count);
    nt_launch_grid(&l, 1, (size_t[]){(size_t)count}, NULL);
    return nt_launch_append(&l);
}
