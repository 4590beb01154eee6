-- Captions for pictures: features of a convolutional network are what an LSTM reads first, then the
-- words so far. Vinyals, Toshev, Bengio & Erhan, Show and tell: a neural image caption generator,
-- CVPR 2015. backbone: `small` for simple pictures, places of things kept; `resnet18`, `resnet50`:
-- He et al., CVPR 2016, parameters called as in torchvision.
--
-- The target holds the words of a caption, 0: its end, -1: no more words. The output holds words,
-- each the likeliest after the ones before.

local classes = setting("classes", 1000, "words of the vocabulary, the end of a caption too", {min = 2})
local length = setting("length", 20, "words of a caption at most, its end too", {min = 1})
local size = setting("size", 64, "height and width of a picture", {min = 16})
local backbone = setting("backbone", "small", "network of the features",
    {choices = {"small", "resnet18", "resnet50"}})
local hidden = setting("hidden", 128, "units of the LSTM", {min = 1})
local embedding = setting("embedding", 128, "numbers that stand for a word", {min = 1})
local dropout = setting("dropout", 0.0, "share of the LSTM's results that is dropped", {min = 0, max = 1})

local x = input("input", {3, size, size})
local y = target("target", {length})
local batch = x:dim(0)

-- ---- features of the picture ----

local function conv(value, name, channels, kernel, stride)
    return value:conv2d{name = name, channels = channels, kernel = kernel, stride = stride,
        padding = kernel // 2, bias = false, init = "kaiming_normal"}
end

local function block(value, channels, stride)
    local out, h = channels, nil
    if backbone == "resnet18" then
        h = conv(value, "conv1", channels, 3, stride):batch_norm{name = "bn1"}:relu()
        h = conv(h, "conv2", channels, 3, 1):batch_norm{name = "bn2"}
    else
        out = 4 * channels
        h = conv(value, "conv1", channels, 1, 1):batch_norm{name = "bn1"}:relu()
        h = conv(h, "conv2", channels, 3, stride):batch_norm{name = "bn2"}:relu()
        h = conv(h, "conv3", out, 1, 1):batch_norm{name = "bn3"}
    end
    if stride > 1 or value:dim(1) ~= out then
        value = conv(value, "downsample.0", out, 1, stride):batch_norm{name = "downsample.1"}
    end
    return (h + value):relu()
end

if backbone == "small" then
    for i, channels in ipairs{16, 32, 64, 64} do
        x = conv(x, "conv" .. i, channels, 3, 2):batch_norm{name = "bn" .. i}:relu()
    end
    x = x:adaptive_avg_pool2d{output_size = 4}:flatten()
else
    x = conv(x, "conv1", 64, 7, 2):batch_norm{name = "bn1"}:relu()
    x = x:max_pool2d{kernel = 3, stride = 2, padding = 1}
    for stage, count in ipairs(backbone == "resnet18" and {2, 2, 2, 2} or {3, 4, 6, 3}) do
        for i = 1, count do
            local stride = stage > 1 and i == 1 and 2 or 1
            x = scope(string.format("layer%d.%d", stage, i - 1), block, x, 32 << stage, stride)
        end
    end
    x = x:adaptive_avg_pool2d{output_size = 1}:flatten()
end
x = x:linear{name = "features", features = embedding}:batch_norm{name = "features_bn"}
x = x:reshape{shape = {batch, 1, embedding}}

-- ---- words ----

local start = parameter("start", {1, 1, embedding}, {init = "normal", init_std = 1})
start = start:broadcast{shape = {batch, 1, embedding}}

local function embed(words)
    return words:embedding{name = "embedding", num_embeddings = classes, embedding_dim = embedding}
end

local function read(steps, h, c)
    return op.lstm(steps, {name = "lstm", hidden = hidden, h0 = h, c0 = c})
end

local function score(states)
    return states:reshape{shape = {-1, hidden}}:dropout{p = dropout}:linear{name = "fc", features = classes}
end

-- Training: each word after the true ones before it.
local before = length > 1 and op.concat(x, start, embed(y:slice{axis = 1, first = 0, count = length - 1}),
    {axis = 1}) or op.concat(x, start, {axis = 1})
local states = read(before):slice{axis = 1, first = 1, count = length}
local scores = score(states)
loss(scores:cross_entropy(y:reshape{shape = {-1}}))

if training then
    output("words", scores:argmax{axis = 1}:reshape{shape = {batch, length}}:cast{dtype = "float32"})
else -- each word after the likeliest ones before it
    local _, h, c = read(x)
    local words, step = {}, start
    for i = 1, length do
        local state
        state, h, c = read(step, h, c)
        local word = score(state):argmax{axis = 1, keepdims = true}
        words[i] = word:cast{dtype = "float32"}
        step = embed(word)
    end
    words[#words + 1] = {axis = 1}
    output("words", op.concat(table.unpack(words)))
end
