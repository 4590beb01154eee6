/* SPDX-License-Identifier: MIT */
#include <lauxlib.h>
#include <lua.h>
#include <math.h>
#include <string.h>

#include "frontend/lua.h"
#include "frontend/op.h"

#define TYPE "tensor" /* what Lua's own messages call a value */
#define MAX_ATTRS 16
#define MAX_OPERATORS 20000

static struct nt_value *value_of(lua_State *L, int value)
{
    return &nt_lua_get(L)->graph->value[value];
}

void nt_lua_value_push(lua_State *L, int value)
{
    *(int *)lua_newuserdatauv(L, sizeof(int), 0) = value;
    luaL_setmetatable(L, TYPE);
}

int nt_lua_value_at(lua_State *L, int index)
{
    const int *value = luaL_testudata(L, index, TYPE);
    return value ? *value : -1;
}

bool nt_lua_integer_at(lua_State *L, int index, int64_t *integer)
{
    int ok = 0;
    if (lua_type(L, index) == LUA_TNUMBER)
        *integer = lua_tointegerx(L, index, &ok);
    return ok;
}

const char *nt_lua_text_at(lua_State *L, int index)
{
    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        return lua_pushfstring(L, "'%s'", lua_tostring(L, index));
    case LUA_TNUMBER:
    case LUA_TBOOLEAN:
    case LUA_TNIL:
        return luaL_tolstring(L, index, NULL);
    case LUA_TNONE:
        return "nothing";
    default:
        return nt_lua_value_at(L, index) >= 0 ? "a value"
                                              : lua_pushfstring(L, "a %s", luaL_typename(L, index));
    }
}

const char *nt_lua_name_at(lua_State *L, int index, const char *what)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_.-/";
    size_t length = 0;
    const char *name = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &length) : NULL;
    if (!name)
        nt_lua_fail(L, "%s: name %s: must be a string", what, nt_lua_text_at(L, index));
    if (length < 1 || length > 100 || strspn(name, letters) != length)
        nt_lua_fail(L, "%s: name '%s': must be 1 to 100 letters, digits or _ . - /", what, name);
    return name;
}

int nt_lua_field(lua_State *L, int index, const char *name)
{
    lua_pushstring(L, name);
    return lua_rawget(L, index);
}

/* ---- attributes ---- */

static int fail_attr(
    lua_State *L, const struct nt_op *op, const struct nt_attr_spec *spec, const char *rule)
{
    return nt_lua_fail(
        L, "%s: %s %s: must be %s", op->name, spec->name, nt_lua_text_at(L, -1), rule);
}

/* Pushes "a, b or c" from "a|b|c". */
static const char *choice_list(lua_State *L, const char *choices)
{
    luaL_Buffer list;
    luaL_buffinit(L, &list);
    for (const char *s = choices; *s;) {
        size_t length = strcspn(s, "|");
        const char *rest = s + length;
        luaL_addlstring(&list, s, length);
        if (*rest)
            luaL_addstring(&list, strchr(rest + 1, '|') ? ", " : " or ");
        s = rest + (*rest == '|');
    }
    luaL_pushresult(&list);
    return lua_tostring(L, -1);
}

/* The index of the word on top of the stack in "a|b|c", -1 when it is none of them. */
static int choice_index(lua_State *L, const char *choices)
{
    const char *word = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    size_t wanted = strlen(word);
    int index = 0;
    for (const char *s = choices; *s; index++) {
        size_t length = strcspn(s, "|");
        if (length == wanted && strncmp(s, word, length) == 0)
            return index;
        s += length + (s[length] == '|');
    }
    return -1;
}

static void take_choice(
    lua_State *L, const struct nt_op *op, const struct nt_attr_spec *spec, struct nt_attr *attr)
{
    attr->number = choice_index(L, spec->choices);
    if (attr->number >= 0)
        return;
    const char *given = nt_lua_text_at(L, -1), *list = choice_list(L, spec->choices);
    nt_lua_fail(L, "%s: %s %s: must be %s", op->name, spec->name, given, list);
}

/* Takes the number on top of the stack as element i. */
static bool take_element(
    lua_State *L, const struct nt_attr_spec *spec, struct nt_attr *attr, lua_Integer i)
{
    if (spec->type == NT_ATTR_INTS)
        return nt_lua_integer_at(L, -1, &attr->ints[i]);
    attr->floats[i] = lua_tonumber(L, -1);
    return lua_type(L, -1) == LUA_TNUMBER && !isnan(attr->floats[i]);
}

static void fail_list(lua_State *L, const struct nt_op *op, const struct nt_attr_spec *spec)
{
    const char *number = spec->type == NT_ATTR_INTS ? "an integer" : "a number";
    const char *numbers = spec->type == NT_ATTR_INTS ? "integers" : "numbers";
    const char *given = nt_lua_text_at(L, -1);
    if (spec->choices)
        nt_lua_fail(L, "%s: %s %s: must be %s, a list of %s, %s", op->name, spec->name, given,
            number, numbers, choice_list(L, spec->choices));
    nt_lua_fail(
        L, "%s: %s %s: must be %s or a list of %s", op->name, spec->name, given, number, numbers);
}

static void take_list(
    lua_State *L, const struct nt_op *op, const struct nt_attr_spec *spec, struct nt_attr *attr)
{
    int word = spec->choices ? choice_index(L, spec->choices) : -1;
    if (word >= 0) {
        attr->number = word;
        return;
    }
    if (take_element(L, spec, attr, 0)) {
        attr->count = 1;
        return;
    }
    if (lua_type(L, -1) != LUA_TTABLE)
        fail_list(L, op, spec);
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    if (count < 1 || count > spec->count)
        nt_lua_fail(L, "%s: %s: a list of %I: must be 1 to %d %s", op->name, spec->name, count,
            spec->count, spec->type == NT_ATTR_INTS ? "integers" : "numbers");
    for (lua_Integer i = 0; i < count; i++) {
        lua_rawgeti(L, -1, i + 1);
        if (!take_element(L, spec, attr, i))
            fail_attr(L, op, spec, spec->type == NT_ATTR_INTS ? "an integer" : "a number");
        lua_pop(L, 1);
    }
    attr->count = (int)count;
}

/* Takes one attribute from the top of the stack. */
static void take_attr(
    lua_State *L, const struct nt_op *op, const struct nt_attr_spec *spec, struct nt_attr *attr)
{
    int64_t integer = 0;
    attr->set = true;
    switch (spec->type) {
    case NT_ATTR_INT:
        if (!nt_lua_integer_at(L, -1, &integer))
            fail_attr(L, op, spec, "an integer");
        attr->number = (double)integer;
        break;
    case NT_ATTR_FLOAT:
        attr->number = lua_tonumber(L, -1);
        if (lua_type(L, -1) != LUA_TNUMBER || isnan(attr->number))
            fail_attr(L, op, spec, "a number");
        break;
    case NT_ATTR_BOOL:
        if (!lua_isboolean(L, -1))
            fail_attr(L, op, spec, "true or false");
        attr->number = lua_toboolean(L, -1);
        break;
    case NT_ATTR_CHOICE:
        take_choice(L, op, spec, attr);
        break;
    case NT_ATTR_INTS:
    case NT_ATTR_FLOATS:
        take_list(L, op, spec, attr);
        break;
    }
}

/* ---- calling an operator ---- */

struct call {
    const struct nt_op *op;
    const char *name;
    int inputs;
    int input[NT_MAX_INPUTS];
    struct nt_attr attr[MAX_ATTRS];
};

/* Index of an input in op->inputs "x weight? bias?" by name, -1 when there is none. */
static int input_index(const struct nt_op *op, const char *name, size_t wanted)
{
    int index = 0;
    for (const char *s = op->inputs; *s; index++) {
        size_t length = strcspn(s, " "), letters = strcspn(s, " ?.");
        if (letters == wanted && strncmp(s, name, letters) == 0)
            return index;
        s += length + strspn(s + length, " ");
    }
    return -1;
}

/* A value, or a number where an elementwise operator takes one. */
static int operand_at(lua_State *L, int index, const struct nt_op *op)
{
    int value = nt_lua_value_at(L, index);
    if (value >= 0 || !op->expression || lua_type(L, index) != LUA_TNUMBER)
        return value;
    double number = lua_tonumber(L, index);
    if (!isfinite((float)number))
        nt_lua_fail(L, "%s: %s: must be a finite number", op->name, nt_lua_text_at(L, index));
    value = nt_graph_constant(nt_lua_get(L)->graph, number, &(struct nt_shape){0});
    return value >= 0 ? value : nt_lua_raise(L, NT_ERR_MEMORY);
}

static void add_input(lua_State *L, struct call *call, int argument)
{
    int value = operand_at(L, argument, call->op);
    if (value < 0)
        nt_lua_fail(L, "%s: argument %d: %s: must be a value%s or, last, a table of attributes",
            call->op->name, argument, nt_lua_text_at(L, argument),
            call->op->expression ? ", a number" : "");
    if (call->inputs == NT_MAX_INPUTS)
        nt_lua_fail(L, "%s: must have at most %d inputs", call->op->name, NT_MAX_INPUTS);
    call->input[call->inputs++] = value;
}

static void fail_unknown(lua_State *L, const struct nt_op *op, const char *name)
{
    const char *known[MAX_ATTRS + NT_MAX_INPUTS + 1] = {"name"};
    int count = 1;
    for (int i = 0; i < op->attr_count; i++)
        known[count++] = op->attrs[i].name;
    for (const char *s = op->inputs; *s;) {
        size_t length = strcspn(s, " "), letters = strcspn(s, " ?.");
        known[count++] = lua_pushlstring(L, s, letters);
        s += length + strspn(s + length, " ");
    }
    const char *near = nt_near_miss(name, count, known);
    if (near)
        nt_lua_fail(L, "%s: unknown attribute '%s', did you mean '%s'?", op->name, name, near);
    luaL_Buffer list;
    luaL_buffinit(L, &list);
    for (int i = 0; i <= op->attr_count; i++) {
        luaL_addstring(&list, i > 0 ? ", " : "");
        luaL_addstring(&list, known[i]);
    }
    luaL_pushresult(&list);
    nt_lua_fail(
        L, "%s: unknown attribute '%s': must be one of %s", op->name, name, lua_tostring(L, -1));
}

static void take_input(lua_State *L, struct call *call, int index, const char *name)
{
    int value = operand_at(L, -1, call->op);
    if (value < 0)
        nt_lua_fail(
            L, "%s: input '%s': %s: must be a value", call->op->name, name, nt_lua_text_at(L, -1));
    if (index < call->inputs && call->input[index] >= 0)
        nt_lua_fail(L, "%s: input '%s': is given twice", call->op->name, name);
    call->input[index] = value;
    if (index >= call->inputs)
        call->inputs = index + 1;
}

/* A name may be an input's and an attribute's: `bias` is a value, or says whether there is one. */
static bool is_input(lua_State *L, const struct nt_op *op, const char *name)
{
    return nt_lua_value_at(L, -1) >= 0 && input_index(op, name, strlen(name)) >= 0;
}

/* Reads the table of attributes at a stack index. */
static void take_table(lua_State *L, struct call *call, int index)
{
    const struct nt_op *op = call->op;
    luaL_checkstack(L, MAX_ATTRS + 20, NULL);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        size_t length;
        if (lua_type(L, -2) != LUA_TSTRING)
            nt_lua_fail(L, "%s: %s in the table: must have a name, as in {name = value}", op->name,
                nt_lua_text_at(L, -1));
        const char *name = lua_tolstring(L, -2, &length);
        int attr = nt_attr_index(op, name), input = input_index(op, name, length);
        if (attr < 0 && input < 0 && strcmp(name, "name") != 0)
            fail_unknown(L, op, name);
    }
    if (nt_lua_field(L, index, "name") != LUA_TNIL)
        call->name = nt_lua_name_at(L, -1, op->name);
    for (int i = 0; i < op->attr_count; i++) {
        const char *name = op->attrs[i].name;
        if (nt_lua_field(L, index, name) != LUA_TNIL && !is_input(L, op, name))
            take_attr(L, op, &op->attrs[i], &call->attr[i]);
        lua_pop(L, 1);
    }
    for (const char *s = op->inputs; *s;) {
        size_t length = strcspn(s, " "), letters = strcspn(s, " ?.");
        const char *name = lua_pushlstring(L, s, letters);
        bool attr = nt_attr_index(op, name) >= 0;
        if (nt_lua_field(L, index, name) != LUA_TNIL && (!attr || is_input(L, op, name)))
            take_input(L, call, input_index(op, name, letters), name);
        s += length + strspn(s + length, " ");
    }
}

/* Adds the node and pushes its outputs. */
static int add_node(lua_State *L, struct call *call)
{
    struct nt_graph *graph = nt_lua_get(L)->graph;
    const struct nt_op *op = call->op;
    int output[NT_MAX_OUTPUTS], count;
    if (graph->node_count >= MAX_OPERATORS)
        nt_lua_exceed(L, "20000 operators");
    graph->where = nt_lua_where(L);
    enum nt_status status = nt_graph_add_many(
        graph, op, call->name, call->inputs, call->input, call->attr, output, &count);
    graph->where = "";
    if (status != NT_OK)
        return nt_lua_raise(L, status);
    luaL_checkstack(L, count + 20, NULL);
    for (int i = 0; i < count; i++)
        nt_lua_value_push(L, output[i]);
    return count;
}

static int call_operator(lua_State *L)
{
    nt_lua_get(L)->line = (int)lua_tointeger(L, lua_upvalueindex(2));
    struct call call = {.op = lua_touserdata(L, lua_upvalueindex(1))};
    int count = lua_gettop(L);
    memset(call.input, -1, sizeof call.input);
    bool table = count > 0 && lua_type(L, count) == LUA_TTABLE;
    for (int i = 1; i <= count - table; i++)
        add_input(L, &call, i);
    if (table)
        take_table(L, &call, count);
    int outputs = add_node(L, &call);
    nt_lua_get(L)->line = 0;
    return outputs;
}

/* Pushes the function of an operator that was named in a line; an unknown name is an error. */
static int push_operator(lua_State *L, const char *name, int line)
{
    const struct nt_op *op = nt_op_find(name);
    if (!op || op->internal || op->attr_count > MAX_ATTRS) {
        const char *near = nt_op_suggest(name);
        if (near)
            return nt_lua_fail(L, "unknown operator '%s', did you mean '%s'?", name, near);
        return nt_lua_fail(L, "unknown operator '%s'", name);
    }
    lua_pushlightuserdata(L, (void *)op);
    lua_pushinteger(L, line);
    lua_pushcclosure(L, call_operator, 2);
    return 1;
}

/* op.NAME */
static int operator_index(lua_State *L)
{
    return push_operator(L, luaL_checkstring(L, 2), 0);
}

/* ---- values ---- */

static int value_shape(lua_State *L)
{
    int value = nt_lua_value_at(L, 1);
    if (value < 0)
        return nt_lua_fail(L, "shape: %s: must be a value", nt_lua_text_at(L, 1));
    struct nt_shape shape = value_of(L, value)->shape;
    lua_createtable(L, shape.rank, 0);
    for (int i = 0; i < shape.rank; i++) {
        lua_pushinteger(L, shape.dim[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int value_dim(lua_State *L)
{
    int64_t axis = 0;
    int value = nt_lua_value_at(L, 1);
    if (value < 0)
        return nt_lua_fail(L, "dim: %s: must be a value", nt_lua_text_at(L, 1));
    struct nt_shape shape = value_of(L, value)->shape;
    if (!nt_lua_integer_at(L, 2, &axis))
        return nt_lua_fail(L, "dim: axis %s: must be an integer", nt_lua_text_at(L, 2));
    if (axis < -shape.rank || axis >= shape.rank)
        return nt_lua_fail(L, "dim: axis %I: must be from %d to %d", (lua_Integer)axis, -shape.rank,
            shape.rank - 1);
    lua_pushinteger(L, shape.dim[axis < 0 ? axis + shape.rank : axis]);
    return 1;
}

/* value:NAME */
static int value_index(lua_State *L)
{
    if (lua_type(L, 2) != LUA_TSTRING)
        return nt_lua_fail(L, "a value has no element %s", nt_lua_text_at(L, 2));
    const char *name = lua_tostring(L, 2);
    if (strcmp(name, "shape") == 0)
        lua_pushcfunction(L, value_shape);
    else if (strcmp(name, "dim") == 0)
        lua_pushcfunction(L, value_dim);
    else
        push_operator(L, name, nt_lua_line(L));
    return 1;
}

static int value_text(lua_State *L)
{
    char text[128];
    const struct nt_value *value = value_of(L, nt_lua_value_at(L, 1));
    lua_pushfstring(L, "%s %s%s%s", nt_dtype_name(value->dtype),
        nt_shape_text(&value->shape, text, sizeof text), *value->name ? " " : "", value->name);
    return 1;
}

/* Metamethod of an arithmetic sign; its operator is upvalue 1. */
static int arithmetic(lua_State *L)
{
    struct call call = {.op = lua_touserdata(L, lua_upvalueindex(1))};
    int count = strchr(call.op->inputs, ' ') ? 2 : 1;
    for (int i = 1; i <= count; i++) {
        int value = operand_at(L, i, call.op);
        if (value < 0)
            nt_lua_fail(
                L, "%s: %s: must be a value or a number", call.op->name, nt_lua_text_at(L, i));
        call.input[call.inputs++] = value;
    }
    return add_node(L, &call);
}

void nt_lua_value_open(lua_State *L)
{
    static const char *const signs[][2] = {{"__add", "add"}, {"__sub", "sub"}, {"__mul", "mul"},
        {"__div", "div"}, {"__pow", "pow"}, {"__unm", "neg"}};
    luaL_newmetatable(L, TYPE);
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        lua_pushlightuserdata(L, (void *)nt_op_find(signs[i][1]));
        lua_pushcclosure(L, arithmetic, 1);
        lua_setfield(L, -2, signs[i][0]);
    }
    lua_pushcfunction(L, value_index);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, value_text);
    lua_setfield(L, -2, "__tostring");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
    lua_newtable(L); /* op */
    lua_newtable(L);
    lua_pushcfunction(L, operator_index);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_setglobal(L, "op");
}
