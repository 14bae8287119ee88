"""Runs Python code as an ordinary user, for whom permissions are an obstacle, even if root asks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_NOBODY = 65534

_AS_A_USER = """
import importlib, os, pathlib, sys
program, top, modules = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
for module in modules:  # while they can be read
    importlib.import_module(module)
if os.geteuid() == 0:
    os.setgid({nobody})
    os.setuid({nobody})
exec(program)
"""


def as_a_user(program: str, top: Path, *modules: str) -> str:
    """Return what the program prints; it finds the directory `top`, which belongs to the user."""
    if os.geteuid() == 0:
        os.chown(top, _NOBODY, _NOBODY)
        for folder in top.parents:
            if folder.stat().st_mode & 0o055 != 0o055:
                folder.chmod(0o755)
    code = _AS_A_USER.format(nobody=_NOBODY)
    done = subprocess.run(
        [sys.executable, "-c", code, program, str(top), *modules],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout
