"""What a command has left in `/pfs/out`: found, checked, announced, uploaded.

Called by `datum`. Nothing is left out silently: what can't be stored fails the datum by its name.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from uuid import UUID

from falconeri.client.retry import RetryPolicy
from falconeri.client.work import WorkClient
from falconeri.errors import FalconeriError, InvalidInput, OutputBusy, StorageError
from falconeri.states import OutputStatus
from falconeri.storage import Stored
from falconeri.wire.work import Claim, NewOutput, NewOutputs, OutputUpdate, OutputUpdates
from falconeri_worker.excerpt import printable
from falconeri_worker.stores import Stores

_BUSY = RetryPolicy(deadline_s=120.0, base_s=1.0, cap_s=20.0, tries=10)
"""While the object of an earlier attempt is being deleted."""


MAX_URI_BYTES = 2000
"""What falconerid's index holds; keys of S3 and Google end at half of that."""


class OutputRefused(Exception):
    """The command has left something that isn't a file we can store."""


@dataclass(frozen=True)
class Output:
    """A file and where it goes."""

    path: Path
    """The file itself, not a link to it."""
    uri: str

    def moved(self, root: Path, to: Path) -> Output:
        """Return the same after the directory for outputs has been moved."""
        return replace(self, path=to / self.path.relative_to(root))


@dataclass(frozen=True, kw_only=True)
class Publisher:
    """Announces and uploads the files of one attempt.

    `pause`, `await_lease` and `run_all` may raise the wish to stop.
    """

    client: WorkClient
    claim: Claim
    pod_name: str
    stores: Stores
    pause: Callable[[float], None]
    await_lease: Callable[[], None]
    """Returns when nobody else can be writing the same files."""
    run_all: Callable[[Sequence[Callable[[], Stored]]], list[Stored]]

    def publish(self, outputs: Sequence[Output]) -> int:
        """Announce all files, upload them, tell how that went; return their bytes.

        Raises:
            ClaimLost: The attempt is over.
            OutputClash: Another datum writes one of them, maybe another job's; `detail` says which.
            OutputBusy: One of them is still being deleted.
            StorageError: An upload failed; falconerid knows.
        """
        if not outputs:
            return 0
        ids = self._register(outputs)
        uploads = [partial(self._upload, output) for output in outputs]
        try:
            stored = self.run_all(uploads)
        except (StorageError, InvalidInput):
            failed = [OutputUpdate(id=ids[o.uri], status=OutputStatus.ERROR) for o in outputs]
            self._settle(failed)
            raise
        self._settle([_done(ids[o.uri], of) for o, of in zip(outputs, stored, strict=True)])
        return sum(each.size_bytes for each in stored)

    def _register(self, outputs: Sequence[Output]) -> dict[str, UUID]:
        new = NewOutputs(
            pod_name=self.pod_name,
            attempt=self.claim.attempt,
            output_files=[NewOutput(uri=output.uri) for output in outputs],
        )
        failures = 0
        while True:
            try:
                files = self.client.register_outputs(self.claim.datum_id, new)
            except OutputBusy:
                failures += 1
                if failures == _BUSY.tries:
                    raise
                self.pause(_BUSY.pause_s(failures))
            else:
                break
        ids = {file.uri: file.id for file in files}
        if ids.keys() != {output.uri for output in outputs}:
            raise FalconeriError("falconerid registered other output files than it was told")
        return ids

    def _upload(self, output: Output) -> Stored:
        self.await_lease()
        return self.stores.of(output.uri).upload(output.path, output.uri)

    def _settle(self, updates: list[OutputUpdate]) -> None:
        self.client.settle_outputs(
            self.claim.datum_id,
            OutputUpdates(pod_name=self.pod_name, attempt=self.claim.attempt, output_files=updates),
        )


def find_outputs(out: Path, egress_uri: str) -> list[Output]:
    """List the files below `out`, hidden ones too, in the order of their URIs.

    Symbolic links are followed as long as they stay inside. Empty directories leave nothing.

    Raises:
        OutputRefused: A name that isn't UTF-8 or is too long, a link that leads nowhere, outside or
            in a circle, a pipe, socket or device, or what we may not read.
    """
    if not out.is_dir():
        raise OutputRefused("the command has removed its directory for outputs")
    base = egress_uri if egress_uri.endswith("/") else egress_uri + "/"
    root = out.resolve()
    found: list[Output] = []
    pending = [_Folder(out, root, None)]
    while pending:
        folder = pending.pop()
        for path in _children(folder.path, out):
            name = path.relative_to(out)
            is_link = path.is_symlink()
            real = _target(path, name, root) if is_link else folder.real / path.name
            mode = real.stat().st_mode
            if stat.S_ISDIR(mode):
                if is_link and folder.is_in(real):
                    raise _refused(name, "is a symbolic link that leads in a circle")
                pending.append(_Folder(path, real, folder))
            elif stat.S_ISREG(mode):
                _check_file(path, name)
                uri = base + name.as_posix()
                if len(uri.encode()) > MAX_URI_BYTES:
                    raise _refused(name, f"has a URI of more than {MAX_URI_BYTES:,} bytes")
                found.append(Output(real, uri))
            else:
                raise _refused(name, "is not a file (a pipe, a socket or a device)")
    return sorted(found, key=lambda output: output.uri)


@dataclass(frozen=True)
class _Folder:
    """A directory as we came to it, and where it really is."""

    path: Path
    real: Path
    parent: _Folder | None

    def is_in(self, real: Path) -> bool:
        """Whether `real` is this folder or one on the way to it: a circle needs a link back."""
        folder: _Folder | None = self
        while folder is not None and folder.real != real:
            folder = folder.parent
        return folder is not None


def _children(folder: Path, out: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except PermissionError as ex:
        raise _refused(folder.relative_to(out), "is a directory that cannot be read") from ex


def _target(path: Path, name: Path, root: Path) -> Path:
    try:
        target = Path(os.path.realpath(path, strict=True))
    except OSError as ex:
        raise _refused(name, f"is a symbolic link that leads nowhere ({ex.strerror})") from ex
    if not target.is_relative_to(root):
        raise _refused(name, f"is a symbolic link that leads outside, to {target}")
    return target


def _check_file(path: Path, name: Path) -> None:
    try:
        str(name).encode()
    except UnicodeEncodeError as ex:
        raise _refused(name, "has a name that is not UTF-8") from ex
    if not os.access(path, os.R_OK):
        raise _refused(name, "cannot be read")


def _refused(name: Path, why: str) -> OutputRefused:
    return OutputRefused(printable(f"output {str(name)!r} {why}"))


def _done(file_id: UUID, stored: Stored) -> OutputUpdate:
    return OutputUpdate(
        id=file_id,
        status=OutputStatus.DONE,
        size_bytes=stored.size_bytes,
        checksum=stored.checksum,
    )
