/* SPDX-License-Identifier: MIT
 *
 * Kernel units and the programs that hold them. A unit is a kernel source with a set of
 * defines; units that a tape misses are compiled together as one program, for the first
 * compilation is dear on most drivers. Units and programs live until the device is closed.
 * Private to engine/.
 */
#ifndef NT_ENGINE_PROGRAM_H
#define NT_ENGINE_PROGRAM_H

#include "engine/opencl.h"
#include "engine/source.h"

/* Options of every program, to which dev->options may add. NaN, infinity and signed zeros stay what
 * they are. Denormal numbers are zero: many processors take a hundred times as long for them, even
 * where they only pass by in memory that others used (the unused lanes of a tile). */
#define NT_BUILD_OPTIONS "-cl-std=CL1.2 -cl-denorms-are-zero"

/* The options for a device; exact: it can divide and take roots with correct rounding. */
const char *nt_program_options(enum nt_device_type type, bool exact);

struct nt_unit {
    struct nt_unit *next;
    struct nt_source *source;
    char *defines;
    uint64_t hash;      /* of its text and everything it includes */
    char name[20];      /* what NT_NAME appends: u and the hash */
    cl_program program; /* NULL: not built yet */
    bool cached;        /* the program came from the cache on disk */
    int part;           /* units of one part are compiled as one program */
};

enum nt_status nt_programs_create(struct nt_device *dev, struct nt_programs **out);
void nt_programs_destroy(struct nt_programs *programs);

/* The unit of a stem ("gemm") and defines ("#define A 1\n..."). */
enum nt_status nt_unit_get(
    struct nt_device *dev, const char *stem, const char *defines, struct nt_unit **out);

/* The source of a program of these units: prelude and includes once, then each unit. */
void nt_program_text(
    struct nt_device *dev, struct nt_text *text, int count, struct nt_unit *const *units);

struct nt_kernel_request {
    struct nt_unit *unit;
    const char *entry;
};

/* Gives every unit a program in which its entry exists. */
enum nt_status nt_program_build(
    struct nt_device *dev, int count, const struct nt_kernel_request *requests);

/* A new kernel object; its unit is built. */
enum nt_status nt_program_kernel(
    struct nt_device *dev, const struct nt_kernel_request *request, cl_kernel *out);

#endif
