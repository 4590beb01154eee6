/* SPDX-License-Identifier: MIT */
#include "frontend/near_miss.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

/* Edit distance with transpositions of neighbours (optimal string alignment), words of up to
 * 31 letters. */
static int distance(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);
    int d[32][32];
    if (na > 31 || nb > 31)
        return 99;
    for (size_t i = 0; i <= na; i++)
        for (size_t j = 0; j <= nb; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = (int)(i + j);
                continue;
            }
            int same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            int best = d[i - 1][j - 1] + !same;
            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[na][nb];
}

const char *nt_near_miss(const char *word, int count, const char *const *words)
{
    int best = 1 + (int)strlen(word) / 3;
    const char *nearest = NULL;
    for (int i = 0; i < count; i++) {
        int d = distance(word, words[i]);
        if (d <= best && (!nearest || d < best)) {
            best = d;
            nearest = words[i];
        }
    }
    return nearest;
}
