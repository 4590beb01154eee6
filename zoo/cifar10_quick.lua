-- CIFAR-10 "quick": examples/cifar10/cifar10_quick_train_test.prototxt of Caffe (Jia et al., Caffe:
-- convolutional architecture for fast feature embedding, ACM Multimedia 2014), after
-- Krizhevsky's cuda-convnet.
--
-- Pooling windows reach over the border (ceil_mode), as Caffe rounds. Layer names are Caffe's.
-- 145,578 parameters, 12,354,176 multiply-accumulates.

local classes = setting("classes", 10, "number of classes", {min = 2})

local x = input("input", {3, 32, 32})
local y = target("target")

local function conv2d(value, name, channels, std)
    return value:conv2d{name = name, channels = channels, kernel = 5, padding = 2, init = "normal",
        init_std = std}
end
local pool = {kernel = 3, stride = 2, ceil_mode = true}

x = conv2d(x, "conv1", 32, 0.0001):max_pool2d(pool):relu()
x = conv2d(x, "conv2", 32, 0.01):relu():avg_pool2d(pool)
x = conv2d(x, "conv3", 64, 0.01):relu():avg_pool2d(pool)
x = x:flatten()
x = x:linear{name = "ip1", features = 64, init = "normal", init_std = 0.1}
x = x:linear{name = "ip2", features = classes, init = "normal", init_std = 0.1}
output("logits", x)
loss(x:cross_entropy(y))
