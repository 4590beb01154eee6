-- ESPCN: Shi et al., Real-time single image and video super-resolution using an efficient sub-pixel
-- convolutional neural network, CVPR 2016, section 3: all convolutions on the small picture, its
-- channels become pixels at the end. 22,729 parameters with the defaults (scale 3, one channel).

local channels = setting("channels", 1, "channels of a picture (the paper: brightness)", {min = 1})
local scale = setting("scale", 3, "how much larger the picture gets", {min = 1, max = 8})
local size = setting("size", 17, "height and width of the small picture", {min = 5})

local x = input("input", {channels, size, size})
local y = input("target", {channels, size * scale, size * scale})

local function conv(name, features, kernel)
    x = x:conv2d{name = name, channels = features, kernel = kernel, padding = kernel // 2}
end
conv("conv1", 64, 5)
x = x:tanh()
conv("conv2", 32, 3)
x = x:tanh()
conv("conv3", channels * scale * scale, 3)
x = x:pixel_shuffle{upscale_factor = scale}
output("picture", x)
loss((x - y):square():mean())
