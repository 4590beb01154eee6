-- MobileNet: Howard et al., MobileNets: efficient convolutional neural networks for mobile vision
-- applications, 2017, table 1. 4,231,976 parameters.

local classes = setting("classes", 1000, "number of classes", {min = 2})
local width = setting("width", 1.0, "factor on all channels (alpha of section 3.3)", {min = 0.1, max = 4})
local size = setting("size", 224, "height and width of a picture", {min = 32})

local x = input("input", {3, size, size})
local y = target("target")

local function conv(value, name, channels, kernel, stride, groups)
    value = value:conv2d{name = name .. ".conv", channels = channels, kernel = kernel, stride = stride,
        padding = kernel // 2, groups = groups, bias = false, init = "normal",
        init_std = math.sqrt(2 * groups / (kernel ^ 2 * channels))}
    return value:batch_norm{name = name .. ".bn"}:relu()
end

local function scaled(channels)
    return math.tointeger(math.max(8, channels * width // 1))
end

x = conv(x, "conv0", scaled(32), 3, 2, 1)
local outputs = {64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024}
local halved = {[2] = true, [4] = true, [6] = true, [12] = true}
for i, channels in ipairs(outputs) do
    local before = x:dim(1)
    x = conv(x, "block" .. i .. ".depthwise", before, 3, halved[i] and 2 or 1, before)
    x = conv(x, "block" .. i .. ".pointwise", scaled(channels), 1, 1, 1)
end
x = x:adaptive_avg_pool2d{output_size = 1}:flatten()
x = x:linear{name = "fc", features = classes}
output("logits", x)
loss(x:cross_entropy(y))
