"""The licences of what a bundle carries that isn't ours: they ask to be passed along with it.

Called by `build` when the rest is in its place. Packages keep theirs in `app/NAME.dist-info`, where
installers put them. For machine code of Debian's it is what Debian says about the package that it
is from; of anything else the build says that it has no licence of it.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from bundling import interpreter, packages, tools
from bundling.tools import BuildError

FOLDER = "licences"

_DOCUMENTATION = Path("/usr/share/doc")
_COMMON = re.compile(r"/usr/share/common-licenses/([\w.+-]*\w)")
"""How a text of Debian's refers to a licence instead of quoting it."""


def add(bundle: Path, files: Sequence[Path]) -> None:
    """Fill the directory `licences` of a bundle, and name on stderr what has none there.

    Args:
        bundle: The bundle, with its packages.
        files: This machine's libraries that were copied into it.
    """
    to = bundle / FOLDER
    to.mkdir()
    shutil.copy(packages.CHECKOUT / "LICENSE", to / "falconeri")
    python = bundle / interpreter.STDLIB / "LICENSE.txt"
    if python.exists():
        python.rename(to / "python")
    origins = {file: _package(file) for file in (interpreter.program(), *files)}
    known: set[str] = set()
    for package in filter(None, set(origins.values())):
        copyright_ = _DOCUMENTATION / package / "copyright"
        if copyright_.exists():
            shutil.copyfile(copyright_, to / package)
            known.add(package)
    _quote_common(to)
    missing = [file.name for file, package in origins.items() if package not in known]
    if (to / "python").exists():
        missing = [name for name in missing if not name.startswith(("python", "libpython"))]
    _write_versions(to, known)
    if missing:
        names = ", ".join(sorted(missing))
        print(f"Not in {FOLDER}, as they are of no Debian package: {names}", file=sys.stderr)


def _package(file: Path) -> str | None:
    """Return the package of Debian's that brought a file, by either name of its directory."""
    if not shutil.which("dpkg-query"):
        return None
    path = str(file.resolve())
    other = path.removeprefix("/usr") if path.startswith("/usr/") else f"/usr{path}"
    for name in (path, other):
        try:
            found = tools.run(["dpkg-query", "--search", name])
        except BuildError:
            continue
        return found.partition(":")[0]
    return None


def _quote_common(to: Path) -> None:
    """Add the texts that the others refer to by their place on a Debian machine."""
    texts = [file.read_text("utf-8", "replace") for file in to.iterdir()]
    for name in {found for text in texts for found in _COMMON.findall(text)}:
        text = Path("/usr/share/common-licenses", name)
        if text.is_file():
            (to / "common-licenses").mkdir(exist_ok=True)
            shutil.copyfile(text, to / "common-licenses" / name)


def _write_versions(to: Path, known: set[str]) -> None:
    """Say what Debian's packages were built from: some licences ask for a way to the sources."""
    if known:
        told = "${binary:Package} ${Version}, source ${source:Package} ${source:Version}\\n"
        listed = tools.run(["dpkg-query", "--show", f"--showformat={told}", *sorted(known)])
        (to / "VERSIONS").write_text(listed)
