-- ResNet: He, Zhang, Ren & Sun, Deep residual learning for image recognition, CVPR 2016, table 1.
--
-- Stride in the 3x3 convolution of a bottleneck, as torchvision has it: weights of its resnet18 to
-- resnet152 load. 25,557,032 parameters with depth=50.

local classes = setting("classes", 1000, "number of classes", {min = 2})
local depth = setting("depth", 50, "layers with weights", {choices = {18, 34, 50, 101, 152}})
local size = setting("size", 224, "height and width of a picture", {min = 32})

local blocks = ({[18] = {2, 2, 2, 2}, [34] = {3, 4, 6, 3}, [50] = {3, 4, 6, 3}, [101] = {3, 4, 23, 3},
    [152] = {3, 8, 36, 3}})[depth]
local expansion = depth < 50 and 1 or 4

local x = input("input", {3, size, size})
local y = target("target")

local function conv(value, name, channels, kernel, stride)
    return value:conv2d{name = name, channels = channels, kernel = kernel, stride = stride,
        padding = kernel // 2, bias = false, init = "normal", init_std = math.sqrt(2 / (kernel ^ 2 * channels))}
end

local function block(value, channels, stride)
    local out = channels * expansion
    local h
    if expansion == 1 then
        h = conv(value, "conv1", channels, 3, stride):batch_norm{name = "bn1"}:relu()
        h = conv(h, "conv2", channels, 3, 1):batch_norm{name = "bn2"}
    else
        h = conv(value, "conv1", channels, 1, 1):batch_norm{name = "bn1"}:relu()
        h = conv(h, "conv2", channels, 3, stride):batch_norm{name = "bn2"}:relu()
        h = conv(h, "conv3", out, 1, 1):batch_norm{name = "bn3"}
    end
    if stride > 1 or value:dim(1) ~= out then
        value = conv(value, "downsample.0", out, 1, stride):batch_norm{name = "downsample.1"}
    end
    return (h + value):relu()
end

x = conv(x, "conv1", 64, 7, 2):batch_norm{name = "bn1"}:relu()
x = x:max_pool2d{kernel = 3, stride = 2, padding = 1}
for stage, count in ipairs(blocks) do
    for i = 1, count do
        local stride = stage > 1 and i == 1 and 2 or 1
        x = scope(string.format("layer%d.%d", stage, i - 1), block, x, 32 << stage, stride)
    end
end
x = x:adaptive_avg_pool2d{output_size = 1}:flatten()
x = x:linear{name = "fc", features = classes}
output("logits", x)
loss(x:cross_entropy(y))
