/* SPDX-License-Identifier: MIT
 *
 * What somebody may have meant by a word that is not known.
 */
#ifndef NT_FRONTEND_NEAR_MISS_H
#define NT_FRONTEND_NEAR_MISS_H

/* The known word nearest to a misspelt one, NULL when none is near. */
const char *nt_near_miss(const char *word, int count, const char *const *words);

#endif
