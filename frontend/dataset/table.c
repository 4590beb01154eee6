/* SPDX-License-Identifier: MIT */
#include "frontend/dataset/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *nt_table_column(char *argument)
{
    char *comma = strrchr(argument, ',');
    if (!comma || access(argument, F_OK) == 0)
        return NULL;
    *comma = 0;
    return comma + 1;
}

char nt_table_separator(const char *line)
{
    return strchr(line, ',') ? ',' : strchr(line, ';') ? ';' : strchr(line, '\t') ? '\t' : ',';
}

char *nt_table_field(char **at, char separator)
{
    char *field = *at;
    if (!field)
        return NULL;
    field += strspn(field, " ");
    if (*field == '"') {
        char *end = strchr(++field, '"');
        char *behind = end ? strchr(end, separator) : NULL;
        if (end)
            *end = 0;
        *at = behind ? behind + 1 : NULL;
        return field;
    }
    char *end = strchr(field, separator);
    *at = end ? end + 1 : NULL;
    if (end)
        *end = 0;
    for (size_t n = strlen(field); n > 0 && (field[n - 1] == ' ' || field[n - 1] == '\r'); n--)
        field[n - 1] = 0;
    return field;
}

bool nt_table_number(const char *field, double *value)
{
    char *end;
    *value = strtod(field, &end);
    return end != field && !*end && isfinite(*value);
}
