/* SPDX-License-Identifier: MIT */
#include "tests/kernels.h"
#include "tests/testing.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];
static char files[16][128];
static int file_count;

static void clean(void)
{
    for (int i = 0; i < file_count; i++)
        unlink(files[i]);
    rmdir(folder);
}

void test_kernel_file(const char *name, const char *text)
{
    char path[128];
    int known = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
    for (int i = 0; i < file_count; i++)
        known |= strcmp(files[i], path) == 0;
    if (!known)
        strcpy(files[file_count++], path);
}

const char *test_kernels(void)
{
    strcpy(folder, "/tmp/neutra-test-XXXXXX");
    if (!mkdtemp(folder))
        abort();
    atexit(clean);
    setenv("NEUTRA_CL_DIR", folder, 1);
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
    return folder;
}
