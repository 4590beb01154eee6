#!/bin/sh
# SPDX-License-Identifier: MIT
# Every symbol that a library shows begins with nt_: symbols.sh SHARED STATIC
shown=$(nm --dynamic --defined-only --extern-only "$1" | awk 'NF == 3 { print $3 }' | sort -u)
global=$(nm --defined-only --extern-only "$2" | awk 'NF == 3 { print $3 }' | sort -u)
if [ -z "$shown" ] || [ -z "$global" ]; then
    echo "no symbols found: nm failed?"
    exit 1
fi
# The sanitizers' own and the linker's section marks are not ours.
foreign=$(printf '%s\n' "$shown" "$global" | grep -vE '^(nt_|__asan_|__odr_asan|__start_|__stop_)')
if [ -n "$foreign" ]; then
    printf 'not prefixed nt_:\n%s\n' "$foreign"
    exit 1
fi
echo "$(echo "$shown" | wc -l) symbols exported by $1"
