"""Runs `falconeri` as a process of its own, without this process's settings."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import falconeri

ROOT = Path(falconeri.__file__).parents[1]
ARGV = (sys.executable, "-m", "falconeri_cli")
LIMIT_S = 120.0


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("FALCONERI_")}
    return {**inherited, **settings}


def falconeri_command(
    *arguments: str, stdin: str = "", cwd: Path | None = None, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run to the end; keyword arguments in capitals are environment variables."""
    return subprocess.run(
        [*ARGV, *arguments],
        check=False,
        input=stdin,
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(settings),
        timeout=LIMIT_S,
    )
