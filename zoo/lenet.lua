-- LeNet-5: LeCun, Bottou, Bengio & Haffner, Gradient-based learning applied to document
-- recognition, Proc. IEEE 86(11), 1998, section II.B.
--
-- As it is trained today: ReLU instead of scaled tanh, maximum pooling instead of trained
-- subsampling, all connections between the first two convolutions, a linear last layer.
-- 61,706 parameters, 416,520 multiply-accumulates on 28x28 pictures.

local classes = setting("classes", 10, "number of classes", {min = 2})
local channels = setting("channels", 1, "channels of a picture", {min = 1})

local x = input("input", {channels, 28, 28})
local y = target("target")

x = x:conv2d{name = "conv1", channels = 6, kernel = 5, padding = 2}:relu()
x = x:max_pool2d{kernel = 2, stride = 2}
x = x:conv2d{name = "conv2", channels = 16, kernel = 5}:relu()
x = x:max_pool2d{kernel = 2, stride = 2}
x = x:flatten()
x = x:linear{name = "fc1", features = 120}:relu()
x = x:linear{name = "fc2", features = 84}:relu()
x = x:linear{name = "fc3", features = classes}
output("logits", x)
loss(x:cross_entropy(y))
