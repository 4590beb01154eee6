/* SPDX-License-Identifier: MIT
 *
 * How an epilogue (engine/primitives.h) becomes part of a kernel. Private to engine/.
 *
 * nt_epilogue_define gives a kernel unit these macros:
 *   T, C, C1, TRUTH, CHOOSE   what the expression's text is made of
 *   NT_EPILOGUE_PARAMS        the operands in a parameter list, with a leading comma
 *   NT_EPILOGUE_PASS          the same in a call
 *   NT_EPILOGUE_APPLY(value, at, channel)
 *       replaces the T in the variable `value`; `at` is the first lane's element index from the
 *       output's start, `channel` its index along the fastest dimension. Reads operands with
 *       NT_EPILOGUE_READ(pointer), which the kernel defines.
 *   NT_EPILOGUE_FETCH(at)     a hint that operands that vary by pixel are needed soon at `at`
 *   NT_EPILOGUE_NONE          whether it leaves values as they are
 *   NT_EPILOGUE_BY_CHANNEL    whether what it reads is the same in all pixels
 * and nt_epilogue_args appends the arguments that NT_EPILOGUE_PARAMS declares.
 *
 * "tile", "winograd", "images", "few" and "registers" variants are long to compile, and their
 * epilogue runs once per result or vector of them: there the commonest epilogues (none, a bias, a
 * bias and ReLU, the gradient of ReLU, a sum with another result) are one text that an argument
 * chooses from, so that they share a kernel.
 */
#ifndef NT_ENGINE_OP_EPILOGUE_H
#define NT_ENGINE_OP_EPILOGUE_H

#include "engine/launch.h"
#include "engine/primitives.h"

/* Fails with NT_ERR_SHAPE when an operand breaks the rule. epilogue may be NULL. */
enum nt_status nt_epilogue_check(struct nt_tape *tape, const char *primitive,
    const struct nt_tensor *out, const struct nt_epilogue *epilogue);

/* width: floats in T, 1 or a vector width. */
void nt_epilogue_define(struct nt_launch *launch, const struct nt_tensor *out,
    const struct nt_epilogue *epilogue, int width);
void nt_epilogue_args(struct nt_launch *launch, const struct nt_epilogue *epilogue);

/* out = epilogue(result), a launch of its own: for what knows no epilogue. */
enum nt_status nt_epilogue_after(struct nt_tape *tape, const struct nt_epilogue *epilogue,
    const struct nt_tensor *result, const struct nt_tensor *out);

/* Whether an operand lies in the output's buffer: partial results may not be kept there. */
bool nt_epilogue_reads(const struct nt_epilogue *epilogue, const struct nt_tensor *out);

#endif
