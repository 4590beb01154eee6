#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks who includes whom, from the source root: rooms.py PUBLIC_ENGINE_HEADER...

cl knows only itself; engine itself; frontend itself and engine's public headers; examples the
installed headers alone. Includes are written from the root, so a file's room can be seen in them."""
import os
import re
import sys
from pathlib import Path

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
PUBLIC = {os.path.relpath(path) for path in sys.argv[1:]}


def allowed(room, name):
    if room == "cl":
        return "/" not in name
    if room == "examples":
        return name == "neutra.h"
    return name.startswith(room + "/") or room == "frontend" and name in PUBLIC


def main():
    wrong = seen = 0
    for room in ("cl", "engine", "frontend", "examples"):
        for path in sorted(Path(room).rglob("*")):
            if path.suffix not in (".c", ".h", ".inc", ".cl", ".clh"):
                continue
            text = path.read_text(encoding="utf-8")
            for match in INCLUDE.finditer(text):
                seen += 1
                if not allowed(room, match[1]):
                    line = text.count("\n", 0, match.start(1)) + 1
                    print(f'{path}:{line}: "{match[1]}": not for {room}/')
                    wrong += 1
    print(f"{seen} includes, {wrong} wrong")
    return 1 if wrong or not seen else 0


sys.exit(main())
