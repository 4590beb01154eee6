/* SPDX-License-Identifier: MIT
 *
 * Lines of tables (RFC 4180 without line breaks in fields): what csv and series share.
 */
#ifndef NT_FRONTEND_DATASET_TABLE_H
#define NT_FRONTEND_DATASET_TABLE_H

#include "frontend/dataset/kind.h"

#define NT_TABLE_MOST_BYTES ((size_t)1 << 30)

/* Cuts ",COLUMN" off an argument that is no file as it stands: "FILE,COLUMN". The column, NULL:
 * none is named. */
char *nt_table_column(char *argument);

/* What parts the fields of a table with this first line: ',' ';' or a tab, the first of them that
 * is in it. */
char nt_table_separator(const char *line);

/* Cuts the next field off a line, in place: without its quotes and the blanks around it. NULL at
 * the end. */
char *nt_table_field(char **at, char separator);

/* Whether a field is a finite number, and which. */
bool nt_table_number(const char *field, double *value);

#endif
