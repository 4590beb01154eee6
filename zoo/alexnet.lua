-- AlexNet: Krizhevsky, Sutskever & Hinton, ImageNet classification with deep convolutional neural
-- networks, NIPS 2012.
--
-- style=single: one column of 64 to 384 channels, as torchvision has it after Krizhevsky, One weird
-- trick for parallelizing convolutional neural networks, 2014; weights of torchvision's alexnet load.
-- 61,100,840 parameters. style=grouped: the original, two groups as on its two GPUs, local response
-- normalisation, pictures of 227x227 (--set size=227). 60,965,224 parameters.

local classes = setting("classes", 1000, "number of classes", {min = 2})
local style = setting("style", "single", "one column, or the original's groups", {choices = {"single", "grouped"}})
local size = setting("size", style == "single" and 224 or 227, "height and width of a picture", {min = 63})
local dropout = setting("dropout", 0.5, "probability to drop", {min = 0, max = 1})

local x = input("input", {3, size, size})
local y = target("target")
local pool = {kernel = 3, stride = 2}

if style == "single" then
    local function conv(name, channels, kernel, stride, padding)
        x = x:conv2d{name = name, channels = channels, kernel = kernel, stride = stride, padding = padding}:relu()
    end
    conv("features.0", 64, 11, 4, 2)
    x = x:max_pool2d(pool)
    conv("features.3", 192, 5, 1, 2)
    x = x:max_pool2d(pool)
    conv("features.6", 384, 3, 1, 1)
    conv("features.8", 256, 3, 1, 1)
    conv("features.10", 256, 3, 1, 1)
    x = x:max_pool2d(pool):adaptive_avg_pool2d{output_size = 6}:flatten()
    x = x:dropout{p = dropout}:linear{name = "classifier.1", features = 4096}:relu()
    x = x:dropout{p = dropout}:linear{name = "classifier.4", features = 4096}:relu()
    x = x:linear{name = "classifier.6", features = classes}
else
    local function conv(name, channels, kernel, stride, padding, groups)
        x = x:conv2d{name = name, channels = channels, kernel = kernel, stride = stride, padding = padding,
            groups = groups, init = "normal", init_std = 0.01}:relu()
    end
    local function normalise()
        x = x:local_response_norm{size = 5, alpha = 5e-4, beta = 0.75, k = 2}:max_pool2d(pool)
    end
    local function linear(name, features, std)
        x = x:linear{name = name, features = features, init = "normal", init_std = std}
    end
    conv("conv1", 96, 11, 4, 0, 1)
    normalise()
    conv("conv2", 256, 5, 1, 2, 2)
    normalise()
    conv("conv3", 384, 3, 1, 1, 1)
    conv("conv4", 384, 3, 1, 1, 2)
    conv("conv5", 256, 3, 1, 1, 2)
    x = x:max_pool2d(pool):flatten()
    linear("fc6", 4096, 0.005)
    x = x:relu():dropout{p = dropout}
    linear("fc7", 4096, 0.005)
    x = x:relu():dropout{p = dropout}
    linear("fc8", classes, 0.01)
end
output("logits", x)
loss(x:cross_entropy(y))
