"""What the pod tells the worker, read once from the environment.

Called by `main`. The names are those of `FALCONERI_*` in the manifest of a job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from falconeri.client.transport import waiting_url
from falconeri.errors import InvalidArgument
from falconeri.wire.memory import MAX_RUNGS

DEFAULT_URL = "http://falconerid:8089/"
DEFAULT_PASSWORD_FILE = "/etc/falconeri/secrets/POSTGRES_PASSWORD"  # noqa: S105 (a path)

MAX_PREFETCH = 1
MAX_GRACE_S = 86_400


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A worker's surroundings."""

    url: str
    """falconerid's REST port."""
    wait_url: str
    """falconerid's waiting port."""
    password: str = field(repr=False)
    pod_name: str
    node_name: str
    pfs: Path
    """What the program sees as `/pfs`; its inputs, and `out`."""
    scratch: Path
    """A directory for the program's temporary files, empty for each datum."""
    space: Path | None
    """Holds `pfs` and `scratch`, and room beside them to put files aside; None: there is none."""
    prefetch: int
    """Whether a datum may be fetched while another one's command runs: 1, or 0."""
    grace_s: float
    """How long the datums in work may go on after SIGTERM."""
    rung: int
    """How much memory we have, as a rung of the job's ladder; 0 without one."""
    listen_dsn: str | None = field(repr=False)
    """The database that tells of work; None: falconerid does."""
    log_level: str


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings and the password file.

    Raises:
        InvalidArgument: A variable is missing or wrong; `detail` says which.
    """
    url = environ.get("FALCONERI_URL") or DEFAULT_URL
    password_file = environ.get("FALCONERI_PASSWORD_FILE") or DEFAULT_PASSWORD_FILE
    return Settings(
        url=url,
        wait_url=environ.get("FALCONERI_WAIT_URL") or waiting_url(url),
        password=_read_password(Path(password_file)),
        pod_name=_required(environ, "FALCONERI_POD_NAME"),
        node_name=_required(environ, "FALCONERI_NODE_NAME"),
        pfs=Path(environ.get("FALCONERI_PFS") or "/pfs"),
        scratch=Path(environ.get("FALCONERI_SCRATCH") or "/scratch"),
        space=Path(space) if (space := environ.get("FALCONERI_SPACE")) else None,
        prefetch=_number(environ, "FALCONERI_PREFETCH", default=1, largest=MAX_PREFETCH),
        grace_s=_number(environ, "FALCONERI_GRACE", default=0, largest=MAX_GRACE_S),
        rung=_number(environ, "FALCONERI_RUNG", default=0, largest=MAX_RUNGS - 1),
        listen_dsn=environ.get("FALCONERI_LISTEN_DSN") or None,
        log_level=environ.get("FALCONERI_LOG") or "info",
    )


def _number(environ: Mapping[str, str], name: str, *, default: int, largest: int) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and int(text) <= largest):
        raise InvalidArgument(name, detail=f"{text!r} is not a number from 0 to {largest}")
    return int(text)


def _required(environ: Mapping[str, str], name: str) -> str:
    if not (value := environ.get(name)):
        raise InvalidArgument("variable not set", detail=name, hint="the job's manifest sets it")
    return value


def _read_password(path: Path) -> str:
    """Take the file's text as it is, but for the newline that an editor adds."""
    try:
        return path.read_bytes().decode().removesuffix("\n")
    except OSError as ex:
        raise InvalidArgument(
            "cannot read the password", detail=f"{path}: {ex.strerror}", hint=_PASSWORD_HINT
        ) from ex
    except UnicodeDecodeError as ex:
        raise InvalidArgument("the password is not UTF-8", detail=str(path)) from ex


_PASSWORD_HINT = "FALCONERI_PASSWORD_FILE names the file"  # noqa: S105 (a hint)
