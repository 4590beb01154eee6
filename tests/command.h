/* SPDX-License-Identifier: MIT
 *
 * The program as users call it: $NEUTRA_PROGRAM is run, its exit status, stdout and stderr looked
 * at.
 */
#ifndef NT_TESTS_COMMAND_H
#define NT_TESTS_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "engine/context.h"

#define OUTPUT_SIZE 100000

/* What the latest run printed. */
extern char out[OUTPUT_SIZE], err[OUTPUT_SIZE];

/* Runs; the exit status must be code, and stderr contain in_err (NULL: anything). */
void expect(int code, const char *in_err, const char *fmt, ...) NT_PRINTF(3, 4);

/* The whole of stdout as one JSON document, and a number of it. */
json_t *document(void);
double number(const json_t *json, const char *key);

/* Skips the running test and gives true when there is no program. */
bool absent(void);

/* For tests that do more than run and look: start (after set_up) with words separated by blanks
 * ('of more than one' in quotes), stdout going to a file; finish waits and fills out and err. */
extern const char *out_path;
void set_up(void);
pid_t start(const char *command, const char *to);
int finish(pid_t pid);

#endif
