/* SPDX-License-Identifier: MIT */
#include "frontend/lua.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A library function of bounded cost may run between two checks of the clock, so the clock is
 * read often and the limit is generous: it only ends what would otherwise seem to hang. */
#define CHECK_EVERY 100
#define SECONDS_LIMIT 10

static const char memory_limit[] = "64 MiB of memory";
static const char instruction_limit[] = "50 million instructions";

struct nt_lua *nt_lua_get(lua_State *L)
{
    return *(struct nt_lua **)lua_getextraspace(L);
}

static double thread_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void *allocate(void *user, void *block, size_t old_size, size_t size)
{
    struct nt_lua *lua = user;
    if (!block)
        old_size = 0; /* then it is the kind of object */
    if (size == 0) {
        free(block);
        lua->memory -= old_size;
        return NULL;
    }
    if (size > old_size && lua->memory - old_size + size > NT_LUA_MEMORY_LIMIT) {
        lua->refused = true;
        return NULL; /* Lua collects garbage and tries again */
    }
    void *moved = realloc(block, size);
    if (moved)
        lua->memory += size - old_size;
    return moved;
}

int nt_lua_exceed(lua_State *L, const char *limit)
{
    nt_lua_get(L)->exceeded = limit;
    return luaL_error(L, "uses more than %s", limit);
}

void nt_lua_charge(lua_State *L, double instructions)
{
    struct nt_lua *lua = nt_lua_get(L);
    lua->instructions += instructions;
    if (lua->instructions > NT_LUA_INSTRUCTION_LIMIT)
        nt_lua_exceed(L, instruction_limit);
}

static void count_instructions(lua_State *L, lua_Debug *info)
{
    (void)info;
    nt_lua_charge(L, CHECK_EVERY);
    if (thread_seconds() - nt_lua_get(L)->started > SECONDS_LIMIT)
        nt_lua_exceed(L, "10 seconds");
}

/* ---- errors ---- */

/* Lua counts a call in a chain over several lines to the line where the chain starts; the line
 * in which the method was named is better. */
int nt_lua_line(lua_State *L)
{
    lua_Debug info;
    for (int level = 0; lua_getstack(L, level, &info); level++) {
        lua_getinfo(L, "l", &info);
        if (info.currentline > 0)
            return info.currentline > nt_lua_get(L)->line ? info.currentline : nt_lua_get(L)->line;
    }
    return 0;
}

const char *nt_lua_where(lua_State *L)
{
    const char *path = nt_lua_get(L)->definition->path;
    int line = nt_lua_line(L);
    return line ? lua_pushfstring(L, "%s:%d", path, line) : lua_pushstring(L, path);
}

int nt_lua_fail(lua_State *L, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    nt_lua_where(L);
    lua_pushliteral(L, ": ");
    lua_pushvfstring(L, fmt, ap);
    va_end(ap);
    nt_lua_get(L)->status = NT_ERR_FORMAT;
    lua_concat(L, 3);
    return lua_error(L);
}

int nt_lua_raise(lua_State *L, enum nt_status status)
{
    struct nt_lua *lua = nt_lua_get(L);
    /* What is wrong is the file's content, not an argument of nt_model_load. */
    lua->status = status == NT_ERR_ARGUMENT ? NT_ERR_FORMAT : status;
    lua_pushstring(L, nt_error_message(lua->graph->ctx));
    return lua_error(L);
}

/* The place of Lua's own messages is a shortened path: puts the whole one there. Messages
 * without a place get one. */
static int complete_message(lua_State *L)
{
    const char *path = nt_lua_get(L)->definition->path;
    const char *text = lua_tostring(L, 1);
    size_t length = strlen(path);
    if (!text) {
        nt_lua_where(L);
        lua_pushfstring(L, ": error: a %s value: must be a string", luaL_typename(L, 1));
        lua_concat(L, 2);
        return 1;
    }
    if (strncmp(text, path, length) == 0 && text[length] == ':')
        return 1;
    lua_Debug info;
    lua_pushfstring(L, "@%s", path);
    luaL_loadbufferx(L, "", 0, lua_tostring(L, -1), "t");
    lua_getinfo(L, ">S", &info);
    length = strlen(info.short_src);
    if (strncmp(text, info.short_src, length) == 0 && text[length] == ':') {
        lua_pushfstring(L, "%s%s", path, text + length);
        return 1;
    }
    nt_lua_where(L);
    lua_pushfstring(L, ": %s", text);
    lua_concat(L, 2);
    return 1;
}

/* Reports what lua_pcall gave. */
static enum nt_status report(struct nt_lua *lua, lua_State *L, int result)
{
    const char *path = lua->definition->path;
    struct nt_context *ctx = lua->graph->ctx;
    if (result == LUA_ERRMEM && !lua->refused)
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: host memory is exhausted", path);
    if (result == LUA_ERRMEM)
        lua->exceeded = memory_limit;
    if (lua->exceeded)
        return nt_fail(
            ctx, NT_ERR_FORMAT, "%s: definition: uses more than %s", path, lua->exceeded);
    if (result != LUA_ERRRUN) /* the handler itself failed: the stack is exhausted */
        return nt_fail(ctx, NT_ERR_FORMAT, "%s: definition: stack overflow", path);
    return nt_fail(
        ctx, lua->status == NT_OK ? NT_ERR_FORMAT : lua->status, "%s", lua_tostring(L, -1));
}

/* ---- running ---- */

static int open_and_load(lua_State *L)
{
    const struct nt_definition *definition = nt_lua_get(L)->definition;
    nt_lua_library_open(L);
    nt_lua_value_open(L);
    nt_lua_words_open(L);
    if (definition->length > 0 && definition->text[0] == LUA_SIGNATURE[0]) {
        lua_pushfstring(L, "%s: definition: compiled Lua: must be source text", definition->path);
        return lua_error(L);
    }
    lua_pushfstring(L, "@%s", definition->path);
    if (luaL_loadbufferx(L, definition->text, definition->length, lua_tostring(L, -1), "t"))
        return lua_error(L);
    return 1;
}

enum nt_status nt_lua_build(struct nt_definition *definition, struct nt_graph *graph)
{
    struct nt_lua lua = {.definition = definition, .graph = graph, .started = thread_seconds()};
    lua_State *L = lua_newstate(allocate, &lua);
    if (!L)
        return nt_fail(graph->ctx, NT_ERR_MEMORY, "%s: host memory is exhausted", definition->path);
    *(struct nt_lua **)lua_getextraspace(L) = &lua;
    lua_pushcfunction(L, complete_message);
    lua_pushcfunction(L, open_and_load);
    int result = lua_pcall(L, 0, 1, 1);
    if (result == LUA_OK) {
        lua_sethook(L, count_instructions, LUA_MASKCOUNT, CHECK_EVERY);
        result = lua_pcall(L, 0, 0, 1);
    }
    enum nt_status status = result == LUA_OK ? NT_OK : report(&lua, L, result);
    lua_close(L);
    graph->where = graph->scope = "";
    return status;
}
