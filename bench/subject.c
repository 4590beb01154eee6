/* SPDX-License-Identifier: MIT */
#include "bench/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether several of the devices have the name. */
static bool is_shared(const json_t *devices, const char *name)
{
    size_t i;
    int named = 0;
    json_t *device;
    json_array_foreach(devices, i, device) named += !strcmp(bench_text(device, "name"), name);
    return named > 1;
}

int bench_subjects(
    const json_t *document, const char *path, int count, struct bench_subject *subject)
{
    size_t i;
    json_t *device;
    const json_t *devices = json_object_get(document, "devices");
    const char *slash = path ? strrchr(path, '/') : NULL, *file = slash ? slash + 1 : path;
    json_array_foreach(devices, i, device)
    {
        if (count == BENCH_MAX_SUBJECTS)
            break;
        struct bench_subject *s = &subject[count++];
        *s = (struct bench_subject){.document = document, .device = device};
        const char *name = file ? file : bench_text(device, "name");
        if (file ? json_array_size(devices) > 1 : is_shared(devices, name))
            snprintf(s->label, sizeof s->label, "%.80s, %zu", name, i + 1);
        else
            snprintf(s->label, sizeof s->label, "%s", name);
    }
    return count;
}

const json_t *bench_row(const struct bench_subject *subject, const char *list, const char *name)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(subject->device, list), i, row)
    {
        if (!strcmp(bench_text(row, "name"), name))
            return row;
    }
    return NULL;
}

const char **bench_names(
    int count, const struct bench_subject *subject, const char *list, int *names)
{
    size_t room = 1, i;
    json_t *row;
    for (int s = 0; s < count; s++)
        room += json_array_size(json_object_get(subject[s].device, list));
    const char **all = calloc(room, sizeof *all);
    *names = 0;
    for (int s = 0; all && s < count; s++)
        json_array_foreach(json_object_get(subject[s].device, list), i, row)
        {
            const char *name = bench_text(row, "name");
            bool known = false;
            for (int j = 0; !known && j < *names; j++)
                known = !strcmp(all[j], name);
            if (!known)
                all[(*names)++] = name;
        }
    return all;
}

const char *bench_text(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

double bench_number(const json_t *row, const char *key)
{
    return json_number_value(json_object_get(row, key));
}

double bench_ratio(const char *list, const json_t *first, const json_t *row)
{
    bool probes = !strcmp(list, "probes");
    const char *key = probes ? "median" : "median_ms";
    double a = bench_number(first, key), b = bench_number(row, key);
    if (a <= 0 || b <= 0)
        return 0;
    return probes && strcmp(bench_text(row, "unit"), "us") ? b / a : a / b;
}

const char *bench_digits(double value, char *text, size_t size)
{
    int places = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
    snprintf(text, size, "%.*f", places, value);
    return text;
}
