#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes the seeds of the corpus, small models of many operators: seeds.sh NEUTRA FOLDER
set -e
neutra=$1 folder=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder"
seed() {
    cat >"$work/$1.lua"
    "$neutra" convert "$work/$1.lua" "$folder/$1.onnx" 2>/dev/null
}
seed convolution <<END
local x = input('x', {2, 8, 8})
x = x:conv2d{channels = 4, kernel = 3, padding = 'same', stride = 2}:batch_norm():relu()
x = x:conv2d{channels = 4, kernel = 3, groups = 2, dilation = 2, padding = 2}
output('y', x:conv_transpose2d{channels = 2, kernel = 2, stride = 2}:leaky_relu())
END
seed pooling <<END
local x = input('x', {3, 9, 7})
output('a', x:max_pool2d{kernel = 3, stride = 2, ceil_mode = true})
output('b', x:avg_pool2d{kernel = 2, padding = 1})
output('c', x:adaptive_avg_pool2d{output_size = 3})
output('d', x:global_avg_pool())
output('e', x:interpolate{scale_factor = 2, mode = 'bilinear'})
output('f', x:interpolate{size = {5, 5}, mode = 'bicubic', align_corners = true})
END
seed dense <<END
local x = input('x', {6})
x = x:linear{features = 5}:gelu():linear{features = 4, bias = false}:dropout()
output('y', x:softmax())
output('z', x:matmul(x, {transpose_a = true}):log_sum_exp{axes = {1}})
END
seed recurrent <<END
local t = input('t', {5}, {dtype = 'int32'})
local e = t:embedding{num_embeddings = 9, embedding_dim = 3}
output('a', (e:lstm{hidden = 3, bidirectional = true}))
output('b', (e:gru{hidden = 2, layers = 2}))
output('c', (e:rnn{hidden = 2, nonlinearity = 'relu'}))
END
seed norms <<END
local x = input('x', {4, 5, 3})
output('a', x:layer_norm{dims = 2})
output('b', x:group_norm{groups = 2})
output('c', x:instance_norm())
output('d', x:local_response_norm{size = 3})
output('e', x:l2_normalize())
END
seed shapes <<END
local x = input('x', {4, 6})
local a, b = x:split{sizes = 2, axis = 1}
output('a', op.concat(b, a, {axis = 2}):transpose{axes = {0, 2, 1}}:reshape{shape = {-1, 4}})
output('b', x:pad{before = 1, after = 2, mode = 'reflect', axes = {2}}:flip{axes = 1})
output('c', x:top_k{k = 2, axis = 2})
output('d', x:tile{repeats = {1, 2, 1}}:slice{axis = 1, first = 1, count = 3})
output('e', x:cumsum{axis = 2}:trilu())
output('f', op.where(op.gt(x, 0), x, op.mul(x, 2)):std{axes = {2}})
END
