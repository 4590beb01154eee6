-- ZFNet: Zeiler & Fergus, Visualizing and understanding convolutional networks, ECCV 2014, figure 3.
--
-- AlexNet with 7x7 windows of stride 2 in front. Local response normalisation after the first two
-- poolings. 62,357,608 parameters.

local classes = setting("classes", 1000, "number of classes", {min = 2})
local size = setting("size", 224, "height and width of a picture", {min = 64})
local dropout = setting("dropout", 0.5, "probability to drop", {min = 0, max = 1})

local x = input("input", {3, size, size})
local y = target("target")

local function conv(name, channels, kernel, stride, padding)
    x = x:conv2d{name = name, channels = channels, kernel = kernel, stride = stride, padding = padding,
        init = "normal", init_std = 0.01}:relu()
end
local function linear(name, features)
    x = x:linear{name = name, features = features, init = "normal", init_std = 0.01}
end
local function pool_and_normalise()
    x = x:max_pool2d{kernel = 3, stride = 2, padding = 1}
    x = x:local_response_norm{size = 5, alpha = 5e-4, beta = 0.75, k = 2}
end

conv("conv1", 96, 7, 2, 1)
pool_and_normalise()
conv("conv2", 256, 5, 2, 0)
pool_and_normalise()
conv("conv3", 384, 3, 1, 1)
conv("conv4", 384, 3, 1, 1)
conv("conv5", 256, 3, 1, 1)
x = x:max_pool2d{kernel = 3, stride = 2}:flatten()
linear("fc6", 4096)
x = x:relu():dropout{p = dropout}
linear("fc7", 4096)
x = x:relu():dropout{p = dropout}
linear("fc8", classes)
output("logits", x)
loss(x:cross_entropy(y))
