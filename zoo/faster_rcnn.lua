-- Faster R-CNN: Ren, He, Girshick & Sun, Faster R-CNN: towards real-time object detection with
-- region proposal networks, NIPS 2015; regions by RoIAlign (He et al., Mask R-CNN, ICCV 2017).
-- backbone: `small` for pictures of few kinds of things; `vgg16` as in the paper; `resnet18` and
-- `resnet50`: He et al., Deep residual learning, CVPR 2016, appendix A: the last stage is the
-- head, batch norms are frozen. Their parameters are called as in torchvision.
--
-- The target holds, for each object, its class and its corners in pixels; class -1: no object.
-- The output holds the objects found, best first: class (-1: none), score and corners.

local classes = setting("classes", 3, "classes of objects")
local height = setting("height", 192, "height of a picture", {min = 32})
local width = setting("width", 256, "width of a picture", {min = 32})
local most = setting("boxes", 64, "objects of a picture at most", {min = 1})
local found = setting("found", 64, "objects found at most", {min = 1})
local backbone = setting("backbone", "small", "network of the features",
    {choices = {"small", "vgg16", "resnet18", "resnet50"}})
local count = setting("proposals", 100, "regions of a picture that are looked at", {min = 1})
local small = backbone == "small"
local stride = small and 8 or 16
local sizes = small and {16, 40, 88} or {128, 256, 512}
local ratios = {0.5, 1, 2}

local x = input("input", {3, height, width})
local truth = target("boxes", {most, 5}, {dtype = "float32"})
local batch = x:dim(0)
local zero, one = constant(0), constant(1)

-- ---- features of the picture, and of a region: the network's two halves ----

local function normal(value, name, features, deviation)
    return value:linear{name = name, features = features, init = "normal", init_std = deviation}
end

local function conv(value, name, channels, kernel, step)
    return value:conv2d{name = name, channels = channels, kernel = kernel, stride = step,
        padding = kernel // 2, bias = false, init = "kaiming_normal"}
end

local function small_conv(value, name, channels, step)
    return scope(name, function()
        return conv(value, "conv", channels, 3, step):batch_norm{name = "bn"}:relu()
    end)
end

local function frozen_norm(value, name)
    return scope(name, function()
        local shape = {value:dim(1), 1, 1}
        local function fixed(what, number)
            return parameter(what, {shape[1]}, {init = number, trained = false}):reshape{shape = shape}
        end
        local scale = fixed("weight", 1) * (fixed("running_var", 1) + 1e-5):rsqrt()
        return (value - fixed("running_mean", 0)) * scale + fixed("bias", 0)
    end)
end

local function residual(value, channels, step)
    local function layer(v, i, ...)
        return frozen_norm(conv(v, "conv" .. i, ...), "bn" .. i)
    end
    local out, h = channels, nil
    if backbone == "resnet18" then
        h = layer(layer(value, 1, channels, 3, step):relu(), 2, channels, 3, 1)
    else
        out = 4 * channels
        h = layer(layer(value, 1, channels, 1, 1):relu(), 2, channels, 3, step):relu()
        h = layer(h, 3, out, 1, 1)
    end
    if step > 1 or value:dim(1) ~= out then
        value = frozen_norm(conv(value, "downsample.0", out, 1, step), "downsample.1")
    end
    return (h + value):relu()
end

local function stage(value, number)
    local blocks = backbone == "resnet18" and {2, 2, 2, 2} or {3, 4, 6, 3}
    for i = 1, blocks[number] do
        local step = number > 1 and i == 1 and 2 or 1
        value = scope(string.format("layer%d.%d", number, i - 1), residual, value, 32 << number, step)
    end
    return value
end

local features, region_size, region
if small then
    features = small_conv(small_conv(small_conv(x, "c1", 16, 2), "c2", 32, 2), "c3", 32, 1)
    features = small_conv(small_conv(features, "c4", 64, 2), "c5", 64, 1)
    features = small_conv(small_conv(features, "c6", 64, 1), "c7", 64, 1)
    region_size = 7
    region = function(value)
        return value:flatten():linear{name = "fc", features = 128, init = "kaiming_normal"}:relu()
    end
elseif backbone == "vgg16" then
    features = x
    local number = 0
    for block, repeats in ipairs{2, 2, 3, 3, 3} do
        for _ = 1, repeats do
            features = features:conv2d{name = "features." .. number, channels = math.min(32 << block, 512),
                kernel = 3, padding = 1, init = "kaiming_normal"}:relu()
            number = number + 2
        end
        features = block < 5 and features:max_pool2d{kernel = 2} or features
        number = number + 1
    end
    region_size = 7
    region = function(value)
        local h = normal(value:flatten(), "classifier.0", 4096, 0.01):relu():dropout{p = 0.5}
        return normal(h, "classifier.3", 4096, 0.01):relu():dropout{p = 0.5}
    end
else
    features = frozen_norm(conv(x, "conv1", 64, 7, 2), "bn1"):relu()
    features = features:max_pool2d{kernel = 3, stride = 2, padding = 1}
    features = stage(stage(stage(features, 1), 2), 3)
    region_size = 14
    region = function(value)
        return stage(value, 4):adaptive_avg_pool2d{output_size = 1}:flatten()
    end
end

-- ---- what both stages learn from ----

local truth_class = truth:slice{axis = 2, first = 0, count = 1}
local truth_boxes = truth:slice{axis = 2, first = 1, count = 4}

-- The object that each box overlaps most.
local function owner(overlap)
    local which = overlap:argmax{axis = 2, keepdims = true}
    local own = truth:gather_elements(which:broadcast{shape = {batch, overlap:dim(1), 5}}, {axis = 1})
    return own:slice{axis = 2, first = 0, count = 1}, own:slice{axis = 2, first = 1, count = 4}
end

-- The paper draws `drawn` boxes of each picture, at most a share of them positive, the others
-- negative. Here all count, by the probability that they would have been drawn: the same loss in
-- the mean, and the same on every run.
local function draw(positive, negative, drawn, share)
    local function number(value)
        return value:sum{axes = {1}, keepdims = true}
    end
    local taken = op.minimum(number(positive), constant(drawn * share))
    local rest = op.minimum(number(negative), drawn - taken)
    return positive * taken / op.maximum(number(positive), one) +
        negative * rest / op.maximum(number(negative), one)
end

-- ---- region proposals ----

local rpn = features:conv2d{name = "rpn.conv", channels = small and 64 or features:dim(1), kernel = 3,
    padding = 1, init = "normal", init_std = small and 0.05 or 0.01}:relu()

local function rpn_head(name, numbers)
    local y = rpn:conv2d{name = name, channels = #sizes * #ratios * numbers, kernel = 1, init = "normal",
        init_std = 0.01}
    return y:transpose{axes = {0, 2, 3, 1}}:reshape{shape = {batch, -1, numbers}}
end

local anchors = op.anchors{height = features:dim(2), width = features:dim(3), stride = stride, sizes = sizes,
    ratios = ratios, offset = 0.5}
local objectness, rpn_deltas = rpn_head("rpn.objectness", 1), rpn_head("rpn.box", 4)

-- Positive: an overlap of 0.7 and more, and the best anchors of an object; negative: below 0.3.
local overlap = op.box_iou(anchors, truth_boxes)
local best = overlap:max{axes = {2}, keepdims = true}
local best_of_object = op.maximum(overlap:max{axes = {1}, keepdims = true}, constant(1e-3))
local positive = op.maximum(op.ge(best, constant(0.7)),
    op.ge(overlap, best_of_object):max{axes = {2}, keepdims = true})
local negative = op.lt(best, constant(0.3)) * (1 - positive)
local _, own_boxes = owner(overlap)
local weight = draw(positive, negative, 256, 0.5)
local rpn_codes = op.box_encode(own_boxes, anchors)
local rpn_class_loss = objectness:binary_cross_entropy_with_logits(positive,
    {weight = weight, reduction = "sum"})
local rpn_box_loss = rpn_deltas:smooth_l1_loss(rpn_codes,
    {weight = weight * positive, beta = 1 / 9, reduction = "sum"})

-- Proposals lie within the picture and have a pixel at least.
local boxes = op.box_decode(rpn_deltas:detach(), anchors)
local function corner(first, limit)
    local low = boxes:slice{axis = 2, first = first, count = 1}:clamp{min = 0, max = limit - 1}
    local high = boxes:slice{axis = 2, first = first + 2, count = 1}:clamp{min = 0, max = limit}
    return low, op.maximum(high, low + 1)
end
local x1, x2 = corner(0, width)
local y1, y2 = corner(1, height)
boxes = op.concat(x1, y1, x2, y2, {axis = 2})
local index = op.nms(boxes, objectness:detach():reshape{shape = {batch, -1}}, {count = count, iou = 0.7})
index = index:reshape{shape = {batch, count, 1}} -- -1, which means the last: no more proposals
local proposals = boxes:gather_elements(index:broadcast{shape = {batch, count, 4}}, {axis = 1})
local valid = op.ge(index, zero):cast{dtype = "float32"}
if training then -- the objects themselves (of a pixel at least): good ones from the beginning
    local function side(first)
        return truth:slice{axis = 2, first = first + 2, count = 1} -
            truth:slice{axis = 2, first = first, count = 1}
    end
    local real = op.ge(truth_class, zero) * op.ge(op.minimum(side(1), side(2)), one)
    proposals = op.concat(proposals, truth_boxes, {axis = 1})
    valid = op.concat(valid, real, {axis = 1})
    count = count + most
end
-- Places without a proposal hold a box of some size, which does not count.
proposals = op.where(valid, proposals, op.concat(constant(0, {2}), constant(16, {2}), {axis = 0}))

-- ---- what the proposals are ----

local item = op.arange{count = batch}:reshape{shape = {batch, 1, 1}}
local rois = op.concat(valid * (item + 1) - 1, proposals, {axis = 2}):reshape{shape = {-1, 5}}
local parts = features:roi_align(rois, {output_size = region_size, spatial_scale = 1 / stride,
    sampling_ratio = 2, aligned = true})
local h = region(parts)
local scores = normal(h, "class", classes + 1, 0.01):reshape{shape = {batch, count, classes + 1}}
local deltas = normal(h, "box", 4 * classes, 0.001):reshape{shape = {batch, count, classes, 4}}

-- Class 0 is the background: an overlap below 0.5.
local region_overlap = op.box_iou(proposals, truth_boxes)
local class, region_boxes = owner(region_overlap)
local foreground = op.ge(region_overlap:max{axes = {2}, keepdims = true}, constant(0.5)) * valid
local region_weight = draw(foreground, valid - foreground, 128, 0.25)
local wanted = op.eq((class + 1) * foreground, op.arange{count = classes + 1})
local class_loss = (wanted * scores:log_softmax{axis = 2} * region_weight):sum() * -1

local weights = {10, 10, 5, 5}
local codes = op.box_encode(region_boxes, proposals, {weights = weights})
codes = codes:reshape{shape = {batch, count, 1, 4}}:broadcast{shape = deltas:shape()}
local own_class = wanted:slice{axis = 2, first = 1, count = classes} * region_weight
local box_loss = deltas:smooth_l1_loss(codes,
    {weight = own_class:reshape{shape = {batch, count, classes, 1}}, reduction = "sum"})
loss((rpn_class_loss + rpn_box_loss) / (256 * batch) + (class_loss + box_loss) / (128 * batch))

-- What is found: objects of different classes do not suppress each other, as they are moved apart.
local p = scores:softmax{axis = 2}:slice{axis = 2, first = 1, count = classes} * valid
p = p:reshape{shape = {batch, -1, 1}}
local kind = op.arange{count = classes}:reshape{shape = {1, classes, 1}}
kind = kind:broadcast{shape = {batch, count, classes, 1}}:reshape{shape = {batch, -1, 1}}
local refined = op.box_decode(deltas, proposals:reshape{shape = {batch, count, 1, 4}}, {weights = weights})
refined = refined:reshape{shape = {batch, -1, 4}}
local kept = op.nms(refined + kind * 8192, p:reshape{shape = {batch, -1}},
    {count = found, iou = 0.5, least_score = 0.05})
kept = kept:reshape{shape = {batch, found, 1}}
local there = op.ge(kept, zero)
local at = kept:broadcast{shape = {batch, found, 6}}
local picked = op.concat(kind, p, refined, {axis = 2}):gather_elements(at, {axis = 1})
output("found", picked * there + (there - 1))
