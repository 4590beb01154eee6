/* SPDX-License-Identifier: MIT
 *
 * How a primitive appends kernel launches to a tape. Private to engine/.
 *
 *   struct nt_launch l;
 *   nt_launch_init(&l, tape, "gemm", "gemm_tile", "tile", reason);
 *   nt_launch_define(&l, "NT_MR", "%d", 12);
 *   nt_launch_tensor(&l, &a, NT_ACCESS_READ);     // __global pointer at the tensor's offset...
 *   nt_launch_int(&l, m);
 *   nt_launch_grid(&l, 2, (size_t[]){gx, gy}, (size_t[]){1, 1});
 *   l.flops = 2.0 * m * n * k;
 *   return nt_launch_append(&l);
 *
 * A kernel unit is one kernel function: a source stem (cl/gemm.cl), an entry point and a
 * set of defines. Units with equal text are one. All units that a tape misses in the cache are
 * compiled together as one program, so every function of a .cl file must be named through
 * NT_NAME(), every macro a .cl file defines must be #undef'd at its end, and what does not
 * depend on defines belongs in a .clh (included once per program).
 */
#ifndef NT_ENGINE_LAUNCH_H
#define NT_ENGINE_LAUNCH_H

#include "engine/tape.h"

#define NT_MAX_ARGS 128

enum nt_access { NT_ACCESS_READ = 1, NT_ACCESS_WRITE = 2, NT_ACCESS_READ_WRITE = 3 };

struct nt_launch_arg {
    int32_t buffer; /* -1: a scalar */
    enum nt_access access;
    unsigned size;     /* bytes of the scalar, 1 to 16 */
    uint8_t value[16]; /* the scalar */
};

/* Filled through the functions below, which remember the first failure;
 * nt_launch_append reports it. */
struct nt_launch {
    struct nt_tape *tape;
    const char *stem, *entry, *variant; /* static strings */
    char reason[64];
    char *defines; /* "#define A 1\n..." */
    size_t defines_length;
    int arg_count;
    struct nt_launch_arg arg[NT_MAX_ARGS];
    int dims;
    size_t global[3], local[3];
    double flops, bytes; /* work of one launch, for the profile */
    int epilogue;        /* what engine/op/epilogue.c made of it */
    enum nt_status status;
    /* Set instead of a kernel: a library that enqueues by itself (CLBlast). memory[i]
     * belongs to the i-th buffer argument; queue is a cl_command_queue, memory cl_mem,
     * event a cl_event * or NULL. Returns a CL code. user is freed with free(). */
    int (*call)(const void *user, void *queue, void *const *memory, void *event);
    void *user;
};

void nt_launch_init(struct nt_launch *launch, struct nt_tape *tape, const char *stem,
    const char *entry, const char *variant, const char *reason);
void nt_launch_define(struct nt_launch *launch, const char *name, const char *fmt, ...)
    NT_PRINTF(3, 4);
/* Raw text before the kernel source, e.g. a generated expression macro; its macros must be
 * named with nt_launch_define or be #undef'd by the .cl file. */
void nt_launch_text(struct nt_launch *launch, const char *text);

/* Two kernel arguments: the buffer (__global T *) and the tensor's element offset (int).
 * Kernels add the offset. Tensors of 2^31 elements and more are refused. */
void nt_launch_tensor(
    struct nt_launch *launch, const struct nt_tensor *tensor, enum nt_access access);
/* One kernel argument: the buffer alone. */
void nt_launch_buffer(struct nt_launch *launch, int32_t buffer, enum nt_access access);
void nt_launch_int(struct nt_launch *launch, int64_t value); /* int; out of range is refused */
void nt_launch_ints(struct nt_launch *launch, int count, const int64_t *values);
void nt_launch_float(struct nt_launch *launch, float value);
/* local may be NULL: all 1. global is rounded up to multiples of local. */
void nt_launch_grid(struct nt_launch *launch, int dims, const size_t *global, const size_t *local);
enum nt_status nt_launch_append(struct nt_launch *launch);

/* Whether a buffer seems to hold what the tape derives (nt_tape_derive), or derives from, as far as
 * launches were appended: what is made of it costs nothing at each run. */
bool nt_tape_follows(const struct nt_tape *tape, int32_t buffer);

/* The tape's forced variant for a primitive, or NULL. */
const char *nt_tape_forced(const struct nt_tape *tape, const char *primitive);

#endif
