-- MobileNetV2: Sandler, Howard, Zhu, Zhmoginov & Chen, MobileNetV2: inverted residuals and linear
-- bottlenecks, CVPR 2018, table 2. Weights of torchvision's mobilenet_v2 load. 3,504,872 parameters.

local classes = setting("classes", 1000, "number of classes", {min = 2})
local width = setting("width", 1.0, "factor on the channels", {min = 0.1, max = 4})
local size = setting("size", 224, "height and width of a picture", {min = 32})
local dropout = setting("dropout", 0.2, "probability to drop before the last layer", {min = 0, max = 1})

local x = input("input", {3, size, size})
local y = target("target")

-- Convolution number and, one further in torchvision's list, its normalisation.
local function conv(value, prefix, number, channels, kernel, stride, groups)
    value = value:conv2d{name = prefix .. number, channels = channels, kernel = kernel, stride = stride,
        padding = kernel // 2, groups = groups, bias = false, init = "normal",
        init_std = math.sqrt(2 * groups / (kernel ^ 2 * channels))}
    return value:batch_norm{name = prefix .. number + 1}
end

local function activated(value, prefix, channels, kernel, stride, groups)
    return conv(value, prefix .. ".", 0, channels, kernel, stride, groups):relu6()
end

-- The nearest multiple of 8 that is not less than nine tenths.
local function rounded(channels)
    local multiple = math.max(8, (channels + 4) // 8 * 8)
    return math.tointeger(multiple < 0.9 * channels and multiple + 8 or multiple)
end

local function block(value, expand, channels, stride)
    local before, h, number = value:dim(1), value, 0
    local inner = before * expand
    if expand > 1 then
        h = activated(h, "conv.0", inner, 1, 1, 1)
        number = 1
    end
    h = activated(h, "conv." .. number, inner, 3, stride, inner)
    h = conv(h, "conv.", number + 1, channels, 1, 1, 1)
    return stride == 1 and before == channels and h + value or h
end

x = activated(x, "features.0", rounded(32 * width), 3, 2, 1)
local stages = {{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}}
local number = 1
for _, stage in ipairs(stages) do
    local expand, channels, count, stride = table.unpack(stage)
    for i = 1, count do
        x = scope("features." .. number, block, x, expand, rounded(channels * width), i == 1 and stride or 1)
        number = number + 1
    end
end
x = activated(x, "features." .. number, rounded(1280 * math.max(1, width)), 1, 1, 1)
x = x:adaptive_avg_pool2d{output_size = 1}:flatten():dropout{p = dropout}
x = x:linear{name = "classifier.1", features = classes, init = "normal", init_std = 0.01}
output("logits", x)
loss(x:cross_entropy(y))
