-- A small convolutional network for small pictures: 3x3 convolutions with batch normalisation and ReLU as in
-- VGG (Simonyan & Zisserman, ICLR 2015; Ioffe & Szegedy, ICML 2015), global average pooling (Lin, Chen & Yan,
-- Network in network, ICLR 2014) and dropout. The first network to try on pictures of one's own.
--
-- By default 131,178 parameters, 14,677,760 multiply-accumulates.

local classes = setting("classes", 10, "number of classes", {min = 2})
local channels = setting("channels", 1, "channels of a picture", {min = 1})
local size = setting("size", 28, "height and width of a picture", {min = 8})
local width = setting("width", 32, "channels of the first convolution; 2 and 4 times that later", {min = 1})
local dropout = setting("dropout", 0.2, "share of the last features that is dropped", {min = 0, max = 1})

local x = input("input", {channels, size, size})
local y = target("target")

local function block(value, name, width)
    return value:conv2d{name = name, channels = width, kernel = 3, padding = 1, bias = false}
        :batch_norm{name = name .. ".bn"}:relu()
end

x = block(x, "conv1", width):max_pool2d{kernel = 2, stride = 2}
x = block(x, "conv2", 2 * width)
x = block(x, "conv3", 2 * width):max_pool2d{kernel = 2, stride = 2}
x = block(x, "conv4", 4 * width)
x = x:global_avg_pool():flatten():dropout{p = dropout}
x = x:linear{name = "fc", features = classes}
output("logits", x)
loss(x:cross_entropy(y))
