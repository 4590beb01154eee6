/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "tests/operators.h"

static const char *boolean(void)
{
    return test_int(0, 1) ? "true" : "false";
}

static void say_x(int dims, int low, int high)
{
    static const int channels[] = {1, 3, 8, 17};
    say("local x = parameter('x', {%d, %d", test_int(1, 2), channels[test_int(0, 3)]);
    for (int i = 0; i < dims; i++)
        say(", %d", test_int(low, high));
    say("}, {init = 'zeros'})\n");
}

static void say_size(int dims)
{
    bool scales = test_int(0, 1);
    say(scales ? "scale_factor = {" : "size = {");
    for (int i = 0; i < dims; i++)
        say(scales ? "%s%d / 4" : "%s%d", i ? ", " : "", test_int(scales ? 2 : 1, 9));
    say("}, recompute_scale_factor = %s, ", boolean());
}

static void one_resize(const char *mode, int dims, bool nearest)
{
    static const char *const coordinates[] = {"default", "half_pixel", "asymmetric",
        "align_corners", "pytorch_half_pixel", "half_pixel_symmetric", "tf_half_pixel_for_nn"};
    static const char *const rounding[] = {
        "floor", "ceil", "round_prefer_floor", "round_prefer_ceil"};
    say_x(dims, 2, dims == 3 ? 4 : 7);
    say("local y = x:%s{mode = '%s', ", test_int(0, 1) ? "interpolate" : "upsample", mode);
    say_size(dims);
    if (nearest)
        say("nearest_mode = '%s', ", rounding[test_int(0, 3)]);
    else if (test_int(0, 1))
        say("align_corners = %s, ", boolean());
    else
        say("antialias = %s, exclude_outside = %s, ", boolean(), boolean());
    say("coordinates = '%s'}\n", coordinates[test_int(0, 1) ? 0 : test_int(1, 6)]);
    end_with_weighted_sum();
    check_definition(1, 0);
}

START_TEST(resizing)
{
    one_resize("nearest", test_int(1, 3), true);
    one_resize("nearest-exact", test_int(1, 3), true);
    one_resize("area", test_int(1, 3), true);
    one_resize("linear", test_int(1, 3), false);
    one_resize("bilinear", 2, false);
    one_resize("trilinear", 3, false);
    one_resize("cubic", test_int(1, 3), false);
    one_resize("bicubic", 2, false);
}
END_TEST

START_TEST(unpooling)
{
    for (int dims = 1; dims <= 3; dims++) {
        int kernel = test_int(2, 3), stride = test_int(1, 3), padding = test_int(0, 1);
        say_x(dims, 4, dims == 3 ? 5 : 9);
        say("local p, index = x:max_pool%dd{kernel = %d, stride = %d, padding = %d}\n", dims,
            kernel, stride, padding);
        say("local y = (p * p):max_unpool%dd(index, {kernel = %d, stride = %d, padding = %d, "
            "output_size = %d})\n",
            dims, kernel, stride, padding, test_int(0, 1) ? 0 : test_int(5, 9));
        end_with_weighted_sum();
        check_definition(1, 0);
    }
}
END_TEST

/* ---- operators made of others ---- */

static struct {
    int dims, kernel, stride, padding, extent[3], factor, channels;
    double p;
    bool dcr, maximum;
} given;

static double expected_norm(const int64_t *at)
{
    int64_t from[5] = {at[0], at[1]}, taps = 1;
    double sum = 0;
    for (int i = 0; i < given.dims; i++)
        taps *= given.kernel;
    for (int64_t tap = 0; tap < taps; tap++) {
        bool inside = true;
        int64_t rest = tap;
        for (int i = 0; i < given.dims; i++, rest /= given.kernel) {
            from[2 + i] = at[2 + i] * given.stride - given.padding + rest % given.kernel;
            inside &= from[2 + i] >= 0 && from[2 + i] < given.extent[i];
        }
        sum += inside ? pow(fabs(expected_operand("x", from)), given.p) : 0;
    }
    return pow(sum, 1 / given.p);
}

START_TEST(norms_of_windows)
{
    static const double p[] = {2, 1, 3, 2.5};
    for (int dims = 1; dims <= 3; dims++) {
        given.dims = dims;
        given.kernel = test_int(1, 3);
        given.stride = test_int(1, 3);
        given.padding = test_int(0, given.kernel - 1);
        given.p = p[test_int(0, 3)];
        say("local x = parameter('x', {2, %d", test_int(1, 5));
        for (int j = 0; j < dims; j++)
            say(", %d", given.extent[j] = test_int(3, dims == 3 ? 4 : 8));
        say("}, {init = 'zeros'})\nlocal y = x:lp_pool%dd{kernel = %d, stride = %d, ", dims,
            given.kernel, given.stride);
        say("padding = %d, norm_type = %g}\n", given.padding, given.p);
        end_with_weighted_sum();
        check_definition_against(1, 0, expected_norm);
    }
}
END_TEST

static double expected_global(const int64_t *at)
{
    double best = -INFINITY, sum = 0;
    int64_t count = 1;
    for (int i = 0; i < given.dims; i++)
        count *= given.extent[i];
    for (int64_t k = 0; k < count; k++) {
        int64_t from[5] = {at[0], at[1]}, rest = k;
        for (int i = 0; i < given.dims; rest /= given.extent[i], i++)
            from[2 + i] = rest % given.extent[i];
        sum += expected_operand("x", from);
        best = fmax(best, expected_operand("x", from));
    }
    return given.maximum ? best : sum / (double)count;
}

START_TEST(global_pooling)
{
    for (int i = 0; i < 6; i++) {
        given.dims = 1 + i / 2;
        given.maximum = i % 2;
        say("local x = parameter('x', {2, %d", test_int(1, 5));
        for (int j = 0; j < given.dims; j++)
            say(", %d", given.extent[j] = test_int(1, 5));
        say("}, {init = 'zeros'})\nlocal y = x:global_%s_pool()\n", given.maximum ? "max" : "avg");
        end_with_weighted_sum();
        check_definition_against(1, 0, expected_global);
    }
}
END_TEST

/* The channel of the many that pixel (i, j) of a cell of channel c is. */
static int64_t shuffled(int64_t c, int64_t i, int64_t j)
{
    int64_t r = given.factor;
    return given.dcr ? (i * r + j) * given.channels + c : (c * r + i) * r + j;
}

static double expected_shuffle(const int64_t *at)
{
    int64_t r = given.factor;
    int64_t from[4] = {at[0], shuffled(at[1], at[2] % r, at[3] % r), at[2] / r, at[3] / r};
    return expected_operand("x", from);
}

static double expected_unshuffle(const int64_t *at)
{
    int64_t r = given.factor;
    for (int64_t c = 0; c < given.channels; c++)
        for (int64_t k = 0; k < r * r; k++)
            if (shuffled(c, k / r, k % r) == at[1])
                return expected_operand(
                    "x", (int64_t[]){at[0], c, at[2] * r + k / r, at[3] * r + k % r});
    return NAN;
}

START_TEST(shuffling_of_pixels)
{
    for (int i = 0; i < 4; i++) {
        int r = given.factor = test_int(1, 3);
        bool back = i % 2;
        given.dcr = i / 2;
        given.channels = test_int(1, 4);
        say("local x = parameter('x', {2, %d, %d, %d}, {init = 'zeros'})\n",
            given.channels * (back ? 1 : r * r), test_int(1, 4) * (back ? r : 1),
            test_int(1, 4) * (back ? r : 1));
        say("local y = x:%s{%s = %d, mode = '%s'}\n", back ? "pixel_unshuffle" : "pixel_shuffle",
            back ? "downscale_factor" : "upscale_factor", r, given.dcr ? "dcr" : "crd");
        end_with_weighted_sum();
        check_definition_against(1, 0, back ? expected_unshuffle : expected_shuffle);
    }
}
END_TEST

OPERATORS_MAIN("resampling operators", resizing, unpooling, norms_of_windows, global_pooling,
    shuffling_of_pixels)
