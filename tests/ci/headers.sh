#!/bin/sh
# SPDX-License-Identifier: MIT
# Each header alone, as C and as C++: headers.sh HEADER...
status=0
try() {
    "$@" -fsyntax-only -Wall -Wextra -pedantic -Werror -I. "$header" || {
        echo "$header does not compile alone: $*"
        status=1
    }
}
command -v g++ >/dev/null || echo "no g++: headers are tried as C alone"
for header; do
    case $header in *.inc) continue ;; esac
    try gcc -x c -std=c11
    if command -v g++ >/dev/null; then
        try g++ -x c++ -std=c++11
        try g++ -x c++ -std=c++17
    fi
done
exit $status
