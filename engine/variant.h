/* SPDX-License-Identifier: MIT
 *
 * Which kernel variant a primitive takes. Every primitive defines its list,
 *
 *   const char *const nt_gemm_variants[] = {"tile", "group", NULL};
 *
 * and has its line in engine/variant.inc. Private to engine/.
 */
#ifndef NT_ENGINE_VARIANT_H
#define NT_ENGINE_VARIANT_H

#include "engine/launch.h"

#define NT_PRIMITIVE(name) extern const char *const nt_##name##_variants[];
#include "engine/variant.inc"
#undef NT_PRIMITIVE

/* The name of the variant to use, one of names (ends with NULL), and why. A forced variant
 * comes first; then preferred when it is not NULL; then "tile" on CPU devices, "group" on
 * others and on those whose loops end early; then the first name. A forced variant that is not in
 * names is NT_ERR_ARGUMENT with the list. Results are static strings. */
enum nt_status nt_choose(struct nt_tape *tape, const char *primitive, const char *const *names,
    const char *preferred, const char **chosen, const char **reason);

/* Whether kernels of few work-items, each with long loops and vectors, suit the device. */
bool nt_prefers_tiles(const struct nt_device *dev);

/* Fails unless there is such a primitive; says what there is. */
enum nt_status nt_variant_check(struct nt_context *ctx, const char *primitive);

/* For a primitive that finds the chosen variant unusable for these operands: fails when it was
 * forced (rule says what it needs), else gives the fallback with rule as the reason. */
enum nt_status nt_choose_instead(struct nt_tape *tape, const char *primitive, const char *fallback,
    const char *rule, const char **chosen, const char **reason);

#endif
