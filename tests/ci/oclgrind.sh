#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs a test in oclgrind; any invalid access or race it reports is a failure: oclgrind.sh COMMAND...
# Not with --uninitialized: oclgrind 21.10 does not know LLVM's freeze there and reports it.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
oclgrind --data-races --max-errors 5 --log "$log" "$@"
status=$?
if [ -s "$log" ]; then
    head -n 60 "$log"
    exit 1
fi
exit $status
