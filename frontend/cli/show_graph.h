/* SPDX-License-Identifier: MIT
 *
 * neutra show --dot and --svg.
 */
#ifndef NT_FRONTEND_CLI_SHOW_GRAPH_H
#define NT_FRONTEND_CLI_SHOW_GRAPH_H

#include "frontend/graph.h"

/* Writes the graph in graphviz's language, and as a picture by graphviz's program `dot`. A path may
 * be NULL. */
enum nt_status show_graph(
    const struct nt_graph *graph, const char *title, const char *dot_path, const char *svg_path);

#endif
