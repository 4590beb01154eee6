/* SPDX-License-Identifier: MIT
 *
 * The table of measured networks: the only place where one is added.
 */
#include <stdio.h>
#include <string.h>

#include "bench/network.h"

#define RECURRENT(cell)                                                                            \
    "local x = input('input', {64, 128})\n"                                                        \
    "local y = target('target', {64, 256}, {dtype = 'float32'})\n"                                 \
    "local z = op." cell "(x, {name = '" cell "', hidden = 256, layers = 2})\n"                    \
    "output('y', z)\n"                                                                             \
    "loss((z - y):square():mean{})\n"

#define RESNET18_AT(pixels)                                                                        \
    {                                                                                              \
        .name = "resnet18", .file = "resnet.lua", .setting = {"depth=18", "size=" #pixels},        \
        .side = pixels, .unusual = true, .classes = 1000, .row = {{true, 8, false}},               \
    }

const struct bench_network bench_networks[] = {
    {.name = "lenet",
        .file = "lenet.lua",
        .classes = 10,
        .row = {{true, 64, true}, {true, 1, true}, {true, 8, false}, {true, 256, false},
            {true, 64, false, true}, {false, 64, true}, {false, 1, false}, {false, 8, false},
            {false, 256, false}}},
    {.name = "alexnet",
        .file = "alexnet.lua",
        .classes = 1000,
        .random = true,
        .row = {{true, 16, false}, {true, 16, false, true}, {false, 16, false}, {false, 1, false}}},
    {.name = "vgg16",
        .file = "vgg.lua",
        .setting = {"depth=16"},
        .classes = 1000,
        .random = true,
        .row = {{true, 4, false}, {false, 4, false}, {false, 1, false}}},
    {.name = "resnet18",
        .file = "resnet.lua",
        .setting = {"depth=18"},
        .side = 224,
        .classes = 1000,
        .row = {{true, 8, true}, {true, 8, false, true}, {true, 1, false}, {true, 4, false},
            {true, 16, false}, {true, 32, false}, {false, 8, false}, {false, 1, true},
            {false, 32, false}}},
    RESNET18_AT(96),
    RESNET18_AT(160),
    RESNET18_AT(288),
    {.name = "resnet50",
        .file = "resnet.lua",
        .setting = {"depth=50"},
        .classes = 1000,
        .row = {{true, 4, false}, {true, 16, false}, {false, 4, false}, {false, 1, false}}},
    {.name = "mobilenet_v2",
        .file = "mobilenet_v2.lua",
        .classes = 1000,
        .random = true,
        .row = {{true, 8, false}, {true, 8, false, true}, {false, 8, false}, {false, 1, true}}},
    {.name = "squeezenet",
        .file = "squeezenet.lua",
        .classes = 1000,
        .random = true,
        .row = {{true, 8, false}, {false, 1, true}}},
    {.name = "unet",
        .file = "unet.lua",
        .setting = {"size=128"},
        .classes = 2,
        .row = {{true, 4, false}, {false, 4, false}}},
    {.name = "lstm", .text = RECURRENT("lstm"), .row = {{true, 32, true}, {false, 32, false}}},
    {.name = "gru", .text = RECURRENT("gru"), .row = {{true, 32, true}, {false, 32, false}}},
};
const int bench_network_count = sizeof bench_networks / sizeof *bench_networks;

void bench_network_row_name(const struct bench_network *network, int row, char *text, size_t size)
{
    const struct bench_network_row *r = &network->row[row];
    char side[16] = "";
    if (network->unusual)
        snprintf(side, sizeof side, " %d", network->side);
    snprintf(text, size, "%s%s %s %d%s", network->name, side, r->training ? "train" : "infer",
        r->batch, r->loaded ? " loaded" : "");
}

bool bench_network_find(const char *name, const struct bench_network **network, int *row)
{
    char text[96];
    for (int i = 0; i < bench_network_count; i++)
        for (int j = 0; bench_networks[i].row[j].batch; j++) {
            bench_network_row_name(&bench_networks[i], j, text, sizeof text);
            if (strcmp(text, name))
                continue;
            *network = &bench_networks[i];
            *row = j;
            return true;
        }
    return false;
}
