-- Forecasts a time series (many-to-many): an encoder reads a window, its last state starts a decoder
-- that gives the values to come, one per step. Sutskever, Vinyals & Le, Sequence to sequence
-- learning with neural networks, NIPS 2014.
--
-- The decoder is fed the last known value, and learns what the forecasts differ from it. With
-- autoregression a linear forecast from the window's differences from that value is added, which follows
-- a season and a trend at once: Lai et al., Modeling long- and short-term temporal patterns with deep
-- neural networks, SIGIR 2018, section 3.6.

local window = setting("window", 24, "known values", {min = 1})
local horizon = setting("horizon", 12, "values to forecast", {min = 1})
local cell = setting("cell", "lstm", "recurrent cell", {choices = {"lstm", "gru", "rnn"}})
local hidden = setting("hidden", 32, "units of encoder and decoder", {min = 1})
local autoregression = setting("autoregression", true, "add a linear forecast")

local x = input("input", {window})
local y = target("target", {horizon}, {dtype = "float32"})

local last = x:slice{axis = 1, first = window - 1, count = 1}
local known = x:reshape{shape = {-1, window, 1}}
local _, h, c = op[cell](known, {name = "encoder", hidden = hidden})
local again = last:broadcast{shape = {x:dim(0), horizon}}:reshape{shape = {-1, horizon, 1}}
local z = op[cell](again, {name = "decoder", hidden = hidden, h0 = h, c0 = c})
z = z:reshape{shape = {-1, hidden}}:linear{name = "fc", features = 1}
z = z:reshape{shape = {-1, horizon}} + last
if autoregression then
    z = z + (x - last):linear{name = "autoregression", features = horizon}
end
output("forecast", z)
loss((z - y):square():mean{})
