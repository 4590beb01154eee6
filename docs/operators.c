/* SPDX-License-Identifier: MIT
 *
 * The reference page of the operators, from their descriptors: docs/operators.md.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "docs/page.h"
#include "frontend/op.h"

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct nt_op *const *)a)->name, (*(const struct nt_op *const *)b)->name);
}

/* Text within a table: a bar would end the cell. */
static void put_cell(FILE *file, const char *text)
{
    for (; *text; text++)
        fprintf(file, *text == '|' ? "\\|" : "%c", *text);
}

static const char *type_of(const struct nt_attr_spec *spec)
{
    static const char *const names[] = {[NT_ATTR_INT] = "integer",
        [NT_ATTR_FLOAT] = "number",
        [NT_ATTR_BOOL] = "true or false",
        [NT_ATTR_CHOICE] = "word",
        [NT_ATTR_INTS] = "integers",
        [NT_ATTR_FLOATS] = "numbers"};
    return names[spec->type];
}

/* The word number `index` of "zeros|reflect". */
static void put_word(FILE *file, const char *words, int index)
{
    for (; index > 0 && *words; index--)
        words += strcspn(words, "|") + (words[strcspn(words, "|")] == '|');
    fprintf(file, "`%.*s`", (int)strcspn(words, "|"), words);
}

static void put_type(FILE *file, const struct nt_attr_spec *spec)
{
    bool list = spec->type == NT_ATTR_INTS || spec->type == NT_ATTR_FLOATS;
    if (spec->type != NT_ATTR_CHOICE)
        fprintf(file, "%s", type_of(spec));
    if (list && spec->count > 1 && spec->count < 8)
        fprintf(file, ", 1 or %d", spec->count);
    for (int i = 0, more = 1; spec->choices && more; i++) {
        const char *at = spec->choices;
        fprintf(file, "%s", i > 0 || spec->type != NT_ATTR_CHOICE ? ", " : "");
        put_word(file, spec->choices, i);
        for (int j = 0; j < i + 1; j++) {
            at += strcspn(at, "|");
            more = *at == '|';
            at += more;
        }
    }
}

static void put_default(FILE *file, const struct nt_attr_spec *spec)
{
    if (spec->required)
        fprintf(file, "required");
    else if (spec->type == NT_ATTR_BOOL)
        fprintf(file, "%s", spec->fallback != 0 ? "true" : "false");
    else if (spec->type == NT_ATTR_CHOICE)
        put_word(file, spec->choices, (int)spec->fallback);
    else
        fprintf(file, "%.10g", spec->fallback);
}

static void put_range(FILE *file, const struct nt_attr_spec *spec)
{
    const double large = 1e6;
    if (spec->min == 0 && spec->max == 0)
        return;
    if (spec->min > -large && spec->max < large)
        fprintf(file, "%.10g to %.10g", spec->min, spec->max);
    else if (spec->min > -large)
        fprintf(file, "at least %.10g", spec->min);
    else if (spec->max < large)
        fprintf(file, "at most %.10g", spec->max);
}

static void put_attributes(FILE *file, const struct nt_op *op)
{
    fprintf(file, "\n| attribute | type | default | range | meaning |\n|---|---|---|---|---|\n");
    for (int i = 0; i < op->attr_count; i++) {
        const struct nt_attr_spec *spec = &op->attrs[i];
        fprintf(file, "| `%s` | ", spec->name);
        put_type(file, spec);
        fprintf(file, " | ");
        put_default(file, spec);
        fprintf(file, " | ");
        put_range(file, spec);
        fprintf(file, " | ");
        put_cell(file, spec->doc ? spec->doc : "");
        fprintf(file, " |\n");
    }
}

static void put_operator(FILE *file, const struct nt_op *op)
{
    fprintf(file, "\n## %s\n\n%s.\n\n", op->name, op->summary);
    if (*op->inputs)
        fprintf(file, "- Inputs: `%s`", op->inputs);
    else
        fprintf(file, "- Inputs: none");
    if (op->outputs > 1)
        fprintf(file, "; up to %d outputs", op->outputs);
    fprintf(file, "\n");
    if (op->expression)
        fprintf(file, "- Elementwise: `%s`\n", op->expression);
    if (op->shapes)
        fprintf(file, "- Shapes: %s\n", op->shapes);
    else if (op->expression)
        fprintf(file, "- Shapes: the result has the shape that the inputs broadcast to\n");
    if (op->source)
        fprintf(file, "- Source: %s\n", op->source);
    if (op->attr_count > 0)
        put_attributes(file, op);
}

static void put_page(FILE *file, const struct nt_op **ops, int count)
{
    fprintf(file,
        "# Operators\n\nMade from the operators' descriptors by `ninja -C build operators-page`; "
        "do not edit it.\n\n"
        "Definitions call an operator as a method of its first input, `x:relu()`, or as a "
        "function, "
        "`op.relu(x)`:\nvalues first, then one table with attributes, optional inputs by name and "
        "the `name`. `?` marks an optional\ninput, `...` any number of them. A list of numbers may "
        "be a single number that stands for all.\nWhere a source is not given, the operator is "
        "elementary.\n\n");
    for (int i = 0; i < count; i++)
        fprintf(file, "%s[%s](#%s)", i > 0 ? " ·\n" : "", ops[i]->name, ops[i]->name);
    fprintf(file, "\n");
    for (int i = 0; i < count; i++)
        put_operator(file, ops[i]);
}

/* The page, NULL when memory is exhausted; the caller's. */
static char *make_page(void)
{
    char *text = NULL;
    size_t size;
    const struct nt_op **ops = calloc((size_t)nt_op_count, sizeof *ops);
    FILE *file = open_memstream(&text, &size);
    int count = 0;
    bool done = ops && file;
    for (int i = 0; done && i < nt_op_count; i++)
        if (!nt_ops[i]->internal)
            ops[count++] = nt_ops[i];
    if (done) {
        qsort(ops, (size_t)count, sizeof *ops, by_name);
        put_page(file, ops, count);
        done = !ferror(file);
    }
    if (file && fclose(file) != 0)
        done = false;
    free(ops);
    if (done)
        return text;
    free(text);
    return NULL;
}

int main(int argc, char **argv)
{
    return page_main(argc, argv, "operators-page", make_page());
}
