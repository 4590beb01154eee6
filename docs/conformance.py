#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How ONNX's own cases fare, as docs/conformance.md.

conformance.py run NEUTRA DATA DEVICE OUT.json   runs the cases of DATA (../shared/data) on a device: those
                                                 of the ONNX project (onnx) and trained networks (models)
conformance.py page OUT.json... > docs/conformance.md"""
import collections
import json
import os
import re
import subprocess
import sys

GROUPS = ("node", "simple", "pytorch-operator", "pytorch-converted", "light")
MODELS = "models"

# Measured once, on PoCL: the outputs of trained networks that differ, beside an evaluation of the network in
# double precision and beside onnxruntime 1.31's float32 (CPU). S: the magnitudes of the terms that the last
# layer adds up for such an element; its error in units of S / 2^24, half a step of a float32 near S.
NEAR_ZERO = """
A few outputs of four trained networks are nearly zero, and there 1e-7 beside 1e-3 of the number is little more,
or less, than float32's rounding leaves: such an element is a sum of terms whose magnitudes add up to S, 0.6 to 3.9
in the first three, of which one rounding is up to S / 2^24, 4e-8 to 2.3e-7, and the layers before round too. They
count as failed below. Beside the same networks evaluated in double precision:

| network, output | differ here | differ in onnxruntime's float32 | error here, in S / 2^24 | root mean square error of all, here and onnxruntime |
| --- | ---: | ---: | ---: | ---: |
| super-resolution-10, output | 7 of 451,584 | 0 | 2.1 to 6.3 | 1.9e-7, 0.95e-7 |
| yunet, kps_8 | 6 of 16,000 | 5 | 1.3 to 3.8 | 3.2e-7, 2.9e-7 |
| yunet, obj_8 and obj_16 | 0 of 2,000 | 4 | | 5.4e-8 and 2.7e-8, 3.7e-8 and 4.8e-8 |
| ultraface, boxes | 7 of 17,680 | 8 | 1.6 to 19 | 8.9e-7, 9.4e-7 |
| silero-vad, stateN | 1 of 256 | 0 | | 1.5e-7, 1.3e-7 |

Reference outputs are float64 evaluations, but for super-resolution-10, whose are another engine's float32 and
differ from double precision by 0.95e-7 themselves: in all four the reference is nearer to double precision than
what is computed here. In super-resolution-10 six of the seven go away without Winograd's
convolutions (`NEUTRA_VARIANT=conv_forward=tile`), which round more often. The files state no tolerance of their own.
byte-sb-bidi-lstm and the two of tract-small have their arrays as .npz: `neutra run` gives all of them within the
tolerance, at most 2.9e-6 beside numbers up to 10.
"""

# Measured once, on PoCL: `pip install onnx==1.23.2`, onnx.backend.test.case.node.collect_testcases().
OTHERS = """
Of 1,175 further cases that onnx 1.23.2 generates for its newest operators, which are not among those below, 837
pass, 319 ask for what is not offered (strings, sequences and optional values, quantised and float8 types, Loop, Scan,
random numbers, BitCast, FlexAttention, ImageDecoder, TfIdfVectorizer, ai.onnx.ml) and 19 fail: 17 expect numbers rounded to
bfloat16 or float16, which stay float32 here; both of test_dft_inverse expect up to 1.5e-6 where the transform is 0.
"""


def run(neutra, data, device, out):
    results = {}
    onnx = os.path.join(data, "onnx")
    groups = [f"{opset}/{group}" for opset in sorted(os.listdir(onnx)) for group in GROUPS]
    folders = [(group, os.path.join(onnx, group)) for group in groups] + [(MODELS, os.path.join(data, MODELS))]
    for group, folder in folders:
        if not os.path.isdir(folder):
            continue
        done = subprocess.run([neutra, "onnx-test", folder, "--device", device, "--json"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        if done.returncode not in (0, 1):
            sys.exit(f"{folder}: neutra onnx-test ended with {done.returncode}")
        counts = results[group] = json.loads(done.stdout)
        print(f"{group}: {counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped",
              flush=True)
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


def networks(result):
    print("\n### Trained networks\n\n| network | largest error | ULP | |\n| --- | ---: | ---: | --- |")
    for case in result["cases"]:
        name = os.path.basename(case["case"])
        error = f"{case['max_error']:.2g} | {case['max_ulp']:.3g}" if case["max_error"] is not None else " | "
        print(f"| {name} | {error} | {'passed' if case['verdict'] == 'pass' else generic(case['reason'])} |")


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
          "within 1e-3\nof its numbers and 1e-7 beside that, as upstream. One that asks for what is not offered is skipped, "
          "with the reason. Floats of\nevery width are computed as float32 on the device; doubles that folded "
          "operators make of the inputs (three cases of\npytorch-operator add numbers of 1e200) on the host, "
          "in double precision. `light`: whole networks with weights that are\nall equal. Trained networks: "
          "pictures or sound go in, what the network gives for them is compared.")
    print(NEAR_ZERO)
    print(OTHERS.lstrip())
    for path in paths:
        with open(path, encoding="utf-8") as file:
            results = json.load(file)
        device = next(iter(results.values()))["device"]
        trained = results.pop(MODELS, None)
        print(f"\n## {device}\n")
        table(results)
        reasons(results, "fail", "Failed")
        reasons(results, "skip", "Skipped")
        if trained:
            networks(trained)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"] and len(sys.argv) == 6:
        run(*sys.argv[2:])
    elif sys.argv[1:2] == ["page"] and len(sys.argv) > 2:
        page(sys.argv[2:])
    else:
        sys.exit(__doc__)
