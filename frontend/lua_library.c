/* SPDX-License-Identifier: MIT
 *
 * The part of Lua's library that definitions may use: what cannot reach files, other code or
 * other processes, always gives the same result, and cannot run long between two instructions.
 * There is no pcall, so nothing can catch the end of a definition.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <string.h>

#include "frontend/lua.h"

static const char *const base_names[] = {
    "assert", "error", "ipairs", "select", "tonumber", "tostring", "type", NULL};
static const char *const math_names[] = {"abs", "ceil", "cos", "exp", "floor", "fmod", "huge",
    "log", "max", "maxinteger", "min", "mininteger", "modf", "pi", "sin", "sqrt", "tan",
    "tointeger", "type", "ult", NULL};
static const char *const string_names[] = {"byte", "char", "find", "format", "gmatch", "gsub",
    "len", "lower", "match", "rep", "reverse", "sub", "upper", NULL};
static const char *const table_names[] = {
    "concat", "insert", "pack", "remove", "sort", "unpack", NULL};

/* Calls the library function that a wrapper stands before. */
static int call_original(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* The index of the bracket that ends a set whose content starts at i. */
static size_t set_end(const char *pattern, size_t length, size_t i)
{
    i += i < length && pattern[i] == '^';
    for (i++; i < length && pattern[i] != ']'; i++) /* a first ']' is a member */
        i += pattern[i] == '%';
    return i;
}

/* The most steps that matching a pattern can take: it starts at each position, and each item with a
 * repetition may try each length. */
static double pattern_cost(const char *pattern, size_t length, double subject)
{
    double cost = (subject + 1) * (1 + (double)length / 8);
    for (size_t i = 0; i < length; i++) {
        switch (pattern[i]) {
        case '%':
            i++;
            if (i < length && (pattern[i] == 'b' || (pattern[i] >= '0' && pattern[i] <= '9')))
                cost *= subject + 1;
            break;
        case '[':
            i = set_end(pattern, length, i + 1);
            break;
        case '*':
        case '+':
        case '-':
            cost *= subject + 1;
            break;
        case '?':
            cost *= 2;
            break;
        default:
            break;
        }
    }
    return cost;
}

static int match_pattern(lua_State *L)
{
    size_t subject, length;
    luaL_checklstring(L, 1, &subject);
    const char *pattern = luaL_checklstring(L, 2, &length);
    nt_lua_charge(L, pattern_cost(pattern, length, (double)subject));
    return call_original(L);
}

static int string_rep(lua_State *L)
{
    size_t length, separator;
    luaL_checklstring(L, 1, &length);
    double times = (double)luaL_checkinteger(L, 2);
    luaL_optlstring(L, 3, "", &separator);
    if (times > 0) {
        if (times * (double)(length + separator) > (double)NT_LUA_MEMORY_LIMIT)
            nt_lua_exceed(L, "64 MiB of memory");
        nt_lua_charge(L, times / 4);
    }
    return call_original(L);
}

/* table.insert(t, position, value) and table.remove(t, position) move what lies behind. */
static int move_tail(lua_State *L, bool positional)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    if (positional)
        nt_lua_charge(L, (double)lua_rawlen(L, 1) - (double)luaL_checkinteger(L, 2));
    return call_original(L);
}

static int table_insert(lua_State *L)
{
    return move_tail(L, lua_gettop(L) > 2);
}

static int table_remove(lua_State *L)
{
    return move_tail(L, lua_gettop(L) > 1);
}

static int less(lua_State *L)
{
    lua_pushboolean(L, lua_compare(L, 1, 2, LUA_OPLT));
    return 1;
}

static int table_sort(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer count = (lua_Integer)lua_rawlen(L, 1);
    double cost = 0, levels = 1;
    for (lua_Integer n = count; n > 1; n /= 2)
        levels++;
    nt_lua_charge(L, (double)count);
    for (lua_Integer i = 1; i <= count; i++) {
        cost += 4;
        if (lua_rawgeti(L, 1, i) == LUA_TSTRING)
            cost += (double)lua_rawlen(L, -1) / 4;
        lua_pop(L, 1);
    }
    nt_lua_charge(L, cost * levels);
    return call_original(L);
}

/* ---- pairs: the keys in order, numbers first, so that a definition always builds the same ---- */

static int key_less(lua_State *L)
{
    int a = lua_type(L, 1), b = lua_type(L, 2);
    if (a == b)
        return less(L);
    lua_pushboolean(L, a == LUA_TNUMBER);
    return 1;
}

static int next_pair(lua_State *L)
{
    lua_Integer index = lua_tointeger(L, lua_upvalueindex(3)) + 1;
    lua_pushinteger(L, index);
    lua_replace(L, lua_upvalueindex(3));
    if (lua_rawgeti(L, lua_upvalueindex(2), index) == LUA_TNIL)
        return 1;
    lua_pushvalue(L, -1);
    lua_gettable(L, lua_upvalueindex(1));
    return 2;
}

static int sorted_pairs(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_newtable(L);
    lua_Integer count = 0;
    double cost = 0;
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
        int type = lua_type(L, -2);
        if (type != LUA_TNUMBER && type != LUA_TSTRING)
            return nt_lua_fail(
                L, "pairs: %s as key: must be a number or a string", nt_lua_text_at(L, -2));
        cost += 64 + (type == LUA_TSTRING ? (double)lua_rawlen(L, -2) : 0);
        lua_pushvalue(L, -2);
        lua_rawseti(L, 2, ++count);
    }
    nt_lua_charge(L, cost);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 2);
    lua_pushcfunction(L, key_less);
    lua_call(L, 2, 0);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_pair, 3);
    return 1;
}

/* ---- */

static int print(lua_State *L)
{
    luaL_Buffer line;
    int count = lua_gettop(L);
    nt_lua_where(L);
    luaL_buffinit(L, &line);
    for (int i = 1; i <= count; i++) {
        if (i > 1)
            luaL_addchar(&line, ' ');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&line);
    }
    luaL_pushresult(&line);
    nt_log(nt_lua_get(L)->graph->ctx, NT_LOG_INFO, "%s: %s", lua_tostring(L, count + 1),
        lua_tostring(L, -1));
    return 0;
}

/* Removes from the table on top everything that is not named. */
static void keep(lua_State *L, const char *const *names)
{
    for (lua_pushnil(L); lua_next(L, -2);) {
        lua_pop(L, 1);
        bool found = false;
        for (int i = 0; !found && names[i]; i++)
            found = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), names[i]) == 0;
        if (!found) {
            lua_pushvalue(L, -1);
            lua_pushnil(L);
            lua_rawset(L, -4);
        }
    }
}

/* Puts a function before one of the table on top, which becomes its upvalue. */
static void wrap(lua_State *L, const char *name, lua_CFunction function)
{
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, function, 1);
    lua_setfield(L, -2, name);
}

static void open_library(
    lua_State *L, const char *name, lua_CFunction open, const char *const *names)
{
    luaL_requiref(L, name, open, 0);
    keep(L, names);
}

void nt_lua_library_open(lua_State *L)
{
    open_library(L, LUA_GNAME, luaopen_base, base_names);
    open_library(L, LUA_MATHLIBNAME, luaopen_math, math_names);
    lua_setfield(L, -2, LUA_MATHLIBNAME);
    open_library(L, LUA_STRLIBNAME, luaopen_string, string_names);
    wrap(L, "find", match_pattern);
    wrap(L, "gmatch", match_pattern);
    wrap(L, "gsub", match_pattern);
    wrap(L, "match", match_pattern);
    wrap(L, "rep", string_rep);
    lua_setfield(L, -2, LUA_STRLIBNAME);
    open_library(L, LUA_TABLIBNAME, luaopen_table, table_names);
    lua_getfield(L, -1, "sort");
    lua_pushcclosure(L, sorted_pairs, 1);
    lua_setfield(L, -3, "pairs");
    wrap(L, "insert", table_insert);
    wrap(L, "remove", table_remove);
    wrap(L, "sort", table_sort);
    lua_setfield(L, -2, LUA_TABLIBNAME);
    lua_pushcfunction(L, print);
    lua_setfield(L, -2, "print");
    lua_pop(L, 1);
}
