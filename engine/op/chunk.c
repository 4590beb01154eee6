/* SPDX-License-Identifier: MIT */
#include "engine/op/chunk.h"

/* Loads and stores that take about a microsecond, several times what a work-group costs. */
#define WORTH_A_GROUP 4096

int64_t nt_chunk(struct nt_tape *tape, int64_t items, int64_t work)
{
    int64_t most = 8 * (int64_t)nt_device_get_info(nt_tape_device(tape))->compute_units;
    int64_t groups = items * (work > 0 ? work : 1) / WORTH_A_GROUP;
    if (groups > most)
        groups = most;
    if (groups < 1)
        groups = 1;
    int64_t chunk = (items + groups - 1) / groups;
    return chunk > 0 ? chunk : 1;
}
