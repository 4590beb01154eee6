-- SqueezeNet: Iandola, Han, Moskewicz, Ashraf, Dally & Keutzer, SqueezeNet: AlexNet-level accuracy
-- with 50x fewer parameters and <0.5MB model size, 2016. Weights of torchvision's squeezenet1_0 and
-- squeezenet1_1 load. 1,248,424 and 1,235,496 parameters.

local classes = setting("classes", 1000, "number of classes", {min = 2})
local version = setting("version", "1_1", "1_1: the authors' later one, 2.4 times less to compute",
    {choices = {"1_0", "1_1"}})
local size = setting("size", 224, "height and width of a picture", {min = 32})
local dropout = setting("dropout", 0.5, "probability to drop", {min = 0, max = 1})

local x = input("input", {3, size, size})
local y = target("target")

local function conv(value, name, channels, kernel, padding)
    return value:conv2d{name = name, channels = channels, kernel = kernel, padding = padding,
        init = "kaiming_uniform"}:relu()
end

-- Squeezed channels of each fire module, in order; "pool" between them. They expand to 8 times as many.
local first = version == "1_0" and {channels = 96, kernel = 7} or {channels = 64, kernel = 3}
local modules = version == "1_0" and {"pool", 16, 16, 32, "pool", 32, 48, 48, 64, "pool", 64}
    or {"pool", 16, 16, "pool", 32, 32, "pool", 48, 48, 64, 64}

x = x:conv2d{name = "features.0", channels = first.channels, kernel = first.kernel, stride = 2,
    init = "kaiming_uniform"}:relu()
for i, squeeze in ipairs(modules) do
    local name = "features." .. i + 1
    if squeeze == "pool" then
        x = x:max_pool2d{kernel = 3, stride = 2, ceil_mode = true}
    else
        x = conv(x, name .. ".squeeze", squeeze, 1, 0)
        x = op.concat(conv(x, name .. ".expand1x1", 4 * squeeze, 1, 0), conv(x, name .. ".expand3x3", 4 * squeeze, 3, 1))
    end
end
x = x:dropout{p = dropout}
x = x:conv2d{name = "classifier.1", channels = classes, kernel = 1, init = "normal", init_std = 0.01}:relu()
x = x:adaptive_avg_pool2d{output_size = 1}:flatten()
output("logits", x)
loss(x:cross_entropy(y))
