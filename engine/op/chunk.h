/* SPDX-License-Identifier: MIT
 *
 * How "tile" variants cut work into work-groups of one work-item. Private to engine/.
 */
#ifndef NT_ENGINE_OP_CHUNK_H
#define NT_ENGINE_OP_CHUNK_H

#include "engine/launch.h"

/* How many of `items` equal items a work-group takes, at least 1: one work-group when there is
 * little to do, 8 per compute unit when there is much. work: loads and stores of one item. */
int64_t nt_chunk(struct nt_tape *tape, int64_t items, int64_t work);

#endif
