-- FCN: Long, Shelhamer & Darrell, Fully convolutional networks for semantic segmentation, CVPR 2015,
-- figure 3: VGG-16 with its linear layers as convolutions, its scores enlarged 32, 16 or 8 times by
-- transposed convolutions, with the scores of earlier poolings added for 16 and 8.
--
-- Zeros around the pictures as in VGG, where the paper pads by 100 and crops. The enlargements are
-- trained from Xavier's start; the paper starts from bilinear interpolation. 134,489,759 parameters.

local classes = setting("classes", 21, "number of classes", {min = 2})
local channels = setting("channels", 3, "channels of a picture", {min = 1})
local stride = setting("stride", 8, "pixels to a score", {choices = {8, 16, 32}})
local size = setting("size", 224, "height and width of a picture, a multiple of 32", {min = 32})
local width = setting("width", 64, "channels of the first stage", {min = 1})
local hidden = setting("hidden", 4096, "channels of fc6 and fc7", {min = 1})
local dropout = setting("dropout", 0.5, "probability to drop", {min = 0, max = 1})
if size % 32 ~= 0 then
    error("setting 'size': " .. size .. ": must be a multiple of 32")
end

local x = input("input", {channels, size, size})
local y = target("target", {size, size})

local function conv(value, name, features, kernel)
    return value:conv2d{name = name, channels = features, kernel = kernel, padding = kernel // 2, init = "kaiming_normal"}
end
local function score(value, name)
    return value:conv2d{name = name, channels = classes, kernel = 1, init = "zeros"}
end
local function enlarge(value, name, factor)
    return value:conv_transpose2d{name = name, channels = classes, kernel = 2 * factor, stride = factor,
        padding = factor // 2, bias = false, init = "xavier_uniform"}
end

local pooled = {}
for stage, count in ipairs{2, 2, 3, 3, 3} do
    for i = 1, count do
        x = conv(x, string.format("conv%d_%d", stage, i), width << math.min(stage - 1, 3), 3):relu()
    end
    x = x:max_pool2d{kernel = 2}
    pooled[stage] = x
end
x = conv(x, "fc6", hidden, 7):relu():dropout{p = dropout}
x = conv(x, "fc7", hidden, 1):relu():dropout{p = dropout}
x = conv(x, "score_fr", classes, 1)
if stride < 32 then
    x = enlarge(x, "upscore2", 2) + score(pooled[4], "score_pool4")
end
if stride < 16 then
    x = enlarge(x, "upscore_pool4", 2) + score(pooled[3], "score_pool3")
end
x = enlarge(x, "upscore" .. stride, stride)
output("logits", x)
loss(x:cross_entropy(y))
