-- A multilayer perceptron: linear layers with an activation between them, as in Rumelhart,
-- Hinton & Williams, Learning representations by back-propagating errors, Nature 323, 1986.
--
-- --set hidden=512,256 chooses the hidden layers; hidden= (nothing) leaves none. Layers are named
-- fc1, fc2, ... Pictures by default; for flat data --set features=N.
-- 109,386 parameters on 28x28 pictures.

local classes = setting("classes", 10, "number of classes", {min = 2})
local hidden = setting("hidden", "128,64", "units of the hidden layers, separated by commas")
local activation = setting("activation", "relu", "between the layers",
    {choices = {"relu", "tanh", "sigmoid"}})
local features = setting("features", 0, "length of a flat item; 0: pictures", {min = 0})
local channels = setting("channels", 1, "channels of a picture", {min = 1})
local height = setting("height", 28, "height of a picture", {min = 1})
local width = setting("width", 28, "width of a picture", {min = 1})

local x = input("input", features > 0 and {features} or {channels, height, width})
local y = target("target")

x = x:flatten()
local layers = 0
for word in hidden:gmatch("[^,]+") do
    local units = math.tointeger(tonumber(word))
    if not units then
        error("setting 'hidden': '" .. hidden .. "': must be integers separated by commas")
    end
    layers = layers + 1
    x = x:linear{name = "fc" .. layers, features = units}
    x = op[activation](x)
end
x = x:linear{name = "fc" .. layers + 1, features = classes}
output("logits", x)
loss(x:cross_entropy(y))
