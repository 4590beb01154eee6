/* SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include <string.h>
#include <strings.h>

static bool contains(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (; *text; text++)
        if (!strncasecmp(text, word, length))
            return true;
    return false;
}

bool bench_wanted(const struct bench_params *params, bool exact, bool quick, const char *name)
{
    if (params->quick && !quick && !exact)
        return false;
    if (!params->filter)
        return true;
    return exact ? !strcmp(name, params->filter) : contains(name, params->filter);
}

enum nt_status bench_next(struct bench *bench, const char *name)
{
    const struct bench_params *p = bench->params;
    if (p->stop && *p->stop)
        return nt_fail(bench->ctx, NT_ERR_INTERRUPTED, "interrupted before %s", name);
    if (p->progress)
        p->progress(p->user, name, bench->done, bench->count);
    bench->done++;
    return NT_OK;
}
