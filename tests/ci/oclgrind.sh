#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs a test in oclgrind; anything that oclgrind reports is a failure: oclgrind.sh COMMAND...
log=$(mktemp)
trap 'rm -f "$log"' EXIT
oclgrind --data-races --uninitialized --max-errors 5 --log "$log" "$@"
status=$?
if [ -s "$log" ]; then
    head -n 60 "$log"
    exit 1
fi
exit $status
