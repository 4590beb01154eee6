-- A convolutional autoencoder: Masci, Meier, Ciresan & Schmidhuber, Stacked convolutional
-- auto-encoders for hierarchical feature extraction, ICANN 2011; strides instead of pooling, trained
-- as a whole. The picture goes through a code of a few numbers and is compared with itself.
-- 65,025 parameters.

local channels = setting("channels", 1, "channels of a picture", {min = 1})
local size = setting("size", 28, "height and width of a picture, a multiple of 4", {min = 4})
local width = setting("width", 16, "channels after the first convolution, doubled by the second", {min = 1})
local code = setting("code", 16, "numbers in the code", {min = 1})
if size % 4 ~= 0 then
    error("setting 'size': " .. size .. ": must be a multiple of 4")
end

local x = input("input", {channels, size, size})

local h = x:conv2d{name = "encoder.0", channels = width, kernel = 3, stride = 2, padding = 1}:relu()
h = h:conv2d{name = "encoder.1", channels = 2 * width, kernel = 3, stride = 2, padding = 1}:relu()
local quarter = size // 4
h = h:flatten():linear{name = "encoder.2", features = code}
output("code", h)
h = h:linear{name = "decoder.0", features = 2 * width * quarter * quarter}:relu()
h = h:reshape{shape = {-1, 2 * width, quarter, quarter}}
h = h:conv_transpose2d{name = "decoder.1", channels = width, kernel = 4, stride = 2, padding = 1}:relu()
h = h:conv_transpose2d{name = "decoder.2", channels = channels, kernel = 4, stride = 2, padding = 1}:sigmoid()
output("picture", h)
loss((h - x):square():mean())
