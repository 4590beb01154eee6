/* SPDX-License-Identifier: MIT
 *
 * What a device knows from tuning. Private to engine/.
 */
#ifndef NT_ENGINE_TUNING_STATE_H
#define NT_ENGINE_TUNING_STATE_H

#include "engine/primitives.h"
#include "engine/tape.h"
#include "engine/tuning.h"

#define NT_TUNING_TEXT 320

/* A noted problem: the operands of nt_gemm, or of one of the convolution's passes. */
struct nt_tuning_problem {
    const char *primitive;
    struct nt_conv conv; /* not of products */
    struct nt_tensor a, b, c;
    char text[NT_TUNING_TEXT];
};

struct nt_tuning_entry {
    char problem[NT_TUNING_TEXT];
    const char *variant;
    double ms, usual_ms;
};

struct nt_tuning {
    uint64_t sources; /* hash of the kernels' sources, 0: not asked for yet */
    char path[1200];  /* "": no cache folder */
    struct nt_tuning_entry *entry;
    int entries;
    struct nt_tuning_problem *problem;
    int problems;
    bool recording;
    /* While measuring nothing that is known is used, and what `watched` takes is told. */
    const char *watched, *taken;
};

/* Reads what is there for the device; whatever does not fit is logged and left alone. */
enum nt_status nt_tuning_create(struct nt_device *dev, struct nt_tuning **out);
void nt_tuning_destroy(struct nt_tuning *tuning);

/* The variant known to be the fastest, NULL: none is. Notes the problem when that was asked for.
 * conv NULL: a product. */
const char *nt_tuning_find(struct nt_tape *tape, const char *primitive, const struct nt_conv *conv,
    const struct nt_tensor *a, const struct nt_tensor *b, const struct nt_tensor *c);

/* A primitive tells the variant that it takes. */
void nt_tuning_tell(struct nt_tape *tape, const char *primitive, const char *variant);

/* Keeps a measurement. */
enum nt_status nt_tuning_keep(struct nt_device *dev, const struct nt_tuning_entry *entry);

#endif
