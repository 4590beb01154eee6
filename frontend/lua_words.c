/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/lua.h"
#include "frontend/op.h"

#define MAX_VALUES 100000

/* Raises the failure of a graph function, if it is one. Before the call graph->where was set. */
static void check(lua_State *L, enum nt_status status)
{
    nt_lua_get(L)->graph->where = "";
    if (status != NT_OK)
        nt_lua_raise(L, status);
}

/* The graph, ready for a call that may fail. */
static struct nt_graph *graph_here(lua_State *L)
{
    struct nt_graph *graph = nt_lua_get(L)->graph;
    if (graph->value_count >= MAX_VALUES)
        nt_lua_exceed(L, "100000 values");
    graph->where = nt_lua_where(L);
    return graph;
}

/* Fails unless every key of the table of options (or nothing) at index is one of names. */
static void check_options(lua_State *L, int index, const char *what, const char *const *names)
{
    if (lua_isnoneornil(L, index))
        return;
    if (lua_type(L, index) != LUA_TTABLE)
        nt_lua_fail(L, "%s: options: %s: must be a table", what, nt_lua_text_at(L, index));
    int count = 0;
    while (names[count])
        count++;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
        if (!key)
            nt_lua_fail(L, "%s: option %s: must have a name", what, nt_lua_text_at(L, -1));
        bool known = false;
        for (int i = 0; i < count; i++)
            known = known || strcmp(key, names[i]) == 0;
        const char *near = known ? NULL : nt_near_miss(key, count, names);
        if (near)
            nt_lua_fail(L, "%s: unknown option '%s', did you mean '%s'?", what, key, near);
        if (!known)
            nt_lua_fail(L, "%s: unknown option '%s'", what, key);
    }
}

/* Pushes the option, nil when it or the table is missing. Returns its type. */
static int get_option(lua_State *L, int index, const char *name)
{
    if (!lua_istable(L, index)) {
        lua_pushnil(L);
        return LUA_TNIL;
    }
    return nt_lua_field(L, index, name);
}

/* ---- setting(name, default, doc, {choices = {...}, min = a, max = b}) ---- */

/* Pushes the given text as a value of the default's type (at index 2). */
static void parse_setting(lua_State *L, const char *name, const char *text)
{
    char *end;
    errno = 0;
    switch (lua_type(L, 2)) {
    case LUA_TBOOLEAN:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            nt_lua_fail(L, "setting '%s': '%s': must be true or false", name, text);
        lua_pushboolean(L, strcmp(text, "true") == 0);
        break;
    case LUA_TSTRING:
        lua_pushstring(L, text);
        break;
    default:
        if (lua_isinteger(L, 2))
            lua_pushinteger(L, strtoll(text, &end, 10));
        else
            lua_pushnumber(L, strtod(text, &end));
        if (end == text || *end || errno || !isfinite(lua_tonumber(L, -1)))
            nt_lua_fail(L, "setting '%s': '%s': must be %s", name, text,
                lua_isinteger(L, 2) ? "an integer" : "a number");
    }
}

/* Fails unless the value on top of the stack is one of the list of choices at index. */
static void check_choices(lua_State *L, int index, const char *name)
{
    int value = lua_gettop(L);
    lua_Integer count = (lua_Integer)lua_rawlen(L, index);
    luaL_Buffer list;
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, index, i);
        bool equal = lua_compare(L, value, -1, LUA_OPEQ);
        lua_pop(L, 1);
        if (equal)
            return;
    }
    const char *given = nt_lua_text_at(L, value);
    luaL_buffinit(L, &list);
    for (lua_Integer i = 1; i <= count; i++) {
        if (i > 1)
            luaL_addstring(&list, i == count ? " or " : ", ");
        lua_rawgeti(L, index, i);
        luaL_tolstring(L, -1, NULL);
        lua_remove(L, -2);
        luaL_addvalue(&list);
    }
    luaL_pushresult(&list);
    nt_lua_fail(L, "setting '%s': %s: must be %s", name, given, lua_tostring(L, -1));
}

/* Checks the setting's value on top of the stack against the options at index 4. */
static void check_setting(lua_State *L, const char *name)
{
    static const char *const options[] = {"choices", "min", "max", NULL};
    int value = lua_gettop(L);
    const char *what = lua_pushfstring(L, "setting '%s'", name);
    check_options(L, 4, what, options);
    for (int i = 1; i <= 2; i++) {
        if (get_option(L, 4, options[i]) == LUA_TNIL)
            continue;
        int bound = lua_gettop(L);
        if (lua_type(L, bound) != LUA_TNUMBER || lua_type(L, value) != LUA_TNUMBER)
            nt_lua_fail(L, "%s: %s: is for numbers", what, options[i]);
        if (i == 1 ? lua_compare(L, value, bound, LUA_OPLT)
                   : lua_compare(L, bound, value, LUA_OPLT))
            nt_lua_fail(L, "%s: %s: must be at %s %s", what, nt_lua_text_at(L, value),
                i == 1 ? "least" : "most", nt_lua_text_at(L, bound));
    }
    int type = get_option(L, 4, "choices");
    if (type != LUA_TNIL && type != LUA_TTABLE)
        nt_lua_fail(L, "%s: choices: must be a list", what);
    if (type == LUA_TTABLE) {
        int choices = lua_gettop(L);
        lua_pushvalue(L, value);
        check_choices(L, choices, name);
    }
    lua_settop(L, value);
}

static int setting(lua_State *L)
{
    struct nt_definition *definition = nt_lua_get(L)->definition;
    lua_settop(L, 4);
    const char *name = nt_lua_name_at(L, 1, "setting");
    int type = lua_type(L, 2);
    if (type != LUA_TNUMBER && type != LUA_TBOOLEAN && type != LUA_TSTRING)
        return nt_lua_fail(L, "setting '%s': default %s: must be a number, a string, true or false",
            name, nt_lua_text_at(L, 2));
    if (lua_type(L, 3) != LUA_TSTRING)
        return nt_lua_fail(L, "setting '%s': third argument %s: must be its description", name,
            nt_lua_text_at(L, 3));
    lua_pushvalue(L, 1); /* upvalue 1: the names declared so far */
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return nt_lua_fail(L, "setting '%s': is declared already", name);
    lua_pushvalue(L, 1);
    lua_pushboolean(L, true);
    lua_rawset(L, lua_upvalueindex(1));
    lua_pushvalue(L, 2);
    check_setting(L, name);
    const char *given = nt_definition_given(definition, name);
    if (given) {
        parse_setting(L, name, given);
        check_setting(L, name);
    }
    check(L,
        nt_definition_declare(definition, name, lua_tostring(L, 3), luaL_tolstring(L, -1, NULL)));
    lua_pop(L, 1);
    return 1;
}

/* ---- input, target, output, loss ---- */

/* The shape at a stack index: a list of at most 5 positive integers. */
static struct nt_shape shape_at(lua_State *L, int index, const char *what, const char *name)
{
    struct nt_shape shape = {0};
    if (lua_type(L, index) != LUA_TTABLE)
        nt_lua_fail(L, "%s '%s': shape %s: must be a list of integers, as {1, 28, 28}", what, name,
            nt_lua_text_at(L, index));
    lua_Integer count = (lua_Integer)lua_rawlen(L, index);
    if (count > 5)
        nt_lua_fail(L, "%s '%s': shape of rank %I: must be at most 5", what, name, count);
    shape.rank = (int)count;
    for (int i = 0; i < shape.rank; i++) {
        lua_rawgeti(L, index, i + 1);
        if (!nt_lua_integer_at(L, -1, &shape.dim[i]))
            nt_lua_fail(
                L, "%s '%s': extent %s: must be an integer", what, name, nt_lua_text_at(L, -1));
        if (shape.dim[i] < 1 || shape.dim[i] > INT32_MAX)
            nt_lua_fail(L, "%s '%s': extent %I: must be from 1 to 2147483647", what, name,
                (lua_Integer)shape.dim[i]);
        lua_pop(L, 1);
    }
    lua_pushnil(L);
    for (int i = 0; lua_next(L, index); lua_pop(L, 1))
        if (++i > shape.rank)
            nt_lua_fail(
                L, "%s '%s': shape: must be a list of integers, as {1, 28, 28}", what, name);
    return shape;
}

static int add_input(
    lua_State *L, const char *what, enum nt_dtype dtype, const char *name, struct nt_shape shape)
{
    static const char *const options[] = {"dtype", NULL};
    int value;
    check_options(L, 3, what, options);
    if (get_option(L, 3, "dtype") != LUA_TNIL) {
        const char *word = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
        if (strcmp(word, "int32") != 0 && strcmp(word, "float32") != 0)
            return nt_lua_fail(L, "%s '%s': dtype %s: must be float32 or int32", what, name,
                nt_lua_text_at(L, -1));
        dtype = strcmp(word, "int32") == 0 ? NT_I32 : NT_F32;
    }
    check(L, nt_graph_input(graph_here(L), name, dtype, &shape, &value));
    nt_lua_value_push(L, value);
    return 1;
}

static int input(lua_State *L)
{
    lua_settop(L, 3);
    const char *name = nt_lua_name_at(L, 1, "input");
    return add_input(L, "input", NT_F32, name, shape_at(L, 2, "input", name));
}

static int target(lua_State *L)
{
    lua_settop(L, 3);
    const char *name = nt_lua_name_at(L, 1, "target");
    struct nt_shape shape = {0};
    if (!lua_isnil(L, 2))
        shape = shape_at(L, 2, "target", name);
    return add_input(L, "target", NT_I32, name, shape);
}

static int output(lua_State *L)
{
    const char *name = nt_lua_name_at(L, 1, "output");
    int value = nt_lua_value_at(L, 2);
    if (value < 0)
        return nt_lua_fail(L, "output '%s': %s: must be a value", name, nt_lua_text_at(L, 2));
    check(L, nt_graph_output(graph_here(L), name, value));
    return 0;
}

static int loss(lua_State *L)
{
    int value = nt_lua_value_at(L, 1);
    if (value < 0)
        return nt_lua_fail(L, "loss: %s: must be a value", nt_lua_text_at(L, 1));
    check(L, nt_graph_loss(graph_here(L), value));
    return 0;
}

/* ---- parameter, constant ---- */

/* {init = 0.5 | "zeros" | "ones" | "normal" | "uniform", init_std = 0.01}, as layers have it. */
static struct nt_init take_init(lua_State *L, int index, const char *name)
{
    struct nt_init init = {NT_INIT_NORMAL, 0.01};
    int type = get_option(L, index, "init");
    if (type == LUA_TNUMBER) {
        init = (struct nt_init){NT_INIT_CONSTANT, lua_tonumber(L, -1)};
        if (!isfinite((float)init.a))
            nt_lua_fail(L, "parameter '%s': init %s: must be finite", name, nt_lua_text_at(L, -1));
        return init;
    }
    const char *word = type == LUA_TSTRING ? lua_tostring(L, -1) : "";
    if (strcmp(word, "zeros") == 0)
        return (struct nt_init){NT_INIT_CONSTANT, 0};
    if (strcmp(word, "ones") == 0)
        return (struct nt_init){NT_INIT_CONSTANT, 1};
    if (strcmp(word, "uniform") == 0)
        init.kind = NT_INIT_UNIFORM;
    else if (type != LUA_TNIL && strcmp(word, "normal") != 0)
        nt_lua_fail(L, "parameter '%s': init %s: must be a number, zeros, ones, normal or uniform",
            name, nt_lua_text_at(L, -1));
    if (get_option(L, index, "init_std") != LUA_TNIL) {
        init.a = lua_tonumber(L, -1);
        if (lua_type(L, -1) != LUA_TNUMBER || !(init.a > 0) || !isfinite((float)init.a))
            nt_lua_fail(L, "parameter '%s': init_std %s: must be a positive number", name,
                nt_lua_text_at(L, -1));
    }
    return init;
}

static int parameter(lua_State *L)
{
    static const char *const options[] = {"init", "init_std", "trained", NULL};
    int value;
    lua_settop(L, 3);
    const char *name = nt_lua_name_at(L, 1, "parameter");
    struct nt_shape shape = shape_at(L, 2, "parameter", name);
    check_options(L, 3, "parameter", options);
    struct nt_init init = take_init(L, 3, name);
    int trained = get_option(L, 3, "trained");
    if (trained != LUA_TNIL && trained != LUA_TBOOLEAN)
        return nt_lua_fail(
            L, "parameter '%s': trained %s: must be true or false", name, nt_lua_text_at(L, -1));
    enum nt_value_kind kind =
        trained == LUA_TNIL || lua_toboolean(L, -1) ? NT_VALUE_PARAMETER : NT_VALUE_STATE;
    struct nt_graph *graph = graph_here(L);
    const char *full = lua_pushfstring(L, "%s%s", graph->scope, name);
    check(L, nt_graph_parameter(graph, full, kind, &shape, init, &value));
    nt_lua_value_push(L, value);
    return 1;
}

/* state(name, shape, {init = number, per_item = true}) */
static int state(lua_State *L)
{
    static const char *const options[] = {"init", "per_item", NULL};
    struct nt_init init = {NT_INIT_CONSTANT, 0};
    int value;
    lua_settop(L, 3);
    const char *name = nt_lua_name_at(L, 1, "state");
    struct nt_shape shape = shape_at(L, 2, "state", name);
    check_options(L, 3, "state", options);
    int type = get_option(L, 3, "init");
    if (type != LUA_TNIL) {
        init.a = lua_tonumber(L, -1);
        if (type != LUA_TNUMBER || !isfinite((float)init.a))
            return nt_lua_fail(
                L, "state '%s': init %s: must be a number", name, nt_lua_text_at(L, -1));
    }
    type = get_option(L, 3, "per_item");
    if (type != LUA_TNIL && type != LUA_TBOOLEAN)
        return nt_lua_fail(
            L, "state '%s': per_item %s: must be true or false", name, nt_lua_text_at(L, -1));
    bool per_item = lua_toboolean(L, -1);
    struct nt_graph *graph = graph_here(L);
    const char *full = lua_pushfstring(L, "%s%s", graph->scope, name);
    check(L, per_item ? nt_graph_carried(graph, full, &shape, init, &value)
                      : nt_graph_parameter(graph, full, NT_VALUE_STATE, &shape, init, &value));
    nt_lua_value_push(L, value);
    return 1;
}

/* update(state, value): what the state is after the run. */
static int update(lua_State *L)
{
    int to = nt_lua_value_at(L, 1), from = nt_lua_value_at(L, 2);
    if (to < 0 || from < 0)
        return nt_lua_fail(L, "update: %s: must be a value", nt_lua_text_at(L, to < 0 ? 1 : 2));
    struct nt_graph *graph = graph_here(L);
    if (graph->value[to].update >= 0)
        return nt_lua_fail(L, "update: state '%s': is updated already", graph->value[to].name);
    check(L, nt_graph_update(graph, to, from));
    return 0;
}

static int constant(lua_State *L)
{
    struct nt_shape shape = {0};
    lua_settop(L, 2);
    double number = lua_tonumber(L, 1);
    if (lua_type(L, 1) != LUA_TNUMBER || !isfinite((float)number))
        return nt_lua_fail(L, "constant: %s: must be a finite number", nt_lua_text_at(L, 1));
    if (!lua_isnil(L, 2))
        shape = shape_at(L, 2, "constant", lua_pushfstring(L, "%f", number));
    double count = 1;
    for (int i = 0; i < shape.rank; i++)
        count *= (double)shape.dim[i];
    if (count > INT32_MAX)
        return nt_lua_fail(L, "constant: must have at most 2147483647 elements");
    int value = nt_graph_constant(graph_here(L), number, &shape);
    check(L, value < 0 ? NT_ERR_MEMORY : NT_OK);
    nt_lua_value_push(L, value);
    return 1;
}

/* scope(name, f, ...): what f(...) gives, "name." put before the names that it makes. */
static int scope(lua_State *L)
{
    struct nt_graph *graph = nt_lua_get(L)->graph;
    const char *name = nt_lua_name_at(L, 1, "scope"), *outer = graph->scope;
    if (lua_type(L, 2) != LUA_TFUNCTION)
        return nt_lua_fail(L, "scope '%s': %s: must be a function", name, nt_lua_text_at(L, 2));
    if (strlen(outer) + strlen(name) > 200)
        return nt_lua_fail(L, "scope '%s%s': must be at most 200 letters", outer, name);
    graph->scope = nt_graph_string(graph, "%s%s.", outer, name);
    lua_call(L, lua_gettop(L) - 2, LUA_MULTRET);
    graph->scope = outer;
    return lua_gettop(L) - 1;
}

void nt_lua_words_open(lua_State *L)
{
    static const luaL_Reg words[] = {{"constant", constant}, {"input", input}, {"loss", loss},
        {"output", output}, {"parameter", parameter}, {"scope", scope}, {"state", state},
        {"target", target}, {"update", update}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        lua_pushcfunction(L, words[i].func);
        lua_setglobal(L, words[i].name);
    }
    lua_newtable(L);
    lua_pushcclosure(L, setting, 1);
    lua_setglobal(L, "setting");
    lua_pushboolean(L, nt_lua_get(L)->graph->training);
    lua_setglobal(L, "training");
}
