"""The Python that builds the bundle, copied into it: the program and its standard library.

Called by `build`. Whether that Python has its library in a file of its own or not, comes from
Debian or from elsewhere, makes no difference: what it is linked with is carried by `libraries`.
"""

from __future__ import annotations

import re
import shutil
import sys
import sysconfig
from pathlib import Path

STDLIB = Path(sys.platlibdir) / f"python{sysconfig.get_python_version()}"
"""Where the program looks for its modules, seen from the directory above its own."""

_LEFT_OUT = frozenset(
    {
        *("__phello__", "__pycache__", "EXTERNALLY-MANAGED", "dist-packages", "site-packages"),
        *("curses", "dbm", "distutils", "ensurepip", "idlelib", "lib2to3", "msilib", "pydoc_data"),
        *("sqlite3", "test", "tests", "tkinter", "turtle.py", "turtledemo", "unittest", "venv"),
        *("wsgiref", "xmlrpc", "_pydecimal.py", "cgi.py", "doctest.py", "imaplib.py", "mailbox.py"),
        *("nntplib.py", "pdb.py", "pickletools.py", "pydoc.py", "smtpd.py", "telnetlib.py"),
        *("_pyrepl", "sitecustomize.py"),
    }
)
"""What no worker uses: much of it needs further libraries, and the last is a link out of there."""

_EXTENSIONS_LEFT_OUT = re.compile(
    r"(_codecs_|_test|_xx|xx|_crypt|_curses|_dbm|_gdbm|_sqlite3|_tkinter|audioop|nis|ossaudiodev"
    r"|readline|spwd)"
)
"""And no worker meets East Asia's encodings (`_codecs_`): our texts and the stores' are UTF-8."""


def program() -> Path:
    """Return the file of the running Python, also from within a venv."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def library_directory() -> str:
    """Return where a Python that was moved or built by hand has its own library."""
    return str(sysconfig.get_config_var("LIBDIR") or "")


def copy_python(to: Path) -> None:
    """Copy the program to `bin/python3` and the standard library to where it looks for it."""
    (to / "bin").mkdir()
    shutil.copy(program(), to / "bin" / "python3")
    shutil.copytree(sysconfig.get_path("stdlib"), to / STDLIB, ignore=_left_out)
    extensions = to / STDLIB / "lib-dynload"
    apart = Path(sysconfig.get_path("platstdlib")) / "lib-dynload"
    if not extensions.exists() and apart.exists():
        shutil.copytree(apart, extensions, ignore=_left_out)


def _left_out(folder: str, names: list[str]) -> list[str]:
    extensions = folder.endswith("lib-dynload")
    return [
        name
        for name in names
        if name in _LEFT_OUT
        or name.startswith("config-")
        or (extensions and _EXTENSIONS_LEFT_OUT.match(name))
    ]
