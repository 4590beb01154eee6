/* SPDX-License-Identifier: MIT
 *
 * Whatever OpenCL call fails, the engine reports it or does without: no crash, no leak, no
 * hang. The OpenCL functions are defined here again; they fail when their turn comes, else hand
 * the call on to the library.
 */
#define _GNU_SOURCE
#include "engine/profile.h"
#include "tests/kernels.h"
#include "tests/testing.h"

#include <CL/cl.h>
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_int calls, failing; /* the call of this number fails; 0: none */

static bool refuse(void)
{
    int turn = atomic_fetch_add(&calls, 1) + 1;
    return turn == atomic_load(&failing);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* A function that returns a code. */
#define CODE(name, parameters, arguments)                                                          \
    CL_API_ENTRY cl_int CL_API_CALL name parameters                                                \
    {                                                                                              \
        return refuse() ? CL_OUT_OF_RESOURCES : REAL(name) arguments;                              \
    }

/* A function that returns an object and its code through the last parameter. */
#define OBJECT(type, name, parameters, arguments)                                                  \
    CL_API_ENTRY type CL_API_CALL name parameters                                                  \
    {                                                                                              \
        if (refuse()) {                                                                            \
            if (code)                                                                              \
                *code = CL_OUT_OF_RESOURCES;                                                       \
            return NULL;                                                                           \
        }                                                                                          \
        return REAL(name) arguments;                                                               \
    }

CODE(clGetPlatformIDs, (cl_uint n, cl_platform_id *p, cl_uint *count), (n, p, count))
CODE(clGetPlatformInfo, (cl_platform_id p, cl_platform_info i, size_t n, void *v, size_t *s),
    (p, i, n, v, s))
CODE(clGetDeviceIDs,
    (cl_platform_id p, cl_device_type t, cl_uint n, cl_device_id *d, cl_uint *count),
    (p, t, n, d, count))
CODE(clGetDeviceInfo, (cl_device_id d, cl_device_info i, size_t n, void *v, size_t *s),
    (d, i, n, v, s))
OBJECT(cl_context, clCreateContext,
    (const cl_context_properties *p, cl_uint n, const cl_device_id *d,
        void(CL_CALLBACK *f)(const char *, const void *, size_t, void *), void *u, cl_int *code),
    (p, n, d, f, u, code))
OBJECT(cl_command_queue, clCreateCommandQueue,
    (cl_context c, cl_device_id d, cl_command_queue_properties p, cl_int *code), (c, d, p, code))
OBJECT(cl_mem, clCreateBuffer, (cl_context c, cl_mem_flags f, size_t n, void *h, cl_int *code),
    (c, f, n, h, code))
OBJECT(cl_mem, clCreateSubBuffer,
    (cl_mem m, cl_mem_flags f, cl_buffer_create_type t, const void *i, cl_int *code),
    (m, f, t, i, code))
OBJECT(cl_program, clCreateProgramWithSource,
    (cl_context c, cl_uint n, const char **s, const size_t *l, cl_int *code), (c, n, s, l, code))
OBJECT(cl_program, clCreateProgramWithBinary,
    (cl_context c, cl_uint n, const cl_device_id *d, const size_t *l, const unsigned char **b,
        cl_int *s, cl_int *code),
    (c, n, d, l, b, s, code))
CODE(clBuildProgram,
    (cl_program p, cl_uint n, const cl_device_id *d, const char *o,
        void(CL_CALLBACK *f)(cl_program, void *), void *u),
    (p, n, d, o, f, u))
CODE(clGetProgramInfo, (cl_program p, cl_program_info i, size_t n, void *v, size_t *s),
    (p, i, n, v, s))
CODE(clGetProgramBuildInfo,
    (cl_program p, cl_device_id d, cl_program_build_info i, size_t n, void *v, size_t *s),
    (p, d, i, n, v, s))
OBJECT(cl_kernel, clCreateKernel, (cl_program p, const char *n, cl_int *code), (p, n, code))
CODE(clSetKernelArg, (cl_kernel k, cl_uint i, size_t n, const void *v), (k, i, n, v))
CODE(clGetKernelWorkGroupInfo,
    (cl_kernel k, cl_device_id d, cl_kernel_work_group_info i, size_t n, void *v, size_t *s),
    (k, d, i, n, v, s))
CODE(clEnqueueNDRangeKernel,
    (cl_command_queue q, cl_kernel k, cl_uint d, const size_t *o, const size_t *g, const size_t *l,
        cl_uint n, const cl_event *w, cl_event *e),
    (q, k, d, o, g, l, n, w, e))
CODE(clEnqueueReadBuffer,
    (cl_command_queue q, cl_mem m, cl_bool b, size_t o, size_t s, void *p, cl_uint n,
        const cl_event *w, cl_event *e),
    (q, m, b, o, s, p, n, w, e))
CODE(clEnqueueWriteBuffer,
    (cl_command_queue q, cl_mem m, cl_bool b, size_t o, size_t s, const void *p, cl_uint n,
        const cl_event *w, cl_event *e),
    (q, m, b, o, s, p, n, w, e))
CODE(clEnqueueCopyBuffer,
    (cl_command_queue q, cl_mem a, cl_mem b, size_t x, size_t y, size_t s, cl_uint n,
        const cl_event *w, cl_event *e),
    (q, a, b, x, y, s, n, w, e))
CODE(clEnqueueFillBuffer,
    (cl_command_queue q, cl_mem m, const void *p, size_t z, size_t o, size_t s, cl_uint n,
        const cl_event *w, cl_event *e),
    (q, m, p, z, o, s, n, w, e))
OBJECT(void *, clEnqueueMapBuffer,
    (cl_command_queue q, cl_mem m, cl_bool b, cl_map_flags f, size_t o, size_t s, cl_uint n,
        const cl_event *w, cl_event *e, cl_int *code),
    (q, m, b, f, o, s, n, w, e, code))
CODE(clEnqueueMarkerWithWaitList, (cl_command_queue q, cl_uint n, const cl_event *w, cl_event *e),
    (q, n, w, e))
CODE(clFlush, (cl_command_queue q), (q))
CODE(clFinish, (cl_command_queue q), (q))
CODE(clWaitForEvents, (cl_uint n, const cl_event *e), (n, e))
CODE(clGetEventProfilingInfo, (cl_event e, cl_profiling_info i, size_t n, void *v, size_t *s),
    (e, i, n, v, s))

#define COUNT 256
#define BYTES (COUNT * sizeof(float))

static struct nt_context *ctx;
static struct nt_device *dev;
static struct nt_memory *memory;
static struct nt_tape *tape;
static struct nt_feed *feed;
static int32_t in, mid, weights, out;

static enum nt_status ones(void *data, void *user)
{
    (void)user;
    for (int i = 0; i < 4 * COUNT; i++)
        ((float *)data)[i] = 1;
    return NT_OK;
}

static enum nt_status set_up(bool own_memory)
{
    struct nt_context_params params = {.cache_dir = test_folder()};
    enum nt_status status = nt_context_create(&params, &ctx);
    if (status || (status = nt_device_open(ctx, NULL, &dev)) || (status = nt_profile_enable(dev)) ||
        (status = nt_memory_create_filled(dev, 4 * BYTES, "memory", ones, NULL, &memory)) ||
        (status = nt_tape_create(dev, &tape)))
        return status;
    ((struct nt_device_info *)nt_device_get_info(dev))->unified_memory = !own_memory;
    in = nt_tape_buffer(tape, NT_BUFFER_KEPT, BYTES, "in");
    mid = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, BYTES, "mid");
    int32_t more = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, BYTES, "more");
    weights = nt_tape_external(tape, memory, 2 * BYTES, BYTES, "weights");
    out = nt_tape_buffer(tape, NT_BUFFER_KEPT, BYTES, "out");
    if ((status = test_affine(tape, 2, "1.0f", in, mid, COUNT)) ||
        (status = test_affine(tape, 1, "1.0f", mid, more, COUNT)) ||
        (status = test_affine(tape, 1, "2.0f", more, weights, COUNT)) ||
        (status = test_affine(tape, 1, "0.0f", weights, out, COUNT)) ||
        (status = nt_tape_build(tape)))
        return status;
    return nt_feed_create(tape, 1, &in, &feed);
}

static enum nt_status work(void)
{
    float y[COUNT];
    void *ptr;
    enum nt_status status;
    for (int step = 0; step < 4; step++) {
        if ((status = nt_feed_acquire(feed, &ptr)))
            return status;
        for (int i = 0; i < COUNT; i++)
            ((float *)ptr)[i] = (float)(step + i);
        if ((status = nt_feed_submit(feed)) || (status = nt_tape_run(tape)) ||
            (status = nt_tape_write_small(tape, in, 0, y, 4)) ||
            (status = nt_tape_read(tape, out, 0, y, BYTES)))
            return status;
        for (int i = 0; i < COUNT; i++)
            ck_assert_float_eq(y[i], (float)(2 * (step + i) + 4));
    }
    struct nt_profile_row *rows;
    int count;
    if ((status = nt_profile_rows(dev, true, &rows, &count)))
        return status;
    free(rows);
    return nt_device_finish(dev);
}

static void tear_down(void)
{
    nt_feed_destroy(feed);
    nt_tape_destroy(tape);
    nt_memory_destroy(memory);
    nt_device_close(dev);
    nt_context_destroy(ctx);
    feed = NULL;
    tape = NULL;
    memory = NULL;
    dev = NULL;
    ctx = NULL;
}

START_TEST(every_call_may_fail)
{
    int refused = 0, total = 0;
    bool done = false;
    for (int turn = 1; !done; turn += 1 + (turn > 40 ? test_int(0, 3) : 0)) {
        atomic_store(&calls, 0);
        atomic_store(&failing, turn);
        enum nt_status status = set_up(_i);
        if (status == NT_OK)
            status = work();
        if (status != NT_OK) {
            refused++;
            ck_assert_msg(nt_error_message(ctx)[0] != 0, "call %d: no message", turn);
        }
        tear_down();
        done = atomic_load(&calls) < turn;
        ck_assert(!done || status == NT_OK);
        total++;
    }
    printf("%d runs, %d told of a failure\n", total, refused);
    ck_assert_int_gt(refused, 20);
}
END_TEST

int main(void)
{
    struct nt_device_info *list;
    int count;
    test_kernels();
    if (nt_device_list(test_context(), &list, &count) == NT_OK)
        free(list);
    setenv("POCL_KERNEL_CACHE", "0", 1); /* see check_cache.c */
    Suite *suite = suite_create("faults");
    TCase *tcase = tcase_create("faults");
    tcase_set_timeout(tcase, 0);
    tcase_add_loop_test(tcase, every_call_may_fail, 0, 2);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
