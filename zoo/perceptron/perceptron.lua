-- The perceptron, for two classes of flat items: Rosenblatt, The perceptron: a probabilistic model
-- for information storage and organization in the brain, Psychological Review 65(6), 1958.
--
-- The loss max(0, -t z), t = 1 or -1, has the perceptron rule as its gradient step: with SGD,
-- batch 1 and learning rate 1, an item on the wrong side (or on the border) adds t x to the weights.
-- features + 1 parameters.

local features = setting("features", 2, "length of an item", {min = 1})

local x = input("input", {features})
local y = target("target")

local z = x:linear{name = "fc", features = 1}
output("logits", op.concat(-z, z, {axis = 1}))
local t = 2 * y - 1
loss(op.maximum(-(t * z:reshape{shape = -1}), 0):mean())
