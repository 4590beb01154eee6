/* SPDX-License-Identifier: MIT
 *
 * Convolutions. A definition holds several, side by side, because a program costs much however
 * small it is.
 */
#include "tests/operators.h"

#include <stdio.h>

static int max(int a, int b)
{
    return a > b ? a : b;
}

/* "{1, 2, 3}" */
static void say_list(const char *name, int count, const int *numbers)
{
    say(", %s = {", name);
    for (int i = 0; i < count; i++)
        say("%s%d", i ? ", " : "", numbers[i]);
    say("}");
}

static void say_input(int index, int images, int channels, int dims, const int *extent)
{
    say("local x%d = parameter('x%d', {%d, %d", index, index, images, channels);
    for (int i = 0; i < dims; i++)
        say(", %d", extent[i]);
    say("}, {init = 'zeros'})\n");
}

/* One epilogue for all branches, because each makes kernels of its own. */
static const char *bias, *activation;

/* Each branch adds its output to y, in one row. */
static void begin(void)
{
    bias = test_int(0, 3) ? "true" : "false";
    activation = test_int(0, 2) ? "" : ":tanh()";
    say("local y = {}\n");
}

static void end_branch(int index)
{
    say(", bias = %s}%s\n", bias, activation);
    say("y[#y + 1] = c%d:reshape{shape = {1, -1}}\n", index);
}

static void end(void)
{
    say("y = #y > 1 and op.concat(table.unpack(y)) or y[1]\n");
    end_with_weighted_sum();
    check_definition(1, 0);
}

struct layer {
    int images, in, out, groups, extent[3], kernel[3], stride[3], dilation[3];
};

static struct layer any_layer(int dims)
{
    static const int channels[] = {1, 1, 2, 3, 5, 17};
    struct layer l = {.images = test_int(1, 3), .groups = 1};
    int kind = test_int(0, 3);
    l.in = channels[test_int(0, 5)];
    l.out = channels[test_int(0, 5)];
    if (kind == 2) { /* depthwise */
        l.groups = l.in;
        l.out = l.in * test_int(1, 2);
    } else if (kind == 3) {
        l.groups = test_int(2, 3);
        l.in = l.groups * test_int(1, 3);
        l.out = l.groups * test_int(1, 3);
    }
    for (int i = 0; i < dims; i++) {
        bool single = test_int(0, 7) == 0;
        l.kernel[i] = single ? 1 : test_int(1, dims == 3 ? 3 : 4);
        l.stride[i] = test_int(1, 3);
        l.dilation[i] = test_int(1, 2);
        int reach = l.dilation[i] * (l.kernel[i] - 1) + 1;
        l.extent[i] = single ? 1 : test_int(reach, dims == 3 ? 6 : 11);
    }
    return l;
}

static void say_layer(int index, const char *op, int dims, const struct layer *l)
{
    say_input(index, l->images, l->in, dims, l->extent);
    say("local c%d = x%d:%s{name = 'c%d', channels = %d", index, index, op, index, l->out);
    say_list("kernel", dims, l->kernel);
    say_list("stride", dims, l->stride);
    say_list("dilation", dims, l->dilation);
    if (l->groups > 1)
        say(", groups = %d", l->groups);
}

static void say_padding(int dims, const struct layer *l)
{
    static const char *const words[] = {"valid", "same", "same_lower", "full"};
    int numbers[6];
    for (int i = 0; i < 6; i++)
        numbers[i] = test_int(0, 2);
    switch (test_int(0, 3)) {
    case 0:
        say(", padding = '%s'", words[test_int(0, 3)]);
        break;
    case 1:
        say(", padding = %d", numbers[0]);
        break;
    case 2:
        say_list("padding", dims, numbers);
        break;
    default:
        say_list("padding", 2 * dims, numbers);
    }
}

static void conv(int index, int dims)
{
    char op[16];
    struct layer l = any_layer(dims);
    snprintf(op, sizeof op, "conv%dd", dims);
    say_layer(index, op, dims, &l);
    say_padding(dims, &l);
    end_branch(index);
}

static void conv_transpose(int index, int dims)
{
    static const char *const words[] = {"valid", "same", "same_lower"};
    char op[32];
    struct layer l = any_layer(dims);
    int pad[6], more[3];
    for (int i = 0; i < dims; i++) {
        l.extent[i] = test_int(1, dims == 3 ? 3 : 6);
        more[i] = test_int(0, max(l.stride[i], l.dilation[i]) - 1);
        int full = (l.extent[i] - 1) * l.stride[i] + l.dilation[i] * (l.kernel[i] - 1) + 1;
        pad[i] = test_int(0, full > 4 ? 2 : (full - 1) / 2);
        pad[dims + i] = test_int(0, full > 4 ? 2 : (full - 1) / 2);
    }
    snprintf(op, sizeof op, "conv_transpose%dd", dims);
    say_layer(index, op, dims, &l);
    say_list("output_padding", dims, more);
    if (test_int(0, 2) == 0)
        say(", padding = '%s'", words[test_int(0, 2)]);
    else
        say_list("padding", test_int(1, 2) * dims, pad);
    end_branch(index);
}

static void unshared(int index, bool tiled)
{
    struct layer l = any_layer(2);
    if (!tiled)
        l.groups = 1;
    l.extent[0] = max(l.extent[0] / 2, l.dilation[0] * (l.kernel[0] - 1) + 1);
    say_layer(index, tiled ? "tiled_conv2d" : "local_conv2d", 2, &l);
    if (tiled) { /* sometimes more than there are positions */
        int tile[2] = {test_int(1, 3), test_int(1, 4)};
        say_list("tile", 2, tile);
    }
    say_padding(2, &l);
    end_branch(index);
}

START_TEST(shared)
{
    for (int i = 0; i < rounds(3); i++) {
        begin();
        conv(1, 1);
        conv(2, 2);
        conv(3, 2);
        conv(4, 3);
        end();
    }
}
END_TEST

START_TEST(transposed)
{
    for (int i = 0; i < rounds(2); i++) {
        begin();
        conv_transpose(1, 1);
        conv_transpose(2, 2);
        conv_transpose(3, 2);
        conv_transpose(4, 3);
        end();
    }
}
END_TEST

START_TEST(locally_connected_and_tiled)
{
    for (int i = 0; i < rounds(2); i++) {
        begin();
        unshared(1, false);
        unshared(2, true);
        unshared(3, i % 2);
        end();
    }
}
END_TEST

START_TEST(residuals_and_shared_weights)
{
    say("local x = parameter('x', {2, 6, 5, 5}, {init = 'zeros'})\n"
        "local w = parameter('w', {6, 6, 3, 3}, {init = 'zeros'})\n"
        "local a = x:conv2d{channels = 6, kernel = 3, padding = 1, weight = w, bias = "
        "false}:relu()\n"
        "local b = a:conv2d{channels = 6, kernel = 3, padding = 1, weight = w, bias = false}\n"
        "local y = (b + x):relu() + a\n");
    end_with_weighted_sum();
    check_definition(1, 0);
}
END_TEST

/* Liang & Hu, Recurrent convolutional neural network for object recognition, CVPR 2015: the state
 * is convolved with the same weights at each step. And an epilogue with a residual for each kind.
 */
START_TEST(recurrent_convolution)
{
    say("local x = parameter('x', {2, 3, 6, 5}, {init = 'zeros'})\n"
        "local w = parameter('w', {4, 4, 3, 3}, {init = 'zeros'})\n"
        "local b = parameter('b', {4}, {init = 'zeros'})\n"
        "local same = {channels = 4, kernel = 3, padding = 'same', weight = w, bias = b}\n"
        "local drive = x:conv2d{name = 'in', channels = 4, kernel = 3, padding = 'same'}\n"
        "local state = drive:tanh()\n"
        "for step = 1, 3 do\n"
        "    state = (state:conv2d(same) + drive):tanh()\n"
        "end\n"
        "local t = state:tiled_conv2d{name = 'tiled', channels = 4, kernel = 2, tile = 2, padding "
        "= 'same'}\n"
        "local l = (t + state):tanh():local_conv2d{name = 'local', channels = 4, kernel = 1}\n"
        "local y = (l + state):conv_transpose2d{name = 'up', channels = 4, kernel = 2, stride = 2}"
        "\ny = (y:max_pool2d{kernel = 2} + state):tanh()\n");
    end_with_weighted_sum();
    check_definition(1, 0);
}
END_TEST

OPERATORS_MAIN("conv operators", shared, transposed, locally_connected_and_tiled,
    residuals_and_shared_weights, recurrent_convolution)
