#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs a build elsewhere, builds the example against the installed library, shared and
# static, and runs it: install.sh BUILD_DIR PREFIX
set -eu
build=$1 prefix=$2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

meson install -C "$build" --no-rebuild --quiet --destdir "$root"
[ ! -e "$root$prefix/include/engine" ] # everything is under include/neutra
pc=$(find "$root" -name neutra.pc)
lib=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH="$(dirname "$pc")"

gcc -std=c11 -Wall -Werror examples/train.c -o "$root/shared" \
    $(pkg-config --cflags --libs neutra)
gcc -std=c11 -Wall -Werror examples/faces.c -o "$root/faces" \
    $(pkg-config --cflags --libs neutra) -lm
gcc -std=c11 examples/train.c -o "$root/static" $(pkg-config --cflags neutra) \
    "$lib/libneutra.a" $(pkg-config --static --libs neutra | sed 's/-lneutra//')
! ldd "$root/static" | grep -q libneutra

zoo=$(pkg-config --variable=zoodir neutra)
cp "$zoo/mlp.lua" "$root"
cd "$root"
LD_LIBRARY_PATH=$lib ./shared "$zoo/mlp.lua"
if LD_LIBRARY_PATH=$lib ./faces "$zoo/lenet.lua" missing.jpg out.png; then
    exit 1 # a picture that is not there
fi
./static "$zoo/mlp.lua"
LD_LIBRARY_PATH=$lib "$root$prefix/bin/neutra" show "$zoo/lenet.lua"
