-- One-stage detector in the manner of RetinaNet: Lin, Goyal, Girshick, He & Dollar, Focal loss for
-- dense object detection, ICCV 2017; a small backbone, one scale and three sizes of anchors.
--
-- The target holds, for each object, its class and its corners in pixels; class -1: no object.
-- The output holds the objects found, best first: class (-1: none), score and corners.

local classes = setting("classes", 3, "classes of objects")
local height = setting("height", 192, "height of a picture", {min = 32})
local width = setting("width", 256, "width of a picture", {min = 32})
local most = setting("boxes", 64, "objects of a picture at most")
local found = setting("found", 64, "objects found at most")
local stride, sizes = 8, {16, 40, 88}

local x = input("input", {3, height, width})
local truth = target("boxes", {most, 5}, {dtype = "float32"})
local batch = x:dim(0)

local function conv(value, name, channels, step)
    return scope(name, function()
        local y = value:conv2d{name = "conv", channels = channels, kernel = 3, stride = step,
            padding = 1, bias = false, init = "kaiming_normal"}
        return y:batch_norm{name = "bn"}:relu()
    end)
end

x = conv(x, "c1", 16, 2)
x = conv(conv(x, "c2", 32, 2), "c3", 32, 1)
x = conv(conv(x, "c4", 64, 2), "c5", 64, 1)
x = conv(conv(x, "c6", 64, 1), "c7", 64, 1)

-- A place of the grid has #sizes anchors, an anchor `count` numbers.
local function head(name, count)
    local y = conv(x, name, 64, 1):conv2d{name = name .. ".out", channels = #sizes * count,
        kernel = 3, padding = 1, bias = false, init = "normal", init_std = 0.01}
    y = y:transpose{axes = {0, 2, 3, 1}}:reshape{shape = {batch, -1, count}}
    return y
end
local rows, columns = x:dim(2), x:dim(3)
local anchors = op.anchors{height = rows, width = columns, stride = stride, sizes = sizes, offset = 0.5}
local deltas = head("box", 4)
-- Every anchor begins with a probability of 0.01, as section 4.1 has it.
local scores = head("class", classes) + parameter("prior", {classes}, {init = -math.log(99)})

-- Each anchor belongs to the object that it overlaps most: from half on it shall find it; from 0.4
-- to 0.5 it does not count.
local overlap = op.box_iou(anchors, truth:slice{axis = 2, first = 1, count = 4})
local best, which = overlap:max{axes = 2, keepdims = true}, overlap:argmax{axis = 2, keepdims = true}
local own = op.gather_elements(truth, which:broadcast{shape = {batch, anchors:dim(0), 5}}, {axis = 1})
local positive = op.ge(best, constant(0.5))
local counts = positive + op.lt(best, constant(0.4))
local class = own:slice{axis = 2, first = 0, count = 1}
local wanted = op.eq(class, op.arange{count = classes}) * positive
local number = op.maximum(positive:sum(), constant(1))

local p = scores:sigmoid()
local right = p * wanted + (1 - p) * (1 - wanted)
local entropy = scores:relu() - scores * wanted + (scores:abs() * -1):exp():log1p()
local focal = (1 - right):square() * entropy * (wanted * 0.25 + (1 - wanted) * 0.75) * counts

local weights = {10, 10, 5, 5}
local code = op.box_encode(own:slice{axis = 2, first = 1, count = 4}, anchors, {weights = weights})
local distance = (deltas - code):abs()
local smooth = op.where(op.lt(distance, constant(1)), distance:square() * 0.5, distance - 0.5) * positive
loss((focal:sum() + smooth:sum()) / number)

-- What is found: objects of different classes do not suppress each other, as they are moved apart.
local score, kind = p:max{axes = 2}, p:argmax{axis = 2, keepdims = true}
local boxes = op.box_decode(deltas, anchors, {weights = weights})
local index = op.nms(boxes + kind * 8192, score, {count = found, iou = 0.5, least_score = 0.05})
local all = op.concat(kind:cast{dtype = "float32"}, p:max{axes = 2, keepdims = true}, boxes, {axis = 2})
local there = op.ge(index, constant(0)):reshape{shape = {batch, found, 1}}
local at = index:reshape{shape = {batch, found, 1}}:broadcast{shape = {batch, found, 6}}
local picked = op.gather_elements(all, at, {axis = 1})
output("found", picked * there + (there - 1))
