/* SPDX-License-Identifier: MIT */
#include "tests/testing.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "frontend/graph.h"
#include "frontend/lua.h"
#include "frontend/op.h"

#define PATH "zoo/tested.lua" /* never opened: sources are given in memory */

/* What definitions below start with: line 1. */
#define X "local x = input('input', {1, 8, 8}); local y = target('target')\n"

static struct nt_graph *graph;

/* Runs a source; the graph is kept until the next one. */
static enum nt_status build_bytes(const char *text, size_t length)
{
    struct nt_definition definition = {
        .ctx = test_context(), .path = PATH, .text = (char *)text, .length = length};
    nt_graph_destroy(graph);
    graph = NULL;
    test_ok(nt_graph_create(test_context(), 2, false, &graph));
    enum nt_status status = nt_lua_build(&definition, graph);
    for (int i = 0; i < definition.setting_count; i++) {
        free((char *)definition.setting[i].name);
        free((char *)definition.setting[i].doc);
        free((char *)definition.setting[i].value);
    }
    free(definition.setting);
    return status;
}

static enum nt_status build(const char *text)
{
    return build_bytes(text, strlen(text));
}

static void release(void)
{
    nt_graph_destroy(graph);
    graph = NULL;
}

/* The whole message must be equal. */
static void fails(const char *text, const char *message)
{
    enum nt_status status = build(text);
    ck_assert_msg(status != NT_OK, "no error: %s", text);
    ck_assert_msg(strcmp(nt_error_message(test_context()), message) == 0,
        "%s\n  gives   %s\n  instead %s", text, nt_error_message(test_context()), message);
}

static const char *op_of(int value)
{
    return graph->node[graph->value[value].node]->op->name;
}

/* ---- the sandbox ---- */

START_TEST(forbidden_names_are_nil)
{
    static const char *const names[] = {"_G", "_VERSION", "collectgarbage", "coroutine", "debug",
        "dofile", "getmetatable", "io", "load", "loadfile", "loadstring", "next", "os", "package",
        "pcall", "rawequal", "rawget", "rawlen", "rawset", "require", "setmetatable", "utf8",
        "warn", "xpcall", "arg", "batch", "string.dump", "string.pack", "string.unpack",
        "string.packsize", "math.random", "math.randomseed", "table.move", "('').dump"};
    char text[200];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(text, sizeof text, "assert(%s == nil, '%s')", names[i], "is there");
        enum nt_status status = build(text);
        ck_assert_msg(status == NT_OK, "%s: %s", names[i], nt_error_message(test_context()));
    }
}
END_TEST

START_TEST(safe_library_works)
{
    test_ok(build("assert(('a,b'):rep(2, ';') == 'a,b;a,b')\n"
                  "local t = {}\n"
                  "for word in ('128,64,,32'):gmatch('[^,]+') do table.insert(t, word) end\n"
                  "assert(#t == 3 and t[2] == '64' and table.concat(t, ' ') == '128 64 32')\n"
                  "table.insert(t, 1, 'first'); assert(table.remove(t, 2) == '128')\n"
                  "assert(table.remove(t) == '32' and #t == 2)\n"
                  "t = {3, 1, 2}; table.sort(t); assert(t[1] == 1 and t[3] == 3)\n"
                  "table.sort(t, function(a, b) return a > b end); assert(t[1] == 3)\n"
                  "assert(select('#', table.unpack(t)) == 3 and math.floor(2.5) == 2)\n"
                  "assert(('x=12'):match('^(%w+)=(%d+)$') == 'x')\n"
                  "assert(('abc'):gsub('b', string.upper) == 'aBc')\n"
                  "assert(('abc'):find('c', 1, true) == 3 and #('[a]'):gsub('[%[%]]', '') == 1)\n"
                  "assert(tostring(1.5) == '1.5' and tonumber('7') == 7 and type(t) == 'table')\n"
                  "assert(string.format('%d%%', 3) == '3%')\n"
                  "for i, v in ipairs({4}) do assert(i == 1 and v == 4) end\n"));
}
END_TEST

START_TEST(pairs_goes_in_order)
{
    test_ok(build("local t, keys = {}, {}\n"
                  "for i = 1, 40 do t['k' .. string.char(60 + (i * 7) % 40)] = i end\n"
                  "t[3], t[1], t[2.5], t[-1] = 1, 1, 1, 1\n"
                  "for k, v in pairs(t) do keys[#keys + 1] = k; assert(t[k] == v) end\n"
                  "assert(#keys == 44 and keys[1] == -1 and keys[2] == 1 and keys[3] == 2.5)\n"
                  "for i = 6, #keys do assert(keys[i - 1] < keys[i]) end\n"
                  "for k in pairs({}) do error('empty') end\n"));
}
END_TEST

static char logged[200];

static void keep_log(void *user, enum nt_log_level level, const char *text)
{
    ck_assert_int_eq(level, NT_LOG_INFO);
    snprintf(logged, sizeof logged, "%s", text);
}

START_TEST(print_is_logged)
{
    struct nt_context *ctx;
    ck_assert_int_eq(nt_context_create(&(struct nt_context_params){.log = keep_log}, &ctx), NT_OK);
    const char *text = "\nprint('a', 1, input('i', {3}), nil)";
    struct nt_definition definition = {
        .ctx = ctx, .path = PATH, .text = (char *)text, .length = strlen(text)};
    struct nt_graph *own;
    ck_assert_int_eq(nt_graph_create(ctx, 2, false, &own), NT_OK);
    ck_assert_int_eq(nt_lua_build(&definition, own), NT_OK);
    ck_assert_str_eq(logged, PATH ":2: a 1 float32 2x3 i nil");
    nt_graph_destroy(own);
    nt_context_destroy(ctx);
}
END_TEST

/* A source with a small table whose length is 2^30. */
static const char *far_table(const char *use)
{
    static char text[2000];
    size_t length = (size_t)sprintf(text, "local t = {");
    for (int i = 0; i <= 30; i++)
        length += (size_t)sprintf(text + length, "[%ld] = 1, ", 1L << i);
    sprintf(text + length, "} %s", use);
    return text;
}

START_TEST(limits_end_a_definition)
{
    static const char *const instructions = PATH ": definition: uses more than 50 million "
                                                 "instructions";
    static const char *const memory = PATH ": definition: uses more than 64 MiB of memory";
    fails("while true do end", instructions);
    fails("local function f() return f() end f()", instructions);
    fails("while true do local s = ('x'):rep(1e6) end", instructions);
    fails("local s = ('a'):rep(5000); s:find(('a-'):rep(8) .. 'b')", instructions);
    fails("local s = ('a'):rep(1e6); s:find(('a'):rep(5e5) .. 'b', 1, true)", instructions);
    fails("local s = ('a'):rep(9000); s:gsub('.-b', '')", instructions);
    fails("(''):rep(math.maxinteger)", instructions);
    fails(far_table("table.insert(t, 1, 2)"), instructions);
    fails(far_table("table.remove(t, 1)"), instructions);
    fails("local s, t = ('a'):rep(1e7), {}; for i = 1, 1e4 do t[i] = s end; table.sort(t)",
        instructions);
    fails("local t = {}; for i = 1, 1e9 do t[i] = i end", memory);
    fails("local s = 'x'; while true do s = s .. s end", memory);
    fails("('x'):rep(1e9)", memory);
    fails("('x'):rep(40e6, 'yy')", memory);
    fails("local t = {}; for i = 1, 1e9 do t[i] = ('x'):rep(1e6) .. i end", memory);
    fails("table.concat({('x'):rep(6e7), ('x'):rep(6e7)})", memory);
    fails(X "while true do x = x:relu() end", PATH ": definition: uses more than 20000 operators");
    fails("while true do constant(1) end", PATH ": definition: uses more than 100000 values");
    fails("local function f() return 1 + f() end f()", memory);
    ck_assert_int_ne(build("local function f() return scope('a', f) end f()"), NT_OK);
    ck_assert_int_ne(build("local function f() return ('a'):gsub('a', f) end f()"), NT_OK);
    fails("local t = {}; t[0/0] = 1", PATH ":1: table index is NaN");
}
END_TEST

START_TEST(code_is_source_text)
{
    fails("\x1bLua\x54", PATH ": definition: compiled Lua: must be source text");
    test_ok(build(""));
    ck_assert_int_ne(build_bytes("local a\0 = 1", 12), NT_OK);
}
END_TEST

START_TEST(values_cannot_be_forged)
{
    fails("op.relu({})", PATH ":1: relu: 0 inputs (a): must be 1");
    fails("op.relu(op)", PATH ":1: relu: 0 inputs (a): must be 1");
    fails(X "x.foo = 1", PATH ":2: attempt to index a tensor value (local 'x')");
    fails(X "output('o', op)", PATH ":2: output 'o': a table: must be a value");
    fails(X "local d = x.dim; d({}, 1)", PATH ":2: dim: a table: must be a value");
}
END_TEST

/* ---- messages ---- */

static const struct {
    const char *line, *message;
} messages[] = {
    {"x:conv2d{channels = 2, kernel = 0}", "conv2d: kernel 0: must be at least 1"},
    {"x:conv2d{channels = 2, kernal = 3}",
        "conv2d: unknown attribute 'kernal', did you mean 'kernel'?"},
    {"x:flatten():linear{wheels = 3}", "linear: unknown attribute 'wheels': must be one of name, "
                                       "features, bias, init, init_std"},
    {"x:conv2d{kernel = 3}", "conv2d: channels: must be given"},
    {"x:conv2d{channels = 'two', kernel = 3}", "conv2d: channels 'two': must be an integer"},
    {"x:conv2d{channels = 1.5, kernel = 3}", "conv2d: channels 1.5: must be an integer"},
    {"x:conv2d{channels = 2, kernel = {3, 3, 3}}",
        "conv2d: kernel: a list of 3: must be 1 to 2 integers"},
    {"x:conv2d{channels = 2, kernel = {}}", "conv2d: kernel: a list of 0: must be 1 to 2 integers"},
    {"x:conv2d{channels = 2, kernel = {3, 'a'}}", "conv2d: kernel 'a': must be an integer"},
    {"x:conv2d{channels = 2, kernel = '3'}",
        "conv2d: kernel '3': must be an integer or a list of integers"},
    {"x:conv2d{channels = 2, kernel = 3, bias = 1}", "conv2d: bias 1: must be true or false"},
    {"x:conv2d{channels = 2, kernel = 3, init = 'kaiming'}",
        "conv2d: init 'kaiming': must be pytorch, kaiming_uniform, kaiming_normal, xavier_uniform, "
        "xavier_normal, normal, uniform or zeros"},
    {"x:conv2d{channels = 2, kernel = 3, init_std = 'a'}",
        "conv2d: init_std 'a': must be a number"},
    {"x:conv2d{channels = 2, kernel = 3, name = 'a b'}",
        "conv2d: name 'a b': must be 1 to 100 letters, digits or _ . - /"},
    {"x:conv2d{channels = 2, kernel = 3, name = 5}", "conv2d: name 5: must be a string"},
    {"x:conv2d{channels = 2, kernel = 3, x = x}", "conv2d: input 'x': is given twice"},
    {"x:conv2d{channels = 2, kernel = 3, weight = 4}",
        "conv2d: input 'weight': 4: must be a value"},
    {"x:conv2d{channels = 2, kernel = 3, weight = x}",
        "conv2d: weight of shape 2x1x8x8: must be 2x1x3x3"},
    {"x:conv2d{2, kernel = 3}", "conv2d: 2 in the table: must have a name, as in {name = value}"},
    {"x:conv2d(nil)", "conv2d: argument 2: nil: must be a value or, last, a table of attributes"},
    {"x:conv2d({kernel = 3}, x)",
        "conv2d: argument 2: a table: must be a value or, last, a table of attributes"},
    {"x.conv2d{channels = 2, kernel = 3}",
        "conv2d: 0 inputs (x weight? bias?): must be at least 1"},
    {"x:conv2d{channels = 2, kernel = 9}",
        "conv2d: kernel 9 with dilation 1: must not exceed the padded height 8"},
    {"x:conv2d{channels = 3, kernel = 1, groups = 2}",
        "conv2d: groups 2: must divide the 1 input and the 3 output channels"},
    {"x:conv2d{channels = 2, kernel = 3, bias = x}", "conv2d: bias of shape 2x1x8x8: must be 2"},
    {"x:conv2d{channels = 2, kernel = 3, padding = {1, 2, 3}}",
        "conv2d: padding: 3 numbers: must be 1, 2 or 4"},
    {"x:conv1d{channels = 2, kernel = 3}",
        "conv1d: input of shape 2x1x8x8 (with the batch): must have rank 3"},
    {"x:conv_transpose2d{channels = 2, kernel = 3, output_padding = 1}",
        "conv_transpose2d: output_padding 1: must be less than the stride 1 or the dilation 1"},
    {"x:conv_transpose2d{channels = 2, kernel = 1, padding = 4}",
        "conv_transpose2d: padding 8: leaves nothing of the height 8"},
    {"x:local_conv2d{channels = 2, kernel = 3, weight = x}",
        "local_conv2d: weight of shape 2x1x8x8: must be 36x2x1x3x3"},
    {"x:tiled_conv2d{channels = 2, kernel = 3}", "tiled_conv2d: tile: must be given"},
    {"x:conv2{}", "unknown operator 'conv2', did you mean 'conv2d'?"},
    {"op.conv2(x)", "unknown operator 'conv2', did you mean 'conv2d'?"},
    {"x:wobble()", "unknown operator 'wobble'"},
    {"x:conv_backward_data()", "unknown operator 'conv_backward_data'"},
    {"local z = x[1]", "a value has no element 1"},
    {"x:relu(x, x)", "relu: 3 inputs (a): must be 1"},
    {"x:add('a')",
        "add: argument 2: 'a': must be a value, a number or, last, a table of attributes"},
    {"local z = x + 'a'", "add: 'a': must be a value or a number"},
    {"local z = {} + x", "add: a table: must be a value or a number"},
    {"local z = x + 1e300", "add: 1e+300: must be a finite number"},
    {"local z = x < x", "attempt to compare two tensor values"},
    {"local z = x // 2", "attempt to perform arithmetic on a tensor value (local 'x')"},
    {"x:flatten():linear{features = 0}", "linear: features 0: must be at least 1"},
    {"x:flatten():linear{features = 1000000000}",
        "linear: features 1000000000: must be at most 16777216"},
    {"x:mean():linear{features = 3}", "linear: a scalar: must have at least one dimension"},
    {"x:matmul(x:slice{axis = 2, count = 7})",
        "matmul: 2x1x8x8 times 2x1x7x8: inner extents must agree, batches must broadcast"},
    {"local z = x + x:flatten()", "add: shapes 2x1x8x8 and 2x64: do not broadcast"},
    {"x:reshape{shape = {-1, 3}}", "reshape: 2x1x8x8 to -1x3: must keep the 128 elements"},
    {"x:reshape{shape = {1 << 30, 1 << 30, 1 << 30}}",
        "reshape: 2x1x8x8 to 1073741824x1073741824x1073741824: must keep the 128 elements"},
    {"x:reshape{shape = {0, 3}}", "reshape: 2x1x8x8 to 2x3: must keep the 128 elements"},
    {"x:flatten{start_dim = 2, end_dim = 1}",
        "flatten: from dimension 2 to 1: must not end before it starts"},
    {"x:squeeze{axes = 2}", "squeeze: dimension 2 of 2x1x8x8: must have extent 1"},
    {"x:unsqueeze{axes = 7}", "unsqueeze: axis 7: the input has rank 5"},
    {"x:transpose{axes = {0, 1, 2, 2}}",
        "transpose: axes: must name each of the 4 dimensions once"},
    {"x:slice{axis = 2, first = 7, count = 2}",
        "slice: 2 elements from 7: must lie inside the extent 8"},
    {"x:strided_slice{starts = 5, ends = 5, axes = 3}",
        "strided_slice: dimension 3, of extent 8: nothing is left of it"},
    {"x:strided_slice{starts = 0, steps = 0}", "strided_slice: steps: must not be 0"},
    {"x:flip{axes = {1, -3}}", "flip: axis -3: is named twice"},
    {"x:split{axis = 2, sizes = {3, 4}}",
        "split: sizes: their sum 7: must be the extent 8 of dimension 2"},
    {"x:pad{before = 8, mode = 'reflect'}", "pad: 8 elements at dimension 3: must be less than 8"},
    {"x:pad{before = -5, after = -3}", "pad: dimension 3, of extent 8: nothing is left of it"},
    {"op.concat(x, y)", "concat: 2x1x8x8 and 2: must agree in all dimensions but 1"},
    {"op.stack(x, y)", "stack: 2x1x8x8 and 2: must be equal"},
    {"x:roll{shifts = {1, 2}, axes = 1}", "roll: shifts: 2 numbers: must be 1"},
    {"x:reshape{shape = {-1, -1}}", "reshape: shape: only one -1 is allowed"},
    {"x:mean():flatten()", "flatten: a scalar: must have a dimension"},
    {"x:dim(9)", "dim: axis 9: must be from -4 to 3"},
    {"x:dim('a')", "dim: axis 'a': must be an integer"},
    {"input('input', {1})", "input 'input': the name is taken"},
    {"input('a b', {1})", "input: name 'a b': must be 1 to 100 letters, digits or _ . - /"},
    {"input('i')", "input 'i': shape nil: must be a list of integers, as {1, 28, 28}"},
    {"input('i', {0})", "input 'i': extent 0: must be from 1 to 2147483647"},
    {"input('i', {1, 'a'})", "input 'i': extent 'a': must be an integer"},
    {"input('i', {1, 2, 3, 4, 5, 6})", "input 'i': shape of rank 6: must be at most 5"},
    {"input('i', {h = 1})", "input 'i': shape: must be a list of integers, as {1, 28, 28}"},
    {"input('i', {1}, {dtype = 'float16'})",
        "input 'i': dtype 'float16': must be float32 or int32"},
    {"input('i', {1}, {dtyp = 'int32'})", "input: unknown option 'dtyp', did you mean 'dtype'?"},
    {"output('o')", "output 'o': nothing: must be a value"},
    {"output('o', x) output('o', x)", "output 'o': the name is taken"},
    {"loss(x)", "loss: shape 2x1x8x8: must be a scalar"},
    {"loss(3)", "loss: 3: must be a value"},
    {"loss(x:mean()) loss(x:mean())", "loss: is declared already"},
    {"parameter('p')", "parameter 'p': shape nil: must be a list of integers, as {1, 28, 28}"},
    {"parameter('p', {2}, {init = 'kaiming'})",
        "parameter 'p': init 'kaiming': must be a number, zeros, ones, normal or uniform"},
    {"parameter('p', {2}, {init_std = -1})",
        "parameter 'p': init_std -1: must be a positive number"},
    {"parameter('p', {2}, {trained = 1})", "parameter 'p': trained 1: must be true or false"},
    {"parameter('p', {2}) parameter('p', {3})",
        "parameter 'p': shape 3: the name is taken by one of shape 2"},
    {"constant('a')", "constant: 'a': must be a finite number"},
    {"constant(1, {1000000, 1000000})", "constant: must have at most 2147483647 elements"},
    {"scope('a', 3)", "scope 'a': 3: must be a function"},
    {"scope('a', function() error('inside') end)", "inside"},
    {"setting('a')", "setting 'a': default nil: must be a number, a string, true or false"},
    {"setting('a', 1)", "setting 'a': third argument nil: must be its description"},
    {"setting('a', 1, 'doc', {mni = 3})", "setting 'a': unknown option 'mni', did you mean 'min'?"},
    {"setting('a', 1, 'doc', {min = 3})", "setting 'a': 1: must be at least 3"},
    {"setting('a', 5, 'doc', {max = 3})", "setting 'a': 5: must be at most 3"},
    {"setting('a', 'x', 'doc', {max = 3})", "setting 'a': max: is for numbers"},
    {"setting('a', 'x', 'doc', {choices = {'y', 'z', 'w'}})",
        "setting 'a': 'x': must be y, z or w"},
    {"setting('a', 1, 'doc') setting('a', 1, 'doc')", "setting 'a': is declared already"},
    {"error('mine')", "mine"},
    {"error({})", "error: a table value: must be a string"},
    {"error('mine', 0)", "mine"},
    {"assert(false, 'mine')", "mine"},
    {"nosuch()", "attempt to call a nil value (global 'nosuch')"},
    {"local = 3", "<name> expected near '='"},
    {"string.rep()", "bad argument #1 to 'rep' (string expected, got no value)"},
    {"for k in pairs({[x] = 1}) do end", "pairs: a value as key: must be a number or a string"},
};

START_TEST(messages_name_line_thing_and_rule)
{
    char text[400], message[400];
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        snprintf(text, sizeof text, X "%s", messages[i].line);
        snprintf(message, sizeof message, PATH ":2: %s", messages[i].message);
        fails(text, message);
    }
}
END_TEST

START_TEST(message_has_the_line_of_the_call)
{
    fails(X "local function block(v)\n  return v:conv2d{channels = 1, kernel = 99}\nend\n"
            "return block(x)",
        PATH ":3: conv2d: kernel 99 with dilation 1: must not exceed the padded height 8");
    fails(X "x\n:relu()\n:conv2d{\nchannels = -1, kernel = 1}",
        PATH ":4: conv2d: channels -1: must be at least 1");
    test_ok(build(X "\n\nx:relu()"));
    ck_assert_str_eq(graph->node[0]->where, PATH ":4");
    ck_assert_str_eq(graph->where, "");
}
END_TEST

/* Lua shortens long names of chunks in its own messages. */
START_TEST(message_has_the_whole_path)
{
    char path[300], message[400];
    memset(path, 'd', sizeof path);
    memcpy(path + sizeof path - 7, "/x.lua", 7);
    static const char *const lines[][2] = {{"local = 1", "<name> expected near '='"},
        {"nosuch()", "attempt to call a nil value (global 'nosuch')"},
        {"op.missing_one()", "unknown operator 'missing_one'"}};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct nt_definition definition = {.ctx = test_context(),
            .path = path,
            .text = (char *)lines[i][0],
            .length = strlen(lines[i][0])};
        struct nt_graph *own;
        test_ok(nt_graph_create(test_context(), 1, false, &own));
        ck_assert_int_ne(nt_lua_build(&definition, own), NT_OK);
        snprintf(message, sizeof message, "%s:1: %s", path, lines[i][1]);
        ck_assert_str_eq(nt_error_message(test_context()), message);
        nt_graph_destroy(own);
    }
}
END_TEST

START_TEST(status_is_the_library_s)
{
    ck_assert_int_eq(build(X "x:reshape{shape = {0, 3}}"), NT_ERR_SHAPE);
    ck_assert_int_eq(build(X "x:conv2d{channels = 0, kernel = 1}"), NT_ERR_FORMAT);
    ck_assert_int_eq(build(X "x:conv2d{channels = {}, kernel = 1}"), NT_ERR_FORMAT);
    ck_assert_int_eq(build("while true do end"), NT_ERR_FORMAT);
}
END_TEST

/* ---- what definitions build ---- */

START_TEST(arithmetic_makes_operators)
{
    static const char *const ops[] = {
        "add", "sub", "sub", "mul", "mul", "div", "pow", "neg", "maximum"};
    test_ok(build(X "local n = 0\n"
                    "for _, v in ipairs{x + x, x - 2, 2 - x, x * 0.5, 0.5 * x, x / x, x ^ 2, -x, "
                    "op.maximum(x, 0)} do n = n + 1; output('o' .. n, v) end"));
    ck_assert_int_eq(graph->output_count, 9);
    for (int i = 0; i < graph->output_count; i++) {
        ck_assert_str_eq(op_of(graph->output[i].value), ops[i]);
        ck_assert_int_eq(graph->value[graph->output[i].value].shape.rank, 4);
    }
    const struct nt_node *node = graph->node[graph->value[graph->output[2].value].node];
    ck_assert_int_eq(graph->value[node->input[0]].kind, NT_VALUE_CONSTANT);
    ck_assert_double_eq(graph->value[node->input[0]].constant, 2);
    ck_assert_str_eq(graph->value[node->input[1]].name, "input");
}
END_TEST

START_TEST(values_tell_their_shape)
{
    test_ok(build(X "local s = x:shape()\n"
                    "assert(#s == 4 and s[1] == 2 and s[2] == 1 and s[3] == 8)\n"
                    "assert(x:dim(0) == 2 and x:dim(1) == 1 and x:dim(-1) == 8)\n"
                    "assert(y:shape()[2] == nil and tostring(y) == 'int32 2 target')\n"
                    "assert(#x:mean():shape() == 0 and training == false)\n"
                    "s[1] = 7; assert(x:dim(0) == 2)\n"
                    "local p = parameter('p', {3, 4}); assert(p:dim(0) == 3)\n"
                    "assert(constant(2, {5}):dim(0) == 5)"));
}
END_TEST

START_TEST(inputs_and_targets)
{
    test_ok(build("input('a', {3}); input('b', {4}, {dtype = 'int32'})\n"
                  "target('t'); target('m', {5, 6}); target('v', {1}, {dtype = 'float32'})"));
    static const enum nt_dtype dtypes[] = {NT_F32, NT_I32, NT_I32, NT_I32, NT_F32};
    static const int ranks[] = {2, 2, 1, 3, 2};
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(graph->value[i].kind, NT_VALUE_INPUT);
        ck_assert_int_eq(graph->value[i].dtype, dtypes[i]);
        ck_assert_int_eq(graph->value[i].shape.rank, ranks[i]);
        ck_assert_int_eq(graph->value[i].shape.dim[0], 2);
    }
}
END_TEST

START_TEST(scopes_prefix_names)
{
    test_ok(build(X "local function block(v, kernel)\n"
                    "  parameter('scale', {1}, {init = 'ones'})\n"
                    "  return scope('conv', function() return v:conv2d{name = 'a', channels = 1, "
                    "kernel = kernel} end), kernel\n"
                    "end\n"
                    "local z, k = scope('layer1.0', block, x, 3)\n"
                    "assert(k == 3 and z:dim(-1) == 6)\n"
                    "z:relu{name = 'act'}"));
    ck_assert_int_ge(nt_graph_find(graph, "layer1.0.conv.a.weight"), 0);
    ck_assert_int_ge(nt_graph_find(graph, "layer1.0.conv.a.bias"), 0);
    ck_assert_int_ge(nt_graph_find(graph, "layer1.0.scale"), 0);
    ck_assert_str_eq(graph->node[0]->name, "layer1.0.conv.a");
    ck_assert_str_eq(graph->node[1]->name, "act");
    ck_assert_str_eq(graph->scope, "");
}
END_TEST

static int count_parameters(void)
{
    int count = 0;
    for (int i = 0; i < graph->value_count; i++)
        count += graph->value[i].kind == NT_VALUE_PARAMETER;
    return count;
}

START_TEST(weights_can_be_shared)
{
    test_ok(build(X "local f = x:flatten()\n"
                    "f:linear{name = 'fc', features = 3}\n"
                    "f:relu():linear{name = 'fc', features = 3}"));
    ck_assert_int_eq(count_parameters(), 2);
    test_ok(build(X "local w = parameter('w', {3, 64}, {init = 0.5})\n"
                    "local f = x:flatten()\n"
                    "f:linear{name = 'a', features = 3, weight = w, bias = false}\n"
                    "f:linear{name = 'b', features = 3, weight = w}\n"
                    "op.linear(f, w, {name = 'c', features = 3, bias = false})"));
    ck_assert_int_eq(count_parameters(), 2);
    ck_assert_int_ge(nt_graph_find(graph, "b.bias"), 0);
    const struct nt_value *w = &graph->value[nt_graph_find(graph, "w")];
    ck_assert_int_eq(w->init.kind, NT_INIT_CONSTANT);
    ck_assert_double_eq(w->init.a, 0.5);
    fails(X "x:flatten():linear{name = 'fc', features = 3}\n"
            "x:flatten():linear{name = 'fc', features = 4}",
        PATH ":3: parameter 'fc.weight': shape 4x64: the name is taken by one of shape 3x64");
}
END_TEST

START_TEST(parameters_start_as_told)
{
    test_ok(build("parameter('z', {2}, {init = 'zeros'}); parameter('o', {2}, {init = 'ones'})\n"
                  "parameter('n', {2}, {init = 'normal', init_std = 0.3}); parameter('d', {2})\n"
                  "parameter('u', {2}, {init = 'uniform', init_std = 0.2})\n"
                  "parameter('s', {2}, {init = 4, trained = false})"));
    static const struct nt_init inits[] = {{NT_INIT_CONSTANT, 0}, {NT_INIT_CONSTANT, 1},
        {NT_INIT_NORMAL, 0.3}, {NT_INIT_NORMAL, 0.01}, {NT_INIT_UNIFORM, 0.2},
        {NT_INIT_CONSTANT, 4}};
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(graph->value[i].init.kind, inits[i].kind);
        ck_assert_double_eq(graph->value[i].init.a, inits[i].a);
        ck_assert_int_eq(graph->value[i].kind, i == 5 ? NT_VALUE_STATE : NT_VALUE_PARAMETER);
    }
}
END_TEST

/* ---- random damage ---- */

static size_t read_zoo(const char *name, char *text, size_t size)
{
    FILE *file = fopen(name, "rb");
    ck_assert_msg(file != NULL, "%s: not found from the working folder", name);
    size_t length = fread(text, 1, size, file);
    fclose(file);
    return length;
}

START_TEST(damaged_definitions_only_fail)
{
    static const char *const names[] = {"zoo/lenet.lua", "zoo/mlp.lua", "zoo/cifar10_quick.lua",
        "zoo/linear.lua", "zoo/perceptron/perceptron.lua"};
    static const char letters[] = "(){}[]\"'=,.:-+*/^#0129 \nendxforwhile\0\x1b\xff";
    static char whole[1 << 16], text[1 << 16];
    int passed = 0, round = 0;
    clock_t end = clock() + 4 * CLOCKS_PER_SEC;
    for (; round < 3000 && clock() < end; round++) {
        size_t length = read_zoo(names[round % 5], whole, sizeof whole);
        memcpy(text, whole, length);
        for (int edits = test_int(1, 4); edits > 0; edits--) {
            size_t at = (size_t)test_int(0, (int)length - 1);
            size_t other = (size_t)test_int(0, (int)length - 1);
            int kind = test_int(0, 3);
            if (kind == 0)
                text[at] = letters[test_int(0, (int)sizeof letters - 2)];
            else if (kind == 1)
                text[at] = (char)test_int(0, 255);
            else if (kind == 2)
                memmove(text + at, text + other, (length - (at > other ? at : other)) / 8);
            else
                length = at + 1;
        }
        passed += build_bytes(text, length) == NT_OK;
    }
    printf("%d of %d damaged definitions still build\n", passed, round);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lua");
    TCase *tests = tcase_create("lua");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, NULL, release);
    tcase_add_test(tests, forbidden_names_are_nil);
    tcase_add_test(tests, safe_library_works);
    tcase_add_test(tests, pairs_goes_in_order);
    tcase_add_test(tests, print_is_logged);
    tcase_add_test(tests, limits_end_a_definition);
    tcase_add_test(tests, code_is_source_text);
    tcase_add_test(tests, values_cannot_be_forged);
    tcase_add_test(tests, messages_name_line_thing_and_rule);
    tcase_add_test(tests, message_has_the_line_of_the_call);
    tcase_add_test(tests, message_has_the_whole_path);
    tcase_add_test(tests, status_is_the_library_s);
    tcase_add_test(tests, arithmetic_makes_operators);
    tcase_add_test(tests, values_tell_their_shape);
    tcase_add_test(tests, inputs_and_targets);
    tcase_add_test(tests, scopes_prefix_names);
    tcase_add_test(tests, weights_can_be_shared);
    tcase_add_test(tests, parameters_start_as_told);
    tcase_add_test(tests, damaged_definitions_only_fail);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
