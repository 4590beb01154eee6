-- A linear classifier: softmax regression, or with --set loss=svm the multiclass hinge of
-- Crammer & Singer, On the algorithmic implementation of multiclass kernel-based vector
-- machines, JMLR 2, 2001 (as PyTorch's multi_margin_loss has it).
--
-- Pictures by default; for flat data --set features=N. 7,850 parameters on 28x28 pictures.

local classes = setting("classes", 10, "number of classes", {min = 2})
local kind = setting("loss", "softmax", "what is minimised", {choices = {"softmax", "svm"}})
local features = setting("features", 0, "length of a flat item; 0: pictures", {min = 0})
local channels = setting("channels", 1, "channels of a picture", {min = 1})
local height = setting("height", 28, "height of a picture", {min = 1})
local width = setting("width", 28, "width of a picture", {min = 1})

local x = input("input", features > 0 and {features} or {channels, height, width})
local y = target("target")

x = x:flatten():linear{name = "fc", features = classes}
output("logits", x)
loss(kind == "svm" and x:multi_margin_loss(y) or x:cross_entropy(y))
