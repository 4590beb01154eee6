/* SPDX-License-Identifier: MIT
 *
 * The kernel sources (cl/) inside the library. Private to engine/.
 */
#ifndef NT_ENGINE_SOURCE_H
#define NT_ENGINE_SOURCE_H

struct nt_source_file {
    const char *name; /* "gemm.cl" */
    const char *text;
};

/* Ends with a null name. Generated from cl/ by cl/embed.py. */
extern const struct nt_source_file nt_embedded_sources[];

#endif
