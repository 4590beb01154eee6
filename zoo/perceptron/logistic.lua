-- Logistic regression: one unit with a logistic output, for two classes of flat items.
-- Cox, The regression analysis of binary sequences, J. Royal Statistical Society B 20(2), 1958.
--
-- softmax(-z/2, z/2) = (1 - s, s) with s = 1 / (1 + exp(-z)), so the cross-entropy of these two
-- logits is the logistic loss of z. features + 1 parameters.

local features = setting("features", 2, "length of an item", {min = 1})

local x = input("input", {features})
local y = target("target")

local z = x:linear{name = "fc", features = 1}
local logits = op.concat(z * -0.5, z * 0.5, {axis = 1})
output("logits", logits)
loss(logits:cross_entropy(y))
