/* SPDX-License-Identifier: MIT */
#include "frontend/name_pattern.h"

#include <fnmatch.h>
#include <string.h>

const char *nt_name_pattern_next(const char *patterns, char *pattern, size_t size)
{
    if (!patterns || !*patterns)
        return NULL;
    size_t length = strcspn(patterns, ","), kept = length < size ? length : size - 1;
    memcpy(pattern, patterns, kept);
    pattern[kept] = 0;
    return patterns + length + (patterns[length] == ',');
}

bool nt_name_pattern_matches(const char *patterns, const char *name)
{
    char pattern[256];
    while ((patterns = nt_name_pattern_next(patterns, pattern, sizeof pattern)))
        if (fnmatch(pattern, name, 0) == 0)
            return true;
    return false;
}
