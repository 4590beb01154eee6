#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Adds up the checks in a meson test log: summary.py testlog.json

A test that prints libcheck's line counts by its checks, less those it skipped with a line
"skipped: REASON"; any other test counts as one. A crash or a timeout is a failure whatever was
printed before. The last line is "N passed, N failed, N skipped"."""
import json
import re
import sys
from collections import Counter

CHECK_LINE = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", re.MULTILINE)
SKIP_LINE = re.compile(r"^skipped: (.*)", re.MULTILINE)


def count(test):
    """(passed, failed, skipped) of one test."""
    result, output = test["result"], test.get("stdout") or ""
    good = result in ("OK", "EXPECTEDFAIL")
    if result == "SKIP":
        return 0, 0, 1
    summary = CHECK_LINE.findall(output)
    if not summary:
        return (1, 0, 0) if good else (0, 1, 0)
    checks, failures, errors = (sum(int(line[i]) for line in summary) for i in range(3))
    failed, skipped = failures + errors, len(SKIP_LINE.findall(output))
    if not good:
        failed = max(failed, 1)
    return max(checks - failures - errors - skipped, 0), failed, skipped


def main():
    try:
        with open(sys.argv[1], encoding="utf-8") as log:
            tests = [json.loads(line) for line in log]
    except OSError as error:
        print(f"no test log: {error}")
        tests = []
    reasons, total = Counter(), Counter()
    for test in tests:
        passed, failed, skipped = count(test)
        total.update(passed=passed, failed=failed, skipped=skipped)
        reasons.update(SKIP_LINE.findall(test.get("stdout") or ""))
        if failed:
            print(f"failed: {test['name']}: {failed} ({test['result'].lower()})")
    for reason, times in sorted(reasons.items()):
        print(f"skipped: {times} x {reason}")
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] or not total["passed"] else 0


sys.exit(main())
