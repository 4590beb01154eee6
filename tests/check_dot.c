/* SPDX-License-Identifier: MIT */
#include "frontend/dot.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/model.h"
#include "tests/fixture.h"
#include "tests/testing.h"

static const char definition[] =
    "local x = input('picture', {3, 8, 8})\n"
    "local y = target('target')\n"
    "local function block(x)\n"
    "    local z = x:conv2d{name = 'conv1', channels = 3, kernel = 3, padding = 1}:relu()\n"
    "    return (x + z):relu():relu()\n"
    "end\n"
    "scope('layer', function() for i = 0, 1 do x = scope(tostring(i), block, x) end end)\n"
    "x = x:flatten():linear{name = 'fc', features = 5}\n"
    "output('logits', x)\n"
    "loss(x:cross_entropy(y))\n";

static char *draw(void)
{
    char *path = fixture_path("drawn.lua"), *text;
    fixture_write(path, definition, strlen(definition));
    struct nt_model *model;
    struct nt_graph *graph;
    test_ok(nt_model_load(test_context(), path, 0, NULL, &model));
    test_ok(nt_model_build(model, 1, false, &graph));
    test_ok(nt_dot_text(graph, "drawn", &text));
    nt_graph_destroy(graph);
    nt_model_destroy(model);
    return text;
}

static int occurrences(const char *text, const char *word)
{
    int count = 0;
    for (; (text = strstr(text, word)); text++)
        count++;
    return count;
}

START_TEST(boxes_tell_what_they_hold)
{
    char *text = draw();
    const char *const wanted[] = {
        "digraph \"drawn\"",
        "label=\"drawn: 1,133 parameters, 11,328 multiply-accumulates\"",
        "picture\\n3x8x8",
        "conv1  conv2d, relu\\n3x8x8\\n84 parameters\\n5.2 k MACs",
        "add, relu, relu\\n3x8x8",
        "fc  linear\\n5\\n965 parameters\\n960 MACs",
        "target  int32",
        "logits\\n5",
        "\"cross_entropy\"",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        ck_assert_msg(strstr(text, wanted[i]), "%s lacks %s", text, wanted[i]);
    free(text);
}
END_TEST

/* Scopes nest, and every brace and arrow has both ends. */
START_TEST(scopes_and_arrows)
{
    char *text = draw();
    ck_assert_int_eq(occurrences(text, "subgraph"), 3);
    ck_assert_int_eq(occurrences(text, "label=\"layer\""), 1);
    ck_assert_int_eq(occurrences(text, "label=\"layer.0\""), 1);
    ck_assert_int_eq(occurrences(text, "label=\"layer.1\""), 1);
    ck_assert_int_eq(occurrences(text, "{"), occurrences(text, "}"));
    /* input to conv and add, conv to add; the same again; add to fc (flatten stands outside of its
     * scope: its own box); fc to loss and output; target to loss */
    ck_assert_int_eq(occurrences(text, " -> "), 3 + 3 + 2 + 2 + 1);
    for (const char *at = text; (at = strstr(at, " -> ")); at++) {
        char node[32];
        snprintf(node, sizeof node, "\n%.*s [", (int)strcspn(at + 4, ";"), at + 4);
        ck_assert_msg(strstr(text, node), "no box for the arrow to %s", node);
    }
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dot");
    TCase *tcase = tcase_create("dot");
    tcase_add_test(tcase, boxes_tell_what_they_hold);
    tcase_add_test(tcase, scopes_and_arrows);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
