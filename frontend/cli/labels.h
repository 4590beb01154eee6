/* SPDX-License-Identifier: MIT
 *
 * Names of classes: from a file of --labels, or from a checkpoint.
 */
#ifndef NT_FRONTEND_CLI_LABELS_H
#define NT_FRONTEND_CLI_LABELS_H

#include "engine/context.h"

struct cli_labels {
    int count;
    char **name;
};

/* One name per line, or a JSON array of strings. The caller calls finish. */
enum nt_status cli_labels_read(struct nt_context *ctx, const char *path, struct cli_labels *out);
void cli_labels_finish(struct cli_labels *labels);

/* "class 7" for a class without a name; returns text or the name. */
const char *cli_labels_name(const struct cli_labels *labels, int index, char *text, size_t size);

#endif
