"""The machine code of the bundle: it finds its own libraries, whatever the image has.

Called by `build`, after everything else is in its place. The libraries come from the build machine,
with its libc and its loader; what they would look for in an image is taken from them.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bundling import interpreter, tools
from bundling.tools import BuildError

_LOADED_LATER = ("libgcc_s.so.1", "libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2")
"""What libc loads when it first needs it, so that no program names it."""

_NOT_STRIPPED = ("libc.so.6", "libpthread.so.0")
"""What debuggers look into, and which distributions strip as far as it should be."""

_LOADERS_FILES = {
    b"/etc/ld.so.preload": b"/dev/null/.preload",
    b"/etc/ld.so.cache": b"/dev/null/.cache",
}
"""Files of an image that the loader reads, and as long names at which there can't be any."""

_LISTED = re.compile(r"^\s*(\S+)(?: => (.+?))? \(0x[0-9a-f]+\)$", re.MULTILINE)
_MISSING = re.compile(r"^\s*(\S+) => not found$", re.MULTILINE)


class Carried(NamedTuple):
    """What of this machine is in `lib`."""

    loader: str
    """The name there."""
    sources: tuple[Path, ...]
    """The files here, with the loader's."""


def carry(bundle: Path, patchelf: Path) -> Carried:
    """Copy the libraries into `lib`.

    Raises:
        BuildError: This machine's Python isn't one of glibc's, or lacks a library.
    """
    machine = _Machine(patchelf)
    libraries = bundle / "lib"
    sources = machine.needed_by(bundle)
    libc = machine.source("libc.so.6").parent
    for name in _LOADED_LATER:
        if name not in sources and (libc / name).exists():
            sources[name] = libc / name
    for name, source in sources.items():
        _copy(source, libraries / name)
    _strip(bundle)
    _copy(machine.loader, libraries / machine.loader.name)
    _close(libraries / machine.loader.name)
    # Else libc loads an image's modules for names (NSS), which were made for another libc.
    tools.run([patchelf, "--no-default-lib", libraries / "libc.so.6"])
    for file in _machine_code(bundle):
        _forget_paths(file, patchelf)
    return Carried(machine.loader.name, (machine.loader, *sources.values()))


class _Machine:
    """The build machine's loader, and what it has found so far."""

    def __init__(self, patchelf: Path) -> None:
        program = interpreter.program()
        self.loader = Path(tools.run([patchelf, "--print-interpreter", program]).strip())
        if not self.loader.name.startswith("ld-linux"):
            raise BuildError(f"a Python of glibc is needed; {program} is started by {self.loader}")
        self._found: dict[str, Path] = {}

    def needed_by(self, bundle: Path) -> dict[str, Path]:
        """The libraries, by the name they are asked for, that the bundle doesn't have itself."""
        for file in _machine_code(bundle):
            self._look_at(file, bundle)
        return dict(self._found)

    def source(self, name: str) -> Path:
        return self._found[name].resolve()

    def _look_at(self, file: Path, bundle: Path) -> None:
        paths = {"LD_LIBRARY_PATH": interpreter.library_directory()}
        listed = tools.run([self.loader, "--list", file], env=paths)
        if missing := _MISSING.search(listed):
            raise BuildError(f"{missing[1]} is missing, which {file.name} needs: install it")
        for name, path in _LISTED.findall(listed):
            source = Path(path)
            if path and source.name != self.loader.name and not source.is_relative_to(bundle):
                self._found[Path(name).name] = source


def _machine_code(bundle: Path) -> Iterator[Path]:
    for file in sorted(bundle.rglob("*")):
        if file.is_file() and not file.is_symlink():
            with file.open("rb") as opened:
                if opened.read(4) == b"\x7fELF":
                    yield file


def _strip(bundle: Path) -> None:
    strip = tools.strip()
    for file in _machine_code(bundle):
        if file.name not in _NOT_STRIPPED:
            file.chmod(0o755)
            tools.run([strip, "--strip-unneeded", file])


def _copy(source: Path, to: Path) -> None:
    shutil.copyfile(source, to)
    to.chmod(0o755)


def _close(loader: Path) -> None:
    """Have the loader ignore the image's list of libraries to load into every program."""
    content = loader.read_bytes()
    for name, other in _LOADERS_FILES.items():
        if content.count(name + b"\0") != 1:
            raise BuildError(f"{loader.name} is unlike other loaders: it has no {name.decode()}")
        content = content.replace(name + b"\0", other + b"\0")
    loader.write_bytes(content)


def _forget_paths(file: Path, patchelf: Path) -> None:
    """Remove where the file would look before it looks into the bundle, but for its neighbours."""
    if file.name.startswith("ld-linux"):
        return
    path = tools.run([patchelf, "--print-rpath", file]).strip()
    kept = ":".join(part for part in path.split(":") if part.startswith("$ORIGIN"))
    if kept != path:
        change = ("--set-rpath", kept) if kept else ("--remove-rpath",)
        tools.run([patchelf, *change, file])
