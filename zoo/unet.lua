-- U-Net: Ronneberger, Fischer & Brox, U-Net: convolutional networks for biomedical image
-- segmentation, MICCAI 2015; with dims=3 as Cicek et al., 3D U-Net, MICCAI 2016.
--
-- The paper's widths; zeros around the pictures, so that a class comes out for every pixel (the paper
-- crops), and batch normalisation after each convolution unless told.
-- 31,036,546 parameters; 31,030,658 without batch normalisation.

local classes = setting("classes", 2, "number of classes", {min = 2})
local channels = setting("channels", 1, "channels of a picture", {min = 1})
local dims = setting("dims", 2, "2: pictures, 3: volumes", {choices = {2, 3}})
local size = setting("size", dims == 2 and 256 or 64, "extent of a picture, a multiple of 2^levels", {min = 4})
local levels = setting("levels", 4, "how often the extent is halved", {min = 1, max = 6})
local width = setting("width", 64, "channels of the first level, doubled at each", {min = 1})
local batch_norm = setting("batch_norm", true, "batch normalisation after each convolution")

if size % (1 << levels) ~= 0 then
    error(string.format("setting 'size': %d: must be a multiple of %d", size, 1 << levels))
end
local conv, pool, up = op["conv" .. dims .. "d"], op["max_pool" .. dims .. "d"], op["conv_transpose" .. dims .. "d"]
local extents = dims == 2 and {size, size} or {size, size, size}

local x = input("input", {channels, table.unpack(extents)})
local y = target("target", extents)

local function double(value, features)
    for i = 1, 2 do
        value = conv(value, {name = "conv" .. i, channels = features, kernel = 3, padding = 1, bias = not batch_norm,
            init = "kaiming_normal"})
        if batch_norm then
            value = value:batch_norm{name = "bn" .. i}
        end
        value = value:relu()
    end
    return value
end

local kept = {}
for level = 1, levels do
    kept[level] = scope("down" .. level, double, x, width << level - 1)
    x = pool(kept[level], {kernel = 2})
end
x = scope("bottom", double, x, width << levels)
for level = levels, 1, -1 do
    local name, features = "up" .. level, width << level - 1
    x = up(x, {name = name .. ".up", channels = features, kernel = 2, stride = 2})
    x = scope(name, double, op.concat(kept[level], x), features)
end
x = conv(x, {name = "last", channels = classes, kernel = 1})
output("logits", x)
loss(x:cross_entropy(y))
