-- VGG: Simonyan & Zisserman, Very deep convolutional networks for large-scale image recognition,
-- ICLR 2015, table 1, columns A, B, D and E. Weights of torchvision's vgg11 to vgg19 load, with
-- batch_norm=true those of vgg11_bn to vgg19_bn. 138,357,544 parameters with depth=16.

local classes = setting("classes", 1000, "number of classes", {min = 2})
local depth = setting("depth", 16, "layers with weights", {choices = {11, 13, 16, 19}})
local batch_norm = setting("batch_norm", false, "batch normalisation after each convolution")
local size = setting("size", 224, "height and width of a picture", {min = 32})
local hidden = setting("hidden", 4096, "features of the two hidden linear layers", {min = 1})
local dropout = setting("dropout", 0.5, "probability to drop", {min = 0, max = 1})

local x = input("input", {3, size, size})
local y = target("target")

local repeats = {[11] = {1, 1, 2, 2, 2}, [13] = {2, 2, 2, 2, 2}, [16] = {2, 2, 3, 3, 3}, [19] = {2, 2, 4, 4, 4}}
local number = 0 -- of the layer in torchvision's list
for stage, channels in ipairs{64, 128, 256, 512, 512} do
    for _ = 1, repeats[depth][stage] do
        x = x:conv2d{name = "features." .. number, channels = channels, kernel = 3, padding = 1, init = "normal",
            init_std = math.sqrt(2 / (9 * channels))}
        if batch_norm then
            x = x:batch_norm{name = "features." .. number + 1}
        end
        x = x:relu()
        number = number + (batch_norm and 3 or 2)
    end
    x = x:max_pool2d{kernel = 2}
    number = number + 1
end

x = x:adaptive_avg_pool2d{output_size = 7}:flatten()
for i, features in ipairs{hidden, hidden, classes} do
    x = x:linear{name = "classifier." .. 3 * i - 3, features = features, init = "normal", init_std = 0.01}
    if i < 3 then
        x = x:relu():dropout{p = dropout}
    end
end
output("logits", x)
loss(x:cross_entropy(y))
