-- What a sentence is about: words go through a recurrent layer in both directions, and the last
-- states are classified (many-to-one). After Graves & Schmidhuber, Framewise phoneme classification
-- with bidirectional LSTM, Neural Networks 18, 2005; Dai & Le, Semi-supervised sequence learning,
-- NIPS 2015, for this task.
--
-- Items are token numbers, filled up with 0 at their ends: the padding is left out.

local classes = setting("classes", 2, "number of classes", {min = 2})
local cell = setting("cell", "lstm", "recurrent cell", {choices = {"lstm", "gru", "rnn"}})
local words = setting("words", 10000, "tokens of the vocabulary, the padding too", {min = 2})
local length = setting("length", 64, "tokens of the longest item", {min = 1})
local hidden = setting("hidden", 64, "units of each direction", {min = 1})
local embedding = setting("embedding", 64, "numbers that stand for a token", {min = 1})

local x = input("input", {length}, {dtype = "int32"})
local y = target("target")

local lengths = x:sequence_lengths{padding = 0}
x = x:embedding{name = "embedding", num_embeddings = words, embedding_dim = embedding}
local _, h = op[cell](x, {name = cell, hidden = hidden, bidirectional = true, lengths = lengths})
x = h:transpose{axes = {1, 0, 2}}:flatten():linear{name = "fc", features = classes}
output("logits", x)
loss(x:cross_entropy(y))
