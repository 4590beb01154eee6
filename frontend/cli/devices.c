/* SPDX-License-Identifier: MIT */
#include "frontend/cli/cli.h"

#include <stdlib.h>

#include "engine/device.h"

/* The index of the device that commands would take: --device, $NEUTRA_DEVICE or the first. */
static enum nt_status find_default(struct cli *cli, int *index)
{
    const char *variable = getenv("NEUTRA_DEVICE");
    *index = 0;
    if (!cli->device && !(variable && *variable))
        return NT_OK;
    struct nt_device *dev;
    enum nt_status status = nt_device_open(cli->ctx, cli->device, &dev);
    if (status == NT_OK)
        *index = nt_device_get_info(dev)->index;
    nt_device_close(status == NT_OK ? dev : NULL);
    return status;
}

static json_t *describe(const struct nt_device_info *info, bool is_default)
{
    return json_pack("{si ss ss ss ss ss ss si si si sI sI sI sb sb sb sb}", "index", info->index,
        "type", nt_device_type_name(info->type), "name", info->name, "vendor", info->vendor,
        "platform", info->platform, "driver", info->driver, "version", info->version,
        "compute_units", (int)info->compute_units, "clock_mhz", (int)info->clock_mhz,
        "vector_width", (int)info->vector_width, "global_memory_bytes",
        (json_int_t)info->global_memory, "max_allocation_bytes", (json_int_t)info->max_allocation,
        "local_memory_bytes", (json_int_t)info->local_memory, "local_memory_real",
        (int)info->local_memory_real, "sub_groups", (int)info->sub_groups, "unified_memory",
        (int)info->unified_memory, "default", (int)is_default);
}

static int print_json(struct cli *cli, const struct nt_device_info *list, int count, int chosen)
{
    json_t *devices = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(devices, describe(&list[i], list[i].index == chosen));
    return cli_print_json(cli, json_pack("{so}", "devices", devices));
}

static int print_table(const struct nt_device_info *list, int count, int chosen)
{
    static const char *const heads[] = {
        "", "type", "memory", "units", "vector", "name", "platform", "driver"};
    struct cli_table *table = cli_table_create("rlrrrlll", heads);
    for (int i = 0; i < count; i++) {
        char memory[32];
        cli_table_cell(table, "%s%d", list[i].index == chosen ? "* " : "", list[i].index);
        cli_table_cell(table, "%s", nt_device_type_name(list[i].type));
        cli_table_cell(
            table, "%s", nt_bytes_text((double)list[i].global_memory, memory, sizeof memory));
        cli_table_cell(table, "%u", list[i].compute_units);
        cli_table_cell(table, "%u", list[i].vector_width);
        cli_table_cell(table, "%s", list[i].name);
        cli_table_cell(table, "%s", list[i].platform);
        cli_table_cell(table, "%s", list[i].driver);
    }
    cli_table_print(table);
    printf("\n* taken by default; --device or NEUTRA_DEVICE choose another: an index, gpu, cpu, or "
           "part of a name\n");
    return CLI_DONE;
}

static int run(struct cli *cli, void *fields)
{
    struct nt_device_info *list;
    int count, chosen;
    enum nt_status status = nt_device_list(cli->ctx, &list, &count);
    if (status != NT_OK)
        return cli_fail(cli, status);
    struct nt_device *none;
    int result;
    if (count == 0) /* the library says what to install */
        result = cli_fail(cli, nt_device_open(cli->ctx, NULL, &none));
    else if ((status = find_default(cli, &chosen)) != NT_OK)
        result = cli_fail(cli, status);
    else if (cli->json)
        result = print_json(cli, list, count, chosen);
    else
        result = print_table(list, count, chosen);
    free(list);
    return result;
}

const struct cli_command cli_devices = {
    .name = "devices",
    .arguments = "[OPTION]...",
    .summary = "List the OpenCL devices, the preferred one first.",
    .shared = CLI_HAS_DEVICE | CLI_HAS_JSON,
    .run = run,
};
