-- A language model of characters: Graves, Generating sequences with recurrent neural networks,
-- 2013, in the size of Karpathy's char-rnn (2015). cell: LSTM (Hochreiter & Schmidhuber 1997), GRU
-- (Cho et al. 2014) or rnn (Elman 1990).
--
-- The state is carried from each window of a text to the next, and gradients stop there: truncated
-- back-propagation through time (Williams & Peng, An efficient gradient-based algorithm for on-line
-- training of recurrent network trajectories, Neural Computation 2, 1990).
-- 243,969 parameters with 65 characters, 237,696 multiply-accumulates per character.

local classes = setting("classes", 65, "characters of the vocabulary", {min = 2})
local cell = setting("cell", "lstm", "recurrent cell", {choices = {"lstm", "gru", "rnn"}})
local window = setting("window", 64, "characters of a window", {min = 1})
local hidden = setting("hidden", 128, "units of each layer", {min = 1})
local layers = setting("layers", 2, "recurrent layers", {min = 1})
local embedding = setting("embedding", 64, "numbers that stand for a character", {min = 1})
local dropout = setting("dropout", 0.0, "share dropped between layers", {min = 0, max = 1})

local x = input("input", {window}, {dtype = "int32"})
local y = target("target", {window})

x = x:embedding{name = "embedding", num_embeddings = classes, embedding_dim = embedding}
x = op[cell](x, {name = cell, hidden = hidden, layers = layers, dropout = dropout, stateful = true})
x = x:reshape{shape = {-1, hidden}}:linear{name = "fc", features = classes}
x = x:reshape{shape = {-1, window, classes}}:transpose{axes = {0, 2, 1}}
output("logits", x)
loss(x:cross_entropy(y))
