#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks, from the source root, that kernel sources can share a program (cl/prelude.clh).

A header is in a program once, before all units, and a unit undefines its own macros at its end: no
source, and nothing that the engine defines for a unit, may define a macro of a header, nor two
headers the same one. A source is in a program once for
each set of its defines: what it declares outside of functions has NT_NAME or NT_KERNEL in it."""
import re
import sys
from pathlib import Path

DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", re.MULTILINE)
FOR_UNIT = re.compile(r'nt_launch_define\(\s*\S+,\s*"(\w+)')
DECLARATION = re.compile(
    r"^(?:typedef|struct|union|enum|static|inline|__constant|constant|NT_OUTLINE|NT_KERNEL\w*)\b.*",
    re.MULTILINE)


def main():
    wrong = 0
    owner = {}
    for path in sorted(Path("cl").glob("*.clh")):
        for name in sorted(set(DEFINE.findall(path.read_text(encoding="utf-8")))):
            if name in owner:
                print(f"{path}: {name} is also defined by {owner[name]}")
                wrong += 1
            owner[name] = path
    for path in sorted(Path("engine").rglob("*.c")):
        for name in sorted(set(FOR_UNIT.findall(path.read_text(encoding="utf-8")))):
            if name in owner:
                print(f"{path}: defines {name} for a unit, which {owner[name]} defines")
                wrong += 1
    sources = sorted(Path("cl").glob("*.cl"))
    for path in sources:
        text = path.read_text(encoding="utf-8")
        for name in sorted(set(DEFINE.findall(text))):
            if name in owner:
                print(f"{path}: {name} is defined by {owner[name]}")
                wrong += 1
        for match in DECLARATION.finditer(text):
            if "NT_NAME(" not in match[0] and not match[0].startswith("NT_KERNEL"):
                line = text.count("\n", 0, match.start()) + 1
                print(f"{path}:{line}: {match[0]}: its name needs NT_NAME")
                wrong += 1
    print(f"{len(sources)} kernel sources, {wrong} wrong")
    return 1 if wrong or not sources else 0


sys.exit(main())
