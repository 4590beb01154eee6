-- Rows of a table: a multilayer perceptron behind batch normalisation (Ioffe & Szegedy, ICML 2015),
-- which brings every column to mean 0 and deviation 1 by what training sees of it.
--
-- --set features=N: columns of numbers; --set classes=0: a number is told instead of a class.
-- 1,323 parameters with 4 columns and 3 classes.

local features = setting("features", 4, "columns of numbers", {min = 1})
local classes = setting("classes", 3, "number of classes; 0: one number", {min = 0})
local hidden = setting("hidden", 32, "units of the two hidden layers", {min = 1})

local x = input("input", {features})
local y = classes > 0 and target("target") or target("target", {1}, {dtype = "float32"})

x = x:batch_norm{name = "norm"}
x = x:linear{name = "fc1", features = hidden}:relu()
x = x:linear{name = "fc2", features = hidden}:relu()
x = x:linear{name = "fc3", features = math.max(classes, 1)}
output(classes > 0 and "logits" or "value", x)
loss(classes > 0 and x:cross_entropy(y) or (x - y):square():mean{})
