-- GoogLeNet: Szegedy et al., Going deeper with convolutions, CVPR 2015, table 1.
--
-- As torchvision has it, whose googlenet weights load: batch normalisation, and 3x3 where the paper
-- has 5x5 windows. In training two more heads judge earlier layers, each with 0.3 of the loss
-- (section 5). 6,624,904 parameters, 13,004,888 with the heads.

local classes = setting("classes", 1000, "number of classes", {min = 2})
local size = setting("size", 224, "height and width of a picture", {min = 32})
local aux = setting("aux", true, "auxiliary heads in training")
local dropout = setting("dropout", 0.2, "probability to drop before the last layer", {min = 0, max = 1})
local aux_dropout = setting("aux_dropout", 0.7, "the same in the auxiliary heads", {min = 0, max = 1})

local x = input("input", {3, size, size})
local y = target("target")

local function conv(value, name, channels, kernel, stride)
    value = value:conv2d{name = name .. ".conv", channels = channels, kernel = kernel, stride = stride,
        padding = kernel // 2, bias = false, init = "normal", init_std = 0.01}
    return value:batch_norm{name = name .. ".bn", eps = 0.001}:relu()
end

local function inception(value, c1, c3_before, c3, c5_before, c5, c_pool)
    local branch1 = conv(value, "branch1", c1, 1, 1)
    local branch2 = conv(conv(value, "branch2.0", c3_before, 1, 1), "branch2.1", c3, 3, 1)
    local branch3 = conv(conv(value, "branch3.0", c5_before, 1, 1), "branch3.1", c5, 3, 1)
    local branch4 = conv(value:max_pool2d{kernel = 3, stride = 1, padding = 1}, "branch4.1", c_pool, 1, 1)
    return op.concat(branch1, branch2, branch3, branch4)
end

local function linear(value, name, features)
    return value:linear{name = name, features = features, init = "normal", init_std = 0.01}
end

local total
local function head(value)
    value = conv(value:adaptive_avg_pool2d{output_size = 4}, "conv", 128, 1, 1):flatten()
    value = linear(value, "fc1", 1024):relu():dropout{p = aux_dropout}
    total = total and total + 0.3 * linear(value, "fc2", classes):cross_entropy(y)
        or 0.3 * linear(value, "fc2", classes):cross_entropy(y)
end

local pool = {kernel = 3, stride = 2, ceil_mode = true}
x = conv(x, "conv1", 64, 7, 2):max_pool2d(pool)
x = conv(x, "conv2", 64, 1, 1)
x = conv(x, "conv3", 192, 3, 1):max_pool2d(pool)
x = scope("inception3a", inception, x, 64, 96, 128, 16, 32, 32)
x = scope("inception3b", inception, x, 128, 128, 192, 32, 96, 64):max_pool2d(pool)
x = scope("inception4a", inception, x, 192, 96, 208, 16, 48, 64)
if training and aux then
    scope("aux1", head, x)
end
x = scope("inception4b", inception, x, 160, 112, 224, 24, 64, 64)
x = scope("inception4c", inception, x, 128, 128, 256, 24, 64, 64)
x = scope("inception4d", inception, x, 112, 144, 288, 32, 64, 64)
if training and aux then
    scope("aux2", head, x)
end
x = scope("inception4e", inception, x, 256, 160, 320, 32, 128, 128)
x = x:max_pool2d{kernel = 2, stride = 2, ceil_mode = true}
x = scope("inception5a", inception, x, 256, 160, 320, 32, 128, 128)
x = scope("inception5b", inception, x, 384, 192, 384, 48, 128, 128)
x = x:adaptive_avg_pool2d{output_size = 1}:flatten():dropout{p = dropout}
x = linear(x, "fc", classes)
output("logits", x)
local main = x:cross_entropy(y)
loss(total and main + total or main)
