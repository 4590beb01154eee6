/* SPDX-License-Identifier: MIT
 *
 * The reference page of ONNX, from the tables of import and export: docs/onnx.md.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "docs/page.h"
#include "frontend/onnx/export_parts.h"
#include "frontend/onnx/table.h"

static int by_name(const void *a, const void *b)
{
    const struct nt_onnx_rule *x = *(const struct nt_onnx_rule *const *)a;
    const struct nt_onnx_rule *y = *(const struct nt_onnx_rule *const *)b;
    int order = strcmp(x->name, y->name);
    return order ? order : x->since - y->since;
}

static void put_link(FILE *file, const char *name)
{
    const struct nt_op *op = nt_op_find(name);
    if (op && !op->internal)
        fprintf(file, "[%s](operators.md#%s)", name, name);
    else
        fprintf(file, "%s", name);
}

/* Ours that the row names, else those that become this operator in a file. */
static void put_ours(FILE *file, const struct nt_onnx_rule *rule)
{
    int count = 0;
    if (rule->op) {
        put_link(file, rule->op);
        return;
    }
    for (int i = 0; i < nt_export_rule_count; i++)
        if (strcmp(nt_export_rules[i].onnx, rule->name) == 0) {
            fprintf(file, "%s", count++ ? ", " : "");
            put_link(file, nt_export_rules[i].op);
        }
}

static void put_import(FILE *file, const struct nt_onnx_rule **rules)
{
    fprintf(
        file, "## Import\n\n| ONNX | opsets | operator here | note |\n| --- | --- | --- | --- |\n");
    for (int i = 0; i < nt_onnx_rule_count; i++) {
        const struct nt_onnx_rule *rule = rules[i];
        fprintf(file, "| %s | %d", rule->name, rule->since);
        fprintf(file, rule->until ? " to %d | " : " on | ", rule->until);
        put_ours(file, rule);
        fprintf(file, " | %s |\n", rule->note ? rule->note : "");
    }
}

static void put_export(FILE *file)
{
    fprintf(file,
        "\n## Export\n\nElementwise operators that have no row are written as their formula: "
        "one node for each function. Operators\nthat are made of others are written as what "
        "they are made of.\n\n| operator here | ONNX | note |\n| --- | --- | --- |\n");
    for (int i = 0; i < nt_export_rule_count; i++) {
        const struct nt_export_rule *rule = &nt_export_rules[i];
        const struct nt_op *op = nt_op_find(rule->op);
        fprintf(file, "| ");
        put_link(file, rule->op);
        fprintf(file, "%s | %s | %s |\n", op->internal ? " (a part of others)" : "", rule->onnx,
            rule->note ? rule->note : "");
    }
}

static void put_page(FILE *file, const struct nt_onnx_rule **rules)
{
    fprintf(file,
        "# ONNX\n\nMade from the tables of import and export by `ninja -C build onnx-page`; do not "
        "edit it.\n\n"
        "Files of opsets 1 to %d are read (`neutra show`, `run`, `eval`, `train`, `convert`); "
        "files "
        "of opset %d are\nwritten (`neutra convert`, `neutra train --export`). Floats of every "
        "width "
        "are computed as float32, integers as\nint32. What depends on shapes alone is computed "
        "before the run; outputs of doubles that folded operators make of\n"
        "the arrays that are given (`--input`) are computed on the host, in double precision. "
        "Functions of the file itself are\ntaken apart. The branch of an If is chosen before the "
        "run, so its condition must be known then: a constant, computed\nfrom shapes, or from an "
        "integer that is given (`--set NAME=NUMBER`, `--input`). Extents, too, are\nknown before "
        "the run: a detector that chooses boxes during it (NonMaxSuppression of computed boxes) "
        "is written,\nfor other engines, but not read. Other control flow, strings, sequences, "
        "quantised values and sparse tensors\nare not read; a model that has them is refused with "
        "the list of all that is missing.\n"
        "[conformance.md](conformance.md) tells how ONNX's own cases fare.\n\n",
        NT_ONNX_NEWEST_OPSET, NT_ONNX_EXPORT_OPSET);
    put_import(file, rules);
    put_export(file);
}

static char *make_page(void)
{
    char *text = NULL;
    size_t size;
    const struct nt_onnx_rule **rules = calloc((size_t)nt_onnx_rule_count, sizeof *rules);
    FILE *file = open_memstream(&text, &size);
    bool done = rules && file;
    for (int i = 0; done && i < nt_onnx_rule_count; i++)
        rules[i] = &nt_onnx_rules[i];
    if (done) {
        qsort(rules, (size_t)nt_onnx_rule_count, sizeof *rules, by_name);
        put_page(file, rules);
        done = !ferror(file);
    }
    if (file && fclose(file) != 0)
        done = false;
    free(rules);
    if (done)
        return text;
    free(text);
    return NULL;
}

int main(int argc, char **argv)
{
    return page_main(argc, argv, "onnx-page", make_page());
}
