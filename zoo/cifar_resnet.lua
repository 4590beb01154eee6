-- ResNet for CIFAR: He, Zhang, Ren & Sun, Deep residual learning for image recognition, CVPR 2016,
-- section 4.2: 6n + 2 layers, shortcuts without parameters (option A: every second pixel, zeros for
-- the new channels). 269,722 parameters with depth=20; 1,727,962 with depth=110.

local classes = setting("classes", 10, "number of classes", {min = 2})
local depth = setting("depth", 20, "layers with weights, 6n + 2", {min = 8, max = 1202})
local size = setting("size", 32, "height and width of a picture", {min = 8})
if (depth - 2) % 6 ~= 0 then
    error("setting 'depth': " .. depth .. ": must be 6n + 2: 20, 32, 44, 56, 110")
end

local x = input("input", {3, size, size})
local y = target("target")

local function conv(value, name, channels, stride)
    return value:conv2d{name = name, channels = channels, kernel = 3, stride = stride, padding = 1, bias = false,
        init = "kaiming_normal"}
end

local function block(value, channels, stride)
    local h = conv(value, "conv1", channels, stride):batch_norm{name = "bn1"}:relu()
    h = conv(h, "conv2", channels, 1):batch_norm{name = "bn2"}
    if stride > 1 then
        local new = channels - value:dim(1)
        value = value:max_pool2d{kernel = 1, stride = 2} -- every second pixel
        value = value:pad{axes = 1, before = new // 2, after = new - new // 2}
    end
    return (h + value):relu()
end

x = conv(x, "conv1", 16, 1):batch_norm{name = "bn1"}:relu()
for stage = 1, 3 do
    for i = 1, (depth - 2) // 6 do
        x = scope(string.format("layer%d.%d", stage, i - 1), block, x, 8 << stage, stage > 1 and i == 1 and 2 or 1)
    end
end
x = x:adaptive_avg_pool2d{output_size = 1}:flatten()
x = x:linear{name = "fc", features = classes, init = "kaiming_normal"}
output("logits", x)
loss(x:cross_entropy(y))
