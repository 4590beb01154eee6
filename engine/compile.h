/* SPDX-License-Identifier: MIT
 *
 * Compiling in helper processes. Some drivers compile a kernel when it is first launched, one
 * after another whatever the number of threads and contexts, and keep the result on disk. With
 * these, the kernels that a tape lacks are divided into a few programs, and for each of them the
 * program neutra-compile (engine/compile_main.c) builds it and launches every kernel once, with
 * one work-group on zeros. What the tape then builds comes from the driver's cache.
 *
 * A helper that crashes, hangs or fails costs only time: its kernels are compiled in this
 * process. This is also the place to try a program that a driver may not survive.
 *
 * The helper is $NEUTRA_COMPILER, else neutra-compile beside the running program, in the folder
 * above, or where it was installed. It is killed when it has compiled nothing for 60 seconds
 * ($NEUTRA_COMPILER_PATIENCE, in milliseconds). Private to engine/.
 */
#ifndef NT_ENGINE_COMPILE_H
#define NT_ENGINE_COMPILE_H

#include "engine/tape.h"

/* Compiles what the tape lacks, where this pays, and divides it into programs (the part of
 * each unit). The tape is planned. */
void nt_compile_ahead(struct nt_tape *tape);

/* What the helper reads from its standard input, in the machine's byte order; strings are a
 * uint32_t length and the bytes:
 *
 *   string magic, platform, device, options, source
 *   uint32_t launches
 *   for each: string kernel; uint32_t dims; uint64_t global[3], local[3]; uint32_t arguments
 *       for each: uint64_t size of the buffer; uint32_t size of the scalar, 0: a buffer; its bytes
 *
 * It writes NT_COMPILE_STEP for each kernel and NT_COMPILE_DONE as the last; anything else is
 * the text of an error. */
#define NT_COMPILE_MAGIC "neutra-compile 1"
#define NT_COMPILE_STEP '.'
#define NT_COMPILE_DONE '!'

#endif
