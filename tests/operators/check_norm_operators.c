/* SPDX-License-Identifier: MIT */
#include "tests/operators.h"

/* ", 3, 5" for so many more dimensions. */
static const char *extents(int count, int most)
{
    static char text[64];
    int used = 0;
    text[0] = 0;
    for (int i = 0; i < count; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, ", %d", test_int(1, most));
    return text;
}

static void image(const char *name, int batch, int channels, int rank)
{
    say("local %s = parameter('%s', {%d, %d%s}, {init = 'zeros'})\n", name, name, batch, channels,
        extents(rank - 2, 6));
}

static int channel_count(void)
{
    static const int counts[] = {1, 3, 4, 17, 32};
    return counts[test_int(0, 4)];
}

START_TEST(batch_norms)
{
    for (int i = 0; i < rounds(4); i++) {
        image("x", test_int(2, 9), channel_count(), 2 + i % 4);
        say("local y = x:batch_norm{name = 'bn', eps = %s, affine = %s}\n",
            test_int(0, 1) ? "0.001" : "0.5", i % 3 == 2 ? "false" : "true");
        end_with_weighted_sum();
        check_definition(1, 0);
    }
}
END_TEST

/* As in a network: channels-last around the convolutions, fused with what follows, shared. */
START_TEST(batch_norms_of_convolutions)
{
    for (int i = 0; i < rounds(2); i++) {
        say("local x = parameter('x', {%d, %d, %d, %d}, {init = 'zeros'})\n", test_int(1, 4),
            test_int(1, 5), test_int(3, 7), test_int(3, 7));
        say("local h = x:conv2d{channels = %d, kernel = 3, padding = 1, bias = false}\n"
            "h = h:batch_norm{name = 'bn', eps = 0.1}:sigmoid()\n"
            "local r = h:conv2d{channels = h:shape()[2], kernel = 1, bias = false}:batch_norm{name "
            "= '%s', eps = "
            "0.1}\n"
            "local y = (r + h):tanh()\n",
            channel_count(), i % 2 ? "bn" : "other");
        end_with_weighted_sum();
        check_definition(1, 0);
    }
}
END_TEST

START_TEST(group_and_instance_norms)
{
    for (int i = 0; i < rounds(4); i++) {
        int groups = test_int(1, 4), channels = groups * test_int(1, 4);
        image("x", test_int(1, 4), channels, i % 3 == 2 ? 3 + i % 2 : 2 + i % 4);
        if (i % 3 == 2)
            say("local y = x:instance_norm{eps = 0.01, affine = %s}\n", i % 2 ? "true" : "false");
        else
            say("local y = x:group_norm{groups = %d, eps = 0.01, affine = %s}\n", groups,
                i % 3 ? "true" : "false");
        end_with_weighted_sum();
        check_definition(1, 0);
    }
}
END_TEST

START_TEST(layer_norms)
{
    for (int i = 0; i < rounds(4); i++) {
        int rank = 2 + i % 4;
        image("x", test_int(1, 5), test_int(1, 20), rank);
        say("local y = x:%s_norm{dims = %d, eps = 0.01, affine = %s%s}\n",
            i % 3 == 2 ? "rms" : "layer", test_int(1, rank - 1), i % 4 == 3 ? "false" : "true",
            i % 3 == 1 ? ", bias = false" : "");
        end_with_weighted_sum();
        check_definition(1, 0);
    }
}
END_TEST

/* The sums over a row have the shape of those over a column. */
START_TEST(layer_norm_of_a_square)
{
    int n = test_int(2, 20);
    image("x", n, n, 2);
    say("local y = x:layer_norm{dims = 1, eps = 0.01}\n");
    end_with_weighted_sum();
    check_definition(1, 0);
}
END_TEST

START_TEST(lengths_and_neighbours)
{
    for (int i = 0; i < rounds(4); i++) {
        int rank = 3 + i % 3;
        if (i % 2)
            image("x", test_int(1, 4), channel_count(), rank);
        else
            say("local x = parameter('x', {%d, %d%s}, {init = 'zeros'})\n", test_int(2, 4),
                test_int(2, 40), rank == 3 ? "" : ", 3");
        if (i % 2)
            say("local y = x:local_response_norm{size = %d, alpha = 0.7, beta = 0.6, k = 1.5}\n",
                test_int(1, i == 3 ? 40 : 6));
        else
            say("local y = x:l2_normalize{axis = %d}\n", test_int(-1, 1));
        end_with_weighted_sum();
        check_definition(1, 0);
    }
}
END_TEST

START_TEST(dropouts)
{
    static const char *const names[] = {
        "dropout", "dropout1d", "dropout2d", "dropout3d", "drop_path", "alpha_dropout"};
    for (int i = 0; i < 6; i++) {
        image("x", test_int(1, 6), channel_count(), i > 0 && i < 4 ? i + 2 : test_int(2, 4));
        say("local y = x:%s{p = 0.%d}:sigmoid():dropout{p = %d}\n", names[i], test_int(1, 9),
            test_int(0, 3) == 0);
        end_with_weighted_sum();
        check_definition(1, 0);
    }
}
END_TEST

OPERATORS_MAIN("norm operators", batch_norms, batch_norms_of_convolutions, group_and_instance_norms,
    layer_norms, layer_norm_of_a_square, lengths_and_neighbours, dropouts)
