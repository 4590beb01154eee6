#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How ONNX's own cases fare, as docs/conformance.md.

conformance.py run NEUTRA DATA DEVICE OUT.json   runs the cases of DATA (../shared/data/onnx) on a device
conformance.py page OUT.json... > docs/conformance.md"""
import collections
import json
import os
import re
import subprocess
import sys

GROUPS = ("node", "simple", "pytorch-operator", "pytorch-converted")


def run(neutra, data, device, out):
    results = {}
    for opset in sorted(os.listdir(data)):
        for group in GROUPS:
            folder = os.path.join(data, opset, group)
            if not os.path.isdir(folder):
                continue
            done = subprocess.run([neutra, "onnx-test", folder, "--device", device, "--json"],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
            if done.returncode not in (0, 1):
                sys.exit(f"{folder}: neutra onnx-test ended with {done.returncode}")
            results[f"{opset}/{group}"] = json.loads(done.stdout)
            counts = results[f"{opset}/{group}"]
            print(f"{opset}/{group}: {counts['passed']} passed, {counts['failed']} failed, "
                  f"{counts['skipped']} skipped", flush=True)
    with open(out, "w", encoding="utf-8") as file:
        json.dump(results, file)


def generic(reason):
    """A reason without what belongs to one case alone: its path."""
    return re.sub(r"^\S*\.(onnx|pb): ", "", reason).replace("|", "\\|")


def table(results):
    print("| cases | passed | failed | skipped | passed of those not skipped | largest ULP of a passed case |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for group, result in results.items():
        ran = result["passed"] + result["failed"]
        ulps = [case["max_ulp"] for case in result["cases"] if case["verdict"] == "pass" and case["max_ulp"] is not None]
        share = f"{100 * result['passed'] / ran:.1f} %" if ran else ""
        print(f"| {group} | {result['passed']} | {result['failed']} | {result['skipped']} | {share} | "
              f"{max(ulps):.3g} |" if ulps else f"| {group} | {result['passed']} | {result['failed']} | "
              f"{result['skipped']} | {share} |  |")


def reasons(results, verdict, title):
    found = collections.defaultdict(list)
    for group, result in results.items():
        for case in result["cases"]:
            if case["verdict"] == verdict:
                name = os.path.basename(case["case"])
                found[generic(case["reason"])].append(f"{group.split('/')[0]}/{name}")
    if not found:
        return
    print(f"\n### {title}\n\n| reason | cases | such as |\n| --- | ---: | --- |")
    for reason, cases in sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        print(f"| {reason} | {len(cases)} | {cases[0]} |")


def page(paths):
    print("# Conformance\n\nMade by `docs/conformance.py` from `neutra onnx-test --json`; do not edit it.\n\n"
          "ONNX comes with cases: a model, inputs, the outputs that are right. A case passes when every output is "
          "within 1e-3\nof its numbers and 1e-7 beside that. One that asks for what is not offered is skipped, "
          "with the reason. Floats of every\nwidth are computed as float32: doubles beyond its range become infinite.")
    for path in paths:
        with open(path, encoding="utf-8") as file:
            results = json.load(file)
        device = next(iter(results.values()))["device"]
        print(f"\n## {device}\n")
        table(results)
        reasons(results, "fail", "Failed")
        reasons(results, "skip", "Skipped")


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"] and len(sys.argv) == 6:
        run(*sys.argv[2:])
    elif sys.argv[1:2] == ["page"] and len(sys.argv) > 2:
        page(sys.argv[2:])
    else:
        sys.exit(__doc__)
