-- DenseNet: Huang, Liu, van der Maaten & Weinberger, Densely connected convolutional networks,
-- CVPR 2017, table 1. Weights of torchvision's densenet121, 169 and 201 load. 7,978,856 parameters
-- with depth=121.

local classes = setting("classes", 1000, "number of classes", {min = 2})
local depth = setting("depth", 121, "layers with weights", {choices = {121, 169, 201}})
local growth = setting("growth", 32, "channels that each layer adds", {min = 1})
local size = setting("size", 224, "height and width of a picture", {min = 32})
local dropout = setting("dropout", 0, "probability to drop in each layer", {min = 0, max = 1})

local x = input("input", {3, size, size})
local y = target("target")

local function conv(value, name, channels, kernel, stride)
    return value:conv2d{name = name, channels = channels, kernel = kernel, stride = stride,
        padding = kernel // 2, bias = false, init = "kaiming_normal"}
end

local function layer(value)
    local h = conv(value:batch_norm{name = "norm1"}:relu(), "conv1", 4 * growth, 1, 1)
    h = conv(h:batch_norm{name = "norm2"}:relu(), "conv2", growth, 3, 1)
    if dropout > 0 then
        h = h:dropout{p = dropout}
    end
    return op.concat(value, h)
end

local function transition(value)
    value = conv(value:batch_norm{name = "norm"}:relu(), "conv", value:dim(1) // 2, 1, 1)
    return value:avg_pool2d{kernel = 2}
end

local layers = ({[121] = {6, 12, 24, 16}, [169] = {6, 12, 32, 32}, [201] = {6, 12, 48, 32}})[depth]
x = conv(x, "features.conv0", 2 * growth, 7, 2):batch_norm{name = "features.norm0"}:relu()
x = x:max_pool2d{kernel = 3, stride = 2, padding = 1}
for block, count in ipairs(layers) do
    for i = 1, count do
        x = scope(string.format("features.denseblock%d.denselayer%d", block, i), layer, x)
    end
    if block < #layers then
        x = scope("features.transition" .. block, transition, x)
    end
end
x = x:batch_norm{name = "features.norm5"}:relu()
x = x:adaptive_avg_pool2d{output_size = 1}:flatten()
x = x:linear{name = "classifier", features = classes}
output("logits", x)
loss(x:cross_entropy(y))
