/* SPDX-License-Identifier: MIT
 *
 * Model definitions in Lua 5.4, run in a sandbox: no files, no processes, no loading of code, and
 * limits on memory, instructions, time and operators. zoo/README.md tells users the language.
 * Used inside frontend/ alone.
 *
 *   lua.c          the state: limits, errors, running a chunk
 *   lua_library.c  the safe part of Lua's own library
 *   lua_value.c    values, their operators and attributes
 *   lua_words.c    setting, input, output, ...: the words of the language
 */
#ifndef NT_FRONTEND_LUA_H
#define NT_FRONTEND_LUA_H

#include "frontend/definition.h"

#define NT_LUA_SOURCE_LIMIT ((size_t)256 << 10)

/* Runs a definition, which adds its nodes to the graph. Errors are "file:line: what: rule". */
enum nt_status nt_lua_build(struct nt_definition *definition, struct nt_graph *graph);

/* ---- between the three files ---- */

struct lua_State;

#define NT_LUA_MEMORY_LIMIT ((size_t)64 << 20)
#define NT_LUA_INSTRUCTION_LIMIT 50e6

struct nt_lua {
    struct nt_definition *definition;
    struct nt_graph *graph;
    size_t memory;        /* bytes in use */
    double instructions;  /* run so far, costs of library functions included */
    int line;             /* of the operator being called, when later than Lua's; 0: not known */
    double started;       /* processor seconds of the thread */
    bool refused;         /* memory, because of the limit */
    const char *exceeded; /* the limit that was passed, "64 MiB of memory" */
    /* The latest failure of a graph function: its status goes out with its message. */
    enum nt_status status;
};

struct nt_lua *nt_lua_get(struct lua_State *L);

/* Raises "file:line: message", formatted as lua_pushfstring does. Does not return. */
int nt_lua_fail(struct lua_State *L, const char *fmt, ...);
/* Raises the message of a failed library function, which has its file:line. Does not return. */
int nt_lua_raise(struct lua_State *L, enum nt_status status);
/* The running line, 0 outside functions in Lua. */
int nt_lua_line(struct lua_State *L);
/* Pushes and returns "file:line" of it. */
const char *nt_lua_where(struct lua_State *L);
/* Adds to the instructions; raises when they pass the limit. */
void nt_lua_charge(struct lua_State *L, double instructions);
/* Stops the definition: "uses more than LIMIT". Does not return. */
int nt_lua_exceed(struct lua_State *L, const char *limit);

void nt_lua_library_open(struct lua_State *L);
void nt_lua_value_open(struct lua_State *L);
void nt_lua_words_open(struct lua_State *L);

void nt_lua_value_push(struct lua_State *L, int value);
/* The value at a stack index, -1 when it is none. */
int nt_lua_value_at(struct lua_State *L, int index);
/* The integer at a stack index, also 3.0; false when it is none. */
bool nt_lua_integer_at(struct lua_State *L, int index, int64_t *integer);
/* Pushes a field of the table at a positive stack index, without metamethods; returns its type. */
int nt_lua_field(struct lua_State *L, int index, const char *name);
/* The text at a stack index as messages show it: 'text', 3, nil, "a table". */
const char *nt_lua_text_at(struct lua_State *L, int index);
/* A name at a stack index; what: "input". Fails unless it may name something in a file of weights.
 */
const char *nt_lua_name_at(struct lua_State *L, int index, const char *what);

#endif
