/* SPDX-License-Identifier: MIT
 *
 * A picture of a graph in graphviz's language: a box for each operator with its shape, parameters
 * and multiply-accumulates, boxes around scopes. Elementwise operators that follow another one
 * stand in its box.
 */
#ifndef NT_FRONTEND_DOT_H
#define NT_FRONTEND_DOT_H

#include "frontend/graph.h"

/* The text is the caller's (free); NULL with a message when memory is exhausted. title: "lenet". */
enum nt_status nt_dot_text(const struct nt_graph *graph, const char *title, char **text);

#endif
